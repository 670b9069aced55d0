"""The register profiles that come with fieldkit, and those of the user: files, so not for ``devices`` to read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from fieldkit.devices.modbus.profile import Profile
from fieldkit.devices.modbus.profileload import ProfileError, parse_profile

FOLDER: Final = Path(__file__).parent / "devices" / "profiles"


_PLUGGED: Final[dict[str, Profile]] = {}


def add(profile: Profile) -> None:
    """One that a plugin brings; the shipped ones keep their names."""
    _PLUGGED.setdefault(profile.id, profile)


@cache
def shipped() -> dict[str, Profile]:
    """All that come with fieldkit, by id."""
    profiles = (load(path) for path in sorted(FOLDER.glob("*.toml")))
    return {profile.id: profile for profile in profiles}


def load(path: Path) -> Profile:
    """The profile in a file; ProfileError says what is wrong with it, also where it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: cannot be read: {error}") from None
    return parse_profile(text, path.name)


def find(name: str) -> Profile:
    """By id, or by the path of a file; ProfileError names what there is."""
    known = {**_PLUGGED, **shipped()}
    if name in known:
        return known[name]
    if name.endswith(".toml"):
        return load(Path(name))
    raise ProfileError(f"there is no profile {name!r}; there are {', '.join(sorted(known))}, or name a .toml file")
