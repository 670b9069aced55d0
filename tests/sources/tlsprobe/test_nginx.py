"""nginx, in front of which many a CSMS stands: as it should be, and as it is found."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.probing import HARMLESS, ids, look
from tests.sources.tlsprobe.servers import OCPP, good_pairs

_PROGRAM: Final = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(_PROGRAM is None, reason="needs nginx (apt-get install nginx-light)")
SCRATCH: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PATIENCE: Final = 20.0

Serve: TypeAlias = Callable[[str], AbstractContextManager[int]]


@pytest.fixture
def nginx(tmp_path: Path) -> Serve:
    """With an RSA and an ECDSA certificate, and these settings; it answers every request with 404."""
    pairs = " ".join(
        f"ssl_certificate {certificate}; ssl_certificate_key {key};" for certificate, key in good_pairs(tmp_path)
    )

    @contextlib.contextmanager
    def serve(settings: str) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        scratch = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in SCRATCH)
        user = "user root; " if os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(
            f"{user}daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; worker_processes 1; events {{}}\n"
            f"http {{ access_log off; {scratch} server {{ listen 127.0.0.1:{port} ssl; {pairs} {settings} return 404; }} }}"
        )
        process = subprocess.Popen([str(_PROGRAM), "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            ends = time.monotonic() + PATIENCE
            while time.monotonic() < ends:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)

    return serve


GOOD = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {OCPP}; ssl_prefer_server_ciphers on; "


@pytest.mark.parametrize(
    "settings, expected",
    [
        (GOOD, set()),
        (GOOD.replace("TLSv1.2 ", ""), {"tls.tls1.2-missing"}),
        ("ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;", {"tls.ocpp-suites-missing"}),
        ("ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:eNULL:@SECLEVEL=0;",
         {"tls.tls1.0-accepted", "tls.tls1.1-accepted", "tls.anon-suite", "tls.null-suite"}),
        ("ssl_reject_handshake on;", {"tls.name-unknown"}),
    ],
    ids=["good", "TLS 1.3 alone", "web grade A", "everything", "rejecting"],
)  # fmt: skip
def test_settings(nginx: Serve, ca: str, settings: str, expected: set[str]) -> None:
    with nginx(settings) as port:
        result = look(port, ca=ca)
    assert ids(result) - HARMLESS == expected
    assert result.postures[0].connections <= 40


@pytest.mark.parametrize("mode, expected", [("on", "required"), ("optional", "optional")])
def test_client_certificates(nginx: Serve, ca: str, mode: str, expected: str) -> None:
    """It lets TLS pass and refuses the request."""
    with nginx(f"{GOOD} ssl_verify_client {mode}; ssl_client_certificate {ca};") as port:
        result = look(port, ca=ca)
    assert ids(result) == {f"tls.client-cert-{expected}"}


def test_a_client_certificate_that_is_not_taken(nginx: Serve, ca: str, tmp_path: Path) -> None:
    """It lets TLS pass here too, whatever is shown to it."""
    stranger = pki.make("Other root", number=110, ca=True)
    certificate, key = pki.make("CP_7", stranger, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)).files(tmp_path, "other")
    with nginx(f"{GOOD} ssl_verify_client on; ssl_client_certificate {ca};") as port:
        result = look(port, ca=ca, client_certificate=certificate, client_key=key)
    assert ids(result) == {"tls.client-cert-refused"}
    assert result.postures[0].client_certificate_taken is False
