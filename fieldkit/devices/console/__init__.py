"""Consoles: ``lines`` turns what they print into lines, ``patterns`` is the table of what lines mean, ``recognise``
applies it."""
