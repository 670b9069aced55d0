"""A proxy between chargers and their CSMS as a source: "proxy://:9000->ws://csms.example/ocpp".

The relay is a process of its own (``proxyrelay``), as it is with ``fieldkit proxy``; what it hears comes over a socket
and is recorded and decoded here.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldkit.events import Event
from fieldkit.sources.file import SourceError
from fieldkit.sources.proxy.settings import parse_listen, parse_upstream

if TYPE_CHECKING:
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.reports.model import SourceRead
    from fieldkit.sources.proxy.overheard import Overheard
    from fieldkit.wire.tlskeys import KeyLog

SCHEME: Final = "proxy://"
ARROW: Final = "->"
_PATIENCE: Final = 0.5
"""Seconds without anything after which it is seen to what waits."""
_START: Final = 20.0
"""Seconds for the relaying process to begin: imports on a router's flash."""
_END: Final = 5.0
"""Seconds that it has to end."""
_BLOCK: Final = 1 << 18
MAX_NOTES: Final = 20
_RUN: Final = "import sys; sys.path.insert(0, sys.argv[1]); from fieldkit.tui.proxyrelay import main; main()"


def is_proxy(name: str) -> bool:
    """Whether a source is named as one."""
    return name.startswith(SCHEME)


def named(listen: str, upstream: str) -> str:
    """The name of such a source; SourceError with what is wrong with it."""
    try:
        parse_listen(listen)
        parse_upstream(upstream)
    except ValueError as error:
        raise SourceError(str(error)) from error
    return f"{SCHEME}{listen}{ARROW}{upstream}"


def parts(name: str) -> tuple[str, str]:
    """Where it listens, and the CSMS."""
    listen, arrow, upstream = name.removeprefix(SCHEME).partition(ARROW)
    if not arrow:
        raise SourceError(f"{SCHEME}: give {SCHEME}HOST:PORT{ARROW}ws://CSMS[:PORT][/PATH]")
    return listen, upstream


class ProxyFeed:
    """Relays from when it is made until it is closed."""

    live = True
    progress = None
    dropped = 0

    def __init__(self, name: str, *, record: Path | None = None) -> None:
        """SourceError when it cannot listen there. Takes as long as a process takes to begin."""
        listen, upstream = parts(name)
        named(listen, upstream)
        if sys.platform == "win32":  # a socket cannot be handed to the relay there
            raise SourceError("on Windows use: fieldkit proxy")
        self.name = f"proxy {listen}"
        self.recorded = record
        self.addresses: list[str] = []
        """Where chargers may connect."""
        self._upstream = upstream
        self._said: list[str] = []
        self._failures: list[str] = []
        self._heard: Overheard | None = None
        self._lines = b""
        self._ended = False
        """Nothing more comes from its standard output."""
        self._begun = False
        """It is told to go on."""
        self._tap, theirs = socket.socketpair()
        root = str(Path(__file__).parents[2])
        try:
            self._relay = subprocess.Popen(
                [sys.executable, "-c", _RUN, root, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            self._tap.close()
            raise SourceError(f"the proxy cannot be started: {error}") from error
        finally:
            theirs.close()
        try:
            self._begin(listen, upstream)
        except SourceError:
            self.close()
            raise

    def _begin(self, listen: str, upstream: str) -> None:
        from fieldkit.sources.proxy.tap import READY

        assert self._relay.stdin is not None
        self._relay.stdin.write(json.dumps({"listen": listen, "upstream": upstream}).encode() + b"\n")
        self._relay.stdin.flush()
        until = time.monotonic() + _START
        while not self.addresses:
            if self._failures or self._ended or time.monotonic() > until:
                raise SourceError("; ".join(self._failures) or "the proxy did not start")
            tap, said = self._ready(_PATIENCE)
            if said:
                self._listen()
            if tap and not self._begun:
                # What it says first is only that it is about to serve; an end of it is explained on standard output.
                self._begun = True
                if self._tap.recv(1, socket.MSG_PEEK):
                    self._tap.sendall(READY)

    def _ready(self, seconds: float) -> tuple[bool, bool]:
        wanted: list[Any] = [self._tap] if not self._begun or self.addresses else []
        stdout = self._relay.stdout
        if stdout is not None and not self._ended:
            wanted.append(stdout)
        found, _, _ = select.select(wanted, [], [], seconds)
        return self._tap in found, stdout in found

    def _listen(self) -> None:
        """Lines of the relay."""
        assert self._relay.stdout is not None
        data = os.read(self._relay.stdout.fileno(), 65536)
        if not data:
            self._ended = True
            return
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            self.addresses = told.get("listening", self.addresses)
            if "failed" in told:
                self._failures.append(told["failed"])
            if "said" in told and told["said"] not in self._said and len(self._said) < MAX_NOTES:
                self._said.append(told["said"])

    # ---------------------------------------------------------------------------------------------------- as a feed

    @property
    def packets(self) -> int:
        return self._heard.packets if self._heard is not None else 0

    @property
    def failures(self) -> tuple[str, ...]:
        heard = self._heard
        if heard is None:
            return tuple(self._failures)
        return (*self._failures, *filter(None, (heard.recording_failed, heard.decoding_failed)))

    @property
    def notes(self) -> tuple[str, ...]:
        where = f"chargers connect to {', '.join(self.addresses)}; all is passed on to {self._upstream}"
        return (where, *self._said)

    @property
    def sources(self) -> Sequence[SourceRead]:
        return [_Heard(str(self.recorded) if self.recorded is not None else self.name, self)]

    def batches(self, keys: KeyLog, schemas: Schemas | None, stop: Callable[[], bool]) -> Iterator[list[Event]]:
        """What passes, until ``stop``."""
        from fieldkit.pipeline import Pipeline
        from fieldkit.sources.proxy.overheard import Overheard
        from fieldkit.sources.proxy.tap import STOP, TapReader

        recording = self._recording()
        name = str(self.recorded) if recording is not None else self.name
        pipeline = Pipeline(name, schemas=schemas, full=False)
        description = f"the station's leg of a proxy to {self._upstream}"
        heard = self._heard = Overheard(pipeline, recording, name=self.name, description=description)
        reader = TapReader()
        asked = False
        while True:
            tap, said = self._ready(_PATIENCE)
            if said:
                self._listen()
            block = self._tap.recv(_BLOCK) if tap else None
            events: list[Event] = []
            for record in reader.feed(block) if block else ():
                events += heard.feed(record)
            over = block == b"" or heard.ended is not None
            if over:
                events += heard.finish(time.time_ns())
            elif not block:
                events += heard.tick(time.time_ns())
            yield events
            if over:
                break
            if stop() and not asked:
                asked = True
                self._tap.sendall(STOP)
        if heard.ended is None:
            self._failures.append("the proxy ended by itself: chargers are not connected any more")

    def _recording(self) -> Any:
        from fieldkit.sources.recording import Recording, RecordingError

        if self.recorded is None:
            return None
        try:
            self.recorded.parent.mkdir(parents=True, exist_ok=True)
            told = f"fieldkit {self.name} -> {self._upstream}: the station's leg, in packets made by the proxy"
            return Recording(self.recorded, None, f"{told}; passwords are overwritten")
        except (RecordingError, OSError) as error:
            self._failures.append(f"{self.recorded}: it cannot be written: {error}")
            self.recorded = None
            return None

    def close(self) -> None:
        """End the relay; harmless when done already."""
        self._tap.close()
        for stream in (self._relay.stdin, self._relay.stdout):
            if stream is not None:
                stream.close()
        try:
            self._relay.wait(_END if self._ended or self._heard is not None else 0.5)
        except subprocess.TimeoutExpired:
            self._relay.kill()
            self._relay.wait()


class _Heard:
    """What a report says of it."""

    is_log = False

    def __init__(self, name: str, feed: ProxyFeed) -> None:
        self.name = name
        self._feed = feed

    @property
    def read(self) -> int:
        return self._feed._heard.bytes if self._feed._heard is not None else 0
