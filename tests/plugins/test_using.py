"""Plugins of each kind where they are used: a report with them, a device with its profile, and what is told when not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fieldkit import profilestore
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.serialoptions import find_profile
from fieldkit.devices.modbus.profileload import ProfileError
from fieldkit.plugins.discover import PATH_VARIABLE
from tests.links.routers import ROOT
from tests.plugins.made import plugin
from tests.traffic.capture import write_pcap
from tests.traffic.commandline import Fieldkit, ended, spawn
from tests.traffic.conversation import Session, merged
from tests.traffic.netlab import cable, needs_network, needs_tcpreplay
from tests.traffic.scripts import boot_16
from tests.traffic.taps import Tap

EXAMPLES = ROOT / "plugins" / "examples"


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def capture(home: Path) -> Path:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    boot_16(session)
    fault = {"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "vendorErrorCode": "E17"}
    session.call("station", "StatusNotification", fault, {}, after=60)
    told = {"vendorId": "com.example.temperature", "data": "T1=41.5;T2=hot;T3=40"}
    session.call("station", "DataTransfer", told, {"status": "Accepted"}, after=60)
    path = home / "site.pcap"
    path.write_bytes(write_pcap(Tap().packets(merged(session.segments))))
    return path


def test_a_check_of_a_plugin(fieldkit: Fieldkit, capture: Path) -> None:
    plain = fieldkit("report", "--json", "-", capture)
    assert "example-check" not in plain.out
    run = fieldkit("report", "--plugin", str(EXAMPLES / "check"), "--json", "-", capture)
    assert f"first use of the plugin example-check 0.1.0 ({EXAMPLES / 'check'}): it asks for nothing" in run.err
    (finding,) = [one for one in json.loads(run.out)["findings"] if one["id"] == "example-check.vendor-error"]
    assert finding["explanation"] == "It reports E17: the cooling fan does not turn."
    assert finding["evidence"][0]["frame"] > 3
    assert "first use" not in fieldkit("report", "--plugin", str(EXAMPLES / "check"), "--json", "-", capture).err


def test_a_format_of_a_plugin(fieldkit: Fieldkit, capture: Path, home: Path) -> None:
    assert fieldkit("report", "-o", home / "site.prom", capture).code == ExitCode.USAGE
    run = fieldkit("report", "--plugin", str(EXAMPLES / "report"), "-o", home / "site.prom", capture)
    assert "written: " in run.err
    assert run.out == ""
    lines = (home / "site.prom").read_text().splitlines()
    assert lines[1] == "# TYPE fieldkit_finding_count gauge"
    assert 'station="CP_7"' in lines[2]


def test_a_sink_only_when_it_is_allowed(
    fieldkit: Fieldkit, capture: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = home / "taken.jsonl"
    monkeypatch.setenv("EXAMPLE_SINK_FILE", str(taken))
    ask = ("report", "--plugin", str(EXAMPLES / "sink"), capture)
    run = fieldkit(*ask)
    assert (run.code, run.out, taken.exists()) == (ExitCode.USAGE, "", False)
    assert run.err.endswith(
        "it wants to write files in EXAMPLE_SINK_FILE: if you trust it, run: fieldkit plugins allow example-sink\n"
    )
    assert fieldkit("plugins", "allow", str(EXAMPLES / "sink")).code == ExitCode.OK
    run = fieldkit(*ask)
    findings = json.loads(fieldkit("report", "--json", "-", capture).out)["findings"]
    assert [json.loads(line)["id"] for line in taken.read_text().splitlines()] == [one["id"] for one in findings]
    monkeypatch.setenv("EXAMPLE_SINK_FILE", "/nowhere/x")
    run = fieldkit(*ask)
    assert "plugin example-sink: example-file has not taken the findings: FileNotFoundError" in run.err
    assert run.code in (ExitCode.INCOMPLETE, ExitCode.FINDINGS)
    assert fieldkit("plugins", "allow", "--revoke", "example-sink").code == ExitCode.OK
    assert fieldkit(*ask).code == ExitCode.USAGE


def test_a_decoder_of_a_plugin() -> None:
    from fieldkit.events import DeviceReading
    from fieldkit.plugins.decoding import Decoding
    from fieldkit.plugins.discover import by_path
    from fieldkit.plugins.loading import load
    from tests.traffic.decoded import decode

    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    told = {"vendorId": "com.example.temperature", "data": "T1=41.5;T2=hot;T3=40"}
    session.call("station", "DataTransfer", told, {"status": "Accepted"})
    session.call("station", "DataTransfer", {**told, "vendorId": "other"}, {"status": "UnknownVendorId"})
    events = decode(write_pcap(Tap().packets(merged(session.segments)))).events
    (make,) = load(by_path(EXAMPLES / "decoder")).decoders
    through = Decoding([("example-decoder", make())]).through(events)
    readings = [event for event in through if isinstance(event, DeviceReading)]
    assert [(one.name, one.value, one.device) for one in readings] == [
        ("temperature_t1", 41.5, "CP_7"),
        ("temperature_t3", 40, "CP_7"),
    ]
    assert len(through) == len(events) + 2
    assert readings[0].frames


def test_a_decoder_of_a_plugin_in_decode(fieldkit: Fieldkit, capture: Path, home: Path) -> None:
    decoder = str(EXAMPLES / "decoder")
    run = fieldkit("decode", "--plugin", decoder, "--format", "events", capture)
    assert run.code == ExitCode.OK
    readings = [one for one in run.records if one["event"] == "DeviceReading"]
    assert [(one["name"], one["value"]) for one in readings] == [("temperature_t1", 41.5), ("temperature_t3", 40)]
    text = fieldkit("decode", "--plugin", decoder, capture)
    assert text.out == fieldkit("decode", capture).out
    assert "what plugins read is shown with --format events" in text.err
    unseeing = plugin(home, "unseeing", DECODER, kinds=["decoder"])
    run = fieldkit("decode", "--plugin", str(unseeing), "--format", "events", capture)
    assert run.code == ExitCode.INCOMPLETE
    assert run.err.count("plugin unseeing: ValueError: cannot read BootNotification") == 1
    assert [one["plugin"] for one in run.records if one["event"] == "PluginFailed"] == ["unseeing"]
    run = fieldkit("decode", "--plugin", str(EXAMPLES / "check"), capture)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert "none of them is a decoder" in run.err


@needs_network
@needs_tcpreplay
def test_plugins_in_a_live_capture(capture: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check, a format, a sink and a decoder while packets come; the process has given up its rights by then."""
    taken = home / "taken.jsonl"
    taken.touch()
    taken.chmod(0o666)
    home.chmod(0o777)
    monkeypatch.setenv("EXAMPLE_SINK_FILE", str(taken))
    assert ended(spawn("plugins", "allow", EXAMPLES / "sink")).code == ExitCode.OK
    names = [word for kind in ("check", "report", "sink", "decoder") for word in ("--plugin", EXAMPLES / kind)]
    with cable() as wire:
        run = spawn("capture", "-i", wire.there, *names, "-o", home / "site.prom", "--json", home / "site.json",
                    "--packets", "20", "--for", "60s", "--fail-on", "never")  # fmt: skip
        assert run.stderr is not None
        for line in run.stderr:
            if b"listening on" in line:
                break
        subprocess.run(["tcpreplay", "-q", "-t", "-i", wire.here, capture], capture_output=True, check=True)
        finished = ended(run)
    assert finished.code == ExitCode.OK, finished.err
    told = json.loads((home / "site.json").read_text())
    assert "example-check.vendor-error" in [finding["id"] for finding in told["findings"]]
    assert 'station="CP_7"' in (home / "site.prom").read_text()
    assert "example-check.vendor-error" in taken.read_text()
    assert "written: " in finished.err


def test_plugins_have_nothing_to_do_where_nothing_is_diagnosed(fieldkit: Fieldkit, home: Path) -> None:
    run = fieldkit("capture", "-i", "lo", "--record-only", "-w", home / "x.pcapng", "--plugin", str(EXAMPLES / "check"))
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert "a plugin has nothing to do there" in run.err


DECODER = """
from fieldkit.events import OcppMessage
class D:
    wants = frozenset({OcppMessage})
    def claims(self, event): return True
    def feed(self, event): raise ValueError("cannot read " + event.action)
def register(r): r.decoder(D)
"""
CHECK = """
from fieldkit.checks.check import Check
from fieldkit.checks.finding import Kind
class C(Check):
    kinds = (Kind("torn.x", "info", "station", "t", "e", "a", "r"),)
    def see(self, event, picture): raise ValueError("torn")
def register(r): r.check(C)
"""


def test_those_that_fail_are_in_the_report_and_hurt_nobody(fieldkit: Fieldkit, capture: Path, home: Path) -> None:
    decoder = plugin(home, "blind", DECODER, kinds=["decoder"])
    check = plugin(home, "torn", CHECK, kinds=["check"])
    plain = json.loads(fieldkit("report", "--json", "-", capture).out)
    run = fieldkit("report", "--plugin", str(decoder), "--plugin", str(check), "--json", "-", capture)
    told = json.loads(run.out)
    assert told["findings"] == plain["findings"]
    notes = " ".join(told["capture"]["notes"])
    assert "The plugin blind failed and was switched off: ValueError: cannot read BootNotification." in notes
    assert "C: ValueError: torn" in notes
    assert notes.count("blind") == 1, "for this stream it is off"


def test_a_plugin_that_is_none(fieldkit: Fieldkit, capture: Path) -> None:
    run = fieldkit("report", "--plugin", "nope", capture)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert "there is no plugin 'nope' (there are: " in run.err


def test_a_device_profile_of_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profilestore, "_PLUGGED", {})
    with pytest.raises(ProfileError, match="there is no profile 'example-meter'"):
        find_profile("example-meter")
    monkeypatch.setenv(PATH_VARIABLE, str(EXAMPLES))
    assert find_profile("example-meter").title == "Example meter (three phases)"
    assert find_profile("sdm630").id == "sdm630"


# ------------------------------------------------------------------------------------------------------ fieldkit plugins


def test_plugins_list(fieldkit: Fieldkit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(
        home / "more",
        "sender",
        "raise SystemExit(3)",
        capabilities=["send", "exec:mmcli"],
        summary="a [red] \x1b[31m one",
    )
    (home / "more" / "broken").mkdir()
    (home / "more" / "broken" / "fieldkit-plugin.toml").write_text("nonsense")
    monkeypatch.setenv(PATH_VARIABLE, str(home / "more"))
    run = fieldkit("plugins", "list")
    assert run.code == ExitCode.OK
    assert "openwrt 0.1.0  router-adapter  (shipped: " in run.out
    assert "  needs on the router: mmcli" in run.lines
    assert "  asks to send findings to other machines; run mmcli on the router" in run.lines
    assert "  ! to be allowed before its first use: fieldkit plugins allow sender" in run.lines
    assert "it is not TOML" in run.out
    assert "\x1b" not in run.out
    document = json.loads(fieldkit("plugins", "list", "--kind", "router-adapter", "--json", "-").out)
    entry = next(one for one in document["plugins"] if one["name"] == "sender")
    assert (entry["origin"], entry["to_be_allowed"]) == ("environment", ["send"])
    assert fieldkit("plugins", "list", "--kind", "router").code == ExitCode.USAGE


def test_plugins_check(fieldkit: Fieldkit, home: Path) -> None:
    run = fieldkit("plugins", "check")
    assert (run.code, len(run.lines)) == (ExitCode.OK, 5)
    assert "openwrt 0.1.0: works: router adapter openwrt, router adapter uqmi" in run.lines
    bad = plugin(home, "bad", "import surely_missing")
    run = fieldkit("plugins", "check", str(bad), str(EXAMPLES / "profile"))
    assert run.code == ExitCode.FINDINGS
    assert run.lines == [
        "example-profile 0.1.0: works: device profile example-meter",
        "bad: does not work: ModuleNotFoundError: No module named 'surely_missing'",
    ]
    assert fieldkit("plugins", "check", "nope").code == ExitCode.USAGE


def test_plugins_allow(fieldkit: Fieldkit) -> None:
    assert "wants nothing that would have to be allowed" in fieldkit("plugins", "allow", "openwrt").err
    assert fieldkit("plugins", "allow", "nope").code == ExitCode.USAGE
