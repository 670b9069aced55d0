"""The ssh program of this system: whom to call, how to call it, and what it says when it does not get through.

Jump hosts, keys, agents and everything else in ~/.ssh/config work because it is the system's ssh. A password never
stands in a URL or on a command line. Where the user has a program that asks for one (SSH_ASKPASS), ssh may use it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError

COMMAND_VARIABLE: Final = "FIELDKIT_SSH_COMMAND"
"""Environment variable with another ssh program, or options for it: "ssh -F site.conf"."""

_URL: Final = re.compile(r"ssh://(?:([^@/]*)@)?(\[[^\]/]*\]|[^:/@\[\]]*)(?::([^/@]*))?(?:/(.*))?", re.DOTALL)
# None of them may begin with a hyphen: it would be an option. What a shell would do something with is in none of them.
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@\\-]{0,63}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?", re.ASCII)
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,63}", re.ASCII)

_ALWAYS: Final = (
    # Not over a connection of somebody else's, which may have stalled, and which would end with it.
    "ControlMaster=no", "ControlPath=none",
    # A link that is dead is found dead after 15 s: routers sit behind modems.
    "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3",
    # What else ~/.ssh/config may want to do on the way.
    "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no", "RemoteCommand=none",
    "EscapeChar=none", "LogLevel=INFO",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """An interface of another machine."""

    user: str
    """Empty: as ~/.ssh/config says."""
    host: str
    port: int
    """0: as ~/.ssh/config says."""
    interface: str

    @property
    def address(self) -> str:
        """As a user would write it behind ssh."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def login(self) -> str:
        """The command with which the user can try it."""
        return f"ssh{f' -p {self.port}' if self.port else ''} {self.address}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"ssh://{user}{host}{f':{self.port}' if self.port else ''}/{self.interface}"


def parse(url: str) -> Target:
    """``ssh://[user@]host[:port]/IFACE``; SourceError with what is wrong. Without an interface it is "any"."""
    match = _URL.fullmatch(url)
    if match is None:
        raise SourceError(f"{terminal(url, 80)}: give ssh://[USER@]HOST[:PORT]/INTERFACE")
    user, host, port, interface = (unquote(part or "") for part in match.groups())
    if ":" in user:
        # The URL is not shown: it is in the terminal's history already, and need not be in a log as well.
        raise SourceError(
            "ssh://: a password has no place in a URL, every user of this machine can read it there; "
            "use a key (ssh-copy-id) or an agent (ssh-add)"
        )
    if user and _USER.fullmatch(user) is None:
        raise SourceError(f"ssh://: {terminal(user, 80)!r} cannot be a user's name")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        valid = _ADDRESS.fullmatch(host)
    else:
        valid = _HOST.fullmatch(host)
    if valid is None:
        raise SourceError(f"ssh://: {terminal(host, 80)!r} cannot be a host's name or address (IPv6: in brackets)")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise SourceError(f"ssh://: {terminal(port, 20)!r} is no port")
    interface = interface.rstrip("/") or "any"
    if _INTERFACE.fullmatch(interface) is None:
        raise SourceError(f"ssh://: {terminal(interface, 80)!r} cannot be an interface's name")
    return Target(user, host, int(port or 0), interface)


def command(
    target: Target, remote: str, *, program: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> list[str]:
    """The command line that runs ``remote`` there. ``program`` in place of ssh."""
    given = list(program) or shlex.split(environment.get(COMMAND_VARIABLE, "")) or ["ssh"]
    # -o after the program's own options: ssh takes the first value it is given for an option.
    options = [f"BatchMode={'no' if asks(environment) else 'yes'}", *_ALWAYS]
    line = [*given, "-T", *(word for option in options for word in ("-o", option))]
    if target.user:
        line += ["-l", target.user]
    if target.port:
        line += ["-p", str(target.port)]
    return [*line, "--", target.host, remote]


def asks(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ssh could ask the user for a passphrase with a program of its own, away from our terminal (ssh(1))."""
    if not environment.get("SSH_ASKPASS"):
        return False
    if environment.get("SSH_ASKPASS_REQUIRE") in ("force", "prefer"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


# ------------------------------------------------------------------------------------------------ when it goes wrong


class Refusal(NamedTuple):
    """Why there is no connection, in one line."""

    reason: str
    unreachable: bool
    """We were not let in: the way there, the host's key or the login is at fault, and not what is behind it."""
    passing: bool
    """It may be better in a while without anybody doing anything."""


_CHANGED: Final = "REMOTE HOST IDENTIFICATION HAS CHANGED"
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{20,50}")
_DENIED: Final = re.compile(r"Permission denied \(([a-z0-9,-]{1,200})\)")
_OFFER: Final = re.compile(r"no matching (.{1,40}?) found\. Their offer: ([\w@.,-]{1,200})")
_AWAY: Final = (
    ("Could not resolve hostname", "its name cannot be resolved: is it spelt right, and does DNS work here?"),
    ("Connection refused", "nothing answers on that port: is ssh switched on there?"),
    ("No route to host", "there is no route to it: is it on, and are you in its network?"),
    ("Network is unreachable", "this machine is in no network from which it can be reached"),
    ("timed out", "it does not answer: is it on, and does a firewall let ssh through?"),
    ("Timeout, server", "it no longer answers"),
)
_NOISE: Final = ("Warning: Permanently added", "Pseudo-terminal will not", "** WARNING")


def refusal(target: Target, said: Sequence[str]) -> Refusal:
    """What ssh's words mean. ``said``: its last lines."""
    text = "\n".join(said)
    if _CHANGED in text:
        found = _FINGERPRINT.search(text)
        key = f" (it is {found[0]} now)" if found is not None else ""
        name = f"[{target.host}]:{target.port}" if target.port not in (0, 22) else target.host
        return Refusal(
            f"the ssh key of {target.host} has changed{key}: the device was replaced or reset, or somebody is in "
            f"between; if you know why, run: ssh-keygen -R {shlex.quote(name)}",
            unreachable=True,
            passing=False,
        )
    if "Host key verification failed" in text:
        return Refusal(
            f"the ssh key of {target.host} is not known here yet: run '{target.login}' once and compare it",
            unreachable=True,
            passing=False,
        )
    denied = _DENIED.search(text)
    if denied is not None:
        how = "a key (ssh-copy-id puts one there) or an agent that has one (ssh-add)"
        reason = f"{target.address} refused the login; this needs {how}: try '{target.login}'"
        return Refusal(reason, unreachable=True, passing=False)
    offer = _OFFER.search(text)
    if offer is not None:
        option = {"host key type": "HostKeyAlgorithms", "key exchange method": "KexAlgorithms", "cipher": "Ciphers"}
        name = option.get(offer[1], "")
        mend = f"; in ~/.ssh/config, for this host: {name} +{offer[2].split(',')[0]}" if name else ""
        reason = f"{target.host} has an old ssh and knows no {offer[1]} that ours still uses{mend}"
        return Refusal(reason, unreachable=True, passing=False)
    for words, meaning in _AWAY:
        if words in text:
            return Refusal(f"{target.host}: {meaning}", unreachable=True, passing=True)
    last = last_words(said)
    reason = f"{target.host}: ssh says: {last}" if last else f"{target.host}: the connection ended"
    return Refusal(reason, unreachable=True, passing=True)


def last_words(said: Sequence[str]) -> str:
    """The last line that says something, safe to show."""
    lines = [line for line in said if line.strip() and not line.startswith(_NOISE)]
    return terminal(lines[-1].strip(), 200) if lines else ""
