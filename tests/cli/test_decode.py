"""``fieldkit decode`` from the outside: what goes in, what comes out, what is said beside it, and the exit status."""

from __future__ import annotations

import gzip
import json
import os
import select
import subprocess
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from fieldkit import schemastore
from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.capture import Packet, Seen, read, write_pcap
from tests.traffic.commandline import Fieldkit, ended, spawn
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.expectations import CAPTURES
from tests.traffic.mishaps import lossy, reordered, repeated
from tests.traffic.scripts import usual_hour
from tests.traffic.segments import MILLISECOND
from tests.traffic.taps import Tap

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"
TLS = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"
KEYS = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.keylog"
LOG = 'zoneless 2026-08-31 08:00:00 CP_7 received [2,"1","Heartbeat",{}]\n2026-08-31 08:00:01 CP_7 sent [3,"1",{}]\n'


def packets(name: str) -> list[Packet]:
    """The packets of one of the captures."""
    from fieldkit.wire.container import CaptureReader

    items = read(CaptureReader(), (CAPTURES / name).read_bytes())
    return [(item.time, item.data) for item in items if isinstance(item, Seen)]


def one_after_another(*captures: Iterable[Packet]) -> list[Packet]:
    return sorted((packet for capture in captures for packet in capture), key=lambda packet: packet[0])


# ---------------------------------------------------------------------------------------------------------- formats


def test_text_is_what_one_gets_without_asking(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--utc", PLAIN)
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert any("CP-21601 → CALL   BootNotification" in line for line in run.lines)
    assert "\x1b" not in run.out, "colours are for terminals"


def test_colours_on_demand(fieldkit: Fieldkit) -> None:
    assert "\x1b[" in fieldkit("decode", "--color", "always", PLAIN).out


def test_trace_is_a_record_a_message(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--format", "trace", PLAIN)
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert {record["chargePointId"] for record in run.records} == {"CP-21601"}
    assert all(record["meta"]["valid"] for record in run.records if record["messageType"] == "CALL")


def test_events_are_everything_that_was_seen(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--format", "events", PLAIN)
    kinds = {record["event"] for record in run.records}
    assert kinds >= {"ConnectionOpened", "HttpRequest", "WsMessage", "OcppMessage", "Exchange", "ConnectionClosed"}


def test_without_validation_nothing_is_called_valid(fieldkit: Fieldkit) -> None:
    records = fieldkit("decode", "--format", "trace", "--no-validate", PLAIN).records
    assert records
    assert not any("valid" in record["meta"] for record in records)


def test_without_the_schemas_it_goes_on_and_says_so(fieldkit: Fieldkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemastore, "available", lambda: False)
    monkeypatch.setattr(schemastore, "load", lambda *_: None)
    run = fieldkit("decode", "--format", "trace", PLAIN)
    assert run.code == ExitCode.OK
    assert run.records
    assert "payloads are not validated" in run.err


def test_id_tokens_are_masked_until_asked_for(fieldkit: Fieldkit) -> None:
    assert "DEADBEEF" not in fieldkit("decode", PLAIN).out
    assert "DEADBEEF" in fieldkit("decode", "--show-ids", PLAIN).out


# ---------------------------------------------------------------------------------------------------------- --filter


def test_a_filter_picks_messages(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--filter", "action = Heartbeat and type = CALL", "--format", "trace", PLAIN)
    assert run.code == ExitCode.OK
    assert {(record["action"], record["messageType"]) for record in run.records} == {("Heartbeat", "CALL")}


@pytest.mark.parametrize("form", ["text", "events"])
def test_a_filter_leaves_nothing_else(fieldkit: Fieldkit, form: str) -> None:
    run = fieldkit("decode", "--filter", "action = Heartbeat", "--format", form, PLAIN)
    assert "Heartbeat" in run.out
    assert "BootNotification" not in run.out
    assert "ConnectionOpened" not in run.out


def test_that_nothing_matches_does_not_mean_that_there_was_nothing(fieldkit: Fieldkit) -> None:
    assert fieldkit("decode", "--filter", "station = CP_404", PLAIN) == (ExitCode.OK, "", "")


def test_a_filter_with_a_mistake_shows_where_it_is(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--filter", "station = and", PLAIN)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    lines = run.err.splitlines()
    assert lines[-3].startswith("fieldkit decode: a value is missing behind =")
    shown, caret = lines[-2], lines[-1]
    assert caret.strip() == "^"
    assert shown.index("and") == caret.index("^")


# ----------------------------------------------------------------------------------------------------------- sources


def test_bad_sources_are_named_one_by_one_and_the_good_ones_decoded(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("decode", "--format", "trace", "nowhere.pcap", PLAIN, tmp_path)
    assert run.code == ExitCode.SOURCE
    assert run.err.splitlines() == [
        "fieldkit: nowhere.pcap: there is no such file",
        f"fieldkit: {tmp_path} is a directory: name the files in it",
    ]
    assert run.out == fieldkit("decode", "--format", "trace", PLAIN).out


def test_only_bad_sources(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "nowhere.pcap", "elsewhere.pcap")
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert run.err.count("\n") == 2


def test_an_empty_file_is_no_source(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").touch()
    run = fieldkit("decode", "--format", "trace", tmp_path / "empty.pcap")
    assert run == (ExitCode.SOURCE, "", f"fieldkit: {tmp_path}/empty.pcap: this file is empty\n")


def test_a_text_without_messages_is_no_source(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "shopping.txt").write_text("milk\neggs\n" * 10)
    run = fieldkit("decode", "--format", "trace", tmp_path / "shopping.txt")
    assert run == (
        ExitCode.SOURCE,
        "",
        f"fieldkit: {tmp_path}/shopping.txt: no OCPP messages were found in this text\n",
    )


def test_a_capture_cut_in_the_middle_of_a_packet(fieldkit: Fieldkit, tmp_path: Path) -> None:
    whole = fieldkit("decode", "--format", "trace", PLAIN).lines
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(PLAIN.read_bytes()[:12_000])
    run = fieldkit("decode", "--format", "trace", cut)
    assert run.code == ExitCode.INCOMPLETE
    (line,) = run.err.splitlines()
    assert line.startswith(f"fieldkit: {cut}: the capture was cut in the middle of packet 86: ")
    assert 20 < len(run.lines) < len(whole)
    assert run.lines == whole[: len(run.lines)], "up to there it is the same"


def test_a_gzipped_capture_cut_in_the_middle(fieldkit: Fieldkit, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap.gz"
    cut.write_bytes(gzip.compress(PLAIN.read_bytes())[:3000])
    run = fieldkit("decode", "--format", "trace", cut)
    assert run.code == ExitCode.INCOMPLETE
    assert run.records
    assert run.err.startswith("fieldkit: ")


def test_two_captures_of_other_times_come_in_the_order_of_time(fieldkit: Fieldkit) -> None:
    later, earlier = PLAIN, CAPTURES / "made" / "several_versions.pcap"
    for order in ((later, earlier), (earlier, later)):
        times = [record["timestamp"] for record in fieldkit("decode", "--format", "trace", *order).records]
        assert times == sorted(times)
        assert len({time[:10] for time in times}) == 2


def test_a_trace_is_a_source_again_and_says_the_same(fieldkit: Fieldkit, tmp_path: Path) -> None:
    first = fieldkit("decode", "--format", "trace", PLAIN)
    (tmp_path / "again.jsonl").write_text(first.out)
    again = fieldkit("decode", "--format", "trace", tmp_path / "again.jsonl")
    assert (again.code, again.err) == (ExitCode.OK, "")
    told = "timestamp chargePointId ocppVersion direction messageType messageId action payload raw error".split()
    assert [[record.get(name) for name in told] for record in again.records] == [
        [record.get(name) for name in told] for record in first.records
    ]


# --------------------------------------------------------------------------------------------- captures without OCPP


@pytest.mark.parametrize(
    "name, seen, shown",
    [
        ("fault_connection_refused", "1 refused", "FAILED"),
        ("fault_basic_auth_401", "1 http", "401 Unauthorized"),
        ("fault_wrong_subprotocol", "1 websocket", "selected no subprotocol"),
    ],
)
def test_a_capture_without_messages_says_what_there_was_instead(
    fieldkit: Fieldkit, name: str, seen: str, shown: str
) -> None:
    run = fieldkit("decode", CAPTURES / f"{name}.pcap")
    assert run.code == ExitCode.OK
    assert run.err == f"fieldkit: no OCPP messages found; TCP connections seen: {seen}\n"
    assert shown in run.out
    assert "wrongpassword" not in run.out


def test_a_fault_between_messages_needs_no_word_on_stderr(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", CAPTURES / "fault_boot_pending.pcap")
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert "Pending" in run.out


def test_quiet_is_quiet(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "-q", "--format", "trace", CAPTURES / "fault_connection_refused.pcap")
    assert run == (ExitCode.OK, "", "")


def test_missing_segments_make_the_result_incomplete(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--format", "trace", CAPTURES / "made" / "missing_segments.pcap")
    assert run.code == ExitCode.INCOMPLETE
    assert "bytes of WebSocket connections are missing" in run.err


# ---------------------------------------------------------------------------------------------------------- --keylog


def test_an_encrypted_capture_without_its_key_log_says_what_would_help(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--format", "trace", TLS)
    assert (run.code, run.out) == (ExitCode.OK, "")
    assert run.err == "fieldkit: no OCPP messages found; TCP connections seen: 2 tls (--keylog FILE decrypts TLS)\n"


def test_with_it_everything_is_there(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("decode", "--format", "trace", "--keylog", KEYS, TLS)
    assert (run.code, run.err) == (ExitCode.OK, "")
    actions = [record.get("action") for record in run.records]
    assert {"BootNotification", "StartTransaction", "StopTransaction"} <= set(actions)
    (tmp_path / "other.log").write_text("# of another day\n")
    both = fieldkit("decode", "--format", "trace", "--keylog", tmp_path / "other.log", "--keylog", KEYS, TLS)
    assert both.out == run.out, "of several, whichever fits"


def test_a_key_log_that_is_not_there(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("decode", "--keylog", tmp_path / "keys.log", TLS)
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert run.err == f"fieldkit: {tmp_path / 'keys.log'}: No such file or directory\n"


def test_a_key_log_without_keys(fieldkit: Fieldkit, tmp_path: Path) -> None:
    """A file that was mistaken for one must not look like a capture without messages."""
    (tmp_path / "keys.log").write_text("# nothing yet\n")
    run = fieldkit("decode", "--keylog", tmp_path / "keys.log", TLS)
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert "no TLS secrets" in run.err
    assert str(tmp_path / "keys.log") in run.err


# ------------------------------------------------------------------------------------------------------------ --zone


@pytest.mark.parametrize(
    "zone, at",
    [
        ("+02:00", "06:00:00"),
        ("-02:00", "10:00:00"),
        ("\N{MINUS SIGN}02:00", "10:00:00"),  # as a word processor writes it
        ("+0530", "02:30:00"),
        ("1030", "21:30:00"),
        ("2", "06:00:00"),
        ("-11", "19:00:00"),
        ("Z", "08:00:00"),
        ("utc", "08:00:00"),
        ("+00:00", "08:00:00"),
    ],
)
def test_a_zone_for_logs_that_name_none(fieldkit: Fieldkit, tmp_path: Path, zone: str, at: str) -> None:
    (tmp_path / "a.log").write_text(LOG)
    run = fieldkit("decode", "--format", "trace", "--zone", zone, tmp_path / "a.log")
    assert run.code == ExitCode.OK
    assert run.records[0]["timestamp"][11:19] == at


def test_without_one_it_says_that_it_assumed_utc(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    run = fieldkit("decode", "--format", "trace", tmp_path / "a.log")
    assert run.records[0]["timestamp"][11:19] == "08:00:00"
    assert "--zone" in run.err


@pytest.mark.parametrize("zone", ["Berlin", "x02:00", "+15:00", "+02:60", "105000", "", "+", "02:0", "/02"])
def test_what_is_no_zone(fieldkit: Fieldkit, zone: str) -> None:
    run = fieldkit("decode", "--zone", zone, PLAIN)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert "give an offset from UTC such as +02:00" in run.err


# ------------------------------------------------------------------------------------------------------------ --jobs


def site(*, lost: float = 0) -> bytes:
    """Five stations at the same time, their segments out of order, repeated and compressed; ``lost``: a share."""
    random, talks = Random(7), []
    for number in range(5):
        session = Session(
            f"CP_{number}",
            client=(f"192.168.7.{20 + number}", 50_000 + number),
            start=MONDAY + number * 10 * MILLISECOND,
            mss=(60, 200, 1448)[number % 3],
            deflate="takeover" if number % 2 else "",
        )
        session.connect()
        session.upgrade()
        usual_hour(session)
        session.close("fin" if number else "rst")
        talks.append(lossy(repeated(reordered(session.segments, random), random), random, lost))
    return write_pcap(Tap().packets(merged(*talks)))


def recorded() -> bytes:
    """Other people's programs, one after another in one file."""
    names = [
        "ocpp16j_vcp_ocpprpc_plain",
        "ocpp16j_vcp_ocpprpc_deflate",
        "ocpp201_vcp_pyocpp_plain",
        "ocpp21_vcp_ocpprpc_plain",
        "ocpp15s_ocppjs_soap",
        "fault_boot_pending",
        "fault_connection_refused",
    ]
    return write_pcap(one_after_another(*(packets(f"{name}.pcap") for name in names)))


@pytest.mark.parametrize("capture", [site, recorded])
def test_three_processes_write_what_one_writes(fieldkit: Fieldkit, tmp_path: Path, capture: object) -> None:
    assert callable(capture)
    file = tmp_path / "site.pcap"
    file.write_bytes(capture())
    alone = fieldkit("decode", "--format", "trace", "--jobs", "1", file)
    together = fieldkit("decode", "--format", "trace", "--jobs", "3", file)
    assert len({record["meta"]["connection"] for record in alone.records}) >= 5
    assert together.out == alone.out
    assert (together.code, together.err) == (alone.code, alone.err)


def test_and_lose_nothing_where_the_capture_has_holes(fieldkit: Fieldkit, tmp_path: Path) -> None:
    """What waited behind a hole may stand elsewhere among the other stations' records, never among its own."""
    file = tmp_path / "site.pcap"
    file.write_bytes(site(lost=0.1))
    alone, together = (fieldkit("decode", "--format", "trace", "--jobs", jobs, file) for jobs in ("1", "3"))
    assert (together.code, together.err) == (alone.code, alone.err)
    assert alone.code == ExitCode.INCOMPLETE
    for station in {record["chargePointId"] for record in alone.records}:
        named = f'"chargePointId":"{station}"'
        assert [line for line in together.lines if named in line] == [line for line in alone.lines if named in line]
    assert len(together.lines) == len(alone.lines)


def test_and_filter_like_one(fieldkit: Fieldkit, tmp_path: Path) -> None:
    file = tmp_path / "site.pcap"
    file.write_bytes(site())
    arguments = ("decode", "--format", "trace", "--filter", "action = MeterValues and station matches 'CP_[13]'", file)
    alone, together = fieldkit(*arguments, "--jobs", "1"), fieldkit(*arguments, "--jobs", "3")
    assert {record["chargePointId"] for record in alone.records} == {"CP_1", "CP_3"}
    assert together == alone


@pytest.mark.parametrize("length", [0, 12_000, -100])
def test_and_say_of_a_damaged_capture_what_one_says(fieldkit: Fieldkit, tmp_path: Path, length: int) -> None:
    file = tmp_path / "cut.pcap"
    file.write_bytes(PLAIN.read_bytes()[:length])
    alone, together = (fieldkit("decode", "--format", "trace", "--jobs", jobs, file) for jobs in ("1", "3"))
    assert together == alone
    assert alone.code == (ExitCode.INCOMPLETE if length else ExitCode.SOURCE)


@pytest.mark.parametrize(
    "capture, seen", [(TLS, "2 tls"), (CAPTURES / "fault_connection_refused.pcap", "1 refused")], ids=["tls", "refused"]
)
def test_and_of_one_without_messages(fieldkit: Fieldkit, capture: Path, seen: str) -> None:
    alone, together = (fieldkit("decode", "--format", "trace", "--jobs", jobs, capture) for jobs in ("1", "3"))
    assert together == alone
    assert seen in alone.err


@pytest.mark.parametrize("form", ["text", "events"])
def test_other_formats_are_written_by_one(fieldkit: Fieldkit, form: str) -> None:
    arguments = ("decode", "--utc", "--format", form, PLAIN)
    assert fieldkit(*arguments, "--jobs", "3") == fieldkit(*arguments, "--jobs", "1")


# ------------------------------------------------------------------------------------------------------------- pipes


def test_from_a_pipe_it_says_what_it_says_of_the_file(fieldkit: Fieldkit) -> None:
    with PLAIN.open("rb") as stream:
        run = ended(spawn("decode", "--format", "trace", "-", stdin=stream))
    assert run == fieldkit("decode", "--format", "trace", PLAIN)


@pytest.mark.parametrize("form", ["text", "trace", "events"])
def test_what_a_live_capture_has_seen_is_shown_before_it_ends(form: str) -> None:
    """``ssh router tcpdump -U -w - | fieldkit decode -``, and the next packet may be a minute away."""
    whole = PLAIN.read_bytes()
    process = spawn("decode", "--no-validate", "--format", form, "-", stdin=subprocess.PIPE)
    process.stdin.write(whole[:1500])
    process.stdin.flush()
    shown = b""
    while b"BootNotification" not in shown and select.select([process.stdout], [], [], 20)[0]:
        piece = os.read(process.stdout.fileno(), 65_536)
        if not piece:
            break
        shown += piece
    process.stdin.write(whole[1500:])
    run = ended(process)
    assert b"BootNotification" in shown, "nothing is shown while the pipe is open"
    assert (run.code, run.err) == (ExitCode.OK, "")


def test_a_live_log_too() -> None:
    """As soon as there is enough of it to tell what kind of log it is."""
    process = spawn("decode", "--format", "trace", "-", stdin=subprocess.PIPE)
    line = '2026-08-31T08:%02d:%02dZ CP_7 received [2,"%d","Heartbeat",{}]\n'
    lines = [line % (*divmod(number, 60), number) for number in range(400)]
    process.stdin.write("".join(lines).encode())
    ready, _, _ = select.select([process.stdout], [], [], 20)
    if ready:
        assert json.loads(process.stdout.readline())["messageId"] == "0"
        assert process.poll() is None
    assert ended(process).code == ExitCode.OK
    assert ready, "nothing is shown while the pipe is open"


def test_an_empty_pipe(tmp_path: Path) -> None:
    run = ended(spawn("decode", "--format", "trace", "-"))
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert "empty" in run.err


# ---------------------------------------------------------------------------------------------------------- terminals


def test_a_terminal_without_arrows_gets_question_marks() -> None:
    run = ended(spawn("decode", CAPTURES / "fault_boot_pending.pcap", PYTHONIOENCODING="latin-1"))
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert "CP-21622 ? CALL   BootNotification" in run.out
