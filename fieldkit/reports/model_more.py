"""What only some stations have: each a list of flat objects, left out where there is nothing to say."""

from __future__ import annotations

from typing import Any, Final

from fieldkit.reports.moments import iso, iso_or_none
from fieldkit.safetext import mask, shorten
from fieldkit.site.station import Station

_TEXT: Final = 200


def more(station: Station, room: int, show_ids: bool) -> dict[str, list[dict[str, Any]]]:
    """Reservations, local list, DER controls and alarms, V2X, tariffs, costs, payments, battery swaps, streams."""
    lists = {
        "reservations": _reservations(station, show_ids),
        "local_list": _local_list(station),
        "der_controls": _der_controls(station),
        "der_alarms": [
            {"type": alarm.type, "fault": alarm.fault, "began": iso(alarm.began), "ended": iso_or_none(alarm.ended)}
            for alarm in station.der.alarms
        ],
        "v2x_limits": [
            {
                "evse": evse,
                "time": iso(limits.time),
                "requested": limits.requested,
                "control": limits.control,
                "charge_w": limits.charge,
                "discharge_w": limits.discharge,
            }
            for evse, limits in station.v2x.limits.items()
        ],
        "v2x_modes": [
            {"transaction": made.id, "time": iso(time), "mode": mode}
            for made in station.v2x.transactions.values()
            for time, mode in made.modes
        ],
        "tariffs": [
            {
                "tariff": tariff.id,
                "currency": tariff.currency,
                "set_at": iso(tariff.set_at),
                "valid_from": iso_or_none(tariff.valid_from),
                **{f"price_{name}": price for name, price in list(tariff.prices.items())[:10]},
            }
            for tariff in station.tariffs.known.values()
        ],
        "costs": [
            {
                "transaction": cost.transaction,
                "total": cost.total,
                "currency": cost.currency,
                "told_by": cost.by,
                "tariff": cost.tariff,
                "time": iso(cost.time),
            }
            for cost in station.tariffs.costs.values()
        ],
        "web_payments": [
            {"evse": web.evse, "started": iso(web.started), "deadline": iso(web.deadline), "followed": web.followed}
            for web in station.payments.web
        ],
        "settlements": [
            {"time": iso(paid.time), "transaction": paid.transaction, "status": paid.status, "amount": paid.amount}
            for paid in station.payments.settlements
        ],
        "battery_swaps": _swaps(station),
        "event_streams": [
            {
                "id": stream.id,
                "opened": iso_or_none(stream.opened),
                "interval_s": stream.interval,
                "values": stream.values,
                "status": stream.status,
                "messages": stream.messages,
                "elements": stream.elements,
                "last": iso_or_none(stream.last),
                "closed": iso_or_none(stream.closed),
            }
            for stream in station.event_streams.streams.values()
        ],
    }
    return {name: [_short(row) for row in rows[-room:]] for name, rows in lists.items() if rows}


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {name: shorten(value, _TEXT) if isinstance(value, str) else value for name, value in row.items()}


def _reservations(station: Station, show_ids: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": reservation.id,
            "connector": reservation.connector,
            "id_token": reservation.id_token if show_ids else mask(reservation.id_token),
            "asked": iso(reservation.asked),
            "expires": iso_or_none(reservation.expires),
            "status": reservation.status,
            "end": reservation.end,
        }
        for reservation in station.reservations.all.values()
    ]


def _local_list(station: Station) -> list[dict[str, Any]]:
    return [
        {
            "time": iso(update.time),
            "version": update.version,
            "kind": update.kind,
            "entries": update.entries,
            "status": update.status,
        }
        for update in station.local_list.updates
    ]


def _der_controls(station: Station) -> list[dict[str, Any]]:
    return [
        {
            "id": control.id,
            "type": control.type,
            "default": control.default,
            "priority": control.priority,
            "start": iso_or_none(control.start),
            "duration_s": control.duration,
            "status": control.status,
            "running": control.running,
            "superseded_by": control.superseded_by,
            "cleared": control.cleared,
        }
        for control in station.der.controls.values()
    ]


def _swaps(station: Station) -> list[dict[str, Any]]:
    return [
        {
            "id": swap.id,
            "asked": iso_or_none(swap.asked),
            "status": swap.status,
            "batteries_in": len(swap.put_in),
            "batteries_out": len(swap.taken_out),
            "time_in": iso_or_none(swap.time_in),
            "time_out": iso_or_none(swap.time_out),
            "timed_out": iso_or_none(swap.timed_out),
        }
        for swap in station.battery_swaps.swaps.values()
    ]
