"""``fieldkit cert`` for a terminal: who, for what, until when, fit or not, and why not. 80 columns, plain signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.checks import posture
from fieldkit.checks.words import counted
from fieldkit.cli.certdocument import all_findings
from fieldkit.reports.page import BOLD, CYAN, DIM, RED, RESET, YELLOW
from fieldkit.reports.plainwords import OWNERS
from fieldkit.reports.text import wrapped
from fieldkit.safetext import display_width, terminal
from fieldkit.trust import oids
from fieldkit.trust.bag import Judged, Laid, Wishes
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.chain import Chain
from fieldkit.trust.containers import Item
from fieldkit.trust.crl import Crl
from fieldkit.trust.extensions import Extensions
from fieldkit.trust.keys import PublicKey
from fieldkit.trust.names import host_names
from fieldkit.trust.ocsp import OcspResponse
from fieldkit.trust.purpose import PURPOSES, Fit
from fieldkit.trust.request import Request
from fieldkit.trust.words import date, listed, quoted, span

WIDTH: Final = 80
MAX_ITEMS: Final = 40
"""Things of one file that are told in full; of a store of roots one line each is enough."""
MAX_LINES: Final = 300
MAX_FINDINGS: Final = 100
_INDENT: Final = 16
GREEN: Final = "\x1b[32m"
_STYLES: Final = {"critical": RED, "warning": YELLOW, "info": CYAN}
_SIGNS: Final = {"critical": "CRITICAL", "warning": "WARNING", "info": "info"}


class _Page:
    def __init__(self, color: bool) -> None:
        self.lines: list[str] = []
        self._color = color

    def put(self, text: str, head: str = "", style: str = "") -> None:
        column = display_width(head)
        parts = list(wrapped(terminal(text, 2000), max(WIDTH - column, 20), max(WIDTH - column, 20))) or [""]
        for number, part in enumerate(parts):
            line = ((" " * column if number else terminal(head)) + part).rstrip()
            self.lines.append(f"{style}{line}{RESET}" if self._color and style and line else line)

    def row(self, name: str, text: str) -> None:
        """A named value."""
        self.put(text, head=f"    {name:<{_INDENT - 4}}")

    def title(self, text: str) -> None:
        self.lines.append("")
        self.put(f"-- {text} " + "-" * max(WIDTH - len(text) - 4, 0), style=BOLD)


def render(files: Sequence[Laid], judged: Judged, wishes: Wishes, *, color: bool) -> str:
    """The whole text."""
    page = _Page(color)
    found = all_findings(judged, wishes.at)
    _verdict(page, files, judged, [one.severity or one.kind.severity for one, _ in found])
    for laid in files:
        _file(page, laid, judged, wishes)
    _chains(page, judged)
    for certificate, fit in judged.fits:
        _fit(page, certificate, fit)
    for certificate, source, outcome in judged.statuses:
        page.put(f"{quoted(certificate.label)} by {source}: {outcome.status}. {outcome.why}", head="  ")
    if found:
        page.title("Findings")
        for finding, file in found[:MAX_FINDINGS]:
            entry = posture.entry(finding, "", file)
            severity = entry["severity"]
            probably = "Probably: " if entry["inferred"] else ""
            page.put(
                f"{probably}{entry['title']}  {entry['id']}", head=f"{_SIGNS[severity]:<10}", style=_STYLES[severity]
            )
            page.put(entry["explanation"], head=" " * 10)
            page.put(f"[{OWNERS[finding.owner or finding.kind.owner]}] {entry['advice']}", head=" " * 7 + "-> ")
            page.put(f"see {entry['reference']}", head=" " * 10, style=DIM)
        if len(found) > MAX_FINDINGS:
            page.put(f"... and {counted(len(found) - MAX_FINDINGS, 'more finding')}")
    return "\n".join(page.lines) + "\n"


def _verdict(page: _Page, files: Sequence[Laid], judged: Judged, severities: list[str]) -> None:
    things = [item for laid in files for item in laid.contents.items]
    kinds: dict[str, int] = {}
    for item in things:
        kinds[item.kind] = kinds.get(item.kind, 0) + 1
    names = {"crl": "revocation list", "ocsp": "OCSP response", "request": "certificate request",
             "unreadable": "unreadable part"}  # fmt: skip
    what = listed([counted(number, names.get(kind, kind)) for kind, number in kinds.items()])
    told = [f"{severities.count(name)} {name}" for name in _STYLES if name in severities]
    worst = next((name for name in _STYLES if name in severities), "")
    page.put(f"{what}: {listed(told) if told else 'nothing wrong found'}", style=BOLD + _STYLES.get(worst, GREEN))


def _file(page: _Page, laid: Laid, judged: Judged, wishes: Wishes) -> None:
    page.title(f"{laid.name} ({laid.contents.form})")
    items = laid.contents.items
    for number, item in enumerate(items[:MAX_LINES], 1):
        if number <= MAX_ITEMS:
            _item(page, laid, item, judged, wishes.at, number)
        elif isinstance(item.value, Certificate):
            page.put(f"{item.value.label}, until {date(item.value.not_after)}", head=f"  {number}. ")
    if len(items) > MAX_LINES:
        page.put(f"... and {len(items) - MAX_LINES:,} more", head="  ")
    if laid.contents.locked:
        page.put(f"{laid.contents.locked} is encrypted and was not opened", head="  ")


def _item(page: _Page, laid: Laid, item: Item, judged: Judged, at: int, number: int) -> None:
    head = f"  {number}. "
    match item.value:
        case Certificate() as certificate:
            kind = "root certificate" if certificate.self_signed and certificate.is_ca else (
                "certificate of an authority" if certificate.is_ca else "certificate")  # fmt: skip
            page.put(f"{kind} for {quoted(certificate.label)}", head, BOLD)
            _certificate(page, certificate, at)
        case Request() as request:
            page.put(f"certificate request for {quoted(request.label)}", head, BOLD)
            page.row("for", str(request.subject))
            page.row("key", f"{request.key}, signed by {request.algorithm.label}")
            _extensions(page, request.extensions)
        case OcspResponse() as response:
            page.put("OCSP response", head, BOLD)
            _ocsp(page, response)
        case Crl() as crl:
            page.put(f"revocation list of {quoted(crl.issuer.label)}", head, BOLD)
            page.row("from", date(crl.this_update) + (f" until {date(crl.next_update)}" if crl.next_update else ""))
            page.row("holds", f"{counted(len(crl), 'revoked certificate')}, signed by {crl.algorithm.label}")
        case _ if item.kind in ("private key", "public key"):
            _key(page, laid, item, judged, head)
        case _:
            page.put(f"cannot be read: {item.note}", head, YELLOW)


def _certificate(page: _Page, certificate: Certificate, at: int) -> None:
    page.row("for", str(certificate.subject))
    names = host_names(certificate) if certificate.extensions.alt_names is not None else []
    if names:
        page.row("hosts", listed(names, 8))
    page.row("issued by", "itself" if certificate.self_signed else str(certificate.issuer))
    page.row("valid", f"{date(certificate.not_before)} to {date(certificate.not_after)} ({_when(certificate, at)})")
    page.row("key", f"{certificate.key}, signed by {certificate.algorithm.label}")
    _extensions(page, certificate.extensions)
    page.row("size", f"{len(certificate.der):,} bytes, {len(certificate.pem):,} characters in PEM")
    page.row("serial", certificate.serial_hex)
    page.row("SHA-256", certificate.fingerprint)


def _when(certificate: Certificate, at: int) -> str:
    if at > certificate.not_after:
        return f"ended {span(at - certificate.not_after)} ago"
    if at < certificate.not_before:
        return f"begins in {span(certificate.not_before - at)}"
    return f"ends in {span(certificate.not_after - at)}"


def _extensions(page: _Page, extensions: Extensions) -> None:
    uses = []
    if extensions.is_ca:
        limit = extensions.path_length
        uses.append("issues certificates" + (f" ({counted(limit, 'authority')} below it)" if limit else ""))
    if extensions.purposes is not None:
        uses.append(listed([oids.PURPOSES.get(one, one) for one in extensions.purposes], 8))
    if extensions.key_usage is not None:
        uses.append(listed([one for one in oids.USAGES if one in extensions.key_usage], 9))
    if uses:
        page.row("use", "; ".join(uses))
    places = [f"OCSP {url}" for url in extensions.ocsp[:2]] + [f"CRL {url}" for url in extensions.crls[:2]]
    if places:
        page.row("revocation", ", ".join(places))


def _ocsp(page: _Page, response: OcspResponse) -> None:
    if response.failure:
        page.row("says", f"nothing: {response.failure}")
        return
    for single in response.singles[:MAX_ITEMS]:
        until = f", to be renewed by {date(single.next_update)}" if single.next_update else ""
        page.row(
            "says", f"{single.status} for serial number {single.hashed.serial} on {date(single.this_update)}{until}"
        )


def _key(page: _Page, laid: Laid, item: Item, judged: Judged, head: str) -> None:
    kind = str(item.value) if isinstance(item.value, PublicKey) else "of an unknown kind"
    note = f", {item.note}" if item.note else ""
    page.put(f"{item.kind} {kind}{note} (it is not shown)" if item.kind == "private key" else f"{item.kind} {kind}",
             head, BOLD)  # fmt: skip
    own = next((found for file, one, found in judged.keys if one is item and file == laid.name), ())
    if own:
        page.row("belongs to", listed([quoted(one.label) for one in own]))


def _chains(page: _Page, judged: Judged) -> None:
    shown = [chain for chain in judged.chains if len(chain.path) > 1 or chain.judged][:MAX_ITEMS]
    if not shown:
        return
    page.title("Chains")
    for chain in shown:
        page.put(" <- ".join(quoted(one.label) for one in chain.path), head="  ")
        page.put(_trust(chain), head="    ")
        for note in chain.notes:
            page.put(note, head="    ", style=DIM)


def _trust(chain: Chain) -> str:
    if chain.trusted and chain.anchor is not None:
        return f"trusted: it leads to {quoted(chain.anchor.label)}"
    if chain.breaking:
        return f"not to be trusted: {listed(list(dict.fromkeys(fault.id for fault in chain.breaking)))}"
    if not chain.judged:
        last = chain.path[-1]
        end = (
            "it ends at a root" if last.self_signed else f"{quoted(last.issuer.label)}, which comes next, is not given"
        )
        return f"{end}; --ca FILE judges whether it is trusted"
    return "whether it is trusted cannot be told"


def _fit(page: _Page, certificate: Certificate, fit: Fit) -> None:
    page.title(f"{terminal(certificate.label, 30)} as {PURPOSES[fit.purpose]}"[: WIDTH - 5])
    answers = {True: "It fits.", False: "It does not fit.", None: "It fits as far as can be told."}
    page.put(answers[fit.fits], head="  ", style={True: GREEN, False: RED, None: YELLOW}[fit.fits])
    signs = {"pass": "ok", "fail": "NO", "cannot tell": "?", "not applicable": "-"}
    for one in fit.verdicts:
        sign = "advice" if one.result == "fail" and one.level == "should" else signs[one.result]
        style = {"NO": RED, "advice": YELLOW}.get(sign, "")
        page.put(f"{one.title}: {one.why}  [{one.id}]", head=f"  {sign:<7}", style=style)
