"""Reservations: a connector kept free for somebody, from ReserveNow to its use or end (1.6 §5.13, 2.x Part 2 H)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.reading import moment, text, whole

MAX_RESERVATIONS: Final = 200
"""Reservations of one station that are kept (the last ones): each connector has one at a time."""
MAX_TOKEN: Final = 255
"""2.x idToken; 1.6 has 20."""


@dataclass(slots=True)
class Reservation:
    """One reservation and how it fares."""

    id: int
    connector: str
    """"" for any of the station; 2.x names an EVSE ("2")."""
    id_token: str
    """In full: whoever shows it masks it."""
    group: str
    """parentIdTag or groupIdToken: others of this group may use it as well."""
    expires: int | None
    asked: int
    order: OcppMessage
    status: str = ""
    """What the station answered."""
    end: Literal["", "used", "cancelled", "expired", "removed", "replaced", "unused"] = ""
    """How it ended; empty while it has not ("unused": 2.1 NoTransaction)."""
    ended: int | None = None

    @property
    def active(self) -> bool:
        """Accepted and not ended; it may have run out all the same."""
        return self.status == "Accepted" and not self.end


class Reservations:
    """One station's reservations."""

    ACTIONS: Final = frozenset(
        {"ReserveNow", "CancelReservation", "ReservationStatusUpdate", "StartTransaction", "TransactionEvent"}
    )

    def __init__(self) -> None:
        self.all: dict[int, Reservation] = {}
        """By id, oldest first."""
        self.count = 0
        """ReserveNow seen in all."""
        self.latest: Reservation | None = None
        """The one that the message fed last is about; None when it is about none."""

    def active(self) -> list[Reservation]:
        """Those that keep a connector."""
        return [reservation for reservation in self.all.values() if reservation.active]

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        action = message.action
        if action in ("StartTransaction", "TransactionEvent"):
            if self.all and message.type is MessageType.CALL:
                self._used(message)
        elif message.type is MessageType.CALL:
            if action == "ReserveNow":
                self._asked(message)
            elif action == "ReservationStatusUpdate":
                self._told(message)
        elif message.type is MessageType.CALLRESULT and message.call is not None:
            self._answered(message, message.call)

    def _asked(self, message: OcppMessage) -> None:
        payload = message.payload
        id_ = whole(payload, "reservationId")
        id_ = whole(payload, "id") if id_ is None else id_
        if id_ is None:
            return
        evse, connector = whole(payload, "evseId"), whole(payload, "connectorId")
        token = text(payload, "idTag") or text(payload, "idToken", "idToken") or ""
        group = text(payload, "parentIdTag") or text(payload, "groupIdToken", "idToken") or ""
        expires = moment(payload, "expiryDate") or moment(payload, "expiryDateTime")
        made = Reservation(
            id_,
            connector_name(evse or 0, connector or 0),
            token[:MAX_TOKEN],
            group[:MAX_TOKEN],
            expires,
            message.time,
            bounded(message),
        )
        self.count += 1
        earlier = self.all.pop(id_, None)
        if earlier is not None and earlier.active:
            # 1.6 §5.13: the same reservationId again replaces it, if the station accepts. Until then it holds.
            made.status = ""
        while len(self.all) >= MAX_RESERVATIONS:
            del self.all[next(iter(self.all))]
        self.all[id_] = made
        self.latest = made

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        status = (text(message.payload, "status") or "")[:50]
        if call.action == "ReserveNow":
            made = next((made for made in reversed(self.all.values()) if same(made.order, call)), None)
            if made is not None:
                made.status = status
            self.latest = made
        elif call.action == "CancelReservation":
            id_ = whole(call.payload, "reservationId")
            made = None if id_ is None else self.all.get(id_)
            if made is not None and made.active and status == "Accepted":
                made.end, made.ended = "cancelled", message.time
            self.latest = made

    def _told(self, message: OcppMessage) -> None:
        id_ = whole(message.payload, "reservationId")
        made = None if id_ is None else self.all.get(id_)
        self.latest = made
        if made is None or made.end:
            return
        told = text(message.payload, "reservationUpdateStatus")
        if told == "Expired":
            made.end = "expired"
        elif told == "Removed":
            made.end = "removed"
        elif told == "NoTransaction":
            made.end = "unused"
        if made.end:
            made.ended = message.time

    def _used(self, message: OcppMessage) -> None:
        id_ = whole(message.payload, "reservationId")
        made = None if id_ is None else self.all.get(id_)
        if made is not None and made.active:
            made.end, made.ended = "used", message.time
            self.latest = made
