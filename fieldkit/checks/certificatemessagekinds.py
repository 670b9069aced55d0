"""Findings on certificates inside of OCPP messages, in words."""

from __future__ import annotations

from fieldkit.checks.finding import Kind

_RENEWAL = "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1"
_HASHES = "OCPP 2.0.1 Part 2 CertificateHashDataType; RFC 6960 §4.1.1"

SIGN_REFUSED = Kind(
    "certificate.request-refused",
    "warning",
    "csms",
    "The CSMS refuses to have a certificate signed",
    "The station asked for a new certificate ({use}), and the CSMS answered {status}{reason}.",
    "Have the CSMS operator check whether a certificate authority is set up for this station and whether name and"
    " organisation in the request are what it expects{subject}.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
NEVER_SIGNED = Kind(
    "certificate.never-signed",
    "warning",
    "csms",
    "A certificate was promised and never came",
    "The CSMS accepted the station's request for a certificate ({use}), and sent none within {waited}.",
    "Ask the CSMS operator what became of the request at the certificate authority. The station goes on with its old"
    " certificate until that ends.",
    "OCPP 2.0.1 Part 2 A02.FR.17; Improved security for OCPP 1.6-J §5.1",
    inferred=True,
)
REJECTED = Kind(
    "certificate.rejected-by-station",
    "warning",
    "csms",
    "The station rejects its new certificate",
    "The CSMS delivered a certificate ({use}) for {subject}, and the station answered Rejected{reason}.",
    "Compare it with the station's request: the same public key, the whole chain in order, issued by a root that is"
    " installed in the station, valid now by the station's clock.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
INSTALL_FAILED = Kind(
    "certificate.install-failed",
    "warning",
    "operator",
    "A root certificate could not be installed",
    "The CSMS sent a certificate ({use}) for {subject}, and the station answered {status}{reason}.",
    "Rejected: the certificate does not pass the station's checks (with AdditionalRootCertificateCheck it must be"
    " signed by the present root), or there is no room (CertificateStoreMaxLength). Failed: try again, then ask the"
    " manufacturer.",
    "OCPP 2.0.1 Part 2 M05; Improved security for OCPP 1.6-J §5.1",
)
EXPIRED = Kind(
    "certificate.delivered-expired",
    "warning",
    "pki",
    "A certificate that was delivered has expired",
    "The certificate ({use}) for {subject} that was sent to the station ended on {end}, {ago} before.",
    "Have a new one issued. If the dates look right, check the clock of the machine that captured this.",
    "OCPP 2.0.1 Part 2 A02, M05; RFC 5280 §4.1.2.5",
)
NOT_YET = Kind(
    "certificate.delivered-too-early",
    "warning",
    "pki",
    "A certificate that was delivered is not valid yet",
    "The certificate ({use}) for {subject} that was sent to the station is valid from {begin} on, {ahead} later.",
    "A station must refuse it until then. Have it issued with a begin in the past, and check the clock of the"
    " certificate authority.",
    "OCPP 2.0.1 Part 2 A02 (errata 2025-01: A02.FR.28); RFC 5280 §4.1.2.5",
)
ENDS_SOON = Kind(
    "certificate.delivered-short-lived",
    "info",
    "pki",
    "A certificate that was delivered ends soon",
    "The certificate ({use}) for {subject} that was sent to the station ends on {end}, in {left}.",
    "Nothing is wrong if certificates are renewed automatically at short intervals. Otherwise note the date.",
    "OCPP 2.0.1 Part 2 A03",
)
WEAK = Kind(
    "certificate.key-too-short",
    "warning",
    "pki",
    "A certificate's key is too short",
    "The certificate ({use}) for {subject} has a key of {key}. OCPP wants RSA keys of 2048 bits or more, or elliptic"
    " curves of 224.",
    "Have the certificate authority issue a new one; for a station's own certificate, set the key length in the station"
    " before it asks again.",
    "OCPP 2.0.1 Part 2 A00.FR.501 to 506; Improved security for OCPP 1.6-J §3",
)
WRONG_USE = Kind(
    "certificate.wrong-usage",
    "warning",
    "pki",
    "A certificate is unfit for what it was sent for",
    "The certificate for {subject} was sent as {use}, and {fault}.",
    "Have the right certificate sent: {wanted}.",
    "OCPP 2.0.1 Part 2 A00.FR.512 to 514, M05; RFC 5280 §4.2.1",
)
WRONG_KEY = Kind(
    "certificate.for-another-key",
    "warning",
    "csms",
    "A certificate does not belong to the station's request",
    "The certificate ({use}) for {subject} that was delivered holds another public key than the station's last request:"
    " the station cannot use it.",
    "Have the CSMS operator check which request was signed: one of another station, or an older one of this station.",
    "OCPP 2.0.1 Part 2 A02",
)
BROKEN_CHAIN = Kind(
    "certificate.chain-broken",
    "warning",
    "pki",
    "A certificate chain does not hold together",
    "In the chain that was sent as {use}, “{subject}” is said to be issued by “{issuer}”, but the certificate behind"
    " it is “{next}”.",
    "Put the chain in order: first the station's certificate, then each issuer behind what it has issued; leave out"
    " what does not belong to it.",
    "OCPP 2.0.1 Part 2 CertificateSignedRequest; RFC 8446 §4.4.2",
)
PRIVATE_KEY = Kind(
    "certificate.private-key-sent",
    "critical",
    "csms",
    "A private key was sent over OCPP",
    "{action} carries a private key. A private key never leaves the device that made it: this one is no longer secret.",
    "Revoke the certificate that belongs to it and have a new one made. Find out who put the key into the message."
    " Treat this capture as confidential.",
    "OCPP 2.0.1 Part 2 A02; Improved security for OCPP 1.6-J §5.1",
)
OWN_DELETED = Kind(
    "certificate.own-deleted",
    "warning",
    "station",
    "The station deleted its own certificate",
    "The CSMS had the certificate for {subject} deleted, which the station itself had been given ({use}), and the"
    " station accepted. It may not be able to connect again.",
    "Have a new certificate signed before the connection is lost (TriggerMessage SignChargingStationCertificate)."
    " Report it to the manufacturer: a station shall refuse to delete its own certificate.",
    "OCPP 2.0.1 Part 2 M04.FR.06",
)
DELETE_FAILED = Kind(
    "certificate.delete-failed",
    "warning",
    "station",
    "A certificate could not be deleted",
    "The CSMS wanted certificate {serial} deleted, and the station answered Failed{reason}.",
    "Failed is right for the station's own certificate. For any other one, try again and then ask the manufacturer.",
    "OCPP 2.0.1 Part 2 M04",
)
CONTRACT_FAILED = Kind(
    "certificate.contract-failed",
    "warning",
    "pki",
    "The vehicle got no contract certificate",
    "The station asked for a contract certificate for the vehicle ({what}), and the CSMS answered Failed{reason}.",
    "The driver needs a Plug & Charge contract that the certificate pool knows for this vehicle; charging with card"
    " or app works meanwhile. Ask the CSMS operator which pool was asked.",
    "OCPP 2.0.1 Part 2 M01, M02",
)
OCSP_FAILED = Kind(
    "certificate.status-failed",
    "warning",
    "csms",
    "The CSMS could not tell whether a certificate is revoked",
    "The station asked for the OCSP status of certificate {serial}, and the CSMS answered Failed{reason}.",
    "Have the CSMS operator check that the OCSP responder that the station names can be reached. Without a status"
    " vehicles may refuse Plug & Charge.",
    "OCPP 2.0.1 Part 2 M06",
)

# ------------------------------------------------------------------------------------------ requested and delivered

SIGNATURE_WRONG = Kind(
    "certificate.signature-wrong",
    "warning",
    "pki",
    "A certificate that was delivered is not signed by its issuer",
    "The certificate ({use}) for {subject} says that {issuer} issued it, but its signature was not made with the key of"
    " that certificate. Whoever verifies the chain refuses it.",
    "Have the authority compared with the certificate that it sends for itself: its name is right, its key is another"
    " one. The station must not drop its old certificate for this one.",
    f"{_RENEWAL}; github.com/citrineos/citrineos-core/pull/976",
)
OTHER_NAME = Kind(
    "certificate.for-another-name",
    "warning",
    "csms",
    "A certificate is for another name than the station asked for",
    "The station asked for a certificate for {asked}, and the one that was delivered ({use}) is for {given}. A CSMS"
    " that compares the name with the station's serial number refuses it.",
    "CSMS operator: have the authority take the common name out of the request.",
    "A00.FR.427, 429, 511; OCPP 2.0.1 Part 2 A02",
)
REQUEST_NAME = Kind(
    "certificate.request-name",
    "info",
    "station",
    "A certificate is requested for another name than the station's serial number",
    "The station asks for a certificate for {asked}; its serial number is {serial}. OCPP wants the serial number as"
    " common name, by which the CSMS tells stations apart.",
    "Nothing, if the CSMS expects this name. Otherwise set it in the station before it asks again.",
    "A00.FR.427, 511; OCPP 2.0.1 Part 2 A02.FR.13",
)
REQUEST_OWNER = Kind(
    "certificate.request-owner",
    "warning",
    "station",
    "A certificate is requested for another organisation than the operator",
    "The station asks for a certificate with the organisation {asked}; its setting {setting} says {wanted}. The CSMS"
    " looks for the operator's name there and refuses others.",
    "Operator: correct the setting, or have the station take it over when it asks for a certificate.",
    "A00.FR.404; OCPP 2.0.1 Part 2 A02.FR.13",
)
TOO_LONG = Kind(
    "certificate.message-too-long",
    "warning",
    "csms",
    "A certificate is longer than OCPP or the station takes",
    "What {action} carries ({use}) has {size} characters, and {limit}. Stations with small buffers lose the connection"
    " over it.",
    "Use elliptic curves and short chains, and leave the root out of the chain.",
    "OCPP 1.6 security CertificateSigned.req, CertificateSignedMaxChainSize; OCPP 2.x Part 2 MaxCertificateChainSize",
)
V2G_PROFILE = Kind(
    "certificate.v2g-unfit",
    "warning",
    "pki",
    "A Plug & Charge certificate is not as ISO 15118 demands",
    "The certificate ({use}) for {subject} is not fit as {role}. Not met: {reasons}. Vehicles refuse such"
    " certificates.",
    "Have it issued by an authority that follows the certificate profiles of {edition}.",
    "ISO 15118-2 Annex F, ISO 15118-20 Annex B; github.com/EVerest/EVerest/issues/2119",
)
UNREADABLE = Kind(
    "certificate.unreadable",
    "warning",
    "csms",
    "A certificate inside a message cannot be read",
    "What {action} carries ({use}) cannot be read as a certificate: {why}.",
    "Whoever sends it: PEM with its BEGIN and END lines, line ends as in the standard, nothing left out or cut.",
    "RFC 7468; OCPP 2.0.1 Part 2 A02, M05",
)

# ------------------------------------------------------------------------------------------ what is installed

HASH_WRONG = Kind(
    "certificate.hash-wrong",
    "warning",
    "station",
    "The hashes that point at a certificate are computed wrongly",
    "{who} points at certificate {serial} ({subject}) by {member}, which does not belong to it{guess}. The other side"
    " does not recognise the certificate, so that it can neither be checked nor deleted.",
    "{who_acts}: compute issuerNameHash over the DER of the issuer's name, issuerKeyHash over the issuer's public key"
    " without its algorithm, with {algorithm}.",
    _HASHES,
)
HASH_FORM = Kind(
    "certificate.hash-form",
    "info",
    "station",
    "The hashes that point at a certificate are spelled differently",
    "{who} spells certificate {serial} in a way that OCPP does not know: {what}. Whoever compares letter by letter does"
    " not recognise it.",
    "{who_acts}: hashes in hexadecimal as long as the algorithm says, the serial number in hexadecimal without leading"
    " zeroes and without 0x.",
    _HASHES,
)
NOT_LISTED = Kind(
    "certificate.not-listed",
    "warning",
    "station",
    "A root that was installed is not in the station's list",
    "The station accepted the root for {subject} ({use}) at {since}, and does not name it among the {count} that it"
    " lists now.",
    "Have the list fetched again after a restart of the station. If it still lacks it, the root is not in use: report"
    " it to the manufacturer.",
    "OCPP 2.0.1 Part 2 M03, M05; Improved security for OCPP 1.6-J §5.1",
    inferred=True,
)
NOT_FOUND = Kind(
    "certificate.delete-not-found",
    "warning",
    "station",
    "The station does not find a certificate that it has listed",
    "The CSMS wanted certificate {serial} deleted, with the very hashes that the station had listed at {since}, and the"
    " station answered NotFound.",
    "Report it to the manufacturer: the station computes these hashes in two ways.",
    "OCPP 2.0.1 Part 2 M04",
)
ROOT_DELETED = Kind(
    "certificate.root-in-use-deleted",
    "warning",
    "csms",
    "The root that vouches for the CSMS was deleted",
    "The station accepted that root {serial} is deleted. The certificate that the CSMS at {server} shows was issued by"
    " {issuer}, which is the name of this root, and no other one that the station has is known to vouch for it.",
    "Install the root again before the connection is lost: at the next connection the station may refuse the CSMS.",
    "OCPP 2.0.1 Part 2 M04, M05",
    inferred=True,
)
ROOT_MISSING = Kind(
    "certificate.csms-root-missing",
    "info",
    "operator",
    "None of the station's roots vouches for the CSMS",
    "The station lists {count} for the CSMS, and none of them bears the name of {issuer}, which issued what the CSMS at"
    " {server} shows. The station connects all the same: it has a root beside those that it lists, or does not verify"
    " the CSMS.",
    "Manufacturer: say which. A station that does not verify the CSMS can be redirected by anybody on the way.",
    "A00.FR.308, 411, 412; OCPP 2.0.1 Part 2 M03",
    inferred=True,
)
ROOT_SIGNATURE = Kind(
    "certificate.csms-root-mismatch",
    "info",
    "pki",
    "The root that was installed does not vouch for the CSMS as it is now",
    "The CSMS at {server} shows a certificate by {issuer}. A root of that name was installed on the station, and did"
    " not sign it: the authority has two keys.",
    "Nothing, if the CSMS is to change to a certificate below the new root. Otherwise install the root that belongs to"
    " its chain before the old one is deleted.",
    "OCPP 2.0.1 Part 2 M05; RFC 5280 §6.1.3",
)
ROOT_EXPIRED = Kind(
    "certificate.installed-root-expired",
    "warning",
    "pki",
    "An expired root is installed in the station",
    "Among what the station lists is the root for {subject} ({use}), which was valid until {end}.",
    "Install the new root of the authority and delete this one: it takes room, and nothing below it is accepted.",
    "OCPP 2.0.1 Part 2 M03 to M05; github.com/dingo35/SmartEVSE-3.5/issues/363",
)

# ------------------------------------------------------------------------------------------ revocation status

STATUS_REVOKED = Kind(
    "certificate.status-revoked",
    "warning",
    "pki",
    "A certificate that the station asks about is revoked",
    "The CSMS passes on what the authority says of certificate {serial}: {why}",
    "Have a new certificate issued for whoever holds this one, and find out why it was revoked. Vehicles end the"
    " connection over it.",
    "OCPP 2.0.1 Part 2 M06; RFC 6960",
)
STATUS_STALE = Kind(
    "certificate.status-stale",
    "warning",
    "csms",
    "The revocation status that the CSMS passes on is out of date",
    "The OCSP response for certificate {serial} cannot be used any more. {why} Vehicles refuse it.",
    "CSMS operator: fetch the response anew from the authority instead of keeping it; check the clock of the server.",
    "OCPP 2.0.1 Part 2 M06.FR.10; RFC 6960 §4.2.2.1",
)
STATUS_USELESS = Kind(
    "certificate.status-unusable",
    "warning",
    "csms",
    "The revocation status that the CSMS passes on proves nothing",
    "What the CSMS answered on certificate {serial} is of no use. {why}",
    "CSMS operator: pass on the OCSP response of the authority's responder as it is: DER in base64, for the certificate"
    " that was asked about.",
    "OCPP 2.0.1 Part 2 M06; RFC 6960 §3.2",
)
NO_RESPONDER = Kind(
    "certificate.status-no-responder",
    "info",
    "pki",
    "The station asks for a revocation status and does not say where it is to be had",
    "The station asks about certificate {serial} and names no OCSP responder. A CSMS that needs the address answers"
    " Failed.",
    "Have certificates issued that name their OCSP responder; ISO 15118 wants it in all that a station or vehicle"
    " shows.",
    "OCPP 2.0.1 Part 2 OCSPRequestDataType; github.com/EVerest/everest-demo/pull/38",
)

# ------------------------------------------------------------------------------------------ contracts

CONTRACT_NAME = Kind(
    "certificate.contract-name",
    "warning",
    "station",
    "The contract certificate is for another contract than the one that is charged",
    "The station asks for {token}, and the contract certificate beside it is for {contract}.",
    "Station manufacturer: take the identifier (eMAID) out of the certificate, without its dashes or with all of them.",
    "OCPP 2.0.1 Part 2 C07; ISO 15118-2 Table F.4",
)
CONTRACT_EXPIRED = Kind(
    "certificate.contract-expired",
    "warning",
    "vehicle",
    "The vehicle's contract certificate is not valid now",
    "The contract certificate for {contract} that the vehicle shows is valid from {begin} to {end}.",
    "The driver has to renew the Plug & Charge contract; the vehicle fetches the new certificate at a station that"
    " supports it. If the dates look right, check the clock of the station.",
    "OCPP 2.0.1 Part 2 C07, M01; ISO 15118-2 §7.9.2",
)
CONTRACT_STATUS = Kind(
    "certificate.contract-status",
    "warning",
    "csms",
    "The CSMS judges a contract certificate differently from what it says",
    "The contract certificate for {contract} is valid from {begin} to {end}, and the CSMS answered {status} at {now}.",
    "CSMS operator: check the clock of the server that verifies contracts, and its roots (MO root, V2G root).",
    "OCPP 2.0.1 Part 2 C07",
)
EXI_BROKEN = Kind(
    "certificate.exi-unreadable",
    "warning",
    "csms",
    "The answer for the vehicle is no EXI",
    "{action}.{member} is not what a vehicle can read: {why}.",
    "Whoever makes it (station for the request, CSMS or contract service for the response): EXI as ISO 15118 has it, in"
    " base64.",
    "OCPP 2.0.1 Part 2 M01; W3C EXI 1.0 §5",
)
EXI_LONG = Kind(
    "certificate.exi-too-long",
    "warning",
    "pki",
    "The contract certificate does not fit into OCPP",
    "{action}.{member} has {size} characters, and OCPP {version} has room for {limit}.",
    "Contract service: shorter chains. CSMS and station must take more than the standard says, or use OCPP 2.1.",
    "OCPP 2.0.1 Part 2 Get15118EVCertificate; github.com/mobilityhouse/ocpp/pull/364",
)

# ------------------------------------------------------------------------------------------ firmware

SIGNER_UNFIT = Kind(
    "certificate.firmware-signer-unfit",
    "warning",
    "csms",
    "The certificate that firmware is signed with is not fit for that",
    "The signing certificate for {subject} that {action} carries cannot be used: {reasons}. The station must refuse the"
    " firmware (InvalidCertificate).",
    "CSMS operator: take certificate and signature as the manufacturer delivers them with this firmware.",
    "Improved security for OCPP 1.6-J L01.FR.02 to 04; OCPP 2.0.1 Part 2 L01",
)
SIGNATURE_SHAPE = Kind(
    "certificate.firmware-signature-shape",
    "warning",
    "csms",
    "The signature of a firmware cannot be one of its signer",
    "The signature that {action} carries is not one that the key of the signing certificate ({key}) makes: {why}. The"
    " station must refuse the firmware (InvalidSignature).",
    "CSMS operator: compare with the file of the manufacturer. The signature is base64 of the bytes, neither hex nor"
    " base64 twice.",
    "Improved security for OCPP 1.6-J L01.FR.11, 12; OCPP 2.0.1 Part 2 L01.FR.11, 12",
)
