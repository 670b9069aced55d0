"""Charge attempts: what a customer did to get energy, joined from messages that do not say that they belong together.

An attempt begins at the first of plug-in (a connector goes from Available to Preparing or Occupied) and authorisation
(Authorize, RemoteStartTransaction, RequestStartTransaction); without either, at the start of its transaction. It takes
in what follows at the same port (1.x connector, 2.x EVSE) until that is free again or tells a status after the end of
its transaction. Authorize names no port: it belongs to the attempt of the same token, else to the only attempt that
has none, else it waits for ``JOIN`` for a plug-in or transaction. A card that is refused and tried again meanwhile is
one attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import StatusChange
from fieldkit.site.reading import text, whole
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

JOIN: Final = 300 * 1_000_000_000
"""How long an authorisation waits for its plug-in: ConnectionTimeOut is 30 s to 5 min in the field."""
STOPPING: Final = 60 * 1_000_000_000
"""An authorisation so shortly before a stop with reason Local was meant to stop."""
MAX_OPEN: Final = 256
"""Attempts that go on at one station."""
MAX_WAITING: Final = 16
"""Authorisations of one station that wait for a plug-in."""

GOOD_REASONS: Final = frozenset(
    {
        "Local",
        "Remote",
        "EVDisconnected",
        # 2.x tells more precisely what is "Local" in 1.6: the driver's own limits and car.
        "StoppedByEV",
        "SOCLimitReached",
        "EnergyLimitReached",
        "TimeLimitReached",
        "CostLimitReached",
    }
)
"""Reasons with which a session ends as the driver wants it (1.6 §7.38, 2.x Part 2 ReasonEnumType)."""

_PLUGGED: Final = frozenset({"Preparing", "Occupied"})
_PLUGGABLE: Final = frozenset({"Available", "Reserved", "Finishing"})
"""States from which a plug-in is a new one: after a fault the car may have stayed."""
_FREE: Final = frozenset({"Available", "Unavailable", "Reserved"})


@dataclass(slots=True)
class Attempt:
    """One attempt; times are capture times in ns."""

    station: str
    begun: int
    port: str = ""
    token: str = ""
    """In full: it is compared, never shown."""
    plugged: int | None = None
    authorised: int | None = None
    """When it was asked for, first."""
    refused: str = ""
    """Status with which the last authorisation was refused."""
    charging: int | None = None
    """When "Charging" was told first, as status or as chargingState."""
    transaction: Transaction | None = None
    beginning_seen: bool = True
    """False: the transaction was going on when the capture began."""
    faulted: bool = False
    """The port told Faulted meanwhile, or as the next status after the end."""
    last: int = 0
    over: bool = False
    """Its transaction has ended."""
    closed: bool = False
    """Nothing more can belong to it."""

    @property
    def energy_wh(self) -> float | None:
        """By the energy register; None while unknown."""
        return None if self.transaction is None else self.transaction.energy_wh

    @property
    def started(self) -> bool | None:
        """Energy flowed; None: not decided, or not to be told from what was seen."""
        if not self.beginning_seen:
            return None
        energy, ended = self.energy_wh, self.over or self.closed
        if energy is not None and (energy > 0 or (self.over and energy == 0)):
            return energy > 0
        if self.charging is not None:
            return True
        if self.transaction is None:
            return False if self.closed else None
        # It ended without a word about energy: some stations tell no status, some no register.
        return False if ended and energy is not None else None

    @property
    def ended_well(self) -> bool | None:
        """Its end was wanted, without a fault, and leaves a usable record; None: no energy flowed, or no end seen."""
        made, energy = self.transaction, self.energy_wh
        if made is None or made.end is None or not (self.charging is not None or (energy or 0) > 0):
            return None
        if energy is not None and energy <= 0:
            return False if energy < 0 else None
        if not made.stop_reason and not self.faulted:
            return None  # OCPP 1.5 has no reason to tell
        return not self.faulted and made.stop_reason in GOOD_REASONS

    def successful(self, least_wh: float) -> bool | None:
        """It began, ended well, and more than ``least_wh`` flowed."""
        started, ended = self.started, self.ended_well
        if started is False or (started and ended is False):
            return False
        if not started or not ended or self.energy_wh is None:
            return None
        return self.energy_wh > least_wh

    @property
    def start_time(self) -> int | None:
        """From the moment at which plug-in and authorisation were both there, as far as seen, to "Charging"."""
        if (
            self.charging is None
            or not self.beginning_seen
            or (self.transaction is not None and self.transaction.offline)
        ):
            return None
        ready = max(self.plugged or 0, self.authorised or 0)
        return self.charging - ready if 0 < ready <= self.charging else None


class Attempts:
    """The attempts at one station."""

    ACTIONS: Final = frozenset(
        {
            "Authorize",
            "NotifyEvent",
            "RemoteStartTransaction",
            "RequestStartTransaction",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
            "TransactionEvent",
        }
    )

    def __init__(self, done: Callable[[Attempt], object]) -> None:
        """``done`` is called with each attempt to which nothing more can belong."""
        self._done = done
        self._ports: dict[str, Attempt] = {}
        self._waiting: list[Attempt] = []

    def open(self, now: int) -> Iterator[Attempt]:
        """Those that may still go on at this time."""
        yield from self._ports.values()
        for attempt in self._waiting:
            attempt.closed = now - attempt.last > JOIN
            yield attempt

    def feed(self, message: OcppMessage, station: Station) -> None:
        """Take in a message that ``station`` has taken in."""
        action = message.action
        if action == "StatusNotification" or action == "NotifyEvent":
            if message.type is MessageType.CALL:
                for connector, change in station.connectors.fresh:
                    if connector.name:
                        self._status(station.identity, _port(connector.name), change)
        elif action == "Authorize" or action == "RemoteStartTransaction" or action == "RequestStartTransaction":
            self._authorisation(message, station)
        elif station.transactions.latest is not None:
            self._transaction(message, station, station.transactions.latest)

    # ---------------------------------------------------------------------------------------------------------- status

    def _status(self, station: str, port: str, change: StatusChange) -> None:
        status, time = change.status, change.time
        attempt = self._ports.get(port)
        if attempt is not None:
            attempt.last = time
            if status == "Faulted":
                attempt.faulted = True
            if attempt.over:
                self._close(port)
                attempt = None
        if status in _PLUGGED:
            if change.previous in _PLUGGABLE:
                attempt = attempt or self._at(station, port, time)
                attempt.plugged = attempt.plugged or time
        elif attempt is None:
            return
        elif status == "Charging":
            attempt.charging = attempt.charging or time
        elif attempt.transaction is None and (
            status == "Faulted" or (status in _FREE and (change.previous not in _FREE or attempt.plugged is not None))
        ):
            self._close(port)

    def _at(self, station: str, port: str, time: int) -> Attempt:
        """A new attempt at a port: the one that waits for it, if there is just one."""
        self._expire(time)
        attempt = self._waiting.pop() if len(self._waiting) == 1 else Attempt(station, time)
        self._put(port, attempt)
        return attempt

    def _put(self, port: str, attempt: Attempt) -> None:
        attempt.port = port
        self._ports[port] = attempt
        if len(self._ports) > MAX_OPEN:
            self._close(next(iter(self._ports)))

    def _close(self, port: str) -> None:
        attempt = self._ports.pop(port)
        attempt.closed = True
        self._done(attempt)

    # --------------------------------------------------------------------------------------------------- authorisation

    def _authorisation(self, message: OcppMessage, station: Station) -> None:
        call = message if message.call is None else message.call
        token = _token(call.payload)
        if message.type is MessageType.CALL:
            if token and any(going.id_token == token for going in station.transactions.open.values()):
                return  # to stop, or to start elsewhere with the same card: the transaction tells
            place = whole(call.payload, "connectorId") or whole(call.payload, "evseId")
            remote = message.action != "Authorize"
            attempt = self._asked(station.identity, str(place) if remote and place else "", token, message.time)
            attempt.authorised = attempt.authorised or message.time
            attempt.token = token or attempt.token
            attempt.last = message.time
        elif message.call is not None:
            status = (
                text(message.payload, "idTagInfo", "status")
                or text(message.payload, "idTokenInfo", "status")
                or text(message.payload, "status")
                or ""
            )
            found = self._of_token(token)
            if found is not None and status:
                found.refused = "" if status == "Accepted" else status[:50]

    def _asked(self, station: str, port: str, token: str, time: int) -> Attempt:
        self._expire(time)
        known = self._ports.get(port) if port else self._of_token(token)
        if known is not None and not known.over and known.charging is None:
            return known
        if port and known is None:
            attempt = Attempt(station, time)
            self._put(port, attempt)
            return attempt
        if not port:
            blank = [open for open in self._ports.values() if not (open.token or open.over or open.charging)]
            if len(blank) == 1:
                return blank[0]
        attempt = Attempt(station, time)
        self._waiting.append(attempt)
        if len(self._waiting) > MAX_WAITING:
            self._give_up(self._waiting.pop(0))
        return attempt

    def _of_token(self, token: str) -> Attempt | None:
        if not token:
            return None
        for attempt in self._ports.values():
            if attempt.token == token and not attempt.over:
                return attempt
        return next((attempt for attempt in self._waiting if attempt.token == token), None)

    def _expire(self, time: int) -> None:
        while self._waiting and time - self._waiting[0].last > JOIN:
            self._give_up(self._waiting.pop(0))

    def _give_up(self, attempt: Attempt) -> None:
        attempt.closed = True
        self._done(attempt)

    # ----------------------------------------------------------------------------------------------------- transactions

    def _transaction(self, message: OcppMessage, station: Station, made: Transaction) -> None:
        if message.call is not None:
            if made.authorized not in ("", "Accepted"):
                attempt = self._ports.get(_port(made.connector))
                if attempt is not None and attempt.transaction is made:
                    attempt.refused = made.authorized
            return
        if station.transactions.found in ("again", "contradicts", "late"):
            return
        port = _port(made.connector)
        attempt = self._ports.get(port)
        if attempt is None or attempt.transaction is not made:
            attempt = self._joined(station.identity, port, attempt, made, message.time)
        attempt.last = message.time
        if made.id_token:
            attempt.token = made.id_token
        if made.charging_state:  # 2.x
            self._told(attempt, made, message.time)
        if made.end is not None:
            attempt.over = True
            self._forget_stopping(made, _token(message.payload), message.time)
            if not port:
                self._close(port)  # no status will ever follow

    def _joined(self, station: str, port: str, known: Attempt | None, made: Transaction, time: int) -> Attempt:
        """The attempt that a transaction belongs to, at the port where it is now."""
        for elsewhere, attempt in self._ports.items():
            if attempt.transaction is made:  # 2.x: it began before the EVSE was known
                del self._ports[elsewhere]
                if known is not None and known.transaction is not None:
                    self._close(port)
                elif known is not None:
                    attempt.begun = min(attempt.begun, known.begun)
                    attempt.plugged = attempt.plugged or known.plugged
                self._put(port, attempt)
                return attempt
        if known is not None and known.transaction is not None:
            self._close(port)
            known = None
        waiting = next((one for one in self._waiting if one.token and one.token == made.id_token), None)
        if waiting is not None:
            self._waiting.remove(waiting)
        if known is None:
            known = waiting or Attempt(station, time)
            self._put(port, known)
        elif waiting is not None:
            known.begun = min(known.begun, waiting.begun)
            known.authorised = waiting.authorised
        known.transaction = made
        if made.begin is None:
            known.beginning_seen = False
        return known

    @staticmethod
    def _told(attempt: Attempt, made: Transaction, time: int) -> None:
        if made.charging_state == "Charging":
            attempt.charging = attempt.charging or time
        elif made.charging_state == "EVConnected" and attempt.beginning_seen:
            attempt.plugged = attempt.plugged or time
        if made.trigger in ("Authorized", "RemoteStart"):
            attempt.authorised = attempt.authorised or time

    def _forget_stopping(self, made: Transaction, token: str, time: int) -> None:
        """Authorisations that turn out to have been meant to stop."""
        local = made.stop_reason == "Local"
        self._waiting = [
            attempt
            for attempt in self._waiting
            if attempt.token not in (made.id_token, token) and not (local and time - attempt.begun < STOPPING)
        ]


def _port(connector: str) -> str:
    """1.x connector, 2.x EVSE."""
    return connector.partition("/")[0]


def _token(payload: Any) -> str:
    return (text(payload, "idTag") or text(payload, "idToken", "idToken") or "")[:255]
