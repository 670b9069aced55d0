"""``fieldkit tls`` beside sslyze, nmap and testssl.sh: whole processes, in turns, on one server.

    tls_bench.py FIELDKIT [--runs N] [--sslyze PATH] [--nmap PATH] [--testssl PATH] [--round-trip MS]

The server is nginx with an RSA and an ECDSA certificate and the settings that OCPP asks for; it and its certificates
(by openssl) are made in a temporary folder. Behind the round trip everybody goes through ``tls_relay.py``, which also
counts connections and bytes. "times" compares the medians, "least" the quickest runs, which other programs on the
machine disturb least. Tools that are not there are left out. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

HERE: Final = Path(__file__).parent
SUITES: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
    )
)  # fmt: skip


class Measured(NamedTuple):
    """One run."""

    wall: float
    cpu: float
    rss_mb: float


def run(command: list[str]) -> Measured:
    """A process from its start to its end; its output is thrown away."""
    begun = time.perf_counter()
    # Python programs shall keep what they compile: all were installed once, and run often.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return Measured(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """An OCPP server as it should be."""
    port = free_port()
    pairs: list[str] = []
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
            "-days", "3650", "-subj", "/O=Bench/CN=Bench Root")  # fmt: skip
    for name, key in (
        ("rsa", ("-newkey", "rsa:2048")),
        ("ec", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")),
    ):
        openssl("req", *key, "-nodes", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr",
                "-subj", "/O=CPO/CN=localhost")  # fmt: skip
        (folder / "ext").write_text(
            "subjectAltName=DNS:localhost\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
        )
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
                "-set_serial", str(len(pairs) + 1), "-days", "200", "-extfile", folder / "ext", "-out",
                folder / f"{name}.pem")  # fmt: skip
        pairs.append(f"ssl_certificate {folder}/{name}.pem; ssl_certificate_key {folder}/{name}.key;")
    scratch = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        "events { worker_connections 500; }\n"
        f"http {{ access_log off; {scratch} server {{ listen 127.0.0.1:{port} ssl; {' '.join(pairs)}\n"
        f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {SUITES}; ssl_prefer_server_ciphers on; return 404; }} }}\n"
    )
    folder.chmod(0o755)
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit("the server does not start")


class Counter:
    """The relay in front of a server."""

    def __init__(self, port: int, round_trip: float) -> None:
        self.port = free_port()
        command = [sys.executable, str(HERE / "tls_relay.py"), str(self.port), str(port), str(round_trip)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._out.readline()

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def take(self) -> dict[str, int]:
        """What passed since the last time."""
        assert self._process.stdin is not None
        print("count", file=self._process.stdin, flush=True)
        found: dict[str, int] = json.loads(self._out.readline())
        return found

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def commands(options: argparse.Namespace, port: int, ca: Path) -> dict[str, list[str]]:
    """What is run, by name."""
    target = f"localhost:{port}"
    wanted = {
        "fieldkit": [options.fieldkit, "tls", target, "-4", "--ca", str(ca), "--json", "-"],
        "nmap": [options.nmap, "-n", "-Pn", "-p", str(port), "--script", "ssl-enum-ciphers,ssl-cert", "127.0.0.1"],
        "sslyze": [options.sslyze, f"localhost:{port}"],
        "testssl.sh": [options.testssl, "--nodns", "none", "--quiet", "--warnings", "off", "--ip", "127.0.0.1", target],
    }
    return {name: command for name, command in wanted.items() if command[0] and shutil.which(command[0])}


def compare(wanted: dict[str, list[str]], runs: int, counter: Counter | None, once: tuple[str, ...]) -> None:
    """Runs in turns, so that a machine that gets slower harms all alike; then a table."""
    results: dict[str, list[Measured]] = {name: [] for name in wanted}
    counts: dict[str, dict[str, int]] = {}
    for name, command in wanted.items():
        if name not in once:
            run(command)  # what is compiled and cached at the first run is so for all
    for number in range(runs):
        for name, command in wanted.items():
            if number and name in once:
                continue
            if counter is not None:
                counter.take()
            results[name].append(run(command))
            if counter is not None:
                counts[name] = counter.take()
    own = statistics.median(one.wall for one in results["fieldkit"])
    print(f"{'':12} {'wall':>9} {'CPU':>8} {'memory':>8} {'times':>8} {'least':>8}  connections, up, down")
    for name, some in results.items():
        wall, cpu = (statistics.median(values) for values in zip(*((one.wall, one.cpu) for one in some), strict=True))
        count = counts.get(name)
        told = f"{count['connections']}, {count['up'] / 1000:.1f} kB, {count['down'] / 1000:.1f} kB" if count else ""
        memory = max(one.rss_mb for one in some)
        least = min(one.wall for one in some) / min(one.wall for one in results["fieldkit"])
        print(f"{name:12} {wall:7.3f} s {cpu:6.2f} s {memory:5.0f} MB {wall / own:8.1f} {least:8.1f}  {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fieldkit")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--round-trip", type=float, default=100.0, help="milliseconds")
    parser.add_argument("--sslyze", default="sslyze")
    parser.add_argument("--nmap", default="nmap")
    parser.add_argument("--testssl", default="testssl")
    options = parser.parse_args()
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        sys.exit("nginx and openssl are needed (apt-get install nginx-light openssl)")
    with tempfile.TemporaryDirectory() as name, nginx(Path(name)) as port:
        ca = Path(name) / "ca.pem"
        print("On loopback")
        compare(commands(options, port, ca), options.runs, None, ("testssl.sh",))
        counter = Counter(port, options.round_trip)
        try:
            print(f"\nBehind a round trip of {options.round_trip:.0f} ms")
            far = {
                name: command for name, command in commands(options, counter.port, ca).items() if name != "testssl.sh"
            }
            compare(far, max(options.runs // 3, 1), counter, ("sslyze",))
        finally:
            counter.stop()


if __name__ == "__main__":
    main()
