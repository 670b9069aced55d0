"""Transactions of every version in one shape.

1.x: StartTransaction, MeterValues, StopTransaction; the CSMS gives the id in its answer, so a transaction exists before
it has one. 2.x: TransactionEvent Started, Updated, Ended with a sequence number; the station gives the id.
Either half may be missing (the capture began later, or the station was offline) or be sent twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from fieldkit.events import OcppMessage

PLACEHOLDERS: Final = frozenset({"", "0", "-1"})
"""What stations send where they have no id from the CSMS (EVerest/libocpp issue 495, mikuso/ocpp-rpc issue 82)."""
Found: TypeAlias = Literal["", "begin", "known", "adopted", "instead", "again", "contradicts", "late", "unknown"]
"""How a message and a transaction came together:
begin - it starts one; known - by the id that the transaction has; adopted - the transaction had no id so far, as its
answer was not seen, and this must be it; instead - the id is not the transaction's, but it can be no other one;
again - the same start or end once more; contradicts - a second start or end that says something else;
late - it belongs to one that has ended; unknown - the beginning of this one was not seen; "" - it belongs to none."""


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
    """1.x: meterStart. 2.x: the reading with context Transaction.Begin, else the first one of a transaction whose start
    was seen."""
    meter_stop: float | None = None
    """1.x: meterStop. 2.x: the reading with context Transaction.End, else the last one, once it has ended."""
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
    first_time: int = 0
    """Capture time of the first message seen of it."""
    answered: bool = False
    """Its start was answered (with an id or not)."""
    begun_again: int = 0
    """How often its start was sent once more …"""
    ended_again: int = 0
    """… and its end."""

    @property
    def complete(self) -> bool:
        """Both halves were seen."""
        return self.begin is not None and self.end is not None

    @property
    def energy_wh(self) -> float | None:
        """What flowed, by the register at start and stop (or the last one seen); None when unknown."""
        last = self.meter_stop if self.meter_stop is not None else self.meter_last
        return None if self.meter_start is None or last is None else last - self.meter_start
