"""``fieldkit capture-helper``: captures for somebody who has no right to, and can do nothing else.

It is run with rights by sudo, by systemd, or by a wrapper that has a file capability (docs/privileges.md), by a caller
who may be anybody. So it believes nothing it is told, gives up every right but CAP_NET_RAW before it opens anything,
reads no file, decodes no packet, and writes pcapng to standard output. Nobody needs to call it by hand.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.sources.helperways import ERROR, MAX_BUFFER, MIN_BUFFER

MAX_HOSTS: Final = 64
MAX_PORTS: Final = 64
MAX_INTERFACES: Final = 16
MAX_REQUEST: Final = 8192
"""Bytes of a request through a socket."""

_EXAMPLES = """
\b
Examples:
  sudo -n fieldkit capture-helper -i eth0 | fieldkit watch -
  sudo fieldkit capture-helper -i br-lan --port 9000 | tshark -r -

\b
docs/privileges.md says how to set it up. Exit codes: 0 the reader has gone or a signal came, 2 wrong
arguments, 3 it cannot capture.
"""


@click.command(name="capture-helper", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option("-i", "--interface", "interfaces", metavar="IFACE", multiple=True, help="An interface, or any.")
@click.option("--host", "hosts", metavar="ADDRESS[/BITS]", multiple=True, help="Only what is from or to it.")
@click.option("--port", "ports", type=click.IntRange(0, 65_535), multiple=True, help="Only TCP and UDP of it.")
@click.option("--vlan", type=click.IntRange(0, 4095), help="Only packets with this VLAN tag.")
@click.option("--all", "everything", is_flag=True, help="Any packet, not just what a diagnosis looks at.")
@click.option("--buffer", type=click.IntRange(MIN_BUFFER, MAX_BUFFER), default=16, metavar="MIB", show_default=True)
@click.option("--socket", "by_socket", is_flag=True, help="Read these options as one line from standard input.")
def command(
    interfaces: tuple[str, ...],
    hosts: tuple[str, ...],
    ports: tuple[int, ...],
    vlan: int | None,
    everything: bool,
    buffer: int,
    by_socket: bool,
) -> ExitCode:
    """Capture with CAP_NET_RAW and no other right; pcapng to standard output.

    For use by fieldkit itself, through sudo or systemd, where the user may not capture.
    """
    if by_socket:
        return _requested()
    if sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal: this writes pcapng for another program")
    _check(interfaces, hosts, ports)
    return _capture(interfaces, hosts, ports, vlan, everything, buffer, by_socket=False)


def _requested() -> ExitCode:
    """The options as a connection to the systemd socket sends them: words separated by spaces, and a newline."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)  # one at a time: nothing behind the line is ours
        if not byte or len(line) >= MAX_REQUEST:
            _refuse("no request")
        line += byte
    try:
        words = line.decode("ascii").split()
        if "--socket" in words or not set(words).isdisjoint({"-h", "--help"}):
            _refuse("no such option")
        context = command.make_context("capture-helper", words)
        given = {name: value for name, value in context.params.items() if name != "by_socket"}
        _check(given["interfaces"], given["hosts"], given["ports"])
    except UnicodeDecodeError:
        _refuse("the request is not ASCII")
    except click.ClickException as error:
        _refuse(error.format_message())
    return _capture(**given, by_socket=True)


def _refuse(why: str) -> NoReturn:
    _say_on_socket(why)
    raise click.exceptions.Exit(ExitCode.USAGE)


def _say_on_socket(why: str) -> None:
    try:
        os.write(1, f"{ERROR}{why}\n".encode())
    except OSError:
        click.echo(f"fieldkit: {why}", err=True)  # the caller has gone: for the journal


def _check(interfaces: Sequence[str], hosts: Sequence[str], ports: Sequence[int]) -> None:
    """Only what is there and is meant; a name is never looked up anywhere else than among the interfaces."""
    from fieldkit.sources.bpf import host
    from fieldkit.sources.packetsocket import index_of

    if not interfaces:
        raise click.UsageError("name an interface with -i")
    if len(interfaces) > MAX_INTERFACES or len(hosts) > MAX_HOSTS or len(ports) > MAX_PORTS:
        raise click.UsageError(f"at most {MAX_INTERFACES} interfaces, {MAX_HOSTS} hosts and {MAX_PORTS} ports")
    for name in interfaces:
        if name != "any" and not index_of(name):
            raise click.BadParameter(f"there is no interface {name!r}")
    for text in hosts:
        try:
            host(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error


def _capture(
    interfaces: Sequence[str],
    hosts: Sequence[str],
    ports: Sequence[int],
    vlan: int | None,
    everything: bool,
    buffer: int,
    *,
    by_socket: bool,
) -> ExitCode:
    # All imports come before the rights go: as another user we might not be able to read them.
    from fieldkit.cli.stopping import Stop
    from fieldkit.events import CaptureComment
    from fieldkit.sources import offload
    from fieldkit.sources.afpacket import FrameNumbers
    from fieldkit.sources.bpf import CaptureFilter, host
    from fieldkit.sources.file import SourceError
    from fieldkit.sources.listen import Listener
    from fieldkit.sources.opening import Wishes, open_sources
    from fieldkit.sources.recording import Recording, RecordingError
    from fieldkit.sources.rights import RightsError

    def failed(why: str) -> ExitCode:
        if by_socket:
            _say_on_socket(why)
        else:
            click.echo(f"fieldkit: {why}", err=True)
        return ExitCode.SOURCE

    hidden = [one.what for one in offload.known()]
    try:
        _give_up_rights()
    except RightsError as error:
        return failed(str(error))
    wanted = CaptureFilter(tuple(map(host, hosts)), tuple(ports), vlan, everything)
    try:
        opened = open_sources(interfaces, Wishes(wanted, buffer << 20), FrameNumbers())
    except (SourceError, ValueError) as error:
        return failed(str(error))
    try:
        recording = Recording(1, comment="; ".join(hidden))
    except RecordingError:
        opened.close()
        return ExitCode.OK  # the reader has gone already
    listener = Listener(opened.sources, None, recording, more=opened.more)
    click.echo(f"capturing on {', '.join(interfaces)}", err=True)
    with Stop() as stop:
        for events in listener.batches(lambda: stop() or bool(listener.recording_failed) or _reader_has_gone()):
            for event in events:
                if isinstance(event, CaptureComment):
                    click.echo(f"note: {event.text}", err=True)
    return ExitCode.OK


def _give_up_rights() -> None:
    """CAP_NET_RAW stays, for an interface that goes and comes back; as root nobody stays."""
    from fieldkit.sources.privileges import NOBODY, caller
    from fieldkit.sources.rights import CAP_NET_RAW, keep_only

    user = group = None
    if not os.geteuid():
        import pwd

        person = caller(os.environ)
        if person is not None:
            user, group = person.user, person.group
        else:
            try:
                entry = pwd.getpwnam(NOBODY)
                user, group = entry.pw_uid, entry.pw_gid
            except KeyError:
                user = group = None  # a router without such a user: root without capabilities
    keep_only(CAP_NET_RAW, user=user, group=group)


def _reader_has_gone() -> bool:
    """Nothing may be written for hours on an idle line: a closed pipe would not be noticed."""
    watched = select.poll()
    watched.register(1, 0)  # errors and hang-ups are told unasked
    return any(what & (select.POLLERR | select.POLLHUP) for _, what in watched.poll(0))
