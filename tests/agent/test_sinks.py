from __future__ import annotations

import hashlib
import json
import signal
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fieldkit.agent.health import Health
from fieldkit.agent.sinks import file, mqtt, open_sink, prometheus, read, syslog, tls
from fieldkit.agent.sinks.shared import Attentive, Refused, SinkError, Weighing
from fieldkit.agent.sinks.webhook import WebhookSink
from fieldkit.config import ConfigError, Document
from fieldkit.plugins.kinds import Sink
from tests.agent.lab import Listening, broker, fill, message, needs_mosquitto, small_disk, wait_for
from tests.traffic.netlab import needs_root
from tests.traffic.proxylab import Certificates


def opened(**table: Any) -> Any:
    """A sink as a configuration makes it; ConfigError as it would say."""
    document = Document(table, "test", "")
    settings = read("home", document.root)
    document.finish()
    assert settings is not None
    made = open_sink(settings, ("depot", "router"), lambda: "# EOF\n")
    assert isinstance(made, Sink)
    return made


def mistakes(**table: Any) -> str:
    with pytest.raises(ConfigError) as told:
        opened(**table)
    return str(told.value)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    for path in tmp_path.glob("*.key"):
        path.chmod(0o600)
    return made


def pin_of(path: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(path).read_text())).hexdigest()


# --------------------------------------------------------------------------------------------------------------- file


def lines(path: Path) -> list[int]:
    return [int(json.loads(line)["title"].split()[1]) for line in path.read_text("ascii").splitlines()]


def test_a_file_has_a_line_for_each_finding_and_is_turned_over(tmp_path: Path) -> None:
    path = tmp_path / "out" / "findings.jsonl"
    sink = file.FileSink(file.Options(str(path), size=2500, files=3))
    for number in range(12):
        sink.send([message(number)])
    sink.close()
    found = sorted(path.parent.iterdir())
    assert [one.name for one in found] == ["findings.jsonl", "findings.jsonl.1", "findings.jsonl.2"]
    kept = [number for one in reversed(found) for number in lines(one)]
    assert kept == list(range(12 - len(kept), 12))
    assert all(one.stat().st_size <= 2500 for one in found)


def test_a_file_that_ends_in_the_middle_of_a_line_goes_on_with_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    path.write_text('{"title": "Num')
    sink = file.FileSink(file.Options(str(path), size=100_000, files=1))
    sink.send([message(7)])
    sink.close()
    assert [len(line) > 20 for line in path.read_text().splitlines()] == [False, True]


def test_what_a_station_sends_does_not_reach_a_terminal(tmp_path: Path) -> None:
    told = message(1) | {"station": "\x1b[31m\x9b\x7f"}
    assert all(32 <= byte < 127 for byte in file.line(told)[:-1])


@needs_root
def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        path = disk / "findings.jsonl"
        sink = file.FileSink(file.Options(str(path), size=10_000_000, files=1))
        sink.send([message(1)])
        fill(disk)
        with pytest.raises(SinkError, match="No space left"):
            sink.send([message(number) for number in range(2, 100)])
        sink.close()
        assert lines(path)[0] == 1
        assert path.read_bytes().endswith(b"\n")


# --------------------------------------------------------------------------------------------------------------- MQTT


@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_broker_gets_all_with_their_topics_and_knows_who_is_there(tmp_path: Path, version: str) -> None:
    with broker(tmp_path) as there:
        heard = Listening(there.port)
        sink = opened(type="mqtt", url=f"mqtt://127.0.0.1:{there.port}", version=version)
        assert (isinstance(sink, Attentive), isinstance(sink, Weighing)) == (True, True)
        sink.idle(0.1)
        wait_for(lambda: heard.of("status") == [{"online": True}])
        sink.send([message(number) for number in range(500)] + [message(900, category="link")])
        wait_for(lambda: len(heard.of("finding")) == 500 and heard.of("link"))
        assert {topic for topic, _ in heard.came} == {
            f"fieldkit/v1/depot/router/{what}" for what in ("status", "finding", "link")
        }
        assert heard.of("finding")[3] == message(3)
        sink.close()
        wait_for(lambda: heard.of("status")[-1] == {"online": False})
        heard.close()


@needs_mosquitto
def test_the_broker_says_that_an_agent_is_gone_which_could_not_say_it(tmp_path: Path) -> None:
    with broker(tmp_path) as there:
        heard = Listening(there.port)
        sink = opened(type="mqtt", url=f"mqtt://127.0.0.1:{there.port}")
        sink.idle(0.1)
        wait_for(lambda: heard.of("status") == [{"online": True}])
        sink._client.socket().close()
        wait_for(lambda: heard.of("status")[-1:] == [{"online": False}])
        heard.close()


@needs_mosquitto
def test_a_broker_that_dies_leaves_everything_unacknowledged_to_be_sent_again(tmp_path: Path) -> None:
    with broker(tmp_path) as there:
        sink = opened(type="mqtt", url=f"mqtt://127.0.0.1:{there.port}", keepalive=5)
        sink.send([message(1)])
        there.stop(signal.SIGKILL)
        with pytest.raises(SinkError) as told:
            sink.send([message(2), message(3)])
        assert not told.value.taken
        with pytest.raises(SinkError, match="refused"):
            sink.send([message(2), message(3)])
        there.start()
        heard = Listening(there.port)
        sink.send([message(2), message(3)])
        wait_for(lambda: [one["title"] for one in heard.of("finding")] == ["Number 2", "Number 3"])
        heard.close()
        sink.close()


@needs_mosquitto
def test_mqtt_over_tls_verifies_pins_and_shows_a_certificate(tmp_path: Path, certificates: Certificates) -> None:
    secure = [
        "allow_anonymous true", f"cafile {certificates.authority}", f"certfile {certificates.pem('proxy.test')}",
        f"keyfile {certificates.key('proxy.test')}", "require_certificate true",
    ]  # fmt: skip
    with broker(tmp_path / "mosquitto", *secure) as there:
        url = f"mqtts://127.0.0.1:{there.port}"
        ours = {"cert": certificates.pem("station"), "key": certificates.key("station")}
        known = {"ca": str(certificates.authority), **ours}
        pin = pin_of(certificates.pem("proxy.test"))
        good = opened(type="mqtt", url=url, **known, pins=[pin])
        good.send([message(1)])
        good.close()
        with pytest.raises(SinkError, match="not trusted"):
            opened(type="mqtt", url=url, **ours).send([message(1)])
        with pytest.raises(SinkError, match="not the one that was pinned"):
            opened(type="mqtt", url=url, **known, pins=["0" * 64]).send([message(1)])
        with pytest.raises(SinkError):
            opened(type="mqtt", url=url, ca=str(certificates.authority)).send([message(1)])


@needs_mosquitto
def test_a_broker_refuses_a_wrong_password(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    with broker(tmp_path, "allow_anonymous false", f"password_file {tmp_path}/passwords") as there:
        sink = opened(type="mqtt", url=f"mqtt://127.0.0.1:{there.port}", user="router", password_file=str(secret))
        with pytest.raises(SinkError, match="refuses us"):
            sink.send([message(1)])


def test_what_would_go_over_the_network_as_it_is_has_to_be_wanted(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    assert "could be read and changed on the way" in mistakes(type="mqtt", url="mqtt://broker.example")
    told = mistakes(type="mqtt", url="mqtt://broker.example", plain=True, password_file=str(secret))
    assert "the password would go over the network as it is" in told
    secret.chmod(0o644)
    told = mistakes(type="mqtt", url="mqtts://broker.example", password_file=str(secret))
    assert "others may read or change it: chmod 600" in told
    assert mqtt.is_loopback("localhost")
    assert not mqtt.is_loopback("broker.example")


# ------------------------------------------------------------------------------------------------------------ webhook


class Hook:
    """An HTTPS server that answers as it is told."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.came: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers = hook.answers.pop(0) if hook.answers else (204, {})
                if status < 300:
                    hook.came.append((dict(self.headers), told))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        class Quiet(HTTPServer):
            def handle_error(self, *_: object) -> None:
                return

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/hook?key=1"


@contextmanager
def hook(context: ssl.SSLContext) -> Iterator[Hook]:
    made = Hook(context)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def test_a_webhook_gets_findings_in_batches_and_a_token(tmp_path: Path, certificates: Certificates) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    with hook(certificates.server("proxy.test")) as there:
        sink = opened(type="webhook", url=there.url, ca=str(certificates.authority), token_file=str(token), batch=20)
        sink.send([message(number) for number in range(45)])
        assert [len(told["messages"]) for _, told in there.came] == [20, 20, 5]
        headers = there.came[0][0]
        assert headers["Authorization"] == "Bearer s3cret"
        assert len({one["Idempotency-Key"] for one, _ in there.came}) == 3


def test_a_webhook_that_fails_says_what_it_has_and_when_to_come_back(certificates: Certificates) -> None:
    with hook(certificates.server("proxy.test")) as there:
        sink = opened(type="webhook", url=there.url, ca=str(certificates.authority), batch=2)
        there.answers = [(204, {}), (429, {"Retry-After": "77"})]
        with pytest.raises(SinkError) as told:
            sink.send([message(number) for number in range(4)])
        assert told.value.pause == 77
        assert told.value.taken == {message(0)["message"], message(1)["message"]}
        there.answers = [(422, {})]
        with pytest.raises(Refused, match="422"):
            sink.send([message(9)])
        there.answers = [(302, {"Location": "https://elsewhere.example/"})]
        with pytest.raises(SinkError, match="redirections are not followed"):
            sink.send([message(9)])


def test_a_webhook_is_verified(certificates: Certificates) -> None:
    with hook(certificates.server("proxy.test")) as there:
        with pytest.raises(SinkError, match="not trusted"):
            opened(type="webhook", url=there.url).send([message(1)])
        with pytest.raises(SinkError, match="not the one that was pinned"):
            opened(type="webhook", url=there.url, ca=str(certificates.authority), pins=["1" * 64]).send([message(1)])
        assert not there.came
    assert "https://" in mistakes(type="webhook", url="http://127.0.0.1/")
    assert isinstance(opened(type="webhook", url="https://127.0.0.1/"), WebhookSink)


def test_a_client_certificate_is_asked_for_and_shown(certificates: Certificates) -> None:
    with hook(certificates.server("proxy.test", ask=True)) as there:
        known = {"ca": str(certificates.authority)}
        with pytest.raises(SinkError):
            opened(type="webhook", url=there.url, **known).send([message(1)])
        opened(
            type="webhook", url=there.url, cert=certificates.pem("station"), key=certificates.key("station"), **known
        ).send([message(1)])
        assert len(there.came) == 1


# ------------------------------------------------------------------------------------------------------------- syslog


def test_a_line_of_syslog_is_as_rfc_5424_has_it() -> None:
    told = message(3, "critical") | {"station": 'CP "7"]\\', "explanation": "one\ntwo\x1b[0m"}
    line = syslog.rendered(told, "router 1", 16).decode()
    head, _, text = line.partition("] ")
    assert line.startswith("<130>1 2026-08-31T09:00:00.000Z router-1 fieldkit - boot.rejected [fieldkit@32473 message=")
    assert 'station="CP \\"7\\"\\]\\\\"' in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert head.count("<") == 1
    assert text


def test_syslog_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(10)
        sink = opened(type="syslog", url=f"udp://127.0.0.1:{there.getsockname()[1]}")
        sink.send([message(1, "warning") | {"explanation": "x" * 5000}])
        data = there.recv(65536)
        assert data.startswith(b"<132>1 ")
        assert len(data) <= syslog.MAX_UDP
        sink.close()


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_syslog_over_a_stream_counts_octets_and_comes_back(certificates: Certificates, secure: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        there.settimeout(20)
        context = certificates.server("proxy.test") if secure else None
        frames: list[bytes] = []

        def serve() -> None:
            for _ in range(2):  # each connection takes one message, and is closed
                way, _ = there.accept()
                way.settimeout(20)
                if context is not None:
                    way = context.wrap_socket(way, server_side=True)
                with way, way.makefile("rb") as stream:
                    size = b""
                    while not size.endswith(b" "):
                        size += stream.read(1)
                    frames.append(stream.read(int(size)))

        thread = threading.Thread(target=serve)
        thread.start()
        port = there.getsockname()[1]
        url = f"{'tls' if secure else 'tcp'}://127.0.0.1:{port}"
        sink = opened(type="syslog", url=url, **({"ca": str(certificates.authority)} if secure else {}))
        sink.send([message(1)])
        wait_for(lambda: len(frames) == 1)
        wait_for(lambda: sink._broken(sink._socket))
        sink.send([message(2)])
        thread.join(20)
        assert [b"Number 1" in frames[0], b"Number 2" in frames[1]] == [True, True]
        sink.close()


# --------------------------------------------------------------------------------------------------------- Prometheus


def test_metrics_are_written_to_a_file_and_go_with_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "fieldkit.prom"
    health = Health(lambda: 1)
    health.numbers["packets_total"] = 12
    health.sinks["home"] = {"delivered_total": 3}
    sink = prometheus.PrometheusSink(
        prometheus.Options(str(path), 60, "", 0), lambda: health.metrics({"site": 'a"b', "agent": "r"})
    )
    sink.idle(0)
    text = path.read_text()
    assert 'fieldkit_agent_packets_total{site="a\\"b",agent="r"} 12' in text
    assert 'fieldkit_agent_sink_delivered_total{site="a\\"b",agent="r",sink="home"} 3' in text
    assert "# TYPE fieldkit_agent_packets counter" in text
    assert text.endswith("# EOF\n")
    sink.close()
    assert not path.exists()


def test_metrics_are_served_to_this_machine_only() -> None:
    sink = prometheus.PrometheusSink(prometheus.Options("", 60, "127.0.0.1", 0), lambda: "# EOF\n")
    sink._options = prometheus.Options("", 60, "127.0.0.1", _port())
    sink.idle(0)
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"] == prometheus.CONTENT_TYPE
        assert answer.read() == b"# EOF\n"
    sink.close()
    assert "no door to the network" in mistakes(type="prometheus", listen="0.0.0.0:9110")


def _port() -> int:
    from tests.agent.lab import free_port

    return free_port()


# -------------------------------------------------------------------------------------------------------- all of them


def test_a_plugin_is_a_sink_too(tmp_path: Path) -> None:
    (tmp_path / "fieldkit-plugin.toml").write_text(
        '[plugin]\nname = "keeps-all"\nversion = "1"\napi = 1\nkinds = ["sink"]\nmodule = "keeps_all"\n'
    )
    (tmp_path / "keeps_all.py").write_text(
        "kept = []\nclass Keeps:\n    def send(self, findings):\n        kept.extend(findings)\n"
        "    def close(self):\n        kept.append('closed')\n"
        "def register(registrar):\n    registrar.sink('keeps', Keeps)\n"
    )
    sink = opened(type="plugin", plugin=str(tmp_path))
    sink.send([message(1)])
    sink.close()
    import sys

    assert sys.modules["keeps_all"].kept == [message(1), "closed"]
    with pytest.raises(SinkError, match="there is no plugin"):
        opened(type="plugin", plugin="nobody")


def test_a_type_that_is_none_is_told() -> None:
    assert "give one of file, stdout, mqtt" in mistakes(type="kafka")
    assert "type is missing" in mistakes(path="/tmp/x")


def test_keys_and_pins_are_looked_at(tmp_path: Path, certificates: Certificates) -> None:
    key = certificates.key("station")
    assert "goes with cert" in mistakes(type="webhook", url="https://a.example/", key=key)
    Path(key).chmod(0o644)
    told = mistakes(type="webhook", url="https://a.example/", key=key, cert=certificates.pem("station"))
    assert "chmod 600" in told
    assert "64 hexadecimal digits" in mistakes(type="webhook", url="https://a.example/", pins=["abc"])
    with pytest.raises(SinkError):
        tls.context(tls.TlsSettings(ca=key))
