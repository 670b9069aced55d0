"""An open port: the only place that holds its file handle.

Terminals and sockets are read through their descriptors, because pyserial hides the error number that says why a port
went away, and because a pipe beside them lets another thread end the waiting at once. What has no descriptor
(``rfc2217://``, ``loop://``, Windows) is read through pyserial.

A channel that was opened for listening has a descriptor that the kernel does not let anybody write to.
"""

from __future__ import annotations

import errno
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from fieldkit.sources.serial.settings import PortSettings
from fieldkit.sources.serial.trouble import PortError, Reason

_BLOCK: Final = 65_536

SETTING_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, NotImplementedError)
"""What pyserial raises where a port cannot be set or opened: the last one where a kind of port does not know a
setting, as ``write_timeout`` over RFC 2217."""

try:
    import termios
except ImportError:  # Windows
    _TERMIOS = False
else:
    _TERMIOS = True
    SETTING_ERRORS = (*SETTING_ERRORS, termios.error)


class Channel(Protocol):
    """What the reader thread and the guard need of an open port."""

    device: str
    """What was opened, by its name today."""

    def read(self, seconds: float) -> bytes:
        """What there is, after waiting at most so long; empty if nothing came. ``PortError`` when it is gone."""

    def transmit(self, data: bytes) -> None:
        """Send. Called by ``WriteGuard`` and by nobody else (a test looks)."""

    def apply(self, settings: PortSettings) -> None:
        """Change speed and format."""

    def wake(self) -> None:
        """End a ``read`` that waits in another thread."""

    def close(self) -> None: ...


_UNPLUGGED: Final = (errno.EIO, errno.ENXIO, errno.ENODEV)


def gone(error: BaseException) -> PortError:
    """Why reading or writing failed, from errors of the system and of pyserial alike."""
    number = getattr(error, "errno", None)
    known = dict.fromkeys(_UNPLUGGED, "it was unplugged") | {errno.ECONNRESET: "the other side reset it"}
    # pyserial says this where a read brings no bytes although the port was ready: it was unplugged.
    lost = number is None and ("readiness to read" in str(error) or isinstance(error, TypeError))
    text = "it was unplugged" if lost else known.get(number or 0) or str(error).strip() or type(error).__name__
    return PortError(Reason.GONE, text)


class DescriptorChannel:
    """A terminal or a socket of this machine, held by pyserial and read by its descriptor."""

    def __init__(self, device: str, held: Any, lock: int = -1, *, sending: bool, socket: bool = False) -> None:
        self.device = device
        self._held = held
        self._lock = lock
        self._sending = sending
        self._socket = socket
        self._fd: int = held.fileno()
        self._ears, self._mouth = os.pipe()

    def read(self, seconds: float) -> bytes:
        try:
            ready, _, _ = select.select([self._fd, self._ears], [], [], seconds)
            if self._ears in ready:
                os.read(self._ears, _BLOCK)
            if self._fd not in ready:
                return b""
            data = os.read(self._fd, _BLOCK)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise gone(error) from error
        if not data:
            text = "the other side closed the connection" if self._socket else "it was unplugged"
            raise PortError(Reason.GONE, text)
        return data

    def transmit(self, data: bytes) -> None:
        _write(self._held, data, sending=self._sending)

    def apply(self, settings: PortSettings) -> None:
        configure(self._held, settings)

    def wake(self) -> None:
        with suppress(OSError):  # closed meanwhile: nobody waits
            os.write(self._mouth, b"x")

    def close(self) -> None:
        if not self._socket:
            _release(self._fd)
        with suppress(OSError, TypeError):  # what is unplugged may fail to close, and is closed
            self._held.close()
        descriptors = (self._lock, self._ears, self._mouth)
        # Whoever wakes it just now must not write into a file that gets the number next.
        self._lock = self._ears = self._mouth = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)


class PyserialChannel:
    """Anything that only pyserial can read."""

    def __init__(self, device: str, held: Any, *, sending: bool) -> None:
        self.device = device
        self._held = held
        self._sending = sending

    def read(self, seconds: float) -> bytes:
        try:
            self._held.timeout = seconds
            return bytes(self._held.read(max(1, self._held.in_waiting)))
        except (OSError, TypeError, AttributeError) as error:
            # TypeError, AttributeError: what pyserial raises when another thread closes a port that is being read.
            raise gone(error) from error

    def transmit(self, data: bytes) -> None:
        _write(self._held, data, sending=self._sending)

    def apply(self, settings: PortSettings) -> None:
        configure(self._held, settings)

    def wake(self) -> None:
        with suppress(OSError, TypeError, AttributeError):
            self._held.cancel_read()

    def close(self) -> None:
        with suppress(OSError, TypeError, AttributeError):
            self._held.close()


def _write(held: Any, data: bytes, *, sending: bool) -> None:
    if not sending:
        raise PortError(Reason.SETTINGS, "this port was opened for listening only")
    try:
        held.write(data)
    except (OSError, TypeError) as error:
        raise gone(error) from error


def configure(held: Any, settings: PortSettings) -> None:
    """Tell pyserial's object all the settings, before it is opened or after; of an open port only what changes."""
    line = settings.line
    wanted = {
        "baudrate": line.speed,
        "bytesize": line.data_bits,
        "parity": line.parity,
        "stopbits": line.stop_bits,
        "rtscts": settings.flow == "rtscts",
        "xonxoff": settings.flow == "xonxoff",
    }
    for name, value in wanted.items():
        if getattr(held, name) == value:
            continue
        try:
            setattr(held, name, value)
        except SETTING_ERRORS as error:
            if error.args and error.args[0] in _UNPLUGGED:  # termios has errors of its own, without errno
                raise PortError(Reason.GONE, "it was unplugged") from error
            if not (held.is_open and is_pseudo(held.port)):
                raise PortError(Reason.SETTINGS, f"the port cannot do {settings}: {error}") from error


def is_pseudo(device: str) -> bool:
    """A pseudo terminal. It has neither parity nor character sizes, and says so only when nothing else changes."""
    try:
        return os.major(Path(device).stat().st_rdev) in range(136, 144)  # the kernel's devices.txt
    except (OSError, ValueError):
        return False


def _release(descriptor: int) -> None:
    """Let others open it again: the exclusive mark belongs to the terminal, not to the descriptor."""
    if not _TERMIOS:
        return
    import fcntl

    with suppress(OSError, ValueError):
        fcntl.ioctl(descriptor, termios.TIOCNXCL)
