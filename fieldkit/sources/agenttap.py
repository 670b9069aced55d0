"""The packets of an agent as a source: agent://[USER@]HOST[:PORT] over ssh, agent:// for the one of this machine.

The agent goes on as it was: it passes copies on, and what a slow line cannot take is counted as dropped.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Final

from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.child import ChildSource
from fieldkit.sources.file import SourceError
from fieldkit.sources.sshcommand import command, parse, refusal

SCHEME: Final = "agent://"
LOGIN: Final = 30.0
"""Seconds a login may take: two jump hosts, a slow modem."""
PROGRAM_VARIABLE: Final = "FIELDKIT_REMOTE"
"""Environment variable with what fieldkit is called on routers."""
_READY: Final = re.compile(r"passing on packets of")
_TALK: Final = re.compile(r"^(passing on packets of|Warning: Permanently added)")


class AgentTap(ChildSource):
    """One agent."""

    def __init__(self, url: str, numbers: FrameNumbers, *, ssh: Sequence[str] = ()) -> None:
        """SourceError when it is no such address, or there is no agent."""
        self.unreachable = False
        rest = url.removeprefix(SCHEME).rstrip("/")
        if "/" in rest:
            raise SourceError(f"{url}: give agent://[USER@]HOST[:PORT], or agent:// for this machine")
        target = parse(f"ssh://{rest}") if rest else None
        if target is None:
            line = [sys.executable, "-m", "fieldkit", "agent", "packets"]
        else:
            line = command(target, f"{os.environ.get(PROGRAM_VARIABLE, 'fieldkit')} agent packets", program=ssh)

        def explain(said: Sequence[str], status: int) -> str:
            mine = [text for text in said if text.startswith("fieldkit: ")]
            if mine:
                return f"{url}: {mine[-1].removeprefix('fieldkit: ')}"
            talk = [text for text in said if not _TALK.match(text)]
            if target is not None and status:
                self.unreachable = True
                return f"{url}: {refusal(target, talk).reason}"
            return f"{url}: the agent has ended" if status or not talk else f"{url}: {talk[-1]}"

        super().__init__(line, url, numbers, ready=_READY, explain=explain, starting=LOGIN)
