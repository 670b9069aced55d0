"""What is in the packages for routers, and that two builds of one thing are one thing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from fieldpack import artefacts, contents
from fieldpack.wheels import WheelError
from tests.packaging import lab
from tests.packaging.lab import needs

LITE = 8_000_000
"""Bytes that the package may take where it is installed."""
OCPP = Path(str(util.find_spec("ocpp").origin)).parent  # type: ignore[union-attr]  # the tests need it anyway
NEVER = ("scapy", "smllib")
"""Under the GPL: what carries them would be, too."""
HEAVY = ("numpy", "cryptography", "textual", "orjson", "ai_edge_litert", "tflite_runtime", "rich")
SHELL = ["etc/init.d/fieldkit", "etc/hotplug.d/net/90-fieldkit"]


@pytest.fixture(scope="module", params=["ipk", "apk"])
def lite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, str]]:
    root = tmp_path_factory.mktemp(request.param)
    package = lab.built(request.param)
    unpack = lab.unpacked_ipk if request.param == "ipk" else lab.unpacked_apk
    return request.param, root, unpack(package, root)


def test_the_lite_package_is_small_and_pure(lite: tuple[str, Path, dict[str, str]]) -> None:
    _, root, _ = lite
    plain = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in plain) <= LITE
    names = {str(path.relative_to(root)) for path in plain}
    assert not [name for name in names if re.search(r"\.(?:so|pyd|dylib|pyc|a)(?:\.|$)", name)]
    packages = {path.name for path in root.glob("usr/lib/fieldkit/lib/python3*/site-packages/*")}
    assert {"fieldkit", "click", "jinja2", "markupsafe", "paho", "serial", "ocpp"} <= packages
    assert not packages & {*NEVER, *HEAVY}
    here = str(lab.ROOT).encode() + b"/"
    assert not [path for path in plain if here in path.read_bytes()], "nothing names the machine that built it"


def test_it_has_all_of_fieldkit_but_the_screen(lite: tuple[str, Path, dict[str, str]]) -> None:
    kind, root, _ = lite
    python = "3.11" if kind == "ipk" else "3.13"
    library = root / f"usr/lib/fieldkit/lib/python{python}/site-packages"
    ours = lab.ROOT / "fieldkit"
    wanted = {
        str(path.relative_to(ours))
        for path in ours.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(ours).parts[0] != "tui"
    }
    assert wanted <= {str(path.relative_to(library / "fieldkit")) for path in (library / "fieldkit").rglob("*")}
    shipped = {path.name for path in (library / "fieldkit" / "shipped").iterdir()}
    assert shipped == {"modemmanager", "ncos", "openwrt", "rutos", "starlink"}
    assert all((library / "fieldkit/shipped" / name / "fieldkit-plugin.toml").is_file() for name in shipped)
    # Schemas are made short, not changed.
    for name in ("v16/schemas/BootNotification.json", "v201/schemas/BootNotificationRequest.json"):
        short, long = ((place / name).read_text("utf-8-sig") for place in (library / "ocpp", OCPP))
        assert json.loads(short) == json.loads(long)
        assert len(short) < len(long)


def test_what_the_router_is_told(lite: tuple[str, Path, dict[str, str]]) -> None:
    kind, root, said = lite
    if kind == "ipk":
        assert said["conffiles"] == "/etc/config/fieldkit\n"
        assert f"Version: {contents.version()}-1\n" in said["control"]
        assert "Architecture: all\n" in said["control"]
        depends = re.findall(r"python3-\w+|ca-bundle", said["control"])
        scripts = [said["postinst"], said["prerm"]]
    else:
        info = dict.fromkeys(said[".PKGINFO"].splitlines())
        assert f"pkgver = {contents.version()}-r1" in info
        assert "arch = noarch" in info
        depends = re.findall(r"depend = (\S+)", said[".PKGINFO"])
        scripts = [said[".post-install"], said[".pre-deinstall"]]
        assert said[".post-upgrade"] == said[".post-install"], "an upgrade runs nothing else"
    assert {"python3-light", "python3-asyncio", "python3-openssl", "python3-sqlite3", "python3-email"} <= set(depends)
    assert all(script.startswith("#!/bin/sh\n") for script in scripts)
    assert (root / "etc/init.d/fieldkit").stat().st_mode & 0o111
    assert "option enabled '0'" in (root / "etc/config/fieldkit").read_text(), "nothing listens before it is told to"


@needs("busybox")
def test_scripts_are_what_busybox_understands(lite: tuple[str, Path, dict[str, str]], tmp_path: Path) -> None:
    _, root, said = lite
    scripts = [root / name for name in SHELL]
    for name, text in said.items():
        if text.startswith("#!/bin/sh"):
            scripts.append(tmp_path / name.lstrip("."))
            scripts[-1].write_text(text)
    assert len(scripts) == len(SHELL) + (2 if "postinst" in said else 3)
    for script in scripts:
        done = subprocess.run(["busybox", "ash", "-n", str(script)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@needs("shellcheck")
@pytest.mark.parametrize(
    "path", sorted(str(p.relative_to(lab.ROOT)) for p in (lab.ROOT / "packaging").rglob("*")
                   if p.name in ("postinst", "prerm", "postrm", "start.sh") or p.parent.name in ("init.d", "net"))
)  # fmt: skip
def test_shellcheck_finds_nothing_in_our_scripts(path: str) -> None:
    # rc.common is OpenWrt's: its `local` is busybox', its functions are called by name.
    options = ["-s", "dash", "-e", "SC3043,SC2317,SC2154"] if "/openwrt/" in path else []
    done = subprocess.run(["shellcheck", *options, str(lab.ROOT / path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


RC_COMMON = """
# Stand-ins for /etc/rc.common and /lib/functions.sh that say what they were told.
config_load() { echo "load $1"; }
config_get_bool() { eval "$1=$ENABLED"; }
for name in procd_open_instance procd_close_instance procd_set_param procd_add_reload_trigger logger; do
    eval "$name() { echo \\"$name \\$*\\"; }"
done
"""


@needs("busybox")
@pytest.mark.parametrize("enabled, right, started", [("0", True, False), ("1", True, True), ("1", False, False)])
def test_the_init_script_starts_what_is_enabled_and_right(
    enabled: str, right: bool, started: bool, tmp_path: Path
) -> None:
    """Its logic alone; test_lite.py has it start an agent."""
    program = tmp_path / "fieldkit"
    program.write_text(f"#!/bin/sh\necho 'fieldkit:3: agent.site is wrong' >&2\nexit {0 if right else 2}\n")
    program.chmod(0o755)
    text = (lab.ROOT / "packaging/openwrt/files/etc/init.d/fieldkit").read_text()
    assert text.startswith("#!/bin/sh /etc/rc.common\n")
    text = text.replace("/usr/bin/fieldkit", str(program)).replace("/var/run/", f"{tmp_path}/")
    # Where Python would be, something that says nothing: what is started is looked at, not run.
    text = text.replace('"$HOME_OF/bin/python3" -P -c', "true -c")
    script = tmp_path / "script"
    script.write_text(f'ENABLED={enabled}\n{RC_COMMON}{text}\nstart_service; echo "status $?"\nservice_triggers\n')
    said = subprocess.run(["busybox", "ash", str(script)], capture_output=True, text=True, check=True).stdout
    assert ("procd_open_instance" in said) is started
    assert said.startswith("load fieldkit\n")
    assert "procd_add_reload_trigger fieldkit" in said
    if started:
        assert (
            "procd_set_param command /usr/lib/fieldkit/bin/python3 -P -m fieldkit.agent --config /etc/config/fieldkit"
            in said
        )
        assert "procd_set_param reload_signal HUP" in said
        assert f"PYTHONPYCACHEPREFIX={tmp_path}/fieldkit-py" in said
    assert ("logger" in said) is not right
    assert f"status {0 if right else 1}" in said


def test_the_page_of_luci_is_found_and_may_change_nothing_else() -> None:
    files = lab.ROOT / "packaging/openwrt/files"
    page = files / "www/luci-static/resources/view/fieldkit.js"
    menu = json.loads((files / "usr/share/luci/menu.d/fieldkit.json").read_text())["admin/services/fieldkit"]
    assert menu["action"] == {"type": "view", "path": page.stem}
    acl = json.loads((files / "usr/share/rpcd/acl.d/fieldkit.json").read_text())
    assert menu["depends"]["acl"] == list(acl) == ["fieldkit"]
    assert menu["depends"]["uci"] == {"fieldkit": True}
    assert acl["fieldkit"]["write"] == {"uci": ["fieldkit"]}
    assert acl["fieldkit"]["read"]["uci"] == ["fieldkit"]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tree, twice, in two places: what is being edited while a test runs has two states of its own."""
    found: list[Path] = []
    for name in ("one", "another/deeper"):
        to = tmp_path_factory.mktemp("copies") / name
        source = found[0] if found else lab.ROOT
        to.mkdir(parents=True)
        for part in ("fieldkit", "plugins", "packaging", "docs"):
            ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "images")
            shutil.copytree(source / part, to / part, ignore=ignored, symlinks=True)
        for part in ("constraints.txt", "LICENSE"):
            shutil.copy(source / part, to)
        (to / "build/packages").mkdir(parents=True)
        (to / "build/packages/cache").symlink_to(lab.BUILT / "cache")
        found.append(to)
    return found


@pytest.mark.parametrize("kind", ["ipk", "apk", "ncos"])
def test_built_twice_it_is_the_same(kind: str, copies: list[Path]) -> None:
    lab.built(kind)  # skips where what goes into it cannot be had
    assert_twice_the_same(kind, copies)


@pytest.mark.packages
@pytest.mark.parametrize("kind", ["deb", "oci"])
def test_built_twice_large_ones_are_the_same(kind: str, copies: list[Path]) -> None:
    lab.built(kind, "amd64")
    assert_twice_the_same(kind, copies)


def assert_twice_the_same(kind: str, copies: list[Path]) -> None:
    """In two processes that hash differently: neither the order of a set, nor a path, nor the time of day may show."""
    made = []
    for number, copy in enumerate(copies):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "PYTHONHASHSEED": str(number + 1)}
        command = [sys.executable, str(copy / "packaging/build.py"), kind, "--arch", "amd64", "-o", str(copy / kind)]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        made.append({path.name: path.read_bytes() for path in (copy / kind).iterdir()})
    assert len(made[0]) == 3
    assert made[0].keys() == made[1].keys()
    for name, data in made[0].items():
        assert data == made[1][name], name


@pytest.mark.parametrize("kind", ["ipk", "apk", "ncos"])
def test_beside_it_stand_its_checksum_and_its_bill_of_materials(kind: str) -> None:
    package = lab.built(kind)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    assert package.with_name(package.name + ".sha256").read_text() == f"{digest}  {package.name}\n"
    bill = json.loads(package.with_name(package.name + ".cdx.json").read_text())
    assert_right(bill, package.name, digest)
    names = {one["name"] for one in bill["components"]}
    assert names == (set() if kind == "ncos" else {"Jinja2", "MarkupSafe", "click", "ocpp", "paho-mqtt", "pyserial"})


@pytest.mark.packages
@pytest.mark.parametrize("kind, arch", [("deb", "arm64"), ("oci", "amd64"), ("oci", "arm64")])
def test_the_bills_of_the_large_ones(kind: str, arch: str) -> None:
    package = lab.built(kind, arch)
    bill = json.loads(package.with_name(package.name + ".cdx.json").read_text())
    assert_right(bill, package.name, hashlib.sha256(package.read_bytes()).hexdigest())
    names = {one["name"].lower() for one in bill["components"]}
    assert {"orjson", "cryptography"} <= names
    assert ({"ai-edge-litert", "numpy", "python3.11-minimal", "libssl3"} <= names) is (kind == "oci")
    assert ("textual" in names) is (kind == "deb")
    assert not names & set(NEVER)


def assert_right(bill: dict[str, Any], name: str, digest: str) -> None:
    """CycloneDX 1.5 (ECMA-424's forerunner), as far as its required fields and our own promises go."""
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    about = bill["metadata"]["component"]
    assert about["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert {"name": "fieldkit:artefact", "value": name} in about["properties"]
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(references)
    for one in bill["components"]:
        assert one["type"] == "library"
        assert re.fullmatch(r"pkg:(pypi|deb/debian)/[^@]+@.+", one["purl"])
        assert re.fullmatch(r"[0-9a-f]{64}", one["hashes"][0]["content"])
        (licence,) = one["licenses"]
        assert licence.get("expression") or licence["license"].get("id") or licence["license"].get("name")
    (depends,) = bill["dependencies"]
    assert depends["dependsOn"] == references
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        return  # what is above is all there is without it
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bill)) is None


@pytest.mark.parametrize("kind", ["ipk", "apk"])
def test_licences_of_all_that_goes_along_are_in_it(kind: str, tmp_path: Path) -> None:
    (lab.unpacked_ipk if kind == "ipk" else lab.unpacked_apk)(lab.built(kind), tmp_path)
    texts = {
        path.stem: path.read_text(errors="replace") for path in (tmp_path / "usr/share/licenses/fieldkit").iterdir()
    }
    assert set(texts) == {"fieldkit", "Jinja2", "MarkupSafe", "click", "ocpp", "paho-mqtt", "pyserial"}
    assert all(len(text) > 20 for text in texts.values())
    assert "Eclipse" in texts["paho-mqtt"]


def test_what_is_not_pinned_is_not_packed() -> None:
    from fieldpack.wheels import pinned

    with pytest.raises(WheelError, match="has no version in constraints"):
        pinned("no-such-package")
    assert pinned("Paho.MQTT") == pinned("paho-mqtt")


def test_a_kind_that_is_not_known_is_told_with_those_that_are() -> None:
    done = subprocess.run(
        [sys.executable, str(lab.ROOT / "packaging" / "build.py"), "rpm"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_a_tar_of_the_lite_tree_has_no_second_meaning() -> None:
    """Each path once: some installers take the first, some the last."""
    with tarfile.open(lab.built("ipk")) as whole:
        held = whole.extractfile("./data.tar.gz")
        assert held is not None
        with tarfile.open(fileobj=held) as data:
            names = data.getnames()
    assert len(set(names)) == len(names)
    assert gzip.decompress(lab.built("apk").read_bytes())


@needs("make")
def test_the_feed_has_the_same_tree_and_a_makefile_that_make_reads(tmp_path: Path) -> None:
    with tarfile.open(lab.built("feed")) as archive:
        archive.extractall(tmp_path, filter="tar")
    lab.unpacked_ipk(lab.built("ipk"), tmp_path / "ipk")
    folder = tmp_path / "fieldkit"
    assert lab.files(folder / "files") == lab.files(tmp_path / "ipk")
    # The SDK's own parts, empty but for one that shows what it was given.
    for name in ("rules.mk", "package.mk"):
        (tmp_path / name).write_text("")
    (tmp_path / "package.mk").write_text(
        "define BuildPackage\n$(info $(Package/$(1)))\n$(info $(Package/$(1)/prerm))\nendef\nall:;\n"
    )
    said = subprocess.run(
        ["make", "-s", "-C", str(folder), f"TOPDIR={tmp_path}", f"INCLUDE_DIR={tmp_path}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "+python3-light +python3-asyncio" in said
    assert "/etc/init.d/fieldkit stop" in said
    assert '[ -n "${IPKG_INSTROOT}" ]' in said


def test_versions_are_what_apk_takes() -> None:
    assert re.fullmatch(r"\d+(?:\.\d+)*", contents.version())
    assert artefacts.TEMPLATES == lab.ROOT / "packaging"
