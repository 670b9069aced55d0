"""What the lines of a modem mean: signal, registration, operator, SIM, serving cell.

Numbers are turned into dBm where 27.007 says how; what families of modules scale differently (SINR) stays as it came,
and says so in its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from fieldkit.devices.at.lines import split_fields
from fieldkit.safetext import mask

REGISTRATION: Final = {
    "0": "not registered, not searching",
    "1": "registered, home",
    "2": "searching",
    "3": "denied",
    "4": "unknown",
    "5": "registered, roaming",
    "8": "emergency only",
}
"""27.007 §7.2 <stat>."""

TECHNOLOGIES: Final = {
    "0": "GSM",
    "2": "UTRAN",
    "3": "EDGE",
    "4": "HSDPA",
    "5": "HSUPA",
    "6": "HSPA",
    "7": "LTE",
    "8": "CAT-M1",
    "9": "NB-IoT",
    "11": "NR",
    "13": "EN-DC",
}
"""27.007 §7.3 <AcT>; 8 as Quectel has it."""

_REGISTERED: Final = ("1", "5")
_ADDRESS: Final = re.compile(r"(?!0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}")
"""IPv4; IPv6 comes as sixteen numbers with dots between them, or with colons (27.007 AT+CGPIAF)."""
_LONG_NUMBER: Final = re.compile(r"[0-9]{14,}")
"""Some modems tell their IMEI with their model (ATI)."""


class AtValue(NamedTuple):
    """One value out of a line."""

    name: str
    value: float | str | None
    unit: str
    raw: str
    grave: bool = False


def values(line: str) -> Iterator[AtValue]:
    """What a line says, asked or not; nothing where it is not understood."""
    prefix, colon, rest = line.partition(":")
    read = _READERS.get(prefix)
    if not colon or read is None:
        return
    yield from read(split_fields(rest), line)


def plain_values(command: str, line: str) -> Iterator[AtValue]:
    """What a line without a prefix says."""
    name = {"AT+CIMI": "imsi", "AT+CGSN": "imei", "AT+CGMI": "maker", "AT+CGMM": "model", "AT+CGMR": "firmware"}.get(
        command
    )
    if name is None and command == "ATI":
        name = "identity"
    if name is None and command in ("AT+CCID", "AT+QCCID", "AT+ICCID"):
        name = "iccid"
    if name is None:
        return
    text = line.strip()[:64]
    if name in ("imsi", "imei", "iccid") and not text.rstrip("Ff").isdecimal():
        return
    if name not in ("imsi", "imei", "iccid"):
        text = _LONG_NUMBER.sub(lambda found: mask(found[0]), text)
        yield AtValue(name, text, "", text)
    else:
        yield _identity(name, text)


def _identity(name: str, text: str) -> AtValue:
    hidden = mask(text.strip().rstrip("Ff"))
    return AtValue(name, hidden, "", hidden)


def _csq(fields: list[str], line: str) -> Iterator[AtValue]:
    rssi = _integer(fields, 0)
    if rssi is None:
        return
    yield AtValue("rssi", -113.0 + 2 * rssi if 0 <= rssi <= 31 else None, "dBm", line, rssi == 0)


def _cesq(fields: list[str], line: str) -> Iterator[AtValue]:
    """Lower ends of the steps: <rsrp> 97 is -44 dBm and more, <rsrq> 34 is -3 dB and more (27.007 §8.69)."""
    if len(fields) < 6:
        return
    rsrq, rsrp = _integer(fields, 4), _integer(fields, 5)
    if rsrq is not None:
        yield AtValue("rsrq", rsrq / 2 - 20 if 0 <= rsrq <= 34 else None, "dB", line)
    if rsrp is not None:
        yield AtValue("rsrp", float(rsrp - 141) if 0 <= rsrp <= 97 else None, "dBm", line, False)


def _qcsq(fields: list[str], line: str) -> Iterator[AtValue]:
    technology = fields[0] if fields else ""
    yield AtValue("technology", technology, "", line, technology == "NOSERVICE")
    if technology in ("LTE", "CAT-M1", "CAT-NB1", "NBIoT", "eMTC"):
        for name, place in (("rssi", 1), ("rsrp", 2), ("rsrq", 4)):
            number = _integer(fields, place)
            if number is not None:
                yield AtValue(name, float(number), "dBm" if name != "rsrq" else "dB", line)
        number = _integer(fields, 3)
        if number is not None:
            yield AtValue("sinr_raw", float(number), "", line)


def _registration(name: str) -> Callable[[list[str], str], Iterator[AtValue]]:
    def read(fields: list[str], line: str) -> Iterator[AtValue]:
        # Asked: n,stat[,tac,ci,act]; unasked: stat[,tac,ci,act], where what follows is quoted.
        asked = len(fields) >= 2 and not line.partition(",")[2].strip().startswith('"') and fields[1].isdecimal()
        rest = fields[1:] if asked else fields
        if not rest or rest[0] not in REGISTRATION:
            return
        stat = rest[0]
        yield AtValue(name, REGISTRATION[stat], "", line, stat not in _REGISTERED and stat != "2")
        if len(rest) >= 4 and rest[3] in TECHNOLOGIES:
            yield AtValue("technology", TECHNOLOGIES[rest[3]], "", line)
        if len(rest) >= 3:
            yield AtValue("area_code", rest[1], "", line)
            yield AtValue("cell", rest[2], "", line)

    return read


def _cops(fields: list[str], line: str) -> Iterator[AtValue]:
    if len(fields) >= 3:
        yield AtValue("operator", fields[2][:40], "", line)
        if len(fields) >= 4 and fields[3] in TECHNOLOGIES:
            yield AtValue("technology", TECHNOLOGIES[fields[3]], "", line)
    else:
        yield AtValue("operator", None, "", line, True)


def _cpin(fields: list[str], line: str) -> Iterator[AtValue]:
    yield AtValue("sim", fields[0], "", line, fields[0] != "READY")


def _iccid(fields: list[str], line: str) -> Iterator[AtValue]:
    yield _identity("iccid", fields[0])


def _slot(fields: list[str], line: str) -> Iterator[AtValue]:
    yield AtValue("sim_slot", fields[0], "", line)


def _simstat(fields: list[str], line: str) -> Iterator[AtValue]:
    inserted = {"0": "removed", "1": "inserted", "2": "unknown"}.get(fields[1] if len(fields) > 1 else "")
    if inserted:
        yield AtValue("sim_inserted", inserted, "", line, inserted == "removed")


def _qnwinfo(fields: list[str], line: str) -> Iterator[AtValue]:
    if len(fields) < 4:
        yield AtValue("network", None, "", line, True)
        return
    for name, value in zip(("network", "plmn", "band", "channel"), fields, strict=False):
        yield AtValue(name, value[:40], "", line)


_LTE_CELL: Final = (
    "duplex",
    "mcc",
    "mnc",
    "cell",
    "pci",
    "earfcn",
    "band",
    "uplink_bandwidth",
    "downlink_bandwidth",
    "area_code",
    "rsrp",
    "rsrq",
    "rssi",
    "sinr_raw",
)
_NSA_CELL: Final = ("mcc", "mnc", "pci", "nr_rsrp", "nr_sinr_raw", "nr_rsrq", "nr_arfcn", "nr_band")
_CELL_UNITS: Final = {"rsrp": "dBm", "rssi": "dBm", "rsrq": "dB", "nr_rsrp": "dBm", "nr_rsrq": "dB"}


def _qeng(fields: list[str], line: str) -> Iterator[AtValue]:
    """One line on LTE; three on 5G non-standalone: the state, the LTE anchor, the 5G cell."""
    if fields[0] == "servingcell":
        state = fields[1] if len(fields) > 1 else ""
        yield AtValue("cell_state", state, "", line, state in ("SEARCH", "LIMSRV"))
        fields = fields[2:]
    if len(fields) > 1 and fields[0] == "LTE":
        yield AtValue("technology", "LTE", "", line)
        names: tuple[str, ...] = _LTE_CELL
    elif len(fields) > 1 and fields[0] == "NR5G-NSA":
        yield AtValue("technology", "NR5G-NSA", "", line)
        names = _NSA_CELL
    else:
        return
    for name, text in zip(names, fields[1:], strict=False):
        unit = _CELL_UNITS.get(name)
        if unit is None and not name.endswith("_raw"):
            yield AtValue(name, text if text != "-" else None, "", line)
        else:
            number = _integer([text], 0)
            yield AtValue(name, float(number) if number is not None and number > -32768 else None, unit or "", line)


def _clock(fields: list[str], line: str) -> Iterator[AtValue]:
    yield AtValue("clock", ",".join(fields)[:24], "", line)


def _attached(fields: list[str], line: str) -> Iterator[AtValue]:
    yield AtValue("attached", {"0": "no", "1": "yes"}.get(fields[0], fields[0][:8]), "", line, fields[0] == "0")


def _addresses(fields: list[str], line: str) -> Iterator[AtValue]:
    """One line for each context (27.007 §10.1.23); a second address, of IPv6, is not needed to know who it is."""
    context, address = fields[0], fields[1] if len(fields) > 1 else ""
    if context.isdecimal() and len(context) <= 2 and _ADDRESS.fullmatch(address):
        yield AtValue(f"address_{context}", address, "", line)


def _functionality(fields: list[str], line: str) -> Iterator[AtValue]:
    words = {"0": "minimum", "1": "full", "4": "radio off"}.get(fields[0], fields[0][:8])
    yield AtValue("radio", words, "", line, fields[0] in ("0", "4"))


_READERS: Final[dict[str, Callable[[list[str], str], Iterator[AtValue]]]] = {
    "+CSQ": _csq,
    "+CESQ": _cesq,
    "+QCSQ": _qcsq,
    "+CREG": _registration("registration_cs"),
    "+CGREG": _registration("registration_ps"),
    "+CEREG": _registration("registration_eps"),
    "+C5GREG": _registration("registration_5gs"),
    "+COPS": _cops,
    "+CPIN": _cpin,
    "+CCID": _iccid,
    "+QCCID": _iccid,
    "+ICCID": _iccid,
    "+QUIMSLOT": _slot,
    "+QSIMSTAT": _simstat,
    "+QNWINFO": _qnwinfo,
    "+QENG": _qeng,
    "+CCLK": _clock,
    "+CGATT": _attached,
    "+CGPADDR": _addresses,
    "+CFUN": _functionality,
}


def _integer(fields: list[str], place: int) -> int | None:
    text = fields[place] if place < len(fields) else ""
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and digits.isascii() and len(digits) <= 9 else None
