"""What a run came to: counted while it lasts, told in a line or two on stderr, and as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal
from fieldkit.tally import Tally

if TYPE_CHECKING:
    from fieldkit.events import Event
    from fieldkit.sources.file import FileSource


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Outcome:
    """Counts what matters for the verdict on a run."""

    def __init__(self, *, quiet: bool) -> None:
        self.tally = Tally()
        self._quiet = quiet
        self._unusable = False

    def note(self, event: Event) -> None:
        """Take one event into account."""
        self.tally.note(event)

    def unusable(self, reason: str) -> None:
        """A source could not be used at all."""
        self._unusable = True
        click.echo(f"fieldkit: {terminal(reason)}", err=True)

    def conclude(self, sources: Sequence[FileSource]) -> None:
        """The closing lines on stderr."""
        tally = self.tally
        for reason in tally.damage:
            # Of several sources each names itself.
            self._say(f"{sources[0].name}: {reason}" if len(sources) == 1 else reason)
        if tally.damaged > len(tally.damage):
            self._say(f"… and {tally.damaged - len(tally.damage):,} more places like these")
        if self._quiet:
            return
        if tally.gaps:
            self._say(
                f"{_counted(tally.gaps, 'gap')}: {_counted(tally.missing, 'byte')} of WebSocket connections "
                "are missing in the capture, messages may be lacking"
            )
        if tally.undecoded_first is not None:
            self._say(
                f"{_counted(tally.undecoded, 'piece')} of traffic ({_counted(tally.lost, 'byte')}) could not be decoded"
                f", messages may be lacking; the first: {tally.undecoded_first[1]}"
            )
        if tally.snapped:
            self._say(
                "the capture keeps only the beginning of long packets "
                f"({tally.snapped:,} bytes are cut off): record it again with a snap length of 0 (tcpdump -s 0)"
            )
        if tally.dropped:
            self._say(f"the capture says that {tally.dropped:,} packets were dropped while it was taken")
        for source in sources:
            if source.zone_assumed:
                self._say(f"{source.name}: its times name no zone and were read as UTC (--zone says otherwise)")
            if source.date_assumed:
                self._say(f"{source.name}: its times name no full date; the rest was taken from messages or the file")
        if (
            not tally.messages
            and not tally.damaged
            and not tally.undecoded
            and (tally.connections or not self._unusable)
        ):
            self._say(self._nothing())

    def _nothing(self) -> str:
        seen = [f"{number:,} {name}" for name, number in self.tally.connections.most_common() if number]
        text = "no OCPP messages found"
        text += f"; TCP connections seen: {', '.join(seen)}" if seen else ", and no TCP connection"
        if self.tally.opaque:
            text += " (--keylog FILE decrypts TLS)"
        return text

    @staticmethod
    def _say(text: str) -> None:
        click.echo(f"fieldkit: {terminal(text)}", err=True)

    def exit_code(self) -> ExitCode:
        """What the process ends with."""
        tally = self.tally
        if self._unusable:
            return ExitCode.SOURCE
        if (tally.damaged or tally.undecoded) and tally.nothing:
            return ExitCode.SOURCE
        return ExitCode.INCOMPLETE if tally.incomplete else ExitCode.OK
