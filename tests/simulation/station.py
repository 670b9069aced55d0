"""A charging station: what it has, what it measures, what it says. When it does so is for the generators to decide."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, pi
from random import Random
from typing import Any, Final

from fieldkit.events import OcppError
from tests.simulation.cars import Car
from tests.simulation.dialect import Dialect2, Dialect16, Payload, Sample, timestamp
from tests.simulation.engine import Engine, Process, nanoseconds
from tests.simulation.faults import Faults
from tests.simulation.line import Line
from tests.simulation.vendors import CURRENT, ENERGY, POWER, SOC, TEMPERATURE, VOLTAGE, Vendor

NOMINAL: Final = 230.0
"""V between phase and neutral."""
SHORT_STAY: Final = 900.0
"""Seconds that a driver in a hurry stays."""
PAUSE: Final = 900_000_000_000
"""ns. Load managers let cars wait for a quarter of an hour, over which power is metered and billed: a limit of nothing
is stuck when it lasts longer."""
SUBSTEPS: Final = 3
"""Power is integrated in so many steps between two samples."""


@dataclass(slots=True)
class Transaction:
    """One, as both sides know it."""

    number: int
    """1.6: given by the CSMS."""
    id: str
    """2.x: given by the station."""
    tag: str
    begin: int
    """Register at its start, Wh as reported."""
    sequence: int = 0
    remote: int | None = None


class Connector:
    """One outlet (an EVSE in 2.x)."""

    def __init__(self, number: int, power: float, random: Random) -> None:
        self.number = number
        self.power = power
        self.register = float(random.randrange(20_000, 9_000_000))
        """What its meter reports, Wh."""
        self.true_wh = 0.0
        """What really flowed since the beginning."""
        self.status = "Available"
        self.transaction: Transaction | None = None
        self.car: Car | None = None
        self.now = 0.0
        """W at the moment."""
        self.temperature = 0.0
        self.limit: float | None = None
        """W that the CSMS allows; None: all."""
        self.blocked = False
        """Nobody can use it at the moment."""
        self.sampled: tuple[int, Transaction | None] = (0, None)
        """Time of its last reading, and in which transaction."""
        self.wanted = 0
        """Cars that wait for it: a session begins as soon as it is free."""


class Station:
    """One charging station with its connectors, its line to the CSMS and what is wrong with it."""

    def __init__(
        self,
        engine: Engine,
        line: Line,
        vendor: Vendor,
        random: Random,
        *,
        connectors: int,
        power: int,
        phases: int,
        measurands: tuple[str, ...],
        meter_interval: int,
        heartbeat: int,
        zone: int,
        ambient: float,
        tags: tuple[str, ...],
        in_use: set[str],
        iccid: str,
    ) -> None:
        self.engine = engine
        self.line = line
        self.name = line.station
        self.vendor = vendor
        self.random = random
        self.dialect: Dialect16 | Dialect2 = Dialect16() if line.version == "1.6" else Dialect2(line.version)
        self.connectors = [Connector(number, power, random) for number in range(1, connectors + 1)]
        self.phases = phases
        self.measurands = measurands
        self.meter_interval = meter_interval
        self.heartbeat = heartbeat
        self.zone = zone
        """Minutes that its local time is ahead of UTC."""
        self.time_style = vendor.time_style
        self.ambient = ambient
        self.swing = random.uniform(1.0, 6.0)
        """Degrees that the day is warmer, and the night colder, than the mean."""
        self.tags = tags
        self.in_use = in_use
        """Cards that somebody charges with, at the whole site: everybody has one."""
        self.iccid = iccid
        self.serial = f"{random.randrange(16**8):08X}"
        self.firmware = f"{random.randrange(1, 6)}.{random.randrange(20)}.{random.randrange(10)}"
        self.faults = Faults()
        self.powered = True
        self.booted = False
        self.wanders = random.gauss(0.0, 0.08)
        """Seconds that its clock is off, as all are a little."""
        self.noise = random.uniform(0.001, 0.006)
        self.last_said = 0
        self.hurry = False
        """Drivers leave again after ``SHORT_STAY``."""
        self.update_request = 0
        """2.x: the number of the firmware update under way."""

    # --------------------------------------------------------------------------------------------------------- clock

    def stamp(self) -> str:
        faults = self.faults
        off = self.wanders + faults.clock_shift + faults.clock_drift
        if abs(off) > 30:
            faults.show("clock_shift" if faults.clock_shift else "clock_drift", self.engine.now)
        return timestamp(self.engine.now + nanoseconds(off), self.time_style, self.zone)

    def csms_time(self) -> str:
        return timestamp(self.engine.now, "ms")

    # ------------------------------------------------------------------------------------------------------ messages

    def say(self, action: str, payload: Payload, answer: Payload, *, keep: bool = False) -> float:
        self.last_said = self.engine.now
        return self.line.call(action, payload, answer, keep=keep)

    def boot(self, reason: str = "PowerUp") -> float:
        answer = {"currentTime": self.csms_time(), "interval": self.heartbeat, "status": "Accepted"}
        self.booted = True
        return self.say("BootNotification", self.dialect.boot(self, reason), answer)

    def beat(self) -> float:
        return self.say("Heartbeat", {}, {"currentTime": self.csms_time()})

    def tell(self, connector: Connector | None, status: str, error: str = "", info: str = "") -> float:
        if connector is not None:
            connector.status = status
        if isinstance(self.dialect, Dialect2):
            status = {
                "Preparing": "Occupied", "Charging": "Occupied", "SuspendedEV": "Occupied",
                "SuspendedEVSE": "Occupied", "Finishing": "Occupied",
            }.get(status, status)  # fmt: skip
            if connector is None:
                return 0.0  # 2.x has no status of the station as a whole
        return self.say("StatusNotification", self.dialect.status(self, connector, status, error, info), {}, keep=True)

    def tell_all(self) -> Process:
        """After a connect: how every connector fares."""
        if isinstance(self.dialect, Dialect16):
            yield self.tell(None, "Available")
        for connector in self.connectors:
            yield self.tell(connector, connector.status)

    def authorize(self, tag: str, status: str = "Accepted") -> float:
        ask, answer = self.dialect.authorize(tag) if status == "Accepted" else self.dialect.refuse(tag, status)
        return self.say("Authorize", ask, answer)

    def start(self, connector: Connector, tag: str, *, remote: int | None = None, trigger: str = "Authorized") -> float:
        """Begin a transaction; in 2.x with the state that the trigger implies."""
        random = self.random
        number = random.randrange(10_000, 99_999_999)
        id_ = f"{self.serial[:4].lower()}{random.getrandbits(64):016x}"
        begin = int(connector.register)
        self.in_use.add(tag)
        transaction = connector.transaction = Transaction(number, id_, tag, begin, 0, remote)
        if isinstance(self.dialect, Dialect2):
            state = "EVConnected" if trigger == "CablePluggedIn" else "Charging"
            known = "" if trigger == "CablePluggedIn" else tag
            meter = self.dialect.meter(self, self.samples(connector, begin=True), "Transaction.Begin")
            event = self.dialect.event(
                self, connector, transaction, "Started", trigger, state=state, meter=meter, tag=known
            )
            answer = {"idTokenInfo": {"status": "Accepted"}} if known else {}
            return self.say("TransactionEvent", event, answer, keep=True)
        ask = {"connectorId": connector.number, "idTag": tag, "meterStart": begin, "timestamp": self.stamp()}
        return self.say(
            "StartTransaction", ask, {"transactionId": number, "idTagInfo": {"status": "Accepted"}}, keep=True
        )

    def change(self, connector: Connector, trigger: str, state: str, tag: str = "") -> float:
        """2.x: something about the running transaction has changed."""
        transaction = connector.transaction
        if transaction is None or not isinstance(self.dialect, Dialect2):
            return 0.0
        event = self.dialect.event(self, connector, transaction, "Updated", trigger, state=state, tag=tag)
        return self.say("TransactionEvent", event, {"idTokenInfo": {"status": "Accepted"}} if tag else {}, keep=True)

    def sample(self, connector: Connector, context: str = "Sample.Periodic") -> float:
        """Meter values now."""
        transaction = connector.transaction
        self._regular(connector)
        samples = self.samples(connector)
        meter = self.dialect.meter(self, samples, context)
        if isinstance(self.dialect, Dialect2):
            if transaction is None:
                return self.say("MeterValues", {"evseId": connector.number, "meterValue": [meter]}, {})
            trigger = "MeterValueClock" if context == "Sample.Clock" else "MeterValuePeriodic"
            waits = "SuspendedEVSE" if connector.status == "SuspendedEVSE" else "SuspendedEV"
            state = "Charging" if connector.now > 50 or connector.status == "Charging" else waits
            event = self.dialect.event(self, connector, transaction, "Updated", trigger, state=state, meter=meter)
            return self.say("TransactionEvent", event, {}, keep=True)
        payload: Payload = {"connectorId": connector.number, "meterValue": [meter]}
        if transaction is not None:
            payload["transactionId"] = transaction.number
        return self.say("MeterValues", payload, {}, keep=transaction is not None)

    def _regular(self, connector: Connector) -> None:
        """Whether this reading comes when it should: off by less than a second or 5 % shows nothing."""
        before, connector.sampled = connector.sampled, (self.engine.now, connector.transaction)
        if connector.transaction is not None and before[1] is connector.transaction:
            off = abs((self.engine.now - before[0]) / 1e9 - self.meter_interval)
            if off > max(1.0, 0.05 * self.meter_interval):
                self.faults.show("cadence_jitter", self.engine.now)

    def stop(self, connector: Connector, reason: str, *, with_tag: bool = False) -> float:
        """End the transaction. ``reason`` as 1.6 has it."""
        transaction, connector.transaction = connector.transaction, None
        if transaction is None:
            return 0.0
        self.in_use.discard(transaction.tag)
        end = int(connector.register)
        if isinstance(self.dialect, Dialect2):
            trigger = {
                "Local": "StopAuthorized", "Remote": "RemoteStop", "EVDisconnected": "EVCommunicationLost",
                "PowerLoss": "AbnormalCondition", "Reboot": "ResetCommand",
            }.get(reason, "AbnormalCondition")  # fmt: skip
            samples = self.samples(connector, begin=True)
            meter = self.dialect.meter(self, samples, "Transaction.End")
            event = self.dialect.event(
                self, connector, transaction, "Ended", trigger,
                state="Idle" if reason == "EVDisconnected" else "EVConnected", meter=meter,
                tag=transaction.tag if with_tag else "", stopped=reason,
            )  # fmt: skip
            answer = {"idTokenInfo": {"status": "Accepted"}} if with_tag else {}
            return self.say("TransactionEvent", event, answer, keep=True)
        ask: Payload = {
            "transactionId": transaction.number,
            "meterStop": end,
            "timestamp": self.stamp(),
            "reason": reason,
        }
        if with_tag:
            ask["idTag"] = transaction.tag
        return self.say("StopTransaction", ask, {"idTagInfo": {"status": "Accepted"}} if with_tag else {}, keep=True)

    def asked(
        self, action: str, payload: Payload, answer: Payload | None = None, error: OcppError | None = None
    ) -> float:
        """A call of the CSMS."""
        return self.line.call(action, payload, answer if error else answer or {}, sender="csms", error=error)

    # ---------------------------------------------------------------------------------------------------- measurement

    def allowed(self, connector: Connector) -> float:
        """W that it would give now."""
        faults, now = self.faults, self.engine.now
        limit = connector.power * faults.derate
        if connector.limit is not None and not faults.ignore_limit:
            limit = min(limit, connector.limit + faults.over_limit)
        if faults.stuck_zero and connector.limit == 0.0 and now - faults.paused_at > PAUSE:
            faults.show("stuck_zero", now)
        if faults.phase_lost and self.phases == 3 and connector.car is not None and connector.car.phases == 3:
            limit = min(limit, connector.power) * 2 / 3
        return limit

    def charges(self, connector: Connector) -> bool:
        """A transaction is on, and the station has power."""
        return self.powered and connector.transaction is not None

    def leaves(self, stayed: float) -> bool:
        """A driver who has stayed for so long leaves, being in a hurry."""
        return self.hurry and stayed >= SHORT_STAY

    def flow(self, connector: Connector, seconds: float) -> None:
        """Let the car charge for a while."""
        car, faults = connector.car, self.faults
        energy = 0.0
        if car is not None:
            limit = self.allowed(connector)
            for _ in range(SUBSTEPS):
                wanted = car.wants()
                power = min(wanted, limit)
                energy += car.take(power, seconds / SUBSTEPS)
            wanted = car.wants()
            connector.now = min(wanted, limit)
            # It is the fault that takes something away, not a limit of the CSMS below what the fault leaves.
            sound = min(wanted, connector.power, connector.power if connector.limit is None else connector.limit)
            if connector.now < 0.98 * sound:
                faults.show("derate", self.engine.now)
                faults.show("phase_lost", self.engine.now)
            if connector.limit is not None and connector.now > connector.limit * 1.05 + 50:
                faults.show("ignore_limit", self.engine.now)
                faults.show("over_limit", self.engine.now)
        else:
            connector.now = 0.0
            if faults.leak:
                connector.now = faults.leak
                energy = faults.leak * seconds / 3600
        connector.true_wh += energy
        connector.register += energy * faults.register_scale
        if faults.register_scale != 1.0 and energy > 5:
            faults.show("register_scale", self.engine.now)
        warm = self.air() + 28.0 * connector.now / max(connector.power, 1.0)
        connector.temperature += (warm - connector.temperature) * (1.0 - exp(-seconds / 900.0))

    def samples(self, connector: Connector, *, begin: bool = False) -> list[Sample]:
        """What the configured measurands say now."""
        random, faults, found = self.random, self.faults, []
        if faults.register_jump and connector.transaction is not None and not begin:
            connector.register = max(connector.register - faults.register_jump, 0.0)
            faults.show("register_jump", self.engine.now)
            faults.register_jump = 0.0
        for measurand in self.measurands:
            if measurand == ENERGY:
                found.append(Sample(ENERGY, int(connector.register)))
            elif begin:
                continue
            elif measurand == POWER:
                found.append(Sample(POWER, connector.now * (1 + random.gauss(0.0, self.noise))))
            elif measurand == CURRENT:
                found += self._currents(connector)
            elif measurand == VOLTAGE:
                found += self._voltages(connector)
            elif measurand == SOC and connector.car is not None:
                found.append(Sample(SOC, int(connector.car.soc)))
            elif measurand == TEMPERATURE:
                value = max(connector.temperature, self.air()) + faults.heat + random.gauss(0.0, 0.4)
                if faults.heat > 2 * self.swing + 2:  # less than that a warm day explains as well
                    faults.show("heat", self.engine.now)
                found.append(Sample(TEMPERATURE, round(value)))
        return found

    def _currents(self, connector: Connector) -> list[Sample]:
        random = self.random
        if self.vendor.is_dc:
            volts = self._dc_volts(connector)
            return [Sample(CURRENT, connector.now / volts * (1 + random.gauss(0.0, self.noise)))]
        phases = connector.car.phases if connector.car is not None else self.phases
        lost = self.faults.phase_lost if phases == 3 else 0
        live = phases - (1 if lost else 0)
        amps = connector.now / NOMINAL / live
        values = [
            amps * (1 + random.gauss(0.0, self.noise)) if number <= phases and number != lost else 0.0
            for number in range(1, self.phases + 1)
        ]
        if lost and connector.now:
            self.faults.show("phase_lost", self.engine.now)
        if not self.vendor.phase_values:
            return [Sample(CURRENT, max(values))]
        return [Sample(CURRENT, abs(value), f"L{number}") for number, value in enumerate(values, 1)]

    def _voltages(self, connector: Connector) -> list[Sample]:
        random = self.random
        if self.vendor.is_dc:
            return [Sample(VOLTAGE, self._dc_volts(connector) if connector.car else 0.0)]
        lost = self.faults.phase_lost
        values = [
            (NOMINAL + random.gauss(0.0, 1.4)) if number != lost else random.uniform(2, 30)
            for number in range(1, self.phases + 1)
        ]
        if lost:
            self.faults.show("phase_lost", self.engine.now)
        return [Sample(VOLTAGE, value, f"L{number}-N") for number, value in enumerate(values, 1)]

    @staticmethod
    def _dc_volts(connector: Connector) -> float:
        return 330.0 + (connector.car.soc if connector.car else 0.0) * 0.8

    def air(self) -> float:
        """Temperature of the air, °C: coolest at four in the morning."""
        hours = (self.engine.now / 3.6e12 + self.zone / 60) % 24
        return self.ambient - self.swing * cos((hours - 4) * pi / 12)

    # -------------------------------------------------------------------------------------------------------- details

    def interval(self) -> float:
        """Seconds to the next sample."""
        faults = self.faults
        value = float(self.meter_interval) * faults.cadence_scale
        if faults.cadence_jitter:
            value *= exp(self.random.gauss(0.0, faults.cadence_jitter))
        return max(value + self.random.gauss(0.0, 0.02), 1.0)

    def fresh_tag(self) -> str:
        for _ in range(8):
            tag = self.random.choice(self.tags)
            if tag not in self.in_use or len(self.tags) == 1:
                break
        return tag

    def set_limit(self, connector: Connector, watts: float | None, *, purpose: str = "TxProfile") -> float:
        """The CSMS sends a profile; the station accepts and obeys, unless something is wrong with it."""
        transaction = connector.transaction if purpose == "TxProfile" else None
        if watts is None:
            connector.limit = None
            if isinstance(self.dialect, Dialect16):
                ask: Payload = {"connectorId": connector.number, "chargingProfilePurpose": purpose}
            else:
                criteria = {"evseId": connector.number, "chargingProfilePurpose": purpose}
                ask = {"chargingProfileCriteria": criteria}
            return self.asked("ClearChargingProfile", ask, {"status": "Accepted"})
        unit = "W" if self.vendor.is_dc else "A"
        phases = connector.car.phases if connector.car is not None else self.phases
        value = round(watts if unit == "W" else watts / NOMINAL / phases, 1)
        connector.limit = value if unit == "W" else value * NOMINAL * phases
        number = 100 + connector.number
        profile = self.dialect.profile(number, value, unit, purpose, transaction)
        if isinstance(self.dialect, Dialect16):
            ask = {"connectorId": connector.number, "csChargingProfiles": profile}
        else:
            ask = {"evseId": connector.number, "chargingProfile": profile}
        return self.asked("SetChargingProfile", ask, {"status": "Accepted"})

    def details(self) -> dict[str, Any]:
        """What it is, for the truth."""
        return {
            "station": self.name,
            "address": self.line.address,
            "vendor": self.vendor.name,
            "version": self.dialect.version,
            "dc": self.vendor.is_dc,
            "connectors": len(self.connectors),
        }
