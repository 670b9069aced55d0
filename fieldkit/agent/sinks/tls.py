"""TLS towards brokers and servers: always verified; a private authority, a client certificate and pins on request.

A pin is the SHA-256 of the server's certificate in hexadecimal (``openssl x509 -fingerprint -sha256``). It is looked at
when the handshake has ended, before a byte of ours is sent, and counts beside the verification, not instead of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fieldkit.agent import secretfile
from fieldkit.agent.sinks.shared import SinkError
from fieldkit.config import Table

if TYPE_CHECKING:  # OpenSSL takes five megabytes, which an agent without TLS need not have
    import ssl

PIN: Final = r"(sha256:)?([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """ca, cert, key and pins of a table."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    pins: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> TlsSettings:
        """The keys that all tables of this sort have."""
        from pathlib import Path

        for key in ("ca", "cert"):
            path = table.text(key, pattern=r"/[^\0]*", hint="give an absolute path")
            if path and not Path(path).is_file():
                table.complain(key, f"{path}: there is no such file")
        private = secretfile.named(table, "key")
        if private and "cert" not in table:
            table.complain("key", "goes with cert =")
        pins = table.texts("pins", pattern=PIN, hint="the SHA-256 of a certificate, 64 hexadecimal digits")
        bare = tuple(pin.removeprefix("sha256:").replace(":", "").lower() for pin in pins)
        return cls(table.text("ca"), table.text("cert"), private, bare)


def context(settings: TlsSettings) -> ssl.SSLContext:
    """Verifying, with TLS 1.2 at least; SinkError when its files cannot be used."""
    import ssl

    from fieldkit.agent.sinks.pins import checked

    try:
        made = ssl.create_default_context(cafile=settings.ca or None)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.cert:
            made.load_cert_chain(settings.cert, settings.key or None, password=_no_password)
    except (OSError, ValueError) as error:
        named = " ".join(filter(None, (settings.ca, settings.cert, settings.key)))
        raise SinkError(
            f"{named}: {getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error}"
        ) from None
    made.sslsocket_class = checked(frozenset(settings.pins))
    return made


def _no_password() -> str:
    # OpenSSL would ask at the terminal of a service.
    raise ValueError("the key is encrypted: give one without a passphrase, readable by the agent alone")


def explained(error: OSError) -> str:
    """What went wrong with a connection, in words."""
    if "ssl" in sys.modules:
        from fieldkit.agent.sinks.pins import said

        told = said(error)
        if told:
            return told
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error)
