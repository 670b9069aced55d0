"""Routers that the user has named, asked again and again in threads of their own; and what files say of others.

Nothing is asked of a router before ``ask`` is called for it. What it tells goes three ways: its uplinks into bands
(``Uplinks``), what happened into the picture of the site, and how the asking goes into a sentence. No textual here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from fieldkit.links.uplink import LinkEvent, Uplink
from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError
from fieldkit.tui.course import Lane, Mark
from fieldkit.tui.uplinks import Uplinks, take

if TYPE_CHECKING:
    from fieldkit.links.survey import Survey

EVERY: Final = 10.0
"""Seconds between two looks: each of them makes a modem answer a few questions."""
AGAIN: Final = 30.0
"""Seconds until one that did not answer at all is asked again."""
MAX_ROUTERS: Final = 8
_TURN: Final = 0.2


def is_router(name: str) -> bool:
    """Whether a name means a router to be asked, and not a file."""
    scheme = name.partition(":")[0]
    return "://" in name or scheme == "replay"


def router_of(source: str) -> str:
    """The router that a source is captured on: "ssh://root@192.168.1.1" of ".../br-lan"; empty when it is none."""
    scheme, found, rest = source.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if found and scheme == "ssh" and rest.partition("/")[0] else ""


class Router:
    """One that is asked."""

    def __init__(
        self, name: str, make: Callable[[], Survey], heard: Callable[[Sequence[LinkEvent]], object], every: float
    ) -> None:
        """``make``: opens it; in its thread, as that may take a while."""
        self.name = name
        self.state = "is being asked"
        """In words, behind its name."""
        self.well = True
        self.uplinks = Uplinks()
        self._make, self._heard, self._every = make, heard, every
        self._stop = Flag()
        self._survey: Survey | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._run, name=f"router {name}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more; what is under way is cut off. Returns at once: the thread ends by itself."""
        self._stop.set()
        with self._lock:
            if self._survey is not None:
                self._survey.close()

    def drawn(self, until: int) -> tuple[list[Lane], list[Mark], list[Uplink]]:
        """Bands, marks, and how its uplinks are now."""
        with self._lock:
            return self.uplinks.lanes(until), self.uplinks.marks(), self.uplinks.now()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except Exception as error:  # a router that says nonsense, a network that is gone: the screen goes on
                self._say(f"does not answer: {error}", well=False)
                with self._lock:
                    self.uplinks.silent(time.time_ns())
            finally:
                with self._lock:
                    if self._survey is not None:
                        self._survey.close()
                        self._survey = None
            self._stop.wait(AGAIN)

    def _watch(self) -> None:
        from fieldkit.links.runner import RunnerError
        from fieldkit.links.words import clocks

        survey = self._make()
        with self._lock:
            self._survey = survey
        survey.probe()
        if not any(asked.confidence for asked in survey.present):
            why = next((asked.why for asked in survey.adapters if asked.why), "")
            self._say(f"answers, but nobody here knows its uplinks{f' ({why})' if why else ''}", well=False)
            self._stop.wait()
            return
        due = 0.0
        while not self._stop.is_set():
            # As many as there are now: a router that floods its log may not keep this turn for itself.
            told = [survey.events.get_nowait() for _ in range(survey.events.qsize())]
            if time.monotonic() >= due:
                look, news = survey.news()
                told += news
                if not look.uplinks and look.failed:
                    raise RunnerError("; ".join(look.failed))
                names = ", ".join(asked.name for asked in survey.present if asked.confidence > 0)
                apart = clocks(look.clock_ahead)
                self._say(f"answers ({names}){f'; {apart}' if apart else ''}", well=not apart)
                with self._lock:
                    for event in told:
                        self.uplinks.tell(event)
                    self.uplinks.look(look.time, look.uplinks)
                survey.listen()
                due = time.monotonic() + self._every
            elif told:
                with self._lock:
                    for event in told:
                        self.uplinks.tell(event)
            if told:
                self._heard(told)
            self._stop.wait(_TURN)

    def _say(self, text: str, *, well: bool) -> None:
        self.state, self.well = terminal(text, 200), well


class Routers:
    """All of a run."""

    def __init__(
        self, opener: Callable[[str], Survey] | None = None, *, every: float = EVERY, utc_offset: int = 0
    ) -> None:
        """``opener``: from a router's name to somebody who can ask it; None: plugins are looked for here."""
        self.asked: list[Router] = []
        self.written = Uplinks()
        """What files say."""
        self.files: list[str] = []
        self.events: list[LinkEvent] = []
        """Of the files, in the order in which they were given."""
        self._opener = opener if opener is not None else _opened
        self._every = every
        self._offset = utc_offset
        self._heard: Callable[[Sequence[LinkEvent]], object] = lambda events: None

    @property
    def version(self) -> int:
        """Grows with everything that is told."""
        return self.written.version + sum(router.uplinks.version + hash(router.state) for router in self.asked)

    def read(self, name: str) -> None:
        """What a router told, from a file; SourceError when it has nothing of the kind."""
        from fieldkit.links.told import NotToldError, read_all

        try:
            with Path(name).open(encoding="utf-8", errors="replace") as file:
                found = read_all(file, self._offset)
        except OSError as error:
            raise SourceError(f"{name}: {error.strerror or error}") from error
        except NotToldError as error:
            raise SourceError(f"{name} {error}") from error
        take(self.written, found.events, found.looks)
        self.events += found.events
        self.files.append(name)

    def ask(self, name: str) -> bool:
        """Begin to ask a router that the user has named; False when it is asked already, or there are too many."""
        if any(router.name == name for router in self.asked) or len(self.asked) >= MAX_ROUTERS:
            return False
        router = Router(name, lambda: self._opener(name), self._tell, self._every)
        self.asked.append(router)
        router.start()
        return True

    def _tell(self, events: Sequence[LinkEvent]) -> None:
        self._heard(events)

    def listened_by(self, heard: Callable[[Sequence[LinkEvent]], object]) -> None:
        """Who takes what happened; called in the routers' threads."""
        self._heard = heard

    def drawn(self, until: int) -> tuple[list[Lane], list[Mark], list[Uplink]]:
        """Of all: bands, marks, and the uplinks now."""
        lanes, marks, now = self.written.lanes(until), self.written.marks(), self.written.now()
        for router in self.asked:
            more, happened, uplinks = router.drawn(until)
            lanes, marks, now = [*lanes, *more], [*marks, *happened], [*now, *uplinks]
        return lanes, marks, now

    def again(self) -> Routers:
        """The same for another run over the same capture: what files say stays, nobody is asked."""
        other = Routers(self._opener, every=self._every, utc_offset=self._offset)
        other.written, other.files, other.events = self.written, self.files, self.events
        return other

    def close(self) -> None:
        """Ask none of them any more."""
        for router in self.asked:
            router.close()


def _opened(name: str) -> Survey:
    from fieldkit.links.opening import open_runner
    from fieldkit.plugins.host import everything
    from fieldkit.plugins.surveying import survey_of

    host = everything()
    # What a plugin may do is shown before its first use, which cannot be done here: `fieldkit link` does.
    host.found = [one for one in host.found if not host.consent.introduction(one)]
    return survey_of(open_runner(name), host)
