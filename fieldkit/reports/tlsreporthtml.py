"""The document of ``fieldkit tls`` as one HTML page without scripts and without anything from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fieldkit.reports import plainwords
from fieldkit.reports.tlsreport import TlsReport
from fieldkit.reports.tlsreporttext import facts, grouped, result_word
from fieldkit.safetext import terminal

_LONGEST: Final = 1500


def render(report: TlsReport) -> str:
    """The whole page."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("fieldkit.reports") / "templates"

    def source(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    def finalized(value: object) -> object:
        """Whatever a filter has forgotten is made safe here."""
        return terminal(value) if isinstance(value, str) and "\n" not in value else value

    environment = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        finalize=finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": lambda text, limit=_LONGEST: terminal(str(text), limit),
        "clock": plainwords.clock,
        "owner": lambda owner: plainwords.OWNERS[owner],
        "advice": plainwords.advice,
        "facts": facts,
        "grouped": grouped,
        "result_word": result_word,
    }
    from markupsafe import Markup

    return environment.get_template("tls.html.j2").render(report=report, style=Markup(source("style.css")))
