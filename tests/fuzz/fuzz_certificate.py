"""Certificates, requests, OCSP responses, revocation lists and files of them: any bytes, through every reader and what
it makes of them through every judge."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.harness import fuzz, instrumented, mutate_bytes, saved_seeds

with instrumented(__name__):
    from tests.trust.judging import LEAF, MIDDLE, everything, samples


def one_input(data: bytes) -> None:
    everything(data)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_certificate")
    yield from samples().values()
    yield LEAF.pem + MIDDLE.pem


mutate = mutate_bytes

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
