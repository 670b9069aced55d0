"""A sink that a plugin brings: ``plugin = "NAME"`` and, where it brings several, ``sink = "NAME"``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fieldkit.agent.sinks.shared import SinkError, SinkSettings
from fieldkit.config import Table
from fieldkit.plugins.kinds import Sink


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "plugin"."""

    plugin: str
    sink: str


def read(table: Table) -> Options:
    """Its table."""
    plugin = table.needed("plugin", pattern=r"[^\s\0-][^\s\0]*", hint="its name, or its directory")
    return Options(plugin, table.text("sink"))


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> Sink:
    """Loaded now: what it asks for must have been allowed (``fieldkit plugins allow``)."""
    from fieldkit.plugins.host import UnknownPlugin, chosen, everything

    options: Options = settings.options
    host = everything()
    try:
        found = chosen([options.plugin], host)
    except UnknownPlugin as error:
        raise SinkError(str(error)) from None
    if host.failures:
        raise SinkError(f"plugin {host.failures[0].plugin}: {host.failures[0].reason}")
    made = found[0].sinks
    name = options.sink or next(iter(made), "")
    if name not in made:
        raise SinkError(f"plugin {options.plugin}: it brings {', '.join(made) or 'no sink'}, and not {name!r}")
    try:
        return made[name]()
    except Exception as error:
        raise SinkError(f"plugin {options.plugin}: {type(error).__name__}: {error}") from error
