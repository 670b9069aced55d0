"""The service on a router: listens for weeks, and brings home what it finds.

settings     one TOML file, understood; what is wrong in it is told with line and key
service      the loop: packets → findings → outbox; reloads, watches itself, says that it is alive
intake       sources that come, go and come back; the packets of those who watch over ssh
diagnosis    session and pipeline, begun anew when the clock steps or memory runs short; the detector's seam
told         findings as messages: ids that stay, revisions, times corrected when the clock is
box, outbox  what waits to be sent, in SQLite: survives kill -9, power cuts, full disks and damaged files
couriers     one thread a sink: takes from the outbox, backs off, keeps within the budget of the uplink
sinks/       file, stdout, MQTT, webhook, syslog, Prometheus; plugins bring others
captures     the ring on disk: budget, age, what is kept for an incident, and its upload
helpers      other fieldkit commands as child processes: uplinks, TLS posture, serial devices
health       what goes wrong with the agent itself, as findings; and its numbers
clock        a router may begin in 1970: when the time turns out to be another one
control      the unix socket for the technician: status, findings, captures, packets
notify       systemd's READY, WATCHDOG, RELOADING, STOPPING
"""
