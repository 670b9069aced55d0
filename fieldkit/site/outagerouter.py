"""Why a connection was lost, from those who know: the router itself, and captures on its uplinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.site.outageloss import (
    DEAD_NS,
    Break,
    UplinkEvent,
    Verdict,
    attempts,
    icmp_words,
    repeat_words,
    seconds,
    unsure,
)

LATE_NS: Final = 1_000_000_000
"""A switch so long after the first unanswered packet came because of the loss."""
RTO_NS: Final = 150_000_000
"""No stack repeats itself sooner: 200 ms is Linux's least (RFC 6298 §2.4 asks for a second)."""
_SIM: Final = frozenset({"sim", "operator"})
_MOVES: Final = frozenset({"route", "role"})


def _told(loss: Break, whats: frozenset[str] | set[str]) -> Iterator[UplinkEvent]:
    return (event for event in loss.told if event.what in whats)


def rebooted(loss: Break) -> Verdict | None:
    event = next(_told(loss, {"reboot"}), None)
    return Verdict("router-restart", 0.95, (f"The router started anew: {event.text}.",)) if event else None


def sim_changed(loss: Break) -> Verdict | None:
    event = next(_told(loss, _SIM), None)
    if event is not None:
        return Verdict("sim-change", 0.97, (f"The router says: {event.text}.",))
    old = [event for event in _told(loss, {"address"}) if event.before and not event.after]
    new = {event.uplink: event.after for event in _told(loss, {"address"}) if event.after}
    for event in old:
        other = new.get(event.uplink)
        if other is not None and other != event.before:
            words = f"{event.uplink} lost the address {event.before} and has {other} since"
            return Verdict("sim-change", 0.95, (f"The router says: {words}.", *icmp_words(loss)))
    both = next((event for event in _told(loss, {"address"}) if event.before and event.after), None)
    if both is not None:
        return Verdict("sim-change", 0.9, (f"The router says: {both.text}.",))
    return None


def moved_on_same_uplink(loss: Break) -> Verdict | None:
    """Seen from outside: the flow went on under another address of the same network."""
    moved = loss.old.moved
    if moved is None or not loss.old.outside or not _neighbours(loss.old.outside, moved[1]):
        return None
    words = f"The connection left as {loss.old.outside} and later as {moved[1]}: one uplink, another address."
    return Verdict("sim-change", 0.9, (words, *icmp_words(loss)))


def switched(loss: Break) -> Verdict | None:
    """The router moved: before the loss or because of it?"""
    _, until = loss.lost_between
    flushed = next(_told(loss, {"nat-flush"}), None)
    rebound = next(_told(loss, {"nat-rebind"}), None)
    moves = sorted(_told(loss, _MOVES | {"down"}), key=lambda event: event.time)
    move = moves[0] if moves else None
    if move is None and flushed is None and rebound is None:
        return None
    at = min(event.time for event in (move, flushed, rebound) if event is not None)
    if bool(loss.failed) and len(moves) > 1:
        words = f"The router moved ({moves[0].text}) and {attempts(loss)}, until it moved again ({moves[-1].text})."
        return Verdict("backup-cannot-reach-csms", 0.95, (words,))
    if loss.old.pending and at - until > LATE_NS and (move is not None or loss.silence > DEAD_NS):
        words = f"The path was silent for {seconds(at - until)} before the router did anything about it"
        return Verdict("blackhole", 0.95, (f"{words} ({(move or flushed or rebound).text}).", *repeat_words(loss)))  # type: ignore[union-attr]
    if flushed is not None:
        return Verdict("switch-flows-flushed", 0.97, (f"The router moved and {flushed.text}.",))
    if at - until > LATE_NS and move is None:
        return None
    if move is None and rebound is not None and loss.idle_kill:
        return None
    words = (move or rebound).text  # type: ignore[union-attr]
    sure = 0.95 if loss.old.repeats else 0.85
    doubt: tuple[str, ...] = ()
    if rebound is not None:
        sure = 0.95
    elif move is not None and until <= move.time:
        # What was lost had left before the router moved: it would be lost with a flush, too. Only somebody who watches
        # its connections (conntrack -E) tells.
        sure, doubt = unsure(loss, sure)
    return Verdict(
        "switch-flows-stranded",
        sure,
        (f"The router moved ({words}) and left its tracked connections as they were.", *repeat_words(loss), *doubt),
    )


def backup_in_vain(loss: Break) -> Verdict | None:
    """Captures on the router's outside show which way attempts went that came to nothing."""
    own = loss.old.connection.client.address
    home = loss.old.outside or ("" if loss.old.inside else own)
    ways = [path.outside or path.connection.client.address for path in loss.failed]
    others = [way for way in ways if home and way not in (home, own)]
    if not others:
        return None
    words = f"{attempts(loss)}; {len(others)} of them left by another uplink, as {others[0]}, and nothing came back."
    return Verdict("backup-cannot-reach-csms", 0.9, (words, *repeat_words(loss)))


def moved_outside(loss: Break) -> Verdict | None:
    """Captures on the router's outside show where the flow went."""
    moved = loss.old.moved
    if moved is None:
        return None
    words = f"The connection turned up on another uplink, as {moved[1]} and no longer as {loss.old.outside or '?'}"
    if loss.old.repeats and loss.old.pending and moved[0] - loss.old.pending > DEAD_NS:
        return Verdict(
            "blackhole", 0.9, (f"{words}, {seconds(moved[0] - loss.old.pending)} after the path went dead.",)
        )
    if not loss.old.pending and not loss.old.inside:
        return _moved_unseen(loss, moved[0], words)
    if loss.left is not None and loss.left >= loss.old.repeats > 0:
        more = "All before it had left by the old uplink: the router dropped none."
        return Verdict("switch-flows-flushed", 0.85, (f"{words}.", more))
    if loss.old.repeats or (loss.old.pending and moved[0] - loss.old.pending > RTO_NS):
        sure, doubt = unsure(loss, 0.95)
        return Verdict(
            "switch-flows-stranded", sure, (f"{words}; its first packet was lost.", *repeat_words(loss), *doubt)
        )
    sure, doubt = unsure(loss, 0.95)
    return Verdict("switch-flows-flushed", sure, (f"{words}, with the first packet after the switch.", *doubt))


def _moved_unseen(loss: Break, at: int, words: str) -> Verdict:
    """Only the router's outside was captured: was there a first packet that the router dropped?"""
    beat = loss.old.beat
    if beat is None:
        return Verdict("switch-flows-stranded", 0.5, (f"{words}; whether a packet was lost before is not to be seen.",))
    late = at - loss.old.said - beat
    how = f"the station says something every {seconds(beat)}, and this came"
    if late > RTO_NS:
        more = f"{how} {seconds(late)} late: it was a repeat, and the first packet was lost."
        return Verdict("switch-flows-stranded", 0.8, (f"{words}.", more[0].upper() + more[1:]))
    return Verdict("switch-flows-flushed", 0.8, (f"{words}.", f"{how[0].upper()}{how[1:]} in time: none was lost."))


def _neighbours(one: str, other: str) -> bool:
    """Addresses of one network, as far as can be told: the first three numbers agree."""
    return one != other and one.rpartition(".")[0] == other.rpartition(".")[0] and "." in one
