"""From what the TLS prober saw of one connection to what a probe keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fieldkit.links.probes.probe import Probe
from fieldkit.safetext import shorten

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.conversation import Traffic
    from fieldkit.sources.tlsprobe.posture import Spoken

MAX_TEXT: Final = 200
_NOT_TLS: Final = re.compile(
    r"wrong version number|http request|https proxy request|unknown protocol|record layer failure", re.I
)
"""How OpenSSL says that what answers speaks something else: "wrong version number" is what it makes of "HTTP/1.1"."""


def hung_up(traffic: Traffic) -> str:
    """Why there is no connection."""
    from fieldkit.sources.tlsprobe.conversation import End

    if traffic.end in (End.TIMEOUT, End.STOPPED):
        return "no answer to the attempt to connect"
    return traffic.reason or traffic.end.value


def take_certificate(probe: Probe, der: bytes) -> None:
    """Whose it is."""
    from fieldkit.sources.tlsprobe.judge import read_chain

    certificates, _ = read_chain([der])
    if certificates:
        leaf = certificates[0]
        probe.certificate = leaf.fingerprint
        probe.subject = shorten(leaf.label, MAX_TEXT)
        probe.issuer = shorten(leaf.issuer.label, MAX_TEXT)


def take_spoken(probe: Probe, spoken: Spoken) -> None:
    """What was said."""
    probe.status = spoken.status
    probe.chosen = shorten(spoken.chosen, MAX_TEXT)
    probe.location = shorten(spoken.headers.get("location", ""), MAX_TEXT)
    probe.accept_wrong = spoken.accept_wrong
    probe.error = shorten(spoken.error, MAX_TEXT)
    probe.not_tls = not spoken.handshake and _NOT_TLS.search(spoken.error) is not None
    if spoken.status is None and not spoken.error:
        probe.error = "no answer in time"
