"""Plugins made for a test: a manifest and a module in a directory."""

from __future__ import annotations

from pathlib import Path

from fieldkit.plugins import MANIFEST

ADAPTER = """
from fieldkit.links.uplink import Uplink
class Adapter:
    def probe(self, runner): return 0.9
    def snapshot(self, runner): return [Uplink(id="w", up=True, role="active")]
    def events(self, runner): return iter(())
def register(registrar): registrar.router_adapter("{name}", Adapter)
"""


def manifest(name: str, **values: object) -> str:
    module = values.pop("module", f"made_{name.replace('-', '_')}")
    told = {"name": name, "version": "1.0", "api": 1, "kinds": ["router-adapter"], "module": module, **values}
    lines = [f"{key} = {str(value).replace(chr(39), chr(34)) if isinstance(value, list) else repr(value)}"
             for key, value in told.items() if value is not None]  # fmt: skip
    return "[plugin]\n" + "\n".join(lines) + "\n"


def plugin(place: Path, name: str, code: str = "", **values: object) -> Path:
    root = place / name
    root.mkdir(parents=True)
    (root / MANIFEST).write_text(manifest(name, **values))
    (root / f"made_{name.replace('-', '_')}.py").write_text(code or ADAPTER.replace("{name}", name))
    return root
