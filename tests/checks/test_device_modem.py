"""The modem's account beside connection losses."""

from __future__ import annotations

from fieldkit.events import ConnectionClosed, DeviceReading, Event
from tests.checks.devices import SECOND, joined, modem, told
from tests.traffic.charging import online_16
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import the
from tests.traffic.scripts import heartbeat

HOME, GONE = "registered, home", "searching"


def broken(number: int = 0, *, silent: float = 40, start: int = 0) -> Session:
    """A station whose connection is reset after some silence."""
    session = Session(client=("192.168.7.20", 49_152 + number), start=start or MONDAY)
    session.connect()
    session.upgrade()
    heartbeat(session)
    session.clock.wait(silent)
    session.tcp.reset(by_client=False)
    return session


def network(time: int, state: str) -> DeviceReading:
    stat = {HOME: 1, GONE: 2, "denied": 3}[state]
    return modem(time, "registration_eps", state, f'+CEREG: {stat},"1A2B","01234567",7')


def test_no_network_when_the_connection_broke() -> None:
    session = broken()
    end = session.clock.now
    events = [network(end - 70 * SECOND, HOME), network(end - 30 * SECOND, GONE), network(end + 40 * SECOND, HOME)]
    finding = the(joined(events, session), "device.modem-lost")
    assert (finding.severity, finding.owner, finding.kind.inferred) == ("warning", "uplink", True)
    assert "ended (reset) at" in finding.explanation()
    assert "said in that time that it was searching (+CEREG: 2," in finding.explanation()
    assert [event.__class__ for event in finding.evidence] == [DeviceReading, ConnectionClosed]


def test_a_modem_that_had_its_network_all_the_time() -> None:
    session = broken()
    end = session.clock.now
    assert told(joined([network(end + at * SECOND, HOME) for at in (-70, -30, 40)], session)) == []


def test_a_search_that_was_over_before_the_last_traffic() -> None:
    session = broken()
    end = session.clock.now
    events = [network(end - 65 * SECOND, GONE), network(end - 45 * SECOND, HOME), network(end + 40 * SECOND, HOME)]
    assert told(joined(events, session)) == []


def test_a_change_of_cells_breaks_nothing() -> None:
    session = broken()
    end = session.clock.now
    events = [network(end - 30 * SECOND, GONE), network(end - 27 * SECOND, HOME), network(end + 40 * SECOND, HOME)]
    assert told(joined(events, session)) == []


def test_traffic_of_a_modem_that_says_it_has_no_network_goes_another_way() -> None:
    session = broken()
    end = session.clock.now
    assert told(joined([network(end + at * SECOND, GONE) for at in (-90, -30, 40)], session)) == []


def test_voice_without_data_does_not_matter() -> None:
    session = broken()
    end = session.clock.now
    events = [modem(end - 20 * SECOND, "registration_cs", "denied"), network(end - 15 * SECOND, HOME)]
    events += [modem(end + 50 * SECOND, "registration_cs", "denied")]
    assert told(joined(events, session)) == []


def test_2g_data_is_data() -> None:
    session = broken()
    end = session.clock.now
    events = [modem(end - 60 * SECOND, "registration_ps", HOME), network(end - 20 * SECOND, GONE)]
    assert told(joined([*events, network(end + 40 * SECOND, GONE)], session)) == []


def test_an_orderly_end_is_no_loss() -> None:
    session = online_16()
    session.clock.wait(40)
    end = session.clock.now
    session.close()
    events = [network(end - 70 * SECOND, HOME), network(end - 20 * SECOND, GONE), network(end + 40 * SECOND, GONE)]
    assert told(joined(events, session)) == []


def losses(signal: float, name: str = "rsrp", *, age: int = 20, number: int = 2) -> list[str]:
    sessions: list[Session] = []
    events: list[Event] = []
    for at in range(number):
        session = broken(at, start=sessions[-1].clock.now + 60 * SECOND if sessions else 0)
        sessions.append(session)
        events.append(modem(session.clock.now - age * SECOND, name, signal))
    return told(joined(events, *sessions))


def test_losses_at_the_edge_of_the_cell() -> None:
    assert losses(-119.0) == ["device.modem-weak"]
    assert losses(-107.0, "rssi") == ["device.modem-weak"]


def test_losses_with_a_signal() -> None:
    assert losses(-114.0) == []
    assert losses(-95.0, "rssi") == []


def test_one_loss_is_an_accident() -> None:
    assert losses(-119.0, number=1) == []


def test_an_old_signal_says_nothing() -> None:
    assert losses(-119.0, age=130) == []
