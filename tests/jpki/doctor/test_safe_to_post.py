# SPDX-License-Identifier: Apache-2.0
"""Marked secrets in every corner of a machine, and none of them in the report."""

from __future__ import annotations

import json

import pytest

from jpki.doctor import PcscAnswer, examine
from jpki.messages import LANGUAGES, text
from jpki_apdu.readers import ReaderState
from machines import PCSCD, TCP_HEAD, VERSION, Machine, healthy, listener, process, usb

USER, MACHINE, HOME = "himitsuno", "rousuke-pc", "/users/himitsuno"
SERIAL, SHORT_SERIAL, PUPI = "2112051820", "7KQ9D4E2", "5EC4E71D"
ADDRESS, MAIL, PIN, VALUE = "203.0.113.77", "rousuke@example.jp", "8642", "hunter2hunter2"
MARKS = [USER, MACHINE, HOME, SERIAL, SHORT_SERIAL, PUPI, PUPI.lower(), ADDRESS, "4D7100CB",
         MAIL, PIN, VALUE, "secret", "Shomei-7", "rousuke"]  # fmt: skip

ATR = bytes.fromhex(f"3B888001{PUPI}B381A1007F")
READERS = (
    ReaderState(f"SCM SCR 3310 ({SERIAL}) 00 00", True, atr=ATR),
    ReaderState(f"Twin {SERIAL} of {USER} 00 00", False),
    ReaderState(f"Reader at {MACHINE} {SHORT_SERIAL}", True, busy=True, atr=ATR),
    ReaderState("Virtual PCD 00 00", True),
)
CONFIG = f"""
reader = "pcsc:{SERIAL}"
[verifier]
responsible = "{MAIL}"
registration = "Shomei-7"
{USER} = "{VALUE}"
"""


def marked() -> Machine:
    """A machine that has everything wrong and says everything of its owner."""
    known = {"version": 1, "readers": {READERS[0].name: {"short": 250, "extended": 0}}}
    secret = {
        "/etc/os-release": f'ID="{USER} linux"\nVERSION_ID="12 {MACHINE}"\nHOME_URL="{MAIL}"\n',
        "/proc/version": f"Linux 6.1 microsoft ({MAIL})",
        "/proc/modules": "pn533_usb 1 0\nport100 1 0\nnfc 1 0\n",
        "/proc/1/cgroup": f"0::/docker/{SERIAL}\n",
        "/proc/net/tcp": TCP_HEAD
        + listener("4D7100CB", 36400, 1611)
        + listener("00000000", 36401, 1612),
        f"{HOME}/.config/jpki/config.toml": CONFIG,
        f"{HOME}/.local/state/jpki/readers.json": json.dumps(known),
        **process(700, "pcscd"),
        **process(801, "scdaemon"),
        **process(802, "firefox"),
        **process(803, f"{USER}-agent"),
        **usb("054c", "06c3"),
    }
    secret["/proc/802/cmdline"] = f"firefox\0--pin={PIN}\0{HOME}"
    machine = healthy(
        files={**healthy().files, **secret},
        modes={f"{HOME}/.config/jpki/config.toml": 0o666},
        links={"/proc/700/fd/4": "socket:[1611]", "/proc/700/fd/5": "socket:[1612]",
               "/proc/700/fd/6": f"{HOME}/{VALUE}"},
        env={"HOME": HOME, "USER": USER, "HOSTNAME": MACHINE, "JPKI_READER": f"pcsc:{SERIAL}",
             "PCSCLITE_CSOCK_NAME": f"{HOME}/comm", "PIN": PIN, "API_KEY": VALUE},
        sockets={f"{HOME}/comm": "open"},
        programs={(PCSCD, "--version"): VERSION + f"built by {MAIL}",
                  ("fc-list", ":lang=ja", "family"): f"{USER} Gothic\n"},
        packages={"cryptography": f"50.0.2+{MACHINE}", "pyscard": f"2.3.1.{USER}"},
        answer=PcscAnswer(READERS),
        machine=f"x86 {MACHINE}",
        python=f"3.11.7+{USER}",
        encoding="ansi",
        openssl_text=f"OpenSSL 3.5.4 {MAIL}",
        private=(USER, MACHINE, "rousuke"),
    )  # fmt: skip
    assert isinstance(machine, Machine)
    return machine


def report(machine: Machine) -> str:
    """Everything that a report can show, in both languages, and every repr."""
    pieces = []
    for found in examine(machine):
        pieces += [
            repr(found),
            found.check,
            found.code,
            json.dumps(dict(found.values)),
            *found.lines,
        ]
        for lang in LANGUAGES:
            pieces.append(text(f"doctor.{found.code}", lang, **found.values))
            if found.fix:
                pieces.append(text(f"doctor.fix.{found.fix}", lang, **found.values))
    return "\n".join(pieces)


def test_no_secret_is_in_the_report() -> None:
    shown = report(marked())
    assert [mark for mark in MARKS if mark.lower() in shown.lower()] == []


def test_the_machine_says_what_is_searched_for() -> None:
    """Or the search would prove nothing: each mark is somewhere on the machine."""
    machine = marked()
    held = "\n".join(
        [*machine.files.values(), *machine.files, *machine.links.values(), str(machine.env),
         str(machine.programs), str(machine.packages), machine.machine, machine.python,
         str(machine.answer), ATR.hex(), ATR.hex().upper(), *(listener("4D7100CB", 1, 1),)]
    )  # fmt: skip
    assert [m for m in MARKS if m not in held and m not in (ADDRESS, "secret")] == []


def test_what_is_wrong_is_found_all_the_same() -> None:
    found = {finding.code for finding in examine(marked())}
    assert found >= {
        "socket_own", "reader_card", "reader_busy", "card_silent", "vpcd_open", "program_grabs",
        "programs_seen", "pn533_usb_loaded", "port100_loaded", "usb_no_ccid", "config_writable",
        "container", "wsl", "terminal_other", "reply_size_short", "extra_missing",
    }  # fmt: skip


def test_what_is_private_is_not_even_read() -> None:
    """No command line, no environment of a program, no serial number of a USB device."""
    machine = marked()
    examine(machine)
    read = [path for path in machine.read_paths if path.endswith(("cmdline", "environ", "serial"))]
    assert read == []


def test_without_the_second_net() -> None:
    """Only a reader that was named after somebody needs the list of private names."""
    machine = marked()
    machine.private = ()
    machine.answer = PcscAnswer((READERS[0],))
    shown = report(machine)
    assert [mark for mark in MARKS if mark.lower() in shown.lower()] == []


@pytest.mark.parametrize("name", ["reader", "kind"])
def test_a_finding_keeps_its_values_to_itself(name: str) -> None:
    found = next(iter(examine(healthy(answer=PcscAnswer(READERS[:1])))))
    with pytest.raises(TypeError):
        found.values[name] = "x"  # type: ignore[index]
