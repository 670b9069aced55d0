"""Which plugins there are. Only manifests are read: nothing of a plugin runs until it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from fieldkit.plugins import GROUP, MANIFEST, manifest, ownership
from fieldkit.plugins.manifest import Manifest, ManifestError

PATH_VARIABLE: Final = "FIELDKIT_PLUGIN_PATH"
"""Environment variable with more directories, separated as PATH is."""
MAX_PLUGINS: Final = 200
"""Of one directory: what has more is no directory of plugins."""

Origin: TypeAlias = Literal["shipped", "system", "user", "environment", "installed", "path"]

SHIPPED: Final = (Path(__file__).parent.parent / "shipped", Path(__file__).parents[2] / "plugins")
"""Where fieldkit's own are: installed with it, or beside it in a source tree."""
SYSTEM: Final = (Path("/usr/share/fieldkit/plugins"), Path("/etc/fieldkit/plugins"))
_EXAMPLES: Final = ("template", "examples")
"""In a source tree beside the shipped ones: to be read, not used."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin, or what claims to be one."""

    name: str
    origin: Origin
    root: Path
    """Where its manifest is."""
    manifest: Manifest | None = None
    problem: str = ""
    """Why it cannot be used."""
    entry: str = ""
    """Of an installed one: "module:function"."""

    @property
    def usable(self) -> bool:
        """Nothing speaks against loading it."""
        return self.manifest is not None and not self.problem


def discover(paths: Sequence[str | Path] = (), *, installed: bool = True) -> list[Found]:
    """All of them, in the order in which names are given: fieldkit's own, the system's, the user's, others.

    ``paths`` name single plugins. Of two with the same name the first one is it. ``installed``: also entry points,
    whose listing takes a while on a small router.
    """
    found: list[Found] = [by_path(path) for path in paths]
    for origin, places in _places():
        for place in places:
            found += _in_directory(place, origin)
    if installed:
        found += _installed()
    known: dict[str, Found] = {}
    result: list[Found] = []
    for one in found:
        # A directory that is named twice, or a link to it, is one plugin.
        before = known.get(one.name)
        if before is not None:
            if before.root.resolve() == one.root.resolve():
                continue
            one = replace(one, problem=one.problem or f"another plugin has this name: {before.root}")
        else:
            known[one.name] = one
        result.append(one)
    return result


def by_path(path: str | Path) -> Found:
    """The plugin in a directory, or that of a manifest."""
    place = Path(path)
    root = place.parent if place.name == MANIFEST else place
    if not (root / MANIFEST).is_file():
        return Found(root.name, "path", root, problem=f"{root}: there is no {MANIFEST} in it")
    return _examined(root, "path")


def _places() -> Iterator[tuple[Origin, tuple[Path, ...]]]:
    # Beside an installed fieldkit a directory of that name is somebody else's.
    yield "shipped", next(((place,) for place in SHIPPED if (place / "openwrt" / MANIFEST).is_file()), ())
    yield "system", SYSTEM
    yield "user", (user_directory(),)
    more = os.environ.get(PATH_VARIABLE, "")
    yield "environment", tuple(Path(place) for place in more.split(os.pathsep) if place)


def user_directory() -> Path:
    """~/.config/fieldkit/plugins, or where XDG_CONFIG_HOME says."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "fieldkit" / "plugins"


def _in_directory(place: Path, origin: Origin) -> Iterator[Found]:
    if (place / MANIFEST).is_file():
        yield _examined(place, origin)
        return
    try:
        entries = sorted(entry for entry in place.iterdir() if (entry / MANIFEST).is_file())
    except OSError:
        return
    for entry in entries[:MAX_PLUGINS]:
        if origin != "shipped" or entry.name not in _EXAMPLES:
            yield _examined(entry, origin)


def _examined(root: Path, origin: Origin) -> Found:
    problem = ""
    try:
        told = manifest.read(root / MANIFEST)
    except ManifestError as error:
        return Found(root.name, origin, root, problem=str(error))
    # What is fieldkit's own is as trustworthy as fieldkit itself.
    if origin != "shipped" and ownership.is_root():
        problem = ownership.others_who_write(root)
    return Found(told.name, origin, root, told, problem)


def _installed() -> Iterator[Found]:
    from importlib import metadata, util

    for entry in metadata.entry_points(group=GROUP):
        module = entry.value.partition(":")[0]
        top = module.partition(".")[0]
        try:
            # Finding a top-level package does not run it.
            spec = util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        place = Path(spec.origin).parent if spec is not None and spec.origin else None
        root = next(
            (one for one in (place, place.parent if place else None) if one and (one / MANIFEST).is_file()), None
        )
        if root is None:
            where = place or Path(top)
            yield Found(entry.name, "installed", where, problem=f"its package {top} brings no {MANIFEST}")
            continue
        found = replace(_examined(root, "installed"), entry=entry.value)
        if found.manifest is not None and found.manifest.name != entry.name:
            found = replace(found, problem=f"its entry point is called {entry.name!r}, its manifest {found.name!r}")
        elif found.manifest is not None and found.manifest.module not in ("", module):
            found = replace(
                found, problem=f"its entry point leads to {module}, its manifest to {found.manifest.module}"
            )
        yield found
