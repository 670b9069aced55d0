"""``fieldkit collect run``: from a broker into SQLite and JSON lines."""

from __future__ import annotations

import time
from pathlib import Path

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit collect run mqtts://broker.example --ca ca.pem --db findings.db
  fieldkit collect run mqtt://127.0.0.1 --db findings.db --jsonl findings.jsonl --for 1h

\b
The broker keeps messages for the client id (--client) while this does not run. A message is acknowledged
when it is on disk. Exit codes: 0, 2 wrong command line, 5 the files cannot be written.
"""
_REPORT = 60.0


@click.command(name="run", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("broker", metavar="BROKER")
@click.option("--db", "db", metavar="FILE", required=True, help="SQLite file; it is made if it is not there.")
@click.option("--jsonl", metavar="FILE", help="Also each new revision as a line of JSON.")
@click.option("--prefix", default="fieldkit", show_default=True, help="Of the topics.")
@click.option("--client", default="fieldkit-collect", show_default=True, help="Client id, one for each collector.")
@click.option("--user", default="", help="User name at the broker.")
@click.option("--password-file", metavar="FILE", default="", help="Its password: the first line of a file of mode 600.")
@click.option("--ca", metavar="FILE", default="", help="Certificates to trust in place of the system's.")
@click.option("--cert", metavar="FILE", default="", help="Client certificate (PEM).")
@click.option("--key", metavar="FILE", default="", help="Its private key, in a file of mode 600.")
@click.option("--pin", "pins", multiple=True, metavar="SHA256", help="The broker's certificate must be this one.")
@click.option("--plain", is_flag=True, help="Let mqtt:// go over the network, where others can read it.")
@click.option("--mqtt", "version", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@options.lasting
@options.quiet
def command(broker: str, db: str, jsonl: str | None, lasting: str | None, quiet: bool, **given: object) -> ExitCode:
    """Subscribe to BROKER (mqtts://HOST[:PORT]) and write what comes: each finding once, in its latest revision."""
    from fieldkit.agent.collection import Collection, CollectionError
    from fieldkit.agent.sinks.mqtt import read
    from fieldkit.agent.sinks.shared import SinkError
    from fieldkit.agent.subscriber import Subscriber
    from fieldkit.cli.moments import seconds
    from fieldkit.cli.stopping import Stop
    from fieldkit.config import ConfigError, Document

    def complain(text: str) -> None:
        click.echo(f"fieldkit: {terminal(text, 400)}", err=True)

    def say(text: str) -> None:
        if not quiet:
            complain(text)

    # The same keys, and the same judgement of them, as in an agent's configuration.
    paths = ("ca", "cert", "key", "password_file")
    table = {"url": broker, **{k: str(Path(str(v)).absolute()) if k in paths else v for k, v in given.items() if v}}
    if "pins" in table:
        table["pins"] = list(given["pins"])  # type: ignore[call-overload]
    document = Document(table, "collect run", "")
    wanted = read(document.root)
    try:
        document.finish()
        collection = Collection(Path(db), Path(jsonl) if jsonl else None)
        subscriber = Subscriber(wanted, collection, say)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except (CollectionError, SinkError) as error:
        complain(str(error))
        return ExitCode.INCOMPLETE if isinstance(error, CollectionError) else ExitCode.USAGE
    last = time.monotonic()

    def report() -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT:
            last = time.monotonic()
            say(_counted(collection))

    try:
        with Stop(seconds=seconds("--for", lasting) if lasting else 0) as stop:
            subscriber.run(stop, report)
    except CollectionError as error:
        complain(str(error))
        return ExitCode.INCOMPLETE
    finally:
        say(_counted(collection))
        collection.close()
    return ExitCode.OK


def _counted(collection: object) -> str:
    from fieldkit.agent.collection import Collection

    assert isinstance(collection, Collection)
    counts = collection.counts
    return (
        f"{counts.messages:,} messages: {counts.new:,} new, {counts.revised:,} revised, {counts.repeated:,} repeated, "
        f"{counts.useless:,} of no use"
    )
