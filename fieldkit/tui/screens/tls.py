"""Encryption as the capture shows it: each server with what was agreed, and its certificates."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from fieldkit.checks.collector import Collected
from fieldkit.events import TlsHello
from fieldkit.history import RowKind
from fieldkit.reports import model_links
from fieldkit.reports.document import CertificateEntry, TlsEntry
from fieldkit.safetext import terminal
from fieldkit.site.link import Link
from fieldkit.tui.glyphs import LEVELS
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part
from fieldkit.tui.marks import rows_of_kind
from fieldkit.tui.screens import styles_of
from fieldkit.tui.screens.unhurried import UnhurriedScreen
from fieldkit.tui.tlswords import Agreed, agreed, certificate_lines
from fieldkit.tui.widgets.pages import PageLine, TextPage, named, plain
from fieldkit.tui.widgets.rows import RowList
from fieldkit.tui.words import clock

_MAX_LINKS: Final = 2000
"""Connections that are looked at, the latest: what a server agrees on does not change by the hour."""
_MAX_ROWS: Final = 200
"""Connections of a server that are listed."""


class Server(NamedTuple):
    """One server and name, and the connections to it."""

    entry: TlsEntry
    stations: tuple[str, ...]
    alpn: str
    hellos: tuple[tuple[int, str], ...]
    """Rows of the traffic that tell of it, and what they say."""
    findings: tuple[Collected, ...]


class TlsScreen(UnhurriedScreen):
    """Servers above (or on the left), what was agreed and the chain below (or on the right)."""

    TITLE = "TLS"
    HELP = (
        "Servers that were spoken to with TLS: version, cipher suite, name, certificates with their dates, alerts."
        " TLS 1.3 hides certificates from whoever only listens; with a key log they are seen."
        " Tab goes into the text; Enter there shows the handshake in the traffic, or the finding."
    )
    CSS_PATH: ClassVar = styles_of("rows", "tls")
    BINDINGS: ClassVar = [
        bind("tls.page", "tab", "page", "Text", "From the list into the text, and back."),
        bind("tls.only", "o", "only", "Traffic", "The traffic with this server's first handshake."),
        bind("tls.back", "escape", "back", "List", "Back to the list.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[Hashable, Server] = {}

    def compose_body(self) -> ComposeResult:
        """Title, list, text."""
        yield Static("", id="tls-title", classes="bar", markup=False)
        with Container(id="tls-body"):
            yield RowList(id="tls-list")
            yield TextPage(id="tls-page")

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one("#tls-list", RowList)

    @property
    def page(self) -> TextPage:
        """The text."""
        return self.query_one("#tls-page", TextPage)

    # ----------------------------------------------------------------------------------------------------- refreshing

    def look(self) -> None:
        """All servers anew."""
        links, hellos = self._read()
        self.servers = {}
        for entry in model_links.tls_entries(links):
            key = (entry["server"], entry["server_name"])
            mine = [link for link in links if link.tls is not None and _key(link) == key]
            self.servers[key] = self._server(entry, mine, hellos)
        rows = self.rows
        rows.empty = self._nothing()
        rows.show(list(self.servers), self._line)
        count = len(self.servers)
        text = f" {count} server{'s' * (count != 1)} with TLS" if count else " no TLS was seen"
        self.query_one("#tls-title", Static).update(Content(text))
        self._show_page()

    def _read(self) -> tuple[list[Link], dict[int, list[tuple[int, TlsHello]]]]:
        """What is needed, copied while the engine holds still."""
        links: list[Link] = []
        hellos: dict[int, list[tuple[int, TlsHello]]] = {}
        engine = self.engine
        with engine.lock:
            for link in reversed(engine.session.picture.links.all.values()):
                if link.tls is not None:
                    taken = copy.copy(link)
                    taken.tls = copy.copy(link.tls)
                    taken.tls.alerts = list(link.tls.alerts)
                    links.append(taken)
                    if len(links) >= _MAX_LINKS:
                        break
            for number, row in enumerate(rows_of_kind(engine.history, RowKind.TLS, engine.history.first)):
                event = engine.history.event(row)
                if isinstance(event, TlsHello):
                    hellos.setdefault(event.connection.number, []).append((row, event))
                if number > _MAX_LINKS:
                    break
        return links[::-1], hellos

    def _server(self, entry: TlsEntry, links: list[Link], hellos: dict[int, list[tuple[int, TlsHello]]]) -> Server:
        stations = dict.fromkeys(terminal(link.station, 40) for link in links if link.station)
        said: list[tuple[int, str]] = []
        alpn = ""
        for link in links[-_MAX_ROWS:]:
            for row, hello in hellos.get(link.connection.number, []):
                if not hello.from_client and hello.alpn:
                    alpn = f"{terminal(hello.alpn[0], 40)} (agreed)"
                elif hello.alpn and not alpn:
                    alpn = f"{', '.join(terminal(name, 40) for name in hello.alpn[:5])} (offered)"
                if hello.from_client:
                    said.append((row, _handshake(link, hello.time, utc=self.fieldkit.settings.utc)))
        address = links[0].server if links else ("", 0)
        return Server(entry, tuple(stations), alpn, tuple(said[:_MAX_ROWS]), self._findings(address))

    def _findings(self, server: tuple[str, int]) -> tuple[Collected, ...]:
        found = []
        for finding in self.engine.findings:
            if not finding.kind.id.startswith(("tls.", "cert.", "certificate.")):
                continue
            ends = {
                (connection.server.address, connection.server.port)
                for event in finding.evidence
                if (connection := getattr(event, "connection", None)) is not None
            }
            if server in ends:
                found.append(finding)
        return tuple(found)

    def _nothing(self) -> str:
        if self.engine.state.running:
            return "No TLS so far."
        return "There is no TLS in this capture: what is said on it can be read by everybody on the way."

    # ---------------------------------------------------------------------------------------------------------- lines

    def _line(self, key: Hashable, width: int) -> list[Part]:
        server = self.servers.get(key)
        if server is None:
            return []
        entry, glyphs = server.entry, self.glyphs
        said = self._verdict(server)
        status = glyphs.status(said.level, said.word)
        name = terminal(entry["server_name"] or "(no name sent)", 40)
        wide = 28 if width >= 100 else 20
        parts = [
            Part(f"{status.sign} {status.word:<6} ", said.level if said.level != "none" else "none"),
            Part(f"{terminal(name, wide):<{wide}} ", "strong"),
            Part(f"{terminal(entry['server'], 22):<22} ", "none"),
            Part(f"{entry['version'] or '?':<8}", "none"),
            Part(f" ×{entry['connections']} ", "none", right=True),
        ]
        return [part._replace(text=glyphs.text(part.text)) for part in parts]

    def _verdict(self, server: Server) -> Agreed:
        return agreed(server.entry, [finding.severity for finding in server.findings], self.engine.state.time)

    # ----------------------------------------------------------------------------------------------------------- text

    def _show_page(self) -> None:
        server = self.servers.get(self.rows.chosen) if self.rows.chosen is not None else None
        if server is None:
            self.page.show(None, lambda width: [])
            return
        chosen = server
        self.page.show(self.rows.chosen, lambda width: self._text(chosen, width))

    def _text(self, server: Server, width: int) -> list[PageLine]:
        entry, glyphs = server.entry, self.glyphs
        name = terminal(entry["server_name"], 100)
        lines = plain(f"{name or 'no server name'} at {terminal(entry['server'], 60)}", width, "strong")
        for finding in server.findings:
            text = f"{glyphs.of(finding.severity)} {finding.kind.title} ({finding.kind.id})"
            lines += plain(text, width, LEVELS[finding.severity], hang="       ", target=("finding", finding.kind.id))
        said = self._verdict(server)
        lines += named("Version", said.version, width, said.level if said.level in ("warn", "fail") else "text")
        lines += named("Cipher suite", entry["suite"] or "not seen", width)
        lines += named("Client offers", ", ".join(entry["client_versions"]) or "not seen", width)
        lines += named("Name asked for (SNI)", name or "none: old clients send none, some servers need it", width)
        lines += named("Protocol (ALPN)", server.alpn or "none", width)
        if server.stations:
            shown = ", ".join(server.stations[:8]) + (" …" if len(server.stations) > 8 else "")
            lines += named("Chargers", shown, width)
        lines += named("Connections", f"{entry['connections']}, of which {entry['resumed']} resumed", width)
        if entry["client_certificate"]:
            lines += named("Client certificate", "the charger sent one (security profile 3)", width)
        for alert in entry["alerts"]:
            lines += named("Alert", terminal(alert, 100), width, "warn")
        if entry["opaque"]:
            lines += named("Content", f"encrypted: {terminal(entry['opaque'], 200)}", width, "quiet")
        lines += self._chain(entry, width)
        if server.hellos:
            lines.append(PageLine((Part("Handshakes (Enter shows them in the traffic)", "strong"),)))
            for row, text in server.hellos:
                lines += plain(text, width, indent="  ", target=("row", row))
        return [
            PageLine(tuple(part._replace(text=glyphs.text(part.text)) for part in line.parts), line.target)
            for line in lines
        ]

    def _chain(self, entry: TlsEntry, width: int) -> list[PageLine]:
        chain: list[CertificateEntry] = entry["chain"]
        if not chain:
            why = (
                "TLS 1.3 encrypts them: who only listens cannot see them. With the keys (--keylog FILE), or asked by"
                " `fieldkit tls HOST`, they can be seen."
                if entry["version"] == "TLS 1.3"
                else "none was seen: the session was resumed, or the beginning is not in the capture"
            )
            return named("Certificates", why, width, "quiet")
        lines: list[PageLine] = []
        now = self.engine.state.time
        for place, certificate in enumerate(chain):
            title = "Certificate of the server" if not place else f"Issuer {place} in the chain"
            lines.append(PageLine((Part(title, "strong"),)))
            for text, level in certificate_lines(certificate, now):
                lines += plain(text, width, level if level in ("warn", "fail") else "text", indent="  ", hang="    ")
        return lines

    # -------------------------------------------------------------------------------------------------------- messages

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Another server."""
        self._show_page()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Into the text."""
        self.page.focus()

    def on_text_page_opened(self, event: TextPage.Opened) -> None:
        """To the traffic, or to the finding."""
        kind, value = event.target if isinstance(event.target, tuple) else ("", None)
        if kind == "row" and isinstance(value, int):
            self.fieldkit.show_row(value)
        elif kind == "finding":
            from fieldkit.tui.screens.findings import FindingsScreen

            app = self.fieldkit
            app.action_go("findings")

            def show() -> None:
                if isinstance(app.screen, FindingsScreen):
                    app.screen.show_kind(str(value))

            app.call_after_refresh(show)

    def action_page(self) -> None:
        """Into the text, and back."""
        (self.rows if self.page.has_focus else self.page).focus()

    def action_back(self) -> None:
        """Back to the list."""
        self.rows.focus()

    def action_only(self) -> None:
        """The first handshake, in the traffic."""
        server = self.servers.get(self.rows.chosen) if self.rows.chosen is not None else None
        if server is not None and server.hellos:
            self.fieldkit.show_row(server.hellos[0][0])
        else:
            self.fieldkit.say("no handshake with it is in the traffic")


def _key(link: Link) -> tuple[str, str]:
    assert link.tls is not None
    return model_links.endpoint(link.connection.server), link.tls.server_name[: model_links.MAX_NAME]


def _handshake(link: Link, at: int, *, utc: bool) -> str:
    who = terminal(link.station, 30) or model_links.endpoint(link.connection.client)
    how = model_links.close_words(link)
    return f"{clock(at, utc=utc)}  {who}  {terminal(how, 60)}"
