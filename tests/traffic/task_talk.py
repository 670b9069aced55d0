"""Orders of a CSMS and what comes of them, a line each.

talk = Tasks("1.6")
talk.order("GetDiagnostics", {"location": "ftp://files.example/up"}, {"fileName": "a.zip"})
talk.tell("DiagnosticsStatusNotification", {"status": "Uploading"})
talk.wait(3600)
assert talk.found("upload") == ["upload.stuck"]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldkit.checks.collector import Collected
from fieldkit.session import Session as Diagnosis
from fieldkit.site.station import Station
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose
from tests.traffic.segments import SECOND

Payload = Mapping[str, Any]


class Tasks:
    """One connection of one station; what it says fits the schema unless a test says otherwise."""

    def __init__(self, version: str = "1.6", *, start: float = 0, port: int = 49_152, upgrade: bool = True) -> None:
        self.version = version
        self.session = Session("CP_7", version, start=MONDAY + round(start * SECOND), client=("192.168.7.20", port))
        if upgrade:
            self.session.connect()
            self.session.upgrade()

    def order(self, action: str, payload: Payload, answer: Payload | None = None) -> str:
        """The CSMS calls, and the station answers (Accepted, unless something else is given)."""
        return self.session.call("csms", action, payload, {"status": "Accepted"} if answer is None else answer)

    def tell(self, action: str, payload: Payload, answer: Payload | None = None) -> str:
        """The station calls, and the CSMS answers."""
        return self.session.call("station", action, payload, {} if answer is None else answer)

    def boot(self, firmware: str = "1.4.2") -> None:
        answer = {"currentTime": self.now(), "interval": 300, "status": "Accepted"}
        if self.version == "1.6":
            vendor = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}
            self.tell("BootNotification", {**vendor, "firmwareVersion": firmware}, answer)
        else:
            station = {"model": "Säule 22", "vendorName": "Testwerk", "firmwareVersion": firmware}
            self.tell("BootNotification", {"reason": "PowerUp", "chargingStation": station}, answer)

    def now(self, seconds: float = 0) -> str:
        return self.session.timestamp(seconds)

    def silence(self, seconds: float) -> None:
        """Nobody says anything."""
        self.session.clock.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Time passes, and the station shows that it is there."""
        self.silence(seconds)
        self.tell("Heartbeat", {}, {"currentTime": self.now()})

    def diagnose(self, *others: Tasks) -> Diagnosis:
        return diagnose(self.session, *(other.session for other in others))

    def station(self) -> Station:
        return self.diagnose().picture.stations["CP_7"]

    def found(self, *families: str) -> list[str]:
        """The ids of what was found in these families, in alphabetical order."""
        ids = (finding.kind.id for finding in self.diagnose().findings)
        return sorted(id_ for id_ in ids if id_.partition(".")[0] in families)

    def the(self, id_: str) -> Collected:
        (finding,) = (finding for finding in self.diagnose().findings if finding.kind.id == id_)
        return finding
