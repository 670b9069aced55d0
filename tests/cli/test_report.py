"""``fieldkit report`` from the outside: documents, what is said beside them, and the exit status."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.sources import ahead, forked
from tests.traffic.capture import Packet, write_pcap
from tests.traffic.commandline import ROOT, Fieldkit, ended, spawn
from tests.traffic.conversation import Session, merged
from tests.traffic.expectations import CAPTURES
from tests.traffic.scripts import boot_16, charge_16, usual_hour
from tests.traffic.segments import Clock, TcpTalk
from tests.traffic.taps import Tap

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"
UNAUTHORIZED = CAPTURES / "fault_basic_auth_401.pcap"
TLS = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"
KEYS = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.keylog"


def saved(path: Path, *sessions: Session) -> Path:
    packets: list[Packet] = Tap().packets(merged(*(session.segments for session in sessions)))
    path.write_bytes(write_pcap(packets))
    return path


def healthy(path: Path) -> Path:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close()
    return saved(path, session)


def document(path: Path) -> Any:
    return json.loads(path.read_text())


# ---------------------------------------------------------------------------------------------------------- documents


def test_text_is_what_one_gets_without_asking(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", UNAUTHORIZED)
    assert run.code == ExitCode.FINDINGS
    assert "handshake.unauthorized" in run.out
    assert "\x1b" not in run.out, "colours are for terminals"
    assert run.err == ""


def test_large_captures_are_decoded_beside_and_the_report_is_the_same(
    fieldkit: Fieldkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fieldkit("report", PLAIN, "-o", tmp_path / "here.html", "-o", tmp_path / "here.json")
    began: list[int] = []

    class Counted(forked.Helper):
        def __init__(self, *given: Any) -> None:
            began.append(os.getpid())
            super().__init__(*given)

    monkeypatch.setattr(forked, "Helper", Counted)
    monkeypatch.setattr(forked, "cores", lambda: 2)
    monkeypatch.setattr(ahead, "MIN_BYTES", 1000)
    fieldkit("report", PLAIN, "-o", tmp_path / "there.html", "-o", tmp_path / "there.json")
    assert began == ([os.getpid()] if forked.possible() else [])
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "here.json").read_bytes()
    assert (tmp_path / "there.html").read_bytes() == (tmp_path / "here.html").read_bytes()


def test_several_documents_in_one_go(fieldkit: Fieldkit, tmp_path: Path) -> None:
    suffixes = "html json txt md csv xml pcapng jsonl exchanges.csv meters.csv".split()
    names = [tmp_path / f"site.{suffix}" for suffix in suffixes]
    run = fieldkit("report", PLAIN, *(argument for name in names for argument in ("-o", name)))
    assert run.out == "", "standard output is for what is asked of it"
    assert sorted(tmp_path.iterdir()) == sorted(names)
    assert "site.html" in run.err
    assert names[0].read_text().lower().startswith("<!doctype html>")
    assert document(names[1])["schema"] == 1
    assert max(map(len, names[2].read_text().splitlines())) <= 80
    assert names[3].read_text().startswith("#")
    assert names[4].read_text().startswith("station,id,version,")
    assert ET.fromstring(names[5].read_text()).tag in ("testsuite", "testsuites")
    assert names[6].read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert names[7].read_text() == fieldkit("decode", "--format", "trace", PLAIN).out
    assert len(names[8].read_text().splitlines()) > 20
    assert "Energy.Active.Import.Register" in names[9].read_text()


def test_what_is_quiet_says_nothing(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "-q", "-o", tmp_path / "site.html", PLAIN)
    assert (run.out, run.err) == ("", "")


def test_json_on_standard_output(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", "--json", "-", UNAUTHORIZED)
    found = json.loads(run.out)
    assert found["findings"][0]["id"] == "handshake.unauthorized"
    assert found["sources"][0]["name"] == str(UNAUTHORIZED)
    assert found["capture"]["packets"] == 10


def test_text_beside_a_file(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "-o", "-", "--json", tmp_path / "site.json", UNAUTHORIZED)
    assert "handshake.unauthorized" in run.out
    assert document(tmp_path / "site.json")["summary"]["findings"]["critical"] == 1


def test_an_old_document_is_replaced(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text("old")
    fieldkit("report", "-o", tmp_path / "site.json", PLAIN)
    assert document(tmp_path / "site.json")["schema"] == 1


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["-o", "site.pdf"], "the suffix says what to write"),
        (["-o", "site.pcap"], "name .pcapng"),
        (["-o", "nowhere/site.html"], "there is no directory nowhere"),
        (["-o", "site.html", "-o", "site.html"], "written twice"),
        (["-o", "site.json", "--json", "site.json"], "written twice"),
        (["-o", "-", "--json", "-"], "cannot both have standard output"),
        (["--anonymize", "site.html"], "suffix"),
        (["--min-profile", "4"], "4 is not in the range"),
        (["--zone", "CET"], "--zone CET"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    fieldkit: Fieldkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fieldkit("report", *arguments, PLAIN)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert says in run.err
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_not_overwritten(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source = tmp_path / "site.pcapng"
    source.write_bytes((CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng").read_bytes())
    run = fieldkit("report", "-o", source, source)
    assert run.code == ExitCode.USAGE
    assert "is one of the sources" in run.err


def test_an_annotated_capture_needs_a_file(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "-o", tmp_path / "x.pcapng", "-")
    assert run.code == ExitCode.USAGE
    assert "second look" in run.err


def test_there_are_no_packets_in_a_log(fieldkit: Fieldkit, tmp_path: Path) -> None:
    log = tmp_path / "site.jsonl"
    fieldkit("report", "-o", log, PLAIN)
    run = fieldkit("report", "-o", tmp_path / "x.pcapng", log)
    assert "no packets in a log" in run.err
    assert not (tmp_path / "x.pcapng").exists()


# ---------------------------------------------------------------------------------------------------------- identities


def test_id_tokens_are_masked_until_asked_for(fieldkit: Fieldkit, tmp_path: Path) -> None:
    for suffix in ("html", "json", "txt", "md", "csv", "xml"):
        path = tmp_path / f"site.{suffix}"
        fieldkit("report", "-o", path, PLAIN)
        assert "DEADBEEF" not in path.read_text(), suffix
    fieldkit("report", "--show-ids", "-o", path.with_suffix(".json"), PLAIN)
    assert "DEADBEEF" in path.with_suffix(".json").read_text()


@pytest.mark.parametrize("suffix", ["jsonl", "pcapng"])
def test_for_somebody_outside(fieldkit: Fieldkit, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"outside.{suffix}"
    run = fieldkit("report", "--anonymize", path, PLAIN)
    assert run.out == ""
    assert f"outside.{suffix}" in run.err
    data = path.read_bytes()
    assert b"CP-21601" not in data
    assert b"DEADBEEF" not in data
    first = fieldkit("report", "--json", "-", path)
    assert json.loads(first.out)["summary"]["stations"] == 1


def test_a_password_is_in_no_document(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    boot_16(session)
    key = {"key": "AuthorizationKey", "value": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
    session.call("csms", "ChangeConfiguration", key, {"status": "Rejected"})
    session.close()
    source = saved(tmp_path / "source.pcap", session)
    names = [tmp_path / f"site.{suffix}" for suffix in "html json txt md csv xml pcapng jsonl exchanges.csv".split()]
    outputs = [argument for name in names for argument in ("-o", name)]
    fieldkit("report", *outputs, "--anonymize", tmp_path / "a.jsonl", "--anonymize", tmp_path / "a.pcapng", source)
    for path in tmp_path.iterdir():
        if path != source:
            assert b"0f1e2d3c4b5a" not in path.read_bytes(), path.name


# ---------------------------------------------------------------------------------------------------------- exit codes


def test_a_healthy_capture(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "--fail-on", "warning", "--json", "-", healthy(tmp_path / "site.pcap"))
    assert json.loads(run.out)["summary"]["severity"] == "ok"
    assert run.code == ExitCode.OK


@pytest.mark.parametrize(
    "name, level, code",
    [
        ("fault_basic_auth_401.pcap", "critical", ExitCode.FINDINGS),
        ("fault_basic_auth_401.pcap", "never", ExitCode.OK),
        ("ocpp16j_vcp_ocpprpc_plain.pcap", "critical", ExitCode.OK),
        ("ocpp16j_vcp_ocpprpc_plain.pcap", "info", ExitCode.FINDINGS),
    ],
)
def test_what_counts_as_failure_is_the_users_choice(fieldkit: Fieldkit, name: str, level: str, code: ExitCode) -> None:
    assert fieldkit("report", "--fail-on", level, CAPTURES / name).code == code


def test_a_profile_below_what_is_demanded(fieldkit: Fieldkit) -> None:
    before = json.loads(fieldkit("report", "--json", "-", PLAIN).out)["findings"]
    after = json.loads(fieldkit("report", "--min-profile", "2", "--json", "-", PLAIN).out)["findings"]
    assert {finding["id"] for finding in after} - {finding["id"] for finding in before}


def test_a_source_that_is_not_there(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "-o", tmp_path / "site.html", tmp_path / "nowhere.pcap")
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert run.err == f"fieldkit: {tmp_path}/nowhere.pcap: there is no such file\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(range(256)) * 9], ids=["empty", "png", "noise"]
)
def test_what_is_no_capture_at_all(fieldkit: Fieldkit, tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "photo.pcap"
    source.write_bytes(data)
    run = fieldkit("report", "-o", tmp_path / "site.html", "-o", tmp_path / "site.jsonl", source)
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert run.err.count("\n") == 1
    assert [*tmp_path.iterdir()] == [source], "no document of nothing"


def test_one_bad_source_of_two(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("report", "--json", "-", PLAIN, tmp_path / "nowhere.pcap")
    assert run.code == ExitCode.SOURCE
    assert json.loads(run.out)["capture"]["messages"] == 58


def test_a_capture_that_is_cut(fieldkit: Fieldkit, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(PLAIN.read_bytes()[:12_000])
    run = fieldkit("report", cut)
    assert run.code == ExitCode.INCOMPLETE
    assert "cut" in run.out


def test_what_is_missing_changes_no_verdict_that_is_bad_already(fieldkit: Fieldkit, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(UNAUTHORIZED.read_bytes()[:-40])
    assert fieldkit("report", cut).code == ExitCode.FINDINGS


def test_a_gap_makes_a_good_verdict_doubtful(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    boot_16(session)
    charge_16(session, samples=12)
    session.close()
    at = [n for n, one in enumerate(session.segments) if one.from_client and len(one.payload) > 400][3]
    kept = session.segments[:at] + session.segments[at + 1 :]
    source = tmp_path / "gap.pcap"
    source.write_bytes(write_pcap(Tap().packets(kept)))
    run = fieldkit("report", "-o", tmp_path / "site.txt", source)
    assert run.code == ExitCode.INCOMPLETE
    assert "missing in the capture" in run.err


# ------------------------------------------------------------------------------------------------------ without OCPP


def test_a_capture_of_something_else_says_what_it_holds(fieldkit: Fieldkit, tmp_path: Path) -> None:
    talk = TcpTalk(Clock(1_788_163_200_000_000_000), ("10.0.0.1", 50_000), ("203.0.113.80", 80))
    talk.open()
    talk.send(True, b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    talk.send(False, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    talk.close(by_client=True)
    source = tmp_path / "web.pcap"
    source.write_bytes(write_pcap(Tap().packets(talk.segments)))
    run = fieldkit("report", source)
    assert run.code == ExitCode.INCOMPLETE, "nothing was seen to be right"
    assert "no OCPP" in run.lines[0]
    assert "203.0.113.80:80 (www.example.com, http, 1 connection)" in run.out


def test_encrypted_traffic_names_the_key_log(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", TLS)
    assert "--keylog" in run.out
    with_keys = fieldkit("report", "--keylog", KEYS, "--json", "-", TLS)
    assert json.loads(with_keys.out)["capture"]["messages"] > 50


# ------------------------------------------------------------------------------------------------------------- others


def test_several_sources_are_one_site(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", "--json", "-", PLAIN, CAPTURES / "ocpp201_vcp_pyocpp_plain.pcap")
    found = json.loads(run.out)
    assert found["summary"]["stations"] == 2
    assert len(found["sources"]) == 2


def test_a_pipe(tmp_path: Path) -> None:
    with PLAIN.open("rb") as file:
        run = ended(spawn("report", "--json", "-", "-", stdin=file))
    assert json.loads(run.out)["sources"][0]["name"] == "stdin"


def test_a_gzipped_capture_is_annotated_too(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source = tmp_path / "site.pcap.gz"
    source.write_bytes(gzip.compress(UNAUTHORIZED.read_bytes()))
    fieldkit("report", "-o", tmp_path / "x.pcapng", source)
    assert b"fieldkit[handshake.unauthorized critical]" in (tmp_path / "x.pcapng").read_bytes()


def test_help_has_examples_and_the_exit_codes(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", "--help")
    assert run.code == ExitCode.OK
    assert "fieldkit report site.pcapng" in run.out
    assert "Exit codes" in run.out


def test_the_catalogue(fieldkit: Fieldkit) -> None:
    run = fieldkit("report", "--list-findings")
    assert run.code == ExitCode.OK
    assert any(line.startswith("handshake.unauthorized ") for line in run.lines)


def test_a_disk_that_is_full(fieldkit: Fieldkit) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("there is no /dev/full here")
    run = fieldkit("report", "--json", "/dev/full", PLAIN)
    assert run.code == ExitCode.INCOMPLETE
    assert run.err.startswith("fieldkit: /dev/full: No space left")


# ------------------------------------------------------------------------------------------------- what users run into


def test_of_several_sources_the_damaged_one_is_named(fieldkit: Fieldkit, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(PLAIN.read_bytes()[:12_000])
    run = fieldkit("report", "-o", tmp_path / "x.json", cut, CAPTURES / "ocpp201_vcp_pyocpp_plain.pcap")
    assert f"fieldkit: {cut}: the capture was cut" in run.err
    assert document(tmp_path / "x.json")["capture"]["damage"][0].startswith(f"{cut}: ")


def test_a_text_without_ocpp_is_no_source_and_the_rest_is_reported(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("call Bob about the charger\n")
    alone = fieldkit("report", tmp_path / "note.txt")
    assert (alone.code, alone.out) == (ExitCode.SOURCE, "")
    assert alone.err == f"fieldkit: {tmp_path}/note.txt: no OCPP messages were found in this text\n"
    beside = fieldkit("report", "--json", "-", tmp_path / "note.txt", PLAIN)
    assert beside.code == ExitCode.SOURCE
    assert json.loads(beside.out)["capture"]["messages"] == 58


def test_a_capture_without_packets(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(PLAIN.read_bytes()[:24])
    run = fieldkit("report", "-o", tmp_path / "x.html", tmp_path / "none.pcap")
    assert run == (ExitCode.SOURCE, "", f"fieldkit: {tmp_path}/none.pcap: there are no packets in this capture\n")
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("suffix", ["html", "json"])
def test_a_report_is_not_a_capture(fieldkit: Fieldkit, tmp_path: Path, suffix: str) -> None:
    """It quotes messages: taken for a log it would be a strange site."""
    path = tmp_path / f"site.{suffix}"
    fieldkit("report", "-o", path, PLAIN)
    run = fieldkit("report", path)
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert "is a report of fieldkit" in run.err


def test_without_ocpp_the_page_names_hosts_dns_and_what_to_try(fieldkit: Fieldkit, tmp_path: Path) -> None:
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\4csms\7example\0\0\1\0\1"
    udp = b"\x9c\x40\0\x35" + (8 + len(question)).to_bytes(2, "big") + b"\0\0" + question
    packet = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11\0\0\x0a\0\0\2\x0a\0\0\1" + udp
    source = tmp_path / "dns.pcap"
    source.write_bytes(write_pcap([(1_788_163_200_000_000_000, bytes(12) + b"\x08\0" + packet)]))
    run = fieldkit("report", source)
    assert run.code == ExitCode.INCOMPLETE
    assert "Names asked for by DNS: csms.example." in run.out
    assert "Capture where the charger's traffic passes" in " ".join(run.out.split())


def test_with_standard_streams_closed(tmp_path: Path) -> None:
    """As under cron: the number of a closed stream must not go to a document."""
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        path = tmp_path / "x.json"
        command = f"'{sys.executable}' -m fieldkit report -o '{path}' '{PLAIN}' {closed}"
        done = subprocess.run(["sh", "-c", command], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        assert done.returncode == 0, closed
        assert document(path)["capture"]["messages"] == 58
        path.unlink()


def test_a_file_that_may_be_written_in_a_directory_that_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldkit.cli import output

    old = tmp_path / "old.json"
    old.write_text("a much longer text than the new one")
    monkeypatch.setattr("fieldkit.cli.output.os.access", lambda path, mode: Path(path) != tmp_path)
    output.check(str(old), ())
    output.save(str(old), b"new")
    assert old.read_bytes() == b"new"
    with pytest.raises(Exception, match="may not write to"):
        output.check(str(tmp_path / "other.json"), ())


def test_a_wrong_call_is_told_in_a_line_that_says_where_help_is(fieldkit: Fieldkit) -> None:
    run = fieldkit("report")
    assert run.err == "fieldkit report: Missing argument 'SOURCE...'. See fieldkit report --help\n"
