"""What ``fieldkit proxy`` adds: latency at 500 messages/s over 50 connections, and memory with 1,000 idle ones.

    proxy_latency.py FIELDKIT [--seconds N] [--connections N] [--rate N] [--idle N]

FIELDKIT is the program to be measured. Stations send Heartbeats to a CSMS on this machine, directly and through the
proxy in turn, half a run each and several times, so that what else the machine does harms both alike. The proxy records
and diagnoses meanwhile. Both ends live in this process, so their own cost is part of both rows; what the proxy adds is
the difference. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

UPGRADE: Final = (
    "GET /ocpp/CP_{number} HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
ANSWER: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
_ROUNDS: Final = 3


def frame(text: str, *, masked: bool) -> bytes:
    """A short text frame; with a mask of zeros, which nobody is harmed by here."""
    data = text.encode()
    return b"\x81" + (bytes([0x80 | len(data)]) + bytes(4) if masked else bytes([len(data)])) + data


class Csms(asyncio.Protocol):
    """Upgrades, and answers every frame at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upgraded = False
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            if b"\r\n\r\n" in self._buffer:
                self._upgraded, self._buffer = True, b""
                self._transport.write(ANSWER)
            return
        while len(self._buffer) > 1 and len(self._buffer) >= 6 + (self._buffer[1] & 0x7F):
            end = 6 + (self._buffer[1] & 0x7F)
            text = self._buffer[6:end].decode()
            self._buffer = self._buffer[end:]
            number = text.split('"')[1]
            self._transport.write(frame(f'[3,"{number}",{{"currentTime":"2026-08-31T08:00:00Z"}}]', masked=False))


class Station(asyncio.Protocol):
    """Sends Heartbeats and notes how long their answers took."""

    def __init__(self, number: int, took: list[float]) -> None:
        self._number = number
        self._took = took
        self._sent = 0.0
        self._calls = 0
        self._upgraded = False
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(UPGRADE.format(number=self._number).encode())

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            self._upgraded = True
            self.ready.set_result(None)
        elif self._sent:
            self._took.append(time.perf_counter() - self._sent)
            self._sent = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed before the upgrade"))

    def call(self) -> None:
        """A Heartbeat, unless the last one is still open."""
        if self._sent:
            return
        self._calls += 1
        message = frame(f'[2,"{self._number}-{self._calls}","Heartbeat",{{}}]', masked=True)
        self._sent = time.perf_counter()
        self._transport.write(message)

    def close(self) -> None:
        self._transport.abort()


async def stations(port: int, count: int, took: list[float]) -> list[Station]:
    """Connect so many, fifty at a time."""
    loop = asyncio.get_running_loop()
    made: list[Station] = []
    for begin in range(0, count, 50):
        pairs = await asyncio.gather(
            *(
                loop.create_connection(lambda number=number: Station(number, took), "127.0.0.1", port)  # type: ignore[misc]
                for number in range(begin, min(begin + 50, count))
            )
        )
        made += [station for _, station in pairs]
        await asyncio.gather(*(station.ready for station in made[begin:]))
    return made


async def load(port: int, connections: int, rate: float, seconds: float) -> list[float]:
    """``rate`` messages a second in all (a call and its answer are two), evenly; round trips in seconds."""
    took: list[float] = []
    made = await stations(port, connections, took)
    await asyncio.sleep(0.5)
    calls = int(seconds * rate / 2)
    begun = time.perf_counter()
    for number in range(calls):
        pause = begun + number * 2 / rate - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        made[number % connections].call()
    await asyncio.sleep(0.5)
    for station in made:
        station.close()
    await asyncio.sleep(0.2)
    return took


@contextlib.asynccontextmanager
async def proxy(fieldkit: str, port: int, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """A proxy that records and diagnoses: its port and process id."""
    process = await asyncio.create_subprocess_exec(
        fieldkit, "proxy", "--listen", "127.0.0.1:0", "--upstream", f"ws://127.0.0.1:{port}",
        "-w", str(folder / "all.pcapng"), "-o", str(folder / "all.json"),
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        while True:
            line = (await process.stderr.readline()).decode()
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                break
            if not line:
                raise SystemExit("the proxy does not start")
        rest = asyncio.create_task(process.stderr.read())
        yield int(found[1]), process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        with contextlib.suppress(UnboundLocalError):
            await rest


def memory(process: int) -> list[float]:
    """Resident MB of a process and of those it has started."""
    found = []
    for one in (process, *map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())):
        rss = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())
        found.append(int(rss[1]) / 1024 if rss else 0.0)
    return found


def cpu(process: int) -> list[float]:
    """CPU seconds of the same."""
    tick = os.sysconf("SC_CLK_TCK")
    found = []
    for one in (process, *map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        found.append((int(fields[11]) + int(fields[12])) / tick)
    return found


def quantile(took: list[float], share: float) -> float:
    """In ms."""
    ordered = sorted(took)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


async def measure(arguments: argparse.Namespace) -> None:
    """Everything, as two tables."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Csms, "127.0.0.1", 0, backlog=1024)
    direct = server.sockets[0].getsockname()[1]
    rows: dict[str, list[tuple[float, float, float]]] = {"direct": [], "proxy": []}
    share = arguments.seconds / _ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        async with proxy(arguments.fieldkit, direct, Path(folder)) as (through, process):
            await load(through, arguments.connections, arguments.rate, 1)  # what is loaded late is loaded now
            before = cpu(process)
            for _ in range(_ROUNDS):
                for name, port in (("direct", direct), ("proxy", through)):
                    took = await load(port, arguments.connections, arguments.rate, share)
                    rows[name].append((quantile(took, 0.5), quantile(took, 0.99), max(took) * 1000))
            used = [
                (after - begun) / arguments.seconds * 100 for begun, after in zip(before, cpu(process), strict=True)
            ]
        print(f"{arguments.rate:.0f} messages/s over {arguments.connections} connections, medians of {_ROUNDS} rounds")
        print(f"{'':10}{'p50 ms':>10}{'p99 ms':>10}{'worst ms':>10}")
        medians = {
            name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in rows.items()
        }
        for name, values in medians.items():
            print(f"{name:10}" + "".join(f"{value:10.2f}" for value in values))
        added = [through - plain for through, plain in zip(medians["proxy"], medians["direct"], strict=True)]
        print(f"{'added':10}" + "".join(f"{value:10.2f}" for value in added) + "   (there and back)")
        print(f"CPU: relay {used[0]:.1f} %, decoder {used[1]:.1f} % of one core")
        async with proxy(arguments.fieldkit, direct, Path(folder)) as (through, process):
            took: list[float] = []
            empty = memory(process)
            begun = time.perf_counter()
            made = await stations(through, arguments.idle, took)
            connected = time.perf_counter() - begun
            await asyncio.sleep(1)
            held = memory(process)
            begun_cpu = cpu(process)
            await asyncio.sleep(5)
            idle = [(after - before_) / 5 * 100 for before_, after in zip(begun_cpu, cpu(process), strict=True)]
            for station in made:
                station.call()
            await asyncio.sleep(2)
            print(f"\n{arguments.idle} connections, connected in {connected:.1f} s; {len(took)} of them answer")
            print(f"relay   {empty[0]:6.1f} MB before, {held[0]:6.1f} MB with them, {idle[0]:4.1f} % CPU idle")
            print(f"decoder {empty[1]:6.1f} MB before, {held[1]:6.1f} MB with them, {idle[1]:4.1f} % CPU idle")
            for station in made:
                station.close()
    server.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fieldkit")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--idle", type=int, default=1000)
    arguments = parser.parse_args()
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except ImportError:
        print("this system does not say how many connections a process may have")
    asyncio.run(measure(arguments))


if __name__ == "__main__":
    main()
