"""OCPP 1.6 over SOAP: the station posts to the CSMS, the CSMS posts to the station's own little HTTP server."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from fieldkit.events import MessageType, Sender
from tests.traffic.conversation import Said
from tests.traffic.segments import Address, Clock, Segment, TcpTalk

_SERVICE = {"station": "urn://Ocpp/Cs/2015/10/", "csms": "urn://Ocpp/Cp/2015/10/"}
"""Namespace of the service that each side calls: the central system's, the charge point's."""

_PATH = {"station": "/CentralSystemService", "csms": "/ChargePointService"}

Fields = Mapping[str, "str | Fields | list[str | Fields]"]


def elements(fields: Fields, prefix: str) -> str:
    """Nested XML elements."""
    parts = []
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            inner = escape(item) if isinstance(item, str) else elements(item, prefix)
            parts.append(f"<{prefix}:{name}>{inner}</{prefix}:{name}>")
    return "".join(parts)


class SoapTalk:
    """Both directions of one station's SOAP; each has its own TCP connection, kept alive from call to call."""

    def __init__(
        self,
        station: str,
        *,
        station_address: Address = ("192.168.7.31", 9221),
        csms_address: Address = ("203.0.113.5", 8080),
        clock: Clock,
        mss: int = 1448,
        chunked: bool = False,
    ) -> None:
        """``chunked``: the CSMS answers in chunks instead of with a Content-Length."""
        self.station = station
        self.clock = clock
        self.said: list[Said] = []
        self._chunked = chunked
        self._ids = 0
        self._talks: dict[Sender, TcpTalk] = {
            "station": TcpTalk(clock, (station_address[0], 51_000), csms_address, mss=mss, first=(70_000, 90_000)),
            "csms": TcpTalk(clock, (csms_address[0], 52_000), station_address, mss=mss, first=(20_000, 40_000)),
        }

    @property
    def segments(self) -> list[Segment]:
        talks = self._talks.values()
        return sorted((segment for talk in talks for segment in talk.segments), key=lambda segment: segment.time)

    def open(self, caller: Sender) -> None:
        """The caller's TCP connection."""
        self._talks[caller].open()

    def close(self, caller: Sender) -> None:
        self._talks[caller].close(by_client=True)

    def call(self, caller: Sender, action: str, fields: Fields, *, after: float = 0.5) -> str:
        """POST a call; returns its MessageID."""
        self.clock.wait(after)
        self._ids += 1
        id_ = f"urn:uuid:00000000-0000-4000-8000-{self._ids:012}"
        talk, back = self._talks[caller], self._talks[_other(caller)]
        header = (
            f"<a:MessageID>{id_}</a:MessageID><a:From><a:Address>{_url(back, _other(caller))}</a:Address></a:From>"
            "<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>"
            f"<a:To>{_url(talk, caller)}</a:To>"
        )
        xml = self._envelope(caller, action, f"{_element(action)}Request", fields, header)
        lines = [
            f"POST {_PATH[caller]} HTTP/1.1",
            f"Host: {talk.server[0]}:{talk.server[1]}",
            f'Content-Type: application/soap+xml; charset=utf-8; action="/{action}"',
            f"Content-Length: {len(xml.encode())}",
        ]
        self._post(caller, True, lines, xml.encode())
        self._note(caller, MessageType.CALL, id_, action, xml)
        return id_

    def answer(self, caller: Sender, id_: str, action: str, fields: Fields) -> None:
        """The HTTP response to the caller's call."""
        relates = f'<a:RelatesTo RelationshipType="http://www.w3.org/2005/08/addressing/reply">{id_}</a:RelatesTo>'
        xml = self._envelope(caller, f"{action}Response", f"{_element(action)}Response", fields, relates)
        self._respond(caller, 200, "OK", xml)
        self._note(_other(caller), MessageType.CALLRESULT, id_, action, xml)

    def fault(self, caller: Sender, id_: str, action: str, subcode: str, reason: str) -> None:
        """SOAP 1.2 Part 1 §5.4, as OCPP-S has it."""
        body = (
            f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>o:{subcode}</s:Value></s:Subcode></s:Code>"
            f'<s:Reason><s:Text xml:lang="en">{escape(reason)}</s:Text></s:Reason></s:Fault>'
        )
        header = f"<a:Action>http://www.w3.org/2005/08/addressing/soap/fault</a:Action><a:RelatesTo>{id_}</a:RelatesTo>"
        xml = self._wrap(caller, header, body)
        self._respond(caller, 500, "Internal Server Error", xml)
        self._note(_other(caller), MessageType.CALLERROR, id_, action, xml)

    # ------------------------------------------------------------------------------------------------------------ parts

    def _note(self, sender: Sender, type_: MessageType, id_: str, action: str, xml: str) -> None:
        self.said.append(Said(self.station, sender, type_, id_, action, xml, 0, 0))

    def _envelope(self, caller: Sender, action: str, element: str, fields: Fields, header: str) -> str:
        identity = f"<o:chargeBoxIdentity>{escape(self.station)}</o:chargeBoxIdentity>"
        body = f"<o:{element}>{elements(fields, 'o')}</o:{element}>"
        return self._wrap(caller, f"{identity}<a:Action>/{action}</a:Action>{header}", body)

    @staticmethod
    def _wrap(caller: Sender, header: str, body: str) -> str:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
            f' xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:o="{_SERVICE[caller]}">'
            f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )

    def _respond(self, caller: Sender, status: int, reason: str, xml: str) -> None:
        data = xml.encode()
        lines = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/soap+xml; charset=utf-8"]
        if self._chunked and caller == "station":
            lines.append("Transfer-Encoding: chunked")
            pieces = [data[at : at + 300] for at in range(0, len(data), 300)]
            data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(data)}")
        self._post(caller, False, lines, data)

    def _post(self, caller: Sender, from_client: bool, lines: list[str], body: bytes) -> None:
        self._talks[caller].send(from_client, "\r\n".join([*lines, "", ""]).encode() + body)


def _element(action: str) -> str:
    """Element names begin with a small letter: bootNotificationRequest."""
    return action[0].lower() + action[1:]


def _url(talk: TcpTalk, caller: Sender) -> str:
    """Where the caller's calls go."""
    host, port = talk.server
    return f"http://{host}:{port}{_PATH[caller]}"


def _other(sender: Sender) -> Sender:
    return "csms" if sender == "station" else "station"
