"""A TCP relay that takes its time and counts: a round trip in front of a server on this machine.

    tls_relay.py LISTEN-PORT SERVER-PORT ROUND-TRIP-MS

Connecting takes a round trip, and every byte half of one in each direction. A line on standard input ("count") is
answered with a line of JSON: connections, bytes up and down since the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys


class Relay:
    """Counts what passes."""

    def __init__(self, port: int, delay: float) -> None:
        self.counts = {"connections": 0, "up": 0, "down": 0}
        self._port = port
        self._delay = delay
        """One way, in seconds."""

    async def serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection."""
        self.counts["connections"] += 1
        await asyncio.sleep(2 * self._delay)  # what connecting would have taken
        far: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, far = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(self._pass(near, far, "up"), self._pass(there, back, "down"))
        for writer in (back, far):
            if writer is not None:
                writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = asyncio.create_task(self._send(queue, writer))
        now = asyncio.get_running_loop().time
        data = b"-"
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            self.counts[way] += len(data)
            queue.put_nowait((now() + self._delay, data))
        await sender

    @staticmethod
    async def _send(queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(due - now(), 0))
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()


async def main(listen: int, port: int, delay: float) -> None:
    """Until standard input ends."""
    relay = Relay(port, delay)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", listen)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while await lines.readline():
        print(json.dumps(relay.counts), flush=True)
        relay.counts = dict.fromkeys(relay.counts, 0)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 2000))
