"""The grammar of ``--fault``, whom faults hit, and what they do to a connection."""

from __future__ import annotations

import asyncio
import time

import pytest

from fieldkit.sources.proxy.faults import Count, Plan, Side, Verdict, parse_fault
from fieldkit.sources.proxy.tap import What
from tests.sources.proxy.test_relay import run
from tests.traffic.proxylab import ANSWER, UPGRADE, break_off, frame, head, proxying, serving, upgraded


def judged(plan: Plan, side: Side, text: str, age: float = 0.0) -> Verdict | None:
    return plan.judge(side, text.encode(), age)


def plan(*faults: str, station: str = "CP_7") -> Plan:
    return Plan([Count(parse_fault(text)) for text in faults], station)


def test_everything_that_can_be_said_of_a_fault() -> None:
    fault = parse_fault(
        "delay=1500ms, action=Heartbeat+StatusNotification, side=csms, station=CP*, every=3, count=2, after=1m"
    )
    assert (fault.kind, fault.delay, fault.side, fault.station) == ("delay", 1.5, "csms", "CP*")
    assert fault.action == {"heartbeat", "statusnotification"}
    assert (fault.every, fault.count, fault.after) == (3, 2, 60)
    assert parse_fault("refuse").code == 503
    assert parse_fault("close=1001").side == "csms"


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "a fault is one of"),
        ("explode", "a fault is one of"),
        ("delay", "say how long"),
        ("delay=0s", "longer than nothing"),
        ("delay=11m", "at most 10 minutes"),
        ("delay=soon", "no duration"),
        ("drop=1", "drop has no value"),
        ("close", "close code"),
        ("close=1006", "close code"),
        ("close=999", "close code"),
        ("refuse=200", "400 to 599"),
        ("refuse,side=csms", "refuse takes count, every, station"),
        ("drop,every=0", "every is a number"),
        ("drop,side=charger", "side is station or csms"),
        ("drop,colour=red", "is not understood"),
        ("drop,action", "is not understood"),
        ("drop,every=2,every=3", "given twice"),
    ],
)
def test_what_is_no_fault_is_explained(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_fault(text)


def test_an_action_is_that_of_the_call_and_of_its_answer_and_side_tells_them_apart() -> None:
    both = plan("drop,action=heartbeat")
    assert judged(both, "station", '[2,"1","Heartbeat",{}]')
    assert judged(both, "csms", '[3,"1",{}]')
    assert not judged(both, "csms", '[3,"2",{}]')
    answers = plan("drop,action=Heartbeat,side=csms")
    assert not judged(answers, "station", ' [ 2 , "1" , "Heartbeat" , {} ]')
    assert judged(answers, "csms", '[4,"1","InternalError","",{}]')


def test_every_third_at_most_twice_for_each_station_by_itself() -> None:
    counts = [Count(parse_fault("drop,every=3,count=2"))]
    for station in ("CP_1", "CP_2"):
        one = Plan(counts, station)
        assert [bool(judged(one, "station", "x")) for _ in range(12)] == [at in (2, 5) for at in range(12)]
    # … and on the next connection counting goes on
    assert not any(judged(Plan(counts, "CP_1"), "station", "x") for _ in range(6))


def test_after_means_since_the_upgrade() -> None:
    later = plan("drop,after=10s")
    assert not judged(later, "station", "x", 9.9)
    assert judged(later, "station", "x", 10.1)


def test_a_pattern_chooses_stations() -> None:
    assert judged(plan("drop,station=CP_*"), "station", "x")
    assert not judged(plan("drop,station=XX*"), "station", "x")


# --------------------------------------------------------------------------------------------------- on a connection


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(ANSWER)
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


CALL = frame(b'[2,"1","Heartbeat",{}]', masked=True)
OTHER = frame(b'[2,"2","BootNotification",{}]', masked=True)
PING = frame(b"", 9, masked=True)


def test_a_dropped_message_is_missing_as_a_whole_and_everything_else_passes() -> None:
    async def scene() -> None:
        cut = frame(b'[2,"3","Hea', masked=True, fin=False) + PING + frame(b'rtbeat",{}]', 0, masked=True)
        async with serving(echo) as port, proxying(f"ws://127.0.0.1:{port}", "drop,action=Heartbeat") as lab:
            reader, writer = await upgraded(lab)
            for byte in CALL + OTHER + cut + OTHER:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await reader.readexactly(2 * len(OTHER) + len(PING)) == OTHER + PING + OTHER
        # On the station's leg they were all there.
        assert lab.told(What.STATION) == CALL + OTHER + cut + OTHER
        assert lab.told(What.NOTE).count(b"fault made on purpose (station): drop") == 2

    run(scene)


def test_what_is_behind_a_delayed_message_stays_behind_it() -> None:
    async def scene() -> None:
        async with (
            serving(echo) as port,
            proxying(f"ws://127.0.0.1:{port}", "delay=300ms,action=Heartbeat,side=station") as lab,
        ):
            reader, writer = await upgraded(lab)
            begun = time.monotonic()
            writer.write(OTHER)
            assert await reader.readexactly(len(OTHER)) == OTHER
            assert time.monotonic() - begun < 0.15
            writer.write(CALL)
            await asyncio.sleep(0.1)
            writer.write(OTHER)
            assert await reader.readexactly(len(CALL + OTHER)) == CALL + OTHER
            assert 0.28 < time.monotonic() - begun < 0.6
            writer.write_eof()
            assert await reader.read() == b""

    run(scene)


def test_a_plain_delay_holds_the_end_of_the_connection_back_too() -> None:
    async def scene() -> None:
        async with serving(echo) as port, proxying(f"ws://127.0.0.1:{port}", "delay=200ms") as lab:
            reader, writer = await upgraded(lab)
            begun = time.monotonic()
            writer.write(CALL)
            writer.write_eof()
            assert await reader.read() == CALL
            assert time.monotonic() - begun > 0.18

    run(scene)


def test_a_close_frame_comes_behind_the_message_and_the_answer_to_it_travels_on() -> None:
    async def scene() -> None:
        heard = bytearray()

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            heard.extend(await reader.readexactly(len(CALL)))
            writer.write(frame(b'[3,"1",{}]') + frame(b'[2,"9","Reset",{}]'))
            heard.extend(await reader.read(100))
            writer.write(frame(b"\x03\xe9", 8))
            writer.close()

        async with (
            serving(csms) as port,
            proxying(f"ws://127.0.0.1:{port}", "close=1001,action=Heartbeat,side=csms") as lab,
        ):
            reader, writer = await upgraded(lab)
            writer.write(CALL)
            close = frame(b"\x03\xe9", 8)
            assert await reader.readexactly(len(close) + 12) == frame(b'[3,"1",{}]') + close
            answer = frame(b"\x03\xe9", 8, masked=True)
            writer.write(answer)
            assert await reader.read() == b""  # nothing more is said, the CSMS's own answer included
            writer.close()
            await lab.until(lambda: not lab.proxy.relays)
        assert heard == CALL + answer

    run(scene)


def test_a_close_by_the_clock_towards_the_csms_is_masked_as_a_station_would() -> None:
    async def scene() -> None:
        heard = bytearray()

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            heard.extend(await reader.readexactly(8))
            writer.close()

        async with (
            serving(csms) as port,
            proxying(f"ws://127.0.0.1:{port}", "close=1000,after=100ms,side=station") as lab,
        ):
            reader, _ = await upgraded(lab)
            assert await reader.read() == b""
        assert heard[:2] == b"\x88\x82"
        key = heard[2:6]
        assert bytes(byte ^ key[at] for at, byte in enumerate(heard[6:])) == b"\x03\xe8"

    run(scene)


def test_an_upgrade_is_refused_so_often_and_the_csms_never_hears_of_it() -> None:
    async def scene() -> None:
        came: list[int] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.append(1)
            await echo(reader, writer)

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}", "refuse=503,count=2") as lab:
            for _ in range(2):
                reader, writer = await lab.connect()
                writer.write(UPGRADE)
                assert (await reader.read()).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert not came
            await upgraded(lab)
            assert came
            assert lab.proxy.counted()["faults"] == {"refuse=503,count=2": 2}

    run(scene)


def test_compression_is_not_offered_on_where_messages_must_be_read() -> None:
    async def scene() -> None:
        heads: list[bytes] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await head(reader))
            writer.write(ANSWER)
            await reader.read()

        offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        request = UPGRADE.replace(b"X-Vendor", offer + b"X-Vendor")
        for faults, offered in ((("drop,station=XX",), True), (("delay=1ms",), True), (("drop,count=1",), False)):
            async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}", *faults, host="keep") as lab:
                reader, writer = await lab.connect()
                writer.write(request)
                await head(reader)
            assert (heads[-1] == request) is offered
            if not offered:
                assert heads[-1] == UPGRADE
                assert any("compression is not offered on" in line for line in lab.said)

    run(scene)


def test_a_station_that_breaks_off_does_not_wait_for_the_delay() -> None:
    async def scene() -> None:
        ends: list[str] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            try:
                await reader.read()
            except ConnectionResetError:
                ends.append("RST")

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}", "delay=60s") as lab:
            _, writer = await upgraded(lab)
            writer.write(CALL)
            await asyncio.sleep(0.05)
            break_off(writer)
            await lab.until(lambda: ends == ["RST"] and not lab.proxy.relays)

    run(scene)
