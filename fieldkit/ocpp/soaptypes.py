"""The body of an OCPP SOAP message in the shape of the same message in JSON, so that all behind here see one shape.

XML does not say whether ``<connectorId>1</connectorId>`` is a number, nor whether something that occurs once may occur
again. The WSDLs do: of OCPP 1.2 (2010/08), 1.5 (2012/06) and 1.6 (2015/10), both services each. A name has the same
type wherever it occurs in them, with the two exceptions below, so that the table needs no messages.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

from fieldkit.events import Problem
from fieldkit.ocpp.soapxml import Element

_Kind: TypeAlias = Literal["integer", "number", "boolean", "time", "object", "objects", "texts"]

_KINDS: Final[dict[_Kind, str]] = {
    "integer": """
        chargingProfileId connectorId duration heartbeatInterval interval listVersion meterStart meterStop numberPhases
        reservationId retries retryInterval stackLevel startPeriod transactionId""",
    "number": "limit minChargingRate",
    "boolean": "readonly",
    "time": """
        currentTime expiryDate retrieveDate scheduleStart startSchedule startTime stopTime timestamp validFrom
        validTo""",
    "object": "chargingProfile chargingSchedule csChargingProfiles idTagInfo",
    # minOccurs 0 or 1, maxOccurs unbounded
    "objects": """
        chargingSchedulePeriod configurationKey localAuthorisationList localAuthorizationList meterValue sampledValue
        transactionData values""",
    "texts": "unknownKey",
}
_FIELDS: Final[dict[str, _Kind]] = {name: kind for kind, names in _KINDS.items() for name in names.split()}

_FIELDS_OF: Final[dict[str, dict[str, _Kind]]] = {
    # elsewhere a key is one text, of a key and its value, and no other message has an id of its own
    "getConfigurationRequest": {"key": "texts"},
    "clearChargingProfileRequest": {"id": "integer"},
}

# OCPP 1.5 and 1.2 write a reading as <values><timestamp/><value unit="Wh">150</value></values>; here it becomes
# {"timestamp": …, "value": [{"value": "150", "unit": "Wh"}]}. In 1.6 the same is meterValue and sampledValue, with
# elements where 1.5 has attributes.
_READINGS: Final = "values"
_READING: Final = "value"
_SAMPLE: Final = "sampledValue"

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?")
MAX_PROBLEMS: Final = 40
"""Of one message: who sends more has said enough."""
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
"""XML Schema Part 2 §3.2.2."""


def payload_of(element: Element, problems: list[Problem]) -> dict[str, Any]:
    """The element in the body of an envelope → the payload that the same message has in JSON.

    What is not of its type stays text: the schema will say so. Attributes without meaning in OCPP are left out.
    """
    fields = _FIELDS
    special = _FIELDS_OF.get(element.name)
    if special is not None:
        fields = _FIELDS | special
    return _object(element, fields, "", problems)


def _object(element: Element, fields: dict[str, _Kind], path: str, problems: list[Problem]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for child in element.children:
        name = child.name
        here = f"{path}.{name}" if path else name
        if child.attribute("nil") in ("true", "1"):
            # XML Schema Part 1 §2.6.2. No element of OCPP may be nil; what is meant is that there is none.
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem("soap.nil", here, f"{name} is sent as nil; OCPP leaves out what has no value"))
            continue
        if name == _READING and element.name == _READINGS:
            result.setdefault(_READING, []).append(_reading(child))
            continue
        kind = fields.get(name)
        value = _value(child, kind, fields, here, problems)
        if kind in ("objects", "texts"):
            result.setdefault(name, []).append(value)
        elif name not in result:
            result[name] = value
        elif isinstance(result[name], list):
            result[name].append(value)
        else:
            result[name] = [result[name], value]  # must not repeat, and does: the schema will say so
    return result


def _value(child: Element, kind: _Kind | None, fields: dict[str, _Kind], path: str, problems: list[Problem]) -> Any:
    if child.name == _SAMPLE:
        return _sample(child, fields, path, problems)
    if child.children or kind in ("object", "objects"):
        return _object(child, fields, path, problems)
    text = child.text
    if kind is None or kind == "texts":
        return text
    # XML Schema Part 2 §4.3.6: blanks around anything but a string do not count
    text = text.strip(" \t\r\n")
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if kind == "boolean":
        return _BOOLEANS.get(text, text)
    return text


def _reading(element: Element) -> dict[str, Any]:
    """A value of OCPP 1.5 with its attributes."""
    return {_READING: element.text.strip(" \t\r\n")} | _meant(element)


def _sample(element: Element, fields: dict[str, _Kind], path: str, problems: list[Problem]) -> dict[str, Any]:
    """A sampledValue of OCPP 1.6, whose parts are elements; some write it as 1.5 has it, with attributes."""
    value = element.child(_READING)
    attributes = _meant(element) | (_meant(value) if value is not None else {})
    sample = _object(element, fields, path, problems) if element.children else {_READING: element.text.strip(" \t\r\n")}
    if attributes and all(problem.rule != "soap.sampled-value" for problem in problems):
        text = "unit, measurand and the like are attributes, as in OCPP 1.5; in 1.6 they are elements"
        problems.append(Problem("soap.sampled-value", path, text))
    return sample | {name: said for name, said in attributes.items() if name not in sample}


def _meant(element: Element) -> dict[str, Any]:
    """The attributes of OCPP, which have no prefix."""
    return {name: value for name, value in element.attributes.items() if ":" not in name}
