"""What happens around the traffic: the router's uplinks, and the posture of endpoints; each asked by a child."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fieldkit.agent.records import PRIORITIES
from fieldkit.agent.settings import LinkSettings, PostureSettings, Settings
from fieldkit.agent.told import Writer
from fieldkit.agent.uplinks import Meter

if TYPE_CHECKING:  # an agent without children does without what starts them
    from fieldkit.agent.helpers import Helper, Periodic, Tell

AGAIN: Final = 7 * 86_400.0
"""Seconds after which a posture that has not changed is told again: whoever collects may have forgotten it."""
_EVENTS: Final = frozenset({"up", "down", "route", "role", "address", "sim", "nat-rebind", "nat-flush", "reboot"})
"""Changes of uplinks that begin a schedule of events."""


class Outlook:
    """Of one agent."""

    def __init__(self, settings: Settings, tell: Tell, ring: Callable[[], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._ring = ring
        self._meter: Meter | None = None
        self._writer: Writer | None = None
        self._changed = False
        self._event_at = 0.0
        self._told: dict[str, tuple[str, float]] = {}
        self._uplinks: list[Mapping[str, Any]] = []

    def use(self, meter: Meter, writer: Writer) -> None:
        """Who wants to know. The children are heard only after this."""
        self._meter, self._writer = meter, writer

    def helpers(self) -> list[Helper | Periodic]:
        """The children, not yet started."""
        links = self._settings.links
        if links is None and not self._settings.posture:
            return []
        from fieldkit.agent.helpers import Helper, Periodic

        found: list[Helper | Periodic] = []
        if links is not None:
            found.append(Helper("uplinks", link_command(links), self._on_link, self._tell))
        for one in self._settings.posture:
            found.append(
                Periodic(f"posture of {one.target}", posture_command(one), one.every, self._on_posture, self._tell)
            )
        return found

    def changed(self) -> bool:
        """Whether our way out is another one since this was last asked."""
        changed, self._changed = self._changed, False
        return changed

    def since_event(self) -> float | None:
        """Seconds since something happened to an uplink."""
        return time.monotonic() - self._event_at if self._event_at else None

    def shown(self) -> list[Mapping[str, Any]]:
        """The uplinks as they were last seen."""
        return self._uplinks

    def _on_link(self, told: dict[str, Any]) -> None:
        if isinstance(told.get("look"), dict):
            self._uplinks = [one for one in told["look"].get("uplinks", []) if isinstance(one, dict)]
            if self._meter is not None and self._meter.look(self._uplinks):
                self._changed = True
                self._ring()
        event = told.get("event")
        if isinstance(event, dict) and self._writer is not None:
            if event.get("what") in _EVENTS:
                self._event_at = time.monotonic()
                self._ring()
            parts = [str(event.get(name, "")) for name in ("time", "what", "uplink", "before", "after")]
            self._writer.write(self._writer.uid("link", *parts), 1, PRIORITIES["warning"], event, "link")

    def _on_posture(self, told: dict[str, Any]) -> None:
        writer = self._writer
        for target in told.get("targets", ()):
            if isinstance(target, dict) and target.get("reachable") is False:
                name = str(target.get("target") or "the endpoint")
                why = str(target.get("error") or "it cannot be reached")
                self._tell("helper-failed", group=f"posture {name}", what=f"posture of {name}", why=why)
        for finding in told.get("findings", ()):
            if writer is None or not isinstance(finding, dict) or finding.get("severity") not in PRIORITIES:
                continue
            uid = writer.uid(
                "posture", *(str(finding.get(name, "")) for name in ("id", "target", "station", "connector"))
            )
            same = {name: value for name, value in finding.items() if name not in ("first", "last", "evidence")}
            digest = hashlib.blake2b(json.dumps(same, sort_keys=True).encode(), digest_size=16).hexdigest()
            before = self._told.get(uid, ("", 0.0))
            if digest != before[0] or time.monotonic() - before[1] > AGAIN:
                self._told[uid] = (digest, time.monotonic())
                # Seconds as the revision: a posture that is told after a restart is newer than one from before.
                writer.write(uid, int(time.time()), PRIORITIES[finding["severity"]], finding)


def link_command(settings: LinkSettings) -> list[str]:
    """``fieldkit link`` as a child."""
    plugins = [word for name in settings.plugins for word in ("--plugin", name)]
    router = [settings.router] if settings.router else []
    return ["link", "--watch", "--json", "-", "--quiet", "--every", f"{settings.every:g}s", *plugins, *router]


def posture_command(settings: PostureSettings) -> list[str]:
    """``fieldkit tls`` as a child."""
    given = {"--identity": settings.identity, "--password-file": settings.password_file, "--ca": settings.ca,
             "--client-cert": settings.cert, "--client-key": settings.key}  # fmt: skip
    options = [word for name, value in given.items() if value for word in (name, value)]
    return ["tls", "--json", "-", "--quiet", "--fail-on", "never", *options, settings.target]
