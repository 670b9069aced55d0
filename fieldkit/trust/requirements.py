"""The requirements of OCPP's security profiles: their numbers in each edition, and what they ask for in our words.

In block 3xx OCPP 2.0.1 is one higher than the 1.6 white paper from 305 on, because 2.0.1 put a requirement in between.
Blocks 4xx and 5xx are numbered alike. 2.1 keeps the numbers of 2.0.1 as far as they are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fieldkit.trust.verdict import Edition, Level

Side: TypeAlias = Literal["csms", "station", "both"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, which may stand in several profiles under several numbers."""

    key: str
    """Names the rule in ``profiles.py`` or ``certrules.py``."""
    title: str
    level: Level
    side: Side
    """Who has to meet it."""
    numbers: dict[int, tuple[str, str]]
    """By security profile: number in 1.6 and in 2.x; "" where an edition has none."""

    def id(self, edition: Edition, profile: int) -> str:
        """As in "A00.FR.318"; empty where it does not exist."""
        pair = self.numbers.get(profile)
        number = "" if pair is None else pair[edition != "1.6"]
        return f"A00.FR.{number}" if number.isdigit() else number  # limits of messages have no number


def _in_23(two: str, two_2x: str, three: str) -> dict[int, tuple[str, str]]:
    return {2: (two, two_2x), 3: (three, three)}


REQUIREMENTS: Final = (
    Requirement("trusted-network", "profile 1 is for trusted networks only", "should", "both", {1: ("201", "201")}),
    Requirement("basic-auth", "the station authenticates by HTTP Basic", "shall", "station",
                {1: ("202", "202"), 2: ("301", "301")}),
    Requirement("basic-user", "the user name is the station's identity in the URL", "shall", "station",
                {1: ("204", "204"), 2: ("303", "303")}),
    Requirement("basic-password", "the password has 16 bytes or more", "shall", "station",
                {1: ("205", "205"), 2: ("304", "304")}),
    Requirement("basic-checked", "the CSMS checks user name and password", "shall", "csms",
                {1: ("", "207"), 2: ("", "305")}),
    Requirement("tls", "the connection is secured by TLS", "shall", "both", _in_23("311", "312", "415")),
    Requirement("server-certificate", "the CSMS is the TLS server and shows its certificate", "shall", "csms",
                _in_23("306", "307", "410")),
    Requirement("server-path", "the certification path of the CSMS certificate is valid", "shall", "csms",
                _in_23("307", "308", "411")),
    Requirement("server-name", "the common name is the full host name of the CSMS", "shall", "csms",
                _in_23("308", "309", "412")),
    Requirement("tls-version", "TLS 1.2 or above only", "shall", "both", _in_23("312", "313", "416")),
    Requirement("csms-suites", "the CSMS supports all four cipher suites", "shall", "csms",
                _in_23("317", "318", "421")),
    Requirement("station-suites", "the station supports the ECDSA pair or the RSA pair of cipher suites", "shall",
                "station", _in_23("318", "319", "422")),
    Requirement("primitives", "no cipher suite that is unsuitable even for legacy use", "shall", "both",
                _in_23("319", "320", "423")),
    Requirement("compression", "no TLS compression", "shall", "both", _in_23("320", "321", "424")),
    Requirement("legacy-suite", "TLS 1.0 and 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA only", "should", "csms",
                {2: ("324", ""), 3: ("428", "")}),
    Requirement("client-certificate", "the station shows its certificate as a TLS client", "shall", "both",
                {3: ("402", "402")}),
    Requirement("client-path", "the certification path of the station's certificate is valid", "shall", "station",
                {3: ("403", "403")}),
    Requirement("client-owner", "O in the station's certificate names the operator", "shall", "station",
                {3: ("404", "404")}),
    Requirement("client-serial", "CN in the station's certificate is its serial number", "shall", "station",
                {3: ("405", "405")}),
)  # fmt: skip

CERTIFICATE_REQUIREMENTS: Final = (
    Requirement("key-size", "RSA keys of 2048 bits or more, elliptic curves of 224", "shall", "both",
                _in_23("502", "502", "502")),
    Requirement("algorithms", "algorithms that the BSI recommends for future systems", "shall", "both",
                _in_23("504", "504", "504")),
    Requirement("signed-with", "the authority signs with RSA-PSS or ECDSA", "should", "both",
                _in_23("505", "505", "505")),
    Requirement("hash", "SHA-256 as hash", "should", "both", _in_23("506", "506", "506")),
    Requirement("serial-number", "the certificate has a serial number", "shall", "both", _in_23("508", "508", "508")),
    Requirement("organization", "O names the owner of the certificate", "shall", "both", _in_23("509", "509", "509")),
    Requirement("csms-cn", "CN is the full host name of the CSMS", "shall", "csms", _in_23("510", "510", "510")),
    Requirement("station-cn", "CN is the station's serial number, and looks like no URL and no IP address", "shall",
                "station", _in_23("511", "511", "511")),
    Requirement("no-dns-names", "no dNSName in subjectAltName (allowed for a CSMS on several network paths)", "should",
                "both", _in_23("511", "511", "511")),
    Requirement("key-usage", "keyUsage restricts what the key is for", "should", "both",
                _in_23("512", "512", "512")),
    Requirement("no-extended-usage", "no extended key usage, for compatibility with ISO 15118", "should", "station",
                {2: ("", "514"), 3: ("", "514")}),
    Requirement("fast-expiry", "the CSMS certificate is valid for less than 24 hours", "should", "csms",
                _in_23("701", "701", "701")),
    Requirement("online-check", "the station's certificate can be verified online", "should", "station",
                _in_23("702", "702", "702")),
    Requirement("size", "the certificate fits into OCPP's messages", "shall", "both",
                _in_23("InstallCertificate", "InstallCertificate", "InstallCertificate")),
)  # fmt: skip
"""Of certificates, whatever the connection is like: profile 2 has none of the station."""
