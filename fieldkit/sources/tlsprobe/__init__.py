"""The TLS prober: what an endpoint accepts, what it shows, and how it behaves.

    targets.py       what the user named → endpoints: address, port, name, way out
    suites.py        cipher suites sorted into classes
    hello.py         ClientHellos of our own making, SSL 3.0 to TLS 1.3
    keyshare.py      the key exchange and key schedule of TLS 1.3, as far as the server's first flight is encrypted
    flight.py        what comes back: one connection's first flight
    handshake12.py   a whole TLS 1.2 handshake of our own, to see whether it may be renegotiated
    session.py       a real handshake (OpenSSL's) and what is said inside it: the WebSocket upgrade
    upgrade.py       the upgrade's request and answer
    engine.py        sockets: many conversations, deadlines, how many at a time
    plan.py          which conversations, in which order; survey.py, sweep.py, manners.py the parts of it
    posture.py       what all of it came to
    judge.py         the posture as faults and for the security profiles
    compare.py       several addresses of a host, several ways out: is it the same everywhere

Conversations know no socket: bytes in, bytes out, a result at the end. One hello each is sent and the connection
dropped, so OpenSSL's idea of what is still acceptable does not matter, and nothing that the peer sends can be obeyed.
"""
