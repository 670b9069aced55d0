"""``fieldkit cert``: who a certificate is for, until when, whether it is fit for its purpose, and why not."""

from __future__ import annotations

import sys
from time import time_ns
from typing import TYPE_CHECKING

import click

from fieldkit.cli import options, output
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.trust.bag import Judged, Wishes

_EXAMPLES = """
\b
Examples:
  fieldkit cert csms.pem
  fieldkit cert --for csms --host csms.example --ca root.pem fullchain.pem
  fieldkit cert --for 15118-secc secc.pem sub2.pem sub1.pem --ca v2g-root.pem
  fieldkit cert station.p12
  fieldkit cert request.csr certificate.pem key.pem
  openssl s_client -showcerts -connect csms.example:443 | fieldkit cert -

\b
--for takes: csms, station, csms-root, manufacturer-root, firmware; and for
ISO 15118-2: 15118-secc, 15118-contract, 15118-provisioning, 15118-oem,
15118-cpo-sub1, 15118-cpo-sub2, 15118-mo-sub1, 15118-mo-sub2, 15118-v2g-root;
for ISO 15118-20 the same with 15118-20- in front.

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong command line,
3 a file cannot be used, 5 a document could not be written, 130 interrupted.
"""


def _purpose(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    if not value:
        return ""
    from fieldkit.trust.purpose import PURPOSES

    if value not in PURPOSES:
        raise click.BadParameter(f"{value!r} is none of {', '.join(PURPOSES)}", ctx, param)
    return value


@click.command(name="cert", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--for", "purpose", metavar="PURPOSE", callback=_purpose,
              help="What the certificate is for (see below): judge it by the requirements on that.")  # fmt: skip
@click.option("--edition", type=click.Choice(["1.6", "2.0.1", "2.1"]), default="2.0.1", show_default=True,
              help="Edition of OCPP whose requirements and limits count.")  # fmt: skip
@click.option("--ca", metavar="FILE|system", multiple=True,
              help="Trust anchors: roots that the other side has; system: the store of this machine.")  # fmt: skip
@click.option("--host", metavar="NAME", default="", help="Name or address by which the CSMS is called.")
@click.option("--serial", metavar="NUMBER", default="", help="Serial number of the station, for --for station.")
@click.option("--operator", metavar="NAME", default="", help="Name of the operator (CpoName), for --for station.")
@click.option("--at", "at", metavar="TIME", help="Judge as of that time (2026-12-31, 2026-12-31T12:00Z; UTC).")
@click.option("--password-fd", type=click.IntRange(0, 1023), metavar="N",
              help="Read the password of PKCS#12 files and keys from this file descriptor. Otherwise "
              "FIELDKIT_P12_PASSWORD, or the terminal is asked.")  # fmt: skip
@click.option("--json", "json_to", metavar="FILE|-", help="Write everything as one JSON document.")
@options.fail_on
@options.color
@options.configured
@options.quiet
def command(
    files: tuple[str, ...],
    purpose: str,
    edition: str,
    ca: tuple[str, ...],
    host: str,
    serial: str,
    operator: str,
    at: str | None,
    password_fd: int | None,
    json_to: str | None,
    fail_on: str,
    color: str,
    quiet: bool,
) -> ExitCode:
    """Judge certificates, chains, requests and revocation data in files.

    FILE is PEM, DER, PKCS#7, PKCS#12, a certificate request, an OCSP response, a revocation list, a key, or base64 out
    of a log; - is standard input. What belongs together is found out: give leaf, intermediates, key and request in any
    order. Private keys are never shown. docs/certificates.md explains it.
    """
    from fieldkit.cli import certfiles
    from fieldkit.cli.terminal import wants_color
    from fieldkit.trust.bag import Wishes, anchors_from, judge_bag

    if files.count("-") > 1:
        raise click.UsageError("standard input can be read once only")
    if json_to and json_to != "-":
        output.check(json_to, [*files, *ca])
    time = options.judged_at(at) if at is not None else time_ns() // 1_000_000_000 * 1_000_000_000
    anchors = anchors_from(*certfiles.anchors(ca)) if ca else None
    reader = certfiles.Reader(password_fd)
    laid = [one for one in map(reader.read, files) if one is not None]
    if not laid:
        return ExitCode.SOURCE
    wishes = Wishes(time, anchors, purpose, edition, host.strip(), serial, operator)  # type: ignore[arg-type]
    judged = judge_bag(laid, wishes)
    if json_to:
        from fieldkit.cli.certdocument import document

        _write(json_to, document(laid, judged, wishes))
    if json_to != "-":
        from fieldkit.cli.certtext import render

        _show(render(laid, judged, wishes, color=wants_color(color, sys.stdout)))
    if json_to and json_to != "-" and not quiet:
        click.echo(f"fieldkit: written: {json_to}", err=True)
    return _code(judged, wishes, reader.failed, fail_on)


def _write(name: str, made: dict[str, object]) -> None:
    import json

    from fieldkit.reports.jsontext import inert

    text = inert(json.dumps(made, indent=2, ensure_ascii=False)) + "\n"
    if name == "-":
        _show(text)
    else:
        output.save(name, text.encode("utf-8", "replace"))


def _show(text: str) -> None:
    from io import TextIOWrapper

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def _code(judged: Judged, wishes: Wishes, failed: int, fail_on: str) -> ExitCode:
    from fieldkit.cli.certdocument import all_findings

    if failed:
        return ExitCode.SOURCE
    worse = options.LEVELS[: options.LEVELS.index(fail_on) + 1] if fail_on in options.LEVELS else ()
    found = all_findings(judged, wishes.at)
    return ExitCode.FINDINGS if any((one.severity or one.kind.severity) in worse for one, _ in found) else ExitCode.OK
