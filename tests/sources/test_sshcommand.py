"""What ssh is called with, whatever is in the URL; and what its words mean."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies

from fieldkit.sources.file import SourceError
from fieldkit.sources.sshcommand import Target, command, parse, refusal

HERE = Target("root", "192.168.1.1", 0, "br-lan")


@pytest.mark.parametrize("url, user, host, port, interface", [
    ("ssh://192.168.1.1/br-lan", "", "192.168.1.1", 0, "br-lan"),
    ("ssh://root@router.lan:2222/eth0.10", "root", "router.lan", 2222, "eth0.10"),
    ("ssh://root@[fe80::1%25eth0]:22/wwan0", "root", "fe80::1%eth0", 22, "wwan0"),
    ("ssh://site7", "", "site7", 0, "any"),
    ("ssh://site7/", "", "site7", 0, "any"),
    ("ssh://DOM\\\\me@h/lo", "DOM\\\\me", "h", 0, "lo"),
])  # fmt: skip
def test_urls(url: str, user: str, host: str, port: int, interface: str) -> None:
    target = parse(url)
    assert target == Target(user, host, port, interface)
    assert parse(str(target).replace("%", "%25")) == target


@pytest.mark.parametrize("url", [
    "ssh://-oProxyCommand=touch%20x/eth0",
    "ssh://root@-oProxyCommand=x/eth0",
    "ssh://-lroot@h/eth0",
    "ssh://h/-w",
    "ssh://h/eth0;reboot",
    "ssh://h/$(reboot)",
    "ssh://h/eth0%0areboot",
    "ssh://h/a b",
    "ssh://h/eth0/..",
    "ssh://h'x/eth0",
    "ssh://[::1;x]/eth0",
    "ssh://:22/eth0",
    "ssh://h:0/eth0",
    "ssh://h:65536/eth0",
    "ssh://h:22x/eth0",
    "ssh://h:-1/eth0",
    "ssh://\x1b[31m/eth0",
    "ssh:/x",
])  # fmt: skip
def test_what_could_be_an_option_or_a_command_is_refused(url: str) -> None:
    with pytest.raises(SourceError) as refused:
        parse(url)
    assert str(refused.value).isprintable()


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(SourceError, match="a password has no place in a URL") as refused:
        parse("ssh://root:s3cret@192.168.1.1/eth0")
    assert "s3cret" not in str(refused.value)


@given(strategies.text(max_size=40))
def test_whatever_is_accepted_is_one_harmless_word(text: str) -> None:
    for url in (f"ssh://{text}/eth0", f"ssh://h/{text}", f"ssh://{text}@h/eth0"):
        try:
            target = parse(url)
        except SourceError:
            continue
        line = command(target, "true", environment={})
        assert line[-3:] == ["--", target.host, "true"]
        for word in (target.host, target.interface, target.user or "x"):
            assert word
            assert not word.startswith("-")
            assert not set(word) & set(" \t\n'\"`$;&|<>(){}*?!#~")


def test_the_command_line() -> None:
    line = command(Target("root", "router", 2222, "eth0"), "true", environment={})
    assert line[:2] == ["ssh", "-T"]
    assert line[-7:] == ["-l", "root", "-p", "2222", "--", "router", "true"]
    options = {line[place + 1] for place, word in enumerate(line) if word == "-o"}
    assert {"BatchMode=yes", "ControlMaster=no", "ControlPath=none", "ServerAliveInterval=5"} <= options


def test_another_ssh_program_and_a_program_that_asks() -> None:
    environment = {"FIELDKIT_SSH_COMMAND": "ssh -F 'my config'", "SSH_ASKPASS": "/usr/bin/ask"}
    line = command(HERE, "true", environment=environment)
    assert line[:4] == ["ssh", "-F", "my config", "-T"]
    assert "BatchMode=yes" in line, "nothing to ask on"
    for more in ({"DISPLAY": ":0"}, {"SSH_ASKPASS_REQUIRE": "force"}):
        assert "BatchMode=no" in command(HERE, "true", environment={**environment, **more})


@pytest.mark.parametrize("said, meaning, passing", [
    ("ssh: Could not resolve hostname router: Name or service not known", "its name cannot be resolved", True),
    ("ssh: connect to host 192.168.1.1 port 22: Connection refused", "nothing answers on that port", True),
    ("ssh: connect to host 192.168.1.1 port 22: No route to host", "there is no route to it", True),
    ("ssh: connect to host 192.168.1.1 port 22: Connection timed out", "it does not answer", True),
    ("Timeout, server 192.168.1.1 not responding.", "it no longer answers", True),
    ("root@192.168.1.1: Permission denied (publickey,password).", "root@192.168.1.1 refused the login", False),
    ("Host key verification failed.", "is not known here yet: run 'ssh root@192.168.1.1' once", False),
    (
        "Unable to negotiate with 192.168.1.1 port 22: no matching host key type found. Their offer: ssh-rsa,ssh-dss",
        "HostKeyAlgorithms +ssh-rsa", False,
    ),
    ("something \x1b[31mnew", r"ssh says: something \x1b[31mnew", True),
    ("", "192.168.1.1: the connection ended", True),
])  # fmt: skip
def test_what_ssh_says_becomes_one_line(said: str, meaning: str, passing: bool) -> None:
    reason, unreachable, may_pass = refusal(HERE, ["Warning: Permanently added 'x' to the list", *said.splitlines()])
    assert meaning in reason
    assert unreachable, "nobody let us in"
    assert may_pass is passing
    assert reason.isprintable()


def test_a_changed_key_comes_before_all_else_that_is_said() -> None:
    said = [
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        "The fingerprint for the ED25519 key sent by the remote host is",
        "SHA256:IhzTqjWxO0pNQ4QkzvSbUyxFVDvI1oUnV4LRdQYhGSc.",
        "Host key verification failed.",
    ]
    reason, *_ = refusal(HERE, said)
    assert reason.startswith(
        "the ssh key of 192.168.1.1 has changed (it is SHA256:IhzTqjWxO0pNQ4QkzvSbUyxFVDvI1oUnV4LRdQYhGSc now)"
    )
    assert reason.endswith("ssh-keygen -R 192.168.1.1")
