"""The way up: a connection that is refused, an upgrade that is turned away, a version that is not agreed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Severity
from fieldkit.checks.handshakekinds import (
    EXTENSION,
    HEX_KEY,
    MISSING,
    NO_ANSWER,
    NOT_OFFERED,
    NOT_SELECTED,
    NOT_WEBSOCKET,
    PROBE,
    REDIRECTED,
    REFUSED,
    REFUSED_400,
    REFUSED_401,
    REFUSED_403,
    REFUSED_404,
    SHORT_PASSWORD,
    UNAVAILABLE,
    UNKNOWN_NAME,
    USER,
    VERSION_CHANGED,
)
from fieldkit.checks.onwire import MAX_SHOWN, MAX_STATIONS, bounded, quoted, server_of
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.events import BasicCredentials, ConnectionClosed, Event, HttpRequest, HttpResponse
from fieldkit.site.link import Link, asks_upgrade, identity_of, speaks_ocpp
from fieldkit.site.picture import Picture

CHALLENGE_NS: Final = 30 * SECOND
"""A client may ask without a password first and be told 401 (RFC 9110 §11.6.1): so soon it asks again."""
ANSWER_NS: Final = 5 * SECOND
"""Time in which an answer to an upgrade request may be expected; who gives up earlier has not waited for it."""
PROBE_NS: Final = 15 * SECOND
"""A connection that ends so soon without a message was opened to try something out (seen: about 3 s)."""
PROBE_FOLLOWED_NS: Final = 60 * SECOND
"""… if the next one comes so soon."""
INSISTENT: Final = 3
"""Upgrades in a row that a server calls itself unavailable for: no hiccup any more."""
SHORTEST_PASSWORD: Final = 16
"""Bytes (1.6 security white paper A00.FR.205, 2.x A00.FR.205)."""
KEY_IN_HEX: Final = range(32, 41)
"""Characters that 16 to 20 bytes have when written in hex (1.6 AuthorizationKey)."""


_KNOWN_NAMES: Final = frozenset({"ocpp1.2", "ocpp1.5", "ocpp1.6", "ocpp2.0", "ocpp2.0.1", "ocpp2.1"})


@dataclass(slots=True)
class _Seen:
    """What is remembered of a station between its connections."""

    agreed: str = ""
    """Subprotocol of its last connection that was let in."""
    probe: tuple[str, int, ConnectionClosed] | None = None
    """Subprotocol, duration and end of a connection without a message."""
    unavailable: int = 0
    """Upgrades in a row that were answered by 5xx."""
    challenge: Finding | None = None
    """A 401 to a request without a password: perhaps the first half of a usual login."""


@dataclass(slots=True)
class _Pending:
    """A handshake with a fault, whose weight depends on whether messages follow."""

    response: HttpResponse
    kinds: list[tuple[Kind, dict[str, object]]] = field(default_factory=list)


class UpgradeCheck(Check):
    """The upgrade request and its answer."""

    kinds = (
        REFUSED_401, REFUSED_403, REFUSED_404, REFUSED_400, REDIRECTED, UNAVAILABLE, NOT_WEBSOCKET, REFUSED, NO_ANSWER,
        MISSING, UNKNOWN_NAME, NOT_SELECTED, NOT_OFFERED, EXTENSION, USER, HEX_KEY, SHORT_PASSWORD, PROBE,
        VERSION_CHANGED,
    )  # fmt: skip
    wants = frozenset({HttpResponse, HttpRequest, ConnectionClosed})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._stations: dict[str, _Seen] = {}
        self._pending: dict[int, _Pending] = {}
        self._asked: dict[int, HttpRequest] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge an upgrade, or what became of it."""
        if isinstance(event, HttpRequest):
            if asks_upgrade(event) and speaks_ocpp(event):
                bounded(self._asked)[event.connection.number] = event
        elif isinstance(event, HttpResponse):
            self._asked.pop(event.connection.number, None)
            request = event.request
            link = picture.links.get(event.connection)
            if request is not None and link is not None and asks_upgrade(request) and request.complete:
                if event.status == 101:
                    return list(self._let_in(event, request, link))
                if speaks_ocpp(request):
                    return list(self._turned_away(event, request))
        elif isinstance(event, ConnectionClosed):
            return list(self._ended(event, picture))
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Logins of which only the first half was seen were turned away after all."""
        for station in self._stations.values():
            challenge = station.challenge
            if challenge is not None:
                first = challenge.evidence[0]
                end = picture.end_of(first.connection.source) if isinstance(first, HttpRequest) else picture.time
                # The second half may only be missing because the capture ends.
                soon = end - challenge.time <= CHALLENGE_NS
                yield replace(challenge, severity="warning") if soon else challenge
        for number, pending in self._pending.items():
            yield from self._weighed(pending, picture.links.all.get(number))

    def _seen(self, station: str) -> _Seen:
        seen = self._stations.get(station)
        if seen is None:
            seen = bounded(self._stations, MAX_STATIONS)[station] = _Seen()
        return seen

    # ------------------------------------------------------------------------------------------------- turned away

    def _turned_away(self, response: HttpResponse, request: HttpRequest) -> Iterator[Finding]:
        station = identity_of(request.target)
        seen = self._seen(station)
        status = response.status
        kind = _kind_of(status)
        severity: Severity | None = None
        seen.unavailable = seen.unavailable + 1 if kind is UNAVAILABLE else 0
        if seen.unavailable >= INSISTENT:
            severity = "critical"
        offered = request.headers.get("sec-websocket-protocol", "")
        if kind is REFUSED_400 and not offered:
            yield _finding(MISSING, response, {"outcome": f"{server_of(response.connection)} refused it."}, "critical")
            return
        finding = _finding(
            kind,
            response,
            {
                "sent": _sent(request),
                "hint": _version_hint(response),
                "location": _field(response, "location", " to "),
                "retry": _field(response, "retry-after", ' and asks to wait: "', '"'),
            },
            severity,
        )
        if status == 401 and "authorization" not in request.headers:
            if seen.challenge is not None:
                yield seen.challenge
            seen.challenge = finding
            return
        if seen.challenge is not None:
            challenge, seen.challenge = seen.challenge, None
            if response.time - challenge.time > CHALLENGE_NS or "authorization" not in request.headers:
                yield challenge
        yield finding
        if status in (401, 403):
            yield from _of_credentials(response, request, refused=True)

    # ------------------------------------------------------------------------------------------------------ let in

    def _let_in(self, response: HttpResponse, request: HttpRequest, link: Link) -> Iterator[Finding]:
        if not response.complete:
            return
        pending = _Pending(response)
        offered = [name.strip() for name in link.offered.split(",") if name.strip()]
        if not offered:
            pending.kinds.append((MISSING, {}))
        elif not _KNOWN_NAMES.intersection(name.lower() for name in offered):
            if not speaks_ocpp(request):
                return  # another protocol on another server
            pending.kinds.append((UNKNOWN_NAME, {}))
        elif not link.agreed:
            pending.kinds.append((NOT_SELECTED, {}))
        if link.agreed and link.agreed not in offered:
            pending.kinds.append((NOT_OFFERED, {"agreed": quoted(link.agreed)}))
        if link.deflate and "permessage-deflate" not in request.headers.get("sec-websocket-extensions", "").lower():
            pending.kinds.append((EXTENSION, {}))
        if pending.kinds:
            bounded(self._pending)[response.connection.number] = pending
        if not speaks_ocpp(request):
            return
        station = identity_of(request.target)
        seen = self._seen(station)
        seen.unavailable = 0
        if seen.challenge is not None:
            if response.time - seen.challenge.time > CHALLENGE_NS or "authorization" not in request.headers:
                yield seen.challenge
            seen.challenge = None
        yield from _of_credentials(response, request, refused=False)
        agreed = link.agreed
        if seen.probe is not None and agreed:
            first, lasted, end = seen.probe
            seen.probe = None
            if first != agreed and response.time - end.time < PROBE_FOLLOWED_NS:
                values = {"first": quoted(first), "then": quoted(agreed), "after": duration(lasted)}
                seen.agreed = agreed
                yield Finding(PROBE, response.time, station, (end, response), values)
                return
        if agreed and seen.agreed and seen.agreed != agreed:
            values = {"first": quoted(seen.agreed), "then": quoted(agreed)}
            yield Finding(VERSION_CHANGED, response.time, station, (response,), values)
        seen.agreed = agreed or seen.agreed

    # ---------------------------------------------------------------------------------------------------- the end

    def _ended(self, closed: ConnectionClosed, picture: Picture) -> Iterator[Finding]:
        number = closed.connection.number
        link = picture.links.all.get(number)
        pending = self._pending.pop(number, None)
        if pending is not None:
            yield from self._weighed(pending, link)
        request = self._asked.pop(number, None)
        if link is None:
            return
        if request is not None and request.complete:
            yield from _never_answered(closed, request, link)
        upgraded = link.upgraded
        if upgraded is None or link.messages or link.gaps or link.agreed.lower() not in _KNOWN_NAMES:
            return
        if closed.how in ("fin", "rst") and closed.time - upgraded < PROBE_NS and pending is None:
            seen = self._stations.get(link.station)
            if seen is not None and seen.agreed == link.agreed:
                seen.probe = (link.agreed, closed.time - upgraded, closed)

    @staticmethod
    def _weighed(pending: _Pending, link: Link | None) -> Iterator[Finding]:
        """Critical when nothing was said on the connection; else it works, for now."""
        response = pending.response
        works = link is not None and link.messages > 0
        if not works and not (link is not None and link.ocpp):
            return  # somebody's other WebSocket
        severity: Severity | None = None
        if works:
            outcome, severity = "They talk all the same; another station or CSMS may not.", "warning"
        elif link is not None and link.how in ("fin", "rst"):
            by = {True: " by the station", False: " by the server", None: ""}[link.by_client]
            after = f" after {duration((link.closed or 0) - response.time)}"
            outcome, severity = f"Not one message followed; the connection was ended{by}{after}.", "critical"
        else:
            outcome, severity = "Not one message followed in this capture.", "warning"
        for kind, values in pending.kinds:
            yield _finding(kind, response, {**values, "outcome": outcome}, severity)


def _kind_of(status: int) -> Kind:
    if status in (500, 502, 503, 504, 429):
        return UNAVAILABLE
    if 300 <= status < 400:
        return REDIRECTED
    if status < 300:
        return NOT_WEBSOCKET
    return {400: REFUSED_400, 426: REFUSED_400, 401: REFUSED_401, 403: REFUSED_403, 404: REFUSED_404}.get(
        status, REFUSED
    )


def _finding(
    kind: Kind, response: HttpResponse, values: dict[str, object], severity: Severity | None = None
) -> Finding:
    request = response.request
    target = request.target if request is not None else ""
    offered = request.headers.get("sec-websocket-protocol", "") if request is not None else ""
    common = {
        "server": server_of(response.connection),
        "target": quoted(target),
        "offered": quoted(offered) if offered else "no OCPP version",
        "status": f"{response.status} {response.reason[:MAX_SHOWN]}".rstrip(),
    }
    evidence = (request, response) if request is not None else (response,)
    return Finding(kind, response.time, identity_of(target), evidence, {**common, **values}, severity=severity)


def _never_answered(closed: ConnectionClosed, request: HttpRequest, link: Link) -> Iterator[Finding]:
    """An upgrade without any answer, although the server's side of the connection is in the capture."""
    waited = closed.time - request.time
    if closed.by_client is not False and waited < ANSWER_NS:
        return  # the station did not wait for it
    if closed.how not in ("fin", "rst") or link.gaps or link.messages or link.is_websocket or link.heard[1]:
        return
    by = {True: "by the station", False: "by the server", None: "by both"}[closed.by_client]
    ended = f"was reset {by}" if closed.how == "rst" else f"was closed {by}"
    values = {
        "server": server_of(request.connection),
        "target": quoted(request.target),
        "waited": duration(waited),
        "ended": ended,
    }
    yield Finding(NO_ANSWER, request.time, identity_of(request.target), (request, closed), values)


def _of_credentials(response: HttpResponse, request: HttpRequest, *, refused: bool) -> Iterator[Finding]:
    """What is odd about user and password; that it was let in all the same makes it less of a matter."""
    credentials = request.credentials
    if credentials is None:
        return
    identity = identity_of(request.target)
    status = f"{response.status}"
    if identity and credentials.user != identity:
        values: dict[str, object] = {
            "user": quoted(credentials.user),
            "identity": quoted(identity),
            "status": status,
        }
        yield _finding(USER, response, values, None if refused else "info")
    length = credentials.password_length
    if refused and credentials.password_shape == "hex" and length in KEY_IN_HEX:
        yield _finding(HEX_KEY, response, {"length": length, "half": length // 2})
    elif length < SHORTEST_PASSWORD:
        yield _finding(SHORT_PASSWORD, response, {"length": length})


def _sent(request: HttpRequest) -> str:
    credentials = request.credentials
    if credentials is None:
        scheme = request.headers.get("authorization", "").partition(" ")[0][:MAX_SHOWN]
        return "an Authorization field that could not be read" if scheme else "no password"
    return f"user name {quoted(credentials.user)} and {_password(credentials)}"


def _password(credentials: BasicCredentials) -> str:
    shape = {"hex": ", all of them hex digits", "binary": ", not all of them text"}.get(credentials.password_shape, "")
    return f"a password of {counted(credentials.password_length, 'byte')}{shape}"


def _version_hint(response: HttpResponse) -> str:
    wanted = response.headers.get("sec-websocket-version", "")
    request = response.request
    asked = request.headers.get("sec-websocket-version", "") if request is not None else ""
    if wanted and asked and asked not in [one.strip() for one in wanted.split(",")]:
        return f" The server wants WebSocket version {wanted[:MAX_SHOWN]}, the station asked for {asked[:MAX_SHOWN]}."
    return ""


def _field(response: HttpResponse, name: str, before: str, behind: str = "") -> str:
    value = response.headers.get(name, "")
    return f"{before}{value[:MAX_SHOWN]}{behind}" if value else ""
