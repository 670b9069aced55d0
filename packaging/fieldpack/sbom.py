"""The bill of materials of a package: CycloneDX 1.5, JSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import Message
from typing import Any, Final, NamedTuple

from fieldpack.wheels import Wheel

_LICENCES: Final = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
}
"""Trove classifiers of older metadata, by their ending, and the SPDX names of what they mean."""


class Part(NamedTuple):
    """Something that is in a package."""

    name: str
    version: str
    licence: str
    """SPDX expression, or what its metadata says instead."""
    purl: str
    """Package URL: where it is from."""
    sha256: str = ""
    """Of the file that it came in."""


def parts(wheels: Iterable[Wheel]) -> list[Part]:
    """The wheels that went in."""
    return [
        Part(
            wheel.name, wheel.version, licence(wheel.about),
            f"pkg:pypi/{wheel.name.lower().replace('_', '-')}@{wheel.version}", wheel.sha256,
        )
        for wheel in wheels
    ]  # fmt: skip


def licence(about: Message) -> str:
    """What a wheel says it may be used under."""
    if about["License-Expression"]:
        return str(about["License-Expression"])
    named = [str(one).rsplit(" :: ", 1)[-1] for one in about.get_all("Classifier", []) if "License ::" in str(one)]
    known = [_LICENCES[one] for one in named if one in _LICENCES]
    if known:
        return " OR ".join(sorted(set(known)))
    said = str(about["License"] or "").strip()
    return said.splitlines()[0] if said else "NOASSERTION"


def document(artefact: str, version: str, sha256: str, made: Iterable[Part], epoch: int) -> bytes:
    """The bill of ``artefact`` (its file name), whose content has this hash."""
    components = [_component(part) for part in sorted(made)]
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Built twice, it has the same number: the number is made of what is in it.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{artefact}:{sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": f"fieldkit@{version}",
                "name": "fieldkit",
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
                "hashes": [{"alg": "SHA-256", "content": sha256}],
                "properties": [{"name": "fieldkit:artefact", "value": artefact}],
            },
        },
        "components": components,
        "dependencies": [{"ref": f"fieldkit@{version}", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return json.dumps(bill, indent=1).encode() + b"\n"


def _component(part: Part) -> Mapping[str, Any]:
    single = part.licence.replace("-", "").replace(".", "").isalnum()
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "licenses": [{"license": {"id": part.licence}} if single and part.licence != "NOASSERTION" else
                     {"license": {"name": part.licence}} if " OR " not in part.licence and " AND " not in part.licence
                     else {"expression": part.licence}],
        "purl": part.purl,
    }  # fmt: skip
    if part.sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    return made
