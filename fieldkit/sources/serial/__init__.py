"""Serial ports: what is plugged in, how it is opened, heard, recorded, and what may be sent.

trouble     why a port cannot be used, and what to do
ports       what is plugged in, by what it is and not by what it is called today
holders     who has a port open, and what else grabs it
settings    speed, format, control lines
channel     an open port: the only place with a file handle
opening     names, paths and addresses → channels, locked and configured
port        one reader thread: hears, records, notices the unplugging, comes back
bootwatch   sees a boot loader in the bytes, and shuts the guard
guard       the only thing that sends; what may be sent is decided here and nowhere else
readsets    what cannot change a device, judged by the bytes themselves
audit       who wrote what into which device: append-only, never off
recording   what was heard and sent, as it was: for replaying, and for evidence
overhearing what a port says, understood without asking
decoding    bytes and their times → rows for people; the same live and in a replay
autospeed   finds speed and format by listening
device      a device to ask: dialect, line, one pass over all it tells
exchange    drives the dialects of ``fieldkit.devices`` over a port
writing     one write: what it would do, what speaks against it, what came of it
"""
