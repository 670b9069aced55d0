"""One file a screen."""

from __future__ import annotations

from pathlib import Path, PurePath

_STYLES = Path(__file__).parent.parent / "styles"


def styles_of(*names: str) -> list[str | PurePath]:
    """Style sheets by name, for ``CSS_PATH``."""
    return [_STYLES / f"{name}.tcss" for name in names]
