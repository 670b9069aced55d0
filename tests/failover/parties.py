"""A station with the timers that stations in the field have, and its CSMS; each writes down what happens to it.

    python -m tests.failover.parties csms 203.0.113.9:9000 [CERTIFICATE KEY]
    python -m tests.failover.parties station ws://203.0.113.9:9000/CP_7 '{"every": 0.4, "again": 1.0}'

A line is ``{"time": ns, "what": …}``. The station is in a transaction all the time: it takes a meter value so often,
connected or not, and delivers them in order; what got no answer is delivered again after the next connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import websockets
from ocpp.routing import on  # type: ignore[import-untyped]
from ocpp.v16 import ChargePoint, call, call_result  # type: ignore[import-untyped]

from tests.live.parties import Csms, now

_SUBPROTOCOLS: Final = [websockets.Subprotocol("ocpp1.6")]
_GOODBYE: Final = 0.3
"""Seconds either waits for the other's close frame."""


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds, but for ``boots``."""

    every: float = 0.4
    """Between two meter values."""
    answer: float = 4.0
    """For an answer to a call …"""
    ping: float = 0.0
    """… between two pings of its own; 0: none …"""
    pong: float = 3.0
    """… and for the answer to one."""
    again: float = 1.0
    """From a lost connection, or an attempt in vain, to the next attempt."""
    attempt: float = 3.0
    """That an attempt may take."""
    boots: bool = True
    """It sends a BootNotification after every connection."""


def note(what: str, **more: Any) -> None:
    print(json.dumps({"time": time.time_ns(), "what": what, **more}), flush=True)


class Desk(Csms):
    """The CSMS's end of one connection."""

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def boots(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=now(), interval=900, status="Accepted")

    @on("StatusNotification")  # type: ignore[untyped-decorator]
    def status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("StartTransaction")  # type: ignore[untyped-decorator]
    def starts(self, **_: Any) -> Any:
        return call_result.StartTransaction(transaction_id=77, id_tag_info={"status": "Accepted"})

    @on("MeterValues")  # type: ignore[untyped-decorator]
    def metered(self, **_: Any) -> Any:
        return call_result.MeterValues()


async def serve(address: str, certificate: str = "", key: str = "") -> None:
    host, _, port = address.rpartition(":")
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if secure is not None:
        secure.load_cert_chain(certificate, key)

    async def talk(link: websockets.ServerConnection) -> None:
        assert link.request is not None
        note("accepted", peer=str(link.remote_address[0]))
        with suppress(websockets.ConnectionClosed):
            await Desk(link.request.path.rsplit("/", 1)[-1], link).start()
        note("gone", peer=str(link.remote_address[0]))

    # It pings nobody: what keeps a connection alive, or finds it dead, is the station.
    async with websockets.serve(
        talk, host, int(port), ssl=secure, subprotocols=_SUBPROTOCOLS, ping_interval=None, close_timeout=_GOODBYE,
        compression=None,
    ):  # fmt: skip
        note("serving")
        await asyncio.Future()


class Station:
    """One charger."""

    def __init__(self, url: str, timers: Timers) -> None:
        self._url = url
        self._timers = timers
        self._where = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
        self._values: deque[tuple[str, int]] = deque(maxlen=1000)
        """Meter values that are not delivered: when, and the register."""
        self._taken = asyncio.Event()
        self._charging = False

    async def live(self) -> None:
        metering = asyncio.create_task(self._meter())
        while True:
            try:
                await self._one_life()
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                note("lost", why=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(self._timers.again)
            assert not metering.done()

    async def _meter(self) -> None:
        register = 1000
        while True:
            await asyncio.sleep(self._timers.every)
            register += 10
            self._values.append((now(), register))
            self._taken.set()

    async def _one_life(self) -> None:
        timers = self._timers
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
            made.setblocking(False)
            note("syn")
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, self._where), timers.attempt)
            note("connected")
            async with websockets.connect(
                self._url, sock=made, subprotocols=_SUBPROTOCOLS, compression=None, open_timeout=timers.attempt,
                ping_interval=timers.ping or None, ping_timeout=timers.pong, close_timeout=_GOODBYE,
            ) as link:  # fmt: skip
                note("upgraded")
                await self._talk(link)

    async def _talk(self, link: Any) -> None:
        peer = ChargePoint(self._url.rsplit("/", 1)[-1], link, response_timeout=self._timers.answer)
        listening = asyncio.create_task(peer.start())
        talking = asyncio.create_task(self._report(peer))
        try:
            done, _ = await asyncio.wait([listening, talking], return_when=asyncio.FIRST_COMPLETED)
            # Its closing takes time, in which nobody talks any more: this is when the station knows.
            note("noticed", why=str([repr(task.exception()) for task in done])[:200])
        finally:
            for task in (listening, talking):
                task.cancel()
            await asyncio.gather(listening, talking, return_exceptions=True)
        for task in done:
            task.result()

    async def _report(self, peer: Any) -> None:
        if self._timers.boots or not self._charging:
            await peer.call(call.BootNotification(charge_point_model="Lab", charge_point_vendor="fieldkit"))
            note("booted")
        if not self._charging:
            await peer.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Charging"))
            started = call.StartTransaction(connector_id=1, id_tag="TAG-1", meter_start=1000, timestamp=now())
            await peer.call(started)
            self._charging = True
        while True:
            while self._values:
                taken, register = self._values[0]
                note("sends")
                sampled = [{"value": str(register), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
                await peer.call(
                    call.MeterValues(
                        connector_id=1, transaction_id=77, meter_value=[{"timestamp": taken, "sampledValue": sampled}]
                    )
                )
                self._values.popleft()
                note("delivered")
            self._taken.clear()
            await self._taken.wait()


def main() -> None:
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    who, where, *more = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        if who == "csms":
            asyncio.run(serve(where, *more))
        else:
            asyncio.run(Station(where, Timers(**json.loads(more[0]))).live())


if __name__ == "__main__":
    main()
