"""RutOS: what its modem daemon knows. Interfaces and failover are OpenWrt's, and the openwrt plugin's business.

``gsm.modemN info`` has what was read last in ``cache``; on some models only the hardware is in there, and the answers
to single questions, or gsmctl, say more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fieldkit.links.reading import identity, mapping, number, objects, parsed, raw, text, whole
from fieldkit.links.runner import Runner, RunnerError
from fieldkit.links.uplink import LinkEvent, Signal, Sim, Uplink

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar

_OBJECT: Final = re.compile(r"gsm\.modem(\d{1,2})")
_INTERFACE: Final = re.compile(r"mob(\d{1,2})s(\d{1,2})a(\d{1,2})(?:_\d)?")
_KNOWN: Final = ("reg_stat", "reg_stat_str", "operator", "net_mode_str", "rsrp_value", "rssi_value", "iccid", "sim")
_REGISTRATION: Final = {0: "not registered", 1: "registered", 2: "searching", 3: "denied", 5: "registered, roaming"}
"""3GPP TS 27.007, 7.2: +CREG's <stat>."""


class RutOsAdapter:
    """Every modem of the router."""

    def probe(self, runner: Runner) -> float:
        """Nobody else has a gsm object on the bus."""
        return 0.7 if self._modems(runner) else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Of each modem, as a part of the interface that its SIM drives."""
        names = self._interfaces(runner)
        rules = self._switching(runner)
        for number_ in self._modems(runner):
            name = f"gsm.modem{number_}"
            info = runner.ubus(name, "info")
            cache = dict(mapping(info, "cache"))
            if not any(key in cache for key in _KNOWN):
                cache |= self._asked(runner, name)
            yield modem(info, cache, number_, names, rules)

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """What it tells by itself is in no document: changes are found by comparing."""
        return iter(())

    def _modems(self, runner: Runner) -> list[int]:
        found = (_OBJECT.fullmatch(name) for name in runner.ubus_objects("gsm.*"))
        return sorted({int(match[1]) for match in found if match is not None})[:8]

    def _interfaces(self, runner: Runner) -> dict[str, str]:
        """netifd's interfaces of modems; RutOS adds which modem each belongs to."""
        try:
            dump = objects(mapping(runner.ubus("network.interface", "dump")).get("interface"))
        except RunnerError:
            return {}
        return {text(one.get("interface")): text(one.get("modem")) for one in dump if text(one.get("interface"))}

    def _switching(self, runner: Runner) -> list[str]:
        """What the rules for switching the SIM have done."""
        try:
            told = runner.ubus("sim_switch", "status")
        except RunnerError:
            return []
        notes = []
        for rule in objects(mapping(told).get("rules")):
            if rule.get("triggered") in (True, 1, "1", "true"):
                notes.append(f"the SIM was switched by the rule {text(rule.get('type')) or 'without a name'}")
            else:
                count, most = whole(rule.get("fail_count")), whole(rule.get("max_fail"))
                if count and most:
                    rule_name = text(rule.get("type"))
                    notes.append(f"the rule {rule_name} for switching the SIM has counted {count} of {most} failures")
        return notes

    def _asked(self, runner: Runner, name: str) -> dict[str, Any]:
        """Piece by piece, where ``info`` has the hardware only."""
        found: dict[str, Any] = {}
        for method in ("get_network_info", "get_serving_cell", "get_sim_slot", "read_signal_db"):
            try:
                told = mapping(runner.ubus(name, method))
            except RunnerError:
                continue
            found |= {key: value for key, value in told.items() if key not in found}
        if not any(key in found for key in _KNOWN):
            try:
                said = parsed(runner.run("gsmctl", "--info"))
                found |= mapping(said, "cache") or mapping(said)
            except RunnerError:
                return found
        return found


def modem(info: Any, cache: Mapping[str, Any], number_: int, names: Mapping[str, str], rules: list[str]) -> Uplink:
    """A modem, from its document."""
    slot = whole(cache.get("sim"), 1, 16) or whole(cache.get("sim_slot"), 1, 16)
    usb = text(mapping(info).get("usb_id"))
    name = _interface(names, usb, number_, slot)
    if not any(key in cache for key in _KNOWN):
        return Uplink(id=name, kind="cellular", modem=usb, understood=False, raw=raw(info), notes=tuple(rules))
    status = whole(cache.get("reg_stat"), 0, 10)
    registration = text(cache.get("reg_stat_str")) or _REGISTRATION.get(status if status is not None else -1, "")
    notes = list(rules)
    pin = text(cache.get("pin_state_str"))
    if pin and pin.upper() not in ("OK", "READY"):
        notes.append(f"the SIM: {pin}")
    if status == 3 or "denied" in registration.lower():
        notes.append("the network refuses this SIM (registration denied)")
    roaming = status == 5 if status is not None else "roaming" in registration.lower() if registration else None
    return Uplink(
        id=name,
        kind="cellular",
        state=registration,
        modem=usb,
        operator=text(cache.get("operator")),
        roaming=roaming,
        technology=" ".join(word for word in (text(cache.get("net_mode_str")), _band(cache)) if word),
        sim=Sim(slot, text(cache.get("provider_name")), identity(cache.get("iccid"))),
        signal=Signal(
            rsrp=_value(cache, "rsrp", -200, 0),
            rsrq=_value(cache, "rsrq", -60, 30),
            sinr=_value(cache, "sinr", -60, 60),
            rssi=_value(cache, "rssi", -200, 0),
        ),
        metered=True,
        notes=tuple(notes),
    )


def _interface(names: Mapping[str, str], usb: str, number_: int, slot: int | None) -> str:
    """netifd's name of what this SIM drives: mob1s2a1 is modem 1, SIM 2, access point 1."""
    candidates = []
    for name, of_modem in names.items():
        match = _INTERFACE.fullmatch(name)
        if match is None or (slot is not None and int(match[2]) != slot):
            continue
        if of_modem == usb if of_modem and usb else int(match[1]) == number_ + 1:
            candidates.append(name)
    return min(candidates, default=f"modem{number_}")


def _band(cache: Mapping[str, Any]) -> str:
    """Of "LTE B20" the band: what the mode says already is not said again."""
    band, mode = text(cache.get("band_str")), text(cache.get("net_mode_str"))
    return band.removeprefix(mode).strip() if mode else band


def _value(cache: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    found = number(cache.get(f"{name}_value"), low, high)
    return found if found is not None else number(cache.get(name), low, high)


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.router_adapter("rutos", RutOsAdapter)
