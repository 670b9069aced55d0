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

from collections.abc import Callable, Sequence
from typing import Final

from fieldkit.site import outagerouter as router
from fieldkit.site.outage import Cause, Outage
from fieldkit.site.outageloss import (
    DEAD_NS,
    SECOND,
    STEP,
    STEP_NS,
    Break,
    Verdict,
    attempt_words,
    attempts,
    milliseconds,
    repeat_words,
    seconds,
    unsure,
)
from fieldkit.site.pathseen import PathSeen

FLAPS: Final = 3
FLAPPING_NS: Final = 300 * SECOND
"""So many switches within this time."""
TOGETHER_NS: Final = 3 * SECOND
RESTARTED: Final = frozenset({1001, 1012, 1013})
"""Close codes of a server that goes away (RFC 6455 §7.4.1; 1012 and 1013: IANA)."""
GATEWAY_DOWN: Final = frozenset({502, 503, 504})
POWER: Final = frozenset({"PowerUp"})
"""BootReasonEnumType of 2.x that tells of a power cut; 1.6 tells no reason."""
ROUTER_HOPS: Final = 2
"""Routers between a station and a capture on the uplink of its site; more are somewhere in the wide area."""
_SWITCHES: Final[frozenset[Cause]] = frozenset({"switch-flows-flushed", "switch-flows-stranded"})


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
    if booted and old.inside and old.client_ttl and not old.pending and old.echoes >= 2 and not bool(loss.failed):
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
        return Verdict("backup-cannot-reach-csms", 0.85, (words, *attempt_words(loss)))
    networks = [error for error in loss.old.errors if error.kind in ("network", "host")]
    if networks and (loss.cuts_short or loss.new is not None):
        back = _returned(loss)
        lasted = (back or networks[-1].time) - networks[0].time
        words = (
            f"{networks[0].reporter} had no way out for at least {seconds(lasted)}, with no other uplink to turn to;"
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
        after = milliseconds(loss.new.rtt if loss.new else None)
        words = (
            f"{attempts(loss)}, and the path that led back is the one from before (round trips of"
            f" {milliseconds(loss.old.rtt)} and {after}): the other uplink, which was seen before, did not carry it."
        )
        return Verdict("backup-cannot-reach-csms", 0.6, (words, *repeat_words(loss)))
    return None


def _idle_kill(loss: Break) -> Verdict | None:
    if not loss.idle_kill or loss.stepped or loss.old.errors:
        return None
    if not (loss.answered_reset or loss.old.repeats):
        return None
    old = loss.old
    words = [
        f"Nothing had been said for {seconds(old.idle)}, and what came then was"
        f" {'reset' if not old.repeats else 'not answered any more'};"
        f" silences of up to {seconds(max(loss.survived, old.survived))} did no harm."
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
    after = milliseconds(loss.new.rtt if loss.new else None)
    way = (f"The way back is {step} ({milliseconds(old.rtt)} before, {after} after).",) if step else ()
    if not old.repeats:
        words = "The CSMS's side reset the connection at the first packet, with no repeat before it."
        sure, doubt = unsure(loss, 0.85 if loss.stepped else 0.5)
        return Verdict("switch-flows-flushed", sure, (words, *way, *doubt))
    if loss.silence > DEAD_NS:
        words = f"Silence for {seconds(loss.silence)}, then a reset: the path came back, or another one took its place."
        return Verdict("blackhole", 0.75, (words, *repeat_words(loss), *way))
    words = "The first packet was lost and the one after it reset: the router had moved and kept the flow."
    sure, doubt = unsure(loss, 0.9 if loss.stepped else 0.65)
    return Verdict("switch-flows-stranded", sure, (words, *repeat_words(loss), *way, *doubt))


def _dead(loss: Break) -> Verdict | None:
    """Nothing came back at all."""
    old = loss.old
    if not old.pending or (old.how == "fin" and old.by_client is False):
        return None
    if not old.repeats:
        return None  # what is not acknowledged is repeated: it arrived, and the CSMS did not answer
    if loss.alive and loss.silence > DEAD_NS:
        words = f"While it was silent, {loss.alive} other connections to the same server were heard."
        return Verdict("switch-flows-stranded", 0.7, (words, *repeat_words(loss)))
    sure = 0.6 + (0.15 if old.doubling else 0.0) + (0.05 if loss.silence > DEAD_NS else -0.1)
    words = f"What the station sent got no answer for {seconds(loss.silence)}, neither a reset nor an error."
    more = attempt_words(loss)
    if loss.failed and loss.stepped is False:
        sure = min(sure, 0.55)
        more += ("The same path came back; if the site has another uplink, that did not carry the CSMS either.",)
    return Verdict("blackhole", sure, (words, *repeat_words(loss), *more))


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


def _returned(loss: Break) -> int | None:
    return loss.old.ended or (loss.new.connection.opened if loss.new else None)


def _how(old: PathSeen) -> str:
    return {
        "fin": "It was closed, and nothing before it says why.",
        "rst": "It was reset, and nothing before it says why.",
        "left": "It was given up without a word.",
    }.get(old.how, "It ended, and nothing says why.")


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= STEP_NS or max(one, other) <= STEP * min(one, other)


_RULES: Final[tuple[Callable[[Break], Verdict | None], ...]] = (
    router.rebooted,
    router.sim_changed,
    router.switched,
    _station_itself,
    router.moved_on_same_uplink,
    router.backup_in_vain,
    router.moved_outside,
    _unreachable,
    _in_vain_signs,
    _idle_kill,
    _server_left,
    _reset,
    _dead,
    _vanished,
)
