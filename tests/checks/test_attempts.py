"""SYNs that nobody answers, or that are answered by RST."""

from __future__ import annotations

from typing import Literal

from fieldkit.session import Session as Diagnosis
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events, found, the
from tests.traffic.scripts import boot_16
from tests.traffic.segments import SECOND, Clock, TcpTalk
from tests.traffic.taps import Tap


def attempt(
    answer: Literal["rst", "silence"],
    *,
    start: float = 0,
    port: int = 49_300,
    client: str = "192.168.7.20",
    tries: int = 3,
) -> TcpTalk:
    talk = TcpTalk(Clock(MONDAY + round(start * SECOND)), (client, port), ("203.0.113.5", 8080), first=(17, 0))
    talk.try_in_vain(answer, attempts=1 if answer == "rst" else tries)
    return talk


def connected(start: float = 0, port: int = 49_152, client: str = "192.168.7.20") -> Session:
    session = Session("CP_7", "1.6", start=MONDAY + round(start * SECOND), client=(client, port))
    session.connect()
    session.upgrade()
    boot_16(session)
    session.close()
    return session


def judged(*talks: TcpTalk | Session) -> Diagnosis:
    segments = merged(*(talk.segments for talk in talks))
    return diagnose_events(decode(write_pcap(Tap().packets(segments))).events)


def attempts(diagnosis: Diagnosis) -> list[str]:
    return [id_ for id_ in found(diagnosis) if id_ in ("connection.refused", "connection.unanswered")]


def test_nothing_but_a_refused_attempt_is_the_answer() -> None:
    diagnosis = judged(attempt("rst"))
    finding = the(diagnosis, "connection.refused")
    assert finding.severity == "critical"
    assert "192.168.7.20 tried to connect to 203.0.113.5:8080" in finding.explanation()
    assert finding.evidence[0].frames == (1,)


def test_nothing_but_silence() -> None:
    finding = the(judged(attempt("silence", tries=4)), "connection.unanswered")
    assert finding.severity == "critical"
    assert ", and nothing came back within " in finding.explanation(), "for how long it tried nobody knows"
    assert finding.evidence[0].frames == (1,), "the SYN, as nothing else shows it"


def test_a_capture_that_ends_right_behind_the_syn_accuses_nobody() -> None:
    assert attempts(judged(attempt("silence", tries=2))) == []


def test_an_attempt_of_a_known_station_is_a_warning_until_it_happens_again_and_again() -> None:
    station = connected()
    once = judged(station, attempt("rst", start=60))
    assert the(once, "connection.refused").severity == "warning"
    assert the(once, "connection.refused").first_seen.station == "CP_7"
    often = judged(station, *(attempt("rst", start=60 + at * 10, port=49_300 + at) for at in range(3)))
    assert the(often, "connection.refused").severity == "critical"
    assert the(often, "connection.refused").count == 3


def test_attempts_between_which_the_station_got_through_are_not_in_a_row() -> None:
    fails = [attempt("rst", start=100 + at * 10, port=49_300 + at) for at in range(2)]
    later = [attempt("rst", start=200 + at * 10, port=49_400 + at) for at in range(2)]
    diagnosis = judged(connected(), *fails, connected(150, 49_153), *later)
    assert the(diagnosis, "connection.refused").severity == "warning"


def test_an_attempt_before_the_station_is_known() -> None:
    diagnosis = judged(attempt("rst"), connected(30))
    assert the(diagnosis, "connection.refused").severity == "warning"


def test_somebody_elses_attempt_beside_a_healthy_station_is_no_finding() -> None:
    other = TcpTalk(Clock(MONDAY), ("192.168.7.99", 50_000), ("198.51.100.9", 8883), first=(17, 0))
    other.try_in_vain("rst")
    assert attempts(judged(connected(), other)) == []


def test_many_hosts_that_fail_are_a_network_and_not_a_station() -> None:
    talks = [attempt("rst", client=f"192.168.7.{at}") for at in range(20, 24)]
    assert attempts(judged(*talks)) == []


def elsewhere(start: float, port: int) -> TcpTalk:
    talk = TcpTalk(Clock(MONDAY + round(start * SECOND)), ("192.168.7.20", port), ("198.51.100.9", 8883), first=(17, 0))
    talk.try_in_vain("rst")
    return talk


def test_what_the_same_host_tries_elsewhere_need_not_be_the_station_s_csms() -> None:
    assert attempts(judged(connected(), elsewhere(60, 50_000), elsewhere(70, 50_001))) == []


def test_a_station_without_a_csms_that_keeps_trying_another_address() -> None:
    diagnosis = judged(connected(), *(elsewhere(60 + at * 10, 50_000 + at) for at in range(3)))
    finding = the(diagnosis, "connection.refused")
    assert finding.severity == "warning"
    assert "not the server that OCPP was spoken with" in finding.explanation()


def test_a_station_that_is_connected_is_not_offline_because_of_a_dead_download_server() -> None:
    session = Session("CP_7", "1.6", start=MONDAY, client=("192.168.7.20", 49_152))
    session.connect()
    session.upgrade()
    boot_16(session)
    assert attempts(judged(session, *(elsewhere(60 + at * 10, 50_000 + at) for at in range(4)))) == []
