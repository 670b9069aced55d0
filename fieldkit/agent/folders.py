"""The agent's folders, made while there are rights, for whoever it will be when there are none."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from fieldkit.agent.settings import Settings
from fieldkit.sources.file import SourceError


def environment(settings: Settings) -> Mapping[str, str]:
    """For ``privileges.separate``: whom to become. SourceError when there is no such user."""
    if not settings.user:
        return os.environ
    import pwd

    try:
        user = pwd.getpwnam(settings.user)
    except KeyError:
        raise SourceError(f"agent.user: there is no user {settings.user}; useradd --system {settings.user}") from None
    return {"SUDO_UID": str(user.pw_uid)} if user.pw_uid else {}


def prepare(settings: Settings, *, keep_root: bool) -> list[Path]:
    """Make them; a file in each that whoever we become must be able to write."""
    owner = -1 if keep_root else _owner(settings)
    folders = [settings.state, settings.state / "outbox", settings.state / "spool", settings.run]
    if settings.stage:
        folders.append(settings.run / "stage")
    if settings.ring is not None:
        folders += [settings.ring.folder, settings.ring.folder / "kept"]
    for sink in settings.sinks:
        if sink.type in ("file", "prometheus") and sink.options.path:
            parent = Path(sink.options.path).parent
            if not parent.exists():
                folders.append(parent)
    for folder in folders:
        _made(folder, owner)
    return [folder / "probe" for folder in folders]


def _owner(settings: Settings) -> int:
    """Who will work in them; -1: who we are."""
    if not hasattr(os, "geteuid") or os.geteuid():
        return -1
    import pwd

    from fieldkit.sources.privileges import NOBODY, caller

    person = caller(environment(settings))
    try:
        return person.user if person is not None else pwd.getpwnam(NOBODY).pw_uid
    except KeyError:
        return -1


def _made(folder: Path, owner: int) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.lstat()
        if not stat.S_ISDIR(told.st_mode):
            raise SourceError(f"{folder}: it is no folder")
        if owner < 0:
            return
        if told.st_uid not in (0, owner):
            # Somebody was here first, in a place where anybody may be: what we write would be theirs.
            raise SourceError(f"{folder}: it belongs to another user (chown it, or name another one)")
        # The group stays root's: where nobody may not read fieldkit the agent remains root, without any capability.
        os.chown(folder, owner, 0, follow_symlinks=False)
        folder.chmod(0o770)
        for path in folder.iterdir():
            if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_uid in (0, owner):
                os.chown(path, owner, 0, follow_symlinks=False)
                path.chmod(0o660)
    except OSError as error:
        raise SourceError(f"{folder}: {error.strerror or error}") from error
