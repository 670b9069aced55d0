"""``--plugin``: what the plugins that a user names add to a report, a capture, or what is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from fieldkit.cli import output
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldkit.checks.check import Check
    from fieldkit.events import PluginFailed
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.plugins.host import Host
    from fieldkit.plugins.registrar import Registrar
    from fieldkit.reports.document import Report


DELIVERY: Final = 60.0
"""Seconds a sink has to take the findings of a report."""


def loaded(names: Sequence[str]) -> tuple[Host, list[Registrar]]:
    """Those that are named; UsageError for what is none, or cannot be used at all."""
    from fieldkit.plugins.host import UnknownPlugin, chosen, everything

    host = everything(tell=lambda line: click.echo(f"fieldkit: {terminal(line)}", err=True))
    try:
        found = chosen(names, host)
    except UnknownPlugin as error:
        raise click.UsageError(f"--plugin: {terminal(str(error))}") from None
    for failure in host.failures:
        raise click.UsageError(f"--plugin {terminal(failure.plugin)}: {terminal(failure.reason)}")
    return host, found


def add_profiles() -> int:
    """Make the device profiles of all plugins known by their names; how many there are."""
    from fieldkit import profilestore
    from fieldkit.plugins.host import everything

    host = everything(tell=lambda line: click.echo(f"fieldkit: {terminal(line)}", err=True))
    profiles = [profile for registrar in host.of_kind("device-profile") for profile in registrar.profiles]
    for profile in profiles:
        profilestore.add(profile)
    for failure in host.failures:
        click.echo(f"fieldkit: plugin {terminal(failure.plugin)}: {terminal(failure.reason, 300)}", err=True)
    return len(profiles)


class Plugged:
    """The plugins of one run."""

    def __init__(self, names: Sequence[str], sources: Sequence[str]) -> None:
        self._host, self._plugins = loaded(names)
        self._sources = sources
        self.outputs: list[str] = []
        """Documents that plugins write."""

    @property
    def checks(self) -> list[type[Check]]:
        """Beside fieldkit's own."""
        return [check for plugin in self._plugins for check in plugin.checks]

    @property
    def failed(self) -> bool:
        """Something that a plugin was to do is not done."""
        return bool(self._host.failures)

    def take(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Take those documents over whose suffix a plugin writes; returns the others."""
        suffixes = {suffix for plugin in self._plugins for suffix in plugin.reports}
        self.outputs = [name for name in outputs if name != "-" and Path(name).suffix.lower() in suffixes]
        for name in self.outputs:
            output.check(name, self._sources)
        return tuple(name for name in outputs if name not in self.outputs)

    def begin(self, failed: list[PluginFailed]) -> Decoding:
        """The decoders, made for this run; what cannot be made is a failure of its plugin, in ``failed``."""
        from fieldkit.plugins.decoding import Decoding

        made = []
        for plugin in self._plugins:
            for make in plugin.decoders:
                try:
                    made.append((plugin.manifest.name, make()))
                except Exception as error:
                    why = f"{type(error).__name__}: {error}"
                    failed.append(self._host.failed(plugin.manifest.name, "decoder", why))
        return Decoding(made)

    def finish(self, report: Report) -> list[str]:
        """Write documents and deliver findings; the names of what was written."""
        document = cast("Mapping[str, Any]", report)
        written = [name for name in self.outputs if self._write(name, document)]
        for plugin in self._plugins:
            for name, make in plugin.sinks.items():
                self._deliver(plugin, name, make, document["findings"])
        return written

    def _write(self, name: str, report: Mapping[str, Any]) -> bool:
        suffix = Path(name).suffix.lower()
        plugin = next(plugin for plugin in self._plugins if suffix in plugin.reports)
        try:
            made = plugin.reports[suffix](report)
            data = made.encode("utf-8", "replace") if isinstance(made, str) else bytes(made)
        except Exception as error:
            self._fail(plugin, "report", f"{name} is not written: {type(error).__name__}: {error}")
            return False
        output.save(name, data)
        return True

    def _deliver(self, plugin: Registrar, name: str, make: Any, findings: Any) -> None:
        from fieldkit.links.guard import timed

        def work() -> None:
            sink = make()
            try:
                if findings:
                    sink.send(findings)
            finally:
                sink.close()

        try:
            timed(work, DELIVERY, f"sink {name}")
        except Exception as error:
            self._fail(plugin, "sink", f"{name} has not taken the findings: {type(error).__name__}: {error}")

    def _fail(self, plugin: Registrar, kind: str, why: str) -> None:
        failure = self._host.failed(plugin.manifest.name, kind, why)
        click.echo(f"fieldkit: plugin {terminal(failure.plugin)}: {terminal(why, 300)}", err=True)
