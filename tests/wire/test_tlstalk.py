"""What the other TLS tests rely on: that OpenSSL, talking to itself, leaves bytes and secrets behind."""

from __future__ import annotations

from tests.traffic.tlstalk import CALL, contexts, talk


def test_a_talk_reaches_the_other_side_and_leaves_its_secrets() -> None:
    spoken = talk(contexts("1.3"))

    assert spoken.failure == ""
    assert spoken.keylog.count("_TRAFFIC_SECRET_0") == 2
    assert CALL[1] not in spoken.bytes_of(True)


def test_the_records_of_a_talk_are_its_bytes() -> None:
    spoken = talk(contexts("1.2"))

    assert b"".join(data for side, data in spoken.records if side) == spoken.bytes_of(True)
    assert {data[0] for _, data in spoken.records} == {20, 21, 22, 23}
