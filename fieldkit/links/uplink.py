"""What is known of one uplink, in the same words whichever router it hangs on; and what may happen to it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["ethernet", "cellular", "satellite", "wifi", "vpn", "unknown"]
Role: TypeAlias = Literal["active", "standby", "failed", "disabled", "unknown"]
"""active: new connections go this way. standby: it could take over. failed: it should work, and does not.
disabled: switched off, or left out of the failover by its settings."""

MAX_UPLINKS: Final = 64
"""Of one router. Those in the field have two to eight; what is beyond is a document of another kind."""


@dataclass(frozen=True, slots=True)
class Signal:
    """How the modem hears its cell. dBm, except RSRQ and SINR: dB."""

    rsrp: float | None = None
    rsrq: float | None = None
    sinr: float | None = None
    rssi: float | None = None

    @property
    def known(self) -> bool:
        """Anything at all."""
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True, slots=True)
class Sim:
    """The SIM, or the profile on it, that the modem uses."""

    slot: int | None = None
    """From 1, as printed on the case."""
    profile: str = ""
    """The provider's name on it, where the router tells."""
    iccid: str = ""
    """Masked: it identifies a contract."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """One way out, at one moment."""

    id: str
    """The router's own name for it: "wan", "mob1s1a1", "mdm-1a2b"."""
    kind: Kind = "unknown"
    up: bool | None = None
    """The router would send traffic over it; None: it does not say."""
    state: str = ""
    """The router's own words."""
    role: Role = "unknown"
    since: int | None = None
    """ns since the epoch on our clock: how long it has been ``up``, or not."""
    device: str = ""
    """Of the kernel: "wwan0"."""
    address: str = ""
    operator: str = ""
    """The network it is in."""
    roaming: bool | None = None
    technology: str = ""
    """"LTE", "5G NR" …"""
    sim: Sim = Sim()
    signal: Signal = Signal()
    latency_ms: float | None = None
    """As the router measures it."""
    loss: float | None = None
    """0 to 1."""
    metered: bool | None = None
    """Traffic costs; cellular is taken to."""
    modem: str = ""
    """What the modem is called by whoever drives it, to bring what adapters say together: "3-1", "cdc-wdm0"."""
    notes: tuple[str, ...] = ()
    """What else a technician should know, a sentence each."""
    understood: bool = True
    """False: there is something, and its answer has a shape that nobody knows."""
    raw: str = ""
    """Of what was not understood: the answer, bounded, identities masked."""
    adapters: tuple[str, ...] = ()
    """Who says so."""


Happening: TypeAlias = Literal[
    "appeared", "vanished", "up", "down", "role", "address", "route", "carrier", "operator", "technology", "sim",
    "signal", "state", "nat-rebind", "nat-flush", "reboot",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Something happened to an uplink."""

    time: int
    """ns since the epoch: of the router's clock where ``exact``, else when we saw it."""
    adapter: str
    what: Happening
    uplink: str
    """Its id, or its device where whoever says so knows only that."""
    text: str
    """One sentence, with the router's words in it: not yet safe to show."""
    before: str = ""
    after: str = ""
    exact: bool = False
    """Told by the router at that moment; else found by comparing two answers."""
