"""``fieldkit link --probe``: when the uplinks are tried, from where, and what is shown of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import moments
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldkit.links.probes.probe import Probe
    from fieldkit.links.probes.prober import Prober
    from fieldkit.links.runner import Runner
    from fieldkit.links.uplink import Uplink

LEAST_BUDGET: Final = 1_000
MOST_BUDGET: Final = 1 << 40
_WAIT: Final = 5.0
"""Seconds a round that is under way has to end when the watching is over: what does not answer by then is left."""


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those of the probes."""
    for option in reversed(
        [
            click.option("--probe", metavar="CSMS-URL", help="Try over every uplink whether it carries this CSMS."),
            click.option("--probe-every", metavar="DURATION", help="With --watch: time between rounds (default: 15m)."),
            click.option("--probe-budget", metavar="SIZE", help="What a metered uplink may cost a day (default: 1MB)."),
            click.option("--probe-ca", metavar="FILE", default="", help="CA that issues the CSMS's certificate (PEM)."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


class Probing:
    """The probes of one run."""

    def __init__(self, prober: Prober, every: float, *, shared: bool) -> None:
        """``shared``: they go through the same login as everything else that is asked."""
        self.prober = prober
        self._shared = shared
        self.done: SimpleQueue[list[Probe]] = SimpleQueue()
        """Rounds that a thread has made."""
        self._every = every
        self._due = 0.0
        self._thread: threading.Thread | None = None

    @property
    def first(self) -> bool:
        """A round is under way that others have to wait for: they would be blamed for being slow."""
        return self._shared and self._thread is not None and self._thread.is_alive()

    def round(self, uplinks: Sequence[Uplink]) -> list[Probe]:
        """Now."""
        return self.prober.probe(uplinks)

    def turn(self, uplinks: Sequence[Uplink]) -> list[Probe]:
        """While watching: what has come in; and a new round where one is due, which waits for nobody."""
        from fieldkit.links.probes.prober import next_pause

        busy = self._thread is not None and self._thread.is_alive()
        if not busy and time.monotonic() >= self._due and uplinks:
            self._due = time.monotonic() + next_pause(self._every)
            self._thread = threading.Thread(
                target=lambda: self.done.put(self.prober.probe(uplinks)), name="probes", daemon=True
            )
            self._thread.start()
        try:
            return self.done.get_nowait()
        except Empty:
            return []

    def rest(self) -> list[Probe]:
        """Of a round that is under way when the watching ends."""
        if self._thread is not None:
            self._thread.join(_WAIT)
        try:
            return self.done.get_nowait()
        except Empty:
            return []


def probing(
    runner: Runner, router: str, *, url: str | None, every: str | None, budget: str | None, authorities: str,
    watch: bool,
) -> Probing | None:  # fmt: skip
    """From the options; None: nothing is sent. UsageError for what makes no sense."""
    if not url:
        for name, value in (("--probe-every", every), ("--probe-budget", budget), ("--probe-ca", authorities)):
            if value:
                raise click.UsageError(f"{name} goes with --probe CSMS-URL")
        return None
    if every and not watch:
        raise click.UsageError("--probe-every goes with --watch")
    if router.startswith("replay:"):
        raise click.UsageError("--probe: a recording cannot be probed")
    if router.startswith(("ubus+", "ncos+")):
        raise click.UsageError(
            "--probe: over HTTP a router runs no programs; use ssh://, or run fieldkit on the router"
        )
    from fieldkit.links.probes.budget import METERED, Budget
    from fieldkit.links.probes.local import LocalProber
    from fieldkit.links.probes.probe import IDENTITY
    from fieldkit.links.probes.prober import EVERY, SHORTEST, Prober
    from fieldkit.links.probes.remote import RemoteProber
    from fieldkit.sources.tlsprobe import targets

    try:
        target = targets.parse(url, IDENTITY)
    except targets.TargetError as error:
        raise click.UsageError(f"--probe: {terminal(str(error), 300)}") from None
    pause = max(moments.seconds("--probe-every", every), SHORTEST) if every else EVERY
    limit = moments.size("--probe-budget", budget, least=LEAST_BUDGET, most=MOST_BUDGET) if budget else METERED
    if authorities:
        _readable(authorities)
    attempts = RemoteProber(runner, target) if router else LocalProber(target, authorities)
    prober = Prober(runner, target, attempts, Budget(router or "here", limit=limit))
    return Probing(prober, pause, shared=bool(router))


def _readable(authorities: str) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        said = error.strerror if not isinstance(error, ssl.SSLError) else ""
        raise click.UsageError(f"--probe-ca {authorities}: {said or 'there is no certificate in it (PEM)'}") from None


def verdict(probes: Sequence[Probe], code: ExitCode) -> ExitCode:
    """1 where an uplink that is up would not carry the CSMS, unless something worse is known."""
    unusable = any(probe.usable is False for probe in probes)
    return ExitCode.FINDINGS if unusable and code is ExitCode.OK else code
