"""Findings on certificates and chains, in words: shared by captures, the active prober and ``fieldkit cert``.

``at`` says where the certificate was seen (" of 203.0.113.5:443", " in csms.pem") and may be empty; ``owner_word`` is
who has to act. The ids stand in ``fieldkit/trust`` as well, and a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Kind

_PROPERTIES: Final = "Improved security for OCPP 1.6-J §2.6.1, OCPP 2.x Part 2 A00"
_NEW_ONE: Final = "{owner_word}: have a new certificate issued"

# ---------------------------------------------------------------------------------------------------------------- dates

EXPIRED = Kind(
    "tls.cert-expired",
    "critical",
    "pki",
    "A TLS certificate has expired",
    "The certificate for {subject}{at} was valid until {end}; it was looked at on {seen}.",
    "{owner_word}: renew it and put it where it is used. If the date looks right, check the clock that it was held"
    " against.",
    "RFC 5280 §4.1.2.5",
)
NOT_YET = Kind(
    "tls.cert-not-yet-valid",
    "critical",
    "pki",
    "A TLS certificate is not valid yet",
    "The certificate for {subject}{at} is valid from {begin}; it was looked at on {seen}.",
    "{owner_word}: issue it with an earlier beginning, or wait. Check the clock of the machine that issued it, and the"
    " one that it was held against.",
    "RFC 5280 §4.1.2.5",
)
SOON = Kind(
    "tls.cert-expires-soon",
    "info",
    "pki",
    "A TLS certificate expires soon",
    "The certificate for {subject}{at} is valid until {end}, {left} after it was looked at.",
    "{owner_word}: renew it in time and see that the renewal is automatic; check that the stations trust the issuer of"
    " the new one.",
    "RFC 5280 §4.1.2.5; OCPP 2.x Part 2 A03",
)
TOO_LONG = Kind(
    "tls.validity-too-long",
    "info",
    "pki",
    "A certificate is valid for very long",
    "The certificate for {subject}{at} is valid for {life}, until {end}. If its key is stolen it can be misused for as"
    " long.",
    "{owner_word}: have certificates issued for shorter times and renew them automatically. OCPP recommends less than a"
    " day for a CSMS.",
    "A00.FR.701",
)
INTERMEDIATE_EXPIRED = Kind(
    "tls.intermediate-expired",
    "critical",
    "pki",
    "An intermediate certificate of the server has expired",
    "The intermediate certificate for {subject}{at} was valid until {end}; it was looked at on {seen}.",
    "{owner_word}: replace the intermediate certificate by the current one of the authority.",
    "RFC 5280 §4.1.2.5",
)
INTERMEDIATE_EARLY = Kind(
    "tls.intermediate-not-yet-valid",
    "critical",
    "pki",
    "An intermediate certificate is not valid yet",
    "The intermediate certificate for {subject}{at} is valid from {begin}; it was looked at on {seen}.",
    "{owner_word}: use the certificate that the authority had before, or wait. Check the clock that it was held"
    " against.",
    "RFC 5280 §4.1.2.5",
)
ROOT_EXPIRED = Kind(
    "tls.root-expired",
    "critical",
    "pki",
    "The root certificate has expired",
    "The root certificate for {subject}{at} was valid until {end}; it was looked at on {seen}. Most TLS stacks refuse"
    " all that it vouches for.",
    "{owner_word}: install the new root of the authority on all stations, and have certificates issued below it.",
    "RFC 5280 §6.1; github.com/dingo35/SmartEVSE-3.5/issues/363",
)
ROOT_EARLY = Kind(
    "tls.root-not-yet-valid",
    "critical",
    "pki",
    "The root certificate is not valid yet",
    "The root certificate for {subject}{at} is valid from {begin}; it was looked at on {seen}.",
    "Check the clock that it was held against first: a station without a battery starts in the past.",
    "RFC 5280 §6.1",
)

# ---------------------------------------------------------------------------------------------------------------- chain

UNTRUSTED = Kind(
    "tls.untrusted",
    "critical",
    "pki",
    "One side does not know the authority behind the other's certificate",
    "No root certificate that is trusted vouches for a certificate. {observation}",
    "Install the root certificate of the CSMS on the station (1.6 CentralSystemRootCertificate, 2.x"
    " CSMSRootCertificate), and see that the CSMS sends its intermediate ones; where the certificate is the station's,"
    " let the CSMS trust its authority.",
    "RFC 8446 §6.2; github.com/dingo35/SmartEVSE-3.5/issues/363",
)
INCOMPLETE = Kind(
    "tls.chain-incomplete",
    "critical",
    "csms",
    "The server leaves its intermediate certificate out",
    "{observation} A browser finds the missing one by itself, a charging station does not.",
    "CSMS operator: configure the server with the full chain (certificate and intermediates).",
    "RFC 8446 §4.4.2; github.com/lbbrhzn/ocpp/issues/1599",
    inferred=True,
)
SELF_SIGNED = Kind(
    "tls.self-signed",
    "critical",
    "pki",
    "A certificate is signed by itself",
    "The certificate for {subject}{at} is signed with its own key, and is not among {anchors}: nobody vouches for it.",
    "{owner_word}: have it issued by the authority whose root the stations know; to pin this very certificate, install"
    " it on the stations.",
    "RFC 5280 §6.1; A00.FR.411",
)
ORDER = Kind(
    "tls.chain-order",
    "warning",
    "csms",
    "The server's certificate chain is out of order",
    "The {count} certificates{at} are in an order in which one does not vouch for the one before it: {subjects}. Simple"
    " TLS stacks reject that.",
    "CSMS operator: put the server's certificate first, then the one that issued it, and so on, without foreign ones.",
    "RFC 5246 §7.4.2",
)
EXTRA = Kind(
    "tls.chain-extra-cert",
    "warning",
    "csms",
    "A certificate is sent that does not belong to the chain",
    "The certificate for {subject}{at} is sent along, and {why}. Simple TLS stacks reject that, and it costs room.",
    "CSMS operator: leave it out of the chain file.",
    "RFC 5246 §7.4.2",
)
ROOT_SENT = Kind(
    "tls.root-sent",
    "info",
    "csms",
    "The root certificate is sent along",
    "The root certificate for {subject}{at} is sent along. A station trusts it only if it has it already, so that these"
    " bytes help nobody.",
    "CSMS operator: leave it out of the chain file; on a mobile link each handshake gets shorter.",
    "RFC 8446 §4.4.2",
)
NOT_CA = Kind(
    "tls.intermediate-not-ca",
    "critical",
    "pki",
    "A certificate was issued by one that is no authority",
    "The certificate for {below}{at} is issued by {subject}, which is no authority: {why}.",
    "{owner_word}: have it issued by a certificate that is marked as an authority (basicConstraints CA:TRUE).",
    "RFC 5280 §6.1.4 (k)",
)
MAY_NOT_SIGN = Kind(
    "tls.ca-may-not-sign",
    "critical",
    "pki",
    "A certificate authority may not sign certificates",
    "The certificate for {below}{at} is issued by {subject}, whose key usage ({usages}) does not allow signing"
    " certificates.",
    "{owner_word}: have the authority's certificate issued anew with keyCertSign.",
    "RFC 5280 §6.1.4 (n)",
)
TOO_DEEP = Kind(
    "tls.path-too-long",
    "critical",
    "pki",
    "A chain is longer than its authority allows",
    "The authority {subject}{at} allows {limit} intermediate certificates below it, and there are {count}.",
    "{owner_word}: have the certificate issued by an authority further up, or the path length raised.",
    "RFC 5280 §6.1.4 (l)",
)
CONSTRAINED = Kind(
    "tls.name-constraints",
    "critical",
    "pki",
    "A certificate is for a name that its authority may not vouch for",
    "The authority {subject} restricts the names below it, and of the certificate for {below}{at} {why}.",
    "{owner_word}: have it issued for a permitted name, or by another authority.",
    "RFC 5280 §4.2.1.10",
)
SIGNATURE = Kind(
    "tls.signature-invalid",
    "critical",
    "pki",
    "The signature of a certificate is wrong",
    "The certificate for {subject}{at} says that {issuer} issued it, and {why}.",
    "{owner_word}: put the issuer's certificate that belongs to it into the chain; if it was signed by the CSMS, have"
    " the name and key of its authority compared.",
    "RFC 5280 §6.1.3; github.com/citrineos/citrineos-core/pull/976",
)
KEY_IDS = Kind(
    "tls.key-id-mismatch",
    "critical",
    "pki",
    "A certificate names another key of its issuer",
    "The certificate for {subject}{at} is signed with the key of {issuer}, but {what} that it names for it is another"
    " one. OpenSSL refuses that.",
    "{owner_word}: have it issued again, with the authority's own subjectKeyIdentifier as authorityKeyIdentifier.",
    "RFC 5280 §4.2.1.1",
)
CRITICAL_EXTENSION = Kind(
    "tls.critical-extension",
    "critical",
    "pki",
    "A certificate demands something that TLS stacks do not know",
    "The certificate for {subject}{at} has an extension that is marked critical and that hardly any TLS stack knows"
    " ({extensions}): they must refuse it.",
    "{owner_word}: have it issued without this extension, or without the mark.",
    "RFC 5280 §4.2",
)
MALFORMED = Kind(
    "tls.cert-malformed",
    "critical",
    "pki",
    "A certificate is not made as it must be",
    "Of the certificate for {subject}{at}: {why}. Strict TLS stacks refuse it.",
    _NEW_ONE + "; tell the authority what is wrong with this one.",
    "RFC 5280 §4",
)
REVOKED = Kind(
    "tls.cert-revoked",
    "critical",
    "pki",
    "A certificate has been revoked",
    "The authority took a certificate back. {observation}",
    "Issue a new certificate, and find out why this one was revoked.",
    "RFC 8446 §6.2; RFC 6960",
)
STAPLE_REVOKED = Kind(
    "tls.staple-revoked",
    "critical",
    "pki",
    "The server itself proves that its certificate is revoked",
    "The OCSP response for {subject} that is sent along{at} says that the certificate was revoked. {why}",
    "CSMS operator: have a new certificate issued and put it on the server at once.",
    "RFC 6066 §8; RFC 6960",
)
STAPLE_EXPIRED = Kind(
    "tls.staple-expired",
    "warning",
    "csms",
    "The OCSP response that the server sends along is out of date",
    "The OCSP response for {subject} that is sent along{at} cannot be used any more. {why} Clients that look at it end"
    " the connection.",
    "CSMS operator: see that the server fetches a new one in time (its way to the OCSP responder may be blocked).",
    "RFC 6066 §8; RFC 6960 §4.2.2.1",
)
STAPLE_USELESS = Kind(
    "tls.staple-invalid",
    "warning",
    "csms",
    "The OCSP response that the server sends along proves nothing",
    "The OCSP response for {subject} that is sent along{at} is of no use. {why}",
    "CSMS operator: have the server fetch the response from the responder that the certificate names.",
    "RFC 6066 §8; RFC 6960 §3.2",
)
NO_REVOCATION = Kind(
    "tls.no-ocsp-no-crl",
    "info",
    "pki",
    "A certificate does not say where its revocation can be looked up",
    "The certificate for {subject}{at} names neither an OCSP responder nor a revocation list. If its key is stolen,"
    " nobody learns of it until {end}.",
    "{owner_word}: have certificates issued that name one, or that are valid for days only.",
    "A00.FR.701 to 704; RFC 9608",
)

# ---------------------------------------------------------------------------------------------------- names, key, usage

NAME = Kind(
    "tls.hostname-mismatch",
    "warning",
    "pki",
    "The server's certificate is for another name",
    "The server is called {name}, and of the certificate for {subject}{at} {why}. {effect}",
    "Operator: use the name of the certificate in the station's CSMS address, or have the certificate issued for this"
    " name.",
    "RFC 9525 §6; A00.FR.412; github.com/EVerest/libocpp/issues/494",
)
NO_SAN = Kind(
    "tls.san-missing",
    "warning",
    "pki",
    "A server's certificate has no alternative names",
    "The certificate for {subject}{at} has the host in its common name only ({names}). That is what OCPP's text wants;"
    " today's TLS stacks look at subjectAltName and refuse it.",
    "{owner_word}: have it issued with the host name in both places.",
    "A00.FR.511 (note); RFC 9525 §6.3",
)
NO_CN = Kind(
    "tls.cn-missing",
    "warning",
    "pki",
    "A certificate has no common name",
    "The certificate for {subject}{at} has no common name; OCPP wants {wanted} there, and stations that compare it end"
    " the connection.",
    _NEW_ONE + " with it as CN.",
    "A00.FR.510, A00.FR.511",
)
NO_O = Kind(
    "tls.o-missing",
    "info",
    "pki",
    "A certificate does not name its owner",
    "The subject of the certificate for {subject}{at} has no organisation (O). OCPP wants the owner there; of a station"
    " the CSMS compares it with the operator.",
    _NEW_ONE + " with O, if anybody on the other side looks at it.",
    "A00.FR.509, A00.FR.404",
)
STATION_NAME = Kind(
    "tls.station-name",
    "warning",
    "pki",
    "A station's certificate bears a server's name",
    "The common name of the certificate for {subject}{at} is {name}. It must be the station's serial number, and no URL"
    " or IP address, so that it cannot pass for a CSMS.",
    _NEW_ONE + " with the serial number as CN.",
    "A00.FR.511",
)


def _weak_key(id_: str, what: str) -> Kind:
    return Kind(
        id_,
        "warning",
        "pki",
        f"A certificate has a key that is too short: {what}",
        "The certificate for {subject}{at} has {key}; OCPP asks for RSA of 2048 bits or elliptic curves of 224.",
        "Have a new certificate issued for a longer key.",
        f"{_PROPERTIES} (A00.FR.501 to 503)",
    )


WEAK_RSA = _weak_key("tls.rsa-key-too-short", "RSA")
WEAK_EC = _weak_key("tls.ec-key-too-short", "elliptic curve")
SHA1 = Kind(
    "tls.sha1-signature",
    "warning",
    "pki",
    "A certificate is signed with an outdated hash",
    "The certificate for {subject}{at} is signed with {hash}. Today's TLS stacks reject that.",
    "Have a new certificate issued, signed with SHA-256.",
    f"{_PROPERTIES} (A00.FR.506)",
)
UNUSUAL_KEY = Kind(
    "tls.key-type-unusual",
    "info",
    "pki",
    "A certificate has a key of an unusual kind",
    "The certificate for {subject}{at} has a key of the kind {key}. It is strong enough; small TLS stacks often know"
    " RSA, secp256r1 and secp384r1 only.",
    "Try it with each model of station before it is rolled out.",
    "RFC 8446 §9.1",
)
WRONG_PURPOSE = Kind(
    "tls.eku-wrong",
    "critical",
    "pki",
    "A certificate is not meant for this use",
    "The extended key usage of the certificate for {subject}{at} allows {purposes}, not {wanted}. The other side must"
    " refuse it.",
    _NEW_ONE + " with the right extended key usage, or without any.",
    "RFC 5280 §4.2.1.12",
)
NO_USAGE = Kind(
    "tls.key-usage-missing",
    "info",
    "pki",
    "A certificate does not restrict what its key is for",
    "The certificate for {subject}{at} has no keyUsage. OCPP recommends it; all TLS stacks take the certificate"
    " without.",
    "{owner_word}: have keyUsage set at the next renewal.",
    "A00.FR.512",
)
TOO_LARGE = Kind(
    "tls.cert-over-5500",
    "warning",
    "pki",
    "A certificate is too large for OCPP",
    "The certificate for {subject}{at} has {size} characters in PEM; OCPP's messages take {limit}. Stations with small"
    " buffers fail on it in TLS as well.",
    _NEW_ONE + " with a smaller key (elliptic curve), or fewer names.",
    "OCPP 1.6 security InstallCertificate.req; OCPP 2.0.1 Part 2 InstallCertificateRequest",
)

# ---------------------------------------------------------------------------------------------------------------- files

UNFIT = Kind(
    "cert.unfit",
    "critical",
    "pki",
    "A certificate is not fit for its purpose",
    "The certificate for {subject}{at} is not fit as {purpose}. Not met: {reasons}.",
    "{owner_word}: have it issued again, with what is missing or wrong put right.",
    "OCPP security profiles (A00.FR.5xx); ISO 15118-2 Annex F, ISO 15118-20 Annex B",
)
ADVISED = Kind(
    "cert.against-advice",
    "info",
    "pki",
    "A certificate is not as its standard recommends",
    "As {purpose} the certificate for {subject}{at} would do, but not all that is recommended is met: {reasons}.",
    "Think of it when the certificate is renewed.",
    "OCPP security profiles (A00.FR.5xx); ISO 15118-2 Annex F, ISO 15118-20 Annex B",
)
OTHER_KEY = Kind(
    "cert.key-mismatch",
    "critical",
    "operator",
    "A private key does not belong to the certificate beside it",
    "The private key{at} ({key}) belongs to none of the certificates given ({subjects}): a server that is started with"
    " it fails.",
    "Find the key that the request was made with. If it is lost, make a new one and have a new certificate issued.",
    "RFC 5280 §4.1.2.7",
)
BARE_KEY = Kind(
    "cert.private-key-in-clear",
    "info",
    "operator",
    "A private key is stored without a password",
    "There is a private key{at} ({key}) that is not encrypted. Whoever can read the file can pretend to be its owner.",
    "Where it is in use: let only the service read it. Do not send it by mail or attach it to tickets.",
    "Improved security for OCPP 1.6-J §2.6.2; A00.FR.803",
)
REQUEST_UNSIGNED = Kind(
    "cert.request-signature-wrong",
    "critical",
    "station",
    "A certificate request is not signed with its own key",
    "The request for {subject}{at} is not signed with the key that it holds ({why}): every authority will refuse it.",
    "Have the station make a new request; if that is wrong too, report it to the manufacturer.",
    "RFC 2986 §4.2; OCPP 2.x Part 2 A02",
)
WEAK_REQUEST = Kind(
    "cert.request-key-too-short",
    "warning",
    "station",
    "A certificate is requested for a key that is too short",
    "The request for {subject}{at} is for {key}; OCPP asks for RSA of 2048 bits or elliptic curves of 224.",
    "Set the key length in the station before it asks again.",
    f"{_PROPERTIES} (A00.FR.501 to 503)",
)
OTHER_REQUEST = Kind(
    "cert.request-mismatch",
    "critical",
    "pki",
    "A certificate does not belong to the request beside it",
    "The request for {subject}{at} holds another public key than the certificates given ({subjects}): whoever made it"
    " cannot use them.",
    "Look for the certificate that was issued for this request, or have this one signed.",
    "OCPP 2.x Part 2 A02",
)
STATUS_USELESS = Kind(
    "cert.status-unusable",
    "warning",
    "pki",
    "A revocation status proves nothing",
    "The {what}{at} is of no use for the certificate for {subject}. {why}",
    "Fetch a new one from the place that the certificate names.",
    "RFC 6960 §3.2; RFC 5280 §6.3",
)
UNREADABLE = Kind(
    "cert.unreadable",
    "warning",
    "operator",
    "A part of a file cannot be read",
    "A part of the file ({where}) cannot be read: {why}.",
    "Copy the file again, in binary; in PEM keep the lines with BEGIN and END as they are.",
    "RFC 7468; X.690",
)

CERTIFICATE_KINDS: Final = (
    EXPIRED, NOT_YET, SOON, TOO_LONG, INTERMEDIATE_EXPIRED, INTERMEDIATE_EARLY, ROOT_EXPIRED, ROOT_EARLY, UNTRUSTED,
    INCOMPLETE, SELF_SIGNED, ORDER, EXTRA, ROOT_SENT, NOT_CA, MAY_NOT_SIGN, TOO_DEEP, CONSTRAINED, SIGNATURE, KEY_IDS,
    CRITICAL_EXTENSION, MALFORMED, REVOKED, STAPLE_REVOKED, STAPLE_EXPIRED, STAPLE_USELESS, NO_REVOCATION, NAME, NO_SAN,
    NO_CN, NO_O, STATION_NAME, WEAK_RSA, WEAK_EC, SHA1, UNUSUAL_KEY, WRONG_PURPOSE, NO_USAGE, TOO_LARGE, UNFIT, ADVISED,
    OTHER_KEY, BARE_KEY, REQUEST_UNSIGNED, WEAK_REQUEST, OTHER_REQUEST, STATUS_USELESS, UNREADABLE,
)  # fmt: skip
