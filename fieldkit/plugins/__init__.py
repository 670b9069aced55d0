"""Plugins: router adapters, device profiles, checks, sinks, reports and decoders that somebody else wrote.

A plugin is a directory with a ``fieldkit-plugin.toml`` (``manifest``), or a package that pip has installed with the
entry point group ``fieldkit.plugins``. What there is (``discover``) is told without running any of it; what is used is
imported then (``loading``) and may fail without hurting anybody (``host``). docs/plugins.md shows how to write one.
"""

from __future__ import annotations

from typing import Final

API: Final = 1
"""Of the interface between fieldkit and plugins. Grows when a plugin written for the last one would no longer work."""
GROUP: Final = "fieldkit.plugins"
"""The entry points of installed ones."""
MANIFEST: Final = "fieldkit-plugin.toml"
