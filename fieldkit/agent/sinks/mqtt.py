"""Findings to an MQTT broker with QoS 1: what it has acknowledged has arrived, everything else is sent again.

Topics are PREFIX/v1/SITE/AGENT/finding, …/link and …/health. …/status is retained: {"online": true} while the agent is
connected; the broker itself says false when it is gone (its last will). The session is a clean one each time, as the
outbox is what remembers. The client is paho-mqtt (Eclipse, EPL-2.0 or EDL-1.0).
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from fieldkit.agent import secretfile
from fieldkit.agent.sinks import tls
from fieldkit.agent.sinks.shared import Message, Refused, SinkError, SinkSettings
from fieldkit.agent.spared import spare
from fieldkit.config import Table

if TYPE_CHECKING:
    from paho.mqtt.client import Client

CONNECTING: Final = 30.0
"""Seconds for TCP, TLS and CONNACK: a satellite link takes several round trips of 0.6 s."""
SILENCE: Final = 30.0
"""Seconds without any acknowledgement after which the connection is taken for dead."""
WINDOW: Final = 100
"""Messages under way; a broker that speaks MQTT 5 may want fewer (Receive Maximum, 3.2.2.3.3)."""
OVERHEAD: Final = 140
"""Bytes of a message besides topic and payload: headers of MQTT, TLS, TCP and IP, and those of its acknowledgement."""
_TURN: Final = 0.5
_PORTS: Final = {"mqtts": 8883, "mqtt": 1883}
_REFUSED: Final = frozenset({0x95, 0x97, 0x99})
"""MQTT 5 reasons that concern one message: packet too large, quota exceeded, payload format invalid. Quota may pass."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "mqtt"."""

    host: str
    port: int
    secure: bool
    version: str
    prefix: str
    client: str
    user: str
    password_file: str
    keepalive: int
    tls: tls.TlsSettings

    def password(self) -> str | None:
        """Read from its file; SinkError where that cannot be."""
        if not self.password_file:
            return None
        try:
            return secretfile.read(self.password_file).decode()
        except (secretfile.SecretError, UnicodeDecodeError) as error:
            raise SinkError(str(error)) from None


def read(table: Table) -> Options:
    """Its table."""
    url = table.needed("url", pattern=r"mqtts?://[^\s/@]+/?", hint="mqtts://HOST[:PORT]")
    host, port, secure = "", 0, True
    try:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme != "mqtt"
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        table.complain("url", "the port is no number")
    password = secretfile.named(table, "password_file")
    plain = table.flag("plain")
    if url and not secure and not is_loopback(host):
        if password:
            table.complain("password_file", "the password would go over the network as it is: use mqtts://")
        elif not plain:
            table.complain(
                "url", "what is sent could be read and changed on the way: use mqtts://, or add plain = true"
            )
    return Options(
        host,
        port,
        secure,
        table.choice("version", ("5", "3.1.1"), "5"),
        table.text("prefix", "fieldkit", pattern=r"[^#+\0\s]{1,100}", hint="a topic without wildcards"),
        table.text("client", pattern=r"[A-Za-z0-9._-]{1,64}", hint="letters, digits, dots and hyphens"),
        table.text("user"),
        password,
        table.whole("keepalive", 60, 5, 3600),
        tls.TlsSettings.read(table),
    )


def is_loopback(host: str) -> bool:
    """Whether a host is the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> MqttSink:
    """Connects when it is first used."""
    return MqttSink(settings.options, *who)


class MqttSink:
    """One connection, used by one thread: paho's own thread is not needed."""

    def __init__(self, options: Options, site: str, agent: str) -> None:
        self._options = options
        self._base = f"{options.prefix}/v1/{site}/{agent}"
        self._id = options.client or f"fieldkit-{site}-{agent}"
        self._context = tls.context(options.tls) if options.secure else None
        self._password = options.password()
        for name in ("urllib.request", "uuid", "traceback"):
            spare(name)
        try:
            import paho.mqtt.client  # noqa: F401  # now, and not when the first finding waits
        except ImportError:
            raise SinkError("mqtt needs paho-mqtt: pip install paho-mqtt, or opkg install python3-paho-mqtt") from None
        self._client: Client | None = None
        self._ready = ""
        """"yes" when the broker has accepted us, else why it has not."""
        self._window = WINDOW
        self._waiting: dict[int, str] = {}
        self._taken: set[str] = set()
        self._refusals: list[str] = []

    def send(self, findings: Sequence[Message]) -> None:
        """Returns when the broker has acknowledged them all (3.1.1 §4.3.2)."""
        client = self._connected()
        self._waiting, self._taken, self._refusals = {}, set(), []
        left = list(findings)[::-1]
        last, before = time.monotonic(), 0
        while left or self._waiting:
            if left and len(self._waiting) < self._window:
                with _together(client):
                    self._publish(client, left)
            _heard_at_once(client)
            self._loop(client, _TURN)
            now = time.monotonic()
            if len(self._taken) != before:
                last, before = now, len(self._taken)
            elif now - last > SILENCE:
                self._lost(f"it has acknowledged nothing for {SILENCE:.0f} s")
        if self._refusals:
            kind = Refused if len(findings) == 1 else SinkError
            raise kind(f"{self._options.host}: it refuses a message: {self._refusals[0]}", taken=frozenset(self._taken))

    def _publish(self, client: Client, left: list[Message]) -> None:
        """As many as may be under way."""
        while left and len(self._waiting) < self._window:
            message = left.pop()
            info = client.publish(self._topic(message), _payload(message), qos=1)
            if info.rc:
                self._lost("the connection broke off")
            self._waiting[info.mid] = str(message["message"])

    def idle(self, seconds: float) -> None:
        """Answer the broker's pings, and be there: its last will is for when we are not."""
        self._loop(self._connected(), seconds)

    def cost(self, message: Message) -> int:
        """On the wire."""
        return len(_payload(message)) + len(self._topic(message)) + OVERHEAD

    def close(self) -> None:
        """Say that we leave, so that the will is not needed."""
        client, self._client = self._client, None
        if client is None or self._ready != "yes":
            return
        with suppress(OSError, ValueError):
            info = client.publish(f"{self._base}/status", _status(online=False), qos=1, retain=True)
            ends = time.monotonic() + 2
            while not info.is_published() and time.monotonic() < ends and not client.loop(0.1):
                pass
            client.disconnect()
            client.loop(0.1)

    # --------------------------------------------------------------------------------------------------- connection

    def _topic(self, message: Message) -> str:
        return f"{self._base}/{message.get('category', 'finding')}"

    def _connected(self) -> Client:
        if self._client is not None and self._ready == "yes":
            return self._client
        client = self._made()
        self._client, self._ready = client, ""
        try:
            client.connect(self._options.host, self._options.port, keepalive=self._options.keepalive)
        except (OSError, ValueError) as error:
            self._client = None
            why = tls.explained(error) if isinstance(error, OSError) else str(error)
            raise SinkError(f"{self._options.host}: {why}") from error
        ends = time.monotonic() + CONNECTING
        while not self._ready and time.monotonic() < ends:
            self._loop(client, 0.2)
        if self._ready != "yes":
            self._lost(self._ready or "no answer in time")
        return client

    def _made(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        newer = self._options.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            clean_session=None if newer else True,
            protocol=MQTTProtocolVersion.MQTTv5 if newer else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECTING
        client.max_inflight_messages_set(WINDOW + 10)
        if self._options.user or self._password is not None:
            client.username_pw_set(self._options.user or self._id, self._password)
        if self._context is not None:
            client.tls_set_context(self._context)
        client.will_set(f"{self._base}/status", _status(online=False), qos=1, retain=True)
        client.on_socket_open = _prompt
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._ready = f"it refuses us: {reason}"
            return
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW) or WINDOW)
        client.publish(f"{self._base}/status", _status(online=True), qos=1, retain=True)
        self._ready = "yes"

    def _on_publish(self, client: Client, _: Any, mid: int, reason: Any, properties: Any) -> None:
        message = self._waiting.pop(mid, None)
        if message is None:
            return
        if reason is not None and reason.is_failure:
            self._refusals.append(str(reason))
        else:
            self._taken.add(message)

    def _on_disconnect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if client is self._client and self._ready in ("", "yes"):  # else it has said why already
            self._ready = str(reason) if reason is not None and reason.is_failure else "the connection broke off"

    def _loop(self, client: Client, seconds: float) -> None:
        try:
            status = client.loop(seconds)
        except (OSError, ValueError) as error:
            self._lost(tls.explained(error) if isinstance(error, OSError) else str(error))
        else:
            if status:
                from paho.mqtt.client import error_string

                broken = self._ready if self._ready not in ("", "yes") else error_string(status).rstrip(".").lower()
                self._lost(broken)

    def _lost(self, why: str) -> None:
        client, self._client = self._client, None
        self._ready = ""
        if client is not None:
            with suppress(OSError, ValueError):
                # Not disconnect(): the broker shall publish the will of a client that is in trouble.
                sock = client.socket()
                if sock is not None:
                    sock.close()
        raise SinkError(f"{self._options.host}: {why}", taken=frozenset(self._taken))


def _prompt(client: Client, _: Any, opened: Any) -> None:
    # What is written is whole: to hold it back until the broker has acknowledged the piece before (RFC 896) would cost
    # 40 ms each time, which is how long an acknowledgement may be delayed.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _wire(client: Client) -> socket.socket | None:
    """What paho knows as something like a socket is one: nothing else is opened here."""
    return cast("socket.socket | None", client.socket())


def _heard_at_once(client: Client) -> None:
    """A broker that holds back small packets (RFC 896) would let us wait for its acknowledgements otherwise."""
    opened = _wire(client)
    quick = getattr(socket, "TCP_QUICKACK", None)  # Linux; good for the next few segments only
    if opened is not None and quick is not None:
        opened.setsockopt(socket.IPPROTO_TCP, quick, 1)


@contextmanager
def _together(client: Client) -> Iterator[None]:
    """What is published meanwhile goes out in as few segments as it takes: each costs forty bytes of headers."""
    opened = _wire(client)
    cork = getattr(socket, "TCP_CORK", None)  # Linux
    if opened is None or cork is None:
        yield
        return
    opened.setsockopt(socket.IPPROTO_TCP, cork, 1)
    try:
        yield
    finally:
        with suppress(OSError):  # closed meanwhile: whoever closed it has told
            opened.setsockopt(socket.IPPROTO_TCP, cork, 0)


def _payload(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _status(*, online: bool) -> bytes:
    return json.dumps({"online": online}).encode()
