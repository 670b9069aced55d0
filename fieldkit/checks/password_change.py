"""A new password that is accepted and not used: the station stays on the connection that it opened with the old one.

"Improved security for OCPP 1.6-J" A01 and 2.x Part 2 A01: once a station has stored the password that the CSMS sets
(1.6 AuthorizationKey, 2.x BasicAuthPassword), it reconnects with it. One that does not will notice a mistake at its
next restart only, when nobody thinks of the password any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.onwire import MAX_STATIONS, bounded
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, HttpResponse, MessageType, OcppMessage
from fieldkit.site.light import light
from fieldkit.site.link import asks_upgrade, identity_of
from fieldkit.site.picture import Picture
from fieldkit.site.reading import objects, text

PATIENCE: Final = 300 * SECOND
"""To reconnect: a station may finish what it is at."""
REFUSED_WITHIN: Final = 3600 * SECOND
"""A refusal so soon after a change of the password is probably about it."""

NOT_USED = Kind(
    "security.new-password-not-used",
    "warning",
    "station",
    "The station has a new password and does not connect with it",
    "At {time} the station accepted a new {key}, and {waited} later it was still on the connection that it had opened "
    "with the old one. Whether the new password works shows only when it connects anew.",
    "Have the station reconnect now (Reset), while the change is fresh: if it is turned away, the password is stored "
    "wrongly on one side. Station manufacturer: reconnect after the change, as the standard asks for.",
    "Improved security for OCPP 1.6-J A01; OCPP 2.0.1 Part 2 A01; https://github.com/EVerest/libocpp/issues/826",
)
REFUSED_AFTER = Kind(
    "security.new-password-refused",
    "critical",
    "operator",
    "After a change of its password the station is turned away",
    "At {time} the station accepted a new {key}; {after} later it connected anew and was answered with 401. Station "
    "and CSMS probably do not have the same password now.",
    "Operator: set the password anew on both sides. A key of 1.6 is given in hex and must be decoded before it is "
    "used: see whether one side uses the hex digits themselves.",
    "Improved security for OCPP 1.6-J A01; OCPP 2.0.1 Part 2 A01",
    inferred=True,
)

_KEYS: Final = {"authorizationkey": "AuthorizationKey", "basicauthpassword": "BasicAuthPassword"}


@dataclass(slots=True)
class _Change:
    """A password that was accepted."""

    key: str
    answer: OcppMessage
    call: OcppMessage
    connection: int
    told: bool = False


class PasswordChangeCheck(Check):
    """The other half of field failure 16."""

    kinds = (NOT_USED, REFUSED_AFTER)
    wants = frozenset({OcppMessage, HttpResponse})
    actions = frozenset({"ChangeConfiguration", "SetVariables", "Heartbeat", "StatusNotification", "MeterValues"})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._changes: dict[str, _Change] = {}
        """By station, the last one."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Note a change; see whether the station goes on as if there had been none."""
        if isinstance(event, OcppMessage):
            if event.call is not None and event.action in ("ChangeConfiguration", "SetVariables"):
                self._answered(event, event.call)
                return ()
            change = self._changes.get(event.channel.station) if self._changes else None
            if change is None or change.told or event.sender != "station":
                return ()
            return self._goes_on(event, change, picture)
        if isinstance(event, HttpResponse) and self._changes:
            return self._connects(event)
        return ()

    def _answered(self, answer: OcppMessage, call: OcppMessage) -> None:
        connection = answer.channel.connection
        key = _accepted_key(answer, call)
        if key and connection is not None and answer.sender == "station":
            station = answer.channel.station
            self._changes.pop(station, None)
            # The CALL holds the password: what points to it is enough.
            change = _Change(key, light(answer), light(call), connection.number)
            bounded(self._changes, MAX_STATIONS)[station] = change

    @staticmethod
    def _goes_on(event: OcppMessage, change: _Change, picture: Picture) -> Iterator[Finding]:
        connection = event.channel.connection
        station = picture.stations.get(event.channel.station)
        if connection is None or connection.number != change.connection or station is None:
            return
        waited = event.time - change.answer.time
        # Breaking off a session for a password is not worth it: a station may wait for its end.
        if waited < PATIENCE or station.transactions.open:
            return
        change.told = True
        values = {"time": clock(change.answer.time), "key": change.key, "waited": duration(waited)}
        evidence = (change.answer, change.call, event)
        yield Finding(NOT_USED, change.answer.time, event.channel.station, evidence, values)

    def _connects(self, response: HttpResponse) -> Iterator[Finding]:
        request = response.request
        if request is None or not asks_upgrade(request):
            return
        station = identity_of(request.target)
        change = self._changes.get(station)
        if change is None or change.connection == response.connection.number:
            return
        after = response.time - change.answer.time
        if response.status == 101:
            del self._changes[station]
        elif response.status == 401 and request.credentials is not None:
            del self._changes[station]
            if 0 <= after <= REFUSED_WITHIN:
                values = {"time": clock(change.answer.time), "key": change.key, "after": duration(after)}
                evidence = (response, change.answer, change.call)
                yield Finding(REFUSED_AFTER, response.time, station, evidence, values)


def _accepted_key(answer: OcppMessage, call: OcppMessage) -> str:
    """The password setting that was changed at once; empty when there is none, or it waits for a restart."""
    if answer.type is not MessageType.CALLRESULT:
        return ""
    if answer.action == "ChangeConfiguration":
        key = (text(call.payload, "key") or "").lower()
        return _KEYS.get(key, "") if text(answer.payload, "status") == "Accepted" else ""
    for result in objects(answer.payload, "setVariableResult"):
        key = (text(result, "variable", "name") or "").lower()
        if key in _KEYS and text(result, "attributeStatus") == "Accepted":
            return _KEYS[key]
    return ""
