"""fieldkit: sniff, decode and diagnose OCPP where the charger stands.

Bytes flow one way. A folder is a stage and imports only from the stages above it in this list:

    events     the vocabulary: what goes in, what comes out
    safetext   untrusted text made safe for terminals and documents; secrets hidden
    wire/      containers → packets → streams → frames
    ocpp/      frames → messages → exchanges
    logs/      what other programs wrote down → the frames in it
    pipeline   composes the stages; query: the filter; schemastore: the published schemas
    sources/   where bytes come from
    cli/       one file a command

One packet's way, and nobody it passes looks back: ``wire.pcap`` finds records in a block, ``wire.link`` and
``wire.ip`` say which flow, ``wire.tcp`` puts its bytes in order, ``wire.tls`` decrypts if it can, ``wire.http`` sees
the upgrade, ``wire.websocket`` cuts and inflates frames, ``ocpp.ocppj`` reads a message, ``ocpp.schema`` says what
is wrong with it, ``ocpp.exchange`` finds its answer.
"""

__version__ = "0.1.0"
