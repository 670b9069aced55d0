"""Options that the serial commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from fieldkit.devices.modbus.profile import Profile
    from fieldkit.sources.serial.device import DeviceSpec
    from fieldkit.sources.serial.ports import Port
    from fieldkit.sources.serial.recording import Recording
    from fieldkit.sources.serial.settings import PortSettings

line: Final = click.option("--line", "line_text", metavar="SPEED[,FORMAT]", help="As in 9600 or 19200,8E1.")
dtr: Final = click.option("--dtr", type=click.Choice(["on", "off"]), default="off", show_default=True)
rts: Final = click.option("--rts", type=click.Choice(["on", "off"]), default="off", show_default=True)
log: Final = click.option("--log", "log_to", metavar="DIR", help="Where the log goes (it is always kept).")
utc: Final = click.option("--utc", is_flag=True, help="Show times in UTC.")
stamps: Final = click.option(
    "--time",
    "stamps",
    type=click.Choice(["wall", "delta", "both", "none"]),
    default="both",
    show_default=True,
    help="Stamps: the clock's, the time since the line before, both.",
)
view: Final = click.option(
    "--view", type=click.Choice(["auto", "text", "hex"]), default="auto", show_default=True, help="How bytes are shown."
)
gap: Final = click.option(
    "--gap", type=click.IntRange(1, 60_000), metavar="MS", help="Silence that ends a group of hex bytes (default: 20)."
)


def listen_first(default: float, least: float = 0.0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--listen-first``."""
    return click.option(
        "--listen-first",
        type=click.FloatRange(least, 600),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="Hear the line for so long before asking.",
    )


allow_write: Final = click.option(
    "--allow-write", is_flag=True, help="Make writing possible at all; what is written is recorded."
)
audit: Final = click.option("--audit", "audit_to", metavar="FILE", help="Where that record is kept.")


def port_settings(line_text: str | None, usual: object = None, *, dtr: str = "off", rts: str = "off") -> PortSettings:
    """Line settings and control lines; UsageError says what is wrong."""
    from fieldkit.devices.modbus.timing import LineSettings
    from fieldkit.sources.serial.settings import USUAL, PortSettings, parse_line

    default = usual if isinstance(usual, LineSettings) else USUAL
    try:
        chosen = parse_line(line_text, default) if line_text else default
    except ValueError as error:
        raise click.UsageError(f"--line: {error}") from None
    return PortSettings(chosen, "on" if dtr == "on" else "off", "on" if rts == "on" else "off")


def device(text: str, option: str = "--device") -> DeviceSpec:
    """``--device``, or another option; UsageError says what is wrong."""
    from fieldkit.sources.serial.device import parse_device

    try:
        return parse_device(text, find_profile)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def find_profile(name: str) -> Profile:
    from fieldkit import profilestore
    from fieldkit.devices.modbus.profileload import ProfileError

    try:
        return profilestore.find(name)
    except ProfileError:
        from fieldkit.cli.plugged import add_profiles

        if not add_profiles():
            raise
    return profilestore.find(name)


def log_directory(log_to: str | None) -> Path:
    """Where logs go: the user's data directory, unless told otherwise."""
    from fieldkit.sources.serial.audit import data_directory

    return Path(log_to) if log_to else data_directory() / "logs"


def recorder(
    directory: Path, name: str, settings: PortSettings, mode: str, spec: DeviceSpec | None = None
) -> RecordingMaker:
    return RecordingMaker(directory, name, settings, mode, spec)


class RecordingMaker:
    """Makes a port's recording when the port is open, and remembers where it is."""

    def __init__(self, directory: Path, name: str, settings: PortSettings, mode: str, spec: DeviceSpec | None) -> None:
        self.base: Path | None = None
        """The files' common name, without suffixes."""
        self._directory, self._name, self._settings = directory, name, settings
        self._mode, self._spec = mode, spec

    def __call__(self, port: Port) -> Recording:
        from fieldkit.sources.serial.port import now
        from fieldkit.sources.serial.recording import SUFFIX, About, Recording, recording_name

        started = now()
        self.base = self._directory / recording_name(self._name, started)
        spec = self._spec
        dialect, device = ("", "") if spec is None else (spec.dialect, spec.text)
        about = About(self._name, str(port.identity), str(self._settings), started, self._mode, dialect, device)
        return Recording(self.base.with_name(self.base.name + SUFFIX), about)


class PortFailure(click.ClickException):
    """A port or a recording cannot be used."""

    exit_code = 3


class DeviceSilent(click.ClickException):
    """The port works; who should answer does not."""

    exit_code = 4


class NotWhole(click.ClickException):
    """What is there is shown, but something is missing."""

    exit_code = 5
