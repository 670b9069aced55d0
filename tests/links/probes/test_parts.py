"""Questions and answers of probes as bytes and texts, the hostile ones among them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.links.probes import remote
from fieldkit.links.probes.dns import DnsError, answer, question
from fieldkit.links.probes.echo import checksum, request
from fieldkit.links.probes.probe import Named, Probe, Verdict
from fieldkit.links.probes.remote import RemoteProber
from fieldkit.links.probes.resolvers import of_uplink, parse
from fieldkit.links.probes.verdict import judge
from fieldkit.links.recorded import ReplayRunner
from fieldkit.sources.tlsprobe import targets
from tests.failover.services import reply

TARGET = targets.parse("wss://csms.example/ocpp")


def test_a_name_is_asked_and_answered() -> None:
    asked = question("csms.example", 0x1234)
    assert asked == b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04csms\x07example\x00\x00\x01\x00\x01"
    assert answer(reply(asked, {"csms.example": "203.0.113.9"}), 0x1234) == ("203.0.113.9",)
    with pytest.raises(DnsError, match="no such name"):
        answer(reply(asked, {}), 0x1234)
    with pytest.raises(DnsError, match="no answer to the question"):
        answer(reply(asked, {"csms.example": "203.0.113.9"}), 0x4321)
    with pytest.raises(DnsError, match="no address"):
        answer(reply(question("csms.example", 1, 28), {"csms.example": "203.0.113.9"}), 1)
    with pytest.raises(DnsError):
        question("a..b", 1)


def test_an_alias_before_the_address() -> None:
    asked = question("a.example", 7)
    alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01b\xc0\x0e"
    there = b"\xc0\x27\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x09"
    data = b"\x00\x07\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00" + asked[12:] + alias + there
    assert answer(data, 7) == ("203.0.113.9",)


@given(st.binary(max_size=200))
def test_whatever_a_name_server_sends(data: bytes) -> None:
    for some in (data, b"\x00\x01\x81\x80" + data):
        with suppress(DnsError):
            assert answer(some, 1)


def test_an_echo_request_has_a_right_checksum() -> None:
    packet = request(1, 2, b"x" * 32)
    assert checksum(packet) == 0
    assert packet[0] == 8


def test_name_servers_by_uplink() -> None:
    openwrt = "# Interface wan\nnameserver 192.0.2.1\nsearch lan\n# Interface mob1s1a1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
    known = parse(openwrt)
    assert known == {"wan": ["192.0.2.1"], "mob1s1a1": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}
    assert of_uplink(known, "mob1s1a1") == ["10.0.0.1", "10.0.0.2"]
    assert of_uplink(known, "eth1") == ["192.0.2.1", "10.0.0.1"]
    assert parse("nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver no\n") == {"": ["fe80::1"]}
    assert of_uplink({}, "wan") == []


def _probe(uplink: str, **more: object) -> Probe:
    made = Probe(0, uplink, uplink, names=[Named("9.9.9.9", ("203.0.113.9",))], address="203.0.113.9", tried=True)
    for name, value in more.items():
        setattr(made, name, value)
    return made


GOOD = {"connect_ms": 20.0, "tls": "TLS 1.3", "trusted": True, "certificate": "aa", "issuer": "CA", "status": 101}


@pytest.mark.parametrize(
    "seen, verdict",
    [
        (GOOD, "carries"),
        ({**GOOD, "status": 401}, "carries"),
        ({**GOOD, "status": 404}, "carries"),
        ({"address": ""}, "no-dns"),
        ({"tried": False}, "unknown"),
        ({"error": "no answer to the attempt to connect"}, "blocked"),
        ({"connect_ms": 1.0, "not_tls": True}, "captive-portal"),
        ({"connect_ms": 1.0, "error": "the server reset the connection"}, "tls-fails"),
        ({**GOOD, "status": None, "error": "no answer in time"}, "no-upgrade"),
        ({**GOOD, "accept_wrong": True}, "intercepted"),
        ({**GOOD, "status": 407}, "intercepted"),
        ({**GOOD, "status": 511}, "captive-portal"),
        ({**GOOD, "trusted": None, "status": 302, "location": "http://login.example/"}, "captive-portal"),
        ({**GOOD, "trusted": None, "status": 200}, "captive-portal"),
        # The CSMS itself, as its certificate proves, may well have a page there, or point elsewhere.
        ({**GOOD, "status": 200}, "carries"),
        ({**GOOD, "status": 302, "location": "https://other.example/"}, "carries"),
        ({**GOOD, "trusted": None, "status": 301, "location": "/ocpp/"}, "carries"),
    ],
)
def test_one_uplink_by_itself(seen: dict[str, object], verdict: Verdict) -> None:
    probe = _probe("wan", **seen)
    judge([probe], TARGET)
    assert probe.verdict == verdict
    assert probe.why


def test_whose_fault_it_is_that_there_is_no_connection() -> None:
    dead = {"error": "no answer to the attempt to connect"}
    alone = _probe("wan", **dead)
    judge([alone], TARGET)
    assert alone.why.endswith("the uplink itself works, as the name server 9.9.9.9 answers over it")
    one, other = _probe("wan", **dead), _probe("mob", **dead)
    judge([one, other], TARGET)
    assert "nor over any other uplink: the CSMS may be down" in one.why
    good, pinged = _probe("wan", **GOOD), _probe("mob", echo_ms=20.0, **dead)
    judge([good, pinged], TARGET)
    assert "its pings are answered. Over wan there is one: here the APN's list" in pinged.why
    # Nothing at all is heard over it: that the uplink works is not known, so nobody is accused.
    good, silent = _probe("wan", **GOOD), _probe("mob", names=[], **dead)
    judge([good, silent], TARGET)
    assert silent.why == "no TCP connection to 203.0.113.9 port 443: no answer to the attempt to connect"


def test_two_uplinks_with_two_certificates() -> None:
    good = _probe("wan", **GOOD)
    for seen, verdict, sure in (
        ({"trusted": False, "certificate": "bb", "issuer": "Inspection"}, "intercepted", True),
        # The same CA by name: perhaps one server of the farm has an old certificate.
        ({"trusted": False, "certificate": "bb"}, "intercepted", False),
        # Verified too: a farm may have several.
        ({"certificate": "bb"}, "carries", True),
    ):
        other = _probe("mob", **{**GOOD, **seen})
        judge([good, other], TARGET)
        assert (good.verdict, other.verdict, other.sure) == ("carries", verdict, sure)


def test_an_uplink_on_which_the_csms_says_no() -> None:
    good, other = _probe("wan", **GOOD), _probe("mob", **{**GOOD, "status": 403})
    judge([good, other], TARGET)
    assert (other.verdict, other.sure) == ("answers-otherwise", False)


def test_curl_s_words_whatever_they_are() -> None:
    words = [
        ("", "curl says nothing"),
        ("sh: out of memory\nfieldkit-status: 1\n", "sh: out of memory fieldkit-status: 1"),
        ("curl: (7) Failed to connect\nfieldkit-probe: 000 0.0 0.0 0 0 0 0\n\nfieldkit-status: 7\n", "connection refused, or no route"),
        ("curl: (99) What\x1b[31m\nfieldkit-probe: 000 0.0 0.0 0 0 0 0\nfieldkit-status: 99\n", "What\x1b[31m"),
    ]  # fmt: skip
    for out, said in words:

        class Router(ReplayRunner):
            def run(self, *command: str, seconds: float = 0, _out: str = out) -> str:
                return _out

        probe = _probe("wan")
        RemoteProber(Router([], "a router"), TARGET).reach(probe)
        assert " ".join(probe.error.split()) == said
        judge([probe], TARGET)
        assert probe.verdict == "blocked"


def test_nslookups_of_three_kinds() -> None:
    said = {
        "busybox": "Server:\t\t192.0.2.1\nAddress:\t192.0.2.1:53\n\nName:\tcsms.example\nAddress: 203.0.113.9\n\n",
        "older": "Server:    192.0.2.1\nAddress 1: 192.0.2.1 dns\n\nName:      csms.example\nAddress 1: 203.0.113.9 csms\n",
        "bind": "Server:\t\t192.0.2.1\nAddress:\t192.0.2.1#53\n\nName:\tcsms.example\nAddress: 203.0.113.9\n",
        "none": "Server:\t\t192.0.2.1\nAddress:\t192.0.2.1:53\n\n** server can't find csms.example: NXDOMAIN\n\n",
    }
    for kind, out in said.items():

        class Router(ReplayRunner):
            def run(self, *command: str, seconds: float = 0, _out: str = out) -> str:
                return _out + "fieldkit-status: 0\n"

        probe = _probe("wan", names=[])
        RemoteProber(Router([], "a router"), TARGET).names(probe, ["192.0.2.1"])
        (named,) = probe.names
        assert named.addresses == (() if kind == "none" else ("203.0.113.9",))
        assert not named.bound
        assert not probe.answering
        assert ("NXDOMAIN" in named.error) == (kind == "none")


def test_a_csms_whose_address_begins_as_that_of_the_name_server() -> None:
    said = "Server:\t\t10.0.0.1\nAddress:\t10.0.0.1:53\n\nName:\tcsms.example\nAddress: 10.0.0.12\n"
    assert remote._addresses(said, "10.0.0.1") == ("10.0.0.12",)


@pytest.mark.parametrize(
    "written",
    [
        "fieldkit-probe: 101 1.2.3 0 0 1 1 1",
        f"fieldkit-probe: 101 0.1 0.2 0 {'9' * 5000} 1 1",
        "fieldkit-probe: 101 0.1 0.2 0 1 1 1\n-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
    ],
)
def test_what_no_curl_would_write_ends_no_probe(written: str) -> None:
    class Router(ReplayRunner):
        def run(self, *command: str, seconds: float = 0) -> str:
            return f"{written}\nfieldkit-status: 0\n"

    probe = _probe("wan", names=[])
    RemoteProber(Router([], "a router"), TARGET).reach(probe)
    assert probe.tried
    assert not probe.certificate
