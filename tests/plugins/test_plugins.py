"""From a directory to something that works, or is named and left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldkit.events import PluginFailed
from fieldkit.plugins import MANIFEST
from fieldkit.plugins.consent import Consent
from fieldkit.plugins.discover import PATH_VARIABLE, by_path, discover
from fieldkit.plugins.host import Host, UnknownPlugin, chosen
from fieldkit.plugins.loading import LoadError, load
from fieldkit.plugins.ownership import others_who_write
from tests.links.routers import ROOT
from tests.plugins.made import ADAPTER, manifest, plugin
from tests.traffic.netlab import needs_root

pytestmark = pytest.mark.usefixtures("home")


# ------------------------------------------------------------------------------------------------------------- discovery


def test_listing_runs_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(home / "config" / "fieldkit" / "plugins", "loud", "raise SystemExit('it was run')")
    plugin(home / "more", "other", "raise SystemExit('it was run')")
    monkeypatch.setenv(PATH_VARIABLE, f"{home / 'more'}{os.pathsep}{home / 'nowhere'}")
    found = {one.name: one for one in discover()}
    assert {"openwrt", "modemmanager", "rutos", "ncos", "starlink"} <= {
        one.name for one in found.values() if one.origin == "shipped"
    }
    assert "template" not in found, "what is to be read is not used"
    assert (found["loud"].origin, found["other"].origin) == ("user", "environment")
    assert all(one.usable for one in found.values()), found
    assert not [name for name in sys.modules if name.startswith("made_loud")]


def test_the_listing_imports_no_plugin() -> None:
    program = (
        "import sys; from fieldkit.plugins.discover import discover; discover()\n"
        "print([name for name in sys.modules if name.startswith('fieldkit_') or name in ('fieldkit.links', 'asyncio')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_nobody_takes_the_name_of_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(home / "more", "openwrt")
    monkeypatch.setenv(PATH_VARIABLE, str(home / "more"))
    mine, other = (one for one in discover() if one.name == "openwrt")
    assert (mine.origin, mine.usable) == ("shipped", True)
    assert other.problem == f"another plugin has this name: {mine.root}"


def test_a_broken_one_among_good_ones(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plugin(home / "more", "broken")
    (root / MANIFEST).write_text("[plugin]\nname = 3\n")
    plugin(home / "more", "good")
    monkeypatch.setenv(PATH_VARIABLE, str(home / "more"))
    found = {one.name: one for one in discover()}
    assert found["good"].usable
    assert "version is missing" in found["broken"].problem


# ------------------------------------------------------------------------------------------------------- who may write it


@needs_root
def test_as_root_nothing_is_loaded_that_others_can_write(home: Path) -> None:
    root = plugin(home / "plugins", "mine")
    assert by_path(root).usable
    for path, mode, why in (
        (root, 0o777, "can be written by everybody"),
        (root / "made_mine.py", 0o666, "made_mine.py can be written by everybody"),
        (home / "plugins", 0o757, "plugins can be written by everybody"),
    ):
        before = path.stat().st_mode & 0o7777
        path.chmod(mode)
        assert why in by_path(root).problem
        with pytest.raises(LoadError, match="as root nothing is loaded"):
            load(by_path(root))
        path.chmod(before)
    os.chown(root / "made_mine.py", 65534, -1)
    assert "belongs to nobody: as root nothing is loaded from it (chown -R root)" in by_path(root).problem
    os.chown(root / "made_mine.py", 0, 1234)
    (root / "made_mine.py").chmod(0o664)
    assert "can be written by its group" in by_path(root).problem
    os.chown(root / "made_mine.py", 0, 0)
    assert by_path(root).usable


@needs_root
def test_a_link_in_a_place_of_others_and_one_that_leads_there(home: Path) -> None:
    root = plugin(home / "plugins", "mine")
    theirs = home / "theirs"
    theirs.mkdir()
    (theirs / "link").symlink_to(root)
    assert others_who_write(theirs / "link") == ""
    theirs.chmod(0o777)
    assert "theirs can be written by everybody" in others_who_write(theirs / "link")
    other = plugin(theirs, "other")
    (home / "plugins" / "link").symlink_to(other)
    assert "theirs can be written by everybody" in others_who_write(home / "plugins" / "link")
    (root / "data").symlink_to(theirs / "file")
    (theirs / "file").write_text("x")
    os.chown(theirs / "file", 65534, -1)
    assert "belongs to nobody" in others_who_write(root)


# --------------------------------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize(
    "name, code, why",
    [
        ("b1", "raise ValueError('no config')", "ValueError: no config"),
        ("b2", "import surely_not_installed", "ModuleNotFoundError"),
        ("b3", "x = 1", "has no function register"),
        ("b4", "def register(r): pass", "announces a router-adapter, and it registers none"),
        ("b5", "def register(r): r.sink('x', list)", "it registers a sink, which its manifest does not announce"),
        ("b6", "class A: pass\ndef register(r): r.router_adapter('x', A)", "it has no probe()"),
        ("b7", "def register(r): exit(3)", "SystemExit: 3"),
        ("b8", "def register(: ", "SyntaxError"),
        (
            "b9",
            ADAPTER.replace("{name}", "x") + "def register(r):\n for i in 1, 2: r.router_adapter('x', Adapter)",
            "'x' twice",
        ),
    ],
)
def test_one_that_fails_is_named_with_the_reason(home: Path, name: str, code: str, why: str) -> None:
    plugin(home, name, code)
    host = Host([by_path(home / name)], Consent(home / "s.json"))
    assert host.of_kind("router-adapter") == []
    (failure,) = host.failures
    assert isinstance(failure, PluginFailed)
    assert (failure.plugin, failure.kind) == (name, "router-adapter")
    assert why in failure.reason
    assert host.of_kind("router-adapter") == []
    assert len(host.failures) == 1, "it is not tried again"


def test_one_that_hangs_while_it_is_loaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.plugins.loading.PATIENCE", 0.3)
    plugin(home, "sleepy", "import time\ntime.sleep(2)")
    with pytest.raises(LoadError, match=r"did not come back within 0\.3 s"):
        load(by_path(home / "sleepy"))


def test_a_package_with_parts_and_no_way_to_import_from_beside_it(home: Path) -> None:
    root = home / "parts"
    (root / "made_parts").mkdir(parents=True)
    (root / MANIFEST).write_text(manifest("parts"))
    (root / "made_parts" / "__init__.py").write_text("from made_parts.inner import register\n")
    (root / "made_parts" / "inner.py").write_text(ADAPTER.replace("{name}", "parts"))
    (root / "beside.py").write_text("")
    assert list(load(by_path(root)).adapters) == ["parts"]
    assert str(root) not in sys.path
    assert list(load(by_path(root)).adapters) == ["parts"], "a second time"
    again = plugin(home / "x", "parts2", module="made_parts")
    (again / "made_parts.py").write_text("")
    with pytest.raises(LoadError, match="a module made_parts is loaded already"):
        load(by_path(again))


def test_a_check_must_bear_the_name_of_its_plugin(home: Path) -> None:
    code = (
        "from fieldkit.checks.check import Check\nfrom fieldkit.checks.finding import Kind\n"
        "class C(Check):\n    kinds = (Kind('boot.rejected', 'info', 'station', 't', 'e', 'a', 'r'),)\n"
        "def register(r): r.check(C)"
    )
    plugin(home, "faker", code, kinds=["check"])
    with pytest.raises(LoadError, match=r"'boot\.rejected' must be called faker\."):
        load(by_path(home / "faker"))


# --------------------------------------------------------------------------------------------------------------- consent


def test_what_it_wants_is_shown_before_its_first_use_and_not_again(home: Path) -> None:
    root = plugin(home, "new", capabilities=["exec:mmcli", "read:/proc/net"])
    told: list[str] = []
    for _ in range(2):
        assert chosen([str(root)], Host([], tell=told.append))
    assert told == [
        f"first use of the plugin new 1.0 ({root}): it says that it needs to run mmcli on the router; "
        "read /proc/net of the router"
    ]
    (root / MANIFEST).write_text(manifest("new", capabilities=["exec:mmcli", "read:/etc"]))
    chosen([str(root)], Host([], tell=told.append))
    assert len(told) == 2
    assert "read /etc" in told[1]


def test_what_sends_is_not_used_until_it_is_allowed(home: Path) -> None:
    root = plugin(home, "sender", capabilities=["network:example.com"])
    host = Host([by_path(root)])
    assert host.of_kind("router-adapter") == []
    assert host.failures[0].reason.endswith(
        "it wants to open connections to example.com: if you trust it, run: fieldkit plugins allow sender"
    )
    assert "made_sender" not in sys.modules
    Consent().allow(by_path(root))
    assert len(Host([by_path(root)]).of_kind("router-adapter")) == 1
    other = plugin(home / "elsewhere", "sender", capabilities=["network:example.com"])
    assert Consent().refusal(by_path(other)), "another of that name, from another place, is a stranger"
    (root / MANIFEST).write_text(manifest("sender", capabilities=["network:example.com", "send"]))
    assert Consent().refusal(by_path(root)), "it wants more now"
    assert Consent().forbid("sender")
    assert not Consent().forbid("sender")


def test_a_state_file_that_is_broken_or_cannot_be_written(home: Path) -> None:
    root = plugin(home, "new")
    state = home / "state" / "fieldkit" / "plugins.json"
    state.parent.mkdir(parents=True)
    for content in ("[]", "{", '{"new": 3}', '{"new": {"place": 1, "seen": "x"}}'):
        state.write_text(content)
        consent = Consent()
        assert consent.introduction(by_path(root))
        consent.seen(by_path(root))
        assert Consent().introduction(by_path(root)) == []
    nowhere = Consent(Path("/proc/nowhere/plugins.json"))
    nowhere.seen(by_path(root))
    assert json.loads(state.read_text())["new"]["place"] == str(root)


def test_a_name_that_is_none() -> None:
    with pytest.raises(
        UnknownPlugin, match=r"there is no plugin 'nope' \(there are: .*openwrt.*\); or name its directory"
    ):
        chosen(["nope"], Host(discover()))
    with pytest.raises(UnknownPlugin, match=r"there is no fieldkit-plugin.toml in it"):
        chosen(["/tmp"], Host([]))


# ------------------------------------------------------------------------------------------------------------- installed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of our plugins as pip installs them, away from their sources."""
    pytest.importorskip("hatchling", reason="builds the plugins")
    place = tmp_path_factory.mktemp("site")
    sources = [str(ROOT / "plugins" / "ncos"), str(ROOT / "plugins" / "examples" / "profile")]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
         "--no-index", "--target", str(place), *sources],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


def test_one_that_pip_has_installed_is_found_by_its_entry_point(site: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fieldkit.plugins import discover as d\n"
        f"d.SHIPPED = (Path({str(tmp_path)!r}),)\n"
        "found = {one.name: one for one in d.discover()}\n"
        "assert 'fieldkit_ncos' not in sys.modules\n"
        "print(found['ncos'].origin, found['ncos'].problem, found['ncos'].manifest.version)\n"
        "from fieldkit.plugins.loading import load\n"
        "print(list(load(found['ncos']).adapters), sys.modules['fieldkit_ncos'].__file__)\n"
        "print([p.id for p in load(found['example-profile']).profiles])\n"
    )
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "installed  0.1.0"
    assert second == f"['ncos'] {site}/fieldkit_ncos/__init__.py"
    assert third == "['example-meter']"


def test_an_entry_point_without_a_manifest(tmp_path: Path) -> None:
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fieldkit.plugins]\nodd = odd_package:register\n")
    (tmp_path / "odd_package").mkdir()
    (tmp_path / "odd_package" / "__init__.py").write_text("raise SystemExit('it was run')")
    program = (
        "from fieldkit.plugins.discover import discover\nprint([o.problem for o in discover() if o.name == 'odd'])"
    )
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables, check=True)
    assert done.stdout.strip() == "['its package odd_package brings no fieldkit-plugin.toml']"


def test_the_templates_own_test_passes() -> None:
    root = ROOT / "plugins" / "template"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(root), str(root / "tests")],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{root}"}, cwd=root,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
