"""What the object identifiers in certificates mean (RFC 5280, RFC 5480, RFC 8017, RFC 8410, RFC 6960)."""

from __future__ import annotations

from typing import Final, NamedTuple

# -----------------------------------------------------------------------------------------------------  name attributes

COMMON_NAME: Final = "2.5.4.3"
ORGANIZATION: Final = "2.5.4.10"
UNIT: Final = "2.5.4.11"
COUNTRY: Final = "2.5.4.6"
DOMAIN_COMPONENT: Final = "0.9.2342.19200300.100.1.25"

ATTRIBUTES: Final = {
    COMMON_NAME: "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", COUNTRY: "C", "2.5.4.7": "L", "2.5.4.8": "ST",
    "2.5.4.9": "street", ORGANIZATION: "O", UNIT: "OU", "2.5.4.12": "title", "2.5.4.17": "postalCode",
    "2.5.4.42": "GN", "2.5.4.46": "dnQualifier", "2.5.4.97": "organizationIdentifier", DOMAIN_COMPONENT: "DC",
    "0.9.2342.19200300.100.1.1": "UID", "1.2.840.113549.1.9.1": "email",
}  # fmt: skip

# ----------------------------------------------------------------------------------------------------------------  keys

RSA: Final = "1.2.840.113549.1.1.1"
RSA_PSS: Final = "1.2.840.113549.1.1.10"
EC: Final = "1.2.840.10045.2.1"
DSA: Final = "1.2.840.10040.4.1"
KEY_TYPES: Final = {
    RSA: "RSA", RSA_PSS: "RSA-PSS", EC: "EC", DSA: "DSA", "1.3.101.110": "X25519", "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448", "1.2.840.10046.2.1": "DH", "1.2.840.113549.1.3.1": "DH",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44", "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}  # fmt: skip
EDWARDS_BITS: Final = {"X25519": 255, "X448": 448, "Ed25519": 255, "Ed448": 448}
CURVES: Final[dict[str, tuple[str, int]]] = {
    "1.2.840.10045.3.1.1": ("secp192r1", 192), "1.3.132.0.33": ("secp224r1", 224),
    "1.2.840.10045.3.1.7": ("secp256r1", 256),
    "1.3.132.0.34": ("secp384r1", 384), "1.3.132.0.35": ("secp521r1", 521), "1.3.132.0.10": ("secp256k1", 256),
    "1.3.132.0.8": ("secp160r1", 160), "1.3.132.0.31": ("secp192k1", 192), "1.3.132.0.32": ("secp224k1", 225),
    "1.3.132.0.1": ("sect163k1", 163), "1.3.132.0.15": ("sect163r2", 163), "1.3.132.0.26": ("sect233k1", 233),
    "1.3.132.0.27": ("sect233r1", 233), "1.3.132.0.16": ("sect283k1", 283), "1.3.132.0.17": ("sect283r1", 283),
    "1.3.132.0.36": ("sect409k1", 409), "1.3.132.0.37": ("sect409r1", 409), "1.3.132.0.38": ("sect571k1", 571),
    "1.3.132.0.39": ("sect571r1", 571), "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384), "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
    "1.3.36.3.3.2.8.1.1.3": ("brainpoolP192r1", 192), "1.3.36.3.3.2.8.1.1.5": ("brainpoolP224r1", 224),
    "1.3.36.3.3.2.8.1.1.9": ("brainpoolP320r1", 320), "1.2.156.10197.1.301": ("sm2p256v1", 256),
}  # fmt: skip
"""Name and bits of the field."""

# ----------------------------------------------------------------------------------------------------------  signatures

HASHES: Final = {
    "1.2.840.113549.2.5": "md5", "1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3_256", "2.16.840.1.101.3.4.2.9": "sha3_384", "2.16.840.1.101.3.4.2.10": "sha3_512",
}  # fmt: skip
HASH_OIDS: Final = {name: oid for oid, name in HASHES.items()}
MGF1: Final = "1.2.840.113549.1.1.8"


class Scheme(NamedTuple):
    """How a signature is made."""

    label: str
    kind: str
    """"rsa", "pss", "ecdsa", "dsa", "ed25519", "ed448"; "" for what is not known."""
    hash: str


SIGNATURES: Final = {
    "1.2.840.113549.1.1.2": Scheme("RSA with MD2", "", "md2"),
    "1.2.840.113549.1.1.4": Scheme("RSA with MD5", "rsa", "md5"),
    "1.2.840.113549.1.1.5": Scheme("RSA with SHA-1", "rsa", "sha1"),
    "1.3.14.3.2.29": Scheme("RSA with SHA-1", "rsa", "sha1"),
    "1.2.840.113549.1.1.14": Scheme("RSA with SHA-224", "rsa", "sha224"),
    "1.2.840.113549.1.1.11": Scheme("RSA with SHA-256", "rsa", "sha256"),
    "1.2.840.113549.1.1.12": Scheme("RSA with SHA-384", "rsa", "sha384"),
    "1.2.840.113549.1.1.13": Scheme("RSA with SHA-512", "rsa", "sha512"),
    RSA_PSS: Scheme("RSA-PSS", "pss", ""),
    "1.2.840.10045.4.1": Scheme("ECDSA with SHA-1", "ecdsa", "sha1"),
    "1.2.840.10045.4.3.1": Scheme("ECDSA with SHA-224", "ecdsa", "sha224"),
    "1.2.840.10045.4.3.2": Scheme("ECDSA with SHA-256", "ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": Scheme("ECDSA with SHA-384", "ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": Scheme("ECDSA with SHA-512", "ecdsa", "sha512"),
    "1.2.840.10040.4.3": Scheme("DSA with SHA-1", "dsa", "sha1"),
    "2.16.840.1.101.3.4.3.1": Scheme("DSA with SHA-224", "dsa", "sha224"),
    "2.16.840.1.101.3.4.3.2": Scheme("DSA with SHA-256", "dsa", "sha256"),
    "1.3.101.112": Scheme("Ed25519", "ed25519", ""),
    "1.3.101.113": Scheme("Ed448", "ed448", ""),
}

# ----------------------------------------------------------------------------------------------------------  extensions

SUBJECT_KEY_ID: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
ALT_NAME: Final = "2.5.29.17"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
NAME_CONSTRAINTS: Final = "2.5.29.30"
CRL_POINTS: Final = "2.5.29.31"
POLICIES: Final = "2.5.29.32"
POLICY_CONSTRAINTS: Final = "2.5.29.36"
AUTHORITY_KEY_ID: Final = "2.5.29.35"
EXTENDED_USAGE: Final = "2.5.29.37"
AUTHORITY_INFO: Final = "1.3.6.1.5.5.7.1.1"
TLS_FEATURE: Final = "1.3.6.1.5.5.7.1.24"
OCSP_NO_CHECK: Final = "1.3.6.1.5.5.7.48.1.5"
ACCESS_OCSP: Final = "1.3.6.1.5.5.7.48.1"
ACCESS_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"

EXTENSIONS: Final = {
    SUBJECT_KEY_ID: "subjectKeyIdentifier", KEY_USAGE: "keyUsage", "2.5.29.18": "issuerAltName",
    ALT_NAME: "subjectAltName", BASIC_CONSTRAINTS: "basicConstraints", NAME_CONSTRAINTS: "nameConstraints",
    CRL_POINTS: "cRLDistributionPoints", POLICIES: "certificatePolicies", "2.5.29.33": "policyMappings",
    AUTHORITY_KEY_ID: "authorityKeyIdentifier", POLICY_CONSTRAINTS: "policyConstraints", EXTENDED_USAGE: "extKeyUsage",
    "2.5.29.46": "freshestCRL", "2.5.29.54": "inhibitAnyPolicy", AUTHORITY_INFO: "authorityInfoAccess",
    TLS_FEATURE: "TLS feature", OCSP_NO_CHECK: "ocspNoCheck", "1.3.6.1.4.1.11129.2.4.2": "certificate timestamps",
    "1.3.6.1.5.5.7.1.11": "subjectInfoAccess", "1.3.6.1.5.5.7.1.3": "qcStatements",
    "2.16.840.1.113730.1.1": "Netscape certificate type", "2.16.840.1.113730.1.13": "Netscape comment",
    "2.5.29.16": "privateKeyUsagePeriod",
}  # fmt: skip
PROCESSED: Final = frozenset(
    {
        SUBJECT_KEY_ID, KEY_USAGE, "2.5.29.18", ALT_NAME, BASIC_CONSTRAINTS, NAME_CONSTRAINTS, CRL_POINTS, POLICIES,
        "2.5.29.33", AUTHORITY_KEY_ID, POLICY_CONSTRAINTS, EXTENDED_USAGE, "2.5.29.54", AUTHORITY_INFO, TLS_FEATURE,
        OCSP_NO_CHECK, "2.16.840.1.113730.1.1",
    }
)  # fmt: skip
"""Extensions that TLS clients know what to do with. One beyond these that is marked critical stops them (RFC 5280
§4.2)."""

USAGES: Final = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
    "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
"""By number of their bit."""

SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
CODE_SIGNING: Final = "1.3.6.1.5.5.7.3.3"
OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
ANY_USAGE: Final = "2.5.29.37.0"
PURPOSES: Final = {
    SERVER_AUTH: "TLS server", CLIENT_AUTH: "TLS client", CODE_SIGNING: "code signing",
    "1.3.6.1.5.5.7.3.4": "e-mail", "1.3.6.1.5.5.7.3.8": "time stamping", OCSP_SIGNING: "OCSP signing",
    ANY_USAGE: "anything", "2.16.840.1.113730.4.1": "Netscape server gated crypto",
    "1.3.6.1.4.1.311.10.3.3": "Microsoft server gated crypto", "1.3.6.1.5.5.7.3.17": "IPsec",
}  # fmt: skip
"""Extended key usages."""

# --------------------------------------------------------------------------------------------------------------- others

OCSP_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
OCSP_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"
