"""ModemManager, asked through mmcli, or on OpenWrt also through its object on the bus.

mmcli's JSON has texts for everything: numbers are "-104.00", what is not known is "--", only lists are lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fieldkit.links.reading import holders, identity, items, mapping, number, parsed, raw, text, truth, whole
from fieldkit.links.runner import NotHere, Runner, RunnerError
from fieldkit.links.uplink import LinkEvent, Signal, Sim, Uplink

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar

SECOND: Final = 1_000_000_000
MAX_MODEMS: Final = 8
_PATH: Final = re.compile(r"/org/freedesktop/ModemManager1/(?:Modem|SIM|Bearer)/\d{1,6}")
_NET: Final = re.compile(r"(\S{1,32}) \(net\)")
_TECHNOLOGIES: Final = (
    ("5gnr", "5G NR"), ("lte", "LTE"), ("hspa", "3G"), ("hsupa", "3G"), ("hsdpa", "3G"), ("umts", "3G"),
    ("edge", "2G"), ("gprs", "2G"), ("gsm", "2G"),
)  # fmt: skip
_SIGNALS: Final = {"5G NR": "5g", "LTE": "lte", "3G": "umts", "2G": "gsm"}


class ModemManagerAdapter:
    """Every modem that it drives."""

    def probe(self, runner: Runner) -> float:
        """It must be there, and have a modem."""
        return 0.6 if self._modems(runner) else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Of each modem; one that vanishes while it is asked is left out."""
        for told in self._modems(runner):
            if isinstance(told, Mapping):
                yield modem(told, mapping(told, "signal"), bearers(told), mapping(told, "generic", "sim"), runner.now())
                continue
            answer = ""
            try:
                answer = runner.run("mmcli", "-m", told, "-J")
                document = parsed(answer)
            except NotHere:
                raise
            except RunnerError as error:
                if "find modem" in str(error) or "nonexistent" in str(error):
                    continue
                raise
            generic = mapping(document, "modem", "generic")
            if not generic:
                yield Uplink(id=f"modem{told.rpartition('/')[2]}", kind="cellular", understood=False, raw=raw(answer))
                continue
            signal = mapping(self._more(runner, "-m", told, "--signal-get"), "modem", "signal")
            of_bearers = [mapping(self._more(runner, "-b", path), "bearer") for path in _paths(generic.get("bearers"))]
            sims = _paths([generic.get("sim")])
            sim = mapping(self._more(runner, "-i", sims[0]), "sim") if sims else {}
            yield modem(mapping(document, "modem"), signal, of_bearers, sim, runner.now())

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """mmcli -M tells of modems that come and go; state is found by comparing."""
        for line in runner.follow("mmcli", "-M"):
            match = re.search(r"\((\+|-)\)\s+(/org/\S{1,80})(?:\s+(.{0,80}))?", line)
            if match is not None:
                name = f"modem{match[2].rpartition('/')[2]}"
                there = match[1] == "+"
                said = f"{name} {'has appeared' if there else 'is gone'}"
                yield LinkEvent(
                    runner.now(), "modemmanager", "appeared" if there else "vanished", name, said, exact=True
                )

    def _modems(self, runner: Runner) -> list[Any]:
        """Their paths, or, over HTTP, all that the bus object has of them."""
        try:
            listed = parsed(runner.run("mmcli", "-L", "-J"))
        except NotHere:
            dump = runner.ubus("modemmanager", "dump")
            return list(holders(dump, "generic", limit=MAX_MODEMS))
        return _paths(mapping(listed).get("modem-list"))

    def _more(self, runner: Runner, *question: str) -> Any:
        try:
            return parsed(runner.run("mmcli", *question, "-J"))
        except RunnerError:
            return None  # the modem is locked, or has just gone: what is known already stands


def _paths(values: object) -> list[str]:
    return [value for value in items(values, MAX_MODEMS) if isinstance(value, str) and _PATH.fullmatch(value)]


def bearers(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of the bus object, which puts them in the place of their paths."""
    return [one for one in items(mapping(told, "generic").get("bearers"), MAX_MODEMS) if isinstance(one, Mapping)]


def modem(
    told: Mapping[str, Any],
    signal: Mapping[str, Any],
    of_bearers: list[Mapping[str, Any]],
    sim: Mapping[str, Any],
    now: int,
) -> Uplink:
    """A modem, from what its parts say."""
    generic, network = mapping(told, "generic"), mapping(told, "3gpp")
    state, registration = text(generic.get("state")), text(network.get("registration-state"))
    technology = _technology(generic.get("access-technologies"))
    connected = next((one for one in of_bearers if truth(mapping(one, "status").get("connected"))), {})
    ports = [match[1] for port in items(generic.get("ports"), 20) if (match := _NET.match(text(port)))]
    device = text(mapping(connected, "status").get("interface")) or next(iter(ports), "")
    duration = number(mapping(connected, "stats").get("duration"), 0)
    notes = []
    failed = text(generic.get("state-failed-reason"))
    if failed:
        notes.append(f"the modem failed: {failed}")
    lock = text(generic.get("unlock-required"))
    # sim-pin2 guards the phone book and keeps nobody from the network.
    if lock and lock not in ("sim-pin2", "sim-puk2"):
        notes.append(f"the SIM is locked: {lock}")
    if registration == "denied":
        notes.append("the network refuses this SIM (registration denied)")
    return Uplink(
        id=device or text(generic.get("primary-port")) or "modem",
        kind="cellular",
        up=state == "connected" if state else None,
        state=", ".join(word for word in (state, registration) if word),
        since=int(now - duration * SECOND) if duration else None,
        device=device,
        modem=text(generic.get("primary-port")),
        address=text(mapping(connected, "ipv4-config").get("address"))
        or text(mapping(connected, "ipv6-config").get("address")),
        operator=text(network.get("operator-name")) or text(network.get("operator-code")),
        roaming=registration.startswith("roaming") if registration else None,
        technology=technology,
        sim=Sim(
            slot=whole(generic.get("primary-sim-slot"), 1, 16),
            profile=text(mapping(sim, "properties").get("operator-name")),
            iccid=identity(mapping(sim, "properties").get("iccid")),
        ),
        signal=_signal(signal, technology),
        metered=True,
        notes=tuple(notes),
    )


def _technology(values: object) -> str:
    words = " ".join(text(value).lower() for value in items(values, 8))
    return next((name for key, name in _TECHNOLOGIES if key in words), words)


def _signal(told: Mapping[str, Any], technology: str) -> Signal:
    """Of the technology in use, else of the first that has values."""
    first = _SIGNALS.get(technology)
    for key in [*([first] if first else []), "5g", "lte", "umts", "gsm"]:
        values = mapping(told, key)
        found = Signal(
            rsrp=number(values.get("rsrp"), -200, 0),
            rsrq=number(values.get("rsrq"), -60, 30),
            sinr=number(values.get("snr"), -60, 60),
            rssi=number(values.get("rssi"), -200, 0),
        )
        if found.known:
            return found
    return Signal()


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.router_adapter("modemmanager", ModemManagerAdapter)
