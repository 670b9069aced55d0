"""Archives as dpkg, opkg, apk and container tools read them, made of small trees."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from email.message import Message

import pytest

from fieldpack import apk, deb, ipk, oci, sbom
from fieldpack.tree import EXECUTABLE, Tree, gzipped, tarred
from tests.packaging import lab
from tests.packaging.lab import needs


def small() -> Tree:
    tree = Tree()
    tree.file("usr/bin/it", "#!/bin/sh\nexit 0\n", EXECUTABLE)
    tree.file("etc/it/é.conf", b"\0\xff")
    tree.file("usr/share/" + "long/" * 30 + "name", "deep")
    tree.link("usr/bin/other", "it")
    tree.folder("var/lib/it", 0o750)
    return tree


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", ".", ""])
def test_nothing_is_put_outside_of_the_package(path: str) -> None:
    with pytest.raises(ValueError, match="no path inside a package"):
        Tree().file(path, "x")


def test_folders_come_before_what_is_in_them_and_nothing_is_of_the_builder() -> None:
    with tarfile.open(fileobj=io.BytesIO(tarred(small()))) as archive:
        members = archive.getmembers()
    names = [one.name for one in members]
    assert names == sorted(names)
    for one in members:
        assert (one.uid, one.gid, one.uname, one.gname, one.mtime) == (0, 0, "root", "root", 0)
        parent = one.name.rpartition("/")[0]
        assert parent in (".", "") or names.index(parent) < names.index(one.name)
    modes = {one.name: one.mode for one in members}
    assert modes["./usr/bin/it"] == 0o755
    assert modes["./etc/it/é.conf"] == 0o644
    assert modes["./var/lib/it"] == 0o750


def test_files_of_this_machine_lose_its_traces(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "a"
    folder.mkdir()
    (folder / "plain").write_text("x")
    (folder / "plain").chmod(0o600)
    (folder / "run").write_text("x")
    (folder / "run").chmod(0o700)
    (folder / "no.pyc").write_text("x")
    (folder / "link").symlink_to("plain")
    tree = Tree()
    tree.copy(folder, "opt", lambda path: not path.endswith(".pyc"))
    entries = {path: (entry.mode, entry.link) for path, entry in tree if not entry.folder}
    assert entries == {"opt/plain": (0o644, ""), "opt/run": (0o755, ""), "opt/link": (0o777, "plain")}


def test_a_gzip_names_neither_file_nor_time() -> None:
    made = gzipped(b"x" * 1000)
    assert made[3] == 0, "no name, no comment (RFC 1952, 2.3.1)"
    assert made[4:8] == bytes(4)
    assert gzip.decompress(made) == b"x" * 1000


@needs("dpkg-deb")
def test_dpkg_reads_a_deb(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "x.deb"
    control = "Package: it\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    path.write_bytes(deb.built(small(), control, {"postinst": "#!/bin/sh\n"}, "/etc/it/é.conf\n"))
    listed = subprocess.run(["dpkg-deb", "-c", str(path)], check=True, capture_output=True, text=True).stdout
    assert "./usr/bin/other -> it" in listed
    fields = subprocess.run(["dpkg-deb", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    assert "Installed-Size: 1" in fields
    parts = subprocess.run(["dpkg-deb", "-I", str(path)], check=True, capture_output=True, text=True).stdout
    for name in ("conffiles", "md5sums", "postinst"):
        assert name in parts
    assert path.read_bytes() == deb.built(small(), control, {"postinst": "#!/bin/sh\n"}, "/etc/it/é.conf\n")


def test_an_ipk_is_a_tar_of_three(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "x.ipk").write_bytes(ipk.built(small(), "Package: it\n", {"prerm": "#!/bin/sh\n"}, "/etc/it/é.conf\n"))
    with tarfile.open(folder / "x.ipk", "r:gz") as whole:
        assert sorted(whole.getnames()) == ["./control.tar.gz", "./data.tar.gz", "./debian-binary"]
    said = lab.unpacked_ipk(folder / "x.ipk", folder / "root")
    assert said["control"].startswith("Package: it\nInstalled-Size: ")
    assert said["conffiles"] == "/etc/it/é.conf\n"
    assert (folder / "root/etc/it/é.conf").read_bytes() == b"\0\xff"


def test_an_apk_hashes_each_file_and_its_data() -> None:
    about = {"pkgname": "it", "pkgver": "1-r1"}
    made = apk.built(small(), about, ("python3",), {"post-install": "#!/bin/sh\n"})
    # Two members of a gzip, one behind the other (RFC 1952, 2.2); the second is what datahash is of.
    second = made.index(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 10)
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        members = archive.getmembers()
        held = archive.extractfile(".PKGINFO")
        assert held is not None
        info = held.read().decode().splitlines()
    assert [one.name for one in members[:2]] == [".PKGINFO", ".post-install"]
    assert "depend = python3" in info
    assert f"datahash = {hashlib.sha256(made[second:]).hexdigest()}" in info
    # The control archive must not end: apk would stop there.
    assert not gzip.decompress(made[:second]).endswith(bytes(1024))
    for one in members[2:]:
        if one.isfile():
            assert len(one.pax_headers["APK-TOOLS.checksum.SHA1"]) == 40
            with tarfile.open(fileobj=io.BytesIO(made)) as archive:
                file = archive.extractfile(one.name)
                assert file is not None
                digest = hashlib.sha1(file.read(), usedforsecurity=False).hexdigest()
            assert one.pax_headers["APK-TOOLS.checksum.SHA1"] == digest


def test_an_image_is_addressed_by_what_is_in_it() -> None:
    made = oci.built(small(), "arm64", "1.0")
    assert made == oci.built(small(), "arm64", "1.0")
    with tarfile.open(fileobj=io.BytesIO(made)) as whole:
        files = {one.name: whole.extractfile(one) for one in whole}
        blobs = {name: file.read() for name, file in files.items() if file is not None}
    for name, data in blobs.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    index = json.loads(blobs["index.json"])
    (described,) = index["manifests"]
    assert described["platform"] == {"architecture": "arm64", "os": "linux"}
    manifest = json.loads(blobs["blobs/sha256/" + described["digest"].removeprefix("sha256:")])
    (layer,) = manifest["layers"]
    packed = blobs["blobs/sha256/" + layer["digest"].removeprefix("sha256:")]
    assert len(packed) == layer["size"]
    config = json.loads(blobs["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])
    digest = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert config["config"]["User"] == "65532:65532"
    (loaded,) = json.loads(blobs["manifest.json"])
    assert loaded["Layers"] == ["blobs/sha256/" + layer["digest"].removeprefix("sha256:")]


@pytest.mark.parametrize(
    "headers, licence",
    [
        ([("License-Expression", "MIT OR Apache-2.0")], "MIT OR Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        (
            [
                ("Classifier", "License :: OSI Approved :: BSD License"),
                ("Classifier", "License :: OSI Approved :: Apache Software License"),
            ],
            "Apache-2.0 OR BSD-3-Clause",
        ),
        ([("License", "Python-2.0\nand more text")], "Python-2.0"),
        ([("Classifier", "License :: OSI Approved")], "NOASSERTION"),
        ([], "NOASSERTION"),
    ],
)
def test_what_a_wheel_says_of_its_licence(headers: list[tuple[str, str]], licence: str) -> None:
    about = Message()
    for name, value in headers:
        about[name] = value
    assert sbom.licence(about) == licence
