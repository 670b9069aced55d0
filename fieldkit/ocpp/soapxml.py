"""XML from strangers: bytes → text → a small tree, with limits on everything that can grow.

Expat is used directly, not through defusedxml. That refuses entities and DTDs as well, but knows no limits of depth and
number, builds its tree in Python all the same, and lets expat resolve namespaces: it would then refuse a message over a
prefix that was never declared, and stations that send such messages are in the field (and work). Here prefixes are
resolved by hand, and an undeclared one is a thing to report.
"""

from __future__ import annotations

import codecs
import re
from typing import Final
from xml.parsers import expat

MAX_CHARACTERS: Final = 2 << 20
"""Of an envelope; HTTP keeps a megabyte."""
MAX_DEPTH: Final = 32
"""OCPP nests seven deep (the limit of a charging schedule period); DataTransfer may carry a vendor's own XML."""
MAX_ELEMENTS: Final = 50_000
"""A local list of 5,000 tags has 25,000."""

MAX_NAME: Final = 128
"""Characters of an element's name; the longest of OCPP has 45."""

_ENCODINGS: Final = frozenset(
    # Only these are handed to a codec: some of Python's are slow on purpose-made input.
    """
    ascii us-ascii iso-8859-1 iso-8859-2 iso-8859-15 latin1 windows-1250 windows-1251 windows-1252
    gb2312 gbk gb18030 big5 shift_jis euc-jp euc-kr
    """.split()
)
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,100}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z][A-Za-z0-9._-]{0,40})")
_CHARSET: Final = re.compile(r"charset\s{0,9}=\s{0,9}\"?([A-Za-z][A-Za-z0-9._-]{0,40})", re.IGNORECASE)

_XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"


class Element:
    """An XML element: names without prefix, text without that of its children."""

    __slots__ = ("attributes", "children", "name", "namespace", "text")

    def __init__(self, name: str, namespace: str | None, attributes: dict[str, str]) -> None:
        self.name = name
        self.namespace = namespace
        """Empty when it is in none, None when its prefix was never declared."""
        self.attributes = attributes
        """By name as written (``soap:mustUnderstand``), declarations of namespaces left out."""
        self.children: list[Element] = []
        self.text = ""

    def child(self, name: str) -> Element | None:
        """The first child of this name, upper or lower case."""
        name = name.lower()
        for child in self.children:
            if child.name.lower() == name:
                return child
        return None

    def attribute(self, name: str) -> str | None:
        """The attribute of this name, with any prefix."""
        for key, value in self.attributes.items():
            if key.rpartition(":")[2] == name:
                return value
        return None


class Document:
    """What came of reading a text as XML."""

    __slots__ = ("complete", "namespaces", "root", "undeclared", "wrong")

    def __init__(self) -> None:
        self.root: Element | None = None
        self.complete = False
        """The root element was read to its end."""
        self.namespaces: dict[str, None] = {}
        """All that were declared, in order."""
        self.undeclared: dict[str, None] = {}
        """Prefixes that were used and not declared, in order."""
        self.wrong: tuple[str, str] | None = None
        """Rule and sentence, where the text is not XML that is read here."""


class _RefusedError(Exception):
    """Raised in a handler to stop expat."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule
        self.text = text


def decode(data: bytes, content_type: str) -> tuple[str, str]:
    """Bytes → text, and a complaint or "". UTF-8 first: whoever declares something else and sends that is right too."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _tolerantly(data, "utf-16")
    if data[:2] in (b"<\0", b"\0<"):
        return _tolerantly(data, "utf-16-le" if data[:1] == b"<" else "utf-16-be")
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        complaint = f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8"
    charset, declared = _CHARSET.search(content_type), _DECLARED.search(data[:200])
    for name in (charset[1] if charset else "", declared[1].decode("ascii") if declared else ""):
        if name.lower() in _ENCODINGS:
            try:
                return data.decode(name), ""
            except UnicodeDecodeError:
                complaint = f"it is neither UTF-8 nor, as it says, {name.lower()}"
    return data.decode("utf-8", "replace"), complaint


def _tolerantly(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), ""
    except UnicodeDecodeError:
        return data.decode(encoding, "replace").removeprefix("\ufeff"), "it is not valid UTF-16"


def parse(text: str) -> Document:
    """Read ``text``; never fails. What was read before something went wrong is in the document."""
    document = Document()
    if len(text) > MAX_CHARACTERS:
        document.wrong = "soap.size", f"it has {len(text)} characters, at most {MAX_CHARACTERS} are read"
        return document
    reader = _Reader(document)
    # As a string the text goes in as UTF-8 whatever it declares, and in one piece: fed bit by bit, older versions of
    # expat scan a long token again and again.
    try:
        reader.parser.Parse(text, True)
    except _RefusedError as refused:
        document.wrong = refused.rule, refused.text
    except expat.ExpatError as error:
        document.wrong = "soap.syntax", _why_not_xml(error)
    except UnicodeEncodeError:
        document.wrong = "soap.syntax", "it holds half of a surrogate pair, which is no character"
    return document


def _why_not_xml(error: expat.ExpatError) -> str:
    if error.code in (3, 5, 6):  # no element found, unclosed token, partial character
        return f"the XML ends too early, in line {error.lineno}"
    return f"it is not XML at line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}"


class _Reader:
    """Expat's handlers: they build the tree and watch the limits."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self._prefixes: dict[str, list[str]] = {"xml": [_XML_NAMESPACE]}
        self._declared: list[list[str]] = []  # prefixes that each open element declares
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        # No DTD, no entities: neither "billion laughs" nor quadratic blow-up nor a look at somebody's files. SOAP
        # forbids them anyway (SOAP 1.2 Part 1 §5).
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("soap.dtd", "it has a document type declaration: SOAP forbids it, and it is not read here")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _RefusedError("soap.size", f"it has more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise _RefusedError("soap.nesting", f"its elements are nested more than {MAX_DEPTH} deep")
        declared = []
        for key in [key for key in attributes if key.startswith("xmlns")]:
            if key == "xmlns" or key[5] == ":":
                uri = attributes.pop(key)
                declared.append(key[6:])
                self._prefixes.setdefault(key[6:], []).append(uri)
                self._document.namespaces[uri] = None
        self._declared.append(declared)
        prefix, colon, local = name.rpartition(":")
        scopes = self._prefixes.get(prefix)
        namespace = scopes[-1] if scopes else None if colon else ""
        if namespace is None:
            self._document.undeclared[prefix[:MAX_NAME]] = None
        element = Element(local[:MAX_NAME], namespace, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._document.root = element
        self._open.append(element)
        self._texts.append([])

    def _characters(self, text: str) -> None:
        self._texts[-1].append(text)

    def _end(self, _: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())
        for prefix in self._declared.pop():
            self._prefixes[prefix].pop()
        self._document.complete = not self._open
