"""The local list of 2.x, and differential updates."""

from __future__ import annotations

from tests.traffic.task_talk import Tasks


def test_a_differential_update_makes_the_number_of_entries_unknown() -> None:
    talk = Tasks("2.0.1")
    entry = {"idToken": {"idToken": "04A2B7C1", "type": "ISO14443"}}
    order = {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [entry, entry]}
    talk.order("SendLocalList", order)
    assert talk.station().local_list.entries == 2
    talk.order("SendLocalList", {**order, "versionNumber": 4, "updateType": "Differential"})
    local_list = talk.station().local_list
    assert (local_list.version, local_list.entries, local_list.count) == (4, None, 2)


def test_a_failed_update_changes_nothing() -> None:
    talk = Tasks("2.0.1")
    talk.order("GetLocalListVersion", {}, {"versionNumber": 3})
    talk.order("SendLocalList", {"versionNumber": 4, "updateType": "Full"}, {"status": "Failed"})
    assert (talk.station().local_list.version, talk.station().local_list.told) == (3, 3)
