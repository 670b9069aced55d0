"""Why there is no TLS: what a peer does that did not answer the first hello.

Several ways of asking, side by side: the same hello with more patience, a short one, one of TLS 1.3, one without a
server name, and the WebSocket upgrade in clear. The first that gets an answer says what is the matter. Whoever breaks
off is asked the same once more before anything is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.conversation import Conversation
from fieldkit.sources.tlsprobe.flight import FlightReader
from fieldkit.sources.tlsprobe.hello import GROUPS, Hello
from fieldkit.sources.tlsprobe.plan import Task
from fieldkit.sources.tlsprobe.upgrade import PlainUpgrade
from fieldkit.wire.tlsnames import TLS12, TLS13

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.posture import Manner, Posture
    from fieldkit.sources.tlsprobe.survey import Survey

_ASKING: Final = 4
"""Connections that ask side by side."""
_SPARE_S: Final = 1.0
"""Of the target's time, left for the rest once somebody has answered."""
_SHORT: Final = (0xC02B, 0xC02F, 0x009C, 0xC00A, 0xC014, 0x002F)


def find_out(survey: Survey, first: FlightReader) -> None:
    """After a first hello without an answer."""
    posture, flight = survey.posture, first.flight
    posture.flights["first"] = flight
    if flight.outcome == "unreachable":
        posture.manner, posture.reason = "unreachable", first.traffic.reason or "no answer to the attempt to connect"
        return
    posture.manner = _manner(flight.outcome)
    posture.reason, posture.banner = flight.defect, flight.head
    posture.reset_s = first.traffic.total_s - (first.traffic.connect_s or 0.0)
    state = _State(survey, first)
    if flight.outcome in ("not-tls", "malformed"):
        survey.add(0, "the upgrade without TLS", _in_clear(state))
    elif flight.outcome == "silence":
        survey.add(0, "the same hello with more patience", _usual(state))
        _ask_otherwise(state)
    else:
        survey.add(0, "the same hello once more", _once_more(state))


def _ask_otherwise(state: _State) -> None:
    """In every other way there is, side by side."""
    survey = state.survey
    survey.add(0, "the upgrade without TLS", _in_clear(state))
    survey.add(0, "a short hello", _short(state))
    survey.add(0, "a hello of TLS 1.3", _modern(state))
    if survey.posture.manner != "silence" and survey.server_name:
        # Who does not like a name says so at once.
        survey.add(0, "a hello without a server name", _nameless(state))


def _manner(outcome: str) -> Manner:
    manners: dict[str, Manner] = {
        "silence": "silence", "reset": "reset", "closed": "closed", "not-tls": "not-tls", "malformed": "malformed",
    }  # fmt: skip
    return manners[outcome]


class _State:
    """Several ask; one answer is enough."""

    def __init__(self, survey: Survey, first: FlightReader) -> None:
        self.survey = survey
        self.first_size = first.traffic.sent
        self.answered = False
        self._asking: list[Conversation] = []

    def ask(self, conversation: Conversation) -> Conversation:
        """Remember who is asking, so as to stop the others when one got an answer."""
        self._asking.append(conversation)
        return conversation

    def stop(self) -> None:
        """Nobody need wait any longer."""
        self.answered = True
        for conversation in self._asking:
            conversation.done = True

    @property
    def patience(self) -> float:
        rounds = -(-_ASKING // self.survey.at_once)
        return max((self.survey.remaining - _SPARE_S) / rounds, 1.0)

    def heard(self, reader: FlightReader, *, short: bool = False) -> None:
        posture = self.survey.posture
        if not reader.flight.answered:
            _unanswered(posture, reader)
            return
        if self.answered:
            return
        self.stop()
        posture.manner, posture.reason = "", ""
        posture.short_only = short
        self.survey.answered(reader.flight)


def _unanswered(posture: Posture, reader: FlightReader) -> None:
    """It says something, but not what we hoped for: with patience something else, or never the whole of it."""
    flight = reader.flight
    if posture.manner == "silence" and flight.outcome in ("not-tls", "malformed"):
        # Mail servers, for one, let strangers wait before they greet.
        posture.manner = _manner(flight.outcome)
        posture.reason, posture.banner = flight.defect, flight.head
    elif reader.traffic.received and not posture.reason and flight.outcome == "silence":
        posture.reason = f"{reader.traffic.received} bytes came in {reader.traffic.total_s:.0f} s"


def _usual(state: _State) -> Task:
    reader = state.survey.reader(TLS12, suites.usual(), want="flight", staple=True, ticket=b"", patience=state.patience)
    yield state.ask(reader)
    state.heard(reader)


def _once_more(state: _State) -> Task:
    """On a bad link, and where a small machine is still clearing up after another client, a connection breaks off
    without a meaning: only who does it again is said to do it."""
    reader = state.survey.reader(TLS12, suites.usual(), want="flight", staple=True, ticket=b"", patience=state.patience)
    yield reader
    if reader.flight.answered:
        state.heard(reader)
    else:
        _ask_otherwise(state)


def _short(state: _State) -> Task:
    """Below 256 bytes: some peers, and some boxes in between, take no more."""
    offered = Hello(TLS12, _SHORT, server_name=state.survey.server_name, groups=GROUPS[:3],
                    signatures=(0x0403, 0x0804, 0x0401, 0x0503, 0x0501), bare=True)  # fmt: skip
    reader = FlightReader(offered, want="flight", patience=state.patience)
    yield state.ask(reader)
    usual = state.survey.posture.flights["first"].outcome
    posture = state.survey.posture
    posture.short_size, posture.usual_size = reader.traffic.sent, state.first_size
    # A slow peer answers both.
    state.heard(reader, short=usual != "silence" or (reader.traffic.answer_s or 0.0) < 1.0)


def _modern(state: _State) -> Task:
    reader = state.survey.modern(patience=state.patience)
    yield state.ask(reader)
    if reader.flight.version == TLS13 and not state.answered:
        # It speaks nothing older, and hung up on the hello that offered nothing newer.
        state.stop()
        posture = state.survey.posture
        posture.manner, posture.reason = "", ""
        posture.versions[TLS12] = False
        state.survey.answered_modern()
    elif not reader.flight.answered:
        _unanswered(state.survey.posture, reader)


def _nameless(state: _State) -> Task:
    reader = state.survey.reader(TLS12, suites.usual(), want="flight", named=False, patience=state.patience)
    yield state.ask(reader)
    if reader.flight.answered and not state.answered:
        state.survey.posture.reason = "it answers clients that name no host, and no others"
        state.survey.server_name = ""
        state.heard(reader)


def _in_clear(state: _State) -> Task:
    posture = state.survey.posture
    talk = PlainUpgrade(state.survey.target, patience=state.patience)
    yield state.ask(talk)
    if talk.spoken.status is not None and posture.manner:
        state.stop()
        posture.plain = talk.spoken
        posture.manner = "no-tls"
