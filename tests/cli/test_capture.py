"""``fieldkit capture`` without interfaces: what is refused, and everything that a capture through a pipe shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.sources.uploadserver import serving
from tests.traffic.commandline import Fieldkit, Run, ended, spawn
from tests.traffic.decoded import decode_files
from tests.traffic.expectations import CAPTURES

PENDING = CAPTURES / "fault_boot_pending.pcap"
"""With warnings: what is asked for here fails on them."""
FINDING = "boot.remote-start-while-pending"
HEALTHY = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"
ENCRYPTED = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"


def captured(*arguments: str | Path, of: Path = PENDING, **environment: str) -> Run:
    with of.open("rb") as file:
        return ended(spawn("capture", "-", "--fail-on", "warning", *arguments, stdin=file, **environment))


def report_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--for", "soon"], "--for soon: give a duration"),
        (["--until", "99:99"], "--until 99:99: give a time"),
        (["--ring", "10x20MB"], "--ring needs -w FILE"),
        (["--ring", "10", "-w", "out.pcapng"], "'10' is no ring"),
        (["-w", "out.pcap"], "name it out.pcapng"),
        (["-w", "nowhere/out.pcapng"], "there is no directory nowhere"),
        (["-w", "x.html", "-o", "x.html"], "to be written twice"),
        (["-w", "a.pcapng", "-o", "./a.pcapng"], "to be written twice"),
        (["-o", "x.docx"], "the suffix says what to write"),
        (["-o", "evidence.pcapng"], "add -w FILE"),
        (["-w", "-", "--follow"], "-w - and --follow cannot both have standard output"),
        (["-o", "-", "--json", "-"], "cannot both have standard output"),
        (["--record-only"], "--record-only needs -w FILE"),
        (["--record-only", "-w", "x.pcapng", "-o", "x.html"], "--record-only diagnoses nothing"),
        (["--host", "router"], "--host"),
        (["--filter", "tcp port 80"], "packets are chosen by --host, --port"),
        (["--host", "10.0.0.1", "--vlan", "7"], "--host and --vlan cannot reach standard input: choose packets where"),
        (["-i", "tzsp://:37008", "--port", "80"], "--port cannot reach tzsp://:37008"),
        (["--buffer", "1"], "--buffer 1: give a size"),
        (["--upload", "https://files.example/"], "needs something to send"),
        (["--upload", "http://files.example/", "-o", "x.html"], "https://"),
        (["--upload", "https://me:s3cret@files.example/", "-o", "x.html"], "no credentials in the address"),
        (["--upload", "https://files.example/one", "-o", "x.html", "-o", "y.html"], "/ at the end"),
        (["--upload", "https://files.example/", "-o", "x.html", "--ca", "nosuch.pem"], "nosuch.pem: No such file"),
        (["--ca", "nosuch.pem"], "are for --upload"),
        (["--with", "snoop"], "snoop"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_begins(
    fieldkit: Fieldkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fieldkit("capture", "-", *arguments)
    assert run.code == ExitCode.USAGE
    assert said in run.err
    assert "s3cret" not in run.err
    assert run.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["nosuch0", "ftp://router/eth0"])
def test_a_source_that_cannot_be_used_is_one_line(fieldkit: Fieldkit, spec: str) -> None:
    run = fieldkit("capture", "-i", spec)
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith(f"fieldkit: {spec}: ")


def test_the_report_is_that_of_the_recording(tmp_path: Path, fieldkit: Fieldkit) -> None:
    out = tmp_path / "out.pcapng"
    run = captured("-w", out, "-o", tmp_path / "live.json", "-o", tmp_path / "x.html", "-o", tmp_path / "x.pcapng")
    assert run.code == ExitCode.FINDINGS
    assert run.out == ""
    assert f"({FINDING})" in run.err
    assert decode_files(out).lines == decode_files(PENDING).lines
    assert decode_files(tmp_path / "x.pcapng").packets > 3
    assert fieldkit("report", out, "--fail-on", "warning", "--json", tmp_path / "again.json").code == ExitCode.FINDINGS
    assert report_of(tmp_path / "live.json") == report_of(tmp_path / "again.json")


def test_without_documents_the_report_is_text_on_standard_output() -> None:
    run = captured()
    assert run.code == ExitCode.FINDINGS
    assert FINDING in run.out
    assert captured("--fail-on", "never").code == ExitCode.OK
    assert captured(of=HEALTHY).code == ExitCode.OK


def test_findings_are_followed_as_lines_of_json(tmp_path: Path) -> None:
    run = captured("--follow", "--json", tmp_path / "x.json")
    assert run.code == ExitCode.FINDINGS
    findings = {(one["id"], one["station"]): one for one in report_of(tmp_path / "x.json")["findings"]}
    followed = {(one["id"], one["station"]): one for one in run.records}
    assert followed == findings, "the last line of a finding is what the report has"
    assert FINDING not in run.err


def test_packets_go_to_standard_output() -> None:
    with PENDING.open("rb") as file:
        first = spawn("capture", "-", "-w", "-", "-q", "--fail-on", "warning", stdin=file)
        second = spawn("report", "-", "--json", "-", stdin=first.stdout)
        first.stdout.close()
        report = json.loads(ended(second).out)
        first.stdout = None
        first.communicate(timeout=20)
    assert first.returncode == ExitCode.FINDINGS
    assert report["summary"]["findings"]["warning"] == 2
    assert report["capture"]["packets"] == decode_files(PENDING).packets


def test_a_filter_says_what_is_told_and_not_what_is_recorded(tmp_path: Path, fieldkit: Fieldkit) -> None:
    wanted = ["--filter", "action = Heartbeat"]
    out = tmp_path / "out.pcapng"
    run = captured(*wanted, "-w", out, "-o", tmp_path / "x.jsonl", "-o", tmp_path / "live.json")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert {line["action"] for line in lines if "action" in line} == {"Heartbeat"}
    assert decode_files(out).packets == decode_files(PENDING).packets
    again = fieldkit("report", out, "--fail-on", "warning", *wanted, "--json", tmp_path / "again.json")
    assert run.code == again.code
    assert report_of(tmp_path / "live.json") == report_of(tmp_path / "again.json")


def test_a_recording_without_a_diagnosis(tmp_path: Path) -> None:
    run = captured("-w", tmp_path / "out.pcapng", "--record-only")
    assert (run.code, run.out) == (ExitCode.OK, "")
    assert decode_files(tmp_path / "out.pcapng").lines == decode_files(PENDING).lines


def test_a_number_of_packets(tmp_path: Path) -> None:
    run = captured("-w", tmp_path / "out.pcapng", "--packets", "20")
    assert "so many packets were asked for" in run.err
    assert decode_files(tmp_path / "out.pcapng").packets == 20


def test_a_keylog_decrypts(tmp_path: Path) -> None:
    captured("--keylog", ENCRYPTED.with_suffix(".keylog"), "--json", tmp_path / "x.json", of=ENCRYPTED)
    assert report_of(tmp_path / "x.json")["capture"]["messages"] > 10


def test_what_is_no_capture_is_no_source(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear station,\n" * 100)
    run = captured(of=letter)
    assert run.code == ExitCode.SOURCE
    assert "fieldkit: stdin" in run.err


# ----------------------------------------------------------------------------------------------------------- uploading


def test_the_result_is_uploaded_by_a_connection_that_breaks(tmp_path: Path) -> None:
    with serving(tmp_path, "pieces") as server:
        server.breaks = [1000]
        run = captured(
            "-w", tmp_path / "out.pcapng", "-o", tmp_path / "x.json", "--upload", server.url("/site7/?key=1"),
            "--ca", tmp_path / "ca.pem", "--spool", tmp_path / "spool", FIELDKIT_UPLOAD_TOKEN="s3cret",
        )  # fmt: skip
        assert run.code == ExitCode.FINDINGS
        assert server.files["/site7/out.pcapng?key=1"] == (tmp_path / "out.pcapng").read_bytes()
        assert server.files["/site7/x.json?key=1"] == (tmp_path / "x.json").read_bytes()
        assert {headers.get("Authorization") for _, _, headers in server.requests} == {"Bearer s3cret"}
    assert "s3cret" not in run.err
    assert "key=1" not in run.err


def test_what_could_not_be_sent_is_sent_later(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with serving(tmp_path) as server:
        server.answers = [(404, {}), (403, {})]
        run = captured(
            "-o", tmp_path / "x.json", "--upload", server.url("/"), "--ca", tmp_path / "ca.pem", "--spool", spool,
            of=HEALTHY,
        )  # fmt: skip
        assert run.code == ExitCode.UNREACHABLE
        assert "1 file still to be sent" in run.err
        assert "--upload-pending" in run.err
        (tmp_path / "x.json").write_text("another run has overwritten it")
        pending = ended(spawn("capture", "--upload-pending", "--ca", tmp_path / "ca.pem", "--spool", spool))
        assert (pending.code, pending.out) == (ExitCode.OK, "")
        assert json.loads(server.files["/x.json"])["summary"]["severity"] != "critical"
    assert [path.name for path in spool.iterdir()] == ["lock"]
