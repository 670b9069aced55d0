"""What fieldkit concludes: a conversation by script (or a capture, or events) → a session with its findings.

session = Session("CP_7", "1.6")                      # tests.traffic.conversation: packets of a real conversation
session.connect(); session.upgrade(); boot_16(session)
assert "boot.rejected" in found(diagnose(session))
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fieldkit.checks.collector import Collected
from fieldkit.checks.policy import Policy
from fieldkit.events import Event
from fieldkit.session import Session as Diagnosis
from tests.traffic.capture import Packet, write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.decoded import decode, decode_files
from tests.traffic.taps import Tap


def diagnose_events(events: Iterable[Event], policy: Policy | None = None) -> Diagnosis:
    """Judge events that something else has decoded."""
    diagnosis = Diagnosis(policy)
    diagnosis.feed(events)
    diagnosis.finish()
    assert diagnosis.failed_checks == []
    return diagnosis


def diagnose(*sessions: Session, policy: Policy | None = None, validate: bool = False) -> Diagnosis:
    """Judge conversations by way of their packets: everything from the capture upwards is the real thing."""
    packets: list[Packet] = Tap().packets(merged(*(session.segments for session in sessions)))
    return diagnose_events(decode(write_pcap(packets), validate=validate).events, policy)


def diagnose_file(path: Path, keylog: Path | None = None, policy: Policy | None = None) -> Diagnosis:
    """Judge a capture or log."""
    return diagnose_events(decode_files(path, keylog=keylog).events, policy)


def found(diagnosis: Diagnosis, *severities: str) -> list[str]:
    """The ids of what was found, the worst first; only of these severities, if any are given."""
    return [finding.kind.id for finding in diagnosis.findings if not severities or finding.severity in severities]


def the(diagnosis: Diagnosis, id_: str) -> Collected:
    """The one finding with this id."""
    (finding,) = (finding for finding in diagnosis.findings if finding.kind.id == id_)
    return finding
