"""The inline proxy: bytes pass between a charging station and its CSMS, and somebody takes note.

    leg.py, tls.py     one side of a connection: a socket, and TLS where there is TLS
    relay.py           two legs: what comes in here goes out there, as it came
    upgrade.py         the one thing that is rewritten: where a request goes (path prefix, Host)
    faults.py          faults made on purpose: what to do to whom, and when
    frames.py, gate.py WebSocket messages told apart and held up, for stations that have such faults only
    listener.py        accepts stations, connects to the CSMS, holds all relays
    tap.py             how what passes is told to another process, and what is left out when that one is slow
    overheard.py       that other process: packets for the recording, events for the diagnosis
    packets.py         bytes of a connection → the packets of a TCP connection that would have carried them

The relay runs in a process of its own that decodes nothing, so that no message and no failure of a decoder can hold up
the traffic.
"""
