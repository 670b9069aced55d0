"""Power against what is allowed: limits that change without rest, cars that may not charge, a site that takes too
much."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.energy import POWER
from fieldkit.checks.measured import amount_words, power_words, total
from fieldkit.checks.words import SECOND, counted, duration, times
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.profile import Limit
from fieldkit.site.reading import member, number, objects, text
from fieldkit.site.station import Station

THRASH: Final = 6
THRASH_TIME: Final = 420 * SECOND
"""Changes of the limit of one connector within this time …"""
THRASH_FACTOR: Final = 2.5
PAST: Final = 3600 * SECOND
"""… and so many times more than ever before, this hour left out."""
STUCK: Final = 1000 * SECOND
"""A car that may not charge for so long, or for so many times longer than any before it. Power is metered and billed by
the quarter of an hour: a load manager that lets a car wait for the next one is at work, not stuck."""
STUCK_FACTOR: Final = 2.0
STALE: Final = 960 * SECOND
"""A power that was told so long ago is not counted any more."""
OVER: Final = 1.05
"""A measured sum may be over a limit by so much, and must be for ``OVER_TIME``."""
OVER_TIME: Final = 60 * SECOND
SETTLING: Final = 30 * SECOND
"""A car follows a new limit within seconds (IEC 61851-1 allows five), an inverter of direct current within half a
minute."""
NOTHING: Final = 60.0
"""W: no charging."""
NEAR: Final = 0.9
"""Share of a limit that a station comes near to which it is meant for."""


@dataclass(slots=True)
class _Place:
    station: str = ""
    connector: str = ""
    power: float = 0.0
    time: int = 0
    limits: deque[tuple[int, float, OcppMessage]] = field(default_factory=lambda: deque(maxlen=64))
    """Limits set: time, value, order."""
    rates: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=128))
    """When it was changed, and how often within ``THRASH_TIME`` by then."""
    paused: int = 0
    """Since when a car may not charge; 0: it may."""
    pause: OcppMessage | None = None
    flowed: bool = False


class Load(Tracker):
    """Power and limits of all connectors of a site."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._places: dict[str, _Place] = {}
        self._longest = 0
        """The longest pause of this site after which charging went on."""
        self._over_since = 0
        self._over_first: OcppMessage | None = None
        self._above: dict[str, int] = {}
        """Since when a station takes more than the limit for all its connectors."""
        self._highest = 0.0
        """W: the most that one station has taken."""

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage):
            return
        station = self.context.picture.stations.get(event.channel.station)
        if station is None:
            return
        action = event.action
        if action == "SetChargingProfile":
            if event.type is MessageType.CALLRESULT and text(event.payload, "status") == "Accepted":
                self._set(event, station)
        elif event.type is MessageType.CALL and event.sender == "station":
            if action in ("MeterValues", "TransactionEvent") and station.meters.fresh:
                self._measured(event, station)
            if action in ("StatusNotification", "TransactionEvent"):
                self._states(event, station)

    def _place(self, station: str, connector: str) -> _Place:
        place = kept(self._places, f"{station}\n{connector}", _Place, 8000)
        place.station, place.connector = station, connector
        return place

    # --------------------------------------------------------------------------------------------------------- thrash

    def _set(self, answer: OcppMessage, station: Station) -> None:
        call = answer.call
        if call is None:
            return
        payload = call.payload
        where = number(payload, "connectorId")
        where = number(payload, "evseId") if where is None else where
        connector = f"{where:.0f}" if where is not None else ""
        profile = member(payload, "csChargingProfiles") or member(payload, "chargingProfile")
        schedule = member(profile, "chargingSchedule")
        if isinstance(schedule, list):
            schedule = schedule[0] if schedule else None
        limit = next((number(one, "limit") for one in objects(schedule, "chargingSchedulePeriod")), None)
        place = self._place(station.identity, connector)
        if limit is None or (place.limits and place.limits[-1][1] == limit):
            return
        place.limits.append((answer.time, limit, call))
        recent = [one for one in place.limits if answer.time - one[0] <= THRASH_TIME]
        most = max((number for time, number in place.rates if answer.time - time > PAST), default=0)
        place.rates.append((answer.time, min(len(recent), THRASH)))
        if len(recent) < max(THRASH, int(THRASH_FACTOR * most)):
            return
        values = [one[1] for one in recent]
        unit = text(schedule, "chargingRateUnit") or ""
        self.context.tell(
            "profile-thrash",
            station.identity,
            0.75,
            f"The limit of {'connector ' + connector if connector else station.identity} was changed {len(recent)} "
            f"times within {duration(answer.time - recent[0][0])}, between {amount_words(min(values), unit)} and "
            f"{amount_words(max(values), unit)}; usually {times(max(most, 1))} at the most.",
            tuple(one[2] for one in recent[-6:]),
            connector=connector,
            first=recent[0][0],
            layer="statistics",
            sign="thrash",
        )

    # --------------------------------------------------------------------------------------------------------- pauses

    def _states(self, message: OcppMessage, station: Station) -> None:
        if message.action == "TransactionEvent":
            made = station.transactions.latest
            if made is not None:
                self._state(message, station.identity, made.connector, made.charging_state, ended=made.end is not None)
            return
        for connector, change in station.connectors.fresh:
            if station.transactions.on(connector.name) is not None or change.status == "Available":
                self._state(message, station.identity, connector.name, change.status,
                            ended=change.status in ("Available", "Finishing"))  # fmt: skip

    def _state(self, message: OcppMessage, name: str, connector: str, state: str, *, ended: bool) -> None:
        place = self._place(name, connector)
        if ended or state in ("SuspendedEV", "Faulted"):
            self._resumed(place, resumed=False)
            place.flowed = place.flowed and not ended
        elif state == "SuspendedEVSE":
            self._paused(message, place)

    def _paused(self, message: OcppMessage, place: _Place) -> None:
        if place.paused:
            return
        place.paused, place.pause = message.time, message
        patience = max(STUCK, int(STUCK_FACTOR * self._longest))
        key = ("stuck", place.station, place.connector)
        self.context.at(key, message.time + patience, lambda time: self._stuck(place, time))

    def _resumed(self, place: _Place, *, resumed: bool) -> None:
        if place.paused:
            if resumed:
                self._longest = max(self._longest, self.context.now - place.paused)
            place.paused, place.pause = 0, None
            self.context.off(("stuck", place.station, place.connector))

    def _stuck(self, place: _Place, time: int) -> None:
        if not place.paused or place.pause is None:
            return
        usual = (
            f"the longest such wait so far was {duration(self._longest)}"
            if self._longest
            else "no car has had to wait so far"
        )
        self.context.tell(
            "stuck-at-zero",
            place.station,
            0.7,
            f"A car has been waiting at connector {place.connector or '?'} for {duration(time - place.paused)}, as the "
            f"station may not give it anything; {usual}.",
            (place.pause,),
            connector=place.connector,
            first=place.paused,
            layer="statistics",
            sign="pause",
        )

    # ------------------------------------------------------------------------------------------------------ the whole

    def _measured(self, message: OcppMessage, station: Station) -> None:
        samples = station.meters.measured.get(POWER)
        if not samples or samples[-1].unit != "W" or not samples[-1].connector:
            return
        value = total(samples, samples[-1].time)
        if value is None:
            return
        place = self._place(station.identity, samples[-1].connector)
        place.power, place.time = value, message.time
        self._highest = max(
            self._highest, sum(one.power for one in self._places.values() if one.station == station.identity)
        )
        if value > NOTHING:
            place.flowed = True
            self._resumed(place, resumed=True)
        elif samples[-1].transaction and self._limit_is_zero(station, samples[-1].connector, samples[-1].time):
            self._paused(message, place)
        self._over(message)

    def _limit_is_zero(self, station: Station, connector: str, time: int) -> bool:
        made = station.transactions.on(connector)
        if made is None or not station.charging.profiles:
            return False
        limits = station.charging.limit(connector, time, made.started)
        return any(limit.value < (6.0 if limit.unit == "A" else 1380.0) for limit in limits)

    def _over(self, message: OcppMessage) -> None:
        """The sum of all connectors against the sum that the stations' own limits allow."""
        now = message.time
        limits = self._station_limits(now)
        powers = self._powers(limits, now)
        name = message.channel.station
        self._alone(message, limits.get(name), *powers.get(name, (0.0, 0)))
        limit = self._site_limit(limits)
        if limit is None:
            self._over_since = 0
            return
        power = sum(one[0] for one in powers.values())
        if power <= limit * OVER + 500:
            self._over_since = 0
            return
        if not self._over_since:
            self._over_since, self._over_first = now, message
        elif now - self._over_since >= OVER_TIME and self._over_first is not None:
            charging = sum(one[1] for one in powers.values())
            self.context.tell(
                "site-over-limit",
                SITE,
                0.75,
                f"{counted(charging, 'connector')} have taken {power_words(power)} together for "
                f"{duration(now - self._over_since)}; the limits that the CSMS has set for the site allow "
                f"{power_words(limit)}.",
                (self._over_first, message),
                first=self._over_since,
                sign="sum",
            )

    def _alone(self, message: OcppMessage, own: Limit | None, power: float, connectors: int) -> None:
        """A limit for a station is one for all its connectors together (1.6 §3.13.1, 2.x K01): what each of them takes
        may be below it and the sum above."""
        name, now = message.channel.station, message.time
        if own is None or connectors < 2 or power <= own.value * OVER + 500:
            self._above.pop(name, None)
            return
        since = kept(self._above, name, lambda: now)
        if now - since >= OVER_TIME:
            self.context.tell(
                "limit-ignored",
                name,
                0.75,
                f"{connectors} connectors of {name} have taken {power_words(power)} together for "
                f"{duration(now - since)}; the limit that the station has accepted for all of them allows "
                f"{power_words(own.value)}.",
                (own.profile.message, message),
                first=since,
                sign="station-sum",
            )

    def _powers(self, limits: dict[str, Limit | None], now: int) -> dict[str, tuple[float, int]]:
        """W that each station takes, and at how many connectors. What was read before its limit was set, or while that
        came into force, says nothing of whether it is kept."""
        found: dict[str, tuple[float, int]] = {}
        for place in self._places.values():
            if place.power <= NOTHING or now - place.time > STALE:
                continue
            own = limits.get(place.station)
            if own is None or place.time >= own.profile.set_at + SETTLING:
                power, connectors = found.get(place.station, (0.0, 0))
                found[place.station] = (power + place.power, connectors + 1)
        return found

    def _station_limits(self, now: int) -> dict[str, Limit | None]:
        """The limit in W for the whole of each station that charges."""
        found: dict[str, Limit | None] = {}
        for place in self._places.values():
            if place.power <= NOTHING or now - place.time > STALE or place.station in found:
                continue
            station = self.context.picture.stations.get(place.station)
            own: list[Limit] = []
            if station is not None and station.charging.profiles:
                own = [one for one in station.charging.limit("", now, None) if one.unit == "W"]
            found[place.station] = min(own, key=lambda one: one.value, default=None)
        return found

    def _site_limit(self, limits: dict[str, Limit | None]) -> float | None:
        """The limits for whole stations added up; None unless every one of several that charge has one."""
        values = [one.value for one in limits.values() if one is not None]
        if len(values) < max(len(limits), 2):
            return None  # that of a single station is told of itself
        if max(values) - min(values) > 1 or self._highest > NEAR * values[0]:
            return sum(values)
        # All were told the same, and none ever came near it by itself: it is what they may take together.
        return values[0]
