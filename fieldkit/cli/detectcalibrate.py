"""``fieldkit detect calibrate``: what is usual at a site, from captures or logs of ordinary days."""

from __future__ import annotations

import gc

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit detect calibrate week_*.pcapng --state site.calibration
  fieldkit detect calibrate new.pcapng --state site.calibration --relearn CP_7

\b
What was learnt before is kept and added to. Nothing is learnt from a station while an incident
concerns it.

\b
Exit codes: 0 learnt, 2 wrong command line, 3 a source cannot be used, 5 too little was seen, or
the file cannot be written.
"""


@click.command(name="calibrate", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--state", metavar="FILE", required=True, help="The calibration, read if it is there, and written.")
@click.option(
    "--relearn", metavar="STATION", multiple=True, help="Forget what is known of a station first: new firmware, SIM."
)
@options.keylog
@options.zone
@options.quiet
def command(
    sources: tuple[str, ...],
    state: str,
    relearn: tuple[str, ...],
    keylog: tuple[str, ...],
    zone: str | None,
    quiet: bool,
) -> ExitCode:
    """Learn what is usual at a site. A day or more is good; less leaves most to what is usual in the fleet."""
    from pathlib import Path

    from fieldkit.cli import diagnosis, output, reading
    from fieldkit.models import calibrationfile
    from fieldkit.models.opening import Site
    from fieldkit.models.runtimes import INLINE
    from fieldkit.session import Session

    output.check(state, (*sources, *keylog))
    gc.set_threshold(500_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    taken = diagnosis.Sources(sources, utc_offset=reading.utc_offset(zone), outcome=outcome)
    if not taken.opened:
        return outcome.exit_code()
    try:
        with Site(state=state if Path(state).exists() else None, runtime=INLINE) as site:
            assert site.calibration is not None, "all layers are on"
            for name in relearn:
                site.calibration.forget(name)
            diagnosis.run(taken, Session(detector=site.detector), outcome, keylog=keylog, quiet=quiet, validate=True)
            learnt = site.calibration.stations()
            notes = site.detector.notes
            incidents = sum(incident.category != "benign" for incident in site.detector.incidents)
            if learnt:
                try:
                    calibrationfile.save(state, site.calibration)
                except OSError as error:
                    raise output.OutputError(state, error) from error
    finally:
        taken.close()
    for note in notes if not quiet else ():
        click.echo(f"fieldkit: {terminal(note)}", err=True)
    status = outcome.exit_code()
    if not learnt:
        click.echo("fieldkit: nothing was seen of any station: nothing is learnt, nothing was written", err=True)
        return status if status is ExitCode.SOURCE else ExitCode.INCOMPLETE
    if not quiet:
        for name, hours, windows in learnt:
            stage = "known" if hours >= 24 else f"the fleet's measure holds for {24 - hours:.0f} more hours"
            click.echo(f"{terminal(name)}: {hours:.1f} h, {windows} windows: {stage}")
        if incidents:
            click.echo(
                f"fieldkit: {incidents} incidents in this time; nothing was learnt from the stations while they lasted "
                "(fieldkit detect score shows them)",
                err=True,
            )
    return status
