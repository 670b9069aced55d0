"""What the relay tells becomes a recording that reads back as what was decoded, whoever reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fieldkit import schemastore
from fieldkit.events import ConnectionClosed, DecodeError, Event, OcppMessage, StreamGap, TlsHello
from fieldkit.ocpp.schema import Schemas
from fieldkit.pipeline import TLS_TAKEN_OFF, Pipeline
from fieldkit.reports.trace import TraceWriter
from fieldkit.sources.proxy.overheard import Overheard
from fieldkit.sources.proxy.tap import _GAP, _HEAD, Record, TapReader, What
from fieldkit.sources.recording import Recording, Ring
from tests.traffic.decoded import decode_files
from tests.traffic.proxylab import ANSWER, UPGRADE, frame
from tests.traffic.tshark import TSHARK

SECOND = 1_000_000_000
START = 1_788_163_200 * SECOND
V4 = ["192.168.7.20", 49152, "192.168.7.2", 9000]
V6 = ["2001:db8::20", 49152, "::1", 9000]
HEARTBEAT = b'[2,"1","Heartbeat",{}]'
KEY = b'[2,"7","ChangeConfiguration",{"key":"AuthorizationKey","value":"0123456789abcdef"}]'


class Relay:
    """Makes records as a relay would."""

    def __init__(self, number: int = 1, ends: list[object] | None = None) -> None:
        self.records: list[Record] = []
        self._number = number
        self.time = START
        self.tell(What.OPENED, json.dumps(ends or V4).encode())

    def tell(self, what: What, data: bytes = b"") -> Relay:
        self.time += SECOND // 100
        self.records.append(Record(what, self._number, self.time, data))
        return self

    def upgrade(self) -> Relay:
        self.tell(What.HEAD, UPGRADE).tell(What.CSMS, ANSWER)
        return self.tell(What.UPGRADED, ANSWER)

    def end(self) -> Relay:
        return self.tell(What.FIN, b"\1").tell(What.FIN, b"\0")


def overhear(records: list[Record], path: Path | None, *, comment: str = "", ring: Ring | None = None) -> list[Event]:
    recording = Recording(path, ring, comment) if path is not None else None
    pipeline = Pipeline(str(path or "proxy"), schemas=Schemas(schemastore.load))
    overheard = Overheard(pipeline, recording, name="proxy", description="the station's leg")
    events = [event for record in records for event in overheard.feed(record)]
    return events + overheard.finish(records[-1].time + SECOND)


def trace_of(events: list[Event]) -> list[str]:
    writer = TraceWriter(lambda data: None)
    return writer.lines([event for event in events if isinstance(event, OcppMessage)])


def trace_of_file(path: Path) -> list[str]:
    return trace_of(decode_files(path).events)


@pytest.mark.parametrize("ends", [V4, V6, ["::ffff:10.0.0.1", 5, "10.0.0.2", 9000], ["fe80::1%eth0", 5, "fe80::2", 9]])
def test_a_recording_gives_the_same_trace_as_what_was_heard(tmp_path: Path, ends: list[object]) -> None:
    relay = Relay(ends=ends).upgrade()
    relay.tell(What.STATION, frame(HEARTBEAT, masked=True)[:9])
    relay.tell(What.CSMS, frame(b"", 9))
    relay.tell(What.STATION, frame(HEARTBEAT, masked=True)[9:] + frame(b'[2,"2","BootNotification",{}]', masked=True))
    relay.tell(What.CSMS, frame(b'[3,"1",{"currentTime":"2026-08-31T08:00:00Z"}]'))
    relay.tell(What.STATION, frame(b'[2,"3","DataTransfer",{"data":"' + b"x" * 90_000 + b'"}]', masked=True))
    relay.end()
    path = tmp_path / "out.pcapng"
    heard = overhear(relay.records, path)
    assert len(trace_of(heard)) == 4
    assert trace_of(heard) == trace_of_file(path)


def test_secrets_are_overwritten_in_the_recording_and_known_to_the_decoder(tmp_path: Path) -> None:
    relay = Relay()
    credentials = UPGRADE.replace(b"X-Vendor", b"Authorization: Basic Q1BfNzpnZWhlaW0=\r\nX-Vendor")
    relay.tell(What.HEAD, credentials).tell(What.CSMS, ANSWER).tell(What.UPGRADED, ANSWER)
    whole = frame(KEY)
    relay.tell(What.CSMS, whole[:40]).tell(What.CSMS, whole[40:70]).tell(What.CSMS, whole[70:]).end()
    path = tmp_path / "out.pcapng"
    heard = overhear(relay.records, path)
    (message,) = [event for event in heard if isinstance(event, OcppMessage)]
    assert "0123456789abcdef" in message.raw
    recorded = path.read_bytes()
    assert b"0123456789abcdef" not in recorded
    assert b"Q1BfNzpnZWhlaW0=" not in recorded
    assert trace_of(heard) == trace_of_file(path)


def test_a_message_whose_rest_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    relay = Relay().upgrade().tell(What.STATION, frame(HEARTBEAT, masked=True)[:12])
    overheard = Overheard(Pipeline("p"), Recording(tmp_path / "a.pcapng"), name="", description="")
    for record in relay.records:
        overheard.feed(record)
    before = overheard.packets
    overheard.tick(relay.time + SECOND)
    assert overheard.packets == before
    overheard.tick(relay.time + 3 * SECOND)
    assert overheard.packets == before + 1
    # … and the next one is searched again
    relay.records.clear()
    relay.tell(What.STATION, frame(HEARTBEAT, masked=True)[12:]).tell(What.STATION, frame(KEY, masked=True))
    events = [event for record in relay.records for event in overheard.feed(record)]
    assert [event.action for event in events if isinstance(event, OcppMessage)] == ["Heartbeat", "ChangeConfiguration"]
    overheard.finish(relay.time)
    assert (
        len(
            [
                line
                for line in trace_of_file(tmp_path / "a.pcapng")
                if '"****************"' in line or "(hidden)" in line
            ]
        )
        == 1
    )


def test_what_was_left_out_is_a_gap_in_both(tmp_path: Path) -> None:
    relay = Relay().upgrade().tell(What.GAP, _GAP.pack(1, 5000))
    relay.tell(What.STATION, frame(HEARTBEAT, masked=True)).end()
    path = tmp_path / "out.pcapng"
    heard = overhear(relay.records, path)
    read = decode_files(path).events
    for events in (heard, read):
        (gap,) = [event for event in events if isinstance(event, StreamGap)]
        assert (gap.from_client, gap.missing) == (True, 5000)
    assert trace_of(heard) == trace_of_file(path)


@pytest.mark.parametrize(
    ("ends", "how", "by_client"),
    [
        ([(What.FIN, b"\1"), (What.FIN, b"\0")], "fin", True),
        ([(What.FIN, b"\0"), (What.FIN, b"\1")], "fin", False),
        ([(What.RST, b"\1")], "rst", True),
        ([(What.RST, b"\0")], "rst", False),
        ([(What.FIN, b"\1"), (What.RST, b"\0")], "fin", True),
        ([], "end-of-capture", None),
    ],
)
def test_how_a_connection_ended_reads_back(
    tmp_path: Path, ends: list[tuple[What, bytes]], how: str, by_client: bool | None
) -> None:
    relay = Relay().upgrade()
    for what, data in ends:
        relay.tell(what, data)
    path = tmp_path / "out.pcapng"
    for events in (overhear(relay.records, path), decode_files(path).events):
        (closed,) = [event for event in events if isinstance(event, ConnectionClosed)]
        assert (closed.how, closed.by_client) == (how, by_client)


def test_tls_that_was_taken_off_is_known_while_listening_and_when_read_back(tmp_path: Path) -> None:
    facts = {"version": 0x0304, "suite": 0x1301, "server_name": "proxy.test", "resumed": False, "text": "TLSv1.3"}
    relay = Relay().tell(What.SECURED, json.dumps(facts).encode()).upgrade().end()
    path = tmp_path / "out.pcapng"
    heard = overhear(relay.records, path, comment=f"fieldkit: {TLS_TAKEN_OFF}")
    (hello,) = [event for event in heard if isinstance(event, TlsHello)]
    assert (hello.version, hello.suites, hello.server_name) == (0x0304, (0x1301,), "proxy.test")
    assert any(isinstance(event, TlsHello) for event in decode_files(path).events)


def test_recording_goes_on_when_decoding_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay().upgrade().tell(What.STATION, frame(HEARTBEAT, masked=True)).end()

    def broken(self: Pipeline, item: object) -> list[Event]:
        raise RuntimeError("of our own making")

    path = tmp_path / "out.pcapng"
    with monkeypatch.context() as patched:
        patched.setattr(Pipeline, "feed_bytes", broken)
        events = overhear(relay.records, path)
    assert any(isinstance(event, DecodeError) and "of our own making" in event.reason for event in events)
    assert len(trace_of_file(path)) == 1


def test_a_ring_numbers_frames_by_file(tmp_path: Path) -> None:
    relay = Relay().upgrade()
    for _ in range(120):
        relay.tell(What.STATION, frame(b'[2,"1","DataTransfer",{"data":"' + b"x" * 15_000 + b'"}]', masked=True))
    heard = overhear(relay.records, tmp_path / "out.pcapng", ring=Ring(3, 1 << 20))
    messages = [event for event in heard if isinstance(event, OcppMessage)]
    assert len(messages) == 120
    assert len({message.source for message in messages}) == 2
    assert min(message.frames[0] for message in messages if message.source == messages[-1].source) == 1


def test_the_tap_may_cut_anywhere() -> None:
    relay = Relay().upgrade().end()
    stream = b"".join(
        _HEAD.pack(record.what, record.connection, record.time, len(record.data)) + record.data
        for record in relay.records
    )
    reader = TapReader()
    read = [record for at in range(0, len(stream), 7) for record in reader.feed(stream[at : at + 7])]
    assert read == relay.records


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
@pytest.mark.parametrize("ends", [V4, V6])
def test_wireshark_finds_nothing_to_object_to(tmp_path: Path, ends: list[object]) -> None:
    relay = Relay(ends=ends).upgrade()
    for size in (10, 200, 70_000, 3_000_000):
        relay.tell(What.STATION, frame(b"x" * size, masked=False))
        relay.tell(What.NOTE, b"a fault")
        relay.tell(What.NOTE, b"and another")
        relay.tell(What.CSMS, frame(b"y" * size))
    relay.end()
    path = tmp_path / "out.pcapng"
    overhear(relay.records, path)

    def ask(filter_: str, field: str) -> list[str]:
        command = [TSHARK, "-n", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
        command += ["-Y", filter_, "-T", "fields", "-e", field]
        done = subprocess.run(command, capture_output=True, check=True, text=True)  # type: ignore[arg-type]
        return done.stdout.splitlines()

    harmless = "tcp.analysis.window_update || tcp.analysis.bytes_in_flight || tcp.analysis.acks_frame"
    assert ask(f"tcp.analysis.flags && !({harmless})", "frame.number") == []
    assert ask("_ws.malformed || _ws.expert.severity >= 6291456", "_ws.expert.message") == []
    assert set(ask("tcp", "tcp.checksum.status")) == {"1"}
    comments = ask("frame.comment", "frame.comment")
    assert comments == ["fieldkit: a fault", "fieldkit: and another"] * 4
    assert len(ask("http.request || http.response", "frame.number")) == 2
