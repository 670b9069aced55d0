"""``python -m tests.sources.tlsprobe.standalone ADDRESS PORT CERTIFICATE KEY``: a TLS server in a process of its own, as
for another network namespace. It says when it listens, and ends with its standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.sources.tlsprobe.servers import python_server


def main(address: str, port: str, certificate: str, key: str) -> None:
    with python_server(Path(), (certificate, key), at=(address, int(port))):
        print("listening", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
