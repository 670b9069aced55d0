"""What fieldkit tells its caller by its exit status. An interface: numbers are never changed."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of every command."""

    OK = 0
    """Nothing at or above ``--fail-on``."""
    FINDINGS = 1
    """Findings at or above ``--fail-on``."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    SOURCE = 3
    """A source cannot be used at all."""
    UNREACHABLE = 4
    """A host or device cannot be reached."""
    INCOMPLETE = 5
    """The result may lack something: the capture is damaged or has gaps."""
    INTERRUPTED = 130
    """Ctrl-C."""
