"""From a capture or a conversation to the document, as ``fieldkit report`` goes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fieldkit.reports.document import Report
from fieldkit.reports.model import build
from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import Session
from tests.traffic.decoded import decode_files
from tests.traffic.diagnosed import diagnose, diagnose_events


class Read(NamedTuple):
    """What the document wants to know of a source."""

    name: str
    read: int
    is_log: bool


def report_of(*sessions: Session, show_ids: bool = False) -> Report:
    """The document of conversations."""
    return built(diagnose(*sessions), "memory", show_ids=show_ids)


def report_of_file(path: Path, keylog: Path | None = None) -> Report:
    """The document of a capture or log, payloads unvalidated: compiling schemas takes longer than all the rest."""
    diagnosis = diagnose_events(decode_files(path, keylog=keylog, validate=False).events)
    return built(diagnosis, str(path), is_log=path.suffix == ".jsonl")


def built(diagnosis: Diagnosis, name: str, *, show_ids: bool = False, is_log: bool = False) -> Report:
    return build(diagnosis, sources=[Read(name, 1234, is_log)], show_ids=show_ids)
