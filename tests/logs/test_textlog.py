"""Text logs of the programs that people run, written after their manner."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import DecodeError
from fieldkit.logs.frametext import CUT, ELIDED
from fieldkit.logs.sighting import MAX_FRAME, MAX_RECORD, REJOINED, Sighting
from fieldkit.logs.textlog import TextLog
from fieldkit.logs.times import Times
from fieldkit.logs.unclosed import MAX_LINES


def read(text: str, step: int = 0) -> list[Sighting | DecodeError]:
    found: list[Sighting | DecodeError] = []
    log = TextLog(found.append, Times())
    for begin in range(0, len(text), step or len(text) or 1):
        log.feed(text[begin : begin + (step or len(text))])
    log.finish()
    return found


def sightings(text: str) -> list[Sighting]:
    found = [item for item in read(text) if isinstance(item, Sighting)]
    assert read(text, step=1) == read(text), "byte by byte"
    assert read(text, step=7) == read(text)
    return found


def texts(text: str) -> list[str]:
    return [sighting.text for sighting in sightings(text)]


def test_mobilityhouse() -> None:
    call, answer = sightings(
        "INFO:ocpp:CP_1: receive message "
        '[2,"19","BootNotification",{"chargePointModel":"M1","chargePointVendor":"V"}]\n'
        "INFO:root:nothing to see here\n"
        'INFO:ocpp:CP_1: send [3,"19",{"currentTime":"2026-11-21T08:49:50Z","interval":10,"status":"Accepted"}]\n'
    )
    assert (call.station, call.relative, call.line) == ("CP_1", "in", 1)
    assert (answer.station, answer.relative, answer.line) == ("CP_1", "out", 3)
    assert call.text == '[2,"19","BootNotification",{"chargePointModel":"M1","chargePointVendor":"V"}]'


def test_steve_with_a_frame_that_is_no_json() -> None:
    line = (
        "[INFO ] 2026-11-21 08:49:50,123 de.rwth.idsg.steve.ocpp.ws.WebSocketLogger (qtp133-30) - "
        '[chargeBoxId=100, sessionId=53a8f814-c569-f924] Received: [2, "6a73", "Authorize", {"connectorId": 1 '
        '"idTag": "ee26"}]\n'
    )
    (call,) = sightings(line)
    assert call.text == '[2, "6a73", "Authorize", {"connectorId": 1 "idTag": "ee26"}]'
    assert call.problems == (), "what is wrong with the frame itself is for others to say"
    assert call.station == "100"
    assert call.stamp is not None
    assert not call.stamp.zoned


def test_everest_pretty_prints_below_a_heading() -> None:
    call, answer = sightings(
        "2026-11-21T08:49:50.053Z: ChargePoint>CentralSystem Heartbeat \n"
        '[\n  2,\n  "e6cc",\n  "Heartbeat",\n  {}\n]\n\n'
        "2026-11-21T08:49:51.173Z: CentralSystem>ChargePoint  HeartbeatResponse\n"
        '[\n  3,\n  "e6cc",\n  {\n    "currentTime": "2026-11-21T08:49:51.000Z"\n  }\n]\n\n'
    )
    assert call.text == '[\n  2,\n  "e6cc",\n  "Heartbeat",\n  {}\n]'
    assert (call.line, call.last_line, call.sender) == (2, 7, "station")
    assert answer.sender == "csms"
    assert answer.stamp is not None
    assert call.stamp is not None
    assert answer.stamp.ns - call.stamp.ns == 1_120_000_000


def test_everest_html() -> None:
    plain, encoded = sightings(
        '<html><head><title>EVerest OCPP log session</title></head><body><table class="log">\n'
        '<tr class="ChargePoint"> <td>2026-11-21T08:49:50.053Z</td> <td>ChargePoint&gt;CentralSystem</td> '
        "<td><b>DataTransfer</b></td>"
        '<td><b></b></td> <td><pre lang="json">[\n  2,\n  "e6cc",\n  "DataTransfer",\n  {\n    "data": "a&lt;b"\n  '
        "}\n]</pre></td> </tr>\n"
        '<tr class="CentralSystem"> <td>2026-11-21T08:49:51Z</td> <td>CentralSystem&gt;ChargePoint</td>'
        "<td><pre>[3,&quot;e6cc&quot;,\n{&quot;status&quot;:&quot;Accepted&quot;}]</pre></td> </tr>\n"
    )
    assert plain.sender == "station"
    assert '"data": "a<b"' in plain.text
    assert encoded.sender == "csms"
    assert encoded.text == '[3,"e6cc",\n{"status":"Accepted"}]'


def test_a_table_in_html() -> None:
    (call,) = sightings(
        "<tr><td>2026-11-21 08:49:50</td><td>CP_1</td><td>IN</td><td>[2,&quot;1&quot;,&quot;A&quot;,{}]</td></tr>\n"
    )
    assert (call.text, call.station, call.relative) == ('[2,"1","A",{}]', "CP_1", "in")


def test_a_journal_repeats_its_prefix_on_every_line() -> None:
    prefix = "2026-11-21T08:49:50.094042+0100 gateway manager[3935]: "
    (call,) = sightings(
        f"{prefix}[INFO] ocpp:OCPP201     :: ChargePoint: [\n"
        f'{prefix}  2,\n{prefix}  "abc",\n{prefix}  "Heartbeat",\n{prefix}  {{}}\n{prefix}]\n'
        f"{prefix}[INFO] ocpp:OCPP201     :: done\n"
    )
    assert call.text == '[\n  2,\n  "abc",\n  "Heartbeat",\n  {}\n]'
    assert call.sender == "station"


def test_micro_ocpp_on_a_serial_console() -> None:
    found = sightings(
        "[MO] info (main.cpp:3450): OCPP Connected to url: /ABCD\n"
        '[MO] Send: [2,"1000000","BootNotification",{"chargePointModel":"AC"}]\n'
        "\n[MO] Recv: WS pong\n"
        '[MO] Recv: [3,"1000000",{"interval":900,"status":"Accepted"}]\n'
        '[MO] Send: [2,"1000001","Heartbeat",{}]11:52:55.587 > [MO] Recv: [3,"1000001",{}]\n'
        '[MO] Send: [2,"1000002","StatusNotification",{"connectorId":0,"info":"cut\n'
        '[MO] Recv: [3,"1000002",{}]\n'
    )
    assert [sighting.relative for sighting in found] == ["out", "in", "out", "in", "out", "in"]
    assert found[3].stamp is not None
    assert found[3].stamp.kind == "clock"
    assert found[4].text == '[2,"1000002","StatusNotification",{"connectorId":0,"info":"cut'
    assert found[4].problems == CUT


def test_evcc_in_a_journal_shown_by_a_pager() -> None:
    call, cut = sightings(
        "Okt 11 11:42:45 pvm evcc[25224]: [ocpp  ] TRACE 2026/10/11 11:42:45 sent JSON message to EVB-P21: "
        '[3,"2cb9",{}]\n'
        "Okt 11 11:42:46 pvm evcc[25224]: [ocpp  ] TRACE 2026/10/11 11:42:46 received JSON message from EVB-P21: "
        '[2,"2cba","DataTransfer",{"vendorId":"EV-BOX","data":"1,Ch>\n'
        "Okt 11 11:42:47 pvm evcc[25224]: [site  ] DEBUG 2026/10/11 11:42:47 grid currents: [1.16 1.45 -1.37]A\n"
    )
    assert (call.station, call.relative) == ("EVB-P21", "out")
    assert (cut.station, cut.relative) == ("EVB-P21", "in")
    assert cut.text.endswith('"data":"1,Ch>')
    assert cut.problems == CUT


def test_home_assistant() -> None:
    debug, call, answer = sightings(
        "2026-11-21 08:49:50.001 DEBUG (MainThread) [websockets.server] < TEXT "
        """'[2,"5191e2e7-f555","Mete... 0,"transactionId": 0}]' [304 bytes]\n"""
        '2026-11-21 08:49:50.002 INFO (MainThread) [ocpp] Garage: receive message [2,"5191e2e7-f555","MeterValues",\n'
        '{\n"transactionId": 0\n} ]\n'
        '2026-11-21 08:49:50.003 INFO (MainThread) [ocpp] Garage: send [3,"5191e2e7-f555",{}]\n'
    )
    assert debug.problems == ELIDED
    assert debug.relative == "in"
    assert call.text == '[2,"5191e2e7-f555","MeterValues",\n{\n"transactionId": 0\n} ]'
    assert call.problems == ()
    assert (answer.station, answer.relative) == ("Garage", "out")


def test_ocpp_go_escapes_messages() -> None:
    (call,) = sightings(
        'time="2026-11-21T08:49:50+01:00" level=debug msg="received JSON message from A1: '
        '[2,\\"11\\",\\"Heartbeat\\",{}]" logger=ocppj\n'
    )
    assert call.text == '[2,"11","Heartbeat",{}]'
    assert (call.station, call.relative) == ("A1", "in")


def test_citrine_writes_the_direction_before_json_in_a_line() -> None:
    (call,) = sightings(
        "2026-11-21 "
        "08:49:50.862\tDEBUG\t/usr/local/apps/citrineos/dist/networkconnection/WebsocketNetworkConnection.js:211\t"
        "CitrineOS Logger:WebsocketNetworkConnection\tReceived message "
        '{"identifier":"DU-7","message":"[2,\\"1\\",\\"Heartbeat\\",{}]"}\n'
    )
    assert call.text == '[2,"1","Heartbeat",{}]'
    assert (call.station, call.relative) == ("DU-7", "in")
    assert call.stamp is not None


def test_an_esp32() -> None:
    (call,) = sightings('\x1b[0;32mI (12345) ocpp: Send: [2,"1","Heartbeat",{}]\x1b[0m\n')
    assert call.stamp is not None
    assert call.stamp.kind == "uptime"
    assert call.relative == "out"


def test_a_javascript_console() -> None:
    one, many = sightings(
        "2026-11-21T08:49:50Z CP_1 <<< [ 2, '1', 'Heartbeat', {} ]\n"
        "sending [\n  2,\n  '123',\n  'StatusNotification',\n  { connectorId: 1,\n    status: 'Available' }\n]\n"
    )
    assert one.text == '[2,"1","Heartbeat",{}]'
    assert many.text == '[2,"123","StatusNotification",{"connectorId":1,"status":"Available"}]'
    assert many.relative == "out"


def test_a_paste_wrapped_at_a_width() -> None:
    call, answer = sightings(
        "08:49:50 recv CP_1: "
        '[2,"abcdef","StatusNotification",{"connectorId":1,"err\norCode":"NoError","status":"Avai\nlable"}]\n'
        '08:49:51 sent CP_1: [3,"abcdef",{}]\n'
    )
    assert call.text == '[2,"abcdef","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]'
    assert [problem.rule for problem in call.problems] == [REJOINED]
    assert answer.line == 4


def test_soap_on_one_line_and_on_many() -> None:
    one, many = sightings(
        '2026-11-21 08:49:50 received <soap:Envelope><soap:Body><heartbeatRequest xmlns="urn://Ocpp/Cs/2012/06/"/></soap:Body>'
        "</soap:Envelope> 200\n"
        "2026-11-21 08:49:51 sending:\n<S:Envelope>\n"
        ' <S:Body><heartbeatResponse xmlns="urn://Ocpp/Cs/2012/06/"/></S:Body>\n</S:Envelope>\n'
        "<Envelope><Body>of something else</Body></Envelope>\n"
    )
    assert one.transport == "soap"
    assert one.text.startswith("<soap:Envelope>")
    assert one.text.endswith("</soap:Envelope>")
    assert one.relative == "in"
    assert (many.line, many.last_line, many.relative) == (3, 5, "out")


def test_a_soap_envelope_that_is_cut_off() -> None:
    cut, call = sightings(
        'received <s:Envelope><s:Body><c:heartbeatRequest xmlns:c="urn://Ocpp/Cs/2012/06/"\n'
        '2026-11-21 08:49:51 received [2,"1","Heartbeat",{}]\n'
    )
    assert cut.transport == "soap"
    assert cut.problems == CUT
    assert call.transport == "json"


def test_json_lines_among_text() -> None:
    first, second = sightings(
        "starting\n"
        '{"time":"2026-11-21T08:49:50Z","cp":"A1","dir":"in","msg":"[2,\\"1\\",\\"Heartbeat\\",{}]"}\n'
        'csms | {"time":"2026-11-21T08:49:51Z","cp":"A1","dir":"out","msg":[3, "1", {}]}\n'
    )
    assert (first.text, first.station, first.relative) == ('[2,"1","Heartbeat",{}]', "A1", "in")
    assert (second.text, second.station, second.relative) == ('[3, "1", {}]', "A1", "out")


def test_bare_frames() -> None:
    assert texts('[2,"1","Heartbeat",{}]\r\n[3,"1",{}]\r\n') == ['[2,"1","Heartbeat",{}]', '[3,"1",{}]']
    assert texts('[2,"1","Heartbeat",{}]') == ['[2,"1","Heartbeat",{}]'], "without a line's end"


def test_a_truncated_frame_ends_where_the_next_line_begins() -> None:
    for following in (
        "2026-11-21 08:49:51 INFO something",
        "[INFO ] something",
        "Nov 21 08:49:51 gw daemon: something",
        "I (12399) ocpp: something",
        "    at com.example.Handler.handle(Handler.java:17)",
        '2026-11-21 08:49:51 INFO recv [3,"1",{}]',
    ):
        found = sightings(f'2026-11-21 08:49:50 recv [2,"1","MeterValues",{{"meterValue":[{{"a":1,\n{following}\n')
        assert found[0].text == '[2,"1","MeterValues",{"meterValue":[{"a":1,'
        assert found[0].problems == CUT
        assert [sighting.text for sighting in found[1:]] == (['[3,"1",{}]'] if "recv" in following else [])


def test_two_frames_on_a_line_the_first_of_which_has_no_end() -> None:
    cut, answer = sightings('[MO] Send: [2,"1","A",{"b":"c11:52:55.587 > [MO] Recv: [3,"1",{}]\n')
    assert cut.problems == CUT
    assert cut.text.startswith('[2,"1","A",{"b":"c')
    assert (answer.text, answer.relative) == ('[3,"1",{}]', "in")


def test_what_stands_far_in_front_does_not_count() -> None:
    (call,) = sightings("2026-11-21T08:49:50Z " + "x" * 5000 + ' CP_1: receive message [2,"1","A",{}]\n')
    assert (call.station, call.relative) == ("CP_1", "in")
    assert call.stamp is not None
    assert call.lead is not None
    assert len(call.lead) < 2000


def test_epoch_seconds_in_front() -> None:
    (call,) = sightings('1795250990.5 recv [2,"1","A",{}]\n')
    assert call.stamp is not None
    assert call.stamp.ns == 1795250990_500_000_000


def test_the_time_may_stand_on_the_line_before() -> None:
    (call,) = sightings('Nov 21, 2026 8:49:50 AM com.example.Communicator receive\nFINE: Received: [2,"1","A",{}]\n')
    assert call.stamp is not None
    assert call.stamp.kind == "date"
    assert (call.station, call.relative) == ("", "in")


def test_logfmt() -> None:
    (call,) = sightings('ts=1795250990 msg="[2,\\"1\\",\\"A\\",{}]" direction=outbound station=CP_1\n')
    assert (call.text, call.station, call.relative) == ('[2,"1","A",{}]', "CP_1", "out")
    assert call.stamp is not None
    assert call.stamp.ns == 1795250990_000_000_000


def test_brackets_that_do_not_add_up_are_no_truncation() -> None:
    (call,) = sightings('recv \'[2,"1","MeterValues",{"a":1]\'\n2026-11-21 08:49:51 INFO something\n')
    assert call.text == '[2,"1","MeterValues",{"a":1]'
    assert call.problems == ()


def test_a_frame_without_end_is_given_up_after_so_many_lines() -> None:
    lines = ['recv [2,"1","X",{"a":['] + ["1,"] * (MAX_LINES + 10) + ['recv [3,"1",{}]']
    cut, answer = [item for item in read("\n".join(lines)) if isinstance(item, Sighting)]
    assert cut.problems == CUT
    assert answer.text == '[3,"1",{}]'
    assert answer.line == len(lines)


def test_and_after_so_many_characters() -> None:
    lines = ['recv [2,"1","X",{"a":['] + ["1" * 1000 + ","] * (MAX_FRAME // 1000 + 2) + ['recv [3,"1",{}]']
    cut, answer = [item for item in read("\n".join(lines)) if isinstance(item, Sighting)]
    assert cut.problems == CUT
    assert len(cut.text) <= MAX_FRAME
    assert answer.text == '[3,"1",{}]'


def test_an_overlong_line_is_read_up_to_a_limit() -> None:
    text = 'recv [2,"1","A",{}] ' + "x" * MAX_RECORD + '[2,"2","B",{}]\nrecv [3,"1",{}]\n'
    whole = read(text)
    assert [item.text for item in whole if isinstance(item, Sighting)] == ['[2,"1","A",{}]', '[3,"1",{}]']
    (error,) = [item for item in whole if isinstance(item, DecodeError)]
    assert error.lost == len(text) - MAX_RECORD - len('\nrecv [3,"1",{}]\n')
    assert read(text, step=1 << 16) == whole


LINES = st.sampled_from(
    [
        "2026-11-21 08:49:50 INFO nothing\n", "\n", '2026-11-21 08:49:50 recv CP_1: [2,"1","Heartbeat",{}]\n',
        "[\n", "  2,\n", '  "a",\n',
        '  "Heartbeat",\n', "  {}\n", "]\n", '[2,"1","X",{"a":"b\n', 'c"}]\n', '[3,"1",{}] [3,"2",{}]\n',
        "sending [ 2, 'x',\n",
        "'Heartbeat', {} ]\n", '{"msg":"[2,\\"1\\",\\"A\\",{}]"}\n', '{"msg":"[2,\\"1\\",\\"A\n',
        "[2,&quot;1&quot;,&quot;A&quot;,{}]\n",
        "gw prog[1]: [\n", "gw prog[1]:  2,\n", '<s:Envelope>urn://Ocpp/Cs\n', "</s:Envelope>\n", "[2,\n", "\r\n",
        '"', "\\", "[2,\"",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12).map("".join), st.integers(1, 40))
def test_it_does_not_matter_how_text_comes_in(text: str, step: int) -> None:
    assert read(text, step) == read(text)


@given(st.text(alphabet="[]{}23,\"'\\ a:&quot;\n<>Envelope"))
def test_any_text_is_read(text: str) -> None:
    read(text)
