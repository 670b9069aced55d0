"""``fieldkit report``: what is wrong in captures and logs, who has to act, and what to do next."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import click

from fieldkit.cli import linkoutages, options, output, serialjoin
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.outcome import Outcome
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.cli.diagnosis import Sources
    from fieldkit.reports.document import Report
    from fieldkit.session import Session

_EXAMPLES = """
\b
Examples:
  fieldkit report site.pcapng
  fieldkit report site.pcapng -o site.html -o site.json -o evidence.pcapng
  fieldkit report ring_*.pcapng -o transactions.csv -o meters.csv -o exchanges.csv
  fieldkit report --fail-on warning -o acceptance.xml commissioning.pcapng
  fieldkit report --anonymize for-vendor.jsonl site.pcapng
  fieldkit report --filter 'station = CP_7' depot.pcapng
  fieldkit report site.pcapng ttyUSB0-20260831-080000-123.serial.jsonl --serial-station CP_7
  fieldkit report lan.pcap --router link.jsonl -o site.html
  ssh router tcpdump -i any -U -w - tcp | fieldkit report -

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong command line,
3 a source cannot be used, 5 nothing was found, but the capture is damaged, has
gaps or shows no OCPP, or a document could not be written, 130 interrupted.
"""

_LEVELS = options.LEVELS


def _catalogue(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from fieldkit.checks.runner import known_checks
    from fieldkit.reports.catalogue import kinds_of

    for kind in kinds_of(known_checks()):
        click.echo(f"{kind.id:<40} {kind.severity:<8} {kind.owner:<12} {kind.title}")
    ctx.exit()


@click.command(name="report", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    help="Write a document; the suffix says which: .html .json .txt .md .csv (transactions; NAME.exchanges.csv, "
    "NAME.meters.csv) .xml (JUnit) .pcapng (the packets that matter, with comments) .jsonl (Open OCPP Trace). "
    "May be given several times; - is text on standard output.",
)
@options.json_to
@options.expression("Only findings, messages and stations that match")
@options.keylog
@options.validate
@options.zone
@options.fail_on
@options.min_profile
@options.plugin
@serialjoin.station
@serialjoin.device
@click.option(
    "--router",
    metavar="FILE",
    multiple=True,
    help="What the router told while it was captured: of fieldkit link --watch --json, conntrack -E, ip -ts monitor.",
)
@options.show_ids
@click.option(
    "--anonymize",
    metavar="FILE",
    multiple=True,
    help="Write the conversations for somebody outside, names replaced: .jsonl (trace) or .pcapng.",
)
@click.option("--include-secrets", is_flag=True, help="Keep passwords and keys in the packets of a .pcapng.")
@click.option(
    "--detect", is_flag=True, help="Look for what is unusual, too: incidents (three times as slow; docs/detector.md)."
)
@click.option("--utc", is_flag=True, expose_value=False, help="Times in UTC: those of a report always are.")
@options.color
@options.configured
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr: how long it took.")
@click.option("--list-findings", is_flag=True, is_eager=True, expose_value=False, callback=_catalogue,
              help="List all findings there are, and exit.")  # fmt: skip
def command(
    sources: tuple[str, ...],
    outputs: tuple[str, ...],
    json_to: str | None,
    filter_text: str | None,
    keylog: tuple[str, ...],
    validate: bool,
    zone: str | None,
    fail_on: str,
    min_profile: int | None,
    plugins: tuple[str, ...],
    serial_station: tuple[str, ...],
    serial_device: tuple[str, ...],
    router: tuple[str, ...],
    show_ids: bool,
    anonymize: tuple[str, ...],
    include_secrets: bool,
    detect: bool,
    color: str,
    quiet: bool,
    verbose: bool,
) -> ExitCode:
    """Say what is wrong in captures and logs, who has to act, and what to do next.

    SOURCE is a pcap or pcapng file (also gzipped), a log or export with OCPP messages in it (Open OCPP Trace, JSON,
    CSV, text), a recording of a serial port beside these (docs/serial.md), or - for standard input. Several sources
    are one site. Without -o the report is text on standard output. docs/report.md explains it, docs/findings.md has
    every finding.
    """
    import time

    from fieldkit.checks.policy import Policy
    from fieldkit.cli import chosen, diagnosis, documents, reading
    from fieldkit.cli.terminal import wants_color
    from fieldkit.models.opening import build_detector
    from fieldkit.reports.model import build

    begun = time.monotonic()
    joined = serialjoin.Joined(sources, serial_station, serial_device)
    plugged = None
    if plugins:
        from fieldkit.cli.plugged import Plugged

        plugged = Plugged(plugins, sources)
        outputs = plugged.take(outputs)
    files = [name for name in outputs if name != "-"]
    text_wanted = "-" in outputs or not (outputs or json_to or anonymize or (plugged and plugged.outputs))
    if json_to == "-" and "-" in outputs:
        raise click.UsageError("-o - and --json - cannot both have standard output")
    if json_to and json_to != "-":
        documents.check_json(json_to, files, (*sources, *keylog))
    documents.check(files, anonymize, [*sources, *keylog])
    wishes = documents.Wishes(
        show_ids=show_ids,
        include_secrets=include_secrets,
        fail_on=fail_on,
        color=text_wanted and wants_color(color, sys.stdout),
    )
    matching = chosen.matching(filter_text)
    offset = reading.utc_offset(zone)
    # Many small objects, hardly any cycles: let the collector look less often.
    gc.set_threshold(500_000, 50, 50)
    outcome = Outcome(quiet=quiet)
    taken = diagnosis.Sources(joined.others, utc_offset=offset, outcome=outcome)
    if not taken.opened:
        return outcome.exit_code()
    try:
        with documents.Documents(files, anonymize, wishes) as written:
            checks = plugged.checks if plugged else ()
            detector = build_detector() if detect else None
            session = chosen.session_for(Policy(security_profile=min_profile), written, matching, checks, detector)
            decoding = plugged.begin(session.failed_plugins) if plugged else None
            joined.begin(session.picture, outcome)
            if router and not linkoutages.take(router, session, offset or 0, outcome):
                return ExitCode.SOURCE
            diagnosis.run(taken, session, outcome, keylog=keylog, quiet=quiet, validate=validate, decoding=decoding,
                          beside=joined.among)  # fmt: skip
            status = outcome.exit_code()
            if status is ExitCode.SOURCE and session.tally.nothing:
                outcome.conclude(taken.opened)
                return status
            report = build(session, sources=taken.opened, show_ids=show_ids)
            report["capture"]["notes"] += joined.notes(session.picture)
            if matching is not None:
                matching.narrow(report)
            elif not session.tally.messages:
                _tell_what_else(report, taken)
            if text_wanted:
                documents.show(documents.render("text", report, wishes))
            if json_to == "-":
                documents.show(documents.render("jsonreport", report, wishes))
            elif json_to:
                output.save(json_to, documents.render("jsonreport", report, wishes).encode("utf-8", "replace"))
            names = [*written.finish(session, report, taken), *([json_to] if json_to and json_to != "-" else [])]
            if plugged:
                names += plugged.finish(report)
    finally:
        taken.close()
    if not text_wanted:
        outcome.conclude(taken.opened)
    if not quiet:
        told = [] if text_wanted else [report["summary"]["verdict"]]
        told += [f"written: {', '.join(names)}"] if names else []
        if verbose:
            told.append(f"{session.packets:,} packets and {session.tally.messages:,} messages "
                        f"in {time.monotonic() - begun:.1f} s")  # fmt: skip
        for line in [*told, *written.notes]:
            click.echo(f"fieldkit: {terminal(line)}", err=True)
    status = ExitCode.INCOMPLETE if plugged and plugged.failed and status is ExitCode.OK else status
    return verdict(status, report, session, fail_on)


def _tell_what_else(report: Report, taken: Sources) -> None:
    """Of a capture without OCPP: what there is besides TCP connections, which the engine does not look at."""
    from fieldkit.reports.contents import Contents

    contents = Contents()
    for source in taken.again():
        try:
            contents.look_through(source.items())
        finally:
            source.close()
    if report["summary"]["severity"] != "nothing":
        report["capture"]["notes"].insert(0, "There is no OCPP to be seen in this capture.")
    report["capture"]["notes"] += contents.told()


def verdict(status: ExitCode, report: Report, session: Session, fail_on: str) -> ExitCode:
    """What the process ends with. Findings stand, whatever is missing; that there are none must be certain."""
    if status is ExitCode.SOURCE:
        return status
    counts = report["summary"]["findings"]
    worse = _LEVELS[: _LEVELS.index(fail_on) + 1] if fail_on in _LEVELS else ()
    if any(count for severity, count in counts.items() if severity in worse):
        return ExitCode.FINDINGS
    # Without OCPP, or where the filter lets none pass, nothing was shown to be right. A critical finding says why.
    nothing = not (report["capture"]["messages"] or counts["critical"]) or not report["capture"]["complete"]
    return ExitCode.INCOMPLETE if nothing or session.failed_checks else status
