"""Whatever happens to a conversation on its way into a capture: what was said comes out, or it is said what is missing.

A station and its CSMS talk by script (``tests.traffic.conversation``); networks and taps do to it what they do
(``mishaps``, ``taps``); fieldkit decodes the capture, and is held against the script. Three promises:

- where nothing is lost, every message comes out, once, to the byte, in order, with its station;
- where something is lost, what comes out was said, in that order, and the loss is admitted;
- how a capture is written, cut into files or fed makes no difference.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Exchange,
    MessageType,
    Orphan,
    Retransmission,
    Sender,
    StreamGap,
    Unanswered,
    WsControl,
)
from tests.traffic.capture import Packet, Pcapng, write_pcap, write_pcapng
from tests.traffic.conversation import MONDAY, Said, Session, compact, merged
from tests.traffic.decoded import Decoded, Line, as_lines, decode, decode_files
from tests.traffic.mishaps import doubled, lossy, overlapped, reordered, repeated, translated
from tests.traffic.packets import ENCAPSULATIONS, destination_options, hop_by_hop, routing
from tests.traffic.scripts import boot_16, charge_16, configure_16, heartbeat, usual_hour
from tests.traffic.segments import MICROSECOND, MILLISECOND, SECOND, Segment
from tests.traffic.taps import Tap

SIDES: tuple[Sender, Sender] = ("station", "csms")

FOUR = {"client": ("192.168.7.20", 49_152), "server": ("203.0.113.5", 8080)}
SIX = {"client": ("2001:db8:7::20", 49_152), "server": ("2001:db8:cafe::5", 8080)}
INSIDE = ("172.17.0.2", 9000)

EXTENSIONS = [(), (hop_by_hop(),), (hop_by_hop(), routing("2001:db8::1"), destination_options())]


# ------------------------------------------------------------------------------------------------------------ scenarios


class Scenario(NamedTuple):
    """A conversation, and what happens to it; hypothesis shows it when a promise is broken."""

    session: dict[str, Any]
    mishaps: list[str]
    tap: dict[str, Any]
    seed: int

    def play(self, script: Callable[[Session], None] = usual_hour) -> Session:
        options = dict(self.session)
        end = options.pop("end")
        session = Session("CP_7", **options)
        session.connect()
        session.upgrade()
        script(session)
        session.ping("csms", b"still there?")
        session.close(end, by_client=False)
        return session

    def suffered(self, segments: list[Segment]) -> list[Segment]:
        random = Random(self.seed)
        what: dict[str, Callable[[list[Segment]], list[Segment]]] = {
            "reordered": lambda those: reordered(those, random),
            "overlapped": lambda those: overlapped(those, random),
            "repeated": lambda those: repeated(those, random),
            "doubled": doubled,
        }
        for name in self.mishaps:
            segments = what[name](segments)
        return segments

    def packets(self, segments: list[Segment]) -> list[Packet]:
        return Tap(**self.tap, shuffle=Random(self.seed)).packets(segments)

    def captured(self, segments: list[Segment]) -> bytes:
        return write_pcap(self.packets(segments), linktype=Tap(**self.tap).linktype)


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    mishaps: Sequence[str] = ("reordered", "overlapped", "repeated", "doubled"),
    deflate: Sequence[str] = ("", "takeover", "no takeover"),
    mss: Sequence[int] = (37, 100, 400, 1448),
    cut_every: Sequence[int] = (0, 0, 7, 50, 200),
) -> Scenario:
    six = draw(st.booleans())
    return Scenario(
        session={
            "version": draw(st.sampled_from(["1.6", "2.0.1", "2.1"])),
            **(SIX if six else FOUR),
            "deflate": draw(st.sampled_from(deflate)),
            "cut_every": draw(st.sampled_from(cut_every)),
            "mss": draw(st.sampled_from(mss)),
            "first": draw(st.sampled_from([(1, 2), (2**32 - 300, 2**32 - 900), (2**31 - 500, 2**32 - 1)])),
            "acknowledge": draw(st.booleans()),
            "end": draw(st.sampled_from(["fin", "rst", ""])),
        },
        mishaps=[name for name in mishaps if draw(st.booleans())],
        tap={
            "encapsulation": draw(st.sampled_from(sorted(ENCAPSULATIONS))),
            "fragment": draw(st.sampled_from([0, 0, 64, 256])),
            "extensions": draw(st.sampled_from(EXTENSIONS)) if six else (),
        },
        seed=draw(st.integers(0, 2**16)),
    )


def of(sender: Sender, lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.sender == sender]


def a_session(station: str = "CP_7", *, script: Callable[[Session], None] = usual_hour, **options: Any) -> Session:
    session = Session(station, **options)
    session.connect()
    session.upgrade()
    script(session)
    session.close()
    return session


def kept(session: Session, segments: Iterable[Segment], sender: Sender) -> list[Said]:
    """The messages of one side of which every byte is in these segments."""
    from_client = sender == "station"
    first = session.tcp.begins(from_client)
    known = bytearray(session.tcp.sent[not from_client])
    for segment in segments:
        if segment.from_client is from_client and segment.payload:
            at = (segment.seq - first) % 2**32
            if at < len(known):
                known[at : at + len(segment.payload)] = b"\1" * len(segment.payload)
    return [said for said in session.said if said.sender == sender and all(known[said.begin : said.end])]


def fits(found: str, said: str) -> bool:
    """Is this what was said, but for bytes that are marked as unknown?"""
    return re.fullmatch(".".join(map(re.escape, found.split("\ufffd"))), said, re.DOTALL) is not None


def admits_loss(run: Decoded) -> bool:
    return run.count(StreamGap) + run.count(DecodeError) > 0


def assert_said_in_order(lines: Iterable[Line], session: Session) -> None:
    """Every line was said, and none before the one above it."""
    for sender in SIDES:
        said = iter([message.text for message in session.said if message.sender == sender])
        for line in of(sender, lines):
            assert any(fits(line.text, text) for text in said), f"not said, or not in this order: {line.text}"


# --------------------------------------------------------------------------------------------------- nothing is missing


@settings(max_examples=120)
@given(scenarios())
def test_where_nothing_is_lost_every_message_comes_out(scenario: Scenario) -> None:
    session = scenario.play()
    segments = scenario.suffered(session.segments)
    run = decode(scenario.captured(segments))
    assert run.lines == as_lines(session.said)
    assert run.of(StreamGap) == []
    assert run.of(DecodeError) == []
    assert run.count(Exchange) == len(session.said) // 2
    assert run.count(Orphan) == run.count(Unanswered) == 0
    if is_sorted(packet[0] for packet in scenario.packets(segments)):
        assert is_sorted(event.time for event in run.events)


def is_sorted(times: Iterable[int]) -> bool:
    return all(earlier <= later for earlier, later in pairwise(times))


@settings(max_examples=25)
@given(st.lists(scenarios(mishaps=["reordered", "repeated"]), min_size=2, max_size=4), st.integers(0, 3 * SECOND))
def test_stations_that_talk_at_the_same_time_are_told_apart(several: list[Scenario], apart: int) -> None:
    sessions = []
    for number, scenario in enumerate(several):
        options = {**scenario.session, "client": (scenario.session["client"][0], 49_152 + number)}
        options["start"] = MONDAY + number * (apart // MICROSECOND) * MICROSECOND
        # Two stations with the same sequence numbers and the same first bytes would be one, seen behind a NAT.
        options["first"] = (options["first"][0] + number, options["first"][1])
        end = options.pop("end")
        session = Session(f"CP_{number}", seed=number, **options)
        session.connect()
        session.upgrade()
        usual_hour(session)
        session.close(end)
        sessions.append(session)
    segments = merged(
        *(scenario.suffered(session.segments) for scenario, session in zip(several, sessions, strict=True))
    )
    tap = Tap()
    run = decode(write_pcap(tap.packets(segments)))
    for session in sessions:
        assert [line for line in run.lines if line.station == session.station] == as_lines(session.said)
        versions = {m.channel.version for m in run.messages if m.channel.station == session.station}
        assert versions == {session.version}


@given(st.integers(0, 2**16), st.sampled_from([120, 1448]), st.sampled_from(["", "takeover"]))
@settings(max_examples=10)
def test_a_local_list_of_a_thousand_tags_comes_out_whole(seed: int, mss: int, deflate: str) -> None:
    tags = [{"idTag": f"{number:020}", "idTagInfo": {"status": "Accepted"}} for number in range(1000)]

    def script(session: Session) -> None:
        update = {"listVersion": 7, "updateType": "Full", "localAuthorizationList": tags}
        session.call("csms", "SendLocalList", update, {"status": "Accepted"})

    session = a_session(script=script, mss=mss, deflate=deflate)
    random = Random(seed)
    segments = overlapped(reordered(session.segments, random), random, 0.1)
    run = decode(write_pcap(Tap().packets(segments)))
    assert run.lines == as_lines(session.said)
    assert len(run.messages[0].raw) > 65_536, "a 64 bit length on the wire"


def test_messages_that_share_a_segment_are_separate_messages() -> None:
    session = Session()
    session.connect()
    session.upgrade()
    boot_16(session)
    first = session.call("station", "Heartbeat", {}, None)
    calls = [(f"both-{number}", compact([2, f"both-{number}", "ClearCache", {}])) for number in range(3)]
    session.together(
        "csms",
        [
            (compact([3, first, {"currentTime": session.timestamp()}]), MessageType.CALLRESULT, first, "Heartbeat"),
            *((text, MessageType.CALL, id_, "ClearCache") for id_, text in calls),
        ],
    )
    for id_, _ in calls:
        session.answer("station", id_, "ClearCache", {"status": "Accepted"})
    session.close()
    run = decode(write_pcap(Tap().packets(session.segments)))
    assert run.lines == as_lines(session.said)
    together = [
        message.frames for message in run.messages if message.id.startswith("both") and message.sender == "csms"
    ]
    assert together == [together[0]] * 3


@pytest.mark.parametrize("garbage", [False, True])
def test_signs_of_life_are_no_messages(garbage: bool) -> None:
    """TCP keep-alives, also those with a byte of garbage, and pings with and without payload."""
    session = Session()
    session.connect()
    session.upgrade()
    boot_16(session)
    for _ in range(5):
        session.clock.wait(3600)
        session.tcp.keep_alive(True, garbage=garbage)
        session.tcp.keep_alive(False, garbage=garbage)
        session.ping("csms")
        session.ping("station", b"12345678")
    heartbeat(session)
    session.close()
    run = decode(write_pcap(Tap().packets(session.segments)))
    assert run.lines == as_lines(session.said)
    assert sum(control.kind == "ping" for control in run.of(WsControl)) == 10
    kinds = [event.kind for event in run.of(Retransmission)]
    assert kinds == (["keep-alive"] * 10 if garbage else [])


@pytest.mark.parametrize(
    ("path", "station"),
    [
        ("/CP_1", "CP_1"),
        ("/steve/websocket/CentralSystemService/CP_1", "CP_1"),
        ("/ocpp/S%C3%A4ule%2F1", "Säule/1"),
        ("/ocpp/CP_1/", "CP_1"),
        ("/ocpp/CP_1?token=abc/def", "CP_1"),
        ("wss://csms.example/ocpp/CP_1", "CP_1"),
    ],
)
def test_the_station_is_the_last_part_of_the_path(path: str, station: str) -> None:
    session = Session()
    session.connect()
    session.upgrade(path=path)
    heartbeat(session)
    run = decode(write_pcap(Tap().packets(session.segments)))
    assert {line.station for line in run.lines} == {station}
    assert not any(message.channel.station_inferred for message in run.messages)


# ----------------------------------------------------------------------------------------------- everything comes twice


@settings(max_examples=30)
@given(
    scenarios(mishaps=["reordered", "repeated"]),
    st.sampled_from([{"client": "172.17.0.9"}, {"server": INSIDE}, {"client": "10.9.9.9", "server": INSIDE}]),
)
def test_a_capture_on_both_sides_of_a_nat_shows_each_message_once(scenario: Scenario, nat: dict[str, Any]) -> None:
    session = scenario._replace(session={**scenario.session, **FOUR}).play()
    packets = Tap().packets(translated(scenario.suffered(session.segments), **nat))
    run = decode(write_pcap(packets))
    assert run.lines == as_lines(session.said)
    protocols = [event.protocol for event in run.of(ConnectionRecognised)]
    assert sorted(protocols) == ["http", "mirror", "websocket"]


@given(st.integers(8, 60))
@settings(max_examples=20)
def test_so_does_one_that_begins_midway(first: int) -> None:
    session = a_session()
    midway = session.segments[first:]
    alone = decode(write_pcap(Tap().packets(midway)))
    both = decode(write_pcap(Tap().packets(translated(midway, "172.17.0.9"))))
    assert [line.text for line in both.lines] == [line.text for line in alone.lines]
    assert len({line.station for line in both.lines}) <= 1


# ------------------------------------------------------------------------------------------------- something is missing


@settings(max_examples=80)
@given(scenarios(mishaps=["reordered", "overlapped", "repeated"]), st.sampled_from([0.02, 0.1, 0.4]))
def test_where_segments_are_lost_nothing_is_invented_and_the_loss_is_admitted(scenario: Scenario, share: float) -> None:
    session = scenario.play()
    segments = lossy(scenario.suffered(session.segments), Random(scenario.seed), share)
    run = decode(scenario.captured(segments))
    assert_said_in_order(run.lines, session)
    if len(run.lines) < len(session.said):
        assert admits_loss(run)


@settings(max_examples=40)
@given(scenarios(mishaps=[], deflate=["", "no takeover"], mss=[1448], cut_every=[0]), st.sampled_from([0.02, 0.1, 0.3]))
@example(Scenario({"version": "1.6", **FOUR, "mss": 400, "end": "fin"}, [], {}, 7), 0.2)
def test_every_message_that_is_whole_in_the_capture_comes_out(scenario: Scenario, share: float) -> None:
    """However many others are lost. (Compressed messages in several segments, or fragments, leave too little to find
    the next frame by.)"""
    session = scenario.play()
    handshake, talk = session.segments[:7], session.segments[7:]
    segments = handshake + lossy(talk, Random(scenario.seed), share)
    run = decode(write_pcap(Tap().packets(segments)))
    for sender in SIDES:
        whole = [said.text for said in kept(session, segments, sender)]
        assert [line.text for line in of(sender, run.lines)] == whole


@settings(max_examples=30)
@given(st.integers(3, 22), st.sampled_from(["station", "csms"]))
def test_one_lost_message_costs_one_exchange(number: int, side: Sender) -> None:
    """What comes behind the hole is told before the answers to it, with the time at which it came."""
    session = a_session()
    lost = [said for said in session.said if said.sender == side][number % 11]
    first = session.tcp.begins(side == "station")
    segments = [
        segment
        for segment in session.segments
        if segment.from_client is not (side == "station")
        or not segment.payload
        or not lost.begin <= (segment.seq - first) % 2**32 < lost.end
    ]
    run = decode(write_pcap(Tap().packets(segments)))
    assert [line.id for line in run.lines] == [said.id for said in session.said if said is not lost]
    assert run.count(Exchange) == len(session.said) // 2 - 1
    assert run.count(Orphan) + run.count(Unanswered) == 1
    assert len(run.of(StreamGap)) == 1
    times = {said.id: [time for time, other in session.timed() if other.id == said.id] for said in session.said}
    assert all(message.time in times[message.id] for message in run.messages), "as of when it came"


@pytest.mark.parametrize("deflate", ["", "no takeover"])
@settings(max_examples=30)
@given(first=st.integers(8, 50))
@example(first=8)
def test_a_capture_that_begins_midway_gives_all_that_follows(deflate: str, first: int) -> None:
    session = a_session(deflate=deflate, acknowledge=False)
    segments = session.segments[min(first, len(session.segments) - 8) :]
    run = decode(write_pcap(Tap().packets(segments)))
    whole = {said.id + said.sender for sender in SIDES for said in kept(session, segments, sender)}
    assert [line.text for line in run.lines] == [said.text for said in session.said if said.id + said.sender in whole]
    assert all(message.channel.station_inferred and message.channel.sides_inferred for message in run.messages)
    (opened,) = run.of(ConnectionOpened)
    assert opened.connection.joined_midstream


@settings(max_examples=40)
@given(scenarios(mishaps=["reordered", "overlapped", "repeated"]), st.integers(7, 120))
def test_wherever_it_begins_nothing_is_invented(scenario: Scenario, first: int) -> None:
    session = scenario.play()
    run = decode(scenario.captured(scenario.suffered(session.segments)[first:]))
    assert_said_in_order(run.lines, session)
    holed = [line for line in run.lines if "\ufffd" in line.text]
    if holed:
        assert any(error.layer == "deflate" for error in run.of(DecodeError))


def test_compression_that_began_before_the_capture_is_admitted_once_a_connection() -> None:
    session = a_session(deflate="takeover")
    run = decode(write_pcap(Tap().packets(session.segments[20:])))
    (error,) = run.of(DecodeError)
    assert (error.layer, error.data) == ("deflate", b"")
    assert "compression context is not in the capture" in error.reason


@settings(max_examples=30)
@given(scenarios(mishaps=["reordered", "overlapped", "repeated", "doubled"]), st.sampled_from(SIDES))
def test_one_side_alone_gives_all_that_it_said(scenario: Scenario, side: Sender) -> None:
    session = scenario.play()
    segments = [one for one in scenario.suffered(session.segments) if one.from_client is (side == "station")]
    run = decode(scenario.captured(segments))
    assert [(line.sender, line.text) for line in run.lines] == [
        (said.sender, said.text) for said in session.said if said.sender == side
    ]
    if side == "station":
        assert {line.station for line in run.lines} == {"CP_7"}, "the request alone tells who it is"


@settings(max_examples=40)
@given(scenarios(mishaps=[], deflate=[""], mss=[1448]), st.integers(60, 500))
@example(Scenario({"version": "1.6", **FOUR, "end": "fin"}, [], {}, 0), 54)
def test_a_snap_length_leaves_what_is_whole_and_admits_the_rest(scenario: Scenario, snaplen: int) -> None:
    session = scenario.play()
    run = decode(write_pcap(Tap(snaplen=snaplen).packets(session.segments)))
    assert_said_in_order(run.lines, session)
    if len(run.lines) < len(session.said):
        assert admits_loss(run)


def test_a_connection_that_goes_silent_leaves_its_call_unanswered() -> None:
    session = Session()
    session.connect()
    session.upgrade()
    boot_16(session)
    session.call("csms", "Reset", {"type": "Hard"}, None)
    run = decode(write_pcap(Tap().packets(session.segments)))
    assert [event.call.action for event in run.of(Unanswered)] == ["Reset"]
    assert [event.how for event in run.of(ConnectionClosed)] == ["end-of-capture"]


# ----------------------------------------------------------------------------------------------- how it is written down


FORMS: dict[str, Callable[[list[Packet]], bytes]] = {
    "pcap, microseconds": write_pcap,
    "pcap, nanoseconds": lambda packets: write_pcap(packets, nanoseconds=True),
    "pcap, big-endian": lambda packets: write_pcap(packets, big_endian=True),
    "pcap, big-endian, nanoseconds": lambda packets: write_pcap(packets, big_endian=True, nanoseconds=True),
    "pcap, modified": lambda packets: write_pcap(packets, modified=True),
    "pcapng": write_pcapng,
    "pcapng, nanoseconds": lambda packets: write_pcapng(packets, nanoseconds=True),
    "pcapng, big-endian": lambda packets: write_pcapng(packets, big_endian=True),
    "pcap, gzipped": lambda packets: gzip.compress(write_pcap(packets)),
    "pcapng, gzipped in two pieces": lambda packets: b"".join(
        map(gzip.compress, (write_pcapng(packets)[:1000], write_pcapng(packets)[1000:]))
    ),
}


def a_busy_day() -> list[Packet]:
    sessions = [
        a_session("CP_1", client=("192.168.7.1", 49_001), mss=200),
        a_session("CP_2", version="2.0.1", client=("192.168.7.2", 49_002), deflate="takeover", start=MONDAY + SECOND),
    ]
    random = Random(3)
    return Tap().packets(reordered(merged(*(session.segments for session in sessions)), random))


def told(run: Decoded) -> list[tuple[Any, ...]]:
    return [
        (message.time, message.frames, message.channel.station, message.channel.version, message.raw)
        for message in run.messages
    ]


@pytest.mark.parametrize("form", FORMS)
def test_the_format_of_a_capture_makes_no_difference(form: str) -> None:
    packets = a_busy_day()
    run = decode(FORMS[form](packets))
    assert told(run) == told(decode(write_pcap(packets)))
    assert len(run.messages) == 44


@settings(max_examples=15)
@given(st.sampled_from(sorted(FORMS)), st.lists(st.integers(1, 4000), max_size=40))
def test_nor_does_the_size_of_the_pieces_in_which_it_comes(form: str, sizes: list[int]) -> None:
    data = FORMS[form](a_busy_day())
    assert told(decode(data, sizes)) == told(decode(data))


def ring(folder: Path, packets: list[Packet], cuts: Iterable[int]) -> list[Path]:
    """The files of a ring buffer, in the order in which they were written."""
    places = [0, *sorted(cuts), len(packets)]
    paths = []
    for number, (begin, end) in enumerate(pairwise(places)):
        paths.append(folder / f"ring_{number}.pcap")
        paths[-1].write_bytes(write_pcap(packets[begin:end]))
    return paths


@settings(max_examples=25)
@given(st.data())
def test_a_ring_of_files_is_one_capture(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    packets = a_busy_day()
    cuts = data.draw(st.lists(st.integers(0, len(packets)), min_size=1, max_size=3))
    paths = ring(tmp_path_factory.mktemp("ring"), packets, cuts)
    whole = decode(write_pcap(packets))
    run = decode_files(*data.draw(st.permutations(paths)), validate=False)
    assert run.lines == whole.lines
    assert [message.time for message in run.messages] == [message.time for message in whole.messages]
    assert run.count(ConnectionOpened) == 2, "connections go on across the cut"
    assert run.count(Exchange) == whole.count(Exchange)
    assert not any(message.channel.station_inferred for message in run.messages)


def test_a_ring_of_pcapng_files_goes_on_behind_the_comments_at_the_head_of_each(tmp_path: Path) -> None:
    packets = a_busy_day()
    paths = []
    for number, piece in enumerate((packets[:40], packets[40:])):
        writer = Pcapng().section(comments=[f"file {number}"]).interface(comments=["eth0"])
        writer.secrets(f"CLIENT_RANDOM {number:064x} {number:096x}\n")
        for packet in piece:
            writer.packet(packet)
        paths.append(tmp_path / f"{number}.pcapng")
        paths[-1].write_bytes(bytes(writer))
    run = decode_files(*reversed(paths), validate=False)
    assert run.lines == decode(write_pcap(packets)).lines
    assert run.count(ConnectionOpened) == 2


@settings(max_examples=15)
@given(st.integers(-200, 200).map(lambda seconds: seconds * SECOND), st.booleans())
def test_captures_that_overlap_are_merged_by_time(
    tmp_path_factory: pytest.TempPathFactory, apart: int, swapped: bool
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    first = a_session("CP_1", client=("192.168.7.1", 49_001))
    second = a_session("CP_2", client=("192.168.7.2", 49_002), start=MONDAY + apart)
    (folder / "a.pcap").write_bytes(write_pcap(Tap().packets(first.segments)))
    (folder / "b.pcapng").write_bytes(write_pcapng(Tap("Linux cooked v2").packets(second.segments), linktype=276))
    names = ["b.pcapng", "a.pcap"] if swapped else ["a.pcap", "b.pcapng"]
    run = decode_files(*(folder / name for name in names), validate=False)
    times = [message.time for message in run.messages]
    assert times == sorted(times)
    for session, name in ((first, "a.pcap"), (second, "b.pcapng")):
        assert [line for line in run.lines if line.station == session.station] == as_lines(session.said)
        sources = {message.source for message in run.messages if message.channel.station == session.station}
        assert sources == {str(folder / name)}
    numbers = [opened.connection.number for opened in run.of(ConnectionOpened)]
    assert len(set(numbers)) == 2


def test_latency_is_the_time_between_call_and_answer() -> None:
    session = Session()
    session.connect()
    session.upgrade()
    configure_16(session)
    charge_16(session)
    run = decode(write_pcap(Tap().packets(session.segments), nanoseconds=True))
    at = {(said.sender, said.id): time for time, said in session.timed()}
    for exchange in run.of(Exchange):
        call, answer = exchange.call, exchange.answer
        assert answer.time - call.time == at[answer.sender, answer.id] - at[call.sender, call.id]
        assert 0 < answer.time - call.time < 100 * MILLISECOND
