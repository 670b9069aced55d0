"""``fieldkit detect train``: a model of one's own, from captures of ordinary days."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit detect train depot_*.pcapng -o my-model
  fieldkit detect train week.jsonl -o my-model --seed 3

\b
Needs numpy (pip install 'fieldkit[ml]'). The same sources and seed give the same bytes. What it
writes is pinned by its own manifest.

\b
Exit codes: 0 written, 2 wrong command line, 3 a source cannot be used, 5 too little was seen,
numpy is missing, or the folder cannot be written.
"""


@click.command(name="train", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", "folder", metavar="FOLDER", required=True, help="Where model, prior and manifest go.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True, help="Of all chance.")
@click.option("--epochs", type=click.IntRange(1, 500), default=24, show_default=True, help="Rounds over the data.")
@options.keylog
@options.zone
@options.quiet
def command(
    sources: tuple[str, ...],
    folder: str,
    seed: int,
    epochs: int,
    keylog: tuple[str, ...],
    zone: str | None,
    quiet: bool,
) -> ExitCode:
    """Train the model and the prior anew from windows in which the rules found nothing."""
    from importlib.util import find_spec

    from fieldkit.cli import diagnosis, output, reading
    from fieldkit.models import training
    from fieldkit.session import Session

    if find_spec("numpy") is None:
        click.echo("fieldkit: training needs numpy: pip install 'fieldkit[ml]'", err=True)
        return ExitCode.INCOMPLETE
    gc.set_threshold(500_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    collection = training.Collection()
    taken = diagnosis.Sources(sources, utc_offset=reading.utc_offset(zone), outcome=outcome)
    if not taken.opened:
        return outcome.exit_code()
    try:
        detector, windows = training.collector(collection, "site")
        diagnosis.run(taken, Session(detector=detector), outcome, keylog=keylog, quiet=quiet, validate=True)
        for watched in windows.watched.values():
            collection.sequences(watched.trigrams)
    finally:
        taken.close()
    status = outcome.exit_code()
    if status is ExitCode.SOURCE:
        return status
    about = {"data": ", ".join(Path(name).name for name in sources)}
    try:
        trained = training.train(collection, about, seed=seed, epochs=epochs)
        training.save(trained, Path(folder))
    except ValueError as error:
        click.echo(f"fieldkit: {error}", err=True)
        return ExitCode.INCOMPLETE
    except OSError as error:
        raise output.OutputError(folder, error) from error
    if not quiet:
        click.echo(
            f"fieldkit: {terminal(folder)}: {len(trained.model):,} bytes from {collection.windows:,} windows of "
            f"{len(collection.stations)} stations",
            err=True,
        )
    return status
