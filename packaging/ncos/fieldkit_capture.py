"""Has a Cradlepoint router capture what its chargers say, and sends it to where fieldkit is.

It runs on NCOS: Python 3.8 without any package, files only below tmp/, nothing to print to. The router's own tcpdump
does the capturing (REST: /api/tcpdump/…), in pieces of some minutes; each piece is sent by HTTPS PUT, and waits in tmp/
while that is impossible. Nothing is decoded here.
"""

from __future__ import annotations

import base64
import configparser
import http.client
import logging
import logging.handlers
import ssl
import sys
import threading
import time
import urllib.parse
from pathlib import Path

BLOCK = 1 << 16
PATIENCE = 30.0
"""Seconds that a connection may say nothing, and between two attempts."""
HEAD = 24
"""Bytes that a pcap file has when there is no packet in it."""
TMP = Path("tmp")

log = logging.getLogger("fieldkit_capture")


def connection(url: str, timeout: float, ca: str = "") -> http.client.HTTPConnection:
    """To the host of a URL; TLS is verified."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        context = ssl.create_default_context(cafile=ca or None)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    raise ValueError(f"settings.ini: {url!r} is no http:// or https:// address")


def record(router: configparser.SectionProxy, seconds: int, size: int, path: Path) -> bool:
    """Let the router capture into a file for so long; True when there is a packet in it."""
    query = urllib.parse.urlencode(
        {"iface": router["interface"], "args": f"-U -s 0 {router['filter']}", "timeout": seconds}
    )
    login = base64.b64encode(f"{router['user']}:{router['password']}".encode()).decode()
    # A quiet site says nothing for a while: that is no failure of the connection.
    link = connection(router["url"], seconds + PATIENCE)
    growing = path.with_suffix(".part")
    try:
        link.request("GET", f"/api/tcpdump/fieldkit.pcap?{query}", headers={"Authorization": f"Basic {login}"})
        answer = link.getresponse()
        if answer.status != 200:
            raise OSError(f"the router's REST interface answers {answer.status}: user, password, interface or filter?")
        ends = time.monotonic() + seconds
        written = 0
        with growing.open("wb") as file:
            while written < size and time.monotonic() < ends:
                block = answer.read1(BLOCK)
                if not block:
                    break
                written += file.write(block)
    finally:
        link.close()
        kept = finish(growing)
    return kept


def finish(growing: Path) -> bool:
    """A recording has ended, in whatever way: what is in it will be sent."""
    if not growing.exists():
        return False
    if growing.stat().st_size > HEAD:
        growing.replace(growing.with_suffix(".pcap"))
        return True
    growing.unlink()
    return False


def send(to: configparser.SectionProxy, path: Path) -> None:
    """One file to the server; OSError when it has not taken it."""
    base = urllib.parse.urlsplit(to["url"])
    link = connection(to["url"], PATIENCE, to["ca"])
    headers = {"Content-Type": "application/vnd.tcpdump.pcap", "Content-Length": str(path.stat().st_size)}
    if to["token"]:
        headers["Authorization"] = f"Bearer {to['token']}"
    try:
        with path.open("rb") as file:
            link.request("PUT", f"{base.path.rstrip('/')}/{path.name}", file, headers)
            status = link.getresponse().status
    finally:
        link.close()
    if not 200 <= status < 300:
        raise OSError(f"{base.hostname} answers {status}")


def deliver(to: configparser.SectionProxy) -> bool:
    """Everything that waits, the oldest first; whether all has gone. As much stays as may wait."""
    files = sorted(TMP.glob("*.pcap"))
    try:
        while files:
            send(to, files[0])
            files.pop(0).unlink()
    except (OSError, http.client.HTTPException) as error:
        log.warning("not sent, %d files wait: %s", len(files), error)
    while files and sum(path.stat().st_size for path in files) > int(to["waiting"]):
        log.warning("%s is given up: too much waits", files[0].name)
        files.pop(0).unlink()
    return not files


def settings(path: Path = Path("settings.ini")) -> tuple[configparser.SectionProxy, configparser.SectionProxy]:
    """The two sections; ValueError with what is missing."""
    read = configparser.ConfigParser(interpolation=None)
    read.read(path)
    for section, name in (("router", "user"), ("to", "url")):
        if not read.get(section, name, fallback=""):
            raise ValueError(f"settings.ini: [{section}] {name} is empty")
    return read["router"], read["to"]


def keep_delivering(news: threading.Event) -> None:
    """On a thread of its own: a slow uplink keeps nobody from recording."""
    while True:
        news.wait(PATIENCE)
        news.clear()
        try:
            deliver(settings()[1])
        except (OSError, ValueError, configparser.Error) as error:
            log.warning("not sent: %s", error)


def main() -> None:
    """For ever."""
    there = Path("/dev/log").exists()
    handler = logging.handlers.SysLogHandler("/dev/log") if there else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("fieldkit_capture: %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    TMP.mkdir(exist_ok=True)
    for left in TMP.glob("*.part"):
        finish(left)
    news = threading.Event()
    threading.Thread(target=keep_delivering, args=(news,), daemon=True).start()
    while True:
        try:
            router, to = settings()
            path = TMP / time.strftime("%Y%m%dT%H%M%SZ.pcap", time.gmtime())
            begun = time.monotonic()
            record(router, int(to["seconds"]), int(to["bytes"]), path)
            news.set()
            # A router that answers at once and says nothing is not asked a thousand times a second.
            time.sleep(max(0.0, 1 - (time.monotonic() - begun)))
        except (OSError, ValueError, configparser.Error, http.client.HTTPException) as error:
            news.set()
            log.warning("%s; it is tried again in %.0f s", error, PATIENCE)
            time.sleep(PATIENCE)


if __name__ == "__main__":
    main()
