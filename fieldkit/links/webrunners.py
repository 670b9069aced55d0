"""Questions over HTTP: OpenWrt's bus as JSON-RPC (also RutOS), and Cradlepoint's configuration tree as REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fieldkit.links.reading import MAX_TEXT
from fieldkit.links.runner import MAX_OBJECTS, NoPrograms, NotHere, RunnerError, Unreachable
from fieldkit.links.web import PASSWORD_VARIABLE, Place, Web
from fieldkit.safetext import shorten

_NOBODY: Final = "0" * 32
"""The session of who has not logged in."""
_OK, _NOT_FOUND, _METHOD_NOT_FOUND, _DENIED, _TIMEOUT = 0, 4, 3, 6, 7
"""Of ubus's status codes those that mean something to us (libubox, enum ubus_msg_status)."""
_ACCESS_DENIED: Final = -32002
"""uhttpd's JSON-RPC error where the session may not, or is over."""


class UbusOverHttp(NoPrograms):
    """uhttpd's /ubus: what rpcd's access lists let this user see."""

    def __init__(self, place: Place) -> None:
        self.name = f"ubus+{place.base}"
        self._place = place
        self._web = Web(place)
        self._session = ""
        self._number = 0

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        """What an object answers."""
        found = self._in_session("call", name, method, arguments)
        if found is _AGAIN:
            raise RunnerError(f"ubus {name} {method}: {self._place.user!r} may not ask for that (rpcd's access lists)")
        return found

    def ubus_objects(self, pattern: str) -> list[str]:
        """The objects that this user may see."""
        found = self._in_session("list", pattern)
        if found is _AGAIN:
            raise RunnerError(f"ubus list {pattern}: {self._place.user!r} may not ask for that (rpcd's access lists)")
        return [str(name) for name in found][:MAX_OBJECTS] if isinstance(found, Mapping) else []

    def reach(self) -> None:
        """Log in, unless that was done."""
        if not self._session:
            self._log_in()

    def close(self) -> None:
        """Requests end by themselves, within their time."""

    def _in_session(self, what: str, *parameters: Any) -> Any:
        """A session that has run out is renewed once; _AGAIN: this user may not, with a fresh one either."""
        fresh = not self._session
        if fresh:
            self._log_in()
        found = self._call(what, [self._session, *parameters])
        if found is _AGAIN and not fresh:
            self._log_in()
            found = self._call(what, [self._session, *parameters])
        return found

    def _log_in(self) -> None:
        password = self._place.password()
        login = {"username": self._place.user, "password": password}
        try:
            found = self._call("call", [_NOBODY, "session", "login", login])
        except NotHere as error:
            raise RunnerError(
                f"{self._place.base}: it has no bus behind its web server ({error}); on OpenWrt that is the package "
                "uhttpd-mod-ubus, and ssh:// goes without"
            ) from None
        session = found.get("ubus_rpc_session") if isinstance(found, Mapping) else None
        if not isinstance(session, str) or not session:
            raise Unreachable(
                f"{self._place.base}: it refused the login of {self._place.user!r}; put the password into "
                f"{PASSWORD_VARIABLE} or into ~/.netrc"
            )
        self._session = session

    def _call(self, what: str, parameters: list[Any]) -> Any:
        self._number += 1
        answer = self._web.ask("ubus", {"jsonrpc": "2.0", "id": self._number, "method": what, "params": parameters})
        if not isinstance(answer, Mapping):
            raise RunnerError("ubus over HTTP: the answer is no JSON-RPC")
        error = answer.get("error")
        if isinstance(error, Mapping):
            if error.get("code") == _ACCESS_DENIED:
                return _AGAIN
            raise RunnerError(f"ubus over HTTP: {shorten(str(error.get('message', 'error')), MAX_TEXT)}")
        result = answer.get("result")
        if what == "list":
            return result
        if not isinstance(result, list) or not result:
            raise RunnerError("ubus over HTTP: the answer is no JSON-RPC")
        name = f"{parameters[1]} {parameters[2]}"
        status = result[0]
        if status == _OK:
            return result[1] if len(result) > 1 else {}
        if status in (_NOT_FOUND, _METHOD_NOT_FOUND):
            raise NotHere(f"ubus {name}: there is no such object on this router")
        if status == _DENIED:
            return _AGAIN
        raise RunnerError(
            f"ubus {name}: " + ("it timed out" if status == _TIMEOUT else f"status {shorten(str(status), MAX_TEXT)}")
        )


_AGAIN: Final = object()


class NcosRest(NoPrograms):
    """Cradlepoint NCOS: GET /api/status/… with the administrator's login."""

    def __init__(self, place: Place) -> None:
        self.name = f"ncos+{place.base}"
        self._web = Web(place, login=True)
        self._reached = False

    def get(self, path: str) -> Any:
        """A node of the tree. NCOS answers ``{"success": true, "data": …}``."""
        answer = self._web.ask(f"api/{path.strip('/')}")
        if isinstance(answer, Mapping) and "success" in answer and "data" in answer:
            if answer["success"] is False:
                raise NotHere(f"{path}: {shorten(str(answer['data']), MAX_TEXT)}")
            return answer["data"]
        return answer

    def reach(self) -> None:
        """There is no session: the first answer to any question shows that the login is right."""
        if not self._reached:
            try:
                self.get("status/system/uptime")
            except Unreachable:
                raise
            except RunnerError:
                pass  # it answers, and whether it is a Cradlepoint at all is the adapter's question
            self._reached = True

    def close(self) -> None:
        """Requests end by themselves, within their time."""
