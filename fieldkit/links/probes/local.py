"""Probes from this machine: every socket is bound to the uplink's interface."""

from __future__ import annotations

import math
import ssl
from typing import TYPE_CHECKING, Final

from fieldkit.links.probes import dns, echo
from fieldkit.links.probes.probe import SUBPROTOCOL, Probe
from fieldkit.links.probes.tried import hung_up, take_certificate, take_spoken

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.conversation import Traffic
    from fieldkit.sources.tlsprobe.posture import Spoken
    from fieldkit.sources.tlsprobe.targets import Target

PATIENCE: Final = 8.0
"""Seconds for TCP, TLS and the upgrade: ten round trips by way of a geostationary satellite."""
MAX_BYTES: Final = 24_000
_HEADERS: Final = 54
"""IPv4 and TCP headers with time stamps."""
_SEGMENT: Final = 1400
_FIXED: Final = 7
"""Packets of a connection that carry nothing: three to open it, four to close it."""


class LocalProber:
    """From the router itself, or from where its uplinks can be used."""

    def __init__(self, target: Target, authorities: str = "") -> None:
        self._target = target
        self._authorities = authorities

    def names(self, probe: Probe, servers: list[str]) -> None:
        """The CSMS's name, asked of each server over this uplink."""
        for server in servers:
            named, cost = dns.ask(self._target.host, server, probe.device)
            probe.names.append(named)
            probe.bytes += cost

    def echo(self, probe: Probe) -> None:
        """There and back."""
        echoes = echo.ping(probe.address, probe.device)
        probe.echo_ms, probe.echo_lost = echoes.ms, echoes.lost
        probe.bytes += echoes.bytes
        if echoes.error:
            probe.notes.append(f"ping: {echoes.error}")

    def reach(self, probe: Probe) -> None:
        """TCP, TLS and the upgrade, as a station would."""
        probe.tried = True
        if not self._target.tls:
            self._in_clear(probe)
            return
        # First as a station does that verifies; if that fails, once more to see who is there and what he says.
        spoken, traffic = self._in_tls(probe, verify=True)
        if spoken.trusted is False and traffic.connected:
            probe.trusted = False
            probe.notes.append(spoken.error)
            spoken, traffic = self._in_tls(probe, verify=False)
        elif spoken.handshake:
            probe.trusted = True
        self._take(probe, spoken, traffic)

    def _in_tls(self, probe: Probe, *, verify: bool) -> tuple[Spoken, Traffic]:
        from fieldkit.sources.tlsprobe.session import Session, Wishes, context_for

        wishes = Wishes(subprotocols=(SUBPROTOCOL,))
        context = context_for(wishes)
        if verify:
            context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
            if self._authorities:
                context.load_verify_locations(self._authorities)
            else:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        talk = Session(self._target, context, wishes, subprotocol=SUBPROTOCOL, patience=PATIENCE)
        self._run(probe, talk)
        return talk.spoken, talk.traffic

    def _in_clear(self, probe: Probe) -> None:
        from fieldkit.sources.tlsprobe.upgrade import PlainUpgrade

        talk = PlainUpgrade(self._target, patience=PATIENCE, subprotocol=SUBPROTOCOL)
        self._run(probe, talk)
        self._take(probe, talk.spoken, talk.traffic)

    def _run(self, probe: Probe, talk: object) -> None:
        import socket

        from fieldkit.sources.tlsprobe.engine import Engine
        from fieldkit.sources.tlsprobe.plan import Limits, Plan, Task
        from fieldkit.sources.tlsprobe.posture import Posture
        from fieldkit.sources.tlsprobe.targets import way

        def task() -> Task:
            yield talk  # type: ignore[misc]

        family = socket.AF_INET6 if ":" in probe.address else socket.AF_INET
        there = way(family, (probe.address, self._target.port), probe.device)
        posture = Posture(self._target, there)
        plan = Plan(there, posture, Limits(PATIENCE + 1, 2, MAX_BYTES, 1))
        plan.add(0, "the upgrade", task())
        Engine().run([plan])
        probe.bytes += on_the_wire(posture.sent, posture.received) if posture.connect_s is not None else 3 * _HEADERS

    @staticmethod
    def _take(probe: Probe, spoken: Spoken, traffic: Traffic) -> None:
        if traffic.connect_s is None:
            probe.error = hung_up(traffic)
            return
        probe.connect_ms = traffic.connect_s * 1e3
        if spoken.handshake:
            probe.tls = spoken.version
        if spoken.handshake and traffic.answer_s is not None:
            probe.tls_ms = traffic.answer_s * 1e3
        if spoken.certificate:
            take_certificate(probe, spoken.certificate)
        take_spoken(probe, spoken)


def on_the_wire(sent: int, received: int) -> int:
    """Bytes of a TCP connection with its headers: each segment, an acknowledgement of each, opening and closing."""
    segments = math.ceil(sent / _SEGMENT) + math.ceil(received / _SEGMENT)
    return sent + received + _HEADERS * (_FIXED + 2 * segments)
