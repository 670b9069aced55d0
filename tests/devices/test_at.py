"""Modems: answers and what they say on their own, kept apart; only reads; identities masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.devices.at.answers import plain_values, values
from fieldkit.devices.at.commands import COMMANDS, USUAL, read_command
from fieldkit.devices.at.lines import LONGEST, LineSplitter, error_words, role, split_fields
from fieldkit.devices.at.session import AtCause, AtListener, AtSession

NOW = 10**18
MS = 1_000_000


def told(line: str) -> dict[str, float | str | None]:
    return {value.name: value.value for value in values(line)}


@pytest.mark.parametrize(
    "line",
    [
        "AT+CFUN=0",
        "AT+COPS=2",
        "AT+QPOWD",
        "AT&F",
        "ATD*99#",
        "AT+CPIN=1234",
        "AT+QUIMSLOT=2",
        "ATE0",
        "AT+CSQ;+CFUN=0",
        'AT+QCFG="nwscanmode",3',
        "at+csq",
        "AT+CSQ\rAT+CFUN=0",
        "",
    ],
)
def test_nothing_but_reads_can_be_made(line: str) -> None:
    with pytest.raises(ValueError, match="only read"):
        read_command(line)


def test_no_command_of_the_table_sets_anything() -> None:
    for line in COMMANDS:
        assert "=" not in line or line == 'AT+QENG="servingcell"', line
        assert line.startswith("AT")
    assert set(USUAL) <= set(COMMANDS)


@pytest.mark.parametrize(
    "line, expected",
    [
        ("+CSQ: 17,99", {"rssi": -79.0}),
        ("+CSQ: 99,99", {"rssi": None}),
        ("+CESQ: 99,99,255,255,20,56", {"rsrq": -10.0, "rsrp": -85.0}),
        ("+CESQ: 99,99,255,255,34,97", {"rsrq": -3.0, "rsrp": -44.0}),
        ("+CESQ: 99,99,255,255,255,255", {"rsrq": None, "rsrp": None}),
        ("+CREG: 0,1", {"registration_cs": "registered, home"}),
        ("+CEREG: 3", {"registration_eps": "denied"}),
        (
            '+CEREG: 2,5,"D6E7","844D92A",7',
            {"registration_eps": "registered, roaming", "technology": "LTE", "area_code": "D6E7", "cell": "844D92A"},
        ),
        (
            '+CEREG: 5,"D6E7","844D92A",7',
            {"registration_eps": "registered, roaming", "technology": "LTE", "area_code": "D6E7", "cell": "844D92A"},
        ),
        ('+COPS: 0,0,"Telekom.de",7', {"operator": "Telekom.de", "technology": "LTE"}),
        ("+COPS: 0", {"operator": None}),
        ("+CPIN: SIM PIN", {"sim": "SIM PIN"}),
        ("+QUIMSLOT: 2", {"sim_slot": "2"}),
        ("+QSIMSTAT: 0,0", {"sim_inserted": "removed"}),
        ('+QCSQ: "NOSERVICE"', {"technology": "NOSERVICE"}),
        (
            '+QCSQ: "LTE",-61,-89,120,-8',
            {"technology": "LTE", "rssi": -61.0, "rsrp": -89.0, "rsrq": -8.0, "sinr_raw": 120.0},
        ),
        (
            '+QNWINFO: "FDD LTE","26202","LTE BAND 3",1300',
            {"network": "FDD LTE", "plmn": "26202", "band": "LTE BAND 3", "channel": "1300"},
        ),
        ("+QNWINFO: No Service", {"network": None}),
        ("+CGATT: 0", {"attached": "no"}),
        ("+CFUN: 4", {"radio": "radio off"}),
    ],
)
def test_what_lines_mean(line: str, expected: dict[str, float | str | None]) -> None:
    assert told(line) == expected


def test_serving_cells_as_modules_print_them() -> None:
    ec25 = told('+QENG: "servingcell","NOCONN","LTE","FDD",302,610,844D92A,248,900,2,5,5,D6E7,-89,-8,-61,17,38')
    assert (ec25["cell_state"], ec25["mcc"], ec25["mnc"], ec25["band"], ec25["earfcn"]) == (
        "NOCONN",
        "302",
        "610",
        "2",
        "900",
    )
    assert (ec25["rsrp"], ec25["rsrq"], ec25["rssi"], ec25["sinr_raw"]) == (-89.0, -8.0, -61.0, 17.0)
    rg5 = told('+QENG: "LTE","FDD",216,70,127328,189,476,1,3,3,D17,-104,-9,-77,18,-,-,-')
    assert (rg5["rsrp"], rg5["rsrq"], rg5["sinr_raw"], rg5["cell"]) == (-104.0, -9.0, 18.0, "127328")
    assert told('+QENG: "servingcell","SEARCH"') == {"cell_state": "SEARCH"}
    nsa = told('+QENG: "NR5G-NSA",216,70,387,-97,15,-11,627264,78')
    assert (nsa["nr_rsrp"], nsa["nr_band"]) == (-97.0, "78")


def test_identities_are_masked() -> None:
    assert told("+QCCID: 89490200001234567890") == {"iccid": "89…90"}
    assert told("+CCID: 8949020000123456789F") == {"iccid": "89…89"}
    session = AtSession(("AT+CIMI", "AT+CGSN"))
    session.poll(NOW)
    session.feed(b"AT+CIMI\r\r\n262021234567890\r\n\r\nOK\r\n", NOW)
    session.poll(NOW)
    session.feed(b"AT+CGSN\r\r\n861234567890123\r\n\r\nOK\r\n", NOW)
    shown = repr((session.outcomes, session.readings))
    assert "262021234567890" not in shown
    assert "861234567890123" not in shown
    assert [event.value for event in session.readings] == ["26…90", "86…23"]


# ------------------------------------------------------------------------------------------------------------- routing


@pytest.mark.parametrize(
    "asked, line, expected",
    [
        ("AT+CSQ", "+CSQ: 17,99", "answer"),
        ("AT+CSQ", "+CEREG: 5", "own"),
        ("AT+CSQ", "RDY", "own"),
        ("AT+CEREG?", "+CEREG: 0,1", "answer"),
        ("AT+CEREG?", "+CEREG: 1", "own"),
        ("AT+CEREG?", '+CEREG: 5,"D6E7","844D92A",7', "own"),
        ("AT+CEREG?", '+CEREG: 2,5,"D6E7","844D92A",7', "answer"),
        ("AT+CSQ", "AT+CSQ", "echo"),
        ("AT+CSQ", "OK", "final"),
        ("AT+CSQ", "+CME ERROR: 10", "final"),
        ("ATI", "Quectel", "answer"),
        ("ATI", '+QIURC: "pdpdeact",1', "own"),
        ("AT+CIMI", "POWERED DOWN", "own"),
    ],
)
def test_a_line_belongs_to_the_answer_or_not(asked: str, line: str, expected: str) -> None:
    assert role(line, COMMANDS[asked], 0) == expected


def test_a_conversation_with_interruptions() -> None:
    session = AtSession(("ATI", "AT+CSQ", "AT+CEREG?", "AT+CPIN?"), "p")
    script = {
        b"ATI\r": b"ATI\r\r\nQuectel\r\nEC25\r\nRevision: EC25EFAR06A06M4G\r\n\r\nOK\r\n",
        b"AT+CSQ\r": b'AT+CSQ\r\r\n+CEREG: 2\r\n\r\n+CSQ: 17,99\r\n\r\nOK\r\n\r\n+QIND: "act","LTE"\r\n',
        b"AT+CEREG?\r": b"AT+CEREG?\r\r\n+CEREG: 0,1\r\n\r\nOK\r\n",
        b"AT+CPIN?\r": b"AT+CPIN?\r\r\n+CME ERROR: 10\r\n",
    }
    now = NOW
    while not session.done:
        data = session.poll(now)
        now += 10 * MS
        for byte in script.get(data, b""):
            session.feed(bytes((byte,)), now)
    assert [(outcome.cause.value, outcome.text) for outcome in session.outcomes] == [
        ("answered", "Quectel\nEC25\nRevision: EC25EFAR06A06M4G"),
        ("answered", "+CSQ: 17,99"),
        ("answered", "+CEREG: 0,1"),
        ("refused", "SIM not inserted"),
    ]
    assert [event.value for event in session.readings if event.name == "registration_eps"] == [
        "searching",
        "registered, home",
    ]
    assert list(session.own) == ["+CEREG: 2", '+QIND: "act","LTE"']


def test_an_old_answer_is_not_the_next_ones() -> None:
    session = AtSession(("ATI", "AT+CGMM", "AT+CGMR"))
    session.poll(NOW)
    session.feed(b"ATI\r\r\nQuectel\r\nOK\r\n", NOW)
    session.poll(NOW)
    assert session.poll(NOW + 1000 * MS) == b""
    assert session.outcomes[-1].cause is AtCause.SILENCE
    again = session.deadline
    assert session.poll(again) == b"AT+CGMR\r"
    session.feed(b"AT+CGMM\r\r\nEC25\r\n\r\nOK\r\nAT+CGMR\r\r\nEC25R06\r\n\r\nOK\r\n", again)
    assert [(event.name, event.value) for event in session.readings] == [
        ("identity", "Quectel"),
        ("firmware", "EC25R06"),
    ]


def test_an_end_without_an_answer_is_no_answer() -> None:
    session = AtSession(("AT+CSQ",))
    session.poll(NOW)
    session.feed(b"\r\nOK\r\n", NOW)
    assert session.outcomes[0].cause is AtCause.INCOMPLETE


def test_listening() -> None:
    listener = AtListener("p")
    found = listener.feed(b"AT+CSQ\r\r\n+CSQ: 5,99\r\n\r\nOK\r\n\r\n+CREG: 0\r\nRING\r\n", NOW)
    assert [(event.name, event.value) for event in found] == [
        ("rssi", -103.0),
        ("registration_cs", "not registered, not searching"),
    ]


def test_fields_and_errors() -> None:
    assert split_fields(' 1,"a,b",,2 ') == ["1", "a,b", "", "2"]
    assert error_words("OK") == ""
    assert error_words("ERROR") == "error"
    assert error_words("+CMS ERROR: 500") == "500"


@given(st.text(max_size=200))
def test_no_line_breaks_the_reader(line: str) -> None:
    for prefix in (
        "+CSQ:",
        "+CESQ:",
        "+QENG:",
        "+CEREG:",
        "+COPS:",
        "+QSIMSTAT:",
        "+CPIN:",
        "+QNWINFO:",
        "+CCLK:",
        "+CFUN:",
        "",
    ):
        list(values(prefix + line))
    for asked in (None, *COMMANDS.values()):
        role(line, asked, 0)


def test_a_line_without_end_is_bounded() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"x" * 100_000 + b"\r\nOK\r\n") == ["OK"]
    assert splitter.cut == 1
    assert LONGEST < 100_000


def test_an_imei_beside_the_model_is_masked_too() -> None:
    (value,) = plain_values("ATI", "IMEI: 861234567890123")
    assert (value.value, value.raw) == ("IMEI: 86…23", "IMEI: 86…23")


def test_digits_of_other_scripts_are_no_numbers() -> None:
    for final in ("+CME ERROR: \u00b2", "+CMS ERROR: \u0663"):
        assert error_words(final)
    session = AtSession(("AT+CREG?",))
    session.poll(NOW)
    session.feed("\r\n+CREG: \u00b2,\u00b2\r\n+CME ERROR: \u00b2\r\n".encode(), NOW + 1)
    assert session.outcomes[0].cause is AtCause.REFUSED
