"""One OCPP SOAP envelope → who calls whom, for what, with what; and what is odd about it.

OCPP 1.2, 1.5 and 1.6 over SOAP 1.2 and WS-Addressing 1.0 ("OCPP-S"). Names are matched without their namespaces,
because senders disagree on those: stations put ``chargeBoxIdentity`` into the wrong one, leave prefixes undeclared,
send headers twice. It works between stacks that are as loose, and fails against one that is not. So it is no error here
but a ``Problem`` in plain words.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

from fieldkit.events import Problem, event
from fieldkit.ocpp.actions import is_known, nearest, sender_of
from fieldkit.ocpp.soaptypes import MAX_PROBLEMS, payload_of
from fieldkit.ocpp.soapxml import Document, Element, decode, parse

MAX_HEADER_TEXT: Final = 1024
"""Characters kept of an id or address: URLs and identities are far shorter."""
MAX_SALVAGE: Final = 64 << 10
"""Characters of broken XML that are searched: headers stand at the beginning."""
MAX_SHOWN: Final = 60
"""Characters of somebody's own text quoted in a problem."""

Service: TypeAlias = Literal["cs", "cp", ""]
"""Whose service is called: "cs" the central system's, by the station; "cp" the charge point's, by the CSMS."""
Kind: TypeAlias = Literal["request", "response", "fault", ""]

_SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
_SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"

_OCPP: Final = re.compile(r"urn://ocpp/(cs|cp)/(\d{4}/\d{2})/?", re.IGNORECASE)
_EXACT: Final = re.compile(r"urn://Ocpp/C[sp]/\d{4}/\d{2}/")
_VERSIONS: Final = {"2010/08": "1.2", "2012/06": "1.5", "2015/10": "1.6"}

_ADDRESSING_HEADERS: Final = frozenset(
    # WS-Addressing 1.0 Core §3.2
    {"messageid", "relatesto", "from", "to", "replyto", "faultto", "action"}
)
_IDENTITY: Final = "chargeboxidentity"
_SERVICE_OF: Final[dict[str | None, Service]] = {"station": "cs", "csms": "cp", None: ""}


@event
class SoapFault:
    """Why a request was refused (SOAP 1.2 Part 1 §5.4); prefixes are taken off the codes."""

    code: str
    """"Sender" or "Receiver"."""
    subcode: str
    """OCPP's own: "SecurityError", "IdentityMismatch", "ProtocolError" …"""
    reason: str
    detail: dict[str, Any]


@event
class SoapEnvelope:
    """What an envelope says. Whatever could not be read is empty."""

    version: str
    """"1.2", "1.5", "1.6"; empty when no namespace tells."""
    service: Service
    kind: Kind
    """Empty when it is no SOAP envelope, or one too broken to tell."""
    action: str
    """As in JSON: "BootNotification", for its response too. Empty for a fault without one."""
    identity: str
    message_id: str
    relates_to: str
    from_address: str
    to: str
    reply_to: str
    payload: dict[str, Any] | None
    """In the shape of the same message in JSON; None where the XML is broken."""
    fault: SoapFault | None
    text: str
    """The envelope as text."""
    problems: tuple[Problem, ...]


def parse_envelope(body: bytes, content_type: str = "") -> SoapEnvelope:
    """Read the body of an HTTP message (or what a log has of it); never fails."""
    text, complaint = decode(body, content_type)
    reading = _Reading(text)
    if complaint:
        reading.wrong("soap.encoding", "", complaint)
    if content_type.lstrip().lower().startswith("multipart/"):
        reading.wrong("soap.multipart", "", "the envelope has attachments (MTOM), which are not taken apart here")
        reading.salvage()
        return reading.envelope()
    trimmed = text.strip(" \t\r\n\0\ufeff")
    if not trimmed.startswith("<"):
        shown = f"text: {_shown(trimmed)}" if trimmed else "nothing"
        reading.wrong("soap.not-xml", "", f"where a SOAP envelope must be there is {shown}")
        return reading.envelope()
    if "\0" in text[-8:] or (trimmed.startswith("<?xml") and not text.startswith("<")):
        # XML 1.0 §2.8: a declaration stands at the very beginning; a C program may send its string's end
        reading.wrong("soap.padding", "", "there are bytes around the XML that strict parsers refuse")
    document = parse(trimmed)
    if document.wrong is not None:
        reading.wrong(document.wrong[0], "", document.wrong[1])
    if document.complete:
        reading.read(document, content_type)
    else:
        reading.salvage()
    return reading.envelope()


class _Reading:
    """An envelope being read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._problems: list[Problem] = []
        self._version = ""
        self._service: Service = ""
        self._kind: Kind = ""
        self._action = ""
        self._headers: dict[str, str] = {}
        self._payload: dict[str, Any] | None = None
        self._fault: SoapFault | None = None

    def wrong(self, rule: str, path: str, text: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(rule, path, text))

    def envelope(self) -> SoapEnvelope:
        said = self._headers.get
        return SoapEnvelope(
            self._version,
            self._service,
            self._kind,
            self._action,
            said(_IDENTITY, ""),
            said("messageid", ""),
            said("relatesto", ""),
            said("from", ""),
            said("to", ""),
            said("replyto", ""),
            self._payload,
            self._fault,
            self._text,
            tuple(self._problems),
        )

    # --------------------------------------------------------------------------------------------------- whole XML

    def read(self, document: Document, content_type: str) -> None:
        """Read a document whose root element is complete."""
        root = document.root
        assert root is not None
        if root.name != "Envelope":
            self.wrong("soap.envelope", "", f"the XML is no SOAP envelope but <{_shown(root.name)}>")
            return
        for prefix in list(document.undeclared)[:5]:
            reason = f'the prefix "{_shown(prefix)}" is used and not declared: strict parsers refuse this'
            self.wrong("soap.undeclared-prefix", "", reason)
        self._soap_version(root, content_type)
        header, body = root.child("Header"), root.child("Body")
        if header is not None:
            self._read_header(header)
        if body is None or not body.children:
            self.wrong("soap.body", "Body", "the envelope has no Body" if body is None else "the Body is empty")
            self._action = self._addressed_action(content_type)[0]
            return
        if len(body.children) > 1:
            self.wrong("soap.body", "Body", f"the Body has {len(body.children)} elements instead of one")
        message = body.children[0]
        addressed, suffix = self._addressed_action(content_type)
        if message.name == "Fault":
            self._kind = "fault"
            self._fault = _fault(message)
            self._payload = self._fault.detail
            self._action = addressed if is_known(addressed) else ""
        else:
            self._read_message(message, addressed, suffix)
            self._payload = payload_of(message, self._problems)
        self._place(document, header, message)
        self._check_addressing(header, addressed)

    def _soap_version(self, root: Element, content_type: str) -> None:
        media = content_type.partition(";")[0].strip().lower()
        if root.namespace == _SOAP_11:
            self.wrong("soap.version", "", "the envelope is SOAP 1.1, OCPP uses SOAP 1.2")
        elif root.namespace != _SOAP_12 and root.namespace is not None:
            self.wrong("soap.version", "", f'the namespace of the envelope is "{_shown(root.namespace)}", not SOAP\'s')
        elif media == "text/xml":
            self.wrong("soap.content-type", "", "text/xml is the media type of SOAP 1.1; strict stacks refuse it here")

    def _read_header(self, header: Element) -> None:
        twice: dict[str, None] = {}
        strange: dict[str, None] = {}
        for child in header.children:
            name = child.name.lower()
            must = child.attribute("mustUnderstand")
            path = f"Header.{child.name}"
            if must is not None and must.strip() not in ("0", "1", "true", "false"):
                self.wrong("soap.must-understand", path, f'mustUnderstand is "{_shown(must)}", not true or false')
            if name not in _ADDRESSING_HEADERS and name != _IDENTITY:
                if must is not None and must.strip() in ("1", "true"):
                    # SOAP 1.2 Part 1 §5.2.3: whoever does not know it must refuse the message
                    reason = (
                        f"{_shown(child.name)}, which OCPP does not have, must be understood: some will refuse this"
                    )
                    self.wrong("soap.must-understand", path, reason)
                continue
            if name in self._headers:
                twice[child.name] = None
                continue
            address = child.child("Address")
            # seen: <From> with the URL in it and no <Address>
            self._headers[name] = (child if address is None else address).text.strip()[:MAX_HEADER_TEXT]
            if name != _IDENTITY and child.namespace not in (_ADDRESSING, None):
                strange[child.namespace] = None
        if twice:
            names = _shown(", ".join(twice))
            self.wrong("soap.duplicate-header", "Header", f"more than one of {names}: the first counts here")
        for namespace in list(strange)[:3]:
            shown = f'"{_shown(namespace)}"' if namespace else "no namespace"
            self.wrong("soap.addressing", "Header", f"addressing headers in {shown} instead of {_ADDRESSING}")

    def _addressed_action(self, content_type: str) -> tuple[str, str]:
        """The action that the header, or else the media type, names; and its suffix. Some stacks send it whole:
        ``urn://Ocpp/Cs/2015/10/CentralSystemService/BootNotificationResponse``."""
        value = self._headers.get("action", "")
        if not value:
            # RFC 3902: application/soap+xml; action="/BootNotification"
            match = re.search(r"action\s{0,9}=\s{0,9}\"?([^\";\s]{1,200})", content_type)
            value = match[1] if match else ""
        return _split(value.rstrip("/").rpartition("/")[2])

    def _read_message(self, message: Element, addressed: str, addressed_suffix: str) -> None:
        name, suffix = _split(message.name)
        suffix = suffix or addressed_suffix
        if not suffix and self._headers.get("relatesto"):
            suffix = "Response"
        self._kind = "response" if suffix == "Response" else "request"
        self._action = name
        path = f"Body.{message.name}"
        if not is_known(name):
            meant = nearest(name)
            if meant.lower() == name.lower():
                self._action = meant
            else:
                hint = f"; {meant} may be meant" if meant else ""
                self.wrong("soap.operation", path, f"{_shown(name)} is no action of OCPP{hint}")
                return
        expected = self._action[:1].lower() + self._action[1:] + (suffix or "Request")
        if message.name != expected:
            self.wrong("soap.element-name", path, f"the element must be named {expected}: XML is exact about names")
        if addressed and addressed.lower() != self._action.lower():
            reason = f"the header says {_shown(addressed)}, the body says {self._action}"
            self.wrong("soap.action", "Header.Action", reason)

    def _place(self, document: Document, header: Element | None, message: Element) -> None:
        """Version and service: from the namespace of the message, else from what other namespaces there are."""
        identity = header.child(_IDENTITY) if header is not None else None
        spelt = message.namespace or ""
        service, version = _ocpp_namespace(spelt)
        if not version and self._kind != "fault" and message.namespace is not None:
            shown = f'"{_shown(spelt)}"' if spelt else "no namespace"
            self.wrong("soap.namespace", "Body", f"the message is in {shown} and not in one of OCPP's")
        elif version and not _EXACT.fullmatch(spelt):
            self.wrong("soap.namespace", "Body", f'the namespace is written "{_shown(spelt)}": exact spelling counts')
        of_identity = _ocpp_namespace(identity.namespace or "") if identity is not None else ("", "")
        declared = [place for place in map(_ocpp_namespace, document.namespaces) if place[1]]
        if not version:
            version = of_identity[1] or (declared[0][1] if declared else "")
            if len({place[0] for place in declared}) == 1:
                service = declared[0][0]
        elif identity is not None and of_identity[1] and of_identity != (service, version):
            there = _shown(identity.namespace or "")
            reason = f"chargeBoxIdentity is in {there}, the message in {_shown(spelt)}: strict receivers do not find it"
            self.wrong("soap.identity-namespace", "Header.chargeBoxIdentity", reason)
        by_action = _SERVICE_OF[sender_of(self._action)] if self._action else ""
        if by_action and service and by_action != service:
            owner = "the central system's" if by_action == "cs" else "the charge point's"
            self.wrong("soap.namespace", "Body", f"{self._action} belongs to {owner} service, not into {_shown(spelt)}")
        self._version = version
        self._service = by_action or service

    def _check_addressing(self, header: Element | None, addressed: str) -> None:
        """Of what OCPP-S asks of the header: that which somebody will miss."""
        said = self._headers
        if self._kind != "request":
            if not said.get("relatesto"):
                self.wrong(
                    "soap.relates-to", "Header", "RelatesTo is missing: only the connection tells what this answers"
                )
            return
        if not said.get(_IDENTITY):
            self.wrong(
                "soap.identity", "Header", "chargeBoxIdentity is missing: nothing says which station this is about"
            )
        if not said.get("messageid"):
            self.wrong("soap.message-id", "Header", "MessageID is missing")
        if not addressed:
            self.wrong("soap.action", "Header", "Action is missing, in the header and in the media type")
        if self._service == "cs" and not said.get("from"):
            self.wrong("soap.from", "Header", "From is missing: the CSMS does not learn where to reach this station")

    # -------------------------------------------------------------------------------------------------- broken XML

    def salvage(self) -> None:
        """Pick out of broken XML what can be read."""
        text = self._text[:MAX_SALVAGE]
        for name in (_IDENTITY, "messageid", "relatesto", "to", "action"):
            match = _PARTS[name].search(text)
            if match is not None:
                self._headers[name] = _unescape(match[1].strip())
        for name in ("from", "replyto"):
            match = _PARTS[name].search(text)
            if match is not None:
                self._headers[name] = _unescape((match[1] or match[2] or "").strip())
        place = _OCPP.search(text)
        if place is not None:
            self._version = _VERSIONS.get(place[2], "")
        match = _BODY.search(text)
        name, suffix = _split(match[1]) if match is not None else self._addressed_action("")
        if name == "Fault":
            self._kind = "fault"
        elif name:
            self._action = name
            self._kind = "response" if suffix == "Response" or "relatesto" in self._headers else "request"
            self._service = _SERVICE_OF[sender_of(name)]


_PREFIX: Final = r"<(?:[\w.\-]{1,40}:)?"
_PARTS: Final = {
    name: re.compile(rf"{_PREFIX}{name}\b[^<>]{{0,500}}>([^<]{{1,{MAX_HEADER_TEXT}}})", re.IGNORECASE)
    for name in (_IDENTITY, "messageid", "relatesto", "to", "action")
} | {
    name: re.compile(
        rf"{_PREFIX}{name}\b[^<>]{{0,500}}>(?:\s{{0,200}}{_PREFIX}address\b[^<>]{{0,500}}>([^<]{{1,1024}})|([^<]{{1,1024}}))",
        re.IGNORECASE,
    )
    for name in ("from", "replyto")
}
_BODY: Final = re.compile(rf"{_PREFIX}Body\b[^<>]{{0,500}}>\s{{0,500}}{_PREFIX}([A-Za-z]\w{{0,80}})")
_ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}


def _unescape(text: str) -> str:
    return re.sub(r"&(?:lt|gt|quot|apos|amp);", lambda match: _ENTITIES[match[0]], text)


def _shown(text: str) -> str:
    text = " ".join(text[: 4 * MAX_SHOWN].split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _split(name: str) -> tuple[str, str]:
    """``bootNotificationRequest`` → BootNotification, Request."""
    name = name.strip()[:MAX_HEADER_TEXT]
    for suffix in ("Request", "Response"):
        if name.endswith(suffix) and name != suffix:
            return name[:1].upper() + name[1 : -len(suffix)], suffix
    return name[:1].upper() + name[1:], ""


def _ocpp_namespace(namespace: str) -> tuple[Service, str]:
    """Service and version that one of OCPP's namespaces stands for; empty for others."""
    match = _OCPP.fullmatch(namespace)
    if match is None or match[2] not in _VERSIONS:
        return "", ""
    return ("cs" if match[1].lower() == "cs" else "cp"), _VERSIONS[match[2]]


def _fault(fault: Element) -> SoapFault:
    """SOAP 1.2 has elements in elements (Part 1 §5.4), SOAP 1.1 has faultcode and faultstring."""

    def text_of(element: Element | None, *names: str) -> str:
        for name in names:
            element = element.child(name) if element is not None else None
        return element.text.strip() if element is not None else ""

    code = fault.child("Code")
    value = text_of(code, "Value") or text_of(fault, "faultcode")
    subcode = text_of(code, "Subcode", "Value")
    reason = text_of(fault, "Reason", "Text") or text_of(fault, "faultstring")
    detail = fault.child("Detail")
    details: dict[str, Any] = {}
    if detail is not None:
        details = payload_of(detail, [])
        if not details and detail.text.strip():
            details = {"text": detail.text.strip()}
    value = value.rpartition(":")[2]
    if not subcode:
        value, _, subcode = value.partition(".")  # SOAP 1.1 §4.4.1: "Client.Authentication"
    return SoapFault(value, subcode.rpartition(":")[2], reason, details)
