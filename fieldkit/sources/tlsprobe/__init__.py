"""The TLS prober: what an endpoint accepts, what it shows, and how it behaves.

    targets.py        what the user named → addresses, and ways to get there
    suites.py         cipher suites sorted into classes
    hello.py          ClientHellos of our own making, SSL 3.0 to TLS 1.3
    keyshare.py       key exchange and key schedule of TLS 1.3, as far as the server's first flight is encrypted
    conversation.py   what the engine runs: bytes in, bytes out
    flight.py         one hello and the flight that answers it; certrequest.py: what it wants of our certificate
    handshake12.py    a whole TLS 1.2 handshake of our own, to see whether it may be renegotiated
    session.py        a real handshake (OpenSSL's), and upgrade.py: the WebSocket upgrade inside it
    engine.py         sockets: many conversations, deadlines, how many at a time
    plan.py           tasks of one endpoint and their budget
    survey.py         which hellos, in which order: sweeps.py the suites, tls13.py, aspects.py all else;
                      speak.py: which upgrades; manners.py: why there is no TLS
    posture.py        what all of it came to
    judge.py          the posture as faults and as what security profiles are judged by; judgeupgrade.py, kinds.py
    roots.py          trust anchors from files; fetch.py: what certificates point to, only when asked for
    compare.py        several addresses of a host, several ways out: is it the same everywhere
    run.py            all of it together

Conversations know no socket: bytes in, bytes out, a result at the end. One hello each is sent and the connection
dropped, so OpenSSL's idea of what is still acceptable does not matter, and nothing that the peer sends can be obeyed.
"""
