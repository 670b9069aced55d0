"""What ``boot`` may find, in words."""

from __future__ import annotations

from fieldkit.checks.finding import Kind

REJECTED = Kind(
    "boot.rejected",
    "warning",
    "operator",
    "The CSMS rejects the station",
    "The CSMS answered BootNotification of {who} with Rejected. A rejected station may not charge{interval}.",
    "Operator: see whether this identity, serial number, vendor and model are registered and enabled in the CSMS, and "
    "whether this is the CSMS that the station should talk to.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03",
)
PENDING = Kind(
    "boot.pending",
    "info",
    "operator",
    "The CSMS keeps the station waiting",
    "The CSMS answered BootNotification of {who} with Pending: it wants to configure the station before it accepts "
    "it{interval}.",
    "Nothing, if it is accepted soon. If it stays so: operator, complete the provisioning of this station in the CSMS.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02",
)
NEVER_ACCEPTED = Kind(
    "boot.never-accepted",
    "critical",
    "operator",
    "The station was never accepted",
    "{boots}{span}, and none was answered with Accepted; the last one: {last}. Until it is accepted, the station "
    "does not charge under this CSMS.",
    "Operator: find out from the CSMS why it does not accept this station: unknown identity, wrong tenant, missing "
    "provisioning, or an error while it handled the boot.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B01-B03",
)
ERROR = Kind(
    "boot.error",
    "warning",
    "csms",
    "BootNotification is answered with an error",
    "Instead of accepting or rejecting the station, the CSMS answered its BootNotification with the error "
    "{code}{faulty}.",
    "{whom}: correct what the error names. The station will try again, but will hardly be accepted before.",
    "OCPP 1.6 §4.2",
)
UNANSWERED = Kind(
    "boot.unanswered",
    "warning",
    "csms",
    "BootNotification is not answered",
    "The station waited {waited} for the answer to its BootNotification, until the connection was closed. None came.",
    "CSMS: look in its log for this BootNotification and what happened to it. Other CALLs that were answered in this "
    "time show that it is not the network.",
    "OCPP 1.6 §4.2; https://github.com/lbbrhzn/ocpp/issues/1503",
)
RETRY_TOO_EARLY = Kind(
    "boot.retry-too-early",
    "warning",
    "station",
    "The station repeats its boot before the time given",
    "The CSMS answered {status} with an interval of {interval}; the station sent the next BootNotification after "
    "{after} already.",
    "Station manufacturer: wait for the interval before the next BootNotification. Until then: give a short "
    "interval, as some CSMSs block stations that come back too early.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02, B03",
)
CALLS_WHILE_PENDING = Kind(
    "boot.calls-while-pending",
    "warning",
    "station",
    "The station carries on although it is Pending",
    "The CSMS had answered Pending; {after} later the station began to send what nobody had asked for, first "
    "{action}. While it is Pending, a station may only send what the CSMS triggers.",
    "Station manufacturer: hold back everything that was not triggered until a boot is Accepted. Operator: complete "
    "the provisioning, then this does no harm.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02.FR.02; https://github.com/matth-x/MicroOcpp/issues/258",
)
CALLS_WHILE_REJECTED = Kind(
    "boot.calls-while-rejected",
    "warning",
    "station",
    "The station carries on although it was rejected",
    "The CSMS had answered Rejected; {after} later the station went on sending, first {action}. A rejected station "
    "may send nothing but the next BootNotification.",
    "Operator: have the station accepted. Station manufacturer: send nothing while rejected.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03.FR.02",
)
CSMS_CALLS_WHILE_REJECTED = Kind(
    "boot.csms-calls-while-rejected",
    "warning",
    "csms",
    "The CSMS calls a station that it has rejected",
    "The CSMS had answered Rejected, and {after} later it sent CALLs to the station, first {action}. A rejected "
    "station does not answer them.",
    "CSMS: accept the station (or answer Pending, if it is to be configured first), or leave it alone.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03",
)
REMOTE_START_WHILE_PENDING = Kind(
    "boot.remote-start-while-pending",
    "warning",
    "csms",
    "The CSMS starts or stops transactions of a station that it keeps Pending",
    "The CSMS had answered Pending, and {after} later it sent {action}, which is not allowed before the station is "
    "accepted.",
    "CSMS: accept the station first.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02.FR.05",
)
CSMS_CALL_BEFORE_ANSWER = Kind(
    "boot.csms-call-before-answer",
    "info",
    "csms",
    "The CSMS calls the station before it has answered its boot",
    "The CSMS sent {actions} while BootNotification was still waiting for its answer{outcome}. Stations that handle "
    "one thing at a time do not answer such a CALL, and some then start over with another BootNotification.",
    "CSMS: answer BootNotification first, then configure the station. If the station boots again and again, this is "
    "the first thing to change.",
    "https://github.com/lbbrhzn/ocpp/issues/1503",
)
CALLS_BEFORE_ANSWER = Kind(
    "boot.calls-before-answer",
    "info",
    "station",
    "The station goes on before its boot is answered",
    "The station sent {actions} before it had the answer to its BootNotification. It must wait for that; most CSMSs "
    "put up with it, strict ones answer with an error or drop the message.",
    "Nothing, as long as the CSMS answers. Station manufacturer: wait until the boot is accepted.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B01",
)
LOOP = Kind(
    "boot.loop",
    "critical",
    "station",
    "The station boots again and again",
    "{boots} within {span} that nobody had asked for{reasons}{unanswered}. Either the station restarts all the time, "
    "or it begins anew with every connection; charging is interrupted each time.",
    "Station: read its own log for the reason of the restarts (watchdog, power supply, crash while handling a "
    "message of the CSMS). See what comes right before each boot here: the same CALL or a broken connection points "
    "to the cause.",
    "https://github.com/lbbrhzn/ocpp/issues/1503",
    inferred=True,
)
REPEATED = Kind(
    "boot.repeated",
    "info",
    "station",
    "The station boots again although it was accepted and stayed connected",
    "{after} after it was accepted the station sent another BootNotification on the same connection, which no Reset "
    "or trigger of the CSMS explains. A station that had restarted would have had to connect anew.",
    "Nothing, if it happens once. A CSMS may end running transactions at a boot: see whether that happens here.",
    "OCPP 1.6 §4.2",
)
