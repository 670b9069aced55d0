"""What other programs wrote down → the OCPP frames in it.

A technician is sent logs more often than captures: the CSMS's, the station's, a spreadsheet export, a paste from a
ticket. None of them follows a standard, so nothing here believes in formats: a reader looks for OCPP frames, and takes
from what surrounds them the time, the direction and the station, as far as it says them.

    reader      the way in: encoding, which kind of file; then one of
    textlog     lines of text                unclosed    frames that go on on the next line
    jsonlog     JSON lines and documents     records     one JSON object → its frames
    csvlog      tables                       columns     what their columns are for
    idless      rows without message ids
    trace       Open OCPP Trace records      roles       names of columns and keys
    frametext   recognising, salvaging and unescaping a frame
    linefields  direction and station out of a line
    alike       stations by the look of other stations' names
    times       the dates and clocks that logs write
    twins       the same frame logged twice
    sighting    what all of them hand on

What the log does not say (who sent a frame, which station) is for ``ocpp.logged`` to find out.
"""

from __future__ import annotations

from fieldkit.logs.reader import LogReader, looks_like_log

__all__ = ["LogReader", "looks_like_log"]
