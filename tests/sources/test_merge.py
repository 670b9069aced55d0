"""Several sources, one story: pieces of a ring go on where the last one ended, overlapping captures are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    CaptureComment,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Exchange,
    OcppMessage,
    Orphan,
    TlsSecrets,
    Unanswered,
)
from fieldkit.pipeline import Pipeline
from fieldkit.reports.trace import TraceWriter
from fieldkit.sources import file as file_module
from fieldkit.sources.file import FileSource
from fieldkit.sources.merge import CONNECTIONS_PER_LANE, read_merged, read_one
from tests.traffic.capture import Packet, Pcapng, write_pcap
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.decoded import Decoded, as_lines
from tests.traffic.decoded import decode as decode_in_memory
from tests.traffic.scripts import usual_hour
from tests.traffic.segments import SECOND
from tests.traffic.taps import Tap


def spoken(station: str = "CP_7", host: int = 20, *, start: int = MONDAY) -> Session:
    session = Session(station, client=(f"192.168.7.{host}", 49_152), start=start, first=(host, 7 * host))
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close("fin")
    return session


def packets(*sessions: Session) -> list[Packet]:
    return Tap().packets(merged(*(session.segments for session in sessions)))


def decode(*names: Path, steps: list[int] | None = None) -> Decoded:
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(FileSource(str(name)))) for name in names]
        events: list[Event] = []
        batches = read_merged(
            sources,
            lambda name, first: Pipeline(name, first_connection=first),
            lambda: steps.append(1) if steps is not None else None,
        )
        for batch in batches:
            assert batch, "nothing is not worth handing over"
            events += batch
    return Decoded(events)


def write(folder: Path, **pieces: list[Packet]) -> list[Path]:
    files = [folder / f"{name}.pcap" for name in pieces]
    for file, piece in zip(files, pieces.values(), strict=True):
        file.write_bytes(write_pcap(piece))
    return files


# ------------------------------------------------------------------------------------------------------------- a ring


def test_a_ring_is_one_capture_in_whatever_order_its_pieces_are_named(tmp_path: Path) -> None:
    session = spoken()
    whole = packets(session)
    third = len(whole) // 3
    one, two, three = write(tmp_path, one=whole[:third], two=whole[third : 2 * third], three=whole[2 * third :])
    seen = decode(two, three, one)
    assert seen.lines == as_lines(session.said)
    assert {message.channel.station for message in seen.messages} == {"CP_7"}
    assert not any(message.channel.version_inferred for message in seen.messages)
    assert seen.count(ConnectionOpened) == seen.count(ConnectionClosed) == 1
    assert seen.count(Orphan) == seen.count(Unanswered) == 0
    assert list(dict.fromkeys(message.source for message in seen.messages)) == [str(one), str(two), str(three)]


def test_evidence_counts_the_packets_of_its_own_piece(tmp_path: Path) -> None:
    session = spoken()
    whole = packets(session)
    half = len(whole) // 2
    seen = decode(*write(tmp_path, one=whole[:half], two=whole[half:]))
    for message in seen.messages:
        assert max(message.frames) <= half + 1


def test_there_may_be_time_between_the_pieces(tmp_path: Path) -> None:
    """A dumped ring lacks what was overwritten meanwhile; stations stay connected for weeks."""
    session = spoken()
    whole = packets(session)
    third = len(whole) // 3
    seen = decode(*write(tmp_path, one=whole[:third], three=whole[2 * third :]))
    assert {message.channel.station for message in seen.messages} == {"CP_7"}
    assert seen.count(ConnectionOpened) == 1


def test_pieces_with_nothing_in_them_do_not_break_the_ring(tmp_path: Path) -> None:
    session = spoken()
    whole = packets(session)
    half = len(whole) // 2
    noise: Packet = (whole[half][0], b"\xff" * 60)
    seen = decode(*write(tmp_path, a=[], one=whole[:half], quiet=[noise], b=[], two=whole[half:]))
    assert seen.lines == as_lines(session.said)
    assert {message.channel.station for message in seen.messages} == {"CP_7"}


def test_pieces_may_begin_with_comments_and_secrets(tmp_path: Path) -> None:
    """As dumpcap writes them: every piece of the ring with its own section header, all with the same comment."""
    session = spoken()
    whole = packets(session)
    half = len(whole) // 2
    files = []
    for number, piece in enumerate((whole[:half], whole[half:])):
        writer = Pcapng().section(comments=["behind the meter"]).interface(name="eth0")
        writer.secrets("CLIENT_RANDOM 00 11")
        for packet in piece:
            writer.packet(packet)
        files.append(tmp_path / f"{number}.pcapng")
        files[-1].write_bytes(bytes(writer))
    seen = decode(files[1], files[0])
    assert seen.lines == as_lines(session.said)
    assert {message.channel.station for message in seen.messages} == {"CP_7"}
    assert seen.count(CaptureComment) == seen.count(TlsSecrets) == 2


def test_a_call_in_one_piece_is_answered_in_the_next(tmp_path: Path) -> None:
    session = Session()
    session.connect()
    session.upgrade()
    id_ = session.call("station", "Heartbeat", {})
    cut = len(session.segments)
    session.answer("csms", id_, "Heartbeat", {})
    whole = packets(session)
    files = write(tmp_path, one=whole[:cut], two=whole[cut:])
    (exchange,) = decode(*files).of(Exchange)
    assert [exchange.call.source, exchange.answer.source] == list(map(str, files))


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 300), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_wherever_a_ring_is_cut_it_tells_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int
) -> None:
    session = spoken()
    whole = packets(session)
    places = [0, *sorted(cut % len(whole) for cut in cuts), len(whole)]
    files = write(
        tmp_path_factory.mktemp("ring"),
        **{f"{n}": whole[begin:end] for n, (begin, end) in enumerate(pairwise(places))},
    )
    Random(seed).shuffle(files)
    seen = decode(*files)
    assert seen.lines == as_lines(session.said)
    assert seen.count(ConnectionOpened) == 1


# -------------------------------------------------------------------------------------------------- overlapping ones


def in_order(events: Sequence[Event]) -> bool:
    times = [event.time for event in events if isinstance(event, OcppMessage)]
    return times == sorted(times)


def test_captures_that_overlap_are_merged_by_time(tmp_path: Path) -> None:
    one, two = spoken("CP_7", 20), spoken("CP_8", 21, start=MONDAY + 3 * SECOND)
    seen = decode(*write(tmp_path, left=packets(one), right=packets(two)))
    assert in_order(seen.events)
    for session, source in ((one, str(tmp_path / "left.pcap")), (two, str(tmp_path / "right.pcap"))):
        mine = [message for message in seen.messages if message.channel.station == session.station]
        assert [message.raw for message in mine] == [said.text for said in session.said]
        assert {message.source for message in mine} == {source}
    stations = [message.channel.station for message in seen.messages]
    assert len(set(stations[: len(stations) // 2])) == 2, "they were spoken at the same time"


def test_connections_of_different_captures_have_different_numbers(tmp_path: Path) -> None:
    files = write(tmp_path, left=packets(spoken("CP_7", 20)), right=packets(spoken("CP_8", 21, start=MONDAY + SECOND)))
    numbers = [event.connection.number for event in decode(*files).of(ConnectionOpened)]
    assert numbers == [1, CONNECTIONS_PER_LANE + 1]


def test_the_same_connection_seen_at_two_places_is_told_by_both(tmp_path: Path) -> None:
    session = spoken()
    seen = decode(*write(tmp_path, at_the_station=packets(session), at_the_csms=packets(session)))
    assert len(seen.messages) == 2 * len(session.said)
    assert not seen.count(Orphan)
    assert not seen.problems


def test_one_piece_that_begins_before_the_other_ends_is_another_capture(tmp_path: Path) -> None:
    session = spoken()
    whole = packets(session)
    half = len(whole) // 2
    seen = decode(*write(tmp_path, one=whole[: half + 3], two=whole[half:]))
    assert seen.count(ConnectionOpened) == 2
    assert in_order(seen.events)


def test_small_blocks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = spoken("CP_7", 20), spoken("CP_8", 21, start=MONDAY + 3 * SECOND)
    files = write(tmp_path, left=packets(one), right=packets(two))
    whole = decode(*files)
    monkeypatch.setattr(file_module, "_HEAD", 100)
    monkeypatch.setattr(file_module, "BLOCK", 300)
    pieces = decode(*files)
    assert in_order(pieces.events)
    assert pieces.lines == whole.lines


def test_a_ring_beside_another_capture_is_at_least_complete(tmp_path: Path) -> None:
    session, other = spoken("CP_7", 20), spoken("CP_8", 21, start=MONDAY + 3 * SECOND)
    whole = packets(session)
    half = len(whole) // 2
    seen = decode(*write(tmp_path, one=whole[:half], two=whole[half:], other=packets(other)))
    assert sorted(message.raw for message in seen.messages) == sorted(
        said.text for said in (*session.said, *other.said)
    )
    assert in_order(seen.events)


# ---------------------------------------------------------------------------------------------------- captures, logs


def log_of(session: Session) -> bytes:
    lines = []
    for number, said in enumerate(session.said):
        word = "received" if said.sender == "station" else "sent"
        lines.append(f"2026-08-31T08:00:{number % 60:02}Z {session.station} {word} {said.text}\n")
    return "".join(lines).encode()


def test_a_log_beside_a_capture(tmp_path: Path) -> None:
    session, other = spoken("CP_7", 20), spoken("CP_8", 21)
    (file,) = write(tmp_path, tap=packets(session))
    log = tmp_path / "steve.log"
    log.write_bytes(log_of(other))
    seen = decode(log, file)
    assert in_order(seen.events)
    assert {message.source for message in seen.messages} == {str(file), str(log)}
    assert len(seen.messages) == len(session.said) + len(other.said)


def test_a_capture_does_not_go_on_where_a_log_ended(tmp_path: Path) -> None:
    log = tmp_path / "steve.log"
    log.write_bytes(log_of(spoken("CP_8", 21))[:400].rpartition(b"\n")[0])
    session = spoken("CP_7", 20, start=MONDAY + 3600 * SECOND)
    seen = decode(log, *write(tmp_path, tap=packets(session)))
    assert [event.connection.number for event in seen.of(ConnectionOpened)] == [CONNECTIONS_PER_LANE + 1]


def test_sources_with_nothing_to_tell(tmp_path: Path) -> None:
    assert decode(*write(tmp_path, a=[], b=[])).events == []


def test_progress_is_told_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "BLOCK", 4096)
    monkeypatch.setattr(file_module, "_HEAD", 4096)
    steps: list[int] = []
    decode(*write(tmp_path, a=packets(spoken()), b=packets(spoken("CP_8", 21))), steps=steps)
    assert len(steps) > 4


# -------------------------------------------------------------------------------------------------------- one source


@pytest.mark.parametrize("size", [200, 1 << 20])
def test_one_source_is_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(file_module, "BLOCK", size)
    monkeypatch.setattr(file_module, "_HEAD", size)
    session = spoken()
    (file,) = write(tmp_path, tap=packets(session))
    steps: list[int] = []
    step: Callable[[], None] = lambda: steps.append(1)  # noqa: E731
    with closing(FileSource(str(file))) as source:
        batches = list(read_one(source, Pipeline("tap"), step))
    assert Decoded(event for batch in batches for event in batch).lines == as_lines(session.said)
    assert len(steps) == len(batches) - 1
    assert (len(batches) > 20) == (size == 200)


# ---------------------------------------------------------------------------------------------------- traces and logs


def trace_of(session: Session) -> bytes:
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    for event in decode_in_memory(write_pcap(packets(session))).events:
        writer.event(event)
    writer.finish()
    return b"".join(written)


def test_three_traces_are_one_conversation(tmp_path: Path) -> None:
    """Each station's own, as three colleagues brought them."""
    sessions = [spoken(f"CP_{number}", 20 + number, start=MONDAY + number * SECOND) for number in (7, 8, 9)]
    files = []
    for session in sessions:
        files.append(tmp_path / f"{session.station}.jsonl")
        files[-1].write_bytes(trace_of(session))
    seen = decode(*reversed(files))
    assert in_order(seen.events)
    for session, file in zip(sessions, files, strict=True):
        mine = [message for message in seen.messages if message.channel.station == session.station]
        assert [message.raw for message in mine] == [said.text for said in session.said]
        assert {message.source for message in mine} == {str(file)}
    assert seen.count(Orphan) == seen.count(Unanswered) == 0
    stations = [message.channel.station for message in seen.messages]
    assert len(set(stations[: len(stations) // 2])) == 3, "they were spoken at the same time"


def test_a_trace_and_the_capture_that_it_was_made_of_say_the_same_at_the_same_time(tmp_path: Path) -> None:
    session = spoken()
    (file,) = write(tmp_path, tap=packets(session))
    trace = tmp_path / "tap.jsonl"
    trace.write_bytes(trace_of(session))
    seen = decode(trace, file)
    assert in_order(seen.events)
    from_capture, from_trace = (
        [(message.time, message.raw) for message in seen.messages if message.source == str(name)]
        for name in (file, trace)
    )
    assert from_capture == from_trace
    assert len(from_trace) == len(session.said)


def test_three_captures_that_overlap(tmp_path: Path) -> None:
    sessions = [spoken(f"CP_{number}", 20 + number, start=MONDAY + number * SECOND) for number in (7, 8, 9)]
    seen = decode(*write(tmp_path, **{session.station: packets(session) for session in sessions}))
    assert in_order(seen.events)
    numbers = [event.connection.number // CONNECTIONS_PER_LANE for event in seen.of(ConnectionOpened)]
    assert numbers == [0, 1, 2]
    for session in sessions:
        said = [message.raw for message in seen.messages if message.channel.station == session.station]
        assert said == [one.text for one in session.said]
