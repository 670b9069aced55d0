"""What the checks of certificates in messages share: messages that were read in full, with what is wrapped in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Identity
from fieldkit.checks.patience import shown
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.certificates import CONTRACT, Certificate, Seen
from fieldkit.site.legible import is_legible
from fieldkit.site.picture import Picture
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.plugandcharge import is_plug_and_charge, unwrapped
from fieldkit.site.station import Station

DAY: Final = 86_400 * 1_000_000_000
CLOCKS: Final = 300 * 1_000_000_000
"""By how much clocks may differ: what is issued this moment may begin in the future of one that is a little slow."""


def told(message: OcppMessage) -> OcppMessage | None:
    """What a message says of certificates: itself, or the message inside a DataTransfer; None for other DataTransfers
    and for what was not read in full."""
    if message.type is None or (message.problems and not is_legible(message)):
        return None
    if message.action != DATA_TRANSFER:
        return message
    return unwrapped(message) if is_plug_and_charge(message) else None


def named(certificate: Certificate, seen: Seen | None = None) -> str:
    """Whom a certificate is for; the name of a contract identifies a person."""
    name = shown(str(certificate.subject))
    return Identity(name) if seen is not None and seen.use == CONTRACT else name


def earliest_and_latest(message: OcppMessage, station: Station) -> tuple[int, int]:
    """Now, by the capture's clock and by that of the CSMS: the capture may come from a laptop that is years off."""
    other = message.time + (station.clock.csms_offset or 0)
    return min(message.time, other), max(message.time, other)


class CertificateCheck(Check):
    """Subclasses override ``asked`` and ``answered``."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Sort out what can be judged."""
        if not isinstance(event, OcppMessage):
            return ()
        station = picture.stations.get(event.channel.station)
        message = told(event) if station is not None else None
        if message is None or station is None:
            return ()
        if message.type is MessageType.CALL:
            return self.asked(message, station, picture)
        if message.type is MessageType.CALLRESULT and message.call is not None:
            return self.answered(message, message.call, station, picture)
        return ()

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """A CALL."""
        return ()

    def answered(
        self, message: OcppMessage, call: OcppMessage, station: Station, picture: Picture
    ) -> Iterable[Finding]:
        """The answer to one."""
        return ()
