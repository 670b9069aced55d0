"""What a 1.6 errorCode means (§7.6), who can do something about it, and what."""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.checks.finding import Owner


class FaultWords(NamedTuple):
    meaning: str
    advice: str
    owner: Owner


UNKNOWN: Final = FaultWords(
    "a code that OCPP does not know", "Look the code up in the manufacturer's service manual.", "station"
)

WORDS: Final[dict[str, FaultWords]] = {
    "ConnectorLockFailure": FaultWords(
        "the connector could not be locked or unlocked",
        "Look for dirt or a bent latch in the socket, plug in again, then have the lock actuator checked.",
        "station",
    ),
    "EVCommunicationError": FaultWords(
        "the station cannot talk to the vehicle",
        "Try another vehicle and cable: if it follows the vehicle, the vehicle is at fault, else the control pilot.",
        "unknown",
    ),
    "GroundFailure": FaultWords(
        "a residual current or a missing protective earth was detected",
        "Do not reset it blindly: have an electrician measure earth and insulation, and try another vehicle and cable.",
        "station",
    ),
    "HighTemperature": FaultWords(
        "it is too hot inside or at the contacts",
        "Check fans, filters, sun and the tightness of terminals; worn contacts get hot under full current.",
        "station",
    ),
    "InternalError": FaultWords(
        "an error in the station's own hardware or software",
        "Restart the station once; if it comes back, fetch diagnostics and open a case with the manufacturer.",
        "station",
    ),
    "LocalListConflict": FaultWords(
        "the CSMS and the local authorization list disagree about a card",
        "Send the full local list again from the CSMS.",
        "csms",
    ),
    "OtherError": FaultWords(
        "an error that OCPP has no name for",
        "Look up the vendor code and the info text in the manufacturer's service manual.",
        "station",
    ),
    "OverCurrentFailure": FaultWords(
        "more current flowed than allowed",
        "Try another vehicle; check the limit set for this connector and the current measurement.",
        "station",
    ),
    "OverVoltage": FaultWords(
        "the supply voltage is too high",
        "Measure the supply at the terminals over a day; it is the site's or grid operator's matter if it is true.",
        "operator",
    ),
    "PowerMeterFailure": FaultWords(
        "the energy meter cannot be read",
        "Check the meter's bus cable, address and supply; without it nothing can be billed.",
        "station",
    ),
    "PowerSwitchFailure": FaultWords(
        "the contactor does not switch as told, it may be welded",
        "Take the station out of service and have the contactor checked: the outlet may be live.",
        "station",
    ),
    "ReaderFailure": FaultWords(
        "the card reader does not work",
        "Restart the station, then check the reader's cable; app and remote start work meanwhile.",
        "station",
    ),
    "ResetFailure": FaultWords(
        "a reset could not be carried out",
        "Switch the station off at the breaker for a minute and on again.",
        "station",
    ),
    "UnderVoltage": FaultWords(
        "the supply voltage is too low",
        "Measure the supply under load: look for a lost phase, a weak cable or too many stations on one feeder.",
        "operator",
    ),
    "WeakSignal": FaultWords(
        "the mobile or wireless signal is weak",
        "Check antenna and position; consider an outside antenna or a cable.",
        "uplink",
    ),
}
