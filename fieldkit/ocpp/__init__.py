"""From frames to messages to exchanges: what OCPP 1.5, 1.6, 2.0.1 and 2.1 say, and whether they may say it.

Sans-I/O like ``wire``: time arrives with the bytes, schemas arrive through a callable.
"""
