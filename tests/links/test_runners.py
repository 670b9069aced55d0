"""The ways to ask a router: real programs, a real ssh server, a real HTTP server; each with its time limit."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fieldkit.links import ssh
from fieldkit.links.local import LocalRunner
from fieldkit.links.opening import open_runner
from fieldkit.links.recorded import RecordingRunner, load
from fieldkit.links.runner import CutOff, Limited, NotHere, RunnerError, Unreachable
from fieldkit.links.ssh import SshRunner
from fieldkit.links.survey import Survey, builtin
from fieldkit.links.web import PASSWORD_VARIABLE
from fieldkit.sources.file import SourceError
from tests.links.routers import MWAN3, document, router
from tests.traffic.sshlab import Router, needs_sshd, running, wait_for
from tests.traffic.sshlab import router as ssh_router

# --------------------------------------------------------------------------------------------------------------- local


@pytest.fixture
def here() -> Iterator[LocalRunner]:
    runner = LocalRunner()
    yield runner
    runner.close()


def test_a_program_its_failure_and_its_absence(here: LocalRunner, tmp_path: Path) -> None:
    assert here.run("echo", "-n", "hello") == "hello"
    with pytest.raises(RunnerError, match="sh: no modem") as failed:
        here.run("sh", "-c", "echo talk; echo no modem >&2; exit 3")
    assert not isinstance(failed.value, NotHere)
    with pytest.raises(NotHere, match="there is no such program here"):
        here.run("surely-not-installed")
    (tmp_path / "state").write_text("up")
    assert here.read(str(tmp_path / "state")) == "up"
    assert here.names(str(tmp_path)) == ["state"]
    with pytest.raises(NotHere):
        here.read(str(tmp_path / "other"))
    with pytest.raises(NotHere):
        here.get("status/wan")


def test_a_program_that_hangs_is_cut_off_with_all_it_has_started(here: LocalRunner) -> None:
    begun = time.monotonic()
    with pytest.raises(CutOff, match="no answer within"):
        here.run("sh", "-c", "sleep 4711 & sleep 4711", seconds=0.3)
    assert time.monotonic() - begun < 2
    wait_for(lambda: not running("sleep", "4711"))


def test_a_program_that_never_ends_talking(here: LocalRunner) -> None:
    with pytest.raises(RunnerError, match="longer than 4 MB"):
        here.run("yes", seconds=8)


def test_closing_ends_what_is_under_way(here: LocalRunner) -> None:
    threading.Timer(0.2, here.close).start()
    with pytest.raises(CutOff):
        here.run("sleep", "4712", seconds=20)
    with pytest.raises(CutOff):
        here.run("echo")


def test_lines_as_they_come_until_it_is_closed(here: LocalRunner) -> None:
    lines = here.follow("sh", "-c", "echo one; echo two; sleep 4713")
    assert [next(lines), next(lines)] == ["one", "two"]
    threading.Timer(0.1, here.close).start()
    assert list(lines) == []


@pytest.fixture
def ubus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that talks as OpenWrt's does."""
    program = tmp_path / "bin" / "ubus"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\n"
        f'[ "$1" = list ] && {{ echo network.interface; exit 0; }}\n'
        f'case "$5 $6" in\n'
        f'  "mwan3 status") cat {tmp_path}/answer ;;\n'
        f'  "slow thing") sleep 4714 ;;\n'
        f'  *) echo "Command failed: Not found" >&2; exit 4 ;;\n'
        f"esac\n"
    )
    program.chmod(0o755)
    (tmp_path / "answer").write_text(json.dumps(document("mwan3_status_openwrt_24_10.json")))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def test_ubus_through_its_program(here: LocalRunner, ubus: Path) -> None:
    assert here.ubus("mwan3", "status") == document("mwan3_status_openwrt_24_10.json")
    assert here.ubus_objects("network*") == ["network.interface"]
    with pytest.raises(NotHere, match=r"gsm.modem0 info: there is no such object here"):
        here.ubus("gsm.modem0", "info")
    (ubus / "answer").write_text("{broken")
    with pytest.raises(RunnerError, match="not JSON"):
        here.ubus("mwan3", "status")


# ----------------------------------------------------------------------------------------------------------------- ssh


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Router]:
    with ssh_router(tmp_path) as made:
        yield made


@needs_sshd
def test_one_login_for_many_questions(there: Router, ubus: Path) -> None:
    runner = SshRunner(there.url("").rstrip("/"), program=there.ssh)
    try:
        # A login shell's PATH is not ours: the program is named.
        assert runner.run("printf", "%s|%s", "a b", "c'd") == "a b|c'd"
        assert runner.run("sh", "-c", "echo out; echo err >&2") == "out"
        assert json.loads(runner.run(str(ubus / "bin" / "ubus"), "-t", "6", "-S", "call", "mwan3", "status"))
        with pytest.raises(RunnerError, match="no modem"):
            runner.run("sh", "-c", "echo no modem >&2; exit 2")
        with pytest.raises(NotHere, match="there is no such program on 127"):
            runner.run("surely-not-installed")
        assert runner.read("/proc/uptime").count(".") == 2
        assert "uptime" in runner.names("/proc")
        with pytest.raises(NotHere):
            runner.read("/nowhere")
        assert runner.run("cat") == "", "a program cannot eat the questions behind its own"
        assert len(there.sessions()) == 1
        with pytest.raises(CutOff, match="no answer within"):
            runner.run("sleep", "4715", seconds=0.3)
        assert runner.run("echo", "again") == "again", "the next question gets a new login"
        lines = runner.follow("sh", "-c", "echo up; sleep 4716")
        assert next(lines) == "up"
        there.drop()
        assert list(lines) == []
        with pytest.raises(Unreachable):
            runner.run("echo", "x")
        assert runner.run("echo", "back") == "back", "a router that was away is asked again"
    finally:
        runner.close()
    wait_for(lambda: not there.sessions())


def test_a_shell_that_talks_without_being_asked() -> None:
    """The program in place of ssh answers the login, and then never stops."""
    talk = 'read -r line; eval "$line"; while :; do echo; echo a line that nobody asked for; done'
    runner = SshRunner("ssh://root@gw", program=("sh", "-c", talk))
    try:
        runner.reach()
        until = time.monotonic() + 20
        most = 0
        while time.monotonic() < until and (most < ssh._UNASKED // 2 or runner._waiting >= most):
            most = max(most, runner._waiting)
            time.sleep(0.001)
        assert ssh._UNASKED // 2 <= most <= ssh._UNASKED + (1 << 20), "it is kept up to a limit, and then let go"
        with pytest.raises((CutOff, Unreachable)):
            runner.run("echo", "x", seconds=5)
    finally:
        runner.close()


@needs_sshd
def test_a_router_that_does_not_let_us_in(there: Router) -> None:
    there.directory.joinpath("authorized_keys").write_text("")
    runner = SshRunner(there.url("").rstrip("/"), program=there.ssh)
    with pytest.raises(Unreachable, match="refused the login"):
        runner.run("echo")
    runner.close()


# ---------------------------------------------------------------------------------------------------------------- HTTP


class Uhttpd(BaseHTTPRequestHandler):
    """uhttpd's JSON-RPC and NCOS' REST, as far as they are used."""

    answers: dict[tuple[str, str], Any] = {}  # noqa: RUF012
    sessions: set[str] = set()  # noqa: RUF012
    asked: list[Any] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        session, *rest = body["params"]
        if body["method"] == "list":
            self._say({"result": {name: {} for name, _ in self.answers}})
        elif rest[:2] == ["session", "login"]:
            if rest[2] != {"username": "root", "password": "pass word"}:
                self._say({"result": [6]})
                return
            made = f"{len(self.asked):032x}"
            self.sessions.add(made)
            self._say({"result": [0, {"ubus_rpc_session": made, "timeout": 300}]})
        elif session not in self.sessions:
            self._say({"error": {"code": -32002, "message": "Access denied"}})
        elif (rest[0], rest[1]) in self.answers:
            answer = self.answers[rest[0], rest[1]]
            self._say({"result": [answer] if isinstance(answer, int) else [0, answer]})
        else:
            self._say({"result": [4]})

    def do_GET(self) -> None:
        login = base64.b64encode(b"admin:pass word").decode()
        if self.path == "/api/away":
            self.send_response(302)
            self.send_header("Location", "http://198.51.100.1/")
            self.end_headers()
        elif self.headers["Authorization"] != f"Basic {login}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="router"')
            self.end_headers()
        elif self.path == "/api/status/wan/devices":
            self._say({"success": True, "data": document("ncos_status_wan_devices.json")})
        elif self.path == "/api/huge":
            self._say("x" * (5 << 20))
        else:
            self._say({"success": False, "data": {"reason": "no such key"}})

    def _say(self, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def web(answers: dict[tuple[str, str], Any], tls: Path | None = None) -> Iterator[str]:
    handler = type("Handler", (Uhttpd,), {"answers": answers, "sessions": set(), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "pass word")


def test_ubus_over_http(password: None) -> None:
    answers = {("mwan3", "status"): document("mwan3_status_rutos_7_20.json"), ("file", "read"): 6}
    with web(answers) as base:
        runner = open_runner(f"ubus+{base}")
        assert runner.ubus("mwan3", "status") == document("mwan3_status_rutos_7_20.json")
        assert runner.ubus_objects("*") == ["mwan3", "file"]
        with pytest.raises(NotHere, match=r"gsm.modem0 info"):
            runner.ubus("gsm.modem0", "info")
        with pytest.raises(RunnerError, match="'root' may not ask for that"):
            runner.ubus("file", "read")
        with pytest.raises(NotHere, match="no programs can be run over HTTP"):
            runner.run("mmcli", "-L")


def test_a_session_that_has_run_out_is_renewed(password: None) -> None:
    with web({("mwan3", "status"): {"interfaces": {}}}) as base:
        runner = open_runner(f"ubus+{base}")
        runner.ubus("mwan3", "status")
        runner._session = "f" * 32  # type: ignore[attr-defined]
        assert runner.ubus("mwan3", "status") == {"interfaces": {}}


def test_a_session_that_has_run_out_does_not_empty_the_bus(password: None) -> None:
    with web({("gsm.modem0", "info"): {}}) as base:
        runner = open_runner(f"ubus+{base}")
        assert runner.ubus_objects("gsm.*") == ["gsm.modem0"]
        runner._session = "f" * 32  # type: ignore[attr-defined]
        assert runner.ubus_objects("gsm.*") == ["gsm.modem0"]


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_router_that_drips_or_is_silent_is_not_an_adapter_that_hangs(
    password: None, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr("fieldkit.links.web.PATIENCE", 1.0)
    over = threading.Event()
    blamed: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer, suppress(OSError):
                peer.send(first)
                while not over.wait(0.2):
                    peer.send(b" " if first else b"")

        threading.Thread(target=drip, daemon=True).start()
        runner = open_runner(f"ubus+http://127.0.0.1:{server.getsockname()[1]}")
        try:
            with pytest.raises(Unreachable, match="does not answer"):
                Survey(runner, builtin(), on_failure=lambda one, why: blamed.append(why)).probe()
        finally:
            over.set()
    assert blamed == []


def test_a_wrong_password_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "hunter2")
    with web({}) as base:
        with pytest.raises(Unreachable, match=r"refused the login of 'root'; put the password into") as told:
            open_runner(f"ubus+{base}").ubus("mwan3", "status")
        assert "hunter2" not in str(told.value)
        with pytest.raises(Unreachable, match="refused the login"):
            open_runner(f"ncos+{base}").get("status/wan/devices")
    with pytest.raises(Unreachable, match="Connection refused"):
        open_runner(f"ubus+{base}").ubus("mwan3", "status")


def test_ncos_over_rest(password: None) -> None:
    with web({}) as base:
        runner = open_runner(f"ncos+{base}")
        assert runner.get("status/wan/devices") == document("ncos_status_wan_devices.json")
        with pytest.raises(NotHere):
            runner.get("status/nothing")
        with pytest.raises(Unreachable, match=r"sends us to http://198\.51\.100\.1/"):
            runner.get("away")
        with pytest.raises(RunnerError, match="longer than 4 MB"):
            runner.get("huge")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_self_signed_router(password: None, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=factory",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True,
    )  # fmt: skip
    with web({}, tls=tmp_path) as base:
        with pytest.raises(Unreachable, match=r"cannot be verified .* name it with --ca FILE, or --insecure"):
            open_runner(f"ncos+{base}").get("status/wan/devices")
        for options in ({"verify": False}, {"authority": str(tmp_path / "cert.pem")}):
            assert open_runner(f"ncos+{base}", **options).get("status/wan/devices")


@pytest.mark.parametrize(
    "name, complaint",
    [
        ("router", "that is no router; give ssh://"),
        ("ubus+ftp://router", "that is no router"),
        ("ubus+https://root:hunter2@router", "a password has no place in a URL"),
        ("ncos+https://router/api", "without a path"),
        ("ubus+https://router:port", "invalid literal|Port"),
        ("ssh://root:hunter2@router", "a password has no place in a URL"),
        ("replay:/nowhere", "No such file"),
    ],
)
def test_what_is_no_router(name: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint) as told:
        open_runner(name)
    assert "hunter2" not in str(told.value)


# ------------------------------------------------------------------------------------------------------------ recorded


def test_what_was_recorded_answers_again_without_identities(tmp_path: Path) -> None:
    info = document("rutos_gsm_modem0_info.json")
    info["cache"] |= {"iccid": "8949012345678901234", "imei": 490154203237518, "password": "hunter2"}
    live = router(
        (["ubus", "gsm.modem0", "info"], info),
        (MWAN3, RuntimeError("it timed out")),
        (["run", "uqmi"], 'text with "imsi": "262011234567890"'),
    )
    file = io.StringIO()
    recording = RecordingRunner(live, file)
    assert recording.ubus("gsm.modem0", "info")["cache"]["iccid"] == "8949012345678901234"
    with pytest.raises(RunnerError):
        recording.ubus("mwan3", "status")
    with pytest.raises(NotHere):
        recording.get("status/wan/devices")
    recording.run("uqmi")
    for secret in ("8949012345678901234", "490154203237518", "hunter2", "262011234567890"):
        assert secret not in file.getvalue()
    path = tmp_path / "router.jsonl"
    path.write_text(file.getvalue())
    again = load(str(path))
    assert again.now() == live.now()
    assert again.ubus("gsm.modem0", "info")["cache"]["rsrp_value"] == -108
    with pytest.raises(RunnerError, match="it timed out"):
        again.ubus("mwan3", "status")
    with pytest.raises(NotHere, match="status/wan/devices"):
        again.get("status/wan/devices")


@pytest.mark.parametrize("text", ["", "nonsense", '{"a": 1}', '{"recording": "fieldkit-link", "schema": 9}'])
def test_what_is_no_recording(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"recording|JSON"):
        load(str(path))


# ------------------------------------------------------------------------------------------------------------- limited


def test_only_what_was_declared_and_only_in_time(here: LocalRunner) -> None:
    limited = Limited(here, {"exec:echo"}.__contains__, 0.4)
    assert limited.run("echo", "x") == "x\n"
    for question in (lambda: limited.run("cat", "/etc/shadow"), lambda: limited.read("/etc/shadow"),
                     lambda: limited.get("x"), lambda: limited.netlink("route"), lambda: limited.follow("sh"),
                     lambda: limited.ubus("file", "read"), lambda: limited.names("/")):  # fmt: skip
        with pytest.raises(RunnerError, match="does not declare the capability"):
            question()
    time.sleep(0.45)
    with pytest.raises(CutOff, match="its time is over"):
        limited.run("echo", "x")
