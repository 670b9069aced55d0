"""The TLS screen: what was agreed, what can be seen of certificates, and what cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.reports.document import CertificateEntry, TlsEntry
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.tlswords import agreed, certificate_lines, dates
from tests.tui.driving import CAPTURES, SMALL, WIDE
from tests.tui.ready import seeing

TLS13 = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"
DAY = 86_400 * 1_000_000_000
NOW = 1_790_000_000 * 1_000_000_000  # 2026-09-21


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def certificate(begin: str = "2026-01-01T00:00:00Z", end: str = "2027-01-01T00:00:00Z") -> CertificateEntry:
    return {
        "seen": "tls server", "subject": "CN=csms.example", "issuer": "CN=Root", "serial": "1f", "not_before": begin,
        "not_after": end, "key": "EC secp256r1", "names": ["csms.example"], "fingerprint": "ab" * 32,
    }  # fmt: skip


def entry(version: str = "TLS 1.2", chain: list[CertificateEntry] | None = None) -> TlsEntry:
    return {
        "server": "203.0.113.5:443", "server_name": "csms.example", "version": version, "suite": "TLS_AES_128_GCM_SHA256",
        "client_versions": ["TLS 1.2"], "client_certificate": False, "resumed": 0, "connections": 1, "alerts": [],
        "opaque": "", "chain": [certificate()] if chain is None else chain, "alpn": "", "client_protocols": [],
        "failed": 0, "unseen": "", "client_chain": [], "clients": [],
    }  # fmt: skip


async def test_what_was_agreed_and_what_tls_13_hides() -> None:
    async with seeing(TLS13, size=SMALL) as d:
        await d.press("4")
        assert "TLS_AES_256_GCM_SHA384" in d.text
        assert "Name asked for (SNI): localhost" in d.text
        assert "TLS 1.3 encrypts them" in d.text
        assert "HIDDEN" in d.lines[2], "what cannot be seen is not called good"
        await d.press("tab", "enter")
        assert d.app.current_mode == "live"
        assert "client offers TLS 1.2, TLS 1.3" in d.text


async def test_with_a_key_log_the_certificates_are_there() -> None:
    from fieldkit.tui.app import FieldkitApp
    from fieldkit.tui.settings import Settings
    from tests.tui.driving import Driver

    engine = Engine(open_feed([str(TLS13)]), keylogs=[str(TLS13.with_suffix(".keylog"))])
    app = FieldkitApp(engine, settings=Settings(utc=True, theme="field-night"), period=3600, start_at="tls")
    async with app.run_test(size=WIDE) as pilot:
        d = Driver(app, pilot)
        await d.until(lambda: not engine.state.running)
        await d.settle()
        assert "Certificate of the server" in d.text
        assert "names: " in d.text
        assert "valid 20" in d.text
        engine.close()


async def test_a_capture_without_tls_says_so() -> None:
    async with seeing(CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap", size=SMALL) as d:
        await d.press("4")
        assert "There is no TLS in this capture" in d.text


async def test_plain_signs_only() -> None:
    async with seeing(TLS13, size=SMALL, glyphs=ASCII) as d:
        await d.press("4")
        assert d.text.isascii()


def test_dates_are_judged_at_the_time_of_the_capture() -> None:
    assert dates(certificate(), NOW) == ("valid 2026-01-01 to 2027-01-01, 101 days left", "ok")
    text, level = dates(certificate(end="2026-09-30T00:00:00Z"), NOW)
    assert level == "warn"
    assert text.endswith("8 days left")
    text, level = dates(certificate(end="2026-09-20T00:00:00Z"), NOW)
    assert (level, "EXPIRED 1 day before this capture" in text) == ("fail", True)
    text, level = dates(certificate(begin="2026-09-25T00:00:00Z"), NOW)
    assert (level, "NOT YET valid" in text) == ("fail", True)
    assert dates(certificate(begin="?"), NOW)[1] == "none"


def test_the_verdict_is_the_worst_of_version_dates_and_findings() -> None:
    assert agreed(entry(), [], NOW).level == "ok"
    assert agreed(entry(), ["info"], NOW).level == "ok"
    assert agreed(entry(), ["warning"], NOW).level == "warn"
    assert agreed(entry(), ["critical", "warning"], NOW).word == "FAIL"
    assert agreed(entry("TLS 1.0"), [], NOW).level == "fail"
    assert agreed(entry(""), [], NOW).level == "warn"
    assert agreed(entry(chain=[]), [], NOW).word == "HIDDEN"
    assert agreed(entry(chain=[certificate(end="2026-01-02T00:00:00Z")]), [], NOW).level == "fail"


def test_what_stands_in_a_certificate_is_harmless() -> None:
    evil = certificate()
    evil["subject"] = "CN=\x1b[31mred\u202e"
    evil["names"] = ["a\x07b"]
    for text, _ in certificate_lines(evil, NOW):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\x07" not in text
