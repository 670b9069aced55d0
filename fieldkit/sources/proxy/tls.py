"""TLS towards either side, over memory instead of a socket, so that a leg with TLS ends just like one without:
half-closed, reset or cut off, whatever the other side did.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import Any, Final

from fieldkit.sources.proxy.settings import Settings

_READ: Final = 1 << 16
_CIPHERS: Final = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:AES128-GCM-SHA256:AES256-GCM-SHA384:ECDHE+AES:DHE+AES"
    ":!aNULL:!eNULL:!PSK:!SRP:!aDSS"
)
"""OCPP demands RSA key exchange with AES-GCM of a CSMS (A00.FR.318 of the 1.6 white paper, 318/319 in 2.0.1), which
Python leaves out by itself."""
_ANY_CIPHER: Final = "ALL:!aNULL:!eNULL:@SECLEVEL=0"
"""What TLS 1.0 and 1.1 need: OpenSSL 3 allows SHA-1 signatures at security level 0 only."""
_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


_NUMBERS: Final = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_ASKED_FOR: Final = "asked_for"
"""Attribute of a TLS object that has the name in the client's SNI."""


class TlsError(Exception):
    """TLS went wrong; the text says what, in one line."""


class TlsSetupError(Exception):
    """A certificate, key or list of authorities cannot be used; the text says which and why."""


class TlsCodec:
    """Plaintext on one side, records on the other."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_name: str | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=server_side, server_hostname=server_name)
        self.established = False
        self.closed = False
        """The other side said that it has nothing more to say (close_notify)."""

    def begin(self) -> bytes:
        """The first records of a client."""
        self._shake()
        return self._out.read()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Records that came: (plaintext, records to be sent). TlsError; then ``take`` may have an alert to send."""
        self._in.write(data)
        if not self.established and not self._shake():
            return b"", self._out.read()
        plain: list[bytes] = []
        try:
            while not self.closed:
                piece = self._object.read(_READ)
                if not piece:
                    self.closed = True
                plain.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(plain), self._out.read()
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            raise TlsError(why(error)) from error
        return b"".join(plain), self._out.read()

    def take(self) -> bytes:
        """Records that are still to be sent."""
        return self._out.read()

    def encrypt(self, data: bytes) -> bytes:
        """Plaintext → records."""
        at = 0
        view = memoryview(data)
        while at < len(data):
            at += self._object.write(view[at:])
        return self._out.read()

    def say_closed(self) -> bytes:
        """Nothing more will be sent: close_notify. What comes is still read (RFC 8446 §6.1)."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            # It would wait for the other side's close_notify, which need not come now.
            return self._out.read()
        return self._out.read()

    @property
    def agreed(self) -> str:
        """As in "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
        cipher = self._object.cipher()
        return f"{self._object.version()} {cipher[0] if cipher else ''}".strip()

    def facts(self) -> dict[str, Any]:
        """What a ServerHello would say, in IANA's numbers, and the name that the client asked for."""
        cipher = self._object.cipher()
        number = 0
        if cipher is not None:
            known = {entry["name"]: entry["id"] for entry in self._object.context.get_ciphers()}
            number = known.get(cipher[0], 0) & 0xFFFF
        return {
            "version": _NUMBERS.get(self._object.version() or "", 0),
            "suite": number,
            "server_name": getattr(self._object, _ASKED_FOR, None) or "",
            "resumed": bool(self._object.session_reused),
            "text": self.agreed,
        }

    def _shake(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TlsError(why(error)) from error
        except ssl.CertificateError as error:
            raise TlsError(str(error)) from error
        self.established = True
        return True


def listener_context(settings: Settings) -> ssl.SSLContext | None:
    """For stations; None without a certificate."""
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context, settings)
    _load(context, settings.certificate, settings.key, "--cert", "--key")

    def remember(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        setattr(connection, _ASKED_FOR, name)

    context.sni_callback = remember
    return context


def upstream_context(settings: Settings) -> ssl.SSLContext | None:
    """For the CSMS; None for ws://."""
    if not settings.upstream.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context, settings)
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif settings.authorities:
        try:
            context.load_verify_locations(settings.authorities)
        except (OSError, ssl.SSLError) as error:
            raise TlsSetupError(f"--ca {settings.authorities}: {_reason(error)}") from error
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.client_certificate:
        _load(context, settings.client_certificate, settings.client_key, "--client-cert", "--client-key")
    return context


def server_name(settings: Settings) -> str | None:
    """Name for SNI and for the certificate. Python sends no SNI for an address (RFC 6066 §3), but verifies it."""
    return settings.server_name or settings.upstream.host


def is_address(text: str) -> bool:
    """An IP address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _restrict(context: ssl.SSLContext, settings: Settings) -> None:
    import warnings

    old = settings.oldest_tls in ("1.0", "1.1")
    context.set_ciphers(_ANY_CIPHER if old else _CIPHERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # asking for TLS 1.0 is deliberate, and announced
        context.minimum_version = _VERSIONS[settings.oldest_tls]
    # Stations close without close_notify; whoever is behind the other leg shall see just that.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    # Old stations cannot do secure renegotiation (RFC 5746).
    if old:
        context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)


def _load(context: ssl.SSLContext, certificate: str, key: str, option: str, key_option: str) -> None:
    def no_password() -> str:
        raise TlsSetupError(
            f"{key_option} {key or certificate}: the key is encrypted; give one without a password "
            "(openssl pkey -in KEY -out PLAIN)"
        )

    try:
        context.load_cert_chain(certificate, key or None, no_password)
    except (OSError, ssl.SSLError) as error:
        # OpenSSL does not say which of the two files it means.
        raise TlsSetupError(f"{option} {certificate}, {key_option} {key or certificate}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return reason or "not a PEM file, or the key does not belong to the certificate"
    return error.strerror or str(error)


def why(error: ssl.SSLError) -> str:
    """One line without OpenSSL's file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return reason.replace("tlsv1 alert", "alert").replace("tlsv13 alert", "alert").replace("sslv3 alert", "alert")
