"""What ``fieldkit watch`` takes in beside its sources: plugins, and what routers say of their uplinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from fieldkit.cli import routeroptions
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.checks.check import Check
    from fieldkit.events import PluginFailed
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.tui.engine import Engine
    from fieldkit.tui.routers import Routers


class Added:
    """Made before the screen is: what plugins may do is shown on the terminal as it is, and what is wrong ends it."""

    def __init__(
        self, plugins: tuple[str, ...], routers: tuple[str, ...], offset: int, *, ca: str = "", insecure: bool = False
    ) -> None:
        """``ca``, ``insecure``: for routers that are asked over https.

        UsageError for what cannot be meant, SourceError for a file that cannot be used. Nobody is asked yet.
        """
        self.checks: list[type[Check]] = []
        self.decoding: Callable[[list[PluginFailed]], Decoding] | None = None
        self.routers: Routers | None = None
        self._asked: tuple[str, ...] = ()
        self._verify, self._authority = not insecure, ca
        routeroptions.check(routers, ca, insecure=insecure)
        if plugins:
            from fieldkit.cli.plugged import Plugged

            plugged = Plugged(plugins, ())
            self.checks = plugged.checks
            self.decoding = plugged.begin
        if routers:
            self._routers(plugins, routers, offset)

    def _routers(self, plugins: tuple[str, ...], names: tuple[str, ...], offset: int) -> None:
        from fieldkit.links.opening import open_runner
        from fieldkit.links.survey import Survey
        from fieldkit.plugins.host import chosen, everything
        from fieldkit.plugins.surveying import survey_of
        from fieldkit.sources.file import SourceError
        from fieldkit.tui.routers import Routers, is_router

        self._asked = tuple(name for name in names if is_router(name))
        for name in self._asked:
            try:
                open_runner(name, verify=self._verify, authority=self._authority).close()
            except SourceError as error:
                raise click.UsageError(f"--router {error}") from None

        def opener(name: str) -> Survey:
            # Each has adapters of its own: they run in threads of their own.
            host = everything()
            chosen(plugins, host)
            return survey_of(open_runner(name, verify=self._verify, authority=self._authority), host)

        if self._asked:
            # Loaded once here, so that each is introduced where it can be read.
            everything(tell=lambda line: click.echo(f"fieldkit: {terminal(line)}", err=True)).of_kind("router-adapter")
        self.routers = Routers(opener, utc_offset=offset)
        for name in names:
            if not is_router(name):
                self.routers.read(name)

    def begin(self, engine: Engine) -> None:
        """Ask the routers that were named: now that everything else is in order."""
        if self._asked and not engine.feed.live:
            engine.close()
            raise click.UsageError(
                f"--router {terminal(self._asked[0], 80)} tells of now, and this is a recording: give the file that"
                " fieldkit link --watch --json wrote meanwhile"
            )
        for name in self._asked:
            engine.routers.ask(name)
