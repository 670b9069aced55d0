"""``fieldkit detect`` as people and programs call it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.traffic.commandline import Fieldkit

BEGIN = 1_780_000_000


@pytest.fixture
def fieldkit(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Fieldkit:
    return Fieldkit(capfdbinary, monkeypatch)


def trace(path: Path, *, hours: float = 2.0, flood: int = 0) -> Path:
    """Two stations that send heartbeats, as an Open OCPP Trace; in the end one of them sends a lot."""
    lines: list[tuple[float, str, str, str]] = []
    for minute in range(int(hours * 60)):
        for station in ("CP_1", "CP_2"):
            lines.append((BEGIN + 60 * minute + (station == "CP_2"), station, f"{station}-{minute}", "Heartbeat"))
    end = BEGIN + 3600 * hours
    lines += [(end + number, "CP_1", f"CP_1-x{number}", "Heartbeat") for number in range(flood)]
    with path.open("w", encoding="utf-8") as file:
        for time, station, id_, action in lines:
            for kind, way, frame, after in (
                ("CALL", "cp-to-csms", [2, id_, action, {}], 0.0),
                ("CALLRESULT", "csms-to-cp", [3, id_, {"currentTime": stamp(time)}], 0.2),
            ):
                record = {
                    "schemaVersion": "1.1", "timestamp": stamp(time + after), "ocppVersion": "1.6", "transport": "json",
                    "chargePointId": station, "direction": way, "messageType": kind, "messageId": id_,
                    "payload": frame[-1], "raw": json.dumps(frame),
                }  # fmt: skip
                if kind == "CALL":
                    record["action"] = action
                file.write(json.dumps(record) + "\n")
    return path


def stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_an_ordinary_trace_is_nothing(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("detect", "score", trace(tmp_path / "day.jsonl"))
    assert (run.code, run.out) == (0, "")


def test_one_line_an_incident(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("detect", "score", trace(tmp_path / "day.jsonl", flood=40))
    assert run.code == 1
    (line,) = run.records
    assert list(line)[:6] == ["t", "station", "category", "family", "score", "explanation"]
    assert (line["station"], line["category"], line["family"]) == ("CP_1", "intrusion", "message-flood")
    assert BEGIN + 7200 <= line["t"] <= BEGIN + 7200 + 60
    assert 0.6 <= line["score"] <= 1
    assert "within a minute" in line["explanation"]
    assert line["advice"]
    assert {"source", "frame", "time", "message_id", "text"} == set(line["evidence"][0])


def test_into_a_file_and_by_some_layers(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source = trace(tmp_path / "day.jsonl", flood=40)
    run = fieldkit("detect", "score", source, "--alerts", tmp_path / "alerts.jsonl", "--layers", "statistics")
    assert (run.code, run.out) == (1, "")
    assert "message-flood" in (tmp_path / "alerts.jsonl").read_text()
    assert fieldkit("detect", "score", source, "--layers", "rules").code == 0
    assert fieldkit("detect", "score", source, "--layers", "magic").code == 2
    assert fieldkit("detect", "score", tmp_path / "none.pcap").code == 3


@pytest.mark.parametrize("runtime", ["python", "numpy"])
def test_by_a_runtime(fieldkit: Fieldkit, tmp_path: Path, runtime: str) -> None:
    if runtime == "numpy":
        pytest.importorskip("numpy")
    run = fieldkit("detect", "score", trace(tmp_path / "day.jsonl", hours=0.5), "--runtime", runtime)
    assert (run.code, run.out) == (0, "")
    assert "runtime" not in run.err


def test_calibrate_and_score_with_it(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source, state = trace(tmp_path / "day.jsonl"), tmp_path / "site.calibration"
    run = fieldkit("detect", "calibrate", source, "--state", state)
    assert run.code == 0
    assert [line.partition(":")[0] for line in run.lines] == ["CP_1", "CP_2"]
    assert "the fleet's measure holds for 22 more hours" in run.lines[0]
    run = fieldkit("detect", "score", source, "--state", state)
    assert (run.code, run.out) == (0, "")
    assert fieldkit("detect", "calibrate", source, "--state", state, "--relearn", "CP_1").code == 0


def test_a_calibration_that_is_cut_off_is_told_and_the_rest_goes_on(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source, state = trace(tmp_path / "day.jsonl", flood=40), tmp_path / "site.calibration"
    state.write_text('{"version": 1, "stations": {"CP_1"')
    run = fieldkit("detect", "score", source, "--state", state)
    assert run.code == 1
    assert "is damaged or cut off: the fleet's prior is used" in run.err
    assert len(run.records) == 1


def test_nothing_to_learn_from(fieldkit: Fieldkit, tmp_path: Path) -> None:
    state = tmp_path / "site.calibration"
    run = fieldkit("detect", "calibrate", "captures/fault_connection_refused.pcap", "--state", state)
    assert run.code == 5
    assert not state.exists()


def test_train_gives_the_same_bytes_again_and_can_be_loaded(fieldkit: Fieldkit, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    from fieldkit.models.manifest import load_model, load_prior

    source = trace(tmp_path / "days.jsonl", hours=10)
    for name in ("one", "two"):
        run = fieldkit("detect", "train", source, "-o", tmp_path / name, "--epochs", "2")
        assert run.code == 0, run.err
    files = {path.name for path in (tmp_path / "one").iterdir()}
    assert files == {"anomaly.tflite", "prior.json", "manifest.json"}
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert load_model(tmp_path / "one").card["epochs"] == 2
    assert load_prior(tmp_path / "one").shipped


def test_too_little_to_train_from(fieldkit: Fieldkit, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    run = fieldkit("detect", "train", trace(tmp_path / "day.jsonl", hours=0.5), "-o", tmp_path / "model")
    assert run.code == 5
    assert "too few to learn from" in run.err


def test_the_model_card(fieldkit: Fieldkit) -> None:
    run = fieldkit("detect", "info")
    assert run.code == 0
    assert run.lines[0].startswith("Model      masked autoencoder 40-24-8-24-40, float32")
    assert any(line.startswith("Limit") for line in run.lines)
    document = json.loads(fieldkit("detect", "info", "--json", "-").out)
    assert document["features"] == 49
    assert len(document["model"]["sha256"]) == 64
    assert {"intrusion", "fraud", "maintenance", "connectivity", "energy", "benign"} == set(document["families"])


def test_help_is_there_for_each_command(fieldkit: Fieldkit) -> None:
    for name in ((), ("score",), ("calibrate",), ("train",), ("info",)):
        run = fieldkit("detect", *name, "--help")
        assert run.code == 0
        assert "Examples:" in run.out


def test_a_report_has_incidents_when_it_shall(fieldkit: Fieldkit, tmp_path: Path) -> None:
    source = trace(tmp_path / "day.jsonl", flood=40)
    for name in ("x.json", "x.html", "x.txt"):
        assert fieldkit("report", source, "--detect", "-o", tmp_path / name).code in (0, 1, 5)
    (incident,) = json.loads((tmp_path / "x.json").read_text())["detector"]["incidents"]
    assert incident["family"] == "message-flood"
    assert "A station sends far more messages than usual" in (tmp_path / "x.html").read_text()
    assert "-- What is unusual" in (tmp_path / "x.txt").read_text()
    fieldkit("report", source, "-o", tmp_path / "y.json")
    assert json.loads((tmp_path / "y.json").read_text())["detector"] is None


def test_what_the_card_says_the_model_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldkit.cli import detectinfo
    from fieldkit.models import manifest

    def told(sha256: str, **found: float) -> list[str]:
        for name in manifest.SHIPPED.iterdir():
            (tmp_path / name.name).write_bytes(name.read_bytes())
        layers = {name.replace("_", " "): {"found": share} for name, share in found.items()}
        judged = {"model": sha256, "episodes": 40, "layers": layers}
        (tmp_path / manifest.ABLATION).write_text(json.dumps(judged), encoding="utf-8")
        document, _ = detectinfo.gathered()
        return detectinfo.lines({**document, "ablation": manifest.ablation(tmp_path)})

    found = {"rules": 0.5, "statistics": 0.8, "model": 0.1, "rules_and_statistics": 0.9, "all": 0.9}
    shipped = manifest.load_model().sha256
    assert any("rules and statistics 90 %. The model adds nothing" in line for line in told(shipped, **found))
    assert any("The model adds 5.0 points" in line for line in told(shipped, **{**found, "all": 0.95}))
    assert any("docs/detector.md" in line for line in told("another one", **found))
