"""Parsing with no rights at all: one small process opens sockets and can do nothing else, the other one does the work.

Started as root, or with CAP_NET_RAW, ``separate`` forks. The child keeps CAP_NET_RAW alone and answers one question:
"a packet socket on this interface with this filter, please". It hands the socket over (SCM_RIGHTS), so that the ring is
mapped where the packets are parsed, and an interface that comes back can be opened again days later. It never sees a
packet. This process, which will parse what strangers send, becomes the user who called sudo and keeps no capability.

    opener = separate(outputs=[Path("site.pcapng")])
    source = opener.open("eth0", wanted, numbers, RING) if opener else Interface("eth0", wanted, numbers)
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fieldkit.sources import offload
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.file import SourceError
from fieldkit.sources.interface import Interface
from fieldkit.sources.packetsocket import OpensHere, is_name
from fieldkit.sources.rights import CAP_NET_RAW, RightsError, holds, keep_only

_MESSAGE: Final = 1 << 16
"""Bytes of a question or an answer: the longest filter that compiles is shorter."""
_PATIENCE: Final = 5.0
"""Seconds that the opener may take. It does one system call."""
_READY: Final = b"ready"
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to become."""

    user: int
    group: int
    name: str
    home: str = ""


class Opener:
    """The process that opens sockets, as seen from the one that has no right to."""

    def __init__(self, channel: socket.socket, process: int, person: Person, note: str = "") -> None:
        self.person = person
        """Whom this process has become."""
        self.process = process
        """The number of the opening process."""
        self.note = note
        """What the user should know of it; empty when all is as it should be."""
        self._channel = channel
        channel.settimeout(_PATIENCE)

    def open(self, name: str, wanted: CaptureFilter, numbers: FrameNumbers, size: int) -> Interface:
        """An interface as a live source."""
        return Interface(name, wanted, numbers, size=size, opener=self)

    def socket(self, interface: str, wanted: CaptureFilter) -> socket.socket:
        """A packet socket with the filter on it that is not yet bound; SourceError when there can be none."""
        try:
            self._channel.send(_question(interface, wanted))
            answer, sockets, _, _ = socket.recv_fds(self._channel, _MESSAGE, 1)
        except OSError as error:
            raise SourceError(f"{interface}: the process that opens sockets has ended; start anew") from error
        if not sockets:
            said = json.loads(answer).get("error", "") if answer else ""
            raise SourceError(said or f"{interface}: the process that opens sockets has ended; start anew")
        return socket.socket(fileno=sockets[0])

    def close(self) -> None:
        """The opener ends when nobody is left to ask it."""
        if self._channel.fileno() >= 0:
            self._channel.close()
            with suppress(ChildProcessError):
                os.waitpid(self.process, 0)


def separate(
    *,
    outputs: Sequence[Path] = (),
    interfaces: Sequence[str] | None = None,
    keep_root: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Opener | None:
    """Fork the opener and give up all rights here; None when there is none to give up, or it is not wanted.

    To be called before any thread is started. ``outputs`` are files that will be written: whoever this process becomes
    must be able to. ``interfaces`` are all that the opener will ever open (None: any). SourceError when an output could
    not be written, RightsError when the kernel kept a right alive: then it is better not to go on.
    """
    if keep_root or not hasattr(socket, "AF_PACKET") or not holds(CAP_NET_RAW):
        return None
    if threading.active_count() > 1:
        raise RightsError("rights can only be given up before threads are started")
    offload.known()  # what hides packets can be asked only as long as there are rights
    person, note = _chosen(outputs, os.environ if environment is None else environment)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = os.fork()
    if not process:
        _be_opener(ours, theirs, person, interfaces)
    theirs.close()
    opener = Opener(ours, process, person, note)
    try:
        said = ours.recv(_MESSAGE)
    except OSError as error:
        raise RightsError("the process that opens sockets does not answer") from error
    if said != _READY:
        opener.close()
        raise RightsError(said.decode("utf-8", "replace") or "the process that opens sockets ended at once")
    _become(person)
    return opener


def _become(person: Person) -> None:
    keep_only(user=person.user, group=person.group)
    if person.home:
        # Settings, caches and queues belong to the user, and root's would not be readable any more.
        os.environ.update({"HOME": person.home, "USER": person.name, "LOGNAME": person.name})


# ------------------------------------------------------------------------------------------------------- whom to become


def _chosen(outputs: Sequence[Path], environment: Mapping[str, str]) -> tuple[Person, str]:
    if os.geteuid():
        return Person(os.geteuid(), os.getegid(), "", ""), ""
    called = caller(environment)
    person = called or _nobody()
    trouble = _trouble(person, ()) if person is not None else f"there is no user {NOBODY}"
    if person is not None and not trouble:
        trouble = _trouble(person, outputs)
        if not trouble:
            return person, ""
        if called is not None:
            # Files that belong to root in a user's directory are what sudo is cursed for: he chooses.
            raise SourceError(
                f"{trouble} (packets are parsed as {person.name}); name another place, or add --keep-root"
            )
    root = Person(0, 0, "root")
    worse = _trouble(root, outputs)
    if worse:
        raise SourceError(f"{worse} without capabilities; name another place, or add --keep-root")
    return root, f"packets are parsed as root, though without any capability: {trouble}"


def caller(environment: Mapping[str, str]) -> Person | None:
    """Who called sudo, pkexec or doas; None when root did, or nobody says."""
    import pwd  # not on Windows

    for key in ("SUDO_UID", "PKEXEC_UID"):
        number = environment.get(key, "")
        if number.isascii() and number.isdecimal() and 0 < int(number) < 2**32 - 1:
            user = int(number)
            try:
                entry = pwd.getpwuid(user)
            except KeyError:
                # Only in the directory service of another machine: its own group is the best guess there is.
                group = environment.get("SUDO_GID", "")
                return Person(user, int(group) if group.isascii() and group.isdecimal() else user, str(user))
            return Person(user, entry.pw_gid, entry.pw_name, entry.pw_dir)
    try:
        entry = pwd.getpwnam(environment.get("DOAS_USER", ""))
    except KeyError:
        return None
    return Person(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir) if entry.pw_uid else None


def _nobody() -> Person | None:
    import pwd

    try:
        entry = pwd.getpwnam(NOBODY)
    except KeyError:
        return None
    return Person(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _trouble(person: Person, outputs: Sequence[Path]) -> str:
    """Why somebody could not do the work: tried out by a process that becomes him, for only the kernel knows."""
    ours, theirs = socket.socketpair()
    process = os.fork()
    if not process:
        try:
            keep_only(user=person.user, group=person.group)
            trouble = _hindrance(person, outputs)
        except Exception as error:
            trouble = str(error) or type(error).__name__
        theirs.sendall(trouble.encode("utf-8", "surrogateescape")[:_MESSAGE])
        os._exit(0)
    theirs.close()
    with ours, ours.makefile("rb") as file:
        trouble = file.read().decode("utf-8", "replace")
    os.waitpid(process, 0)
    return trouble


def _hindrance(person: Person, outputs: Sequence[Path]) -> str:
    # Modules are imported when they are needed, so Python and fieldkit must stay readable.
    for place in (Path(os.__file__), Path(__file__)):
        if not os.access(place, os.R_OK):
            return f"{person.name} may not read {place.parent}"
    for output in outputs:
        place = output.absolute()
        if place.exists() and not os.access(place, os.W_OK):
            return f"{output}: {person.name} may not write to it"
        if not place.exists() and not os.access(place.parent, os.W_OK | os.X_OK):
            return f"{output}: {person.name} may not write to {place.parent}"
    return ""


# ----------------------------------------------------------------------------------------------------------- the opener


def _be_opener(ours: socket.socket, theirs: socket.socket, person: Person, interfaces: Sequence[str] | None) -> None:
    """In the child: answer until nobody asks any more, then end without what the parent does at exit."""
    try:
        ours.close()
        # Ctrl-C goes to everybody at the terminal: the last word is the parent's.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        _let_go_of_files(theirs.fileno())
        try:
            keep_only(CAP_NET_RAW, user=person.user, group=person.group)
        except (RightsError, OSError) as error:
            theirs.send(str(error).encode())
            os._exit(1)
        theirs.send(_READY)
        while question := theirs.recv(_MESSAGE):
            _answer(theirs, question, interfaces)
    finally:
        os._exit(0)


def _let_go_of_files(keep: int) -> None:
    """Whoever reads the parent's output waits for its end; a file that the parent closes shall be closed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    last = max((int(path.name) for path in Path("/proc/self/fd").iterdir()), default=256)
    os.closerange(3, keep)
    os.closerange(keep + 1, last + 1)


def _answer(theirs: socket.socket, question: bytes, interfaces: Sequence[str] | None) -> None:
    try:
        interface, wanted = _understood(question)
        if interfaces is not None and interface not in interfaces:
            raise SourceError(f"{interface}: it was not among the interfaces when rights were given up")
        opened = OpensHere().socket(interface, wanted)
    except (SourceError, ValueError) as error:
        theirs.send(json.dumps({"error": str(error)}).encode()[:_MESSAGE])
        return
    with opened:
        socket.send_fds(theirs, [b"{}"], [opened.fileno()])


def _question(interface: str, wanted: CaptureFilter) -> bytes:
    asked = {
        "interface": interface,
        "hosts": [str(network) for network in wanted.hosts],
        "ports": list(wanted.ports),
        "vlan": wanted.vlan,
        "everything": wanted.everything,
    }
    return json.dumps(asked).encode()


def _understood(question: bytes) -> tuple[str, CaptureFilter]:
    """The asking process may have been taken over by what it parses: nothing in its question is believed."""
    asked: Any = json.loads(question)
    if not isinstance(asked, dict):
        raise ValueError("no question")
    interface, hosts, ports, vlan = (asked.get(key) for key in ("interface", "hosts", "ports", "vlan"))
    if not (isinstance(interface, str) and is_name(interface) and isinstance(hosts, list) and isinstance(ports, list)):
        raise ValueError("no such interface or filter")
    if not all(isinstance(port, int) and 0 <= port < 1 << 16 for port in ports):
        raise ValueError("no such port")
    if vlan is not None and not (isinstance(vlan, int) and 0 <= vlan < 1 << 12):
        raise ValueError("no such VLAN")
    networks = tuple(host(network) for network in hosts if isinstance(network, str))
    return interface, CaptureFilter(networks, tuple(ports), vlan, asked.get("everything") is True)
