"""``fieldkit doctor``: what works on this machine, and the exact command that mends what does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit import __version__
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.doctor import AREAS

if TYPE_CHECKING:
    from fieldkit.doctor.probe import Result

_EXAMPLES = """
\b
Examples:
  fieldkit doctor
  fieldkit doctor capture serial
  fieldkit doctor --json - | jq '.results[] | select(.state == "missing")'

\b
Exit codes: 0 all that a capture needs works, 1 something that is needed is missing, 2 wrong
command line, 5 the output cannot be written. docs/doctor.md tells what is looked at.
"""

_SYMBOLS: Final = {"works": ("✓", "+"), "warning": ("!", "!"), "missing": ("✗", "x"), "note": ("·", "-")}
"""By state, with UTF-8 and without. The word stands beside it: a symbol alone tells nothing to many."""
_COLOURS: Final = {"works": "green", "warning": "yellow", "missing": "red", "note": None}
_TITLES: Final = {"trust": "trusted certificates", "detector": "anomaly detector", "packages": "optional packages"}


@click.command(name="doctor", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("areas", metavar="[AREA]...", nargs=-1, type=click.Choice(AREAS))
@click.option("--json", "json_to", metavar="FILE|-", help="Write what was found as one JSON document.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="Tell only what is wrong.")
def command(areas: tuple[str, ...], json_to: str | None, color: str, quiet: bool) -> ExitCode:
    """See what works on this machine, and the exact command that mends what does not.

    Nothing is changed, nothing is sent, no password is asked for. AREA: capture, interfaces, serial, trust, detector,
    terminal, clock, disk, router, packages.
    """
    from fieldkit.cli.output import check, save
    from fieldkit.cli.terminal import wants_color
    from fieldkit.doctor import examine, is_ready

    if json_to and json_to != "-":
        check(json_to, ())
    results = examine(areas or AREAS)
    ready = is_ready(results)
    if json_to:
        document = json.dumps(as_json(results, ready), ensure_ascii=False, indent=2) + "\n"
        if json_to == "-":
            click.echo(document, nl=False)
        else:
            save(json_to, document.encode())
    if json_to != "-":
        encoding = (getattr(sys.stdout, "encoding", "") or "ascii").lower()
        lines = told(
            results, ready, plain=not encoding.startswith("utf"), coloured=wants_color(color, sys.stdout), quiet=quiet
        )
        click.echo("\n".join(lines).encode(encoding, "backslashreplace").decode(encoding), color=True)
    return ExitCode.OK if ready else ExitCode.FINDINGS


def as_json(results: Sequence[Result], ready: bool) -> dict[str, Any]:
    """The document of ``--json``."""
    import platform

    from fieldkit.doctor import machine

    return {
        "schema": 1,
        "tool": {"name": "fieldkit", "version": __version__},
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "user": machine.user(),
            "root": machine.is_root(),
            "installer": machine.installer(),
        },
        "ready": ready,
        "results": [
            {
                "area": result.area,
                "name": result.name,
                "state": result.state.value,
                "text": result.text,
                "needed": result.needed,
                "mend": list(result.mend),
            }
            for result in results
        ],
    }


def told(results: Sequence[Result], ready: bool, *, plain: bool, coloured: bool, quiet: bool) -> list[str]:
    """For people: by area, symbol and word, and below it what mends it."""
    from fieldkit.safetext import terminal

    def styled(text: str, **how: Any) -> str:
        return click.style(text, **how) if coloured else text

    lines: list[str] = []
    area = ""
    for result in results:
        state = result.state.value
        if quiet and state in ("works", "note"):
            continue
        if result.area != area:
            area = result.area
            lines += ["", styled(_TITLES.get(area, area).capitalize(), bold=True)]
        symbol = _SYMBOLS[state][plain]
        word = styled(f"{symbol} {state:<8}", fg=_COLOURS[state])
        lines.append(f"  {word} {terminal(result.name)}: {terminal(result.text)}")
        lines += [f"               {styled(terminal(one), fg='cyan')}" for one in result.mend]
    verdict = "Ready to capture." if ready else "Not ready to capture: mend what is missing."
    return [*lines, "", styled(verdict, bold=True, fg="green" if ready else "red")][0 if lines and lines[0] else 1 :]
