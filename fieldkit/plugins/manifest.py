"""``fieldkit-plugin.toml``: what a plugin is, said without running it. Read strictly: what is misspelt is an error."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fieldkit.plugins import API, capability

KINDS: Final = {
    "router-adapter": "knows a make of router: uplinks, signal, failover",
    "device-profile": "knows a meter or charge controller: its registers",
    "check": "finds something in the traffic",
    "sink": "delivers findings somewhere",
    "report": "writes the report in another format",
    "decoder": "reads something out of the traffic that fieldkit does not",
}
MAX_MANIFEST: Final = 64 << 10
"""Bytes: ten times the longest imaginable."""
MAX_SUMMARY: Final = 200

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+){0,3}([-.+]?[a-z0-9.]{1,20})?")
_MODULE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,12}")
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}\.toml")
_KEYS: Final = {
    "name": str, "version": str, "api": int, "kinds": list, "summary": str, "module": str, "register": str,
    "requires_bins": list, "capabilities": list, "profiles": list, "suffixes": list,
}  # fmt: skip
_NEEDED: Final = ("name", "version", "api", "kinds")


class ManifestError(ValueError):
    """What is wrong with a manifest, in one line."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plugin says of itself."""

    name: str
    version: str
    kinds: tuple[str, ...]
    summary: str = ""
    module: str = ""
    """Its Python module, imported when it is first used; empty for what needs none."""
    register: str = "register"
    """The function in it that is called with a ``Registrar``."""
    requires_bins: tuple[str, ...] = ()
    """Programs that must be where it asks: on the router."""
    capabilities: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    """Device profiles: files beside the manifest."""
    suffixes: tuple[str, ...] = ()
    """Of the documents that a report plugin writes."""

    @property
    def grave(self) -> tuple[str, ...]:
        """Capabilities that the user has to allow."""
        return tuple(one for one in self.capabilities if capability.is_grave(one))

    def may(self, asked: str) -> bool:
        """Whether it has declared this."""
        return any(capability.covers(one, asked) for one in self.capabilities)


def read(path: Path) -> Manifest:
    """Of a file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST + 1)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_MANIFEST:
        raise ManifestError(f"{path}: too long for a manifest")
    try:
        return parse(tomllib.loads(data.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{path}: it is not TOML: {error}") from None
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def parse(document: dict[str, Any]) -> Manifest:
    """Of what the file says."""
    table = document.get("plugin")
    if not isinstance(table, dict) or set(document) != {"plugin"}:
        raise ManifestError("it has one table, [plugin]")
    for key in table:
        if key not in _KEYS:
            raise ManifestError(f"there is no key {key!r}; there are {', '.join(_KEYS)}")
    for key in _NEEDED:
        if key not in table:
            raise ManifestError(f"{key} is missing")
    for key, value in table.items():
        if type(value) is not _KEYS[key]:
            raise ManifestError(f"{key} is {_kind_of(_KEYS[key])}")
    if table["api"] != API:
        newer = "a newer fieldkit" if table["api"] > API else "an older fieldkit"
        raise ManifestError(f"it is written for {newer} (api {table['api']}, this one has {API})")
    lists = {key: _texts(table, key) for key, kind in _KEYS.items() if kind is list}
    made = Manifest(
        name=_text(table, "name", _NAME, 40, "small letters, digits and hyphens"),
        version=_text(table, "version", _VERSION, 40, "a version such as 1.2.0"),
        kinds=lists["kinds"],
        summary=table.get("summary", "")[:MAX_SUMMARY],
        module=_text(table, "module", _MODULE, 64, "the name of a module beside this file"),
        register=_text(table, "register", _MODULE, 64, "the name of a function") or "register",
        requires_bins=lists["requires_bins"],
        capabilities=lists["capabilities"],
        profiles=lists["profiles"],
        suffixes=lists["suffixes"],
    )
    _agree(made)
    return made


def _agree(made: Manifest) -> None:
    """What one key says against the others."""
    if not made.kinds:
        raise ManifestError(f"kinds is empty; there are {', '.join(KINDS)}")
    for kind in made.kinds:
        if kind not in KINDS:
            raise ManifestError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    for one in made.capabilities:
        wrong = capability.problem(one)
        if wrong:
            raise ManifestError(f"capabilities: {wrong}")
    for key, pattern, values in (
        ("requires_bins", _PROGRAM, made.requires_bins),
        ("suffixes", _SUFFIX, made.suffixes),
        ("profiles", _FILE, made.profiles),
    ):
        for value in values:
            if pattern.fullmatch(value) is None:
                raise ManifestError(f"{key}: {value!r} cannot be right")
    if not made.module and made.kinds != ("device-profile",):
        raise ManifestError("module is missing: only device profiles do without")
    if not made.module and not made.profiles:
        raise ManifestError("profiles is missing: the files of the device profiles")
    if "report" in made.kinds and not made.suffixes:
        raise ManifestError("suffixes is missing: those of the documents that the report plugin writes")


def _text(table: dict[str, Any], key: str, pattern: re.Pattern[str], limit: int, what: str) -> str:
    value = table.get(key, "")
    if key in table and (len(value) > limit or pattern.fullmatch(value) is None):
        raise ManifestError(f"{key} = {value[:60]!r}: give {what}")
    return str(value)


def _texts(table: dict[str, Any], key: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if len(values) > 50 or not all(isinstance(value, str) for value in values):
        raise ManifestError(f"{key} is a list of texts")
    if len(set(values)) != len(values):
        raise ManifestError(f"{key} names something twice")
    return tuple(values)


def _kind_of(kind: type) -> str:
    return {str: "a text", int: "a whole number", list: "a list"}[kind]
