"""What ``remote`` may find, in words."""

from __future__ import annotations

from fieldkit.checks.finding import Kind

START_NOTHING = Kind(
    "remote.start-without-transaction",
    "warning",
    "station",
    "A remote start was accepted, but no transaction followed",
    "The station accepted {action} for token {token} at {time}, and in the {waited} after it no transaction "
    "began{where}. {seen}",
    "{advice}",
    "https://github.com/evcc-io/evcc/issues/15752",
)
START_REJECTED = Kind(
    "remote.start-rejected",
    "warning",
    "station",
    "A remote start was rejected",
    "The station answered {action} at {time} with {status}{reason}. {why}",
    "{advice}",
    "OCPP 1.6 §5.11",
)
STOP_REJECTED = Kind(
    "remote.stop-rejected",
    "warning",
    "csms",
    "A remote stop was rejected",
    "The station answered the order to stop transaction {transaction} at {time} with {status}. {why}",
    "{advice}",
    "OCPP 1.6 §5.12",
)
STOP_NOTHING = Kind(
    "remote.stop-without-effect",
    "warning",
    "station",
    "A remote stop was accepted, but the transaction went on",
    "The station accepted the order to stop transaction {transaction} at {time}, and {waited} later it had not told "
    "its end.",
    "Stop it at the station with the card or by unplugging. If it happens again, report it to the manufacturer.",
    "OCPP 1.6 §5.12",
)
UNLOCK_FAILED = Kind(
    "remote.unlock-failed",
    "warning",
    "station",
    "A connector could not be unlocked",
    "The station answered UnlockConnector for {where} at {time} with {status}: {why}.",
    "{advice}",
    "OCPP 1.6 §5.18",
)
UNLOCK_NOTHING = Kind(
    "remote.unlock-transaction-goes-on",
    "warning",
    "station",
    "A connector was unlocked, but its transaction went on",
    "The station answered that {where} was unlocked at {time}, and {waited} later transaction {transaction} there had "
    "not been stopped. The station has to stop it before it unlocks.",
    "Look whether the plug really came free; report it to the manufacturer.",
    "OCPP 1.6 §5.18",
)
RESET_REJECTED = Kind(
    "remote.reset-rejected",
    "warning",
    "station",
    "A reset was rejected",
    "The station answered Reset ({type}) at {time} with Rejected{reason}.",
    "Try the other type of reset when no transaction is running; otherwise restart it at the breaker.",
    "OCPP 1.6 §5.14",
)
RESET_NOTHING = Kind(
    "remote.reset-without-effect",
    "warning",
    "station",
    "A reset was accepted, but the station did not restart",
    "The station accepted Reset ({type}) at {time}, and in the {waited} after it it went on talking without a "
    "BootNotification.",
    "Look whether a transaction held it up; otherwise restart it at the breaker and report it to the manufacturer.",
    "OCPP 1.6 §5.14",
)
