"""The dates and clocks that logs write, in whatever order, language and completeness.

Four degrees of completeness: a date and a time; a date without a year (syslog, RFC 3164 §4.1.2); a time of day; the
milliseconds since a controller booted (ESP-IDF, kernel logs). What is missing is taken from a moment near which the
log was written, usually a date in the first messages, and carried on from line to line: over midnight, new year, and
reboots.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final, Literal, NamedTuple

SECOND: Final = 1_000_000_000
DAY: Final = 86_400 * SECOND
_EPOCH: Final = date(1970, 1, 1).toordinal()
_FIRST_CREDIBLE: Final = (date(2009, 1, 1).toordinal() - _EPOCH) * DAY
"""OCPP is from 2009. Earlier dates in messages come from clocks that were never set, and date nothing."""
_LAST_YEAR: Final = 2199
"""Four digits beyond it are something else than a year."""
_DISORDER: Final = 3600 * SECOND
"""How far back a line without a date may lie before it is taken to be of the next day: threads write out of order."""


class Stamp(NamedTuple):
    """A time as a log line has it."""

    kind: Literal["date", "yearless", "clock", "uptime"]
    ns: int
    """Since the epoch; since the beginning of the (leap) year; since midnight; since boot."""
    zoned: bool
    """It says its time zone; ``ns`` is then UTC."""


_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        # English, German, French, Spanish, Dutch, Italian, Portuguese: the first three letters, without accents
        (
            "jan ene gen", "feb fev fef", "mar mrz maa mrt", "apr abr avr", "may mai mei mag", "jun jui giu",
            "jul lug jut", "aug ago aou", "sep set", "oct okt ott out", "nov", "dec dez dic des",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_PLAIN: Final = str.maketrans("äéûáãçôê", "aeuaacoe")

_HMS: Final = r"(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?"
_ZONE: Final = r"(?:\s?(Z(?![A-Za-z])|UTC|GMT|[+-]\d{2}:?\d{2}(?!\d))|([+-]\d{2})(?![\d:]))?"
_HALF: Final = r"(?:\s?([AaPp])\.?[Mm]\b\.?)?"

_ISO: Final = re.compile(
    r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T_]|,?[ \t]+(?:@ )?)(\d{1,2}):(\d{2}):(\d{2})(?:[.,:](\d{1,9}))?"
    + _ZONE
)
_COMPACT: Final = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})[T_](\d{2})(\d{2})(\d{2})(?:[.,](\d{1,9}))?" + _ZONE)
_NUMERIC: Final = re.compile(
    r"(?<![\d.])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2}(?!\d)),?[ \tT]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,](\d{1,9}))?"
    + _HALF
    + _ZONE
)
_NAMED_DAY_FIRST: Final = re.compile(
    r"(?<!\d)(\d{1,2})\.?[ /-]([^\W\d_]{3,9})\.?[ /-](\d{4})(?:[:T]|,?\s+(?:@ )?)" + _HMS + _HALF + _ZONE
)
_NAMED_MONTH_FIRST: Final = re.compile(
    r"(?<![^\W_])([^\W\d_]{3,9})\.?[ /-]+(\d{1,2})(?:,? (\d{4}))?(?:,|:)?\s+(?:@ )?"
    + _HMS
    + r"(?: (\d{4})\b)?"
    + _HALF
    + _ZONE
)
_CLOCK: Final = re.compile(r"(?<![\d:.T-])" + _HMS + r"(?![\d:])" + _HALF + _ZONE)
_EPOCH_TIME: Final = re.compile(
    r"(?:^[\s\[(\"']*|\b(?:ts|time|timestamp|epoch|date|t)[\"']?\s{0,4}[=:]\s{0,4}[\"']?)"
    r"(1\d{9})(?:[.,](\d{1,9})|(\d{3}|\d{6}|\d{9}))?(?![\d\w-])"
)
_ESP_UPTIME: Final = re.compile(r"^(?:\x1b\[[\d;]*m)?[EWIDV] \((\d{1,10})\) ")
_KERNEL_UPTIME: Final = re.compile(r"^\[\s{0,8}(\d{1,8})\.(\d{6})\]")

_IN_MESSAGE: Final = re.compile(
    r'"(?:currentTime|timestamp)"\s{0,8}:\s{0,8}"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[^"]{0,16})"'
)

_MAX_SEARCHED: Final = 4096
"""Characters of a message that are searched for a date."""
_MAX_CELL: Final = 64
"""Characters; the longest spelt-out date is half of that."""


class Times:
    """Reads times of one log; remembers what its dates have shown about the order of day and month."""

    def __init__(self) -> None:
        self._day_first = True
        self._days: dict[tuple[str, str, str], int] = {}

    def find(self, text: str) -> tuple[Stamp, int, int] | None:
        """The best time in a stretch of text, and where it stands: complete before incomplete, zoned before local."""
        best: tuple[Stamp, int, int] | None = None
        for found in _ISO.finditer(text):
            stamp = self._iso(found)
            if stamp is not None:
                if stamp.zoned:
                    return stamp, *found.span()
                best = best or (stamp, *found.span())
        if best is not None:
            return best
        for pattern, read in _OTHERS:
            match = pattern.search(text)
            if match is not None:
                stamp = read(self, match)
                if stamp is not None:
                    if stamp.kind == "date":
                        return stamp, *match.span()
                    best = best or (stamp, *match.span())
        return best

    def read(self, value: Any) -> Stamp | None:
        """The time that a whole cell or JSON value is; None when it is something else."""
        if isinstance(value, dict):
            value = value.get("$date", value.get("$numberLong"))  # MongoDB's extended JSON
            if isinstance(value, dict):
                value = value.get("$numberLong")
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return _epoch(str(value)) if value.__class__ is int else _epoch(f"{value:.9f}")
        if not isinstance(value, str):
            return None
        text = value.strip().strip("\"'[]")
        if not 5 <= len(text) <= _MAX_CELL or not any(map(str.isdigit, text)):
            return None
        stamp = _epoch(text)
        if stamp is None:
            found = self.find(text)
            # A weekday may precede and a zone's name follow; a sentence with a time in it is no time.
            if found is not None and found[1] <= 6 and len(text) - found[2] <= 6:
                stamp = found[0]
        return stamp

    def _iso(self, match: re.Match[str]) -> Stamp | None:
        year, _, month, day, hour, minute, second, fraction, zone, hours = match.groups()
        return self._stamp(year, month, day, hour, minute, second, fraction, zone or hours)

    def _stamp(
        self,
        year: str,
        month: str,
        day: str,
        hour: str,
        minute: str,
        second: str | None,
        fraction: str | None,
        zone: str | None,
    ) -> Stamp | None:
        key = (year, month, day)
        midnight = self._days.get(key)
        if midnight is None:
            if not 1970 <= int(year) <= _LAST_YEAR:
                return None
            try:
                ordinal = date(int(year), int(month), int(day)).toordinal()
            except ValueError:
                return None
            if len(self._days) > 64:
                self._days.clear()
            midnight = self._days[key] = (ordinal - _EPOCH) * DAY
        of_day = _of_day(hour, minute, second, fraction)
        if of_day is None:
            return None
        if zone is None:
            return Stamp("date", midnight + of_day, False)
        return Stamp("date", midnight + of_day - _offset(zone), True)

    def _compact(self, match: re.Match[str]) -> Stamp | None:
        year, month, day, hour, minute, second, fraction, zone, hours = match.groups()
        return self._stamp(year, month, day, hour, minute, second, fraction, zone or hours)

    def _numeric(self, match: re.Match[str]) -> Stamp | None:
        first, separator, second, year, hour, minute, seconds, fraction, half, zone, hours = match.groups()
        if separator == "/":
            if int(first) > 12 or int(second) > 12:
                self._day_first = int(first) > 12
            elif half:
                self._day_first = False  # who writes AM and PM writes the month first
            if not self._day_first:
                first, second = second, first
        if len(year) == 2:
            year = "20" + year
        hour = _of_half(hour, half)
        return self._stamp(year, second, first, hour, minute, seconds, fraction, zone or hours)

    def _named_day_first(self, match: re.Match[str]) -> Stamp | None:
        day, name, year, hour, minute, second, fraction, half, zone, hours = match.groups()
        month = _month(name)
        if not month:
            return None
        return self._stamp(year, str(month), day, _of_half(hour, half), minute, second, fraction, zone or hours)

    def _named_month_first(self, match: re.Match[str]) -> Stamp | None:
        name, day, year, hour, minute, second, fraction, later_year, half, zone, hours = match.groups()
        month = _month(name)
        if not month:
            return None
        year = year or later_year
        zone = zone or hours
        # 2000 was a leap year: a yearless 29 February exists in it.
        stamp = self._stamp(year or "2000", str(month), day, _of_half(hour, half), minute, second, fraction, zone)
        if stamp is None or year:
            return stamp
        return Stamp("yearless", stamp.ns - _year_start(2000), stamp.zoned)

    def _clock(self, match: re.Match[str]) -> Stamp | None:
        hour, minute, second, fraction, half, zone, hours = match.groups()
        of_day = _of_day(_of_half(hour, half), minute, second, fraction)
        if of_day is None:
            return None
        zone = zone or hours
        return Stamp("clock", of_day - _offset(zone), True) if zone else Stamp("clock", of_day, False)

    def _epoch_time(self, match: re.Match[str]) -> Stamp | None:
        seconds, fraction, more = match.groups()
        return Stamp("date", int(seconds) * SECOND + _fraction(fraction or more), True)

    def _esp_uptime(self, match: re.Match[str]) -> Stamp | None:
        return Stamp("uptime", int(match[1]) * 1_000_000, True)

    def _kernel_uptime(self, match: re.Match[str]) -> Stamp | None:
        return Stamp("uptime", int(match[1]) * SECOND + int(match[2]) * 1000, True)


_OTHERS: Final = (
    (_COMPACT, Times._compact),
    (_NUMERIC, Times._numeric),
    (_NAMED_DAY_FIRST, Times._named_day_first),
    (_NAMED_MONTH_FIRST, Times._named_month_first),
    (_EPOCH_TIME, Times._epoch_time),
    (_CLOCK, Times._clock),
    (_ESP_UPTIME, Times._esp_uptime),
    (_KERNEL_UPTIME, Times._kernel_uptime),
)
"""Complete dates first, then by how much is missing."""


def _month(name: str) -> int:
    return _MONTHS.get(name.lower().translate(_PLAIN)[:3], 0)


def _of_half(hour: str, half: str | None) -> str:
    if not half:
        return hour
    return str(int(hour) % 12 + (12 if half in "pP" else 0))


def _of_day(hour: str, minute: str, second: str | None, fraction: str | None) -> int | None:
    h, m, s = int(hour), int(minute), int(second or 0)
    if h > 23 or m > 59 or s > 60:
        return None
    return (h * 3600 + m * 60 + s) * SECOND + (_fraction(fraction) if fraction else 0)


def _fraction(digits: str | None) -> int:
    return int(digits.ljust(9, "0")) if digits else 0


def _offset(zone: str) -> int:
    """Nanoseconds east of UTC."""
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4] or 0) * 60
    return (-seconds if zone[0] == "-" else seconds) * SECOND


def _epoch(text: str) -> Stamp | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their number of digits (from 2001 to 2286)."""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit()) or len(whole) not in (10, 13, 16, 19) or whole[0] == "0":
        return None
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        return None
    scale = 10 ** (19 - len(whole))
    return Stamp("date", int(whole) * scale + int(fraction[:9].ljust(9, "0")) * scale // SECOND, True)


def _year_start(year: int) -> int:
    return (date(year, 1, 1).toordinal() - _EPOCH) * DAY


def _in_year(stamp: Stamp, year: int) -> int:
    day, of_day = divmod(stamp.ns, DAY)
    in_2000 = date.fromordinal(date(2000, 1, 1).toordinal() + day)
    try:
        return (in_2000.replace(year=year).toordinal() - _EPOCH) * DAY + of_day
    except ValueError:  # 29 February of a year that has none
        return (date(year, 3, 1).toordinal() - _EPOCH) * DAY + of_day


class Calendar:
    """Completes times: zone, year, date, moment of boot."""

    def __init__(self, utc_offset: int | None, around: int | None) -> None:
        """``utc_offset``: seconds east of UTC that times without a zone are in. ``around``: about when the log was
        written (ns), for dates that are incomplete; a date found in its messages is preferred."""
        self._utc_offset = (utc_offset or 0) * SECOND
        self._around = around
        self._known_offset = utc_offset is not None
        self._last: int | None = None
        """The latest time resolved, from which the next one goes on."""
        self._hint: int | None = None
        """A date found in a message, before any line with a time."""
        self._boot: int | None = None
        self._last_uptime = 0
        self.zone_assumed = False
        self.date_assumed = False

    def needs_date(self, stamp: Stamp) -> bool:
        """Tell whether this time can only be completed when some message (or ``settle``) gives a date."""
        if stamp.kind != "date" and self._last is None and self._hint is not None:
            self._begin(self._hint, stamp)
        return stamp.kind != "date" and self._last is None

    def learn(self, text: str, stamp: Stamp | None) -> bool:
        """Look for a date in a message that was logged at ``stamp``; tell whether there is one now."""
        if self._last is None and self._hint is None:
            for found in _IN_MESSAGE.finditer(text, 0, _MAX_SEARCHED):
                inside = Times().read(found[1])
                if inside is not None and inside.ns >= _FIRST_CREDIBLE:
                    self._hint = inside.ns
                    break
        if self._last is None and self._hint is not None and stamp is not None:
            self._begin(self._hint, stamp)
        return self._last is not None or self._hint is not None

    def begin_at(self, known: Stamp, stamp: Stamp | None) -> None:
        """A complete time came after incomplete ones, the first of which is ``stamp``."""
        if self._last is None:
            self._begin(known.ns if known.zoned else known.ns - self._utc_offset, stamp)

    def is_written_at(self, moment: int) -> None:
        """The log is being written now, if nothing else is known."""
        if self._around is None:
            self._around = moment

    def settle(self, stamp: Stamp | None) -> None:
        """No message gave a date: take the time given from outside, or 1970, which shows that nothing is known."""
        if self._last is None:
            self._begin(self._hint if self._hint is not None else self._around or 0, stamp)

    def _begin(self, moment: int, stamp: Stamp | None) -> None:
        self._last = moment
        if stamp is not None and stamp.kind == "uptime":
            self._boot = moment - stamp.ns
            self._last_uptime = 0
        elif stamp is not None:
            # Half a turn back, so that the first times are placed nearest to the moment, before or after it.
            if stamp.kind == "clock":
                self._last = moment - DAY // 2 + _DISORDER
            elif stamp.kind == "yearless":
                self._last = moment - 183 * DAY
        self._last = max(self._last, 0)

    def resolve(self, stamp: Stamp) -> int:
        """Nanoseconds since the epoch."""
        if stamp.kind == "uptime":
            time = self._since_boot(stamp)
        else:
            local = stamp
            if not stamp.zoned:
                self.zone_assumed = self.zone_assumed or not self._known_offset
                local = stamp._replace(ns=stamp.ns - self._utc_offset)
            if stamp.kind == "date":
                time = local.ns
            else:
                self.date_assumed = True
                time = self._dated(stamp, local.ns)
        self._last = time
        return time

    def _dated(self, stamp: Stamp, ns: int) -> int:
        last = self._last or 0
        if stamp.kind == "clock":
            earliest = last - _DISORDER
            return earliest + (ns - earliest) % DAY if last else ns % DAY
        shift = ns - stamp.ns
        year = date.fromordinal(_EPOCH + last // DAY).year
        earliest = last - DAY
        for candidate in range(max(year - 1, 1970), year + 2):
            time = _in_year(stamp, candidate) + shift
            if time >= earliest:
                return time
        return _in_year(stamp, year) + shift

    def _since_boot(self, stamp: Stamp) -> int:
        self.date_assumed = True
        if self._boot is None:
            self._boot = self._last or 0
        elif stamp.ns < self._last_uptime - SECOND:
            self._boot = self._last or 0  # it booted again, some time after the last line
        self._last_uptime = stamp.ns
        return self._boot + stamp.ns
