"""What a manifest may say; what is wrong with one is told in a line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.plugins import MANIFEST, capability
from fieldkit.plugins.manifest import KINDS, ManifestError, parse, read
from tests.links.routers import ROOT
from tests.plugins.made import manifest

GOOD = {"name": "my-router", "version": "1.2.0", "api": 1, "kinds": ["router-adapter"], "module": "my_router"}


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"nmae": "x"}, "there is no key 'nmae'; there are name, version"),
        ({"name": None}, "name is missing"),
        ({"kinds": None}, "kinds is missing"),
        ({"name": "My Router"}, "name = 'My Router': give small letters"),
        ({"name": "../../etc"}, "give small letters"),
        ({"version": "latest"}, "give a version such as"),
        ({"api": 2}, "it is written for a newer fieldkit (api 2, this one has 1)"),
        ({"api": "1"}, "api is a whole number"),
        ({"api": True}, "api is a whole number"),
        ({"kinds": "check"}, "kinds is a list"),
        ({"kinds": []}, "kinds is empty"),
        ({"kinds": ["router"]}, "there is no kind 'router'; there are router-adapter, device-profile"),
        ({"kinds": [1]}, "kinds is a list of texts"),
        ({"kinds": ["check", "check"]}, "names something twice"),
        ({"module": None}, "module is missing"),
        ({"module": "a.b"}, "the name of a module"),
        ({"module": "../x"}, "the name of a module"),
        ({"capabilities": ["root"]}, "'root' is no capability; they begin with exec:"),
        ({"capabilities": ["exec:*"]}, "name it"),
        ({"capabilities": ["exec"]}, "needs to say what"),
        ({"capabilities": ["send:x"]}, "takes nothing behind it"),
        ({"capabilities": ["read:/proc/../etc"]}, "a path without .."),
        ({"requires_bins": ["rm -rf"]}, "requires_bins: 'rm -rf' cannot be right"),
        ({"kinds": ["report"]}, "suffixes is missing"),
        ({"suffixes": ["html"]}, "'html' cannot be right"),
        ({"kinds": ["device-profile"], "module": None}, "profiles is missing"),
        ({"kinds": ["device-profile"], "profiles": ["../x.toml"]}, "cannot be right"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, object], complaint: str) -> None:
    table = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(ManifestError) as told:
        parse({"plugin": table})
    assert complaint in str(told.value)


def test_a_file_that_is_no_manifest(tmp_path: Path) -> None:
    path = tmp_path / MANIFEST
    for content in (b"\xff\xfe", b"[plugin", b"x = 1", b"[plugin]\n[other]\n", b"#" * 70_000):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match=MANIFEST):
            read(path)


def test_the_shipped_ones_are_right_and_agree_with_their_projects() -> None:
    found = sorted((ROOT / "plugins").rglob(MANIFEST))
    assert len(found) == 11
    kinds = set()
    for path in found:
        told = read(path)
        project = tomllib.loads((path.parent / "pyproject.toml").read_text())
        ((name, entry),) = project["project"]["entry-points"]["fieldkit.plugins"].items()
        assert (name, project["project"]["version"]) == (told.name, told.version)
        assert entry.endswith(f":{told.register}")
        assert told.module in ("", entry.partition(":")[0])
        kinds |= set(told.kinds)
    assert kinds == set(KINDS), "an example of each kind"


@given(st.dictionaries(st.sampled_from([*GOOD, "summary", "capabilities", "profiles"]), st.none() | st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=5) | st.integers(), max_size=3)))  # fmt: skip
def test_nothing_but_a_manifest_error(changes: dict[str, object]) -> None:
    try:
        parse({"plugin": {**GOOD, **changes}})
    except ManifestError:
        return


@pytest.mark.parametrize(
    "declared, asked, covered",
    [
        ("exec:mmcli", "exec:mmcli", True), ("exec:mmcli", "exec:sh", False), ("exec:mmcli", "ubus:mmcli", False),
        ("ubus:network.interface*", "ubus:network.interface.wan", True), ("ubus:mwan3", "ubus:mwan3x", False),
        ("read:/proc/net", "read:/proc/net/route", True), ("read:/proc/net", "read:/proc/network", False),
        ("read:/proc/net", "read:/proc/net/../../etc/shadow", False),
        ("get:status/wan", "get:status/wan/devices", True), ("get:status/wan", "get:config/system", False),
        ("netlink:route", "netlink:conntrack", False),
    ],
)  # fmt: skip
def test_what_a_capability_covers(declared: str, asked: str, covered: bool) -> None:
    assert capability.covers(declared, asked) is covered


@pytest.mark.parametrize(
    "grave", ["network:example.com", "write:/tmp/x", "serial-write", "send", "exec:sh", "exec:/bin/busybox"]
)
def test_what_has_to_be_allowed(grave: str) -> None:
    assert capability.problem(grave) == ""
    assert capability.is_grave(grave)
    assert not capability.is_grave("exec:mmcli")
    assert manifest("a", capabilities=[grave]).count(grave) == 1
