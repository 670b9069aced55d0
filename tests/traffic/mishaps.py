"""What networks and captures do to segments: each function takes the list as it should be and gives it as it came.

Nothing is lost to a decoder by ``reordered``, ``repeated``, ``overlapped`` and ``doubled``; ``lossy`` is what its name
says. Answers never overtake questions: a flight (what one side sends before the other speaks) stays a flight. ``share``
is the part of the candidates that it happens to; all chance comes from ``random``.
"""

from __future__ import annotations

from itertools import groupby
from random import Random

from tests.traffic.segments import MICROSECOND, Address, Segment

_JUST_BEHIND = 100 * MICROSECOND


def reordered(segments: list[Segment], random: Random, share: float = 0.5) -> list[Segment]:
    """Segments of a flight change places; the times at which something arrives stay."""
    result: list[Segment] = []
    for _, group in groupby(segments, key=lambda segment: (segment.client, segment.flight)):
        flight = list(group)
        data = [segment for segment in flight if segment.payload]
        if len(data) > 1 and random.random() < share:
            places = [at for at, segment in enumerate(flight) if segment.payload]
            times = [segment.time for segment in data]
            random.shuffle(data)
            for at, time, segment in zip(places, times, data, strict=True):
                flight[at] = segment._replace(time=time)
        result += flight
    return result


def repeated(segments: list[Segment], random: Random, share: float = 0.3) -> list[Segment]:
    """Segments are sent once more, some behind the next few, some as one that takes the following along."""
    result: list[Segment] = []
    due: list[tuple[int, Segment]] = []
    for at, segment in enumerate(segments):
        result.append(segment)
        if segment.payload and random.random() < share:
            again = segment
            following = segments[at + 1] if at + 1 < len(segments) else segment
            if following.seq == segment.end and following.from_client is segment.from_client and random.random() < 0.5:
                again = segment._replace(payload=segment.payload + following.payload)
                due.append((at + 1, again))  # not before the following was sent itself
            else:
                due.append((at + random.randrange(3), again))
        for place, again in [entry for entry in due if entry[0] <= at]:
            due.remove((place, again))
            result.append(again._replace(time=segment.time + _JUST_BEHIND))
    return result


def overlapped(segments: list[Segment], random: Random, share: float = 0.5) -> list[Segment]:
    """Between a segment and the next comes one that covers the end of the one and the beginning of the other."""
    result: list[Segment] = []
    for segment, following in zip(segments, [*segments[1:], None], strict=True):
        result.append(segment)
        if (
            following is not None
            and segment.payload
            and following.payload
            and following.seq == segment.end
            and following.from_client is segment.from_client
            and random.random() < share
        ):
            back, on = random.randint(1, len(segment.payload)), random.randint(1, len(following.payload))
            bridge = segment.payload[-back:] + following.payload[:on]
            seq = (segment.end - back) % 2**32
            result.append(segment._replace(time=segment.time + _JUST_BEHIND, seq=seq, payload=bridge))
    return result


def doubled(segments: list[Segment], after: int = 10 * MICROSECOND) -> list[Segment]:
    """Every packet is captured twice, as on a bridge with ``-i any``."""
    return [copy for segment in segments for copy in (segment, segment._replace(time=segment.time + after))]


def translated(
    segments: list[Segment], client: str = "", *, server: Address | None = None, after: int = 15 * MICROSECOND
) -> list[Segment]:
    """Every packet is captured on both sides of a NAT, which puts ``client`` in place of the client's address, or
    ``server`` in place of the server's address and port."""
    result: list[Segment] = []
    for segment in segments:
        host, port = segment.client
        inside = segment._replace(client=(client or host, port), server=server or segment.server)
        first, second = (segment, inside) if segment.from_client else (inside, segment)
        result += [first, second._replace(time=segment.time + after)]
    return result


def lossy(segments: list[Segment], random: Random, share: float = 0.1) -> list[Segment]:
    """Segments with payload that the capture does not have."""
    return [segment for segment in segments if not segment.payload or random.random() >= share]
