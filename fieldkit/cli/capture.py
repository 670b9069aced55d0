"""``fieldkit capture``: listen, record and diagnose without a screen, for minutes or for weeks."""

from __future__ import annotations

from typing import Any

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode

_EXAMPLES = """
\b
Examples:
  fieldkit capture
  fieldkit capture -i eth0 -w site.pcapng --for 10m -o report.html
  fieldkit capture -i br-lan -w site.pcapng --ring 10x20MB --host 192.168.10.0/24
  fieldkit capture -i ssh://root@192.168.1.1/br-lan --follow | jq .title
  fieldkit capture -i eth0 -i wwan0 --until 17:30 -o day.html --upload https://files.example/site7/
  fieldkit capture --upload-pending

\b
Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong command line, 3 a source cannot
be used, 4 a host or the upload server cannot be reached, 5 packets are missing or the recording is
not whole, 130 stopped at once (Ctrl-C twice). Ctrl-C, SIGTERM and limits end a capture orderly.
"""


@click.command(name="capture", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "-i",
    "--interface",
    "interfaces",
    metavar="IFACE",
    multiple=True,
    help="Where to listen: an interface, any, ssh://[USER@]HOST[:PORT]/IFACE, tzsp://[ADDRESS]:PORT, or - for a pcap "
    "or pcapng stream on standard input. May be given several times. Default: the interfaces that have traffic.",
)
@click.option("-w", "--write", "write_to", metavar="FILE|-", help="Record the packets as pcapng.")
@options.ring
@options.lasting
@options.until
@click.option("--packets", type=click.IntRange(1), metavar="N", help="End after so many packets.")
@click.option("--host", "hosts", metavar="ADDRESS[/BITS]", multiple=True, help="Capture only what is from or to it.")
@click.option(
    "--port",
    "ports",
    metavar="N",
    type=click.IntRange(1, 65_535),
    multiple=True,
    help="Capture only TCP and UDP of it.",
)
@click.option("--vlan", metavar="N", type=click.IntRange(0, 4095), help="Capture only packets with this VLAN tag.")
@click.option("--all", "everything", is_flag=True, help="Capture any packet, not just what a diagnosis looks at.")
@click.option(
    "--with", "program", type=click.Choice(["dumpcap", "tcpdump", "scapy"]), help="Let this program do the capturing."
)
@click.option("--buffer", metavar="SIZE", help="Memory for packets that wait (an interface: 16MiB; of many: 4MiB).")
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    help="Write a document at the end; the suffix says which, as for `fieldkit report`.",
)
@options.json_to
@click.option("--every", metavar="DURATION", help="Write the documents anew so often while it runs.")
@options.follow
@options.expression("Tell only of messages that match, and of findings about them; all is recorded")
@click.option("--record-only", is_flag=True, help="Only record (-w), do not diagnose.")
@click.option("--upload", metavar="URL", help="Send the recording and the documents there by HTTPS PUT.")
@click.option("--upload-pending", is_flag=True, help="Send what earlier runs could not, and end.")
@click.option("--spool", metavar="DIR", help="Where files wait that could not be sent.")
@click.option("--spool-size", metavar="SIZE", default="500MB", show_default=True, help="What they may take there.")
@click.option("--ca", metavar="FILE", help="Certificates (PEM) to trust for the upload, in place of the system's.")
@options.keylog
@options.validate
@options.fail_on
@options.min_profile
@options.plugin
@click.option("--keep-root", is_flag=True, help="Do not give up the rights of root (files belong to root then).")
@options.show_ids
@click.option("--utc", is_flag=True, help="Show times in UTC, and read --until so.")
@options.color
@options.configured
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr: the numbers, once a minute.")
def command(**given: Any) -> ExitCode:
    """Listen to interfaces or routers: record, diagnose while it happens, and leave a report.

    Without -w nothing is recorded. Findings are told as they happen; at the end there is a report, as text on
    standard output unless -o, --json or --follow say otherwise. docs/capture.md explains it.
    """
    from fieldkit.cli.captureplan import Options, Plan
    from fieldkit.cli.capturing import Run
    from fieldkit.cli.delivery import Delivery

    asked = Options(**given)
    if asked.upload_pending and not asked.upload:
        return Delivery.pending(asked).send_pending()
    plan = Plan(asked)
    return Run(plan).result(Delivery.of(asked, names=plan.files, many=plan.ring is not None))
