"""The legs of an outage: which moments are known of it, and whose time passed between them.

A router that takes ten seconds to see that its uplink is dead, and a station that holds on to a dead connection for
another eighteen, make one outage of twenty-eight. To whom a leg is attributed decides who is written to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fieldkit.site.middle import median
from fieldkit.site.outage import Attribution, Cause, LegName, Outage, Party
from fieldkit.site.outageloss import Break, Verdict, milliseconds, seconds

NEAR_NS: Final = 500_000_000
"""The router's word of a loss is believed for when it was if it is so near to what the wire says."""
QUICK_NS: Final = 1_000_000_000
"""A step that takes no longer is nobody's fault."""
GAVE_UP_NS: Final = 2_000_000_000
"""Silence after which a station may have given up without a word; pong time-outs of less are not usual."""
BACKOFFS: Final = 2
"""Distances between loss and next attempt that must agree before a station's back-off is known …"""
BACKOFF_SPREAD: Final = 0.25
"""… within this share."""

_LOST_BY: Final[dict[Cause, tuple[Party, str]]] = {
    "switch-flows-flushed": ("site-network", "the router moved to another uplink"),
    "switch-flows-stranded": ("site-network", "the router moved to another uplink and kept its tracked connections"),
    "blackhole": ("uplink", "the uplink carried nothing any more"),
    "satellite-step": ("uplink", "the path became one by way of a satellite"),
    "sim-change": ("uplink", "the modem changed its SIM profile or its network"),
    "flapping": ("site-network", "the router moves back and forth between its uplinks"),
    "backup-cannot-reach-csms": ("uplink", "the uplink in use was lost, and the other one does not carry the CSMS"),
    "nat-idle-kill": ("uplink", "a NAT on the way forgot the connection while nothing was said"),
    "csms-restart": ("csms", "the CSMS went away"),
    "station-restart": ("station", "the station started anew"),
    "power-cut": ("operator", "the station had no power"),
    "router-restart": ("site-network", "the router started anew"),
    "unknown": ("unknown", "nothing says why"),
}


def lost_by(cause: Cause) -> Party:
    """Whose doing the loss itself was."""
    return _LOST_BY[cause][0]


def blame(cause: Cause, confidence: float) -> Attribution:
    """Of the loss itself."""
    return Attribution(*_LOST_BY[cause], confidence)


def backoff(waits: list[int]) -> int | None:
    """How long a station waits before it dials again, where it is always the same."""
    if len(waits) < BACKOFFS:
        return None
    middle = median(waits)
    close = [wait for wait in waits if abs(wait - middle) <= BACKOFF_SPREAD * middle]
    return round(middle) if len(close) >= max(BACKOFFS, len(waits) // 2 + 1) else None


def build(loss: Break, verdict: Verdict, waits: list[int]) -> Outage:
    """The outage, leg by leg. ``waits``: from knowing to the next attempt, of earlier outages of this station."""
    old, new = loss.old, loss.new
    if old.how == "left" and not old.inside and not old.pending and new is not None and not loss.failed:
        # Seen from outside: the station was on another uplink in between, and what it did there is not known.
        gone = old.moved is None
    else:
        gone = False
    since, until = loss.lost_between
    told = [
        event.time for event in loss.told if event.exact and event.what in ("route", "down", "carrier", "nat-flush")
    ]
    exact = next((time for time in sorted(told) if since - NEAR_NS <= time <= until + NEAR_NS), None)
    unasked = old.ended is not None and until >= old.ended
    lost = exact if exact is not None else until if unasked else (since + until) // 2
    switched = _switched(loss, verdict, lost)
    if gone:
        new = None
        lost = old.spoke or old.heard
    dials = [path.connection.opened for path in (*loss.failed, *([new] if new is not None else []))]
    first_syn = min(dials, default=None)
    wait = backoff(waits)
    known = _known(loss, first_syn, wait)
    if known is None and first_syn is not None and wait is not None:
        known = max(lost, first_syn - wait)
    upgraded = new.upgraded if new is not None else None
    outage = Outage(
        station=loss.station,
        cause=verdict.cause,
        confidence=round(verdict.confidence, 2),
        reasons=verdict.reasons,
        path_lost=lost,
        detected=known,
        first_syn=first_syn,
        handshake=new.established if new is not None else None,
        upgrade=upgraded,
        boot=new.boot if new is not None else None,
        first_message=(new.transaction_message or new.first_message) if new is not None else None,
        lost_between=None if exact is not None else (since, until),
        switched=switched,
        over=loss.new is not None,
        rtt_before=old.rtt,
        rtt_after=new.rtt if new is not None else None,
        address_before=old.outside,
        address_after=(new.outside if new is not None else "") or (old.moved[1] if old.moved else ""),
        connections=tuple(path.connection.number for path in (old, *loss.failed, *([new] if new else []))),
        frames=(*old.frames, *old.end_frames[:4]),
        source=old.connection.source,
        attempts=len(dials),
        repeats=old.repeats,
    )
    return _attributed(outage, loss, wait)


def _known(loss: Break, first_syn: int | None, wait: int | None) -> int | None:
    """When the station knew: it was told, or it said that it gives up."""
    old = loss.old
    if old.repeats and loss.cuts_short and loss.silence > GAVE_UP_NS:
        # A reset that comes so late may come too late: a station that gave up in silence leaves its kernel repeating
        # what it sent last. Only a station that then waits as it always does shows that it was the reset.
        after = first_syn - old.ended if first_syn is not None and old.ended is not None else None
        if wait is None or after is None or abs(after - wait) > BACKOFF_SPREAD * wait:
            return None
    if old.closing is not None and (old.ended is None or old.closing <= old.ended):
        return old.closing
    if old.ended is not None and old.how in ("fin", "rst") and (first_syn is None or old.ended <= first_syn):
        return old.ended
    return None


def _switched(loss: Break, verdict: Verdict, lost: int) -> int | None:
    if verdict.cause in ("nat-idle-kill", "csms-restart", "station-restart", "power-cut"):
        return None
    taken = [event for event in loss.told if event.what in ("route", "role") and event.time >= lost - NEAR_NS]
    if verdict.cause == "sim-change":
        up = [event.time for event in taken if event.after and event.exact]
        return up[0] if up else None
    if taken:
        return min(event.time for event in taken)
    flushes = [event.time for event in loss.told if event.what == "nat-flush" and event.time >= lost - NEAR_NS]
    if flushes:
        return flushes[0]
    return loss.old.moved[0] if loss.old.moved else None


# --------------------------------------------------------------------------------------------------------- whose time


def _attributed(outage: Outage, loss: Break, wait: int | None) -> Outage:
    owners: dict[LegName, Attribution] = {}
    if outage.path_lost is not None:
        owners["path_lost"] = blame(outage.cause, outage.confidence)
    for name, begin, end in outage.spans:
        owner, words, certain = _of_leg(name, begin, end, outage, loss, wait)
        owners[name] = Attribution(owner, words, certain)
    return replace(outage, attributed=owners)


def _of_leg(
    name: LegName, begin: int, end: int, outage: Outage, loss: Break, wait: int | None
) -> tuple[Party, str, float]:
    lasted = end - begin
    if name == "detected" or (name == "first_syn" and outage.detected is None):
        return _detection(begin, end, outage, loss, wait if name == "first_syn" else None)
    if name == "first_syn":
        if wait is not None and abs(wait - lasted) <= BACKOFF_SPREAD * wait:
            return "station", f"the station waits {seconds(wait)} before it dials again, every time", 0.95
        if lasted <= QUICK_NS:
            return "station", "the station dialled at once", 0.9
        return "station", f"the station waited {seconds(lasted)} before it dialled again", 0.85
    if name == "handshake":
        return _handshake(lasted, outage, loss)
    if name == "upgrade":
        rtt = outage.rtt_after
        if rtt is not None and lasted <= 4 * rtt + QUICK_NS:
            return "uplink", f"round trips of {milliseconds(rtt)}", 0.8
        return "csms", f"the CSMS (or TLS with it) took {seconds(lasted)} to agree", 0.6
    if name == "boot":
        if lasted <= QUICK_NS + 2 * (outage.rtt_after or 0):
            return "station", "the station announced itself at once", 0.9
        return "station", f"the station and the CSMS took {seconds(lasted)} over BootNotification", 0.6
    if lasted <= QUICK_NS:
        return "station", "the station had something to say at once", 0.9
    return "station", f"the station had nothing to say for {seconds(lasted)}", 0.7


def _detection(begin: int, end: int, outage: Outage, loss: Break, wait: int | None) -> tuple[Party, str, float]:
    """From the loss until the station knew (or, where that was not to be seen, until it dialled)."""
    lasted = end - begin
    asked = loss.old.pending or loss.lost_between[1]
    waited = max(0, asked - begin)
    interval = loss.old.ping_interval
    every = f", which pings every {seconds(interval)}" if interval is not None else ""
    if outage.detected is None and loss.cuts_short and loss.old.ended is not None:
        told = max(0, loss.old.ended - begin)
        words = f"a reset came after {seconds(told)}; whether the station had given up before is not to be seen"
        return lost_by(outage.cause), words, 0.5
    if loss.answered_reset:
        if waited > max(QUICK_NS, lasted // 2):
            return "station", f"the station said nothing for {seconds(waited)}{every}: only then was it told", 0.85
        if lasted <= QUICK_NS:
            return "site-network", "the station was told with the first packets", 0.85
        owner = lost_by(outage.cause)
        return owner, f"nobody told the station for {seconds(lasted)}", 0.7
    if outage.cause in ("csms-restart",) and lasted <= QUICK_NS:
        return "csms", "the station was told at once", 0.9
    router = max(0, outage.switched - begin) if outage.switched is not None else None
    own = lasted - router if router is not None else None
    if router is not None and own is not None and router > own:
        return "site-network", f"the router took {seconds(router)} to leave the dead uplink", 0.9
    if own is not None and router is not None:
        more = f"the station held on for another {seconds(own)}{_timer(loss, end, wait)}"
        return "station", f"the router moved after {seconds(router)}; {more}", 0.9
    if loss.old.pending:
        held = max(0, end - asked)
        words = f"the station held on to the dead connection for {seconds(held)} after its first packet in vain"
        return "station", f"{words}{_timer(loss, end, wait)}{every}", 0.75
    return "station", f"the station took {seconds(lasted)} to see it{every}", 0.5


def _timer(loss: Break, end: int, wait: int | None) -> str:
    """The station's own timer, where it shows: what it waited for, and its back-off behind it."""
    if not loss.old.ping:
        return ""
    patience = end - (wait or 0) - loss.old.ping
    back = f", and dials {seconds(wait)} later" if wait is not None else ""
    return f": it waits {seconds(patience)} from a ping until it gives up{back}"


def _handshake(lasted: int, outage: Outage, loss: Break) -> tuple[Party, str, float]:
    failed = len(loss.failed)
    if failed:
        times = f"{failed} attempt{'s' if failed != 1 else ''} in vain"
        owner: Party = "csms" if outage.cause == "csms-restart" else "uplink"
        return owner, f"{times} before one was answered", 0.8
    if lasted <= QUICK_NS:
        return "uplink", f"a round trip of {seconds(lasted)}", 0.9
    return "uplink", f"SYN had to be repeated: {seconds(lasted)} until it was answered", 0.7
