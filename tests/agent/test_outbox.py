from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.agent.outbox import MAX_MEMORY, URGENT, Limits, Outbox, OutboxBusy
from fieldkit.agent.records import MAX_BODY, Record, uid_of
from fieldkit.agent.told import corrected
from tests.agent.lab import fill, numbers, record, small_disk
from tests.traffic.commandline import ROOT
from tests.traffic.netlab import needs_root

DAY = 86_400 * 1_000_000_000


class Ticking:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    made = Outbox(folder / "store", None, ["home"])
    yield made
    made.close()


def test_the_most_urgent_comes_first_and_then_the_oldest(outbox: Outbox) -> None:
    assert outbox.put(record(1), record(2, "warning"), record(3, "critical"), record(4), record(5, "critical"))
    assert numbers(outbox.take("home", 10)) == [3, 5, 2, 1, 4]
    assert numbers(outbox.take("home", 2)) == [3, 5]
    assert numbers(outbox.take("home", 10, lowest=0)) == [3, 5]


def test_what_is_done_is_gone_and_the_rest_waits(outbox: Outbox) -> None:
    outbox.put(*(record(number) for number in range(5)))
    outbox.done("home", outbox.take("home", 3))
    assert numbers(outbox.take("home", 10)) == [3, 4]
    assert outbox.waiting == {0: 0, 1: 0, 2: 2, 3: 0}


def test_a_later_revision_takes_the_place_of_one_that_waits(outbox: Outbox) -> None:
    outbox.put(record(1), record(2))
    outbox.put(record(1, "critical", revision=2))
    taken = outbox.take("home", 10)
    assert [(one.revision, one.priority) for one in taken] == [(2, 0), (1, 2)]
    outbox.put(record(1, revision=1))
    assert [one.revision for one in outbox.take("home", 10)] == [2, 1], "an older one changes nothing"


def test_a_revision_that_comes_while_the_last_one_is_sent_is_sent_too(outbox: Outbox) -> None:
    outbox.put(record(1))
    sent = outbox.take("home", 10)
    outbox.put(record(1, revision=2))
    outbox.done("home", sent)
    assert [one.revision for one in outbox.take("home", 10)] == [2]


def test_a_record_stays_until_every_sink_has_it(folder: Path) -> None:
    outbox = Outbox(folder, None, ["home", "disk"])
    outbox.put(record(1))
    outbox.done("home", outbox.take("home", 10))
    assert not outbox.take("home", 10)
    assert numbers(outbox.take("disk", 10)) == [1]
    outbox.serve(["home"])
    assert sum(outbox.waiting.values()) == 0, "nothing waits for a sink that is no more"
    assert outbox.troubles[-1] == ("sink-gone", "1 records waited for disk, which is no more")
    outbox.close()


def test_it_is_there_after_a_restart(folder: Path) -> None:
    first = Outbox(folder / "store", folder / "stage", ["home"])
    first.put(record(1), record(2, "critical"))
    first.close()
    second = Outbox(folder / "store", folder / "stage", ["home"])
    assert numbers(second.take("home", 10)) == [2, 1]
    second.close()


def test_two_agents_do_not_share_it(folder: Path, outbox: Outbox) -> None:
    with pytest.raises(OutboxBusy, match="another agent"):
        Outbox(folder / "store", None, ["home"])


def test_what_is_delivered_in_time_never_touches_flash(folder: Path) -> None:
    clock = Ticking()
    outbox = Outbox(folder / "store", folder / "stage", ["home"], Limits(flush=60), clock=clock)
    before = (folder / "store" / "outbox.db").stat().st_mtime_ns
    size = (folder / "store" / "outbox.db-wal").stat().st_size
    outbox.put(*(record(number) for number in range(50)))
    outbox.done("home", outbox.take("home", 100))
    clock.seconds += 61
    outbox.tick()
    assert (folder / "store" / "outbox.db").stat().st_mtime_ns == before
    assert (folder / "store" / "outbox.db-wal").stat().st_size == size
    outbox.close()


def test_what_waits_goes_to_flash_after_a_while_and_critical_findings_sooner(folder: Path) -> None:
    clock = Ticking()
    outbox = Outbox(folder / "store", folder / "stage", ["home"], Limits(flush=60), clock=clock)
    store = folder / "store" / "outbox.db"

    def on_flash() -> bool:
        return b"Number" in store.read_bytes() + (store.parent / "outbox.db-wal").read_bytes()

    outbox.put(record(1))
    clock.seconds += 30
    outbox.tick()
    assert not on_flash()
    outbox.put(record(2, "critical"))
    outbox.tick()
    assert not on_flash()
    clock.seconds += URGENT
    outbox.tick()
    assert on_flash()
    assert numbers(outbox.take("home", 10)) == [2, 1]
    outbox.close()


def test_a_record_that_moves_while_it_is_sent_is_done_all_the_same(folder: Path) -> None:
    outbox = Outbox(folder / "store", folder / "stage", ["home"])
    outbox.put(record(1))
    sent = outbox.take("home", 10)
    outbox.flush()
    outbox.done("home", sent)
    assert not outbox.take("home", 10)
    outbox.close()


def test_numbers_of_the_agent_stay_out_of_flash(folder: Path) -> None:
    outbox = Outbox(folder / "store", folder / "stage", ["home"])
    uid = uid_of("health")
    outbox.put(Record(uid, 1, "health", 3, 1, json.dumps({"uid": uid, "health": 1}).encode()), record(1))
    outbox.flush()
    assert b"health" not in (folder / "store" / "outbox.db-wal").read_bytes().replace(b"category", b"")
    assert len(outbox.take("home", 10)) == 2
    outbox.close()


def test_its_size_is_kept_by_giving_up_what_matters_least(folder: Path) -> None:
    outbox = Outbox(folder, None, ["home"], Limits(bytes=100_000))
    outbox.put(*(record(number, "critical") for number in range(20)))
    for number in range(100, 300):
        outbox.put(record(number))
    waiting = outbox.waiting
    assert waiting[0] == 20
    assert 0 < waiting[2] < 200
    assert outbox.bytes <= 100_000
    assert outbox.given_up == {2: 200 - waiting[2]}
    assert numbers(outbox.take("home", 500))[-1] == 299, "the latest are kept"
    for number in range(1000, 1200):
        outbox.put(record(number, "critical"))
    assert outbox.waiting[2] == 0
    assert outbox.bytes <= 100_000, "critical ones go too when there is nothing else"
    outbox.close()


def test_what_is_too_old_goes(folder: Path) -> None:
    clock, now = Ticking(), [100 * DAY]
    outbox = Outbox(folder, None, ["home"], Limits(age=7 * 86_400), now=lambda: now[0], clock=clock)
    outbox.put(record(1, made=90 * DAY), record(2, made=99 * DAY), record(3, made=DAY, clock="boot:1"))
    clock.seconds += 100
    outbox.tick()
    assert numbers(outbox.take("home", 10)) == [2, 3], "when an unsure clock says nothing, nothing is too old"
    assert outbox.given_up == {2: 1}
    outbox.close()


def test_times_of_an_unsure_clock_are_corrected(folder: Path) -> None:
    outbox = Outbox(folder / "store", folder / "stage", ["home"])
    outbox.put(record(1, clock="boot:1"), record(2))
    outbox.flush()
    outbox.put(record(3, clock="boot:1"))
    assert outbox.rewrite("boot:1", corrected(3600 * 1_000_000_000)) == 2
    told = {number: json.loads(one.body) for one in outbox.take("home", 10) for number in numbers([one])}
    assert {number: one["first"] for number, one in told.items()} == {
        1: "2026-08-31T09:00:00.000Z", 2: "2026-08-31T08:00:00.000Z", 3: "2026-08-31T09:00:00.000Z",
    }  # fmt: skip
    assert (told[1]["revision"], told[2]["revision"]) == (2, 1)
    assert outbox.rewrite("boot:1", corrected(1)) == 0, "once"
    outbox.close()


def test_a_message_that_is_too_long_loses_its_evidence(outbox: Outbox) -> None:
    long = record(1)
    told = json.loads(long.body) | {"evidence": ["x" * MAX_BODY]}
    outbox.put(Record(long.uid, 1, "finding", 2, long.made, json.dumps(told).encode()))
    (taken,) = outbox.take("home", 1)
    assert len(taken.body) < MAX_BODY
    assert json.loads(taken.body)["evidence_left_out"]


# ------------------------------------------------------------------------------------------------ what disks do


@needs_root
def test_a_full_disk_makes_findings_wait_in_memory_and_none_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        outbox = Outbox(disk / "store", None, ["home"])
        kept = 0
        while outbox.put(record(kept)):
            kept += 1
            assert kept < 20_000
        assert outbox.troubles[0][0] == "full"
        outbox.put(record(kept + 1, "critical"))
        # What was accepted can be sent, also where no file can note that it was; and it is not sent again.
        seen: list[int] = []
        while taken := outbox.take("home", 500):
            seen += numbers(taken)
            outbox.done("home", taken)
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        outbox.tick()
        while taken := outbox.take("home", 500):
            seen += numbers(taken)
            outbox.done("home", taken)
        assert sum(outbox.waiting.values()) == 0
        assert sorted(seen) == list(range(kept + 2))
        assert outbox.given_up == {}
        outbox.close()


@needs_root
def test_when_somebody_else_has_filled_the_disk_it_goes_on_as_soon_as_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        outbox = Outbox(disk / "store", disk / "stage", ["home"])
        outbox.put(record(1))
        junk = fill(disk)
        held = [number for number in range(2, 1500) if not outbox.put(record(number))]
        assert 0 < len(held) <= MAX_MEMORY
        junk.unlink()
        outbox.tick()
        seen: list[int] = []
        while taken := outbox.take("home", 500):
            seen += numbers(taken)
            outbox.done("home", taken)
        assert sorted(seen) == list(range(1, 1500))
        outbox.close()


def damaged(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "no database":
        data = bytearray(b"these are not the pages you are looking for " * 200)
    elif how == "cut off":
        del data[len(data) // 2 :]
    elif how == "overwritten":
        dice = random.Random(7)
        for page in range(2, len(data) // 4096, 5):
            data[page * 4096 : page * 4096 + 2048] = dice.randbytes(2048)
    elif how == "another version":
        data[60:64] = (99).to_bytes(4, "big")  # user_version (sqlite.org/fileformat.html §1.3)
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["no database", "cut off", "overwritten", "another version"])
def test_a_damaged_file_is_put_aside_and_what_can_be_read_is_saved(folder: Path, how: str) -> None:
    first = Outbox(folder, None, ["home"])
    first.put(*(record(number) for number in range(300)))
    first.close()
    damaged(folder / "outbox.db", how)
    second = Outbox(folder, None, ["home"])
    seen: list[int] = []
    while taken := second.take("home", 100):
        seen += numbers(taken)
        second.done("home", taken)
    (told,) = [why for what, why in second.troubles if what == "damaged"]
    assert str(folder / "outbox.db") in told
    assert (folder / "outbox.damaged").exists()
    assert len(seen) == len(set(seen))
    assert second.put(record(1000)), "it works again"
    assert numbers(second.take("home", 1)) == [1000]
    if how == "another version":
        assert sorted(seen) == list(range(300))
    second.close()


def test_damage_that_shows_while_it_runs_ends_nothing(folder: Path) -> None:
    outbox = Outbox(folder, None, ["home"])
    outbox.put(*(record(number) for number in range(2000)))
    outbox.close()
    outbox = Outbox(folder, None, ["home"])
    with (folder / "outbox.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(os.fstat(file.fileno()).st_size - 4096 * 3))
    for number in range(5000, 5050):
        outbox.put(record(number))
        outbox.done("home", outbox.take("home", 100))
    outbox.put(record(9999, "critical"))
    assert 9999 in numbers(outbox.take("home", 100))
    assert any(what == "damaged" for what, _ in outbox.troubles)
    outbox.close()


def test_a_folder_that_cannot_be_used_is_told_and_memory_takes_over(folder: Path) -> None:
    (folder / "store").write_text("a file where a folder should be")
    outbox = Outbox(folder / "store", None, ["home"])
    assert outbox.put(record(1))
    assert numbers(outbox.take("home", 1)) == [1]
    assert outbox.troubles[0][0] == "unusable"
    outbox.close()


PROGRAM = """
import sys
from pathlib import Path
from fieldkit.agent.outbox import Limits, Outbox
from tests.agent.lab import record
outbox = Outbox(Path(sys.argv[1]) / "store", Path(sys.argv[1]) / "stage", ["home"], Limits(flush=0.01))
number = int(sys.argv[2])
while True:
    assert outbox.put(record(number))
    print(number, flush=True)
    if number % 3 == 0:
        outbox.tick()
    number += 1
"""


def test_what_it_has_accepted_survives_being_killed(folder: Path) -> None:
    """The same fifty times and with everything else that may happen: ``make soak-agent``."""
    dice = random.Random(3)
    accepted: set[int] = set()
    begin = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(begin)], stdout=subprocess.PIPE, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        accepted.add(begin)
        time.sleep(dice.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[0].decode()
        accepted |= {int(line) for line in said.splitlines(keepends=True) if line.endswith("\n")}
        begin = max(accepted) + 1000
    outbox = Outbox(folder / "store", folder / "stage", ["home"])
    seen: set[int] = set()
    while taken := outbox.take("home", 500):
        seen |= set(numbers(taken))
        outbox.done("home", taken)
    outbox.close()
    assert accepted <= seen
    assert not outbox.troubles


def test_notes_outlive_the_process(folder: Path) -> None:
    first = Outbox(folder, None, ["home"])
    first.write_note("time", "17")
    first.close()
    second = Outbox(folder, None, ["home"])
    assert (second.note("time"), second.note("other", "none")) == ("17", "none")
    second.close()
    with sqlite3.connect(folder / "outbox.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
