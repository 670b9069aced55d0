"""Container images: one archive that is an OCI image layout and what ``docker load`` reads, in one.

No daemon and no registry is needed to build it. The root file system must be able to be read-only, and the user in it
is nobody in particular.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any, Final

from fieldpack.tree import Entry, Tree, gzipped, header, tarred

USER: Final = "65532:65532"
_EPOCH: Final = "1970-01-01T00:00:00Z"
HEALTH: Final = '{"ask": "status"}'
"""It is well when it answers: that a broker is away is no reason to start it anew."""


def built(tree: Tree, arch: str, version: str) -> bytes:
    """An image of this root file system."""
    layer = tarred(tree, prefix="")
    packed = gzipped(layer)
    config = _json(
        {
            "architecture": arch,
            "os": "linux",
            "created": _EPOCH,
            "config": {
                "User": USER,
                "Entrypoint": ["/usr/bin/fieldkit"],
                "Cmd": ["agent", "run", "--config", "/etc/fieldkit/agent.toml"],
                "Env": ["PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "LANG=C.UTF-8"],
                "WorkingDir": "/var/lib/fieldkit",
                "Volumes": {"/var/lib/fieldkit": {}, "/run/fieldkit": {}},
                "StopSignal": "SIGTERM",
                # Docker's and Podman's; plain OCI runtimes pass over it.
                "Healthcheck": {
                    "Test": ["CMD", "/usr/bin/fieldkit", "agent", "ask", HEALTH],
                    "Interval": 60_000_000_000,
                    "Timeout": 20_000_000_000,
                    "StartPeriod": 30_000_000_000,
                },
                "Labels": {
                    "org.opencontainers.image.title": "fieldkit",
                    "org.opencontainers.image.version": version,
                    "org.opencontainers.image.licenses": "MIT",
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": _EPOCH, "created_by": "fieldkit packaging"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _described("application/vnd.oci.image.config.v1+json", config),
            "layers": [_described("application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
    )
    index = _json(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    **_described("application/vnd.oci.image.manifest.v1+json", manifest),
                    "annotations": {"org.opencontainers.image.ref.name": version},
                    "platform": {"architecture": arch, "os": "linux"},
                }
            ],
        }
    )
    loaded = _json(
        [{"Config": _blob(config), "RepoTags": [f"fieldkit:{version}"], "Layers": [_blob(packed)]}]
    )  # docker load
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, "manifest.json": loaded}
    files |= {_blob(data): data for data in (config, manifest, packed)}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in sorted(files.items()):
            archive.addfile(header(name, Entry(data)), io.BytesIO(data))
    return made.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def _described(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}
