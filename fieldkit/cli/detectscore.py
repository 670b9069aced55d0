"""``fieldkit detect score``: captures and logs in, incidents out."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.detect.symptom import Layer
    from fieldkit.models.opening import Site

_EXAMPLES = """
\b
Examples:
  fieldkit detect score site.pcapng
  fieldkit detect score week_*.pcapng --alerts alerts.jsonl
  fieldkit detect score today.pcapng --state site.calibration
  fieldkit detect score site.pcapng | jq -r '.station + ": " + .explanation'

\b
Each line has t (seconds since the epoch when it was raised), station (* is the site), category
(intrusion, fraud, maintenance, connectivity, energy, benign), family, score, explanation,
advice, evidence.

\b
Exit codes: 0 no incident but benign ones, 1 incidents, 2 wrong command line, 3 a source cannot
be used, 5 the capture is damaged or has gaps and nothing was found.
"""


@click.command(name="score", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--alerts", metavar="FILE", help="Write the lines to a file instead of standard output.")
@click.option("--state", metavar="FILE", help="What calibrate has learnt of this site.")
@click.option(
    "--layers",
    default="rules,statistics,model",
    show_default=True,
    metavar="NAMES",
    help="What to judge by: rules, statistics, model.",
)
@click.option(
    "--runtime",
    type=click.Choice(["ai-edge-litert", "tflite-runtime", "numpy", "python"]),
    help="What runs the model (default: the first of them that works).",
)
@options.keylog
@options.validate
@options.zone
@options.show_ids
@options.quiet
def command(
    sources: tuple[str, ...],
    alerts: str | None,
    state: str | None,
    layers: str,
    runtime: str | None,
    keylog: tuple[str, ...],
    validate: bool,
    zone: str | None,
    show_ids: bool,
    quiet: bool,
) -> ExitCode:
    """Say what is unusual in captures and logs, and why: one line of JSON an incident, when all is read.

    SOURCE is what fieldkit report takes: captures, logs, Open OCPP Trace, or - for standard input. Several sources are
    one site.
    """
    from fieldkit.cli import diagnosis, output, reading
    from fieldkit.models.opening import Site
    from fieldkit.reports.incidents import alert
    from fieldkit.reports.model_evidence import EvidenceWriter
    from fieldkit.session import Session

    chosen = wanted(layers)
    if alerts and alerts != "-":
        output.check(alerts, (*sources, *keylog, *((state,) if state else ())))
    gc.set_threshold(500_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    taken = diagnosis.Sources(sources, utc_offset=reading.utc_offset(zone), outcome=outcome)
    if not taken.opened:
        return outcome.exit_code()
    try:
        with Site(layers=chosen, state=state, runtime=runtime or "") as site:
            detector = site.detector
            diagnosis.run(taken, Session(detector=detector), outcome, keylog=keylog, quiet=quiet, validate=validate)
            notes = [*detector.notes, *drift_notes(site)]
    finally:
        taken.close()
    writer = EvidenceWriter(show_ids=show_ids)
    lines = [json.dumps(alert(incident, writer), ensure_ascii=False) for incident in detector.incidents]
    text = "".join(line + "\n" for line in lines)
    if alerts and alerts != "-":
        output.save(alerts, text.encode("utf-8", "replace"))
    elif text:
        click.echo(text, nl=False)
    for note in notes if not quiet else ():
        click.echo(f"fieldkit: {terminal(note)}", err=True)
    outcome.conclude(taken.opened)
    status = outcome.exit_code()
    if status is ExitCode.SOURCE:
        return status
    if any(incident.category != "benign" for incident in detector.incidents):
        return ExitCode.FINDINGS
    return status


def drift_notes(site: Site) -> list[str]:
    """What has moved since the calibration that was loaded was made."""
    if site.calibration is None:
        return []
    notes = []
    for station, moved in site.calibration.drift().items():
        what = ", ".join(f"{words} ({index})" for words, index in moved[:4])
        notes.append(
            f"What is usual at {station} has moved since it was calibrated: {what}. If it has new firmware or another "
            f"SIM, learn anew: fieldkit detect calibrate --relearn {station}"
        )
    return notes


def wanted(text: str) -> tuple[Layer, ...]:
    """The layers that a list names."""
    from fieldkit.detect.symptom import LAYERS

    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names <= set(LAYERS):
        raise click.UsageError(f"--layers {text}: there are {', '.join(LAYERS)}")
    if not names:
        raise click.UsageError("--layers: name at least one")
    return tuple(layer for layer in LAYERS if layer in names)
