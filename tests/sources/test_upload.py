"""Files go to a real TLS server, also when the connection breaks in the middle, and go on where the server lets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.sources import upload
from fieldkit.sources.upload import Progress, Uploader, UploadError, parse_url, place, shown
from tests.sources.uploadserver import Manner, Server, serving

SIZE = 3_000_000


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(upload.TOKEN, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "out.pcapng"
    path.write_bytes(bytes(range(251)) * (SIZE // 251) + b"the end")
    return path


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    manner: Manner = getattr(request, "param", "whole")
    with serving(tmp_path, manner) as made:
        yield made


@pytest.fixture
def uploader(tmp_path: Path, server: Server) -> Uploader:
    return Uploader(ca=str(tmp_path / "ca.pem"), timeout=5)


def send_until_there(uploader: Uploader, address: str, file: Path, attempts: int = 4) -> Progress:
    progress = Progress()
    said: list[UploadError] = []
    while not any(error.final for error in said) and len(said) < attempts:
        try:
            uploader.send(address, file, progress)
        except UploadError as error:
            said.append(error)
        else:
            return progress
    raise AssertionError(f"it did not arrive: {said}")


MANNERS = pytest.mark.parametrize("server", ["whole", "pieces", "tail", "tus"], indirect=True)


def arrived(server: Server) -> bytes:
    if server.manner == "tus":
        (location,) = (where for where, (name, _) in server.uploads.items() if name == "out.pcapng")
        return server.files[location]
    return server.files["/site/out.pcapng"]


@MANNERS
def test_a_file_arrives_whole(server: Server, uploader: Uploader, file: Path) -> None:
    progress = send_until_there(uploader, server.url("/site/out.pcapng"), file, 1)
    assert arrived(server) == file.read_bytes()
    assert progress.sent == server.received == file.stat().st_size


@MANNERS
def test_a_file_arrives_whole_through_connections_that_break(server: Server, uploader: Uploader, file: Path) -> None:
    server.breaks = [1_000_000, 500_000]
    send_until_there(uploader, server.url("/site/out.pcapng"), file)
    assert arrived(server) == file.read_bytes()
    if server.manner in ("pieces", "tus"):
        assert server.received == file.stat().st_size, "nothing was sent twice that had arrived"


@pytest.mark.parametrize("server", ["tail"], indirect=True)
def test_a_server_that_takes_the_end_for_the_whole_gets_the_whole_again(
    server: Server, uploader: Uploader, file: Path
) -> None:
    server.breaks = [1_000_000]
    progress = send_until_there(uploader, server.url("/site/out.pcapng"), file)
    assert [headers.get("Content-Range", "")[:6] for headers in server.asked("PUT")] == ["", "bytes ", ""]
    assert progress.whole_only
    assert arrived(server) == file.read_bytes()


@pytest.mark.parametrize("server", ["pieces"], indirect=True)
def test_what_was_there_before_is_not_gone_on_with(server: Server, uploader: Uploader, file: Path) -> None:
    server.files["/site/out.pcapng"] = b"an older and shorter one"
    server.breaks = [0]
    progress = Progress()
    with pytest.raises(UploadError):
        uploader.send(server.url("/site/out.pcapng"), file, progress)
    server.files["/site/out.pcapng"] = b"an older and shorter one"
    uploader.send(server.url("/site/out.pcapng"), file, progress)
    assert arrived(server) == file.read_bytes()
    assert not any("Content-Range" in headers for headers in server.asked("PUT"))


@pytest.mark.parametrize("server", ["pieces"], indirect=True)
def test_a_file_whose_answer_was_lost_is_not_sent_again(server: Server, uploader: Uploader, file: Path) -> None:
    progress = Progress(plain=True, begun=True, before=(404, -1, ""))
    server.files["/site/out.pcapng"] = file.read_bytes()
    uploader.send(server.url("/site/out.pcapng"), file, progress)
    assert server.asked("PUT") == []


@pytest.mark.parametrize("server", ["tus"], indirect=True)
def test_a_later_process_goes_on_with_tus(server: Server, tmp_path: Path, file: Path) -> None:
    server.breaks = [2_000_000]
    progress = Progress()
    with pytest.raises(UploadError):
        Uploader(ca=str(tmp_path / "ca.pem")).send(server.url("/site/out.pcapng"), file, progress)
    later = Progress(location=progress.location)
    Uploader(ca=str(tmp_path / "ca.pem")).send(server.url("/site/out.pcapng"), file, later)
    assert arrived(server) == file.read_bytes()
    assert later.sent == file.stat().st_size - 2_000_000


@pytest.mark.parametrize("server", ["tus"], indirect=True)
def test_an_upload_that_the_server_has_forgotten_begins_anew(server: Server, uploader: Uploader, file: Path) -> None:
    uploader.send(server.url("/site/out.pcapng"), file, Progress(location=server.url("/uploads/77")))
    assert arrived(server) == file.read_bytes()


@pytest.mark.parametrize(
    "status, final, said",
    [
        (401, True, "FIELDKIT_UPLOAD_TOKEN"),
        (403, True, "does not allow"),
        (404, True, "no such place"),
        (405, True, "takes no files"),
        (413, True, "too large"),
        (418, True, "418"),
        (500, False, "500"),
        (503, False, "503"),
        (507, False, "no room"),
    ],
)
def test_a_refusal_is_told_in_words(
    server: Server, uploader: Uploader, file: Path, status: int, final: bool, said: str
) -> None:
    progress = Progress(plain=True, begun=True, whole_only=True, before=(404, -1, ""))
    server.answers = [(status, {})]
    with pytest.raises(UploadError, match=said) as caught:
        uploader.send(server.url("/site/out.pcapng"), file, progress)
    assert caught.value.final is final


def test_a_server_may_ask_for_a_pause(server: Server, uploader: Uploader, file: Path) -> None:
    server.answers = [(404, {}), (503, {"Retry-After": "7"})]
    with pytest.raises(UploadError) as caught:
        uploader.send(server.url("/site/out.pcapng"), file, Progress(plain=True))
    assert (caught.value.pause, caught.value.final) == (7, False)


def test_a_redirect_is_not_followed_with_credentials(
    server: Server, uploader: Uploader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(upload.TOKEN, "s3cret")
    server.answers = [(404, {}), (307, {"Location": "https://elsewhere.example/x?signature=1"})]
    with pytest.raises(UploadError, match=r"points to https://elsewhere\.example/x: ") as caught:
        uploader.send(server.url("/site/out.pcapng"), file, Progress(plain=True))
    assert caught.value.final
    assert "s3cret" not in str(caught.value)


def test_a_certificate_of_an_unknown_authority_is_refused(server: Server, file: Path) -> None:
    with pytest.raises(UploadError, match="not trusted") as caught:
        Uploader().send(server.url("/site/out.pcapng"), file, Progress())
    assert caught.value.final
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(server: Server, uploader: Uploader, file: Path) -> None:
    with pytest.raises(UploadError, match="not trusted"):
        uploader.send(f"https://127.0.0.1:{server.port}/out.pcapng", file, Progress())


def test_a_server_that_is_not_there_may_be_there_later(uploader: Uploader, file: Path) -> None:
    with pytest.raises(UploadError, match="refused") as caught:
        uploader.send("https://127.0.0.1:1/out.pcapng", file, Progress())
    assert not caught.value.final


def test_a_file_that_is_gone_is_told_as_that(uploader: Uploader, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"gone\.pcapng: No such file") as caught:
        uploader.send(server.url("/x"), tmp_path / "gone.pcapng", Progress())
    assert caught.value.final


# --------------------------------------------------------------------------------------------------------- credentials


def test_a_token_from_the_environment_is_sent(
    server: Server, uploader: Uploader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(upload.TOKEN, "s3cret")
    uploader.send(server.url("/site/out.pcapng"), file, Progress())
    assert {headers.get("Authorization") for _, _, headers in server.requests} == {"Bearer s3cret"}


def test_netrc_has_credentials_for_its_machines_only(
    server: Server, uploader: Uploader, file: Path, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine other.example login eve password no\nmachine localhost login site7 password s3cret\n")
    netrc.chmod(0o600)
    uploader.send(server.url("/site/out.pcapng"), file, Progress())
    assert {headers.get("Authorization") for _, _, headers in server.requests} == {"Basic c2l0ZTc6czNjcmV0"}
    netrc.write_text("machine other.example login eve password no\n")
    server.requests.clear()
    uploader.send(server.url("/site/out.pcapng"), file, Progress())
    assert {headers.get("Authorization") for _, _, headers in server.requests} == {None}


def test_a_broken_netrc_is_told_without_what_is_in_it(
    server: Server, uploader: Uploader, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login site7 passwort s3cret\n")
    (tmp_path / "netrc").chmod(0o600)
    with pytest.raises(UploadError, match="netrc cannot be read") as caught:
        uploader.send(server.url("/site/out.pcapng"), file, Progress())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("http://files.example/", "https://"),
        ("files.example", "https://"),
        ("https:///x", "https://"),
        ("https://user:pass@files.example/", "credentials"),
        ("https://token@files.example/", "credentials"),
        ("https://files.example:eighty/", "port"),
    ],
)
def test_addresses_that_cannot_be_right_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_url(text)


def test_an_address_with_a_slash_at_its_end_is_a_folder() -> None:
    assert place(parse_url("https://files.example"), "a b.html") == "https://files.example/a%20b.html"
    assert place(parse_url("https://files.example/site7/?key=1"), "x") == "https://files.example/site7/x?key=1"
    assert place(parse_url("https://files.example/one.html?key=1"), "x") == "https://files.example/one.html?key=1"
    assert shown("https://files.example/one.html?signature=s3cret") == "https://files.example/one.html"
