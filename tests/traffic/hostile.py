"""Messages of the right actions whose payloads are anything at all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from fieldkit.events import (
    Connection,
    Endpoint,
    Event,
    MessageType,
    OcppChannel,
    OcppError,
    OcppMessage,
    Orphan,
    Problem,
    Unanswered,
)
from tests.traffic.conversation import MONDAY

LINE = Connection(1, Endpoint("192.168.7.20", 49_152), Endpoint("203.0.113.5", 80), MONDAY, False, "memory")

_NAMES = st.sampled_from(
    """
    status interval heartbeatInterval currentTime timestamp reason chargingStation model vendorName chargePointVendor
    configurationKey key value readonly getVariableResult setVariableData setVariableResult attributeStatus component
    variable name instance evse id attributeType attributeValue reportData variableAttribute mutability meterValue
    requestedMessage generatedAt offline
    """.split()
)
_TEXTS = st.sampled_from(
    """
    Accepted Pending Rejected HeartbeatInterval AuthorizationKey 2026-08-31T08:00:00Z 1970-01-01T00:00:00Z
    2026-08-31T10:00:00+02:00 0001-01-01T00:00:00+23:59 9999-12-31T23:59:59-23:59 300 -1 Heartbeat {0} \x1b[31m
    """.split()
)
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), _TEXTS, st.text(max_size=8), st.just("x" * 3000)
)
PAYLOADS = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=12
)


@st.composite
def messages(draw: Any, *actions: str, connected: bool = True) -> list[Event]:
    """A conversation in which anything may come: CALLs, answers to them, errors, orphans, CALLs left open."""
    events: list[Event] = []
    time = MONDAY
    open_: list[OcppMessage] = []
    for number in range(draw(st.integers(1, 14))):
        version = draw(st.sampled_from(["1.6", "2.0.1", "2.1", "1.5", ""]))
        channel = OcppChannel("CP", version, "json", LINE if connected else None, False, False, False)
        time += draw(st.sampled_from([0, 1, 10**9, 400 * 10**9, -(10**9), 2**62]))
        type_ = draw(st.sampled_from([*MessageType, None]))
        sender = draw(st.sampled_from(["station", "csms"]))
        payload = draw(PAYLOADS)
        call = None
        id_ = f"m-{draw(st.integers(0, 4))}"
        if type_ in (MessageType.CALLRESULT, MessageType.CALLERROR) and open_ and draw(st.booleans()):
            call = open_.pop()
            sender = "csms" if call.sender == "station" else "station"
            id_ = call.id
        action = call.action if call is not None else draw(st.sampled_from([*actions, "", "Nonsense"]))
        error = OcppError(draw(st.sampled_from(["", "GenericError", "{0}"])), "", payload)
        if type_ is not MessageType.CALLERROR:
            error = None  # type: ignore[assignment]
        rules = draw(
            st.lists(st.sampled_from(["schema.type", "deflate.context", "x", "framing.id-reused"]), max_size=2)
        )
        problems = tuple(Problem(rule, "a[3].b", "{0} is wrong {") for rule in rules)
        raw = json.dumps(payload, default=str)
        message = OcppMessage(
            time, (number + 1,), "memory", channel, sender, type_, id_, action, payload, error, raw, problems,
            draw(st.booleans()), call,
        )  # fmt: skip
        events.append(message)
        if type_ is MessageType.CALL:
            open_.append(message)
        elif type_ is not None and call is None:
            events.append(Orphan(time, (number + 1,), message))
    why = draw(st.sampled_from(["connection-closed", "capture-ended"]))
    events += [Unanswered(time, call.frames, call, why) for call in open_]
    return events
