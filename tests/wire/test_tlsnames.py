"""The names of TLS's numbers, against another program's."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from fieldkit.wire.tlsnames import alert_name, suite_name, version_name


def test_alerts_have_names() -> None:
    assert alert_name(48) == "unknown_ca"
    assert alert_name(77) == "alert 77"


def test_versions_have_names() -> None:
    names = [version_name(number) for number in (0x0002, 0x0300, 0x0303, 0x0304, 0x7F1C, 0x0A0A)]

    assert names == ["SSL 2.0", "SSL 3.0", "TLS 1.2", "TLS 1.3", "TLS 1.3 draft 28", "0x0A0A"]


def test_suites_have_the_names_that_iana_gave_them() -> None:
    assert suite_name(0xC02B) == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    assert suite_name(0x009D) == "TLS_RSA_WITH_AES_256_GCM_SHA384"
    assert suite_name(0x0017) == "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5"
    assert suite_name(0x1304) == "TLS_AES_128_CCM_SHA256"
    assert suite_name(0x00FF) == "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"
    assert suite_name(0x0A0A) == "0x0A0A"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command to compare with")
def test_openssl_knows_the_suites_by_the_same_names() -> None:
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = {}
    for line in output.splitlines():
        number, name = line.replace(" - ", " ").split()[:2]
        high, low = number.split(",")
        theirs[int(high, 16) << 8 | int(low, 16)] = name

    assert len(theirs) > 30
    assert {number: suite_name(number) for number in theirs} == theirs
