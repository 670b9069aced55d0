"""What is unusual at a site, and why: exact rules, robust statistics and a small model, fused into incidents.

Like everything on floors 1 to 4 it does no I/O and knows no clock: events, findings and time come in, incidents come
out. ``detector.Detector`` is the door; ``fieldkit.models`` opens it with what lies on disk (model, calibration,
runtimes)."""
