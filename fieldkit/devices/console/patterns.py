"""The table of what lines of a console mean, with a line for each that says it.

A row is tried only on lines that contain its needle, which costs next to nothing; its expression then takes values out.
The example of each row is a line as such consoles print it, and is its test.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Pattern(NamedTuple):
    """One row."""

    kind: str
    grave: bool
    needle: str
    """Has to be in the line, as it is written here."""
    expression: str
    example: str
    fixed: tuple[tuple[str, str], ...] = ()
    """Values that are in no group."""


def _row(kind: str, needle: str, expression: str, example: str, *, grave: bool = False, **fixed: str) -> Pattern:
    return Pattern(kind, grave, needle, expression, example, tuple(fixed.items()))


_BOOT: Final = (
    _row("boot.loader", "U-Boot SPL", r"U-Boot SPL (?P<version>\S+)", "U-Boot SPL 2021.01-g44a87e3ab8 (Apr 20 2022)"),
    _row("boot.loader", "U-Boot 20", r"^U-Boot (?P<version>20\S+)", "U-Boot 2021.01-g44a87e3ab8 (Apr 20 2022 - 10:00)"),
    _row(
        "boot.countdown",
        "autoboot",
        r"(?:Hit any key|Press \S+|Autoboot in|to stop autoboot).{0,60}?(?P<seconds>\d+)?\s*$",
        "Hit any key to stop autoboot:  3 ",
    ),
    _row("boot.prompt", "=>", r"^(?:u-boot|U-Boot)?=> ?$", "=> "),
    _row(
        "boot.kernel", "Linux version", r"Linux version (?P<version>\S+)", "[    0.000000] Linux version 5.10.168 (oe)"
    ),
    _row(
        "reset.watchdog",
        "Reset cause",
        r"Reset cause: ?(?P<cause>WDOG\S*|.{0,20}[Ww]atchdog.{0,20})",
        "Reset cause: WDOG",
        grave=True,
    ),
    _row("reset.cause", "Reset cause", r"Reset cause: ?(?P<cause>(?!WDOG)\S.{0,40})", "Reset cause: POR"),
)

_ESP: Final = (
    _row(
        "reset.brownout",
        "BROWN_OUT",
        r"rst:0x(?P<code>[0-9a-f]+) \((?P<cause>\w*BROWN_OUT\w*)\)",
        "rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
        grave=True,
    ),
    _row(
        "reset.brownout",
        "Brownout detector",
        r"Brownout detector was triggered",
        "E BOD: Brownout detector was triggered",
        grave=True,
    ),
    _row(
        "reset.watchdog",
        "WDT",
        r"rst:0x(?P<code>[0-9a-f]+) \((?P<cause>(?!\w*BROWN_OUT)\w*WDT\w*)\)",
        "rst:0x8 (TG1WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
        grave=True,
    ),
    _row(
        "reset.cause",
        "rst:0x",
        r"rst:0x(?P<code>[0-9a-f]+) \((?P<cause>(?!\w*(?:WDT|BROWN_OUT))\w+)\)",
        "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    ),
    _row(
        "reset.cause",
        "rst cause",
        r"rst cause:(?P<code>\d+), boot mode:\((?P<mode>[\d,]+)\)",
        " ets Jan  8 2013,rst cause:2, boot mode:(3,6)",
    ),
    _row(
        "reset.panic",
        "Guru Meditation",
        r"Guru Meditation Error: Core +(?P<core>\d+) panic'ed \((?P<cause>[^)]{1,60})\)",
        "Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.",
        grave=True,
    ),
    _row(
        "reset.watchdog",
        "Task watchdog got triggered",
        r"Task watchdog got triggered",
        "E (10266) task_wdt: Task watchdog got triggered. The following tasks did not reset the watchdog in time:",
        grave=True,
    ),
    _row("boot.download", "waiting for download", r"waiting for download", "waiting for download", grave=True),
    _row(
        "boot.application",
        "ESP-IDF",
        r"boot: ESP-IDF (?P<version>\S+)",
        "I (31) boot: ESP-IDF v5.5.5 2nd stage bootloader",
    ),
)

_LINUX: Final = (
    _row(
        "reset.panic",
        "Kernel panic",
        r"Kernel panic - not syncing: (?P<cause>.{1,120})",
        "[    3.123456] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        grave=True,
    ),
    _row(
        "kernel.oops",
        "Unable to handle kernel",
        r"Unable to handle kernel (?P<cause>.{1,100})",
        "[  812.001000] Unable to handle kernel NULL pointer dereference at virtual address 00000000",
        grave=True,
    ),
    _row(
        "kernel.memory",
        "Out of memory",
        r"Out of memory: Kill(?:ed)? process (?P<pid>\d+) \((?P<process>[^)]{1,40})\)",
        "[ 9120.300000] Out of memory: Killed process 412 (ocpp) total-vm:90120kB, anon-rss:51200kB",
        grave=True,
    ),
    _row(
        "kernel.stuck",
        "blocked for more than",
        r"task (?P<task>\S{1,60}) blocked for more than (?P<seconds>\d+) seconds",
        "[  242.700000] INFO: task mmcqd/0:71 blocked for more than 120 seconds.",
        grave=True,
    ),
    _row(
        "kernel.lockup",
        "soft lockup",
        r"soft lockup - CPU#(?P<cpu>\d+) stuck for (?P<seconds>\d+)s",
        "[  400.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [modem:321]",
        grave=True,
    ),
    _row(
        "kernel.storage",
        "EXT4-fs error",
        r"EXT4-fs error \(device (?P<device>[^)]{1,40})\)",
        "[   55.123000] EXT4-fs error (device mmcblk0p2): ext4_find_entry:1455: inode #2: comm systemd",
        grave=True,
    ),
    _row(
        "kernel.storage",
        "I/O error",
        r"I/O error, dev (?P<device>[^,\s]{1,40})",
        "[   60.500000] blk_update_request: I/O error, dev mmcblk0, sector 1234",
        grave=True,
    ),
    _row(
        "power.low",
        "nder-voltage detected",
        r"[Uu]nder-voltage detected",
        "[   12.345678] Under-voltage detected! (0x00050005)",
        grave=True,
    ),
    _row(
        "usb.gone",
        "USB disconnect",
        r"usb (?P<device>[\d.\-]+): USB disconnect",
        "[ 1234.500000] usb 1-1.2: USB disconnect, device number 5",
        grave=True,
    ),
    _row(
        "link.down",
        "ink is Down",
        r"(?P<interface>\S{1,20}): Link is Down",
        "[   88.000000] fec 2188000.ethernet eth0: Link is Down",
        grave=True,
    ),
    _row(
        "link.up",
        "ink is Up",
        r"(?P<interface>\S{1,20}): Link is Up",
        "[   90.000000] fec 2188000.ethernet eth0: Link is Up - 100Mbps/Full",
    ),
    _row(
        "service.failed",
        "[FAILED]",
        r"\[FAILED\] Failed to start (?P<service>.{1,80}?)\.?$",
        "[FAILED] Failed to start OCPP client.",
        grave=True,
    ),
    _row(
        "boot.watchdog",
        "watchdog did not stop",
        r"(?P<device>watchdog\d*): watchdog did not stop",
        "[  100.000000] watchdog: watchdog0: watchdog did not stop!",
        grave=True,
    ),
)

_LOGIN: Final = (
    _row("login.prompt", "login:", r"^(?P<host>[\w.\-]{1,64}) login: ?$", "imx6ull login: "),
    _row("login.password", "assword:", r"^[Pp]assword: ?$", "Password: "),
    _row("login.shell", "@", r"^[\w.\-]{1,32}@[\w.\-]{1,64}:[^#$]{0,80}[#$] ?$", "root@charger:~# "),
)

_PILOT: Final = (
    _row(
        "pilot.change",
        "CP state changed",
        r"CP state changed: (?P<from>\w{1,12}) -> (?P<to>\w{1,12})",
        "2026-01-07T10:00:00.000 [INFO] yeti_driver :: CP state changed: B -> C",
    ),
    _row(
        "charger.state",
        "Charger state:",
        r"Charger state: (?P<from>[\w ]{1,40}?)\s*->\s*(?P<to>[\w ]{1,40})",
        "EVSE IEC Charger state: Wait for Auth->PrepareCharging",
    ),
    _row(
        "car.event",
        "Event ",
        r"(?:EVSE|CAR) (?:IEC|ISO) Event (?P<event>CarPluggedIn|CarUnplugged|CarRequested(?:Stop)?Power|PowerO(?:n|ff)"
        r"|EFtoBCD|BCDtoEF|BCDtoE)",
        "CAR IEC Event CarPluggedIn",
    ),
    _row("pilot.pwm", "Set PWM On", r"Set PWM On \((?P<duty>[\d.]{1,8})%\)", "EVSE IEC Set PWM On (26.6667%)"),
    _row("pilot.pwm", "Set PWM Off", r"Set PWM Off", "EVSE IEC Set PWM Off", duty="off"),
    _row("pilot.fault", "Set PWM F", r"Set PWM F\b", "EVSE IEC Set PWM F", grave=True),
    _row("pilot.reset", "T_step_EF", r"Enter T_step_EF", "EVSE IEC Enter T_step_EF"),
    _row("controller.lost", "UART timeout", r"Yeti UART timeout", "Yeti UART timeout!", grave=True),
    _row("reset.controller", "spurious reset", r"Yeti uC spurious reset", "Yeti uC spurious reset!", grave=True),
    _row(
        "charger.emergency",
        "emergency shutdown",
        r"Initiating emergency shutdown",
        "Initiating emergency shutdown",
        grave=True,
    ),
    _row(
        "charger.cable-check",
        "Cable check failed",
        r"Cable check failed due to: ?(?P<cause>.{1,80})",
        "Cable check failed due to: insulation resistance too low",
        grave=True,
    ),
    _row(
        "charger.ready", "Ready to start charging", r"Ready to start charging", "🌀🌀🌀 Ready to start charging 🌀🌀🌀"
    ),
)

_TLS: Final = (
    _row(
        "tls.error",
        "mbedtls_ssl_handshake returned",
        r"mbedtls_ssl_handshake returned (?P<code>-0x[0-9A-Fa-f]{2,4})",
        "E (95809) esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700",
        grave=True,
    ),
    _row(
        "tls.error",
        "verify peer certificate",
        r"Failed to verify peer certificate",
        "E (95809) esp-tls-mbedtls: Failed to verify peer certificate!",
        grave=True,
        cause="certificate not trusted",
    ),
    _row(
        "tls.error",
        "ertificate verify failed",
        r"[Cc]ertificate verify failed(?:: (?P<cause>[^(\n]{1,80}))?",
        "SSL error: certificate verify failed: certificate has expired (_ssl.c:1006)",
        grave=True,
    ),
    _row(
        "tls.error",
        "alert",
        r"(?:tls|ssl)v[\d.]{1,4} alert (?P<cause>[a-z ]{3,40})",
        "error:14094418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca",
        grave=True,
    ),
)

_OCPP: Final = (
    _row(
        "ocpp.error",
        "[MO]",
        r"\[MO\] (?:ERROR|error) \((?P<where>[^)]{1,80})\): (?P<message>.{1,200})",
        "[MO] ERROR (Connection.cpp:112): connection lost",
        grave=True,
    ),
    _row(
        "ocpp.warning",
        "[MO]",
        r"\[MO\] (?:WARNING|warning) \((?P<where>[^)]{1,80})\): (?P<message>.{1,200})",
        "[MO] warning (RequestQueue.cpp:204): timeout, discard operation",
    ),
    _row(
        "ocpp.connection",
        "ebsocket",
        r"[Ww]ebsocket.{0,60}?(?P<what>disconnected|closed|failed|timed out|timeout|refused)",
        "2026-01-07 10:00:00 [ERRO] ocpp:OCPP :: Websocket connection to CSMS failed: timeout",
        grave=True,
    ),
    _row(
        "everest.error",
        "[ERRO]",
        r"\[ERRO\] +(?P<module>\S{1,60}).{0,200}?:: (?P<message>.{1,200})",
        "2026-01-07T10:00:00.000 [ERRO] evse_manager  void module::Charger::run() :: relays did not close",
        grave=True,
    ),
    _row(
        "everest.error",
        "[CRIT]",
        r"\[CRIT\] +(?P<module>\S{1,60}).{0,200}?:: (?P<message>.{1,200})",
        "2026-01-07T10:00:00.000 [CRIT] manager  int boot() :: Module evse_manager exited with status 1",
        grave=True,
    ),
    _row(
        "esp.error",
        "E (",
        r"^E \((?P<uptime_ms>\d{1,12})\) (?P<tag>[^:]{1,40}): (?P<message>.{1,200})",
        "E (95814) transport_base: Failed to open a new connection",
    ),
)

PATTERNS: Final = _BOOT + _ESP + _LINUX + _LOGIN + _PILOT + _TLS + _OCPP

MBEDTLS: Final = {
    "-0x2700": "certificate not trusted, expired or not yet valid (check the clock)",
    "-0x7780": "the server ended it with a fatal alert",
    "-0x7200": "a record that is not valid",
    "-0x6800": "timeout",
    "-0x7F00": "out of memory",
    "-0x50": "connection reset",
    "-0x7280": "connection closed",
}
"""Error numbers of mbed TLS that chargers print (mbedtls/ssl.h, x509.h, net_sockets.h)."""
