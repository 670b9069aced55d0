"""Whether a message is in our hands as it was sent, or only what the capture or log has left of it."""

from __future__ import annotations

from fieldkit.events import OcppMessage


def is_legible(message: OcppMessage) -> bool:
    """False when parts of it are unknown to us: its compression began before the capture, or a log cut it off.

    What such a message says must neither be believed nor held against anybody.
    """
    if not message.problems:
        return True
    return not any(problem.rule in ("deflate.context", "log.truncated") for problem in message.problems)
