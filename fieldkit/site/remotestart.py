"""Orders to start charging, and whether they led to a transaction (1.6 §5.11, 2.x Part 2 F01 and F02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.light import bounded
from fieldkit.site.reading import text, whole
from fieldkit.site.room import Room

MAX_WAITING: Final = 32
"""Orders of one station that wait for their transaction, as long as the site has room."""
LEAST_WAITING: Final = 4
"""What every station may keep, however many there are."""
PATIENCE: Final = 3600 * 1_000_000_000
"""Longest time from an order to the transaction that is credited to it: a driver may be given an hour to plug in."""
_LONGEST: Final = 100


@dataclass(slots=True)
class RemoteStart:
    """One order, as it stands."""

    time: int
    call: OcppMessage
    token: str
    connector: str
    """1.x: a connector, 2.x: an EVSE; "" when the order leaves it open."""
    remote_id: int | None
    """2.x remoteStartId."""
    status: str = ""
    """As answered; empty while there is no answer."""
    answered: int | None = None
    transaction: str = ""
    """2.x: the answer names it when the transaction runs already."""


class RemoteStarts:
    """One station's orders that have not led to a transaction yet."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room if room is not None else Room()
        self.waiting: list[RemoteStart] = []
        """Oldest first, at most ``MAX_WAITING``."""

    def feed(self, message: OcppMessage) -> None:
        """Take in RemoteStartTransaction or RequestStartTransaction, a CALL or an answer."""
        payload = message.payload
        if message.type is MessageType.CALL and message.sender == "csms":
            token = text(payload, "idTag") or text(payload, "idToken", "idToken") or ""
            place = whole(payload, "connectorId") or whole(payload, "evseId") or 0
            connector = connector_name(0, place) if place > 0 else ""
            self.waiting.append(
                RemoteStart(
                    message.time,
                    bounded(message),
                    token[:_LONGEST],
                    connector,
                    whole(payload, "remoteStartId"),
                )
            )
            del self.waiting[: -self._room.orders(MAX_WAITING, LEAST_WAITING)]
        elif message.call is not None:
            for order in self.waiting:
                if order.call.id == message.call.id and order.call.time == message.call.time:
                    order.status = (text(payload, "status") or "")[:_LONGEST]
                    order.answered = message.time
                    order.transaction = (text(payload, "transactionId") or "")[:_LONGEST]
                    if order.status != "Accepted":
                        self.waiting.remove(order)
                    return

    def led_to(self, token: str, connector: str, time: int) -> bool:
        """Settle the order that a 1.x transaction follows from; False when there is none."""
        for order in self.waiting:
            fits = order.token == token and order.connector in ("", connector)
            if fits and order.status in ("", "Accepted") and 0 <= time - order.time <= PATIENCE:
                self.waiting.remove(order)
                return True
        return False

    def settled(self, remote_id: int | None, token: str) -> None:
        """2.x: a transaction names the order that it follows from."""
        for order in self.waiting:
            if order.remote_id == remote_id if remote_id is not None else order.token == token:
                self.waiting.remove(order)
                return
