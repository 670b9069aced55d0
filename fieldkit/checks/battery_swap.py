"""Battery swaps (OCPP 2.1 Part 2 S): refused, left half done, or with the same battery back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, duration, listed
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.battery_swap import BatterySwaps, Swap
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text

PATIENCE: Final = 1800 * SECOND
"""From the last battery in to the first one out: people do not wait for half an hour."""

REFUSED = Kind(
    "batteryswap.refused",
    "warning",
    "station",
    "The station refuses a battery swap",
    "The CSMS asked for battery swap {number}, and the station answered Rejected{reason}.",
    "Check that charged batteries and a free slot are there, and that no other swap is going on.",
    "OCPP 2.1 Part 2 S02",
)
NOT_TAKEN = Kind(
    "batteryswap.not-taken",
    "warning",
    "operator",
    "Nobody took the batteries out",
    "In swap {number} the station offered batteries, and nobody took them out in time (BatteryOutTimeout){put_in}.",
    "Check that the slots really opened. If they did, the customer may have left with nothing: look after their empty"
    " batteries in the station.",
    "OCPP 2.1 Part 2 S03",
)
INCOMPLETE = Kind(
    "batteryswap.incomplete",
    "warning",
    "station",
    "A battery swap was not brought to an end",
    "In swap {number} {put_in} went in, and within {waited} the station told neither of batteries taken out nor of a"
    " timeout, though it was online.",
    "Look at the station whether it is stuck in this swap, and at what the customer got.",
    "OCPP 2.1 Part 2 S01",
    inferred=True,
)
SAME_BACK = Kind(
    "batteryswap.same-battery",
    "warning",
    "station",
    "The customer got back the battery they had put in",
    "In swap {number} the station took in and gave out {serials}.",
    "Check the assignment of slots: the customer left with an uncharged battery. Give them a new one and report it to"
    " the manufacturer.",
    "OCPP 2.1 Part 2 S01",
)
UNEQUAL = Kind(
    "batteryswap.unequal",
    "info",
    "operator",
    "More batteries went out than in",
    "In swap {number} {put_in} went in and {taken_out} out.",
    "Compare with what the customer paid for; the station may also have told only a part of it.",
    "OCPP 2.1 Part 2 S01",
)


class BatterySwapCheck(PatientCheck):
    """How swaps go."""

    kinds = (REFUSED, NOT_TAKEN, INCOMPLETE, SAME_BACK, UNEQUAL)
    actions = PULSE | BatterySwaps.ACTIONS

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Orders and what goes in and out."""
        station = picture.stations.get(message.channel.station)
        if station is None or message.action in PULSE:
            return ()
        swap = station.battery_swaps.latest
        if swap is None:
            return ()
        if message.action == "BatterySwap":
            return self._told(message, swap) if message.type is MessageType.CALL else ()
        call = message.call
        if call is not None and message.type is MessageType.CALLRESULT and swap.status == "Rejected":
            return self._refused(message, call, swap)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """Nothing came out."""
        swap: Swap = owed.thing
        values = {
            "number": swap.id,
            "put_in": _batteries(len(swap.put_in)),
            "waited": duration(PATIENCE),
        }
        yield Finding(INCOMPLETE, owed.deadline, station, owed.evidence, values)

    @staticmethod
    def _refused(message: OcppMessage, call: OcppMessage, swap: Swap) -> Iterator[Finding]:
        values = {"number": swap.id, "reason": reason_given(message)}
        yield Finding(REFUSED, message.time, message.channel.station, (call, message), values)

    def _told(self, message: OcppMessage, swap: Swap) -> Iterator[Finding]:
        station, kind = message.channel.station, text(message.payload, "eventType")
        if kind == "BatteryIn":
            # Where batteries come out first, as in a subscription's first visit, the swap ends with the last one in.
            if swap.time_out is None:
                self.expect(message, swap.id, message.time + PATIENCE, (message,), swap)
            return
        owed = self.settle(message, swap.id)
        evidence = (*owed.evidence, message) if owed is not None else (message,)
        if kind == "BatteryOutTimeout":
            put_in = f"; {_batteries(len(swap.put_in))} had gone in" if swap.put_in else ""
            yield Finding(NOT_TAKEN, message.time, station, evidence, {"number": swap.id, "put_in": put_in})
        elif kind == "BatteryOut":
            before = {battery.serial for battery in swap.put_in}
            same = sorted({one.serial for one in swap.taken_out if one.serial and one.serial in before})
            if same:
                serials = f"{'batteries' if len(same) > 1 else 'battery'} {listed([shown(one, 50) for one in same])}"
                yield Finding(SAME_BACK, message.time, station, evidence, {"number": swap.id, "serials": serials})
            elif swap.put_in and len(swap.taken_out) > len(swap.put_in):
                values = {
                    "number": swap.id,
                    "put_in": _batteries(len(swap.put_in)),
                    "taken_out": _batteries(len(swap.taken_out)),
                }
                yield Finding(UNEQUAL, message.time, station, evidence, values)


def _batteries(number: int) -> str:
    return f"{number} batter{'y' if number == 1 else 'ies'}"
