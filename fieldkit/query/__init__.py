"""The filter: one language for ``--filter`` and for the filter bar.

    tree         what a filter consists of, and its text
    grammar      text → tree, and what is wrong with a text
    fields       what can be asked of a message
    values       numbers, durations, times and texts as they are written in a filter
    regex        regular expressions that cannot hang
    clues        what must stand in the text of a message that passes
    compare      tree → a function of a message
    completion   what may come next, for whoever types

``docs/filter.md`` tells users how to write one.
"""

from __future__ import annotations

from fieldkit.query.clues import Mentions
from fieldkit.query.compare import Matches, compiled
from fieldkit.query.completion import complete
from fieldkit.query.fields import FIELDS
from fieldkit.query.grammar import FilterError, parse

__all__ = ["FIELDS", "Filter", "FilterError", "compile_filter", "complete"]


class Filter:
    """A filter, ready to be asked about any number of messages."""

    __slots__ = ("_node", "_offset", "matches", "text")

    def __init__(self, text: str, utc_offset_seconds: int) -> None:
        node = self._node = parse(text)
        self._offset = utc_offset_seconds
        self.text = str(node)
        """The filter in its plainest form: "and" for "&&", a range for "between"; compiles to the same."""
        try:
            self.matches: Matches = compiled(node, utc_offset_seconds)
            """Whether a message passes. A plain function and not a method, which saves a call for each."""
        except FilterError as error:
            error.text = text
            raise

    def glancing(self, mentions: Mentions) -> Matches:
        """``matches`` for somebody who knows of a text whether it may be in a message before that is parsed."""
        return compiled(self._node, self._offset, mentions)

    def __str__(self) -> str:
        return self.text


def compile_filter(text: str, *, utc_offset_seconds: int = 0) -> Filter:
    """The filter that ``text`` describes; ``FilterError`` when it describes none.

    ``utc_offset_seconds``: how far local time, in which times without a zone are written, is ahead of UTC.
    """
    return Filter(text, utc_offset_seconds)
