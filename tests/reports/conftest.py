"""A conversation in which every text that a peer may choose is hostile, and its document."""

from __future__ import annotations

import pytest

from fieldkit.reports.document import Report
from tests.reports.reported import report_of
from tests.traffic.conversation import Session

EVIL = (
    "\x1b]0;owned\x07\x1b[31m[red]<script>alert(1)</script>=cmd()|\u202e\u2066\x9b2J\"'&]]>\\`*_#www.evil.example"
    " https://evil.example\n@all \ud800"
)


def hostile_session() -> Session:
    """Every field with free text carries it; one is a megabyte long."""
    session = Session("CP_%1B[31m<script>‮")
    session.connect()
    session.upgrade(path="/ocpp/CP%1B%5B31m%3Cscript%3E%E2%80%AE%0A")
    boot = {
        "chargePointVendor": EVIL,
        "chargePointModel": EVIL,
        "chargePointSerialNumber": EVIL,
        "firmwareVersion": "x" * 1_000_000,
    }
    session.call("station", "BootNotification", boot, {"status": EVIL, "interval": 300, "currentTime": EVIL})
    session.call("station", "BootNotification", boot, {"status": "Rejected", "interval": 300, "currentTime": EVIL})
    status = {
        "connectorId": 1,
        "errorCode": EVIL,
        "status": EVIL,
        "info": EVIL,
        "vendorId": EVIL,
        "vendorErrorCode": EVIL,
    }
    session.call("station", "StatusNotification", status, {})
    session.call("station", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, {})
    start = {"connectorId": 1, "idTag": EVIL, "meterStart": 0, "timestamp": EVIL}
    session.call("station", "StartTransaction", start, {"transactionId": 1, "idTagInfo": {"status": EVIL}})
    sampled = [{"value": "1", "measurand": EVIL, "unit": EVIL, "phase": EVIL, "location": EVIL, "context": EVIL}]
    values = {"connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": EVIL, "sampledValue": sampled}]}
    session.call("station", "MeterValues", values, {})
    stop = {"transactionId": 1, "meterStop": -5, "timestamp": EVIL, "reason": EVIL, "idTag": EVIL}
    session.call("station", "StopTransaction", stop, {})
    keys = [{"key": EVIL, "readonly": False, "value": EVIL}]
    session.call("csms", "GetConfiguration", {}, {"configurationKey": keys})
    session.call("csms", "UpdateFirmware", {"location": f"ftp://me:{EVIL}@{EVIL}", "retrieveDate": EVIL}, {})
    session.call("station", "FirmwareStatusNotification", {"status": EVIL}, {})
    session.error("csms", session.call("station", EVIL, {"data": EVIL}), EVIL, "GenericError", EVIL)
    session.say("station", EVIL)
    session.close(reason="\x1b[2J<script>")
    return session


@pytest.fixture(scope="session")
def hostile() -> Report:
    return report_of(hostile_session())
