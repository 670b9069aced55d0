"""Where the schemas come from: the files of an installed package, and nothing else on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fieldkit import schemastore
from fieldkit.ocpp.actions import ACTIONS, SEND_ONLY, VERSIONS, is_known

needs_ocpp = pytest.mark.skipif(not schemastore.available(), reason="the ocpp package is not installed")


@pytest.fixture
def without_ocpp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which the ocpp package is not installed."""
    monkeypatch.setitem(sys.modules, "ocpp", None)  # find_spec then finds nothing
    schemastore._home.cache_clear()
    yield
    schemastore._home.cache_clear()


@needs_ocpp
@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "1.5"])
def test_every_action_has_its_schemas(version: str) -> None:
    for action in ACTIONS:
        for answer in (False, True):
            data = schemastore.load(version, action, answer)
            expected = is_known(action, version) and not (answer and action in SEND_ONLY)
            assert (data is not None) == expected, (version, action, answer)
            assert data is None or json.loads(data.decode())["type"] == "object"


@needs_ocpp
def test_request_and_answer_are_told_apart() -> None:
    for version in ("1.6", "2.0.1", "2.1"):
        request, answer = (schemastore.load(version, "BootNotification", answer) for answer in (False, True))
        assert request is not None
        assert answer is not None
        assert "currentTime" in json.loads(answer)["properties"]
        assert "currentTime" not in json.loads(request)["properties"]


@pytest.mark.parametrize(
    "version, action",
    [
        ("1.6", "../schemas/Reset"),
        ("1.6", "/etc/passwd"),
        ("1.6", "Reset\0"),
        ("1.6", ""),
        ("1.6", "TransactionEvent"),
        ("../v16", "Reset"),
        ("1.5", "Reset"),
        ("2.0", "Reset"),
        ("", "Reset"),
    ],
)
def test_only_known_names_are_looked_for(version: str, action: str) -> None:
    assert schemastore.load(version, action, False) is None
    assert schemastore.load(version, action, True) is None


@pytest.mark.usefixtures("without_ocpp")
def test_without_the_package_there_are_no_schemas_and_no_error() -> None:
    assert not schemastore.available()
    assert schemastore.load("1.6", "Reset", False) is None


@needs_ocpp
def test_the_package_is_read_but_not_imported() -> None:
    code = (
        "import sys; from fieldkit import schemastore; assert schemastore.load('2.1', 'Reset', True); "
        "assert not {'ocpp', 'jsonschema'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
