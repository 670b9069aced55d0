"""Takes what agents send from a broker. What is acknowledged is on disk; what is not comes again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fieldkit.agent.collection import Collection
from fieldkit.agent.sinks import tls
from fieldkit.agent.sinks.mqtt import Options
from fieldkit.agent.sinks.shared import SinkError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

BATCH: Final = 1000
"""Messages written in one transaction at most …"""
GATHER: Final = 0.2
"""… and seconds for which they are gathered."""
LONGEST_PAUSE: Final = 30.0
EXPIRY: Final = 30 * 86_400
"""Seconds that the broker is to keep messages for us while we are away (MQTT 5, 3.1.2.11.2)."""


class Subscriber:
    """One subscription, kept by the broker while we are away."""

    def __init__(self, options: Options, collection: Collection, say: Callable[[str], object]) -> None:
        self._options = options
        self._collection = collection
        self._say = say
        self._context = tls.context(options.tls) if options.secure else None
        self._password = options.password()
        self._came: list[Any] = []
        self._refused = ""
        self.subscribed = False

    def run(self, stop: Callable[[], bool], tick: Callable[[], object] = lambda: None) -> None:
        """Until told to stop; the broker may come and go. CollectionError when nothing can be written."""
        pause = 1.0
        while not stop():
            try:
                self._session(stop, tick)
                pause = 1.0
            except SinkError as error:
                self._say(f"{error}; trying again")
                ends = time.monotonic() + pause
                pause = 1.0 if self.subscribed else min(pause * 2, LONGEST_PAUSE)
                while time.monotonic() < ends and not stop():
                    time.sleep(0.1)

    def _session(self, stop: Callable[[], bool], tick: Callable[[], object]) -> None:
        client = self._made()
        self.subscribed, self._refused = False, ""
        self._came.clear()  # unacknowledged: they come again
        host = self._options.host
        try:
            self._connect(client)
        except (OSError, ValueError) as error:
            why = tls.explained(error) if isinstance(error, OSError) else str(error)
            raise SinkError(f"{host}: {why}") from error
        due = time.monotonic() + GATHER
        try:
            while not stop():
                if client.loop(GATHER / 2) or self._refused:
                    raise SinkError(f"{host}: {self._refused or 'the connection broke off'}")
                if len(self._came) >= BATCH or (self._came and time.monotonic() >= due):
                    self._settle(client)
                    due = time.monotonic() + GATHER
                tick()
            self._settle(client)
        except OSError as error:
            raise SinkError(f"{host}: {tls.explained(error)}") from error
        finally:
            with suppress(OSError, ValueError):
                client.disconnect()
                client.loop(0.1)

    def _connect(self, client: Client) -> None:
        """With the session that the broker has kept for us, and is to keep again."""
        host, port, keepalive = self._options.host, self._options.port, self._options.keepalive
        if self._options.version != "5":
            client.connect(host, port, keepalive=keepalive)
            return
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = EXPIRY
        client.connect(host, port, keepalive=keepalive, clean_start=False, properties=properties)

    def _settle(self, client: Client) -> None:
        """To disk, then acknowledge (3.1.1 §4.3.2)."""
        self._collection.take((message.topic, bytes(message.payload)) for message in self._came)
        for message in self._came:
            client.ack(message.mid, message.qos)
        self._came.clear()

    def _made(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        newer = self._options.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client,
            clean_session=None if newer else False,
            protocol=MQTTProtocolVersion.MQTTv5 if newer else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = 30.0
        if self._options.user or self._password is not None:
            client.username_pw_set(self._options.user or self._options.client, self._password)
        if self._context is not None:
            client.tls_set_context(self._context)
        client.on_connect = self._on_connect
        client.on_message = lambda client, _, message: self._came.append(message)
        client.on_subscribe = self._on_subscribe
        return client

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refused = f"it refuses us: {reason}"
            return
        client.subscribe(f"{self._options.prefix}/v1/#", qos=1)

    def _on_subscribe(self, client: Client, _: Any, mid: int, reasons: Any, properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = f"it lets us not subscribe: {reasons[0]}"
            return
        self.subscribed = True
        self._say(f"collecting {self._options.prefix}/v1/# from {self._options.host}")
