"""Colours that can be read: contrasts as WCAG 2 computes them, on everything that text stands on."""

from __future__ import annotations

import pytest
from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from fieldkit.tui import themes
from fieldkit.tui.settings import Settings
from fieldkit.tui.themes import NIGHT, SUN
from tests.tui.driving import WIDE, Driver, driving


def luminance(color: Color) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [part / 255 for part in color.rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme, least", [(SUN, 7.0), (NIGHT, 7.0)], ids=lambda value: getattr(value, "name", ""))
def test_status_colours_on_every_ground(theme: Theme, least: float) -> None:
    grounds = [theme.background, theme.surface, theme.panel]
    inks = [theme.foreground, theme.primary, theme.success, theme.warning, theme.error, theme.variables["quiet"]]
    for ground in grounds:
        for ink in inks:
            assert contrast(Color.parse(str(ink)), Color.parse(str(ground))) >= least, (ink, ground)
    variables = theme.variables
    for ink_name, ground_name in (
        ("bar-foreground", "bar-background"),
        ("block-cursor-foreground", "block-cursor-background"),
        ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ):
        assert contrast(Color.parse(variables[ink_name]), Color.parse(variables[ground_name])) >= least, ink_name


@pytest.mark.parametrize("name", ["field-sun", "field-night"])
@pytest.mark.parametrize(
    "keys", [[], ["n"], ["tab", "down"], ["enter"], ["question_mark"], ["slash", "a", "c"], ["0"], ["5"]]
)
async def test_everything_on_the_screen_can_be_read(name: str, keys: list[str]) -> None:
    async with driving("demo", size=WIDE, settings=Settings(theme=name, utc=True)) as d:
        await d.press("n", *keys)
        assert_readable(d, 7.0 if name == "field-sun" else 4.5)


def assert_readable(d: Driver, least: float) -> None:
    """Everything that is on the screen now."""
    for line in d.app.screen._compositor.render_strips():
        for segment in line:
            if (
                segment.text.strip()
                and segment.style is not None
                and not set(segment.text) <= set("─│╭╮╰╯▁▂▃▄▅▆▇█▊▎▔▕▏ ▌▐")
            ):
                ink, ground = _colors(segment.style)
                assert contrast(ink, ground) >= least, (segment.text, ink, ground)


def _colors(style: Style) -> tuple[Color, Color]:
    def rgb(color: RichColor | None, usual: str) -> Color:
        return Color.from_rich_color(color) if color is not None else Color.parse(usual)

    ink, ground = rgb(style.color, "#ffffff"), rgb(style.bgcolor, "#000000")
    return (ground, ink) if style.reverse else (ink, ground)


def test_the_usual_theme_suits_the_terminal() -> None:
    assert themes.usual("linux", "") == "ansi-dark"
    assert themes.usual("vt100", "") == "ansi-dark"
    assert themes.usual("xterm-256color", "truecolor") == "field-night"
