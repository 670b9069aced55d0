"""``fieldkit tls`` as it is called: documents, exit codes, what is refused, and what is never shown."""

from __future__ import annotations

import csv
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.servers import Canned, Web, good_pairs, python_server, serving, trusted
from tests.traffic.commandline import Fieldkit

PASSWORD = "a-password-of-CP_7"


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return trusted(tmp_path)


@pytest.fixture
def good(tmp_path: Path) -> Iterator[int]:
    with python_server(tmp_path, *good_pairs(tmp_path), web=Web(password=f"CP_7:{PASSWORD}")) as port:
        yield port


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_text_for_a_good_server(fieldkit: Fieldkit, good: int, ca: str) -> None:
    ran = fieldkit("tls", f"localhost:{good}", "--ca", ca, "-4")
    assert ran.code == 0, ran.err
    assert "nothing is wrong" in ran.out
    assert "TLS 1.2 yes, TLS 1.3 yes" in ran.out
    assert "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" in ran.out
    assert "pass   317/318" in ran.out
    assert "looking at 127.0.0.1" in ran.err
    assert "\x1b" not in ran.out


def test_the_document(fieldkit: Fieldkit, good: int, ca: str) -> None:
    ran = fieldkit("tls", f"wss://localhost:{good}/ocpp/CP_7", "--ca", ca, "-4", "-q", "--json", "-")
    document = json.loads(ran.out)
    assert ran.err == ""
    assert document["schema"] == 1
    (target,) = document["targets"]
    assert [one["name"] for one in target["versions"] if one["accepted"]] == ["TLS 1.2", "TLS 1.3"]
    assert {"version": "TLS 1.2", "name": "TLS_RSA_WITH_AES_128_GCM_SHA256", "classes": ["rsa"]} in target["suites"]
    assert len(target["certificates"]) == 2
    assert target["certificates"][0]["trusted"] is True
    assert {one["edition"] for one in target["requirements"]} == {"1.6", "2.0.1"}
    assert [finding["id"] for finding in document["findings"]] == ["ws.basic-auth-required"]
    assert document["findings"][0]["target"] == f"localhost:{good}"
    assert set(document["findings"][0]) >= {
        "severity",
        "title",
        "explanation",
        "advice",
        "owner",
        "evidence",
        "reference",
    }
    assert target["profile"] == 2
    assert target["cost"]["connections"] <= 40


def test_documents_of_every_kind(fieldkit: Fieldkit, tmp_path: Path, ca: str) -> None:
    leaf = pki.make('<script>alert("x")</script>\x1b[31m=cmd()', pki.root(), names=("other.example",))
    names = [f"out{suffix}" for suffix in (".html", ".json", ".txt", ".md", ".csv", ".xml")]
    outputs = [part for name in names for part in ("-o", str(tmp_path / name))]
    with serving(Canned([leaf.der], suites=(0xC02B, 0xC02C, 0x0005))) as port:
        ran = fieldkit("tls", f"localhost:{port}", "--ca", ca, "-4", "--no-upgrade", *outputs)
    assert ran.code == 1, ran.err
    texts = {name: (tmp_path / name).read_text("utf-8") for name in names}
    assert all("\x1b" not in text for text in texts.values())
    assert "<script>alert" not in texts["out.html"]
    assert "<script" not in texts["out.md"]
    assert "tls.rc4-suite" in texts["out.html"]
    assert json.loads(texts["out.json"])["summary"]["severity"] == "critical"
    rows = list(csv.DictReader(io.StringIO(texts["out.csv"])))
    assert {row["kind"] for row in rows} == {"finding", "requirement"}
    suite = ElementTree.fromstring(texts["out.xml"])[0]
    assert int(suite.attrib["failures"]) >= 1
    assert "hostname-mismatch" in texts["out.txt"]


def test_exit_codes(fieldkit: Fieldkit, good: int, ca: str, tmp_path: Path) -> None:
    target = f"wss://localhost:{good}/CP_7"
    assert fieldkit("tls", target, "--ca", ca, "-4").code == 0
    assert fieldkit("tls", target, "--ca", ca, "-4", "--fail-on", "info").code == 1
    assert fieldkit("tls", target, "--ca", ca, "-4", "--fail-on", "never").code == 0
    gone = fieldkit("tls", f"localhost:{_closed_port()}", "-4")
    assert gone.code == 4
    assert "cannot be reached" in gone.out
    both = fieldkit("tls", f"localhost:{_closed_port()}", f"localhost:{good}", "--ca", ca, "-4")
    assert both.code == 0
    assert "1 of 2 addresses cannot be reached" in both.out
    other = tmp_path / "other.pem"
    other.write_bytes(pki.make("Other", number=120, ca=True).pem)
    untrusted = fieldkit("tls", target, "--ca", str(other), "-4")
    assert untrusted.code == 1
    assert "tls.untrusted" in untrusted.out or "tls.chain-incomplete" in untrusted.out


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "name a target"),
        (["ftp://x"], "not known"),
        (["wss://a:b@c/"], "no password in a target"),
        (["x", "--user", "me"], "a user without a password"),
        (["x", "--ask-password"], "whose password"),
        (["x/CP_7", "--password-env", "NOT_THERE_AT_ALL"], "no variable"),
        (["x", "-o", "x.pdf"], "the suffix says"),
        (["x", "--at", "soon"], "give a date"),
        (["x", "--client-key", "k"], "--client-key goes with"),
        (["x", "-o", "-", "--json", "-"], "standard output"),
        (["a/CP_7", "b/CP_7", "--password-env", "HOME"], "one target only"),
    ],
)
def test_wrong_calls(fieldkit: Fieldkit, arguments: list[str], said: str) -> None:
    ran = fieldkit("tls", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("option", ["--ca", "--client-cert", "--password-file", "--targets"])
def test_files_that_are_not_there(fieldkit: Fieldkit, option: str) -> None:
    ran = fieldkit("tls", "x/CP_7", option, "/nowhere/at/all")
    assert ran.code == 3
    assert "/nowhere/at/all" in ran.err


def test_a_good_server_that_lacks_what_ocpp_asks_for(fieldkit: Fieldkit, ca: str, tmp_path: Path) -> None:
    with python_server(tmp_path, pki.make(issuer=pki.root()).files(tmp_path, "ec")) as port:
        ran = fieldkit("tls", f"localhost:{port}", "--ca", ca, "-4")
    assert ran.code == 0
    assert "nothing is wrong, but not all that OCPP asks for is met (A00.FR.317, A00.FR.318)" in " ".join(
        ran.out.split()
    )


def test_a_file_of_targets(fieldkit: Fieldkit, good: int, ca: str, tmp_path: Path) -> None:
    listed = tmp_path / "targets.txt"
    listed.write_text(f"# ours\nlocalhost:{good}\n\n127.0.0.1:{good}  # by address\n")
    ran = fieldkit("tls", "--targets", str(listed), "--ca", ca, "-4", "--json", "-", "--no-upgrade")
    assert [target["host"] for target in json.loads(ran.out)["targets"]] == ["localhost", "127.0.0.1"]


def test_a_password_is_sent_and_never_shown(
    fieldkit: Fieldkit, good: int, ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = ["tls", f"wss://localhost:{good}/ocpp", "--identity", "CP_7", "--ca", ca, "-4", "-v"]
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("STATION_KEY", PASSWORD)
    for given in (["--password-file", str(secret)], ["--password-env", "STATION_KEY"]):
        ran = fieldkit(*target, *given)
        assert ran.code == 0, ran.err
        assert "101 Switching Protocols, chose ocpp1.6" in ran.out
        assert PASSWORD not in ran.out + ran.err
    monkeypatch.setenv("STATION_KEY", "00112233445566778899aabbccddeeff")
    wrong = fieldkit(*target, "--password-env", "STATION_KEY")
    assert wrong.code == 1
    assert "ws.password-refused" in wrong.out
    assert "--password-hex" in wrong.out
    assert "00112233445566778899aabbccddeeff" not in wrong.out + wrong.err


def test_certificates_are_judged_for_another_day(fieldkit: Fieldkit, good: int, ca: str) -> None:
    ran = fieldkit("tls", f"localhost:{good}", "--ca", ca, "-4", "--at", "2090-01-01", "--no-upgrade")
    assert ran.code == 1
    assert "tls.cert-expired" in ran.out


def test_colour_only_where_wanted(fieldkit: Fieldkit, good: int, ca: str) -> None:
    ran = fieldkit("tls", f"localhost:{good}", "--ca", ca, "-4", "--color", "always", "--no-upgrade")
    assert "\x1b[" in ran.out


def test_a_router_without_cryptography_sees_what_it_can(good: int, ca: str) -> None:
    code = (
        "import sys\n"
        "sys.modules['cryptography'] = None\n"
        f"sys.argv = ['fieldkit', 'tls', 'localhost:{good}', '-4', '--ca', {ca!r}, '-q', '--json', '-']\n"
        "from fieldkit.cli import main\nmain()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 5, ran.stderr  # nothing is wrong with what was seen, and that was not all
    (target,) = json.loads(ran.stdout)["targets"]
    assert [one["name"] for one in target["versions"] if one["accepted"]] == ["TLS 1.2", "TLS 1.3"]
    assert {one["version"] for one in target["suites"]} == {"TLS 1.2", "TLS 1.3"}
    assert [chain["trusted"] for chain in target["certificates"]] == [None, None]
    assert not target["complete"]
    assert "cryptography" in target["left_out"][0]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_what_a_run_loads(good: int, ca: str) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['fieldkit', 'tls', '127.0.0.1:{good}', '--ca', {ca!r}, '-q', '--json', '-']\n"
        "from fieldkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "loaded = [name for name in ('textual', 'scapy', 'numpy', 'asyncio', 'jinja2', 'ocpp', 'fieldkit.site', 'fieldkit.events') if name in sys.modules]\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(loaded, int(peak[0].split()[1]) // 1024, file=sys.stderr)\n"
    )
    ran: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, rss = ran.stderr.rsplit(maxsplit=1)
    assert loaded == "[]"
    assert int(rss) <= 45
