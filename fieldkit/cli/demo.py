"""``fieldkit demo``: a recorded site with real faults, so that one sees what a report is before there is a capture."""

from __future__ import annotations

import os
import sys
import textwrap
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fieldkit.checks.words import counted, listed
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.reports.document import Report

_WIDTH = 80

_EXAMPLES = """
\b
Examples:
  fieldkit demo
  fieldkit demo -o demo.html -o demo.pcapng
"""


@click.command(name="demo", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option(
    "-o", "--output", "outputs", metavar="FILE", multiple=True, help="Documents to write, as `fieldkit report` does."
)
@click.option("--open/--no-open", "opening", default=None, help="Open the page in a browser (default: on a desktop).")
@click.option("--save-capture", metavar="FILE", help="Save the recorded site (.pcapng.gz) to try things on.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(outputs: tuple[str, ...], opening: bool | None, save_capture: str | None, quiet: bool) -> ExitCode:
    """See what a report looks like: a recorded site with real faults.

    Writes the report as a page (to a temporary file unless -o says where) and tells the verdict and the findings.
    Needs no network and no hardware.
    """
    from fieldkit.cli import diagnosis, documents, output
    from fieldkit.cli.outcome import Outcome
    from fieldkit.reports.model import build
    from fieldkit.session import Session

    documents.check(outputs, (), ())
    if save_capture:
        output.check(save_capture, ())
    resource = files("fieldkit") / "demo" / "site.pcapng.gz"
    if save_capture:
        output.save(save_capture, resource.read_bytes())
    names = outputs or (_temporary(),)
    with as_file(resource) as path, documents.Documents(names, (), documents.Wishes()) as written:
        outcome = Outcome(quiet=True)
        taken = diagnosis.Sources((str(path),), utc_offset=None, outcome=outcome)
        if not taken.opened:
            return outcome.exit_code()
        try:
            session = Session(None, written.watchers)
            diagnosis.run(taken, session, outcome, keylog=(), quiet=quiet)
            taken.opened[0].name = "the recorded site"
            report = build(session, sources=taken.opened)
            taken.opened[0].name = str(path)
            written.finish(session, report, taken)
        finally:
            taken.close()
    documents.show("\n".join(_told(report, names)))
    page = next((name for name in names if name.endswith((".html", ".htm"))), "")
    if page and (_has_desktop() if opening is None else opening):
        import webbrowser

        webbrowser.open(Path(page).resolve().as_uri())
    return ExitCode.OK


def _temporary() -> str:
    import tempfile

    return str(Path(tempfile.mkdtemp(prefix="fieldkit-demo-")) / "report.html")


def _told(report: Report, names: tuple[str, ...]) -> list[str]:
    """The verdict, what to do first, and every kind of finding with the stations that have it."""
    from fieldkit.reports.plainwords import OWNERS

    lines = [*_wrapped(report["summary"]["verdict"], ""), ""]
    for number, step in enumerate(report["summary"]["next"][:3], 1):
        place = f" ({step['station']})" if step["station"] else ""
        lines += _wrapped(f"[{OWNERS[step['owner']]}] {step['text']}{place}", f"  {number}. ")
    lines.append("")
    found: dict[tuple[str, str, str], list[str]] = {}
    for finding in report["findings"]:
        stations = found.setdefault((finding["severity"], finding["id"], finding["title"]), [])
        if finding["station"] and finding["station"] not in stations:
            stations.append(finding["station"])
    notes = sum(severity == "info" for severity, _, _ in found)
    for (severity, id_, title), stations in found.items():
        if severity == "info":
            continue
        place = f" ({listed(stations, 3)})" if stations else ""
        lines += _wrapped(f"{title}{place}", f"  {severity:<8}  ")
        lines.append(f"            {id_}")
    lines.append(f"  info      {counted(notes, 'other thing')} worth knowing: see the report")
    lines += ["", *(f"{'The report' if name.endswith('.html') else 'Written'}: {name}" for name in names)]
    return lines


def _wrapped(text: str, head: str) -> list[str]:
    """For a terminal of 80 columns, the rest below the first word."""
    return textwrap.wrap(terminal(text), _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _has_desktop() -> bool:
    """Whether a browser would open a window, and not take over the terminal."""
    if not sys.stdout.isatty() or os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
