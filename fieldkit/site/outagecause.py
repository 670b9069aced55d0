"""Why a connection was lost: the signs on the wire, weighed, and the router's word where there is one.

What each cause looks like (measured in a laboratory with two uplinks; RFC 9293 says why):

- *switch, flows stranded*: the station repeats itself once or twice, then RST. The router's NAT keeps the flow on the
  old uplink until the kernel drops it; the next packet leaves with another address, and the CSMS resets it.
- *switch, flows flushed*: RST without a repeat: the first packet already left the other way.
- *blackhole*: repeats at ever doubled distances and silence, until somebody gives up.
- *SIM change*: the router says "network unreachable" for seconds, then RST: same uplink, other address.
- *NAT idle kill*: the packet that ends a long silence is the one that is lost or reset; shorter silences did no harm.
- *backup cannot reach the CSMS*: attempts fail in another way than they would in a dead network.
- *CSMS*: the end comes unasked, from the server; SYNs are refused from as far away as the CSMS is.

Rules are tried in the order of their strength, and the first that fits names the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from fieldkit.site.outage import Cause, Outage
from fieldkit.site.pathseen import RECENT, PathSeen

SECOND: Final = 1_000_000_000
RESET_NS: Final = 1_500_000_000
"""An RST so soon after what the station sent answers it (a satellite takes 0.7 s)."""
SOON_NS: Final = 1_500_000_000
"""Between a switch of the router and the first packet that got no answer, when the one is why the other did not."""
LATE_NS: Final = 1_000_000_000
"""A switch so long after the first unanswered packet came because of the loss."""
RTO_NS: Final = 150_000_000
"""No stack repeats itself sooner: 200 ms is Linux's least (RFC 6298 §2.4 asks for a second)."""
DEAD_NS: Final = 4 * SECOND
"""Silence in spite of repeats that no switch explains."""
IDLE_NS: Final = 2 * SECOND
IDLE_FACTOR: Final = 1.8
"""A silence before a loss that is so much longer than any that did no harm."""
FLAPS: Final = 3
FLAPPING_NS: Final = 300 * SECOND
"""So many switches within this time."""
TOGETHER_NS: Final = 3 * SECOND
STEP: Final = 1.4
STEP_NS: Final = 8_000_000
"""Round trips that differ by so much are of two paths."""
RESTARTED: Final = frozenset({1001, 1012, 1013})
"""Close codes of a server that goes away (RFC 6455 §7.4.1; 1012 and 1013: IANA)."""
GATEWAY_DOWN: Final = frozenset({502, 503, 504})
POWER: Final = frozenset({"PowerUp"})
"""BootReasonEnumType of 2.x that tells of a power cut; 1.6 tells no reason."""

ROUTER_HOPS: Final = 2
"""Routers between a station and a capture on the uplink of its site; more are somewhere in the wide area."""
ENOUGH: Final = 3
"""Round trips that show how far those of a path vary."""

_SIM: Final = frozenset({"sim", "operator"})
_MOVES: Final = frozenset({"route", "role"})
_SWITCHES: Final[frozenset[Cause]] = frozenset({"switch-flows-flushed", "switch-flows-stranded"})


class UplinkEvent(Protocol):
    """What somebody who knows the router says: ``links.uplink.LinkEvent`` is one."""

    @property
    def time(self) -> int: ...

    @property
    def what(self) -> str: ...

    @property
    def uplink(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def before(self) -> str: ...

    @property
    def after(self) -> str: ...

    @property
    def exact(self) -> bool: ...


@dataclass(slots=True)
class Break:
    """Everything that is known of one loss."""

    station: str
    old: PathSeen
    new: PathSeen | None
    """The connection that led back; None while there is none."""
    failed: list[PathSeen] = field(default_factory=list)
    """Attempts in between."""
    told: list[UplinkEvent] = field(default_factory=list)
    """By the router, from a little before the loss to the return."""
    survived: int = 0
    """The longest silence that any connection of this station outlived."""
    kills: int = 0
    """How often a connection of this station was found dead after a silence before."""
    together: int = 0
    """Other stations that lost theirs within seconds …"""
    alive: int = 0
    """… and others whose connections to the same server were heard all the while."""
    reset_asked: bool = False
    """The CSMS had told the station to restart."""
    earlier: Sequence[Outage] = ()
    """This station's, latest last."""
    left: int | None = None
    """How many of the packets without an answer were seen to leave by the old uplink; None: it was not captured."""
    two_uplinks: bool = False
    """Two different paths were seen to serve this station."""

    @property
    def lost_between(self) -> tuple[int, int]:
        """Last sign of life of the server, and the first packet without an answer (else the end)."""
        old = self.old
        moved = old.moved[0] if old.moved is not None else 0
        if moved and old.beat is not None:
            moved = min(moved, old.said + old.beat)  # what it would have said next is what was lost
        end = min(time for time in (old.ended, old.closing) if time) if old.ended or old.closing else 0
        until = old.pending or (old.said if old.said > old.heard else 0) or end or moved or old.heard
        if self.cuts_short and old.said and old.ended is not None and old.ended - old.said <= RESET_NS:
            until = old.pending or old.said
        since = min(self._heard_before(until), until)
        return since, until

    def _heard_before(self, until: int) -> int:
        old = self.old
        if not old.heard:
            return old.established or old.connection.opened
        return old.heard if old.heard <= until else until

    @property
    def cuts_short(self) -> bool:
        """It was reset by the server's side."""
        return self.old.how == "rst" and self.old.by_client is False

    @property
    def answered_reset(self) -> bool:
        """… in answer to something that the station sent."""
        old = self.old
        return self.cuts_short and old.ended is not None and bool(old.spoke) and old.ended - old.spoke <= RESET_NS

    @property
    def silence(self) -> int:
        """How long what the station sent was without an answer, ns."""
        old = self.old
        if not old.pending:
            return 0
        until = old.ended
        if until is None:
            opened = [path.connection.opened for path in (*self.failed, *([self.new] if self.new else []))]
            until = min(opened, default=max(old.spoke, old.pending))
        return max(0, until - old.pending)

    @property
    def stepped(self) -> bool | None:
        """The way back is another path, by its round trips; None: not known."""
        before = sorted(trip for _, trip in list(self.old.way)[-RECENT:])
        after = sorted(trip for _, trip in list(self.new.way)[-RECENT:]) if self.new is not None else []
        if not before or not after:
            return None
        low, high = (before, after) if before[0] < after[0] else (after, before)
        # Radio varies by more than a switch changes: they must not overlap, and a few must not come near.
        apart = high[0] > low[-1] if min(len(low), len(high)) >= ENOUGH else high[0] > 2 * low[-1]
        middle, other = low[len(low) // 2], high[len(high) // 2]
        return apart and other - middle > STEP_NS and other > STEP * middle

    @property
    def idle_kill(self) -> bool:
        """It was found dead after a silence longer than any that did no harm."""
        survived = max(self.survived, self.old.survived, SECOND)
        return self.old.idle >= IDLE_NS and self.old.idle >= IDLE_FACTOR * survived


class Verdict(NamedTuple):
    """A cause and why."""

    cause: Cause
    confidence: float
    reasons: tuple[str, ...]


def judge(loss: Break) -> Verdict:
    """Name the cause."""
    for rule in _RULES:
        verdict = rule(loss)
        if verdict is not None:
            return verdict._replace(reasons=(*verdict.reasons, *_other_way(loss)))
    return Verdict("unknown", 0.3, (_how(loss.old),))


def flaps(earlier: Sequence[Outage], verdict: Verdict, time: int) -> bool:
    """Whether this is one switch of several in a row."""
    if verdict.cause not in _SWITCHES:
        return False
    recent = [
        outage
        for outage in earlier
        if outage.cause in _SWITCHES | {"flapping"} and 0 <= time - outage.start <= FLAPPING_NS
    ]
    return len(recent) + 1 >= FLAPS


# ---------------------------------------------------------------------------------------------- what the router says


def _told(loss: Break, whats: frozenset[str] | set[str]) -> Iterator[UplinkEvent]:
    return (event for event in loss.told if event.what in whats)


def _rebooted(loss: Break) -> Verdict | None:
    event = next(_told(loss, {"reboot"}), None)
    return Verdict("router-restart", 0.95, (f"The router started anew: {event.text}.",)) if event else None


def _sim_changed(loss: Break) -> Verdict | None:
    event = next(_told(loss, _SIM), None)
    if event is not None:
        return Verdict("sim-change", 0.97, (f"The router says: {event.text}.",))
    old = [event for event in _told(loss, {"address"}) if event.before and not event.after]
    new = {event.uplink: event.after for event in _told(loss, {"address"}) if event.after}
    for event in old:
        other = new.get(event.uplink)
        if other is not None and other != event.before:
            words = f"{event.uplink} lost the address {event.before} and has {other} since"
            return Verdict("sim-change", 0.95, (f"The router says: {words}.", *_icmp_words(loss)))
    both = next((event for event in _told(loss, {"address"}) if event.before and event.after), None)
    if both is not None:
        return Verdict("sim-change", 0.9, (f"The router says: {both.text}.",))
    return None


def _moved_on_same_uplink(loss: Break) -> Verdict | None:
    """Seen from outside: the flow went on under another address of the same network."""
    moved = loss.old.moved
    if moved is None or not loss.old.outside or not _neighbours(loss.old.outside, moved[1]):
        return None
    words = f"The connection left as {loss.old.outside} and later as {moved[1]}: one uplink, another address."
    return Verdict("sim-change", 0.9, (words, *_icmp_words(loss)))


def _switched(loss: Break) -> Verdict | None:
    """The router moved: before the loss or because of it?"""
    _, until = loss.lost_between
    flushed = next(_told(loss, {"nat-flush"}), None)
    rebound = next(_told(loss, {"nat-rebind"}), None)
    moves = sorted(_told(loss, _MOVES | {"down"}), key=lambda event: event.time)
    move = moves[0] if moves else None
    if move is None and flushed is None and rebound is None:
        return None
    at = min(event.time for event in (move, flushed, rebound) if event is not None)
    if _in_vain(loss) and len(moves) > 1:
        words = f"The router moved ({moves[0].text}) and {_attempts(loss)}, until it moved again ({moves[-1].text})."
        return Verdict("backup-cannot-reach-csms", 0.95, (words,))
    if loss.old.pending and at - until > LATE_NS and (move is not None or loss.silence > DEAD_NS):
        words = f"The path was silent for {_seconds(at - until)} before the router did anything about it"
        return Verdict("blackhole", 0.95, (f"{words} ({(move or flushed or rebound).text}).", *_repeat_words(loss)))  # type: ignore[union-attr]
    if flushed is not None:
        return Verdict("switch-flows-flushed", 0.97, (f"The router moved and {flushed.text}.",))
    if at - until > LATE_NS and move is None:
        return None
    if move is None and rebound is not None and loss.idle_kill:
        return None
    words = (move or rebound).text  # type: ignore[union-attr]
    return Verdict(
        "switch-flows-stranded",
        0.95 if rebound is not None or loss.old.repeats else 0.85,
        (f"The router moved ({words}) and left its tracked connections as they were.", *_repeat_words(loss)),
    )


def _backup_in_vain(loss: Break) -> Verdict | None:
    """Captures on the router's outside show which way attempts went that came to nothing."""
    own = loss.old.connection.client.address
    home = loss.old.outside or ("" if loss.old.inside else own)
    ways = [path.outside or path.connection.client.address for path in loss.failed]
    others = [way for way in ways if home and way not in (home, own)]
    if not others:
        return None
    words = f"{_attempts(loss)}; {len(others)} of them left by another uplink, as {others[0]}, and nothing came back."
    return Verdict("backup-cannot-reach-csms", 0.9, (words, *_repeat_words(loss)))


def _moved_outside(loss: Break) -> Verdict | None:
    """Captures on the router's outside show where the flow went."""
    moved = loss.old.moved
    if moved is None:
        return None
    words = f"The connection turned up on another uplink, as {moved[1]} and no longer as {loss.old.outside or '?'}"
    if loss.old.repeats and loss.old.pending and moved[0] - loss.old.pending > DEAD_NS:
        return Verdict(
            "blackhole", 0.9, (f"{words}, {_seconds(moved[0] - loss.old.pending)} after the path went dead.",)
        )
    if not loss.old.pending and not loss.old.inside:
        return _moved_unseen(loss, moved[0], words)
    if loss.left is not None and loss.left >= loss.old.repeats > 0:
        more = "All before it had left by the old uplink: the router dropped none."
        return Verdict("switch-flows-flushed", 0.85, (f"{words}.", more))
    if loss.old.repeats or (loss.old.pending and moved[0] - loss.old.pending > RTO_NS):
        return Verdict("switch-flows-stranded", 0.95, (f"{words}; its first packet was lost.", *_repeat_words(loss)))
    return Verdict("switch-flows-flushed", 0.95, (f"{words}, with the first packet after the switch.",))


def _moved_unseen(loss: Break, at: int, words: str) -> Verdict:
    """Only the router's outside was captured: was there a first packet that the router dropped?"""
    beat = loss.old.beat
    if beat is None:
        return Verdict("switch-flows-stranded", 0.5, (f"{words}; whether a packet was lost before is not to be seen.",))
    late = at - loss.old.said - beat
    how = f"the station says something every {_seconds(beat)}, and this came"
    if late > RTO_NS:
        more = f"{how} {_seconds(late)} late: it was a repeat, and the first packet was lost."
        return Verdict("switch-flows-stranded", 0.8, (f"{words}.", more[0].upper() + more[1:]))
    return Verdict("switch-flows-flushed", 0.8, (f"{words}.", f"{how[0].upper()}{how[1:]} in time: none was lost."))


# ------------------------------------------------------------------------------------------------- what the wire says


def _station_itself(loss: Break) -> Verdict | None:
    new, old = loss.new, loss.old
    booted = new is not None and new.boot is not None
    if loss.reset_asked:
        return Verdict("station-restart", 0.95, ("The CSMS had told the station to restart.",))
    if booted and new is not None and new.boot_reason:
        words = f"The station says why it started: {new.boot_reason}."
        if new.boot_reason in POWER and (ended_by_server(old) or old.pending):
            return None  # it says so every time
        if new.boot_reason in POWER:
            return Verdict("power-cut", 0.85 if loss.together or old.how in ("", "left") else 0.7, (words,))
        return Verdict("station-restart", 0.9, (words,))
    if booted and old.inside and old.client_ttl and not old.pending and old.echoes >= 2 and not _in_vain(loss):
        words = (
            f"The CSMS repeated itself {old.echoes} times and the station was silent; then it announced itself anew."
        )
        if loss.together:
            return Verdict("power-cut", 0.75, (words, f"{loss.together} others went silent with it."))
        return Verdict("station-restart", 0.7, (words,))
    return None


def _unreachable(loss: Break) -> Verdict | None:
    """ICMP came from the router or the carrier."""
    errors = [error for path in (loss.old, *loss.failed) for error in path.errors]
    if not errors:
        return None
    prohibited = next((error for error in errors if error.kind == "prohibited"), None)
    if prohibited is not None:
        words = f"{prohibited.reporter} says that the way to the CSMS is administratively prohibited."
        return Verdict("backup-cannot-reach-csms", 0.85, (words, *_attempt_words(loss)))
    networks = [error for error in loss.old.errors if error.kind in ("network", "host")]
    if networks and (loss.cuts_short or loss.new is not None):
        back = _returned(loss)
        lasted = (back or networks[-1].time) - networks[0].time
        words = (
            f"{networks[0].reporter} had no way out for at least {_seconds(lasted)}, with no other uplink to turn to;"
            " afterwards the connection was not known any more: the uplink came back with another address."
        )
        return Verdict("sim-change", 0.65 if loss.cuts_short else 0.5, (words,))
    return None


def _in_vain_signs(loss: Break) -> Verdict | None:
    """Attempts that failed in a telling way."""
    if not loss.failed:
        return None
    before = loss.old.rtt
    for path in loss.failed:
        if path.status in GATEWAY_DOWN:
            words = f"The CSMS's front answered with HTTP {path.status}: the CSMS behind it was away."
            return Verdict("csms-restart", 0.9, (words,))
        if path.status is not None and path.status != 101 and path.status not in (401, 403, 404):
            words = f"The upgrade was answered with HTTP {path.status}: by a portal or proxy on the way."
            return Verdict("backup-cannot-reach-csms", 0.75, (words,))
        if path.how == "refused":
            known = bool(loss.old.ttl and path.reset_ttl)
            near = before is None or path.reset_rtt < 0 or _alike(path.reset_rtt, before)
            if (abs(loss.old.ttl - path.reset_ttl) <= 1) if known else near:
                words = "Attempts were refused from as far away as the CSMS is: the machine was up, the service not."
                return Verdict("csms-restart", 0.85, (words,))
            words = f"Attempts were refused by something nearer or on another path (TTL {path.reset_ttl})."
            return Verdict("backup-cannot-reach-csms", 0.7, (words,))
    if loss.two_uplinks and loss.stepped is False:
        # A dead uplink that is left for a backup comes back as another path. Here the same one came back, after
        # attempts that somebody else had to carry.
        words = (
            f"{_attempts(loss)}, and the path that led back is the one from before (round trips of"
            f" {_ms(loss.old.rtt)} and {_ms(loss.new.rtt if loss.new else None)}): the other uplink, which was seen"
            " before, did not carry it."
        )
        return Verdict("backup-cannot-reach-csms", 0.6, (words, *_repeat_words(loss)))
    return None


def _idle_kill(loss: Break) -> Verdict | None:
    if not loss.idle_kill or loss.stepped or loss.old.errors:
        return None
    if not (loss.answered_reset or loss.old.repeats):
        return None
    old = loss.old
    words = [
        f"Nothing had been said for {_seconds(old.idle)}, and what came then was"
        f" {'reset' if not old.repeats else 'not answered any more'};"
        f" silences of up to {_seconds(max(loss.survived, old.survived))} did no harm."
    ]
    sure = 0.65
    if loss.stepped is False:
        sure += 0.1
        words.append("The way back is the same path.")
    if loss.kills:
        sure += 0.15
        words.append(f"It has happened {loss.kills + 1} times.")
    return Verdict("nat-idle-kill", min(sure, 0.9), tuple(words))


def _other_way(loss: Break) -> tuple[str, ...]:
    """What else differs between the paths."""
    old, new = loss.old, loss.new
    if new is None:
        return ()
    found = []
    if old.ttl and new.ttl and old.ttl != new.ttl:
        found.append(f"Packets of the CSMS come with a time to live of {new.ttl} and no longer {old.ttl}: another way.")
    if old.mss and new.mss and old.mss != new.mss:
        found.append(
            f"The largest segment is {new.mss} bytes and no longer {old.mss}: there is a tunnel, or no longer."
        )
    return tuple(found)


def _reset(loss: Break) -> Verdict | None:
    """RST in answer to what the station sent."""
    if not loss.answered_reset:
        return None
    old = loss.old
    step = "" if loss.stepped is None else "another path" if loss.stepped else "a path just like it"
    after = _ms(loss.new.rtt if loss.new else None)
    way = (f"The way back is {step} ({_ms(old.rtt)} before, {after} after).",) if step else ()
    if not old.repeats:
        words = "The CSMS's side reset the connection at the first packet, with no repeat before it."
        sure = 0.85 if loss.stepped else 0.5
        return Verdict("switch-flows-flushed", sure, (words, *way))
    if loss.silence > DEAD_NS:
        words = (
            f"Silence for {_seconds(loss.silence)}, then a reset: the path came back, or another one took its place."
        )
        return Verdict("blackhole", 0.75, (words, *_repeat_words(loss), *way))
    words = "The first packet was lost and the one after it reset: the router had moved and kept the flow."
    return Verdict("switch-flows-stranded", 0.9 if loss.stepped else 0.65, (words, *_repeat_words(loss), *way))


def _dead(loss: Break) -> Verdict | None:
    """Nothing came back at all."""
    old = loss.old
    if not old.pending or (old.how == "fin" and old.by_client is False):
        return None
    if not old.repeats and loss.silence < DEAD_NS:
        return None
    if loss.alive and loss.silence > DEAD_NS:
        words = f"While it was silent, {loss.alive} other connections to the same server were heard."
        return Verdict("switch-flows-stranded", 0.7, (words, *_repeat_words(loss)))
    sure = 0.6 + (0.15 if old.doubling else 0.0) + (0.05 if loss.silence > DEAD_NS else -0.1)
    words = f"What the station sent got no answer for {_seconds(loss.silence)}, neither a reset nor an error."
    more = _attempt_words(loss)
    if loss.failed and loss.stepped is False:
        sure = min(sure, 0.55)
        more += ("The same path came back; if the site has another uplink, that did not carry the CSMS either.",)
    return Verdict("blackhole", sure, (words, *_repeat_words(loss), *more))


def _server_left(loss: Break) -> Verdict | None:
    old = loss.old
    if not ended_by_server(old) or (loss.answered_reset and old.how == "rst" and old.pending):
        return None
    if old.close_code in RESTARTED:
        return Verdict("csms-restart", 0.85, (f"The CSMS closed with code {old.close_code}: it goes away.",))
    if loss.together:
        words = f"The CSMS's side ended it unasked, and {loss.together} other stations' connections with it."
        return Verdict("csms-restart", 0.75, (words,))
    if old.closing is None:
        return Verdict("csms-restart", 0.4, ("The CSMS's side ended it unasked, without a word.",))
    return None


def ended_by_server(old: PathSeen) -> bool:
    """Its end began on the CSMS's side."""
    if old.closing is not None:
        return old.closing_by_client is False
    return old.by_client is False and old.how in ("fin", "rst")


def _vanished(loss: Break) -> Verdict | None:
    """Nothing was seen of it any more: on one uplink of several, or from the CSMS's side."""
    old, new = loss.old, loss.new
    if old.how != "left" or old.inside or old.pending:
        return None
    if old.hops <= ROUTER_HOPS:
        words = "Seen from outside: the connection was not ended, its packets just left by another way from then on."
        return Verdict("switch-flows-stranded", 0.4, (words,))
    words = "Seen from afar: the station was not heard any more, and came back with another connection"
    if new is not None and new.connection.client.address != old.connection.client.address:
        address = new.connection.client.address
        return Verdict("switch-flows-stranded", 0.4, (f"{words}, from another address ({address}).",))
    if old.echoes >= 2:
        return Verdict("blackhole", 0.4, (f"{words}. What the CSMS sent meanwhile was repeated {old.echoes} times.",))
    return Verdict("unknown", 0.3, (f"{words}.",))


_RULES: Final[tuple[Callable[[Break], Verdict | None], ...]] = (
    _rebooted,
    _sim_changed,
    _switched,
    _station_itself,
    _moved_on_same_uplink,
    _backup_in_vain,
    _moved_outside,
    _unreachable,
    _in_vain_signs,
    _idle_kill,
    _server_left,
    _reset,
    _dead,
    _vanished,
)


# -------------------------------------------------------------------------------------------------------------- words


def _in_vain(loss: Break) -> bool:
    return bool(loss.failed)


def _returned(loss: Break) -> int | None:
    return loss.old.ended or (loss.new.connection.opened if loss.new else None)


def _attempts(loss: Break) -> str:
    number = len(loss.failed)
    return f"{number} attempt{'s' if number != 1 else ''} to connect came to nothing"


def _attempt_words(loss: Break) -> tuple[str, ...]:
    return (f"{_attempts(loss)}.",) if loss.failed else ()


def _repeat_words(loss: Break) -> tuple[str, ...]:
    number = loss.old.repeats
    if not number:
        return ()
    how = ", each time after twice as long" if loss.old.doubling else ""
    return (f"The station repeated itself {'once' if number == 1 else f'{number} times'}{how}.",)


def _icmp_words(loss: Break) -> tuple[str, ...]:
    errors = loss.old.errors
    return (f'{errors[0].reporter} said "{errors[0].kind} unreachable" to the station.',) if errors else ()


def _how(old: PathSeen) -> str:
    return {
        "fin": "It was closed, and nothing before it says why.",
        "rst": "It was reset, and nothing before it says why.",
        "left": "It was given up without a word.",
    }.get(old.how, "It ended, and nothing says why.")


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= STEP_NS or max(one, other) <= STEP * min(one, other)


def _neighbours(one: str, other: str) -> bool:
    """Addresses of one network, as far as can be told: the first three numbers agree."""
    return one != other and one.rpartition(".")[0] == other.rpartition(".")[0] and "." in one


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / SECOND:.1f} s" if nanoseconds >= SECOND else f"{nanoseconds / 1e6:.0f} ms"


def _ms(nanoseconds: int | None) -> str:
    return "?" if nanoseconds is None else f"{nanoseconds / 1e6:.0f} ms"
