"""The relaying process of a proxy that is watched on the screen. It decodes nothing, so that nothing holds up traffic.

It is told what to do in a line of JSON on standard input, and says what happens in lines on standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys


def main() -> None:
    """``argv[-1]``: descriptor of the socket to whoever records and decodes."""
    from fieldkit.sources.proxy.listener import DecoderLostError, ListenError, run
    from fieldkit.sources.proxy.settings import Settings, parse_listen, parse_upstream
    from fieldkit.sources.proxy.tls import TlsSetupError

    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            # A terminal that is gone ends neither the traffic nor its recording.
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    given = json.loads(sys.stdin.readline())
    parent = os.getppid()

    def tell(kind: str, what: object) -> None:
        try:
            print(json.dumps({kind: what}), flush=True)
        except OSError:
            return  # nobody listens any more; the socket's end says so too

    try:
        settings = Settings(parse_listen(given["listen"]), parse_upstream(given["upstream"]))
        tap = socket.socket(fileno=int(sys.argv[-1]))
        asyncio.run(
            run(
                settings,
                tap,
                lambda: os.getppid() != parent,  # nobody is left who could end it
                lambda text: tell("said", text),
                lambda addresses: tell("listening", addresses),
                lambda: tell("said", "recording and diagnosis have broken down"),
            )
        )
    except (ListenError, TlsSetupError, ValueError) as error:
        tell("failed", str(error))
    except DecoderLostError:
        tell("failed", "whoever wanted to watch has gone")
