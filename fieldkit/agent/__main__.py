"""``python -m fieldkit.agent [--config FILE]``: as ``fieldkit agent run``, without what only a command line needs.

That is two megabytes of memory, which on a small router are worth a line in its init script.
"""

from __future__ import annotations

import sys

from fieldkit.agent.spared import spare_inspect

spare_inspect()

from fieldkit.agent.running import WRONG, run  # noqa: E402
from fieldkit.safetext import terminal  # noqa: E402


def _say(text: str) -> None:
    sys.stderr.write(f"fieldkit: {terminal(text, 600)}\n")
    sys.stderr.flush()


def main(words: list[str]) -> int:
    """Returns the exit status."""
    if words and (len(words) != 2 or words[0] != "--config"):
        _say("python -m fieldkit.agent [--config FILE]; fieldkit agent run has more options")
        return WRONG
    return run(words[1] if words else "", keep_root=False, say=_say, complain=_say)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
