"""Kept captures on their way to where somebody looks at them: by HTTPS PUT with resume, over uplinks that allow it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fieldkit.agent import secretfile
from fieldkit.agent.settings import UploadSettings
from fieldkit.agent.sinks import tls
from fieldkit.agent.sinks.shared import SinkError
from fieldkit.agent.uplinks import Meter
from fieldkit.sources.spool import Spool, SpoolError, send
from fieldkit.sources.upload import Uploader, parse_url, place

PATIENCE: Final = 300.0
"""Seconds of one attempt to upload; then others have their turn."""
EVERY: Final = 10.0


class Shipper(threading.Thread):
    """Sends kept captures, when the uplink is one that they may use."""

    def __init__(
        self,
        settings: UploadSettings,
        folder: Path,
        spool: Path,
        label: str,
        meter: Meter,
        tell: Callable[..., object],
    ) -> None:
        """``label`` goes before each name: site and agent. SinkError when it can never work."""
        super().__init__(name="captures", daemon=True)
        self.settings = settings
        self.sent = 0
        self._folder = folder
        self._label = label
        self._meter = meter
        self._tell = tell
        self._ending = threading.Event()
        self._uploader = _Uploader(settings)
        self._url = parse_url(settings.url)
        try:
            self._spool = Spool(spool, settings.waiting)
        except SpoolError as error:
            raise SinkError(str(error)) from None

    def run(self) -> None:
        """Until ``end``."""
        while not self._ending.wait(EVERY):
            try:
                self._take()
                if self._meter.captures_may_go(self.settings.over):
                    self._ship()
            except (OSError, SpoolError) as error:
                self._tell("upload-failed", why=str(error))

    def end(self) -> None:
        """What is under way is gone on with by the next agent."""
        self._ending.set()

    def _take(self) -> None:
        """Files that grow no more go on their way."""
        newest = max((path.name for path in self._folder.glob("packets_*.pcapng")), default="")
        for path in sorted((self._folder / "kept").glob("packets_*.pcapng")):
            mark = path.with_suffix(".sent")
            if path.name != newest and not mark.exists():
                self._spool.add(path, place(self._url, f"{self._label}-{path.name}"))
                mark.touch()

    def _ship(self) -> None:
        with self._spool.sole() as alone:
            if not alone:
                return
            for job in self._spool.jobs():
                if self._ending.is_set() or not self._meter.captures_may_go(self.settings.over):
                    return
                before = job.progress.sent
                said: list[str] = []
                left = send(self._spool, self._uploader, [job], patience=PATIENCE, say=said.append, sleep=self._sleep)
                self._meter.spend(job.progress.sent - before)
                if left:
                    self._tell("upload-failed", why=said[-1] if said else "no answer")
                    return
                self.sent += 1

    def _sleep(self, seconds: float) -> None:
        self._ending.wait(seconds)


class _Uploader(Uploader):
    """With what the configuration names in place of what the environment has."""

    def __init__(self, settings: UploadSettings) -> None:
        super().__init__(ca=settings.tls.ca or None)
        self._context = tls.context(settings.tls)
        self._token = ""
        if settings.token_file:
            try:
                self._token = secretfile.read(settings.token_file).decode("ascii")
            except (secretfile.SecretError, UnicodeDecodeError) as error:
                raise SinkError(str(error)) from None

    def _credentials(self, url: object) -> str:  # type: ignore[override]
        return f"Bearer {self._token}" if self._token else ""
