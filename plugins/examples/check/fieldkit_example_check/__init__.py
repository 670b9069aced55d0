"""Error codes of one vendor that its manual explains and OCPP does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.reading import text

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar
    from fieldkit.site.picture import Picture

_CODES: Final = {"E17": "the cooling fan does not turn", "E18": "the contactor has not opened"}

VENDOR_ERROR = Kind(
    "example-check.vendor-error",
    "warning",
    "station",
    "The station reports an error code of its vendor",
    "It reports {code}: {meaning}.",
    "Station: {meaning}; the vendor's manual has the next steps for {code}.",
    "OCPP 1.6 §6.47 (vendorErrorCode)",
)


class VendorErrorCheck(Check):
    """StatusNotification with a code that the manual knows."""

    kinds = (VENDOR_ERROR,)
    actions = frozenset({"StatusNotification"})

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Payloads are hostile: members are read with ``site.reading``."""
        if isinstance(event, OcppMessage) and event.type is MessageType.CALL:
            code = text(event.payload, "vendorErrorCode") or ""
            if code in _CODES:
                values = {"code": code, "meaning": _CODES[code]}
                yield Finding(VENDOR_ERROR, event.time, event.channel.station, (event,), values, group=code)


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.check(VendorErrorCheck)
