"""A vendor sends the temperatures of its contactors in DataTransfer, as text "T1=41.5;T2=40.0"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from fieldkit.events import DeviceReading, Event, MessageType, OcppMessage
from fieldkit.links.reading import number
from fieldkit.site.reading import text

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar

VENDOR: Final = "com.example.temperature"
MAX_VALUES: Final = 16


class TemperatureDecoder:
    """Asked about every OCPP message, claims those of its vendor."""

    wants: frozenset[type[Event]] = frozenset({OcppMessage})

    def claims(self, event: Event) -> bool:
        """A DataTransfer of the vendor."""
        return (
            isinstance(event, OcppMessage)
            and event.action == "DataTransfer"
            and event.type is MessageType.CALL
            and text(event.payload, "vendorId") == VENDOR
        )

    def feed(self, event: Event) -> Iterator[Event]:
        """One reading for each pair."""
        assert isinstance(event, OcppMessage)
        told = text(event.payload, "data") or ""
        for pair in told.split(";")[:MAX_VALUES]:
            name, _, value = pair.partition("=")
            celsius = number(value, -60, 200)
            if celsius is not None:
                yield DeviceReading(
                    time=event.time,
                    frames=event.frames,
                    port="",
                    dialect="ocpp",
                    device=event.channel.station,
                    name=f"temperature_{name[:8].lower()}",
                    value=celsius,
                    unit="Celsius",
                    measurand="Temperature",
                    phase="",
                    raw=pair[:64],
                    verified=True,
                )


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.decoder(TemperatureDecoder)
