"""Servers that connections went to."""

from __future__ import annotations

from fieldkit.events import Connection, ConnectionOpened, ConnectionRecognised, Endpoint, HttpRequest, TlsHello
from fieldkit.site import hosts as module
from fieldkit.site.hosts import Hosts


def connection(number: int, address: str = "203.0.113.5", port: int = 443) -> Connection:
    return Connection(number, Endpoint("10.0.0.1", 5000 + number), Endpoint(address, port), number, False, "x")


def opened(number: int, address: str = "203.0.113.5") -> ConnectionOpened:
    return ConnectionOpened(number, (number,), connection(number, address))


def hello(number: int, name: str) -> TlsHello:
    return TlsHello(number, (), connection(number), True, 771, (), (), (), (), (), (), name, (), False, False)


def request(number: int, host: str) -> HttpRequest:
    return HttpRequest(number, (), connection(number), True, "GET", "/", {"host": host}, None, b"")


def fed(*events: object) -> Hosts:
    hosts = Hosts()
    for event in events:
        hosts.feed(event)  # type: ignore[arg-type]
    return hosts


def test_names_and_protocols_of_a_server() -> None:
    hosts = fed(
        opened(1), ConnectionRecognised(1, (), connection(1), "tls"), hello(1, "csms.example"), opened(2),
        request(2, "csms.example:443"), ConnectionRecognised(2, (), connection(2), "websocket"),
    )  # fmt: skip
    (host,) = hosts.busiest()
    assert (list(host.names), list(host.protocols), host.connections) == (["csms.example"], ["tls", "websocket"], 2)
    assert (host.first, host.last) == (1, 2)


def test_the_busiest_come_first() -> None:
    hosts = fed(opened(1, "192.0.2.1"), opened(2, "192.0.2.2"), opened(3, "192.0.2.2"))
    assert [host.endpoint.address for host in hosts.busiest()] == ["192.0.2.2", "192.0.2.1"]


def test_a_second_copy_of_a_connection_does_not_count() -> None:
    assert fed(opened(1), ConnectionRecognised(1, (), connection(1), "mirror")).busiest() == []


def test_an_address_is_no_name() -> None:
    (host,) = fed(opened(1), request(1, "203.0.113.5:443"), request(1, "[2001:db8::1]:80")).busiest()
    assert list(host.names) == ["2001:db8::1"]


def test_it_is_bounded(monkeypatch: object) -> None:
    hosts = Hosts()
    old, module.MAX_HOSTS = module.MAX_HOSTS, 3  # type: ignore[misc]
    try:
        for number in range(10):
            hosts.feed(opened(number, f"192.0.2.{number}"))
        for number in range(20):
            hosts.feed(hello(0, "n" * 300 + str(number)))
    finally:
        module.MAX_HOSTS = old  # type: ignore[misc]
    assert (len(hosts.all), hosts.crowded_out) == (3, 7)
    assert all(len(host.names) <= 5 for host in hosts.all.values())
