"""Names, paths and addresses → open channels, locked and configured, in the order that disturbs least.

1. Who else has it (lock files, open descriptors): ask before touching anything.
2. Open for reading only, lock it (flock), then at once: control lines as the settings say, echo off, no hang-up.
   Linux raises DTR and RTS with the first open; nobody can prevent that, only make it short. A terminal that nobody
   has configured yet echoes what it hears: a boot loader would take that for a key.
3. pyserial configures speed and format.
4. Listening: pyserial's descriptor is replaced by the one that cannot write.
5. TIOCEXCL: others get EBUSY (root does not).
"""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from fieldkit.sources.serial.channel import (
    SETTING_ERRORS,
    Channel,
    DescriptorChannel,
    PyserialChannel,
    configure,
    is_pseudo,
)
from fieldkit.sources.serial.holders import holders, named
from fieldkit.sources.serial.ports import Port, Roots, list_ports
from fieldkit.sources.serial.settings import PortSettings
from fieldkit.sources.serial.trouble import PortError, Reason

_ADDRESS: Final = re.compile(r"(socket|rfc2217|loop)://", re.IGNORECASE)
_ADDRESS_ERRORS: Final[tuple[type[Exception], ...]] = (*SETTING_ERRORS, KeyError)
_USB: Final = re.compile(r"usb:([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?", re.IGNORECASE)
_WRITE_TIMEOUT: Final = 5.0
"""Seconds after which a port that takes no bytes (flow control, a dead adapter) is given up."""
_CONNECT_TIMEOUT: Final = 5.0


def library() -> Any:
    """Pyserial, imported when a port is wanted and not before."""
    try:
        return import_module("serial")
    except ImportError:
        raise PortError(Reason.LIBRARY, "pyserial is missing: pip install pyserial") from None


def is_address(name: str) -> bool:
    """Whether this is one of pyserial's addresses and no device of this machine."""
    return bool(_ADDRESS.match(name))


def resolve(name: str, roots: Roots | None = None) -> str:
    """A path or an address for what was asked for: a path, ``ttyUSB0``, ``usb:0403:6001[:SERIAL|LOCATION|NUMBER]``."""
    if not name.strip():
        raise PortError(Reason.MISSING, "no port was named; see: fieldkit serial ports")
    if is_address(name) or sys.platform == "win32":
        return name
    if "://" in name:
        # pyserial has more of them, which open devices of this machine past all locks: they are not for us.
        raise PortError(Reason.MISSING, f"{name}: addresses are socket://HOST:PORT and rfc2217://HOST:PORT")
    found = _USB.fullmatch(name)
    if found is None:
        path = Path(name)
        short = "/" not in name and not path.exists()
        return str((roots or Roots()).dev / name) if short else name
    vendor, product, more = found[1].lower(), found[2].lower(), found[3]
    alike = [
        port
        for port in list_ports(roots)
        if (port.identity.vendor, port.identity.product) == (vendor, product) and (not more or _is_called(port, more))
    ]
    if not alike:
        raise PortError(Reason.MISSING, f"{name}: no such adapter is plugged in; see: fieldkit serial ports")
    if len(alike) > 1:
        devices = ", ".join(port.device for port in alike)
        raise PortError(Reason.MISSING, f"{name} is not one port but {devices}: add :SERIAL, :LOCATION or :INTERFACE")
    return alike[0].device


def _is_called(port: Port, text: str) -> bool:
    identity = port.identity
    if text in (identity.serial, identity.location):
        return True
    return text.isdecimal() and identity.interface != "" and int(identity.interface, 16) == int(text)


def open_port(name: str, settings: PortSettings, *, sending: bool, roots: Roots | None = None) -> Channel:
    """An open port. ``sending`` False: nothing can be sent, whatever else goes wrong."""
    if is_address(name):
        return _open_address(name, settings, sending=sending)
    if sys.platform == "win32":
        return _open_elsewhere(name, settings, sending=sending)
    return _open_terminal(name, settings, sending=sending, roots=roots)


# ----------------------------------------------------------------------------------------------------------- terminals


def _open_terminal(name: str, settings: PortSettings, *, sending: bool, roots: Roots | None) -> Channel:
    others = holders(name, roots)
    if is_pseudo(name):
        # Who made a pseudo terminal often keeps both ends open: only a lock is a claim.
        others = [one for one in others if one.how != "open"]
    if others:
        raise PortError(Reason.BUSY, f"{name} is in use by {named(others)}: end that first")
    lock = _lock(name, roots)
    try:
        _calm(lock, settings)
        held = _held(name, settings, timeout=0)
        if not sending:
            os.dup2(lock, held.fileno())
        _exclusive(held.fileno())
    except BaseException:
        os.close(lock)
        raise
    return DescriptorChannel(name, held, lock, sending=sending)


def _held(name: str, settings: PortSettings, *, timeout: float) -> Any:
    """Pyserial's object, open; the control lines are set before it is."""
    held = library().Serial(None, timeout=timeout, write_timeout=_WRITE_TIMEOUT)
    held.port = name
    configure(held, settings)
    held.dtr, held.rts = settings.dtr == "on", settings.rts == "on"
    try:
        held.open()
    except SETTING_ERRORS as error:
        raise trouble_of(name, error) from error
    return held


def _lock(name: str, roots: Roots | None) -> int:
    import fcntl

    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise trouble_of(name, error) from error
    try:
        if not os.isatty(descriptor):
            raise PortError(Reason.SETTINGS, f"{name} is no serial port")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        who = named(holders(name, roots)) or "another program"
        raise PortError(Reason.BUSY, f"{name} is locked by {who}: end that first") from error
    except PortError:
        os.close(descriptor)
        raise
    return descriptor


def _calm(descriptor: int, settings: PortSettings) -> None:
    """Control lines, echo and hang-up, as soon as there is a descriptor."""
    import fcntl
    import struct
    import termios

    for bit, state in ((termios.TIOCM_DTR, settings.dtr), (termios.TIOCM_RTS, settings.rts)):
        request = termios.TIOCMBIS if state == "on" else termios.TIOCMBIC
        # Pseudo terminals have no such lines: then there is nothing to be careful about.
        with suppress(OSError):
            fcntl.ioctl(descriptor, request, struct.pack("I", bit))
    try:
        attributes = termios.tcgetattr(descriptor)
        attributes[2] &= ~termios.HUPCL
        attributes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except (OSError, termios.error):
        return  # pyserial, which comes next, says what is wrong with this port


def _exclusive(descriptor: int) -> None:
    import fcntl
    import termios

    with suppress(OSError):  # a driver that does not know it
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


# ------------------------------------------------------------------------------------------------------------- others


def _open_address(name: str, settings: PortSettings, *, sending: bool) -> Channel:
    serial = library()
    try:
        held = serial.serial_for_url(name, do_not_open=True, timeout=0.2)
        if not name.lower().startswith("rfc2217://"):  # which does not know it
            held.write_timeout = _WRITE_TIMEOUT
        configure(held, settings)
        with suppress(OSError, ValueError):  # sockets have no control lines
            held.dtr, held.rts = settings.dtr == "on", settings.rts == "on"
        with warnings.catch_warnings():
            # pyserial 3.5 starts its thread for RFC 2217 in a way that Python calls deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            held.open()
    except _ADDRESS_ERRORS as error:
        said = str(error).strip() or type(error).__name__
        text = re.sub(r"^(?:Could not open port \S+: )?(?:\[Errno -?\d+\] )?", "", said)
        if "refused" in text:
            text += ": nobody listens there (is ser2net running, and is this its port?)"
        elif "NoneType" in text:
            text = "write it with its port, as in rfc2217://HOST:PORT"
        elif "'control'" in text:
            text += f" (a server without control lines: {name}?ign_set_control)"
        raise PortError(Reason.UNREACHABLE, f"{name}: {text}") from error
    if name.lower().startswith("socket://") and sys.platform != "win32":
        return DescriptorChannel(name, held, sending=sending, socket=True)
    return PyserialChannel(name, held, sending=sending)


def _open_elsewhere(name: str, settings: PortSettings, *, sending: bool) -> Channel:
    return PyserialChannel(name, _held(name, settings, timeout=0.2), sending=sending)


def trouble_of(name: str, error: Exception) -> PortError:
    """Why opening failed, and what to do about it."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return PortError(Reason.MISSING, f"{name}: there is no such port; see: fieldkit serial ports")
    if number in (errno.EACCES, errno.EPERM):
        return PortError(Reason.PERMISSION, f"{name}: {permission(name)}")
    if number in (errno.EBUSY, errno.EAGAIN):
        who = named(holders(name)) or "another program"
        return PortError(Reason.BUSY, f"{name} is in use by {who}: end that first")
    if number == errno.EINVAL:
        return PortError(Reason.SETTINGS, f"{name} cannot be set like this: another speed or format is needed")
    return PortError(Reason.GONE, f"{name}: {str(error).strip() or type(error).__name__}")


def permission(device: str) -> str:
    """Who may open it, and how to become that; empty where this user may."""
    from fieldkit.doctor.probe import State
    from fieldkit.doctor.serial import port_access

    access = port_access(Path(device))
    if access.state is State.WORKS:
        return ""
    return f"{access.text}: {access.mend[0]}" if access.mend else access.text
