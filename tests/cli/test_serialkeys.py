"""Keys, pastes and commands, however the terminal hands them over."""

from __future__ import annotations

from fieldkit.cli.serialkeys import MOST_PASTED, Keyboard, Keys


def _keyboard() -> Keyboard:
    keyboard = Keyboard.__new__(Keyboard)
    keyboard._prefixed, keyboard._pasted = False, None
    return keyboard


def test_keys_and_commands() -> None:
    keyboard = _keyboard()
    assert keyboard.split(b"ls\r") == [Keys("typed", b"ls\r")]
    assert keyboard.split(b"\x1b[A") == [Keys("typed", b"\x1b[A")]
    assert keyboard.split(b"a\x14qb") == [Keys("typed", b"a"), Keys("command", b"q"), Keys("typed", b"b")]
    assert keyboard.split(b"\x14") == []
    assert keyboard.split(b"?") == [Keys("command", b"?")]
    assert keyboard.split(b"\x14\x14") == [Keys("typed", b"\x14")]


def test_pastes_with_and_without_marks() -> None:
    keyboard = _keyboard()
    assert keyboard.split(b"x\x1b[200~one\n\x14q") == [Keys("typed", b"x")]
    # What is pasted is no command, whatever is in it.
    assert keyboard.split(b"two\x1b[201~y") == [Keys("paste", b"one\n\x14qtwo"), Keys("typed", b"y")]
    assert keyboard.split(b"a line\nand another one\n") == [Keys("paste", b"a line\nand another one\n")]


def test_a_paste_whose_end_comes_in_two_pieces() -> None:
    for cut in range(1, 6):
        keyboard = _keyboard()
        data = b"\x1b[200~one\ntwo\x1b[201~"
        assert keyboard.split(data[:-cut]) == []
        assert keyboard.split(data[-cut:] + b"\x14q") == [Keys("paste", b"one\ntwo"), Keys("command", b"q")]


def test_a_paste_without_an_end_does_not_swallow_everything() -> None:
    keyboard = _keyboard()
    keyboard.split(b"\x1b[200~")
    pasted = [keys for _ in range(100) for keys in keyboard.split(b"x" * 1000)]
    assert pasted[0].kind == "paste"
    assert MOST_PASTED < len(pasted[0].data) <= MOST_PASTED + 1000
