"""What surrounds the traffic: the detector, uplinks and postures as children tell of them, folders, helpers."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fieldkit.agent import diagnosis, folders
from fieldkit.agent.diagnosis import CALIBRATION, Diagnosis, Incidents, detector
from fieldkit.agent.helpers import Helper, Periodic
from fieldkit.agent.outbox import Outbox
from fieldkit.agent.outlook import Outlook
from fieldkit.agent.settings import DetectorSettings, load
from fieldkit.agent.told import Writer
from fieldkit.agent.uplinks import Meter
from fieldkit.detect.detector import Detector
from fieldkit.detect.symptom import Symptom
from fieldkit.sources.file import SourceError
from tests.agent.lab import wait_for
from tests.traffic.decoded import decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import needs_root


class Told:
    """A writer whose messages are kept."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.health: list[tuple[str, dict[str, Any]]] = []
        self.writer = Writer("depot", "router", lambda one: self.messages.append(json.loads(one.body)), now=time.time_ns, mark=str)  # fmt: skip

    def tell(self, name: str, **values: Any) -> None:
        self.health.append((name, values))


def settings(folder: Path, more: str = "") -> Any:
    path = folder / "agent.toml"
    path.write_text(
        f'[agent]\nsite = "depot"\nstate = "{folder}/state"\nrun = "{folder}/run"\n{more}'
        '[capture]\nsources = ["eth0"]\n[sinks.out]\ntype = "stdout"\n'
    )
    return load(path)


# ----------------------------------------------------------------------------------------------------------- diagnosis


def test_traffic_becomes_messages_and_what_was_learnt_is_kept(tmp_path: Path) -> None:
    made = settings(tmp_path, '[checks]\nleave_out = ["answer.*"]\nseverity = "info"\n')
    made.state.mkdir()
    told = Told()
    running = Diagnosis(made, told.writer, None)
    running.feed(decode_files(CAPTURES / "fault_boot_pending.pcap").events, 0)
    running.finish(1)
    ids = {one["id"] for one in told.messages}
    assert "boot.remote-start-while-pending" in ids
    assert not {one for one in ids if one.startswith("answer.")}
    assert (made.state / CALIBRATION).exists()
    assert Diagnosis(made, told.writer, None).note == "", "and taken up again"


def test_a_detector_that_is_not_there_is_missed_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert detector(DetectorSettings(use=False), tmp_path) == (None, "")
    monkeypatch.setattr(diagnosis, "DETECTOR", "fieldkit.nothing_of_the_kind")
    found, note = detector(DetectorSettings(), tmp_path)
    assert found is None
    assert note == (
        "the detector is not used: fieldkit.nothing_of_the_kind is not installed (detector.use = false ends this note)"
    )


def test_an_incident_is_told_and_told_again_when_it_is_over() -> None:
    told = Told()
    watched = Detector()
    incidents = Incidents(watched, told.writer, show_ids=False)
    moment = 1_800_000_000 * 1_000_000_000
    watched.context.now = moment
    family = next(iter(diagnosis_families()))
    for step in range(6):
        watched.fusion.add(Symptom(moment + step, "CP_1", family, 0.95, "seen again and again"))
    raised = len(watched.incidents)
    assert raised == 1
    assert incidents.update(0) == raised
    assert incidents.update(1) == 0
    for incident in watched.incidents:
        incident.closed = True
    incidents.update(2)
    assert len(told.messages) == 2 * raised
    for one in told.messages:
        assert one["id"].startswith("incident.")
        assert (one["category"], one["what"] != "finding") == ("finding", True)
        assert (one["inferred"], one["severity"] in ("warning", "info")) == (True, True)


def diagnosis_families() -> list[str]:
    from fieldkit.detect.families import FAMILIES

    return [name for name, family in FAMILIES.items() if family.category != "benign"]


# ---------------------------------------------------------------------------------------------------- uplinks, posture


def test_uplinks_are_followed_and_what_happens_to_them_is_told(tmp_path: Path) -> None:
    told, rung = Told(), []
    outlook = Outlook(settings(tmp_path), told.tell, lambda: rung.append(1))
    meter = Meter((), "")
    outlook.use(meter, told.writer)
    assert (outlook.changed(), outlook.since_event()) == (False, None)
    outlook._on_link({"look": {"uplinks": [{"id": "wan", "kind": "ethernet", "role": "active", "up": True}]}})
    assert (outlook.changed(), outlook.changed(), meter.name) == (True, False, "wan")
    event = {"time": "2026-08-31T08:00:00Z", "what": "down", "uplink": "wan", "text": "wan is down"}
    outlook._on_link({"event": event})
    outlook._on_link({"event": event})
    assert len(told.messages) == 2
    assert told.messages[0] == told.messages[1], "the same happening has the same uid"
    assert (told.messages[0]["category"], told.messages[0]["text"]) == ("link", "wan is down")
    assert outlook.since_event() is not None


def test_a_posture_is_told_when_it_changes(tmp_path: Path) -> None:
    told = Told()
    outlook = Outlook(settings(tmp_path), told.tell, lambda: None)
    outlook.use(Meter((), ""), told.writer)
    finding = {"id": "tls.expired", "severity": "critical", "target": "a:443", "title": "t", "first": "1", "last": "1"}
    outlook._on_posture({"findings": [finding, {"severity": "nonsense"}, 3]})
    outlook._on_posture({"findings": [finding | {"first": "2", "last": "2"}]})
    assert len(told.messages) == 1
    outlook._on_posture({"findings": [finding | {"title": "worse"}]})
    assert [one["title"] for one in told.messages] == ["t", "worse"]
    assert len({one["uid"] for one in told.messages}) == 1
    outlook._on_posture({"targets": [{"target": "a:443", "reachable": False, "error": "refused"}]})
    assert told.health == [("helper-failed", {"group": "posture a:443", "what": "posture of a:443", "why": "refused"})]


# -------------------------------------------------------------------------------------------------------------- helpers


def test_a_child_that_cannot_do_its_work_is_told() -> None:
    told = Told()
    helper = Helper("device", ["serial", "listen", "/dev/none-of-these"], lambda _: None, told.tell)
    helper.start()
    wait_for(lambda: told.health)
    helper.end()
    helper.join(10)
    assert not helper.is_alive()
    name, values = told.health[0]
    assert name == "helper-failed"
    assert "there is no such port" in values["why"]


def test_a_child_that_answers_once_is_asked_again() -> None:
    told = Told()
    answers: list[dict[str, Any]] = []
    periodic = Periodic("posture", ["tls", "--json", "-", "--quiet", "127.0.0.1:1"], 0.1, answers.append, told.tell)
    periodic.start()
    wait_for(lambda: len(answers) >= 2, 60)
    periodic.end()
    periodic.join(10)
    assert answers[0]["targets"][0]["reachable"] is False
    assert not told.health
    wrong = Periodic("posture", ["tls", "--no-such-option"], 60, answers.append, told.tell)
    wrong.start()
    wait_for(lambda: told.health)
    wrong.end()
    wrong.join(10)
    assert "No such option" in told.health[0][1]["why"]


# -------------------------------------------------------------------------------------------------------------- folders


@needs_root
def test_folders_are_for_whom_the_agent_becomes(tmp_path: Path) -> None:
    made = settings(tmp_path, 'user = "daemon"\n')
    outputs = folders.prepare(made, keep_root=False)
    assert made.state / "outbox" / "probe" in outputs
    import pwd

    daemon = pwd.getpwnam("daemon").pw_uid
    assert {path.parent.stat().st_uid for path in outputs} == {daemon}
    assert {path.parent.stat().st_mode & 0o777 for path in outputs} == {0o770}
    assert folders.environment(made) == {"SUDO_UID": str(daemon)}
    os.chown(made.run, 4321, 0)
    with pytest.raises(SourceError, match="belongs to another user"):
        folders.prepare(made, keep_root=False)
    with pytest.raises(SourceError, match="there is no user"):
        folders.environment(settings(tmp_path, 'user = "nobody-of-that-name"\n'))


def test_an_outbox_says_how_much_waits(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, None, ["home"])
    assert (outbox.waiting, outbox.bytes) == ({0: 0, 1: 0, 2: 0, 3: 0}, 0)
    outbox.close()
