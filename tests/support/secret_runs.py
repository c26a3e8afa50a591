# SPDX-License-Identifier: Apache-2.0
"""Runs of the command line in a process of their own, and the search of what came out of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.emulator import VirtualConnection, load_card
from secret_card import (
    ADDRESS,
    AT,
    BORN,
    CONDITION,
    FREE_AREA_CODE,
    FREE_AREA_PIN,
    LICENCE,
    NAME,
    NEW,
    NUMBER,
    PINS,
    WRONG,
)

# Runs the command line with every log record of every logger going to a file of its own.
DRIVER = """
import logging, sys
logging.basicConfig(filename=sys.argv[1], level=1, format="%(name)s %(message)s")
sys.argv[:2] = ["jpki"]
from jpki_cli.main import main
main()
"""


@dataclass(frozen=True)
class Run:
    """One command. ``lines``: for --pin-fd. ``shows``: groups of values stdout may hold."""

    command: str
    lines: tuple[str, ...] = ()
    shows: frozenset[str] = frozenset()
    exit: int = 0


def run(command: str, *lines: str, shows: str = "", exit: int = 0) -> Run:
    return Run(command, lines, frozenset(shows.split()), exit)


def marks_of(card_file: Path) -> dict[str, list[str]]:
    """Every form a value could take in a text, by group."""
    card = load_card(str(card_file), at=AT)
    found: dict[str, list[str]] = {"pins": [], "name": [NAME, NAME.split("\u3000")[0], "漏子"]}
    known = card.pins()
    pins = [*PINS.values(), *NEW.values(), *WRONG.values(), known["number_b"], known["birth"]]
    found["pins"] = [form for pin in pins for form in (pin, pin.encode().hex())]
    found["number"] = [
        NUMBER,
        NUMBER.encode().hex(),
        " ".join(NUMBER[i : i + 4] for i in (0, 4, 8)),
    ]
    found["licence"] = [LICENCE, LICENCE[::-1], CONDITION, "2029-03-07", "5110307"]
    found["person"] = [*found["name"], ADDRESS, "秘匿町", *BORN]
    found["birth"] = [*BORN, *(form.encode().hex() for form in BORN)]
    with Card(VirtualConnection(card)) as reader:
        reader.pins.verify(PinKind.SIGN, bytearray(PINS["sign"], "ascii"))
        found["auth"] = _identifiers(reader.jpki.certificate("auth"))
        found["sign"] = _identifiers(reader.jpki.certificate("sign"))
        number = reader.mf.card_number()
        assert number is not None
        found["chip"] = [reader.common.card_record().serial.reveal(), number.reveal()]
    found["free area"] = [FREE_AREA_CODE, FREE_AREA_PIN, FREE_AREA_CODE.encode().hex()]
    return found


def _identifiers(der: bytes) -> list[str]:
    """What follows a person as a serial number does."""
    certificate = x509.load_der_x509_certificate(der)
    common_name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    serial = certificate.serial_number
    key_id = parse_certificate(der).key_id
    digests = [hashlib.new(name, der).hexdigest() for name in ("sha1", "sha256")]
    return [
        str(serial), f"{serial:x}", f"{serial:08x}", f"{serial:08x}".upper(), str(common_name),
        key_id.hex(), key_id.hex(":"), *digests, *(d.upper() for d in digests),
    ]  # fmt: skip


def hits(text: str, marks: dict[str, list[str]], shows: frozenset[str]) -> list[str]:
    """Groups of which ``text`` holds a value it may not hold."""
    allowed = set(shows)
    if "person" in shows:
        allowed |= {"name", "birth"}
    permitted = {form for group in allowed for form in marks[group]}
    return [
        group
        for group, forms in marks.items()
        if any(form in text and form not in permitted for form in forms)
    ]


def run_one(one: Run, card_file: Path, folder: Path, lang: str) -> tuple[int, str, str, str]:
    log = folder / "log"
    command = one.command.replace("REGISTRY", str(card_file.with_name("registry.toml")))
    words = [*command.replace("FILE", str(card_file)).split(), "--lang", lang]
    if words[:2] != ["reader", "list"] and words[0] != "emulate":
        words += ["--reader", f"virtual:{card_file}"]
        words += (
            ["--at", "2026-11-21T09:00:00Z"] if words[1] == "check" and words[0] == "card" else []
        )
    inside, outside = os.pipe()
    os.write(outside, "".join(line + "\n" for line in one.lines).encode())
    os.close(outside)
    words += ["--pin-fd", str(inside)] if one.lines else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}
    environment["PCSCLITE_CSOCK_NAME"] = str(folder / "no-such-socket")
    try:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, str(log), *words],
            capture_output=True, pass_fds=(inside,), timeout=60, check=False, cwd=folder,
            env=environment, encoding="utf-8",
        )  # fmt: skip
    finally:
        os.close(inside)
    return done.returncode, done.stdout, done.stderr, log.read_text(encoding="utf-8")
