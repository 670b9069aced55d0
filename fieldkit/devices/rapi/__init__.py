"""RAPI, what OpenEVSE controllers speak.

``frames`` finds messages among bytes, ``commands`` makes those that read, ``readings`` says what they mean, ``session``
asks and sorts answers from notifications.
"""
