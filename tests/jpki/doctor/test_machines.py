# SPDX-License-Identifier: Apache-2.0
"""Machines, and what the doctor finds on them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from doctor_codes import codes, needed
from jpki.doctor import Finding, Level, PcscAnswer, examine
from jpki.messages import LANGUAGES, text
from jpki_apdu.readers import ReaderState
from machines import (
    FEDORA,
    PCSCD,
    SOCKET,
    TCP_HEAD,
    UBUNTU,
    VERSION_2,
    Machine,
    bare,
    healthy,
    listener,
    process,
    usb,
)

SCM = ReaderState("SCM Microsystems Inc. SCR 3310 [CCID Interface] 00 00", card_present=False)
EMPTY = PcscAnswer((SCM,))
CONTACT = bytes.fromhex("3BDA13FF8131FB468012392F31C173C601C03B")
CONTACTLESS = bytes.fromhex("3B888001000005E0B381A1007F")


def with_files(more: dict[str, str], *without: str, **changes: object) -> Machine:
    kept = {path: held for path, held in healthy().files.items() if path not in without}
    return healthy(files={**kept, **more}, **{"answer": EMPTY, **changes})


def stopped(state: str, *without: str) -> Machine:
    machine = with_files({}, *without, sockets={SOCKET: state})
    machine.answer = PcscAnswer(error="no_service")
    return machine


def memory(text: str) -> dict[str, str]:
    return {"/h/.local/state/jpki/readers.json": text}


def holding(atr: bytes) -> PcscAnswer:
    """One reader with a card."""
    return PcscAnswer((ReaderState("R", True, atr=atr),))


CONFIG = "/h/.config/jpki/config.toml"
KNOWN = '{"version": 1, "readers": {"%s": {"short": 250, "extended": %d}}}'


@dataclass
class Case:
    """``finds``: code to level. ``lines``: pieces that must stand in a line to type."""

    name: str
    machine: Machine
    finds: dict[str, str]
    lines: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    values: dict[str, dict[str, object]] = field(default_factory=dict)


ANY, LOOP = "00000000", "0100007F"
ANY_6, LOOP_6 = "0" * 32, "00000000000000000000000001000000"


def bed(address: str, port: int = 36400, *, inode: int = 1611, hidden: bool = False) -> Machine:
    """pcscd (pid 700) with a socket that listens at ``address``."""
    table = "/proc/net/tcp6" if len(address) > 8 else "/proc/net/tcp"
    listing = TCP_HEAD + listener(address, port, inode) + listener(ANY, 22, 99)
    machine = with_files({table: listing, "/proc/net/dev": "a\nb\n lo: 1\n eth0: 2\n"})
    machine.links = {"/proc/700/fd/5": "socket:[1611]", "/proc/700/fd/6": "/dev/null"}
    if hidden:
        machine.denied = frozenset({"/proc/700/fd"})
    return machine


CASES = [
    Case("healthy", healthy(answer=EMPTY), {
        "system": "ok", "version": "ok", "cryptography": "ok", "extra": "ok",
        "service_runs": "ok", "reader_empty": "ok", "reply_size_unknown": "note",
        "usb_nothing": "ok", "no_modules": "ok", "no_programs": "ok", "vpcd_absent": "ok",
        "config_none": "ok", "terminal_utf8": "ok", "fonts": "ok", "no_container": "ok",
    }, values={"system": {"name": "debian", "version": "12", "machine": "x86_64"},
               "service_runs": {"version": "1.9.9"},
               "cryptography": {"version": "50.0.2", "openssl": "3.5.4"}}),
    Case("nothing installed", bare(), {
        "extra_missing": "fault", "service_missing": "fault", "modules_hidden": "note",
        "usb_hidden": "note", "fonts_missing": "note", "system": "ok", "no_programs": "ok",
        "vpcd_absent": "ok"}, lines=("pip install 'jpki[pcsc]'", "pip install 'jpki[testing]'"),
        absent=("pcsc_not_loaded",)),
    Case("Debian without pcscd and pyscard", with_files(
        {}, PCSCD, packages={"cryptography": "50"}, sockets={}, programs={},
        answer=PcscAnswer(error="missing")),
        {"extra_missing": "fault", "service_missing": "fault"},
        lines=("sudo apt-get install -y pcscd libpcsclite-dev gcc python3-dev",
               "sudo apt-get install -y fonts-ipaexfont")),
    Case("Fedora without pcscd", with_files({"/etc/os-release": FEDORA}, PCSCD, sockets={},
         answer=PcscAnswer(error="no_service")),
         {"service_missing": "fault"}, lines=("sudo dnf install -y pcsc-lite pcsc-lite-ccid",)),
    Case("pcscd stopped, systemd", stopped("absent"), {"service_stopped": "fault"},
         lines=("sudo systemctl enable --now pcscd.socket",), absent=("pcsc_no_service",)),
    Case("pcscd stopped, no systemd", stopped("absent", "/run/systemd/system/pcscd.socket"),
         {"service_stopped": "fault"}, lines=("sudo mkdir -p /run/pcscd && sudo pcscd",)),
    Case("pcscd died", stopped("refused"), {"service_dead": "fault"}),
    Case("socket not ours to open", stopped("denied"), {"socket_denied": "fault"}),
    Case("a socket of its own", with_files({}, env={"PCSCLITE_CSOCK_NAME": "/b/comm"},
         sockets={"/b/comm": "open"}), {"socket_own": "note", "service_runs": "ok"}),
    Case("a socket of its own, too long", with_files(
         {}, env={"PCSCLITE_CSOCK_NAME": "/" + "b" * 107}),
         {"socket_own": "note", "socket_too_long": "fault"}, absent=("service_runs",)),
    Case("the system's socket, named", with_files({}, env={"PCSCLITE_CSOCK_NAME": SOCKET}),
         {"service_runs": "ok"}, absent=("socket_own",)),
    Case("socket of the host in a container", with_files({"/.dockerenv": ""}, PCSCD),
         {"service_elsewhere": "ok", "container": "note"}, absent=("service_missing",)),
    Case("container without anything", with_files({"/run/.containerenv": ""}, PCSCD, sockets={},
         answer=PcscAnswer(error="no_service")), {"service_missing": "fault", "container": "note"},
         values={"container": {"kind": "podman"}}),
    Case("Kubernetes", with_files({"/proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}),
         {"container": "note"}, values={"container": {"kind": "kubepods"}}),
    Case("some container", with_files({}, env={"container": "oci"}), {"container": "note"},
         values={"container": {"kind": "container"}}),
    Case("polkit allows", with_files(
         process(9, "polkitd"), programs={(PCSCD, "--version"): VERSION_2}),
         {"polkit_allows": "ok"}),
    Case("polkit not built in", with_files({}, programs={
         (PCSCD, "--version"): "pcsc-lite version 2.3.3.\nEnabled features: Linux usb\n"}),
         {"polkit_not_built": "ok"}),
    Case("polkit refuses over ssh", with_files(
        {**process(9, "polkitd"), "/etc/os-release": UBUNTU},
        programs={(PCSCD, "--version"): VERSION_2}, answer=PcscAnswer(error="access_denied")),
        {"polkit_denied": "fault"},
        lines=("polkit.addRule", "usermod -aG pcsc \"$USER\""), absent=("pcsc_denied",)),
    Case("no polkit in a container", with_files(
        {"/.dockerenv": ""}, programs={(PCSCD, "--version"): VERSION_2},
        answer=PcscAnswer(error="access_denied")),
        {"polkit_absent": "fault"}, lines=("pcscd --disable-polkit",)),
    Case("service hangs", healthy(answer=PcscAnswer(error="silent")), {"pcsc_silent": "fault"}),
    Case("service breaks", healthy(answer=PcscAnswer(error="failed")), {"pcsc_failed": "fault"}),
    Case("pyscard broken", healthy(answer=PcscAnswer(error="missing")),
         {"pcsc_not_loaded": "fault"}),
    Case("cryptography broken", healthy(answer=EMPTY, openssl_text=None),
         {"cryptography_broken": "fault"}),
    Case("no readers", healthy(), {"no_readers": "fault"}),
    Case("contact card", healthy(answer=holding(CONTACT)),
         {"reader_card": "ok"}, values={"reader_card": {"reader": "R", "interface": "contact"}}),
    Case("contactless card", healthy(answer=holding(CONTACTLESS)),
         {"reader_card": "ok"},
         values={"reader_card": {"reader": "R", "interface": "contactless"}}),
    Case("mute card", healthy(answer=holding(b"")), {"card_silent": "warning"}),
    Case("the only reader is busy", healthy(answer=PcscAnswer((ReaderState("R", True, True),))),
         {"reader_busy": "fault"}),
    Case("one of two is busy", healthy(answer=PcscAnswer((ReaderState("R", True, True), SCM))),
         {"reader_busy": "warning", "reader_empty": "ok"}),
    Case("measured, short", with_files(memory(KNOWN % (SCM.name, 0))), {"reply_size_short": "ok"},
         values={"reply_size_short": {"reader": SCM.name, "short": 250, "extended": 0}}),
    Case("measured, extended", with_files(memory(KNOWN % (SCM.name, 1322))),
         {"reply_size_extended": "ok"}),
    Case("another reader was measured", with_files(memory(KNOWN % ("SCM", 0))),
         {"reply_size_unknown": "note"}, lines=("jpki reader probe",)),
    Case("memory damaged", with_files(memory("{")), {"memory_damaged": "note"}),
    Case("virtual reader: size known", healthy(answer=PcscAnswer((
        ReaderState("Virtual PCD 00 00", False),))), {"reader_empty": "ok"},
        absent=("reply_size_unknown",)),
    Case("RC-S380", with_files(usb("054c", "06c3")), {"usb_no_ccid": "warning"},
         values={"usb_no_ccid": {"model": "Sony PaSoRi RC-S380/P"}}),
    Case("RC-S380, kernel has it", with_files({
        **usb("054c", "06c1"), "/proc/modules": "port100 1 0 - Live\nnfc 1 1 - Live\n"}),
        {"usb_no_ccid": "warning", "port100_loaded": "warning"}),
    Case("RC-S300", with_files(usb("054c", "0dc8")), {"usb_ccid": "ok"}),
    Case("ACR122U, kernel has it", with_files({
        **usb("072f", "2200"), "/proc/modules": "pn533_usb 1 0\npn533 1 1\nnfc 1 1\n"}),
        {"usb_small": "note", "pn533_usb_loaded": "warning"},
        lines=("sudo modprobe -r pn533_usb pn533 nfc", "blacklist")),
    Case("nfc alone grabs nothing", with_files({"/proc/modules": "nfc 1 0\n"}),
         {"no_modules": "ok"}),
    Case("no list of modules", with_files({}, "/proc/modules"), {"modules_hidden": "note"}),
    Case("no USB", with_files({}, "/sys/bus/usb/devices/usb1/idVendor",
         "/sys/bus/usb/devices/usb1/idProduct", "/sys/bus/usb/devices/usb1/serial"),
         {"usb_hidden": "note"}),
    Case("USB nonsense", with_files({"/sys/bus/usb/devices/1-9/idVendor": "zz"}),
         {"usb_nothing": "ok"}),
    Case("GnuPG grabs", with_files({**process(5, "scdaemon"), **process(6, "gpg-agent")}),
         {"program_grabs": "warning", "programs_seen": "note"},
         lines=("gpgconf --kill scdaemon",)),
    Case("a browser", with_files(process(5, "firefox-esr")), {"programs_seen": "note"},
         values={"programs_seen": {"programs": "firefox-esr"}}),
    Case("two services", with_files(process(701, "pcscd")), {"several_services": "note"}),
    Case("vpcd for everybody", bed(ANY), {"vpcd_open": "warning"}, lines=("--dports 36400 ",),
         values={"vpcd_open": {"ports": "36400"}}),
    Case("vpcd for everybody, IPv6", bed(ANY_6), {"vpcd_open": "warning"}),
    Case("vpcd on one address", bed("0B00A8C0"), {"vpcd_open": "warning"}),
    Case("vpcd on loopback", bed(LOOP), {"vpcd_local": "ok"}),
    Case("vpcd on another loopback", bed("0200007F"), {"vpcd_local": "ok"}),
    Case("vpcd on loopback, IPv6", bed(LOOP_6), {"vpcd_local": "ok"}),
    Case("vpcd of somebody else's socket", bed(ANY, inode=12), {"vpcd_absent": "ok"}),
    Case("vpcd, pcscd of root, its usual port", bed(ANY, 35963, hidden=True),
         {"vpcd_open": "warning"}),
    Case("vpcd, pcscd of root, another port", bed(ANY, 36400, hidden=True),
         {"vpcd_absent": "ok"}),
    Case("vpcd installed, quiet", with_files({
        "/usr/lib/pcsc/drivers/serial/libifdvpcd.so": ""}), {"vpcd_quiet": "ok"}),
    Case("configuration of one's own", with_files({CONFIG: 'reader = "pcsc:"'}),
         {"config_good": "ok"}),
    Case("configuration that others read", with_files(
        {CONFIG: ""}, modes={CONFIG: 0o644}),
        {"config_open": "note"}, lines=("chmod 600 ~/.config/jpki/config.toml",)),
    Case("configuration that others write", with_files(
        {"/c": ""}, env={"JPKI_CONFIG": "/c"}, modes={"/c": 0o666}),
        {"config_writable": "warning"}, lines=('chmod 600 "$JPKI_CONFIG"',)),
    Case("configuration not there", with_files({}, env={"JPKI_CONFIG": "/c"}),
         {"config_not_there": "fault"}),
    Case("configuration unreadable", with_files({"/c": ""}, env={"JPKI_CONFIG": "/c"},
         denied=frozenset({"/c"})), {"config_unreadable": "fault"}),
    Case("configuration broken", with_files({"/c": "reader = "}, env={"JPKI_CONFIG": "/c"}),
         {"config_not_toml": "fault"}),
    Case("configuration nested without end", with_files(
        {"/c": f"a = {'[' * 20_000}"}, env={"JPKI_CONFIG": "/c"}), {"config_not_toml": "fault"}),
    Case("configuration of a key with many parts", with_files(
        {"/c": f"a{'.a' * 20_000} = 1"}, env={"JPKI_CONFIG": "/c"}), {"config_not_toml": "fault"}),
    Case("plain terminal", healthy(answer=EMPTY, encoding="ANSI_X3.4-1968", language="ja"),
         {"terminal_other": "warning"}, lines=("export LC_ALL=C.UTF-8",)),
    Case("no fonts", healthy(answer=EMPTY, programs={("fc-list", ":lang=ja", "family"): ""}),
         {"fonts_missing": "note"}),
    Case("fonts without fontconfig", with_files(
        {"/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf": ""}, programs={}),
        {"fonts": "ok"}),
    Case("no Japanese font, no fontconfig", with_files(
        {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": ""}, programs={}),
        {"fonts_missing": "note"}),
    Case("Windows' Linux", with_files({"/proc/version": "Linux 5.15 Microsoft-standard-WSL2"}),
         {"wsl": "note"}, lines=("usbipd",)),
]  # fmt: skip


def found_on(machine: Machine) -> dict[str, Finding]:
    """Findings by code; of several with one code, that which matters most."""
    found: dict[str, Finding] = {}
    for finding in sorted(examine(machine), key=lambda one: list(Level).index(one.level)):
        found[finding.code] = finding
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_found(case: Case) -> None:
    found = found_on(case.machine)
    assert {code: str(found[code].level) for code in case.finds if code in found} == case.finds
    typed = "\n".join(line for finding in examine(case.machine) for line in finding.lines)
    assert [piece for piece in case.lines if piece not in typed] == []
    assert [code for code in case.absent if code in found] == []
    for code, values in case.values.items():
        assert dict(found[code].values) == values


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_other_faults(case: Case) -> None:
    """A fault that the table does not name would frighten somebody for nothing."""
    faults = {f.code for f in examine(case.machine) if f.level is Level.FAULT}
    assert faults == {code for code, level in case.finds.items() if level == "fault"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_finding_has_words(case: Case) -> None:
    for finding in examine(case.machine):
        for lang in LANGUAGES:
            assert text(f"doctor.check.{finding.check}", lang)
            assert text(f"doctor.{finding.code}", lang, **finding.values)
            assert not finding.fix or text(f"doctor.fix.{finding.fix}", lang, **finding.values)
        assert needed(finding.code) <= set(finding.values), finding.code
        assert (finding.level in (Level.OK, Level.NOTE)) or finding.fix, finding.code


def test_the_table_reaches_every_code() -> None:
    """Every code that the doctor's sources can give occurs on some machine."""
    seen = {finding.code for case in CASES for finding in examine(case.machine)}
    elsewhere = {"not_looked_at", "pcsc_no_service", "pcsc_denied", "config_invalid"}
    assert codes() - seen - elsewhere == set()


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_other_systems_say_what_was_not_looked_at(platform: str) -> None:
    machine = Machine(platform=platform, answer=PcscAnswer((SCM,)))
    found = list(examine(machine))
    skipped = {finding.check for finding in found if finding.code == "not_looked_at"}
    assert skipped == {"service", "usb", "kernel_modules", "programs", "virtual_reader", "fonts"}
    assert [finding for finding in found if finding.level is Level.FAULT] == []
    assert {path.split("/")[1] for path in machine.read_paths} <= {"h"}


@pytest.mark.parametrize("error", ["no_service", "access_denied"])
def test_other_systems_hear_why_there_is_no_list(error: str) -> None:
    found = found_on(Machine(platform="darwin", answer=PcscAnswer(error=error)))
    assert (found.keys() & {"pcsc_no_service", "pcsc_denied"}) == {
        {"no_service": "pcsc_no_service", "access_denied": "pcsc_denied"}[error]
    }


def test_windows_terminal() -> None:
    found = found_on(Machine(platform="win32", encoding="cp932", answer=EMPTY))
    assert found["terminal_other"].lines == ("set PYTHONUTF8=1",)
    assert found["system"].values["name"] == "windows"


def test_only_loopback_means_nobody_outside() -> None:
    machine = bed(ANY)
    machine.files["/proc/net/dev"] = "Inter-|\n face |\n    lo: 1 2 3\n"
    assert "vpcd_local" in found_on(machine)
