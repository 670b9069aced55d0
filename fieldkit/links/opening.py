"""From what a user writes to a runner: this machine, ssh://, ubus+http(s)://, ncos+http(s)://, replay:FILE."""

from __future__ import annotations

from collections.abc import Sequence

from fieldkit.links.runner import Runner
from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError

FORMS = "ssh://[USER@]HOST, ubus+https://[USER@]HOST, ncos+https://[USER@]HOST or replay:FILE"


def open_runner(name: str, *, verify: bool = True, authority: str = "", ssh: Sequence[str] = ()) -> Runner:
    """``name`` empty: this machine. SourceError when it is no router's. Nothing is asked yet."""
    if not name:
        from fieldkit.links.local import LocalRunner

        return LocalRunner()
    scheme, found, rest = name.partition(":")
    if scheme == "replay" and found:
        from fieldkit.links.recorded import load

        return load(rest)
    if scheme == "ssh" and rest.startswith("//"):
        from fieldkit.links.ssh import SshRunner

        return SshRunner(name, program=ssh)
    way, plus, web = scheme.partition("+")
    if plus and way in ("ubus", "ncos") and web in ("http", "https") and rest.startswith("//"):
        from fieldkit.links.web import certificate_of, place
        from fieldkit.links.webrunners import NcosRest, UbusOverHttp

        where = place(
            f"{web}:{rest}",
            "root" if way == "ubus" else "admin",
            verify=verify,
            authority=certificate_of(authority) if authority else "",
        )
        return UbusOverHttp(where) if way == "ubus" else NcosRest(where)
    raise SourceError(f"{terminal(name, 80)}: that is no router; give {FORMS}, or nothing for this machine")
