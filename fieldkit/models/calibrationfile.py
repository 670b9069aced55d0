"""What was learnt of a site, in a file: written whole or not at all, read with suspicion."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from fieldkit.detect.calibration import Calibration
from fieldkit.detect.prior import UnfitError

MAX_FILE: Final = 32 << 20
"""Five hundred stations have 20 MB."""


def load(name: str, calibration: Calibration) -> str:
    """Fill it; what is wrong with the file, in a sentence, or nothing. Then the fleet's prior stays in force."""
    path = Path(name)
    try:
        if path.stat().st_size > MAX_FILE:
            return f"{name} is too large to be a calibration: the fleet's prior is used"
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"{name} does not exist: the fleet's prior is used (fieldkit detect calibrate makes one)"
    except OSError as error:
        return f"{name}: {error.strerror or error}: the fleet's prior is used"
    except (ValueError, RecursionError):
        return f"{name} is damaged or cut off: the fleet's prior is used until it is calibrated anew"
    try:
        calibration.load(document)
    except UnfitError as error:
        return f"{name}: {error}: the fleet's prior is used until it is calibrated anew"
    return ""


def save(name: str, calibration: Calibration) -> None:
    """Write it beside its place and move it there: whoever loses power meanwhile has the old one."""
    path = Path(name)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    document: dict[str, Any] = calibration.dump()
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(document, file, separators=(",", ":"), sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
