"""What a plugin's ``register`` is called with: takes in what it brings, and nothing that it has not announced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldkit.plugins.manifest import Manifest

if TYPE_CHECKING:
    from fieldkit.checks.check import Check
    from fieldkit.devices.modbus.profile import Profile
    from fieldkit.links.adapter import RouterAdapter
    from fieldkit.plugins.kinds import Decoder, ReportWriter, Sink


class RegistrationError(Exception):
    """A plugin brings what it must not, or not what it must."""


@dataclass
class Registrar:
    """Of one plugin."""

    manifest: Manifest
    root: Path
    """Where its manifest is: what lies beside it may be read."""
    adapters: dict[str, Callable[[], RouterAdapter]] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    checks: list[type[Check]] = field(default_factory=list)
    sinks: dict[str, Callable[[], Sink]] = field(default_factory=dict)
    reports: dict[str, ReportWriter] = field(default_factory=dict)
    decoders: list[Callable[[], Decoder]] = field(default_factory=list)

    def router_adapter(self, name: str, make: Callable[[], RouterAdapter]) -> None:
        """``make`` without arguments gives one; usually it is the class."""
        self._announced("router-adapter")
        for method in ("probe", "snapshot", "events"):
            if isinstance(make, type) and not callable(getattr(make, method, None)):
                raise RegistrationError(f"router adapter {name}: it has no {method}()")
        self._put(self.adapters, name, make)

    def device_profile(self, text: str, name: str = "profile") -> None:
        """The text of a profile's TOML file."""
        from fieldkit.devices.modbus.profileload import ProfileError, parse_profile

        self._announced("device-profile")
        try:
            self.profiles.append(parse_profile(text, name))
        except ProfileError as error:
            raise RegistrationError(str(error)) from None

    def check(self, check: type[Check]) -> None:
        """A subclass of ``fieldkit.checks.check.Check`` with ``kinds``, whose ids begin with the plugin's name."""
        from fieldkit.checks.check import Check

        self._announced("check")
        given: object = check
        if not (isinstance(given, type) and issubclass(given, Check) and given.kinds):
            raise RegistrationError(f"{check!r} is no check: a subclass of Check with kinds")
        for kind in check.kinds:
            # A stranger's finding must not pass for one of ours, which documents and filters know by their ids.
            if not kind.id.startswith(f"{self.manifest.name}."):
                raise RegistrationError(f"the finding {kind.id!r} must be called {self.manifest.name}.…")
        self.checks.append(check)

    def sink(self, name: str, make: Callable[[], Sink]) -> None:
        """``make`` without arguments gives one."""
        self._announced("sink")
        self._put(self.sinks, name, make)

    def report(self, suffix: str, write: ReportWriter) -> None:
        """For documents of a suffix that the manifest names."""
        self._announced("report")
        if suffix not in self.manifest.suffixes:
            raise RegistrationError(f"the manifest does not name the suffix {suffix!r}")
        self._put(self.reports, suffix, write)

    def decoder(self, make: Callable[[], Decoder]) -> None:
        """``make`` without arguments gives one."""
        self._announced("decoder")
        if isinstance(make, type) and not all(hasattr(make, name) for name in ("wants", "claims", "feed")):
            raise RegistrationError(f"{make.__name__} is no decoder: wants, claims() and feed()")
        self.decoders.append(make)

    def finish(self) -> None:
        """Whatever was announced must be there."""
        brought: dict[str, Any] = {
            "router-adapter": self.adapters, "device-profile": self.profiles, "check": self.checks,
            "sink": self.sinks, "report": self.reports, "decoder": self.decoders,
        }  # fmt: skip
        for kind in self.manifest.kinds:
            if not brought[kind]:
                raise RegistrationError(f"its manifest announces a {kind}, and it registers none")

    def _announced(self, kind: str) -> None:
        if kind not in self.manifest.kinds:
            raise RegistrationError(f"it registers a {kind}, which its manifest does not announce")

    def _put(self, where: dict[str, Any], name: str, value: Any) -> None:
        if name in where:
            raise RegistrationError(f"it registers {name!r} twice")
        if not callable(value):
            raise RegistrationError(f"{name}: {value!r} cannot be called")
        where[name] = value
