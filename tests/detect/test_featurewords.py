"""Sentences of the numbers of a window: each has one, and somebody who has never heard of features can check it."""

from __future__ import annotations

import pytest

from fieldkit.detect.features import FEATURES, INDEX, NAMES
from fieldkit.detect.featurewords import SENTENCES, sentence, together


def test_every_number_has_a_sentence_with_a_subject() -> None:
    assert set(SENTENCES) == set(NAMES)
    for at, feature in enumerate(FEATURES):
        for observed, edge, below in ((1.0, 0.0, False), (57.0, 3.4, False), (2.0, 40.0, True)):
            told = sentence(at, "CP_7", observed, edge, below=below)
            assert "CP_7" in told, feature.name
            assert told.endswith(".")
            assert "{" not in told
            assert "0 ms" not in told.replace("30 ms", "").replace("40 ms", "")
            if feature.how in ("count", "recent"):
                assert "." not in told[:-1], "no decimals on counts"
                assert "at most 0" not in told
                assert "0 at most" not in told.replace("40 at most", "")


@pytest.mark.parametrize(
    ("name", "observed", "edge", "told"),
    [
        ("backwards", 1, 0, "The energy meter of CP_7 went back once in the last six hours; it can only count up."),
        (
            "vain", 11, 0,
            "11 cars in a row were plugged in at CP_7 and got no energy; at a healthy charger every car gets some.",
        ),
        ("clock", 12_276, 11, "The clock of CP_7 is wrong by 3 h 25 min; at a healthy charger it is right to within 11 s."),
        (
            "still", 902, 14,
            "CP_7 has said for 15 min 2 s that it charges, and no current flows; at a healthy charger it flows within 14 s.",
        ),
        (
            "voltage", 94, 3.4,
            "The voltage of a phase at CP_7 is 216 V away from 230 V; at a healthy charger 8 V at most.",
        ),
        ("refused", 1, 0, "1 card was refused at CP_7 within a minute; at a healthy charger none."),
        ("csms_latency", 290, 65, "The CSMS takes 290 ms on average to answer CP_7; at a healthy charger 65 ms at most."),
    ],
)  # fmt: skip
def test_sentences(name: str, observed: float, edge: float, told: str) -> None:
    assert sentence(INDEX[name], "CP_7", observed, edge, known=False) == told
    assert "healthy" not in sentence(INDEX[name], "CP_7", observed, edge, known=True)


def test_too_little_is_held_against_the_least() -> None:
    assert sentence(INDEX["share"], "CP_7", 12, 60, below=True).endswith("; usually 60 % at least.")


def test_numbers_that_do_not_fit_with_each_other() -> None:
    told = together("CP_6", [(INDEX["round_trip"], 290, 65), (INDEX["resent"], 0, 3), (INDEX["boots"], 0, 0)])
    assert told == (
        "At CP_6 these do not go together as they do otherwise: round trip of a ping 290 ms (65 ms would fit the rest), "
        "packets sent again none (3 would fit the rest)."
    )
    assert "CP_6" in together("CP_6", []), "where each is as expected"
