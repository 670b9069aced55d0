"""A station and a CSMS made of the packages ocpp and websockets, as programs for a network namespace each.

    python -m tests.live.parties csms 10.213.0.3:9000 [Rejected]
    python -m tests.live.parties station ws://10.213.0.3:9000/CP_7 0.05

The station boots, beats so often, and comes back when the connection is lost. Each writes a line for what it does.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import websockets
from ocpp.routing import on  # type: ignore[import-untyped]
from ocpp.v16 import ChargePoint, call, call_result  # type: ignore[import-untyped]

_AGAIN: Final = 0.3
"""Seconds until a station that lost its CSMS tries again."""
_LOST: Final = 1.0
"""Seconds within which either side notices a dead link: by pings, for TCP alone would take minutes."""
_MANNERS: Final[dict[str, Any]] = {
    "ping_interval": _LOST,
    "ping_timeout": _LOST,
    "close_timeout": 0.3,
    "compression": None,  # most stations do not, and a capture may begin in the middle
}


def say(text: str) -> None:
    print(text, flush=True)


def now() -> str:
    return datetime.now(UTC).isoformat()


class Csms(ChargePoint):
    """The CSMS's end of one connection."""

    answer = "Accepted"

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def boots(self, **_: Any) -> Any:
        say(f"boot {self.id} {self.answer}")
        return call_result.BootNotification(current_time=now(), interval=300, status=self.answer)

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def beats(self) -> Any:
        return call_result.Heartbeat(current_time=now())


async def serve(address: str, answer: str) -> None:
    Csms.answer = answer
    host, _, port = address.rpartition(":")

    async def talk(link: websockets.ServerConnection) -> None:
        assert link.request is not None
        with suppress(websockets.ConnectionClosed):
            await Csms(link.request.path.rsplit("/", 1)[-1], link).start()

    async with websockets.serve(talk, host, int(port), subprotocols=[websockets.Subprotocol("ocpp1.6")], **_MANNERS):
        say("serving")
        await asyncio.Future()


async def live(url: str, pause: float) -> None:
    while True:
        with suppress(OSError, TimeoutError, websockets.WebSocketException):
            async with websockets.connect(
                url, subprotocols=[websockets.Subprotocol("ocpp1.6")], open_timeout=_LOST, **_MANNERS
            ) as link:
                await _one_life(ChargePoint(url.rsplit("/", 1)[-1], link), pause)
        say("lost")
        await asyncio.sleep(_AGAIN)


async def _one_life(station: Any, pause: float) -> None:
    listening = asyncio.create_task(station.start())
    beating = asyncio.create_task(_beat(station, pause))
    done, left = await asyncio.wait([listening, beating], return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in done:
        task.result()


async def _beat(station: Any, pause: float) -> None:
    answer = await station.call(call.BootNotification(charge_point_model="Lab", charge_point_vendor="fieldkit"))
    say(f"booted {answer.status}")
    beats = 0
    while True:
        await station.call(call.Heartbeat())
        beats += 1
        say(f"beat {beats}")
        await asyncio.sleep(pause)


def main() -> None:
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    who, where, *more = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(where, more[0] if more else "Accepted") if who == "csms" else live(where, float(more[0])))


if __name__ == "__main__":
    main()
