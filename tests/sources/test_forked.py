"""A process beside this one."""

from __future__ import annotations

import os
from typing import BinaryIO

import pytest

from fieldkit.sources.forked import Helper, cores, possible

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_what_it_writes_is_read_here() -> None:
    helper = Helper(lambda pipe: pipe.write(b"x" * 3_000_000))
    assert helper.pipe.read() == b"x" * 3_000_000
    helper.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_one_that_never_ends_is_ended() -> None:
    def forever(pipe: BinaryIO) -> None:
        while True:
            pipe.write(b"x" * 1000)

    helper = Helper(forever)
    assert helper.pipe.read(10) == b"x" * 10
    helper.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_end_of_one_is_seen_though_another_goes_on() -> None:
    """As the second has the first one's pipe only if it was not closed there."""

    def waits(pipe: BinaryIO) -> None:
        pipe.flush()
        os.read(held[0], 1)

    held = os.pipe()
    first = Helper(lambda pipe: pipe.write(b"done"))
    second = Helper(waits, (first,))
    try:
        assert first.pipe.read() == b"done"
    finally:
        first.close()
        second.close()
        for end in held:
            os.close(end)


def test_without_fork_it_is_not_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.delattr(os, "fork")
    assert not possible()
