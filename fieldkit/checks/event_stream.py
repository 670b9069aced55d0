"""Periodic event streams (OCPP 2.1 Part 2 N11 to N15): refused, silent, or going on after their end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given
from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.eventstream import EventStream, EventStreams
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text, whole

INTERVALS: Final = 3
"""So many intervals without a message: one may be late, two may be a hiccup."""
GRACE: Final = 60 * SECOND
LONGEST: Final = 7 * 86_400
"""Seconds; a longer interval is no stream that anybody waits for."""
IN_FLIGHT: Final = 10 * SECOND
"""What was sent before the station learned that the stream is closed may still arrive."""

REFUSED = Kind(
    "eventstream.refused",
    "warning",
    "csms",
    "An event stream was not opened",
    "{who} wanted to open the periodic event stream {number}, and the answer was Rejected{reason}: its values are not"
    " delivered.",
    "Compare the number of streams with the limit that the station reports (MonitoringCtrlr.MaxPeriodicEventStreams),"
    " and whether the CSMS knows event streams at all.",
    "OCPP 2.1 Part 2 N11",
)
SILENT = Kind(
    "eventstream.silent",
    "warning",
    "station",
    "An event stream delivers nothing",
    "The event stream {number} is open with an interval of {interval}, and {had}. Nothing came for {waited}, though the"
    " station was online.",
    "Close the stream and open it again. If it stays silent, report it to the manufacturer; the values can be asked"
    " for with GetVariables meanwhile.",
    "OCPP 2.1 Part 2 N11, N15",
    inferred=True,
)
AFTER_CLOSE = Kind(
    "eventstream.after-close",
    "warning",
    "station",
    "A closed event stream goes on",
    "The event stream {number} was closed, and {later} later the station still sends its values.",
    "Close it once more. If it goes on, restart the station when nobody charges; it costs data volume on a mobile"
    " link.",
    "OCPP 2.1 Part 2 N13",
)


class EventStreamCheck(PatientCheck):
    """How streams fare."""

    kinds = (REFUSED, SILENT, AFTER_CLOSE)
    actions = PULSE | EventStreams.ACTIONS

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Opening, data, closing."""
        station = picture.stations.get(message.channel.station)
        if station is None or message.action in PULSE:
            return ()
        stream = station.event_streams.latest
        if message.action == "NotifyPeriodicEventStream":
            return self._data(message, stream) if stream is not None else ()
        call = message.call
        if call is None or message.type is not MessageType.CALLRESULT:
            return ()
        return self._answered(message, call, stream)

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """It is silent; whether a stream outlives its connection is left open by the standard."""
        stream: EventStream = owed.thing
        first = owed.evidence[0]
        link = picture.links.get(first.channel.connection) if isinstance(first, OcppMessage) else None
        if stream.closed is not None or (link is not None and link.closed is not None and link.closed < owed.deadline):
            return
        values = {
            "number": stream.id,
            "interval": duration((stream.interval or 0) * SECOND),
            "had": f"{counted(stream.messages, 'message')} came of it"
            if stream.messages
            else "no message came of it yet",
            "waited": duration(owed.deadline - owed.since),
        }
        yield Finding(SILENT, owed.deadline, station, owed.evidence, values, group=str(stream.id))

    def _answered(self, message: OcppMessage, call: OcppMessage, stream: EventStream | None) -> Iterator[Finding]:
        if call.action == "OpenPeriodicEventStream" and text(message.payload, "status") == "Rejected":
            number = whole(call.payload, "constantStreamData", "id")
            values = {
                "who": "The station" if call.sender == "station" else "The CSMS",
                "number": "without a number" if number is None else number,
                "reason": reason_given(message),
            }
            yield Finding(REFUSED, message.time, message.channel.station, (call, message), values)
        elif stream is not None and stream.closed is not None:
            self.settle(message, stream.id)
        elif stream is not None and call.action in ("OpenPeriodicEventStream", "AdjustPeriodicEventStream"):
            self._wait(message, stream, (call, message))

    def _data(self, message: OcppMessage, stream: EventStream) -> Iterator[Finding]:
        if stream.closed is not None:
            later = message.time - stream.closed
            if later > IN_FLIGHT:
                values = {"number": stream.id, "later": duration(later)}
                station = message.channel.station
                yield Finding(AFTER_CLOSE, message.time, station, (message,), values, group=str(stream.id))
        elif stream.opened is not None:
            self._wait(message, stream, (message,))

    def _wait(self, message: OcppMessage, stream: EventStream, evidence: tuple[OcppMessage, ...]) -> None:
        if stream.interval is not None and 0 < stream.interval <= LONGEST:
            deadline = message.time + INTERVALS * stream.interval * SECOND + GRACE
            self.expect(message, stream.id, deadline, evidence, stream)
        else:
            self.settle(message, stream.id)
