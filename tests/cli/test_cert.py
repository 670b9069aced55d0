"""``fieldkit cert`` as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

from tests.traffic.commandline import Fieldkit, spawn
from tests.trust.pki import Made, issue, name, pki, root, server
from tests.trust.test_containers import request
from tests.trust.test_purpose import secc, sub1, sub2, v2g
from tests.trust.test_revocation import crl, response

WHEN = ("--at", "2026-06-01T12:00Z")
LEAF, MIDDLE, TOP = pki()
PASSWORD = "correct horse battery staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files as they lie on a technician's laptop."""
    (tmp_path / "csms.pem").write_bytes(LEAF.pem + MIDDLE.pem)
    (tmp_path / "root.pem").write_bytes(TOP.pem)
    (tmp_path / "other.pem").write_bytes(root("Another").pem)
    (tmp_path / "leaf.der").write_bytes(LEAF.der)
    (tmp_path / "middle.der").write_bytes(MIDDLE.der)
    (tmp_path / "key.pem").write_bytes(LEAF.key_pem)
    (tmp_path / "key.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"csms", LEAF.key, LEAF.x509, [MIDDLE.x509], BestAvailableEncryption(PASSWORD.encode())
        )
    )
    return tmp_path


def ids(run: Any) -> list[str]:
    return [finding["id"] for finding in json.loads(run.out)["findings"]]


def test_who_for_what_until_when(fieldkit: Fieldkit, folder: Path) -> None:
    run = fieldkit("cert", *WHEN, folder / "csms.pem")
    assert run.code == 0
    assert run.lines[0] == "2 certificates: nothing wrong found"
    assert "CN=csms.example, O=Example CPO" in run.out
    assert "2026-05-02 12:00:00Z to 2027-03-28 12:00:00Z (ends in 300 days)" in run.out
    assert "EC secp256r1, signed by ECDSA with SHA-256" in run.out
    assert '"csms.example" <- "Test Sub"' in run.out
    assert "--ca FILE judges" in " ".join(run.out.split())
    assert LEAF.read.fingerprint in run.out
    assert all(len(line) <= 80 for line in run.lines)


def test_with_trust_anchors(fieldkit: Fieldkit, folder: Path) -> None:
    good = fieldkit("cert", *WHEN, "--ca", folder / "root.pem", folder / "csms.pem")
    assert good.code == 0
    assert 'trusted: it leads to "Test Root"' in good.out
    bad = fieldkit("cert", *WHEN, "--ca", folder / "other.pem", folder / "csms.pem")
    assert bad.code == 1
    assert "CRITICAL" in bad.out
    assert "tls.untrusted" in bad.out
    assert "not to be trusted" in bad.out
    missing = fieldkit("cert", *WHEN, "--json", "-", "--ca", folder / "root.pem", folder / "leaf.der")
    assert ids(missing) == ["tls.untrusted"]


def test_several_files_form_a_chain(fieldkit: Fieldkit, folder: Path) -> None:
    run = fieldkit(
        "cert", *WHEN, "--json", "-", "--ca", folder / "root.pem", folder / "middle.der", folder / "leaf.der"
    )
    document = json.loads(run.out)
    (chain,) = document["chains"]
    assert [one["subject"] for one in chain["path"]] == [
        "CN=csms.example, O=Example CPO", "CN=Test Sub, O=Test PKI", "CN=Test Root, O=Test PKI",
    ]  # fmt: skip
    assert chain["trusted"] is True
    assert document["findings"] == []
    assert document["schema"] == 1
    assert document["at"] == "2026-06-01T12:00:00.000Z"


def test_a_chain_file_in_the_wrong_order(fieldkit: Fieldkit, folder: Path) -> None:
    (folder / "wrong.pem").write_bytes(MIDDLE.pem + LEAF.pem)
    run = fieldkit("cert", *WHEN, "--json", "-", folder / "wrong.pem")
    assert ids(run) == ["tls.chain-order"]
    assert run.code == 0
    assert fieldkit("cert", *WHEN, "--fail-on", "warning", folder / "wrong.pem").code == 1


@pytest.mark.parametrize("time, code", [("2026-06-01", 0), ("2027-04-01", 1), ("2020-01-01T00:00+02:00", 1)])
def test_at_a_given_time(fieldkit: Fieldkit, folder: Path, time: str, code: int) -> None:
    assert fieldkit("cert", "--at", time, folder / "csms.pem").code == code
    assert fieldkit("cert", "--at", time, "--fail-on", "never", folder / "csms.pem").code == 0


def test_fit_for_a_purpose(fieldkit: Fieldkit, folder: Path) -> None:
    good = fieldkit("cert", *WHEN, "--for", "csms", "--host", "csms.example", "--ca", folder / "root.pem",
                    folder / "csms.pem")  # fmt: skip
    assert good.code == 0
    assert "It fits." in good.out
    bad = fieldkit("cert", *WHEN, "--for", "csms", "--host", "other.example", folder / "csms.pem")
    assert bad.code == 1
    assert "It does not fit." in bad.out
    assert "tls.hostname-mismatch" in bad.out
    assert "cert.unfit" in bad.out
    assert "Not met: " in bad.out
    stray = fieldkit("cert", *WHEN, "--json", "-", "--for", "csms", folder / "leaf.der", folder / "other.pem")
    assert [fit["subject"] for fit in json.loads(stray.out)["fits"]] == ["CN=csms.example, O=Example CPO"]
    station = fieldkit("cert", *WHEN, "--for", "station", folder / "csms.pem")
    assert "TLS server, not TLS client" in " ".join(station.out.split())


def test_a_v2g_chain(fieldkit: Fieldkit, tmp_path: Path) -> None:
    for file, made in (("secc", [secc()]), ("subs", [sub2(), sub1()]), ("root", [v2g()])):
        (tmp_path / file).write_bytes(b"".join(one.pem for one in made))
    arguments = ["--ca", str(tmp_path / "root"), str(tmp_path / "secc"), str(tmp_path / "subs")]
    run = fieldkit("cert", *WHEN, "--for", "15118-secc", *arguments)
    assert run.code == 0, run.out
    assert "V2G2-010" in run.out
    assert fieldkit("cert", *WHEN, "--for", "15118-20-secc", *arguments).code == 1
    # of one chain each certificate can be asked about
    for purpose in ("15118-cpo-sub1", "15118-cpo-sub2"):
        judged = fieldkit("cert", *WHEN, "--for", purpose, "--json", "-", *arguments)
        (fit,) = json.loads(judged.out)["fits"]
        assert (fit["fits"], fit["subject"].split(",")[0]) == (True, f"CN=CPO {purpose[-4:].title()}")
    everything = [str(tmp_path / one) for one in ("root", "subs", "secc")]
    (fit,) = json.loads(fieldkit("cert", *WHEN, "--for", "15118-v2g-root", "--json", "-", *everything).out)["fits"]
    assert (fit["fits"], fit["subject"].split(",")[0]) == (True, "CN=V2G Root")


def test_a_request_and_what_was_made_of_it(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "request.csr").write_bytes(request().public_bytes(Encoding.PEM))
    made = issue(name("CP-7", "Example CPO"), MIDDLE, key_name="request")
    (tmp_path / "made.pem").write_bytes(made.pem)
    (tmp_path / "leaf.pem").write_bytes(LEAF.pem)
    alone = fieldkit("cert", *WHEN, tmp_path / "request.csr")
    assert alone.code == 0
    assert 'certificate request for "CP-7"' in alone.out
    other = fieldkit("cert", *WHEN, "--json", "-", tmp_path / "request.csr", tmp_path / "leaf.pem")
    assert "cert.request-mismatch" in ids(other)
    own = request(key=made.key)
    (tmp_path / "own.csr").write_bytes(own.public_bytes(Encoding.PEM))
    assert ids(fieldkit("cert", *WHEN, "--json", "-", tmp_path / "own.csr", tmp_path / "made.pem")) == []


def test_revocation_data(fieldkit: Fieldkit, folder: Path) -> None:
    (folder / "good.ocsp").write_bytes(response(LEAF, MIDDLE).der)
    (folder / "list.crl").write_bytes(crl(MIDDLE, LEAF.x509.serial_number).der)
    (folder / "forged.crl").write_bytes(crl(MIDDLE, signer=TOP).der)
    good = fieldkit("cert", *WHEN, folder / "csms.pem", folder / "good.ocsp")
    assert good.code == 0
    assert '"csms.example" by the OCSP response in good.ocsp: good.' in " ".join(good.out.split())
    revoked = fieldkit("cert", *WHEN, "--json", "-", folder / "csms.pem", folder / "list.crl")
    assert ids(revoked) == ["tls.cert-revoked"]
    assert revoked.code == 1
    forged = fieldkit("cert", *WHEN, "--json", "-", folder / "csms.pem", folder / "forged.crl")
    assert ids(forged) == ["cert.status-unusable"]
    alone = fieldkit("cert", *WHEN, folder / "list.crl")
    assert 'revocation list of "Test Sub"' in alone.out


def test_standard_input(folder: Path) -> None:
    with (folder / "csms.pem").open("rb") as file:
        process = spawn("cert", *WHEN, "-", stdin=file)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"standard input" in out


# ------------------------------------------------------------------------------------------------------------- secrets


def secrets_of(made: Made) -> list[str]:
    """A private key in all the ways in which it could get out."""
    number = made.key.private_numbers().private_value
    pem = made.key_pem.decode().splitlines()
    return [f"{number:x}", str(number), *(line for line in pem if "-----" not in line), PASSWORD]


def test_private_keys_and_passwords_are_never_shown(
    fieldkit: Fieldkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDKIT_P12_PASSWORD", PASSWORD)
    encrypted = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    (folder / "locked.pem").write_bytes(encrypted)
    (folder / "damaged.pem").write_bytes(LEAF.key_pem.replace(b"\n", b"\n ", 2)[:-60])
    names = [folder / one for one in ("csms.pem", "key.pem", "key.p12", "locked.pem", "damaged.pem")]
    said = ""
    for arguments in (names, ["--json", "-", *names], ["--json", folder / "out.json", *names], [folder / "key.pem"]):
        run = fieldkit("cert", *WHEN, *arguments)
        said += run.out + run.err
    said += (folder / "out.json").read_text("utf-8")
    for secret in secrets_of(LEAF):
        assert secret not in said
    assert "private key" in said
    assert "it is not shown" in said


def test_does_the_key_belong_to_the_certificate(fieldkit: Fieldkit, folder: Path) -> None:
    own = fieldkit("cert", *WHEN, folder / "csms.pem", folder / "key.pem")
    assert own.code == 0
    assert 'belongs to  "csms.example"' in own.out
    (folder / "strange.pem").write_bytes(server(MIDDLE, "b.example").key_pem)
    other = fieldkit("cert", *WHEN, folder / "csms.pem", folder / "strange.pem")
    assert other.code == 1
    assert "cert.key-mismatch" in other.out


def test_the_password_of_a_pkcs12(fieldkit: Fieldkit, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDKIT_P12_PASSWORD", raising=False)
    without = fieldkit("cert", *WHEN, folder / "key.p12")
    assert without.code == 3
    assert "needs a password" in without.err
    assert len(without.err.splitlines()) == 1
    monkeypatch.setenv("FIELDKIT_P12_PASSWORD", "wrong")
    wrong = fieldkit("cert", *WHEN, folder / "key.p12")
    assert wrong.code == 3
    assert "password is wrong" in wrong.err
    monkeypatch.setenv("FIELDKIT_P12_PASSWORD", PASSWORD)
    opened = fieldkit("cert", *WHEN, folder / "key.p12")
    assert opened.code == 0
    assert "PKCS#12" in opened.out
    monkeypatch.delenv("FIELDKIT_P12_PASSWORD")
    read, write = os.pipe()
    os.write(write, f"{PASSWORD}\n".encode())
    os.close(write)
    assert fieldkit("cert", *WHEN, "--password-fd", str(read), folder / "key.p12").code == 0
    os.close(read)


def test_the_password_is_asked_for_on_a_terminal(folder: Path) -> None:
    import pty

    main, other = pty.openpty()
    variables = {one: value for one, value in os.environ.items() if one != "FIELDKIT_P12_PASSWORD"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fieldkit", "cert", *WHEN, str(folder / "key.p12")],
        stdin=other, stdout=subprocess.PIPE, stderr=other, start_new_session=True, close_fds=True,
        env={**variables, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    os.close(other)
    asked = os.read(main, 200)
    os.write(main, f"{PASSWORD}\n".encode())
    out, _ = process.communicate(timeout=30)
    assert b"Password of key.p12" in asked
    assert PASSWORD.encode() not in asked + out
    assert process.returncode == 0
    os.close(main)


# ----------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "it is empty"),
        (b"\x00\x01\x02" * 100, "neither PEM nor DER"),
        (b"\x30\x82\x01\x00" + b"\x00" * 20, "looks like DER"),
        (LEAF.pem[:200], "begins and does not end"),
        (b"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "no base64"),
        (b"\x1b[31mred", "neither PEM nor DER"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_garbage_is_one_clear_line(fieldkit: Fieldkit, tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "x.pem").write_bytes(data)
    run = fieldkit("cert", tmp_path / "x.pem")
    assert run.code == 3
    assert run.out == ""
    (line,) = run.err.splitlines()
    assert line.startswith("fieldkit: ")
    assert why in line


def test_a_file_that_is_not_there_and_one_that_is(fieldkit: Fieldkit, folder: Path) -> None:
    run = fieldkit("cert", *WHEN, folder / "missing.pem", folder / "csms.pem")
    assert run.code == 3
    assert "No such file" in run.err
    assert "csms.example" in run.out


def test_hostile_names_do_not_reach_the_terminal(fieldkit: Fieldkit, tmp_path: Path) -> None:
    hostile = issue(name("\x1b]0;owned\x07\u202eevil", "[red]<script>=cmd()"), MIDDLE, hosts=["a.example"])
    (tmp_path / "x.pem").write_bytes(hostile.pem)
    for arguments in ([], ["--json", "-"], ["--for", "csms"]):
        run = fieldkit("cert", *WHEN, *arguments, tmp_path / "x.pem")
        assert "\x1b" not in run.out + run.err
        assert "\x07" not in run.out + run.err
        assert "\u202e" not in run.out + run.err
    assert "owned" in run.out


@pytest.mark.parametrize("arguments, why", [
    ([], "Missing argument"), (["--for", "nothing", "x"], "is none of"), (["--at", "yesterday", "x"], "give a date"),
    (["-", "-"], "once only"), (["--fail-on", "x", "y"], "--fail-on"),
    (["--json", "/nonexistent/x.json", "x"], "no directory"),
])  # fmt: skip
def test_wrong_calls(fieldkit: Fieldkit, arguments: list[str], why: str) -> None:
    run = fieldkit("cert", *arguments)
    assert run.code == 2
    assert why in run.err


def test_a_ca_that_is_none(fieldkit: Fieldkit, folder: Path) -> None:
    (folder / "nothing.pem").write_bytes(b"hello")
    run = fieldkit("cert", "--ca", folder / "nothing.pem", folder / "csms.pem")
    assert run.code == 3
    assert "neither PEM nor DER" in run.err
    run = fieldkit("cert", "--ca", folder / "none.pem", folder / "csms.pem")
    assert run.code == 3
    assert "none.pem: No such file" in run.err


def test_the_roots_of_this_machine(fieldkit: Fieldkit, folder: Path) -> None:
    from fieldkit.cli.certfiles import system_store

    try:
        store = system_store()
    except Exception:
        pytest.skip("this machine has no store of roots")
    run = fieldkit("cert", "--json", "-", "--fail-on", "never", "--at", "2024-06-01", "--ca", "system", store)
    document = json.loads(run.out)
    assert len(document["chains"]) > 20
    assert {chain["trusted"] for chain in document["chains"] if not chain["findings"]} == {True}
    known = {"tls.root-expired", "tls.root-not-yet-valid", "tls.cert-expires-soon", "tls.rsa-key-too-short"}
    assert set(ids(run)) <= known


def test_a_document_is_written_whole_and_never_over_a_source(fieldkit: Fieldkit, folder: Path) -> None:
    run = fieldkit("cert", *WHEN, "--json", folder / "out.json", folder / "csms.pem")
    assert run.code == 0
    assert json.loads((folder / "out.json").read_text())["files"][0]["name"] == "csms.pem"
    over = fieldkit("cert", *WHEN, "--json", folder / "csms.pem", folder / "csms.pem")
    assert over.code == 2
    assert "would be overwritten" in over.err


def test_colours_only_where_they_are_wanted(fieldkit: Fieldkit, folder: Path) -> None:
    assert "\x1b" not in fieldkit("cert", *WHEN, folder / "csms.pem").out
    assert "\x1b[" in fieldkit("cert", *WHEN, "--color", "always", folder / "csms.pem").out


def test_an_authority_can_be_checked_before_it_is_installed(fieldkit: Fieldkit, folder: Path) -> None:
    assert fieldkit("cert", *WHEN, "--for", "csms-root", folder / "root.pem").code == 0
    run = fieldkit("cert", *WHEN, "--for", "csms-root", folder / "middle.der")
    assert run.code == 1
    assert "it is a root" in run.out
    hashed = json.loads(fieldkit("cert", *WHEN, "--json", "-", folder / "root.pem").out)["files"][0]["items"][0][
        "hash_data"
    ]
    assert hashed["hashAlgorithm"] == "SHA256"
    assert hashed["serialNumber"] == f"{TOP.x509.serial_number:x}"
