"""Picture and events → findings: what is wrong, who owns it, what to do next.

A family of checks is a file here, found by itself: every subclass of ``check.Check`` in it is run. ``finding`` says
what a finding is, ``collector`` joins those that say the same, ``runner`` hands each event to the checks that want it.
"""
