"""Imports what an agent loads in the course of a day: ``python -c "import fieldkit.agent.warm"``, before it is started.

On a router whose bytecode is kept in memory somebody has to compile at every boot, and what compiling takes, some
megabytes, a process keeps for as long as it lives. This one ends.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

import fieldkit.agent.running
import fieldkit.wire.http  # noqa: F401  # with the first connection
from fieldkit.agent import sinks
from fieldkit.checks.runner import known_checks

for kind in sinks.TYPES:
    import_module(f"{sinks.__name__}.{kind}")
known_checks()
with suppress(ImportError):  # an agent without MQTT
    import_module("paho.mqtt.client")
