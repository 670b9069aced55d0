"""The judge's findings as Markdown, between two marks of a document: the same counts give the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.simulation.judge import CATEGORIES

BEGIN: Final = "<!-- judged: begin (python -m tests.simulation.judge --write docs/detector.md) -->"
END: Final = "<!-- judged: end -->"

_BARS: Final = {"intrusion": "95 %", "connectivity": "95 %", "fraud": "90 %", "maintenance": "80 %", "energy": "90 %"}
UNSEEN: Final = "statistics and model"
"""The setting that shows what is found of families that nothing was made for."""
_ORDER: Final = (
    "naive", "rules", "statistics", "model", "statistics and model", "rules and statistics", "all"
)  # fmt: skip


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %".replace(".0 %", " %")


def _rows(rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * lines[0].count(" | ") + " --- |")
    return lines


def rendered(result: dict[str, Any]) -> str:
    """All tables."""
    settings = result["settings"]
    names = [name for name in _ORDER if name in settings] + sorted(set(settings) - set(_ORDER))
    best = "all" if "all" in settings else names[-1]
    benign = settings[best]["benign"]
    about = (
        f"Judged on the {result['generator']} generator, seeds from {result['first_seed']} on: "
        f"{settings[best]['episodes']['episodes']} episodes and {settings[best]['episodes']['tricky']} "
        f"benign-but-tricky ones, {benign['charger_days']:.0f} benign charger-days. These numbers come from a simulator "
        "made by the same hands as the detector, so they are optimistic: a real site has faults and habits that nobody "
        "here thought of."
    )
    parts = [about, "", *_measures(settings, names), "", *_ablation(settings, names), ""]
    unseen = settings.get(UNSEEN)
    if unseen is not None:
        parts += [
            "Training sees benign sites only: each family, and each category as a whole, is left out of it. What "
            "statistics and model find without any rule is what they find of families that they were never shown. (The "
            "model and the forty features know of no family; some of what compares a station with its own past was "
            "written by somebody who had one in mind.)",
            "",
            *_unseen(unseen),
            "",
        ]
    parts += [
        "By family, all layers: episodes; how many were hit, in time, under the right category, called an attack; the "
        "median of the seconds from the first evidence; and how many statistics and model hit without rules.",
        "",
        *_families(settings[best], unseen),
        "",
    ]
    parts += ["Where only TLS is to be seen (no keys): the same measures on connections, times and round trips.", ""]
    parts += _sealed(settings, names)
    if result.get("left_out"):
        parts += ["", "Families and categories left out of training:", "", *_left_out(result["left_out"])]
    if benign["kinds"]:
        kinds = ", ".join(f"{name} ({count})" for name, count in list(benign["kinds"].items())[:10])
        parts += ["", f"False incidents on benign sites were: {kinds}."]
    return "\n".join(parts) + "\n"


def _measures(settings: dict[str, Any], names: Sequence[str]) -> list[str]:
    floor = settings.get("naive")
    best = settings["all"] if "all" in settings else settings[names[-1]]
    rows: list[list[str]] = [["Measure", "Bar", "Naive floor", "fieldkit"]]

    def row(name: str, bar: str, value: Any) -> None:
        rows.append([name, bar, value(floor) if floor else "–", value(best)])

    row("Episodes found", "90 %", lambda one: percent(one["episodes"]["recall"]))
    for category in CATEGORIES:
        row(
            f"… {category}", _BARS[category],
            lambda one, category=category: percent(one["episodes"]["by_category"][category]["recall"]),
        )  # fmt: skip
    row("Of those found, in time", "85 %", lambda one: percent(one["episodes"]["in_time"]))
    row("False incidents a charger-week, benign sites", "0.5", lambda one: _rate(one["benign"]))
    row(
        "Benign-but-tricky called an attack", "1 in 10",
        lambda one: f"{one['episodes']['tricky_called_attack']} of {one['episodes']['tricky']}",
    )  # fmt: skip
    row("Category right, given a hit", "90 %", lambda one: percent(one["episodes"]["category_right"]))
    other = settings.get(UNSEEN)
    if other is not None:
        text = percent(other["episodes"]["recall"])
        rows.append(["Statistics and model alone (no rule, no family seen in training)", "70 %", "–", text])
    return _rows(rows)


def _rate(benign: dict[str, Any]) -> str:
    text = f"{benign['a_charger_week']:.3f}"
    return text if benign["upper_bound"] is None else f"{text} (below {benign['upper_bound']:.3f} at 95 %)"


def _ablation(settings: dict[str, Any], names: Sequence[str]) -> list[str]:
    rows = [["Layers", "Found", "In time", "False a charger-week", "Tricky called attack", "Category right"]]
    for name in names:
        one = settings[name]
        found = one["episodes"]
        rows.append(
            [
                name,
                percent(found["recall"]),
                percent(found["in_time"]),
                f"{one['benign']['a_charger_week']:.3f}",
                f"{found['tricky_called_attack']} of {found['tricky']}",
                percent(found["category_right"]),
            ]
        )
    return _rows(rows)


def _unseen(setting: dict[str, Any]) -> list[str]:
    rows = [["Left out", "Episodes", "Found"]]
    for category in CATEGORIES:
        one = setting["episodes"]["by_category"][category]
        rows.append([category, str(one["episodes"]), percent(one["recall"])])
    rows.append(["all", str(setting["episodes"]["episodes"]), percent(setting["episodes"]["recall"])])
    return _rows(rows)


def _families(setting: dict[str, Any], unseen: dict[str, Any] | None) -> list[str]:
    rows = [["Family", "Category", "n", "Hit", "In time", "Right", "Attack", "Delay", "No rules"]]
    families = setting["episodes"]["by_family"]
    for name in sorted(families, key=lambda name: (families[name]["category"], name)):
        one = families[name]
        delay = "–" if one["median_delay_s"] is None else f"{one['median_delay_s']:.0f} s"
        counts = (one[key] for key in ("episodes", "hit", "in_time", "category_right", "called_attack"))
        without = str(unseen["episodes"]["by_family"][name]["hit"]) if unseen else "–"
        rows.append([name, one["category"], *map(str, counts), delay, without])
    return _rows(rows)


def _sealed(settings: dict[str, Any], names: Sequence[str]) -> list[str]:
    rows = [["Layers", "Episodes", "Found", "In time", "Category right"]]
    for name in names:
        one = settings[name]["tls_only"]
        rows.append(
            [
                name,
                str(one["episodes"]),
                percent(one["recall"]),
                percent(one["in_time"]),
                percent(one["category_right"]),
            ]
        )
    return _rows(rows)


def _left_out(left: dict[str, Any]) -> list[str]:
    names = sorted({name for one in left.values() for name in one})
    return _rows(
        [
            ["Left out", *names],
            *([what, *(percent(one.get(name)) for name in names)] for what, one in sorted(left.items())),
        ]
    )


def card(result: dict[str, Any], model: str) -> dict[str, Any]:
    """What the model card says of each layer; ``model`` is the SHA-256 of the one that was judged."""
    settings = result["settings"]
    any_ = next(iter(settings.values()))
    return {
        "model": model,
        "generator": result["generator"],
        "first_seed": result["first_seed"],
        "episodes": any_["episodes"]["episodes"],
        "benign_charger_days": any_["benign"]["charger_days"],
        "layers": {
            name: {"found": one["episodes"]["recall"], "false_a_charger_week": one["benign"]["a_charger_week"]}
            for name, one in settings.items()
            if name != "naive"
        },
    }


def put_into(path: Path, result: dict[str, Any]) -> None:
    """Replace what stands between the marks; where there are none, put them at the end."""
    text = path.read_text("utf-8") if path.exists() else "# The detector\n"
    block = f"{BEGIN}\n{rendered(result)}{END}\n"
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        path.write_text(f"{text.rstrip()}\n\n{block}", "utf-8")
        return
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{block}{after.removeprefix(chr(10))}", "utf-8")
