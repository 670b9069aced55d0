"""What an agent takes of a router, and how quick it is: the table of its bars, measured here.

    python benchmarks/agent_bench.py                          # all: about five minutes
    python benchmarks/agent_bench.py lite full --seconds 600  # some, for longer
    python benchmarks/agent_bench.py drain --drain 1000000    # the whole outbox through MQTT

lite      20 stations that are idle, the Python of a small router (no compiled packages), memory = "low"; once with a
          broker on the router itself, once over TLS
full      200 stations of which half charge, the detector at work
start     from exec to capturing, median of five, lite and full
finding   from the packet that gives a finding away to the broker's subscriber and to a file
drain     an outbox of a million findings: what it takes in memory, how quickly a real broker takes them with QoS 1

Everything is real: the agent as a process, traffic in real time on a virtual cable in a network namespace of its own,
mosquitto. Needs root, mosquitto, openssl and what fieldkit needs. Ends with 1 when a bar is missed; a busy machine
misses those of time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent_site import COMING, ROOT, Taken, Traffic, alone, cable, lite_python, taken, warmed
from agent_soak import Broker

PARTS: Final = ("lite", "full", "start", "finding", "drain")
SETTLING: Final = 15.0
"""Seconds after all stations have connected until it is measured: connections and first findings are not idleness."""
LOAD: Final = 60.0
"""Seconds that a start may take on a machine that has other work."""
STARTS: Final = 5
PENDING: Final = ROOT / "captures" / "fault_boot_pending.pcap"
FINDING: Final = "boot.remote-start-while-pending"
FILLED: Final = 1000
"""Records put into the outbox at a time."""


class Measure(NamedTuple):
    """A line of the table."""

    what: str
    bar: str
    here: str
    well: bool


# ----------------------------------------------------------------------------------------------------------- the agent


class Agent:
    """One agent as a process, from exec to its end."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], config: Path) -> None:
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--config", str(config)], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said: list[tuple[float, str]] = []
        """Lines of its log, each with the moment."""
        threading.Thread(target=self._hear, daemon=True).start()
        self.wait_for(lambda: any("listening on" in line for _, line in self.said))
        self.started = next(moment for moment, line in self.said if "listening on" in line) - begun
        """Seconds from exec to capturing."""

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append((time.monotonic(), line.rstrip()))

    def wait_for(self, condition: Callable[[], object]) -> None:
        """SystemExit with its log when that never comes."""
        ends = time.monotonic() + LOAD
        while not condition():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("\n".join(["the agent does not get on:", *(line for _, line in self.said)]))
            time.sleep(0.005)

    def status(self, run: Path) -> dict[str, object]:
        """As ``fieldkit agent status`` has it."""
        from fieldkit.agent.control import ask

        return dict(ask(run, {"ask": "status"})[0])

    def end(self) -> None:
        """SIGTERM, as an init does it."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()


def configured(folder: Path, interface: str, sinks: str, *more: str) -> Path:
    """A configuration in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "agent.toml"
    lines = [
        "[agent]", 'site = "bench"', 'name = "router"', f'state = "{folder}/state"', f'run = "{folder}/run"', *more,
        "[capture]", f'sources = ["{interface}"]', sinks,
    ]  # fmt: skip
    path.write_text("\n".join([*lines, ""]))
    return path


def configured_small(folder: Path, interface: str, url: str, *more: str) -> Path:
    """The same as a small router has it: UCI, memory = "low", a broker."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fieldkit"
    options = {"site": "bench", "name": "router", "state": f"{folder}/state", "run": f"{folder}/run", "memory": "low"}
    lines = [
        "config agent 'agent'", *(f"option {name} '{value}'" for name, value in options.items()),
        "config capture 'capture'", f"list sources '{interface}'",
        "config sink 'home'", "option type 'mqtt'", f"option url '{url}'", *more,
    ]  # fmt: skip
    path.write_text("\n".join([*lines, ""]))
    return path


def to_file(folder: Path) -> str:
    """A sink."""
    return f'[sinks.disk]\ntype = "file"\npath = "{folder}/findings.jsonl"\n'


def to_broker(url: str, *more: str) -> str:
    """A sink."""
    return "\n".join(["[sinks.home]", 'type = "mqtt"', f'url = "{url}"', *more, ""])


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """mosquitto on a port of this namespace."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Broker(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)


@contextmanager
def broker_with_tls(folder: Path) -> Iterator[tuple[int, Path]]:
    """The same behind TLS: its port, and the authority to trust."""
    folder.mkdir(parents=True, exist_ok=True)
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    made = Broker(folder, f"certfile {cert}", f"keyfile {key}")
    made.start()
    try:
        yield made.port, cert
    finally:
        made.stop(signal.SIGKILL)


# ------------------------------------------------------------------------------------------------------------ measures


class Lab(NamedTuple):
    """What all measures share."""

    folder: Path
    here: str
    there: str
    seconds: float
    lite: list[str]
    lite_environment: dict[str, str]

    @property
    def full(self) -> list[str]:
        """The agent with all that is installed here."""
        return [sys.executable, "-m", "fieldkit", "agent", "run"]

    @property
    def full_environment(self) -> dict[str, str]:
        """Its environment."""
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    @property
    def small(self) -> list[str]:
        """The agent of a small router, as its init script begins it."""
        return [*self.lite, "-m", "fieldkit.agent"]


def watched(agent: Agent, seconds: float) -> tuple[Taken, float]:
    """The most that it was resident with, and the share of a core that it took."""
    begun, before = time.monotonic(), taken(agent.process.pid)
    most = before
    while time.monotonic() - begun < seconds:
        time.sleep(1)
        now = taken(agent.process.pid)
        most = Taken(*map(max, most, now))
    return most, (most.seconds - before.seconds) / (time.monotonic() - begun) * 100


def lite(lab: Lab) -> Iterator[Measure]:
    """20 stations, idle."""
    with broker(lab.folder / "plain") as plain, broker_with_tls(lab.folder / "tls") as (port, ca):
        ways: dict[str, tuple[str, ...]] = {
            "a broker on the router": (f"mqtt://127.0.0.1:{plain.port}",),
            "a broker over TLS": (f"mqtts://localhost:{port}", f"option ca '{ca}'"),
        }
        for number, (way, sink) in enumerate(ways.items()):
            place = lab.folder / f"lite{number}"
            config = configured_small(place, lab.there, *sink)
            agent = Agent(lab.small, lab.lite_environment, config)
            try:
                most, share = _under_traffic(lab, agent, 20, busy=False)
                told = agent.status(place / "run")
            finally:
                agent.end()
            _complete(told, 20)
            yield Measure(
                f"lite agent, 20 stations idle, {way}: resident", "<= 40 MB",
                f"{most.resident:.1f} MB (all its processes {most.all_together:.1f})", most.resident <= 40,
            )  # fmt: skip
            yield Measure("    processor", "<= 2 %", f"{share:.2f} %", share <= 2)


def full(lab: Lab) -> Iterator[Measure]:
    """200 stations, half of them charging, the detector at work."""
    with broker(lab.folder / "full-broker") as plain:
        place = lab.folder / "full"
        sinks = to_broker(f"mqtt://127.0.0.1:{plain.port}") + to_file(place)
        config = configured(place, lab.there, sinks + "[detector]\nuse = true\n")
        agent = Agent(lab.full, lab.full_environment, config)
        try:
            most, share = _under_traffic(lab, agent, 200, busy=True)
            told = agent.status(place / "run")
        finally:
            agent.end()
        _complete(told, 200)
        without = [line for _, line in agent.said if "the detector is not used" in line]
        if without:
            raise SystemExit(without[0])
        yield Measure(
            "full agent, detector, 200 stations: resident", "<= 130 MB",
            f"{most.resident:.1f} MB (all its processes {most.all_together:.1f})", most.resident <= 130,
        )  # fmt: skip
        yield Measure("    processor", "<= 15 %", f"{share:.1f} %", share <= 15)


def _under_traffic(lab: Lab, agent: Agent, stations: int, *, busy: bool) -> tuple[Taken, float]:
    traffic = Traffic(lab.here, stations, busy=busy)
    traffic.start()
    try:
        time.sleep(COMING + SETTLING)
        return watched(agent, lab.seconds)
    finally:
        traffic.end()


def _complete(told: dict[str, object], stations: int) -> None:
    """An agent that has heard nothing takes little."""
    if told["stations"] != stations or told["packets_lost_total"]:
        raise SystemExit(f"of {stations} stations it has seen {told['stations']}, lost {told['packets_lost_total']}")


def start(lab: Lab) -> Iterator[Measure]:
    """From exec to capturing."""
    with broker(lab.folder / "start-broker") as plain:
        url = f"mqtt://127.0.0.1:{plain.port}"
        for name in ("lite", "full"):
            took: list[float] = []
            used: list[float] = []
            for number in range(STARTS):
                place = lab.folder / f"start-{name}-{number}"
                if name == "lite":
                    agent = Agent(lab.small, lab.lite_environment, configured_small(place, lab.there, url))
                else:
                    agent = Agent(lab.full, lab.full_environment, configured(place, lab.there, to_broker(url)))
                took.append(agent.started)
                used.append(taken(agent.process.pid).seconds)
                agent.end()
            middle = statistics.median(took)
            yield Measure(
                f"{name} agent: from exec to capturing", "<= 1.5 s",
                f"{middle:.2f} s ({min(took):.2f} to {max(took):.2f}; {statistics.median(used):.2f} s of processor)",
                middle <= 1.5,
            )  # fmt: skip


def finding(lab: Lab) -> Iterator[Measure]:
    """From the wire to those who wait for it."""
    with broker(lab.folder / "finding-broker") as plain:
        place = lab.folder / "finding"
        sinks = to_broker(f"mqtt://127.0.0.1:{plain.port}") + to_file(place)
        agent = Agent(lab.full, lab.full_environment, configured(place, lab.there, sinks))
        arrived: list[float] = []
        client = _subscribed(plain.port, lambda body: arrived.append(time.monotonic()) if FINDING in body else None)
        try:
            _replay(PENDING, lab.here)
            file = place / "findings.jsonl"
            written = 0.0
            ends = time.monotonic() + LOAD
            while not (written and arrived) and time.monotonic() < ends:
                if not written and file.exists() and FINDING in file.read_text():
                    written = time.monotonic()
                time.sleep(0.005)
            raised = next((moment for moment, line in agent.said if FINDING in line), 0.0)
        finally:
            client.disconnect()
            client.loop_stop()
            agent.end()
        if not (raised and arrived and written):
            raise SystemExit("the finding has not arrived")
        for what, moment in (("the broker's subscriber", arrived[0]), ("a file", written)):
            after = max(moment - raised, 0.0)
            yield Measure(f"a finding that was raised is at {what} after", "<= 5 s", f"{after:.2f} s", after <= 5)


def _replay(path: Path, interface: str) -> None:
    """All packets of a pcap file, at once."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as way:
        way.bind((interface, 0))
        at = 24
        while at < len(data):
            size = struct.unpack_from(f"{order}I", data, at + 8)[0]
            way.send(data[at + 16 : at + 16 + size].ljust(60, b"\0"))
            at += 16 + size


def _subscribed(port: int, take: Callable[[str], object]):  # type: ignore[no-untyped-def]  # paho is imported late
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("fieldkit/#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda client, _, told: take(told.payload.decode())
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not ready.wait(LOAD):
        raise SystemExit("the broker does not answer")
    return client


# --------------------------------------------------------------------------------------------------------------- drain


def drain(lab: Lab, queued: int, taken_out: int) -> Iterator[Measure]:
    """An outbox as a long outage leaves it."""
    from fieldkit.agent.outbox import Outbox  # noqa: F401  # where it is missing, now

    place = lab.folder / "drain"
    place.mkdir()
    with broker(lab.folder / "drain-broker") as plain:
        done = subprocess.run(
            [*lab.lite, str(Path(__file__).resolve()), "--drain-here", str(place), str(plain.port), str(queued),
             str(taken_out)],
            env={**lab.lite_environment, "PYTHONPATH": str(Path(__file__).parent)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit("the outbox could not be drained")
    told = json.loads(done.stdout)
    grown = told["full"] - told["first"]
    yield Measure(
        f"outbox of {queued:,} findings: resident", "flat",
        f"{told['first']:.1f} MB with 10,000, {told['full']:.1f} MB with all, {told['most']:.1f} MB when sent",
        max(grown, told["most"] - told["first"]) <= 8,
    )  # fmt: skip
    rate = taken_out / told["seconds"]
    yield Measure(
        f"    {taken_out:,} of them through MQTT, QoS 1, to mosquitto", ">= 2,000/s",
        f"{rate:,.0f}/s ({told['processor'] / taken_out * 1e6:.0f} us of processor each)", rate >= 2000,
    )  # fmt: skip


def drained(place: str, port: int, queued: int, taken_out: int) -> None:
    """In a process of its own, so that it is the outbox that is measured: fill it, empty it, say what that took."""
    from agent_soak import sending, soak_record

    outbox, courier = sending(Path(place) / "store", None, port, size=8 << 30)
    first = 0.0
    for begin in range(0, queued, FILLED):
        outbox.put(*(soak_record(number, 400) for number in range(begin, min(begin + FILLED, queued))))
        if begin < 10_000:
            first = taken(os.getpid()).resident
    full_ = most = taken(os.getpid()).resident
    begun, before = time.monotonic(), time.process_time()
    courier.start()
    while courier.delivered < taken_out:
        time.sleep(0.2)
        most = max(most, taken(os.getpid()).resident)
    print(json.dumps({
        "first": first, "full": full_, "most": most, "seconds": time.monotonic() - begun,
        "processor": time.process_time() - before,
    }))  # fmt: skip
    sys.stdout.flush()
    os._exit(0)  # what is left need not be sent


# --------------------------------------------------------------------------------------------------------------- table


def main() -> int:
    """The exit status."""
    if sys.argv[1:2] == ["--drain-here"]:
        drained(sys.argv[2], *map(int, sys.argv[3:6]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (usual: all)")
    parser.add_argument("--seconds", type=float, default=60, help="of traffic that is measured (usual: 60)")
    parser.add_argument("--queued", type=int, default=1_000_000, help="findings in the outbox")
    parser.add_argument("--drain", type=int, default=100_000, help="of them that are sent")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    alone()
    sys.path.insert(0, str(ROOT))
    well = True
    with tempfile.TemporaryDirectory(prefix="fieldkit-bench-") as name, cable() as (here, there):
        folder = Path(name)
        folder.chmod(0o755)  # the agent becomes another user
        python = lite_python(folder / "lite")
        lab = Lab(folder, here, there, given.seconds, python, warmed(python, folder))
        measures: dict[str, Callable[[], Iterator[Measure]]] = {
            "lite": lambda: lite(lab), "full": lambda: full(lab), "start": lambda: start(lab),
            "finding": lambda: finding(lab), "drain": lambda: drain(lab, given.queued, given.drain),
        }  # fmt: skip
        print(f"{'':78}{'bar':14}here")
        for part in given.parts or PARTS:
            for one in measures[part]():
                print(f"{one.what:78}{one.bar:14}{one.here}{'' if one.well else '   <-- missed'}", flush=True)
                well &= one.well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
