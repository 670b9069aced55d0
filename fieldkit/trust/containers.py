"""Files as they come: PEM, DER, base64 out of a log, PKCS#7, PKCS#12, requests, keys, OCSP responses, revocation lists.

``read_file`` never raises: what cannot be read is an item that says why. Of a private key only its public half is kept.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from fieldkit.trust import der, oids
from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.crl import Crl, in_crl, read_crl
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.keys import PublicKey, read_key
from fieldkit.trust.ocsp import OcspResponse, read_response
from fieldkit.trust.request import Request, read_request
from fieldkit.trust.signatures import NO_PACKAGE, reraise

MAX_FILE: Final = 32 << 20
"""Bytes of a file that is read: a revocation list of a public authority has some megabytes."""
MAX_ITEMS: Final = 2000
"""Things of one file: a store of roots has 150."""

Kind: TypeAlias = Literal["certificate", "request", "crl", "ocsp", "private key", "public key", "unreadable"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing out of a file."""

    kind: Kind
    value: Certificate | Request | Crl | OcspResponse | PublicKey | None
    """Of a private key the public one; None where that could not be told."""
    note: str = ""
    """Why it could not be read, or what is special about it."""
    position: int = 1


@dataclass(slots=True)
class Contents:
    """What is in a file."""

    form: str
    """"PEM", "DER", "PKCS#7", "PKCS#12", "base64"; empty for what is none of them."""
    items: list[Item] = field(default_factory=list)
    locked: str = ""
    """What needs a password and got none."""
    wrong_password: bool = False
    problem: str = ""
    """Why nothing was read at all."""

    @property
    def certificates(self) -> list[Certificate]:
        """In the order of the file."""
        return [item.value for item in self.items if isinstance(item.value, Certificate)]


_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_BEGIN: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_BARE: Final = re.compile(r"\s*M[A-Za-z0-9+/=\s]{60,}")
"""DER begins with 0x30, and hence base64 of it with "M"."""
_CERTIFICATES: Final = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_REQUESTS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


def read_file(data: bytes, password: bytes | None = None) -> Contents:
    """Everything that a file holds."""
    if not data.strip():
        return Contents("", problem="it is empty")
    if len(data) > MAX_FILE:
        return Contents("", problem=f"it has {len(data):,} bytes, which is more than certificates take")
    if data[:1] == b"\x30" and data[:2] != b"0\n":
        return _der_file(data, password)
    text = _text(data)
    if "-----BEGIN " in text:
        return _pem_file(text, password)
    if _BARE.fullmatch(text):
        contents = _base64(text)
        if contents is not None and contents[:1] == b"\x30":
            found = _der_file(contents, password)
            found.form = "base64" if found.form == "DER" else found.form
            return found
    return Contents("", problem="it is neither PEM nor DER: no certificate, request, key or revocation list")


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")  # as some Windows editors save it
    else:
        text = data.decode("latin-1")
    # Out of a JSON log: line ends are two characters there.
    return text.replace("\\r", "").replace("\\n", "\n") if "-----\\" in text else text


# ----------------------------------------------------------------------------------------------------------------- PEM


def _pem_file(text: str, password: bytes | None) -> Contents:
    contents = Contents("PEM")
    position = 0
    for match in _BLOCK.finditer(text):
        position += 1
        if len(contents.items) >= MAX_ITEMS:
            contents.items.append(Item("unreadable", None, f"there are more than {MAX_ITEMS} blocks", position))
            break
        for item in _block(match[1], match[2], match[0], password, contents):
            contents.items.append(Item(item.kind, item.value, item.note, position))
    begun = len(_BEGIN.findall(text))
    if begun > position and len(contents.items) < MAX_ITEMS:
        why = "a block begins and does not end: the file is cut off, or its last line was damaged"
        contents.items.append(Item("unreadable", None, why, position + 1))
    return contents


def _block(label: str, body: str, whole: str, password: bytes | None, contents: Contents) -> Iterator[Item]:
    if label.endswith("PRIVATE KEY"):
        yield _private_key(whole.encode("latin-1"), password, contents, pem=True)
        return
    if label in ("EC PARAMETERS", "DH PARAMETERS"):
        return
    decoded = _base64(body)
    if decoded is None:
        yield Item("unreadable", None, f"the block {label} is no base64")
        return
    if label in ("PKCS7", "CMS"):
        yield from _pkcs7(decoded)
    elif label in _CERTIFICATES:
        if label.startswith("TRUSTED"):  # OpenSSL puts what it trusts it for behind it
            decoded = _first(decoded)
        yield _read("certificate", decoded)
    elif label in _REQUESTS:
        yield _read("request", decoded)
    elif label == "X509 CRL":
        yield _read("crl", decoded)
    elif label == "PUBLIC KEY":
        yield _read("public key", decoded)
    elif label == "OCSP RESPONSE":
        yield _read("ocsp", decoded)
    else:
        yield Item("unreadable", None, f"a block {label} is nothing that is known here")


def _first(data: bytes) -> bytes:
    try:
        return der.first(data).raw
    except DerError:
        return data


def _base64(body: str) -> bytes | None:
    lines = [line for line in body.replace("\r", "").split("\n") if ":" not in line]  # headers of RFC 1421
    plain = "".join("".join(lines).split())
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


# ----------------------------------------------------------------------------------------------------------------- DER


def _der_file(data: bytes, password: bytes | None) -> Contents:
    try:
        top = der.first(data)
        parts = [one for _, one in zip(range(12), top.each(), strict=False)]
    except DerError as error:
        if data[1:2] == b"\x80" and data[2:5] == b"\x02\x01\x03":  # BER: PKCS#12 of old tools
            found = _pkcs12(data, password)
            if found.items or found.locked:
                return found
        return Contents("", problem=f"it looks like DER, but {error}")
    if top.end != len(data) and not data[top.end :].strip(b"\r\n\0 "):
        data = data[: top.end]
    tags = [part.tag for part in parts]
    contents = Contents("DER")
    if tags[:1] == [der.OID]:
        contents.form = "PKCS#7"
        contents.items = list(_pkcs7(data))
    elif tags[:2] == [der.INTEGER, der.SEQUENCE] and parts[1].data[parts[1].body :][:1] == b"\x06":
        if parts[0].content == b"\x03":
            return _pkcs12(data, password)
        contents.items = [_private_key(data, password, contents, pem=False)]
    elif tags[:1] == [der.INTEGER] or tags == [der.SEQUENCE, der.OCTET_STRING]:
        contents.items = [_private_key(data, password, contents, pem=False)]
    elif tags[:1] == [der.ENUMERATED]:
        contents.items = [_read("ocsp", data)]
    elif tags == [der.SEQUENCE, der.BIT_STRING]:
        contents.items = [_read("public key", data)]
    else:
        contents.items = [_read(_signed_kind(data, parts), data)]
    contents.items = [Item(one.kind, one.value, one.note, at) for at, one in enumerate(contents.items, 1)]
    return contents


def _signed_kind(data: bytes, parts: list[Node]) -> Kind:
    if in_crl(data):
        return "crl"
    try:
        body = parts[0].children()
        if len(body) in (3, 4) and body[0].tag == der.INTEGER and (len(body) == 3 or body[3].context == 0):
            return "request"
    except (DerError, IndexError):
        return "certificate"  # whose reader says what is wrong
    return "certificate"


def _read(kind: Kind, data: bytes) -> Item:
    try:
        match kind:
            case "certificate":
                return Item(kind, read_certificate(data))
            case "request":
                return Item(kind, read_request(data))
            case "crl":
                return Item(kind, read_crl(data))
            case "ocsp":
                return Item(kind, read_response(data))
            case _:
                return Item(kind, read_key(der.read(data)))
    except DerError as error:
        names = {"crl": "revocation list", "ocsp": "OCSP response", "request": "certificate request"}
        return Item("unreadable", None, f"a {names.get(kind, kind)} that cannot be read: {error}")


# ---------------------------------------------------------------------------------------------------------- containers


def _pkcs7(data: bytes) -> Iterator[Item]:
    """SignedData that is used as a bag (RFC 5652 §5): the certificates and lists in it."""
    try:
        kind, content = der.read(data).children()[:2]
        if der.oid(kind) != oids.SIGNED_DATA:
            yield Item("unreadable", None, "a PKCS#7 file without certificates (it is encrypted or something else)")
            return
        parts = content.children()[0].children()
        bags = [(part.context, part) for part in parts[2:] if part.context in (0, 1)]
        found = [(number, entry.raw) for number, bag in bags for entry in bag.children()][:MAX_ITEMS]
    except (DerError, ValueError, IndexError) as error:
        yield Item("unreadable", None, f"a PKCS#7 file that cannot be read: {error}")
        return
    for number, raw in found:
        yield _read("certificate" if number == 0 else "crl", raw)
    if not found:
        yield Item("unreadable", None, "a PKCS#7 file without certificates")


def _pkcs12(data: bytes, password: bytes | None) -> Contents:
    contents = Contents("PKCS#12")
    try:
        from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
    except ImportError:
        contents.problem = f"PKCS#12 cannot be opened: {NO_PACKAGE}"
        return contents
    bag: Any = None
    for attempt in (password,) if password is not None else (None, b""):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                bag = pkcs12.load_pkcs12(data, attempt)
            break
        except BaseException as error:
            reraise(error)
            bag = None
    if bag is None:
        contents.wrong_password = password is not None
        contents.locked = "the PKCS#12 file" if password is None else ""
        if password is not None:
            contents.problem = "the password is wrong, or the PKCS#12 file is damaged or encrypted in an unknown way"
        return contents
    own = [bag.cert] if bag.cert is not None else []
    for entry in [*own, *bag.additional_certs][:MAX_ITEMS]:
        contents.items.append(_read("certificate", entry.certificate.public_bytes(Encoding.DER)))
    if bag.key is not None:
        contents.items.append(Item("private key", _public_half(bag.key), "encrypted in the PKCS#12 file"))
    contents.items = [Item(one.kind, one.value, one.note, at) for at, one in enumerate(contents.items, 1)]
    if not contents.items:
        contents.problem = "the PKCS#12 file is empty"
    return contents


# ---------------------------------------------------------------------------------------------------------------- keys


def _private_key(data: bytes, password: bytes | None, contents: Contents, *, pem: bool) -> Item:
    """The public half of it. The key itself goes no further than this function."""
    try:
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
    except ImportError:
        return Item("private key", None, NO_PACKAGE)
    if pem and b"OPENSSH" in data[:40]:
        return Item("private key", None, "a key of OpenSSH, which TLS does not use")
    load = load_pem_private_key if pem else load_der_private_key
    locked = _is_locked(data, pem)
    if locked and password is None:
        contents.locked = "the private key"
        return Item("private key", None, "encrypted")
    try:
        key: Any = load(data, password if locked else None)
    except BaseException as error:
        reraise(error)
        if locked:
            contents.wrong_password = True
            return Item("private key", None, "encrypted, and the password does not open it")
        return Item("unreadable", None, "a private key that cannot be read")
    return Item("private key", _public_half(key), "encrypted" if locked else "not encrypted")


def _is_locked(data: bytes, pem: bool) -> bool:
    if pem:
        return b"ENCRYPTED" in data[:200]
    try:
        return der.first(data).children()[0].tag == der.SEQUENCE
    except (DerError, IndexError):
        return False


def _public_half(key: Any) -> PublicKey | None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return read_key(der.read(spki))
    except Exception:  # keys for exchange only, and whatever else there may be
        return None
