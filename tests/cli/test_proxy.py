"""``fieldkit proxy`` between real stations and real CSMSs: the Python packages ocpp and websockets, ocpp-rpc from npm."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.traffic.commandline import Fieldkit, Run, spawn
from tests.traffic.proxylab import ANSWER, UPGRADE, Certificates, frame
from tests.traffic.tshark import TSHARK, Opinion

websockets = pytest.importorskip("websockets", reason="needs websockets (pip install websockets)")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals as POSIX has them")


class Proxy:
    """``fieldkit proxy`` as a process."""

    def __init__(self, upstream: str, *arguments: str | Path) -> None:
        self.process = spawn("proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, *arguments)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0
        deadline = time.monotonic() + 60
        while not self.port:
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                pytest.fail(f"the proxy does not start: {self.said}")
            for line in list(self.said):
                found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
                if found:
                    self.port = int(found[1])
            time.sleep(0.02)

    def _read(self) -> None:
        for line in self.process.stderr:
            self.said.append(line.decode().rstrip())

    def end(self, number: int = signal.SIGTERM) -> Run:
        self.process.send_signal(number)
        limit = threading.Timer(60, self.process.kill)
        limit.start()
        out = self.process.stdout.read().decode()
        code = self.process.wait(15)
        limit.cancel()
        self._reader.join(5)
        return Run(code, out, "\n".join(self.said))

    @property
    def decoder(self) -> int:
        """Process id of the decoding process."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)


@contextmanager
def proxied(upstream: str, *arguments: str | Path) -> Iterator[Proxy]:
    proxy = Proxy(upstream, *arguments)
    try:
        yield proxy
    finally:
        if proxy.process.poll() is None:
            proxy.process.kill()
        proxy.process.wait(10)
        proxy._reader.join(5)
        proxy.process.stdout.close()
        proxy.process.stderr.close()


def run(scene: Any) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(40):
            return await scene()

    return asyncio.run(limited())


def trace_without_times(path: Path) -> list[tuple[str, str, str]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(record["direction"], record["messageType"], record["raw"]) for record in records]


# ------------------------------------------------------------------------------------------ ocpp and websockets (PyPI)


class Heard:
    """What both ends of the conversation saw of it."""

    def __init__(self) -> None:
        self.request: Any = None
        self.close: tuple[int, str] | None = None
        self.station: list[str] = []
        self.csms: list[str] = []
        self.pongs = 0


async def talk(port: int, path: str, version: str, heard: Heard, **options: Any) -> None:
    """A station of the ocpp package: boots, beats, is pinged, closes with a code of its own."""
    from ocpp.routing import on  # type: ignore[import-untyped]
    from ocpp.v16 import ChargePoint as Station16  # type: ignore[import-untyped]
    from ocpp.v16 import call as call16
    from ocpp.v16 import call_result as result16
    from ocpp.v201 import ChargePoint as Station201  # type: ignore[import-untyped]
    from ocpp.v201 import call as call201

    headers = {"Authorization": "Basic " + base64.b64encode(b"CP_7:0123456789abcdef").decode(), "X-Vendor": "A  b"}
    uri = f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{port}{path}"
    async with websockets.connect(uri, subprotocols=[f"ocpp{version}"], additional_headers=headers, **options) as link:
        noted = _noting(link, heard.station)
        if version == "1.6":

            class Station(Station16):
                @on("Reset")  # type: ignore[untyped-decorator]
                def on_reset(self, type: str) -> Any:
                    return result16.Reset(status="Accepted")

            station: Any = Station("CP_7", noted)
            boot: Any = call16.BootNotification(charge_point_model="M", charge_point_vendor="V")
            beat: Any = call16.Heartbeat()
        else:
            station = Station201("CP_7", noted)
            boot = call201.BootNotification({"model": "M", "vendorName": "V"}, "PowerUp")
            beat = call201.Heartbeat()
        task = asyncio.create_task(station.start())
        assert (await station.call(boot)).status == "Accepted"
        for _ in range(3):
            await station.call(beat)
        await (await link.ping(b"are you there"))
        await asyncio.sleep(0.1)
        await link.close(4001, "good night")
        with pytest.raises(websockets.ConnectionClosed):
            await task


class _noting:  # noqa: N801 - a wrapper that reads like the thing it wraps
    def __init__(self, link: Any, into: list[str]) -> None:
        self._link = link
        self._into = into

    async def recv(self) -> Any:
        message = await self._link.recv()
        self._into.append(f"< {message}")
        return message

    async def send(self, message: Any) -> None:
        self._into.append(f"> {message}")
        await self._link.send(message)


@contextmanager
def _quiet() -> Iterator[None]:
    import logging

    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    yield


async def csms(version: str, heard: Heard, **options: Any) -> Any:
    """A CSMS of the ocpp package; it resets a 1.6 station once."""
    from datetime import UTC, datetime

    from ocpp.routing import after, on
    from ocpp.v16 import ChargePoint as Csms16
    from ocpp.v16 import call as call16
    from ocpp.v16 import call_result as result16
    from ocpp.v201 import ChargePoint as Csms201
    from ocpp.v201 import call_result as result201

    results = result16 if version == "1.6" else result201
    now = datetime.now(UTC).isoformat()

    class Csms(Csms16 if version == "1.6" else Csms201):  # type: ignore[misc]
        @on("BootNotification")  # type: ignore[untyped-decorator]
        def on_boot(self, **payload: Any) -> Any:
            return results.BootNotification(current_time=now, interval=300, status="Accepted")

        @after("BootNotification")  # type: ignore[untyped-decorator]
        async def after_boot(self, **payload: Any) -> None:
            if version == "1.6":
                await self.call(call16.Reset(type="Soft"))

        @on("Heartbeat")  # type: ignore[untyped-decorator]
        def on_heartbeat(self) -> Any:
            return results.Heartbeat(current_time=now)

    async def serve(link: Any) -> None:
        heard.request = link.request
        try:
            await Csms("CP_7", _noting(link, heard.csms)).start()
        except websockets.ConnectionClosed:
            heard.close = (link.protocol.close_rcvd.code, link.protocol.close_rcvd.reason)

    return await websockets.serve(serve, "127.0.0.1", 0, subprotocols=[f"ocpp{version}"], **options)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_station_and_a_csms_notice_nothing_and_all_is_recorded(
    fieldkit: Fieldkit, tmp_path: Path, version: str, compression: str | None
) -> None:
    pytest.importorskip("ocpp")
    heard = Heard()
    pcapng, trace, report = tmp_path / "all.pcapng", tmp_path / "all.jsonl", tmp_path / "all.json"

    async def scene() -> Run:
        with _quiet():
            server = await csms(version, heard, compression=compression)
            port = server.sockets[0].getsockname()[1]
            with proxied(f"ws://127.0.0.1:{port}/ocpp/t%207", "-w", pcapng, "-w", trace, "-o", report) as proxy:
                await talk(proxy.port, "/x/CP_7?token=a%20b", version, heard, compression=compression)
                ended = await asyncio.to_thread(proxy.end)
            server.close()
        return ended

    ended = run(scene)
    assert ended.code == 0, ended.err
    assert heard.request.path == "/ocpp/t%207/x/CP_7?token=a%20b"
    assert heard.request.headers["X-Vendor"] == "A  b"
    assert heard.request.headers["Authorization"].startswith("Basic ")
    assert heard.close == (4001, "good night")
    mirrored = {"<": ">", ">": "<"}
    assert sorted(heard.station) == sorted(mirrored[line[0]] + line[1:] for line in heard.csms)
    assert len(heard.station) == (10 if version == "1.6" else 8)
    # What was decoded while it passed is what is read from the recording, down to the frame numbers.
    again = fieldkit("decode", "--format", "trace", pcapng)
    assert again.code == 0
    assert again.out == trace.read_text()
    assert [raw for _, _, raw in trace_without_times(trace)] == [
        line[2:] for line in sorted(heard.station, key=_order(trace))
    ]
    document = json.loads(report.read_text())
    assert document["summary"]["stations"] == 1
    assert document["capture"]["complete"]
    assert b"0123456789abcdef" not in base64.b64decode(_credentials(pcapng))
    if TSHARK is not None and compression is None:
        assert sorted(text for _, text in Opinion(pcapng).texts()) == sorted(line[2:] for line in heard.station)
        assert [line.split(" -")[0] for line in Opinion(pcapng).facts()["http"]] == ["GET /x/CP_7?token=a%20b 101"]


def _order(trace: Path) -> Any:
    order = {raw: at for at, (_, _, raw) in enumerate(trace_without_times(trace))}
    return lambda line: order[line[2:]]


def _credentials(pcapng: Path) -> bytes:
    found = re.search(rb"Authorization: Basic (\S+)", pcapng.read_bytes())
    assert found is not None
    return found[1]


# --------------------------------------------------------------------------------------------------- ocpp-rpc (npm)

_SCRIPT = r"""
const {RPCServer, RPCClient} = require('ocpp-rpc');
const deflate = {threshold: 0};
(async () => {
  if (process.argv[2] === 'csms') {
    const server = new RPCServer({protocols: ['ocpp1.6'], wssOptions: {perMessageDeflate: deflate}});
    server.auth((accept, reject, shake) => {
      console.log(JSON.stringify({identity: shake.identity, password: shake.password && shake.password.toString(),
        endpoint: shake.endpoint, query: shake.query && shake.query.toString(), headers: shake.headers}));
      accept({});
    });
    server.on('client', client => {
      client.handle('BootNotification', () => ({status: 'Accepted', interval: 300, currentTime: new Date().toISOString()}));
      client.handle('Heartbeat', () => ({currentTime: new Date().toISOString()}));
      client.handle('DataTransfer', ({params}) => ({status: 'Accepted', data: params.data}));
      client.once('close', ({code, reason}) => console.log(JSON.stringify({code, reason})));
    });
    const http = await server.listen(0, '127.0.0.1');
    console.log(JSON.stringify({port: http.address().port}));
  } else {
    const client = new RPCClient({endpoint: process.argv[3], identity: 'CP 7/1', protocols: ['ocpp1.6'],
      password: 'geheim-1234567890', query: 'a=1&b=%20', wsOpts: {perMessageDeflate: deflate}, reconnect: false});
    await client.connect();
    const said = [await client.call('BootNotification', {chargePointVendor: 'V', chargePointModel: 'M'})];
    for (let i = 0; i < 50; i++) said.push(await client.call('DataTransfer', {vendorId: 'v', data: 'x'.repeat(i * 97)}));
    said.push(await client.call('Heartbeat', {}));
    await client.close({code: 4002, reason: 'good night'});
    console.log(JSON.stringify({answers: said.length, lengths: said.slice(1, 51).map(a => (a.data || '').length)}));
    process.exit(0);
  }
})().catch(error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="session")
def ocpp_rpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ocpp-rpc in it and a script that is either side."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("ocpp-rpc")
    (folder / "package.json").write_text('{"private": true}')
    try:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "ocpp-rpc@2"], cwd=folder, capture_output=True, timeout=90
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install ocpp-rpc in time")
    if done.returncode:
        pytest.skip(f"npm could not install ocpp-rpc: {done.stderr.decode()[-200:]}")
    (folder / "side.js").write_text(_SCRIPT)
    return folder


def test_ocpp_rpc_with_compression(fieldkit: Fieldkit, ocpp_rpc: Path, tmp_path: Path) -> None:
    server = subprocess.Popen(["node", "side.js", "csms"], cwd=ocpp_rpc, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        pcapng, trace = tmp_path / "a.pcapng", tmp_path / "a.jsonl"
        with proxied(f"ws://127.0.0.1:{port}/base", "-w", pcapng, "-w", trace, "--follow") as proxy:
            client = subprocess.run(
                ["node", "side.js", "station", f"ws://127.0.0.1:{proxy.port}/ocpp"],
                cwd=ocpp_rpc, capture_output=True, text=True, timeout=30,
            )  # fmt: skip
            assert client.returncode == 0, client.stderr
            shake = json.loads(server.stdout.readline())
            closed = json.loads(server.stdout.readline())
            ended = proxy.end()
    finally:
        server.kill()
        server.communicate()
    said = json.loads(client.stdout)
    assert said == {"answers": 52, "lengths": [at * 97 for at in range(50)]}
    assert shake["identity"] == "CP 7/1"
    # ocpp-rpc takes the password as it stands behind the identity
    assert shake["password"] == "geheim-1234567890"
    assert shake["endpoint"] == "/base/ocpp"
    assert shake["query"] in ("a=1&b=+", "a=1&b=%20")
    assert "permessage-deflate" in shake["headers"]["sec-websocket-extensions"]
    assert closed == {"code": 4002, "reason": "good night"}
    assert ended.code == 0, ended.err
    assert all(json.loads(line)["id"] for line in ended.lines)
    assert len(trace.read_text().splitlines()) == 104
    assert fieldkit("decode", "--format", "trace", pcapng).out == trace.read_text()


# --------------------------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_security_profile_3_with_tls_on_both_sides(fieldkit: Fieldkit, tmp_path: Path, version: str) -> None:
    pytest.importorskip("cryptography")
    pytest.importorskip("ocpp")
    made = Certificates(tmp_path)
    heard = Heard()
    pcapng, report = tmp_path / "all.pcapng", tmp_path / "all.json"

    async def scene() -> Run:
        with _quiet():
            server = await csms("1.6", heard, ssl=made.server(ask=True, version=version))
            port = server.sockets[0].getsockname()[1]
            options: list[str | Path] = [
                "--ca",
                made.authority,
                "--sni",
                "csms.test",
                "--client-cert",
                made.pem("station"),
            ]
            options += ["--client-key", made.key("station"), "--cert", made.pem("proxy.test")]
            options += ["--key", made.key("proxy.test"), "-w", pcapng, "-o", report, "--fail-on", "info"]
            with proxied(f"wss://127.0.0.1:{port}", *options) as proxy:
                tls = {"ssl": made.client(version=version), "server_hostname": "proxy.test"}
                await talk(proxy.port, "/CP_7", "1.6", heard, **tls)
                ended = await asyncio.to_thread(proxy.end)
            server.close()
        return ended

    ended = run(scene)
    assert any(f"agreed on {version.replace('_', '.')}" in line for line in ended.err.splitlines())
    document = json.loads(report.read_text())
    found = {finding["id"] for finding in document["findings"]}
    # A password inside of TLS is not in clear, neither now nor in the recording, which is without TLS.
    assert "ws.basic-auth-in-clear" not in found
    (entry,) = document["connections"]
    assert entry["tls"] == version.replace("_", " ").replace("v1 ", " 1.")
    again = json.loads(fieldkit("report", pcapng, "--json", "-", "-q").out)
    assert {finding["id"] for finding in again["findings"]} == found
    assert again["connections"][0]["tls"] == "TLS"


def test_insecure_and_faults_are_said_everywhere(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    made = Certificates(tmp_path)
    heard = Heard()
    pcapng, report = tmp_path / "all.pcapng", tmp_path / "all.md"

    async def scene() -> Run:
        server = await csms("1.6", heard, ssl=made.server("station"))
        port = server.sockets[0].getsockname()[1]
        options: list[str | Path] = ["--insecure", "-w", pcapng, "-o", report, "-q"]
        options += ["--fault", "delay=50ms,action=Heartbeat,side=csms,count=1", "--fault", "refuse=418,count=1"]
        with proxied_quietly(f"wss://127.0.0.1:{port}", *options) as (proxy, listen):
            with pytest.raises(websockets.InvalidStatus, match="418"):
                await websockets.connect(f"ws://127.0.0.1:{listen}/CP_7", subprotocols=["ocpp1.6"])
            async with websockets.connect(f"ws://127.0.0.1:{listen}/CP_7", subprotocols=["ocpp1.6"]) as link:
                begun = time.monotonic()
                await link.send('[2,"1","Heartbeat",{}]')
                await link.recv()
                assert time.monotonic() - begun > 0.05
            ended = await asyncio.to_thread(proxy.end)
        server.close()
        return ended

    with _quiet():
        ended = run(scene)
    for text in ("--insecure", "refuse=418", "delay=50ms"):
        assert text in ended.err
        assert text in report.read_text()
        assert text.encode() in pcapng.read_bytes()


@contextmanager
def proxied_quietly(upstream: str, *arguments: str | Path) -> Iterator[tuple[Proxy, int]]:
    """Of a quiet proxy the port must be known beforehand."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    proxy = Proxy.__new__(Proxy)
    proxy.process = spawn("proxy", "--listen", f"127.0.0.1:{port}", "--upstream", upstream, *arguments)
    proxy.said = []
    proxy._reader = threading.Thread(target=proxy._read, daemon=True)
    proxy._reader.start()
    for _ in range(500):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.02)
    try:
        yield proxy, port
    finally:
        proxy.process.kill()
        proxy.process.wait(10)
        proxy._reader.join(5)
        proxy.process.stdout.close()
        proxy.process.stderr.close()


# ------------------------------------------------------------------------------------------------ what may go wrong


class RawCsms:
    """Accepts upgrades and does with the socket what it is told."""

    def __init__(self, then: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._then = then
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        with link:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = link.recv(4096)
                if not data:
                    return
                head += data
            link.sendall(ANSWER)
            try:
                self._then(link)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def raw_csms(then: Any) -> Iterator[int]:
    server = RawCsms(then)
    try:
        yield server.port
    finally:
        server.close()


def echo(link: socket.socket) -> None:
    while data := link.recv(1 << 16):
        link.sendall(data)


def station(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=10)
    link.sendall(UPGRADE)
    answer = b""
    while len(answer) < len(ANSWER):
        answer += link.recv(len(ANSWER) - len(answer))
    assert answer == ANSWER
    return link


def exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        assert piece
        data += piece
    return data


HEARTBEAT = frame(b'[2,"1","Heartbeat",{}]', masked=True)


def peak(process: int) -> int:
    """Most memory that a process ever had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_64_mb_and_a_slow_reader_do_not_grow_memory(tmp_path: Path) -> None:
    """The relay holds what ``leg.MEMORY`` and ``tap.MAX_WAITING`` allow, whatever passes."""
    message = frame(b"x" * (64 << 20))

    def send(link: socket.socket) -> None:
        link.sendall(message)
        link.recv(1)

    with raw_csms(send) as port, proxied(f"ws://127.0.0.1:{port}", "-w", tmp_path / "a.pcapng") as proxy:
        with station(proxy.port) as warm:
            before, before_decoder = peak(proxy.process.pid), peak(proxy.decoder)
            time.sleep(0.5)
            left = len(message)
            while left:
                left -= len(warm.recv(min(left, 1 << 20)))
                if left > 60 << 20:
                    time.sleep(0.02)
        assert peak(proxy.process.pid) - before < 20 << 20
        assert peak(proxy.decoder) - before_decoder < 20 << 20
        ended = proxy.end()
    assert (tmp_path / "a.pcapng").stat().st_size > 8 << 20  # what the decoder was too slow for is a gap
    assert ended.code in (0, 5)


def test_a_killed_relay_leaves_a_valid_recording_and_report(fieldkit: Fieldkit, tmp_path: Path) -> None:
    pcapng, report = tmp_path / "a.pcapng", tmp_path / "a.txt"
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "-w", pcapng, "-o", report) as proxy:
        with station(proxy.port) as link:
            for _ in range(20):
                link.sendall(HEARTBEAT)
                exactly(link, len(HEARTBEAT))
            time.sleep(0.3)
            proxy.process.kill()
            proxy.process.wait(5)
        for _ in range(500):
            if report.exists():
                break
            time.sleep(0.02)
    assert "ended without a word" in report.read_text().replace("\n", " ").replace("  ", " ")
    decoded = fieldkit("decode", "--format", "trace", pcapng)
    assert decoded.code == 0
    assert len(decoded.lines) >= 20


def test_traffic_flows_on_when_the_decoder_is_killed(fieldkit: Fieldkit, tmp_path: Path) -> None:
    pcapng = tmp_path / "a.pcapng"
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "-w", pcapng) as proxy, station(proxy.port) as link:
        link.sendall(HEARTBEAT)
        exactly(link, len(HEARTBEAT))
        time.sleep(0.3)
        os.kill(proxy.decoder, signal.SIGKILL)
        for _ in range(10):
            link.sendall(HEARTBEAT)
            assert exactly(link, len(HEARTBEAT)) == HEARTBEAT
        with station(proxy.port) as another:
            another.sendall(HEARTBEAT)
            assert exactly(another, len(HEARTBEAT)) == HEARTBEAT
        time.sleep(0.3)
        ended = proxy.end()
    assert ended.code == 5
    assert "the traffic still flows" in ended.err
    assert fieldkit("decode", "--format", "trace", pcapng).code == 0


def test_traffic_flows_on_while_the_decoder_hangs(tmp_path: Path) -> None:
    trace = tmp_path / "a.jsonl"
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "-w", trace) as proxy, station(proxy.port) as link:
        os.kill(proxy.decoder, signal.SIGSTOP)
        block = frame(b"y" * 60_000, masked=True)
        for _ in range(400):
            link.sendall(block)
            assert exactly(link, len(block)) == block
        os.kill(proxy.decoder, signal.SIGCONT)
        time.sleep(0.5)
        link.sendall(HEARTBEAT)
        exactly(link, len(HEARTBEAT))
        ended = proxy.end()
    assert ended.code == 5  # something is missing
    assert "Heartbeat" in trace.read_text()


def test_a_disk_that_is_full_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "-w", tmp_path / "a.jsonl") as proxy:
        with station(proxy.port) as link:
            link.sendall(HEARTBEAT)
            exactly(link, len(HEARTBEAT))
            time.sleep(0.2)
        assert proxy.end().code == 0
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    full = tmp_path / "full.jsonl"
    full.symlink_to("/dev/full")
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "-w", full) as proxy, station(proxy.port) as link:
        for _ in range(3):
            link.sendall(HEARTBEAT)
            assert exactly(link, len(HEARTBEAT)) == HEARTBEAT
            time.sleep(0.1)
        ended = proxy.end()
    assert ended.code == 5
    assert "No space left on device; it is given up" in ended.err


def test_the_signal_of_a_terminal_ends_it_with_a_report_and_a_second_one_at_once(tmp_path: Path) -> None:
    with raw_csms(echo) as port:
        with proxied(f"ws://127.0.0.1:{port}", "-o", "-") as proxy:
            with station(proxy.port) as link:
                link.sendall(HEARTBEAT)
                exactly(link, len(HEARTBEAT))
                time.sleep(0.3)
            ended = proxy.end(signal.SIGINT)
        assert ended.code == 0
        assert "1 websocket" in ended.out
        with proxied(f"ws://127.0.0.1:{port}") as proxy:
            os.kill(proxy.decoder, signal.SIGSTOP)
            proxy.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert proxy.end(signal.SIGINT).code == 130


def test_it_ends_by_itself_after_a_while() -> None:
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "--for", "300ms") as proxy:
        assert proxy.process.wait(10) == 5  # without a message nothing was shown to be right
        assert "no OCPP" in proxy.process.stdout.read().decode()


def test_a_reader_of_findings_that_has_had_enough_ends_it() -> None:
    with raw_csms(echo) as port, proxied(f"ws://127.0.0.1:{port}", "--follow") as proxy:
        proxy.process.stdout.close()
        with station(proxy.port) as link:
            # nobody answers an echo as a CSMS would: there is something to find
            credentials = UPGRADE.replace(b"X-Vendor", b"Authorization: Basic Q1BfNzpnZWhlaW0=\r\nX-Vendor")
            with socket.create_connection(("127.0.0.1", proxy.port)) as other:
                other.sendall(credentials)
                exactly(other, len(ANSWER))
                other.sendall(HEARTBEAT)
                assert link is not None
                assert proxy.process.wait(10) in (0, 5)


def test_a_csms_that_was_never_reached_is_an_exit_code() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with proxied(f"ws://127.0.0.1:{closed.getsockname()[1]}", "-o", "-") as proxy:
            with socket.create_connection(("127.0.0.1", proxy.port)) as link:
                link.settimeout(5)
                with pytest.raises(ConnectionResetError):
                    link.recv(1)
            time.sleep(0.2)
            ended = proxy.end()
    assert ended.code == 4
    assert "cannot be reached: connection refused" in ended.err
    assert "cannot be reached: connection refused" in ended.out.replace("\n  ", " ")


def test_a_port_that_is_taken_is_told_before_anything_is_overwritten(fieldkit: Fieldkit, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    kept.write_bytes(b"of yesterday")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = spawn("proxy", "--listen", address, "--upstream", "ws://127.0.0.1:1", "-w", kept)
        _, err = process.communicate(timeout=15)
    assert process.returncode == 3
    assert b"Address already in use" in err
    assert len(err.splitlines()) == 1
    assert kept.read_bytes() == b"of yesterday"


@pytest.mark.parametrize(
    "arguments, why",
    [
        (["--listen", "nowhere", "--upstream", "ws://x"], "no address to listen on"),
        (["--listen", ":0", "--upstream", "x"], "give the CSMS as"),
        (["--listen", ":0", "--upstream", "ws://x", "--ca", "x.pem"], "for a CSMS with TLS"),
        (["--listen", ":0", "--upstream", "wss://x", "--ca", "x.pem", "--insecure"], "contradict"),
        (["--listen", ":0", "--upstream", "ws://x", "--key", "x.pem"], "--key needs --cert"),
        (["--listen", ":0", "--upstream", "ws://x", "--fault", "explode"], "a fault is one of"),
        (["--listen", ":0", "--upstream", "ws://x", "-w", "x.pcap"], "the suffix says"),
        (["--listen", ":0", "--upstream", "ws://x", "-o", "x.pcapng"], "give -w FILE.pcapng too"),
        (["--listen", ":0", "--upstream", "ws://x", "--ring", "2x2MB"], "--ring needs"),
        (["--listen", ":0", "--upstream", "ws://x", "--follow", "--json", "-"], "cannot both have standard output"),
        (["--listen", ":0", "--upstream", "ws://x", "--host", "a b"], "cannot stand in a header"),
    ],
)
def test_command_lines_that_cannot_be_meant(fieldkit: Fieldkit, arguments: list[str], why: str) -> None:
    done = fieldkit("proxy", *arguments)
    assert done.code == 2
    assert why in done.err


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    process = spawn(
        "proxy", "--listen", "127.0.0.1:0", "--upstream", "ws://127.0.0.1:1", "--cert", tmp_path / "none.pem"
    )
    _, err = process.communicate(timeout=15)
    assert process.returncode == 2
    assert b"none.pem" in err
    assert b"No such file" in err


def test_help_has_an_example(fieldkit: Fieldkit) -> None:
    done = fieldkit("proxy", "--help")
    assert done.code == 0
    assert "fieldkit proxy --listen" in done.out
