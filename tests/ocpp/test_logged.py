"""Who sent it, and whose station is it, where the log does not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import LoggedFrame
from fieldkit.logs import LogReader
from fieldkit.ocpp.logged import LOOKAHEAD, MAX_CALLS, MAX_SAME_ID, LoggedFrames, Placed


def frame(text: str, station: str = "", **fields: Any) -> LoggedFrame:
    values: dict[str, Any] = {
        "time": None, "frames": (1,), "source": "log",
        "station": station, "sender": None, "relative": None, "version": "",
        "transport": "json", "text": text, "problems": (),
    }  # fmt: skip
    return LoggedFrame(**{**values, **fields})


def place(*frames: LoggedFrame) -> list[Placed]:
    logged = LoggedFrames()
    placed = [one for item in frames for one in logged.feed(item)]
    placed += logged.finish()
    assert [one.frame.text for one in placed] == [item.text for item in frames], "in their order, none lost"
    return placed


def senders(*frames: LoggedFrame) -> list[str | None]:
    return [one.frame.sender for one in place(*frames)]


def stations(*frames: LoggedFrame) -> list[str]:
    return [one.frame.station for one in place(*frames)]


BOOT = '[2,"1","BootNotification",{}]'
BOOT_ANSWER = '[3,"1",{"status":"Accepted"}]'
RESET = '[2,"1","Reset",{"type":"Soft"}]'
TRANSFER = '[2,"5","DataTransfer",{"vendorId":"v"}]'
UNKNOWN_ANSWER = '[3,"99",{"status":"Accepted"}]'


class TestSender:
    def test_what_the_log_states_counts(self) -> None:
        (placed,) = place(frame(BOOT, "A", sender="csms"))
        assert placed.frame.sender == "csms"
        assert not placed.sender_inferred
        assert not placed.station_inferred

    def test_an_action_tells_who_calls(self) -> None:
        placed = place(frame(BOOT), frame(RESET))
        assert [one.frame.sender for one in placed] == ["station", "csms"]
        assert all(one.sender_inferred for one in placed)

    def test_an_answer_goes_the_other_way(self) -> None:
        assert senders(frame(BOOT), frame(BOOT_ANSWER)) == ["station", "csms"]
        assert senders(frame(RESET), frame(BOOT_ANSWER)) == ["csms", "station"]
        assert senders(frame(RESET), frame('[4,"1","NotSupported","",{}]')) == ["csms", "station"]

    def test_an_error_about_an_answer_goes_the_way_of_the_call(self) -> None:
        assert senders(frame(BOOT), frame(BOOT_ANSWER), frame('[5,"1","FormatViolation","",{}]')) == [
            "station",
            "csms",
            "station",
        ]

    def test_send_is_told_by_its_action_like_a_call(self) -> None:
        assert senders(frame('[6,"1","NotifyPeriodicEventStream",{}]')) == ["station"]

    @pytest.mark.parametrize(("relative", "other"), [("in", "out"), ("out", "in")])
    def test_received_depends_on_who_wrote_the_log(self, relative: Any, other: Any) -> None:
        placed = place(
            frame(BOOT, relative=relative), frame(TRANSFER, relative=other), frame(UNKNOWN_ANSWER, relative=relative)
        )
        # A BootNotification went that way, hence that way is from the station, and the other one from the CSMS.
        assert [one.frame.sender for one in placed] == ["station", "csms", "station"]
        assert not any(one.sender_inferred for one in placed)

    def test_the_next_calls_tell_who_wrote_the_log(self) -> None:
        logged = LoggedFrames()
        assert logged.feed(frame(TRANSFER, "A", relative="in")) == []
        assert logged.feed(frame(UNKNOWN_ANSWER, "A", relative="out")) == []
        placed = logged.feed(frame('[2,"2","Reset",{}]', "A", relative="out"))
        assert [one.frame.sender for one in placed] == ["station", "csms", "csms"]

    def test_but_not_for_ever(self) -> None:
        logged = LoggedFrames()
        placed: list[Placed] = []
        for number in range(LOOKAHEAD * 2):
            placed += logged.feed(frame(f'[3,"{number}",{{}}]', relative="in"))
        assert len(placed) == LOOKAHEAD
        assert len(logged.finish()) == LOOKAHEAD

    def test_the_majority_of_calls_decides(self) -> None:
        wrong = frame('[2,"x","Heartbeat",{}]', relative="out")
        right = [frame(f'[2,"{number}","Heartbeat",{{}}]', relative="in") for number in range(3)]
        placed = place(*right, wrong, frame(UNKNOWN_ANSWER, relative="out"))
        assert placed[3].frame.sender == "station", "the action is certain, the word is not"
        assert placed[3].sender_inferred
        assert placed[4].frame.sender == "csms"

    def test_both_sides_count_the_same_ids(self) -> None:
        assert senders(
            frame(BOOT, relative="in"),
            frame(RESET, relative="out"),
            frame(BOOT_ANSWER, relative="out"),
            frame(BOOT_ANSWER, relative="in"),
        ) == ["station", "csms", "csms", "station"]

    def test_without_directions_the_most_recent_open_call_is_answered_first(self) -> None:
        assert senders(frame(BOOT), frame(RESET), frame(BOOT_ANSWER), frame(BOOT_ANSWER)) == [
            "station",
            "csms",
            "station",
            "csms",
        ]

    @pytest.mark.parametrize(
        ("text", "sender"),
        [
            ('[3,"9",{"currentTime":"2026-11-21T08:49:50Z"}]', "csms"),
            ('[3,"9",{"idTagInfo":{"status":"Accepted"}}]', "csms"),
            ('[3,"9",{"interval":10,"status":"Accepted"}]', "csms"),
            ('[3,"9",{}]', "csms"),
            ('[3, "9", { }]', "csms"),
            ('[3,"9",{"status":"Accepted"}]', "station"),
            ('[3,"9",{"configurationKey":[]}]', "station"),
            ('[4,"9","NotSupported","",{}]', "station"),
            ("broken", "station"),
            ('[2,"9","GetSomethingNew",{}]', "csms"),
            ('[2,"9","MeterValue",{}]', "station"),
            ('[2,"9","VendorStuff",{}]', "station"),
            (TRANSFER, "station"),
            ('[2,"9"', "station"),
            ("", "station"),
        ],
    )
    def test_what_remains_is_told_by_its_looks(self, text: str, sender: str) -> None:
        (placed,) = place(frame(text))
        assert placed.frame.sender == sender
        assert placed.sender_inferred

    @pytest.mark.parametrize(
        "text", ['[2, 19, "Reset", {}]', '["2","19","Reset",{}]', ' [ 2 , "19" , "Reset" , oops', '[2,"19","Reset"']
    )
    def test_malformed_calls_have_an_action_too(self, text: str) -> None:
        assert senders(frame(text), frame('[3,"19",{}]')) == ["csms", "station"]


class TestStation:
    def test_an_answer_belongs_to_the_station_of_its_call(self) -> None:
        placed = place(frame(BOOT, "A"), frame('[2,"2","Heartbeat",{}]', "B"), frame(BOOT_ANSWER), frame('[3,"2",{}]'))
        assert [one.frame.station for one in placed] == ["A", "B", "A", "B"]
        assert [one.station_inferred for one in placed] == [False, False, True, True]

    def test_a_call_may_learn_its_station_from_its_answer(self) -> None:
        named = frame('[2,"0","Heartbeat",{}]', "B")
        assert stations(named, frame(BOOT), frame(BOOT_ANSWER, "A")) == ["B", "A", "A"]
        assert stations(frame(BOOT), frame(BOOT_ANSWER, "A"), named) == ["A", "A", "B"]

    def test_it_waits_for_that_only_so_long(self) -> None:
        logged = LoggedFrames()
        logged.feed(frame('[2,"0","Heartbeat",{}]', "B"))
        assert logged.feed(frame(BOOT)) == []
        placed = [
            one for number in range(LOOKAHEAD) for one in logged.feed(frame(f'[2,"b{number}","Heartbeat",{{}}]', "B"))
        ]
        assert len(placed) == LOOKAHEAD + 1
        assert placed[0].frame.text == BOOT

    def test_and_not_in_a_log_that_names_none(self) -> None:
        logged = LoggedFrames()
        for number in range(LOOKAHEAD * 2):
            logged.feed(frame(f'[2,"{number}","Heartbeat",{{}}]'))
        assert len(logged.feed(frame(BOOT))) == 1

    def test_the_only_station_of_a_log_is_everybodys(self) -> None:
        placed = place(frame(BOOT, "A"), frame(UNKNOWN_ANSWER), frame('[2,"7","Heartbeat",{}]'), frame('[3,"7",{}]'))
        assert [one.frame.station for one in placed] == ["A", "A", "A", "A"]
        assert [one.station_inferred for one in placed] == [False, True, True, True]

    def test_of_several_none_is_picked(self) -> None:
        assert stations(frame(BOOT, "A"), frame(BOOT, "B"), frame(UNKNOWN_ANSWER)) == ["A", "B", ""]

    def test_unknown_throughout(self) -> None:
        placed = place(frame(BOOT), frame(BOOT_ANSWER))
        assert [one.frame.station for one in placed] == ["", ""]
        assert all(one.station_inferred for one in placed)

    def test_stations_that_all_count_from_one(self) -> None:
        calls = [frame(BOOT, name) for name in "ABC"]
        answers = [frame(BOOT_ANSWER, name) for name in "BCA"]
        resets = [frame(RESET, name) for name in "AB"]
        assert senders(*calls, *answers) == ["station"] * 3 + ["csms"] * 3
        assert senders(*resets, *calls, *answers) == ["csms"] * 2 + ["station"] * 3 + ["csms"] * 3

    @pytest.mark.parametrize(
        ("first", "second", "answer", "station"),
        [
            ("Heartbeat", "Authorize", '{"currentTime":"2024-01-01T10:00:00Z"}', "A"),
            ("Authorize", "Heartbeat", '{"idTagInfo":{"status":"Accepted"}}', "A"),
            ("Heartbeat", "Authorize", '{"idTagInfo":{"status":"Accepted"}}', "B"),
            ("StatusNotification", "Heartbeat", "{}", "A"),
            ("MeterValues", "BootNotification", "{}", "A"),
            ("DataTransfer", "StatusNotification", '{"status":"Accepted"}', "A"),
            ("StopTransaction", "StartTransaction", "{}", "A"),
            ("Heartbeat", "VendorThing", '{"whatever":1}', "B"),
            ("Heartbeat", "Heartbeat", '{"currentTime":"2024-01-01T10:00:00Z"}', "B"),
            ("Heartbeat", "Authorize", "{broken", "B"),
        ],
    )
    def test_an_answer_of_nobody_goes_to_the_call_that_it_may_answer(
        self, first: str, second: str, answer: str, station: str
    ) -> None:
        calls = [frame(f'[2,"1","{first}",{{}}]', "A"), frame(f'[2,"1","{second}",{{}}]', "B")]
        assert stations(*calls, frame(f'[3,"1",{answer}]')) == ["A", "B", station]

    def test_a_call_of_nobody_hears_its_station_from_an_answer_that_it_may_have(self) -> None:
        calls = [frame('[2,"1","Heartbeat",{}]'), frame('[2,"1","Authorize",{}]')]
        answers = [frame('[3,"1",{"currentTime":"x"}]', "A"), frame('[3,"1",{"idTagInfo":{}}]', "B")]
        assert stations(*calls, *answers) == ["A", "B", "A", "B"]

    def test_two_logs_do_not_mix(self) -> None:
        placed = place(frame(BOOT, "A"), frame('[2,"7","Heartbeat",{}]', source="other"))
        assert [one.frame.station for one in placed] == ["A", ""]


class TestSoap:
    CALL = (
        '<s:Envelope><s:Header><cs:chargeBoxIdentity xmlns:cs="urn://Ocpp/Cs/2012/06/">CP_1</cs:chargeBoxIdentity>'
        "<a:MessageID>urn:uuid:7</a:MessageID></s:Header><s:Body><cs:bootNotificationRequest/></s:Body></s:Envelope>"
    )
    ANSWER = (
        "<s:Envelope><s:Header><a:RelatesTo>urn:uuid:7</a:RelatesTo></s:Header>"
        '<s:Body><bootNotificationResponse xmlns="urn://Ocpp/Cs/2012/06/"/></s:Body></s:Envelope>'
    )

    def test_operation_identity_and_correlation(self) -> None:
        call, answer = place(frame(self.CALL, transport="soap"), frame(self.ANSWER, transport="soap"))
        assert (call.frame.sender, call.frame.station) == ("station", "CP_1")
        assert not call.station_inferred, "the envelope says it"
        assert (answer.frame.sender, answer.frame.station) == ("csms", "CP_1")
        assert answer.station_inferred

    def test_an_answer_alone(self) -> None:
        assert senders(frame(self.ANSWER, transport="soap")) == ["csms"]
        reset = '<Envelope><Body><resetResponse xmlns="urn://Ocpp/Cp/2012/06/"/></Body></Envelope>'
        assert senders(frame(reset, transport="soap")) == ["station"]

    def test_a_fault(self) -> None:
        fault = (
            "<s:Envelope><s:Header><RelatesTo>urn:uuid:7</RelatesTo></s:Header><s:Body><s:Fault/></s:Body></s:Envelope>"
        )
        assert senders(frame(self.CALL, transport="soap"), frame(fault, transport="soap")) == ["station", "csms"]

    def test_no_envelope_at_all(self) -> None:
        assert senders(frame("<Envelope", transport="soap")) == ["station"]


def test_memory_is_bounded() -> None:
    logged = LoggedFrames()
    for number in range(MAX_CALLS + 100):
        logged.feed(frame(f'[2,"{number}","Heartbeat",{{}}]', "A"))
        logged.feed(frame(BOOT, f"S{number}"))
    assert len(logged._order) <= MAX_CALLS
    assert sum(map(len, logged._calls.values())) <= MAX_CALLS
    assert max(map(len, logged._calls.values())) <= MAX_SAME_ID


def test_a_log_of_the_csms_and_one_of_the_station_tell_the_same() -> None:
    """The same conversation, as written by either side, without a word about who is who."""
    conversation = [
        ("station", [2, "1", "BootNotification", {}]), ("csms", [3, "1", {"status": "Accepted"}]),
        ("csms", [2, "1", "GetConfiguration", {}]), ("station", [2, "2", "DataTransfer", {}]),
        ("station", [3, "1", {"configurationKey": []}]), ("csms", [3, "2", {"status": "Accepted"}]),
        ("csms", [2, "2", "DataTransfer", {}]), ("station", [4, "2", "NotSupported", "", {}]),
    ]  # fmt: skip
    for writer in ("station", "csms"):
        lines = [
            f"CP_1: {'send' if sender == writer else 'receive message'} {json.dumps(text)}\n"
            for sender, text in conversation
        ]
        reader, logged = LogReader("log"), LoggedFrames()
        items = reader.feed("".join(lines).encode()) + reader.finish()
        placed = [one for item in items if isinstance(item, LoggedFrame) for one in logged.feed(item)] + logged.finish()
        assert [one.frame.sender for one in placed] == [sender for sender, _ in conversation]
        assert not any(one.sender_inferred or one.station_inferred for one in placed)


FRAMES = st.builds(
    frame,
    st.sampled_from(
        [BOOT, BOOT_ANSWER, RESET, TRANSFER, UNKNOWN_ANSWER, '[5,"1","x","",{}]', "?", '[3,"5",{}]', TestSoap.CALL]
    ),
    st.sampled_from(["", "A", "B"]),
    relative=st.sampled_from([None, "in", "out"]),
    sender=st.sampled_from([None, None, "station", "csms"]),
    transport=st.sampled_from(["json", "json", "json", "soap"]),
)


@given(st.lists(FRAMES, max_size=90))
def test_every_frame_comes_out_once_with_a_sender(frames: list[LoggedFrame]) -> None:
    for one, given_frame in zip(place(*frames), frames, strict=True):
        assert one.frame.sender is not None
        if given_frame.sender is not None:
            assert one.frame.sender == given_frame.sender
            assert not one.sender_inferred
        if given_frame.station:
            assert one.frame.station == given_frame.station
            assert not one.station_inferred


@given(st.text())
def test_any_text_has_a_sender(text: str) -> None:
    place(frame(text), frame(text, transport="soap"))
