"""What the detector makes of a site: each family once, what looks like it and is not, and bad input."""

from __future__ import annotations

from fieldkit.detect.detector import _RULES, _WATCHES
from fieldkit.detect.drifts import TRACKERS as DRIFTS
from fieldkit.detect.kinds import KINDS, finding
from fieldkit.detect.symptom import SITE
from fieldkit.detect.windows import Windows
from fieldkit.events import ConnectionClosed
from tests.detect.talk import BEGIN, SECOND, Site

HOUR = 3600.0
AB = ("CP_A", "CP_B", "CP_C")


def families(site: Site) -> set[str]:
    return {name for _, name in site.found()}


def test_an_ordinary_day_is_nothing() -> None:
    site = Site(*AB)
    for name in AB:
        site.boot(name)
    site.pass_time(2 * HOUR)
    site.status("CP_A", "Preparing")
    site.start("CP_A", "TAG1", 1000)
    site.status("CP_A", "Charging")
    for minute in range(1, 31):
        site.wait(60)
        site.meter("CP_A", 1000 + 183 * minute, 11_000)
        for name in AB:
            site.beat(name)
    site.stop("CP_A", 1000 + 183 * 30)
    site.status("CP_A", "Available")
    site.pass_time(HOUR)
    assert site.found() == []


# ---------------------------------------------------------------------------------------------------------- intrusion


def test_a_flood_of_heartbeats() -> None:
    site = Site(*AB)
    site.boot("CP_A")
    site.pass_time(HOUR)
    for _ in range(30):
        site.wait(1).beat("CP_A")
    (incident,) = site.incidents()
    assert (incident.station, incident.family_name, incident.category) == ("CP_A", "message-flood", "intrusion")
    assert "within a minute" in incident.explanation
    assert incident.evidence


def test_a_station_that_nobody_knows() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.connect("STRANGER", "192.168.7.99")
    site.boot("STRANGER")
    assert site.found() == [("STRANGER", "unknown-station")]


def test_a_station_that_joins_in_the_first_minutes_is_not_unknown() -> None:
    site = Site(*AB).pass_time(600)
    site.connect("CP_D", "192.168.7.99")
    site.boot("CP_D")
    assert site.pass_time(600).found() == []


def test_a_station_that_says_it_is_another_make() -> None:
    site = Site(*AB)
    site.boot("CP_A", chargePointSerialNumber="1")
    site.pass_time(HOUR)
    site.boot("CP_A", chargePointSerialNumber="2")
    assert ("CP_A", "cloned-station") in site.found()


def test_passwords_that_are_tried() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(6):
        site.wait(5).connect("CP_A", "192.168.7.200", status=401)
    assert site.found() == [("CP_A", "credential-guessing")]


def test_one_wrong_password_is_nothing() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.connect("CP_A", "192.168.7.200", status=401)
    assert site.found() == []


def test_cards_that_are_tried_one_after_the_other() -> None:
    site = Site(*AB).pass_time(HOUR)
    for number in range(6):
        site.wait(10).say("CP_A", "Authorize", {"idTag": f"TAG{number}"}, {"idTagInfo": {"status": "Invalid"}})
    assert ("CP_A", "tag-enumeration") in site.found()


def test_the_same_card_again_and_again_is_a_driver() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(6):
        site.wait(10).say("CP_A", "Authorize", {"idTag": "TAG"}, {"idTagInfo": {"status": "Invalid"}})
    assert "tag-enumeration" not in families(site)


def test_a_setting_that_opens_a_door() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.ask("CP_A", "ChangeConfiguration", {"key": "AllowOfflineTxForUnknownId", "value": "true"})
    assert site.found() == [("CP_A", "config-tampering")]


def test_a_setting_that_is_ordinary() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.ask("CP_A", "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"})
    site.ask("CP_A", "ChangeConfiguration", {"key": "LocalPreAuthorize", "value": "true"})
    assert site.found() == []


def test_firmware_from_another_place_than_before() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.ask("CP_B", "UpdateFirmware", {"location": "https://firmware.csms.example/1.bin", "retrieveDate": "x"})
    site.pass_time(2 * HOUR)
    site.ask("CP_A", "UpdateFirmware", {"location": "http://198.51.100.7/x.bin", "retrieveDate": "x"})
    assert ("CP_A", "firmware-url-swap") in site.found()


def test_a_planned_update_is_named_so() -> None:
    site = Site(*AB)
    site.boot("CP_A", firmwareVersion="1.0")
    site.pass_time(HOUR)
    site.ask("CP_A", "UpdateFirmware", {"location": "https://firmware.csms.example/1.bin", "retrieveDate": "x"})
    for state in ("Downloading", "Downloaded", "Installing"):
        site.wait(30).say("CP_A", "FirmwareStatusNotification", {"status": state}, {})
    site.drop("CP_A", "fin", by_client=True)
    site.wait(120).connect("CP_A", "192.168.7.10")
    site.boot("CP_A", firmwareVersion="1.1")
    site.say("CP_A", "FirmwareStatusNotification", {"status": "Installed"}, {})
    assert {incident.category for incident in site.incidents()} == {"benign"}


def test_a_station_that_goes_to_another_server() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.drop("CP_A")
    site.wait(3).connect("CP_A", "192.168.7.10", server="192.168.7.66")
    assert ("CP_A", "man-in-the-middle") in site.found()


def test_a_station_that_leaves_its_password_out() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.drop("CP_A", "fin", by_client=True)
    site.wait(3).connect("CP_A", "192.168.7.10", user="")
    assert ("CP_A", "profile-downgrade") in site.found()


def test_orders_with_numbers_of_another_make() -> None:
    site = Site(*AB).pass_time(HOUR)
    for number in range(40):
        site.wait(5).ask("CP_A", "TriggerMessage", {"requestedMessage": "Heartbeat", "n": number})
    for _ in range(3):
        site.say("CP_A", "GetConfiguration", {}, {}, sender="csms", id_="evil-tool-1")
    assert ("CP_A", "man-in-the-middle") in site.found()


# --------------------------------------------------------------------------------------------------------------- fraud


def charge(site: Site, share: float, minutes: int = 20, number: int = 1, tag: str = "TAG1") -> None:
    """One session at 11 kW of which the register counts a share."""
    begin = 10_000 * number
    site.start("CP_A", tag, begin, number)
    site.status("CP_A", "Charging")
    for minute in range(1, minutes + 1):
        site.wait(60)
        site.meter("CP_A", begin + share * 183.3 * minute, 11_000, number)
    site.stop("CP_A", int(begin + share * 183.3 * minutes), number)


def test_a_register_that_counts_too_little() -> None:
    site = Site(*AB).pass_time(HOUR)
    charge(site, 0.6)
    (incident,) = site.incidents()
    assert incident.family_name == "under-reporting-meter"
    assert incident.raised - BEGIN < (HOUR + 8 * 60) * SECOND
    assert "where its own power readings add up to" in incident.explanation


def test_a_register_with_small_losses_is_right() -> None:
    site = Site(*AB).pass_time(HOUR)
    charge(site, 0.94)
    assert "under-reporting-meter" not in families(site)


def test_a_small_change_shows_when_the_meters_own_habit_is_known() -> None:
    site = Site(*AB).pass_time(HOUR)
    for number in range(1, 4):
        charge(site, 0.99, number=number)
        site.wait(600)
    assert site.detector.incidents == [] or families(site) <= {"energy-outside-transaction"}
    charge(site, 0.88, number=4)
    told = [incident for incident in site.incidents() if incident.family_name == "under-reporting-meter"]
    assert told
    assert "usually it reports 99%" in told[0].explanation


def test_energy_at_a_connector_without_a_transaction() -> None:
    site = Site(*AB).pass_time(HOUR)
    for minute in range(6):
        site.wait(60).meter("CP_A", 5000 + 50 * minute, 3000, None)
    assert site.found() == [("CP_A", "energy-outside-transaction")]


def test_one_card_in_two_places() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.start("CP_A", "TAG1", 1000, 1)
    site.wait(60)
    site.start("CP_B", "TAG1", 2000, 2)
    assert site.found() == [("CP_B", "cloned-tag")]


def test_a_clock_that_stays_wrong_although_it_is_told_the_time() -> None:
    site = Site(*AB)
    for _ in range(12):
        site.wait(60).status("CP_A", "Available")
    site.pass_time(HOUR)
    for _ in range(5):
        site.wait(60).status("CP_A", "Available", off=-4 * HOUR - 600)
        site.beat("CP_A")
    assert ("CP_A", "clock-shift") in site.found()


def test_a_clock_that_is_set_right_was_merely_wrong() -> None:
    site = Site(*AB)
    for _ in range(12):
        site.wait(60).status("CP_A", "Available")
    for _ in range(4):
        site.wait(10).status("CP_A", "Available", off=300)
    site.beat("CP_A")
    for _ in range(4):
        site.wait(10).status("CP_A", "Available")
    assert [incident.category for incident in site.incidents()] == ["benign"]


# --------------------------------------------------------------------------------------------------------- maintenance


def test_charging_without_current() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.start("CP_A", "TAG1", 1000)
    site.status("CP_A", "Charging")
    for _ in range(5):
        site.wait(60).meter("CP_A", 1000, 0)
    assert ("CP_A", "contactor-not-closing") in site.found()


def test_a_car_that_is_full_draws_nothing_either() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.start("CP_A", "TAG1", 1000)
    site.status("CP_A", "Charging")
    for minute in range(1, 6):
        site.wait(60).meter("CP_A", 1000 + 183 * minute, 11_000)
    for _ in range(10):
        site.wait(60).meter("CP_A", 1915, 0)
    assert "contactor-not-closing" not in families(site)


def test_a_lock_that_fails_twice() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(2):
        site.wait(600).status("CP_A", "Faulted", "ConnectorLockFailure")
        site.wait(60).status("CP_A", "Available")
    assert ("CP_A", "connector-lock") in site.found()


def test_restarts_that_nobody_ordered() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(3):
        site.drop("CP_A")
        site.wait(60).connect("CP_A", "192.168.7.10")
        site.boot("CP_A")
        site.pass_time(300)
    found = site.found()
    assert ("CP_A", "reboot-loop") in found


def test_charges_that_fail_to_start() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(4):
        site.status("CP_A", "Preparing")
        site.wait(90).status("CP_A", "Available")
        site.wait(300)
    assert ("CP_A", "start-failures") in site.found()


def test_meter_values_out_of_step() -> None:
    site = Site(*AB).pass_time(600)
    site.start("CP_A", "TAG1", 1000)
    register = 1000.0
    for number in range(60):
        gap = 60 if number < 40 else (45, 95)[number % 2]
        register += 11_000 * gap / 3600
        site.wait(gap).meter("CP_A", register, 11_000)
    assert ("CP_A", "cadence-drift") in site.found()


# -------------------------------------------------------------------------------------------------------- connectivity


def test_answers_that_take_longer_everywhere() -> None:
    site = Site(*AB)
    for minute in range(90):
        for name in AB:
            site.beat(name, took=0.1 + 0.01 * (minute % 5))
        site.wait(60)
    for _ in range(6):
        for name in AB:
            site.beat(name, took=0.7)
        site.wait(60)
    assert site.found() == [(SITE, "satellite-step")]


def test_a_station_that_is_gone_and_one_that_is_back_soon() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.drop("CP_A")
    site.wait(20).connect("CP_A", "192.168.7.10")
    site.pass_time(600)
    assert site.detector.incidents == []
    site.drop("CP_A")
    site.pass_time(300)
    (incident,) = site.incidents()
    assert (incident.station, incident.category) == ("CP_A", "connectivity")
    assert "no connection" in incident.explanation


def test_a_csms_that_says_good_bye_and_is_back() -> None:
    site = Site(*AB).pass_time(HOUR)
    for name in AB:
        site.drop(name, "fin", by_client=False)
    site.wait(60)
    for number, name in enumerate(AB):
        site.connect(name, f"192.168.7.{10 + number}")
    site.pass_time(600)
    assert site.found() == [(SITE, "csms-restart")]


def test_all_stations_start_anew() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.channels.clear()  # without a word
    site.wait(400)
    for number, name in enumerate(AB):
        site.connect(name, f"192.168.7.{10 + number}")
        site.boot(name)
    site.pass_time(600)
    assert {incident.category for incident in site.incidents()} == {"benign"}
    assert (SITE, "power-cut") in site.found()


def test_calls_that_nobody_answers() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.say("CP_A", "Heartbeat", {})
    site.wait(50)
    site.beat("CP_B")
    site.wait(30)
    site.beat("CP_B")
    assert ("CP_A", "blackhole") in site.found()


# -------------------------------------------------------------------------------------------------------------- energy


def test_a_limit_that_changes_without_rest() -> None:
    site = Site(*AB).pass_time(HOUR)
    for number in range(10):
        site.wait(15)
        schedule = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6 + 10 * (number % 2)}],
        }
        profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
                   "chargingProfileKind": "Absolute", "chargingSchedule": schedule}  # fmt: skip
        site.ask("CP_A", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    assert site.found() == [("CP_A", "profile-thrash")]


def test_a_car_that_may_not_charge() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.start("CP_A", "TAG1", 1000)
    site.status("CP_A", "SuspendedEVSE")
    site.pass_time(1500)
    assert site.found() == [("CP_A", "stuck-at-zero")]


# ----------------------------------------------------------------------------------------------------------- bad input


def test_a_clock_that_jumps_back_is_told_and_nothing_follows_from_it() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.say("CP_A", "Heartbeat", {})
    site.now -= int(3 * HOUR * SECOND)
    site.pass_time(600)
    assert site.incidents() == []
    assert "The time jumps back" in site.detector.notes[0]


def test_a_capture_with_a_hole_of_weeks_accuses_nobody() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.wait(20 * 24 * 3600)
    site.pass_time(600)
    assert site.incidents() == []
    assert "The time jumps forwards" in site.detector.notes[0]


def test_the_end_of_a_capture_is_no_outage() -> None:
    site = Site(*AB).pass_time(HOUR)
    for name in AB:
        connection = site.channels[name].connection
        assert connection is not None
        site.feed(ConnectionClosed(site.now, (), connection, "end-of-capture", None))
    assert site.found() == []


def test_a_part_that_fails_is_off_and_says_so() -> None:
    site = Site(*AB)
    tracker = site.detector._by_event[ConnectionClosed][0][1]

    def broken(event: object) -> None:
        raise ZeroDivisionError("defect")

    site.detector._by_event[ConnectionClosed][0] = (broken, tracker)
    site.drop("CP_A")
    site.pass_time(60)
    assert "has failed and is off (ZeroDivisionError" in site.detector.notes[0]
    assert site.detector.notes[0].startswith("The part that watches "), "not the name of a class"
    assert "some of the signs" not in site.detector.notes[0]
    assert {kind.__name__ for kind in (*_RULES, *DRIFTS, Windows)} == set(_WATCHES), "each part has words"
    assert all(entry[1] is not tracker for entries in site.detector._by_event.values() for entry in entries)


def test_an_incident_can_be_shown_as_a_finding() -> None:
    site = Site(*AB)
    site.session.show_incidents()
    site.pass_time(HOUR)
    site.ask("CP_A", "ChangeConfiguration", {"key": "FreeVend", "value": "true"})
    (incident,) = site.incidents()
    (shown,) = [one for one in site.session.findings if one.kind.id.startswith("incident.")]
    assert shown.kind is KINDS["config-tampering"]
    assert shown.explanation() == incident.explanation
    assert finding(incident).station == "CP_A"
