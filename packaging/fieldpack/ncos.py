"""Applications of Cradlepoint's NCOS SDK: a gzipped tar with a manifest that names and hashes its files."""

from __future__ import annotations

import configparser
import hashlib
import json
from datetime import UTC, datetime

from fieldpack.tree import Tree, gzipped, tarred


def built(tree: Tree, name: str, version: str, epoch: int) -> bytes:
    """An application of this tree, in which ``package.ini`` says what it is. It is not signed by a developer's key:
    NetCloud Manager signs what is uploaded to it, and a router in development mode takes it as it is."""
    said = configparser.ConfigParser()
    said.read_string(tree[f"{name}/package.ini"].data.decode())
    about = said[name]
    major, minor = version.split(".")[:2]
    app = {
        "name": name,
        "uuid": about["uuid"],
        "vendor": about["vendor"],
        "notes": about["notes"],
        "version_major": int(major),
        "version_minor": int(minor),
        "firmware_major": about.getint("firmware_major"),
        "firmware_minor": about.getint("firmware_minor"),
        "restart": about.getboolean("restart"),
        "reboot": about.getboolean("reboot"),
        "auto_start": about.getboolean("auto_start"),
        "date": datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None).isoformat(),
        "files": {
            path.removeprefix(f"{name}/"): hashlib.sha256(entry.data).hexdigest()
            for path, entry in tree
            if not entry.folder
        },
    }
    manifest = json.dumps({"pmf": {"version_major": 1, "version_minor": 0}, "app": app}, indent=4, sort_keys=True)
    whole = Tree()
    whole.merge(tree)
    whole.file(f"{name}/METADATA/MANIFEST.json", manifest)
    # Where a developer has no key, the hash of the manifest stands in place of its signature.
    whole.file(f"{name}/METADATA/SIGNATURE.DS", hashlib.sha256(manifest.encode()).hexdigest())
    return gzipped(tarred(whole, prefix=""))
