"""``fieldkit serial write``: change one value of a device, after saying exactly what that does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import serialoptions
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.serialread import LISTEN_FIRST

if TYPE_CHECKING:
    from fieldkit.devices.modbus.exchange import Outcome
    from fieldkit.events import DeviceReading
    from fieldkit.sources.serial.audit import Audit
    from fieldkit.sources.serial.device import Asker, DeviceSpec
    from fieldkit.sources.serial.exchange import Talk
    from fieldkit.sources.serial.port import SerialPort
    from fieldkit.sources.serial.writing import Plan

_EXAMPLES = """
\b
Examples:
  fieldkit serial write ttyUSB0 --device modbus:heidelberg-ec@1 current_set=10 --dry-run
  fieldkit serial write ttyUSB0 --device modbus:heidelberg-ec@1 current_set=10 --allow-write

\b
The value is read, the change is explained, you confirm it in words, it is written once, read back, and
recorded. It is never written again by itself: without an answer nobody knows what the device did.
What switches safety off or takes a device off its bus is not written at all.
Exit codes: 0 written and read back, 1 the device refused, 2 wrong command line or not confirmed, 3 the
port cannot be used, 4 the device does not answer, 5 written, but nobody knows whether it took effect.
"""

_MEANWHILE: Final = 0.2
"""Seconds that the line is heard again once it was confirmed; what was said while the operator thought counts too."""


@click.command(name="write", epilog=_EXAMPLES, context_settings={"max_content_width": 110})
@click.argument("port", metavar="PORT")
@click.argument("assignment", metavar="NAME=VALUE")
@click.option("--device", "device_text", metavar="DEVICE", required=True, help="modbus:PROFILE[@UNIT].")
@serialoptions.allow_write
@click.option("--dry-run", is_flag=True, help="Print what it would do and the bytes; open no port.")
@click.option("--confirm", metavar="WORDS", help="The confirmation, word for word, where nobody can be asked.")
@click.option("--while-charging", is_flag=True, help="Write although a vehicle charges.")
@serialoptions.line
@serialoptions.listen_first(LISTEN_FIRST, 0.5)
@serialoptions.audit
@serialoptions.dtr
@serialoptions.rts
@serialoptions.log
def command(port: str, assignment: str, **given: Any) -> ExitCode:
    """Change one value of a device, after saying exactly what that does."""
    from fieldkit.safetext import terminal
    from fieldkit.sources.serial.trouble import PortError, RefusedError
    from fieldkit.sources.serial.writing import plan

    spec = serialoptions.device(given["device_text"])
    if spec.profile is None:
        raise click.UsageError(f"{spec.dialect} is only read: values are written to Modbus devices")
    name, equals, text = assignment.partition("=")
    if not equals:
        raise click.UsageError(f"{assignment}: write NAME=VALUE")
    try:
        planned = plan(spec.profile, spec.unit, name, text)
    except (ValueError, RefusedError) as error:
        raise click.UsageError(str(error)) from None
    if given["dry_run"]:
        for line in planned.explained(None):
            click.echo(terminal(line))
        click.echo("dry run: nothing was sent")
        return ExitCode.OK
    if not given["allow_write"]:
        raise click.UsageError("writing is off: --dry-run shows what it would do, --allow-write makes it possible")
    try:
        return _Writing(port, planned, given).run()
    except PortError as error:
        raise serialoptions.PortFailure(str(error)) from error
    except RefusedError as error:
        raise click.UsageError(f"nothing was written: {error}") from error


class _Writing:
    """A run of the command."""

    def __init__(self, port: str, plan: Plan, given: dict[str, Any]) -> None:
        self._name, self._plan, self._given = port, plan, given

    def run(self) -> ExitCode:
        from fieldkit.sources.serial.audit import Audit
        from fieldkit.sources.serial.device import Asker, DeviceSpec, objection
        from fieldkit.sources.serial.exchange import Talk
        from fieldkit.sources.serial.port import Rights, SerialPort
        from fieldkit.sources.serial.writing import names_before

        plan, given = self._plan, self._given
        spec = DeviceSpec("modbus", plan.profile, plan.unit, text=f"modbus:{plan.profile.id}@{plan.unit}")
        audit = Audit(Path(given["audit_to"]) if given["audit_to"] else None)
        settings = serialoptions.port_settings(given["line_text"], spec.line, dtr=given["dtr"], rts=given["rts"])
        maker = serialoptions.recorder(
            serialoptions.log_directory(given["log_to"]), self._name, settings, "write", spec
        )
        rights = Rights(asking=spec.asking, writing=True, audit=audit)
        port = SerialPort(self._name, settings, rights, recording=maker)
        with Talk(port) as talk, port:
            why = objection(spec, talk.listen(given["listen_first"]))
            if why:
                raise serialoptions.PortFailure(f"nothing was written: {why}")
            names = names_before(plan)
            asker = Asker(talk, spec, settings.line, self._name, names)
            before = asker.once().readings if names else []
            if names and not before:
                raise serialoptions.DeviceSilent(f"nothing was written: {plan.device} on {self._name} does not answer")
            words = self._confirmed(audit, before)
            self._still_so(talk, spec, asker, names, words)
            outcome = self._write(port, talk, asker, words)
            after = self._read_back(asker, names)
            return self._judge(audit, outcome, before, after)

    def _confirmed(self, audit: Audit, before: list[DeviceReading]) -> str:
        """The operator's words; ``RefusedError`` where there are none."""
        from fieldkit.safetext import terminal
        from fieldkit.sources.serial.trouble import RefusedError
        from fieldkit.sources.serial.writing import objection, value_of, worn

        plan = self._plan
        old = value_of(before, plan.writable.readback)
        why = objection(plan, before, while_charging=self._given["while_charging"]) or worn(plan, audit.entries())
        if why:
            raise RefusedError(why)
        phrase = plan.phrase(old)
        for line in plan.explained(old):
            click.echo(terminal(line), err=True)
        said = self._given["confirm"]
        if said is None:
            if not sys.stdin.isatty():
                raise RefusedError(f"nobody can be asked here: --confirm {phrase!r}")
            said = click.prompt(f"To write it, type: {terminal(phrase)}\n", prompt_suffix="> ", default="", err=True)
        if said.strip() != phrase:
            audit.add("not confirmed", port=self._name, device=plan.device, intent=phrase, said=said[:200])
            raise RefusedError(f"not confirmed: {phrase!r} was expected")
        return phrase

    def _still_so(self, talk: Talk, spec: DeviceSpec, asker: Asker, names: list[str], words: str) -> None:
        """Between the question and its answer minutes may have passed: a vehicle has come, a master has woken up."""
        from fieldkit.sources.serial.device import objection as talked
        from fieldkit.sources.serial.trouble import RefusedError
        from fieldkit.sources.serial.writing import objection, value_of

        plan = self._plan
        why = talked(spec, talk.listen(_MEANWHILE))
        if why:
            raise serialoptions.PortFailure(f"nothing was written: {why}")
        if not names:
            return
        present = asker.once().readings
        why = objection(plan, present, while_charging=self._given["while_charging"])
        if not why and plan.phrase(value_of(present, plan.writable.readback)) != words:
            why = f"meanwhile it is {plan.shown(value_of(present, plan.writable.readback))}"
        if why:
            raise RefusedError(why)

    def _read_back(self, asker: Asker, names: list[str]) -> list[DeviceReading]:
        """What the device says now; nothing where it is gone, for written it was in any case."""
        from fieldkit.sources.serial.trouble import PortError, RefusedError

        try:
            return asker.once().readings if names else []
        except (PortError, RefusedError) as error:
            click.echo(f"it could not be read back: {error}", err=True)
            return []

    def _write(self, port: SerialPort, talk: Talk, asker: Asker, words: str) -> Outcome:
        from fieldkit.devices.modbus.writes import AllowedWrite, write_request
        from fieldkit.sources.serial.guard import Permit

        plan = self._plan
        request = write_request(AllowedWrite(plan.intent, words))

        def send(data: bytes) -> None:
            intent = f"{plan.writable.name}: {plan.intent}"
            port.guard.write(Permit(data, device=plan.device, intent=intent, confirmation=words))

        return talk.write(asker.line, request, send)

    def _judge(
        self, audit: Audit, outcome: Outcome, before: list[DeviceReading], after: list[DeviceReading]
    ) -> ExitCode:
        from fieldkit.devices.modbus.exchange import Cause
        from fieldkit.safetext import terminal
        from fieldkit.sources.serial.writing import same, value_of

        plan = self._plan
        name = plan.writable.readback
        old, now_it_is = value_of(before, name), value_of(after, name)
        took = bool(name) and same(plan, after)
        if took:
            verdict, code = "took effect", ExitCode.OK
        elif outcome.cause is Cause.EXCEPTION and name and now_it_is == old and now_it_is is not None:
            verdict, code = "refused by the device, nothing changed", ExitCode.FINDINGS
        elif outcome.cause is Cause.ANSWERED and not name:
            verdict, code = "the device confirmed it; nothing can be read back", ExitCode.OK
        else:
            verdict, code = "unknown", ExitCode.INCOMPLETE
        audit.add(
            "result",
            port=self._name,
            device=plan.device,
            intent=plan.phrase(old),
            cause=outcome.cause.value,
            rx=outcome.heard.hex(),
            before=old,
            after=now_it_is,
            verdict=verdict,
        )
        click.echo(terminal(f"{plan.writable.name}: {verdict}; {outcome.text}"))
        if name:
            click.echo(terminal(f"read back: {plan.shown(now_it_is)}"))
        if code is ExitCode.INCOMPLETE:
            click.echo("it was written once and is not written again: look at the device, then decide", err=True)
        return code
