"""Energy as it is billed against energy as it flows: registers, powers and transactions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar, Final

from fieldkit.checks.energy import POWER, REGISTER
from fieldkit.checks.measured import by_phase, energy_words, power_words, total
from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context, Tracker
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.safetext import mask
from fieldkit.site.series import Sample
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

HOUR: Final = 3600.0 * SECOND
LONGEST: Final = 960 * SECOND
"""Between two readings further apart than this power may have been anything."""
RESOLUTION: Final = 10.0
"""Wh: a register that is told in whole 10 Wh …"""
COARSE: Final = 100.0
"""… in 100 Wh, and so on: found from what it tells."""
LOSSES: Final = 0.08
"""Share of the energy that may be on the other side of a rectifier."""
SHORTFALL: Final = 0.12
"""What lacks beyond that (or is too much) is no measuring error: meters for billing are good to 2 %."""
MIN_GAP: Final = 60.0
"""Wh that must lack in all."""
SAMPLES: Final = 3
"""Intervals in a row that say so."""
OWN_GAP: Final = 0.06
"""Change of a connector's own usual ratio of billed to flowing energy that counts, once that is known …"""
OWN_KNOWN: Final = 2500.0
"""… from so many Wh."""
AGAIN: Final = 3600 * SECOND
"""What began so soon after it was told of is the same."""
NOMINAL: Final = 230.0
"""V, where no voltage is told …"""
ASSUMED_GAP: Final = 0.15
"""… which may be 10 % off (EN 50160), differently at noon and at night, so that a connector's own habit is needed …"""
ASSUMED_RATIO: Final = (0.4, 1.3)
"""… which other nominal voltages and ways of connecting shift by as much."""
JUMP: Final = 300.0
"""Wh that a register lacks at once …"""
JUMP_LEFT: Final = 0.25
"""… when it shows no more than this share of what flowed …"""
JUMP_INTERVAL: Final = 120 * SECOND
"""… between two readings no further apart …"""
JUMP_RETURNED: Final = (0.8, 1.2)
"""… and this share of it in the next interval."""
BETWEEN: Final = 300.0
"""Wh between two transactions that no standby explains …"""
BETWEEN_POWER: Final = 400.0
"""… at so many W on average over the time between them."""
LEAK: Final = 500.0
"""W at a connector without a transaction."""
OTHERS: Final = 0.5
"""Share of it that another connector's transaction must take to explain it."""
LEAK_STANDBY: Final = 2000.0
"""W that the heating of a DC cabinet may take, if the meter is before it."""
MAX_PLACES: Final = 8000
_CURRENT: Final = "Current.Import"
_VOLTAGE: Final = "Voltage"


@dataclass(slots=True)
class _Balance:
    """What one connector's register says against its powers within a transaction."""

    transaction: str = ""
    time: int = 0
    register: float = 0.0
    power: float = 0.0
    low: float = 0.0
    high: float = 0.0
    """Wh by power since the balance began …"""
    billed: float = 0.0
    """… and by register."""
    streak: int = 0
    began: int = 0
    first: OcppMessage | None = None
    step: float = 1000.0
    """Largest power of ten that divides all readings: the register's resolution, Wh."""
    session_low: float = 0.0
    session_high: float = 0.0
    session_billed: float = 0.0
    flowed: float = 0.0
    """Wh on which ``ratio`` rests."""
    ratio: float = 1.0
    """Usual billed energy over energy by power."""
    told: bool = False
    assumed: bool = False
    """Only currents are told: the voltage is the nominal one."""
    missing: float = 0.0
    """Wh that the latest interval lacks, if it may have been set back in it …"""
    jump: OcppMessage | None = None
    """… and the reading that shows it."""


@dataclass(slots=True)
class _Meter:
    """A connector's register from one transaction to the next."""

    value: float = 0.0
    time: int = 0
    message: OcppMessage | None = None
    going: bool = False
    """It is that of a start whose end was not seen: what flowed since belongs to that transaction."""
    per_session: bool = False
    idle: float = -1.0
    """Register when the connector was last seen without a transaction; -1: not seen."""
    idle_time: int = 0
    idle_message: OcppMessage | None = None
    idle_count: int = 0
    standby: float = 0.0
    """W that it usually takes without a transaction."""
    settled: int = 0
    """Until when what flows without a transaction has been told of."""


class Metering(Tracker):
    """What is billed."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._balances: dict[tuple[str, str], _Balance] = {}
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._between: dict[str, int] = {}
        """By station: when energy between two transactions was told of last."""
        self._ended: dict[tuple[str, str], deque[tuple[int, Transaction, bool]]] = {}

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL or event.sender != "station":
            return
        station = self.context.picture.stations.get(event.channel.station)
        if station is None:
            return
        action = event.action
        if action in ("MeterValues", "TransactionEvent") and station.meters.fresh:
            self._measured(event, station)
        if action in ("StartTransaction", "StopTransaction", "TransactionEvent"):
            made = station.transactions.latest
            if made is not None:
                if made.end is event or (made.end is not None and made.end.id == event.id):
                    self._ended_now(event, station, made)
                elif made.begin is event or (made.begin is not None and made.begin.id == event.id):
                    self._began(event, station, made)

    # -------------------------------------------------------------------------------------------- billed and flowing

    def _measured(self, message: OcppMessage, station: Station) -> None:
        measured = station.meters.measured
        registers = measured.get(REGISTER)
        if not registers:
            self._powered(message, station)
            return
        sample = next((one for one in reversed(registers) if not one.phase and one.unit == "Wh"), None)
        if sample is None:
            return
        if not sample.transaction:
            self._idle(message, station, sample)
            return
        power = _power(measured, sample)
        assumed = power is None
        if power is None:
            power = _nominal(measured, sample)
        if power is None or power < 0:
            return
        key = (station.identity, sample.connector)
        balance = self._balances.get(key)
        if balance is None:
            if len(self._balances) >= MAX_PLACES:
                del self._balances[next(iter(self._balances))]
            balance = self._balances[key] = _Balance()
        balance.assumed = assumed
        while balance.step > 1 and sample.value % balance.step:
            balance.step /= 10
        interval = sample.time - balance.time
        if balance.transaction != sample.transaction:
            self._settle(balance)
            _begin(balance, sample, power, message)
            return
        if not 0 < interval <= LONGEST or sample.value < balance.register:
            _begin(balance, sample, power, message)
            return
        hours = interval / HOUR
        low, high = sorted((balance.power, power))
        billed = sample.value - balance.register
        steady = high - low < 0.2 * high
        balance.time, balance.register, balance.power = sample.time, sample.value, power
        if not steady:
            # A ramp: what flowed in between is not known well enough. It ends no streak and adds nothing to it.
            return
        flowed_low, flowed_high = low * hours, high * hours
        balance.low += flowed_low
        balance.high += flowed_high
        balance.billed += billed
        balance.session_low += flowed_low
        balance.session_high += flowed_high
        balance.session_billed += billed
        if flowed_high < 1.0:
            return
        known = balance.flowed >= OWN_KNOWN
        if assumed and not known:
            return
        usual = balance.ratio if known else 1.0
        self._jumped(balance, sample, message, station, (flowed_low * usual, billed, interval))
        margin = ASSUMED_GAP if assumed else OWN_GAP if known else SHORTFALL + LOSSES
        slack = 2 * balance.step
        short = balance.billed < (usual - margin) * balance.low - slack
        over = balance.billed > (usual + margin) * balance.high + slack
        alone = billed < (usual - margin) * flowed_low or billed > (usual + margin) * flowed_high
        gap = abs((balance.low + balance.high) / 2 * usual - balance.billed)
        balance.streak = balance.streak + 1 if alone and (short or over) else 0
        if not alone and balance.streak == 0:
            balance.low = balance.high = balance.billed = 0.0
            balance.first, balance.began = message, sample.time
        if balance.streak >= SAMPLES and gap >= MIN_GAP and not balance.told:
            balance.told = True
            self._contradicts(balance, sample, message, station, usual)

    def _jumped(
        self, balance: _Balance, sample: Sample, message: OcppMessage, station: Station, seen: tuple[float, float, int]
    ) -> None:
        """A register that is set back by less than what flows until the next reading does not fall; it lacks that once.
        A car that had stopped would not be back at the same power within seconds, and a reading that was merely old
        would be made up for by the next one."""
        expected, billed, interval = seen
        missing, balance.missing = balance.missing, 0.0
        if missing and JUMP_RETURNED[0] * expected < billed < JUMP_RETURNED[1] * expected:
            self.context.tell(
                "register-rollback",
                station.identity,
                0.62,
                f"The energy meter of connector {sample.connector or '?'} lacks about {energy_words(missing)} of what "
                "flowed between two readings, at the same power before and after, and the next reading did not make up "
                "for it. It was probably set back.",
                (message,) if balance.jump is None else (balance.jump, message),
                connector=sample.connector,
                first=balance.jump.time if balance.jump is not None else 0,
                sign="jump",
            )
        elif interval <= JUMP_INTERVAL and billed < JUMP_LEFT * expected and expected - billed >= JUMP:
            balance.missing, balance.jump = expected - billed, message

    def _contradicts(
        self, balance: _Balance, sample: Sample, message: OcppMessage, station: Station, usual: float
    ) -> None:
        flowed = (balance.low + balance.high) / 2
        known = balance.flowed >= OWN_KNOWN
        source = f"currents at {NOMINAL:.0f} V" if balance.assumed else "power readings"
        habit = f"usually it reports {usual:.0%} of that" if known else "usually the two agree to a few percent"
        self.context.tell(
            "under-reporting-meter",
            station.identity,
            0.8,
            f"Connector {sample.connector or '?'} reports {energy_words(balance.billed)} where its own {source} "
            f"add up to {energy_words(flowed)} within {duration(sample.time - balance.began)}; {habit}.",
            tuple(one for one in (balance.first, message) if one is not None),
            connector=sample.connector,
            first=balance.began,
            layer="statistics" if known else "rules",
            sign="balance",
        )

    @staticmethod
    def _settle(balance: _Balance) -> None:
        """A session is over: what it says of this connector's usual ratio. One that was told of counts nothing, and
        no session moves the ratio far."""
        flowed = (balance.session_low + balance.session_high) / 2
        if flowed > 200 and not balance.told:
            least, most = ASSUMED_RATIO if balance.assumed else (0.8, 1.2)
            ratio = min(max(balance.session_billed / flowed, least), most)
            weight = min(flowed / max(balance.flowed + flowed, 1.0), 0.3 if balance.flowed else 1.0)
            balance.ratio += weight * (ratio - balance.ratio)
            balance.flowed = min(balance.flowed + flowed, 200_000.0)
        balance.session_low = balance.session_high = balance.session_billed = 0.0

    # ------------------------------------------------------------------------------------------ without a transaction

    def _powered(self, message: OcppMessage, station: Station) -> None:
        """Power or current at a connector without a transaction, where no register is told."""
        samples = station.meters.measured.get(POWER)
        if not samples or samples[-1].transaction or not samples[-1].connector or samples[-1].unit != "W":
            return
        value = total(samples, samples[-1].time) or 0.0
        self._leaks(message, station, samples[-1], value)

    def _idle(self, message: OcppMessage, station: Station, sample: Sample) -> None:
        if (
            not sample.connector
            or sample.location in ("Inlet", "Body", "Upstream")
            or sample.context.startswith("Trans")
        ):
            return
        # In 2.x a reading without a transaction names the EVSE, a transaction its connector as well.
        if any(_evse(made.connector) == _evse(sample.connector) for made in station.transactions.open.values()):
            return
        meter = self._meter(station.identity, sample.connector)
        before, since = meter.idle, meter.idle_time
        meter.idle, meter.idle_time, meter.idle_message = sample.value, sample.time, message
        power = _power(station.meters.measured, sample)
        if before >= 0 and sample.value >= before and sample.time > since:
            flowed = (sample.value - before) / ((sample.time - since) / HOUR)
            self._leaks(message, station, sample, min(flowed, power) if power is not None else flowed)

    def _leaks(self, message: OcppMessage, station: Station, sample: Sample, watts: float) -> None:
        meter = self._meter(station.identity, sample.connector)
        limit = max(LEAK, 2.0 * meter.standby)
        if watts < limit:
            meter.idle_count = 0
            meter.standby += 0.1 * (watts - meter.standby)
            return
        meter.idle_count += 1
        if meter.idle_count >= 2 and not self._elsewhere(station, watts, message.time):
            self.context.tell(
                "energy-outside-transaction",
                station.identity,
                0.7 if watts < LEAK_STANDBY else 0.85,
                f"Connector {sample.connector} of {station.identity} takes {power_words(watts)} although nobody is "
                f"charging there; usually it takes {power_words(meter.standby)} then.",
                (message,),
                connector=sample.connector,
                layer="statistics",
                sign="leak",
            )
            # What has been told of is not told again when the next transaction begins.
            meter.settled = message.time

    def _elsewhere(self, station: Station, watts: float, now: int) -> bool:
        """Some stations have one meter for all connectors: may it be what another one takes that this one shows?"""
        for made in station.transactions.open.values():
            balance = self._balances.get((station.identity, made.connector))
            known = balance is not None and balance.transaction == made.id and now - balance.time <= LONGEST
            if balance is None or not known or balance.power > OTHERS * watts:
                return True
        return False

    def _began(self, message: OcppMessage, station: Station, made: Transaction) -> None:
        if made.meter_start is None or not made.connector:
            return
        meter = self._meter(station.identity, made.connector)
        value, begun = made.meter_start, message.time
        if meter.message is not None and not meter.going and not made.offline:
            if value < meter.value * 0.5 and value < 1000:
                meter.per_session = True
            between, apart = value - meter.value, (begun - meter.time) / HOUR
            standby = max(BETWEEN_POWER, 2 * meter.standby) * max(apart, 0.0)
            told = meter.per_session or meter.settled > meter.time
            if between > min(BETWEEN + standby, BETWEEN + 20_000) and not told and between > standby:
                # Once told, the same after the next session is no news: it makes that incident surer, if it goes on.
                again = meter.time - self._between.get(station.identity, 0) < AGAIN
                if station.identity in self._between or len(self._between) < MAX_PLACES:
                    self._between[station.identity] = begun
                self.context.tell(
                    "energy-outside-transaction",
                    station.identity,
                    0.5 if again else 0.75,
                    f"The energy meter of connector {made.connector} of {station.identity} rose by "
                    f"{energy_words(between)} in the {duration(begun - meter.time)} between two charges; nothing "
                    "should flow then.",
                    (meter.message, message),
                    connector=made.connector,
                    first=meter.time,
                    layer="statistics",
                    sign="between",
                )
        meter.value, meter.time, meter.message, meter.going = value, begun, message, True
        meter.idle, meter.idle_count = -1.0, 0

    # ------------------------------------------------------------------------------------------------------- sessions

    def _ended_now(self, message: OcppMessage, station: Station, made: Transaction) -> None:
        if not made.connector:
            return
        key = (station.identity, made.connector)
        meter = self._meter(*key)
        if made.meter_stop is not None:
            meter.value, meter.time, meter.message, meter.going = made.meter_stop, message.time, message, False
        meter.idle, meter.idle_count = -1.0, 0
        balance = self._balances.get(key)
        power = balance.power if balance is not None and balance.transaction == made.id else 0.0
        fresh = balance is not None and message.time - balance.time < LONGEST
        # It ended under full power, by a card: drivers stop so as well, but not one after the other.
        cut = fresh and power > 1000 and made.stop_reason in ("Local", "Other", "", "StopAuthorized")
        length = message.time - (made.first_time or message.time)
        if key not in self._ended and len(self._ended) >= MAX_PLACES:
            del self._ended[next(iter(self._ended))]
        ended = self._ended.setdefault(key, deque(maxlen=8))
        ended.append((length, made, cut))
        self._truncated(message, station, made, ended)

    def _truncated(
        self, message: OcppMessage, station: Station, made: Transaction, ended: deque[tuple[int, Transaction, bool]]
    ) -> None:
        """Sessions of minutes, one after the other with the same card: a fee that begins later is saved so."""
        short = [
            one for one in list(ended)[-4:]
            if one[0] < 300 * SECOND and one[1].id_token == made.id_token and made.id_token
            and (one[1].energy_wh or 0) > 0 and message.time - (one[1].first_time or 0) < 3600 * SECOND
        ]  # fmt: skip
        if len(short) >= 3:
            self.context.tell(
                "truncated-sessions",
                station.identity,
                0.7,
                f"{len(short)} charges with card {mask(made.id_token)} at {station.identity} ended within minutes, one "
                f"after the other, the last after {duration(short[-1][0])}; usually a car charges once when it comes.",
                (message,),
                connector=made.connector,
                sign="short",
            )

    def _meter(self, station: str, connector: str) -> _Meter:
        key = (station, _evse(connector))
        meter = self._meters.get(key)
        if meter is None:
            if len(self._meters) >= MAX_PLACES:
                del self._meters[next(iter(self._meters))]
            meter = self._meters[key] = _Meter()
        return meter


def _evse(connector: str) -> str:
    return connector.partition("/")[0]


def _begin(balance: _Balance, sample: Sample, power: float, message: OcppMessage) -> None:
    balance.transaction, balance.time, balance.register, balance.power = (
        sample.transaction, sample.time, sample.value, power
    )  # fmt: skip
    balance.low = balance.high = balance.billed = 0.0
    balance.streak, balance.began, balance.first, balance.told = 0, sample.time, message, False


def _nominal(measured: dict[str, list[Sample]], at: Sample) -> float | None:
    """What the currents of the phases make at the nominal voltage; direct current, whose voltage is the battery's, has
    no phases."""
    currents = measured.get(_CURRENT)
    if not currents or currents[-1].unit != "A":
        return None
    here = by_phase(currents, at.time)
    return NOMINAL * sum(here.values()) if here else None


def _power(measured: dict[str, list[Sample]], at: Sample) -> float | None:
    """Power at the same place and time, else what current and voltage make."""
    samples = measured.get(POWER)
    if samples and samples[-1].unit == "W":
        return total(samples, at.time, at.location)
    currents, voltages = measured.get(_CURRENT), measured.get(_VOLTAGE)
    if not currents or not voltages or currents[-1].unit != "A" or voltages[-1].unit != "V":
        return None
    volts = {sample.phase[:2]: sample.value for sample in voltages if sample.time == at.time}
    amperes = {sample.phase[:2]: sample.value for sample in currents if sample.time == at.time}
    if set(volts) != set(amperes) or "N" in volts:
        return None
    return sum(volts[phase] * amperes[phase] for phase in volts)
