"""The NCOS application: run by Python 3.8 beside a real server that plays the router, and one that takes what is sent."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.packaging import lab
from tests.packaging.lab import FINDING, PENDING
from tests.traffic.diagnosed import diagnose_file, found
from tests.traffic.netlab import Cable, needs_network, needs_tcpdump, needs_tcpreplay


def python38() -> str:
    """NCOS' own Python is a 3.8 as well."""
    found = shutil.which("python3.8")
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.8.*/bin/python3.8"))
    return str(kept[-1]) if kept else found or ""


pytestmark = pytest.mark.skipif(not python38(), reason="needs Python 3.8, which NCOS has")


class Playing(BaseHTTPRequestHandler):
    """The router's REST interface on one path, somebody who takes files on another."""

    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.server
        asked = urllib.parse.urlsplit(self.path)
        site.asked.append(dict(urllib.parse.parse_qsl(asked.query)))
        login = "Basic " + base64.b64encode(b"admin:s3cret%").decode()
        if not asked.path.startswith("/api/tcpdump/") or self.headers["Authorization"] != login:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.tcpdump.pcap")
        self.send_header("Connection", "close")
        self.end_headers()
        if site.captures:
            self._capture(site.asked[-1])
            return
        data = PENDING.read_bytes()
        for start in range(0, len(data), 1000):
            self.wfile.write(data[start : start + 1000])

    def _capture(self, asked: dict[str, str]) -> None:
        """As NCOS does: its tcpdump, with what was asked for, for as long as that."""
        command = [lab.program("tcpdump"), "-i", asked["iface"], "-w", "-", *asked["args"].split()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as tcpdump:
            ends = threading.Timer(float(asked["timeout"]), tcpdump.terminate)
            ends.start()
            assert tcpdump.stdout is not None
            while piece := tcpdump.stdout.read(1 << 16):
                self.wfile.write(piece)
            ends.cancel()

    def do_PUT(self) -> None:
        site = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = site.answer
        if status < 300:
            site.taken[self.path] = (body, self.headers.get("Authorization", ""))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Playing)
        self.asked: list[dict[str, str]] = []
        self.taken: dict[str, tuple[bytes, str]] = {}
        self.answer = 201
        self.captures = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.shutdown()
        self.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


class App:
    """The unpacked package, filled in as a technician fills it in."""

    def __init__(self, folder: Path, site: Site) -> None:
        with tarfile.open(lab.built("ncos")) as archive:
            archive.extractall(folder, filter="data")
        self.folder = folder / "fieldkit_capture"
        self.log = folder / "log"
        self.log.write_text("")
        self.settings = configparser.ConfigParser(interpolation=None)
        self.settings.read(self.folder / "settings.ini")
        url = f"http://127.0.0.1:{site.port}"
        self.settings["router"].update(url=url, user="admin", password="s3cret%", interface="br0", filter="tcp port 80")
        self.settings["to"].update(url=f"{url}/depot/", token="t0ken", seconds="1")

    def write(self, **to: str) -> None:
        self.settings["to"].update(to)
        with (self.folder / "settings.ini").open("w") as file:
            self.settings.write(file)

    def start(self) -> subprocess.Popen[bytes]:
        # As start.sh says, with this Python in the place of NCOS' own; patience is made short from outside.
        assert "cppython fieldkit_capture.py" in (self.folder / "start.sh").read_text()
        code = "import fieldkit_capture as app; app.PATIENCE = 0.3; app.main()"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [python38(), "-B", "-S", "-c", code], cwd=self.folder, stdout=log, stderr=log, env={"PATH": "/usr/bin"}
            )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    @property
    def waiting(self) -> list[Path]:
        return sorted((self.folder / "tmp").glob("*.pcap"))


@pytest.fixture
def app(tmp_path: Path, site: Site) -> App:
    return App(tmp_path, site)


@pytest.fixture
def running(app: App) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_what_the_router_captures_arrives_and_is_diagnosed(
    app: App, site: Site, running: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    app.write()
    running.append(app.start())
    lab.until(lambda: len(site.taken) >= 2, app.log)
    path, (body, login) = next(iter(site.taken.items()))
    assert path.startswith("/depot/2") or path.startswith("/depot/1")
    assert path.endswith("Z.pcap")
    assert login == "Bearer t0ken"
    assert body == PENDING.read_bytes()
    assert site.asked[0] == {"iface": "br0", "args": "-U -s 0 tcp port 80", "timeout": "1"}
    came = tmp_path / "came.pcap"
    came.write_bytes(body)
    assert FINDING in found(diagnose_file(came))
    running[0].send_signal(signal.SIGTERM)
    running[0].wait(10)
    assert not app.said("Traceback")


@pytest.mark.packages
@needs_network
@needs_tcpdump
@needs_tcpreplay
def test_the_whole_way(app: App, site: Site, wire: Cable, tmp_path: Path) -> None:
    """Unpacked, started by its start.sh as NCOS starts it, what passes recorded by a real tcpdump, taken away again."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "cppython").symlink_to(python38())
    site.captures = True
    app.settings["router"].update(interface=wire.there, filter="tcp")
    app.write(seconds="3")
    before = lab.files(tmp_path)
    with app.log.open("ab") as log:
        process = subprocess.Popen(
            ["sh", "start.sh"], cwd=app.folder, stdout=log, stderr=log, start_new_session=True,
            env={"PATH": f"{programs}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    came = tmp_path / "came.pcap"
    try:
        lab.until(lambda: site.asked, app.log)

        def arrived() -> bool:
            lab.replay(wire.here)  # again and again: pieces are three seconds long, and tcpdump takes a moment
            time.sleep(0.5)
            for body, _ in site.taken.values():
                came.write_bytes(body)
                if FINDING in found(diagnose_file(came)):
                    return True
            return False

        lab.until(arrived, app.log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    assert not app.said("Traceback")
    came.unlink()
    new = {path for path in lab.files(tmp_path) - before if not path.startswith("fieldkit_capture/tmp")}
    assert not new, "it writes below its own tmp only, and goes with its folder"


@lab.needs("curl")
def test_nothing_installed_the_routers_stream_is_read_as_it_comes(site: Site, tmp_path: Path) -> None:
    """The recipe of docs/packages.md for NCOS: curl and a pipe, the password in ~/.netrc."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login admin password s3cret%\n")
    url = f"http://127.0.0.1:{site.port}/api/tcpdump/x.pcap?iface=primarylan1&args=tcp&timeout=600&count=0"
    pipe = f"curl -sN --netrc '{url}' | '{sys.executable}' -m fieldkit report - -o '{tmp_path}/report.json'"
    subprocess.run(["sh", "-c", pipe], cwd=lab.ROOT, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True)
    assert FINDING in (tmp_path / "report.json").read_text()
    assert site.asked == [{"iface": "primarylan1", "args": "tcp", "timeout": "600", "count": "0"}]


def test_a_wrong_password_is_said_and_it_goes_on_when_it_is_right(
    app: App, site: Site, running: list[subprocess.Popen[bytes]]
) -> None:
    app.settings["router"]["password"] = "wrong"
    app.write()
    running.append(app.start())
    lab.until(lambda: app.said("the router's REST interface answers 401: user, password"), app.log)
    assert not app.waiting
    app.settings["router"]["password"] = "s3cret%"
    app.write()
    lab.until(lambda: site.taken, app.log)


def test_what_cannot_be_sent_waits_and_goes_later(app: App, site: Site, running: list[subprocess.Popen[bytes]]) -> None:
    site.answer = 503
    app.write()
    running.append(app.start())
    lab.until(lambda: len(app.waiting) >= 2 and app.said("127.0.0.1 answers 503"), app.log)
    assert not site.taken
    site.answer = 201
    lab.until(lambda: len(site.taken) >= 2, app.log)
    assert all(body == PENDING.read_bytes() for body, _ in site.taken.values())


def test_a_server_that_is_away_costs_no_more_room_than_was_given(
    app: App, site: Site, running: list[subprocess.Popen[bytes]]
) -> None:
    room = 2 * PENDING.stat().st_size + 100
    with_nobody = Site()
    with_nobody.close()
    app.write(url=f"http://127.0.0.1:{with_nobody.port}/x/", waiting=str(room))
    running.append(app.start())
    lab.until(lambda: app.said("is given up: too much waits"), app.log)
    assert app.said("not sent")
    # One more may have been written since the room was looked at.
    assert sum(path.stat().st_size for path in app.waiting) <= room + PENDING.stat().st_size


def test_a_recording_that_was_cut_short_is_sent_all_the_same(
    app: App, site: Site, running: list[subprocess.Popen[bytes]]
) -> None:
    (app.folder / "tmp").mkdir()
    (app.folder / "tmp" / "20260101T000000Z.part").write_bytes(PENDING.read_bytes()[:2000])
    (app.folder / "tmp" / "20260101T000001Z.part").write_bytes(b"\0" * 24)
    app.write()
    running.append(app.start())
    lab.until(lambda: "/depot/20260101T000000Z.pcap" in site.taken, app.log)
    assert "/depot/20260101T000001Z.pcap" not in site.taken


def test_settings_that_are_missing_are_named(app: App, running: list[subprocess.Popen[bytes]]) -> None:
    app.settings["router"]["user"] = ""
    app.write()
    running.append(app.start())
    lab.until(lambda: app.said("settings.ini: [router] user is empty"), app.log)


def test_the_manifest_names_and_hashes_what_is_packed(tmp_path: Path) -> None:
    with tarfile.open(lab.built("ncos")) as archive:
        archive.extractall(tmp_path, filter="data")
        assert {one.uid for one in archive} == {0}
        assert {one.mtime for one in archive} == {0}
    folder = tmp_path / "fieldkit_capture"
    manifest = folder / "METADATA" / "MANIFEST.json"
    app = json.loads(manifest.read_text())["app"]
    assert app["name"] == "fieldkit_capture"
    packed = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(app["files"]) == packed - {"METADATA/MANIFEST.json", "METADATA/SIGNATURE.DS"}
    for name, digest in app["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "METADATA/SIGNATURE.DS").read_text() == hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert not [name for name in packed if name.endswith((".pyc", ".so"))]
    assert os.access(folder / "start.sh", os.X_OK)
    assert time.strptime(app["date"], "%Y-%m-%dT%H:%M:%S")
