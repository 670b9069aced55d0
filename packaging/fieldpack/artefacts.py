"""The packages themselves: which tree with which service files goes into which archive."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from fieldpack import apk as apks
from fieldpack import contents, debian, sbom
from fieldpack import deb as debs
from fieldpack import ipk as ipks
from fieldpack import ncos as ncoses
from fieldpack import oci as ocis
from fieldpack.tree import EXECUTABLE, Tree, gzipped, tarred
from fieldpack.wheels import ROOT, Machine

TEMPLATES: Final = ROOT / "packaging"
_PYTHONS: Final = {"ipk": "3.11", "apk": "3.13"}
"""Of RutOS and OpenWrt 23.05 to 24.10, and of OpenWrt 25.12."""
_DEPENDS: Final = (
    # OpenWrt's standard library comes in pieces; email is what importlib.metadata needs.
    "python3-light", "python3-asyncio", "python3-codecs", "python3-email", "python3-logging", "python3-multiprocessing",
    "python3-openssl", "python3-sqlite3", "python3-urllib", "python3-uuid", "python3-xml", "ca-bundle",
)  # fmt: skip
_CONFFILES: Final = "/etc/config/fieldkit\n"


class Wish(NamedTuple):
    """What is to be built, and how."""

    archs: tuple[str, ...]
    cache: Path
    epoch: int
    """Seconds: the only time that gets into a package."""


class Artefact(NamedTuple):
    """A finished file."""

    name: str
    version: str
    data: bytes
    parts: list[sbom.Part]
    installed: int = 0
    """Bytes that it takes where it is installed."""


def deb(wish: Wish) -> list[Artefact]:
    """For Debian 12, its gateways and laptops: everything, in an environment of its own."""
    version = contents.version()
    made = []
    for arch in wish.archs:
        part = contents.full(Machine(arch), wish.cache, detector=False)
        tree = part.tree
        for source, path in (
            ("systemd/fieldkit-agent.service", "usr/lib/systemd/system/fieldkit-agent.service"),
            ("systemd/fieldkit-capture.socket", "usr/lib/systemd/system/fieldkit-capture.socket"),
            ("systemd/fieldkit-capture@.service", "usr/lib/systemd/system/fieldkit-capture@.service"),
            ("systemd/sysusers.conf", "usr/lib/sysusers.d/fieldkit.conf"),
            ("systemd/tmpfiles.conf", "usr/lib/tmpfiles.d/fieldkit.conf"),
        ):
            tree.file(path, (TEMPLATES / source).read_bytes())
        tree.file("etc/fieldkit/agent.toml.example", (TEMPLATES / "agent.toml").read_bytes())
        tree.folder("etc/fieldkit", 0o755)
        _documents(tree, part, "usr/share/doc/fieldkit")
        control = _filled("debian/control.in", VERSION=version, ARCH=arch)
        scripts = {name: _template(f"debian/{name}") for name in ("postinst", "prerm", "postrm")}
        data = debs.built(tree, control, scripts)
        made.append(Artefact(f"fieldkit_{version}_{arch}.deb", version, data, sbom.parts(part.wheels), tree.size))
    return made


def oci(wish: Wish) -> list[Artefact]:
    """For routers that run containers: Python, fieldkit without its screen, and the detector's runtime."""
    version = contents.version()
    made = []
    for arch in wish.archs:
        part = contents.full(Machine(arch), wish.cache, detector=True, screen=False)
        root = debian.root(arch, wish.cache)
        tree = root.tree
        tree.merge(part.tree)
        # For who unpacks it where there are no containers.
        unit = "fieldkit-image.service"
        tree.file(f"usr/share/doc/fieldkit/{unit}", (TEMPLATES / "systemd" / unit).read_bytes())
        _documents(tree, part, "usr/share/doc/fieldkit")
        data = ocis.built(tree, arch, version)
        parts = [*sbom.parts(part.wheels), *root.parts]
        made.append(Artefact(f"fieldkit-{version}-oci-{arch}.tar", version, data, parts, tree.size))
    return made


def ipk(wish: Wish) -> list[Artefact]:
    """For RutOS and OpenWrt up to 24.10."""
    version = contents.version()
    part, tree = _openwrt(wish, "ipk")
    control = _filled("openwrt/control.in", VERSION=f"{version}-1", DEPENDS=", ".join(_DEPENDS))
    scripts = {name: _template(f"openwrt/{name}") for name in ("postinst", "prerm")}
    data = ipks.built(tree, control, scripts, _CONFFILES)
    return [Artefact(f"fieldkit_{version}-1_all.ipk", version, data, sbom.parts(part.wheels), tree.size)]


def apk(wish: Wish) -> list[Artefact]:
    """For OpenWrt 25.12."""
    version = contents.version()
    part, tree = _openwrt(wish, "apk")
    about = {
        "pkgname": "fieldkit",
        "pkgver": f"{version}-r1",
        "pkgdesc": "Watches the charging stations of a site: OCPP decoded, diagnosed, reported",
        "builddate": str(wish.epoch),
        "packager": "fieldkit contributors",
        "arch": "noarch",
        "origin": "fieldkit",
        "license": "MIT",
    }
    # An upgrade runs neither post-install nor pre-deinstall.
    scripts = {name: _template("openwrt/postinst") for name in ("post-install", "post-upgrade")}
    scripts["pre-deinstall"] = _template("openwrt/prerm")
    data = apks.built(tree, about, _DEPENDS, scripts)
    return [Artefact(f"fieldkit-{version}-r1.apk", version, data, sbom.parts(part.wheels), tree.size)]


def feed(wish: Wish) -> list[Artefact]:
    """For whoever has a feed and an SDK of OpenWrt 23.05 to 24.10 or RutOS: a package's source, to be built and signed
    there."""
    version = contents.version()
    part, tree = _openwrt(wish, "ipk")
    # A dollar is the shell's business, not make's.
    scripts = {name.upper(): _template(f"openwrt/{name}").rstrip().replace("$", "$$") for name in ("postinst", "prerm")}
    depends = " ".join(f"+{name}" for name in _DEPENDS)
    whole = Tree()
    whole.file("fieldkit/Makefile", _filled("openwrt/feed.mk.in", VERSION=version, DEPENDS=depends, **scripts))
    whole.merge(tree, "fieldkit/files")
    data = gzipped(tarred(whole, prefix=""))
    return [Artefact(f"fieldkit-feed_{version}.tar.gz", version, data, sbom.parts(part.wheels), tree.size)]


def ncos(wish: Wish) -> list[Artefact]:
    """For Cradlepoint routers: a small application that has the router record, and sends what it recorded."""
    version = contents.version()
    tree = Tree()
    tree.copy(TEMPLATES / "ncos", "fieldkit_capture", lambda path: "__pycache__" not in path)
    tree.copy(ROOT / "LICENSE", "fieldkit_capture/LICENSE")
    data = ncoses.built(tree, "fieldkit_capture", version, wish.epoch)
    return [Artefact(f"fieldkit_capture_{version}.tar.gz", version, data, [], tree.size)]


def _openwrt(wish: Wish, kind: str) -> tuple[contents.Part, Tree]:
    part = contents.lite(wish.cache, _PYTHONS[kind])
    tree = part.tree
    files = TEMPLATES / "openwrt" / "files"
    tree.copy(files, ".", lambda path: "__pycache__" not in path)
    tree.file("etc/init.d/fieldkit", tree["etc/init.d/fieldkit"].data, EXECUTABLE)
    tree.folder("etc/fieldkit", 0o755)  # for passwords' files and certificates
    contents.licences(tree, part.wheels, "usr/share/licenses/fieldkit")
    return part, tree


def _documents(tree: Tree, part: contents.Part, under: str) -> None:
    contents.licences(tree, part.wheels, f"{under}/licences")
    tree.file(f"{under}/copyright", (ROOT / "LICENSE").read_bytes())
    for name in ("agent", "packages", "capture", "remote", "privileges", "findings"):
        path = ROOT / "docs" / f"{name}.md"
        if path.is_file():
            tree.file(f"{under}/{name}.md", path.read_bytes())


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text()


def _filled(name: str, **values: str) -> str:
    text = _template(name)
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
