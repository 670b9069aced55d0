"""What a plugin says it needs, in words that a user can judge; and whether a question is covered by it.

``exec:PROGRAM``, ``ubus:OBJECT``, ``read:PATH``, ``get:PATH`` and ``netlink:route|conntrack`` are questions to a
router: a plugin that asks for more than it has declared gets no answer. ``network:HOST``, ``write:PATH``,
``serial-write`` and ``send`` are told to the user, who must allow them before the plugin is first used. A plugin is
Python code and runs with the rights of whoever calls fieldkit: this is a promise, shown and partly held, and no prison.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_WORDS: Final = {
    "exec": "run {} on the router",
    "ubus": "ask the router's bus for {}",
    "read": "read {} of the router",
    "get": "read {} of the router's configuration tree",
    "netlink": "hear from the kernel of {} changes",
    "network": "open connections to {}",
    "write": "write files in {}",
    "serial-write": "write to serial devices",
    "send": "send findings to other machines",
}
_PLAIN: Final = frozenset({"serial-write", "send"})
_GRAVE: Final = frozenset({"network", "write", "serial-write", "send"})
_SHELLS: Final = frozenset({"sh", "ash", "bash", "dash", "busybox", "zsh", "sudo", "env", "xargs", "ssh", "nc", "eval"})
"""Programs that run any other: who may run one of these may do anything."""
_VALID: Final = re.compile(r"([a-z-]{2,20})(?::([A-Za-z0-9_./@*?:+-]{1,120}))?")


def problem(capability: str) -> str:
    """What is wrong with a capability; empty when nothing is."""
    match = _VALID.fullmatch(capability)
    if match is None or match[1] not in _WORDS:
        return f"{capability!r} is no capability; they begin with {', '.join(f'{verb}:' for verb in _WORDS)}"
    if (match[1] in _PLAIN) != (match[2] is None):
        return f"{capability!r}: {match[1]} {'takes nothing behind it' if match[1] in _PLAIN else 'needs to say what'}"
    if match[1] in ("exec", "write") and (match[2] or "").startswith(("*", "?")):
        return f"{capability!r}: name it"
    if match[1] in ("read", "write") and ".." in (match[2] or "").split("/"):
        return f"{capability!r}: a path without .."
    return ""


def is_grave(capability: str) -> bool:
    """Whether the user has to allow it before the plugin is first used."""
    verb, _, what = capability.partition(":")
    return verb in _GRAVE or (verb == "exec" and what.rpartition("/")[2] in _SHELLS)


def words(capability: str) -> str:
    """For people."""
    verb, _, what = capability.partition(":")
    return _WORDS[verb].format(what)


def summary(capabilities: Iterable[str]) -> str:
    """All of them, those of a sort together."""
    sorts: dict[str, list[str]] = {}
    for capability in capabilities:
        verb, _, what = capability.partition(":")
        sorts.setdefault(verb, []).append(what)
    return "; ".join(_WORDS[verb].format(", ".join(things)) for verb, things in sorts.items())


def covers(declared: str, asked: str) -> bool:
    """Whether what is asked for is within what was declared."""
    verb, _, what = declared.partition(":")
    wanted, _, thing = asked.partition(":")
    if verb != wanted:
        return False
    if verb in ("read", "get"):
        path, within = thing.strip("/"), what.strip("/")
        if ".." in path.split("/"):
            return False
        return path == within or path.startswith(within + "/") or fnmatchcase(path, within)
    return thing == what or fnmatchcase(thing, what)
