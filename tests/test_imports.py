"""What may be imported when: start-up stays quick, the engine stays headless, and routers need no compiled packages."""

from __future__ import annotations

import ast
import importlib.util
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fieldkit

PACKAGE = Path(fieldkit.__file__).parent

SLOW = {"textual", "scapy", "numpy", "jsonschema", "ocpp", "cryptography"}
"""0.1 to 1.4 seconds each, and none of them is there on a musl armv7 router."""

FLOORS_0_TO_4 = ("events", "safetext", "wire", "logs", "ocpp", "devices", "trust", "site", "checks", "detect")
ENGINE = [name for name in FLOORS_0_TO_4 if importlib.util.find_spec(f"fieldkit.{name}")]
"""As far as they are built."""


def _modules(*roots: str) -> Iterator[str]:
    for root in roots:
        yield root
        spec = importlib.util.find_spec(root)
        assert spec is not None
        if spec.submodule_search_locations:
            for module in pkgutil.walk_packages(spec.submodule_search_locations, f"{root}."):
                yield module.name


def _imported_by(statement: str) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh interpreter that did just this."""
    code = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", list(_modules(*(f"fieldkit.{name}" for name in ENGINE))))
def test_a_module_of_the_engine_imports_nothing_heavy(module: str) -> None:
    leaked = _imported_by(f"import {module}") & SLOW
    assert not leaked, f"import {module} also imports {leaked}"


@pytest.mark.skipif(not importlib.util.find_spec("fieldkit.cli"), reason="there is no command line yet")
@pytest.mark.parametrize("arguments", [["--help"], ["decode", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    leaked = _imported_by(
        f"from fieldkit.cli import main\n"
        f"import sys; sys.argv = {['fieldkit', *arguments]!r}\n"
        f"try: main()\n"
        f"except SystemExit as end: assert not end.code, end.code"
    ) & (SLOW | {"asyncio", "orjson", "fastjsonschema", "websockets"})
    assert not leaked, f"fieldkit {' '.join(arguments)} imports {leaked}"


# What import-linter cannot see, because it takes no import or only part of one (see the contracts in pyproject.toml).
IMPURE_MODULES = {"os", "pathlib", "socket", "asyncio", "threading", "subprocess", "time"}
IMPURE_MODULES |= {"urllib.request", "http.client", "http.server"}
IMPURE_FUNCTIONS = {"open", "input", "print", "breakpoint", "exec", "eval"}
CLOCK_METHODS = {"now", "utcnow", "today"}


def _impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names if alias.name in IMPURE_MODULES)
            case ast.ImportFrom(module=str(module)) if module in IMPURE_MODULES:
                yield node.lineno, module
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_FUNCTIONS:
                yield node.lineno, f"{name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCK_METHODS:
                yield node.lineno, f".{name}()"


def _sources() -> Iterator[Path]:
    for name in ENGINE:
        yield from sorted((PACKAGE / name).rglob("*.py")) or [PACKAGE / f"{name}.py"]


@pytest.mark.parametrize("source", list(_sources()), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_engine_opens_nothing_prints_nothing_and_reads_no_clock(source: Path) -> None:
    assert not list(_impurities(ast.parse(source.read_text("utf-8"))))
