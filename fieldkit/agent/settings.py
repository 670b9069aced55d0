"""The agent's configuration: one TOML file, understood. docs/agent.md explains every key."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from fieldkit.agent import secretfile, sinks, uci
from fieldkit.agent.outbox import Limits
from fieldkit.agent.schedule import WHEN, Schedule, Window, parse_window
from fieldkit.agent.sinks.shared import SinkSettings
from fieldkit.agent.sinks.tls import TlsSettings
from fieldkit.config import ConfigError, Document, Table
from fieldkit.links.uplink import Kind
from fieldkit.sources import opening
from fieldkit.sources.bpf import CaptureFilter, compile_filter, host
from fieldkit.sources.recording import Ring

_TOML: Final = Path("/etc/fieldkit/agent.toml")
USUAL: Final = uci.USUAL if uci.USUAL.exists() and not _TOML.exists() else _TOML
"""Where the configuration is unless somebody says otherwise."""
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Of a site or an agent: it becomes part of an MQTT topic and of file names."""
_NAME_HINT: Final = "letters, digits, dots, hyphens and underscores, at most 64"
UPLINKS: Final[tuple[Kind, ...]] = ("ethernet", "cellular", "satellite", "wifi", "vpn", "unknown")
FREE: Final[tuple[Kind, ...]] = ("ethernet", "wifi")
"""Kinds of uplink that captures may be sent over unless told otherwise."""
Memory: TypeAlias = Literal["normal", "low"]
Keep: TypeAlias = Literal["critical", "warning", "info", "never"]

SMALL_BUFFER: Final = 1 << 19
"""Bytes of a capture ring with memory = "low"."""
LOW_MEMORY: Final = 64_000_000
NORMAL_MEMORY: Final = 256_000_000
"""Bytes of resident memory at which the diagnosis begins anew, unless ``memory_limit`` says otherwise."""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """[capture]."""

    sources: tuple[str, ...] = ()
    wanted: CaptureFilter = field(default_factory=CaptureFilter)
    buffer: int = 0


@dataclass(frozen=True, slots=True)
class RingSettings:
    """[ring]: recordings of the last packets."""

    folder: Path
    ring: Ring
    age: float
    keep: Keep
    """Findings of this severity or worse make the files around them stay …"""
    kept: int
    """… in so many bytes at most."""


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """[upload]: where kept captures go."""

    url: str
    token_file: str
    tls: TlsSettings
    over: tuple[str, ...]
    """Kinds of uplink, or ids of uplinks, that captures may be sent over."""
    waiting: int
    """Bytes that may wait."""


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """[[serial]]: a device on a serial port."""

    port: str
    device: str
    every: float
    """Seconds between two readings; 0: it is only listened to."""
    line: str


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """[links]: the router's uplinks."""

    router: str
    every: float
    plugins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PostureSettings:
    """[[posture]]: an endpoint whose TLS is looked at now and then."""

    target: str
    every: float
    identity: str
    password_file: str
    ca: str
    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """[detector]: what looks for the unusual."""

    use: bool = True
    layers: tuple[str, ...] = ()
    """Of rules, statistics, model; none named: as many as there are."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    path: Path
    site: str
    name: str
    state: Path
    run: Path
    user: str
    memory: Memory
    memory_limit: int
    cpu: int
    """Percent of one core; 0: no ceiling."""
    show_ids: bool
    keep_root: bool
    validate: bool
    min_profile: int | None
    leave_out: tuple[str, ...]
    """Ids of findings that are not reported; "meter.*" leaves out a family."""
    severity: str
    """The least that is reported."""
    health: float
    """Seconds between two records of the agent's numbers."""
    capture: CaptureSettings
    schedule: Schedule
    ring: RingSettings | None
    upload: UploadSettings | None
    serial: tuple[SerialSettings, ...]
    links: LinkSettings | None
    posture: tuple[PostureSettings, ...]
    detector: DetectorSettings
    limits: Limits
    stage: bool
    budgets: tuple[tuple[str, int], ...]
    """Bytes a day, by kind or id of uplink."""
    assume: str
    """Kind of the uplink where nothing tells: "" for one that is free."""
    sinks: tuple[SinkSettings, ...]


def load(path: Path) -> Settings:
    """Of a file; ConfigError says all that is wrong with it."""
    return understood(uci.read(path), path)


def understood(document: Document, path: Path) -> Settings:
    """Of a document."""
    agent = document.table("agent")
    checks = document.table("checks")
    memory: Memory = "low" if agent.choice("memory", ("normal", "low"), "normal") == "low" else "normal"
    settings = Settings(
        path=path,
        site=agent.needed("site", pattern=NAME, hint=_NAME_HINT),
        name=agent.text("name", _hostname(), pattern=NAME, hint=_NAME_HINT),
        state=_absolute(agent, "state", "/var/lib/fieldkit"),
        run=_absolute(agent, "run", "/run/fieldkit"),
        user=agent.text("user", pattern=r"[a-z_][a-z0-9_-]{0,31}", hint="the name of a user"),
        memory=memory,
        memory_limit=agent.size(
            "memory_limit", str(LOW_MEMORY if memory == "low" else NORMAL_MEMORY), least=32_000_000
        ),
        cpu=agent.whole("cpu", 0, 0, 100),
        show_ids=agent.flag("show_ids"),
        keep_root=agent.flag("keep_root"),
        health=agent.duration("health", "5m", least=1.0),
        validate=checks.flag("validate", default=memory == "normal"),
        min_profile=checks.whole("min_profile", 0, 1, 3) or None,
        leave_out=checks.texts("leave_out", pattern=r"[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?", hint="ids such as meter.gap"),
        severity=checks.choice("severity", ("critical", "warning", "info"), "info"),
        capture=_capture(document.table("capture"), memory),
        schedule=_schedule(document.table("schedule")),
        ring=_ring(document),
        upload=_upload(document),
        serial=tuple(_serial(table) for table in document.root.tables("serial")),
        links=_links(document),
        posture=tuple(_posture(table) for table in document.root.tables("posture")),
        detector=_detector(document.table("detector"), memory),
        limits=_limits(document.table("outbox")),
        stage=document.table("outbox").flag("stage", default=True),
        budgets=_budgets(document.table("uplinks").table("budget")),
        assume=document.table("uplinks").choice("assume", ("", *UPLINKS), ""),
        sinks=_sinks(document),
    )
    if not settings.capture.sources and not settings.serial and not settings.posture and settings.links is None:
        document.table("capture").complain("sources", 'is missing: name interfaces, as in sources = ["br-lan"]')
    if settings.upload is not None and settings.ring is None:
        document.table("upload").complain("", "there is nothing to upload without [ring]")
    if settings.schedule.when == "events" and settings.links is None:
        document.table("schedule").complain("when", "events come from the uplinks: add [links]")
    document.finish()
    return settings


def _hostname() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname().partition(".")[0])[:64].lstrip("._-") or "agent"


def _absolute(table: Table, key: str, default: str) -> Path:
    return Path(table.text(key, default, pattern=r"/[^\0]*", hint="give an absolute path"))


def _capture(table: Table, memory: Memory) -> CaptureSettings:
    sources = table.texts("sources", pattern=r"[^\s\0]{1,255}", hint="an interface, ssh://… or tzsp://…")
    for source in sources:
        if source == "-":
            table.complain("sources", "- is for the command line: a service has no standard input")
        elif source.startswith("tzsp://") and (table.keys and ({"hosts", "ports", "vlan"} & set(table.keys))):
            table.complain("sources", f"{source}: hosts, ports and vlan cannot reach packets that a router mirrors")
        elif opening.is_elsewhere(source) and not source.startswith(("ssh://", "tzsp://")):
            table.complain("sources", f"{source}: this cannot be captured; interfaces can, ssh://… and tzsp://…")
    hosts = []
    for text in table.texts("hosts"):
        try:
            hosts.append(host(text))
        except ValueError as error:
            table.complain("hosts", str(error))
    vlan = table.whole("vlan", -1, 0, 4095)
    wanted = CaptureFilter(
        tuple(hosts), table.numbers("ports", 1, 65535), vlan if vlan >= 0 else None, table.flag("all")
    )
    try:
        compile_filter(wanted)
    except ValueError as error:
        table.complain("hosts", str(error))
        wanted = CaptureFilter()
    usual = str(SMALL_BUFFER) if memory == "low" else "4MB"
    return CaptureSettings(sources, wanted, table.size("buffer", usual, least=1 << 19, most=64 << 20))


def _schedule(table: Table) -> Schedule:
    when = next(one for one in WHEN if one == table.choice("when", WHEN, "always"))
    windows: list[Window] = []
    for text in table.texts("windows"):
        try:
            windows.append(parse_window(text))
        except ValueError as error:
            table.complain("windows", f"{text!r}: {error}")
    if when == "windows" and not windows:
        table.complain("", 'windows are missing: windows = ["Mon-Fri 08:00-18:00"]')
    return Schedule(when, tuple(windows), table.duration("lasting", "15m", least=1))


def _ring(document: Document) -> RingSettings | None:
    if "ring" not in document.root:
        return None
    table = document.table("ring")
    files = table.whole("files", 5, 2, 1000)
    size = table.size("size", "2MB", least=1 << 20)
    keep = table.choice("keep", ("critical", "warning", "info", "never"), "critical")
    return RingSettings(
        Path(table.needed("folder", pattern=r"/[^\0]*", hint="give an absolute path, in a tmpfs or on a disk")),
        Ring(files, size),
        table.duration("age", "24h", least=60),
        keep,  # type: ignore[arg-type]  # one of the choices
        table.size("kept", "20MB"),
    )


def _upload(document: Document) -> UploadSettings | None:
    if "upload" not in document.root:
        return None
    from fieldkit.sources.upload import parse_url

    table = document.table("upload")
    url = table.needed("url", hint="https://HOST/FOLDER/")
    try:
        if url and not parse_url(url).path.endswith("/"):
            table.complain("url", "there will be several files: name a folder, with / at the end")
    except ValueError as error:
        table.complain("url", str(error))
    over = table.texts("over", pattern=r"[A-Za-z0-9._-]{1,64}", hint=f"kinds ({', '.join(UPLINKS)}) or ids of uplinks")
    return UploadSettings(url, secretfile.named(table, "token_file"), TlsSettings.read(table), over or FREE,
                          table.size("waiting", "100MB"))  # fmt: skip


def _serial(table: Table) -> SerialSettings:
    every = table.duration("every", "30s", least=1) if "every" in table else 0.0
    port = table.needed("port", pattern=r"[^\s\0-][^\s\0]*", hint="a path, or usb:VENDOR:PRODUCT")
    device = table.text("device", pattern=r"[a-z0-9][^\s\0]*", hint="modbus:PROFILE[@UNIT], rapi, at, sml, iec62056")
    if every and not device:
        table.complain("every", "what is asked every so often needs device =")
    return SerialSettings(
        port, device, every, table.text("line", pattern=r"[0-9][0-9A-Za-z,/:]*", hint="as in 9600,8E1")
    )


def _links(document: Document) -> LinkSettings | None:
    if "links" not in document.root:
        return None
    table = document.table("links")
    use = table.flag("use", default=True)
    made = LinkSettings(
        table.text("router", pattern=r"(ssh|ubus\+https?|ncos\+https?)://[^\s\0]+", hint="ssh://USER@HOST, or nothing"),
        table.duration("every", "30s", least=5),
        table.texts("plugins", pattern=r"[^\s\0-][^\s\0]*"),
    )
    return made if use else None


def _posture(table: Table) -> PostureSettings:
    return PostureSettings(
        table.needed("target", pattern=r"[A-Za-z0-9\[][^\s\0]*", hint="wss://HOST[:PORT]/PATH"),
        table.duration("every", "24h", least=60),
        table.text("identity", pattern=r"[^\s\0-][^\s\0]*"),
        secretfile.named(table, "password_file"),
        _existing(table, "ca"),
        _existing(table, "cert"),
        secretfile.named(table, "key"),
    )


def _detector(table: Table, memory: Memory) -> DetectorSettings:
    layers = table.texts("layers", pattern="rules|statistics|model", hint="give rules, statistics or model")
    return DetectorSettings(table.flag("use", default=memory == "normal"), layers)


def _limits(table: Table) -> Limits:
    usual = Limits()
    return Limits(
        table.size("size", str(usual.bytes), least=100_000),
        table.duration("age", f"{usual.age:.0f}", least=3600),
        table.duration("flush", f"{usual.flush:.0f}", least=0.5),
    )


def _budgets(table: Table) -> tuple[tuple[str, int], ...]:
    return tuple((name, table.size(name, "1MB", least=1000)) for name in table.keys)


def _sinks(document: Document) -> tuple[SinkSettings, ...]:
    found: list[SinkSettings] = []
    for name, table in document.root.named("sinks"):
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name) is None:
            table.complain("", "a sink's name has small letters, digits, hyphens and underscores")
        made = sinks.read(name, table)
        if made is not None:
            found.append(made)
    if not found:
        document.complain(("sinks",), "there is none: findings would go nowhere; add [sinks.NAME] with a type")
    return tuple(found)


def _existing(table: Table, key: str) -> str:
    path = table.text(key, pattern=r"/[^\0]*", hint="give an absolute path")
    if path and not Path(path).is_file():
        table.complain(key, f"{path}: there is no such file")
    return path


__all__ = ["ConfigError", "Settings", "load", "understood"]
