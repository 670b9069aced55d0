"""What there is to look at on this machine, in words, and what is missing for it to work. No widget is known here.

Looking costs a few files of /sys; only the question whether this user may capture takes longer (``rights``).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import State
from fieldkit.safetext import terminal
from fieldkit.tui import recent
from fieldkit.tui.glyphs import Level

CAPTURES: Final = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz", ".log", ".jsonl", ".ndjson")
"""How names of files end that can be looked at."""
MAX_RECENT: Final = 6
MAX_HERE: Final = 20
"""Captures of the current folder, the newest."""
MAX_LOOKED_AT: Final = 2000
"""Entries of a folder."""
MAX_INTERFACES: Final = 12
MAX_OFF: Final = 3
"""Interfaces that are switched off and are told all the same."""

DEMO, ROUTER, PROXY = "demo", "router", "proxy"


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to look at."""

    key: str
    group: str
    name: str
    text: str = ""
    """What it is, behind its name."""
    names: tuple[str, ...] = ()
    """Sources to open; empty where a dialog or another screen comes first."""
    level: Level = "none"
    word: str = ""
    """Whether it works."""
    detail: str = ""
    """What is missing, or what choosing it does, in a sentence or two."""
    mend: tuple[str, ...] = ()
    """Commands that mend it."""
    live: bool = False


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether this user may capture."""

    known: bool = False
    may: bool = False
    text: str = ""
    mend: tuple[str, ...] = ()


@dataclass(slots=True)
class Traffic:
    """Bytes a second of each interface."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _at: float = 0.0

    def measure(self, names: Iterable[str], now: float | None = None) -> None:
        """Look at the counters once more."""
        from fieldkit.sources.interface import traffic

        now = time.monotonic() if now is None else now
        passed = now - self._at
        counts = {name: traffic(name) for name in names}
        if self._at and passed > 0.05:
            for name, count in counts.items():
                if name in self._counts:
                    kept = self.rates.setdefault(name, [])
                    kept.append(max(count - self._counts[name], 0) / passed)
                    del kept[:-8]
        self._counts, self._at = counts, now


def rights() -> Rights:
    """By trying, as fieldkit doctor does: it may take a second, where other programs are asked."""
    from fieldkit.doctor import capture, examine

    for result in capture.own_rights():
        if result.state is State.WORKS:
            return Rights(True, True, result.text)
    results = examine(["capture"])
    works = next((result for result in results if result.name == "capturing"), None)
    if works is not None and works.state is State.WORKS:
        return Rights(True, True, works.text)
    # What lets this user capture for good comes before running as root.
    mend = [line for result in results if result.name in ("helper", "dumpcap") for line in result.mend][:8]
    text = works.text if works is not None else "nothing here may capture"
    return Rights(True, False, text, (*(works.mend if works is not None else ()), *mend))


@dataclass(frozen=True, slots=True)
class Lasting:
    """What does not change every second."""

    before: tuple[Choice, ...] = ()
    here: tuple[Choice, ...] = ()
    serial: tuple[Choice, ...] = ()


def lasting(folder: Path | None = None) -> Lasting:
    """Captures and serial ports. ``folder``: the current one."""
    before = _recent()
    known = {name for one in before for name in one.names}
    return Lasting(tuple(before), tuple(_here(folder or Path.cwd(), known)), tuple(_serial()))


def choices(may: Rights, traffic: Traffic, found: Lasting) -> list[Choice]:
    """Everything, in the order in which it is shown."""
    before = found.before
    demo = Choice(
        DEMO, "New here?" if not before else "Without any hardware", "Demo", "a recorded site with real faults",
        (DEMO,), "ok", "READY", "Several chargers, a fault each. Nothing is captured and nothing is sent.",
    )  # fmt: skip
    first, last = ([demo], []) if not before else ([*before], [demo])
    return [*first, *_live(may, traffic), *found.here, *found.serial, *last]


# -------------------------------------------------------------------------------------------------------------- files


def _recent() -> list[Choice]:
    now = time.time()
    found = []
    for one in recent.recent()[:MAX_RECENT]:
        name = Path(one.names[0]).name if one.is_file else one.names[0]
        more = f" +{len(one.names) - 1}" if len(one.names) > 1 else ""
        where = str(Path(one.names[0]).parent) if one.is_file else "live"
        text = f"{_ago(now - one.time)} ago, {_short_path(where)}"
        detail = ", ".join(one.names)
        level: Level = "ok"
        found.append(
            Choice(f"recent:{'|'.join(one.names)}", "Looked at before", terminal(name, 60) + more, terminal(text, 200),
                   one.names, level, "READY", terminal(detail, 300), live=not one.is_file)
        )  # fmt: skip
    return found


def _here(folder: Path, known: set[str]) -> list[Choice]:
    """Captures of the current folder, and those that were recorded here."""
    files = [("Captures in this folder", path) for path in captures(folder)]
    files += [("Recorded by fieldkit", path) for path in captures(recent.recordings())[:MAX_RECENT]]
    found = []
    for group, path in files:
        if str(path.absolute()) in known:
            continue
        try:
            stat = path.stat()
        except OSError:
            continue  # it has just gone
        text = f"{size(stat.st_size)}, {_ago(time.time() - stat.st_mtime)} old"
        readable = os.access(path, os.R_OK)
        found.append(
            Choice(
                f"file:{path}", group, terminal(path.name, 80), text, (str(path),),
                "ok" if readable else "fail", "READY" if readable else "NO RIGHT",
                terminal(str(path), 300) if readable else "This user may not read it.",
                () if readable else (machine.as_root(f"chmod a+r {terminal(str(path), 200)}"),),
            )
        )  # fmt: skip
    return found


def captures(folder: Path) -> list[Path]:
    """Files of a folder that can be looked at, the newest first."""
    found: list[tuple[float, Path]] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_LOOKED_AT:
                    break
                if entry.name.lower().endswith(CAPTURES) and entry.is_file():
                    found.append((entry.stat().st_mtime, Path(entry.path)))
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)[:MAX_HERE]]


def size(count: float) -> str:
    """Bytes in words."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def _ago(seconds: float) -> str:
    seconds = max(seconds, 0)
    for length, name in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {name}" + ("s" if name == "day" and number > 1 else "")
    return f"{int(seconds)} s"


def _short_path(path: str) -> str:
    home = str(Path.home())
    path = "~" + path[len(home) :] if path.startswith(home + "/") or path == home else path
    return path if len(path) <= 40 else "…" + path[-39:]


# --------------------------------------------------------------------------------------------------------------- live


def interface_names() -> tuple[list[str], list[str]]:
    """Interfaces that are up, those with most traffic first, and some that are not."""
    if sys.platform != "linux":
        return [], []
    from fieldkit.sources.interface import interfaces
    from fieldkit.sources.packetsocket import is_up, names

    up = interfaces()
    return up[:MAX_INTERFACES], [name for name in sorted(names()) if not is_up(name)][:MAX_OFF]


def _live(may: Rights, traffic: Traffic) -> list[Choice]:
    group = "Live"
    up, off = interface_names()
    found = []
    for name in [*up, *(["any"] if len(up) > 1 else [])]:
        rates = traffic.rates.get(name, [])
        text = "all interfaces at once" if name == "any" else _rate(rates)
        one = Choice(f"if:{name}", group, terminal(name, 20), text, (name,), "ok", "READY",
                     "Captures what passes here, and records it. Nothing is sent.", live=True)  # fmt: skip
        if may.known and not may.may:
            why = f"{may.text[:1].upper()}{may.text[1:]}."
            one = replace(one, level="fail", word="NO RIGHT", detail=why, mend=may.mend)
        elif not may.known:
            one = replace(one, level="none", word="…")
        elif name not in ("any", "lo") and _no_cable(name):
            one = replace(one, level="warn", word="NO CABLE", detail="It is on, and nothing is connected to it.")
        found.append(one)
    for name in off:
        found.append(
            Choice(f"if:{name}", group, terminal(name, 20), "", (name,), "warn", "OFF",
                   "This interface is switched off.", (machine.as_root(f"ip link set {name} up"),), live=True)
        )  # fmt: skip
    return [*found, _router(), _proxy()]


def _rate(rates: list[float]) -> str:
    if not rates:
        return "measuring …"
    return f"{size(rates[-1])}/s" if rates[-1] >= 1 else "silent"


def _no_cable(name: str) -> bool:
    from fieldkit.sources.packetsocket import number_of

    return number_of(name, "carrier", 1) == 0


def _router() -> Choice:
    text = "capture on a router or gateway, see it here"
    from fieldkit.sources.sshcommand import COMMAND_VARIABLE

    if os.environ.get(COMMAND_VARIABLE) or shutil.which("ssh"):
        detail = "Asks for user, host and interface. It needs a key there (ssh-copy-id) or an agent, no password."
        return Choice(ROUTER, "Live", "Router over ssh", text, (), "ok", "READY", detail)
    mend = machine.install("openssh-client")
    return Choice(
        ROUTER, "Live", "Router over ssh", text, (), "fail", "NO SSH", "The program ssh is missing here.", mend
    )


def _proxy() -> Choice:
    detail = "Asks where to listen and for the address of the CSMS. The charger must be pointed to this machine."
    return Choice(PROXY, "Live", "Proxy", "between charger and CSMS, sees inside TLS", (), "ok", "READY", detail)


# ------------------------------------------------------------------------------------------------------------- serial


def _serial() -> list[Choice]:
    """Ports by what is plugged in."""
    from fieldkit.doctor import serial

    found = []
    for device, what in _ports().items():
        access = serial.port_access(Path(device))
        works = access.state is State.WORKS
        found.append(
            Choice(
                f"serial:{device}", "Serial ports", terminal(device, 30), terminal(what, 60), (),
                "ok" if works else "fail", "READY" if works else "NO RIGHT",
                terminal(f"{access.text[:1].upper()}{access.text[1:]}.", 200), access.mend,
            )
        )  # fmt: skip
    return found


def _ports() -> dict[str, str]:
    """Device → what is plugged in there, as far as it says so itself."""
    from fieldkit.doctor.serial import found_ports

    known = {str(path): "a port of this machine" for path in found_ports()}
    try:
        listed = import_module("serial.tools.list_ports").comports()
    except ImportError:
        return known
    for port in listed:
        names = [port.manufacturer, port.product]
        what = " ".join(dict.fromkeys(name for name in names if name)) or (
            port.description if port.description not in ("n/a", port.name, None) else ""
        )
        if port.device in known or what:
            known[port.device] = what or known[port.device]
    return dict(sorted(known.items()))


# --------------------------------------------------------------------------------------------------------- completion


def completions(text: str, most: int = 8) -> list[str]:
    """Paths that ``text`` may become: folders first end with a slash; of files those that can be looked at."""
    if not text or "://" in text:
        return []
    shown = str(Path.home()) + text[1:] if text == "~" or text.startswith("~/") else text
    folder, _, begun = shown.rpartition("/")
    base = text[: len(text) - len(begun)]
    where = folder or ("/" if shown.startswith("/") else ".")
    found: list[tuple[int, str]] = []
    try:
        with os.scandir(where) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_LOOKED_AT:
                    break
                name = entry.name
                if not name.startswith(begun) or (name.startswith(".") and not begun.startswith(".")):
                    continue
                if entry.is_dir():
                    found.append((1, name + "/"))
                elif name.lower().endswith(CAPTURES):
                    found.append((0, name))
    except OSError:
        return []
    return [base + name for _, name in sorted(found)[:most] if name.isprintable()]
