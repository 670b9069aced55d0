"""Transactions of every version in one shape.

1.x: StartTransaction, MeterValues, StopTransaction; the CSMS gives the id in its answer, so a transaction exists before
it has one. 2.x: TransactionEvent Started, Updated, Ended with a sequence number; the station gives the id.
Either half may be missing (the capture began later, or the station was offline) or be sent twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import OcppMessage

MAX_OPEN: Final = 256
"""Transactions of one station that are going on at once."""
MAX_CLOSED: Final = 2000
"""Ended transactions that are kept (the last ones); all are counted."""


@dataclass(slots=True)
class Transaction:
    """One charging session as OCPP tells it. Times are capture times in ns; energies in Wh."""

    station: str
    version: str
    connector: str
    """As ``connector_name`` spells it; empty while unknown (1.x: a Stop without its Start)."""
    id: str = ""
    """Empty while (or because) the CSMS has given none."""
    begin: OcppMessage | None = None
    """StartTransaction, or the TransactionEvent Started; None when it was not seen."""
    end: OcppMessage | None = None
    """StopTransaction, or the TransactionEvent Ended."""
    started: int | None = None
    """The station's own timestamp of the start, else the capture time of ``begin``."""
    stopped: int | None = None
    meter_start: float | None = None
    meter_stop: float | None = None
    meter_last: float | None = None
    """Last energy register reading seen for it."""
    stop_reason: str = ""
    """As sent; "Local" where 1.6 §7.38 (or 2.x: the default) makes that of a missing one, see ``reason_sent``."""
    reason_sent: bool = False
    id_token: str = ""
    """In full: whoever shows it masks it."""
    authorized: str = ""
    """idTagInfo/idTokenInfo status that the CSMS answered to its start."""
    remote_start: bool = False
    """A RemoteStartTransaction/RequestStartTransaction led to it."""
    offline: bool = False
    """2.x said so of an event; 1.x: its start was told long after its timestamp."""
    charging_state: str = ""
    """2.x chargingState, as last told."""
    events: int = 0
    """Messages that belong to it."""
    first_seq: int | None = None
    last_seq: int | None = None
    last_time: int = 0
    trigger: str = ""
    """Last triggerReason (2.x)."""
    notes: dict[str, str] = field(default_factory=dict)
    """What later parts want to remember of it, by their own names."""

    @property
    def complete(self) -> bool:
        """Both halves were seen."""
        return self.begin is not None and self.end is not None

    @property
    def energy_wh(self) -> float | None:
        """What flowed, by the register at start and stop (or the last one seen); None when unknown."""
        last = self.meter_stop if self.meter_stop is not None else self.meter_last
        return None if self.meter_start is None or last is None else last - self.meter_start


class Ledger:
    """One station's transactions."""

    ACTIONS: Final = frozenset[str]()

    def __init__(self, station: str) -> None:
        self.station = station
        self.open: dict[str, Transaction] = {}
        """Going on, by id (those without an id yet: by "?" and the message id of their start)."""
        self.closed: deque[Transaction] = deque(maxlen=MAX_CLOSED)
        self.count = 0
        """Transactions seen in all."""
        self.latest: Transaction | None = None
        """The one that the message fed last belongs to; None when it belongs to none."""

    def find(self, id_: str) -> Transaction | None:
        """The transaction with this id, going on or ended."""
        return self.open.get(id_) or next((done for done in reversed(self.closed) if done.id == id_), None)

    def on(self, connector: str) -> Transaction | None:
        """The transaction that is going on at this connector."""
        return next((going for going in self.open.values() if going.connector == connector), None)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
