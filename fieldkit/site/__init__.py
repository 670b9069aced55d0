"""Messages → the picture that a technician has in mind: stations, connectors, transactions, meters, links.

``picture.Picture`` takes every event and passes it on: what belongs to a TCP connection to ``link``, an OCPP message
to its ``station.Station``, whose parts each know one thing (``about``, ``connector``, ``transaction``, ``meter`` …) and
see only the actions that concern them. Payloads come as they were sent, whatever their types: ``reading`` reads them.
"""
