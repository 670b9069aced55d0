"""/etc/config/fieldkit: read as libuci reads it, and saying what agent.toml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.agent import uci
from fieldkit.agent.settings import Settings, load, understood
from fieldkit.config import ConfigError, parse

SHIPPED = Path(__file__).parents[2] / "packaging" / "openwrt" / "files" / "etc" / "config" / "fieldkit"

TOML = """
[agent]
site = "depot"
name = "router-1"
memory = "low"
cpu = 25
show_ids = true
[capture]
sources = ["br-lan", "eth1"]
ports = [80, 8080]
buffer = "1MB"
[schedule]
when = "windows"
windows = ["Mon-Fri 08:00-18:00"]
[ring]
folder = "/tmp/ring"
files = 3
[links]
every = "45s"
[checks]
validate = false
leave_out = ["meter.*"]
[detector]
use = false
[outbox]
size = "2MB"
stage = false
[uplinks]
assume = "cellular"
[uplinks.budget]
cellular = "5MB"
"mwan3.wan-b" = "1MB"
[[serial]]
port = "/dev/ttyUSB0"
device = "sml"
[[serial]]
port = "/dev/ttyUSB1"
device = "modbus:sdm630@1"
every = "10s"
[[posture]]
target = "wss://csms.example/ocpp"
[sinks.home]
type = "mqtt"
url = "mqtts://broker.example"
keepalive = 30
[sinks.disk]
type = "file"
path = "/tmp/findings.jsonl"
files = 2
"""

UCI = """
package fieldkit

config agent 'agent'
	option enabled '1'
	option site 'depot'
	option name 'router-1'
	option memory 'low'
	option cpu '25'
	option show_ids '1'

config capture
	list sources 'br-lan'
	list sources 'eth1'
	list ports '80'
	list ports '8080'
	option buffer '1MB'

config schedule
	option when windows
	list windows "Mon-Fri 08:00-18:00"

config ring
	option folder '/tmp/ring'
	option files '3'
config links
	option every 45s
config checks
	option validate 'off'
	list leave_out 'meter.*'
config detector
	option use '0'
config budget
	option uplink 'cellular'
	option size '5MB'
config outbox
	option size '2MB'
	option stage 'no'
config uplinks
	option assume 'cellular'
config budget 'b'
	option size '1MB'
	option uplink 'mwan3.wan-b'
config serial
	option port '/dev/ttyUSB0'
	option device 'sml'
config serial 'meter'
	option port '/dev/ttyUSB1'
	option device 'modbus:sdm630@1'
	option every '10s'
	option line ''
config posture
	option target 'wss://csms.example/ocpp'
config sink 'home'
	option type 'mqtt'
	option url 'mqtts://broker.example'
	option keepalive '30'
config sink 'disk'
	option type 'file'; option path '/tmp/findings.jsonl'; option files '2'
"""


def of(text: str) -> Settings:
    return understood(uci.parse(text, "fieldkit"), Path("x"))


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        of(text)
    return caught.value.lines


def test_both_forms_say_the_same() -> None:
    assert of(UCI) == understood(parse(TOML, "agent.toml"), Path("x"))


def test_the_content_tells_which_form_a_file_has(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_text(UCI)
    assert uci.is_uci(UCI)
    one = load(path)
    assert one.site == "depot"
    path.write_text(TOML)
    assert not uci.is_uci(TOML)
    assert load(path) == one


@pytest.mark.parametrize("text", ["", "# config agent\n", "config = 1\n", "[config]\n", "[agent]\nsite = 'x'\n"])
def test_what_is_toml_is_not_taken_for_uci(text: str) -> None:
    assert not uci.is_uci(text)


@pytest.mark.parametrize(
    "written, read",
    [
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        ("ab", "ab"),
        (r'"a\"b\\c"', 'a"b\\c'),
        (r"'a\b'", r"a\b"),
        (r"a\ b", "a b"),
        ("'it'\\''s'", "it's"),
        ("\"x\"'y'z", "xyz"),
        ("'a#b'", "a#b"),
        ("a#b", "a"),
        ("ab # note", "ab"),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_words_are_read_as_libuci_reads_them(written: str, read: str) -> None:
    document = uci.parse(f"config sink 'x'\n\toption user {written}\n", "f")
    assert document.table("sinks").table("x").text("user") == read


def test_the_shipped_file_lacks_only_what_is_the_sites() -> None:
    text = SHIPPED.read_text()
    assert wrong(text) == [
        "fieldkit:4: agent: site is missing: letters, digits, dots, hyphens and underscores, at most 64"
    ]
    settings = of(text.replace("# option site", "option site"))
    assert (settings.site, settings.memory, settings.capture.sources) == ("depot-north", "low", ("br-lan",))
    assert dict(settings.budgets) == {"cellular": 5_000_000}
    # What stands there as an example is right, too, but for the password, which is not there.
    lines = wrong(
        text.replace("# option site", "option site").replace("# config", "config").replace("#\toption", "\toption")
    )
    assert [line.partition(": ")[2] for line in lines] == [
        "sinks.home.password_file: /etc/fieldkit/mqtt.password: No such file or directory"
    ]


@pytest.mark.parametrize(
    "text, line",
    [
        ("config agent\n\toption site 'a\n", "f:2: a quote is not closed"),
        ("config agent\n\tsite x\n", "f:2: 'site': a line begins with config, option or list"),
        ("option site x\nconfig agent\n", "f:1: option site stands in no section"),
        ("config agent\n\toption site\n", "f:2: write option NAME 'VALUE'"),
        ("config agent\n\toption a-b x\n", "f:2: 'a-b' is no name: letters, digits and underscores are"),
        ("config\n", "f:1: write config TYPE, or config TYPE 'NAME'"),
        ("config sink\n", "f:1: a sink has a name: config sink 'home'"),
        ("config sink x\nconfig sink x\n", "f:2: there is a sink x already"),
        ("config agent\n\nconfig agent\n", "f:3: there is a section agent already, in line 1"),
        ("config budget\n\toption bytes 1\n", "f:2: bytes is not known here: a budget has uplink and size"),
        ("config capture\n\toption sources a\n\tlist sources b\n", "f:3: sources is an option in line 2"),
    ],
)
def test_what_is_no_uci_is_told_with_its_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        uci.parse(text, "f")
    assert caught.value.lines == [line]


def test_a_section_that_is_not_known_is_told_with_those_that_are() -> None:
    (line,) = wrong("config sinks 'home'\n")
    assert line.startswith("fieldkit:1: section 'sinks' is not known: there are agent, budget, capture")


def test_wrong_values_are_told_with_their_lines() -> None:
    lines = wrong(
        "config agent\n\toption site 'a b'\n\toption cpu 'much'\n\toption show_ids 'perhaps'\n"
        "config capture\n\tlist sources br-lan\n\tlist ports http\n\tlist colour red\n"
        "config sink 'disk'\n\toption type stdout\n"
        "config budget\n\toption uplink cellular\n\toption size lots\n"
    )
    assert [line.partition(" ")[0] for line in lines] == [
        "fieldkit:2:", "fieldkit:3:", "fieldkit:4:", "fieldkit:7:", "fieldkit:8:", "fieldkit:13:"
    ]  # fmt: skip
    assert lines[1] == "fieldkit:3: agent.cpu: is a whole number"
    assert lines[4].startswith("fieldkit:8: capture.colour: is not known here")
    assert "lots" in lines[5]


def test_flags_are_those_of_openwrts_own_scripts() -> None:
    for word, meant in [("1", True), ("on", True), ("yes", True), ("true", True), ("enabled", True), ("0", False),
                        ("off", False), ("no", False), ("false", False), ("disabled", False)]:  # fmt: skip
        assert uci.parse(f"config agent\n\toption show_ids {word}\n", "f").table("agent").flag("show_ids") is meant


def test_toml_stays_strict() -> None:
    with pytest.raises(ConfigError) as caught:
        understood(parse('[agent]\nsite = "x"\ncpu = "25"\n[sinks.a]\ntype = "stdout"\n', "f"), Path("x"))
    assert "f:3: agent.cpu: is a whole number" in caught.value.lines
