"""What one side sends the other receives, byte for byte, and how a connection ends on one side it ends on the other."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from fieldkit.sources.proxy import listener
from fieldkit.sources.proxy.leg import MEMORY
from fieldkit.sources.proxy.tap import MAX_WAITING, What, gap_of
from tests.traffic.proxylab import (
    ANSWER,
    UPGRADE,
    Certificates,
    break_off,
    frame,
    head,
    proxying,
    serving,
    upgraded,
)


def run(scene: Any) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await scene()

    asyncio.run(limited())


def test_the_head_goes_on_as_it_was_but_for_target_and_host() -> None:
    async def scene() -> None:
        heads: list[bytes] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await head(reader))
            writer.write(ANSWER)

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}/ocpp/t7/") as lab:
            await upgraded(lab)
        expected = UPGRADE.replace(b"GET /CP_7", b"GET /ocpp/t7/CP_7").replace(
            b"Host: proxy.local:9000", b"Host: 127.0.0.1:%d" % port
        )
        assert heads == [expected]

    run(scene)


def test_nothing_at_all_is_changed_when_the_host_is_kept() -> None:
    async def scene() -> None:
        seen = bytearray()

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.extend(await head(reader))
            writer.write(ANSWER)
            while data := await reader.read(4096):
                seen.extend(data)
                writer.write(data[::-1])

        noise = os.urandom(3000)
        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}", host="keep") as lab:
            reader, writer = await upgraded(lab)
            back = b""
            for at in range(0, len(noise), 97):
                writer.write(noise[at : at + 97])
                back += await reader.readexactly(97 if at + 97 <= len(noise) else len(noise) - at)
        assert seen == UPGRADE + noise
        assert lab.told(What.HEAD, What.STATION) == UPGRADE + noise
        assert lab.told(What.CSMS) == ANSWER + back

    run(scene)


def test_what_is_said_behind_the_upgrade_before_its_answer_waits_for_it() -> None:
    async def scene() -> None:
        early: list[bool] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            try:
                early.append(bool(await asyncio.wait_for(reader.read(10), 0.1)))
            except TimeoutError:
                early.append(False)
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER[:40])
            await asyncio.sleep(0.02)
            writer.write(ANSWER[40:] + b"first")
            writer.write(await reader.readexactly(5))

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            reader, writer = await lab.connect()
            writer.write(UPGRADE + b"hasty")
            assert await reader.read() == b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER + b"firsthasty"
        assert early == [False]
        assert [record.what for record in lab.records if record.what in (What.UPGRADED, What.STATION)] == [
            What.UPGRADED,
            What.STATION,
        ]

    run(scene)


def test_soap_goes_on_over_one_connection_request_after_request() -> None:
    async def scene() -> None:
        seen = bytearray()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<b/>"

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(4096):
                seen.extend(data)
                if seen.endswith(b"<a/>") or seen.endswith(b"0\r\n\r\n"):
                    writer.write(answer)

        plain = b"POST /steve HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<a/>"
        chunked = (
            b"POST /steve HTTP/1.1\r\nhost:y\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\n<a/\r\n1\r\n>\r\n0\r\n\r\n"
        )
        async with serving(csms) as port, proxying(f"http://127.0.0.1:{port}/base") as lab:
            reader, writer = await lab.connect()
            for request in (plain, chunked, plain):
                for at in range(0, len(request), 7):
                    writer.write(request[at : at + 7])
                    await asyncio.sleep(0)
                assert await reader.readexactly(len(answer)) == answer
        there = f"127.0.0.1:{port}".encode()
        expected = b"".join(
            request.replace(b"/steve", b"/base/steve").replace(b"Host: x", b"Host: " + there).replace(b"y", there)
            for request in (plain, chunked, plain)
        )
        assert bytes(seen) == expected

    run(scene)


def test_a_half_closed_connection_stays_half_closed() -> None:
    async def scene() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            assert await reader.read() == b"the last word"
            await asyncio.sleep(0.1)
            writer.write(b"late")
            writer.close()

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            reader, writer = await upgraded(lab)
            writer.write(b"the last word")
            writer.write_eof()
            assert await reader.read() == b"late"
            await lab.until(lambda: not lab.proxy.relays)
        ends = [(record.what, record.data) for record in lab.records if record.what in (What.FIN, What.RST)]
        assert ends == [(What.FIN, b"\1"), (What.FIN, b"\0")]

    run(scene)


def test_rst_of_the_station_reaches_the_csms_as_rst() -> None:
    async def scene() -> None:
        ends: list[str] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            try:
                await reader.read()
                ends.append("FIN")
            except ConnectionResetError:
                ends.append("RST")

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            _, writer = await upgraded(lab)
            break_off(writer)
            await lab.until(lambda: ends and not lab.proxy.relays)
        assert ends == ["RST"]
        assert [record.data for record in lab.records if record.what is What.RST] == [b"\1"]

    run(scene)


def test_rst_of_the_csms_in_the_middle_of_a_frame_reaches_the_station_as_rst() -> None:
    async def scene() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER + frame(b"x" * 1000)[:500])
            await writer.drain()
            await asyncio.sleep(0.05)
            break_off(writer)

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            reader, _ = await upgraded(lab)
            await reader.readexactly(500)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await lab.until(lambda: not lab.proxy.relays)
        assert [record.data for record in lab.records if record.what is What.RST] == [b"\0"]

    run(scene)


def test_a_csms_that_refuses_breaks_off_the_station_and_it_is_said_why() -> None:
    async def scene() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            async with proxying(f"ws://127.0.0.1:{port}") as lab:
                reader, writer = await lab.connect()
                writer.write(UPGRADE)
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                await lab.until(lambda: not lab.proxy.relays)
                assert lab.proxy.counted()["unreached"] == 1
        assert any("cannot be reached: connection refused" in line for line in lab.said)
        assert b"connection refused" in lab.told(What.NOTE)

    run(scene)


def test_a_csms_that_is_silent_is_given_up_after_the_stated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "CONNECT", 0.2)

    async def scene() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with serving(silent) as port, proxying(f"wss://127.0.0.1:{port}", insecure=True) as lab:
            reader, _ = await lab.connect()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert any("no answer within" in line for line in lab.said)

    run(scene)


def test_a_reader_that_takes_nothing_stops_the_sender_and_memory_stays_where_it_was() -> None:
    """64 MB towards a station that reads nothing for a while: what the proxy holds is stated in ``leg.MEMORY``."""

    async def scene() -> None:
        size = 64 << 20
        payload = os.urandom(1 << 20)
        message = frame(payload * 64)
        sent = 0

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await head(reader)
            writer.write(ANSWER)
            for at in range(0, len(message), 1 << 16):
                writer.write(message[at : at + (1 << 16)])
                await writer.drain()
                sent = at
            await reader.read()

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            reader, _ = await upgraded(lab, limit=1 << 16)
            await asyncio.sleep(0.5)
            held = [leg.transport.get_write_buffer_size() for relay in lab.proxy.relays
                    for leg in (relay.station, relay.csms) if leg is not None and leg.transport is not None]  # fmt: skip
            assert max(held) <= MEMORY
            assert sent < size // 2, "the sender was not held up"
            digest = hashlib.sha256()
            left = len(message)
            while left:
                data = await reader.read(1 << 18)
                digest.update(data)
                left -= len(data)
            assert digest.digest() == hashlib.sha256(message).digest()

    run(scene)


def test_traffic_flows_while_nobody_listens_at_the_tap_and_what_is_left_out_is_told() -> None:
    async def scene() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}", read_tap=False) as lab:
            reader, writer = await upgraded(lab)
            block = os.urandom(1 << 16)
            for _ in range(2 * MAX_WAITING // len(block)):
                writer.write(block)
                assert await reader.readexactly(len(block)) == block
            transport = lab.proxy.tap._transport
            assert transport is not None
            assert lab.proxy.tap.waiting <= MAX_WAITING + (1 << 16)
            assert lab.proxy.tap.left_out > MAX_WAITING
            transport.abort()

    run(scene)


def test_what_did_not_fit_becomes_a_gap_as_soon_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            while data := await reader.read(1 << 16):
                writer.write(data)

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            reader, writer = await upgraded(lab)
            with monkeypatch.context() as patched:
                patched.setattr("fieldkit.sources.proxy.tap.MAX_WAITING", 0)
                writer.write(b"unseen")
                await reader.readexactly(6)
            writer.write(b"seen")
            await reader.readexactly(4)
            await lab.until(lambda: b"seen" in lab.told(What.CSMS))
            gaps = {gap_of(record.data) for record in lab.records if record.what is What.GAP}
            assert gaps == {(True, 6), (False, 6)}
            assert lab.told(What.STATION) == b"seen"

    run(scene)


def test_rst_is_noticed_while_a_leg_is_not_read() -> None:
    async def scene() -> None:
        gone: list[str] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await head(reader)
            writer.write(ANSWER)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(3)
            gone.append("")

        async with serving(csms) as port, proxying(f"ws://127.0.0.1:{port}") as lab:
            _, writer = await upgraded(lab)
            (relay,) = lab.proxy.relays
            writer.write(b"x" * (32 << 20))
            await lab.until(lambda: relay.station._holds)
            break_off(writer)
            await lab.until(lambda: not lab.proxy.relays, 3)
            assert not gone

    run(scene)


# ---------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    pytest.importorskip("cryptography")
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(ANSWER)
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_on_both_sides(certificates: Certificates, version: str) -> None:
    async def scene() -> None:
        async with (
            serving(echo, ssl=certificates.server(version=version)) as port,
            proxying(
                f"wss://127.0.0.1:{port}",
                authorities=str(certificates.authority),
                server_name="csms.test",
                certificate=certificates.pem("proxy.test"),
                key=certificates.key("proxy.test"),
            ) as lab,
        ):
            reader, writer = await upgraded(lab, ssl=certificates.client(version=version), server_hostname="proxy.test")
            block = os.urandom(300_000)
            writer.write(block)
            assert await reader.readexactly(len(block)) == block
            writer.close()
            await lab.until(lambda: not lab.proxy.relays)
        secured = lab.told(What.SECURED)
        assert version.replace("_", ".").encode() in secured
        assert b"proxy.test" in secured
        assert lab.told(What.STATION) == block

    run(scene)


def test_a_client_certificate_is_shown_to_the_csms(certificates: Certificates) -> None:
    async def scene() -> None:
        names: list[Any] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            names.append(writer.get_extra_info("peercert")["subject"][0][0][1])
            await echo(reader, writer)

        async with (
            serving(csms, ssl=certificates.server(ask=True)) as port,
            proxying(
                f"wss://127.0.0.1:{port}",
                authorities=str(certificates.authority),
                server_name="csms.test",
                client_certificate=certificates.pem("station"),
                client_key=certificates.key("station"),
            ) as lab,
        ):
            _, writer = await upgraded(lab)
            writer.close()
            await lab.until(lambda: not lab.proxy.relays)
        assert names == ["station"]

    run(scene)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "unable to get local issuer certificate"),
        ({"authorities": "ca", "server_name": "other.test"}, "Hostname mismatch"),
        ({"authorities": "ca", "server_name": "csms.test", "ask": True}, ""),
    ],
)
def test_what_is_wrong_with_the_csms_certificate_is_said(
    certificates: Certificates, options: dict[str, Any], why: str
) -> None:
    async def scene() -> None:
        given = dict(options)
        ask = given.pop("ask", False)
        if "authorities" in given:
            given["authorities"] = str(certificates.authority)
        async with (
            serving(echo, ssl=certificates.server(ask=ask)) as port,
            proxying(f"wss://127.0.0.1:{port}", **given) as lab,
        ):
            reader, writer = await lab.connect()
            writer.write(UPGRADE)
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                pass
            await lab.until(lambda: lab.said and not lab.proxy.relays)
        assert "TLS" in " ".join(lab.said)
        assert why in " ".join(lab.said)

    run(scene)


def test_a_station_that_does_not_trust_the_proxy_is_told_of(certificates: Certificates) -> None:
    import ssl

    async def scene() -> None:
        async with (
            serving(echo) as port,
            proxying(
                f"ws://127.0.0.1:{port}",
                certificate=certificates.pem("proxy.test"),
                key=certificates.key("proxy.test"),
            ) as lab,
        ):

            def station() -> None:
                with socket.create_connection(("127.0.0.1", lab.port)) as plain, pytest.raises(ssl.SSLError):
                    ssl.create_default_context().wrap_socket(plain, server_hostname="proxy.test")

            await asyncio.to_thread(station)
            await lab.until(lambda: lab.said)
            await lab.until(lambda: not lab.proxy.relays)
        assert "TLS with the station failed: alert unknown ca" in lab.said[0].replace("tlsv1 ", "")

    run(scene)


def test_an_end_of_one_side_passes_through_tls_too(certificates: Certificates) -> None:
    """The station half-closes; the CSMS, behind TLS, hears close_notify and still gets its last word through."""

    async def scene() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await echo(reader, writer)

        async with (
            serving(csms) as port,
            proxying(
                f"ws://127.0.0.1:{port}",
                certificate=certificates.pem("proxy.test"),
                key=certificates.key("proxy.test"),
            ) as lab,
        ):
            reader, writer = await upgraded(lab, ssl=certificates.client(), server_hostname="proxy.test")
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await lab.until(lambda: not lab.proxy.relays)
        ends = [(record.what, record.data) for record in lab.records if record.what in (What.FIN, What.RST)]
        assert ends[0] == (What.FIN, b"\1")

    run(scene)


def test_tls_without_a_certificate_for_it_is_explained(certificates: Certificates) -> None:
    async def scene() -> None:
        async with (
            serving(echo, ssl=certificates.server()) as port,
            proxying(f"wss://127.0.0.1:{port}", insecure=True) as lab,
        ):
            reader, writer = await lab.connect()
            writer.write(b"\x16\x03\x01\x00\x05hello")
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert any("give --cert and --key" in line for line in lab.said)

    run(scene)


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    from fieldkit.sources.proxy.settings import Settings, parse_listen, parse_upstream
    from fieldkit.sources.proxy.tls import TlsSetupError, listener_context, upstream_context

    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    where = (parse_listen(":0"), parse_upstream("wss://csms.test"))
    with pytest.raises(TlsSetupError, match=r"--cert .*broken\.pem"):
        listener_context(Settings(*where, certificate=str(broken)))
    with pytest.raises(TlsSetupError, match="No such file"):
        listener_context(Settings(*where, certificate=str(tmp_path / "missing.pem")))
    with pytest.raises(TlsSetupError, match=r"--ca .*broken\.pem"):
        upstream_context(Settings(*where, authorities=str(broken)))
