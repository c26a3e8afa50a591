# SPDX-License-Identifier: Apache-2.0
"""How many commands a job takes, and how long by the timing model, beside the peers' tools.

The library's jobs have limits: from a card with nothing selected, recognition left out, the
counter query included where a PIN is presented. Each stands beside its floor: the bytes at the
link's rate, and one turn-around for each command that cannot be left out. Whole runs of the
command line (recognition included) stand beside OpenSC's, which is given its best case: its driver
is named, so it does not probe for others; and beside myna's, where that is installed.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass

import _bench
import card_jobs
from jpki.card import Card
from jpki.emulator import VirtualConnection, load_card
from jpki.emulator.card import ApduTrace
from jpki_apdu.connection import ReplyLimits
from pcsc_bed import PcscBed
from reading_floor import EXTENDED, SHORT, floor, seconds

LINK = "106"  # kbit/s: what every contactless reader can do
NEAR = 1.1  # times the floor
PKCS11 = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"


@dataclass(frozen=True, slots=True)
class LibraryJob:
    """Commands at most with short file identifiers, without, and with extended length."""

    name: str
    work: card_jobs.Job
    with_sfi: int
    without: int
    extended: int | None = None
    applications: int = 1


LIBRARY = (
    LibraryJob("authentication certificate", card_jobs.auth_certificate, 8, 9, 2),
    LibraryJob("signature certificate, password", card_jobs.sign_certificate, 12, 13, 5),
    LibraryJob("four attributes, PIN", card_jobs.attributes, 5, 6),
    LibraryJob("one signature, PIN", card_jobs.signature, 5, 6),
    LibraryJob("document signature, CA certificate, password", card_jobs.document, 20, 21, 7),
    LibraryJob("card face (1.2 kB), reference number A", card_jobs.face, 8, 10, 5),
    LibraryJob("birth date record, its key", card_jobs.age, 6, 8, 4),
    LibraryJob("ten counters", card_jobs.pin_status, 15, 25, applications=5),
)


@dataclass(frozen=True, slots=True)
class ProgramJob:
    """Whole runs of programs. ``rivals``: a name and what is typed. ``{}``: the bed's folder.

    ``besides``: what ours does and the rival leaves out, where that takes time; then the
    rival's time is shown and is no limit.
    """

    name: str
    ours: str
    rivals: tuple[tuple[str, str], ...]
    stdin: str = ""
    besides: str = ""


_CMS = "jpki sign {}/file --as cms --out {}/ours.p7s --force --yes --pin-fd 0 "
_MYNA_CMS = "myna jpki cms sign --password ABC123 --output {}/theirs.p7s {}/file"

PROGRAMS = (
    ProgramJob(
        "authentication certificate", "jpki cert export auth",
        (("OpenSC", "pkcs15-tool --read-certificate 1"), ("myna", "myna jpki cert --type auth")),
    ),
    ProgramJob(
        "signature certificate, password", "jpki cert export sign --pin-fd 0",
        (
            ("OpenSC", "pkcs15-tool --read-certificate 2 --verify-pin --auth-id 2 --pin ABC123"),
            ("myna", "myna jpki cert --type sign --password ABC123"),
        ),
        "ABC123\n",
    ),
    ProgramJob(
        "check of the authentication PIN", "jpki pin check auth --pin-fd 0",
        (("OpenSC", "pkcs15-tool --verify-pin --auth-id 1 --pin 1234"),), "1234\n",
    ),
    ProgramJob(
        "tries left of auth and sign", "jpki pin status auth sign",
        (("OpenSC", "pkcs15-tool --list-pins"),),
    ),
    ProgramJob(
        "tries left of every PIN", "jpki pin status", (("myna", "myna pin status"),)
    ),
    ProgramJob(
        "signature of a file, auth key",
        "jpki sign {}/file --as raw --key auth --out {}/ours --force --yes --pin-fd 0",
        (
            (
                "OpenSC",
                f"pkcs11-tool --module {PKCS11} --login --pin 1234 --sign -m SHA256-RSA-PKCS "
                "--id 01 --input-file {}/file --output-file {}/theirs",
            ),
        ),
        "1234\n",
    ),
    ProgramJob(
        "CMS of a file, root not enclosed", _CMS + "--no-root", (("myna", _MYNA_CMS),), "ABC123\n"
    ),
    ProgramJob(
        "CMS of a file, root of the trust store enclosed", _CMS + "--trust test",
        (("myna", _MYNA_CMS),), "ABC123\n",
    ),
    ProgramJob(
        "CMS of a file, root of the card enclosed", _CMS, (("myna", _MYNA_CMS),), "ABC123\n",
        besides="the root is read, which the rival leaves out",
    ),
    ProgramJob(
        "four attributes, PIN", "jpki card read attributes --pin-fd 0",
        (("myna", "myna text attrs --pin 1234"),), "1234\n",
    ),
)  # fmt: skip


def in_library(job: card_jobs.Job, reply: int, sfi: bool | None = True) -> list[ApduTrace]:
    """What the card was sent for one job, fresh and with nothing selected."""
    limits = ReplyLimits(SHORT, EXTENDED if reply == EXTENDED else 0)
    emulated = load_card("hanako")
    seen: list[ApduTrace] = []
    with Card(VirtualConnection(emulated, limits), limits=limits, sfi=sfi) as card:
        emulated.log = seen.append
        job(card)
        emulated.log = None
    return seen


class CountedBed:
    """A bed whose card lives in this process, so that its commands can be counted."""

    def __init__(self, bed: PcscBed) -> None:
        self.bed = bed
        self.card = bed.plug("hanako")
        file = bed.folder / "file"
        file.write_bytes(hashlib.sha256(b"a file").digest())

    def sent(self, line: str, stdin: str) -> list[ApduTrace]:
        """What the card was sent while the program ran."""
        seen: list[ApduTrace] = []
        self.card.log = seen.append
        argv = line.replace("{}", str(self.bed.folder)).split()
        self.bed.run(*argv, stdin=stdin, env={"OPENSC_DRIVER": "jpki"})
        self.card.log = None
        return seen

    def close(self) -> None:
        """Unplug the card."""
        self.bed.eject()


def measure(report: _bench.Report, quick: bool) -> None:
    """Counts and modelled times do not vary: ``quick`` and the full run are the same."""
    for job in LIBRARY:
        _library(report, job)
    with PcscBed() as bed:
        counted = CountedBed(bed)
        try:
            for program in PROGRAMS:
                _programs(report, counted, program)
        finally:
            counted.close()


def _library(report: _bench.Report, job: LibraryJob) -> None:
    without = len(in_library(job.work, SHORT, sfi=False))
    report.add(f"{job.name}: no SFI", without, "APDUs", job.without)
    for reply, limit in ((SHORT, job.with_sfi), (EXTENDED, job.extended)):
        if limit is None:
            continue
        how = "SFI" if reply == SHORT else "SFI, extended"
        sent = in_library(job.work, reply)
        report.add(f"{job.name}: {how}", len(sent), "APDUs", limit)
        least = floor(sent, applications=job.applications, reply=reply)
        took = seconds(sent, LINK)
        report.add(f"{job.name}: {how}", took * 1e3, "ms")
        report.add(f"{job.name}: {how}", took / seconds(least, LINK), "x floor", NEAR)


def _programs(report: _bench.Report, counted: CountedBed, job: ProgramJob) -> None:
    rivals = {}
    for name, line in job.rivals:
        if shutil.which(line.split()[0]):
            rivals[name] = counted.sent(line, job.stdin)
    ours = counted.sent(job.ours, job.stdin)
    counts = [len(sent) for sent in rivals.values()]
    times = [seconds(sent, LINK) * 1e3 for sent in rivals.values()]
    report.add(f"{job.name}: jpki", len(ours), "APDUs", min(counts, default=None))
    least = None if job.besides else min(times, default=None)
    also = f" ({job.besides})" if job.besides else ""
    report.add(f"{job.name}: jpki{also}", seconds(ours, LINK) * 1e3, "ms", least)
    for name, count, took in zip(rivals, counts, times, strict=True):
        report.add(f"{job.name}: {name}", count, "APDUs", rival=True)
        report.add(f"{job.name}: {name}", took, "ms", rival=True)


if __name__ == "__main__":
    _bench.main(
        "Each job takes the fewest commands and the library is within "
        f"{NEAR} of the floor (modelled, contactless at {LINK} kbit/s); whole runs take no more "
        "commands than the peers', and no more time where they do the same",
        measure,
    )
