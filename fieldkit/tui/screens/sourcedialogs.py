"""What is asked before some sources can be opened: a router over ssh, a proxy; and how to mend what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Label, Static

from fieldkit.sources.file import SourceError
from fieldkit.tui import recent
from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind

STYLES: Final = Path(__file__).parent.parent / "styles"


class _Form(FieldDialog):
    """Fields, what they come to, two buttons. Dismissed with the name of a source, or None."""

    CSS_PATH = STYLES / "home.tcss"
    FIELDS: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    """(id, label, example) of each."""
    TITLE = ""
    YES = "Open"
    NOTE = ""

    def __init__(self, named: Callable[[Mapping[str, str]], str]) -> None:
        """``named``: what stands in the fields, by id, to the name of the source; SourceError with what is wrong."""
        super().__init__()
        self._named = named

    def compose(self) -> ComposeResult:
        """Labels beside fields."""
        values = self.remembered()
        with Vertical(classes="form"):
            yield Static(self.TITLE, classes="form-title", markup=False)
            for id_, label, example in self.FIELDS:
                with Horizontal(classes="form-line"):
                    yield Label(label, classes="form-label", markup=False)
                    yield Input(values.get(id_, ""), placeholder=example, compact=True, id=id_)
            yield Static("", classes="form-verdict", markup=False)
            yield Static(self.NOTE, classes="form-note", markup=False)
            with Horizontal(classes="form-buttons"):
                yield Button(self.YES, id="yes", variant="primary")
                yield Button("Cancel", id="no")

    def on_mount(self) -> None:
        """What is there already may do."""
        self._judge()

    def remembered(self) -> dict[str, str]:
        """What was asked for the last time."""
        return {}

    def result(self) -> str:
        """The name of the source; SourceError with what is wrong."""
        return self._named({id_: self.query_one(f"#{id_}", Input).value.strip() for id_, _, _ in self.FIELDS})

    def _judge(self) -> None:
        verdict = self.query_one(".form-verdict", Static)
        glyphs = self.glyphs
        try:
            status, text = glyphs.status("ok"), self.result()
        except SourceError as error:
            status, text = glyphs.status("fail", "NOT YET"), str(error)
        verdict.update(Content(glyphs.text(f"{status} {text}")))
        verdict.set_classes(f"form-verdict level-{status.level}")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what it comes to."""
        self._judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: on to the next field; from the last one it is opened."""
        ids = [id_ for id_, _, _ in self.FIELDS]
        at = ids.index(event.input.id or ids[-1])
        if at + 1 < len(ids):
            self.query_one(f"#{ids[at + 1]}", Input).focus()
        else:
            self._done()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer."""
        if event.button.id == "yes":
            self._done()
        else:
            self.dismiss(None)

    def _done(self) -> None:
        try:
            self.dismiss(self.result())
        except SourceError:
            self._judge()


def router_named(values: Mapping[str, str]) -> str:
    """The address of an interface on a router."""
    from fieldkit.sources.sshcommand import parse

    host, user, port = values["ssh-host"], values["ssh-user"], values["ssh-port"]
    if not host:
        raise SourceError("give the router's name or address")
    if "@" in host or "/" in host:
        raise SourceError("the host alone: user and interface have fields of their own")
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    address = f"{user}@{host}" if user else host
    return str(parse(f"ssh://{address}{f':{port}' if port else ''}/{values['ssh-interface']}"))


def proxy_named(values: Mapping[str, str]) -> str:
    """The name of a proxy: where it listens and where it leads."""
    from fieldkit.tui.proxyfeed import named

    if not values["proxy-upstream"]:
        raise SourceError("give the address of the CSMS, as it stands in the charger now")
    return named(values["proxy-listen"], values["proxy-upstream"])


class RouterScreen(_Form):
    """user@host:port and an interface there."""

    TITLE = "Capture on a router over ssh"
    HELP = "Give the router's address; the rest may stay empty. Enter goes from field to field, and opens it."
    YES = "Connect"
    NOTE = "It uses your ssh configuration and keys; no password is asked for or kept. Try it first: ssh USER@HOST"
    FIELDS = (
        ("ssh-host", "Host", "such as 192.168.1.1 or router.lan"),
        ("ssh-user", "User", "empty: as your ssh configuration says"),
        ("ssh-port", "Port", "empty: 22"),
        ("ssh-interface", "Interface", "empty: any; such as br-lan"),
    )

    def __init__(self) -> None:
        super().__init__(router_named)

    def remembered(self) -> dict[str, str]:
        """The last router."""
        from fieldkit.sources.sshcommand import parse

        for one in recent.recent():
            if one.names[0].startswith("ssh://"):
                try:
                    target = parse(one.names[0])
                except SourceError:
                    continue
                port = str(target.port) if target.port else ""
                return {"ssh-host": target.host, "ssh-user": target.user, "ssh-port": port,
                        "ssh-interface": target.interface}  # fmt: skip
        return {"ssh-user": "root", "ssh-interface": "any"}


class ProxyScreen(_Form):
    """Where chargers connect, and where to pass them on to."""

    TITLE = "Proxy between charger and CSMS"
    HELP = "The charger must be set to this machine's address and the port given here, without TLS."
    YES = "Start"
    NOTE = (
        "Everything is passed on unchanged and recorded. Set the charger to ws://THIS-MACHINE:PORT. "
        "More is in: fieldkit proxy --help"
    )
    FIELDS = (
        ("proxy-listen", "Listen on", "such as :9000"),
        ("proxy-upstream", "CSMS", "such as wss://csms.example/ocpp"),
    )

    def __init__(self) -> None:
        super().__init__(proxy_named)

    def remembered(self) -> dict[str, str]:
        """The last proxy."""
        from fieldkit.tui.proxyfeed import is_proxy, parts

        for one in recent.recent():
            if is_proxy(one.names[0]):
                listen, upstream = parts(one.names[0])
                return {"proxy-listen": listen, "proxy-upstream": upstream}
        return {"proxy-listen": ":9000"}


class MendScreen(FieldDialog):
    """What is missing, and the commands that mend it."""

    CSS_PATH = STYLES / "home.tcss"
    HELP = "Commands to run in another terminal; c copies them."
    BINDINGS: ClassVar = [
        bind("mend.leave", "escape,enter,q,m", "leave", "Back", "Back to the list."),
        bind("mend.copy", "c", "copy", "Copy", "Copy the commands to the clipboard."),
    ]

    def __init__(self, what: str, why: str, commands: Sequence[str]) -> None:
        super().__init__()
        self._what, self._why, self._commands = what, why, list(commands)

    def compose(self) -> ComposeResult:
        """A sentence, and the commands a line each."""
        lines = "\n".join(self._commands) or "There is no command for it; `fieldkit doctor` says more."
        with Vertical(classes="form"):
            yield Static(Content(self.glyphs.text(self._what)), classes="form-title")
            yield Static(Content(self.glyphs.text(self._why)))
            yield Static(Content(self.glyphs.text(lines)), classes="form-commands")
            yield Static("c copies, Esc goes back. fieldkit doctor tells all.", classes="form-note", markup=False)

    def action_copy(self) -> None:
        """To the clipboard of the terminal."""
        self.app.copy_to_clipboard("\n".join(self._commands))
        self.fieldkit.say("copied")
