# SPDX-License-Identifier: Apache-2.0
"""How many commands a job takes, counted by the emulated card, beside OpenSC's tools.

The library's jobs have limits: from a card with nothing selected, detection left out, the
counter query included where a PIN is presented. The command line's whole runs (detection,
and the look at whether the card is a test card) stand beside OpenSC's, which is given its
best case: its driver is named, so it does not probe for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import _bench
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.signing.card_key import CardKey
from jpki_apdu.connection import ReplyLimits
from pcsc_bed import PcscBed

SHORT, EXTENDED = ReplyLimits(256, 0), ReplyLimits(256, 65536)


def _auth_certificate(card: Card) -> None:
    card.jpki.certificate("auth")


def _sign_certificate(card: Card) -> None:
    card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
    card.jpki.certificate("sign")


def _attributes(card: Card) -> None:
    card.pins.verify(PinKind.TEXT, bytearray(b"1234"))
    card.text.attributes()


def _signature(card: Card) -> None:
    card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
    card.jpki.authenticate(b"a challenge")


def _document(card: Card) -> None:
    signer = CardKey(card, PinKind.SIGN).unlock(bytearray(b"ABC123"))
    signer.sign_digest(signer.algorithms[0], bytes(32))


def _face(card: Card) -> None:
    card.pins.verify(PinKind.NUMBER_A, bytearray(b"537686677188"))
    card.surface.face()


def _age(card: Card) -> None:
    card.pins.verify(PinKind.BIRTH, bytearray(b"550217"))
    card.surface.age()


def _counters(card: Card) -> None:
    card.pins.counters()


# The job; commands at most with short identifiers (SFI), without, and with extended length.
LIBRARY: tuple[tuple[str, Callable[[Card], None], int, int, int | None], ...] = (
    ("authentication certificate", _auth_certificate, 8, 9, 3),
    ("signature certificate, password", _sign_certificate, 12, 13, 5),
    ("four attributes, PIN", _attributes, 5, 6, None),
    ("one signature, PIN", _signature, 5, 6, None),
    ("document signature, CA certificate, password", _document, 20, 21, 7),
    ("card face (1.2 kB), reference number A", _face, 8, 10, 5),
    ("birth date record, its key", _age, 6, 8, 5),
    ("ten counters", _counters, 15, 25, None),
)

# Whole runs of a program: the job, ours, OpenSC's, what is typed.
PROGRAMS: tuple[tuple[str, Sequence[str], Sequence[str], str], ...] = (
    ("authentication certificate", ("jpki", "cert", "export", "auth"),
     ("pkcs15-tool", "--read-certificate", "1"), ""),
    ("signature certificate, password", ("jpki", "cert", "export", "sign", "--pin-fd", "0"),
     ("pkcs15-tool", "--read-certificate", "2", "--verify-pin", "--auth-id", "2",
      "--pin", "ABC123"),
     "ABC123\n"),
    ("check of the authentication PIN", ("jpki", "pin", "check", "auth", "--pin-fd", "0"),
     ("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "1234"), "1234\n"),
)  # fmt: skip


def _in_library(job: Callable[[Card], None], limits: ReplyLimits, sfi: bool | None) -> int:
    """Commands the card answered for one job, on a fresh card with nothing selected."""
    emulated = load_card("hanako")
    connection = VirtualConnection(emulated, limits)
    with Card(connection, limits=limits, sfi=sfi) as card:
        before = emulated.apdus
        job(card)
        return emulated.apdus - before


class CountedBed:
    """A bed whose card lives in this process, so that its commands can be counted."""

    def __init__(self, bed: PcscBed) -> None:
        self.bed = bed
        self.card: EmulatedCard = bed.plug("hanako")

    def count(self, argv: Sequence[str], stdin: str) -> int:
        """Commands the card answered while the program ran."""
        before = self.card.apdus
        self.bed.run(*argv, stdin=stdin, env={"OPENSC_DRIVER": "jpki"})
        return self.card.apdus - before

    def close(self) -> None:
        """Unplug the card."""
        self.bed.eject()


def measure(report: _bench.Report, quick: bool) -> None:
    """Counts do not vary: ``quick`` and the full run are the same."""
    for name, job, with_sfi, without, extended in LIBRARY:
        report.add(f"{name}: SFI", _in_library(job, SHORT, True), "APDUs", with_sfi)
        report.add(f"{name}: no SFI", _in_library(job, SHORT, False), "APDUs", without)
        if extended is not None:
            count = _in_library(job, EXTENDED, True)
            report.add(f"{name}: SFI, extended", count, "APDUs", extended)
    with PcscBed() as bed:
        counted = CountedBed(bed)
        try:
            for name, ours, theirs, stdin in PROGRAMS:
                opensc = counted.count(theirs, stdin)
                report.add(f"{name}: jpki", counted.count(ours, stdin), "APDUs", opensc)
                report.add(f"{name}: OpenSC", opensc, "APDUs", rival=True)
        finally:
            counted.close()


if __name__ == "__main__":
    _bench.main(
        "Each job takes the fewest commands: 8, 12, 5, 5 and 15 with short file identifiers, and "
        "whole runs no more than OpenSC's",
        measure,
    )
