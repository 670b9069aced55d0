"""Captures of what networks and taps do to a conversation: shuffled, lost, cut off, silent for days."""

from __future__ import annotations

from random import Random

from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.made import Made, connection, in_order, made, speaks, started, upgrade_of
from tests.traffic.mishaps import overlapped, reordered, repeated
from tests.traffic.scripts import boot_16, charge_16, configure_16, heartbeat, usual_hour
from tests.traffic.segments import MICROSECOND, SECOND, Segment
from tests.traffic.taps import Tap


def out_of_order() -> Made:
    session = started("CP_5", client=("192.168.7.5", 49_205), mss=120, cut_every=300)
    usual_hour(session)
    session.close()
    random = Random(5)
    segments = repeated(overlapped(reordered(session.segments, random, 0.8), random, 0.4), random, 0.3)
    packets = Tap().packets(segments)
    return made(
        "out_of_order.pcap",
        "Segments out of order, sent again, sent again with others, and overlapping; large messages in several "
        "WebSocket frames. Nothing is missing.",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
    )


def missing_segments() -> Made:
    session = started("CP_6", client=("192.168.7.6", 49_206), mss=400)
    boot_16(session)
    heartbeat(session)
    charge_16(session)
    session.close()
    # Lost: the first heartbeat's CALL; the middle of the second MeterValues; the answer to StopTransaction.
    names = [(said.sender, said.action) for said in session.said]
    meter = [at for at, name in enumerate(names) if name == ("station", "MeterValues")][1]
    lost = {names.index(("station", "Heartbeat")), meter, names.index(("csms", "StopTransaction"))}
    segments = [segment for segment in session.segments if not _lost(session, segment, lost, middle=meter)]
    packets = Tap().packets(segments)
    return made(
        "missing_segments.pcap",
        "The capture dropped three segments: a CALL, the middle of a MeterValues, and the answer to StopTransaction.",
        write_pcap(packets),
        packets=len(packets),
        said=[[said for at, said in enumerate(session.said) if at not in lost]],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
        gaps=3,
        decode_errors={"websocket": 3},
        tshark_cannot={"all": "it does not find the next frame behind a hole"},
    )


def _lost(session: Session, segment: Segment, lost: set[int], *, middle: int) -> bool:
    """All of these messages, but of the one in the middle only its second segment."""
    if not segment.payload:
        return False
    begin = (segment.seq - session.tcp.begins(segment.from_client)) % 2**32
    for at in lost:
        said = session.said[at]
        if (said.sender == "station") is segment.from_client and said.begin <= begin < said.end:
            return at != middle or begin == said.begin + 400
    return False


def midstream_plain() -> Made:
    sessions = [
        started("CP_8", client=("192.168.7.8", 49_208), mss=400),
        started("CP_9", "2.0.1", client=("192.168.7.9", 49_209), start=MONDAY + SECOND),
    ]
    for session in sessions:
        usual_hour(session)
        session.ping("csms", b"still there?")
    segments = merged(*(session.segments for session in sessions))
    # The tap starts between two segments of CP_8's first MeterValues.
    meter = next(said for said in sessions[0].said if said.action == "MeterValues")
    begin = (sessions[0].tcp.begins(True) + meter.begin) % 2**32
    first = next(
        at for at, segment in enumerate(segments) if segment.client[1] == 49_208 and segment.seq == begin + 400
    )
    segments = segments[first:]
    kept = [
        [said for time, said in session.timed() if time >= segments[0].time and said is not meter]
        for session in sessions
    ]
    heard = [said for said in in_order(*sessions) if any(said is one for messages in kept for one in messages)]
    named = {"CP_8": "192.168.7.8:49208", "CP_9": "192.168.7.9:49209"}
    packets = Tap().packets(segments)
    return made(
        "midstream_plain.pcap",
        "The tap starts while two stations have long been connected, in the middle of a message, and stops before they "
        "go. Their names and versions are not in it.",
        write_pcap(packets),
        packets=len(packets),
        said=[[said._replace(station=named[said.station]) for said in messages] for messages in kept],
        heard=[said._replace(station=named[said.station]) for said in heard],
        stations=["192.168.7.8:49208 1.6 json", "192.168.7.9:49209 2.0.1 json"],
        connections=[connection(session, end="end-of-capture", by="") for session in sessions],
        http=[],
        pings=2,
        closes=[],
        tshark_cannot={
            "all": "it must be told that this is WebSocket, and then takes the rest of a message for frames"
        },
    )


def midstream_deflate() -> Made:
    sessions = [
        started("CP_10", client=("192.168.7.10", 49_210), deflate="no takeover"),
        started("CP_11", client=("192.168.7.11", 49_211), start=MONDAY + 100 * MICROSECOND, deflate="takeover"),
    ]
    for session in sessions:
        usual_hour(session)
        session.close()
    readable = sessions[0]
    authorize = next(time for time, said in readable.timed() if said.action == "Authorize")
    segments = [segment for segment in merged(*(session.segments for session in sessions)) if segment.time >= authorize]
    kept = [said._replace(station="192.168.7.10:49210") for time, said in readable.timed() if time >= authorize]
    packets = Tap().packets(segments)
    return made(
        "midstream_deflate.pcap",
        "The tap starts in the middle of two compressed connections: the one without context takeover can be read from "
        "there on, the other never again.",
        write_pcap(packets),
        packets=len(packets),
        said=[kept],
        stations=["192.168.7.10:49210 1.6 json"],
        connections=[connection(session) for session in sessions],
        http=[],
        closes=["station 1000", "station 1000", "csms 1000", "csms 1000"],
        decode_errors={"deflate": 1},
        tshark_cannot={"all": "without the handshake it does not know that messages are compressed"},
    )


def one_sided() -> Made:
    session = started("CP_12", client=("192.168.7.12", 49_212))
    usual_hour(session)
    session.close()
    segments = [segment for segment in session.segments if segment.from_client]
    said = [message for message in session.said if message.sender == "station"]
    packets = Tap().packets(segments)
    return made(
        "one_sided.pcap",
        "Only what the station sends is in the capture, as on a mirror port that mirrors one direction.",
        write_pcap(packets),
        packets=len(packets),
        said=[said],
        stations=["CP_12 1.6 json"],
        connections=[connection(session, end="end-of-capture", by="")],
        http=["GET /ocpp/CP_12 -"],
        closes=["station 1000"],
        tshark_cannot={"all": "it waits for the answer 101 before it looks for WebSocket"},
    )


def idle_days() -> Made:
    session = started("CP_14", client=("10.64.3.2", 40_014))
    boot_16(session)
    session.idle(3 * 86_400, ping_every=4 * 3600, keep_alive_every=6 * 3600)
    heartbeat(session)
    session.idle(86_400, ping_every=8 * 3600)
    configure_16(session)
    session.close()
    packets = Tap("raw IP").packets(session.segments)
    return made(
        "idle_days.pcap",
        "Four days of a station with little to say: pings every few hours, TCP keep-alives, and three messages "
        "in between. Raw IP, as a cellular modem gives it.",
        write_pcap(packets, linktype=101),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
        pings=17 + 2,  # every 4 h for three days, every 8 h for one, none at the end
    )


def reconnects() -> Made:
    """The same four-tuple three times, each beginning shortly before the sequence numbers wrap."""
    sessions = []
    ends: list[tuple[str, str]] = [("rst", "server"), ("replaced", ""), ("fin", "client")]
    for number, (end, _) in enumerate(ends):
        session = started(
            "CP_15",
            client=("192.168.7.15", 49_215),
            start=MONDAY + number * 600 * SECOND,
            first=(2**32 - 700 + number, 2**32 - 500 + number),
            seed=number,
        )
        boot_16(session)
        configure_16(session)
        if end == "rst":
            session.close("rst", by_client=False, code=None)
        elif end == "fin":
            session.close()
        sessions.append(session)
    segments = merged(*(session.segments for session in sessions))
    packets = Tap().packets(segments)
    return made(
        "reconnects.pcap",
        "A station comes back twice on the same port, once after RST and once without a word; all sequence numbers "
        "wrap. The message ids are the same each time.",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said for session in sessions],
        heard=in_order(*sessions),
        stations=["CP_15 1.6 json"],
        connections=[connection(session, end=end, by=by) for session, (end, by) in zip(sessions, ends, strict=True)],
        http=["GET /ocpp/CP_15 101"] * 3,
        tshark_cannot={"connections": "it has no word for a connection whose place is taken"},
    )


MAKERS = (out_of_order, missing_segments, midstream_plain, midstream_deflate, one_sided, idle_days, reconnects)
