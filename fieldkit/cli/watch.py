"""``fieldkit watch``: captures, logs and live traffic on the screen; and what bare ``fieldkit`` does on a terminal."""

from __future__ import annotations

import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fieldkit.cli import config, options, reading, routeroptions, watchadded
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from types import FrameType

    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.engine import Engine

_EXAMPLES = """
\b
Examples:
  fieldkit watch site.pcapng                      a capture or a log
  fieldkit watch monday.pcap tuesday.pcap.gz      several, merged by time
  fieldkit watch --replay 10 site.pcapng          as it happened, ten times as fast
  fieldkit watch demo                             a recorded site with real faults
  fieldkit watch eth0                             an interface; any: all of them
  fieldkit watch ssh://root@192.168.1.1/br-lan    an interface of a router, over ssh
  fieldkit watch "proxy://:9000->wss://csms.example/ocpp"
                                                  between chargers and their CSMS
  fieldkit watch tzsp://:37008                    packets that a switch or router mirrors
  fieldkit watch agent://root@192.168.1.1         what an agent on a router sees, while it goes on; agent://: here
  fieldkit watch /dev/ttyUSB0                     a serial port; nothing is sent to it
  fieldkit watch eth0 --router ssh://root@192.168.1.1
                                                  with the router's uplinks, asked every 10 s
  fieldkit watch lan.pcap --router link.jsonl     with what the router told meanwhile
  fieldkit watch --detect site.pcapng             with what is unusual in it, and why (key 7)
  ssh router tcpdump -i any -U -w - tcp | fieldkit watch -

\b
Keys: ? explains what is on the screen, 1 2 3 … choose another one, / filters, q leaves.
Over ssh use `ssh -C`: the screen then takes a twentieth of the line.
"""


@click.command(name="watch", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option("-w", "--write", "record", metavar="FILE", help="Where live traffic is saved (pcapng).")
@click.option("--no-record", is_flag=True, help="Do not save live traffic.")
@click.option(
    "--replay",
    type=click.FloatRange(0.1, 1000),
    metavar="N",
    help="Let captures happen again, N times as fast as they did: 1, 10, 100.",
)
@options.keylog
@options.validate
@options.zone
@options.min_profile
@click.option(
    "--router",
    "routers",
    metavar="ROUTER|FILE",
    multiple=True,
    help="Uplinks: a router to ask every 10 s (as for fieldkit link), or a file with what one told meanwhile.",
)
@routeroptions.certificate
@options.plugin
@click.option("--detect", is_flag=True, help="Look for what is unusual in files, too, as in live traffic.")
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="What is usual at this site, from fieldkit detect calibrate; implies --detect.",
)
@click.option("--theme", metavar="NAME", help="field-sun, field-night, ansi-dark, ansi-light, or another of Textual's.")
@click.option("--ascii", "plain", is_flag=True, help="No signs beyond ASCII.")
@click.option("--utc", is_flag=True, help="Show times in UTC instead of local time.")
@click.option("--show-ids", is_flag=True, help="Show id tokens in full (they are masked otherwise).")
@options.configured
def command(
    sources: tuple[str, ...],
    record: str | None,
    no_record: bool,
    replay: float | None,
    keylog: tuple[str, ...],
    validate: bool,
    zone: str | None,
    min_profile: int | None,
    routers: tuple[str, ...],
    ca: str,
    insecure: bool,
    plugins: tuple[str, ...],
    detect: bool,
    state: str | None,
    theme: str | None,
    plain: bool,
    utc: bool,
    show_ids: bool,
) -> ExitCode:
    """See traffic on the screen: message by message, charger by charger, and what is wrong.

    SOURCE is a capture or log file, an interface, any, ssh://[USER@]HOST[:PORT]/IFACE, proxy://[ADDRESS]:PORT->URL,
    tzsp://[ADDRESS]:PORT, agent://[USER@]HOST[:PORT], a serial port, demo, or - for standard input. Files are merged by
    time, and so are interfaces; a proxy and a serial port are watched alone. Without a SOURCE you choose one on the
    screen.
    """
    why = refusal()
    if why:
        click.echo(f"fieldkit: {why}", err=True)
        return ExitCode.USAGE
    _prepare()
    from fieldkit.sources.file import SourceError
    from fieldkit.tui import settings as user
    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.glyphs import ASCII, chosen

    named = click.get_current_context().meta.get(config.FILE)
    settings = user.load(over=Path(named) if named else None)
    settings.utc = settings.utc or utc
    settings.show_ids = settings.show_ids or show_ids
    settings.theme = theme or settings.theme
    engine = None
    ports = [name for name in sources if _is_serial(name)]
    if ports and len(sources) > 1:
        raise click.UsageError(f"{ports[0]} is a serial port, which is watched alone (join others on its screen: o)")
    if (routers or plugins) and (ports or not sources):
        which = "--router" if routers else "--plugin"
        raise click.UsageError(f"{which} goes with a capture, an interface or another SOURCE with traffic")
    if sources and not ports:
        from fieldkit.checks.policy import Policy
        from fieldkit.tui.engine import Engine, usual_detector
        from fieldkit.tui.feeds import is_live, open_feed
        from fieldkit.tui.recent import remember

        offset = reading.utc_offset(zone)
        names, piped = _standard_input(sources)
        target = Path(record) if record else None
        if target is None and not no_record and any(map(is_live, names)):
            target = user.state_folder() / "captures" / time.strftime("%Y%m%d-%H%M%S.pcapng")
        try:
            plugged = watchadded.Added(plugins, routers, offset or 0, ca=ca, insecure=insecure)
            feed = open_feed(names, utc_offset=offset, record=target)
        except SourceError as error:
            click.echo(f"fieldkit: {error}", err=True)
            return ExitCode.SOURCE
        remember(names)
        if piped and not feed.live:
            feed.name = "stdin"
        engine = Engine(
            feed,
            keylogs=keylog,
            validate=validate,
            policy=Policy(security_profile=min_profile),
            speed=replay or 0,
            detector=partial(usual_detector, state) if detect or state or feed.live else None,
            routers=plugged.routers,
            checks=plugged.checks,
            decoding=plugged.decoding,
        )
        plugged.begin(engine)
    app = FieldkitApp(engine, settings=settings, glyphs=ASCII if plain else chosen(), port="".join(ports))
    return _run(app)


def refusal() -> str:
    """Why there can be no screen; empty when there can."""
    # Textual draws on standard error, so that standard output may go elsewhere; the keys may come from /dev/tty.
    if sys.stderr is None or not sys.stderr.isatty() or (not _is_terminal(0) and not Path("/dev/tty").exists()):
        return "watch needs a terminal (without one: fieldkit report FILE, fieldkit capture -i INTERFACE)"
    if os.environ.get("TERM", "") in ("dumb", "unknown"):
        return f"this terminal (TERM={os.environ['TERM']}) cannot show it: use fieldkit report or fieldkit decode"
    from importlib.util import find_spec

    if find_spec("textual") is None:
        return "the Python package 'textual' is not installed here: pip install 'fieldkit[full]'"
    return ""


def _is_serial(name: str) -> bool:
    """Whether this is a serial port: reading it as a file would wait for a capture that never comes."""
    if name.startswith(("rfc2217://", "socket://")) or re.fullmatch(r"COM\d+", name, re.IGNORECASE):
        return True
    path = Path(name)
    try:
        path = path.resolve()
        return path.is_char_device() and (path.name.startswith(("tty", "cu.")) or path.parent.name == "pts")
    except OSError:
        return False


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _prepare() -> None:
    """Textual reads these when it is imported. Nothing moves for the sake of moving: on a slow line it would lag."""
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


def _standard_input(sources: tuple[str, ...]) -> tuple[list[str], bool]:
    """For "-" what is piped in moves to another descriptor, as the keys come from standard input."""
    if "-" not in sources:
        if not _is_terminal(0):
            _keys_from_terminal()
        return list(sources), False
    if _is_terminal(0):
        raise click.UsageError("stdin is a terminal: pipe a capture or a log into it")
    moved = os.dup(0)
    _keys_from_terminal()
    return [f"/dev/fd/{moved}" if name == "-" else name for name in sources], True


def _keys_from_terminal() -> None:
    terminal = os.open("/dev/tty", os.O_RDWR)
    os.dup2(terminal, 0)
    os.close(terminal)


def _run(app: FieldkitApp) -> ExitCode:
    """The application, and what is to be done when the user has left, or the terminal has."""
    import signal

    from fieldkit.tui.exporting import keep_in_recording

    lost = False

    def hung_up(number: int, frame: FrameType | None) -> None:
        nonlocal lost
        lost = True
        app.leave_quietly()

    def asked(number: int, frame: FrameType | None) -> None:
        app.leave_quietly()

    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hung_up)
    signal.signal(signal.SIGTERM, asked)
    try:
        app.run()
    except OSError:
        if not lost:  # of a terminal that is gone, nothing can be restored
            raise
    engine = app.engine
    if engine is None:
        return ExitCode.OK
    if lost and engine.feed.live and engine.feed.recorded is not None:
        _go_on(engine)
    engine.close()
    kept = keep_in_recording(engine)
    state = engine.state
    if not lost:
        for failure in filter(None, (*state.failures, kept)):
            click.echo(f"fieldkit: {failure}", err=True)
        if state.recorded is not None and state.packets:
            click.echo(f"fieldkit: saved: {state.recorded} (fieldkit report {state.recorded})", err=True)
    if app.return_code:
        return ExitCode(app.return_code) if app.return_code in list(ExitCode) else ExitCode.INCOMPLETE
    return ExitCode.SOURCE if state.phase == "failed" else ExitCode.OK


def _go_on(engine: Engine) -> None:
    """The terminal is lost, the capture is not: it goes on until it is asked to end."""
    import signal

    def asked(number: int, frame: FrameType | None) -> None:
        engine.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    while not engine.wait(0.5):
        pass
