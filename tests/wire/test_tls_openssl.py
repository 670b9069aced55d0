"""What the ssl module cannot be asked for, from the openssl command line: TLS 1.3 with CCM, 0-RTT, key updates, TLS 1.2
renegotiation. Client and server talk over Unix sockets, with an onlooker between them."""

from __future__ import annotations

import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pytest

from fieldkit.events import DecodeError, TlsCertificates, TlsHello, TlsOpaque
from tests.traffic.tlstalk import Heard, identity_files, listen

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command"),
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets"),
]

PATIENCE = 10.0
"""Seconds until a step that should take milliseconds counts as failed."""


class Onlooker:
    """openssl s_server, and s_client sessions with it whose bytes are recorded on the way."""

    def __init__(self, folder: Path, *server_options: str) -> None:
        self.folder = folder
        self.keylog_file = folder / "keylog"
        self.flights: list[tuple[bool, bytes]] = []
        self._stack = ExitStack()
        certificate, key = identity_files(folder)
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._heard = {"server": b"", "client": b""}
        files = ("-cert", str(certificate), "-key", str(key))
        self._server = self._start("server", "s_server", "-unix", "server", *files, *server_options)
        self._client: subprocess.Popen[bytes] | None = None
        self._talking = 0
        self.until(lambda: b"ACCEPT" in self._heard["server"])

    def __enter__(self) -> Onlooker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["openssl", *command],
            # openssl does not bear names of more than 31 bytes for Unix sockets
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, (name, None))
        return process

    def connect(self, *client_options: str) -> None:
        path = str(self.folder / "client")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            self._heard["client"], self._talking = b"", 2
            self._client = self._start(
                "client", "s_client", "-unix", "client", "-keylogfile", str(self.keylog_file), *client_options
            )
            listening.settimeout(PATIENCE)
            near, _ = listening.accept()
            self._stack.enter_context(near)
        Path(path).unlink()
        far = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        self.until(lambda: far.connect_ex(str(self.folder / "server")) == 0)  # it says ACCEPT before it listens
        self._selector.register(near, selectors.EVENT_READ, (True, far))
        self._selector.register(far, selectors.EVENT_READ, (False, near))

    def until(self, done: Callable[[], bool]) -> None:
        """Carry bytes to and fro until something has happened."""
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, self._heard
            for key, _ in self._selector.select(0.01):
                who, target = key.data
                data = key.fileobj.recv(65536) if target is not None else key.fileobj.read(65536)  # type: ignore[union-attr]
                if not data:
                    self._selector.unregister(key.fileobj)
                    if target is not None:
                        target.shutdown(socket.SHUT_WR)
                        self._talking -= 1
                elif target is None:
                    self._heard[who] += data
                else:
                    self.flights.append((who, data))
                    target.sendall(data)

    def say(self, from_client: bool, line: str) -> None:
        process, listener = (self._client, "server") if from_client else (self._server, "client")
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(line.encode() + b"\n")
        self.until(lambda: line.encode() in self._heard[listener])

    def command(self, letter: str) -> None:
        """One of the letters that s_client takes for an order when a line begins with it."""
        assert self._client is not None
        assert self._client.stdin is not None
        before = len(self.flights)
        self._client.stdin.write(letter.encode() + b"\n")
        self.until(lambda: len(self.flights) > before)

    def hang_up(self) -> None:
        self.command("Q")
        self.until(lambda: not self._talking)

    @property
    def keylog(self) -> str:
        return self.keylog_file.read_text()

    def heard(self) -> Heard:
        found = listen(self.flights, self.keylog)
        assert found.of(TlsOpaque) == []
        assert found.of(DecodeError) == []
        return found


@pytest.mark.parametrize("suite", ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"])
def test_ccm_and_key_updates_of_tls13(tmp_path: Path, suite: str) -> None:
    with Onlooker(tmp_path, "-tls1_3", "-ciphersuites", suite) as onlooker:
        onlooker.connect("-ciphersuites", suite)
        onlooker.say(True, "first")
        onlooker.say(False, "answer")
        onlooker.command("K")  # update, and ask the server to do so too
        onlooker.say(True, "second")
        onlooker.say(False, "another")
        onlooker.command("k")  # just update
        onlooker.say(True, "third")
        onlooker.hang_up()

    assert onlooker.heard().plain == [
        (True, b"first\n"),
        (False, b"answer\n"),
        (True, b"second\n"),
        (False, b"another\n"),
        (True, b"third\n"),
    ]


def test_renegotiation_of_tls12(tmp_path: Path) -> None:
    with Onlooker(tmp_path, "-tls1_2", "-client_renegotiation") as onlooker:
        onlooker.connect()
        onlooker.say(True, "first")
        onlooker.command("R")
        onlooker.say(True, "second")
        onlooker.say(False, "answer")
        onlooker.hang_up()

    heard = onlooker.heard()
    assert heard.plain == [(True, b"first\n"), (True, b"second\n"), (False, b"answer\n")]
    assert [hello.from_client for hello in heard.of(TlsHello)] == [True, False, True, False]
    assert len(heard.of(TlsCertificates)) == 2


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Onlooker:
    """A resumed session that begins with 0-RTT data."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "early").write_text("early bird")
    with Onlooker(folder, "-tls1_3", "-early_data") as onlooker:
        onlooker.connect("-sess_out", str(folder / "session"))
        onlooker.say(True, "first")
        onlooker.hang_up()
        onlooker.flights.clear()
        onlooker.connect("-sess_in", str(folder / "session"), "-early_data", str(folder / "early"))
        onlooker.say(True, "question")
        onlooker.say(False, "answer")
        onlooker.hang_up()
    return onlooker


def test_early_data_is_decrypted_in_its_place(early: Onlooker) -> None:
    heard = early.heard()

    assert heard.plain == [(True, b"early bird"), (True, b"question\n"), (False, b"answer\n")]
    assert [hello.resumed for hello in heard.of(TlsHello)] == [False, True]


def test_early_data_without_its_secret_is_missed_and_the_rest_is_not(early: Onlooker) -> None:
    keylog = "\n".join(line for line in early.keylog.splitlines() if not line.startswith("CLIENT_EARLY"))

    heard = listen(early.flights, keylog)

    assert heard.plain == [(True, b"question\n"), (False, b"answer\n")]
    assert heard.gaps[0] == (True, len(b"early bird"), 0)
    assert {error.reason for error in heard.of(DecodeError)} == {
        "passed over: the key log has no CLIENT_EARLY_TRAFFIC_SECRET for this record"
    }


def test_early_data_that_the_server_refuses_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "early").write_text("early bird")
    session = ("-sess_in", str(tmp_path / "session"), "-early_data", str(tmp_path / "early"))
    with Onlooker(tmp_path, "-tls1_3", "-early_data") as onlooker:
        onlooker.connect("-sess_out", str(tmp_path / "session"))
        onlooker.say(True, "first")
        onlooker.hang_up()
    (tmp_path / "server").unlink()
    # Another server process: it does not know the key that the ticket was encrypted with.
    with Onlooker(tmp_path, "-tls1_3", "-early_data") as onlooker:
        onlooker.connect(*session)
        onlooker.say(True, "question")
        onlooker.hang_up()

    heard = onlooker.heard()
    assert heard.plain == [(True, b"question\n")]
    assert heard.gaps == []
    assert 42 in heard.of(TlsHello)[0].extensions


def test_early_data_in_front_of_a_hello_retry_request_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "early").write_text("early bird")
    with Onlooker(tmp_path, "-tls1_3", "-early_data", "-groups", "X25519:P-384") as onlooker:
        onlooker.connect("-sess_out", str(tmp_path / "session"))
        onlooker.say(True, "first")
        onlooker.hang_up()
        onlooker.flights.clear()
        onlooker.connect(
            *("-sess_in", str(tmp_path / "session"), "-early_data", str(tmp_path / "early"), "-groups", "P-256:P-384")
        )
        onlooker.say(True, "question")
        onlooker.hang_up()

    heard = onlooker.heard()
    assert [hello.from_client for hello in heard.of(TlsHello)] == [True, False, True, False]
    assert heard.plain == [(True, b"question\n")]
