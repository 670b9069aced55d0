"""The configuration as OpenWrt keeps it: /etc/config/fieldkit, which ``uci``, LuCI and VuCI edit.

It says what agent.toml says, section for table and option for key:

    config agent 'agent'              [agent]
        option site 'depot'           site = "depot"
    config capture                    [capture]
        list sources 'br-lan'         sources = ["br-lan"]
    config sink 'home'                [sinks.home]
    config serial                     [[serial]], as often as there are devices; posture likewise
    config budget                     [uplinks.budget], one uplink a section:
        option uplink 'cellular'      cellular = "5MB"
        option size '5MB'

Everything in UCI is text, so that '1' may be a number, a flag or a text: whoever asks for it knows (``config.Table``).
``option enabled`` of the agent is the init script's. Mistakes are told with their line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from fieldkit import config
from fieldkit.config import ConfigError, Document

USUAL: Final = Path("/etc/config/fieldkit")
ONE: Final = ("agent", "capture", "schedule", "ring", "upload", "links", "checks", "detector", "outbox", "uplinks")
"""Sections that there is one of: tables of the same name."""
MANY: Final = ("serial", "posture")
"""Sections that there may be several of: arrays of tables."""
_TYPES: Final = (*ONE, *MANY, "sink", "budget")
_BEGINS: Final = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*(?:config|package)[ \t]+['\"\w]")
_TOKEN: Final = re.compile(
    # Words: bare ones, '…' and "…" stand beside each other without a gap when they are one (libuci, file.c).
    r"(?P<gap>[ \t\r]+|\\\n)|(?P<comment>#[^\n]*)|(?P<end>[\n;])"
    r"|(?P<word>(?:'[^']*'|\"(?:\\.|[^\"\\])*\"|\\[^\n]|[^\s'\"\\;#])+)",
    re.DOTALL,
)
_PIECE: Final = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)|([^'\"\\]+)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")

_Path = tuple[str | int, ...]


class _Statement(NamedTuple):
    line: int
    words: list[str]


def read(path: Path) -> Document:
    """A configuration in either form: the content tells which."""
    text = config.text(path)
    return parse(text, str(path)) if is_uci(text) else config.parse(text, str(path))


def is_uci(text: str) -> bool:
    """Whether the first line that says something says "config" or "package", which no line of TOML can."""
    return _BEGINS.match(text) is not None


def parse(text: str, name: str) -> Document:
    """A UCI file as a document; ConfigError where it is none."""
    reader = _Reader(name)
    for statement in _statements(text, name):
        reader.take(statement)
    return Document(reader.content, name, text, lines=reader.lines)


class _Reader:
    """Puts statements where they stand in TOML."""

    def __init__(self, name: str) -> None:
        self.content: dict[str, Any] = {}
        self.lines: dict[_Path, int] = {}
        self._name = name
        self._place: _Path = ()
        self._table: dict[str, Any] | None = None
        self._budget: dict[str, Any] | None = None
        """Of a budget section: read like a table, then an entry of [uplinks.budget]."""

    def take(self, statement: _Statement) -> None:
        keyword, *words = statement.words
        if keyword == "package":
            return
        if keyword == "config":
            if len(words) not in (1, 2):
                raise self._wrong(statement, "write config TYPE, or config TYPE 'NAME'")
            self._section(statement, words[0], words[1] if len(words) == 2 else "")
        elif keyword in ("option", "list"):
            if len(words) != 2:
                raise self._wrong(statement, f"write {keyword} NAME 'VALUE'")
            if self._table is None:
                raise self._wrong(statement, f"{keyword} {words[0]} stands in no section")
            if not _NAME.fullmatch(words[0]):
                raise self._wrong(statement, f"{words[0]!r:.80} is no name: letters, digits and underscores are")
            self._option(statement, words[0], words[1], several=keyword == "list")
        else:
            raise self._wrong(statement, f"{keyword!r:.80}: a line begins with config, option or list")

    def _section(self, statement: _Statement, kind: str, name: str) -> None:
        if kind in ONE:
            # libuci merges sections of one name; a second [table] would be a mistake in TOML too, so both forms agree.
            if kind in self.content and "budget" not in self.content[kind]:
                raise self._wrong(statement, f"there is a section {kind} already, in line {self.lines[(kind,)]}")
            self._table, self._place = self.content.setdefault(kind, {}), (kind,)
        elif kind in MANY:
            tables = self.content.setdefault(kind, [])
            self._place = (kind, len(tables))
            self._table = {}
            tables.append(self._table)
        elif kind == "sink":
            if not name:
                raise self._wrong(statement, "a sink has a name: config sink 'home'")
            sinks = self.content.setdefault("sinks", {})
            if name in sinks:
                raise self._wrong(statement, f"there is a sink {name} already")
            self._table = sinks[name] = {}
            self._place = ("sinks", name)
        elif kind == "budget":
            self._table, self._place = {}, ("uplinks", "budget")
        else:
            raise self._wrong(statement, f"section {kind!r:.80} is not known: there are {', '.join(sorted(_TYPES))}")
        self._budget = self._table if kind == "budget" else None
        self.lines.setdefault(self._place, statement.line)

    def _option(self, statement: _Statement, key: str, value: str, *, several: bool) -> None:
        assert self._table is not None
        if self._budget is not None:
            self._add_budget(statement, key, value)
            return
        if self._place == ("agent",) and key == "enabled":
            return  # of the init script
        if several:
            values = self._table.setdefault(key, [])
            if not isinstance(values, list):
                raise self._wrong(statement, f"{key} is an option in line {self.lines[(*self._place, key)]}")
            values.append(value)
        else:
            # An empty option is how UCI and its pages say "none".
            if value:
                self._table[key] = value
        self.lines[(*self._place, key)] = statement.line

    def _add_budget(self, statement: _Statement, key: str, value: str) -> None:
        assert self._budget is not None
        if key not in ("uplink", "size"):
            raise self._wrong(statement, f"{key} is not known here: a budget has uplink and size")
        self._budget[key] = value
        if len(self._budget) == 2:
            uplink = self._budget["uplink"]
            self.content.setdefault("uplinks", {}).setdefault("budget", {})[uplink] = self._budget["size"]
            self.lines[(*self._place, uplink)] = statement.line

    def _wrong(self, statement: _Statement, what: str) -> ConfigError:
        return ConfigError([f"{self._name}:{statement.line}: {what}"])


def _statements(text: str, name: str) -> Iterator[_Statement]:
    place, line, begun = 0, 1, 1
    words: list[str] = []
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConfigError([f"{name}:{line}: a quote is not closed"])
        if found["word"] is not None:
            begun = begun if words else line
            words.append("".join(_said(piece) for piece in _PIECE.finditer(found["word"])))
        elif found["end"] is not None and words:
            yield _Statement(begun, words)
            words = []
        line += found[0].count("\n")
        place = found.end()
    if words:
        yield _Statement(begun, words)


def _said(piece: re.Match[str]) -> str:
    if piece[2] is not None:
        return re.sub(r"\\(.)", r"\1", piece[2], flags=re.DOTALL)
    return next(part for part in piece.groups() if part is not None)
