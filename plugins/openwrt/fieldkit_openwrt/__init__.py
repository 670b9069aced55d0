"""OpenWrt, and what derives from it (RutOS among others): netifd's interfaces, mwan3's failover, uqmi's modems."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    from fieldkit_openwrt.interfaces import OpenWrtAdapter
    from fieldkit_openwrt.uqmi import UqmiAdapter

    registrar.router_adapter("openwrt", OpenWrtAdapter)
    registrar.router_adapter("uqmi", UqmiAdapter)
