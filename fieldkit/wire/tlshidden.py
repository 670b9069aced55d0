"""What the length of an encrypted record gives away in TLS 1.3: that it is an alert.

TLS 1.3 encrypts alerts. But they have two bytes, one more tells their type and the suite adds a tag (RFC 8446 §5.2): no
handshake message is as short. Which alert it is stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fieldkit.wire.tlsrecords import APPLICATION_DATA

if TYPE_CHECKING:
    from fieldkit.wire.tlsside import Held

HIDDEN_ALERT: Final = -1
"""In the place of a number that nobody can read."""
HIDDEN_NAME: Final = "encrypted alert"
EMPTY_HANDED: Final = "encrypted alert behind an empty certificate"
"""The client was asked for a certificate and had none to send."""
_CCM_8: Final = 0x1305
"""TLS_AES_128_CCM_8_SHA256 has a tag of 8 bytes, all others of TLS 1.3 have 16."""


_EMPTY_CERTIFICATE: Final = 4 + 1 + 3 + 1
"""Bytes of a Certificate message without certificates: header, context, list; and its type (RFC 8446 §4.4.2)."""


def is_alert(fragment: bytes, suite: int) -> bool:
    """Tell it by its length; to be asked of records that can hold no application data yet, which may have any."""
    return len(fragment) == 3 + (8 if suite == _CCM_8 else 16)


def refusal(held: Iterable[Held], suite: int) -> tuple[Held, str] | None:
    """The record by which a side ended the handshake, in what both said encrypted, in the order in which it came; and
    what to call it.

    A client sends its certificate and Finished before anything else. A server that is content with that answers by
    session tickets, or by data that the client has asked for, and by an alert otherwise.
    """
    client_began = server_answered = False
    name = HIDDEN_NAME
    for item in held:
        if not item.header or item.header[0] != APPLICATION_DATA:
            if not item.header:
                return None  # a hole: what looks like the first record may be any
            continue
        if item.side.from_client:
            if not client_began:
                if is_alert(item.fragment, suite):
                    return item, HIDDEN_NAME
                if len(item.fragment) == _EMPTY_CERTIFICATE + (8 if suite == _CCM_8 else 16):
                    name = EMPTY_HANDED
            client_began = True
        elif client_began and not server_answered:
            if is_alert(item.fragment, suite):
                return item, name
            server_answered = True
    return None
