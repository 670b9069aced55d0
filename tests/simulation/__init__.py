"""Simulated sites: traffic with labelled episodes, as fieldkit's own events, for training and for judging the detector.

    site = Site(seed=7, days=1.0, families=["message-flood", "register-rollback"])
    for time, event in site.events(): ...
    site.episodes

The same site can be written as a capture (``python -m tests.simulation --seed 7 --days 1 --episodes six -o day.pcap
--truth day.json``), which fieldkit decodes into the same events. Two generators (``first`` and ``second``) differ in
vendors, sessions and habits: one that a model was trained on does not judge it.
"""
