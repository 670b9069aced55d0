"""What was found out, as documents and lines: every writer takes events, none computes a finding.

A writer is made with a ``write`` callable, takes ``event(e)`` for every event in order and ``finish()`` at the end;
``wants`` names the event classes it has use for (None: all of them). Untrusted text goes through ``safetext``, secrets
through ``ocpp.secrets``.

    lines      text for a technician: one line a message
    trace      Open OCPP Trace 1.1
    eventlog   every event as NDJSON
"""
