"""What every source of live traffic has in common, so that one loop serves interfaces, routers and mirrored packets."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fieldkit.sources.file import Item


class LiveSource(Protocol):
    """Packets as they come. Nothing here waits: a selector does, on ``fileno``."""

    name: str
    """As evidence and messages name it: "eth0", "ssh://router/br-lan"."""

    def fileno(self) -> int:
        """Readable when ``read`` may have something; may change after any call; -1: nothing to wait for."""

    def read(self) -> list[Item]:
        """What has come: batches of packets (with frame numbers of the session) and what the source has to say."""

    def tick(self, now: int) -> list[Item]:
        """Called about once a second with the time in ns: look after counters, lost interfaces, reconnecting."""

    def counters(self) -> tuple[int, int]:
        """Packets received and packets dropped since the beginning, as whoever captures counts them."""

    def ended(self) -> str | None:
        """Why nothing more will come ("" for an ordinary end); None while something may."""

    def close(self) -> None:
        """Stop whatever was started, wherever it runs."""


@runtime_checkable
class Distant(Protocol):
    """A source that may have packets under way when it is told to stop: its capture runs elsewhere."""

    def stop(self) -> list[Item]:
        """End the capture there and take what is still under way; may wait for that, a second or two."""
