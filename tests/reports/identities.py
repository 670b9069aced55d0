"""A site whose every name is known: conversations of each version that carry one name of each sort wherever names
stand in practice, and the list of all that must not be found in what is handed out."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

from tests.traffic.conversation import Session
from tests.traffic.scripts import usual_hour

STATION = "DE-ACM-E7731-04"
VIN = "WVWZZZ1JZ3W386752"
CERTIFICATE = base64.b64encode(b"0\x82\x03\x1fCN=acme-root-ca-9917" * 9).decode()
CSR = base64.b64encode(b"0\x82\x01\x0aCN=DE-ACM-E7731-04,O=Acme Mobility" * 7).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{CERTIFICATE}\n-----END CERTIFICATE-----\n"

NAMES = {
    "station": STATION,
    "tag": "04A2B7C1D2E380",
    "parent": "FLEET-ACME-22",
    "contract": "DEACMC00998877X1",
    "vin": VIN,
    "evcc": "7C:BC:84:51:0A:EF",
    "serial": "SN-77120934-A",
    "box serial": "BX88003311",
    "meter serial": "1EMH0011223344",
    "iccid": "8949022000001234569",
    "imsi": "262019876543210",
    "phone": "+491721234567",
    "mac": "00:1b:44:11:3a:b7",
    "local address": "10.64.3.17",
    "public address": "52.29.123.45",
    "address 6": "2a01:4f8:c17:77aa::5",
    "host": "ocpp.acme-charging.com",
    "login": "fw-acme",
    "password": "geheim99geheim99",
    "path": "acme-tenant-17",
    "ssid": "Acme-Depot-WLAN",
    "apn": "internet.acme.example",
    "apn user": "acmeuser01",
    "mail": "ops.kassel@acme-charging.com",
    "person": "Erika Mustermann",
    "plate": "KS-AC 4711",
    "latitude": "51.3127411",
    "security": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "hash": "8c1d7e2f90ab34cd56ef78a1b2c3d4e5",
    "tx": "acme-tx-5501-9f",
    "signature": "3045022100AB12CD34EF5601",
    "certificate": CERTIFICATE[40:80],
    "csr": CSR[40:80],
    "remote": "acme-remote-77",
}
"""By sort. Each is long and odd enough to be found by chance nowhere."""


def urls() -> dict[str, str]:
    return {
        "upload": f"ftp://{NAMES['login']}:{NAMES['password']}@{NAMES['host']}:2121/{NAMES['path']}/log?site=Kassel7731",
        "firmware": f"https://{NAMES['host']}/{NAMES['path']}/fw/v2.bin?token={NAMES['security']}",
        "csms": f"wss://{NAMES['host']}:443/{NAMES['path']}/{STATION}",
        "bare": f"http://{NAMES['public address']}/x/{STATION}",
    }


def site_16(**options: Any) -> Session:
    n, url = NAMES, urls()
    session = Session(
        STATION, "1.6", client=(n["local address"], 49_152), server=(n["public address"], 8080), **options
    )
    session.connect()
    session.upgrade(path=f"/{n['path']}/{STATION}?user={n['apn user']}")
    boot = {
        "chargePointVendor": "Testwerk",
        "chargePointModel": "S22",
        "chargePointSerialNumber": n["serial"],
        "chargeBoxSerialNumber": n["box serial"],
        "meterSerialNumber": n["meter serial"],
        "meterType": "MT",
        "iccid": n["iccid"],
        "imsi": n["imsi"],
        "firmwareVersion": "1.4.2",
    }
    answer = {"status": "Accepted", "interval": 300, "currentTime": session.timestamp()}
    session.call("station", "BootNotification", boot, answer)
    keys = [
        ("AuthorizationKey", n["security"]),
        ("ChargePointSerialNumber", n["serial"]),
        ("ConnectorSwitch3to1PhaseSupported", "true"),
        ("CentralSystemURL", url["csms"]),
        ("BackendUrl", f"{n['host']}:443/{n['path']}"),
        ("APN", n["apn"]),
        ("APNUser", n["apn user"]),
        ("APNPassword", n["password"]),
        ("WifiSSID", n["ssid"]),
        ("WiFi.SSID", n["ssid"]),
        ("SimIccid", n["iccid"]),
        ("IMSI", n["imsi"]),
        ("SupportPhone", n["phone"]),
        ("HotlineNumber", n["phone"]),
        ("MacAddress", n["mac"]),
        ("eth0.mac", n["mac"]),
        ("StaticIP", n["local address"]),
        ("IPv6", n["address 6"]),
        ("FreevendIdTag", n["tag"]),
        ("FreeVendTag", n["tag"]),
        ("ChargeBoxIdentity", STATION),
        ("OperatorName", n["person"]),
        ("LocationLatitude", n["latitude"]),
        ("CpoName", "Acme"),
        ("SiteContact", n["mail"]),
        ("MeterSerial", n["meter serial"]),
    ]
    told = [{"key": key, "readonly": True, "value": value} for key, value in keys]
    session.call("csms", "GetConfiguration", {}, {"configurationKey": told, "unknownKey": ["Nope"]})
    for key, value in keys:
        session.call("csms", "ChangeConfiguration", {"key": key, "value": value}, {"status": "Accepted"})
    info = {"status": "Accepted", "parentIdTag": n["parent"], "expiryDate": session.timestamp(9999)}
    session.call("station", "Authorize", {"idTag": n["tag"]}, {"idTagInfo": info})
    session.call("station", "Authorize", {"idTag": n["contract"]}, {"idTagInfo": {"status": "Invalid"}})
    session.call(
        "station", "Authorize", {"idTag": f"VID:{n['evcc'].replace(':', '')}"}, {"idTagInfo": {"status": "Invalid"}}
    )
    entries = [{"idTag": n["tag"], "idTagInfo": info}, {"idTag": n["contract"], "idTagInfo": info}]
    update = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": entries}
    session.call("csms", "SendLocalList", update, {"status": "Accepted"})
    reserve = {
        "connectorId": 1,
        "expiryDate": session.timestamp(99),
        "idTag": n["tag"],
        "parentIdTag": n["parent"],
        "reservationId": 7,
    }
    session.call("csms", "ReserveNow", reserve, {"status": "Accepted"})
    session.call("csms", "RemoteStartTransaction", {"connectorId": 1, "idTag": n["remote"]}, {"status": "Accepted"})
    start = {"connectorId": 1, "idTag": n["tag"], "meterStart": 5, "timestamp": session.timestamp()}
    session.call("station", "StartTransaction", start, {"transactionId": 9, "idTagInfo": info})
    signed = json.dumps({"FV": "1.0", "GS": n["meter serial"], "ID": n["tag"], "SD": n["signature"]})
    ocmf = f'OCMF|{signed}|{{"SD":"{n["signature"]}"}}'
    sampled = [
        {"value": ocmf, "format": "SignedData", "context": "Transaction.Begin"},
        {"value": "17.5", "unit": "kWh"},
    ]
    values = [{"timestamp": session.timestamp(), "sampledValue": sampled}]
    session.call("station", "MeterValues", {"connectorId": 1, "transactionId": 9, "meterValue": values}, {})
    for text in (
        f"boot of {STATION} from {n['local address']} via {n['host']}",
        f"SIM {n['iccid']} IMSI {n['imsi']} MSISDN {n['phone']}",
        f"EV {n['evcc']} plugged in, vin={n['vin']}, contract {n['contract']}",
        f"tag {n['tag']} refused; call {n['phone']} or write to {n['mail']}",
        f"wifi {n['ssid']} lost, mac {n['mac'].replace(':', '-')}, v6 {n['address 6']}",
        f"https://{n['login']}:{n['password']}@{n['host']}/{n['path']}",
    ):
        status = {
            "connectorId": 1,
            "errorCode": "OtherError",
            "status": "Faulted",
            "info": text[:50],
            "vendorErrorCode": "E7",
        }
        session.call("station", "StatusNotification", status, {})
        session.call("station", "LogMessage", {"text": text}, None)
    upload = {"location": url["upload"], "retries": 1}
    session.call("csms", "GetDiagnostics", upload, {"fileName": f"{STATION}_{n['serial']}_diag.zip"})
    session.call("csms", "UpdateFirmware", {"location": url["firmware"], "retrieveDate": session.timestamp()}, {})
    session.call("csms", "UpdateFirmware", {"location": url["bare"], "retrieveDate": session.timestamp()}, {})
    firmware = {
        "requestId": 3,
        "firmware": {
            "location": url["firmware"],
            "retrieveDateTime": session.timestamp(),
            "signingCertificate": PEM,
            "signature": n["signature"],
        },
    }
    session.call("csms", "SignedUpdateFirmware", firmware, {"status": "Accepted"})
    session.call("station", "SignCertificate", {"csr": CSR}, {"status": "Accepted"})
    session.call("csms", "CertificateSigned", {"certificateChain": PEM * 2}, {"status": "Accepted"})
    hashes = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": n["hash"],
        "issuerKeyHash": n["hash"],
        "serialNumber": "3AB1CC0099",
    }
    session.call("csms", "DeleteCertificate", {"certificateHashData": hashes}, {"status": "Accepted"})
    security = {
        "type": "FailedToAuthenticateAtCsms",
        "timestamp": session.timestamp(),
        "techInfo": f"user {STATION} at {url['csms']}",
    }
    session.call("station", "SecurityEventNotification", security, {})
    deep = json.dumps(
        {"user": n["person"], "vin": n["vin"], "evccId": n["evcc"], "plate": n["plate"], "list": [n["tag"]]}
    )
    session.call(
        "station",
        "DataTransfer",
        {"vendorId": "org.example", "messageId": "car", "data": deep},
        {"status": "Accepted", "data": deep},
    )
    session.call(
        "station",
        "DataTransfer",
        {"vendorId": "org.example", "messageId": "x", "data": f"{n['person']};{n['plate']};{n['phone']}"},
        {"status": "Accepted"},
    )
    encoded = base64.b64encode(f"{STATION};{n['person']};{n['tag']}".encode()).decode()
    session.call(
        "station",
        "DataTransfer",
        {"vendorId": "org.example", "messageId": "b64", "data": encoded},
        {"status": "Accepted"},
    )
    stop = {
        "transactionId": 9,
        "meterStop": 900,
        "timestamp": session.timestamp(),
        "idTag": n["tag"],
        "transactionData": values,
        "reason": "Local",
    }
    session.call("station", "StopTransaction", stop, {"idTagInfo": info})
    session.error("csms", session.call("station", "Authorize", {"idTag": n["parent"]}, None), "Authorize", "InternalError",
                  f"no {n['parent']} for {STATION} at {n['host']}")  # fmt: skip
    session.say("station", f'[2,"{STATION}-77","Authorize",{{"idTag:"{n["tag"]}"}}]')
    session.ping("station", STATION.encode())
    session.close(reason=f"bye {STATION}")
    return session


def site_2(version: str, **options: Any) -> Session:
    n, url = NAMES, urls()
    session = Session(
        STATION, version, client=(n["local address"], 49_153), server=(n["public address"], 8080), **options
    )
    session.connect()
    session.upgrade(path=f"/{n['path']}/{STATION}")
    usual_hour(session)
    custom = {"vendorId": "org.example", "siteName": n["person"], "contact": n["mail"]}
    modem = {"iccid": n["iccid"], "imsi": n["imsi"]}
    station = {
        "vendorName": "Testwerk",
        "model": "S22",
        "serialNumber": n["serial"],
        "firmwareVersion": "2.1",
        "modem": modem,
    }
    boot = {"reason": "PowerUp", "chargingStation": station, "customData": custom}
    session.call(
        "station", "BootNotification", boot, {"status": "Accepted", "interval": 300, "currentTime": session.timestamp()}
    )
    token = {
        "idToken": n["tag"],
        "type": "ISO14443",
        "additionalInfo": [
            {"additionalIdToken": n["contract"], "type": "eMAID"},
            {"additionalIdToken": n["evcc"], "type": "MAC"},
        ],
    }
    info = {
        "status": "Accepted",
        "groupIdToken": {"idToken": n["parent"], "type": "Central"},
        "personalMessage": {"format": "UTF8", "content": f"Hello {n['person']}"},
    }
    ocsp = [
        {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": n["hash"],
            "issuerKeyHash": n["hash"],
            "serialNumber": "3AB1CC0099",
            "responderURL": f"http://{n['host']}/ocsp",
        }
    ]
    session.call(
        "station",
        "Authorize",
        {"idToken": token, "certificate": PEM, "iso15118CertificateHashData": ocsp},
        {"idTokenInfo": info},
    )
    for event, seq in (("Started", 0), ("Ended", 1)):
        body = {
            "eventType": event,
            "timestamp": session.timestamp(),
            "triggerReason": "Authorized",
            "seqNo": seq,
            "transactionInfo": {"transactionId": n["tx"], "remoteStartId": 4},
            "idToken": token,
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [
                {
                    "timestamp": session.timestamp(),
                    "sampledValue": [
                        {
                            "value": 17.5,
                            "signedMeterValue": {
                                "signedMeterData": base64.b64encode(
                                    f"{n['meter serial']}|{n['tag']}".encode()
                                ).decode(),
                                "signingMethod": "",
                                "encodingMethod": "OCMF",
                                "publicKey": base64.b64encode(b"acme-root-ca-9917 key").decode(),
                            },
                        }
                    ],
                }
            ],
        }
        session.call("station", "TransactionEvent", body, {"idTokenInfo": info})
    apn = {
        "apn": n["apn"],
        "apnUserName": n["apn user"],
        "apnPassword": n["password"],
        "simPin": 4711,
        "apnAuthentication": "AUTO",
    }
    vpn = {
        "server": n["host"],
        "user": n["login"],
        "password": n["password"],
        "key": n["security"],
        "type": "IPSec",
        "group": n["path"],
    }
    profile = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url["csms"],
        "messageTimeout": 30,
        "securityProfile": 2,
        "ocppInterface": "Wired0",
        "apn": apn,
        "vpn": vpn,
        "identity": STATION,
        "basicAuthPassword": n["password"],
    }
    session.call(
        "csms", "SetNetworkProfile", {"configurationSlot": 1, "connectionData": profile}, {"status": "Accepted"}
    )
    variables = [
        ("SecurityCtrlr", "BasicAuthPassword", n["password"]),
        ("SecurityCtrlr", "Identity", STATION),
        ("SecurityCtrlr", "OrganizationName", n["person"]),
        ("OCPPCommCtrlr", "NetworkConfigurationPriority", "1,2"),
        ("ChargingStation", "SerialNumber", n["serial"]),
        ("ChargingStation", "VIN", n["vin"]),
        ("ConnectedEV", "VehicleId", n["evcc"].replace(":", "")),
        ("FiscalMetering", "SerialNumber", n["meter serial"]),
        ("Modem", "ICCID", n["iccid"]),
        ("Modem", "IMSI", n["imsi"]),
        ("NetworkConfiguration", "OcppCsmsUrl", url["csms"]),
        ("WiFi", "SSID", n["ssid"]),
        ("Ethernet", "MACAddress", n["mac"]),
        ("Ethernet", "IPAddress", n["local address"]),
        ("Ethernet", "IPv6Address", n["address 6"]),
    ]
    session.call(
        "csms",
        "SetVariables",
        {
            "setVariableData": [
                {"component": {"name": c}, "variable": {"name": v}, "attributeValue": x} for c, v, x in variables
            ]
        },
        {
            "setVariableResult": [
                {"component": {"name": c}, "variable": {"name": v}, "attributeStatus": "Accepted"}
                for c, v, _ in variables
            ]
        },
    )
    report = [
        {"component": {"name": c}, "variable": {"name": v}, "variableAttribute": [{"type": "Actual", "value": x}]}
        for c, v, x in variables
    ]
    session.call(
        "station",
        "NotifyReport",
        {"requestId": 1, "generatedAt": session.timestamp(), "seqNo": 0, "reportData": report},
        {},
    )
    told = [
        {
            "eventId": 1,
            "timestamp": session.timestamp(),
            "trigger": "Alerting",
            "actualValue": f"link to {n['host']} lost",
            "eventNotificationType": "HardWiredMonitor",
            "component": {"name": "Modem"},
            "variable": {"name": "Problem"},
            "techInfo": f"{n['iccid']} {n['phone']}",
            "transactionId": n["tx"],
        }
    ]
    session.call("station", "NotifyEvent", {"generatedAt": session.timestamp(), "seqNo": 0, "eventData": told}, {})
    customer = {"requestId": 1, "report": True, "clear": False, "customerIdentifier": n["person"], "idToken": token}
    session.call("csms", "CustomerInformation", customer, {"status": "Accepted"})
    data = f"{n['person']}, {n['mail']}, {n['phone']}, {n['contract']}"
    session.call(
        "station",
        "NotifyCustomerInformation",
        {"data": data, "seqNo": 0, "generatedAt": session.timestamp(), "requestId": 1},
        {},
    )
    exi = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": CERTIFICATE}
    session.call("station", "Get15118EVCertificate", exi, {"status": "Accepted", "exiResponse": CERTIFICATE})
    session.call(
        "station", "SignCertificate", {"csr": CSR, "certificateType": "V2GCertificate"}, {"status": "Accepted"}
    )
    message = {
        "id": 1,
        "priority": "AlwaysFront",
        "message": {"format": "UTF8", "content": f"Welcome {n['person']} {n['plate']}"},
        "transactionId": n["tx"],
    }
    session.call("csms", "SetDisplayMessage", {"message": message}, {"status": "Accepted"})
    session.call(
        "csms",
        "GetLog",
        {"logType": "DiagnosticsLog", "requestId": 2, "log": {"remoteLocation": url["upload"]}},
        {"status": "Accepted", "filename": f"{STATION}.log"},
    )
    if version == "2.1":
        session.call(
            "station",
            "NotifySettlement",
            {
                "pspRef": "psp-acme-9917-000451",
                "status": "Settled",
                "settlementAmount": 9.5,
                "settlementTime": session.timestamp(),
                "receiptId": "acme-receipt-00451",
                "receiptUrl": f"https://{n['host']}/r/acme-receipt-00451",
                "vatCompany": {"name": n["person"], "address1": "Acme-Allee 77", "city": "Kassel", "country": "DE"},
                "vatNumber": "DE811907980",
            },
            {},
        )
        session.call(
            "station",
            "VatNumberValidation",
            {"vatNumber": "DE811907980"},
            {
                "vatNumber": "DE811907980",
                "status": "Accepted",
                "company": {"name": n["person"], "address1": "Acme-Allee 77", "city": "Kassel", "country": "DE"},
            },
        )
        session.call(
            "csms",
            "RequestStartTransaction",
            {"remoteStartId": 4, "idToken": token, "evseId": 1},
            {"status": "Accepted", "transactionId": n["tx"]},
        )
        session.call(
            "station",
            "BatterySwap",
            {
                "eventType": "BatteryIn",
                "requestId": 4,
                "idToken": token,
                "batteryData": [
                    {"evseId": 1, "serialNumber": "BAT-ACME-5591", "soC": 20, "soH": 98, "vendorInfo": n["vin"]}
                ],
            },
            {},
        )
        session.call("csms", "NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60}, {})
        session.send(
            "station",
            "NotifyPeriodicEventStream",
            {"id": 1, "pending": 0, "basetime": session.timestamp(), "data": [{"t": 0, "v": n["evcc"]}]},
        )
    session.close()
    return session


BEYOND = ("acme", "mustermann", "kassel", "psp-acme-9917-000451", "de811907980", "bat-acme-5591", "3ab1cc0099")
"""What gives the site away even in pieces."""


def found_in(data: bytes) -> list[str]:
    """The names of the list that occur in a document: as they are, without separators, or below base64."""
    texts = [data, *_hidden_in(data)]
    hits = []
    for name in [*NAMES.values(), *BEYOND]:
        forms = {
            name.lower().encode(),
            re.sub(r"[:. -]", "", name).lower().encode(),
            json.dumps(name)[1:-1].lower().encode(),
        }
        for text in texts:
            low = text.lower()
            if any(form in low for form in forms if len(form) > 3):
                hits.append(name)
                break
    return hits


def _hidden_in(data: bytes) -> list[bytes]:
    found = []
    for run in re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", data):
        for shift in range(4):
            piece = run[shift:].rstrip(b"=")
            try:
                found.append(base64.b64decode(piece[: len(piece) // 4 * 4]))
            except ValueError:
                continue
    for start in [at for at in range(len(data)) if data[at : at + 2] in (b"\x1f\x8b", b"\x78\x9c")]:
        try:
            found.append(zlib.decompressobj(47).decompress(data[start:]))
        except zlib.error:
            continue
    return [b"\0".join(found)]
