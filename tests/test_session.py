"""A session: what is kept, and who may watch."""

from __future__ import annotations

from fieldkit.events import Event, OcppMessage, Unanswered
from fieldkit.session import Session as Diagnosis
from fieldkit.site.picture import Picture
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.decoded import decode
from tests.traffic.scripts import usual_hour
from tests.traffic.taps import Tap


class Notes:
    wants: frozenset[type[Event]] = frozenset({OcppMessage, Unanswered})

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.known: list[bool] = []

    def see(self, event: Event, picture: Picture) -> None:
        self.seen.append(event)
        if isinstance(event, OcppMessage):
            self.known.append(event.channel.station in picture.stations)


def test_a_watcher_sees_what_it_wants_after_the_picture() -> None:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.call("station", "Heartbeat", {}, None)
    session.close()
    events = decode(write_pcap(Tap().packets(session.segments))).events
    notes = Notes()
    diagnosis = Diagnosis(None, [notes])
    diagnosis.feed(events)
    diagnosis.finish()
    assert notes.seen == [event for event in events if isinstance(event, OcppMessage | Unanswered)]
    assert all(notes.known)
    assert diagnosis.tally.messages == len(notes.known)
    assert diagnosis.begin == MONDAY
