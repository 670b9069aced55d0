"""The message schemas that the ``ocpp`` distribution ships, read as plain files.

``ocpp`` carries the JSON schemas of the Open Charge Alliance, but importing it costs 0.3 to 0.6 s and brings
``jsonschema`` along, so its directory is only looked up. Its file names have three habits: 1.6 has ``Reset.json`` and
``ResetResponse.json``, 2.x ``ResetRequest.json`` and ``ResetResponse.json``, and the one message that 2.1 sends
without an answer is ``NotifyPeriodicEventStream.json``. 1.5 and 2.0 have no schemas there.
"""

from __future__ import annotations

import codecs
import importlib.util
from functools import cache
from pathlib import Path
from typing import Final

from fieldkit.ocpp.actions import SEND_ONLY, is_known

_FOLDERS: Final = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}


def available() -> bool:
    """Tell whether there are schemas on this machine: without them messages are decoded, but not validated."""
    home = _home()
    return home is not None and all((home / folder / "schemas").is_dir() for folder in _FOLDERS.values())


def load(version: str, action: str, answer: bool) -> bytes | None:
    """Return the schema (UTF-8, no byte order mark) of an action's request or answer; None when there is none.

    The action comes off the wire: only names from the table of actions ever become part of a path.
    """
    home, folder = _home(), _FOLDERS.get(version)
    if home is None or folder is None or not is_known(action, version):
        return None
    try:
        data = (home / folder / "schemas" / _file_name(version, action, answer)).read_bytes()
    except OSError:
        return None  # An older or newer ``ocpp`` that lacks this file: the same as having no schema.
    return data.removeprefix(codecs.BOM_UTF8)


def _file_name(version: str, action: str, answer: bool) -> str:
    if answer:
        return f"{action}Response.json"
    return f"{action}.json" if version == "1.6" or action in SEND_ONLY else f"{action}Request.json"


@cache
def _home() -> Path | None:
    """Find the directory of the ``ocpp`` package; for a top-level name, ``find_spec`` imports nothing."""
    spec = importlib.util.find_spec("ocpp")
    for place in (spec and spec.submodule_search_locations) or ():
        if (Path(place) / "v16").is_dir():
            return Path(place)
    return None
