"""The TLS section of every format: what was agreed, certificates of both sides, fingerprints, what nobody sees."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fieldkit.reports import html, markdown, model, text
from fieldkit.reports.document import Report, TlsEntry
from fieldkit.reports.documentschema import schema
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events
from tests.traffic.segments import Clock, TcpTalk
from tests.traffic.taps import Tap
from tests.traffic.tlstalk import contexts, talk


def reported(flights: list[tuple[bool, bytes]]) -> Report:
    tcp = TcpTalk(Clock(MONDAY), ("192.168.7.20", 50_000), ("203.0.113.5", 443))
    tcp.open()
    for from_client, data in flights:
        tcp.send(from_client, data)
    tcp.close(by_client=True)
    report = model.build(diagnose_events(decode(write_pcap(Tap().packets(tcp.segments))).events), sources=[])
    jsonschema.validate(json.loads(json.dumps(report)), schema())
    return report


def entry(report: Report) -> TlsEntry:
    (only,) = report["tls"]
    return only


def rendered(report: Report) -> list[str]:
    return [text.render(report, width=200), markdown.render(report), html.render(report)]


def test_tls_12_with_certificates_of_both_sides() -> None:
    report = reported(talk(contexts("1.2", mutual=True)).flights)
    tls = entry(report)
    assert (tls["version"], tls["connections"], tls["failed"], tls["unseen"]) == ("TLS 1.2", 1, 0, "")
    assert [one["seen"] for one in (*tls["chain"], *tls["client_chain"])] == ["tls server", "tls client"]
    (client,) = tls["clients"]
    assert client["client"] == "192.168.7.20"
    assert client["ja4"].startswith("t12d")
    for page in (one.replace("\\", "") for one in rendered(report)):  # Markdown escapes
        assert client["ja4"] in page
        assert client["ja3"] in page
        assert "CN=csms.example" in page
        assert "2016-01-04" in page


def test_tls_13_says_what_it_hides() -> None:
    report = reported(talk(contexts("1.3")).flights)
    tls = entry(report)
    assert tls["chain"] == []
    assert "TLS 1.3 encrypts certificates and alerts" in tls["unseen"]
    for page in rendered(report):
        assert "an onlooker sees hellos, sizes and how connections end" in page.replace("\n      ", " ")


def test_a_resumed_session_has_no_certificates() -> None:
    settings = contexts("1.2")
    first = talk(settings)
    tls = entry(reported(talk(settings, session=first.session).flights))
    assert (tls["resumed"], tls["chain"]) == (1, [])
    assert "taken up again" in tls["unseen"]


def test_handshakes_that_fail_are_counted() -> None:
    client, server = contexts("1.2")
    client.verify_mode = 2  # type: ignore[assignment] # CERT_REQUIRED, with nothing to trust
    tls = entry(reported(talk((client, server)).flights))
    assert tls["failed"] == 1
    assert tls["alerts"] == ["unknown_ca (from the client)"]
    hidden = entry(reported(talk((contexts("1.3")[0], contexts("1.3", mutual=True)[1])).flights))
    assert hidden["failed"] == 1
    assert hidden["alerts"] == ["encrypted alert behind an empty certificate (from the server)"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_protocols(version: str) -> None:
    settings = contexts(version)
    for side in settings:
        side.set_alpn_protocols(["http/1.1"])
    tls = entry(reported(talk(settings).flights))
    assert tls["client_protocols"] == ["http/1.1"]
    assert tls["alpn"] == ("http/1.1" if version == "1.2" else ""), "TLS 1.3 encrypts the answer"


def test_the_committed_schema_is_current() -> None:
    path = Path(model.__file__).with_name("report.schema.json")
    assert json.loads(path.read_text("utf-8")) == schema()
