"""The smaller parts of the agent, each by itself."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fieldkit.agent import secretfile
from fieldkit.agent.captures import Ring as CaptureRing
from fieldkit.agent.captures import found
from fieldkit.agent.clock import HOPE, STEP, Clock
from fieldkit.agent.couriers import Courier
from fieldkit.agent.devices import DeviceLane, command
from fieldkit.agent.health import KINDS, Health
from fieldkit.agent.outbox import Outbox
from fieldkit.agent.outlook import link_command, posture_command
from fieldkit.agent.pace import BURST, Pace
from fieldkit.agent.records import uid_of
from fieldkit.agent.schedule import Schedule, parse_window
from fieldkit.agent.settings import LinkSettings, PostureSettings, RingSettings, SerialSettings, UploadSettings
from fieldkit.agent.shipping import Shipper
from fieldkit.agent.sinks.shared import Refused, SinkError, SinkSettings
from fieldkit.agent.sinks.tls import TlsSettings
from fieldkit.agent.told import Telling, Writer, shifted
from fieldkit.agent.uplinks import Meter
from fieldkit.events import ConsoleSighting, DeviceReading
from fieldkit.sources.recording import Ring
from tests.agent.lab import Taking, message, numbers, record, wait_for
from tests.sources.uploadserver import serving
from tests.traffic.netlab import needs_root

SECOND = 1_000_000_000
DATE = 1_800_000_000 * SECOND


# -------------------------------------------------------------------------------------------------------------- clock


class Times:
    def __init__(self, wall: int, *, steered: bool | None = False) -> None:
        self.wall, self.steady, self.steered = wall, 60 * SECOND, steered

    def clock(self, known: int = 0) -> Clock:
        return Clock(
            known, wall=lambda: self.wall, steady=lambda: self.steady, steered=lambda: self.steered, boot="boot"
        )

    def pass_(self, seconds: float, *, set_by: float = 0) -> None:
        self.steady += int(seconds * SECOND)
        self.wall += int((seconds + set_by) * SECOND)


def test_a_steered_clock_is_sure_and_never_marks() -> None:
    times = Times(DATE, steered=True)
    clock = times.clock()
    times.pass_(100)
    assert (clock.sure, clock.mark, clock.look()) == (True, "", None)


def test_a_clock_from_1970_is_unsure_until_it_is_set() -> None:
    times = Times(60 * SECOND)
    clock = times.clock()
    mark = clock.mark
    assert not clock.sure
    assert mark.startswith("boot:")
    times.pass_(100)
    assert (clock.look(), clock.mark) == (None, mark)
    times.steered = True
    times.pass_(1, set_by=1_700_000_000)
    times.wall = DATE
    step = clock.look()
    assert step is not None
    assert (step.by, step.mark) == (DATE - 161 * SECOND, mark)
    assert (clock.sure, clock.mark) == (True, "")


def test_a_clock_that_nobody_steers_is_believed_after_a_while() -> None:
    times = Times(DATE)
    clock = times.clock()
    mark = clock.mark
    assert mark
    times.pass_(HOPE / SECOND)
    step = clock.look()
    assert step is not None
    assert (step.by, step.mark) == (0, mark)
    assert clock.mark == ""


def test_a_time_that_is_over_for_certain_is_not_believed() -> None:
    times = Times(DATE, steered=True)
    assert not times.clock(known=DATE + SECOND).sure


def test_a_sure_clock_that_is_set_is_told_and_slewing_is_not() -> None:
    times = Times(DATE, steered=True)
    clock = times.clock()
    for _ in range(10):
        times.pass_(10, set_by=STEP / SECOND / 4)
        assert clock.look() is None
    times.pass_(1, set_by=-3600)
    step = clock.look()
    assert step is not None
    assert (round(step.by / SECOND), step.mark) == (-3600, "")


# ----------------------------------------------------------------------------------------------------------- schedule


@pytest.mark.parametrize(
    "window, moment, inside",
    [
        ("08:00-18:00", "2026-08-31T08:00", True),
        ("08:00-18:00", "2026-08-31T18:00", False),
        ("Mon-Fri 08:00-18:00", "2026-08-30T12:00", False),  # a Sunday
        ("Fri-Mon 08:00-18:00", "2026-08-30T12:00", True),
        ("Fri-Mon 08:00-18:00", "2026-09-01T12:00", False),
        ("Mon 22:00-06:00", "2026-08-31T23:00", True),
        ("Mon 22:00-06:00", "2026-09-01T05:59", True),  # begun on Monday
        ("Mon 22:00-06:00", "2026-08-31T05:59", False),  # begun on Sunday
        ("22:00-24:00", "2026-08-31T23:59", True),
    ],
)
def test_windows(window: str, moment: str, inside: bool) -> None:
    assert parse_window(window).holds(datetime.fromisoformat(moment)) is inside


@pytest.mark.parametrize("text", ["", "8-18", "08:00-08:00", "Foo 08:00-09:00", "08:70-09:00", "26:00-27:00"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|days|time of day"):
        parse_window(text)


def test_events_begin_a_while_of_listening() -> None:
    schedule = Schedule("events", (), 60)
    now = datetime(2026, 8, 31)
    assert [schedule.listens(now, since) for since in (None, 0.0, 59.0, 60.0)] == [False, True, True, False]


# ------------------------------------------------------------------------------------------------------------ uplinks


def uplink(name: str, kind: str, role: str = "active", *, metered: bool | None = None) -> dict[str, object]:
    return {"id": name, "kind": kind, "role": role, "up": True, "metered": metered}


def test_what_is_sent_counts_for_the_uplink_of_the_day() -> None:
    now = [1_800_000_000.0]
    meter = Meter((("cellular", 1000), ("wan", 500)), "", now=lambda: now[0])
    assert meter.room().others is None, "nothing is known: no limit"
    assert meter.look([uplink("mob1", "cellular"), uplink("wan", "ethernet", "standby")])
    meter.spend(700)
    room = meter.room()
    assert (room.critical, room.others) == (300, 100)
    assert (room.takes(0, 300), room.takes(1, 101), room.takes(1, 100)) == (True, False, True)
    assert not meter.look([uplink("mob1", "cellular")])
    assert meter.look([uplink("wan", "ethernet")])
    assert meter.budget == 500, "an id before its kind"
    again = Meter((("cellular", 1000),), "cellular", meter.text(), now=lambda: now[0])
    again.look([uplink("mob1", "cellular")])
    assert again.spent == 700, "a restart does not give a new budget"
    now[0] += 86_400
    assert again.spent == 0
    assert Meter((), "", "nonsense").spent == 0


def test_captures_stay_off_uplinks_that_cost() -> None:
    meter = Meter((), "")
    free = ("ethernet", "wifi")
    assert meter.captures_may_go(free), "nobody says that it costs"
    assert not Meter((), "cellular").captures_may_go(free)
    for link, over, goes in (
        (uplink("wan", "ethernet"), free, True),
        (uplink("wan", "ethernet", metered=True), free, False),
        (uplink("mob1", "cellular", metered=True), free, False),
        (uplink("mob1", "cellular", metered=True), ("cellular",), True),
        (uplink("mob1", "cellular", metered=True), ("mob1",), True),
    ):
        meter.look([link])
        assert meter.captures_may_go(over) is goes, link


# ----------------------------------------------------------------------------------------------------------- couriers


def courier(tmp_path: Path, sink: Taking, meter: Meter | None = None, **more: str) -> tuple[Courier, Outbox, list[str]]:
    outbox = Outbox(tmp_path, None, ["home"])
    told: list[str] = []
    settings = SinkSettings("home", more.get("type", "mqtt"), more.get("severity", "info"), meter is not None, None)
    made = Courier(settings, sink, outbox, meter or Meter((), ""), lambda name, **_: told.append(name))
    return made, outbox, told


def test_a_courier_delivers_and_closes_its_sink(tmp_path: Path) -> None:
    sink = Taking()
    made, outbox, _ = courier(tmp_path, sink, severity="warning")
    outbox.put(record(1), record(2, "warning"), record(3, "critical"))
    made.start()
    wait_for(lambda: sum(outbox.waiting.values()) == 0)
    outbox.put(record(4, "critical"))
    wait_for(lambda: len(sink.taken) == 3)
    assert [one["title"] for one in sink.taken] == ["Number 3", "Number 2", "Number 4"]
    made.end(10)
    assert sink.closed
    assert made.delivered == 3
    outbox.close()


def test_a_sink_that_fails_gets_all_again_but_what_it_has(tmp_path: Path) -> None:
    sink = Taking()
    made, outbox, _ = courier(tmp_path, sink)
    outbox.put(record(1), record(2))
    sink.failing = SinkError("away", taken=frozenset({message(1)["message"]}))
    made.start()
    wait_for(lambda: made.why == "away")
    assert numbers(outbox.take("home", 10)) == [2]
    sink.failing = None
    made.nudge()
    wait_for(lambda: [one["title"] for one in sink.taken] == ["Number 2"])
    wait_for(lambda: made.why == "")
    made.end(10)
    outbox.close()


def test_a_plugin_that_raises_anything_is_tried_again(tmp_path: Path) -> None:
    sink = Taking()
    made, outbox, _ = courier(tmp_path, sink, type="plugin")
    outbox.put(record(1))
    sink.failing = ZeroDivisionError("oops")
    made.start()
    wait_for(lambda: made.why == "ZeroDivisionError: oops")
    sink.failing = None
    made.nudge()
    wait_for(lambda: len(sink.taken) == 1)
    made.end(10)
    outbox.close()


def test_one_message_that_is_refused_does_not_keep_the_others(tmp_path: Path) -> None:
    class Picky(Taking):
        def send(self, findings: Any) -> None:
            if any(one["title"] == "Number 2" for one in findings):
                raise Refused("not this one")
            super().send(findings)

    sink = Picky()
    made, outbox, told = courier(tmp_path, sink)
    outbox.put(record(1), record(2), record(3))
    made.start()
    wait_for(lambda: sum(outbox.waiting.values()) == 0)
    assert [one["title"] for one in sink.taken] == ["Number 1", "Number 3"]
    assert told == ["sink-refuses"]
    made.end(10)
    outbox.close()


def test_a_spent_budget_leaves_room_for_what_is_critical(tmp_path: Path) -> None:
    sink = Taking()
    size = len(record(1).body)
    meter = Meter((("cellular", size * 10),), "cellular")
    made, outbox, told = courier(tmp_path, sink, meter)
    outbox.put(*(record(number) for number in range(20)))
    made.start()
    wait_for(lambda: "budget-spent" in told)
    assert len(sink.taken) == 8, "a fifth is reserved"
    outbox.put(record(9, "critical", revision=2))
    wait_for(lambda: len(sink.taken) == 9)
    assert sink.taken[-1]["severity"] == "critical"
    assert meter.spent <= size * 10
    meter.look([uplink("wan", "ethernet")])
    made.nudge()
    outbox.wake()
    wait_for(lambda: len(sink.taken) == 20)
    made.end(10)
    outbox.close()


# ------------------------------------------------------------------------------------------------- findings as messages


def test_the_same_finding_has_the_same_uid_everywhere() -> None:
    assert uid_of("a", "bc") == uid_of("a", "bc")
    assert uid_of("a", "bc") != uid_of("ab", "c")
    assert len(uid_of("x")) == 32


def test_health_is_told_like_any_finding_and_again_when_it_goes_on(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, None, ["home"])
    writer = Writer("depot", "router", outbox.put, now=time.time_ns, mark=str)
    health, telling = Health(time.time_ns), Telling(writer)
    telling.add(health.raise_("source-lost", group="eth9", what="eth9", why="it is not there"), 0)
    assert not health.raise_("source-lost", group="eth9", what="eth9", why="it is not there")
    telling.update(5)
    (first,) = outbox.take("home", 9)
    telling.update(11)
    (again,) = outbox.take("home", 9)
    told = [json.loads(one.body) for one in (first, again)]
    assert [(one["revision"], one["count"]) for one in told] == [(1, 1), (2, 2)]
    assert told[0]["uid"] == told[1]["uid"]
    assert told[0]["explanation"].startswith("eth9: it is not there. It is tried again")
    assert writer.recent[told[0]["uid"]]["revision"] == 2
    outbox.close()


def test_every_kind_of_health_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()
    for kind in KINDS.values():
        assert f"`{kind.id}`" in text, kind.id


def test_times_of_a_message_are_moved_with_its_evidence() -> None:
    moved = shifted(message(1), -90 * SECOND)
    assert (moved["first"], moved["evidence"][0]["time"]) == ("2026-08-31T07:58:30.000Z",) * 2
    assert (moved["revision"], moved["message"]) == (2, f"{moved['uid']}.2")
    assert message(1)["revision"] == 1


# ------------------------------------------------------------------------------------------- captures and what is sent


def ring_at(folder: Path, now: list[float], *, kept: int = 10_000_000) -> CaptureRing:
    made = CaptureRing(RingSettings(folder, Ring(3, 2_000_000), 3600, "critical", kept), clock=lambda: now[0])
    assert made.begin() is not None
    return made


def test_an_incident_keeps_the_ring_and_the_ring_goes_on(tmp_path: Path) -> None:
    now = [0.0]
    ring = ring_at(tmp_path, now)
    assert ring.recording is not None
    assert (ring.keeps("critical"), ring.keeps("warning")) == (True, False)
    ring.incident()
    ring.tick()
    assert not [one for one in ring.captures() if one.incident], "what follows belongs to it"
    now[0] = 31
    ring.tick()
    (capture,) = ring.captures()
    assert capture.incident
    ring.recording.path.unlink()
    assert found(tmp_path, capture.name) == tmp_path / "kept" / capture.name
    ring.recording.close()


def test_old_recordings_go_and_kept_ones_stay_within_their_size(tmp_path: Path) -> None:
    now = [0.0]
    ring = ring_at(tmp_path, now, kept=2_500)
    for number in range(4):
        path = tmp_path / "kept" / f"packets_0000{number}_20260831080000.pcapng"
        path.write_bytes(b"x" * 1000)
    old = tmp_path / "packets_00000_20200101000000.pcapng"
    old.write_bytes(b"old")
    os.utime(old, (1, 1))
    now[0] = 100
    ring.tick()
    assert not old.exists()
    assert sorted(path.name[:13] for path in (tmp_path / "kept").iterdir()) == ["packets_00002", "packets_00003"]
    assert ring.recording is not None
    ring.recording.close()


def test_recording_that_cannot_begin_is_tried_again(tmp_path: Path) -> None:
    now = [0.0]
    (tmp_path / "ring").write_text("no folder")
    ring = CaptureRing(RingSettings(tmp_path / "ring", Ring(3, 2_000_000), 3600, "never", 1), clock=lambda: now[0])
    assert ring.begin() is None
    assert ring.failed
    before = ring.wants_to_begin
    (tmp_path / "ring").unlink()
    now[0] = 61
    assert (before, ring.wants_to_begin) == (False, True)
    recording = ring.begin()
    assert recording is not None
    recording.close()


def test_kept_captures_are_uploaded_when_the_uplink_is_one_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldkit.agent.shipping.EVERY", 0.05)
    folder = tmp_path / "ring"
    (folder / "kept").mkdir(parents=True)
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o600)
    for number in (1, 2):
        (folder / "kept" / f"packets_0000{number}_20260831080000.pcapng").write_bytes(b"packets" * 1000)
    (folder / "packets_00003_20260831090000.pcapng").write_bytes(b"still growing")
    meter = Meter((), "")
    meter.look([uplink("mob1", "cellular", metered=True)])
    with serving(tmp_path) as server:
        settings = UploadSettings(
            server.url("/in/"), str(token), TlsSettings(ca=str(tmp_path / "ca.pem")), ("ethernet",), 10_000_000
        )
        shipper = Shipper(settings, folder, tmp_path / "spool", "depot-router", meter, lambda *_, **__: None)
        shipper.start()
        wait_for(lambda: len(list((tmp_path / "spool").glob("*.json"))) == 2)
        assert not server.files
        meter.look([uplink("wan", "ethernet")])
        wait_for(lambda: shipper.sent == 2)
        shipper.end()
        shipper.join(20)
    assert sorted(server.files) == [f"/in/depot-router-packets_0000{number}_20260831080000.pcapng" for number in (1, 2)]
    assert server.asked("PUT")[0]["Authorization"] == "Bearer s3cret"
    assert meter.spent >= 14_000


# -------------------------------------------------------------------------------------------------------------- others


def test_a_ceiling_for_the_processor_makes_it_rest() -> None:
    used, clock = [0.0], [0.0]
    slept: list[float] = []
    pace = Pace(20, used=lambda: used[0], clock=lambda: clock[0], sleep=slept.append)
    for _ in range(10):
        used[0] += BURST / 5
        clock[0] += BURST / 5  # all of a core
        pace.rest()
    assert len(slept) > 3
    assert max(slept) <= 0.2
    slept.clear()
    pace.percent = 0
    used[0] += 100
    pace.rest()
    assert not slept


@needs_root
def test_a_secret_is_not_for_everybody(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pass word \nmore\n")
    secret.chmod(0o600)
    assert secretfile.read(str(secret)) == b"pass word "
    secret.chmod(0o640)
    secretfile.check(str(secret))
    for mode in (0o644, 0o660, 0o601):
        secret.chmod(mode)
        with pytest.raises(secretfile.SecretError, match="chmod 600"):
            secretfile.read(str(secret))
    with pytest.raises(secretfile.SecretError, match="no file"):
        secretfile.check(str(tmp_path))
    secret.chmod(0o600)
    secret.write_text("\n")
    with pytest.raises(secretfile.SecretError, match="empty"):
        secretfile.read(str(secret))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_children_are_called_as_their_commands_want() -> None:
    assert link_command(LinkSettings("ssh://root@10.0.0.1", 30, ("rutos",))) == [
        "link", "--watch", "--json", "-", "--quiet", "--every", "30s", "--plugin", "rutos", "ssh://root@10.0.0.1",
    ]  # fmt: skip
    assert posture_command(PostureSettings("wss://a.example/x", 60, "CP_7", "/p", "", "", ""))[-5:] == [
        "--identity", "CP_7", "--password-file", "/p", "wss://a.example/x",
    ]  # fmt: skip
    read = command(SerialSettings("/dev/ttyUSB0", "modbus:sdm630@1", 10, "9600,8E1"))
    assert read[:2] + read[-5:] == [
        "serial", "read", "--line", "9600,8E1", "--device", "modbus:sdm630@1", "/dev/ttyUSB0",
    ]  # fmt: skip
    assert command(SerialSettings("/dev/ttyUSB0", "", 0, ""))[:2] == ["serial", "listen"]


def test_what_a_serial_child_says_becomes_events() -> None:
    rung = threading.Event()
    lane = DeviceLane(SerialSettings("/dev/ttyUSB0", "rapi", 10, ""), rung.set, lambda *_, **__: None)
    reading = {
        "time": "2026-08-31T08:00:00.500Z", "port": "/dev/ttyUSB0", "dialect": "rapi", "device": "rapi",
        "name": "pilot_state", "value": "C", "unit": "", "measurand": "", "phase": "", "raw": "$OK", "verified": True,
    }  # fmt: skip
    lane._on_line({"schema": 1, "port": "/dev/ttyUSB0", "readings": [reading]})
    lane._on_line(
        {"time": "2026-08-31T08:00:01.000Z", "port": "/dev/ttyUSB0", "kind": "event", "text": "rst cause:4",
         "event": {"kind": "reset.watchdog", "grave": True, "values": {"cause": "4"}}}
    )  # fmt: skip
    first, second = lane.taken()
    assert isinstance(first, DeviceReading)
    assert (first.time, first.value) == (1_788_163_200_500_000_000, "C")
    assert isinstance(second, ConsoleSighting)
    assert (second.kind, second.grave, second.values) == ("reset.watchdog", True, {"cause": "4"})
    assert rung.is_set()
    assert lane.taken() == []
