"""What certificates point to: the issuer's certificate, the responder, the revocation list. Only when asked for.

Whoever fetches tells a third party whom he is looking at, so nobody is asked without the user's consent, over plain
HTTP only (as RFC 5280 §4.2.2.1 has it: TLS would need certificates in turn), one hop, with limits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from fieldkit.sources.tlsprobe import targets
from fieldkit.sources.tlsprobe.conversation import Traffic
from fieldkit.sources.tlsprobe.engine import MAX_RECEIVED, Engine
from fieldkit.sources.tlsprobe.plan import Limits, Plan, Task
from fieldkit.sources.tlsprobe.posture import Posture
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.containers import read_file
from fieldkit.trust.crl import judge_crl, read_crl
from fieldkit.trust.der import DerError
from fieldkit.trust.ocsp import Revocation, build_request, judge_bytes
from fieldkit.wire.httphead import parse_fields, parse_status_line

FETCH_S: Final = 4.0
ALL_S: Final = 6.0
"""For everything that one target's certificates point to, names included."""
MAX_ASKED: Final = 6
"""Addresses that are asked for one target."""
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(slots=True)
class Fetched:
    """What came back."""

    issuers: list[Certificate] = field(default_factory=list)
    responses: dict[str, bytes] = field(default_factory=dict)
    """OCSP, by fingerprint of the certificate asked about."""
    lists: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be had, in sentences."""
    revocation_wanted: bool = False

    def revocation(self, leaf: Certificate, issuer: Certificate, at: int) -> Revocation | None:
        """The best of what is known: an answer beats none, and "revoked" beats all."""
        found: list[Revocation] = []
        response = self.responses.get(leaf.fingerprint)
        if response is not None:
            found.append(judge_bytes(response, leaf, issuer, at=at))
        for data in self.lists:
            try:
                found.append(judge_crl(read_crl(data), leaf, issuer, at=at))
            except DerError as error:
                found.append(Revocation("unusable", f"The revocation list cannot be read: {error}."))
        order = ("revoked", "good", "unknown", "unusable")
        if not found and self.revocation_wanted and (leaf.extensions.ocsp or leaf.extensions.crls):
            return Revocation("unusable", "Nobody who is named in the certificate gave an answer.")
        return min(found, key=lambda one: order.index(one.status)) if found else None


class HttpTalk:
    """One request of HTTP/1.0, whose answer ends with the connection."""

    window = 0

    def __init__(self, url: str, body: bytes = b"", kind: str = "") -> None:
        parts = urlsplit(url)
        self.patience = FETCH_S
        self.again()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = [f"{'POST' if body else 'GET'} {path} HTTP/1.0", f"Host: {parts.netloc}", "Accept: */*"]
        if body:
            head += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        self._request = "\r\n".join([*head, "", ""]).encode("ascii", "replace") + body

    def again(self) -> None:
        """Nothing was said, nothing came."""
        self.traffic = Traffic()
        self.done = False
        self.status = 0
        self._data = b""

    def begin(self) -> bytes:
        """The request."""
        return self._request

    def feed(self, data: bytes) -> bytes:
        """Some of the answer; the engine bounds all of it."""
        self._data += data
        head, body = self._parts()
        if head is not None:
            length = head.get("content-length", "")
            self.done = length.isascii() and length.isdigit() and len(body) >= int(length[:9])
        return b""

    def finish(self) -> None:
        """The connection is over."""

    @property
    def content(self) -> bytes:
        """The body, if the answer is a good one."""
        head, body = self._parts()
        return body if head is not None and self.status == 200 and len(body) < MAX_RECEIVED else b""

    def _parts(self) -> tuple[dict[str, str] | None, bytes]:
        found = _HEAD_END.search(self._data)
        if found is None:
            return None, b""
        line, _, block = self._data[: found.start()].partition(b"\n")
        status = parse_status_line(line)
        self.status = status.status if status is not None else 0
        return parse_fields(block).headers, self._data[found.end() :]


@dataclass(slots=True)
class _Wish:
    url: str
    what: str
    take: Callable[[bytes], None]
    body: bytes = b""
    kind: str = ""


def fetch(
    chains: Iterable[list[Certificate]], *, issuers: bool, revocation: bool, say: Callable[[str], None]
) -> Fetched:
    """For the leaves of these chains; ``say`` is told before anybody is asked. It takes ``ALL_S`` at most."""
    fetched = Fetched(revocation_wanted=revocation)
    deadline = time.monotonic() + ALL_S
    chains = [chain for chain in chains if chain]
    if issuers:
        wishes = []
        for chain in chains:
            last = _last(chain)
            if not last.self_issued:
                wishes += [
                    _Wish(url, f"the certificate of {last.issuer.label}", lambda data: _take_issuers(fetched, data))
                    for url in last.extensions.issuers[:1]
                ]
        _ask(wishes, fetched, say, deadline)
    if revocation:
        wishes = []
        for chain in chains:
            leaf = chain[0]
            issuer = next((one for one in (*chain, *fetched.issuers) if one.subject.same(leaf.issuer)), None)
            if issuer is not None:
                wishes += _status_wishes(leaf, issuer, fetched)
        _ask(wishes, fetched, say, deadline)
    return fetched


def _last(chain: list[Certificate]) -> Certificate:
    """Where the chain ends, whatever order it was sent in."""
    last = chain[0]
    for _ in chain:
        above = next((one for one in chain if one.subject.same(last.issuer) and one is not last), None)
        if above is None:
            return last
        last = above
    return last


def _status_wishes(leaf: Certificate, issuer: Certificate, fetched: Fetched) -> list[_Wish]:
    def take_response(data: bytes) -> None:
        fetched.responses[leaf.fingerprint] = data

    wishes = [
        _Wish(url, f"whether the certificate of {leaf.label} is revoked (OCSP)", take_response,
              build_request(leaf, issuer), "application/ocsp-request")
        for url in leaf.extensions.ocsp[:1]
    ]  # fmt: skip
    wishes += [
        _Wish(url, f"the revocation list of {issuer.label}", fetched.lists.append) for url in leaf.extensions.crls[:1]
    ]
    return wishes


def _take_issuers(fetched: Fetched, data: bytes) -> None:
    fetched.issuers += read_file(data).certificates


def _ask(wishes: list[_Wish], fetched: Fetched, say: Callable[[str], None], deadline: float) -> None:
    asked: list[tuple[_Wish, targets.Target]] = []
    seen: set[tuple[str, bytes]] = set()
    for wish in wishes:
        if (wish.url, wish.body) in seen or len(seen) >= MAX_ASKED:
            continue
        seen.add((wish.url, wish.body))
        try:
            parts = urlsplit(wish.url)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            host, port = "", 0
        if parts.scheme.lower() != "http" or not host:
            fetched.failures.append(f"{wish.url} is not asked: only http:// is")
            continue
        say(f"asking {host}:{port}, which the certificate names, for {wish.what}")
        asked.append((wish, targets.Target(wish.url, host, port, False, parts.path)))
    plans: list[Plan] = []
    talks: list[tuple[_Wish, HttpTalk]] = []
    names = targets.resolve_all([target for _, target in asked], patience=max(deadline - time.monotonic(), 0.0))
    for (wish, target), (resolved, _) in zip(asked, names, strict=True):
        if not resolved.addresses:
            fetched.failures.append(resolved.error)
            continue
        way = targets.way(*resolved.addresses[0])
        seconds = min(FETCH_S, max(deadline - time.monotonic(), 0.0))
        plan = Plan(way, Posture(target, way), Limits(seconds=seconds, bytes=2 * MAX_RECEIVED))
        talks.append((wish, HttpTalk(wish.url, wish.body, wish.kind)))
        plan.add(0, "", _say(talks[-1][1]))
        plans.append(plan)
    Engine().run(plans)
    for wish, talk in talks:
        if talk.content:
            wish.take(talk.content)
        else:
            why = f"status {talk.status}" if talk.status else talk.traffic.reason or talk.traffic.end.value
            fetched.failures.append(f"{wish.url} gave nothing: {why}")


def _say(talk: HttpTalk) -> Task:
    yield talk
