"""A simulated site as a capture says the same as its events."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from fieldkit.events import ConnectionClosed, ConnectionOpened, PathSample, TlsHello, Unanswered, WsMessage
from tests.simulation.__main__ import SIX, chosen, truth
from tests.simulation.capture import write
from tests.simulation.site import Generator, Site
from tests.traffic.decoded import decode


def plain(value: Any) -> Any:
    """Without frame numbers: those of a simulation count happenings, those of a capture packets."""
    if isinstance(value, ConnectionClosed) and value.how == "end-of-capture":
        return "still open", plain(value.connection)  # when it ends is told by its last packet, which may say nothing
    if isinstance(value, Unanswered) and value.why == "capture-ended":
        return "unanswered", plain(value.call)
    if is_dataclass(value):
        return type(value).__name__, *(
            (field.name, plain(getattr(value, field.name))) for field in fields(value) if field.name != "frames"
        )
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def both(seed: int, generator: Generator, families: Sequence[str], days: float = 1.0) -> tuple[list[Any], list[Any]]:
    """The events of a site, and those that its capture decodes into."""
    file = io.BytesIO()
    options: dict[str, Any] = {"chargers": 2, "generator": generator, "families": families, "source": "memory"}
    assert write(Site(seed, days, **options), file) > 100
    decoded = decode(file.getvalue(), validate=True).events
    site = Site(seed, days, **options)
    made = [event for _, event in site.events() if not isinstance(event, PathSample)]
    return made, [event for event in decoded if not isinstance(event, WsMessage | PathSample)]


@pytest.mark.parametrize("generator", ["first", "second"])
def test_the_capture_of_a_day_is_decoded_into_the_very_events(generator: Generator) -> None:
    made, decoded = both(6, generator, ())
    assert len(made) > 1000
    for one, other in zip(made, decoded, strict=True):
        assert plain(one) == plain(other)


def test_so_is_that_of_a_day_on_which_much_goes_wrong() -> None:
    made, decoded = both(
        7, "first", ["malformed-frames@0.2", "flapping@0.3", "captive-portal", "power-cut", "csms-restart", "blackhole"]
    )
    # When fieldkit takes a SYN as unanswered depends on the packets around it; everything else has its time.
    made, decoded = (
        [event for event in events if getattr(event, "how", "") not in ("no-answer", "end-of-capture")
         and not isinstance(event, Unanswered)]
        for events in (made, decoded)
    )  # fmt: skip
    assert len(made) > 1000
    for one, other in zip(made, decoded, strict=True):
        assert plain(one) == plain(other)


def test_round_trips_are_seen_in_the_capture_as_the_simulation_tells_them() -> None:
    file = io.BytesIO()
    write(Site(8, 0.2, chargers=2, source="memory"), file)
    seen = [event for event in decode(file.getvalue()).events if isinstance(event, PathSample)]
    told = [event for _, event in Site(8, 0.2, chargers=2, source="memory").events() if isinstance(event, PathSample)]
    handshakes = [[(one.time, one.rtt, one.ttl) for one in some if one.kind == "handshake"] for some in (seen, told)]
    assert handshakes[0] == handshakes[1]
    medians = [
        sorted(one.rtt for one in some if one.kind == "ack" and one.from_client)[
            sum(one.kind == "ack" and one.from_client for one in some) // 2
        ]
        for some in (seen, told)
    ]
    assert medians[0] == pytest.approx(medians[1], rel=0.25)


def test_tls_without_keys_is_decoded_as_such() -> None:
    file = io.BytesIO()
    write(Site(9, 0.2, chargers=2, encrypted=True), file)
    decoded = decode(file.getvalue())
    made = [event for _, event in Site(9, 0.2, chargers=2, encrypted=True).events()]
    for kind in (ConnectionOpened, ConnectionClosed, TlsHello):
        assert decoded.count(kind) == sum(isinstance(event, kind) for event in made)
    hello = next(event for event in decoded.events if isinstance(event, TlsHello))
    assert (hello.server_name, hello.suites) == ("csms.example", (0xC02F, 0xC030, 0xC02B))
    assert not decoded.messages


def test_the_truth_beside_a_capture_names_stations_and_episodes_in_seconds() -> None:
    site = Site(7, 0.4, chargers=2, families=["power-cut"])
    write(site, io.BytesIO())
    found = json.loads(json.dumps(truth(site, 7)))
    (episode,) = found["episodes"]
    assert episode["family"] == "power-cut"
    assert episode["benign"] is True
    assert found["begin"] <= episode["start"] <= episode["first_evidence"] <= episode["end"] <= found["end"]
    assert [entry["station"] for entry in found["stations"]] == [station.name for station in site.stations]


def test_episodes_are_asked_for_by_number_by_name_or_as_six() -> None:
    assert chosen("six", 1) == list(SIX)
    assert chosen("none", 1) == []
    assert len(chosen("4", 1)) == 4
    assert chosen("4", 1) == chosen("4", 1) != chosen("4", 2)
    assert chosen("dst,flapping", 1) == ["dst", "flapping"]
    with pytest.raises(SystemExit, match="not a family: nonsense"):
        chosen("nonsense", 1)


def test_the_command_writes_capture_and_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.simulation.__main__ import main

    capture, told = tmp_path / "day.pcap", tmp_path / "day.json"
    arguments = [
        "simulation",
        "--seed",
        "3",
        "--days",
        "0.1",
        "--chargers",
        "2",
        "-o",
        str(capture),
        "--truth",
        str(told),
    ]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 0
    assert decode(capture.read_bytes()).messages
    assert json.loads(told.read_text())["charger_days"] == pytest.approx(0.2)
