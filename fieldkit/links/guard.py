"""A call into somebody else's code that may fail or never come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TimeIsUp(Exception):  # noqa: N818
    """The call has not come back."""


class _Box(Generic[T]):
    result: T
    error: BaseException | None = None
    done = False


def timed(call: Callable[[], T], seconds: float, name: str) -> T:
    """Its result, or what it raised; TimeIsUp when it takes too long.

    Python cannot end a thread. One that hangs in a question is ended by closing its runner; one that computes for ever
    stays until the process ends, and is never asked again.
    """
    box: _Box[T] = _Box()

    def work() -> None:
        try:
            box.result = call()
        except BaseException as error:
            box.error = error
        box.done = True

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if not box.done:
        raise TimeIsUp(f"it did not come back within {seconds:g} s")
    error, box.error = box.error, None
    try:
        if error is not None:
            raise error
    finally:
        del error  # what it holds open, a connection perhaps, is let go with it, and not when a cycle is found
    return box.result
