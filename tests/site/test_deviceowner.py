"""Whose device it is: as both sides tell, and never by guessing."""

from __future__ import annotations

from fieldkit.events import ConsoleLine, OcppMessage
from fieldkit.site.picture import Picture
from tests.checks.devices import reading
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.decoded import decode
from tests.traffic.taps import Tap

_ANSWER = {"currentTime": "2026-08-31T08:00:00Z", "interval": 300, "status": "Accepted"}


def site(**numbers: dict[str, str]) -> Picture:
    """Stations that boot and tell such numbers, each from an address of its own."""
    sessions = []
    for at, (station, told) in enumerate(numbers.items()):
        session = Session(station, client=(f"10.64.3.{at + 1}", 40_000 + at))
        session.connect()
        session.upgrade()
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"} | told
        session.call("station", "BootNotification", boot, _ANSWER)
        sessions.append(session)
    picture = Picture()
    for event in decode(write_pcap(Tap().packets(merged(*(session.segments for session in sessions))))).events:
        picture.feed(event)
    assert set(picture.stations) == set(numbers)
    return picture


def whose(picture: Picture, event: object) -> tuple[str, str]:
    picture.feed(event)  # type: ignore[arg-type]
    key = next(iter(picture.devices.all), ("/dev/ttyUSB0", "console", ""))
    owner = picture.devices.owners.of(key, picture.stations, picture.links)
    return owner.station, owner.why


def serial(number: str) -> object:
    return reading(1, "serial_number", number)


def test_a_serial_number_that_both_tell() -> None:
    numbers = {"CP_1": {"meterSerialNumber": "0012345678"}, "CP_2": {"chargePointSerialNumber": "PX-77123"}}
    assert whose(site(**numbers), serial("12345678"))[0] == "CP_1"
    station, why = whose(site(**numbers), serial("px-77123 "))
    assert station == "CP_2"
    assert "PX-77123" in why


def test_a_number_that_two_stations_tell_is_neither_s() -> None:
    shared = {"meterSerialNumber": "12345678"}
    station, why = whose(site(CP_1=shared, CP_2=shared), serial("12345678"))
    assert (station, why) == ("", "what it tells fits 2 stations")


def test_numbers_that_many_things_have_are_none() -> None:
    for number in ("1", "00000000", "0042", "unknown", "SERIALNUMBER", ""):
        picture = site(CP_1={"meterSerialNumber": number}, CP_2={})
        assert whose(picture, serial(number))[0] == "", number


def test_the_address_that_a_console_prints() -> None:
    for line, station in (
        ("connecting to wss://csms.example:9000/ocpp/CP_2", "CP_2"),
        ("url=ws://10.0.0.1/CP%5F1?token=x, retry", "CP_1"),
        ("connecting to wss://csms.example/ocpp/", ""),
        ("connecting to wss://CP_1", ""),
        ("CP_1 is online", ""),
        ("wss://csms.example/CP_11", ""),
        ("wss://a.example/CP_1 then wss://b.example/CP_2", ""),
    ):
        picture = site(CP_1={}, CP_2={})
        assert whose(picture, ConsoleLine(1, (1,), "/dev/ttyUSB0", line, True))[0] == station, line


def test_the_address_that_a_modem_has() -> None:
    def modem(address: str) -> object:
        return reading(1, "address_1", address, device="modem", dialect="at")

    assert whose(site(CP_1={}, CP_2={}), modem("10.64.3.2"))[0] == "CP_2"
    assert whose(site(CP_1={}, CP_2={}), modem("10.64.3.9"))[0] == ""


def test_what_the_user_says_goes_before_all_evidence() -> None:
    picture = site(CP_1={"meterSerialNumber": "12345678"}, CP_2={})
    picture.devices.owners.choose("ttyUSB0", "CP_2#2")
    picture.feed(serial("12345678"))  # type: ignore[arg-type]
    key = next(iter(picture.devices.all))
    owner = picture.devices.owners.of(key, picture.stations, picture.links)
    assert (owner.station, owner.connector, owner.why) == ("CP_2", "2", "as you said")


def test_a_second_station_takes_back_what_was_only_so_because_there_was_one() -> None:
    picture = site(CP_1={}, CP_2={})
    first = Picture()
    event = reading(1, "voltage_l1", 230.0)
    assert whose(first, event)[1] == "there is no station here"
    told = [one.about.boots[0].call for one in picture.stations.values()]
    assert all(isinstance(message, OcppMessage) for message in told)
    first.feed(told[0])
    assert whose(first, event) == ("CP_1", "it is the only station here")
    first.feed(told[1])
    assert whose(first, event)[0] == ""
