"""Direction and station out of the words around a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.logs.linefields import MAX_LEAD, LineFields, direction_in, direction_value, party, station_in, version_in
from fieldkit.logs.times import Times


@pytest.mark.parametrize(
    ("lead", "sender"),
    [
        ("ChargePoint>CentralSystem BootNotification ", "station"),
        ("CentralSystem>ChargePoint  BootNotificationResponse ", "csms"),
        ("CP->CSMS: ", "station"),
        ("[CSMS -> CP_17] ", "csms"),
        ("CS => CP ", "csms"),
        ("CP <- CSMS ", "csms"),
        ("charger → backend ", "station"),
        ("message from charge point: ", "station"),
        ("message from the central system: ", "csms"),
        ("forwarding to CSMS ", "station"),
        ("[INFO] ocpp:OCPP201 :: ChargePoint: ", "station"),
        ("[INFO] ocpp:OCPP201 :: CentralSystem: ", "csms"),
        ("cp-to-csms ", "station"),
    ],
)
def test_the_log_names_the_sender(lead: str, sender: str) -> None:
    assert direction_in(lead) == (sender, None)


@pytest.mark.parametrize(
    ("lead", "relative"),
    [
        ("CP_1: receive message ", "in"),
        ("CP_1: send ", "out"),
        ("[chargeBoxId=CP_1, sessionId=5] Received: ", "in"),
        ("[chargeBoxId=CP_1, sessionId=5] Sending: ", "out"),
        ("[MO] Recv: ", "in"),
        ("[MO] Send: ", "out"),
        ("DEBUG websockets.server < TEXT '", "in"),
        ("DEBUG websockets.server > TEXT '", "out"),
        ("11:52:55.587 > [MO] Recv: ", "in"),
        ("<<< ", "in"),
        (">>> ", "out"),
        ("CP_1 ← ", "in"),
        ("onMessageReceived ", "in"),
        ("ocpp message_sent ", "out"),
        ("Rx: ", "in"),
        ("Tx: ", "out"),
        ("[rx] ", "in"),
        ("in: ", "in"),
        ("ws tx CP_7 ", "out"),
        ("SendLocalList received ", "in"),
        ("[IN] ", "in"),
        ("| out | ", "out"),
        ("incoming frame ", "in"),
        ("gesendet: ", "out"),
        ("Empfangen: ", "in"),
        ("got reply, now sending ", "out"),
        ("to A17: ", "out"),
        ("from A17: ", "in"),
    ],
)
def test_the_log_says_received_or_sent(lead: str, relative: str) -> None:
    assert direction_in(lead) == (None, relative)


@pytest.mark.parametrize(
    "lead",
    [
        "",
        "present: ",
        "sender queue ",
        "absent ",
        "in the loop ",
        "error in module ",
        "in ",
        "tx=17 ",
        "tx 17: ",
        "TxProfile ",
        "SendLocalList: ",
        "INFO:root: ",
        "payload=",
        "|",
        "2 > 1, ",
    ],
)
def test_other_words_say_nothing(lead: str) -> None:
    assert direction_in(lead) == (None, None)


@pytest.mark.parametrize(
    ("lead", "station"),
    [
        ("INFO:ocpp:CP_1: receive message ", "CP_1"),
        ("INFO:ocpp:My Charger: send ", "My Charger"),
        ("INFO (MainThread) [ocpp] Garage: receive message ", "Garage"),
        ("2026 - ocpp - INFO - CP_1: send ", "CP_1"),
        ("WebSocketLogger (qtp1330912871-30) - [chargeBoxId=CP-17, sessionId=53a8f814-c569] Received: ", "CP-17"),
        ("[ocpp  ] TRACE  recv EVB-P21302000: ", "EVB-P21302000"),
        ("received JSON message from goe123456: ", "goe123456"),
        ("sent JSON message to A17: ", "A17"),
        ("message from charge point Station7: ", "Station7"),
        ("ws://csms.example:9000/ocpp/CP_1 received ", "CP_1"),
        ("GET /steve/websocket/CentralSystemService/box%20one ", "box one"),
        ("/ocpp/1.6/CP_1 << ", "CP_1"),
        ("connection wss://csms.example/CP_9 -- sent ", "CP_9"),
        ('{"cp_id": "X7", msg ', "X7"),
        ("station_id: X7 | in | ", "X7"),
        ("stationId='X7' ", "X7"),
        ("station=wss://csms.example/ocpp/CP_1 ", "CP_1"),
        ("[X7] Received: ", "X7"),
        ("[CP_1] <- ", "CP_1"),
        ("error: CS-KEBA-00001 | sending ", "CS-KEBA-00001"),
        ("CP_1 >> ", "CP_1"),
        ("CP_1 sees ", ""),
        ("\t INFO CP_6 received: ", "CP_6"),
        ("INFO CP_6 received ", "CP_6"),
        ("INFO CP_6 sent: ", "CP_6"),
        ("[INFO] CP6 recv: ", "CP6"),
        ("CP-6 send ", "CP-6"),
        ("CP_6 receive: ", "CP_6"),
        ("CP_6 <-: ", "CP_6"),
        ("CP_6 -> ", "CP_6"),
        ("INFO:root:CP_6 received ", "CP_6"),
        ("my_box received message: ", "my_box"),
    ],
)
def test_the_log_names_the_station(lead: str, station: str) -> None:
    assert station_in(lead) == station


@pytest.mark.parametrize(
    "lead",
    [
        "INFO:root: ", "DEBUG: Received: ", "[INFO ] Received: ", "[http-nio-8080-exec-3] Received: ",
        "[main] sending ",
        "ocpp: send ", "Received from queue: ", "sent to the backend: ", "[2026-11-21] received ", "[17] received ",
        "/usr/lib/node/ocpp/WebsocketNetworkConnection.js:211 Received ", "received message: ", "from server: ",
        "station: received ",
        "worker-3 received: ", "ocpp1.6 received: ", "17 received: ", "session 53a8f814-c569 received: ",
        "ocpp-server sent: ", "boot_notification received: ", "on_message received: ", "INFO received: ",
        "connId=ab-12 received: ", "transaction tx-17 sent ", "2024-01-01 received ",
    ],
)  # fmt: skip
def test_words_and_threads_are_no_stations(lead: str) -> None:
    assert station_in(lead) == ""


def test_a_station_may_be_named_behind_the_frame() -> None:
    assert station_in('level=debug msg="', '" logger=ocppj charge_point=CP_1 id=77') == "CP_1"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("subprotocol ocpp1.6 ", "1.6"),
        ("OCPP 2.0.1: ", "2.0.1"),
        ("ocpp2.1 ", "2.1"),
        ("ocpp:OCPP201 :: ", ""),
        ("v1.6 ", ""),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert version_in(text) == version


@pytest.mark.parametrize(
    ("value", "direction"),
    [
        ("in", (None, "in")), ("Incoming", (None, "in")), ("RECEIVED", (None, "in")), ("<<", (None, "in")), ("rx",
        (None, "in")),
        ("out", (None, "out")), ("Outbound", (None, "out")), ("sent", (None, "out")), ("->", (None, "out")),
        ("cp-to-csms", ("station", None)), ("CSMS_TO_CP", ("csms", None)), ("ChargePoint -> CentralSystem",
        ("station", None)),
        ("From charge point", ("station", None)), ("downstream", ("csms", None)),
        ("", (None, None)), ("Heartbeat", (None, None)), ("CP_1", (None, None)), (17, (None, None)),
        (None, (None, None)),
    ],
)  # fmt: skip
def test_direction_as_a_value(value: object, direction: tuple[object, object]) -> None:
    assert direction_value(value) == direction


def test_parties() -> None:
    assert party("Charge Point") == "station"
    assert party("CSMS") == "csms"
    assert party("CP_1") is None, "that is an identity"
    assert party("X7") is None


def test_colours_and_markup_are_no_words() -> None:
    fields = LineFields(Times())
    stamp, found = fields.read("2026-11-21 08:49:50 [INFO] \x1b[1;35mChargePoint: ")
    assert stamp is not None
    assert found.sender == "station"
    _, found = fields.read('<tr class="CentralSystem"> <td>CentralSystem&gt;ChargePoint</td> <td><pre lang="json">')
    assert found.sender == "csms"


def test_a_long_line_is_looked_at_from_both_ends() -> None:
    lead = "2026-11-21T08:49:50Z " + "x " * MAX_LEAD + " CP_1: receive message "
    stamp, found = LineFields(Times()).read(lead)
    assert stamp is not None
    assert found.station == "CP_1"
    assert found.relative == "in"


@given(st.text(), st.text())
def test_any_line_has_fields(lead: str, after: str) -> None:
    LineFields(Times()).read(lead, after)
