"""Would an uplink really carry this site's CSMS? Tried, when the user asks for it, and at a price that is told.

dns.py       a question to a name server over one interface
echo.py      how long a packet takes there and back (ICMP)
resolvers.py which name servers there are
local.py     all of it from this machine, bound to an interface
remote.py    the same with what a router has: curl, ping, nslookup
probe.py     what one attempt over one uplink came to
verdict.py   what that means, the uplinks compared
budget.py    bytes that an uplink may cost in a day
prober.py    the uplinks one after the other, as far as the budget goes
words.py     for people, and as JSON
"""
