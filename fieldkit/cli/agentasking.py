"""Asking an agent: the one of this machine through its socket, that of a router through ssh."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

RUN_VARIABLE: Final = "FIELDKIT_AGENT_RUN"
"""Environment variable with the agent's folder (agent.run)."""
PROGRAM_VARIABLE: Final = "FIELDKIT_REMOTE"
"""The same with what fieldkit is called on routers."""
_USUAL: Final = Path("/run/fieldkit")
_F = TypeVar("_F", bound=Callable[..., Any])

router: Final = click.argument("router", metavar="[ROUTER]", default="")


class NotAsked(click.ClickException):
    """There is no agent to ask, or no way to it."""

    exit_code = int(ExitCode.UNREACHABLE)


def ask(where: str, question: Mapping[str, Any], *, follow: bool = False) -> tuple[dict[str, Any], Iterator[bytes]]:
    """The agent's answer, and (``follow``) what comes behind it."""
    if not where:
        from fieldkit.agent.control import ControlError
        from fieldkit.agent.control import ask as ask_here

        try:
            return ask_here(folder(), question, follow=follow)
        except ControlError as error:
            raise NotAsked(str(error)) from None
    return _over_ssh(where, question, follow=follow)


def folder() -> Path:
    """Where the socket is."""
    named = os.environ.get(RUN_VARIABLE)
    if named:
        return Path(named)
    from fieldkit.agent.settings import USUAL
    from fieldkit.agent.uci import read
    from fieldkit.config import ConfigError

    try:
        return Path(read(USUAL).table("agent").text("run", str(_USUAL)))
    except ConfigError:
        return _USUAL  # not there, or not for us to read


def _over_ssh(where: str, question: Mapping[str, Any], *, follow: bool) -> tuple[dict[str, Any], Iterator[bytes]]:
    from fieldkit.sources.file import SourceError
    from fieldkit.sources.sshcommand import command, parse, refusal

    try:
        target = parse(where)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    program = os.environ.get(PROGRAM_VARIABLE, "fieldkit")
    remote = f"{program} agent ask {shlex.quote(json.dumps(question))}"
    try:
        process = subprocess.Popen(
            command(target, remote), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise NotAsked(f"ssh: {error.strerror or error}") from None
    assert isinstance(process.stdout, io.BufferedReader)
    assert process.stderr is not None
    out, err = process.stdout, process.stderr

    def bury() -> None:
        process.kill()
        process.wait()
        out.close()
        err.close()

    line = out.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        said = err.read(4096).decode("utf-8", "replace").splitlines()
        bury()
        mine = [text for text in said if text.startswith("fieldkit")]
        raise NotAsked(terminal(mine[-1] if mine else refusal(target, said).reason, 400)) from None

    def rest() -> Iterator[bytes]:
        try:
            while piece := out.read1(1 << 16):
                yield piece
        finally:
            bury()

    if not follow:
        bury()
        return answer, iter(())

    return answer, rest()
