# SPDX-License-Identifier: Apache-2.0
"""Commands each job costs on ``hanako``, from no application selected (counts, not times)."""

from __future__ import annotations

import functools
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

import jpki.emulator
import reading_floor
from card_jobs import (
    Job,
    age,
    attributes,
    auth_certificate,
    document,
    face,
    pin_status,
    sign_certificate,
    signature,
)
from jpki.card import Card, CertificateName
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.emulator.card import ApduTrace
from jpki_apdu.connection import ReplyLimits

AT = datetime(2026, 11, 21, tzinfo=UTC)
SHORT = ReplyLimits(short=256, extended=0)
EXTENDED = ReplyLimits(short=256, extended=65536)


@functools.cache
def _hanako_without_sfi() -> str:
    text = (Path(jpki.emulator.__file__).parent / "cards" / "hanako.toml").read_text("utf-8")
    path = Path(tempfile.mkdtemp()) / "hanako.toml"
    path.write_text(text + "\n[quirks]\nsfi = false\n", encoding="utf-8")
    return str(path)


def count(job: Job, *, sfi: bool = True, limits: ReplyLimits = SHORT) -> int:
    emulated = load_card("hanako" if sfi else _hanako_without_sfi(), at=AT)
    with Card(VirtualConnection(emulated, limits)) as card:
        job(card)
    return emulated.apdus


@pytest.mark.parametrize(
    ("job", "accepted", "refused", "applications"),
    [
        (auth_certificate, 8, 9, 1),
        (sign_certificate, 12, 13, 1),
        (attributes, 5, 6, 1),
        (signature, 5, 6, 1),
        (pin_status, 15, 25, 5),
    ],
)
def test_short_replies(job: Job, accepted: int, refused: int, applications: int) -> None:
    assert count(job) <= accepted
    # One refused try in each application, after which short identifiers are not tried again.
    assert count(job, sfi=False) <= refused + applications


def test_the_two_that_have_no_slack() -> None:
    assert count(auth_certificate) == 8
    assert count(pin_status) == 15


@pytest.mark.parametrize(
    ("job", "most"),
    [(auth_certificate, 2), (sign_certificate, 5), (document, 7), (face, 5), (age, 4)],
)
def test_extended_replies(job: Job, most: int) -> None:
    assert count(job, limits=EXTENDED) == most


@pytest.mark.parametrize("job", [auth_certificate, signature])
def test_detection_costs_one_more(job: Job) -> None:
    def detected(card: Card) -> None:
        card.detect()
        job(card)

    assert count(detected) == count(job) + 1


@pytest.mark.parametrize(("which", "filler"), [("auth", 20), ("auth-ca", 30), ("sign-ca", 30)])
def test_no_byte_of_a_certificate_is_read_twice(which: CertificateName, filler: int) -> None:
    """With short replies not one too many; in one long reply, few of the filler behind it."""
    for limits, more in ((SHORT, 0), (EXTENDED, filler)):
        emulated: EmulatedCard = load_card("hanako", at=AT)
        seen: list[ApduTrace] = []
        emulated.log = seen.append
        with Card(VirtualConnection(emulated, limits)) as card:
            der = card.jpki.certificate(which)
        read = sum(trace.reply for trace in seen if trace.header[1] == 0xB0)
        assert len(der) <= read <= len(der) + more


def sent(job: Job, limits: ReplyLimits) -> list[ApduTrace]:
    emulated: EmulatedCard = load_card("hanako", at=AT)
    seen: list[ApduTrace] = []
    emulated.log = seen.append
    with Card(VirtualConnection(emulated, limits)) as card:
        job(card)
    return seen


@pytest.mark.parametrize(
    ("job", "applications"),
    [
        (auth_certificate, 1),
        (sign_certificate, 1),
        (attributes, 1),
        (signature, 1),
        (document, 1),
        (face, 1),
        (age, 1),
        (pin_status, 5),
    ],
)
@pytest.mark.parametrize("reply", [reading_floor.SHORT, reading_floor.EXTENDED])
@pytest.mark.parametrize("link", ["106", "212", "424", "848"])
def test_each_job_is_near_the_floor(job: Job, applications: int, reply: int, link: str) -> None:
    """Modelled time beside the least it can be; the faster the link, the more a command weighs."""
    seen = sent(job, SHORT if reply == reading_floor.SHORT else EXTENDED)
    least = reading_floor.floor(seen, applications=applications, reply=reply)
    took, floor = (reading_floor.seconds(trace, link) for trace in (seen, least))
    assert floor <= took <= 1.1 * floor
    if reply == reading_floor.SHORT:
        assert took == floor


def test_the_floor_leaves_out_what_can_be_left_out() -> None:
    """A second SELECT, a SELECT of a file, the seams between the pieces of a file."""

    def one(header: str, reply: int = 0, lc: int = 0, sw: int = 0x9000) -> ApduTrace:
        return ApduTrace(bytes.fromhex(header), lc, reply or None, reply, sw)

    application, file = one("00A4040C", lc=10), one("00A4020C", lc=2)
    pieces = [one("00B08A00", 200), one("00B000C8", 200), one("00B00190", 100)]
    other = [one("00B00000", 50)]
    refused = one("00B08600", sw=0x6A86)
    trace = [application, refused, *pieces, application, file, *other]
    least = reading_floor.floor(trace, applications=1, reply=reading_floor.SHORT)
    assert [(each.header.hex(), each.reply) for each in least] == [
        ("00a4040c", 0), ("00b08a00", 256), ("00b08a00", 244), ("00b00000", 50),
    ]  # fmt: skip
    whole = reading_floor.floor(trace, applications=1, reply=reading_floor.EXTENDED)
    assert [each.reply for each in whole] == [0, 500, 50]
