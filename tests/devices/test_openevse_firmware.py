"""The OpenEVSE's own firmware, in simavr, asked over its serial line: an oracle that was not made here.

It needs simavr (``apt-get install libsimavr-dev libsimavrparts1 libelf-dev gcc``) and the firmware, which has another
licence and is not in this repository: ``FIELDKIT_OPENEVSE_HEX=open_evse.hex``, from the releases of OpenEVSE/open_evse.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit import profilestore
from fieldkit.devices.rapi.commands import COMMANDS
from fieldkit.sources.serial.device import Asker, Pass, parse_device
from fieldkit.sources.serial.exchange import Talk
from fieldkit.sources.serial.port import Rights, SerialPort
from fieldkit.sources.serial.settings import PortSettings

FIRMWARE = os.environ.get("FIELDKIT_OPENEVSE_HEX", "")
HOST = Path(__file__).with_name("avrhost.c")
HEADERS = Path("/usr/include/simavr")
LIBRARIES = ("-lsimavrparts", "-lsimavr", "-lelf", "-lm", "-lutil", "-lpthread")
BOOT = 4.0
"""Seconds: the boot loader waits, then the self-tests run."""

pytestmark = [
    pytest.mark.skipif(not FIRMWARE, reason="FIELDKIT_OPENEVSE_HEX does not name a firmware"),
    pytest.mark.skipif(not (HEADERS / "parts" / "uart_pty.h").exists(), reason="libsimavr-dev is not installed"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[str]:
    """The path of its serial line."""
    host = tmp_path / "avrhost"
    subprocess.run(["gcc", "-O2", "-o", host, HOST, f"-I{HEADERS}", *LIBRARIES], check=True)
    with subprocess.Popen([host, FIRMWARE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("/dev/"))
        finally:
            process.kill()


def asked(path: str, *names: str) -> tuple[Pass, int]:
    """One pass, and the bytes that it took."""
    spec = parse_device("rapi", profilestore.find)
    with SerialPort(path, PortSettings(spec.line), Rights(asking=spec.asking)) as port, Talk(port) as talk:
        talk.listen(BOOT)
        return Asker(talk, spec, spec.line, path, names).once(), port.guard.sent


def test_it_tells_its_version_and_state(controller: str) -> None:
    done, sent = asked(controller, "GV", "GS")
    told = {reading.name: reading.value for reading in done.readings}
    assert (done.answered, done.failed, sent > 0) == (2, 0, True), done.problems
    assert told["firmware"]
    assert told["protocol"]
    assert not str(told["evse_state"]).startswith("unknown")


def test_every_read_is_answered_or_refused(controller: str) -> None:
    """What is compiled in differs; silence or a damaged answer would be ours."""
    done, _ = asked(controller)
    assert done.failed == 0, done.problems
    assert done.answered + done.refused == len(COMMANDS)
