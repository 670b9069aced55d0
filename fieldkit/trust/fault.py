"""What is wrong with a certificate or an endpoint: an id of the catalogue and what was observed.

The words stand in ``fieldkit/checks/certificatekinds.py``; this floor knows the ids only, and a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or worth knowing."""

    id: str
    """As in docs/findings.md: "tls.cert-expired"."""
    values: Mapping[str, str] = field(default_factory=dict)
    """For the texts, as they shall be read; text of others is in them as it was sent."""
    about: str = ""
    """Fingerprint of the certificate that it is about; empty for what concerns the whole."""
    severity: Severity | None = None
    """Where it differs from the catalogue's."""


BREAKING: Final = frozenset(
    {
        "tls.untrusted", "tls.chain-incomplete", "tls.self-signed", "tls.cert-expired", "tls.cert-not-yet-valid",
        "tls.root-expired", "tls.root-not-yet-valid", "tls.intermediate-expired", "tls.intermediate-not-yet-valid",
        "tls.intermediate-not-ca", "tls.ca-may-not-sign", "tls.path-too-long", "tls.name-constraints",
        "tls.signature-invalid", "tls.key-id-mismatch", "tls.critical-extension", "tls.cert-malformed",
        "tls.eku-wrong", "tls.cert-revoked",
    }
)  # fmt: skip
"""With one of these a chain is not to be relied on: RFC 5280 §6 demands that it be refused."""
