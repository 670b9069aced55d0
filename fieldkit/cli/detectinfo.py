"""``fieldkit detect info``: the model card."""

from __future__ import annotations

import json
from typing import Any

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit detect info
  fieldkit detect info --json - | jq .model.sha256

\b
Exit codes: 0 the model can be used, 2 wrong command line, 5 it cannot, and rules and statistics
go on without it.
"""

_LIMITS = (
    "Trained on simulated sites: figures from them are optimistic.",
    "A word of the model alone means that something is unlike this station, not that anybody is to blame.",
    "Of encrypted connections only transport and timing are seen.",
    "MAC addresses, ARP and DNS are not looked at.",
)


@click.command(name="info", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option("--json", "json_to", metavar="FILE|-", help="Write it as one JSON document.")
def command(json_to: str | None) -> ExitCode:
    """Show what the model was made from, what it weighs, what runs it here, and what it cannot do."""
    from fieldkit.cli.output import check, save

    if json_to and json_to != "-":
        check(json_to, ())
    document, whole = gathered()
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if json_to == "-":
        click.echo(text, nl=False)
    elif json_to:
        save(json_to, text.encode())
    else:
        click.echo("\n".join(lines(document)))
    return ExitCode.OK if whole else ExitCode.INCOMPLETE


def gathered() -> tuple[dict[str, Any], bool]:
    """The document, and whether the model can be used."""
    from fieldkit.detect.families import FAMILIES
    from fieldkit.detect.features import FEATURES
    from fieldkit.models.manifest import UntrustedError, ablation, load_model, load_prior, manifest
    from fieldkit.models.opening import Site

    families: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        families.setdefault(family.category, []).append(family.name)
    document: dict[str, Any] = {
        "schema": 1,
        "features": len(FEATURES),
        "families": families,
        "limits": list(_LIMITS),
        "notes": [],
    }
    try:
        loaded, prior = load_model(), load_prior()
    except UntrustedError as error:
        document["notes"].append(str(error))
        return document, False
    with Site() as site:
        document["runtime"] = site.runtime
        document["notes"] += site.detector.notes
    document["model"] = {
        "sha256": loaded.sha256,
        "bytes": len(loaded.data),
        **{name: loaded.card.get(name) for name in ("shape", "seed", "epochs", "windows", "loss", "data_sha256")},
    }
    document["about"] = manifest()["about"]
    document["limits_of_features"] = {
        feature.name: round(limit, 1) for feature, limit in zip(FEATURES, prior.limits, strict=True)
    }
    document["ablation"] = ablation()
    document["limit_of_model"] = round(prior.model, 2)
    return document, bool(document["runtime"])


def lines(document: dict[str, Any]) -> list[str]:
    """For reading."""
    told = []
    model = document.get("model")
    if model:
        shape = "-".join(map(str, model["shape"]))
        told += [
            f"Model      masked autoencoder {shape}, float32, {model['bytes']:,} bytes",
            f"SHA-256    {model['sha256']}",
            f"Runs on    {document['runtime'] or 'nothing here'}",
            f"Data       {document['about'].get('data', '')}",
            f" {model['windows']:,} windows (SHA-256 {str(model['data_sha256'])[:16]}), seed {model['seed']}, "
            f"{model['epochs']} epochs, loss {model['loss']}",
            f"Told of    a score of the model above {document['limit_of_model']}, a feature beyond its limit (--json)",
        ]
    told.append(f"Features   {document['features']}, and a mask")
    for category, names in document["families"].items():
        told.append(f"{category.capitalize():<13}{', '.join(names)}")
    told += _adds(document.get("ablation") or {})
    told += [f"Limit      {limit}" for limit in document["limits"]]
    told += [f"Note       {note}" for note in document["notes"]]
    return [terminal(line) for line in told]


def _adds(judged: dict[str, Any]) -> list[str]:
    """What each layer found, and so what the model is worth."""
    layers = judged.get("layers", {})
    found = {name: one["found"] for name, one in layers.items() if one.get("found") is not None}
    if not {"rules", "statistics", "model", "rules and statistics", "all"} <= set(found):
        return ["What each layer adds on sites that nothing was trained on: docs/detector.md"]
    share = {name: f"{100 * value:.0f} %" for name, value in found.items()}
    more = 100 * (found["all"] - found["rules and statistics"])
    worth = f"adds {more:.1f} points to them" if more > 0 else "adds nothing to them there: it is a second opinion"
    return [
        f"Finds      of {judged['episodes']} episodes on simulated sites that nothing was trained on: rules alone "
        f"{share['rules']}, statistics {share['statistics']},",
        f" the model {share['model']}; rules and statistics {share['rules and statistics']}. The model {worth}.",
    ]
