"""``fieldkit serial replay``: a recording, shown as it was shown live."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from fieldkit.cli import options, serialoptions
from fieldkit.cli.exitcodes import ExitCode

_EXAMPLES = """
\b
Examples:
  fieldkit serial replay ttyUSB0-20260831-080000-123.serial.jsonl
  fieldkit serial replay x.serial.jsonl --speed 1
  fieldkit serial replay x.serial.jsonl --device modbus:sdm630 --format events | jq .reading.name

\b
Exit codes: 0 all was shown, 2 wrong command line, 3 no such recording, 5 the recording is damaged.
"""


@click.command(name="replay", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("recording", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--speed", type=click.FloatRange(0, 1000), default=0.0, help="1: as long as it took; 0: at once (default)."
)
@click.option("--device", "device_text", metavar="DEVICE", help="Decode as this: modbus:PROFILE, rapi, at, sml …")
@serialoptions.view
@serialoptions.gap
@serialoptions.stamps
@click.option("--format", "form", type=click.Choice(["text", "events"]), default="text", show_default=True)
@serialoptions.utc
@options.color
def command(recording: Path, **given: Any) -> ExitCode:
    """Show a recording as it was shown live.

    The same decoders get the same bytes with the same times, so the same lines come out; another --device or --view
    shows what else was in it.
    """
    from fieldkit.cli.serialrows import RowLines, as_json_line
    from fieldkit.cli.terminal import wants_color
    from fieldkit.sources.serial.decoding import USB_GAP, Decoder, Row
    from fieldkit.sources.serial.recording import RecordingError, read_recording
    from fieldkit.sources.serial.retold import expected_of
    from fieldkit.sources.serial.settings import parse_line

    spec = serialoptions.device(given["device_text"]) if given["device_text"] else None
    try:
        about, items = read_recording(recording)
        expected = spec.expected if spec is not None else expected_of(about, serialoptions.find_profile)
        gap = (given["gap"] or 0) * 1_000_000 or USB_GAP
        decoder = Decoder(parse_line(about.settings), about.port, view=given["view"], expected=expected, gap=gap)
    except OSError as error:
        raise serialoptions.PortFailure(f"{recording}: {error.strerror or error}") from error
    except RecordingError as error:
        raise serialoptions.PortFailure(str(error)) from error
    except ValueError as error:
        raise serialoptions.PortFailure(f"{recording}: {error}") from error
    events = given["form"] == "events"
    coloured = not events and wants_color(given["color"], sys.stdout)
    lines = RowLines(stamps=given["stamps"], utc=given["utc"], coloured=coloured)

    def show(rows: list[Row]) -> None:
        for row in rows:
            click.echo(as_json_line(about.port, row) if events else lines.line(about.port, row), color=True)

    pace, before = given["speed"], 0
    try:
        for item in items:
            if pace and before:
                time.sleep(min(max(0, item.time - before) / 1e9 / pace, 3600))
            before = item.time
            show(decoder.feed(item))
    except RecordingError as error:
        show(decoder.finish())
        raise serialoptions.NotWhole(str(error)) from error
    show(decoder.finish())
    return ExitCode.OK
