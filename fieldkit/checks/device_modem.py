"""The modem's own account against the station's connection losses: no network, or hardly any signal, when it broke.

A loss is an end without the close frame of WebSocket. What the modem said in the time from the last traffic to the end
(and shortly after: it is asked now and then) is held against it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from fieldkit.checks.check import Check
from fieldkit.checks.devicejoin import owner, said
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import ConnectionClosed, DeviceReading, Event
from fieldkit.site.device import Device, Held
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station

BEFORE: Final = 10 * SECOND
"""The modem may notice so much earlier than the last byte that still went through."""
AFTER: Final = 30 * SECOND
"""It may be asked, or tell, so much later than the connection ended."""
LASTED: Final = 5 * SECOND
"""A shorter search is a change of cells, which no connection breaks by."""
FRESH: Final = 120 * SECOND
"""A signal that was told longer ago says nothing of the moment of a loss."""
WEAK: Final = {"rsrp": -115.0, "rssi": -105.0}
"""dBm, and below: the edge of a cell (3GPP TS 36.133 §9.1.4 ranges; planners want -110 dBm outdoors)."""
LOSSES: Final = 2
"""Losses with a weak signal that are no accident any more."""
MAX_LOSSES: Final = 50
"""Losses that wait for what the modem says next."""

LOST = Kind(
    "device.modem-lost",
    "warning",
    "uplink",
    "The connection was lost while the modem had no network",
    "The connection to {server} ended ({how}) at {at}, {silent} after the last traffic. The modem on {port} said in "
    "that time that it was {state} ({said}, at {modem_at}).",
    "Uplink, not CSMS: check antenna and its cable, SIM and contract (denied), coverage at the site; ask the operator "
    "of the network for the cell and minute given here.",
    "3GPP TS 27.007 §7.2",
    inferred=True,
)
FAINT = Kind(
    "device.modem-weak",
    "warning",
    "uplink",
    "Connections are lost while the modem hardly receives anything",
    "{times} connections ended without a goodbye while the modem on {port} told a signal at the edge of the cell: "
    "{name} {signal} dBm when the latest one ended ({how}); at {limit} dBm and below connections break.",
    "Improve the antenna (outside the metal housing, higher, another operator's SIM) and compare the signal before and "
    "after.",
    "3GPP TS 27.007 §8.69",
    inferred=True,
)

HOW: Final = {
    "rst": "reset",
    "fin": "closed without a goodbye",
    "timeout": "silent for too long",
    "replaced": "replaced by a new one",
}


class _Loss(NamedTuple):
    closed: ConnectionClosed
    silent: int
    station: str
    """Whose connection it was; empty where nothing on it says so."""


class DeviceModemCheck(Check):
    """Registration and signal at the time of losses."""

    kinds = (LOST, FAINT)
    wants = frozenset({ConnectionClosed, DeviceReading})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._losses: deque[_Loss] = deque(maxlen=MAX_LOSSES)
        self._weak: dict[str, list[Event]] = {}
        """By port (bounded as devices are): losses with the signal at that time."""
        self._times: dict[str, int] = {}

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        if not picture.devices.all:
            return
        if isinstance(event, ConnectionClosed):
            link = picture.links.get(event.connection)
            if link is None or not link.ocpp or link.close_by_client is not None or event.how not in HOW:
                return
            loss = _Loss(event, link.idle_at_end, link.station)
            self._losses.append(loss)
            for device in picture.devices.all.values():
                if device.dialect == "at" and (station := _loser(loss, device, picture)) is not None:
                    yield from self._signal(loss, device, station.identity)
        elif isinstance(event, DeviceReading):
            while self._losses and event.time - self._losses[0].closed.time > AFTER:
                yield from self._judge(self._losses.popleft(), picture)

    def finish(self, picture: Picture) -> Iterator[Finding]:
        while self._losses:
            yield from self._judge(self._losses.popleft(), picture)

    def _judge(self, loss: _Loss, picture: Picture) -> Iterator[Finding]:
        for device in picture.devices.all.values():
            state = _without(device, loss)
            station = None if state is None else _loser(loss, device, picture)
            if state is None or station is None:
                continue
            closed = loss.closed
            values = {
                "server": f"{closed.connection.server.address}:{closed.connection.server.port}",
                "how": HOW[closed.how],
                "at": clock(closed.time),
                "silent": duration(loss.silent),
                "port": device.port.rsplit("/", 1)[-1][:60],
                "state": state.state,
                "said": said(state.told),
                "modem_at": clock(state.since),
            }
            yield Finding(LOST, closed.time, station.identity, (state.told, closed), values, group=device.title)

    def _signal(self, loss: _Loss, device: Device, station: str) -> Iterator[Finding]:
        closed = loss.closed
        for name, limit in WEAK.items():
            told = device.latest.get(name)
            if told is None or not 0 <= closed.time - told.time <= FRESH or not isinstance(told.value, float):
                continue
            if told.value > limit:
                self._weak.pop(device.port, None)
                self._times.pop(device.port, None)
                return
            evidence = self._weak.setdefault(device.port, [])
            times = self._times[device.port] = self._times.get(device.port, 0) + 1
            if len(evidence) < 4 * LOSSES:
                evidence += (told, closed)
            if times >= LOSSES:
                values = {
                    "times": times,
                    "port": device.port.rsplit("/", 1)[-1][:60],
                    "name": name.upper(),
                    "signal": f"{told.value:g}",
                    "limit": f"{limit:g}",
                    "how": HOW[closed.how],
                }
                yield Finding(FAINT, closed.time, station, tuple(evidence), values, group=device.title)
            return


def _loser(loss: _Loss, device: Device, picture: Picture) -> Station | None:
    """The station that lost the connection, if the modem is its own. Without a name it is that of the only station."""
    station = owner(picture, device)
    if station is None or loss.station not in ("", station.identity):
        return None
    return station if loss.station or len(picture.stations) == 1 else None


def _without(device: Device, loss: _Loss) -> Held | None:
    """What the modem was instead of registered, between the last traffic and the end."""
    begin, end = loss.closed.time - loss.silent - BEFORE, loss.closed.time + AFTER
    states = list(device.network)
    for at, state in enumerate(states):
        until = state.until if at + 1 < len(states) else max(state.until, device.heard)
        if (
            state.state != "registered"
            and state.since <= end
            and state.since >= begin
            and until - state.since >= LASTED
        ):
            return state
    return None
