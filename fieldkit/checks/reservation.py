"""Reservations and the local list: refused, taken by somebody else, run out, out of step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fieldkit.checks.finding import Finding, Identity, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.locallist import LocalList
from fieldkit.site.picture import Picture
from fieldkit.site.reading import moment, obj, text, whole
from fieldkit.site.reservation import Reservation
from fieldkit.site.station import Station

GRACE: Final = 120 * SECOND
"""How late a station may notice that a reservation has run out; clocks differ by as much."""
LONG_PAST: Final = 300 * SECOND
"""An expiry so far in the past is no matter of clocks that are a little off."""

REFUSED = Kind(
    "reservation.refused",
    "info",
    "operator",
    "A reservation was refused",
    "The CSMS wanted to reserve {place}, and the station answered {status}{reason}{meaning}.",
    "Rejected means that the station does not reserve, or not this connector: look at its ReserveConnectorZeroSupported"
    " and the Reservation feature profile (2.x: ReservationCtrlr). The other answers describe the connector at that"
    " moment.",
    "OCPP 1.6 §5.13; OCPP 2.0.1 Part 2 H01",
)
PAST = Kind(
    "reservation.already-expired",
    "warning",
    "csms",
    "A reservation ends before it begins",
    "The CSMS asked the station to reserve {place} until {expires}, which was {ago} ago by then.",
    "Check the CSMS's clock and the time zone in which it writes expiryDate: it must be UTC or name its offset.",
    "OCPP 1.6 §5.13; OCPP 2.0.1 Part 2 H01",
)
TAKEN = Kind(
    "reservation.taken-by-other",
    "warning",
    "station",
    "A reserved connector was used by somebody else",
    "{place} was reserved for {reserved} until {expires}, and the station began a transaction there for {other}.",
    "If this was no staff card, report it to the manufacturer: a reserved connector must refuse other tokens. Until"
    " then do not sell reservations at this station.",
    "OCPP 1.6 §5.13; OCPP 2.0.1 Part 2 H03",
)
UNUSED = Kind(
    "reservation.not-used",
    "info",
    "operator",
    "A reservation ran out unused",
    "{place} was reserved until {expires}, and nobody came for it.",
    "Nothing has to be done. If the driver says that they came: look for a transaction that was begun without the"
    " reservation id.",
    "OCPP 1.6 §5.13; OCPP 2.0.1 Part 2 H04",
)
CANCEL_REFUSED = Kind(
    "reservation.cancel-refused",
    "info",
    "station",
    "A reservation could not be cancelled",
    "The CSMS wanted to cancel reservation {number}, and the station answered {status}: it knows no such reservation.",
    "Nothing has to be done when it was used or had run out. Otherwise the station forgets reservations, at a restart"
    " for example.",
    "OCPP 1.6 §5.2; OCPP 2.0.1 Part 2 H02",
)
LIST_FAILED = Kind(
    "locallist.update-failed",
    "warning",
    "station",
    "The station could not take over the local list",
    "The CSMS sent {entries} for the local list (version {version}, {kind}), and the station answered {status}{reason}:"
    " offline it goes by its old list.",
    "Check how many entries the station takes (SendLocalListMaxLength and LocalAuthListMaxLength, 2.x:"
    " LocalAuthListCtrlr), send the list in parts, and in full once.",
    "OCPP 1.6 §5.15; OCPP 2.0.1 Part 2 D01",
)
LIST_MISMATCH = Kind(
    "locallist.version-mismatch",
    "warning",
    "csms",
    "The local list of station and CSMS are out of step",
    "The CSMS sent a change to the local list (version {version}), and the station answered VersionMismatch: its own"
    " list is newer or another one.",
    "Let the CSMS ask for the version (GetLocalListVersion) and send the full list once.",
    "OCPP 1.6 §5.15; OCPP 2.0.1 Part 2 D01",
)
LIST_UNSUPPORTED = Kind(
    "locallist.not-supported",
    "info",
    "operator",
    "The station has no local list",
    "The CSMS sent a local list, and the station answered NotSupported: offline, only what it remembers of earlier"
    " authorizations helps its users.",
    "Switch LocalAuthListEnabled on if the station has it; otherwise do not send it lists.",
    "OCPP 1.6 §5.15",
)
LIST_LOST = Kind(
    "locallist.version-lost",
    "warning",
    "station",
    "The station has another local list than the one it accepted",
    "The station accepted version {expected} of the local list, and asked later it says that it has version {told}.",
    "Send the full list again. If the version falls back after a restart, the station does not store the list: report"
    " it to the manufacturer.",
    "OCPP 1.6 §5.10; OCPP 2.0.1 Part 2 D02",
    inferred=True,
)

_MEANING: Final = {
    "Occupied": ": the connector is in use or reserved already",
    "Faulted": ": the connector has a fault",
    "Unavailable": ": the connector is switched off",
}


class ReservationCheck(PatientCheck):
    """How reservations go."""

    kinds = (REFUSED, PAST, TAKEN, UNUSED, CANCEL_REFUSED)
    actions = PULSE | {
        "ReserveNow",
        "CancelReservation",
        "ReservationStatusUpdate",
        "StartTransaction",
        "TransactionEvent",
    }

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Orders, answers, and whoever comes."""
        station = picture.stations.get(message.channel.station)
        if station is None:
            return ()
        action = message.action
        if action in ("StartTransaction", "TransactionEvent"):
            # Nearly all stations have no reservations.
            judged = message.type is MessageType.CALL and station.reservations.all
            return self._started(message, station) if judged else ()
        if action in PULSE:
            return ()
        made = station.reservations.latest
        if message.type is MessageType.CALL:
            if made is not None and action == "ReserveNow":
                return self._asked(message, made, station)
            if made is not None and made.end and action == "ReservationStatusUpdate":
                return self._ended(message, made)
        elif message.type is MessageType.CALLRESULT and message.call is not None:
            return self._answered(message, message.call, made)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """Ran out, by the CSMS's word."""
        made: Reservation = owed.thing
        if made.active:
            yield _finding(UNUSED, made, owed.deadline, station, owed.evidence)

    def _asked(self, message: OcppMessage, made: Reservation, station: Station) -> Iterator[Finding]:
        self.settle(message, made.id)
        if made.expires is None:
            return
        # Both must agree: the capture's clock may be wrong, and the CSMS's own may be what is off.
        late = min(message.time, message.time + (station.clock.csms_offset or 0)) - made.expires
        if late > LONG_PAST and message.channel.connection is not None:
            values = {"ago": duration(late)}
            yield _finding(PAST, made, message.time, message.channel.station, (message,), values)

    def _answered(self, message: OcppMessage, call: OcppMessage, made: Reservation | None) -> Iterator[Finding]:
        station = message.channel.station
        status = shown(text(message.payload, "status") or "nothing", 50)
        if call.action == "ReserveNow" and made is not None:
            if made.status == "Accepted":
                if made.expires is not None and made.expires > message.time:
                    self.expect(message, made.id, made.expires + GRACE, (call, message), made)
            elif made.status:
                values = {
                    "status": status,
                    "reason": reason_given(message),
                    "meaning": _MEANING.get(made.status, ""),
                }
                yield _finding(REFUSED, made, message.time, station, (call, message), values, group=status)
        elif call.action == "CancelReservation":
            number = whole(call.payload, "reservationId")
            if number is not None:
                self.settle(message, number)
            if status == "Rejected":
                told: dict[str, object] = {"number": "without a number" if number is None else number, "status": status}
                yield Finding(CANCEL_REFUSED, message.time, station, (call, message), told)

    def _ended(self, message: OcppMessage, made: Reservation) -> Iterator[Finding]:
        owed = self.settle(message, made.id)
        if made.end in ("expired", "unused"):
            evidence = (*owed.evidence, message) if owed is not None else (made.order, message)
            yield _finding(UNUSED, made, message.time, message.channel.station, evidence)

    def _started(self, message: OcppMessage, station: Station) -> Iterator[Finding]:
        active = station.reservations.active()
        if not active:
            return
        payload = message.payload
        token = text(payload, "idTag") or text(payload, "idToken", "idToken")
        if token is None or whole(payload, "reservationId") is not None:
            return
        if message.action == "TransactionEvent" and text(payload, "triggerReason") != "Authorized":
            return  # a token in any other event may be that of somebody who ends it
        place = obj(payload, "evse")
        number = whole(place, "id")
        connector = connector_name(number, 0) if number else connector_name(0, whole(payload, "connectorId") or 0)
        going = station.transactions.latest
        began = going.started if going is not None and going.started is not None else moment(payload, "timestamp")
        for made in active:
            # A group may be let in by what the CSMS knows of it, and a reservation of the whole station leaves room.
            if made.connector != connector or not connector or made.group or not made.id_token:
                continue
            over = made.expires is None or made.expires < message.time + GRACE
            before = began is not None and began < made.asked
            if over or before or made.id_token.lower() == token.lower():
                continue
            values = {"reserved": Identity(made.id_token), "other": Identity(token)}
            yield _finding(TAKEN, made, message.time, message.channel.station, (made.order, message), values)


def _finding(
    kind: Kind,
    made: Reservation,
    time: int,
    station: str,
    evidence: tuple[Any, ...],
    values: Mapping[str, object] | None = None,
    group: str = "",
) -> Finding:
    place = f"connector {made.connector}" if made.connector else "a connector"
    told: dict[str, object] = {
        "place": place,
        "expires": "an unknown time" if made.expires is None else clock(made.expires),
    }
    return Finding(kind, time, station, evidence, {**told, **(values or {})}, connector=made.connector, group=group)


class LocalListCheck(PatientCheck):
    """Whether the list arrives and stays."""

    kinds = (LIST_FAILED, LIST_MISMATCH, LIST_UNSUPPORTED, LIST_LOST)
    actions = LocalList.ACTIONS

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Answers only."""
        station, call = picture.stations.get(message.channel.station), message.call
        if station is None or call is None or message.type is not MessageType.CALLRESULT:
            return
        local_list = station.local_list
        if call.action == "GetLocalListVersion":
            expected, told = local_list.expected, local_list.told
            if expected is not None and told is not None and expected != told:
                versions = {"expected": expected, "told": told}
                yield Finding(LIST_LOST, message.time, message.channel.station, (message,), versions)
            return
        status = text(message.payload, "status")
        update = local_list.updates[-1] if local_list.updates else None
        if update is None or status is None or update.status != status:
            return
        kind = {"Failed": LIST_FAILED, "VersionMismatch": LIST_MISMATCH, "NotSupported": LIST_UNSUPPORTED}.get(status)
        if kind is None:
            return
        values = {
            "entries": f"{update.entries:,} entries" if update.entries != 1 else "1 entry",
            "version": "without a number" if update.version is None else update.version,
            "kind": update.kind.lower() or "of no known type",
            "status": status,
            "reason": reason_given(message),
        }
        yield Finding(kind, message.time, message.channel.station, (call, message), values)
