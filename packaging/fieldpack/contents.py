"""What goes into the packages: all of fieldkit for laptops and gateways, the pure-Python part of it for routers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from fieldpack.tree import EXECUTABLE, Tree
from fieldpack.wheels import ROOT, Machine, Wheel, fetch, unpacked

# scapy and smllib are in none of these: they are under the GPL, and a package that carries them would be too.
_ENGINE: Final = ("click", "Jinja2", "MarkupSafe", "ocpp", "paho-mqtt", "pyserial")
_COMPILED: Final = ("cffi", "cryptography", "orjson", "pycparser")
_SCREEN: Final = (
    "linkify-it-py", "markdown-it-py", "mdit-py-plugins", "mdurl", "platformdirs", "Pygments", "rich", "textual",
    "typing_extensions",
)  # fmt: skip
_DETECTOR: Final = (
    "ai-edge-litert", "backports.strenum", "flatbuffers", "ml_dtypes", "numpy", "protobuf", "tqdm",
)  # fmt: skip

_PLUGINS: Final = ("modemmanager", "ncos", "openwrt", "rutos", "starlink")
BYTECODE: Final = "/var/run/fieldkit-py"
"""Of a router: in memory, as flash wears and a start from sources takes seconds. Only root can make this folder, so
that nobody else puts bytecode there."""
_NO_ROUTER: Final = re.compile(r"tui/")
"""A router has no screen."""
_UNUSED: Final = re.compile(
    r"(?:^|/)(?:tests?|__pycache__)/|\.pyi$|py\.typed$|/_examples/"
    # LiteRT brings a 19 MB accelerator for GPUs that gateways do not have, and numpy its headers.
    r"|WebGpu|webgpu|numpy/_core/(?:include|lib)/|numpy/f2py/|numpy/random/.*\.(?:a|pxd)$"
)


class Part(NamedTuple):
    """A tree for a package, and the wheels that are in it."""

    tree: Tree
    wheels: list[Wheel]


def version() -> str:
    """As in ``fieldkit/__init__.py``."""
    found = re.search(r'^__version__ = "([^"]+)"', (ROOT / "fieldkit" / "__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("fieldkit/__init__.py has no __version__")
    return found[1]


def full(machine: Machine, cache: Path, *, detector: bool, screen: bool = True) -> Part:
    """Everything, below ``opt/fieldkit``: what Debian 12 and containers run with their own Python."""
    names = [*_ENGINE, *_COMPILED, *(_SCREEN if screen else ()), *(_DETECTOR if detector else ())]
    wheels = fetch(names, machine, cache)
    home = _Home("opt/fieldkit", machine.python)
    tree = home.installed(wheels, native=True)
    home.add_fieldkit(tree, leave_out=re.compile(r"(?!)") if screen else _NO_ROUTER)
    home.finish(tree, f"/usr/bin/python{machine.python}")
    return Part(tree, wheels)


def lite(cache: Path, python: str) -> Part:
    """Engine, agent and command line below ``usr/lib/fieldkit``: pure Python, for any processor and libc."""
    wheels = fetch(_ENGINE, Machine("any", python), cache)
    home = _Home("usr/lib/fieldkit", python)
    tree = home.installed(wheels, native=False)
    home.add_fieldkit(tree, leave_out=_NO_ROUTER)
    # Of ocpp only the schemas are ever read; the flash of a router is small.
    schemas = re.compile(r"/ocpp(?:-[^/]+\.dist-info/|/v\d+/schemas/[^/]+\.json$|/__init__\.py$)")
    tree.drop(lambda path: path.startswith(f"{home.library}/ocpp") and not schemas.search(path))
    for path, entry in list(tree):
        if path.endswith(".json") and "/ocpp/" in path and not entry.folder:
            short = json.dumps(json.loads(entry.data.decode("utf-8-sig")), separators=(",", ":"), ensure_ascii=False)
            tree.file(path, short)
    # What the router's own Python has besides (python3-cryptography, say) is used: its feed builds what we cannot.
    home.finish(tree, "/usr/bin/python3", cached=BYTECODE, system=True)
    return Part(tree, wheels)


def licences(tree: Tree, wheels: Iterable[Wheel], under: str) -> None:
    """The licence texts of everything that goes along."""
    tree.copy(ROOT / "LICENSE", f"{under}/fieldkit.txt")
    for wheel in wheels:
        inside = unpacked(wheel, native=False)
        texts = [
            entry.data
            for path, entry in inside
            if ".dist-info/" in path and re.search(r"(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)", PurePosixPath(path).name)
        ]
        # Old wheels name a licence and carry no text; then what they say of it is all there is.
        keys = ("Name", "Version", "License", "Author", "Home-page")
        said = "".join(f"{key}: {wheel.about[key]}\n" for key in keys if wheel.about[key]).encode()
        tree.file(f"{under}/{wheel.name}.txt", b"\n".join(texts) or said)


class _Home(NamedTuple):
    """A virtual environment, written down instead of run: a link to the machine's Python, and libraries of our own
    beside it. Whatever starts Python again (helpers of the agent do) finds the same."""

    path: str
    python: str

    @property
    def library(self) -> str:
        """Where packages are."""
        return f"{self.path}/lib/python{self.python}/site-packages"

    def installed(self, wheels: Iterable[Wheel], *, native: bool) -> Tree:
        """Packages of others, without what nobody uses."""
        tree = Tree()
        for wheel in wheels:
            tree.merge(unpacked(wheel, native=native), self.library)
        tree.drop(lambda path: _UNUSED.search(path) is not None)
        # Licences have a place of their own in each package; nobody uninstalls a part of it.
        tree.drop(lambda path: re.search(r"\.dist-info/(?!METADATA$)", path) is not None)
        return tree

    def add_fieldkit(self, tree: Tree, *, leave_out: re.Pattern[str]) -> None:
        """Our own, and the plugins that everybody gets."""

        def wanted(path: str) -> bool:
            return "__pycache__" not in path and not leave_out.match(path)

        tree.copy(ROOT / "fieldkit", f"{self.library}/fieldkit", wanted)
        for name in _PLUGINS:
            tree.copy(ROOT / "plugins" / name, f"{self.library}/fieldkit/shipped/{name}", _is_used)

    def finish(self, tree: Tree, python: str, *, cached: str = "", system: bool = False) -> None:
        """The environment itself, and the program."""
        has = "true" if system else "false"
        tree.file(
            f"{self.path}/pyvenv.cfg",
            f"home = /usr/bin\ninclude-system-site-packages = {has}\nversion = {self.python}\n",
        )
        tree.link(f"{self.path}/bin/python3", python)
        # Python runs isolated: nothing in the working folder or in somebody's home takes part.
        keep = f'import os\nimport sys\n\nsys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = "{cached}"\n\n'
        tree.file(
            "usr/bin/fieldkit",
            f"#!/{self.path}/bin/python3 -I\n{keep if cached else ''}from fieldkit.cli import main\n\nmain()\n",
            EXECUTABLE,
        )


def _is_used(path: str) -> bool:
    """Of a plugin's folder: not its tests, nor what describes it."""
    return re.search(r"(?:^|/)(?:tests|__pycache__)/|\.md$", path) is None
