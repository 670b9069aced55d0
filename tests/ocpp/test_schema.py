"""Payloads against their schemas: what a technician reads, and that the verdict is that of JSON Schema.

The oracle is ``jsonschema``: payloads made from each published schema, and the same with something broken in them,
must be judged alike, down to the places that are wrong. Date-times and URIs it does not judge; we do.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit import schemastore
from fieldkit.events import Problem
from fieldkit.ocpp.actions import ACTIONS, VERSIONS
from fieldkit.ocpp.schema import MAX_PROBLEMS, MAX_QUOTED, Schemas
from fieldkit.ocpp.schemacompile import SchemaError, compile_schema, is_multiple

pytestmark = pytest.mark.skipif(not schemastore.available(), reason="the ocpp package is not installed")

SCHEMAS = Schemas(schemastore.load)

METER_VALUES: dict[str, Any] = {
    "connectorId": 1,
    "transactionId": 12,
    "meterValue": [
        {
            "timestamp": "2026-05-31T12:00:00Z",
            "sampledValue": [
                {"value": "1234", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
                {"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW", "context": "Sample.Periodic"},
                {"value": "16", "measurand": "Current.Import", "unit": "A", "phase": "L1"},
            ],
        }
    ],
}


def found(version: str, action: str, payload: Any, answer: bool = False) -> list[tuple[str, str, str]]:
    """What is wrong with a payload for which there is a schema."""
    problems = SCHEMAS.check(version, action, answer, payload)
    assert problems is not None
    return [(problem.rule, problem.path, problem.text) for problem in problems]


def texts(version: str, action: str, payload: Any, answer: bool = False) -> list[str]:
    return [text for _, _, text in found(version, action, payload, answer)]


def published() -> Iterator[tuple[str, str, bool, bytes]]:
    for version in VERSIONS:
        for action in ACTIONS:
            for answer in (False, True):
                data = schemastore.load(version, action, answer)
                if data is not None:
                    yield version, action, answer, data


# ----------------------------------------------------------------------------------------- what a technician reads


def test_a_payload_that_fits_has_no_problems() -> None:
    assert found("1.6", "MeterValues", METER_VALUES) == []
    assert found("1.6", "Heartbeat", {}) == []
    assert found("1.6", "Heartbeat", {"currentTime": "2026-05-31T12:00:00Z"}, answer=True) == []


def test_where_there_is_no_schema_nothing_is_said() -> None:
    assert SCHEMAS.check("1.5", "Heartbeat", False, {}) is None
    assert SCHEMAS.check("2.0", "Heartbeat", False, {}) is None
    assert SCHEMAS.check("1.6", "MakeCoffee", False, {}) is None
    assert SCHEMAS.check("2.1", "NotifyPeriodicEventStream", True, {}) is None
    assert Schemas(lambda version, action, answer: None).check("1.6", "Heartbeat", False, {}) is None
    assert Schemas(lambda version, action, answer: b'{"type": "obj').check("1.6", "Heartbeat", False, {}) is None


def test_every_fault_is_listed_and_where_it_is() -> None:
    payload = copy.deepcopy(METER_VALUES)
    payload["connectorId"] = "1"
    payload["foo"] = 0
    samples = payload["meterValue"][0]["sampledValue"]
    del samples[0]["value"]
    samples[1]["measurand"] = "Energy.Active.Import"
    samples[2]["unit"] = "Ampere"
    payload["meterValue"][0]["timestamp"] = "2026-05-31T12:00:00"
    assert found("1.6", "MeterValues", payload) == [
        ("schema.type", "connectorId", 'connectorId must be an integer, is the string "1"'),
        (
            "time.format",
            "meterValue[0].timestamp",
            'timestamp is "2026-05-31T12:00:00", which has no time zone: read as UTC',
        ),
        ("schema.required", "meterValue[0].sampledValue[0].value", "value is missing"),
        (
            "schema.enum",
            "meterValue[0].sampledValue[1].measurand",
            'measurand is "Energy.Active.Import", which is none of the 22 allowed values '
            "(nearest: Energy.Active.Import.Register)",
        ),
        (
            "schema.enum",
            "meterValue[0].sampledValue[2].unit",
            'unit is "Ampere", which is none of the 18 allowed values',
        ),
        ("schema.additional", "foo", "foo is not a field of this message"),
    ]


def test_a_short_enumeration_is_read_out() -> None:
    assert texts("1.6", "ClearCache", {"status": "OK"}, answer=True) == [
        'status is "OK", which is none of Accepted, Rejected'
    ]


def test_a_serial_number_that_is_too_long() -> None:
    payload = {"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "0" * 30}
    assert found("1.6", "BootNotification", payload) == [
        (
            "schema.max-length",
            "chargePointSerialNumber",
            "chargePointSerialNumber has 30 characters, at most 25 are allowed",
        )
    ]


def test_a_misspelt_field_is_recognised() -> None:
    assert texts(
        "1.6", "StopTransaction", {"transactonId": 1, "meterStop": 2, "timestamp": "2026-05-31T12:00:00Z"}
    ) == [
        "transactionId is missing",
        "transactonId is not a field of this message (did you mean transactionId?)",
    ]
    payload = {"evse": {"id": 1, "conectorId": 1}, "operationalStatus": "Operative"}
    assert found("2.0.1", "ChangeAvailability", payload) == [
        ("schema.additional", "evse.conectorId", "conectorId is not a field of evse (did you mean connectorId?)")
    ]


def test_null_is_no_way_to_leave_a_field_out() -> None:
    assert texts("1.6", "ReserveNow", None) == ["the payload must be an object, is null"]
    payload = {"connectorId": None, "type": "Operative"}
    assert texts("1.6", "ChangeAvailability", payload) == ["connectorId must be an integer, is null"]


@pytest.mark.parametrize("payload", [[], "x", 1, True, None])
def test_a_payload_that_is_no_object(payload: Any) -> None:
    assert [rule for rule, _, _ in found("2.1", "Heartbeat", payload)] == ["schema.type"]


def test_true_is_not_one() -> None:
    assert texts("1.6", "UnlockConnector", {"connectorId": True}) == ["connectorId must be an integer, is true"]
    assert texts("2.0.1", "CustomerInformation", {"requestId": 1, "report": 1, "clear": False}) == [
        "report must be true or false, is the number 1"
    ]


def test_whether_one_point_nought_is_an_integer_depends_on_the_draft() -> None:
    assert texts("1.6", "UnlockConnector", {"connectorId": 1.0}) == [
        "connectorId must be an integer, is the number 1.0"
    ]
    assert texts("2.0.1", "UnlockConnector", {"evseId": 1.0, "connectorId": 2.0}) == []
    assert texts("2.0.1", "UnlockConnector", {"evseId": 1.5, "connectorId": float("inf")}) == [
        "evseId must be an integer, is the number 1.5",
        "connectorId must be an integer, is the number inf",
    ]


def test_numbers_out_of_range() -> None:
    assert texts("2.1", "UnlockConnector", {"evseId": -1, "connectorId": -(10**400)}) == [
        "evseId is -1, must be at least 0",
        "connectorId is one of more than 64 bits, must be at least 0",
    ]
    assert texts("2.1", "UnlockConnector", {"evseId": 1, "connectorId": 10**400}) == []


def test_lists_too_short_and_too_long() -> None:
    assert texts("1.6", "MeterValues", {"connectorId": 1, "meterValue": []}) == [
        "meterValue has no entries, at least 1 needed"
    ]
    payload = {"requestId": 1, "componentCriteria": ["Active"] * 5}
    assert texts("2.0.1", "GetReport", payload) == ["componentCriteria has 5 entries, at most 4 allowed"]


def profile(limit: float) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": schedule,
        },
    }


def test_limits_go_in_steps_of_a_tenth() -> None:
    assert texts("1.6", "SetChargingProfile", profile(11.25)) == ["limit is 11.25, must be a multiple of 0.1"]
    for tenths in range(640):
        assert texts("1.6", "SetChargingProfile", profile(tenths / 10)) == []
        assert texts("1.6", "SetChargingProfile", profile(float(f"{tenths / 10}"))) == []
    assert texts("1.6", "SetChargingProfile", profile(32)) == []
    assert is_multiple(1e300, 0.1)
    assert is_multiple(10**400, 0.1)
    assert not is_multiple(float("nan"), 0.1)
    assert not is_multiple(float("inf"), 0.1)
    assert not is_multiple(6.000000001, 0.1)


def test_a_date_time_is_judged_though_json_schema_does_not() -> None:
    def rules(time: Any) -> list[str]:
        return [rule for rule, _, _ in found("1.6", "Heartbeat", {"currentTime": time}, answer=True)]

    assert rules("2024-02-29T00:00:00Z") == []
    assert rules("2016-12-31T23:59:60Z") == []
    assert rules("yesterday") == ["time.format"]
    assert rules(1780228800) == ["schema.type"]


def test_an_upload_address_is_looked_at_but_never_repeated() -> None:
    assert texts("1.6", "GetDiagnostics", {"location": "ftp://user:geheim@10.0.0.1/up"}) == []
    for address in ("user:geheim @x", "//user:geheim@10.0.0.1", ""):
        problems = found("1.6", "GetDiagnostics", {"location": address})
        assert [rule for rule, _, _ in problems] == ["schema.format"]
        assert "geheim" not in problems[0][2]


def test_what_may_be_a_secret_is_not_repeated() -> None:
    said = texts("2.1", "Authorize", {"idToken": "geheim"})
    said += texts("1.6", "Authorize", {"idTag": "geheim" * 10})
    said += texts("1.6", "ChangeConfiguration", {"key": "AuthorizationKey", "value": 123456})
    assert said == [
        "idToken must be an object, is a string",
        "idTag has 60 characters, at most 20 are allowed",
        "value must be a string, is a number",
    ]


def test_hostile_names_and_values_are_cut_and_escaped() -> None:
    key, value = "\x1b[31m\u202e\ud800" + "k" * 100, '\n\x07"\\' + "v" * 100
    problems = found("1.6", "ClearCache", {"status": value, key: 1}, answer=True)
    assert [rule for rule, _, _ in problems] == ["schema.enum", "schema.additional"]
    for _, path, text in problems:
        assert (path + text).isprintable()
        assert len(text) < 100
    assert problems[0][2].startswith(r'status is "\n\x07\"\\vvv')
    assert problems[1][1].startswith(r'"\x1b[31m\u202e\ud800kkk')


def test_a_thousand_faults_are_twenty_lines() -> None:
    payload = {"connectorId": 1, "meterValue": [7] * 1000}
    problems = found("1.6", "MeterValues", payload)
    assert len(problems) == MAX_PROBLEMS
    assert problems[-1] == ("schema.more", "", "and 981 more problems")
    payload["meterValue"] = [7] * MAX_PROBLEMS
    assert [rule for rule, _, _ in found("1.6", "MeterValues", payload)] == ["schema.type"] * MAX_PROBLEMS


def test_a_payload_nested_beyond_reason() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert texts("1.6", "ClearCache", {"status": deep}, answer=True) == ["status must be a string, is a list"]
    assert found("2.0.1", "DataTransfer", {"vendorId": "V", "data": deep}) == []
    while isinstance(deep, list):  # Taken apart by hand: the interpreter frees nested lists recursively.
        deep = deep[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2 * MAX_QUOTED),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
field_names = st.sampled_from(["connectorId", "meterValue", "timestamp", "sampledValue", "value", "unit", "phase"])


@settings(max_examples=60)
@given(st.dictionaries(field_names, json_values | st.lists(st.dictionaries(field_names, json_values), max_size=3)))
def test_whatever_comes_is_judged_in_printable_words(payload: dict[str, Any]) -> None:
    problems = found("1.6", "MeterValues", payload)
    assert len(problems) <= MAX_PROBLEMS
    assert all((path + text).isprintable() for _, path, text in problems)


# --------------------------------------------------------------------------------------------- reading schemas


def test_nothing_in_the_published_schemas_goes_unchecked() -> None:
    count = 0
    for version, action, answer, data in published():
        assert compile_schema(data).ignored == frozenset(), (version, action, answer)
        count += 1
    assert count == 387


@pytest.mark.parametrize(
    "schema, ignored",
    [
        ({"type": "string", "pattern": "^a"}, {"pattern"}),
        ({"type": ["string", "null"]}, {"type"}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"additionalProperties"}),
        ({"type": "array", "items": [{"type": "string"}]}, {"items"}),
        ({"type": "string", "enum": ["a", 1]}, {"enum"}),
        ({"type": "string", "format": "ipv4"}, {"format"}),
        ({"$ref": "https://example.org/other.json"}, {"$ref"}),
        ({"$ref": "#/definitions/Missing"}, {"$ref"}),
        ({"$ref": "#/definitions/Ring", "definitions": {"Ring": {"items": {"$ref": "#/definitions/Ring"}}}}, {"$ref"}),
    ],
)
def test_what_a_new_schema_may_bring_loosens_the_check_and_is_named(schema: Any, ignored: set[str]) -> None:
    compiled = compile_schema(json.dumps(schema).encode())
    assert compiled.ignored == ignored


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{", b"[]", b'{"properties": []}', b'{"required": 1}'])
def test_what_is_no_schema_is_refused(data: bytes) -> None:
    with pytest.raises(SchemaError):
        compile_schema(data)


def test_keywords_without_a_type_bind_the_types_they_are_for() -> None:
    schema = {"properties": {"status": {"enum": ["a"]}, "limit": {"maximum": 3}, "any": {}}, "required": ["status"]}
    schemas = Schemas(lambda version, action, answer: json.dumps(schema).encode())
    assert schemas.check("1.6", "Reset", False, {"status": "a", "limit": "9", "any": [1]}) == ()
    assert schemas.check("1.6", "Reset", False, 5) == ()
    assert schemas.check("1.6", "Reset", False, {"limit": 4}) == (
        Problem("schema.required", "status", "status is missing"),
        Problem("schema.maximum", "limit", "limit is 4, must be at most 3"),
    )


def test_the_ends_of_a_range_belong_to_it() -> None:
    schema = {"type": "number", "minimum": -1.5, "maximum": 3}
    schemas = Schemas(lambda version, action, answer: json.dumps(schema).encode())
    for value in (-1.5, -1, 3, 3.0):
        assert schemas.check("1.6", "Reset", False, value) == ()
    for value in (-1.6, -2, 3.1, 4):
        assert len(schemas.check("1.6", "Reset", False, value) or ()) == 1


def test_a_schema_is_asked_for_once() -> None:
    asked = []

    def load(version: str, action: str, answer: bool) -> bytes | None:
        asked.append((version, action, answer))
        return schemastore.load(version, action, answer)

    schemas = Schemas(load)
    for _ in range(3):
        assert schemas.check("1.6", "Heartbeat", False, {}) == ()
        assert schemas.check("1.6", "MakeCoffee", False, {}) is None
    assert asked == [("1.6", "Heartbeat", False)]


# ---------------------------------------------------------------------------------------------------- the oracle

MUTANTS = 10
"""Broken payloads per schema and per payload that fits (two of them): with these, two seconds in all."""

KEYWORDS = {
    "schema.required": "required",
    "schema.additional": "additionalProperties",
    "schema.type": "type",
    "schema.enum": "enum",
    "schema.max-length": "maxLength",
    "schema.minimum": "minimum",
    "schema.maximum": "maximum",
    "schema.multiple-of": "multipleOf",
    "schema.min-items": "minItems",
    "schema.max-items": "maxItems",
}


class Maker:
    """Makes payloads from a schema: with every field or some of them, then with something broken."""

    def __init__(self, schema: dict[str, Any], rng: random.Random) -> None:
        self.schema = schema
        self.rng = rng

    def valid(self, schema: Any, full: bool) -> Any:
        if "$ref" in schema:
            schema = self.schema["definitions"][schema["$ref"].rpartition("/")[2]]
        rng = self.rng
        match schema.get("type"):
            case "object":
                wanted, optional = schema.get("required", ()), 1 if full else 0.3
                return {
                    name: self.valid(child, full)
                    for name, child in schema.get("properties", {}).items()
                    if name in wanted or rng.random() < optional
                }
            case "array":
                least = schema.get("minItems", 0)
                count = min(max(least, 1 if full else rng.randint(0, 2)), schema.get("maxItems", 3))
                return [self.valid(schema["items"], full) for _ in range(count)]
            case "string":
                if "enum" in schema:
                    return rng.choice(schema["enum"])
                if "format" in schema:
                    return {"date-time": "2026-05-31T12:00:00Z", "uri": "https://example.org/"}[schema["format"]]
                return "ä" * min(rng.choice([0, 1, 2000]), schema.get("maxLength", 9))
            case "integer" | "number" as kind:
                low, high = schema.get("minimum", -5), schema.get("maximum", 5)
                value = rng.randint(int(low), int(high))
                return value + 0.5 if kind == "number" and value + 0.5 <= high and rng.random() < 0.5 else value
            case "boolean":
                return rng.random() < 0.5
        return rng.choice([None, "anything", [1], {"a": 1}])

    def broken(self, payload: Any) -> Any:
        """Break one to three places of a payload, mostly."""
        payload = [copy.deepcopy(payload)]
        for _ in range(self.rng.randint(1, 3)):
            self._break_in(self.rng.choice(list(self._holders(payload))))
        return payload[0]

    def _holders(self, value: Any) -> Iterator[Any]:
        if isinstance(value, dict | list) and value:
            yield value
            for child in value.values() if isinstance(value, dict) else value:
                yield from self._holders(child)

    def _break_in(self, holder: Any) -> None:
        rng = self.rng
        place = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match rng.randrange(6):
            case 0 if isinstance(holder, dict):
                del holder[place]
            case 1 if isinstance(holder, dict):
                holder["surplus"] = 1
            case 2 if isinstance(holder[place], list) and holder[place]:
                holder[place] = rng.choice([[], holder[place] * 30])
            case 3 if isinstance(holder[place], str):
                holder[place] = rng.choice(["", "x" * 40, holder[place].lower(), "\N{PILE OF POO}" * 1025])
            case 4 if isinstance(holder[place], int | float):
                holder[place] = rng.choice([-holder[place], 101, -1, 1.0, 0.5, 1e300, str(holder[place])])
            case _:
                holder[place] = rng.choice([None, True, 0, 1.0, 1.5, "Accepted", [], {}, [[]], {"": {}}])


def dotted(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def by_oracle(validator: Any, payload: Any) -> set[tuple[str, str]]:
    """(keyword, place) of each error; where a type is wrong, what else follows from that is left out."""
    errors = {(error.validator, dotted(error.absolute_path)) for error in validator.iter_errors(payload)}
    mistyped = {path for keyword, path in errors if keyword == "type"}
    return {(keyword, path) for keyword, path in errors if keyword == "type" or path not in mistyped}


def by_us(problems: tuple[Problem, ...]) -> set[tuple[str, str]]:
    """The same of our problems; a missing or surplus field is reported by the oracle at the object it is about."""
    places = set()
    for problem in problems:
        keyword = KEYWORDS.get(problem.rule)
        if keyword in ("required", "additionalProperties"):
            places.add((keyword, problem.path.rpartition(".")[0]))
        elif keyword:
            places.add((keyword, problem.path))
    return places


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_verdicts_are_those_of_json_schema(version: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rng = random.Random(version)
    accepted = rejected = 0
    for _, action, answer, data in (entry for entry in published() if entry[0] == version):
        schema = json.loads(data)
        validator = jsonschema.validators.validator_for(schema)(schema)
        compiled, maker = compile_schema(data), Maker(schema, rng)
        for full in (True, False):
            payload = maker.valid(schema, full)
            assert compiled.accept(payload), (action, answer, payload)
            assert validator.is_valid(payload) or "multipleOf" in data.decode()
            for _ in range(MUTANTS):
                mutant = maker.broken(payload)
                problems = SCHEMAS.check(version, action, answer, mutant)
                assert problems is not None
                theirs, ours = by_oracle(validator, mutant), by_us(problems)
                if "multipleOf" in data.decode():  # The oracle divides floats, and takes 0.3 for no multiple of 0.1.
                    theirs, ours = (
                        {place for place in places if place[0] != "multipleOf"} for places in (theirs, ours)
                    )
                if len(problems) < MAX_PROBLEMS:
                    assert ours == theirs, (action, answer, mutant)
                else:
                    assert ours <= theirs
                accepted, rejected = accepted + (not theirs), rejected + bool(theirs)
    assert rejected > accepted > 20, "the mutants are of both kinds"
