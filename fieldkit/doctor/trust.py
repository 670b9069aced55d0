"""The certificates that this machine trusts: without them every CSMS looks like an impostor."""

from __future__ import annotations

import os
import shlex
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "trust"
FEW: Final = 20
"""Stores of the usual providers hold 120 to 150."""


def store() -> Iterable[Result]:
    """How many certificates OpenSSL would accept as anchors, and from where."""
    name = "TLS trust store"
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        place = os.environ.get(variable)
        if place and not Path(place).exists():
            text = f"{variable} names {place}, which is not there"
            yield Result(_AREA, name, State.MISSING, text, (f"unset {variable}",))
            return
    count, where = count_certificates()
    if count >= FEW:
        yield Result(_AREA, name, State.WORKS, f"{count} certificates from {where}")
    elif count:
        text = f"only {count} certificates, from {where}: public endpoints will look untrusted"
        yield Result(_AREA, name, State.WARNING, text, _mend())
    else:
        yield Result(_AREA, name, State.MISSING, f"there are no certificates in {where}", _mend())


def count_certificates() -> tuple[int, str]:
    """Of the default store, which a file, a directory or the system itself may be."""
    context = ssl.create_default_context()
    count = context.cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    file, directory = paths.cafile, paths.capath
    if count == 0 and directory:
        # A directory is read one certificate at a time, when it is needed; the names are hashes (openssl-rehash).
        count = sum(1 for path in Path(directory).glob("*.[0-9]"))
    return count, file or directory or ("the system's store" if sys.platform == "win32" else paths.openssl_cafile)


def _mend() -> tuple[str, ...]:
    if sys.platform == "darwin":
        command = Path(f"/Applications/Python {sys.version_info[0]}.{sys.version_info[1]}/Install Certificates.command")
        return (shlex.quote(str(command)),) if command.exists() else machine.install("ca-certificates")
    commands = machine.install("ca-certificates")
    if machine.installer() == "apt-get":
        return (*commands, machine.as_root("update-ca-certificates --fresh"))
    return commands


PROBES: Final = (store,)
