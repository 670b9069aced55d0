"""The gist of a message: the two or three fields that matter for its action, as a technician says them.

    BootNotification    VendorX M-5, firmware 1.2.3, serial SN0001
                        Accepted, heartbeat every 300 s, clock 10:00:00Z
    MeterValues         connector 1, tx 1701: 12.4 kWh, 11.0 kW, 16.0 A×3

One template an action, for every version that has it: what a payload does not have is left out together with the words
around it. ``{a|b.c:phrase}`` takes the first of the members ``a`` and ``b.c`` that is there and puts it into words by a
function of ``phrases`` or
``quantities``; ``{a:if offline}`` says "offline" where ``a`` is true; what follows " // " is said when nothing
else was. "." is the payload itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from fieldkit.events import MessageType, OcppMessage
from fieldkit.ocpp import phrases, quantities
from fieldkit.ocpp.phrases import Phrase, View, plain
from fieldkit.ocpp.secrets import HIDDEN, conceal, conceal_text
from fieldkit.safetext import mask, shorten, terminal

GIST_LIMIT: Final = 160
"""Characters of a gist: it shares its line with time, station and action."""

_MOST_FIELDS: Final = 4
"""Fields of a payload that nothing is known about."""


def gist(message: OcppMessage, show_ids: bool = False) -> str:
    """The fields of ``message`` that matter, safe for a terminal, secrets hidden, identity tokens masked on demand."""
    view = View(message.time, show_ids)
    if message.error is not None:
        return terminal(_error(message, view), GIST_LIMIT)
    raw, payload = conceal(message)
    if payload is None:
        text = raw.strip()[: 4 * GIST_LIMIT]
        return terminal(text if show_ids else phrases.masked(text), GIST_LIMIT)
    if payload.__class__ is str and payload == HIDDEN:
        return HIDDEN
    if message.action == "DataTransfer" and not show_ids:
        payload = _transferred(message, payload)
    template = (_ANSWERS if message.type is MessageType.CALLRESULT else _CALLS).get(message.action)
    text = _filled(template, payload, view) if template else ""
    return terminal(text or _generic(payload, view), GIST_LIMIT)


def _error(message: OcppMessage, view: View) -> str:
    error = message.error
    assert error is not None
    code = shorten(str(error.code), phrases.LONGEST_VALUE)
    description = conceal_text(shorten(str(error.description), GIST_LIMIT), message)
    if not view.show_ids:
        description = without_ids(description, message)
    details = conceal(message)[1] if error.details else None
    more = _generic(details, view) if details else ""
    text = ": ".join(filter(None, (code, description))) or "no error code"
    return f"{text} ({more})" if more else text


def without_ids(text: str, message: OcppMessage) -> str:
    """A text about ``message``, or quoted from it, with the identity tokens of it and of its call masked."""
    known: set[str] = set()
    for told in (message, message.call):
        if told is not None:
            known |= phrases.tokens_told(told.raw) if told.payload is None else phrases.tokens_in(told.payload)
    if message.action in _SHOWING_CONTRACTS:
        text = _CONTRACT.sub(_without_contract, text)
    return phrases.masked(text, known)


_SHOWING_CONTRACTS: Final = frozenset({"Authorize", "Get15118EVCertificate", "DataTransfer"})
"""What carries a vehicle's contract or provisioning certificate (2.x Part 2 C07, M01; in 1.6 within a DataTransfer).
Its name is the eMAID or the vehicle's PCID, in base64 as good as in clear."""
_CONTRACT: Final = re.compile(
    r"""-----BEGIN\ CERTIFICATE-----(?P<pem>.*?)(?:-----END\ CERTIFICATE-----|\Z)"""
    r"""|(?P<name>exi(?:Request|Response)(?:\\{0,7}["'])?\s{0,3}[:=>]\s{0,3}(?:\\{0,7}["'])?)(?P<exi>[\w+/=\\-]{8,})""",
    re.DOTALL,
)


def _without_contract(found: re.Match[str]) -> str:
    held = found["pem"] if found["exi"] is None else found["exi"]
    return f"{found['name'] or ''}(certificate of a contract or vehicle, {len(held)} characters)"


def _transferred(message: OcppMessage, payload: Any) -> Any:
    """A DataTransfer whose messageId says that its data is an identity token, with the token masked."""
    asked = message.call.payload if message.call is not None else payload
    if not (isinstance(asked, dict) and isinstance(payload, dict)):
        return payload
    name, data = asked.get("messageId"), payload.get("data")
    if isinstance(name, str) and isinstance(data, str) and phrases.names_token(name) and _BARE.fullmatch(data):
        return {**payload, "data": mask(data)}
    return payload


_BARE: Final = re.compile(r"[^\s{\[<=:]{1,64}")
"""A text that is a token, and does not name one."""


def _generic(payload: Any, view: View) -> str:
    """Fields of which no more is known than their names."""
    if not isinstance(payload, dict):
        return phrases.quoted(payload, view)
    texts: list[str] = []
    for name, value in payload.items():
        if len(texts) == _MOST_FIELDS:
            texts.append(f"+{len(payload) - _MOST_FIELDS} more")
            break
        named = phrases.names_token(str(name))
        said = phrases.token(value, view) if named else phrases.open_text(plain(value, view), view)
        texts.append(f"{shorten(str(name), 30)}={f'[{said}]' if isinstance(value, list) and said[:1] != '[' else said}")
    return ", ".join(texts)


# ---------------------------------------------------------------------------------------------------------- templates


class _Part(NamedTuple):
    """One placeholder with the words around it."""

    separator: str
    before: str
    paths: tuple[tuple[str, ...], ...]
    phrase: Phrase
    after: str


class _Template(NamedTuple):
    parts: tuple[_Part, ...]
    otherwise: str


def _filled(template: _Template, payload: Any, view: View) -> str:
    text = ""
    for separator, before, paths, phrase, after in template.parts:
        for path in paths:
            value = payload
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                said = phrase(value, view)
                if said:
                    text += f"{separator if text else ''}{before}{said}{after}"
                break
    return text or template.otherwise


_PLACEHOLDER: Final = re.compile(r"\{([^}:]+)(?::([^}]+))?\}")
_BETWEEN: Final = re.compile(r"(?P<after>[^,:/=]*?)(?P<separator>, |: |[/= ])(?P<before>[^,:=]*)")
"""What stands between two placeholders belongs to the first up to the separator, to the second behind it."""


def _compiled(text: str) -> _Template:
    """A template taken apart, once, at import."""
    text, _, otherwise = text.partition(" // ")
    pieces = _PLACEHOLDER.split(text)  # words, members, phrase, words, members, phrase, words
    parts = []
    separator, before = "", pieces[0]
    for position in range(1, len(pieces), 3):
        members, phrase, after = pieces[position : position + 3]
        next_separator = next_before = ""
        if position + 3 < len(pieces):
            found = _BETWEEN.fullmatch(after)
            assert found, f"{after!r} has no separator"
            after, next_separator, next_before = found["after"], found["separator"], found["before"]
        paths = tuple(() if path == "." else tuple(path.split(".")) for path in members.split("|"))
        parts.append(_Part(separator, before, paths, _phrase(phrase), after))
        separator, before = next_separator, next_before
    return _Template(tuple(parts), otherwise)


def _phrase(name: str | None) -> Phrase:
    if name is None:
        return plain
    if name.startswith("if "):
        return lambda value, view: name[3:] if value is True or value == "true" else ""
    phrase: Phrase = getattr(phrases, name, None) or getattr(quantities, name)
    return phrase


def _table(templates: Mapping[str, str]) -> dict[str, _Template]:
    compiled = {actions: _compiled(text) for actions, text in templates.items()}
    return {action: template for actions, template in compiled.items() for action in actions.split()}


# ------------------------------------------------------------------------------------------------- what they all say


_Table: TypeAlias = dict[str, _Template]

_CALLS: Final[_Table] = _table(
    {
        # -- by the station
        "Authorize": "tag {idTag|idToken:token}",
        "BootNotification": "{chargePointVendor|chargingStation.vendorName} {chargePointModel|chargingStation.model},"
        " firmware {firmwareVersion|chargingStation.firmwareVersion},"
        " serial {chargePointSerialNumber|chargeBoxSerialNumber|chargingStation.serialNumber}, {reason}",
        "StatusNotification": "{.:status}",
        "StartTransaction": "{connectorId:connector}, tag {idTag:token}, meter {meterStart:energy},"
        " reservation {reservationId}",
        "StopTransaction": "transaction {transactionId}, {reason}, meter {meterStop:energy}, tag {idTag:token}",
        "MeterValues": "{connectorId:connector} {evseId:evse}, tx {transactionId:transaction}:"
        " {meterValue|values:meter}",
        "TransactionEvent": "{eventType} {offline:if offline}, seq {seqNo}, {evse:evse}, trigger {triggerReason},"
        " {transactionInfo.chargingState}, reason {transactionInfo.stoppedReason},"
        " tx {transactionInfo.transactionId:transaction}, tag {idToken:token}, {meterValue:meter}",
        "FirmwareStatusNotification DiagnosticsStatusNotification LogStatusNotification"
        " SignedFirmwareStatusNotification PublishFirmwareStatusNotification": "{status}, request {requestId},"
        " {statusInfo:why}",
        "SecurityEventNotification": "{type} {techInfo:quoted}",
        "SignCertificate": "{certificateType}, request of {csr:characters}",
        "GetCertificateStatus": "serial {ocspRequestData.serialNumber}, ask {ocspRequestData.responderURL}",
        "GetCertificateChainStatus": "{certificateStatusRequests:length} certificates",
        "Get15118EVCertificate": "{action}, {iso15118SchemaVersion}, EXI of {exiRequest:characters}",
        "NotifyReport": "request {requestId}, part {seqNo}, {reportData:length} variables,"
        " {tbc:if more to follow}: {reportData:assignments}",
        "NotifyMonitoringReport": "request {requestId}, part {seqNo}, {monitor:length} monitors,"
        " {tbc:if more to follow}: {monitor:variables}",
        "NotifyEvent": "{eventData:events}, {tbc:if more to follow}",
        "NotifyCustomerInformation": "request {requestId}, part {seqNo}, {data:characters}, {tbc:if more to follow}",
        "NotifyDisplayMessages": "request {requestId}, {messageInfo:length} messages, {tbc:if more to follow}",
        "NotifyChargingLimit": "{evseId:evse}, limit by {chargingLimit.chargingLimitSource},"
        " {chargingSchedule:schedule}",
        "ClearedChargingLimit": "{evseId:evse}, limit by {chargingLimitSource}",
        "NotifyEVChargingNeeds": "{evseId:evse}, {chargingNeeds.requestedEnergyTransfer},"
        " departure {chargingNeeds.departureTime:clock},"
        " SoC {chargingNeeds.dcChargingParameters.stateOfCharge} %",
        "NotifyEVChargingSchedule": "{evseId:evse}, {chargingSchedule:schedule}",
        "ReportChargingProfiles": "{evseId:evse}, {chargingProfile:length} profiles of {chargingLimitSource},"
        " request {requestId}, {tbc:if more to follow}",
        "ReservationStatusUpdate": "reservation {reservationId} {reservationUpdateStatus}",
        "BatterySwap": "{eventType}, {batteryData:length} batteries, tag {idToken:token}, request {requestId}",
        "NotifyDERAlarm": "{controlType}, {gridEventFault}, {alarmEnded:if ended}",
        "NotifyDERStartStop": "control {controlId}, {started:if started}",
        "NotifyPeriodicEventStream": "stream {id}, {data:length} values, {pending} pending",
        "OpenPeriodicEventStream": "stream {constantStreamData.id}, monitor {constantStreamData.variableMonitoringId},"
        " every {constantStreamData.params.interval:seconds}, {constantStreamData.params.values} values",
        "NotifyPriorityCharging": "transaction {transactionId:transaction}, {activated:if activated}",
        "NotifySettlement": "{status}, {settlementAmount}, transaction {transactionId:transaction}",
        "NotifyWebPaymentStarted": "{evseId:evse}, timeout {timeout:seconds}",
        "PullDynamicScheduleUpdate": "profile {chargingProfileId}",
        # -- by the CSMS
        "CancelReservation": "reservation {reservationId}",
        "ChangeAvailability": "{connectorId:connector} {evse:evse} {type|operationalStatus}",
        "ChangeConfiguration": "{key}={value}",
        "GetConfiguration": "{key:asked_keys} // all keys",
        "ClearChargingProfile": "profile {id|chargingProfileId}, {connectorId:connector},"
        " {chargingProfileCriteria.evseId:evse},"
        " {chargingProfilePurpose|chargingProfileCriteria.chargingProfilePurpose},"
        " stack {stackLevel|chargingProfileCriteria.stackLevel} // all profiles",
        "GetChargingProfiles": "{evseId:evse}, {chargingProfile.chargingProfilePurpose},"
        " stack {chargingProfile.stackLevel}, profile {chargingProfile.chargingProfileId}, request {requestId}",
        "GetCompositeSchedule": "{connectorId:connector} {evseId:evse}, next {duration:seconds}, in {chargingRateUnit}",
        "GetDiagnostics": "to {location}, from {startTime:clock}, until {stopTime:clock}",
        "GetLog": "{logType}, to {log.remoteLocation}, request {requestId}",
        "SendLocalList": "{updateType}, version {listVersion|versionNumber}, {localAuthorizationList:length} entries",
        "RemoteStartTransaction": "{connectorId:connector}, tag {idTag:token}, {chargingProfile:profile}",
        "RequestStartTransaction": "{evseId:evse}, tag {idToken:token}, remote start {remoteStartId},"
        " {chargingProfile:profile}",
        "RemoteStopTransaction RequestStopTransaction": "transaction {transactionId:transaction}",
        "GetTransactionStatus": "transaction {transactionId:transaction} // any queue",
        "ReserveNow": "{connectorId:connector} {evseId:evse}, tag {idTag|idToken:token},"
        " reservation {reservationId|id}, until {expiryDate|expiryDateTime:clock}",
        "Reset": "{type}, {evseId:evse}",
        "SetChargingProfile": "{connectorId:connector} {evseId:evse} {csChargingProfiles|chargingProfile:profile}",
        "TriggerMessage ExtendedTriggerMessage": "{requestedMessage} {customTrigger},"
        " {connectorId:connector}, {evse:evse}",
        "UnlockConnector": "{evseId:evse} {connectorId:connector}",
        "UpdateFirmware SignedUpdateFirmware": "{location|firmware.location},"
        " from {retrieveDate|firmware.retrieveDateTime:clock}, install {firmware.installDateTime:clock},"
        " request {requestId}",
        "PublishFirmware": "{location}, request {requestId}",
        "InstallCertificate": "{certificateType}, {certificate:certificates}",
        "CertificateSigned": "{certificateType}, {certificateChain:certificates}",
        "DeleteCertificate": "serial {certificateHashData.serialNumber}, {certificateHashData.hashAlgorithm}",
        "GetInstalledCertificateIds": "{certificateType} // all types",
        "GetVariables": "{getVariableData:variables}",
        "SetVariables": "{setVariableData:assignments}",
        "GetBaseReport": "{reportBase}, request {requestId}",
        "GetReport": "{componentVariable:variables}, {componentCriteria}, request {requestId}",
        "GetMonitoringReport": "{componentVariable:variables}, {monitoringCriteria}, request {requestId}",
        "SetVariableMonitoring": "{setMonitoringData:variables}",
        "ClearVariableMonitoring": "monitor {id}",
        "SetMonitoringBase": "{monitoringBase}",
        "SetMonitoringLevel": "severity {severity}",
        "SetNetworkProfile": "slot {configurationSlot}, {connectionData.ocppCsmsUrl},"
        " security profile {connectionData.securityProfile}, {connectionData.ocppInterface}",
        "CustomerInformation": "request {requestId}, {report:if report}, {clear:if clear}, tag {idToken:token}",
        "SetDisplayMessage": "message {message.id}, {message.priority} {message.message.content:quoted}",
        "ClearDisplayMessage": "message {id}",
        "CostUpdated": "transaction {transactionId:transaction}, cost {totalCost}",
        "SetDefaultTariff": "{evseId:evse}, tariff {tariff.tariffId}",
        "ChangeTransactionTariff": "transaction {transactionId:transaction}, tariff {tariff.tariffId}",
        "GetTariffs": "{evseId:evse}",
        "AFRRSignal": "signal {signal}, {timestamp:clock}",
        "SetDERControl GetDERControl ClearDERControl": "{controlType}, control {controlId}, {isDefault:if default}",
        "UpdateDynamicSchedule": "profile {chargingProfileId}, limit {scheduleUpdate.limit}",
        "UsePriorityCharging": "transaction {transactionId:transaction}, {activate:if on}",
        "NotifyAllowedEnergyTransfer": "transaction {transactionId:transaction}, {allowedEnergyTransfer}",
        "RequestBatterySwap": "tag {idToken:token}, request {requestId}",
        "AdjustPeriodicEventStream": "stream {id}, every {params.interval:seconds}, {params.values} values",
        "ClosePeriodicEventStream": "stream {id}",
        # -- by either
        "DataTransfer": "{vendorId}/{messageId} {data:quoted}",
    }
)

_STATUS: Final = "{status}, {statusInfo:why}"

_ANSWERS: Final[_Table] = _table(
    {
        "Authorize": "{idTagInfo|idTokenInfo:authorisation}, certificate {certificateStatus}",
        "BootNotification": "{.:boot_answer}, clock {currentTime:clock}, {statusInfo:why}",
        "Heartbeat": "clock {currentTime:clock}",
        "StartTransaction": "transaction {transactionId}, {idTagInfo:authorisation}",
        "StopTransaction": "{idTagInfo:authorisation}",
        "TransactionEvent": "{idTokenInfo:authorisation}, cost {totalCost}, {updatedPersonalMessage.content:quoted}",
        "DataTransfer": "{status} {data:quoted}, {statusInfo:why}",
        "GetConfiguration": "{.:configuration}",
        "GetVariables": "{getVariableResult:assignments}",
        "SetVariables": "{setVariableResult:results}",
        "SetVariableMonitoring": "{setMonitoringResult:results}",
        "ClearVariableMonitoring": "{clearMonitoringResult:results}",
        "GetCompositeSchedule": "{status}, {chargingSchedule|schedule:schedule}, {statusInfo:why}",
        "GetDiagnostics": "file {fileName} // nothing to upload",
        "GetLog": "{status}, file {filename}, {statusInfo:why}",
        "GetLocalListVersion": "version {listVersion|versionNumber}",
        "GetInstalledCertificateIds": "{status}, {certificateHashData|certificateHashDataChain:length} certificates,"
        " {statusInfo:why}",
        "RequestStartTransaction": "{status}, transaction {transactionId:transaction}, {statusInfo:why}",
        "GetTransactionStatus": "{ongoingIndicator:if ongoing}, {messagesInQueue:if messages queued} // nothing queued",
        "GetTariffs": "{status}, {tariffAssignments:length} tariffs, {statusInfo:why}",
        "GetPeriodicEventStream": "{constantStreamData:length} streams // no streams",
        "Get15118EVCertificate": "{status}, EXI of {exiResponse:characters}, {statusInfo:why}",
        "CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile"
        " DeleteCertificate InstallCertificate RemoteStartTransaction RemoteStopTransaction RequestStopTransaction"
        " ReserveNow Reset SendLocalList SetChargingProfile SetNetworkProfile SignCertificate SignedUpdateFirmware"
        " TriggerMessage ExtendedTriggerMessage UnlockConnector UpdateFirmware GetBaseReport GetReport": _STATUS,
    }
)
