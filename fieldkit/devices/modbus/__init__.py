"""Modbus on a serial line, in both directions: asking devices, and listening to a bus that somebody else runs.

timing      how long characters, frames and gaps last at a line's settings
pdu         function and exception codes, and how long a message is by its first bytes
reads       requests that read; nothing here can be made to write
writes      requests that write; each needs a token that says what was allowed
framing     RTU and ASCII: messages into bytes, and back out of noise
exchange    one request and what became of it
line        the state of a bus between exchanges: which late answers may still come
values      registers → numbers and texts
profile     what a device's registers mean; profileload reads it from TOML
readplan    registers → few requests
session     reads a device by its profile, whatever happens on the line
sniff       requests and answers of somebody else's bus
"""
