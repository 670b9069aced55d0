"""A router adapter to start from. Copy the directory, rename it, and change what is marked with a number.

Try it without installing it:  fieldkit plugins check ./template;  fieldkit link --plugin ./template
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fieldkit.links.reading import number, objects, parsed, raw, text, truth
from fieldkit.links.runner import Runner
from fieldkit.links.uplink import LinkEvent, Signal, Uplink

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar


class MyRouterAdapter:
    """1. The question: a program here; ``runner.ubus``, ``runner.get`` and ``runner.read`` are others.

    What is asked must be among the capabilities of the manifest.
    """

    def probe(self, runner: Runner) -> float:
        """2. How sure it is that this is the router it knows. A missing program means no by itself."""
        return 0.5 if parsed(runner.run("myrouter-status", "--json")) is not None else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """3. The answer's members, as uplinks. ``number``, ``text`` and ``truth`` take whatever there is."""
        answer = runner.run("myrouter-status", "--json")
        document = parsed(answer)
        if not isinstance(document, list):
            yield Uplink(id="myrouter", understood=False, raw=raw(answer))
            return
        for link in objects(document):
            up = truth(link.get("connected"))
            yield Uplink(
                id=text(link.get("name")) or "link",
                kind="cellular" if link.get("modem") else "ethernet",
                up=up,
                state=text(link.get("state")),
                role="active" if truth(link.get("default")) else "standby" if up else "failed",
                device=text(link.get("interface")),
                address=text(link.get("address")),
                operator=text(link.get("operator")),
                signal=Signal(rsrp=number(link.get("rsrp"), -200, 0)),
            )

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """4. What the router tells by itself (``runner.follow``); without it changes are found by comparing."""
        return iter(())


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.router_adapter("template", MyRouterAdapter)
