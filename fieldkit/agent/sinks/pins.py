"""The certificate of whoever answers: held against pins, and what was wrong with it in words."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any


class PinError(ssl.SSLError):
    """The server is not the one that was pinned."""


def checked(pins: frozenset[str]) -> type[ssl.SSLSocket]:
    """The sort of socket that a context is to make."""

    class Checked(ssl.SSLSocket):
        """Looks at the certificate when the handshake has ended, whoever shakes hands; what fails is closed."""

        def do_handshake(self, *given: Any, **named: Any) -> None:
            try:
                super().do_handshake(*given, **named)
                if pins:
                    found = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
                    if found not in pins:
                        raise PinError(f"its certificate (SHA-256 {found}) is not the one that was pinned")
            except BaseException:
                self.close()
                raise

    return Checked


def said(error: OSError) -> str:
    """What TLS has against a connection; empty where it is something else that failed."""
    if isinstance(error, PinError):
        return str(error.args[0])
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); ca = names others to trust"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return ""
