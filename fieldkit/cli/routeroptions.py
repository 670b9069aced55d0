"""How the certificate of a router that is asked over https is verified: options of ``link`` and ``watch``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click


def certificate(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--ca`` and ``--insecure``."""
    for option in (
        click.option("--insecure", is_flag=True, help="Do not verify the router's certificate."),
        click.option("--ca", metavar="FILE", default="", help="Certificate that the router's must match (PEM)."),
    ):
        command = option(command)
    return command


def check(routers: Sequence[str], ca: str, *, insecure: bool) -> None:
    """UsageError where they would mean nothing: whoever gives them believes that something is verified."""
    if (ca or insecure) and not any(name.startswith(("ubus+https:", "ncos+https:")) for name in routers):
        raise click.UsageError(f"{'--ca' if ca else '--insecure'} goes with a router that is asked over https")
