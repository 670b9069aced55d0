"""All adapters for one router: fieldkit's own and those of plugins, ready to be asked."""

from __future__ import annotations

from fieldkit.links.runner import Runner
from fieldkit.links.survey import Asked, Survey, builtin
from fieldkit.plugins.host import Host


def survey_of(runner: Runner, host: Host) -> Survey:
    """Nothing is asked yet. An adapter that is left out is a failure of its plugin, in ``host.failures``."""
    asked = [
        Asked(name, registrar.manifest.name, make, registrar.manifest.may)
        for registrar in host.of_kind("router-adapter")
        for name, make in registrar.adapters.items()
    ]

    def failed(one: Asked, why: str) -> None:
        if one.plugin:
            host.failed(one.plugin, "router-adapter", f"adapter {one.name}: {why}")

    return Survey(runner, [*asked, *builtin()], on_failure=failed)
