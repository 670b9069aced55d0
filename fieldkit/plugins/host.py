"""The plugins of one run: loaded when they are wanted, named and left out when they fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldkit.events import PluginFailed
from fieldkit.plugins.consent import Consent
from fieldkit.plugins.discover import Found, by_path, discover
from fieldkit.plugins.loading import LoadError, load
from fieldkit.plugins.registrar import Registrar


class UnknownPlugin(ValueError):  # noqa: N818
    """There is none of that name; says which there are."""


@dataclass(slots=True)
class Host:
    """Who wants plugins asks this."""

    found: list[Found]
    consent: Consent = field(default_factory=Consent)
    tell: Callable[[str], object] = lambda line: None
    """For introductions."""
    failures: list[PluginFailed] = field(default_factory=list)
    _loaded: dict[str, Registrar | None] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Registrar]:
        """All that are usable, loaded."""
        wanted = [one for one in self.found if one.manifest is not None and kind in one.manifest.kinds]
        return [registrar for one in wanted if (registrar := self.load(one, kind)) is not None]

    def load(self, one: Found, kind: str = "") -> Registrar | None:
        """One of them; None when it cannot be used, and ``failures`` has why."""
        if one.name in self._loaded and not one.problem:
            return self._loaded[one.name]
        why = one.problem or self.consent.refusal(one)
        registrar: Registrar | None = None
        if not why:
            for line in self.consent.introduction(one):
                self.tell(line)
            self.consent.seen(one)
            try:
                registrar = load(one)
            except LoadError as error:
                why = str(error)
        if why:
            self.failed(one.name, kind, why)
        if not one.problem:
            self._loaded[one.name] = registrar
        return registrar

    def failed(self, plugin: str, kind: str, why: str) -> PluginFailed:
        """Quarantined: it is not used any more in this run."""
        event = PluginFailed(time.time_ns(), (), plugin, kind, why)
        self.failures.append(event)
        self._loaded[plugin] = None
        return event


def chosen(names: Sequence[str], host: Host) -> list[Registrar]:
    """Those that a user names, by name or by path; UnknownPlugin for what is none. What fails is in ``failures``."""
    result: list[Registrar] = []
    for name in names:
        known = next((one for one in host.found if one.name == name), None)
        if known is None and ("/" in name or Path(name).is_dir()):
            known = by_path(name)
            if known.manifest is None:
                raise UnknownPlugin(known.problem)
            host.found.insert(0, known)
        if known is None:
            there = ", ".join(sorted({one.name for one in host.found if one.usable})) or "none"
            raise UnknownPlugin(f"there is no plugin {name!r} (there are: {there}); or name its directory")
        registrar = host.load(known, known.manifest.kinds[0] if known.manifest is not None else "")
        if registrar is not None:
            result.append(registrar)
    return result


def everything(paths: Iterable[str | Path] = (), *, tell: Callable[[str], object] = lambda line: None) -> Host:
    """All plugins there are, none of them loaded."""
    return Host(discover(tuple(paths)), tell=tell)
