"""What a live capture takes and loses, beside tcpdump, on a virtual cable with replayed traffic.

    live.py site.pcap -- fieldkit        (make bench-live; root on Linux, tcpdump, tcpreplay)

Three tables. To a file: the same packets at the same rate for tcpdump and for ``fieldkit capture --record-only``, with
the filter that fieldkit has by default and without one; CPU is what the process itself used while packets came. Live
diagnosis: the whole capture at 20,000 packets a second. Findings: how long after its packet one is on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

HERE, THERE = "fkbench0", "fkbench1"
FILE_RATE: Final = 200_000
LIVE_RATE: Final = 20_000
BUFFER_KIB: Final = 16_384
"""The same for both: fieldkit's default."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
CAPTURES: Final = Path(__file__).parents[1] / "captures"


@contextmanager
def cable() -> Iterator[None]:
    subprocess.run(["ip", "link", "add", HERE, "type", "veth", "peer", "name", THERE], check=True)
    try:
        for end in (HERE, THERE):
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", end, "mtu", "9000", "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "del", HERE], check=True)


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Talk:
    """What a process says on stderr, taken as it comes: a pipe that nobody reads holds up whoever writes into it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said += line.decode("utf-8", "replace")

    def awaits(self, words: str) -> None:
        ends = time.monotonic() + 15
        while words not in self.said:
            if time.monotonic() > ends or self._process.poll() is not None:
                sys.exit(f"{self._process.args} does not begin: {self.said}")
            time.sleep(0.01)

    def whole(self) -> str:
        """Wait for the end of the process."""
        self._process.wait()
        self._reader.join()
        return self.said


def replay(capture: Path, *options: str) -> tuple[int, float]:
    """How many packets were sent, and at which rate."""
    done = subprocess.run(
        ["tcpreplay", "--preload-pcap", *options, "-i", HERE, str(capture)], capture_output=True, text=True
    )
    sent = re.search(r"Actual: (\d+) packets .*? sent in ([\d.]+) seconds", done.stdout)
    if sent is None:
        sys.exit(f"tcpreplay: {done.stderr or done.stdout}")
    return int(sent[1]), int(sent[1]) / float(sent[2])


def recorded(command: list[str], capture: Path, *options: str) -> dict[str, float]:
    """One run: what the process used, what it got and what it lost."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    talk = Talk(process)
    talk.awaits("listening on")
    before = cpu(process.pid)
    sent, rate = replay(capture, *options)
    time.sleep(0.5)
    used = cpu(process.pid) - before
    process.send_signal(signal.SIGINT)
    said = talk.whole()
    got = re.search(r"([\d,]+) packets? captured|: ([\d,]+) packets?", said)
    lost = re.search(r"([\d,]+) packets? dropped by kernel|([\d,]+) dropped", said)
    number = [int((match[1] or match[2]).replace(",", "")) if match else 0 for match in (got, lost)]
    return {"cpu": used, "rate": rate, "sent": sent, "got": number[0], "lost": number[1]}


def to_a_file(options: argparse.Namespace, folder: Path) -> None:
    # The installed fieldkit is asked for its own filter, in the language of tcpdump.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from fieldkit.sources.bpf import CaptureFilter
    from fieldkit.sources.pcapfilter import pcap_filter

    out = str(folder / "out")
    print(f"to a file, {options.rate:,} packets/s offered, median of {options.runs}")
    print(f"  {'':30} {'CPU s':>7} {'packets/s':>10} {'recorded':>10} {'dropped':>9}")
    for name, expression, flags in (
        ("default filter", [pcap_filter(CaptureFilter())], []),
        ("no filter", [], ["--all"]),
    ):
        ratios = []
        runs: dict[str, list[dict[str, float]]] = {"tcpdump": [], "fieldkit": []}
        for _ in range(options.runs):
            tcpdump = ["tcpdump", "-i", THERE, "-B", str(BUFFER_KIB), "-w", out, *expression]
            ours = [*options.command, "capture", "-i", THERE, "-w", f"{out}.pcapng", "--record-only", *flags]
            for tool, command in (("tcpdump", tcpdump), ("fieldkit", ours)):
                runs[tool].append(recorded(command, options.capture, "--pps", str(options.rate)))
            ratios.append(runs["fieldkit"][-1]["cpu"] / max(runs["tcpdump"][-1]["cpu"], 0.01))
        for tool, measured in runs.items():
            middle = {key: statistics.median(one[key] for one in measured) for key in measured[0]}
            print(f"  {f'{name}: {tool}':30} {middle['cpu']:7.2f} {middle['rate']:10,.0f} {middle['got']:10,.0f} "
                  f"{middle['lost']:9,.0f}")  # fmt: skip
        print(f"  {f'{name}: ratio':30} {statistics.median(ratios):7.2f}")


def diagnosed(options: argparse.Namespace, folder: Path) -> None:
    document = folder / "x.json"
    command = [*options.command, "capture", "-i", THERE, "--fail-on", "never", "--json", str(document)]
    begun = time.monotonic()
    run = recorded(command, options.capture, "--pps", str(LIVE_RATE))
    seen: dict[str, Any] = json.loads(document.read_text())["capture"]
    lasted = run["sent"] / run["rate"]
    truth = options.capture.with_suffix(".jsonl")
    wanted = f" of {sum(1 for _ in truth.open('rb')):,}" if truth.exists() else ""
    print(
        f"live diagnosis at {run['rate']:,.0f} packets/s for {lasted:.0f} s ({time.monotonic() - begun:.0f} s in all)"
    )
    print(f"  {100 * run['cpu'] / lasted:.0f} % of one core, {seen['messages']:,}{wanted} messages, "
          f"{run['lost']:,.0f} dropped")  # fmt: skip


def found(options: argparse.Namespace) -> None:
    command = [*options.command, "capture", "-i", THERE, "--follow", "--fail-on", "never"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    Talk(process).awaits("listening on")
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    late = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:  # type: ignore[attr-defined,unused-ignore]
        sender.bind((HERE, 0))
        for packet in packets_of(CAPTURES / "fault_boot_pending.pcap"):
            sent = time.monotonic()
            sender.send(packet.ljust(60, b"\0"))
            while time.monotonic() < sent + 0.15:
                if process.stdout.read():
                    late.append(time.monotonic() - sent)
                time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    process.wait()
    print(f"findings: {len(late)} on standard output, {1000 * statistics.median(late):.0f} ms after their packet "
          f"(at most {1000 * max(late):.0f} ms)")  # fmt: skip


def packets_of(capture: Path) -> Iterator[bytes]:
    """Of a little-endian pcap file of Ethernet."""
    data = capture.read_bytes()
    at = 24
    while at + 16 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16 : at + 16 + size]
        at += 16 + size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=FILE_RATE)
    parser.add_argument("--only", choices=["file", "live", "findings"])
    parser.add_argument("command", nargs="+", help="how fieldkit is called")
    options = parser.parse_args()
    missing = [tool for tool in ("ip", "tcpdump", "tcpreplay") if shutil.which(tool) is None]
    if missing or os.geteuid():
        sys.exit(f"this needs {'root' if os.geteuid() else ', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder, cable():
        Path(folder).chmod(0o777)  # tcpdump and fieldkit give up root's rights
        if options.only in (None, "file"):
            to_a_file(options, Path(folder))
        if options.only in (None, "live"):
            diagnosed(options, Path(folder))
        if options.only in (None, "findings"):
            found(options)


if __name__ == "__main__":
    main()
