"""``fieldkit link``: the ways out of this site, as its router sees them, and what happens to them."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit import __version__
from fieldkit.cli import linkoutages, linkprobe, options, routeroptions
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldkit.links.probes.probe import Probe
    from fieldkit.links.runner import Runner
    from fieldkit.links.survey import Look, Survey
    from fieldkit.links.uplink import LinkEvent
    from fieldkit.plugins.host import Host

_EXAMPLES = """
\b
Examples:
  fieldkit link
  fieldkit link ssh://root@192.168.1.1
  fieldkit link --watch --every 10s ssh://root@192.168.1.1
  FIELDKIT_ROUTER_PASSWORD=… fieldkit link --insecure ubus+https://admin@192.168.1.1
  fieldkit link --record router.jsonl ssh://root@192.168.1.1
  fieldkit link --json - replay:router.jsonl | jq '.uplinks[] | {id, up, role}'
  fieldkit link outages lan.pcap --router link.jsonl
  fieldkit link --probe wss://csms.example/ocpp
  fieldkit link --probe wss://csms.example/ocpp --watch --probe-every 1h --probe-budget 500kB

\b
Exit codes: 0 an uplink is up, 1 none of them is (with --probe: or one that is up does not carry
the CSMS), 2 wrong command line, 3 nobody here knows this router's uplinks, 4 it cannot be
reached, 5 an adapter failed, or nothing was understood, 130 interrupted.
"""

EVERY: Final = 10.0
"""Seconds between two looks: each of them makes a modem answer a few questions."""
SHORTEST: Final = 1.0
_TURN: Final = 0.1


@click.command(name="link", cls=linkoutages.WithOutages, epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("router", metavar="[ROUTER]", default="")
@click.option("--watch", is_flag=True, help="Go on, and tell what changes.")
@click.option("--every", metavar="DURATION", help="With --watch: time between two looks (default: 10s).")
@options.lasting
@click.option("--json", "json_to", metavar="FILE|-", help="Write one JSON document; with --watch one object a line.")
@click.option("--record", metavar="FILE", help="Write the router's answers down, identities masked, for replay:FILE.")
@linkprobe.options
@options.plugin
@routeroptions.certificate
@options.color
@options.quiet
def command(
    router: str,
    watch: bool,
    every: str | None,
    lasting: str | None,
    json_to: str | None,
    record: str | None,
    probe: str | None,
    probe_every: str | None,
    probe_budget: str | None,
    probe_ca: str,
    plugins: tuple[str, ...],
    ca: str,
    insecure: bool,
    color: str,
    quiet: bool,
) -> ExitCode:
    """See a site's uplinks: which one is used, how good it is, and what happens to it.

    ROUTER is ssh://[USER@]HOST, ubus+http[s]://[USER@]HOST (OpenWrt, RutOS), ncos+http[s]://[USER@]HOST (Cradlepoint),
    or replay:FILE; without it, this machine. The router is asked and nothing on it is changed; nothing is sent over its
    uplinks, unless --probe says so. Passwords come from FIELDKIT_ROUTER_PASSWORD or ~/.netrc. docs/link.md explains it.
    """
    from fieldkit.cli.moments import seconds
    from fieldkit.cli.output import check
    from fieldkit.cli.terminal import wants_color
    from fieldkit.links.opening import open_runner
    from fieldkit.links.runner import RunnerError, Unreachable
    from fieldkit.safetext import terminal
    from fieldkit.sources.file import SourceError

    if every and not watch:
        raise click.UsageError("--every goes with --watch")
    if lasting and not watch:
        raise click.UsageError("--for goes with --watch")
    routeroptions.check((router,), ca, insecure=insecure)
    pause = max(seconds("--every", every), SHORTEST) if every else EVERY
    for name in (record, json_to if json_to != "-" else None):
        if name:
            check(name, (router.removeprefix("replay:"),) if router.startswith("replay:") else ())

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"fieldkit: {terminal(text)}", err=True)

    with ExitStack() as stack:
        try:
            runner = open_runner(router, verify=not insecure, authority=ca)
        except SourceError as error:
            raise click.UsageError(str(error)) from None
        stack.callback(runner.close)
        if router.partition("://")[0] in ("ubus+http", "ncos+http"):
            say(f"{router}: the password goes over the network as it is: use https where the router has it")
        if record:
            runner = _recorded(runner, record, stack)
        probing = linkprobe.probing(
            runner, router, url=probe, every=probe_every, budget=probe_budget, authorities=probe_ca, watch=watch
        )
        survey, host = _survey(runner, plugins, say)
        shown = _Shown(json_to, watch=watch, coloured=wants_color(color, sys.stdout), stack=stack, probing=probing)
        try:
            survey.probe()
            if not any(asked.confidence for asked in survey.present):
                _tell_nobody(survey, host, runner.name)
                return ExitCode.SOURCE
            if not watch:
                look, _ = survey.news()
                shown.look(look, survey, host, probing.round(look.uplinks) if probing is not None else [])
            else:
                look = _watched(survey, host, shown, pause, seconds("--for", lasting) if lasting else 0.0, say)
        except Unreachable as error:
            click.echo(f"fieldkit: {terminal(str(error), 400)}", err=True)
            return ExitCode.UNREACHABLE
        except RunnerError as error:
            click.echo(f"fieldkit: {terminal(runner.name)}: {terminal(str(error), 400)}", err=True)
            return ExitCode.SOURCE
    for failure in host.failures:
        click.echo(f"fieldkit: plugin {terminal(failure.plugin)}: {terminal(failure.reason, 400)}", err=True)
    for asked in survey.adapters:
        if asked.state == "failed" or (asked.state == "quarantined" and not asked.plugin):
            word = "is left out" if asked.state == "quarantined" else "gave no answer"
            click.echo(f"fieldkit: adapter {terminal(asked.name)} {word}: {terminal(asked.why, 300)}", err=True)
    if not look.uplinks and not look.failed:
        click.echo(f"fieldkit: {terminal(runner.name)}: it has no uplink: no default route, no modem", err=True)
        return ExitCode.FINDINGS
    if look.failed or host.failures or not any(one.understood for one in look.uplinks):
        return ExitCode.INCOMPLETE
    # Some only say what they are, and not whether they are up: nothing is known to be wrong with them.
    code = ExitCode.FINDINGS if all(one.up is False for one in look.uplinks) else ExitCode.OK
    return linkprobe.verdict(shown.probes, code)


def _recorded(runner: Runner, name: str, stack: ExitStack) -> Runner:
    from pathlib import Path

    from fieldkit.links.recorded import RecordingRunner

    return RecordingRunner(runner, stack.enter_context(Path(name).open("w", encoding="utf-8")))


def _survey(runner: Runner, names: tuple[str, ...], say: Any) -> tuple[Survey, Host]:
    """fieldkit's own adapters and those of all plugins; those that are named first."""
    from fieldkit.plugins.host import UnknownPlugin, chosen, everything
    from fieldkit.plugins.surveying import survey_of
    from fieldkit.safetext import terminal

    host = everything(tell=say)
    try:
        chosen(names, host)
    except UnknownPlugin as error:
        raise click.UsageError(f"--plugin: {terminal(str(error))}") from None
    if host.failures:
        raise click.UsageError(f"--plugin {host.failures[0].plugin}: {terminal(host.failures[0].reason, 300)}")
    return survey_of(runner, host), host


def _tell_nobody(survey: Survey, host: Host, name: str) -> None:
    from fieldkit.safetext import terminal

    click.echo(f"fieldkit: {terminal(name)}: nobody here knows this router's uplinks", err=True)
    names: dict[str, list[str]] = {}
    for asked in survey.adapters:
        if asked.why:
            names.setdefault(asked.why, []).append(asked.name)
    for why, who in names.items():
        click.echo(f"  {terminal(', '.join(who))}: {terminal(why, 200)}", err=True)
    for failure in host.failures:
        click.echo(f"  plugin {terminal(failure.plugin)}: {terminal(failure.reason, 200)}", err=True)


def _watched(survey: Survey, host: Host, shown: _Shown, pause: float, lasting: float, say: Any) -> Look:
    """Until Ctrl-C or the time is over; the last look. A router that goes away is waited for."""
    from fieldkit.cli.stopping import Stop
    from fieldkit.links.runner import RunnerError
    from fieldkit.links.survey import Look

    look, _ = survey.news()
    shown.look(look, survey, host)
    survey.listen()
    away = ""
    with Stop(seconds=lasting) as stop:
        due = time.monotonic() + pause
        while not stop():
            # As many as there are now: a router that tells without end must not keep us from stopping.
            for _ in range(survey.events.qsize()):
                shown.event(survey.events.get_nowait())
            shown.probed(look)
            if time.monotonic() < due or shown.probing_first:
                time.sleep(_TURN)
                continue
            try:
                look, news = survey.news()
            except RunnerError as error:
                if not away:
                    away = str(error)
                    say(f"the router does not answer: {error}")
                look = Look(look.time, look.uplinks, look.uptime, (away,))
            else:
                if away:
                    away = ""
                    say("the router answers again")
                for event in news:
                    shown.event(event)
                survey.listen()
            due = time.monotonic() + pause
        shown.probed(look, last=True)
        survey.close()
        while not survey.events.empty():
            shown.event(survey.events.get_nowait())
    if survey.lost:
        say(f"{survey.lost} events came too fast to be shown")
    return look


class _Shown:
    """Where it all goes: text or JSON, to standard output or a file."""

    def __init__(
        self, json_to: str | None, *, watch: bool, coloured: bool, stack: ExitStack, probing: linkprobe.Probing | None
    ) -> None:
        self.probes: list[Probe] = []
        """Of the last round."""
        self._probing = probing
        self._json = json_to
        self._watch = watch
        self._coloured = coloured
        self._file = None
        if json_to and json_to != "-" and watch:
            from pathlib import Path

            self._file = stack.enter_context(Path(json_to).open("w", encoding="utf-8", buffering=1))  # noqa: SIM115

    def look(self, look: Look, survey: Survey, host: Host, probes: list[Probe] | None = None) -> None:
        """The uplinks, once."""
        self.probes = probes or []
        document = _document(look, survey, host)
        if probes is not None and self._probing is not None:
            from fieldkit.links.probes.words import probe_json

            document["probes"] = [probe_json(probe, self._probing.prober.budget) for probe in probes]
        if self._watch and self._json:
            self._line({"look": document})
        elif self._json == "-":
            click.echo(json.dumps(document, indent=2))
        elif self._json:
            from fieldkit.cli.output import save

            save(self._json, (json.dumps(document, indent=2) + "\n").encode())
        if self._json != "-":
            for line in _text(look, survey, coloured=self._coloured, more=self._more):
                click.echo(line, color=True)
            sys.stdout.flush()

    def event(self, event: LinkEvent) -> None:
        """Something that happened."""
        from fieldkit.links.words import event_json, iso
        from fieldkit.safetext import terminal

        if self._json:
            self._line({"event": event_json(event)})
        if self._json != "-":
            click.echo(f"{iso(event.time)}  {event.what:<10}  {terminal(event.text, 300)}")
            sys.stdout.flush()

    @property
    def probing_first(self) -> bool:
        """Whoever asks the router now must wait."""
        return self._probing is not None and self._probing.first

    def probed(self, look: Look, *, last: bool = False) -> None:
        """While watching: what a round of probes has found, and the next one where it is due."""
        if self._probing is None:
            return
        found = self._probing.rest() if last else self._probing.turn(look.uplinks)
        if not found:
            return
        from fieldkit.links.probes.words import cost, headline, probe_json
        from fieldkit.links.words import iso
        from fieldkit.safetext import terminal

        self.probes = found
        budget = self._probing.prober.budget
        for probe in found:
            if self._json:
                self._line({"probe": probe_json(probe, budget)})
            if self._json != "-":
                told = f"{probe.uplink} {headline(probe)} ({cost(probe, budget)})"
                click.echo(f"{iso(probe.time)}  {'probe':<10}  {terminal(told, 600)}")
        sys.stdout.flush()

    def _more(self, uplink: str) -> list[tuple[str, str]]:
        """What the probe of an uplink found."""
        if self._probing is None or not self.probes:
            return []
        from fieldkit.links.probes.words import described

        budget = self._probing.prober.budget
        return [line for probe in self.probes if probe.uplink == uplink for line in described(probe, budget)]

    def _line(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")
        elif self._json == "-":
            click.echo(json.dumps(entry))
            sys.stdout.flush()


def _document(look: Look, survey: Survey, host: Host) -> dict[str, Any]:
    from fieldkit.links.words import iso, uplink_json

    return {
        "schema": 1,
        "tool": {"name": "fieldkit", "version": __version__},
        "router": survey.runner.name,
        "time": iso(look.time),
        "uptime_s": look.uptime,
        "clock_ahead_s": round(look.clock_ahead, 1) if look.clock_ahead is not None else None,
        "uplinks": [uplink_json(uplink) for uplink in look.uplinks],
        "adapters": [
            {"name": asked.name, "plugin": asked.plugin, "state": asked.state, "confidence": asked.confidence,
             "why": asked.why}
            for asked in survey.adapters
        ],
        "failures": [
            {"plugin": failure.plugin, "kind": failure.kind, "reason": failure.reason} for failure in host.failures
        ],
    }  # fmt: skip


def _text(look: Look, survey: Survey, *, coloured: bool, more: Callable[[str], list[tuple[str, str]]]) -> list[str]:
    """For people: an uplink a paragraph, with what ``more`` knows of it."""
    from fieldkit.links.words import clocks, described, duration, standing
    from fieldkit.safetext import terminal

    def styled(text: str, **how: Any) -> str:
        return click.style(text, **how) if coloured else text

    names = ", ".join(asked.name for asked in survey.present if asked.confidence > 0)
    started = f", started {duration(look.uptime)} ago" if look.uptime is not None else ""
    apart = f", {clocks(look.clock_ahead)}" if clocks(look.clock_ahead) else ""
    lines = [f"{terminal(survey.runner.name)} ({terminal(names)}{started}{apart})"]
    for uplink in look.uplinks:
        colour = "green" if uplink.up else "red" if uplink.up is False else None
        head = styled(terminal(f"{uplink.id}  {uplink.kind}"), bold=True)
        lines += ["", f"{head}  {styled(standing(uplink), fg=colour)}"]
        lines += [
            f"  {name + ':':<11}{terminal(text, 600)}"
            for name, text in [*described(uplink, look.time), *more(uplink.id)]
        ]
    return lines
