"""Charging profiles in force, and the limit that they give together (1.6 §3.13, 2.x Part 2 K).

What the station accepted is in force, and what it reports of its own (ReportChargingProfiles, NotifyChargingLimit).
Profiles that it was given before the capture began, and limits that its site imposes without a word, are not known
here: the limit given by ``limit`` is an upper bound of what the station should allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.light import bounded
from fieldkit.site.profile import (
    EXTERNAL,
    MAX_ID,
    MODIFIERS,
    STATION_MAX,
    TX,
    Limit,
    Profile,
    connector_names,
    default,
    leading,
    place_of,
    read_profile,
)
from fieldkit.site.reading import member, objects, text, whole
from fieldkit.site.schedule import Allowed, Plan, schedule_of

if TYPE_CHECKING:
    from fieldkit.site.ledger import Ledger

__all__ = ["MAX_PROFILES", "ChargingProfiles", "Limit", "Profile"]

MAX_PROFILES: Final = 500
"""Profiles of one station."""


class ChargingProfiles:
    """One station's profiles."""

    ACTIONS: Final = frozenset(
        {
            "SetChargingProfile",
            "ClearChargingProfile",
            "RemoteStartTransaction",
            "RequestStartTransaction",
            "ReportChargingProfiles",
            "NotifyChargingLimit",
            "ClearedChargingLimit",
            "StartTransaction",
            "StopTransaction",
            "TransactionEvent",
            "BootNotification",
        }
    )

    def __init__(self) -> None:
        self.profiles: dict[tuple[str, int], Profile] = {}
        """By connector and profile id."""
        self.dropped = 0
        """Profiles beyond ``MAX_PROFILES``: from then on nothing can be concluded."""
        self.cleared: list[Profile] = []
        """Those that the message fed last took out of force."""
        self.known_before: Profile | None = None
        """For a ClearChargingProfile by id that was answered "Unknown": the profile that was in force after all."""
        self._external = 0
        self._pending: dict[str, Profile] = {}
        """By connector: profiles that came with a remote start, in force once its transaction begins."""
        self._by_call: Final[dict[str, Callable[[OcppMessage, Ledger], None]]] = {
            "ReportChargingProfiles": self._reported,
            "NotifyChargingLimit": self._limited,
            "ClearedChargingLimit": self._limit_cleared,
            "StartTransaction": self._began,
            "StopTransaction": self._ended,
            "TransactionEvent": self._event,
            "BootNotification": self._booted,
        }
        self._by_answer: Final[dict[str, Callable[[OcppMessage, OcppMessage], None]]] = {
            "SetChargingProfile": self._set,
            "ClearChargingProfile": self._clear,
            "RemoteStartTransaction": self._remote_start,
            "RequestStartTransaction": self._remote_start,
        }

    # -------------------------------------------------------------------------------------------------------- the limit

    def limit(self, connector: str, time: int, transaction_started: int | None) -> list[Limit]:
        """The limits in force (one for each unit, smallest of the purposes), none when no profile applies.

        1.6 §3.13.3: at each moment the lowest of what the purposes allow. TxProfile takes the place of TxDefaultProfile
        (§3.13.2), and both count during a transaction only.
        """
        if not self.profiles:
            return []
        here = connector_names(connector)
        applying = [profile for profile in self.profiles.values() if profile.connector in here]
        if any(profile.purpose in MODIFIERS for profile in applying):
            return []
        legs: list[tuple[Profile, Allowed] | None] = [
            leading((profile for profile in applying if profile.purpose in STATION_MAX), time, transaction_started),
            leading((profile for profile in applying if profile.purpose == EXTERNAL), time, transaction_started),
        ]
        if transaction_started is not None:
            own = leading((profile for profile in applying if profile.purpose == TX), time, transaction_started)
            legs.append(own or default(applying, time, transaction_started))
        lowest: dict[str, Limit] = {}
        for leg in legs:
            if leg is None:
                continue
            profile, allowed = leg
            known = lowest.get(allowed.unit)
            if known is None or allowed.value < known.value:
                lowest[allowed.unit] = Limit(allowed.value, allowed.unit, allowed.phases, profile)
        return list(lowest.values())

    # ----------------------------------------------------------------------------------------------------- what is told

    def feed(self, message: OcppMessage, transactions: Ledger) -> None:
        """Take in a CALL or an answer."""
        self.cleared = []
        self.known_before = None
        if message.type is MessageType.CALL:
            told = self._by_call.get(message.action)
            if told is not None and message.sender == "station":
                told(message, transactions)
        elif message.call is not None and message.type is MessageType.CALLRESULT:
            answered = self._by_answer.get(message.action)
            if answered is not None and message.sender == "station":
                answered(message, message.call)

    def _set(self, answer: OcppMessage, call: OcppMessage) -> None:
        if text(answer.payload, "status") != "Accepted":
            return
        payload = call.payload
        value = member(payload, "csChargingProfiles") or member(payload, "chargingProfile")
        profile = read_profile(value, place_of(payload), answer.time, call)
        if profile is not None:
            self._put(profile)

    def _put(self, profile: Profile) -> None:
        """1.6 §5.16.2: it takes the place of the one with its id, or with its purpose and stack level.

        Ids are unique in a station (2.x K01); some CSMS of 1.6 give one id to all connectors of a station. Then the
        last one counts here, which may miss a limit and never invents one.
        """
        for key, other in list(self.profiles.items()):
            same_place = (other.connector, other.purpose, other.stack_level, other.transaction) == (
                profile.connector,
                profile.purpose,
                profile.stack_level,
                profile.transaction,
            )
            if other.id == profile.id or same_place:
                self._drop(key)
        if len(self.profiles) >= MAX_PROFILES:
            self._drop(next(iter(self.profiles)))
            self.dropped += 1
        self.profiles[profile.connector, profile.id] = profile

    def _drop(self, key: tuple[str, int]) -> None:
        self.cleared.append(self.profiles.pop(key))

    def _clear(self, answer: OcppMessage, call: OcppMessage) -> None:
        """ClearChargingProfile: by id, or all that fit every criterion given (1.6 §5.4, 2.x K10)."""
        payload = call.payload
        id_ = whole(payload, "id")
        if id_ is None:
            id_ = whole(payload, "chargingProfileId")
        fitting = [key for key, profile in self.profiles.items() if _to_be_cleared(profile, id_, payload)]
        if text(answer.payload, "status") == "Accepted":
            for key in fitting:
                self._drop(key)
        elif id_ is not None and fitting and text(answer.payload, "status") == "Unknown":
            self.known_before = self.profiles[fitting[0]]
            for key in fitting:
                self._drop(key)  # it says itself that it has none

    def _remote_start(self, answer: OcppMessage, call: OcppMessage) -> None:
        connector = place_of(call.payload)
        value = member(call.payload, "chargingProfile")
        if value is None or not connector or text(answer.payload, "status") != "Accepted":
            return
        profile = read_profile(value, connector, answer.time, call)
        if profile is not None and profile.purpose == TX and len(self._pending) < MAX_PROFILES:
            self._pending[connector] = profile

    def _began(self, message: OcppMessage, transactions: Ledger) -> None:
        """Only a transaction that the remote start led to has the profile that came with it."""
        made = transactions.latest
        if made is None or not self._pending:
            return
        for connector in connector_names(made.connector):
            profile = self._pending.pop(connector, None)
            if profile is not None and made.remote_start:
                profile.transaction = made.id
                profile.connector = made.connector
                self._put(profile)

    def _ended(self, message: OcppMessage, transactions: Ledger) -> None:
        """A TxProfile ends with its transaction (1.6 §3.13.1)."""
        made = transactions.latest
        if made is None:
            # Nobody knows which one ended: none of them is certain any more.
            over = [key for key, profile in self.profiles.items() if profile.purpose == TX]
        else:
            here = connector_names(made.connector) - {""}
            over = [
                key
                for key, profile in self.profiles.items()
                if profile.purpose == TX and (profile.connector in here or (made.id and profile.transaction == made.id))
            ]
        for key in over:
            self._drop(key)

    def _event(self, message: OcppMessage, transactions: Ledger) -> None:
        if not self.profiles and not self._pending:
            return
        kind = member(message.payload, "eventType")
        if kind == "Started" or (kind == "Updated" and self._pending):
            self._began(message, transactions)
        elif kind == "Ended":
            self._ended(message, transactions)

    def _booted(self, message: OcppMessage, transactions: Ledger) -> None:
        self._pending.clear()
        for key, profile in list(self.profiles.items()):
            if profile.purpose == TX:
                self._drop(key)
            else:
                profile.stale = True

    def _reported(self, message: OcppMessage, transactions: Ledger) -> None:
        """2.x: what the station has, its own limits among them (K09)."""
        payload = message.payload
        source = (text(payload, "chargingLimitSource") or "")[:MAX_ID]
        for value in objects(payload, "chargingProfile"):
            profile = read_profile(value, place_of(payload), message.time, message)
            if profile is None:
                continue
            profile.source = source
            known = self.profiles.get((profile.connector, profile.id))
            if known is not None and known.plan == profile.plan:
                known.stale = False
            else:
                self._put(profile)

    def _limited(self, message: OcppMessage, transactions: Ledger) -> None:
        """2.x K12: a limit from outside, of an energy manager or the grid operator."""
        payload = message.payload
        source = member(payload, "chargingLimit", "chargingLimitSource") or member(payload, "chargingLimitSource")
        connector = place_of(payload)
        for value in objects(payload, "chargingSchedule"):
            schedule = schedule_of(value)
            if schedule is None:
                continue
            plan = Plan(schedule, "Absolute", uncertain=schedule.start is None)
            self._external -= 1
            self._put(
                Profile(
                    self._external,
                    connector,
                    EXTERNAL,
                    0,
                    "",
                    "Absolute",
                    schedule.unit,
                    schedule,
                    message.time,
                    bounded(message),
                    plan,
                    source=source[:MAX_ID] if source.__class__ is str else "",
                )
            )

    def _limit_cleared(self, message: OcppMessage, transactions: Ledger) -> None:
        connector = place_of(message.payload)
        for key, profile in list(self.profiles.items()):
            if profile.purpose == EXTERNAL and connector in ("", profile.connector):
                self._drop(key)


def _to_be_cleared(profile: Profile, id_: int | None, payload: Any) -> bool:
    if profile.id < 0 or profile.purpose == EXTERNAL:
        return False  # 2.x K10.FR.08: external constraints are not the CSMS's to clear
    if id_ is not None:
        return profile.id == id_
    criteria = member(payload, "chargingProfileCriteria") or payload
    place = whole(criteria, "connectorId")
    if place is None:
        place = whole(criteria, "evseId")
    purpose, level = text(criteria, "chargingProfilePurpose"), whole(criteria, "stackLevel")
    return (
        (place is None or profile.connector.partition("/")[0] == connector_name(0, max(place, 0)))
        and (purpose is None or profile.purpose == purpose)
        and (level is None or profile.stack_level == level)
    )
