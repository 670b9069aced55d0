"""Which OCPP security profile a station's connections show (1.6 security white paper §3, 2.x Part 2 A.1)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from fieldkit.site.link import Link

PROFILE_NAMES: Final = {
    0: "0 (neither TLS nor a password)",
    1: "1 (a password, no TLS)",
    2: "2 (TLS and a password)",
    3: "3 (TLS with a client certificate)",
}


def profile_of(link: Link) -> int | None:
    """The highest profile all of whose demands one connection meets; None when too little of it was seen to tell.

    TLS without password and client certificate meets the demands of none: 0. Plain traffic behind a reverse proxy
    says nothing of how the station itself connects.
    """
    if not link.ocpp or link.forwarded or link.status not in (None, 101):
        return None
    tls = link.tls
    if tls is not None and tls.client_chain:
        return 3
    if link.asked is None and not link.soap:
        return None  # the upgrade request is not in the capture, or encrypted
    if tls is None:
        if link.credentials is not None:
            return 1
        return 0 if link.heads_complete else None
    if link.credentials is not None:
        # A resumed session does not show the certificates again, and a client may send both.
        return None if tls.resumed else 2
    return 0 if link.heads_complete and not tls.resumed and tls.server_chain else None


def security_profile(links: Iterable[Link]) -> int | None:
    """What the latest connection that tells shows; None: none tells."""
    found: int | None = None
    for link in links:
        profile = profile_of(link)
        if profile is not None:
            found = profile
    return found


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet, so that what goes there in clear passes strangers."""
    try:
        return ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False
