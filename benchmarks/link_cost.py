"""What following the paths of a site costs: seconds of a core for each second of 200 stations.

    link_cost.py [--stations 200] [--minutes 60]

Packets of stations that charge, beat, ping and lose their connections are decoded once with everything else, and the
events then fed anew to what follows connections and outages alone. Processor time is counted, not the clock: other work
on the machine does not disturb it. Ends with 1 when the tracking takes more than 5 % of a core.
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from typing import Any, Final

from live_soak import Station, seconds_of

LIMIT: Final = 0.05
_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)


def capture(stations: int, minutes: int) -> bytes:
    """Classic pcap."""
    out = [_HEADER]
    made = [Station(number) for number in range(1, stations + 1)]
    for moment, _, records in seconds_of(made, 1 + minutes // 60, busy=True):
        if moment >= minutes * 60:
            break
        out.append(records)
    return b"".join(out)


def decoded(data: bytes) -> tuple[list[Any], float]:
    """All events, and the seconds that took."""
    from fieldkit.pipeline import Pipeline
    from fieldkit.wire.container import CaptureReader

    begun = time.process_time()
    reader, pipeline, events = CaptureReader(), Pipeline("site"), []
    for item in [*reader.feed(data), *reader.finish()]:
        events += pipeline.feed_packets(item)
    events += pipeline.finish()
    return events, time.process_time() - begun


def tracked(events: list[Any]) -> tuple[int, int, float]:
    """How many events were looked at, how many outages came of it, and the seconds that took."""
    from fieldkit.site.link import Links
    from fieldkit.site.outages import Outages

    links = Links()
    outages = Outages(links)
    begun = time.process_time()
    count = 0
    for event in events:
        kind = event.__class__
        if kind in links.WANTS:
            links.feed(event)
        if kind in outages.WANTS:
            count += 1
            outages.feed(event)
    outages.finish()
    return count, len(outages.all), time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    events, decoding = decoded(capture(options.stations, options.minutes))
    count, outages, tracking = tracked(events)
    seconds = options.minutes * 60
    print(f"{options.stations} stations, {options.minutes} min: {len(events):,} events, {count:,} of them about paths, "
          f"{outages} outages")  # fmt: skip
    print(f"decoding everything: {decoding / seconds:.3%} of a core; following paths: {tracking / seconds:.3%} "
          f"({tracking / max(count, 1) * 1e6:.1f} us an event; bar {LIMIT:.0%})")  # fmt: skip
    if tracking / seconds > LIMIT:
        sys.exit("link_cost: following paths costs too much")


if __name__ == "__main__":
    main()
