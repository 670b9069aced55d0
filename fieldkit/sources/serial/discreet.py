"""What ports say, without what nobody should read over a shoulder: passwords, keys, PINs, and identities in full.

Only what is shown or written as text goes through this. A recording keeps the bytes as they were, readable for its
owner only, and hex is hex.
"""

from __future__ import annotations

import re
from typing import Final

from fieldkit.ocpp.phrases import masked
from fieldkit.ocpp.secrets import HIDDEN, conceal_document, conceal_text
from fieldkit.safetext import mask

_PHRASE: Final = re.compile(
    r"""(?i)((?:psk|pass(?:word|wd|phrase|code)?|pwd|secret|(?<![a-z])key)["']?\s{0,3}[:=]\s{0,3})"[^"]+"?"""
)
"""A quoted one may have blanks in it (wpa_supplicant.conf)."""
_PIN: Final = re.compile(r"(?i)(AT\+(?:CPIN|CPWD|CLCK)\s{0,3}=\s{0,3}).+")
"""27.007 §8.3, §7.5, §7.4: a SIM's PIN and PUK, as somebody types them."""
_ACCESS: Final = re.compile(r"(?i)((?:AT)?\+(?:CGAUTH|QICSGP)\s{0,3}[=:]\s{0,3}[^\"]{0,20}).+")
"""27.007 §10.1.31 and Quectel's: user and password of the access point."""
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z.])([0-9]{15}|89[0-9]{16,18}[Ff]?)(?![0-9A-Za-z.])")
"""IMSI and IMEI (23.003 §2.2, §6.2.1), and the ICCID of a SIM (E.118)."""

_TOKENS: Final = ("tag", "token", "emaid", "rfid", "card", "uid")
"""One of these is in every name that ``masked`` looks for, which takes long."""


def discreet(text: str) -> str:
    """A line of a console, or of whoever types into it."""
    if "+" in text:
        text = _PIN.sub(rf"\1{HIDDEN}", text)
        text = _ACCESS.sub(rf"\1{HIDDEN}", text)
    if '"' in text:
        text = _PHRASE.sub(rf'\1"{HIDDEN}"', text)
    text = _NUMBER.sub(lambda found: mask(found[1]), text)
    hidden = conceal_document(text)
    if hidden == HIDDEN:
        # "[WIFI] password=…" begins like JSON and is none: then it is read as a line.
        rest = text.lstrip(" [{")
        hidden = text[: len(text) - len(rest)] + conceal_text(rest)
    text = hidden
    low = text.lower()
    return masked(text) if any(word in low for word in _TOKENS) else text
