from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.agent import settings
from fieldkit.config import ConfigError, parse, parse_duration

LEAST = '[agent]\nsite = "depot"\n[capture]\nsources = ["eth0"]\n[sinks.out]\ntype = "stdout"\n'


def loaded(text: str, tmp_path: Path) -> settings.Settings:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return settings.load(path)


def mistakes(text: str, tmp_path: Path) -> list[str]:
    with pytest.raises(ConfigError) as told:
        loaded(text, tmp_path)
    return [line.removeprefix(f"{tmp_path}/") for line in told.value.lines]


def test_the_least_configuration_has_sensible_values(tmp_path: Path) -> None:
    made = loaded(LEAST, tmp_path)
    assert (made.site, made.capture.sources, made.schedule.when) == ("depot", ("eth0",), "always")
    assert (made.limits.bytes, made.limits.age, made.stage) == (20_000_000, 14 * 86_400, True)
    assert made.detector.use
    assert made.ring is None
    low = loaded(LEAST.replace("[capture]", 'memory = "low"\n[capture]'), tmp_path)
    assert (low.detector.use, low.validate, low.memory_limit) == (False, False, settings.LOW_MEMORY)


def test_every_key_of_the_documentation_is_understood(tmp_path: Path) -> None:
    """The example in docs/agent.md, as it stands there."""
    text = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    for name in ("ca.pem", "password", "token", "client.pem", "client.key"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    made = loaded(example.replace("/etc/fieldkit/", f"{tmp_path}/"), tmp_path)
    assert len(made.sinks) == 5
    assert made.upload is not None
    assert made.serial[0].device == "modbus:sdm630@1"
    assert dict(made.budgets) == {"cellular": 5_000_000, "satellite": 2_000_000}


def test_all_mistakes_are_told_with_line_and_key(tmp_path: Path) -> None:
    text = """\
[agent]
sight = "depot"
cpu = 200
[capture]
sources = ["eth0", "-"]
ports = [80, 99999]
[schedule]
when = "windows"
windows = ["Mon-Fry 08:00-18:00", "25:00-26:00"]
[[posture]]
every = "soon"
[sinks.home]
type = "mqtt"
url = "mqtts://broker.example"
retain = true
[nonsense]
"""
    assert mistakes(text, tmp_path) == [
        "agent.toml:1: agent: site is missing: letters, digits, dots, hyphens and underscores, at most 64",
        "agent.toml:2: agent.sight: is not known here: did you mean site?",
        "agent.toml:3: agent.cpu: 200: give a number from 0 to 100",
        "agent.toml:5: capture.sources: - is for the command line: a service has no standard input",
        "agent.toml:6: capture.ports: is a list of numbers from 1 to 65535",
        "agent.toml:7: schedule: windows are missing: windows = [\"Mon-Fri 08:00-18:00\"]",
        "agent.toml:9: schedule.windows: 'Mon-Fry 08:00-18:00': days are Mon, Tue, Wed, Thu, Fri, Sat, Sun",
        "agent.toml:9: schedule.windows: '25:00-26:00': there is no such time of day",
        "agent.toml:10: posture[1]: target is missing: wss://HOST[:PORT]/PATH",
        "agent.toml:11: posture[1].every: 'soon': give a duration such as 90s, 10m or 1h30m",
        "agent.toml:15: sinks.home.retain: is not known here: there are budget, ca, cert, client, keepalive, key, "
        "password_file, pins, plain, prefix, severity, type, url, user, version",
        "agent.toml:16: nonsense: is not known here: there are agent, capture, checks, detector, links, outbox, posture, "
        "ring, schedule, serial, sinks, uplinks, upload",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "more, told",
    [
        ("[links]\nrouter = 3\n", "agent.toml:8: links.router: is a text"),
        ("[upload]\nurl = 'https://a.example/x/'\n", "agent.toml:7: upload: there is nothing to upload without [ring]"),
        ("[ring]\nfolder = 'x'\n", "agent.toml:8: ring.folder: 'x': give an absolute path"),
        ("[[serial]]\nport = '/dev/ttyUSB0'\nevery = '10s'\n", "agent.toml:9: serial[1].every: what is asked every so"),
        ("[outbox]\nsize = 5\n", "agent.toml:8: outbox.size: '5': give between 100,000 and"),
        ("[uplinks.budget]\ncellular = true\n", "agent.toml:8: uplinks.budget.cellular: True: write it in quotes"),
        ("[schedule]\nwhen = 'events'\n", "agent.toml:8: schedule.when: events come from the uplinks: add [links]"),
        ("[checks]\nleave_out = ['Meter Gap']\n", "agent.toml:8: checks.leave_out: 'Meter Gap': ids such as meter.gap"),
        ("[agent\n", "agent.toml:7: it is not TOML: "),
    ],
)
def test_a_mistake_is_told(more: str, told: str, tmp_path: Path) -> None:
    assert any(line.startswith(told) for line in mistakes(LEAST + more, tmp_path)), mistakes(LEAST + more, tmp_path)


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        settings.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        settings.load(tmp_path / "binary.toml")


def test_durations() -> None:
    assert [parse_duration(text) for text in ("90s", "1h30m", "2d", "500ms", "7")] == [90, 5400, 172_800, 0.5, 7]
    for wrong in ("", "soon", "-1s", "0", "1y", "99999d"):
        with pytest.raises(ValueError, match="give a duration"):
            parse_duration(wrong)


def test_keys_with_dots_and_quotes_have_their_lines() -> None:
    document = parse('a.b = 1\n["c d".e]\n"f g" = 2\n', "x")
    table = document.table("c d").table("e")
    table.text("f g")
    document.table("a").text("b")
    with pytest.raises(ConfigError) as told:
        document.finish()
    assert told.value.lines == ["x:1: a.b: is a text", "x:3: c d.e.f g: is a text"]
