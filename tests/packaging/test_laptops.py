"""``pipx install`` and ``uv tool install`` from a fresh clone, and away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging import lab
from tests.packaging.lab import files, needs

pytestmark = [pytest.mark.packages, needs("git")]


@pytest.mark.parametrize(
    "tool, install, remove",
    [
        ("pipx", ["install", "--python", sys.executable], ["uninstall", "fieldkit"]),
        ("uv", ["tool", "install", "--python", sys.executable], ["tool", "uninstall", "fieldkit"]),
    ],
)
def test_a_laptop(tool: str, install: list[str], remove: list[str], tmp_path: Path) -> None:
    clone, tools, home = tmp_path / "clone", tmp_path / "tools", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{lab.ROOT}", str(clone)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
    got = subprocess.run([tools / "bin/pip", "install", "-q", tool], capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"pip fetches no {tool}: {got.stderr.strip().splitlines()[-1]}")
    home.mkdir()
    environment = {
        **os.environ, "HOME": str(home), "PIPX_HOME": str(home / "tools"), "PIPX_BIN_DIR": str(home / "bin"),
        "UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(home / "bin"), "UV_CACHE_DIR": str(tmp_path / "cache"),
        "SSL_CERT_FILE": os.environ.get("PIP_CERT", os.environ.get("SSL_CERT_FILE", "")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    if not environment["SSL_CERT_FILE"]:
        del environment["SSL_CERT_FILE"]

    def run(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(tools / "bin" / tool, *install, clone)
    program = home / "bin" / "fieldkit"
    assert run(program, "--version").startswith("fieldkit ")
    run(program, "demo", "--no-open", "-q", "-o", tmp_path / "demo.json")
    assert json.loads((tmp_path / "demo.json").read_text())["findings"]
    assert "agent" in run(program, "agent", "--help")
    # Plugins that everybody gets are in the wheel.
    assert "openwrt" in run(program, "plugins", "list")
    run(tools / "bin" / tool, *remove)
    assert not [
        path for path in files(home) if "fieldkit" in path and "/logs/" not in path and not path.endswith(".lock")
    ]
