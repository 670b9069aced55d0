"""What can be wrong at a site, by family: its category, its name in plain words, and what to check next.

``explains`` lists what a family brings along: a power cut makes stations fall silent, reconnect and boot. While an
incident of such a family is open, or shortly after, these are signs of it and no incidents of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.detect.symptom import Category

_LOSSES: Final = frozenset(
    {
        "station-offline",
        "flapping",
        "blackhole",
        "nat-idle-kill",
        "dns-failure",
        "unusual-transport",
        "unusual-timing",
        "unusual-protocol",
    }
)
"""What any interruption looks like from nearby."""
_RESTARTS: Final = _LOSSES | {
    "reboot-loop",
    "unusual-protocol",
    "unusual-condition",
    "uplink-switch",
    "cadence-drift",
    "clock-shift",
}


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of incident."""

    name: str
    category: Category
    title: str
    advice: str
    """What to check next."""
    explains: frozenset[str] = frozenset()
    """Families whose signs it brings along."""
    hold: int = 0
    """Seconds that its signs wait, as a cause that explains them may show a little later."""


_ALL: Final = (
    # ------------------------------------------------------------------------------------------------------ intrusion
    Family(
        "message-flood",
        "intrusion",
        "A station sends far more messages than usual",
        "Look which action repeats and since when. If the station is not being tested, take it off the network and ask "
        "its manufacturer; a stolen identity is the other possibility.",
        frozenset({"malformed-frames", "unusual-protocol", "unusual-timing", "unusual-transport", "cadence-drift"}),
    ),
    Family(
        "unknown-station",
        "intrusion",
        "A station that nobody has seen here before",
        "Ask who commissioned it. If nobody did, find the device behind its address and block the identity in the "
        "CSMS.",
        _LOSSES | {"credential-guessing", "message-flood", "malformed-frames"},
    ),
    Family(
        "cloned-station",
        "intrusion",
        "Two devices use one station identity",
        "Compare the two addresses with the installation plan, change the station's password (or certificate) and see "
        "which of the two stays away.",
        frozenset(
            {"uplink-switch", "man-in-the-middle", "power-cut", "reboot-loop", "clock-shift", "message-flood"} | _LOSSES
        ),
    ),
    Family(
        "unauthorised-remote-start",
        "intrusion",
        "A charge was started in a way that the site does not know",
        "Ask the operator whether this start was ordered, by whom and with which token. Stop the transaction if not.",
    ),
    Family(
        "firmware-url-swap",
        "intrusion",
        "Firmware is to be loaded from an unexpected address",
        "Do not let the update run: ask the operator and the manufacturer whether this address is theirs.",
        frozenset({"planned-firmware-update", "reboot-loop", "station-offline"}),
    ),
    Family(
        "profile-downgrade",
        "intrusion",
        "The connection was made less secure than before",
        "Ask the operator whether this was meant. If not, set the security profile back and change the password, which "
        "may have crossed the network in clear.",
        frozenset({"config-tampering", "man-in-the-middle"}),
    ),
    Family(
        "config-tampering",
        "intrusion",
        "Settings that guard access or billing were changed",
        "Compare the settings with the operator's list and put them back; ask who was logged in to the CSMS then.",
    ),
    Family(
        "malformed-frames",
        "intrusion",
        "Broken messages come in numbers",
        "See the messages: a new firmware breaks one rule again and again, somebody who tries things out breaks many. "
        "Check the address they come from.",
        frozenset({"unusual-protocol", "unusual-timing"}),
    ),
    Family(
        "credential-guessing",
        "intrusion",
        "Somebody tries passwords",
        "Find the device behind the address. If it is the station itself, its password is wrong; if not, block it.",
        frozenset({"flapping", "station-offline", "unusual-transport", "unknown-station"}),
    ),
    Family(
        "man-in-the-middle",
        "intrusion",
        "The other end of the connection is not the one it was",
        "Compare the certificate and address with what the CSMS operator states. Look for devices that do not belong "
        "between station and router.",
        frozenset({"satellite-step", "flapping", "unusual-timing", "unusual-transport"}),
    ),
    Family(
        "tag-enumeration",
        "intrusion",
        "Many different cards are tried in a row",
        "Go and see who stands there. If nobody does, the reader or the station's identity is being misused.",
        frozenset({"start-failures", "unusual-protocol"}),
    ),
    Family(
        "unusual-protocol",
        "intrusion",
        "A station's conversation is unlike itself",
        "Look through the messages of this time for what the station does not do otherwise.",
    ),
    # ---------------------------------------------------------------------------------------------------------- fraud
    Family(
        "register-rollback",
        "fraud",
        "An energy register went backwards",
        "Read the meter's own display. A replaced meter explains it; otherwise bills of this connector are wrong.",
        frozenset({"under-reporting-meter", "energy-outside-transaction", "unusual-energy", "unusual-metering"}),
    ),
    Family(
        "under-reporting-meter",
        "fraud",
        "The energy that is billed is not the energy that flows",
        "Compare the station's register with a second meter during one charge, and look at the meter's seals.",
        frozenset({"unusual-energy", "unusual-metering"}),
    ),
    Family(
        "energy-outside-transaction",
        "fraud",
        "Energy flows that no transaction accounts for",
        "See whether a vehicle is connected. If not, find out what else hangs behind this meter.",
        frozenset({"unusual-energy", "unusual-metering"}),
    ),
    Family(
        "cloned-tag",
        "fraud",
        "One card is used in two places",
        "Ask the holder of the card. If they have one card only, block it and issue another with a better technology.",
    ),
    Family(
        "truncated-sessions",
        "fraud",
        "Sessions end before the charging does",
        "Compare what was billed with the register over the day, and look who charges here.",
        frozenset({"start-failures", "energy-outside-transaction", "unusual-protocol"}),
    ),
    Family(
        "clock-shift",
        "fraud",
        "A station's clock was moved",
        "Set the clock right (a heartbeat does), and check what was billed by time of day since.",
        frozenset({"unusual-timing"}),
    ),
    Family(
        "unusual-metering",
        "fraud",
        "A meter does not add up as it used to",
        "Read the meter's own display, and compare it with what was billed for the last charges.",
    ),
    # ---------------------------------------------------------------------------------------------------- maintenance
    Family(
        "contactor-not-closing",
        "maintenance",
        "A charge is on, but no current flows",
        "Try another vehicle. If it stays, have contactor, cable and pilot line checked.",
        frozenset({"unusual-energy", "derating", "start-failures"}),
    ),
    Family(
        "derating",
        "maintenance",
        "The charger gives less power than it used to",
        "Look for dirt in filters and fans and for a failed power module; compare with the offered power.",
        frozenset({"unusual-energy"}),
    ),
    Family(
        "temperature-creep",
        "maintenance",
        "It runs hotter than it used to",
        "Clean filters, check fans and the contacts of plug and cable before it derates or fails.",
        frozenset({"unusual-energy", "derating"}),
    ),
    Family(
        "cadence-drift",
        "maintenance",
        "Messages come less regularly than they used to",
        "Look at the controller's load and memory and plan a restart; often the first sign of a failing device.",
        frozenset({"unusual-timing"}),
    ),
    Family(
        "start-failures",
        "maintenance",
        "Charges fail to start",
        "Try to start a charge with a card that works elsewhere; check plug, lock and pilot line.",
        frozenset({"unusual-condition"}),
    ),
    Family(
        "reboot-loop",
        "maintenance",
        "A station restarts again and again",
        "Check its supply, then its log for the cause of the last reset; a firmware update may have gone wrong.",
        _LOSSES | {"clock-shift", "unusual-protocol", "unusual-condition", "start-failures", "truncated-sessions"},
    ),
    Family(
        "connector-lock",
        "maintenance",
        "A connector does not lock or unlock",
        "Work the lock by hand, look for dirt and bent pins, then replace the actuator.",
        frozenset({"start-failures", "hardware-fault", "unusual-condition"}),
    ),
    Family(
        "phase-loss",
        "maintenance",
        "A phase is missing",
        "Have an electrician check fuses, terminals and the contactor of this phase.",
        frozenset({"unusual-energy", "derating", "hardware-fault"}),
    ),
    Family(
        "hardware-fault",
        "maintenance",
        "The station reports a fault of its own",
        "Follow the manufacturer's guide for this error code.",
        frozenset({"start-failures", "unusual-protocol", "unusual-condition"}),
    ),
    Family(
        "unusual-condition",
        "maintenance",
        "A station fails more often than it used to",
        "Look at the restarts and faults that it told, and try to start a charge with a card that works elsewhere.",
    ),
    Family(
        "unusual-energy",
        "maintenance",
        "Readings are unlike those of this connector",
        "Compare with the sessions before: power, voltage, temperature, phases.",
    ),
    # --------------------------------------------------------------------------------------------------- connectivity
    Family(
        "uplink-switch",
        "connectivity",
        "The site's way to the internet has changed",
        "See at the router which uplink is in use and whether the first one works again.",
        _LOSSES | {"satellite-step", "man-in-the-middle"},
        hold=5,
    ),
    Family(
        "satellite-step",
        "connectivity",
        "Answers take much longer than usual",
        "See which uplink is in use and how good it is: satellite and weak mobile reception look like this.",
        frozenset({"unusual-timing", "unusual-transport"}),
    ),
    Family(
        "nat-idle-kill",
        "connectivity",
        "Connections die after a time of silence",
        "Set the WebSocket ping interval (or heartbeats) below the time after which the router forgets.",
        _LOSSES,
    ),
    Family(
        "blackhole",
        "connectivity",
        "What is sent does not arrive any more",
        "Check the uplink at the router, from there the CSMS address; then ask the CSMS operator.",
        frozenset({"station-offline", "unusual-timing", "unusual-transport", "flapping", "nat-idle-kill"}),
    ),
    Family(
        "csms-unreachable",
        "connectivity",
        "The CSMS cannot be reached",
        "Try its address from the router. If that works, the station's settings are wrong; else ask the CSMS operator.",
        _LOSSES | {"csms-restart"},
        hold=45,
    ),
    Family(
        "dns-failure",
        "connectivity",
        "Chargers are gone and do not try to come back",
        "Check power and network, then whether the site can look up the name of the CSMS (DNS).",
        _LOSSES,
    ),
    Family(
        "tls-clock-failure",
        "connectivity",
        "Secure connections cannot be made",
        "Check the date on the station and the certificate's dates; then the trust anchors on the station.",
        _LOSSES,
    ),
    Family(
        "sim-switch",
        "connectivity",
        "The mobile network has changed",
        "See at the router which SIM and which network are in use, and why.",
        _LOSSES | {"uplink-switch"},
    ),
    Family(
        "flapping",
        "connectivity",
        "A connection comes and goes",
        "Look at the quality of the uplink over this time and at the station's network cable.",
        _LOSSES - {"nat-idle-kill"},  # which says why
    ),
    Family(
        "captive-portal",
        "connectivity",
        "Something else answers in the place of the CSMS",
        "Open a web page from this network: a sign-in page or a data limit of the SIM shows itself there.",
        _LOSSES | {"tls-clock-failure"},
    ),
    Family(
        "station-offline",
        "connectivity",
        "A station is offline",
        "Check its power and its network; from the router, whether it can be reached.",
        frozenset({"unusual-transport", "unusual-timing"}),
    ),
    Family(
        "unusual-transport",
        "connectivity",
        "The connection behaves unlike before",
        "See the link's quality over this time, and what else happened on the network.",
    ),
    Family(
        "unusual-timing",
        "connectivity",
        "Messages come at unusual times",
        "See whether the CSMS, the link or the station is the slow one.",
    ),
    # --------------------------------------------------------------------------------------------------------- energy
    Family(
        "limit-ignored",
        "energy",
        "More power flows than allowed",
        "If the limit protects a fuse, reduce by hand; then have the station's load management checked.",
        frozenset({"unusual-energy"}),
    ),
    Family(
        "profile-thrash",
        "energy",
        "The limit changes again and again",
        "Look at the load management's rules: two masters, or a control loop that is too quick.",
        frozenset({"unusual-energy", "unusual-protocol", "derating"}),
    ),
    Family(
        "stuck-at-zero",
        "energy",
        "A car waits, and may not charge",
        "Look in the CSMS for the schedule or load management that keeps the limit at zero.",
        frozenset({"unusual-energy", "contactor-not-closing", "derating"}),
    ),
    Family(
        "site-over-limit",
        "energy",
        "The site takes more than it may",
        "Check that load management is on for all chargers, and the fuse of the connection.",
        frozenset({"unusual-energy", "limit-ignored"}),
    ),
    # --------------------------------------------------------------------------------------------------------- benign
    Family(
        "planned-firmware-update",
        "benign",
        "A planned firmware update",
        "Nothing to do if the station comes back with the new version.",
        _RESTARTS | {"config-tampering", "malformed-frames", "start-failures"},
    ),
    Family(
        "power-cut",
        "benign",
        "A power cut, after which stations come back",
        "Nothing to do if all come back; sessions that were cut off may have to be started again.",
        _RESTARTS
        | {
            "truncated-sessions",
            "hardware-fault",
            "phase-loss",
            "start-failures",
            "message-flood",
            "sim-switch",
            "csms-restart",
            "dns-failure",
            "man-in-the-middle",
            "contactor-not-closing",
        },
    ),
    Family(
        "clock-sync",
        "benign",
        "A station's clock was set right",
        "Nothing to do.",
        frozenset({"clock-shift", "unusual-timing"}),
    ),
    Family(
        "dst",
        "benign",
        "Clocks changed between summer and winter time",
        "Nothing to do today; OCPP wants UTC, so tell the manufacturer.",
        frozenset({"clock-shift", "unusual-timing"}),
    ),
    Family(
        "csms-restart",
        "benign",
        "The CSMS was restarted",
        "Nothing to do if all stations are back.",
        _LOSSES | {"message-flood", "unusual-protocol", "tls-clock-failure", "csms-unreachable"},
    ),
    Family(
        "planned-sim-switch",
        "benign",
        "The site's connections were taken down in good order",
        "Nothing to do if all stations are back: the SIM, the uplink or the router was probably changed on purpose.",
        _LOSSES | {"uplink-switch", "satellite-step", "sim-switch"},
    ),
    Family(
        "planned-restart",
        "benign",
        "A restart that the CSMS ordered",
        "Nothing to do if the station comes back.",
        _RESTARTS,
    ),
)

FAMILIES: Final[dict[str, Family]] = {family.name: family for family in _ALL}
