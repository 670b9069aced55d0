"""What routers answer, and what the adapters make of it: the true values, whatever the values are dressed as."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.links.merge import merged
from fieldkit.links.runner import RunnerError
from fieldkit.links.uplink import Signal, Sim
from tests.links.routers import DEVICES, DUMP, GSM, MWAN3, NOW, adapter, document, router, uplinks

SECOND = 1_000_000_000

# --------------------------------------------------------------------------------------------------- netifd and mwan3


def test_openwrt_where_broadband_is_dead_and_the_modem_carries() -> None:
    asked = router(
        (DUMP, document("network_interface_dump.json")), (MWAN3, document("mwan3_status_openwrt_24_10.json"))
    )
    found = uplinks("openwrt", asked)
    assert sorted(found) == ["wan", "wanb", "wwan"], "lan is no uplink"
    wan, wwan, wanb = found["wan"], found["wwan"], found["wanb"]
    assert (wan.kind, wan.up, wan.role, wan.device, wan.address) == ("ethernet", False, "failed", "eth1", "100.64.0.2")
    assert (wan.since, wan.latency_ms, wan.loss, wan.metered) == (NOW - 37 * SECOND, None, 1.0, None)
    assert wan.notes == ("the interface is up, and nothing comes through it: mwan3's test addresses do not answer",)
    assert (wwan.kind, wwan.up, wwan.role, wwan.device, wwan.address) == (
        "cellular",
        True,
        "active",
        "wwan0",
        "10.64.0.2",
    )
    assert (wwan.since, wwan.latency_ms, wwan.loss, wwan.metered) == (NOW - 5120 * SECOND, 48, 0, True)
    assert (wanb.up, wanb.role, wanb.state) == (False, "failed", "down: its device is missing (NO_DEVICE)")


def test_rutos_states_that_openwrt_does_not_know() -> None:
    found = uplinks("openwrt", router((DUMP, {"interface": []}), (MWAN3, document("mwan3_status_rutos_7_20.json"))))
    assert {name: (one.up, one.role) for name, one in found.items()} == {
        "wan": (False, "failed"),
        "mob1s1a1": (True, "active"),
        "mob1s2a1": (True, "standby"),
        "wifi0": (False, "disabled"),
    }
    assert (found["mob1s1a1"].latency_ms, found["mob1s1a1"].loss) == (61, 0)
    assert found["wan"].loss is None, "0 beside no latency: it was not measured"
    assert found["mob1s1a1"].kind == "cellular"


def test_ucode_says_nan_and_its_shares_are_whole_numbers() -> None:
    status = document("mwan3_status_openwrt_24_10.json")
    status["policies"] = {
        "ipv4": {"balanced": [{"interface": "wwan", "percent": 0}, {"interface": "wan", "percent": 0}]}
    }
    status["interfaces"]["wwan"] |= {"online": "NaN", "score": "NaN"}
    status["interfaces"]["wwan"]["track_ip"][0]["latency"] = "NaN"
    found = uplinks("openwrt", router((DUMP, document("network_interface_dump.json")), (MWAN3, status)))
    assert (found["wwan"].role, found["wwan"].latency_ms) == ("active", None)
    assert found["wwan"].since == NOW - 5125 * SECOND, "how long the interface has been up is still known"
    assert found["wan"].role == "failed", "listed, and offline all the same"


def test_without_mwan3_the_lowest_metric_is_used() -> None:
    found = uplinks("openwrt", router((DUMP, document("network_interface_dump.json"))))
    assert {name: one.role for name, one in found.items()} == {"wan": "active", "wwan": "standby", "wanb": "failed"}
    assert found["wan"].since == NOW - 81234 * SECOND


def test_a_modem_that_netifd_lost_and_mwan3_still_knows() -> None:
    dump = document("network_interface_dump.json")
    dump["interface"] = [one for one in dump["interface"] if one["interface"] != "wwan"]
    status = document("mwan3_status_openwrt_24_10.json")
    status["interfaces"]["wwan"] |= {"status": "offline", "up": False}
    found = uplinks("openwrt", router((DUMP, dump), (MWAN3, status)))
    assert (found["wwan"].up, found["wwan"].role, found["wwan"].kind) == (False, "failed", "cellular")


@pytest.mark.parametrize("status", [{"interfaces": "soon"}, [], "busy", {"uplinks": {}}])
def test_a_status_that_nobody_knows_is_present_and_kept(status: Any) -> None:
    found = uplinks("openwrt", router((DUMP, document("network_interface_dump.json")), (MWAN3, status)))
    assert not found["mwan3"].understood
    assert json.loads(found["mwan3"].raw) == status if not isinstance(status, str) else found["mwan3"].raw == status
    assert found["wan"].role == "active", "netifd alone says as much"


# -------------------------------------------------------------------------------------------------------------- modems


def modem_manager(**changes: Any) -> Any:
    answers = {
        ("-L", "-J"): json.dumps({"modem-list": ["/org/freedesktop/ModemManager1/Modem/0"]}),
        ("-m", "/org/freedesktop/ModemManager1/Modem/0", "-J"): json.dumps(document("mmcli_m0.json")),
        ("-m", "/org/freedesktop/ModemManager1/Modem/0", "--signal-get", "-J"): json.dumps(
            document("mmcli_m0_signal.json")
        ),
        ("-b", "/org/freedesktop/ModemManager1/Bearer/1", "-J"): json.dumps(
            {"bearer": {"status": {"connected": "yes", "interface": "wwan0"}, "stats": {"duration": "5120"},
                        "ipv4-config": {"address": "10.64.0.2", "prefix": "30"}}}
        ),
        ("-i", "/org/freedesktop/ModemManager1/SIM/0", "-J"): json.dumps(
            {"sim": {"properties": {"iccid": "8949999999999999999", "operator-name": "Example rSIM"}}}
        ),
    }  # fmt: skip
    answers |= changes.get("answers", {})
    return router(*((["run", "mmcli", *ask], answer) for ask, answer in answers.items()))


def test_mmcli_where_everything_is_a_text() -> None:
    (modem,) = uplinks("modemmanager", modem_manager()).values()
    assert (modem.id, modem.device, modem.modem, modem.kind) == ("wwan0", "wwan0", "cdc-wdm0", "cellular")
    assert (modem.up, modem.state, modem.roaming, modem.operator) == (True, "connected, roaming", True, "Example Roam")
    assert (modem.technology, modem.address) == ("LTE", "10.64.0.2")
    assert modem.signal == Signal(rsrp=-112, rsrq=-14, sinr=0.4, rssi=-83)
    assert modem.sim == Sim(1, "Example rSIM", "89…99")
    assert modem.since == NOW - 5120 * SECOND
    assert modem.notes == (), "sim-pin2 keeps nobody from the network"


def test_a_modem_that_vanishes_between_two_questions() -> None:
    gone = {("-m", "/org/freedesktop/ModemManager1/Modem/0", "-J"): RunnerError("error: couldn't find modem")}
    assert uplinks("modemmanager", modem_manager(answers=gone)) == {}


def test_a_modem_whose_parts_do_not_answer() -> None:
    broken = RunnerError("error: operation timed out")
    gone = {
        ("-m", "/org/freedesktop/ModemManager1/Modem/0", "--signal-get", "-J"): broken,
        ("-b", "/org/freedesktop/ModemManager1/Bearer/1", "-J"): "not JSON",
        ("-i", "/org/freedesktop/ModemManager1/SIM/0", "-J"): broken,
    }
    (modem,) = uplinks("modemmanager", modem_manager(answers=gone)).values()
    assert (modem.device, modem.up, modem.signal.known, modem.address) == ("wwan0", True, False, "")


def test_the_bus_object_of_openwrts_modemmanager() -> None:
    """It puts bearers, SIM and signal where mmcli has their paths."""
    told = document("mmcli_m0.json")["modem"]
    told["signal"] = document("mmcli_m0_signal.json")["modem"]["signal"]
    told["generic"]["bearers"] = [{"status": {"connected": "yes", "interface": "wwan0"}}]
    told["generic"]["sim"] = {"properties": {"iccid": "8949999999999999999"}}
    (modem,) = uplinks("modemmanager", router((["ubus", "modemmanager", "dump"], {"modem": [told]}))).values()
    assert (modem.signal.rsrp, modem.sim.iccid, modem.device) == (-112, "89…99", "wwan0")


def test_rutos_modem_joins_the_interface_of_its_sim() -> None:
    dump = {"interface": [{"interface": name, "modem": "3-1"} for name in ("lan", "mob1s2a1", "mob1s1a1")]}
    asked = router(GSM, (["ubus", "gsm.modem0", "info"], document("rutos_gsm_modem0_info.json")), (DUMP, dump))
    (modem,) = uplinks("rutos", asked).values()
    assert (modem.id, modem.modem, modem.kind, modem.metered) == ("mob1s1a1", "3-1", "cellular", True)
    assert (modem.operator, modem.roaming, modem.technology) == ("Example", True, "LTE B20")
    assert modem.state == "Registered, roaming"
    assert modem.sim == Sim(1, "Example rSIM", "89…00")
    assert modem.signal == Signal(rsrp=-108, rsrq=-13, sinr=1, rssi=-78)


def test_rutos_where_info_has_only_the_hardware() -> None:
    info = {"name": "Internal modem", "usb_id": "3-1", "model": "RG520N"}
    rule = {"type": "low signal", "fail_count": "2", "max_fail": "3", "triggered": False}
    asked = router(
        GSM,
        (["ubus", "gsm.modem0", "info"], info),
        (["ubus", "gsm.modem0", "get_network_info"], {"reg_stat": "3", "operator": "Example"}),
        (["ubus", "gsm.modem0", "read_signal_db"], {"rsrp": "-97", "rssi": "--"}),
        (["ubus", "sim_switch", "status"], {"rules": [rule]}),
    )
    (modem,) = uplinks("rutos", asked).values()
    assert (modem.id, modem.state, modem.signal) == ("modem0", "denied", Signal(rsrp=-97))
    assert modem.notes == (
        "the rule low signal for switching the SIM has counted 2 of 3 failures",
        "the network refuses this SIM (registration denied)",
    )


def test_rutos_that_says_nothing_we_know() -> None:
    asked = router(GSM, (["ubus", "gsm.modem0", "info"], {"modem_state": "ok", "imei": "490154203237518"}))
    (modem,) = uplinks("rutos", asked).values()
    assert not modem.understood
    assert "modem_state" in modem.raw
    assert "490154203237518" not in modem.raw


def test_uqmi() -> None:
    uqmi = ["run", "uqmi", "-s", "-t", "3000", "-d", "/dev/cdc-wdm0"]
    asked = router(
        (["names", "/dev"], ["null", "cdc-wdm0", "tty"]),
        (DUMP, {"interface": [{"interface": "wwan", "proto": "qmi", "l3_device": "wwan0"}]}),
        ([*uqmi, "--get-signal-info"], '{"type":"lte","rssi":-61,"rsrq":-11,"rsrp":-92,"snr":7.6}'),
        ([*uqmi, "--get-serving-system"], '{"registration":"registered","plmn_description":"Example","roaming":false}'),
        ([*uqmi, "--get-data-status"], '"connected"'),
    )
    (modem,) = uplinks("openwrt", asked, "uqmi").values()
    assert (modem.id, modem.device, modem.up, modem.roaming, modem.operator) == (
        "wwan",
        "wwan0",
        True,
        False,
        "Example",
    )
    assert (modem.technology, modem.signal) == ("LTE", Signal(rsrp=-92, rsrq=-11, sinr=7.6, rssi=-61))


# --------------------------------------------------------------------------------------------------- NCOS and Starlink


def test_ncos_after_a_failover() -> None:
    found = uplinks("ncos", router((DEVICES, document("ncos_status_wan_devices.json"))))
    modem, wired = found["mdm-1a2b"], found["ethernet-wan"]
    assert (modem.kind, modem.up, modem.role, modem.state) == (
        "cellular", False, "failed", "disconnected (configure error)",
    )  # fmt: skip
    assert modem.signal == Signal(rsrp=-118, rsrq=-15, sinr=-2.1, rssi=-101)
    assert (modem.operator, modem.technology, modem.roaming) == ("Carrier A", "LTE Band 20", True)
    assert (modem.sim, modem.device, modem.since) == (Sim(1, "", "8***"), "rmnet501", None)
    assert modem.notes == (
        "the router gives as the reason: Failover", "the modem is not registered in the network (Deregistered)",
    )  # fmt: skip
    assert (wired.kind, wired.up, wired.role, wired.address) == ("ethernet", True, "active", "192.168.100.57")
    assert wired.since == NOW - 512_300_000_000


def test_ncos_names_the_device_in_use() -> None:
    devices = document("ncos_status_wan_devices.json")
    devices["mdm-1a2b"]["status"] = {"connection_state": "connected"}
    asked = router((DEVICES, devices), (["get", "status/wan/primary_device"], "mdm-1a2b"))
    assert {one.id: one.role for one in uplinks("ncos", asked).values()} == {
        "mdm-1a2b": "active", "ethernet-wan": "standby",
    }  # fmt: skip


def starlink(answer: Any) -> Any:
    from fieldkit.links.recorded import ReplayRunner

    module = __import__("sys").modules[type(adapter("starlink")).__module__]
    return ReplayRunner([{"time": NOW, "ask": ["run", *module._GRPCURL], "answer": json.dumps(answer)}], "a router")


def test_starlink_in_an_outage_as_grpcurl_prints_it() -> None:
    (dish,) = uplinks("starlink", starlink(document("starlink_grpc_get_status.json"))).values()
    assert (dish.kind, dish.up, dish.role, dish.state) == ("satellite", False, "failed", "NO_DOWNLINK")
    assert (dish.latency_ms, dish.loss, dish.since) == (41.7, 0.02, NOW - 6_400_000_000)
    assert dish.notes == (
        "1.2 % of its view of the sky is obstructed",
        "outage for 6.4 s: it hears nothing from the satellite, and it has taken another satellite",
    )


def test_starlink_when_all_is_well() -> None:
    answer = document("starlink_grpc_get_status.json")
    del answer["dishGetStatus"]["outage"]
    answer["dishGetStatus"]["popPingLatencyMs"] = "NaN"
    (dish,) = uplinks("starlink", starlink(answer)).values()
    assert (dish.up, dish.state, dish.latency_ms) == (True, "CONNECTED", None)


def test_starlink_as_its_python_package_has_it() -> None:
    answer = [
        {"id": "ut1", "hardware_version": "rev4", "state": "OBSTRUCTED", "uptime": 240, "pop_ping_drop_rate": 1.0,
         "pop_ping_latency_ms": -1, "fraction_obstructed": 0.2},
        {"wedges_fraction_obstructed[]": [None]},
        {"alert_motors_stuck": True, "alert_roaming": False},
    ]  # fmt: skip
    (dish,) = uplinks("starlink", starlink(answer)).values()
    assert (dish.up, dish.state, dish.latency_ms, dish.loss) == (False, "OBSTRUCTED", None, 1)
    assert dish.notes == (
        "20.0 % of its view of the sky is obstructed", "something is in its view of the sky", "its motors are stuck",
        "the terminal started 240 s ago",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ together


def test_netifd_and_the_modem_speak_of_one_uplink() -> None:
    asked = router(
        (DUMP, document("network_interface_dump.json")), (MWAN3, document("mwan3_status_openwrt_24_10.json"))
    )
    network = uplinks("openwrt", asked).values()
    modems = uplinks("modemmanager", modem_manager()).values()
    together = {one.id: one for one in merged([network, modems])}
    assert sorted(together) == ["wan", "wanb", "wwan"]
    wwan = together["wwan"]
    assert (wwan.role, wwan.signal.rsrp, wwan.operator, wwan.latency_ms) == ("active", -112, "Example Roam", 48)
    assert wwan.state == "mwan3: online", "who knows the router's decision is believed first"


# ----------------------------------------------------------------------------------------------------------- bad input

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["--", "NaN", "-1.0"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            "interface interfaces status policies ipv4 up uptime l3_device proto route metric track_ip cache sim reg_stat "
            "info diagnostics generic 3gpp bearers ports signal modem lte rsrp dishGetStatus outage alerts state".split()
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=60)
@given(answer=JSON, other=JSON)
def test_no_document_hurts_an_adapter(answer: Any, other: Any) -> None:
    modem = {"modem-list": ["/org/freedesktop/ModemManager1/Modem/0"]}
    asks = [
        ("openwrt", "", router((DUMP, answer), (MWAN3, other))),
        ("openwrt", "", router((DUMP, {"interface": [answer]}), (MWAN3, {"interfaces": {"a": other}}))),
        ("rutos", "", router(GSM, (["ubus", "gsm.modem0", "info"], answer), (["ubus", "sim_switch", "status"], other))),
        ("ncos", "", router((DEVICES, answer), (["get", "status/wan/primary_device"], other))),
        ("ncos", "", router((DEVICES, {"mdm": answer}))),
        ("modemmanager", "", modem_manager(answers={
            ("-L", "-J"): json.dumps(modem), ("-m", "/org/freedesktop/ModemManager1/Modem/0", "-J"): json.dumps(answer)})),
        ("starlink", "", starlink(answer)),
    ]  # fmt: skip
    for plugin, name, runner in asks:
        found = list(adapter(plugin, name).snapshot(runner))
        assert all(one.understood or len(one.raw) <= 4096 for one in found)
