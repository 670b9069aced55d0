"""Serial dialects: bytes and their times in, readings, lines and causes out.

``modbus``, ``rapi``, ``at``, ``sml`` and ``iec62056`` are what chargers, meters and modems speak, ``console`` is what
they print, ``detect`` tells which of them it is. Nothing here opens a port, reads a clock or starts a thread: a live
port, a recording and a test use the same code.
"""
