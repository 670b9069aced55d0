"""What happened on a connection, in a few words for one line.

Pure functions of events: which of them are worth a line, and where, is ``lines``' business. Text from the wire comes
out safe for a terminal and without secrets.
"""

from __future__ import annotations

from typing import Final

from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    DecodeError,
    Endpoint,
    HttpRequest,
    HttpResponse,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    Unanswered,
    WsControl,
)
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.safetext import terminal

_TEXT_LIMIT: Final = 100
"""Characters of one text from the wire: a path, a reason, a header."""

_MS, _S = 1_000_000, 1_000_000_000
_MINUTE, _HOUR, _DAY = 60 * _S, 3600 * _S, 86_400 * _S

_CLOSE_CODES: Final = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1006: "abnormal closure",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failed",
}
"""RFC 6455 §7.4.1 and the IANA registry it founded."""

_TLS_VERSIONS: Final = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}

_HINTS: Final = ("www-authenticate", "location", "retry-after", "sec-websocket-version")
"""Headers of a refusal that say what would have been right."""


def show(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Text from the wire: bounded, no secrets, harmless."""
    return terminal(conceal_text(text[: 4 * limit]), limit)


def endpoint(end: Endpoint) -> str:
    """``10.0.0.5:9000``, ``[2001:db8::5]:9000``."""
    address = terminal(end.address, 45)
    return f"[{address}]:{end.port}" if ":" in address else f"{address}:{end.port}"


def route(connection: Connection) -> str:
    """From whom to whom."""
    return f"{endpoint(connection.client)} → {endpoint(connection.server)}"


def duration(ns: int) -> str:
    """How long something took: the two units that matter, or three digits."""
    if ns < 0:
        return "-" + duration(-ns)
    if ns < 9_950_000:
        return f"{ns / _MS:.1f} ms"
    if ns < 999_500_000:
        return f"{ns / _MS:.0f} ms"
    if ns < _MINUTE:
        return f"{ns / _S:.1f} s" if ns < 59_950_000_000 else "1 min"
    if ns < _HOUR - _S // 2:
        return _two(ns, _MINUTE, "min", _S, "s")
    return _two(ns, _HOUR, "h", _MINUTE, "min") if ns < _DAY - _MINUTE // 2 else _two(ns, _DAY, "d", _HOUR, "h")


def _two(ns: int, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod((ns + small // 2) // small, large // small)
    return f"{whole} {large_name}" + (f" {rest} {small_name}" if rest else "")


# ----------------------------------------------------------------------------------------------------------- upgrade


def asks_upgrade(request: HttpRequest | None) -> bool:
    """Whether a request means to become a WebSocket; some proxies strip ``Upgrade`` and leave the key."""
    if request is None:
        return False
    return "websocket" in request.headers.get("upgrade", "").lower() or "sec-websocket-key" in request.headers


def speaks_of_ocpp(response: HttpResponse) -> bool:
    """Whether either side names an OCPP subprotocol."""
    said = response.headers.get("sec-websocket-protocol", "")
    if response.request is not None:
        said += response.request.headers.get("sec-websocket-protocol", "")
    return "ocpp" in said.lower()


def upgraded(response: HttpResponse, client: TlsHello | None, server: TlsHello | None) -> tuple[str, str]:
    """A WebSocket that was opened: what was agreed on, and what is wrong with that (or "")."""
    request = response.request
    agreed = response.headers.get("sec-websocket-protocol", "")
    offered = request.headers.get("sec-websocket-protocol", "") if request is not None else ""
    extensions = response.headers.get("sec-websocket-extensions", "").lower()
    parts = [
        route(response.connection) + (f" {show(request.target)}" if request is not None else ""),
        show(agreed, 40) or ("no subprotocol" if response.complete else ""),
        "compressed" if "permessage-deflate" in extensions else "not compressed" if response.complete else "",
        tls_hellos(client, server) if server is not None else "",
        _credentials(request.credentials, complete=request.complete) if request is not None else "request not seen",
        "" if response.complete else "answer cut in the capture",
    ]
    wrong = ""
    if request is not None and request.complete and response.complete:
        station = f"station offered {show(offered) or 'none'}"
        if not agreed:
            wrong = f"server selected no subprotocol; {station}"
        elif agreed.lower() not in [name.strip().lower() for name in offered.split(",")]:
            wrong = f"server selected a subprotocol that it was not offered; {station}"
    return ", ".join(filter(None, parts)), wrong


def upgrade_refused(response: HttpResponse) -> str:
    """An upgrade that was answered by anything but 101."""
    hints = [f"{name}: {show(response.headers[name])}" for name in _HINTS if response.headers.get(name)]
    verdict = f"{response.status} {show(response.reason, 60)}".rstrip()
    return "; ".join([f"{verdict} for {_asked(response.request)}", *hints])


def upgrade_unanswered(request: HttpRequest) -> str:
    """An upgrade that got no answer before the connection ended."""
    return f"no answer to {_asked(request)}"


def http_answer(response: HttpResponse) -> str:
    """An answer that is not the answer to an upgrade."""
    request = response.request
    what = f" to {show(request.method, 20)} {show(request.target)}" if request is not None else ""
    return f"{response.status} {show(response.reason, 60)}".rstrip() + what


def _asked(request: HttpRequest | None) -> str:
    if request is None:
        return "an upgrade that was not seen"
    offered = request.headers.get("sec-websocket-protocol", "")
    server = endpoint(request.connection.server)
    return (
        f"{show(request.method, 20)} {show(request.target)} at {server}, which offered"
        f" {show(offered, 60) or 'no subprotocol'} and {_credentials(request.credentials, full=True)}"
        if request.complete
        else f"{show(request.method, 20)} {show(request.target)} at {server}, which the capture cuts"
    )


def _credentials(credentials: BasicCredentials | None, full: bool = False, complete: bool = True) -> str:
    if credentials is None:
        return "no Basic auth" if complete else "request cut in the capture"
    text = f'Basic auth as "{show(credentials.user, 48)}"'
    if full:
        # A key sent as hex instead of the bytes that it stands for is a classic: 40 characters where 20 are expected.
        text += f" (password of {credentials.password_length} bytes, {credentials.password_shape})"
    return text


# --------------------------------------------------------------------------------------------------------------- tls


def tls_hellos(client: TlsHello | None, server: TlsHello | None) -> str:
    """What the handshake agreed on, or what the client asked for."""
    if server is not None:
        said = _tls_version(server.version)
    elif client is not None:
        versions = sorted({version for version in client.versions if version in _TLS_VERSIONS})
        said = "client offers " + (", ".join(map(_tls_version, versions)) or _tls_version(client.version))
    else:
        said = "TLS"
    if client is not None:
        said += f" to {show(client.server_name)}" if client.server_name else " without a server name"
    return said + ", session resumed" * (server is not None and server.resumed)


def _tls_version(version: int) -> str:
    return _TLS_VERSIONS.get(version, f"TLS version 0x{version:04x}")


def certificates(event: TlsCertificates) -> str:
    """How many certificates, from whom."""
    who = "client" if event.from_client else "server"
    count = len(event.chain)
    if not count:
        return f"{who} sent no certificate"
    size = sum(map(len, event.chain))
    return f"{who} sent {count} certificate{'s' * (count != 1)}, {size} bytes"


def alert(event: TlsAlert) -> str:
    """A TLS alert with its number and its sender."""
    sender = event.connection.client if event.from_client else event.connection.server
    who = "client" if event.from_client else "server"
    if event.description < 0:  # nobody can read it; its length shows what it is
        return f"{show(event.name, 60)} from {who} {endpoint(sender)}"
    kind = "fatal alert" if event.fatal else "alert"
    return f"{kind} {show(event.name, 40)} ({event.description}) from {who} {endpoint(sender)}"


# --------------------------------------------------------------------------------------------------------- the ends


def websocket_closed(event: WsControl, who: str) -> str:
    """A close frame."""
    meaning = _CLOSE_CODES.get(event.code or 0, "")
    code = "without a code" if event.code is None else f"{event.code} {meaning}".rstrip()
    reason = f' "{show(event.reason)}"' if event.reason and event.reason.lower() != meaning else ""
    return f"by {who}: WebSocket close {code}{reason}"


def failed_to_connect(event: ConnectionClosed) -> str:
    """A connection that never came about."""
    why = "refused" if event.how == "refused" else "no answer"
    return f"TCP connection {route(event.connection)}: {why}"


def tcp_closed(event: ConnectionClosed, who: str | None) -> str:
    """The end of a connection."""
    lasted = f" after {duration(event.time - event.connection.opened)}"
    by = f" by {who}" if who else ""
    match event.how:
        case "fin":
            return f"TCP connection closed{by}{lasted}"
        case "rst":
            return f"TCP connection reset{by}{lasted}"
        case "timeout":
            return f"silent for too long, given up{lasted}"
        case "replaced":
            return f"its ports were taken by a new connection{lasted}"
        case "end-of-capture":
            # A station that reconnects leaves several behind: the port tells them apart.
            return f"{endpoint(event.connection.client)} still open at the end of the capture{lasted}"
    return f"{event.how}{lasted}"


PACKETS_CUT: Final = "packets are cut: the capture keeps only the beginning of long ones (told once a connection)"


def packets_cut(packets: int, missing: int) -> str:
    """How much is missing of a connection because of the capture's snap length."""
    return f"{packets} packets were cut in all, {missing} bytes of them are missing"


def no_answer(event: Unanswered) -> tuple[str, str]:
    """Why a CALL has no answer, and its sign: "!" where somebody failed, "*" where only the capture did."""
    call = event.call
    who = "station" if call.sender == "csms" else "CSMS"
    waited = duration(event.time - call.time) if 0 < call.time <= event.time else ""
    match event.why:
        case "capture-ended" if call.channel.connection is None:
            return "*", "no answer in the log"
        case "capture-ended":
            return "*", "no answer in the capture" + (f", which ends {waited} later" if waited else "")
        case "bytes-missing":
            return "*", f"no answer seen; bytes from the {who} are missing in between"
        case "given-up":
            return "!", "no answer; too many CALLs are open"
    return "!", f"never answered by {who}" + (f", waited {waited}" if waited else "")


def one_sided(event: Unanswered) -> str:
    """Nothing of the other side was seen."""
    who = "station" if event.call.sender == "station" else "CSMS"
    where = "log" if event.call.channel.connection is None else "capture"
    return f"only the {who}'s side is in the {where}: answers cannot be seen"


def broken(event: DecodeError) -> str:
    """Something that could not be decoded."""
    lost = f" ({event.lost} bytes lost)" if event.lost else ""
    return f"{terminal(event.layer, 20)}: {show(event.reason, 200)}{lost}"
