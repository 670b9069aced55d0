"""A site's ways out: what its router says of its uplinks, and what the kernel says when one of them changes.

``uplink`` is the vocabulary, ``runner`` how an adapter asks its questions, ``adapter`` what an adapter is,
``survey`` asks them all and puts their answers together. The adapters of routers are plugins (``plugins/``); what
every Linux can tell is here (``linux``, ``conntrack``).
"""
