"""Modems that OpenWrt drives with uqmi: three short JSON answers of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.links.reading import mapping, number, objects, parsed, raw, text, truth
from fieldkit.links.runner import NotHere, Runner, RunnerError
from fieldkit.links.uplink import LinkEvent, Signal, Uplink

_DEVICE: Final = re.compile(r"cdc-wdm\d{1,2}")
_TYPES: Final = {
    "lte": "LTE",
    "5gnr": "5G NR",
    "nr5g": "5G NR",
    "wcdma": "3G",
    "umts": "3G",
    "gsm": "2G",
    "cdma": "CDMA",
}


class UqmiAdapter:
    """One fragment a modem: how it hears its network."""

    def probe(self, runner: Runner) -> float:
        """There must be a modem, and netifd must drive it with uqmi: two that ask at once disturb each other."""
        return 0.5 if self._devices(runner) else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """Of each modem."""
        for control, interface, name in self._devices(runner):
            answers: dict[str, Any] = {}
            try:
                for question in ("signal-info", "serving-system", "data-status"):
                    said = runner.run("uqmi", "-s", "-t", "3000", "-d", f"/dev/{control}", f"--get-{question}")
                    told = parsed(said)
                    answers[question] = told if told is not None else said.strip().strip('"')
            except NotHere:
                raise
            except RunnerError as error:
                if not answers:
                    raise
                answers["failed"] = str(error)
            yield modem(answers, name, interface, control)

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """uqmi tells nothing by itself."""
        return iter(())

    def _devices(self, runner: Runner) -> list[tuple[str, str, str]]:
        """Control device, the kernel's interface, netifd's name."""
        there = [name for name in runner.names("/dev") if _DEVICE.fullmatch(name)]
        if not there:
            return []
        dump = objects(mapping(runner.ubus("network.interface", "dump")).get("interface"))
        driven = [one for one in dump if text(one.get("proto")) == "qmi"]
        # netifd's dump does not say which control device is whose: they are numbered alike.
        return [
            (control, text(one.get("l3_device")), text(one.get("interface")))
            for control, one in zip(there, driven, strict=False)
        ]


def modem(answers: dict[str, Any], name: str, interface: str, control: str) -> Uplink:
    """Of the three answers."""
    signal, serving = mapping(answers.get("signal-info")), mapping(answers.get("serving-system"))
    if not signal and not serving:
        return Uplink(id=name, kind="cellular", device=interface, modem=control, understood=False, raw=raw(answers))
    connected = answers.get("data-status")
    registration = text(serving.get("registration"))
    return Uplink(
        id=name,
        kind="cellular",
        up=connected == "connected" if isinstance(connected, str) else None,
        state=registration.replace("_", " "),
        device=interface,
        modem=control,
        operator=text(serving.get("plmn_description")),
        roaming=truth(serving.get("roaming")),
        technology=_TYPES.get(text(signal.get("type")).lower(), text(signal.get("type"))),
        signal=Signal(
            rsrp=number(signal.get("rsrp"), -200, 0),
            rsrq=number(signal.get("rsrq"), -60, 30),
            sinr=number(signal.get("snr"), -60, 60),
            rssi=number(signal.get("rssi"), -200, 0),
        ),
        metered=True,
    )
