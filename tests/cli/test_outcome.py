"""What a run came to, in a line or two and a number."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.events import (
    AppProtocol,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Event,
    MessageType,
    OcppChannel,
    OcppMessage,
    StreamGap,
    TlsOpaque,
)
from fieldkit.sources.file import FileSource
from fieldkit.tally import Tally

AT = 1_773_223_200 * 10**9


def link(number: int = 1) -> Connection:
    return Connection(number, Endpoint("10.0.0.5", 40_000 + number), Endpoint("10.0.0.1", 9000), AT, False, "x.pcap")


CHANNEL = OcppChannel("CP_7", "1.6", "json", link(), False, False, False)
MESSAGE = OcppMessage(
    AT, (1,), "x.pcap", CHANNEL, "station", MessageType.CALL, "1", "Heartbeat", {}, None, "", (), True, None
)


def seen(protocol: AppProtocol, number: int = 1) -> ConnectionRecognised:
    return ConnectionRecognised(AT, (1,), link(number), protocol)


def closed(how: ConnectionEnd, number: int = 1) -> ConnectionClosed:
    return ConnectionClosed(AT, (9,), link(number), how, None)


def gap(missing: int, number: int = 1, *, snapped: bool = False) -> StreamGap:
    return StreamGap(AT, (5,), link(number), True, missing, snapped)


def damage(layer: str, reason: str = "the capture was cut") -> DecodeError:
    return DecodeError(AT, (), None, layer, reason, b"", 0)


def told(capsys: pytest.CaptureFixture[str], *events: Event, quiet: bool = False) -> tuple[ExitCode, list[str]]:
    """The exit status after these events, and the lines on stderr without the name in front."""
    outcome = Outcome(quiet=quiet)
    for event in events:
        assert event.__class__ in Tally.CONCERNS
        outcome.note(event)
    outcome.conclude([])
    out, err = capsys.readouterr()
    assert out == "", "what is said of a run is not part of its result"
    lines = err.splitlines()
    assert all(line.startswith("fieldkit: ") for line in lines)
    return outcome.exit_code(), [line.removeprefix("fieldkit: ") for line in lines]


# --------------------------------------------------------------------------------------------------- nothing to say


def test_a_sound_capture_with_messages_needs_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, seen("websocket"), MESSAGE, closed("fin")) == (ExitCode.OK, [])


def test_what_a_station_got_wrong_is_not_the_captures_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, MESSAGE, damage("websocket"), damage("http"), damage("tls")) == (ExitCode.OK, [])


# ---------------------------------------------------------------------------------------------------- no messages


def test_nothing_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == (ExitCode.OK, ["no OCPP messages found, and no TCP connection"])


def test_without_messages_what_was_seen_instead_most_frequent_first(capsys: pytest.CaptureFixture[str]) -> None:
    events = (seen("tls", 1), seen("http", 2), seen("http", 3), closed("refused", 4), closed("no-answer", 5))
    code, (line,) = told(capsys, *events)
    assert code == ExitCode.OK
    assert line == "no OCPP messages found; TCP connections seen: 2 http, 1 tls, 1 refused, 1 never answered"


def test_of_encrypted_connections_how_to_read_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = told(capsys, seen("tls"), TlsOpaque(AT, (4,), link(), "no secrets"))
    assert code == ExitCode.OK
    assert line.endswith("1 tls (--keylog FILE decrypts TLS)")


def test_a_connection_that_becomes_one_thing_after_the_other_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    inside_tls = (seen("tls", 1), seen("http", 1), seen("websocket", 1))
    _, (line,) = told(capsys, *inside_tls, seen("http", 2), seen("websocket", 2), closed("fin", 2), seen("http", 3))
    assert line.endswith("seen: 2 websocket, 1 http")


def test_the_second_sight_of_a_connection_is_not_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, (line,) = told(capsys, seen("websocket", 1), seen("mirror", 2))
    assert line.endswith("seen: 1 websocket")


def test_a_connection_counts_as_what_it_turned_out_to_be_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """TLS, decrypted, is HTTP, and becomes a WebSocket."""
    events = (seen("tls", 1), seen("http", 1), seen("websocket", 1), seen("tls", 2), seen("websocket", 2))
    _, (line,) = told(capsys, *events)
    assert line == "no OCPP messages found; TCP connections seen: 2 websocket"


# --------------------------------------------------------------------------------------------------- something lacks


def test_gaps_count_where_ocpp_may_have_been(capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = told(capsys, seen("websocket"), MESSAGE, gap(1000), gap(460))
    assert code == ExitCode.INCOMPLETE
    assert line == "2 gaps: 1,460 bytes of WebSocket connections are missing in the capture, messages may be lacking"


def test_a_hole_in_somebody_elses_download_is_no_matter(capsys: pytest.CaptureFixture[str]) -> None:
    events = (seen("websocket"), MESSAGE, seen("http", 2), gap(1000, 2), closed("fin"), gap(7))
    assert told(capsys, *events) == (ExitCode.OK, [])


def test_a_short_snap_length_is_told_once_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    code, (line,) = told(capsys, MESSAGE, gap(900, snapped=True), gap(334, 2, snapped=True))
    assert code == ExitCode.INCOMPLETE
    assert "1,234 bytes are cut off" in line
    assert "tcpdump -s 0" in line


def lost(layer: str, number: int, reason: str, at: int = AT, *, midstream: bool = False) -> DecodeError:
    connection = replace(link(), joined_midstream=midstream)
    return DecodeError(at, (3,), connection, layer, reason, b"?", number)


@pytest.mark.parametrize("layer", ["websocket", "deflate", "http", "soap", "log"])
def test_bytes_that_may_have_been_messages_are_admitted(capsys: pytest.CaptureFixture[str], layer: str) -> None:
    events = (seen("websocket"), MESSAGE, lost(layer, 1200, "the first"), lost(layer, 34, "the second", AT + 1))
    code, (line,) = told(capsys, *events)
    assert code == ExitCode.INCOMPLETE
    assert line.startswith("2 pieces of traffic (1,234 bytes) could not be decoded, messages may be lacking")
    assert line.endswith("the first: the first")


def test_the_rest_of_a_download_that_began_before_the_capture_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, MESSAGE, lost("http", 1200, "no HTTP", midstream=True)) == (ExitCode.OK, [])


def test_of_several_processes_the_first_in_time_is_told() -> None:
    """Not that of the process that was asked first."""
    one, two, total = Outcome(quiet=True), Outcome(quiet=True), Tally()
    one.note(lost("websocket", 5, "later", AT + 7))
    two.note(lost("websocket", 6, "earlier", AT + 3))
    for outcome in (one, two, Outcome(quiet=True)):
        total.add(outcome.tally)
    assert (total.undecoded, total.lost, total.undecoded_first) == (2, 11, (AT + 3, "earlier"))


def test_packets_that_were_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    events = (MESSAGE, CaptureDropped(AT, (), "eth0", 1200), CaptureDropped(AT, (), "eth1", 34))
    assert told(capsys, *events) == (
        ExitCode.INCOMPLETE,
        ["the capture says that 1,234 packets were dropped while it was taken"],
    )


def test_damage_is_told_place_by_place_up_to_three(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, MESSAGE, *(damage("pcap", f"damage {number}") for number in range(1500)))
    assert code == ExitCode.INCOMPLETE
    assert lines == ["damage 0", "damage 1", "damage 2", "… and 1,497 more places like these"]


@pytest.mark.parametrize("layer", ["container", "gzip", "pcap", "pcapng"])
def test_damage_without_anything_readable_is_no_source(capsys: pytest.CaptureFixture[str], layer: str) -> None:
    assert told(capsys, damage(layer)) == (ExitCode.SOURCE, ["the capture was cut"])


def test_damage_beside_connections_is_an_incomplete_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, seen("http"), damage("pcap"))[0] == ExitCode.INCOMPLETE


def test_a_source_that_cannot_be_used_outweighs_everything(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(quiet=False)
    outcome.unusable("x.pcap: there is no such file")
    for event in (seen("websocket"), MESSAGE, gap(5), damage("pcap")):
        outcome.note(event)
    assert outcome.exit_code() == ExitCode.SOURCE
    assert capsys.readouterr().err == "fieldkit: x.pcap: there is no such file\n"


def test_of_what_was_never_read_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(quiet=False)
    outcome.unusable("keys.log: there is no such file")
    outcome.conclude([])
    assert "no OCPP messages" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- how it is said


def test_quiet_tells_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, quiet=True) == (ExitCode.OK, [])
    code, lines = told(capsys, seen("websocket"), MESSAGE, gap(5), damage("pcap"), quiet=True)
    assert (code, lines) == (ExitCode.INCOMPLETE, ["the capture was cut"])


def test_a_log_whose_times_name_no_zone(capsys: pytest.CaptureFixture[str]) -> None:
    class Log:
        name = "steve.log"
        zone_assumed = True
        date_assumed = False

    outcome = Outcome(quiet=False)
    outcome.note(MESSAGE)
    outcome.conclude([cast(FileSource, Log())])
    (line,) = capsys.readouterr().err.splitlines()
    assert "steve.log: its times name no zone" in line
    assert "--zone" in line


def test_a_hostile_file_name_does_not_get_at_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(quiet=False)
    outcome.unusable("\x1b[2J\x1b]0;owned\x07.pcap: there is no such file")
    outcome.note(damage("pcap", "odd \x1b[31mbytes"))
    outcome.conclude([])
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\x07" not in err
    assert "there is no such file" in err


# ------------------------------------------------------------------------------------------------- several processes


def test_the_counts_of_several_processes_add_up() -> None:
    one, two = Outcome(quiet=True), Outcome(quiet=True)
    for event in (seen("websocket", 1), MESSAGE, gap(10, 1), damage("pcap", "a"), damage("pcap", "b")):
        one.note(event)
    for event in (seen("websocket", 2), seen("tls", 3), MESSAGE, MESSAGE, gap(5, 2), damage("pcap", "c")):
        two.note(event)
    two.note(damage("pcap", "d"))
    two.note(TlsOpaque(AT, (1,), link(3), "no secrets"))
    two.note(CaptureDropped(AT, (), "eth0", 8))
    two.note(gap(100, 2, snapped=True))
    total = Tally()
    total.add(one.tally)
    total.add(two.tally)
    assert (total.messages, total.gaps, total.missing) == (3, 2, 15)
    assert (total.snapped, total.dropped, total.opaque) == (100, 8, 1)
    assert total.connections == {"websocket": 2, "tls": 1}
    assert (total.damaged, total.damage) == (4, ["a", "b", "c"])


def test_an_outcome_speaks_of_a_total_as_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    worker = Outcome(quiet=True)
    for event in (seen("websocket"), MESSAGE, gap(5)):
        worker.note(event)
    outcome = Outcome(quiet=False)
    outcome.tally.add(worker.tally)
    outcome.conclude([])
    assert outcome.exit_code() == ExitCode.INCOMPLETE
    assert "1 gap: 5 bytes" in capsys.readouterr().err
