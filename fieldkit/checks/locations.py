"""URLs that a CSMS gives a station to fetch from or to upload to: what is wrong with one before anybody tries it."""

from __future__ import annotations

import re
from typing import Final

from fieldkit.events import OcppMessage

SCHEMES: Final = ("ftp", "ftps", "sftp", "http", "https")
"""What 1.6 §5.9 and §5.18 and 2.x (OCPPCommCtrlr.FileTransferProtocols) know."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://")
_LOOPBACK: Final = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0)(?::|/|$)", re.IGNORECASE)


def url_fault(url: str, message: OcppMessage) -> str:
    """What is wrong with a URL (without its credentials), as the end of a sentence; empty when nothing is."""
    if not url:
        return "is empty"
    if any(character.isspace() for character in url):
        return "has a space in it"
    match = _SCHEME.match(url)
    if match is None:
        return "names no protocol (it does not begin with ftp://, https:// or the like)"
    if match[1].lower() not in SCHEMES:
        return f"begins with {match[1]}://, which no charging station fetches from or uploads to"
    host = url[match.end() :]
    if not host or host[0] in "/:":
        return "names no host"
    connection = message.channel.connection
    # A station that is a program on the CSMS's own machine may well fetch from there.
    if _LOOPBACK.match(host) and connection is not None and not _LOOPBACK.match(connection.server.address):
        return "points at the station itself (a loopback address)"
    return ""
