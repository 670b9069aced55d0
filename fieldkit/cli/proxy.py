"""``fieldkit proxy``: between charger and CSMS, transparent to both; the relaying process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.proxydecoder import Wanted
    from fieldkit.cli.stopping import Stop
    from fieldkit.sources.proxy.settings import Settings

_EXAMPLES = """
\b
Examples:
  fieldkit proxy --listen :9000 --upstream ws://csms.example:8080/ocpp
  fieldkit proxy --listen :9000 --upstream wss://csms.example/ocpp -w today.pcapng -o report.html
  fieldkit proxy --listen :443 --cert proxy.pem --key proxy.key \\
      --upstream wss://203.0.113.5 --sni csms.example --client-cert cp7.pem --client-key cp7.key
  fieldkit proxy --listen :9000 --upstream ws://csms.example/ocpp --fault delay=5s,action=Heartbeat,side=csms
  fieldkit proxy --listen :9000 --upstream ws://csms.example/ocpp --fault refuse=503,count=3 --follow

\b
Faults are made only when asked for: delay=2s, drop, close=1001, refuse[=503], each with
,action=NAME ,side=station|csms ,station=PATTERN ,every=N ,count=N ,after=30s (docs/proxy.md).

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong command line, 3 the proxy cannot
listen, 4 the CSMS was never reached, 5 something is missing in the recording or the report,
130 stopped at once (Ctrl-C twice). Ctrl-C, SIGTERM and limits end it orderly.
"""


@click.command(name="proxy", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option(
    "--listen", metavar="HOST:PORT", required=True, help="Where chargers connect; an empty host is all addresses."
)
@click.option("--upstream", metavar="URL", required=True, help="The CSMS: ws://HOST[:PORT][/PATH] or wss://…; the "
              "charger's path is put behind PATH.")  # fmt: skip
@click.option("--host", metavar="NAME|keep", default="", help="What the Host header says to the CSMS (default: the "
              "upstream's name; keep: what the charger sent).")  # fmt: skip
@click.option(
    "--cert", metavar="FILE", default="", help="Certificate (chain) in PEM: chargers then speak TLS with the proxy."
)
@click.option("--key", metavar="FILE", default="", help="Its private key, if that is not in the same file.")
@click.option(
    "--ca", metavar="FILE", default="", help="Certificates (PEM) to trust for the CSMS, in place of the system's."
)
@click.option("--client-cert", metavar="FILE", default="", help="Certificate shown to the CSMS (security profile 3).")
@click.option("--client-key", metavar="FILE", default="", help="Its private key, if that is not in the same file.")
@click.option("--sni", metavar="NAME", default="", help="The CSMS's name, where the upstream is given as an address.")
@click.option("--insecure", is_flag=True, help="Do not verify the CSMS's certificate; said in every report.")
@click.option("--tls-min", type=click.Choice(["1.0", "1.1", "1.2", "1.3"]), default="1.2", show_default=True,
              help="Oldest TLS on either side; below 1.2 with all old ciphers, said in every report.")  # fmt: skip
@click.option("-w", "--write", "recordings", metavar="FILE", multiple=True,
              help="Record: .pcapng (the charger's leg, in clear) or .jsonl (Open OCPP Trace).")  # fmt: skip
@options.ring
@click.option("--fault", "fault_texts", metavar="FAULT", multiple=True, help="Make a fault on purpose; see below.")
@options.lasting
@options.until
@click.option("-o", "--output", "outputs", metavar="FILE", multiple=True,
              help="Write a document at the end; the suffix says which, as for `fieldkit report`.")  # fmt: skip
@options.json_to
@options.follow
@options.validate
@options.fail_on
@options.min_profile
@options.show_ids
@click.option("--include-secrets", is_flag=True, help="Keep passwords and keys in the recording.")
@click.option("--utc", is_flag=True, help="Show times in UTC, and read --until so.")
@options.color
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
@options.configured
def command(**given: Any) -> ExitCode:
    """Sit between chargers and their CSMS: record, diagnose, make faults on purpose.

    Everything is passed on unchanged. Point the charger to this machine and give the CSMS as --upstream; several
    chargers may come. The traffic does not wait for recording or diagnosis, and goes on should they fail.
    docs/proxy.md explains it.
    """
    from fieldkit.cli.stopping import Stop

    settings, wanted, seconds, until = _plan(given)
    say = _Speaker(quiet=wanted.quiet)
    with Stop(seconds=seconds, until=until) as stop:
        return _relay(settings, wanted, stop, say)


class _Speaker:
    """Lines of the relay on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, text: str) -> None:
        if not self._quiet:
            self.complain(text)

    @staticmethod
    def complain(text: str) -> None:
        from fieldkit.safetext import terminal

        click.echo(f"fieldkit: {terminal(text, 600)}", err=True)


def _relay(settings: Settings, wanted: Wanted, stop: Stop, say: _Speaker) -> ExitCode:
    """Start the decoding process, relay, and end as that one says."""
    import asyncio
    import multiprocessing
    import socket

    from fieldkit.cli.proxydecoder import decode
    from fieldkit.sources.proxy.listener import DecoderLostError, ListenError, run
    from fieldkit.sources.proxy.tls import TlsSetupError

    ours, theirs = socket.socketpair()
    # fork is the quickest start, and safe as long as there is one thread; elsewhere it is not.
    method: str = "fork" if sys.platform == "linux" else "spawn"
    sys.stdout.flush()
    context: Any = multiprocessing.get_context(method)
    decoder = context.Process(
        target=decode, args=(theirs, ours if method == "fork" else None, wanted), name="fieldkit-decoder"
    )
    decoder.start()
    theirs.close()

    def announce(addresses: list[str]) -> None:
        for line in wanted.announcements:
            say.complain(line)
        kind = "TLS" if settings.certificate else "no TLS"
        say(f"listening on {', '.join(addresses)} ({kind}), passing on to {settings.upstream}")

    def lost() -> None:
        say.complain("recording and diagnosis have broken down; the traffic still flows")

    try:
        whole = asyncio.run(run(settings, ours, stop, say, announce, lost))
    except TlsSetupError as error:
        raise click.UsageError(str(error)) from error
    except ListenError as error:
        say.complain(str(error))
        return ExitCode.SOURCE
    except DecoderLostError:
        whole = True  # it has said why
    except KeyboardInterrupt:
        decoder.kill()
        return ExitCode.INTERRUPTED
    finally:
        ours.close()
    try:
        decoder.join()
    except KeyboardInterrupt:
        decoder.kill()
        return ExitCode.INTERRUPTED
    code = decoder.exitcode
    if not whole or code is None or code < 0:
        return ExitCode.INCOMPLETE
    return ExitCode(code) if code in set(ExitCode) else ExitCode.INCOMPLETE


def _plan(given: dict[str, Any]) -> tuple[Settings, Wanted, float, Any]:
    """The command line, held against itself before anything is opened."""
    from datetime import UTC, datetime

    from fieldkit.cli import documents, moments, output
    from fieldkit.cli.proxydecoder import Wanted
    from fieldkit.sources.proxy.faults import parse_fault
    from fieldkit.sources.proxy.settings import Settings, parse_listen, parse_upstream
    from fieldkit.sources.recording import parse_ring

    try:
        faults = tuple(parse_fault(text) for text in given["fault_texts"])
        settings = Settings(
            parse_listen(given["listen"]),
            parse_upstream(given["upstream"]),
            host=given["host"],
            certificate=given["cert"],
            key=given["key"],
            authorities=given["ca"],
            client_certificate=given["client_cert"],
            client_key=given["client_key"],
            insecure=given["insecure"],
            server_name=given["sni"],
            oldest_tls=given["tls_min"],
            faults=faults,
        )
        ring = parse_ring(given["ring_text"]) if given["ring_text"] else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _check_tls(settings)
    if not given["host"].isascii() or any(sign in given["host"] for sign in " \r\n\t"):
        raise click.UsageError(f"--host {given['host']!r} cannot stand in a header")
    files = [name for name in given["outputs"] if name != "-"]
    pcapng, trace = _recordings(given["recordings"])
    if ring is not None and not pcapng:
        raise click.UsageError("--ring needs -w FILE.pcapng")
    if any(Path(name).suffix.lower() == ".pcapng" for name in files) and not pcapng:
        raise click.UsageError("an annotated .pcapng is made of the recording: give -w FILE.pcapng too")
    json_file = given["json_to"] if given["json_to"] not in (None, "-") else ""
    on_stdout = ["-o -"] * ("-" in given["outputs"]) + ["--json -"] * (given["json_to"] == "-")
    on_stdout += ["--follow"] * given["follow"]
    if len(on_stdout) > 1:
        raise click.UsageError(f"{' and '.join(on_stdout)} cannot both have standard output")
    every = [*files, *([json_file] if json_file else []), *filter(None, (pcapng, trace))]
    for name in every:
        if every.count(name) > 1:
            raise click.UsageError(f"{name} is to be written twice")
        output.check(name, ())
    documents.check(files, (), ())
    now = datetime.now(UTC)
    seconds = moments.seconds("--for", given["lasting"]) if given["lasting"] else 0.0
    until = moments.moment("--until", given["until"], now, utc=given["utc"]) if given["until"] else None
    wanted = Wanted(
        name=f"proxy {settings.listen}",
        listens_with_tls=bool(settings.certificate),
        upstream=str(settings.upstream),
        pcapng=pcapng,
        trace=trace,
        ring=ring,
        documents=tuple(files),
        json_to=given["json_to"] or "",
        text=("-" in given["outputs"]) or not (given["outputs"] or given["json_to"] or given["follow"]),
        follow=given["follow"],
        validate=given["validate"],
        fail_on=given["fail_on"],
        min_profile=given["min_profile"],
        show_ids=given["show_ids"],
        include_secrets=given["include_secrets"],
        utc=given["utc"],
        color=given["color"],
        quiet=given["quiet"],
        verbose=given["verbose"],
        announcements=_announcements(settings),
    )
    return settings, wanted, seconds, until


def _announcements(settings: Settings) -> tuple[str, ...]:
    """What must be known by everybody who reads the recording or a report, too."""
    lines = [f"faults are made on purpose: {fault.text}" for fault in settings.faults]
    if settings.upstream.tls and settings.insecure:
        lines.append(f"--insecure: whether {settings.upstream.host} is who it claims to be is not verified")
    if settings.oldest_tls in ("1.0", "1.1"):
        lines.append(f"--tls-min {settings.oldest_tls}: old TLS with weak ciphers is accepted on both sides")
    return tuple(lines)


def _check_tls(settings: Settings) -> None:
    if settings.key and not settings.certificate:
        raise click.UsageError("--key needs --cert")
    if settings.client_key and not settings.client_certificate:
        raise click.UsageError("--client-key needs --client-cert")
    if not settings.upstream.tls:
        for option, value in (
            ("--ca", settings.authorities),
            ("--client-cert", settings.client_certificate),
            ("--insecure", settings.insecure),
            ("--sni", settings.server_name),
        ):
            if value:
                raise click.UsageError(f"{option} is for a CSMS with TLS: give --upstream wss://…")
    if settings.insecure and settings.authorities:
        raise click.UsageError("--ca and --insecure contradict each other")


def _recordings(names: tuple[str, ...]) -> tuple[str, str]:
    """The packet recording and the trace."""
    found = {"": ""}
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix not in (".pcapng", ".jsonl"):
            raise click.UsageError(f"-w {name}: the suffix says what to record, .pcapng (packets) or .jsonl (messages)")
        if suffix in found:
            raise click.UsageError(f"-w {name}: there is another {suffix} recording already")
        found[suffix] = name
    return found.get(".pcapng", ""), found.get(".jsonl", "")
