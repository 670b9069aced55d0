"""Which model and prior are trusted: those that the manifest beside them names, byte for byte.

A model is a program. The shipped one is pinned by SHA-256 in the manifest of the package; one that was trained here by
a manifest that training wrote. Anything else is not loaded, whatever its name is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fieldkit.detect.flatbuffer import DamagedError
from fieldkit.detect.model import card_of
from fieldkit.detect.prior import Prior, UnfitError
from fieldkit.detect.tflite import MAX_BYTES, Network, read

SHIPPED: Final = Path(__file__).with_name("shipped")
NAME: Final = "manifest.json"
MODEL: Final = "anomaly.tflite"
PRIOR: Final = "prior.json"
ABLATION: Final = "ablation.json"
"""What each layer found where the shipped model was judged; only to be shown."""
MAX_MANIFEST: Final = 64 << 10
MAX_PRIOR: Final = 1 << 20


class UntrustedError(Exception):
    """A file is not what the manifest says, or is no model of ours; the message is one line."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read and checked."""

    data: bytes
    network: Network
    card: dict[str, Any]
    sha256: str


def load_model(folder: Path = SHIPPED) -> Loaded:
    """The model: its size, its digest, its structure and its description are right, in this order."""
    data = _pinned(folder, MODEL, MAX_BYTES)
    try:
        network = read(data)
        card = card_of(network)
    except DamagedError as error:
        raise UntrustedError(f"{folder / MODEL}: {error}") from error
    return Loaded(data, network, card, hashlib.sha256(data).hexdigest())


def load_prior(folder: Path = SHIPPED) -> Prior:
    """What is usual in the fleet."""
    data = _pinned(folder, PRIOR, MAX_PRIOR)
    try:
        return Prior.load(json.loads(data))
    except (ValueError, RecursionError, UnfitError) as error:
        raise UntrustedError(f"{folder / PRIOR}: {error}") from error


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Pin what lies in the folder."""
    files = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name in (MODEL, PRIOR)
        for data in ((folder / name).read_bytes(),)
    }
    text = json.dumps({"version": 1, "files": files, "about": about}, indent=2, sort_keys=True)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def manifest(folder: Path = SHIPPED) -> dict[str, Any]:
    """The manifest itself."""
    path = folder / NAME
    try:
        if path.stat().st_size > MAX_MANIFEST:
            raise UntrustedError(f"{path.name} is too large to be a manifest")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UntrustedError(f"{path.name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UntrustedError(f"{path.name} is damaged") from error
    if not isinstance(found, dict) or found.get("version") != 1 or not isinstance(found.get("files"), dict):
        raise UntrustedError(f"{path.name} is no manifest of this version")
    return found


def _pinned(folder: Path, name: str, most: int) -> bytes:
    entry = manifest(folder)["files"].get(name)
    path = folder / name
    if not isinstance(entry, dict):
        raise UntrustedError(f"{path.name} is not in the manifest")
    try:
        size = path.stat().st_size
        if size > most:
            raise UntrustedError(f"{path.name} has {size:,} bytes, at most {most:,} are read")
        data = path.read_bytes()
    except OSError as error:
        raise UntrustedError(f"{path.name}: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise UntrustedError(f"{path.name} is not the file that the manifest names (its SHA-256 differs)")
    return data


def ablation(folder: Path = SHIPPED) -> dict[str, Any]:
    """What each layer finds, as it was judged; empty where it was not, or for another model."""
    try:
        found = json.loads((folder / ABLATION).read_text(encoding="utf-8")[:MAX_MANIFEST])
        pinned = manifest(folder)["files"][MODEL]["sha256"]
    except (OSError, ValueError, KeyError, UntrustedError):
        return {}
    return found if isinstance(found, dict) and found.get("model") == pinned else {}
