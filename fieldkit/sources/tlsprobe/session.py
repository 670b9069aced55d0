"""A real handshake with OpenSSL, over memory instead of a socket, and the WebSocket upgrade inside it.

This is what a station does. Where no secret is sent, the server's certificate is not verified here: what is wrong with
it is for ``trust`` to say, and the rest shall be seen all the same. A password goes only to a server whose certificate
OpenSSL has verified, unless the user says otherwise.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Final

from fieldkit.sources.tlsprobe.conversation import MODEST, End, Traffic
from fieldkit.sources.tlsprobe.posture import Spoken
from fieldkit.sources.tlsprobe.targets import Target
from fieldkit.sources.tlsprobe.upgrade import SUBPROTOCOLS, Credentials, Upgrade

SESSION_S: Final = 5.0
_READ: Final = 1 << 14
_CIPHERS: Final = "ALL:COMPLEMENTOFALL:!eNULL:@SECLEVEL=0"
"""Whatever the server has: this connection is for looking, and what is bad about it is told."""
_NAMES: Final = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}
_ALERT_NAMES: Final = {
    "CERTIFICATE_REQUIRED": 116, "HANDSHAKE_FAILURE": 40, "BAD_CERTIFICATE": 42, "UNSUPPORTED_CERTIFICATE": 43,
    "CERTIFICATE_REVOKED": 44, "CERTIFICATE_EXPIRED": 45, "CERTIFICATE_UNKNOWN": 46, "UNKNOWN_CA": 48,
    "ACCESS_DENIED": 49, "DECRYPT_ERROR": 51, "PROTOCOL_VERSION": 70, "UNRECOGNIZED_NAME": 112,
}  # fmt: skip
"""As they occur in OpenSSL's reasons."""
_ALERT: Final = re.compile(r"ALERT_(?:NUMBER_)?(.+)")


class SetupError(Exception):
    """A file that the user gave cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Wishes:
    """What is to be tried inside TLS."""

    upgrade: bool = True
    subprotocols: tuple[str, ...] = SUBPROTOCOLS
    credentials: Credentials | None = None
    client_certificate: str = ""
    """A file with the certificate to show, and …"""
    client_key: str = ""
    """… one with its key, if that is another."""
    authorities: str = ""
    """A file with trust anchors in PEM; empty: those of the system."""
    insecure: bool = False
    """Send the password whatever certificate is shown."""

    @property
    def verifies(self) -> bool:
        """Whoever is at the other end must prove it first."""
        return self.credentials is not None and not self.insecure


def context_for(wishes: Wishes, *, old: bool = False) -> ssl.SSLContext:
    """OpenSSL's settings; ``old``: the server speaks nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if wishes.verifies:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        try:
            if wishes.authorities:
                context.load_verify_locations(wishes.authorities)
            else:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        except (OSError, ssl.SSLError) as error:
            raise SetupError(f"--ca {wishes.authorities}: no PEM certificates in it") from error
    context.set_ciphers(_CIPHERS)
    if old:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # asking for TLS 1.0 is deliberate
            context.minimum_version = ssl.TLSVersion.TLSv1
    context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    if wishes.client_certificate:
        _load(context, wishes)
    return context


def _load(context: ssl.SSLContext, wishes: Wishes) -> None:
    def no_password() -> str:
        raise SetupError(
            f"--client-key {wishes.client_key or wishes.client_certificate}: the key is encrypted; give one without a "
            "password (openssl pkey -in KEY -out PLAIN)"
        )

    try:
        context.load_cert_chain(wishes.client_certificate, wishes.client_key or None, no_password)
    except (OSError, ssl.SSLError) as error:
        said = error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else ""
        raise SetupError(
            f"--client-cert {wishes.client_certificate}: {said or 'no PEM certificate with its key'}"
        ) from error


class Session:
    """One connection, as a station makes it."""

    window = MODEST

    def __init__(
        self, target: Target, context: ssl.SSLContext, wishes: Wishes, *, subprotocol: str,
        resume: ssl.SSLSession | None = None, patience: float = SESSION_S,
    ) -> None:  # fmt: skip
        self.patience = patience
        self._wishes = wishes
        self._settings = (target, context, subprotocol, resume)
        self.again()

    def again(self) -> None:
        """Nothing was said, nothing came."""
        target, context, subprotocol, resume = self._settings
        self.traffic = Traffic()
        self.done = False
        self.spoken = Spoken(subprotocol)
        self.session: ssl.SSLSession | None = None
        """To be resumed in another connection."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        # With an address Python sends no server name (RFC 6066 §3), but verifies it.
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=target.name.encode("ascii"), session=resume)
        self._upgrade = Upgrade(target, subprotocol, self._wishes.credentials, self.spoken)

    def begin(self) -> bytes:
        """OpenSSL's hello."""
        return self._step()

    def feed(self, data: bytes) -> bytes:
        """Records that came."""
        self._in.write(data)
        return self._step()

    def finish(self) -> None:
        """The connection is over."""
        spoken = self.spoken
        self._upgrade.finish()
        spoken.elapsed_s = self.traffic.total_s
        if not spoken.error and spoken.status is None and self._wishes.upgrade:
            ended = {
                End.CLOSED: "the server closed the connection",
                End.RESET: "the server reset the connection",
                End.TIMEOUT: "no answer in time",
                End.STOPPED: "no answer in time",
            }.get(self.traffic.end, self.traffic.reason or self.traffic.end.value)
            spoken.error = f"{ended} {'after' if spoken.handshake else 'during'} the handshake"

    def _step(self) -> bytes:
        try:
            if not self.spoken.handshake and not self._shake():
                return self._out.read()
            while not self.done:
                data = self._tls.read(_READ)
                self._remember()
                if not data:  # Python tells close_notify like this, and as an error only once both have said it
                    self._closed()
                    break
                answer = self._upgrade.feed(data)
                if answer:
                    self._tls.write(answer)
                if self._upgrade.done:
                    self._leave()
        except ssl.SSLWantReadError:
            self._remember()
            if not self._wishes.upgrade and self.session is not None and self.session.has_ticket:
                self._leave()
        except ssl.SSLZeroReturnError:
            self._closed()
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._failed(error)
        return self._out.read()

    def _shake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        spoken, tls = self.spoken, self._tls
        spoken.handshake = True
        cipher = tls.cipher()
        spoken.version = _NAMES.get(tls.version() or "", tls.version() or "")
        spoken.suite = cipher[0] if cipher else ""
        spoken.resumed = bool(tls.session_reused)
        spoken.certificate = tls.getpeercert(binary_form=True) or b""
        spoken.trusted = True if self._wishes.verifies else None
        spoken.alpn = tls.selected_alpn_protocol() or ""
        if self._wishes.upgrade:
            tls.write(self._upgrade.request())
        elif spoken.version != "TLS 1.3":
            self._leave()
        return True

    def _remember(self) -> None:
        # In TLS 1.3 tickets come after the handshake, in front of the first data.
        if self.spoken.handshake and self._tls.session is not None:
            self.session = self._tls.session

    def _leave(self) -> None:
        self.done = True
        self._remember()
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            self.done = True  # close_notify is written; the answer to it is not waited for

    def _closed(self) -> None:
        self.done = True
        if self.spoken.status is None:
            self.spoken.error = "the server closed the connection after the handshake"

    def _failed(self, error: ssl.SSLError) -> None:
        self.done = True
        spoken = self.spoken
        spoken.error = _why(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            spoken.trusted = False
        found = _ALERT.search((error.reason or "").upper())
        if found is not None:
            spoken.alert = _ALERT_NAMES.get(found[1])


def _why(error: ssl.SSLError) -> str:
    """One line without OpenSSL's file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    # OpenSSL leaves the word out of some alerts: "tlsv1 unrecognized name".
    return re.sub(r"^(?:tlsv1|tlsv13|sslv3) (?:alert )?", "alert ", reason)
