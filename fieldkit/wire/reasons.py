"""Reasons of decode errors that say something of the sender, by which checks know them again."""

from __future__ import annotations

from typing import Final

MASKED_WRONGLY: Final = "frames of this side break RFC 6455 §5.1: a client masks its frames, a server does not"
NOT_NEGOTIATED: Final = "a message is marked as compressed (RSV1) although compression was not negotiated"
NOT_DEFLATE: Final = "a compressed message does not inflate"
TOO_LONG: Final = "a compressed message inflates to more than fieldkit takes"
"""Says nothing of the sender: the limit is ours."""
NO_TLS: Final = "the server answers the TLS hello in plain HTTP: it speaks no TLS"
