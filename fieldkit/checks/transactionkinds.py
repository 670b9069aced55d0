"""What ``transaction`` may find, in words."""

from __future__ import annotations

from fieldkit.checks.finding import Kind

ODD_ID = Kind(
    "transaction.odd-id",
    "info",
    "csms",
    "The CSMS gave a transaction id that stations may not take",
    "The CSMS answered the start of a transaction with the id {id}. It is allowed, but many stations take 0 and "
    'negative numbers for "no transaction".',
    "Have the CSMS count transactions from 1.",
    "https://github.com/mikuso/ocpp-rpc/issues/82",
)
SHARED_ID = Kind(
    "transaction.id-given-twice",
    "warning",
    "csms",
    "The CSMS gave the same id to two transactions",
    "The CSMS gave the id {id} to a transaction at {where} that it had given to another one before. Meter values and "
    "the stop of one may be booked to the other.",
    "Have the maintainer of the CSMS make ids unique; check the bills of both transactions.",
    "OCPP 1.6 §4.8",
)
WRONG_ID = Kind(
    "transaction.wrong-id",
    "warning",
    "station",
    "The station names another transaction than the CSMS gave it",
    "{action} carries the transaction id {sent}, while the transaction that runs at {where} has the id {id}. The CSMS "
    "cannot book it: energy or the end of the session is lost for billing.",
    "It is a defect of the station's firmware: report it to the manufacturer with these messages. Correct the session "
    "in the CSMS by hand.",
    "https://github.com/EVerest/libocpp/issues/495",
)
NO_START = Kind(
    "transaction.stop-without-start",
    "warning",
    "station",
    "A transaction was stopped whose start never came",
    "StopTransaction for the id {sent} came at {time} without a StartTransaction before it{why}. The CSMS cannot book "
    "{energy}.",
    "Probably the start was lost while the station was offline or restarted: look at TransactionMessageAttempts and "
    "the firmware's queue. Book the session in the CSMS by hand.",
    "https://github.com/matth-x/MicroOcpp/issues/454",
    inferred=True,
)
CHARGING_WITHOUT = Kind(
    "transaction.charging-without-start",
    "warning",
    "station",
    "A connector charges without a transaction",
    "{where} is Charging since {time}, and {after} later there was no StartTransaction for it. Until one comes, what "
    "flows is not booked.",
    "Check whether the station runs in a free mode; if it does not, report it to the manufacturer.",
    "OCPP 1.6 §4.8",
)
STOP_AGAIN = Kind(
    "transaction.stop-again",
    "info",
    "station",
    "The end of a transaction was sent more than once",
    "The station sent the StopTransaction of transaction {id} again, with the same content. That is what it must do "
    "when it got no (good) answer; the CSMS has to answer it again and book it once.",
    "Nothing, unless it goes on: then look at what the CSMS answers, and whether the answer reaches the station.",
    "https://github.com/steve-community/steve/issues/1294",
)
STOP_CONTRADICTS = Kind(
    "transaction.stop-contradicts",
    "warning",
    "station",
    "A transaction was stopped twice, with different content",
    "The station sent a second StopTransaction for transaction {id}, which says something else than the first: "
    "{differs}.",
    "Decide in the CSMS which of the two counts (as a rule the first), and report it to the manufacturer.",
    "OCPP 1.6 §4.10",
)
START_AGAIN = Kind(
    "transaction.start-again",
    "info",
    "station",
    "The start of a transaction was sent more than once",
    "The station sent the StartTransaction at {where} again, with the same content. That is what it must do when it "
    "got no (good) answer; the CSMS has to recognise it and give the same id.",
    "Nothing, unless it goes on: then look at what the CSMS answers, and whether the answer reaches the station.",
    "OCPP 1.6 §3.7",
)
COUNTED_TWICE = Kind(
    "transaction.start-counted-twice",
    "warning",
    "csms",
    "One start became two transactions in the CSMS",
    "The station sent the same StartTransaction at {where} again, and the CSMS gave it a second id: {earlier}, then "
    "{id}. One of the two will never be stopped.",
    "Close transaction {earlier} in the CSMS; have its maintainer recognise repeated starts by connector, token and "
    "time.",
    "https://github.com/steve-community/steve/issues/1294",
)
WHILE_RUNNING = Kind(
    "transaction.start-while-running",
    "warning",
    "station",
    "A transaction was started while another one ran at the same connector",
    "At {time} the station started a transaction at {where}, where transaction {earlier} had begun {after} before and "
    "was never stopped. The CSMS keeps transaction {earlier} open: the card may then be refused with ConcurrentTx.",
    "Close transaction {earlier} in the CSMS; report it to the manufacturer if it happens again.",
    "OCPP 1.6 §4.8",
)
NEVER_ENDED = Kind(
    "transaction.never-ended",
    "warning",
    "station",
    "A connector is free again, but its transaction was never stopped",
    "{where} became Available at {time}, and {after} later transaction {id} was still not stopped. The CSMS keeps it "
    "open: it is not billed, and the card may be refused elsewhere with ConcurrentTx.",
    "Close transaction {id} in the CSMS. Look whether the station sends the stop later (it may be queued); if it "
    "never does, report it to the manufacturer.",
    "OCPP 1.6 §4.10",
)
OFFLINE = Kind(
    "transaction.offline",
    "info",
    "unknown",
    "A transaction began while the station was offline",
    "Transaction {id} at {where} began {lag} before its start reached the CSMS: the station was offline and sent it "
    "afterwards.",
    "Nothing for this session. Look at the connection if it happens often.",
    "OCPP 1.6 §3.5",
    inferred=True,
)
