"""Two others who judge chains: the ``openssl`` command and pyhanko-certvalidator."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path

import pytest

from tests.trust.pki import NOW, Made


def openssl_accepts(
    folder: Path, leaf: Made, middle: Sequence[Made], roots: Sequence[Made], *, at: datetime = NOW, purpose: str = ""
) -> bool:
    """What ``openssl verify`` says."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    for name, made in (("leaf", [leaf]), ("middle", middle), ("roots", roots)):
        (folder / name).write_bytes(b"".join(one.pem for one in made))
    command = ["openssl", "verify", "-attime", str(int(at.timestamp())), "-CAfile", str(folder / "roots"),
               "-no-CApath", "-no-CAstore"]  # fmt: skip
    if middle:
        command += ["-untrusted", str(folder / "middle")]
    if purpose:
        command += ["-purpose", purpose]
    done = subprocess.run([*command, str(folder / "leaf")], capture_output=True, text=True, timeout=20)
    return done.returncode == 0


def certvalidator_accepts(
    leaf: Made, middle: Sequence[Made], roots: Sequence[Made], *, at: datetime = NOW, purpose: str = "server_auth"
) -> bool:
    """What pyhanko-certvalidator says."""
    if importlib.util.find_spec("pyhanko_certvalidator") is None:
        pytest.skip("pyhanko-certvalidator is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_one = import_module("asn1crypto.x509").Certificate.load
        validator_of = import_module("pyhanko_certvalidator")
        errors = import_module("pyhanko_certvalidator.errors")
        failures = (errors.PathBuildingError, errors.PathValidationError, errors.ValidationError)
        context = validator_of.ValidationContext(
            trust_roots=[load_one(one.der) for one in roots],
            other_certs=[load_one(one.der) for one in middle],
            moment=at,
            best_signature_time=at,
            allow_fetching=False,
            weak_hash_algos=set(),
        )
        validator = validator_of.CertificateValidator(load_one(leaf.der), validation_context=context)
        extended = {purpose} if purpose else set()
        try:
            asyncio.run(validator.async_validate_usage(set(), extended, extended_optional=True))
        except failures:
            return False
    return True
