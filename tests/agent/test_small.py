"""What an agent of a small router keeps in memory, by what it imports; how much that is, ``make bench-agent`` measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDLESS = {
    "ast", "asyncio", "click", "ctypes.util", "decimal", "difflib", "dis", "email.message", "http.client", "inspect",
    "jinja2", "jsonschema", "linecache", "numpy", "random", "rich", "scapy", "shutil", "statistics",
    "tempfile", "textual", "tomllib", "fieldkit.agent.helpers", "fieldkit.cli", "fieldkit.detect.detector",
    "fieldkit.doctor.machine", "fieldkit.links.process", "fieldkit.reports.document", "fieldkit.reports.model",
    "fieldkit.tui",
}  # fmt: skip
"""Each of them was found in memory once, and none is needed: by what imports them they take from 100 kB to 2 MB."""


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_a_small_agent_loads_nothing_that_it_does_not_need() -> None:
    loaded = python("""
import sys
import fieldkit.agent.__main__
from fieldkit.agent.sinks import mqtt
from fieldkit.pipeline import Pipeline
from fieldkit.session import Session
Session(), Pipeline("")
options = mqtt.Options("localhost", 1883, False, "5", "p", "", "", "", 60, mqtt.tls.TlsSettings())
mqtt.MqttSink(options, "site", "agent")
print(*(name for name, module in sys.modules.items() if "__getattr__" not in vars(module) or module.__spec__))
""").split()
    assert "paho.mqtt.client" in loaded
    assert not NEEDLESS & set(loaded)


def test_without_mqtt_and_tls_there_is_no_openssl_context() -> None:
    loaded = python("""
import sys
import fieldkit.agent.__main__
from fieldkit.agent.sinks import file, stdout, tls
tls.explained(OSError(1, "no"))
print(*sys.modules)
""").split()
    assert "fieldkit.agent.sinks.tls" in loaded
    assert not {"ssl", "_ssl"} & set(loaded)


def test_what_was_spared_comes_when_it_is_wanted() -> None:
    said = python("""
import sys
from fieldkit.agent.spared import spare
spare("urllib.request")
spare("inspect")
import inspect
import urllib.request
print("http.client" in sys.modules, "dis" in sys.modules)
print(urllib.request.Request("http://localhost/a").selector, inspect.isfunction(len))
import urllib.request as again
from inspect import signature
print(again.__spec__.name, sys.modules["inspect"].__spec__.name, "http.client" in sys.modules, "dis" in sys.modules)
spare("urllib.request")
print(sys.modules["urllib.request"] is again)
""")
    assert said.splitlines() == [
        "False False",
        "/a False",
        "urllib.request inspect True True",
        "True",
    ]


def test_what_stands_in_for_inspect_answers_as_it_does() -> None:
    """Of every class and file here, with the real one beside it."""
    said = python("""
import sys
from pathlib import Path
from fieldkit.agent.spared import _annotations, _module_name, spare_inspect
spare_inspect()
import inspect
import pkgutil
import dataclasses
import fieldkit.checks
from fieldkit.checks.runner import known_checks
found = known_checks()
names = [module.name for module in pkgutil.iter_modules(fieldkit.checks.__path__)]
print("dis" in sys.modules, len(found) > 50, len(names) == len(set(names)) > 50)
inspect.isfunction
import inspect as real
assert "dis" in sys.modules and real.__spec__.name == "inspect"
files = [*map(str, Path(fieldkit.checks.__path__[0]).iterdir()), "/a/b.py", "c.pyc", "d.so", "e.txt", "/f", "g.abi3.so"]
print([path for path in files if real.getmodulename(path) != _module_name(path)])
classes = [one for module in list(sys.modules.values()) for one in vars(module).values()
           if isinstance(one, type) and one.__module__.startswith("fieldkit")]
print([one for one in classes if real.get_annotations(one) != _annotations(one)], len(classes) > 200)
""")
    assert said.splitlines() == ["False True True", "[]", "[] True"]


def test_warming_loads_what_an_agent_will() -> None:
    loaded = python("import sys, fieldkit.agent.warm\nprint(*sys.modules)").split()
    for name in ("agent.service", "agent.sinks.webhook", "checks.boot", "wire.http"):
        assert f"fieldkit.{name}" in loaded
