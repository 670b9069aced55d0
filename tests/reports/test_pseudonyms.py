"""Pseudonyms: the same each time, as long, and as valid as the true names."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.reports.pseudonyms import Pseudonyms

KEY = bytes(range(32))


def names() -> Pseudonyms:
    return Pseudonyms(KEY)


def form(text: str) -> str:
    return "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.islower() else c for c in text)


@pytest.mark.parametrize("name", ["CP-21601", "DE*ABC*E0042", "cp_7", "Säule 22", "0000", "x"])
def test_a_name_keeps_its_form_and_nothing_else(name: str) -> None:
    made = names().identity(name)
    assert made != name
    assert len(made.encode()) == len(name.encode())
    assert form(made) == form(name)


def test_the_same_name_has_the_same_pseudonym_and_another_key_gives_another() -> None:
    first = names()
    assert first.token("04A2B7C1D2") == first.token("04A2B7C1D2") == names().token("04A2B7C1D2")
    assert Pseudonyms(b"another").token("04A2B7C1D2") != names().token("04A2B7C1D2")


def test_two_names_never_become_one() -> None:
    made = names()
    tokens = {made.token(f"{number:06}") for number in range(3000)}
    assert len(tokens) == 3000


def test_the_uid_of_a_card_stays_hexadecimal() -> None:
    for name in ("04a2b7c1d2", "DEADBEEF", "04FFA1B2"):
        made = names().token(name)
        assert bytes.fromhex(made)
        assert made.isupper() == name.isupper()


def test_a_sim_number_keeps_its_industry_and_its_check_digit() -> None:
    made = names().iccid("8991101200003204510")
    assert made.startswith("89")
    digits = [int(c) for c in reversed(made)]
    assert sum(d if at % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for at, d in enumerate(digits)) % 10 == 0


def test_a_subscriber_keeps_the_country() -> None:
    assert names().imsi("262011234567890")[:3] == "262"


def test_a_vehicle_keeps_a_right_check_digit() -> None:
    made = names().vin("1M8GDM9AXKP042788")  # the example in the American rule, 49 CFR 565
    assert made != "1M8GDM9AXKP042788"
    assert len(made) == 17
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(w * (int(c) if c.isdigit() else values[c]) for c, w in zip(made, weights, strict=True))
    assert made[8] == "0123456789X"[total % 11]


@pytest.mark.parametrize("name", ["192.168.7.20", "10.0.0.1", "172.16.9.8", "100.64.1.2", "169.254.3.4"])
def test_a_private_address_stays_private(name: str) -> None:
    made = names().address(name)
    assert made != name
    assert len(made) == len(name)
    assert not ip_address(made).is_global


@pytest.mark.parametrize("name", ["8.8.8.8", "52.29.123.45", "185.12.64.1"])
def test_a_public_address_stays_public_and_as_long(name: str) -> None:
    made = names().address(name)
    assert made != name
    assert len(made) == len(name)
    assert ip_address(made).is_global


@pytest.mark.parametrize("name", ["2a02:8108::12", "fe80::1c2d:3e4f", "fd00:12::5"])
def test_an_ipv6_address_stays_one(name: str) -> None:
    made = names().address(name)
    assert made != name
    assert len(made) == len(name)
    assert ip_address(made).is_link_local == ip_address(name).is_link_local
    assert ip_address(made).compressed == made


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "0.0.0.0", "not an address"])
def test_what_is_nobodys_address_stays(name: str) -> None:
    assert names().address(name) == name


def test_a_host_keeps_its_last_label() -> None:
    made = names().host("CSMS.Example-Charging.com")
    assert made.endswith(".com")
    assert "example" not in made
    assert len(made) == len("CSMS.Example-Charging.com")
    assert names().host("localhost") == "localhost"


def test_a_mac_becomes_nobodys() -> None:
    made = names().mac("00:1B:44:11:3A:B7")
    assert made == names().mac("00:1b:44:11:3a:b7").upper()
    assert int(made[:2], 16) & 3 == 2, "locally administered, one station"


@given(st.text(max_size=40))
def test_anything_can_be_given_another_name(text: str) -> None:
    made = names()
    for method in (made.identity, made.token, made.serial, made.vin, made.iccid, made.imsi, made.host, made.address):
        assert len(method(text)) == len(text)
