"""``--upload``: what a capture leaves goes to a server, now or by a later run."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult

import click

from fieldkit.checks.words import counted
from fieldkit.cli import moments
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal
from fieldkit.sources.spool import Job, Spool, SpoolError, default_folder, send
from fieldkit.sources.upload import Uploader, parse_url, place

if TYPE_CHECKING:
    from fieldkit.cli.captureplan import Options

_PATIENCE: Final = 120.0
"""Seconds that a run goes on trying; then a later one has its turn."""


class Delivery:
    """The sending end of one run."""

    def __init__(
        self, url: SplitResult | None, folder: str | None, limit: int, uploader: Uploader, *, quiet: bool
    ) -> None:
        self._url = url
        self._folder = folder
        self._limit = limit
        self._uploader = uploader
        self._quiet = quiet

    @classmethod
    def of(cls, options: Options, *, names: Sequence[str], many: bool) -> Delivery | None:
        """As asked for; None when it is not. ``names`` are the files that will be there, ``many`` if more may be."""
        if options.upload is None:
            if options.ca or options.spool:
                raise click.UsageError("--ca and --spool are for --upload")
            return None
        try:
            url = parse_url(options.upload)
        except ValueError as error:
            # The address itself is not repeated: it may hold what it should not.
            raise click.UsageError(f"--upload: {error}") from error
        if not names:
            raise click.UsageError("--upload needs something to send: a recording (-w) or a document (-o)")
        if (many or len(names) > 1) and not url.path.endswith("/"):
            raise click.UsageError("--upload: there may be several files: name a folder, with / at the end")
        if len({Path(name).name for name in names}) < len(names):
            raise click.UsageError("--upload: two of the files have the same name")
        return cls._made(options, url)

    @classmethod
    def pending(cls, options: Options) -> Delivery:
        """For what waits from earlier runs."""
        return cls._made(options, None)

    @classmethod
    def _made(cls, options: Options, url: SplitResult | None) -> Delivery:
        limit = moments.size("--spool-size", options.spool_size, least=1, most=1 << 50)
        try:
            uploader = Uploader(ca=options.ca)
        except (OSError, ssl.SSLError) as error:
            raise click.UsageError(f"--ca {options.ca}: {error.strerror or error}") from error
        return cls(url, options.spool, limit, uploader, quiet=options.quiet)

    def claim(self) -> list[Path]:
        """Files that must be possible after rights were given up."""
        from fieldkit.sources.privileges import caller

        if self._folder is None and caller(os.environ) is not None:
            return []  # the queue is in the home of whoever called sudo
        try:
            return [self._spool().folder / "probe"]
        except SpoolError as error:
            raise click.UsageError(f"--spool: {error}") from error

    def _spool(self) -> Spool:
        return Spool(Path(self._folder) if self._folder else default_folder(), self._limit)

    def send(self, files: Sequence[str]) -> ExitCode:
        """Send these files, and what waits from earlier runs."""
        assert self._url is not None
        status = ExitCode.OK
        for name in files:
            path = Path(name)
            try:
                _, gone = self._spool().add(path, place(self._url, path.name))
            except SpoolError as error:
                self._complain(f"{name} is not sent: {error}")
                status = ExitCode.INCOMPLETE
                continue
            for job in gone:
                self._complain(f"{job.name} was never sent and had to make room (--spool-size)")
        return self.send_pending() or status

    def send_pending(self) -> ExitCode:
        """Send what waits."""
        try:
            spool = self._spool()
        except SpoolError as error:
            self._complain(str(error))
            return ExitCode.INCOMPLETE
        with spool.sole() as alone:
            if not alone:
                self._say("another fieldkit is sending what waits")
                return ExitCode.OK
            try:
                left = send(spool, self._uploader, spool.jobs(), patience=_PATIENCE, say=self._say)
            except KeyboardInterrupt:
                left = spool.jobs()
        return self._left(spool, left)

    def _left(self, spool: Spool, left: Sequence[Job]) -> ExitCode:
        if not left:
            return ExitCode.OK
        self._complain(
            f"{counted(len(left), 'file')} still to be sent, kept in {spool.folder}: "
            "`fieldkit capture --upload-pending` tries again"
        )
        return ExitCode.UNREACHABLE

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._complain(text)

    @staticmethod
    def _complain(text: str) -> None:
        click.echo(f"fieldkit: {terminal(text)}", err=True)
