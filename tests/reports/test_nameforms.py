"""Names that are recognised by their form, each once, wherever they stand."""

from __future__ import annotations

import pytest

from fieldkit.ocpp.secrets import HIDDEN
from fieldkit.reports.nameforms import NameForms
from fieldkit.reports.pseudonyms import Pseudonyms

OWN = "DE-ABC-0042"


@pytest.fixture
def names() -> Pseudonyms:
    return Pseudonyms(bytes(32))


@pytest.fixture
def forms(names: Pseudonyms) -> NameForms:
    return NameForms(names, names.identity)


@pytest.mark.parametrize(
    "text",
    [
        "RCD tripped, line 3",
        "boot of version 1.4.2",
        "2026-08-31T08:00:00Z",
        "Energy.Active.Import.Register,Power.Active.Import",
        "urn://Ocpp/Cs/2015/10/",
        "http://www.w3.org/2003/05/soap-envelope",
        "java.lang.NullPointerException at Foo.bar(Foo.java:17)",
        "127.0.0.1",
        "ratio 3:14:15",
    ],
)
def test_what_names_nobody_stays(forms: NameForms, text: str) -> None:
    assert forms.text(text, OWN) == text


@pytest.mark.parametrize(
    "text, kept",
    [
        ("ocpp.acme.com", ".com"),
        ("ocpp.acme.com:8080/acme/x", ":8080/"),
        ("wss://ocpp.acme.com:8080/ocpp/1.6/DE-ABC-0042", ":8080/ocpp/1.6/"),
        ("http://52.29.123.45/steve/services/CentralSystemService", "/steve/services/CentralSystemService"),
        ("ftp://me:you@[2a01:4f8::17]:2121/fw/v2.bin?site=Kassel", ":2121/fw/v2.bin?site="),
        ("call +49 172 1234567 now", "now"),
        ("00-1b-44-11-3a-b7", "-"),
        ("AB" * 30 + "17", ""),
        ("fe80::1b:44ff:fe11:3ab7", "fe80::"),
    ],
)
def test_what_names_somebody_is_replaced_and_keeps_its_form(forms: NameForms, text: str, kept: str) -> None:
    made = forms.text(text, OWN)
    assert made != text
    assert kept in made
    assert len(made) == len(text)
    for name in ("acme", "Kassel", "me:you", "1234567", "52.29.123.45", "1b-44-11", OWN):
        assert name not in made


def test_one_name_has_one_pseudonym_wherever_it_stands(forms: NameForms, names: Pseudonyms) -> None:
    host, station = names.host("ocpp.acme.com"), names.identity(OWN)
    assert forms.text(f"{OWN} at ocpp.acme.com", OWN) == f"{station} at {host}"
    assert forms.text(f"wss://ocpp.acme.com/ocpp/{OWN}", OWN) == f"wss://{host}/ocpp/{station}"
    assert forms.text(f"log_{OWN.lower()}", OWN) == f"log_{station.lower()}"


def test_what_is_hidden_stays_hidden(forms: NameForms) -> None:
    made = forms.text(f"ftp://me:{HIDDEN}@files.acme.com/x?token={HIDDEN}", OWN)
    assert made.count(HIDDEN) == 2


def test_names_that_were_seen_elsewhere_are_recognised(forms: NameForms) -> None:
    forms.remember("Depot-WLAN", "Xywqr-ABCD")
    forms.remember("Erika Mustermann", "Qwert Zuiopasdfg")
    forms.remember("Charging", "Wxyzabcd")
    assert forms.text("wifi Depot-WLAN of Erika Mustermann", OWN) == "wifi Xywqr-ABCD of Qwert Zuiopasdfg"
    assert forms.text("Charging goes on", OWN) == "Charging goes on", "a word is no name"
    assert forms.text("log_Depot-WLAN_2", OWN) == "log_Xywqr-ABCD_2"


def test_the_id_of_a_message(forms: NameForms, names: Pseudonyms) -> None:
    assert forms.identifier("4711", OWN) == "4711"
    assert forms.identifier(f"{OWN}-0007", OWN) == f"{names.identity(OWN)}-0007"
    uuid = forms.identifier("f47ac10b-58cc-11e4-8ed6-0800200c9a66", OWN)
    assert (len(uuid), uuid[14], uuid[19]) == (36, "1", "8"), "version and variant stay"
    assert "0800200c9a66" not in uuid, "a MAC address"


def test_the_name_of_a_file(forms: NameForms, names: Pseudonyms) -> None:
    made = forms.path(f"{OWN}_SN771209_diag.zip", OWN)
    assert made.startswith(f"{names.identity(OWN)}_")
    assert made.endswith(".zip")
    assert "771209" not in made
