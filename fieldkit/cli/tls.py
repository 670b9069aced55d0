"""``fieldkit tls``: TLS and certificate posture of endpoints, as charging stations and OCPP see them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import options, output
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.reports.tlsreport import TlsReport
    from fieldkit.sources.tlsprobe.roots import Roots
    from fieldkit.sources.tlsprobe.run import Order
    from fieldkit.sources.tlsprobe.session import Wishes
    from fieldkit.sources.tlsprobe.targets import Target
    from fieldkit.sources.tlsprobe.upgrade import Credentials

_EXAMPLES = """
\b
Examples:
  fieldkit tls csms.example
  fieldkit tls wss://csms.example/ocpp --identity CP_7 --ask-password --ca roots.pem
  fieldkit tls csms.example:8443 --client-cert cp7.pem --client-key cp7.key
  fieldkit tls csms.example --interface eth0 --interface wwan0
  fieldkit tls --charger 192.168.1.20:8443
  fieldkit tls --targets csms.txt -o posture.html --json posture.json --fail-on warning

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong command line,
3 a file cannot be used, 4 no target can be reached, 5 something that matters
could not be found out in time, 130 interrupted.
"""

FORMATS: Final = {
    ".html": "tlsreporthtml", ".htm": "tlsreporthtml", ".json": "tlsreportjson", ".txt": "tlsreporttext",
    ".md": "tlsreportmarkdown", ".csv": "tlsreportcsv", ".xml": "tlsreportjunit",
}  # fmt: skip
MAX_TARGETS: Final = 1000
ALL_SUITES: Final = (300, 1_000_000)
"""Connections and bytes of an endpoint with --all-suites."""
_MAX_PASSWORD: Final = 4096


@click.command(name="tls", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("texts", metavar="TARGET...", nargs=-1)
@click.option("--targets", "lists", metavar="FILE|-", multiple=True, help="A file with a target in each line (# begins "
              "a comment).")  # fmt: skip
@click.option("--identity", metavar="ID", default="", help="The station's identity: put behind the path, and user name "
              "for the password. The CSMS takes this probe for the station!")  # fmt: skip
@click.option("--subprotocol", "subprotocols", metavar="NAME", multiple=True, help="Offered in the WebSocket upgrade, "
              "one by one (default: ocpp1.6, ocpp2.0.1, ocpp2.1).")  # fmt: skip
@click.option("--no-upgrade", is_flag=True, help="TLS only: send no HTTP request.")
@click.option("--user", metavar="NAME", default="", help="User name for HTTP Basic (default: the identity).")
@click.option("--password-file", metavar="FILE|-", default="", help="The password for HTTP Basic: the first line of "
              "a file.")  # fmt: skip
@click.option("--password-env", metavar="NAME", default="", help="The same from an environment variable.")
@click.option("--ask-password", is_flag=True, help="The same, asked for.")
@click.option("--password-hex", is_flag=True, help="The password is hexadecimal and sent decoded (OCPP 1.6 "
              "AuthorizationKey).")  # fmt: skip
@click.option("--client-cert", metavar="FILE", default="", help="Client certificate (security profile 3), PEM.")
@click.option("--client-key", metavar="FILE", default="", help="Its private key, if that is not in the same file.")
@click.option("--ca", metavar="FILE", default="", help="Trust anchors (PEM) in place of this machine's: what the "
              "station has.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="Send the password to a server whose certificate does not verify.")
@click.option("--edition", "editions", type=click.Choice(["1.6", "2.0.1", "2.1"]), multiple=True,
              help="OCPP edition to judge by (default: 1.6 and 2.0.1).")  # fmt: skip
@click.option("--profile", type=click.IntRange(0, 3), help="OCPP security profile to judge by (default: the one seen).")
@click.option("--at", metavar="TIME", default="", help="Judge certificates for this time: 2027-01-31 or with T12:00Z.")
@click.option("--fetch", is_flag=True, help="Fetch missing issuers from where certificates say (tells them whom you "
              "look at).")  # fmt: skip
@click.option("--revocation", is_flag=True, help="Ask OCSP responders and fetch revocation lists (the same).")
@click.option("--interface", "interfaces", metavar="NAME", multiple=True, help="Go out through this interface; given "
              "twice, both are compared.")  # fmt: skip
@click.option("--source", "addresses", metavar="ADDRESS", multiple=True, help="Go out from this address; the same.")
@click.option("-4", "family", flag_value="4", help="IPv4 only.")
@click.option("-6", "family", flag_value="6", help="IPv6 only.")
@click.option("--first-address", is_flag=True, help="Only the first address of each name.")
@click.option("--charger", is_flag=True, help="The targets are charging stations or local controllers: two connections "
              "at a time.")  # fmt: skip
@click.option("--all-suites", is_flag=True, help="Tell every suite apart, however many connections that takes.")
@click.option("--timeout", type=click.FloatRange(1, 60), default=10.0, show_default=True, help="Seconds for a target.")
@click.option("-o", "--output", "outputs", metavar="FILE", multiple=True, help="Write a document; the suffix says "
              "which: .html .json .txt .md .csv .xml (JUnit). - is text on standard output.")  # fmt: skip
@click.option("--json", "json_to", metavar="FILE|-", help="Write all of it as one JSON document.")
@options.fail_on
@options.color
@options.configured
@options.quiet
@click.option("--utc", is_flag=True, expose_value=False, help="Times in UTC: they always are.")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
def command(**given: Any) -> ExitCode:
    """See which TLS an endpoint speaks, whether stations can trust it, and which security profiles it meets.

    TARGET is HOST, HOST:PORT or wss://HOST[:PORT]/PATH (ws:// for one without TLS). Up to 40 short connections are
    made, four at a time, and it takes at most ten seconds. Nothing is written to the server but TLS hellos and one or
    more WebSocket upgrades. docs/tls.md explains it.
    """
    # Many small objects, hardly any cycles, and a short life: let the collector look less often.
    gc.set_threshold(100_000, 50, 50)
    from fieldkit.sources.tlsprobe.run import probe

    _check_outputs(given)
    order = _order(given)

    def say(text: str) -> None:
        if not given["quiet"]:
            click.echo(f"fieldkit: {terminal(text, 600)}", err=True)

    results = probe(order, say)
    report = _report(given, order, results)
    _write(given, report, say)
    if given["verbose"]:
        cost = [target["cost"] for target in report["targets"]]
        say(f"{sum(one['connections'] for one in cost)} connections, {sum(one['sent'] for one in cost):,} bytes sent, "
            f"{sum(one['received'] for one in cost):,} received")  # fmt: skip
    # The process ends here: spare it a last look for cycles in all that was loaded.
    gc.freeze()
    return verdict(report, given["fail_on"])


def verdict(report: TlsReport, fail_on: str) -> ExitCode:
    """What the process ends with. Findings stand, whatever is missing."""
    worse = options.LEVELS[: options.LEVELS.index(fail_on) + 1] if fail_on in options.LEVELS else ()
    if any(finding["severity"] in worse for finding in report["findings"]):
        return ExitCode.FINDINGS
    if not any(target["reachable"] for target in report["targets"]):
        return ExitCode.UNREACHABLE
    if any(target["reachable"] and not target["complete"] for target in report["targets"]):
        return ExitCode.INCOMPLETE
    return ExitCode.OK


# ------------------------------------------------------------------------------------------------------- what is given


def _order(given: dict[str, Any]) -> Order:
    import socket

    from fieldkit.sources.tlsprobe.plan import AT_ONCE, AT_ONCE_CHARGER, MAX_BYTES, MAX_CONNECTIONS, Limits
    from fieldkit.sources.tlsprobe.run import Order

    connections, size = ALL_SUITES if given["all_suites"] else (MAX_CONNECTIONS, MAX_BYTES)
    limits = Limits(given["timeout"], connections, size, AT_ONCE_CHARGER if given["charger"] else AT_ONCE)
    outs = [(name, "") for name in given["interfaces"]] + [("", address) for address in given["addresses"]]
    wanted = _targets(given)
    return Order(
        wanted,
        limits,
        _wishes(given, wanted),
        _roots(given["ca"]),
        outs or [("", "")],
        {"4": int(socket.AF_INET), "6": int(socket.AF_INET6)}.get(given["family"] or "", 0),
        given["first_address"],
        options.judged_at(given["at"]) if given["at"] else None,
        given["fetch"],
        given["revocation"],
    )


def _targets(given: dict[str, Any]) -> list[Target]:
    from fieldkit.sources.tlsprobe.targets import TargetError, parse

    texts = list(given["texts"])
    for name in given["lists"]:
        texts += [line for line in map(_uncommented, _lines(name, "--targets")) if line]
    if not texts:
        raise click.UsageError("name a target: HOST, HOST:PORT or wss://HOST[:PORT]/PATH, or --targets FILE")
    if len(texts) > MAX_TARGETS:
        raise click.UsageError(f"{len(texts):,} targets are too many for one run ({MAX_TARGETS:,})")
    try:
        return [parse(text, given["identity"]) for text in dict.fromkeys(texts)]
    except TargetError as error:
        raise click.UsageError(str(error)) from error


def _uncommented(line: str) -> str:
    return line.partition(" #")[0].strip() if not line.startswith("#") else ""


def _lines(name: str, option: str) -> list[str]:
    try:
        return (sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise options.FileError(f"{option} {name}: {getattr(error, 'strerror', None) or 'no text file'}") from error


def _wishes(given: dict[str, Any], wanted: Sequence[Target]) -> Wishes:
    from fieldkit.sources.tlsprobe.session import SetupError, Wishes, context_for
    from fieldkit.sources.tlsprobe.upgrade import SUBPROTOCOLS

    wishes = Wishes(
        not given["no_upgrade"],
        given["subprotocols"] or SUBPROTOCOLS,
        _credentials(given, wanted),
        given["client_cert"],
        given["client_key"],
        given["ca"],
        given["insecure"],
    )
    if given["client_key"] and not given["client_cert"]:
        raise click.UsageError("--client-key goes with --client-cert")
    if given["client_cert"] or wishes.credentials is not None:
        try:
            context_for(wishes)
        except SetupError as error:
            raise options.FileError(str(error)) from error
    return wishes


def _credentials(given: dict[str, Any], wanted: Sequence[Target]) -> Credentials | None:
    from fieldkit.sources.tlsprobe.targets import identity_of
    from fieldkit.sources.tlsprobe.upgrade import Credentials

    ways = [name for name in ("password_file", "password_env", "ask_password") if given[name]]
    if not ways:
        if given["user"] or given["password_hex"]:
            raise click.UsageError("a user without a password: --password-file, --password-env or --ask-password")
        return None
    if len(ways) > 1:
        raise click.UsageError("one of --password-file, --password-env and --ask-password is enough")
    users = {identity_of(target) for target in wanted}
    if len({(target.host, target.port) for target in wanted}) > 1:
        raise click.UsageError("a password goes to one target only")
    user = given["user"] or given["identity"] or (users.pop() if len(users) == 1 else "")
    if not user:
        raise click.UsageError("whose password is it? Give --identity, --user or a path that ends with the identity")
    password = _password(given)
    if given["password_hex"]:
        try:
            password = bytes.fromhex(password.decode("ascii"))
        except ValueError as error:
            raise click.UsageError("--password-hex: the password is not hexadecimal") from error
    return Credentials(user, password)


def _password(given: dict[str, Any]) -> bytes:
    if given["password_env"]:
        found = os.environ.get(given["password_env"])
        if found is None:
            raise click.UsageError(f"--password-env: there is no variable {given['password_env']}")
        return found.encode("utf-8", "surrogateescape")
    if given["ask_password"]:
        return str(click.prompt("Password", hide_input=True, err=True)).encode()
    name = given["password_file"]
    try:
        data = sys.stdin.buffer.read(_MAX_PASSWORD) if name == "-" else _head(name)
    except OSError as error:
        raise options.FileError(f"--password-file {name}: {error.strerror or error}") from error
    return data.split(b"\n", 1)[0].rstrip(b"\r")


def _head(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(_MAX_PASSWORD)


def _roots(name: str) -> Roots | None:
    from fieldkit.sources.tlsprobe import roots

    try:
        return roots.from_file(name) if name else roots.of_system()
    except roots.RootsError as error:
        raise options.FileError(str(error)) from error


# ----------------------------------------------------------------------------------------------------------- documents


def _check_outputs(given: dict[str, Any]) -> None:
    names = [name for name in given["outputs"] if name != "-"]
    for name in names:
        if Path(name).suffix.lower() not in FORMATS:
            known = ", ".join(suffix for suffix in FORMATS if suffix != ".htm")
            raise click.UsageError(f"{name}: the suffix says what to write, one of {known}")
    if given["json_to"] == "-" and "-" in given["outputs"]:
        raise click.UsageError("-o - and --json - cannot both have standard output")
    names += [given["json_to"]] if given["json_to"] not in (None, "-") else []
    read = [name for name in (*given["lists"], given["ca"], given["client_cert"], given["client_key"],
                              given["password_file"]) if name]  # fmt: skip
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"{name} is to be written twice")
        output.check(name, read)


def _report(given: dict[str, Any], order: Order, results: Any) -> TlsReport:
    import time

    from fieldkit.reports.tlsreport import build

    trust = order.roots.name if order.roots is not None else "nothing: this machine has no roots, give --ca"
    return build(
        results,
        at=order.at if order.at is not None else time.time_ns(),
        trust=trust,
        editions=given["editions"] or ("1.6", "2.0.1"),
        profile=given["profile"],
    )


def _write(given: dict[str, Any], report: TlsReport, say: Any) -> None:
    outputs, json_to = given["outputs"], given["json_to"]
    if "-" in outputs or not (outputs or json_to):
        from fieldkit.cli.terminal import wants_color
        from fieldkit.reports.tlsreporttext import render

        _show(render(report, color=wants_color(given["color"], sys.stdout)))
    elif json_to != "-" and not given["quiet"]:
        say(report["summary"]["verdict"])
    if json_to == "-":
        _show(_rendered("tlsreportjson", report, given))
    written = [name for name in outputs if name != "-"]
    for name in written:
        output.save(name, _rendered(FORMATS[Path(name).suffix.lower()], report, given).encode("utf-8", "replace"))
    if json_to and json_to != "-":
        output.save(json_to, _rendered("tlsreportjson", report, given).encode("utf-8", "replace"))
        written.append(json_to)
    if written:
        say(f"written: {', '.join(written)}")


def _show(text: str) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def _rendered(form: str, report: TlsReport, given: dict[str, Any]) -> str:
    from importlib import import_module

    module = import_module(f"fieldkit.reports.{form}")
    return str(module.render(report, fail_on=given["fail_on"]) if form == "tlsreportjunit" else module.render(report))
