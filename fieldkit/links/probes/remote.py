"""Probes from a router that we only have a login to: with its own curl, ping and nslookup.

What it does not have is left out, and a note says what would bring it. curl is told to go on with a certificate that
does not verify (nothing secret is sent), and says itself whether it did.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fieldkit.links.probes.dns import MAX_ADDRESSES
from fieldkit.links.probes.local import on_the_wire
from fieldkit.links.probes.probe import SUBPROTOCOL, Named, Probe
from fieldkit.links.probes.tried import take_certificate
from fieldkit.links.runner import NotHere, Runner, RunnerError
from fieldkit.safetext import shorten

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.targets import Target

CONNECT: Final = 4
ANSWER: Final = 6
"""Seconds. An upgrade that succeeds takes them all: after "101 Switching Protocols" curl goes on reading."""
PINGS: Final = 3
_PING_BYTES: Final = 84
_DNS_BYTES: Final = 160
"""A question and an answer with their headers, both A and AAAA as BusyBox asks."""
_CERTIFICATES: Final = 4000
"""Bytes of a TLS handshake with a chain of certificates, of which curl counts none."""
_MARK: Final = "fieldkit-probe:"
_WRITE: Final = (
    f"\\n{_MARK} %{{http_code}} %{{time_connect}} %{{time_appconnect}} %{{ssl_verify_result}} %{{size_request}} "
    "%{size_header} %{size_download}\\n%{certs}\\n"
)
_EVEN_SO: Final = '"$@" 2>&1; echo "fieldkit-status: $?"'
"""A runner gives a program's words only where it succeeds; here those of one that fails are the point."""
_STATUS: Final = re.compile(r"^fieldkit-status: (\d{1,3})\s*$", re.MULTILINE)
_DECIMAL: Final = r"\d{1,9}(?:\.\d{1,9})?"
_ANSWER: Final = re.compile(
    rf"^{_MARK} (\d{{1,3}}) ({_DECIMAL}) ({_DECIMAL}) (-?\d{{1,9}}) (\d{{1,9}}) (\d{{1,9}}) (\d{{1,9}})", re.MULTILINE
)
_LOST: Final = re.compile(rf"({_DECIMAL})% packet loss")
_TIMES: Final = re.compile(rf"(?:rtt|round-trip) min/avg/max\S* = [\d.]+/({_DECIMAL})/")
_FOUND: Final = re.compile(r"^Address(?:\s*\d+)?:\s*(\S+)", re.MULTILINE)
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----")
_MISSING: Final = 127
_NO_TLS: Final = 35
"""curl: "SSL connect error"."""
_CURL: Final = {
    6: "the name is not found", 7: "connection refused, or no route", 28: "no answer in time",
    35: "the TLS handshake fails", 45: "the interface cannot be used", 52: "an empty answer",
    56: "the connection is reset",
}  # fmt: skip
"""curl(1), EXIT CODES."""


class RemoteProber:
    """Somebody else's machine, asked to try."""

    def __init__(self, runner: Runner, target: Target) -> None:
        self._runner = runner
        self._target = target
        self._lacks: set[str] = set()

    def names(self, probe: Probe, servers: list[str]) -> None:
        """By nslookup, which is bound to no interface: the router decides over which uplink it asks."""
        for server in servers:
            out = self._say(probe, "nslookup", self._target.host, server)
            if out is None:
                probe.notes.append("the router has no nslookup: the name is not asked of its servers")
                return
            probe.bytes += _DNS_BYTES
            found = _addresses(out, server)
            said = [line for line in _STATUS.sub("", out).splitlines() if line.strip()] or ["no answer"]
            error = "" if found else shorten(said[-1].strip(), 100)
            probe.names.append(Named(server, found, error, bound=False))

    def echo(self, probe: Probe) -> None:
        """``ping -I``: iputils' and BusyBox' alike."""
        out = self._say(probe, "ping", "-q", "-c", str(PINGS), "-W", "2", "-I", probe.device, probe.address)
        if out is None:
            probe.notes.append("the router has no ping")
            return
        lost, times = _LOST.search(out), _TIMES.search(out)
        if lost is None:
            return
        probe.echo_lost = float(lost[1]) / 100
        probe.echo_ms = float(times[1]) if times is not None else None
        probe.bytes += round(PINGS * _PING_BYTES * (2 - probe.echo_lost))

    def reach(self, probe: Probe) -> None:
        """``curl --interface``, with what a station would send."""
        target = self._target
        host = f"[{target.host}]" if ":" in target.host else target.host
        url = f"{'https' if target.tls else 'http'}://{host}:{target.port}{target.path or '/'}"
        key = base64.b64encode(os.urandom(16)).decode("ascii")  # RFC 6455 §4.1: 16 random bytes
        resolved = [] if target.is_address else ["--resolve", f"{target.host}:{target.port}:{probe.address}"]
        out = self._say(
            probe, "curl", "-sS", "-k", "-N", "--http1.1", "--connect-timeout", str(CONNECT), "-m", str(ANSWER),
            "--interface", probe.device, *resolved, "-D", "-", "-o", "/dev/null",
            "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
            "-H", f"Sec-WebSocket-Key: {key}", "-H", f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            "-w", _WRITE, url,
        )  # fmt: skip
        if out is None:
            probe.notes.append("the router has no curl (opkg install curl, apk add curl): TCP and TLS are not tried")
            return
        probe.tried = True
        self._take(probe, out)

    def _say(self, probe: Probe, *command: str) -> str | None:
        """What a program says, however it ends; None where the router has none, or runs nothing for us."""
        if command[0] in self._lacks:
            return None
        try:
            out = self._runner.run("sh", "-c", _EVEN_SO, "sh", *command, seconds=ANSWER + 6.0)
        except NotHere:
            self._lacks.add(command[0])
            return None
        except RunnerError as error:
            probe.notes.append(f"{command[0]}: {shorten(str(error), 100)}")
            return ""
        status = _STATUS.search(out)
        if status is not None and int(status[1]) == _MISSING:
            self._lacks.add(command[0])
            return None
        return out

    def _take(self, probe: Probe, out: str) -> None:
        status, answer = _STATUS.search(out), _ANSWER.search(out)
        code = int(status[1]) if status is not None else -1
        if answer is None:
            probe.error = shorten(out.strip(), 200) or "curl says nothing"
            return
        http, connect, secured, verified = int(answer[1]), float(answer[2]), float(answer[3]), int(answer[4])
        said = re.search(r"^curl: \(\d+\) (.+)$", out, re.MULTILINE)
        if http == 0:
            probe.error = _CURL.get(code) or (shorten(said[1], 200) if said is not None else f"curl ends with {code}")
        if connect:
            probe.connect_ms = connect * 1e3
            sizes = sum(int(answer[number]) for number in (5, 6, 7))
            probe.bytes += on_the_wire(int(answer[5]), sizes - int(answer[5]) + _CERTIFICATES * bool(secured))
        if secured:
            probe.tls, probe.tls_ms = "TLS", (secured - connect) * 1e3
            probe.trusted = verified == 0
        elif code == _NO_TLS and said is not None:
            probe.not_tls = re.search(r"wrong version number|http|invalid packet|unexpected", said[1], re.I) is not None
        pem = _PEM.search(out)
        if pem is not None:
            with suppress(ValueError):  # no base64: what the router's curl prints there is no certificate
                take_certificate(probe, ssl.PEM_cert_to_DER_cert(pem[0]))
        if http:
            probe.status = http
            headers = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*?)\r?$", out, re.MULTILINE))
            lowered = {name.lower(): value for name, value in headers.items()}
            probe.location = shorten(lowered.get("location", ""), 200)
            probe.chosen = shorten(lowered.get("sec-websocket-protocol", ""), 200)


def _addresses(out: str, server: str) -> tuple[str, ...]:
    """That nslookup found. The first one it names is the server, as "203.0.113.53", "…:53", "[…]:53" or "…#53"."""
    found: list[str] = []
    named = _FOUND.findall(out)
    if named and named[0] in (server, f"{server}:53", f"[{server}]:53", f"{server}#53"):
        del named[0]
    for one in named:
        try:
            found.append(str(ipaddress.ip_address(one.partition("#")[0])))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))[:MAX_ADDRESSES]
