"""Rows and messages in words: of every capture, harmless and without tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.events import OcppMessage, PluginFailed
from fieldkit.history import History, RowKind
from fieldkit.tui.words import NO_TIME, brief, clock, day, plain_raw, said, sentence, spaced
from tests.traffic.decoded import decode_files

CAPTURES = sorted((Path(__file__).parents[2] / "captures").rglob("*.pcap*"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_row_can_be_said(path: Path) -> None:
    history = History()
    for event in decode_files(path).events:
        if event.__class__ in history.wants:
            history.see(event)
    for number in range(history.end):
        row, event = history.row(number), history.event(number)
        words = said(row, event)
        for text in words:
            assert text.isprintable()
        assert words.note or words.action
        assert len(words.word) <= 4
        assert len(words.late) <= 8
        if isinstance(event, OcppMessage):
            answer = history.answer_of(number)
            told = sentence(event, history.message(answer) if answer is not None else None)
            assert told.isprintable()
            assert told.endswith(".")


def test_a_sentence_tells_request_and_answer() -> None:
    path = next(path for path in CAPTURES if path.stem == "ocpp16j_vcp_ocpprpc_plain")
    messages = decode_files(path).messages
    answer = next(message for message in messages if message.call is not None and message.action == "BootNotification")
    assert answer.call is not None
    told = sentence(answer.call, answer)
    assert "asks the CSMS: BootNotification (" in told
    assert "Answered after " in told
    assert "Accepted, heartbeat every" in told
    assert "It took" in sentence(answer)


def test_a_log_with_seconds_alone_does_not_tell_how_long_an_answer_took(tmp_path: Path) -> None:
    log = tmp_path / "csms.log"
    log.write_text(
        '2026-11-21T10:00:00Z CP-01 [2,"1","Heartbeat",{}]\n'
        '2026-11-21T10:00:00Z CP-01 [3,"1",{"currentTime":"2026-11-21T10:00:00Z"}]\n'
    )
    asked, answered = decode_files(log).messages
    assert "Answered: " in sentence(asked, answered)
    assert "It took" not in sentence(answered)


def test_tokens_and_secrets_are_hidden_in_the_text() -> None:
    for path in CAPTURES:
        for message in decode_files(path).messages:
            if message.action == "Authorize" and message.call is None and isinstance(message.payload, dict):
                token = message.payload.get("idTag")
                if isinstance(token, str) and len(token) > 4:
                    assert token not in plain_raw(message)
                    assert token in plain_raw(message, show_ids=True)


def test_times_and_numbers() -> None:
    noon = 1_795_242_677_888_761_000
    assert clock(noon, utc=True) == "06:31:17"
    assert clock(noon, utc=True, millis=True) == "06:31:17.888"
    assert day(noon, utc=True) == "2026-11-21"
    assert clock(0) == NO_TIME
    assert clock(10**30) == NO_TIME
    assert day(10**30) == ""
    assert spaced(12_480) == "12 480"
    assert brief(812_000_000) == "812 ms"
    assert brief(3_700_000_000_000) == "1 h"


def test_a_plugin_that_failed_has_a_row_that_says_so() -> None:
    history = History()
    failed = PluginFailed(1_700_000_000_000_000_000, (7,), "acme\x1b[31m", "decoder", "ValueError: [red]no\n")
    assert PluginFailed in history.wants
    history.see(failed)
    row = history.row(0)
    words = said(row, history.event(0))
    assert (row.kind, row.severity, row.frame) == (RowKind.TROUBLE, "warning", 7)
    assert (words.word, words.style) == ("BAD", "trouble")
    assert words.note.startswith("the plugin acme")
    assert "switched off: ValueError: [red]no" in words.note
    assert words.note.isprintable()
