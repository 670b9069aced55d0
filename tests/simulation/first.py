"""The first generator: public and semi-public sites, driver by driver.

Arrivals follow the hours and weekdays of the DESL sessions; each car brings a battery, a curve and an aim; the station
asks, starts, samples at a steady interval counted from the start of the transaction, and stops when the driver comes back.
The CSMS sets limits seldom.
"""

from __future__ import annotations

from random import Random

from tests.simulation import priors
from tests.simulation.cars import Car, ac_car, dc_car
from tests.simulation.dialect import Dialect16
from tests.simulation.engine import Process
from tests.simulation.life import Life
from tests.simulation.station import Connector

MINUTE = 60.0


class Public(Life):
    """A station where drivers come as they like."""

    def begin(self, after: float) -> None:
        super().begin(after)
        engine = self.site.engine
        for connector in self.station.connectors:
            engine.spawn(self._serve(connector), after + self.random.uniform(2, 30))
            engine.spawn(self._arrivals(connector), after)
        engine.spawn(self._operator(), after + self.random.uniform(600, 7200))

    # ------------------------------------------------------------------------------------------------------- drivers

    def _arrivals(self, connector: Connector) -> Process:
        """By thinning: hours and weekdays as in the DESL table, scaled to how busy this site is."""
        site, random = self.site, self.random
        shares, days = priors.priors()["hour_share"], priors.priors()["weekday_share"]
        while True:
            most = site.sessions_a_day * site.crowd * 0.09 * 1.2 / 3600
            yield random.expovariate(most)
            hour, weekday = site.local(site.engine.now)
            rate = site.sessions_a_day * site.crowd * shares[hour] * days[weekday] * 7 / 3600
            if random.random() < rate / most and connector.wanted == 0:
                connector.wanted += 1

    def _serve(self, connector: Connector) -> Process:
        station, random = self.station, self.random
        while True:
            if connector.wanted and station.powered and station.booted and not connector.blocked:
                connector.wanted -= 1
                yield from self.session(connector)
                yield random.uniform(20, 120)
                continue
            if station.faults.leak and station.booted and station.powered:
                station.flow(connector, 60.0)
                yield station.sample(connector)
                station.faults.show("leak", station.engine.now)
                yield 60.0
                continue
            yield 20.0

    def car(self, connector: Connector) -> Car:
        random, station = self.random, self.station
        if station.vendor.is_dc:
            return self.site.new_car(random) or dc_car(random, connector.power)
        return ac_car(random, connector.power, station.phases)

    def session(self, connector: Connector) -> Process:
        """One driver's visit."""
        station, random = self.station, self.random
        tag = station.fresh_tag()
        remote = random.randrange(1, 10**6) if random.random() < self.site.remote_share else None
        if isinstance(station.dialect, Dialect16):
            yield from self._begin_16(connector, tag, remote)
        else:
            yield from self._begin_2(connector, tag, remote)
        if connector.transaction is None:
            return
        yield from self._charge(connector)
        yield from self._end(connector, remote is not None)

    def _begin_16(self, connector: Connector, tag: str, remote: int | None) -> Process:
        station, random, faults = self.station, self.random, self.station.faults
        plugged_first = random.random() < 0.7
        if plugged_first:
            yield station.tell(connector, "Preparing")
            yield random.uniform(3, 40)
        if faults.lock_failures and random.random() < faults.lock_failures:
            faults.show("lock_failures", station.engine.now)
            yield station.tell(connector, "Faulted", "ConnectorLockFailure")
            yield random.uniform(20, 90)
            yield station.tell(connector, "Available")
            return
        if remote is not None:
            ask = {"connectorId": connector.number, "idTag": tag}
            yield station.asked("RemoteStartTransaction", ask, {"status": "Accepted"})
            yield random.uniform(0.3, 2)
        elif station.vendor.authorizes:
            yield station.authorize(tag)
            yield random.uniform(0.2, 1.5)
        if not plugged_first:
            yield station.tell(connector, "Preparing")
            yield random.uniform(4, 35)
        if faults.start_failures and random.random() < faults.start_failures:
            faults.show("start_failures", station.engine.now)
            if random.random() < 0.5:
                yield station.tell(connector, "Faulted", random.choice(("EVCommunicationError", "OtherError")))
                yield random.uniform(10, 60)
            yield station.tell(connector, "Available")
            return
        if not (station.powered and station.booted):
            return
        connector.car = self.car(connector)
        yield station.start(connector, tag, remote=remote) + random.uniform(0.1, 1.0)
        yield station.tell(connector, "Charging")

    def _begin_2(self, connector: Connector, tag: str, remote: int | None) -> Process:
        station, random, faults = self.station, self.random, self.station.faults
        yield station.tell(connector, "Preparing")
        if faults.lock_failures and random.random() < faults.lock_failures:
            faults.show("lock_failures", station.engine.now)
            yield station.tell(connector, "Faulted") + 0.5
            event = {
                "generatedAt": station.stamp(),
                "seqNo": 0,
                "eventData": [
                    {
                        "eventId": random.randrange(1, 10**6),
                        "timestamp": station.stamp(),
                        "trigger": "Alerting",
                        "actualValue": "true",
                        "eventNotificationType": "HardWiredNotification",
                        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": connector.number}},
                        "variable": {"name": "Problem"},
                    }
                ],
            }
            yield station.say("NotifyEvent", event, {})
            yield random.uniform(20, 90)
            yield station.tell(connector, "Available")
            return
        connector.car = self.car(connector)
        yield station.start(connector, tag, trigger="CablePluggedIn")
        yield random.uniform(3, 40)
        if remote is not None:
            if connector.transaction is not None:
                connector.transaction.remote = remote
            ask = {"remoteStartId": remote, "idToken": station.dialect.token(tag), "evseId": connector.number}  # type: ignore[union-attr]
            transaction = connector.transaction
            answer = {"status": "Accepted", **({"transactionId": transaction.id} if transaction else {})}
            yield station.asked("RequestStartTransaction", ask, answer)
            yield random.uniform(0.3, 2)
        elif station.vendor.authorizes:
            yield station.authorize(tag)
            yield random.uniform(0.2, 1.5)
        if faults.start_failures and random.random() < faults.start_failures:
            faults.show("start_failures", station.engine.now)
            if connector.transaction is not None:
                yield station.stop(connector, random.choice(("Other", "Timeout")))
            connector.car = None
            yield station.tell(connector, "Available")
            return
        if connector.transaction is not None:
            trigger = "RemoteStart" if remote is not None else "Authorized"
            yield station.change(connector, trigger, "EVConnected", tag)
            yield random.uniform(0.5, 3)
            yield station.change(connector, "ChargingStateChanged", "Charging")
            connector.status = "Charging"

    def _charge(self, connector: Connector) -> Process:
        """Until the driver comes back, with a sample at every interval."""
        station, random, faults = self.station, self.random, self.station.faults
        car = connector.car
        assert car is not None
        stays = self._stay(car, random)
        stuck = bool(faults.stuck_open) and random.random() < faults.stuck_open
        truncated = bool(faults.truncate) and random.random() < faults.truncate
        if stuck:
            car.peak = 0.0
        done = 0.0
        while connector.transaction is not None and station.powered:
            step = station.interval()
            yield step
            if not station.charges(connector):
                return
            done += step
            station.flow(connector, step)
            if stuck and done > 2 * step:
                faults.show("stuck_open", station.engine.now)
            yield station.sample(connector)
            if truncated and done > 120:
                faults.show("truncate", station.engine.now)
                yield from self._truncated(connector)
                return
            if not stuck and car.soc >= 99.5 and connector.status == "Charging":
                if isinstance(station.dialect, Dialect16):
                    yield station.tell(connector, "SuspendedEV")
                else:
                    connector.status = "SuspendedEV"
                    yield station.change(connector, "ChargingStateChanged", "SuspendedEV")
            if done >= stays or station.leaves(done) or (car.soc >= car.target and station.vendor.is_dc):
                return

    def _stay(self, car: Car, random: Random) -> float:
        if self.station.vendor.is_dc:
            return random.uniform(40, 110) * MINUTE
        return random.choice((random.uniform(25, 150), random.uniform(60, 300), random.uniform(120, 600))) * MINUTE

    def _truncated(self, connector: Connector) -> Process:
        """The transaction ends, the current does not."""
        station, car = self.station, connector.car
        yield station.stop(connector, "Local", with_tag=True)
        connector.status = "Available"
        yield station.tell(connector, "Available")
        assert car is not None
        for _ in range(self.random.randrange(10, 40)):
            yield station.interval()
            station.flow(connector, station.meter_interval)
            if self.site.reveals:
                yield station.sample(connector)
        connector.car = None

    def _end(self, connector: Connector, remote: bool) -> Process:
        station, random = self.station, self.random
        if connector.transaction is not None and station.powered:
            reason = random.choice(("Local", "EVDisconnected", "EVDisconnected"))
            if remote and random.random() < 0.6:
                reason = "Remote"
                yield from self._remote_stop(connector)
            sixteen = isinstance(station.dialect, Dialect16)
            if sixteen and station.vendor.finishing and reason != "EVDisconnected":
                yield station.stop(connector, reason, with_tag=reason == "Local")
                yield station.tell(connector, "Finishing")
                yield random.uniform(15, 240)
            elif reason != "EVDisconnected":
                yield station.stop(connector, reason, with_tag=reason == "Local")
                yield random.uniform(15, 120)
            else:
                yield station.stop(connector, reason)
        connector.car = None
        connector.now = 0.0
        connector.limit = None
        if station.powered:
            yield station.tell(connector, "Available")
        else:
            connector.status = "Available"

    def _remote_stop(self, connector: Connector) -> Process:
        station, transaction = self.station, connector.transaction
        if transaction is None:
            return
        if isinstance(station.dialect, Dialect16):
            yield station.asked("RemoteStopTransaction", {"transactionId": transaction.number}, {"status": "Accepted"})
        else:
            yield station.asked("RequestStopTransaction", {"transactionId": transaction.id}, {"status": "Accepted"})
        yield self.random.uniform(0.2, 1.0)

    # ------------------------------------------------------------------------------------------------------ operator

    def _operator(self) -> Process:
        """What an operator asks of a station now and then."""
        station, random = self.station, self.random
        while True:
            yield random.expovariate(1 / (8 * 3600.0))
            if not self.line.up:
                continue
            sixteen = isinstance(station.dialect, Dialect16)
            match random.randrange(4):
                case 0 if sixteen:
                    value = {"key": "HeartbeatInterval", "readonly": False, "value": str(station.heartbeat)}
                    yield station.asked(
                        "GetConfiguration", {"key": ["HeartbeatInterval"]}, {"configurationKey": [value]}
                    )
                case 0:
                    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
                    result = {"attributeStatus": "Accepted", "attributeValue": str(station.heartbeat), **place}
                    yield station.asked("GetVariables", {"getVariableData": [place]}, {"getVariableResult": [result]})
                case 1:
                    yield (
                        station.asked("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Accepted"}) + 0.2
                    )
                    yield station.beat()
                case 2 if station.vendor.data_transfer:
                    ask = {"vendorId": station.vendor.data_transfer, "messageId": "daily", "data": "ok"}
                    yield station.say("DataTransfer", ask, {"status": "Accepted"})
                case _:
                    yield station.asked("GetLocalListVersion", {}, {"listVersion" if sixteen else "versionNumber": 3})
