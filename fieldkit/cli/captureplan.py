"""What a capture was asked for: the command line, held against itself before anything is opened."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fieldkit.cli import chosen, documents, moments, output
from fieldkit.sources import opening
from fieldkit.sources.bpf import CaptureFilter, compile_filter, host
from fieldkit.sources.recording import Ring, parse_ring

if TYPE_CHECKING:
    from fieldkit.cli.chosen import Matching
    from fieldkit.cli.plugged import Plugged

_LARGEST_BUFFER: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Options:
    """The command line; the names are those of the command's parameters."""

    sources: tuple[str, ...]
    interfaces: tuple[str, ...]
    write_to: str | None
    ring_text: str | None
    lasting: str | None
    until: str | None
    packets: int | None
    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    vlan: int | None
    everything: bool
    program: str | None
    buffer: str | None
    outputs: tuple[str, ...]
    json_to: str | None
    every: str | None
    follow: bool
    filter_text: str | None
    record_only: bool
    upload: str | None
    upload_pending: bool
    spool: str | None
    spool_size: str
    ca: str | None
    keylog: tuple[str, ...]
    validate: bool
    fail_on: str
    min_profile: int | None
    plugins: tuple[str, ...]
    keep_root: bool
    show_ids: bool
    utc: bool
    color: str
    quiet: bool
    verbose: bool


class Plan:
    """The same, understood."""

    def __init__(self, options: Options) -> None:
        """UsageError for what cannot be right."""
        self.options = options
        self.specs = [*options.interfaces, *options.sources]
        self.plugged = self._plugged()
        """None: no plugin is asked for."""
        outputs = self.plugged.take(options.outputs) if self.plugged is not None else options.outputs
        self.documents = [name for name in outputs if name != "-"]
        """That are written to files, the JSON document and those of plugins aside."""
        self.json_file = options.json_to if options.json_to != "-" else None
        self.recording = Path(options.write_to) if options.write_to not in (None, "-") else None
        self.ring = self._ring()
        self.wanted = self._capture_filter()
        self._check_reach()
        self._check_outputs()
        self.text_wanted = "-" in options.outputs or not (
            options.outputs or options.json_to or options.follow or options.write_to == "-" or options.record_only
        )
        self.matching = self._message_filter()
        """Which messages the outputs are about; None: all."""
        self.seconds = moments.seconds("--for", options.lasting) if options.lasting else 0.0
        now = datetime.now(UTC)
        self.until = moments.moment("--until", options.until, now, utc=options.utc) if options.until else None
        self.every = moments.seconds("--every", options.every) if options.every else 0.0
        buffer = moments.size("--buffer", options.buffer, least=1 << 20, most=_LARGEST_BUFFER) if options.buffer else 0
        self.wishes = opening.Wishes(self.wanted, buffer, options.program or "")

    @property
    def files(self) -> list[str]:
        """All that will be written; a ring has other names."""
        return [
            *self.documents,
            *(self.plugged.outputs if self.plugged is not None else ()),
            *([self.json_file] if self.json_file else []),
            *map(str, filter(None, [self.recording])),
        ]

    def _plugged(self) -> Plugged | None:
        """Loaded before rights are given up, and used after it: a plugin's code runs as nobody in particular."""
        if not self.options.plugins:
            return None
        if self.options.record_only:
            raise click.UsageError("--record-only diagnoses nothing: a plugin has nothing to do there")
        from fieldkit.cli.plugged import Plugged

        return Plugged(self.options.plugins, ())

    def _ring(self) -> Ring | None:
        options = self.options
        if options.record_only and not options.write_to:
            raise click.UsageError("--record-only needs -w FILE")
        if options.ring_text is None:
            return None
        if options.write_to in (None, "-"):
            raise click.UsageError("--ring needs -w FILE: the files are named after it")
        try:
            return parse_ring(options.ring_text)
        except ValueError as error:
            raise click.UsageError(f"--ring {error}") from error

    def _capture_filter(self) -> CaptureFilter:
        options = self.options
        try:
            wanted = CaptureFilter(
                tuple(host(text) for text in options.hosts), options.ports, options.vlan, options.everything
            )
            compile_filter(wanted)
        except ValueError as error:
            raise click.UsageError(f"--host, --port: {error}") from error
        return wanted

    def _check_reach(self) -> None:
        """Where somebody else has chosen the packets a filter of ours would be obeyed by nobody."""
        options = self.options
        chosen_by = {"--host": options.hosts, "--port": options.ports, "--vlan": options.vlan is not None}
        given = " and ".join(option for option, there in chosen_by.items() if there)
        deaf = next((name for name in self.specs if opening.takes_what_comes(name)), None)
        if given and deaf is not None:
            raise click.UsageError(
                f"{given} cannot reach {'standard input' if deaf == '-' else deaf}: choose packets where they are "
                "captured or mirrored; --filter chooses what is told of"
            )

    def _check_outputs(self) -> None:
        options = self.options
        if options.record_only and (options.outputs or options.json_to or options.follow):
            raise click.UsageError("--record-only diagnoses nothing: without it -o, --json and --follow make sense")
        on_stdout = [
            name
            for name, there in (
                ("-w -", options.write_to == "-"),
                ("-o -", "-" in options.outputs),
                ("--json -", options.json_to == "-"),
                ("--follow", options.follow),
            )
            if there
        ]
        if len(on_stdout) > 1:
            raise click.UsageError(f"{' and '.join(on_stdout)} cannot both have standard output")
        if options.write_to == "-" and sys.stdout.isatty():
            raise click.UsageError("-w -: standard output is a terminal; pipe the packets somewhere")
        recorded = [str(self.recording)] if self.recording is not None else []
        documents.check(self.documents, (), [*options.keylog, *recorded])
        if self.json_file:
            documents.check_json(self.json_file, self.documents, (*options.keylog, *recorded))
        for name in recorded:
            if any(os.path.realpath(name) == os.path.realpath(other) for other in self.files[:-1]):
                raise click.UsageError(f"{name} is to be written twice")
            output.check(name, options.keylog)
            _check_suffix(name)
        if any(name.lower().endswith(".pcapng") for name in self.documents) and not recorded:
            raise click.UsageError("an annotated capture is made from a recording: add -w FILE")

    def _message_filter(self) -> Matching | None:
        try:
            return chosen.matching(self.options.filter_text)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message}\n--filter chooses messages; packets are chosen by --host, --port, --vlan and --all"
            ) from error


def _check_suffix(name: str) -> None:
    if Path(name).suffix.lower() in (".pcap", ".cap"):
        raise click.UsageError(f"{name}: what is written is pcapng; name it {Path(name).with_suffix('.pcapng')}")
