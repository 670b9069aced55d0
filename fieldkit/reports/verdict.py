"""The first line of a report, and what to do next.

The first line is one sentence that is true of the capture as it is: it names the worst finding and counts the others;
where nothing was found it says how much was looked at, and that data is missing if it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, TypedDict

from fieldkit.checks.finding import SEVERITIES, Owner, Severity
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.reports.document import Capture, NextStep
from fieldkit.safetext import shorten

MAX_STEPS: Final = 10
_NAMED: Final = 3
"""Stations named in one step or line."""
_NAME: Final = 60
_STATED: Final = 400
"""Characters of a step: an advice has three sentences."""

Overall = Literal["critical", "warning", "info", "ok", "nothing"]


class Headline(TypedDict):
    """Of a finding what matters here: of all there are, also where the document has no room for all of them."""

    id: str
    severity: Severity
    title: str
    advice: str
    owner: Owner
    station: str
    inferred: bool


def severity(counts: dict[Severity, int], capture: Capture) -> Overall:
    """The worst there is; "ok" where nothing is worse than info, "nothing" where no OCPP was seen and nothing found."""
    if counts["critical"]:
        return "critical"
    if counts["warning"]:
        return "warning"
    return "ok" if capture["messages"] else "nothing"


def verdict(findings: Sequence[Headline], counts: dict[Severity, int], stations: int, capture: Capture) -> str:
    """The first line; ``findings`` are the worst first, ``counts`` counts all there are."""
    overall = severity(counts, capture)
    if overall == "nothing":
        return _nothing(capture)
    if overall == "ok":
        return _ok(counts, stations, capture)
    return _worst([finding for finding in findings if finding["severity"] == overall], counts, overall, capture)


def _worst(worst: list[Headline], counts: dict[Severity, int], overall: Overall, capture: Capture) -> str:
    first = worst[0]
    title = first["title"].rstrip(". ")
    of = _stations([finding["station"] for finding in worst if finding["id"] == first["id"]])
    sentence = f"{title} ({of})" if of else title
    if first["inferred"]:
        sentence = f"Probably: {sentence}"
    same = sum(finding["id"] == first["id"] for finding in worst)
    others: list[str] = []
    for name in SEVERITIES[:2]:
        rest = counts[name] - (same if name == overall else 0)
        if rest > 0:
            what = "critical finding" if name == "critical" else name
            others.append(f"{rest:,} {'other ' if name == overall else ''}{what}{'' if rest == 1 else 's'}")
    if others:
        sentence += f"; besides, there {_are(counts, overall, same)} {' and '.join(others)}"
    return sentence + ("." if capture["complete"] else "; data is missing in the capture, so there may be more.")


def _are(counts: dict[Severity, int], overall: Overall, same: int) -> str:
    first = counts["critical"] - same if overall == "critical" else counts["warning"] - same
    if first <= 0:
        first = counts["warning"]
    return "is" if first == 1 else "are"


def _ok(counts: dict[Severity, int], stations: int, capture: Capture) -> str:
    over = f" over {duration(capture['duration_s'] * SECOND)}" if capture["duration_s"] else ""
    looked = f"{counted(capture['messages'], 'message')} of {counted(stations, 'station')}{over}"
    notes = f" ({counted(counts['info'], 'note')} below)" if counts["info"] else ""
    if capture["complete"]:
        return f"Nothing wrong was found in {looked}{notes}."
    return (
        f"Nothing wrong was found in {looked}{notes}, but data is missing in the capture: faults may have been missed."
    )


def _nothing(capture: Capture) -> str:
    if not capture["connections"]:
        held = (
            f"; it holds {counted(capture['packets'], 'packet')}, and no TCP connection" if capture["packets"] else ""
        )
        return f"There is no OCPP in this capture{held}."
    kinds = Counter(capture["connections"])
    seen = [f"{number:,} {name}" for name, number in kinds.most_common()]
    total = sum(kinds.values())
    text = (
        f"There is no OCPP to be seen in this capture; it holds {counted(total, 'TCP connection')} ({', '.join(seen)})"
    )
    if capture["opaque"]:
        text += f", {capture['opaque']:,} of which stay{'s' * (capture['opaque'] == 1)} encrypted"
    return text + "."


def next_steps(findings: Sequence[Headline], capture: Capture) -> list[NextStep]:
    """What to do, most urgent first: steps that read the same are one, for all their stations."""
    steps: dict[str, tuple[Headline, list[str]]] = {}
    for finding in findings:
        if finding["severity"] == "info" or not finding["advice"]:
            continue
        step = steps.setdefault(finding["advice"], (finding, []))
        if finding["station"] and finding["station"] not in step[1]:
            step[1].append(finding["station"])
    if not steps and not capture["messages"]:
        return _tries(capture)
    return [
        {
            "text": shorten(advice, _STATED),
            "owner": finding["owner"],
            "finding": finding["id"],
            "station": _stations(stations),
        }
        for advice, (finding, stations) in list(steps.items())[:MAX_STEPS]
    ]


def _tries(capture: Capture) -> list[NextStep]:
    """What to try when nothing could be judged."""
    texts: list[str] = []
    seen = capture["connections"]
    if capture["opaque"] or seen.get("tls"):
        texts.append(
            "If one of the encrypted connections is the charger's: give the TLS secrets of CSMS or charger "
            "(--keylog FILE), or capture where the traffic is not encrypted, behind the TLS proxy of the CSMS."
        )
    if seen.get("refused") or seen.get("never answered"):
        texts.append(
            "Connections were refused or never answered: compare the server's address and port with those that the "
            "charger is set to, and ask whoever runs the server or a firewall in between."
        )
    if seen.get("unknown") or seen.get("http"):
        texts.append(
            "Compare the hosts listed in this report with the CSMS address that the charger is set to: if it is not "
            "among them, the capture was taken at the wrong place."
        )
    if not seen:
        texts.append(
            "Capture where the charger's traffic passes: on the router it is connected to, or on a mirror port of "
            "the switch; and for longer than its heartbeat interval."
        )
    elif set(seen) - {"tls"}:
        texts.append("Restart the charger while capturing: its connection and its BootNotification come first.")
    return [{"text": text, "owner": "operator", "finding": "", "station": ""} for text in texts]


def _stations(names: Sequence[str]) -> str:
    unique = [shorten(name, _NAME) for name in dict.fromkeys(names) if name]
    return listed(unique, _NAMED)
