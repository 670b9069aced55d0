"""AT commands of modems (3GPP TS 27.007, V.250, Quectel).

``commands`` has those that read, ``lines`` tells answers from what the modem says on its own, ``answers`` says what
they mean, ``session`` asks.
"""
