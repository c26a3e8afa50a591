# SPDX-License-Identifier: Apache-2.0
"""PDF signatures judged: every peer defect and every known attack is a row, and none is valid."""

from __future__ import annotations

import asyncio
import functools
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfTimeStamper

from document_bench import (
    CountingSigner,
    byte_range,
    codes,
    contents,
    fill_field,
    foreign_signer,
    replace_text,
    signed_pdf,
    small_pdf,
    updated,
    verdict_on,
    with_byte_range,
    with_contents,
)
from jpki.certificate.kinds import Family
from jpki.errors import InputFileError
from jpki.signing.algorithms import HashName
from jpki.signing.pdf import PdfOptions, PdfProfile
from jpki.signing.pdf_signer import PdfStamper
from jpki.signing.signer import DigestSigner
from jpki.signing.timestamp import TimestampClient
from jpki.testing.tsa_server import TsaServer
from jpki.verdict import Outcome
from jpki.verifying.pdf_reading import unpadded
from jpki_apdu.errors import Coded
from signing_bench import AT, judge, openssl, signer

Alter = Callable[[bytes, DigestSigner], bytes]


@pytest.fixture
def key(tmp_path: Path) -> DigestSigner:
    return signer(tmp_path)


def _flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


def _content(data: bytes, key: DigestSigner) -> bytes:
    return data.replace(b"(Hello)", b"(Jello)", 1)


def _value(data: bytes, key: DigestSigner) -> bytes:
    """One bit of the signature value (the last bytes of the SignerInfo)."""
    return with_contents(data, lambda raw: _flip(raw, len(unpadded(raw)) - 1))


def _tail_uncovered(data: bytes, key: DigestSigner) -> bytes:
    """[myna GHSA-rxpx-26p9-4xvr]: the range ends before the file does."""
    first, length, second, rest = byte_range(data)
    return with_byte_range(data, (first, length, second, rest - 40), key)


def _gap_too_wide(data: bytes, key: DigestSigner) -> bytes:
    first, length, second, rest = byte_range(data)
    return with_byte_range(data, (first, length, second + 20, rest - 20), key)


def _gap_begins_early(data: bytes, key: DigestSigner) -> bytes:
    first, length, second, rest = byte_range(data)
    return with_byte_range(data, (first, length - 9, second, rest), key)


def _starts_late(data: bytes, key: DigestSigner) -> bytes:
    _, length, second, rest = byte_range(data)
    return with_byte_range(data, (9, length - 9, second, rest), key)


def _junk_after(data: bytes, key: DigestSigner) -> bytes:
    return data + b"% one more line\n"


def _page_replaced(data: bytes, key: DigestSigner) -> bytes:
    return updated(data, replace_text)


def _catalogue_replaced(data: bytes, key: DigestSigner) -> bytes:
    """Shadow attack: the update points the catalogue to other pages."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        pages = generic.DictionaryObject(writer.root["/Pages"])
        writer.root[generic.pdf_name("/Pages")] = writer.add_object(pages)
        writer.update_root()

    return updated(data, change)


def _overlay_hidden(data: bytes, key: DigestSigner) -> bytes:
    """Shadow attack: an annotation that was signed is taken away."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        page = writer.root["/Pages"]["/Kids"][0]
        page[generic.pdf_name("/Annots")] = generic.ArrayObject()
        writer.update_container(page)

    return updated(data, change)


def _font_replaced(data: bytes, key: DigestSigner) -> bytes:
    """Shadow attack: other shapes for the same text."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        font = writer.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]["/F1"]
        font[generic.pdf_name("/BaseFont")] = generic.pdf_name("/Symbol")
        writer.update_container(font)

    return updated(data, change)


def _form_filled(data: bytes, key: DigestSigner) -> bytes:
    return updated(data, fill_field)


def _no_byte_range(data: bytes, key: DigestSigner) -> bytes:
    return data.replace(b"/ByteRange", b"/ByteRangf")


def _contents_empty(data: bytes, key: DigestSigner) -> bytes:
    return with_contents(data, lambda raw: b"")


def _trailing_bytes(data: bytes, key: DigestSigner) -> bytes:
    return with_contents(data, lambda raw: unpadded(raw) + b"\x01")


def _weak_subfilter(data: bytes, key: DigestSigner) -> bytes:
    return data.replace(b"/adbe.pkcs7.detached", b"/adbe.pkcs7.sha1    ")


def _other_subfilter(data: bytes, key: DigestSigner) -> bytes:
    return data.replace(b"/adbe.pkcs7.detached", b"/adbe.pkcs7.unheard ")


def _first_of_two(data: bytes, key: DigestSigner) -> bytes:
    """[myna GHSA-g258-q5gf-7hvx]: the first signature is bad, the last is good."""
    return signed_pdf(_content(data, key), key)


def _second_of_two(data: bytes, key: DigestSigner) -> bytes:
    return _value(signed_pdf(data, key), key)


ATTACKS: list[tuple[Alter, str, str]] = [
    (_content, "integrity", "content_changed"),
    (_value, "signature", "signature_not_by_key"),
    (_tail_uncovered, "coverage", "revision_not_covered"),
    (_gap_too_wide, "coverage", "byte_range_wrong"),
    (_gap_begins_early, "coverage", "byte_range_wrong"),
    (_starts_late, "coverage", "byte_range_wrong"),
    (_junk_after, "changes", "bytes_after"),
    (_page_replaced, "changes", "changed_after"),
    (_catalogue_replaced, "changes", "changed_after"),
    (_overlay_hidden, "changes", "changed_after"),
    (_font_replaced, "changes", "changed_after"),
    (_form_filled, "changes", "unsigned_after"),
    (_trailing_bytes, "integrity", "cms_form"),
    (_weak_subfilter, "integrity", "subfilter_weak"),
    (_other_subfilter, "integrity", "subfilter_unknown"),
    (_first_of_two, "integrity", "content_changed"),
    (_second_of_two, "signature", "signature_not_by_key"),
]


@pytest.mark.parametrize(
    ("alter", "name", "code"), ATTACKS, ids=[row[0].__name__.lstrip("_") for row in ATTACKS]
)
def test_attack_is_never_valid(
    alter: Alter, name: str, code: str, key: DigestSigner, tmp_path: Path
) -> None:
    good = signed_pdf(small_pdf("amount"), key)
    assert verdict_on(good, tmp_path).outcome is Outcome.VALID
    found = verdict_on(alter(good, key), tmp_path)
    assert found.outcome in (Outcome.INVALID, Outcome.CANNOT_TELL)
    assert (name, code) in codes(found)


@pytest.mark.parametrize("alter", [_no_byte_range, _contents_empty])
def test_signature_without_a_range_or_content_is_a_damaged_file(
    alter: Alter, key: DigestSigner, tmp_path: Path
) -> None:
    """Universal forgery: readers that skipped what was missing called it valid."""
    with pytest.raises(InputFileError) as caught:
        verdict_on(alter(signed_pdf(small_pdf(), key), key), tmp_path)
    assert caught.value.values["reason"] == "pdf_damaged"


def test_signature_of_an_unknown_kind_is_not_passed_over(key: DigestSigner, tmp_path: Path) -> None:
    """pyHanko leaves it out of its list; beside a good one it would go unseen."""
    data = signed_pdf(_other_subfilter(signed_pdf(small_pdf(), key), key), key)
    found = verdict_on(data, tmp_path)
    assert len(found.signatures) == 2
    assert found.outcome is Outcome.CANNOT_TELL


def test_unsigned_file_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        verdict_on(small_pdf("amount"), tmp_path)
    assert caught.value.values["reason"] == "pdf_not_signed"


def test_every_cut_is_an_error_or_invalid(key: DigestSigner, tmp_path: Path) -> None:
    """Every length outside the hex of the signature, and a few inside."""
    data = signed_pdf(small_pdf(), key)
    _, end, second, _ = byte_range(data)
    lengths = [*range(0, end, 3), *range(end, second, 997), *range(second, len(data), 3)]
    for length in lengths:
        try:
            found = verdict_on(data[:length], tmp_path)
        except Coded:
            continue
        assert found.outcome is not Outcome.VALID, length


@pytest.mark.parametrize("step", [0, 1, 2])
def test_single_changed_bytes_are_never_valid(step: int, key: DigestSigner, tmp_path: Path) -> None:
    """A byte changed anywhere: in the PDF, in the CMS, in the padding."""
    data = signed_pdf(small_pdf(), key)
    _, end, second, _ = byte_range(data)
    places = [*range(step, end, 23), *range(end + step, second, 211), *range(second, len(data), 23)]
    for place in places:
        changed = data[:place] + bytes((data[place] ^ 0x15,)) + data[place + 1 :]
        try:
            found = verdict_on(changed, tmp_path)
        except Coded:
            continue
        assert found.outcome is not Outcome.VALID, place


def test_hex_in_small_letters_is_the_same_signature(key: DigestSigner, tmp_path: Path) -> None:
    """The place of the signature is no part of what is signed; only its value counts."""
    data = signed_pdf(small_pdf(), key)
    _, end, second, _ = byte_range(data)
    upper = data[:end] + data[end:second].upper() + data[second:]
    assert verdict_on(upper, tmp_path).outcome is Outcome.VALID


def test_form_filled_between_two_signatures_is_signed_by_the_second(
    key: DigestSigner, tmp_path: Path
) -> None:
    data = signed_pdf(updated(signed_pdf(small_pdf("amount"), key), fill_field), key)
    found = verdict_on(data, tmp_path)
    assert found.outcome is Outcome.VALID, codes(found)
    changes = [next(c for c in one.checks if c.name == "changes") for one in found.signatures]
    assert [check.code for check in changes] == ["signed_after", "nothing_after"]


def test_certification_against_changes_is_held(key: DigestSigner, tmp_path: Path) -> None:
    """DocMDP of the certifier forbids even what a later signer signs."""
    wanted = PdfSignatureMetadata(
        field_name="Certification", certify=True, docmdp_permissions=MDPPerm.NO_CHANGES
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(small_pdf("amount")))
    closed = PdfSigner(wanted, foreign_signer(tmp_path)).sign_pdf(writer).getvalue()
    assert verdict_on(closed, tmp_path).outcome is Outcome.VALID
    filled = updated(closed, fill_field)
    assert ("changes", "change_forbidden") in codes(verdict_on(filled, tmp_path))


@pytest.mark.parametrize(
    ("family", "name", "code"), [(Family.AUTH, "profile", "wrong_family")]
)  # [myna GHSA-58hw-cg5m-88rp]
def test_key_of_another_use_is_no_signature_on_a_document(
    family: Family, name: str, code: str, tmp_path: Path
) -> None:
    data = signed_pdf(small_pdf(), signer(tmp_path, family))
    assert (name, code) in codes(verdict_on(data, tmp_path))


def test_expired_certificate_is_invalid_unless_the_time_is_shown(
    key: DigestSigner, tmp_path: Path
) -> None:
    later = AT.replace(year=2035)
    plain = signed_pdf(small_pdf(), key)
    assert ("validity", "expired") in codes(verdict_on(plain, tmp_path, by=judge(at=later)))
    with TsaServer(AT) as server:
        client = TimestampClient(server.url)
        stamped = signed_pdf(small_pdf(), key, PdfOptions(PdfProfile.PADES_T), stamper=client)
    found = verdict_on(stamped, tmp_path, by=judge(at=later))
    assert "validity" not in {name for name, _ in codes(found)}
    untrusted = verdict_on(stamped, tmp_path, by=judge(at=later, tsa=False))
    assert ("validity", "expired") in codes(untrusted)


@pytest.mark.parametrize(
    "subfilter", [SigSeedSubFilter.ADOBE_PKCS7_DETACHED, SigSeedSubFilter.PADES]
)
def test_what_pyhanko_signs_by_itself_is_valid(subfilter: SigSeedSubFilter, tmp_path: Path) -> None:
    wanted = PdfSignatureMetadata(field_name="Theirs", subfilter=subfilter)
    writer = IncrementalPdfFileWriter(io.BytesIO(small_pdf()))
    data = PdfSigner(wanted, foreign_signer(tmp_path)).sign_pdf(writer).getvalue()
    found = verdict_on(data, tmp_path)
    assert found.outcome is Outcome.VALID, codes(found)


def test_cms_of_openssl_in_a_pdf_is_valid(key: DigestSigner, tmp_path: Path) -> None:
    """Also as BER with open lengths, which 登記 accepts too [MOJ]."""
    data = signed_pdf(small_pdf(), key)
    first, end, second, rest = byte_range(data)
    covered = tmp_path / "covered"
    covered.write_bytes(data[first:end] + data[second : second + rest])
    foreign_signer(tmp_path)
    made = openssl(
        "cms", "-sign", "-binary", "-outform", "DER", "-md", "sha256", "-in", str(covered),
        "-signer", str(tmp_path / "foreign-own.pem"), "-inkey", str(tmp_path / "foreign-key.pem"),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for cms in (made.stdout, _open_lengths(made.stdout)):
        found = verdict_on(with_contents(data, functools.partial(_instead, cms)), tmp_path)
        assert found.outcome is Outcome.VALID, codes(found)


def _instead(cms: bytes, raw: bytes) -> bytes:
    return cms


def _open_lengths(der: bytes) -> bytes:
    """ContentInfo and what is in it with the lengths left open."""
    header = re.compile(rb"\x30\x82..(\x06\x09.{9})\xa0\x82..\x30\x82..", re.DOTALL)
    found = header.match(der)
    assert found is not None
    return b"\x30\x80" + found[1] + b"\xa0\x80\x30\x80" + der[found.end() :] + bytes(6)


def test_time_stamp_over_the_document_shows_its_time(key: DigestSigner, tmp_path: Path) -> None:
    data = signed_pdf(small_pdf(), key)
    with TsaServer(AT) as server:
        stamper = PdfTimeStamper(PdfStamper(TimestampClient(server.url), required=True))
        writer = IncrementalPdfFileWriter(io.BytesIO(data))
        stamped = asyncio.run(
            stamper.async_timestamp_pdf(writer, HashName.SHA256.value, bytes_reserved=32_768)
        ).getvalue()
    found = verdict_on(stamped, tmp_path)
    assert found.outcome is Outcome.VALID, codes(found)
    assert [one.subject["stamped_at"] for one in found.signatures] == [None, "2026-11-21T09:00:00Z"]
    bad = with_contents(stamped, lambda raw: _flip(raw, len(unpadded(raw)) - 1))
    assert verdict_on(bad, tmp_path).outcome is Outcome.INVALID


def test_reading_costs_the_key_nothing(key: DigestSigner, tmp_path: Path) -> None:
    counting = CountingSigner(key)
    data = signed_pdf(small_pdf(), counting)
    assert contents(data)[:1] == b"\x30"
    verdict_on(data, tmp_path)
    assert counting.asked == 1
