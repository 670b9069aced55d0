"""Peers that do not behave: every target ends in time, with bounded memory, and with a name for what is wrong."""

from __future__ import annotations

import socket
import ssl
import struct
import time
import tracemalloc
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from fieldkit.sources.tlsprobe import roots, survey, targets
from fieldkit.sources.tlsprobe.conversation import Conversation
from fieldkit.sources.tlsprobe.engine import Engine, Survey
from fieldkit.sources.tlsprobe.plan import Limits
from fieldkit.sources.tlsprobe.run import Order, probe
from fieldkit.sources.tlsprobe.session import Wishes
from fieldkit.wire.tlsnames import TLS12
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.probing import ids, look
from tests.sources.tlsprobe.servers import (
    Canned,
    Web,
    alert,
    good_pairs,
    message,
    python_server,
    record,
    serving,
    trusted,
)

SHORT = Limits(seconds=2.3)
"""Enough for all ways of asking those who never answer, and no more."""
LATE_S = 3.0
"""What a machine that has much else to do may take longer than it should; a target that does not end takes for ever."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience than in the field, for peers that never answer: whoever does gets the usual time for it."""
    monkeypatch.setattr(survey, "FIRST_S", 0.3)


def _silent(connection: socket.socket) -> None:
    connection.settimeout(10)
    while connection.recv(4096):
        continue


def _dripping(connection: socket.socket) -> None:
    connection.recv(4096)
    for byte in record(22, message(2, b"\x03\x03" + bytes(33) + b"\x00\x9c\x00")):
        connection.sendall(bytes((byte,)))
        time.sleep(0.4)


def _resetting(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _closing(connection: socket.socket) -> None:
    connection.recv(4096)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_that_says_goodbye_in_place_of_an_answer(tmp_path: Path, newest: ssl.TLSVersion) -> None:
    def goodbye(secured: ssl.SSLSocket) -> None:
        secured.unwrap()

    with python_server(tmp_path, *good_pairs(tmp_path), newest=newest, web=goodbye) as port:
        begun = time.monotonic()
        found = look(port, ca=trusted(tmp_path))
        assert time.monotonic() - begun < Limits().seconds + LATE_S
    assert {spoken.error for spoken in found.postures[0].spoken} == {
        "the server closed the connection after the handshake"
    }


def _banner(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\x1b[31m ready\r\n")
    connection.recv(4096)


def _endless_records(connection: socket.socket) -> None:
    connection.recv(4096)
    while True:
        connection.sendall(record(22, message(0, b"")) * 1000)


def _endless_message(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(record(22, b"\x0b\xff\xff\xff"))
    while True:
        connection.sendall(record(22, bytes(16000)))


def _endless_warnings(connection: socket.socket) -> None:
    connection.recv(4096)
    while True:
        connection.sendall(alert(112, 1) * 100)


def _endless_garbage(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"\xa5" * 65536)


def _handshake_then_garbage(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(record(22, message(2, b"\x03\x03" + bytes(33) + b"\x00\x9c\x00")) + b"garbage" * 1000)


_PEERS: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "silent": (_silent, "tls.handshake-timeout"),
    "dripping": (_dripping, "tls.handshake-timeout"),
    "resetting": (_resetting, "tls.handshake-reset"),
    "closing": (_closing, "tls.handshake-reset"),
    "banner": (_banner, "tls.not-tls"),
    "endless records": (_endless_records, "tls.not-tls"),
    "endless message": (_endless_message, "tls.not-tls"),
    "endless warnings": (_endless_warnings, "tls.not-tls"),
    "endless garbage": (_endless_garbage, "tls.not-tls"),
    "garbage behind the hello": (_handshake_then_garbage, ""),
    "plain WebSocket": (lambda connection: Web()(connection), "tls.no-tls"),
}


_WAIT_FOR_EVER = ("silent", "dripping")


@pytest.mark.parametrize("name", _PEERS)
def test_every_target_ends_and_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, expected = _PEERS[name]
    limits = Limits()
    if name in _WAIT_FOR_EVER:
        limits = SHORT
        monkeypatch.setattr(survey, "FIRST_S", 0.3)
    tracemalloc.start()
    begun = time.monotonic()
    with serving(handle) as port:
        result = look(port, limits=limits)
    assert time.monotonic() - begun < limits.seconds + LATE_S
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000
    found = ids(result)
    assert expected in found or not expected
    others = {"tls.handshake-timeout", "tls.handshake-reset", "tls.not-tls", "tls.no-tls"} - {expected}
    assert not found & others, found
    assert result.postures[0].connections <= 40


def test_one_connection_that_breaks_off_means_nothing(tmp_path: Path) -> None:
    """A bad link, or a charger that is still clearing up after another client."""
    chain = [pki.make(issuer=pki.intermediate(), kind="rsa2048").der, pki.intermediate().der]
    canned = Canned(chain)
    seen: list[int] = []

    def handle(connection: socket.socket) -> None:
        seen.append(1)
        if len(seen) == 1:
            _resetting(connection)
        else:
            canned(connection)

    with serving(handle) as port:
        result = look(port, ca=trusted(tmp_path), speak=False)
    assert result.postures[0].accepts(TLS12) is True
    assert not ids(result) & {"tls.handshake-reset", "tls.hello-size-intolerant", "tls.tls1.2-missing"}


@pytest.mark.usefixtures("hasty")
def test_a_greeting_that_comes_late_is_one() -> None:
    """Mail servers let strangers wait: what they say in the end tells more than that they are slow."""

    def greeting(connection: socket.socket) -> None:
        time.sleep(0.8)
        _banner(connection)

    with serving(greeting) as port:
        result = look(port)
    (fault,) = result.judged[0].faults
    assert fault.id == "tls.not-tls"
    assert "220 mail.example" in fault.values["answer"]


def test_the_first_answer_ends_the_waiting() -> None:
    """A plain WebSocket port ignores TLS hellos; nobody waits for the other ways of asking once it has spoken."""
    with serving(lambda connection: Web()(connection)) as port:
        result = look(port, limits=Limits(seconds=30))
    assert "tls.no-tls" in ids(result)
    assert result.postures[0].elapsed_s < 10


def test_targets_of_one_host_come_one_after_the_other() -> None:
    """Together they would share its four connections, and run out of time together."""
    canned = Canned([pki.make(issuer=pki.root()).der])
    asked: list[int] = []

    def noted(connection: socket.socket) -> None:
        asked.append(connection.getsockname()[1])
        canned(connection)

    with serving(noted) as one, serving(noted) as two, serving(noted) as three:
        ports = (one, two, three)
        order = Order([targets.parse(f"127.0.0.1:{port}") for port in ports], wishes=Wishes(upgrade=False))
        results = probe(order, lambda text: None)
    assert all(result.postures[0].speaks_tls for result in results)
    assert [port for port, _ in groupby(asked)] == [*ports]


def test_a_banner_is_shown_as_text_only() -> None:
    with serving(_banner) as port:
        result = look(port)
    fault = next(fault for fault in result.judged[0].faults if fault.id == "tls.not-tls")
    assert "220 mail.example" in fault.values["answer"]
    assert "\x1b" not in fault.values["answer"]


@pytest.mark.usefixtures("hasty")
def test_nobody_takes_the_connection() -> None:
    """Half open: the kernel answers, no program does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = look(listener.getsockname()[1], limits=Limits(seconds=1.9))
    assert "tls.handshake-timeout" in ids(result)


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = look(port)
    assert not result.reachable
    assert ids(result) == set()
    assert "refused" in result.postures[0].reason


def test_a_name_that_does_not_exist() -> None:
    result = probe(Order([targets.parse("wss://no-such-host.invalid")]), lambda text: None)[0]
    assert not result.reachable
    assert "no-such-host.invalid" in result.error


def test_plain_websocket_that_asks_for_a_password() -> None:
    web = Web(password="CP_7:secret")
    with serving(web) as port:
        found = ids(look(port, path="/CP_7"))
    assert {"tls.no-tls", "ws.basic-auth-in-clear"} <= found
    assert not any("authorization" in head.lower() for head in web.seen)


def test_a_server_that_thinks_for_long(tmp_path: Path) -> None:
    chain = [pki.make(issuer=pki.intermediate(), kind="rsa2048").der, pki.intermediate().der]
    with serving(Canned(chain, delay=1.2)) as port:
        result = look(port, ca=trusted(tmp_path), speak=False, limits=Limits(seconds=3))
    assert "tls.slow-handshake" in ids(result)
    assert result.postures[0].slow_s is not None
    assert 1.1 < result.postures[0].slow_s < 3
    assert result.postures[0].cut == "time"
    assert result.postures[0].incomplete


@pytest.mark.usefixtures("hasty")
def test_a_server_for_the_answer_to_which_patience_is_needed(tmp_path: Path) -> None:
    chain = [pki.make(issuer=pki.intermediate(), kind="rsa2048").der, pki.intermediate().der]
    with serving(Canned(chain, delay=1.1)) as port:
        result = look(port, ca=trusted(tmp_path), speak=False, limits=Limits(seconds=3.5))
    found = ids(result)
    assert "tls.slow-handshake" in found
    assert not found & {"tls.handshake-timeout", "tls.hello-size-intolerant"}


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_connections_at_a_time_than_it_may_have(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted on our side: when a server notices that one has ended is its own affair."""
    chain = [pki.make(issuer=pki.intermediate(), kind="rsa2048").der, pki.intermediate().der]
    canned = Canned(chain)
    together: list[int] = []
    made = Engine._connect

    def counted(engine: Engine, survey: Survey, conversation: Conversation, now: float) -> None:
        made(engine, survey, conversation, now)
        together.append(len(engine._open))

    def handle(connection: socket.socket) -> None:
        time.sleep(0.01)
        canned(connection)

    monkeypatch.setattr(Engine, "_connect", counted)
    with serving(handle) as port:
        result = look(port, ca=trusted(tmp_path), speak=False, limits=Limits(at_once=at_once))
    assert max(together) == at_once
    assert "tls.no-forward-secrecy" in ids(result)


def test_a_password_goes_to_nobody_who_cannot_prove_himself(tmp_path: Path) -> None:
    from fieldkit.sources.tlsprobe.upgrade import Credentials

    web = Web(password="CP_7:secret")
    secret = Credentials("CP_7", b"secret")
    pair = pki.make(issuer=pki.root()).files(tmp_path, "one")
    stranger = pki.make("Other root", number=110, ca=True)
    other = tmp_path / "other.pem"
    other.write_bytes(stranger.pem)
    assert "secret" not in repr(secret)
    with python_server(tmp_path, pair, web=web) as port:
        kept = look(port, ca=str(other), path="/CP_7", credentials=secret)
        assert "ws.password-not-sent" in ids(kept)
        assert kept.judged[0].observed.password_length is None
        assert web.seen == []
        sent = look(port, ca=trusted(tmp_path), path="/CP_7", credentials=secret)
        assert sent.postures[0].spoken[0].status == 101
        seen = sent.judged[0].observed
        assert (seen.basic_user, seen.password_length, seen.wrong_password_refused) == ("CP_7", 6, None)
        wrong = look(port, ca=trusted(tmp_path), path="/CP_7", credentials=Credentials("CP_7", b"wrong"))
        assert "ws.password-refused" in ids(wrong)
        assert wrong.judged[0].observed.wrong_password_refused is True
        careless = look(port, ca=str(other), path="/CP_7", credentials=secret, insecure=True)
        assert careless.postures[0].spoken[0].status == 101


def test_without_tls_where_it_was_named(tmp_path: Path) -> None:
    from fieldkit.sources.tlsprobe.upgrade import Credentials

    web = Web(password="CP_7:secret")
    with serving(web) as port:
        asked = look(port, path="/CP_7", scheme="ws")
        assert ids(asked) == {"ws.basic-auth-in-clear", "ws.basic-auth-required"}
        sent = look(port, path="/CP_7", scheme="ws", credentials=Credentials("CP_7", b"secret"))
    assert ids(sent) == {"ws.basic-auth-in-clear"}
    assert sent.judged[0].observed.tls is False


def test_responders_that_say_nothing_take_no_more_than_their_time(ca: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldkit.sources.tlsprobe import fetch

    monkeypatch.setattr(fetch, "ALL_S", 1.0)
    told: list[str] = []
    with serving(_silent) as nobody:
        url = f"http://127.0.0.1:{nobody}/"
        leaf = pki.make(issuer=pki.intermediate(), ocsp_url=url, issuer_url=url)
        canned = Canned([leaf.der, pki.intermediate().der])
        with serving(canned) as one, serving(canned) as two:
            wanted = [targets.parse(f"localhost:{port}") for port in (one, two)]
            begun = time.monotonic()
            results = probe(
                Order(wanted, wishes=Wishes(upgrade=False), roots=roots.from_file(ca), family=2, fetch_issuers=True,
                      fetch_revocation=True), told.append,
            )  # fmt: skip
    assert time.monotonic() - begun < 8
    for result in results:
        assert result.fetched is not None
        assert any(f"http://127.0.0.1:{nobody}/ gave nothing" in why for why in result.fetched.failures)
        (chain,) = result.judged[0].chains
        assert chain.revocation is not None
        assert chain.revocation.status == "unusable"
    assert any("gave nothing: " in line for line in told)
    assert any(f"asking 127.0.0.1:{nobody}, which the certificate names" in line for line in told)
