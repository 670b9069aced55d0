"""Colours: for the sun, for the night, and the terminal's own sixteen.

``field-sun`` is black on white with every colour dark enough for a contrast of 7:1 and more (WCAG 2 level AAA): on a
laptop in daylight half of that is lost in the reflection. Nothing is dimmed or blended.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

SUN: Final = Theme(
    name="field-sun",
    primary="#00307a",
    secondary="#3d2a72",
    accent="#00307a",
    success="#00480f",
    warning="#5a3500",
    error="#8a0000",
    foreground="#000000",
    background="#ffffff",
    surface="#ffffff",
    panel="#ffffff",
    boost="#ffffff",
    dark=False,
    text_alpha=1.0,
    variables={
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#000000",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": "#000000",
        "block-cursor-blurred-background": "#d0d0d0",
        "block-hover-background": "#e8e8e8",
        "border": "#000000",
        "border-blurred": "#000000",
        "foreground-muted": "#000000",
        "foreground-disabled": "#333333",
        "text-muted": "#000000",
        "text-disabled": "#333333",
        "footer-background": "#000000",
        "footer-foreground": "#ffffff",
        "footer-key-foreground": "#ffffff",
        "footer-key-background": "#000000",
        "footer-description-foreground": "#ffffff",
        "input-cursor-background": "#000000",
        "input-cursor-foreground": "#ffffff",
        "input-selection-background": "#b0c4ff",
        "scrollbar": "#000000",
        "scrollbar-hover": "#000000",
        "scrollbar-active": "#000000",
        "scrollbar-background": "#d0d0d0",
        "scrollbar-background-hover": "#d0d0d0",
        "scrollbar-background-active": "#d0d0d0",
        "scrollbar-corner-color": "#d0d0d0",
        "bar-background": "#000000",
        "bar-foreground": "#ffffff",
        "quiet": "#333333",
    },
)

NIGHT: Final = Theme(
    name="field-night",
    primary="#8ab4f8",
    secondary="#c8a8ff",
    accent="#ffcf70",
    success="#7ee08a",
    warning="#ffcf70",
    error="#ff9a8f",
    foreground="#e6e6e6",
    background="#101214",
    surface="#101214",
    panel="#1c2024",
    boost="#1c2024",
    dark=True,
    text_alpha=1.0,
    variables={
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#ffcf70",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-background": "#3a4048",
        "block-hover-background": "#262b31",
        "border-blurred": "#8a929a",
        "foreground-muted": "#b8bec4",
        "foreground-disabled": "#a0a6ac",
        "text-muted": "#b8bec4",
        "text-disabled": "#a0a6ac",
        "input-cursor-background": "#ffffff",
        "input-cursor-foreground": "#000000",
        "scrollbar": "#8a929a",
        "scrollbar-background": "#262b31",
        "bar-background": "#2b3138",
        "bar-foreground": "#ffffff",
        "quiet": "#b8bec4",
    },
)

DEFAULTS: Final = {
    # What our styles use beside textual's own variables, for the themes that textual brings along.
    "bar-background": "$panel",
    "bar-foreground": "$foreground",
    "quiet": "$foreground-muted",
}
_ANSI_DEFAULTS: Final = {
    "bar-background": "ansi_white",
    "bar-foreground": "ansi_black",
    "quiet": "ansi_default",
    "block-cursor-blurred-foreground": "ansi_black",
    "block-cursor-blurred-background": "ansi_cyan",
}

OWN: Final = (SUN, NIGHT)
CHOICES: Final = (SUN.name, NIGHT.name, "ansi-dark", "ansi-light")
"""What ``s`` goes round, and what the palette offers first."""


def defaults(theme: Theme) -> dict[str, str]:
    """Variables that our styles need and the theme does not set."""
    if theme.ansi:
        return dict(_ANSI_DEFAULTS)
    return {
        "bar-background": theme.panel or theme.surface or "#303030",
        "bar-foreground": theme.foreground or "#ffffff",
        "quiet": theme.foreground or "#c0c0c0",
    }


def usual(term: str, colors: str) -> str:
    """The theme to begin with: old consoles keep their own colours. ``colors``: COLORTERM."""
    if term in ("linux", "vt100", "vt102", "vt220", "ansi", "cons25") or (
        not colors and "256" not in term and not term.startswith(("xterm", "screen", "tmux", "alacritty", "kitty"))
    ):
        return "ansi-dark"
    return NIGHT.name
