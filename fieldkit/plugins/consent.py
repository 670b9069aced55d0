"""What the user has been shown of plugins, and has allowed them.

A plugin that is not fieldkit's own is introduced before its first use: what it says it needs, in words. One that wants
to send, to write or to open connections is not used until it is allowed (``fieldkit plugins allow NAME``). When it
wants more later, it is introduced again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fieldkit.plugins import capability
from fieldkit.plugins.discover import Found

MAX_STATE: Final = 1 << 20


def state_file() -> Path:
    """~/.local/state/fieldkit/plugins.json, or where XDG_STATE_HOME says."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "fieldkit" / "plugins.json"


class Consent:
    """Of this user."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path if path is not None else state_file()
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError, RecursionError):
            if self._path.stat().st_size <= MAX_STATE:
                loaded = json.loads(self._path.read_text("utf-8"))
                self._known = loaded if isinstance(loaded, dict) else {}

    def introduction(self, found: Found) -> list[str]:
        """Lines to show before its first use; empty when there is nothing new."""
        if found.manifest is None or found.origin == "shipped" or self._covered(found, "seen"):
            return []
        return introduced(found)

    def refusal(self, found: Found) -> str:
        """Why it must not be used yet; empty when it may."""
        if found.manifest is None or found.origin == "shipped" or not found.manifest.grave:
            return ""
        if self._covered(found, "allowed"):
            return ""
        wants = capability.summary(found.manifest.grave)
        return f"it wants to {wants}: if you trust it, run: fieldkit plugins allow {found.name}"

    def seen(self, found: Found) -> None:
        """It has been introduced. Fieldkit's own are not, and leave nothing behind: a router's flash wears."""
        if found.origin != "shipped":
            self._note(found, "seen")

    def allow(self, found: Found) -> None:
        """The user trusts it with what it wants now."""
        self._note(found, "seen")
        self._note(found, "allowed")

    def forbid(self, name: str) -> bool:
        """Take that back; whether there was something to take back."""
        entry = self._known.get(name)
        if not isinstance(entry, dict) or not entry.get("allowed"):
            return False
        entry["allowed"] = []
        self._save()
        return True

    def _covered(self, found: Found, what: str) -> bool:
        entry = self._known.get(found.name)
        assert found.manifest is not None
        # Another plugin of the same name, from another place, is a stranger.
        if not isinstance(entry, dict) or entry.get("place") != str(found.root.resolve()):
            return False
        known = entry.get(what)
        wanted = found.manifest.grave if what == "allowed" else found.manifest.capabilities
        return isinstance(known, list) and set(wanted) <= set(map(str, known))

    def _note(self, found: Found, what: str) -> None:
        assert found.manifest is not None
        place = str(found.root.resolve())
        entry = self._known.get(found.name)
        if not isinstance(entry, dict) or entry.get("place") != place:
            entry = {"place": place}
        entry[what] = sorted(found.manifest.grave if what == "allowed" else found.manifest.capabilities)
        self._known[found.name] = entry
        self._save()

    def _save(self) -> None:
        """Where that cannot be kept (a router's flash is read-only) it is shown again next time."""
        draft = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(self._known, indent=1, sort_keys=True), "utf-8")
            draft.replace(self._path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def introduced(found: Found) -> list[str]:
    """Who it is, and what it says it needs."""
    assert found.manifest is not None
    wants = found.manifest.capabilities
    line = f"first use of the plugin {found.name} {found.manifest.version} ({found.root})"
    if not wants:
        return [f"{line}: it asks for nothing"]
    return [f"{line}: it says that it needs to {capability.summary(wants)}"]
