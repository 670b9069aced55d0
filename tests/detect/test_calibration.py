"""What is learnt of a site: kept whole, read with suspicion, frozen while something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldkit.detect.calibration import Calibration, stability
from fieldkit.detect.context import Context
from fieldkit.detect.features import INDEX, NAMES, SIZE, STEP, Steps, squeeze
from fieldkit.detect.prior import Prior, UnfitError
from fieldkit.detect.sequence import Trigrams
from fieldkit.detect.symptom import Symptom
from fieldkit.detect.windows import SETTLED, Windows
from fieldkit.models import calibrationfile
from fieldkit.models.manifest import SHIPPED, UntrustedError, load_model, load_prior
from fieldkit.models.opening import Site

SECOND = 1_000_000_000


def windows(prior: Prior | None = None) -> tuple[Windows, list[Symptom]]:
    signs: list[Symptom] = []
    return Windows(Context(signs.append), prior or load_prior()), signs


def minute(watched: Windows, name: str, at: int, heartbeats: int) -> None:
    """A minute with so many heartbeats, and what is concluded from it."""
    _, steps = watched.begin(name)
    assert steps is not None
    steps.steps.clear = True
    begin = at * 60 * SECOND
    for number in range(heartbeats):
        steps.steps.count(begin + number * 59 * SECOND // max(heartbeats, 1), "heartbeats")
    for step in range(1, 7):
        watched._evaluate(name, steps, begin + step * STEP)


def learnt(minutes: int = 60) -> tuple[Windows, list[Symptom]]:
    made, signs = windows()
    for at in range(minutes):
        minute(made, "CP_1", at, 1)
    return made, signs


def test_ordinary_minutes_are_nothing_and_a_flood_is() -> None:
    made, signs = learnt()
    assert signs == []
    minute(made, "CP_1", 61, 60)
    assert {sign.family for sign in signs} == {"unusual-protocol"}
    assert "CP_1 sent 60 heartbeats within a minute; usually 4 at most." in signs[-1].text


def test_a_single_odd_step_is_not_persistent() -> None:
    made, signs = learnt()
    _, steps = made.begin("CP_1")
    assert steps is not None
    for _ in range(60):
        steps.steps.count(61 * 60 * SECOND, "heartbeats")
    made._evaluate("CP_1", steps, 61 * 60 * SECOND + STEP)
    assert signs == []


def test_nothing_is_learnt_while_an_incident_is_open() -> None:
    made, _ = learnt()
    count = made.known["CP_1"].usual[INDEX["heartbeats"]].count
    made.context.frozen = lambda station: station == "CP_1"
    minute(made, "CP_1", 61, 1)
    assert made.known["CP_1"].usual[INDEX["heartbeats"]].count == count
    made.context.frozen = lambda station: False
    minute(made, "CP_1", 63, 1)
    assert made.known["CP_1"].usual[INDEX["heartbeats"]].count > count


def test_without_a_prior_nothing_is_unusual_on_the_first_day() -> None:
    made, signs = windows(Prior())
    minute(made, "CP_1", 1, 500)
    assert signs == []
    known = made.known["CP_1"]
    assert made.threshold(known, "protocol", known.first + SETTLED) < float("inf")


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    made, _ = learnt()
    name = str(tmp_path / "site.calibration")
    calibrationfile.save(name, Calibration(made))
    again, signs = windows()
    assert calibrationfile.load(name, Calibration(again)) == ""
    assert again.known["CP_1"].first == made.known["CP_1"].first
    at = INDEX["heartbeats"]
    assert again.known["CP_1"].usual[at].median == pytest.approx(made.known["CP_1"].usual[at].median, abs=0.05)
    assert list(tmp_path.iterdir()) == [tmp_path / "site.calibration"], "the draft is gone"
    assert signs == []


@pytest.mark.parametrize("keep", [0, 1, 40, 400, -1])
def test_a_file_that_is_cut_off_leaves_the_prior_in_force(tmp_path: Path, keep: int) -> None:
    made, _ = learnt(5)
    path = tmp_path / "site.calibration"
    calibrationfile.save(str(path), Calibration(made))
    path.write_bytes(path.read_bytes()[:keep] if keep >= 0 else path.read_bytes()[:-20])
    with Site(state=str(path), runtime="python") as site:
        assert any("prior is used" in note for note in site.detector.notes)
        assert site.calibration is not None
        assert site.calibration.stations() == []


def test_a_file_of_another_version_is_told(tmp_path: Path) -> None:
    path = tmp_path / "site.calibration"
    path.write_text(json.dumps({"version": 99}), encoding="utf-8")
    made, _ = windows()
    assert "no calibration of this version" in calibrationfile.load(str(path), Calibration(made))
    assert "does not exist" in calibrationfile.load(str(tmp_path / "none"), Calibration(made))


def test_a_damaged_station_changes_nothing() -> None:
    made, _ = learnt(5)
    document = Calibration(made).dump()
    document["stations"]["CP_1"]["usual"][3]["values"] = ["x"]
    again, _ = windows()
    with pytest.raises(UnfitError):
        Calibration(again).load(document)
    assert again.known == {}


def test_a_station_can_be_learnt_anew() -> None:
    made, _ = learnt()
    calibration = Calibration(made)
    assert [name for name, _, _ in calibration.stations()] == ["CP_1"]
    calibration.forget("CP_1")
    assert calibration.stations() == []


def test_drift_is_told_by_feature() -> None:
    assert stability([1.0 + at % 5 for at in range(64)], [1.0 + at % 5 for at in range(64)]) < 0.05
    assert stability([1.0 + at % 5 for at in range(64)], [4.0 + at % 5 for at in range(64)]) > 0.25
    assert stability([1.0], [9.0]) == 0.0


def test_what_was_not_observed_is_masked() -> None:
    steps = Steps()
    steps.count(STEP, "opened")
    window = steps.window(2)
    assert window.mask[INDEX["opened"]]
    assert not window.mask[INDEX["heartbeats"]], "encrypted: nothing is known of messages"
    assert not window.mask[INDEX["csms_latency"]], "nothing was answered"
    steps.clear = True
    assert steps.window(2).mask[INDEX["heartbeats"]]


def test_a_window_is_six_steps_and_no_more() -> None:
    steps = Steps()
    steps.clear = True
    for number in range(20):
        steps.count(number * STEP, "heartbeats")
        steps.measure(number * STEP, "csms_latency", 10.0 * (number + 1))
    window = steps.window(20)
    assert window.values[INDEX["heartbeats"]] == 6
    assert window.values[INDEX["csms_latency"]] == pytest.approx(175.0)
    assert len(steps.steps) == 6
    assert len(squeeze(window)) == SIZE == len(set(NAMES)) == 49


def test_an_order_that_was_never_seen_is_improbable() -> None:
    prior = Trigrams()
    for _ in range(50):
        prior.add("s:Boot", "c=result", "s:Status")
    usual, odd = prior.surprise("s:Boot", "c=result", "s:Status"), prior.surprise("s:Boot", "c=result", "c:Reset")
    assert usual < 1 < 5 < odd
    own = Trigrams(prior)
    for _ in range(50):
        own.add("s:Boot", "c=result", "c:Reset")
    assert own.surprise("s:Boot", "c=result", "c:Reset") < odd


def test_the_shipped_model_and_prior_are_what_the_manifest_says() -> None:
    loaded = load_model()
    assert len(loaded.data) <= 50_000
    assert loaded.card["shape"] == [40, 24, 8, 24, 40]
    assert load_prior().shipped


@pytest.mark.parametrize("name", ["anomaly.tflite", "prior.json", "manifest.json"])
def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path, name: str) -> None:
    for file in SHIPPED.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = bytearray((tmp_path / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / name).write_bytes(bytes(damaged))
    if name != "manifest.json":
        with pytest.raises(UntrustedError, match="SHA-256 differs"):
            (load_model if name == "anomaly.tflite" else load_prior)(tmp_path)
    with Site(folder=tmp_path, runtime="python") as site:
        assert site.detector.notes or name == "manifest.json"
