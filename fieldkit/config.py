"""Configuration files in TOML, read strictly: what is misspelt or out of range is told with its line and key.

    document = read(path)
    site = document.table("agent").text("site")
    document.finish()        # ConfigError with everything that was wrong, a line each

Every reading method takes the key, and gives the default after noting what is wrong with the value: a user hears of all
mistakes at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

MAX_SIZE: Final = 1 << 20
"""Bytes of a configuration: what is larger is another file, given by mistake."""

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds. Whoever means longer leaves the option out."""
_TABLE: Final = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(
    r"\s*((?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+))*)\s*="
)
_FLAGS: Final = {
    **dict.fromkeys(("1", "on", "true", "yes", "enabled"), True),
    **dict.fromkeys(("0", "off", "false", "no", "disabled"), False),
}
"""As config_get_bool of OpenWrt's functions.sh reads them."""
T = TypeVar("T")


class ConfigError(ValueError):
    """What is wrong with a file: a line for each mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def parse_duration(text: str) -> float:
    """Seconds, as in "90s", "10m", "1h30m", "2d"; a number alone is seconds. ValueError says how to write it."""
    plain = text.strip().lower().replace(" ", "")
    parts = _PART.findall(plain)
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        total = float(plain)
    elif parts and "".join(number + unit for number, unit in parts) == plain:
        total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise ValueError("give a duration such as 90s, 10m or 1h30m")
    if not 0 < total <= LONGEST:
        raise ValueError("give a duration between a millisecond and ten years")
    return total


def read(path: Path) -> Document:
    """Of a file."""
    return parse(text(path), str(path))


def text(path: Path) -> str:
    """What a file has in it; ConfigError where it cannot be a configuration."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    if len(data) > MAX_SIZE:
        raise ConfigError([f"{path}: too large for a configuration"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: it is not UTF-8 text"]) from error


def parse(text: str, name: str) -> Document:
    """Of a text; ``name`` is what mistakes are told under."""
    import tomllib  # not on routers: their configuration is UCI's

    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        where = f"{name}:{at[1]}" if at else name
        raise ConfigError([f"{where}: it is not TOML: {re.sub(r' *[(]at .*[)]$', '', str(error))}"]) from error
    return Document(content, name, text)


class Document:
    """A file's tables, and what turned out to be wrong with them."""

    def __init__(
        self,
        content: dict[str, Any],
        name: str,
        text: str,
        *,
        lines: Mapping[tuple[str | int, ...], int] | None = None,
    ) -> None:
        """``lines``: where each key stands, in a form other than TOML, in which all values are texts."""
        self.name = name
        self.untyped = lines is not None
        """A text is also the number or the flag that it looks like, for whoever asks for one."""
        self._wrong: list[tuple[int, str]] = []
        self._lines = _lines(text) if lines is None else lines
        self.root = Table(self, content, ())

    def table(self, key: str) -> Table:
        """A table at the top; empty where the file has none."""
        return self.root.table(key)

    def complain(self, path: tuple[str | int, ...], what: str) -> None:
        """Note a mistake at a place."""
        number = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 0)
        self._wrong.append((number, f"{self.name}{f':{number}' if number else ''}: {_shown(path)}{what}"))

    def finish(self) -> None:
        """ConfigError if anything was wrong; also keys that nobody asked for are."""
        self.root.finish()
        if self._wrong:
            raise ConfigError([line for _, line in sorted(self._wrong, key=lambda one: one[0])])


class Table:
    """One table. What was not asked for by the end is a mistake."""

    def __init__(self, document: Document, content: dict[str, Any], path: tuple[str | int, ...]) -> None:
        self._document = document
        self._content = content
        self._path = path
        self._asked: set[str] = set()
        self._inner: dict[str, list[Table]] = {}

    def __contains__(self, key: str) -> bool:
        if key not in self._content:
            self._asked.add(key)  # it might be there, and may be suggested
        return key in self._content

    @property
    def keys(self) -> list[str]:
        """What the file has in it."""
        return list(self._content)

    def complain(self, key: str, what: str) -> None:
        """A mistake at a key; an empty key means the table."""
        self._document.complain((*self._path, key) if key else self._path, what)

    # --------------------------------------------------------------------------------------------------- tables

    def table(self, key: str) -> Table:
        """A table in it; empty where there is none."""
        if key in self._inner:
            return self._inner[key][0]
        value = self._get(key, {})
        if not isinstance(value, dict):
            self.complain(key, f"is a table: write [{'.'.join(map(str, (*self._path, key)))}]")
            value = {}
        inner = Table(self._document, value, (*self._path, key))
        self._inner[key] = [inner]
        return inner

    def tables(self, key: str) -> list[Table]:
        """Tables that may be there several times: [[serial]]."""
        value = self._get(key, [])
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.complain(key, f"are tables: write [[{key}]]")
            value = []
        inner = [Table(self._document, one, (*self._path, key, place)) for place, one in enumerate(value)]
        self._inner[key] = inner
        return inner

    def named(self, key: str) -> Iterator[tuple[str, Table]]:
        """Tables with names of the user's: [sinks.home]."""
        table = self.table(key)
        for name in table.keys:
            yield name, table.table(name)

    # --------------------------------------------------------------------------------------------------- values

    def text(self, key: str, default: str = "", *, pattern: str = "", hint: str = "") -> str:
        """A text; ``pattern`` must match all of it, ``hint`` says what is wanted. An empty one is none."""
        value = self._of(key, str, default, "a text")
        if value and key in self._content and pattern and re.fullmatch(pattern, value) is None:
            self.complain(key, f"{_short(value)}: {hint or 'that cannot be right'}")
            return default
        return value

    def needed(self, key: str, *, pattern: str = "", hint: str = "") -> str:
        """A text that must be there."""
        if self._content.get(key, "") == "":
            self._asked.add(key)
            self.complain("", f"{key} is missing{f': {hint}' if hint else ''}")
            return ""
        return self.text(key, pattern=pattern, hint=hint)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        return self._of(key, bool, default, "true or false")

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number."""
        value = self._of(key, int, default, "a whole number")
        if not least <= value <= most and key in self._content:
            self.complain(key, f"{value}: give a number from {least} to {most}")
            return default
        return value

    def choice(self, key: str, among: Sequence[str], default: str) -> str:
        """One of some words."""
        value = self._of(key, str, default, f"one of {', '.join(among)}")
        if value not in among and key in self._content:
            self.complain(key, f"{_short(value)}: give one of {', '.join(among)}")
            return default
        return value

    def texts(self, key: str, *, pattern: str = "", hint: str = "") -> tuple[str, ...]:
        """A list of texts; a single one may stand without brackets."""
        value = self._get(key, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.complain(key, "is a list of texts")
            return ()
        for one in value:
            if pattern and re.fullmatch(pattern, one) is None:
                self.complain(key, f"{_short(one)}: {hint or 'that cannot be right'}")
                return ()
        return tuple(value)

    def numbers(self, key: str, least: int, most: int) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self._get(key, [])
        if self._document.untyped:
            value = [_plain(one, int) for one in ([value] if isinstance(value, str) else value)]
        value = [value] if isinstance(value, int) else value
        if not isinstance(value, list) or not all(type(one) is int and least <= one <= most for one in value):
            self.complain(key, f"is a list of numbers from {least} to {most}")
            return ()
        return tuple(value)

    def duration(self, key: str, default: str, *, least: float = 0.0) -> float:
        """Seconds, written as in "90s"; a number is seconds."""
        value = self._get(key, default)
        value = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        return self._parsed(key, value, default, parse_duration, lambda s: s >= least, f"at least {least:g} s")

    def size(self, key: str, default: str, *, least: int = 1, most: int = 1 << 50) -> int:
        """Bytes, written as in "20MB"."""
        from fieldkit.sources.recording import parse_size

        value = self._get(key, default)
        value = str(value) if type(value) is int else value
        return self._parsed(
            key, value, default, parse_size, lambda n: least <= n <= most, f"between {least:,} and {most:,} bytes"
        )

    def parsed(self, key: str, default: T, parse_: Callable[[str], T]) -> T:
        """A text that somebody else understands, who raises ValueError with what is wrong."""
        if key not in self._content:
            self._asked.add(key)
            return default
        value = self._of(key, str, "", "a text")
        try:
            return parse_(value)
        except ValueError as error:
            self.complain(key, f"{error}" if _short(value) in str(error) else f"{_short(value)}: {error}")
            return default

    def finish(self) -> None:
        """Whatever is left over nobody knows."""
        for key in self._content:
            if key not in self._asked:
                import difflib  # for those who mistype

                near = difflib.get_close_matches(key, self._asked, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(self._asked)) or 'none'}"
                self.complain(key, f"is not known here: {hint}")
        for tables in self._inner.values():
            for inner in tables:
                inner.finish()

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        return self._content.get(key, default)

    def _of(self, key: str, kind: type[T], default: T, what: str) -> T:
        value = self._get(key, default)
        if self._document.untyped:
            value = _plain(value, kind)
        if type(value) is not kind:
            self.complain(key, f"is {what}")
            return default
        return value

    def _parsed(
        self, key: str, value: Any, default: str, parse_: Callable[[str], T], fits: Callable[[T], bool], range_: str
    ) -> T:
        try:
            if not isinstance(value, str):
                raise ValueError("write it in quotes, with its unit")
            found = parse_(value)
            if not fits(found):
                raise ValueError(f"give {range_}")
        except ValueError as error:
            self.complain(key, f"{_short(value)}: {error}")
            return parse_(default)
        return found


def _plain(value: Any, kind: type) -> Any:
    """A text for what it stands for, where it can stand for that: flags as ``uci`` has them, and decimal numbers."""
    if kind is bool and isinstance(value, str):
        return _FLAGS.get(value.lower(), value)
    if kind is int and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value


def _short(value: object) -> str:
    return repr(value)[:80]


def _shown(path: tuple[str | int, ...]) -> str:
    words = ""
    for part in path:
        words += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if words else ''}{part}"
    return f"{words}: " if words else ""


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Where each key and each table begins. What stands in a text of several lines may look like a key; no matter."""
    found: dict[tuple[str | int, ...], int] = {}
    here: tuple[str | int, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        table = _TABLE.match(line)
        if table is not None and not _KEY.match(line):
            names = tuple(_parts(table[2]))
            here = names
            if table[1] == "[[":
                place = counts.get(names, 0)
                counts[names] = place + 1
                here = (*names, place)
            found.setdefault(here, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            parts = tuple(_parts(key[1]))
            for end in range(1, len(parts) + 1):
                found.setdefault((*here, *parts[:end]), number)
    return found


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted)]
