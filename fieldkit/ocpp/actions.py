"""Which actions OCPP has, who may start them, and in which versions they exist.

One table each for the station, the CSMS and either; a column per version, blank where the version lacks the action.
The 1.6 column holds the core specification and the security white paper ("Improved security for OCPP 1.6-J":
certificates, logs, signed firmware, security events), over SOAP as over JSON. The version columns follow the schema
files that the Open Charge Alliance publishes with each version, the senders follow the message chapters (1.6 §4 and
§5: "Operations Initiated by Charge Point" and "… by Central System"; 2.x Part 2, sequence diagrams).

No action has changed its sender between versions. OCPP 2.0, superseded within two years by 2.0.1 and nearly the same
in its action names, is looked up as 2.0.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fieldkit.events import Sender

_STATION: Final = """
    Authorize                           1.5  1.6  2.0.1  2.1
    BatterySwap                                          2.1
    BootNotification                    1.5  1.6  2.0.1  2.1
    ClearedChargingLimit                          2.0.1  2.1
    DiagnosticsStatusNotification       1.5  1.6
    FirmwareStatusNotification          1.5  1.6  2.0.1  2.1
    Get15118EVCertificate                         2.0.1  2.1
    GetCertificateChainStatus                            2.1
    GetCertificateStatus                          2.0.1  2.1
    Heartbeat                           1.5  1.6  2.0.1  2.1
    LogStatusNotification                    1.6  2.0.1  2.1
    MeterValues                         1.5  1.6  2.0.1  2.1
    NotifyChargingLimit                           2.0.1  2.1
    NotifyCustomerInformation                     2.0.1  2.1
    NotifyDERAlarm                                       2.1
    NotifyDERStartStop                                   2.1
    NotifyDisplayMessages                         2.0.1  2.1
    NotifyEVChargingNeeds                         2.0.1  2.1
    NotifyEVChargingSchedule                      2.0.1  2.1
    NotifyEvent                                   2.0.1  2.1
    NotifyMonitoringReport                        2.0.1  2.1
    NotifyPeriodicEventStream                            2.1
    NotifyPriorityCharging                               2.1
    NotifyReport                                  2.0.1  2.1
    NotifySettlement                                     2.1
    PublishFirmwareStatusNotification             2.0.1  2.1
    PullDynamicScheduleUpdate                            2.1
    ReportChargingProfiles                        2.0.1  2.1
    ReportDERControl                                     2.1
    ReservationStatusUpdate                       2.0.1  2.1
    SecurityEventNotification                1.6  2.0.1  2.1
    SignCertificate                          1.6  2.0.1  2.1
    SignedFirmwareStatusNotification         1.6
    StartTransaction                    1.5  1.6
    StatusNotification                  1.5  1.6  2.0.1  2.1
    StopTransaction                     1.5  1.6
    TransactionEvent                              2.0.1  2.1
    VatNumberValidation                                  2.1
"""

_CSMS: Final = """
    AFRRSignal                                           2.1
    AdjustPeriodicEventStream                            2.1
    CancelReservation                   1.5  1.6  2.0.1  2.1
    CertificateSigned                        1.6  2.0.1  2.1
    ChangeAvailability                  1.5  1.6  2.0.1  2.1
    ChangeConfiguration                 1.5  1.6
    ChangeTransactionTariff                              2.1
    ClearCache                          1.5  1.6  2.0.1  2.1
    ClearChargingProfile                     1.6  2.0.1  2.1
    ClearDERControl                                      2.1
    ClearDisplayMessage                           2.0.1  2.1
    ClearTariffs                                         2.1
    ClearVariableMonitoring                       2.0.1  2.1
    CostUpdated                                   2.0.1  2.1
    CustomerInformation                           2.0.1  2.1
    DeleteCertificate                        1.6  2.0.1  2.1
    ExtendedTriggerMessage                   1.6
    GetBaseReport                                 2.0.1  2.1
    GetChargingProfiles                           2.0.1  2.1
    GetCompositeSchedule                     1.6  2.0.1  2.1
    GetConfiguration                    1.5  1.6
    GetDERControl                                        2.1
    GetDiagnostics                      1.5  1.6
    GetDisplayMessages                            2.0.1  2.1
    GetInstalledCertificateIds               1.6  2.0.1  2.1
    GetLocalListVersion                 1.5  1.6  2.0.1  2.1
    GetLog                                   1.6  2.0.1  2.1
    GetMonitoringReport                           2.0.1  2.1
    GetPeriodicEventStream                               2.1
    GetReport                                     2.0.1  2.1
    GetTariffs                                           2.1
    GetTransactionStatus                          2.0.1  2.1
    GetVariables                                  2.0.1  2.1
    InstallCertificate                       1.6  2.0.1  2.1
    NotifyAllowedEnergyTransfer                          2.1
    NotifyWebPaymentStarted                              2.1
    PublishFirmware                               2.0.1  2.1
    RemoteStartTransaction              1.5  1.6
    RemoteStopTransaction               1.5  1.6
    RequestBatterySwap                                   2.1
    RequestStartTransaction                       2.0.1  2.1
    RequestStopTransaction                        2.0.1  2.1
    ReserveNow                          1.5  1.6  2.0.1  2.1
    Reset                               1.5  1.6  2.0.1  2.1
    SendLocalList                       1.5  1.6  2.0.1  2.1
    SetChargingProfile                       1.6  2.0.1  2.1
    SetDERControl                                        2.1
    SetDefaultTariff                                     2.1
    SetDisplayMessage                             2.0.1  2.1
    SetMonitoringBase                             2.0.1  2.1
    SetMonitoringLevel                            2.0.1  2.1
    SetNetworkProfile                             2.0.1  2.1
    SetVariableMonitoring                         2.0.1  2.1
    SetVariables                                  2.0.1  2.1
    SignedUpdateFirmware                     1.6
    TriggerMessage                           1.6  2.0.1  2.1
    UnlockConnector                     1.5  1.6  2.0.1  2.1
    UnpublishFirmware                             2.0.1  2.1
    UpdateDynamicSchedule                                2.1
    UpdateFirmware                      1.5  1.6  2.0.1  2.1
    UsePriorityCharging                                  2.1
"""

_EITHER: Final = """
    ClosePeriodicEventStream                             2.1
    DataTransfer                        1.5  1.6  2.0.1  2.1
    OpenPeriodicEventStream                              2.1
"""
# Only DataTransfer is meant for both. Opening and closing an event stream is the station's by the use cases, but the
# products out there are divided over who does it: a message of these two must not settle which side is the station.

VERSIONS: Final = ("1.5", "1.6", "2.0.1", "2.1")
"""The versions of the table, oldest first."""

SEND_ONLY: Final = frozenset({"NotifyPeriodicEventStream"})
"""Actions that travel as SEND (OCPP 2.1 Part 4 §4.2) and are never answered."""

MAX_ACTION_LENGTH: Final = 50
"""Longer than any action there is (33) by enough for a misspelt one: beyond it there is nothing to compare."""

_SIMILARITY = 0.75
"""difflib's measure: one letter in four may differ ("MeterValue", "BootNotificationReq"), "Foo" is like nothing."""


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table."""

    name: str
    sender: Sender | None
    """Who sends the CALL (or SEND); None when either may."""
    versions: frozenset[str]


def _rows(table: str, sender: Sender | None) -> Iterator[Action]:
    for line in table.strip().split("\n"):
        name, *versions = line.split()
        yield Action(name, sender, frozenset(versions))


ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {row.name: row for rows in (_rows(_STATION, "station"), _rows(_CSMS, "csms"), _rows(_EITHER, None)) for row in rows}
)


def _of_table(version: str) -> str:
    return "2.0.1" if version == "2.0" else version


def is_known(action: str, version: str = "") -> bool:
    """Tell whether this version has this action; without a version, whether any has it."""
    row = ACTIONS.get(action)
    return row is not None and (not version or _of_table(version) in row.versions)


def sender_of(action: str, version: str = "") -> Sender | None:
    """Say who starts this action; None when either side may, or when the version (any, if empty) lacks it."""
    return ACTIONS[action].sender if is_known(action, version) else None


def versions_of(action: str) -> frozenset[str]:
    """Return the versions (of ``VERSIONS``) that have this action: none when nobody knows it."""
    row = ACTIONS.get(action)
    return row.versions if row else frozenset()


def nearest(action: str, version: str = "") -> str:
    """Suggest the action that was probably meant by a name nobody knows, or "".

    A name that another version has is no slip of the pen (StartTransaction in 2.0.1 does not mean
    RequestStartTransaction): nothing is suggested for it, ``versions_of`` says where it belongs.
    """
    return "" if action in ACTIONS or len(action) > MAX_ACTION_LENGTH else _closest(action.lower(), version)


@lru_cache(maxsize=128)  # A station repeats its mistake, and comparing with ninety names costs a quarter millisecond.
def _closest(lowered: str, version: str) -> str:
    names = {name.lower(): name for name in ACTIONS if is_known(name, version)}
    from difflib import get_close_matches  # for those who mistype: few, and a router has no memory to spare

    close = get_close_matches(lowered, names, n=1, cutoff=_SIMILARITY)
    return names[close[0]] if close else ""
