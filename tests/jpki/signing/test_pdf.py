# SPDX-License-Identifier: Apache-2.0
"""PDF signing: what is kept, what is written, what is refused before any key is asked."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pyhanko.pdf_utils import writer as pdf_writer
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedValFlags, SigSeedValueSpec
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner

from document_bench import (
    CountingSigner,
    codes,
    foreign_signer,
    options,
    signed_pdf,
    small_pdf,
    stamped_pdf,
    verdict_on,
    with_empty_field,
)
from jpki.certificate.kinds import Family
from jpki.errors import ConfigurationError, NotPermittedError
from jpki.signing.document import SigningOptions
from jpki.signing.pdf import (
    PdfOptions,
    PdfProfile,
    VisibleSignature,
    check_pdf,
    prepare,
    sign_pdf,
    write,
)
from jpki.signing.signer import SigningError
from jpki.signing.timestamp import TimestampClient, TimestampError
from jpki.testing.tsa_server import TsaMode, TsaServer
from jpki.verdict import Outcome
from jpki_apdu.errors import Coded
from signing_bench import AT, signer


@pytest.fixture
def key(tmp_path: Path) -> CountingSigner:
    return CountingSigner(signer(tmp_path))


def test_what_was_there_stays_byte_for_byte(key: CountingSigner, tmp_path: Path) -> None:
    """Form fields are kept, and so is the first of two signatures."""
    original = small_pdf("amount", "date")
    first = signed_pdf(original, key)
    second = signed_pdf(first, key, PdfOptions(profile=PdfProfile.PADES_B))
    assert first.startswith(original)
    assert second.startswith(first)
    form = PdfFileReader(io.BytesIO(second)).root["/AcroForm"]
    names = [field.get_object()["/T"] for field in form["/Fields"]]
    assert names == ["amount", "date", "Signature1", "Signature2"]
    assert key.asked == 2
    found = verdict_on(second, tmp_path)
    assert found.outcome is Outcome.VALID
    assert [one.number for one in found.signatures] == [1, 2]


def test_signature_dictionary_is_as_the_ministry_wants_it(key: CountingSigner) -> None:
    data = signed_pdf(small_pdf(), key, PdfOptions(reason="登記申請", location="清瀬市"))
    [found] = PdfFileReader(io.BytesIO(data)).embedded_signatures
    entries = found.sig_object
    assert entries["/Type"] == "/Sig"
    assert entries["/SubFilter"] == "/adbe.pkcs7.detached"
    assert entries["/Name"] == "署名　太郎"
    assert entries["/Reason"] == "登記申請"
    assert entries["/Location"] == "清瀬市"
    assert entries["/M"].startswith("D:20261121090000")
    assert found.md_algorithm == "sha256"
    enclosed = {cert.dump() for cert in [found.signer_cert, *found.other_embedded_certs]}
    assert enclosed == {key.certificate, *key.chain}


_EXPIRED = {("validity", "expired"), ("revocation", "crl_after_expiry")}


@pytest.mark.parametrize(("generation", "bad"), [(1, _EXPIRED), (2, set()), (3, set()), (4, set())])
def test_every_generation_signs_and_is_judged(
    generation: int, bad: set[tuple[str, str]], tmp_path: Path
) -> None:
    """Certificates of the first have all expired; the fourth is P-384, as no card is yet."""
    own = signer(tmp_path, generation=generation)
    how = SigningOptions(own.algorithms[0], AT, special=PdfOptions(profile=PdfProfile.PADES_B))
    data, _ = sign_pdf(small_pdf(), own, how)
    found = verdict_on(data, tmp_path)
    assert codes(found) == bad
    assert found.signatures[0].subject["generation"] == generation


def test_time_stamp_makes_it_b_t(key: CountingSigner, tmp_path: Path) -> None:
    with TsaServer(AT) as server:
        data, made = stamped_pdf(
            small_pdf(),
            key,
            PdfOptions(profile=PdfProfile.PADES_T),
            stamper=TimestampClient(server.url),
        )
        assert server.count == 1
    assert made.stamped_at == AT
    found = verdict_on(data, tmp_path)
    assert found.outcome is Outcome.VALID
    time = found.verdict.check("time")
    assert time is not None
    assert time.code == "time_stamped"


@pytest.mark.parametrize(
    ("profile", "required", "raises"),
    [
        (PdfProfile.PADES_T, False, True),
        (PdfProfile.PADES_B, True, True),
        (PdfProfile.PADES_B, False, False),
        (PdfProfile.MOJ, False, False),
    ],
)
def test_no_stamp_no_b_t(
    key: CountingSigner, profile: PdfProfile, required: bool, raises: bool
) -> None:
    """A stamp that was promised has to be there; otherwise the signature stands without."""
    with TsaServer(AT, TsaMode.REFUSED) as server:
        how = options(
            PdfOptions(profile=profile), stamper=TimestampClient(server.url), required=required
        )
        if raises:
            with pytest.raises(TimestampError, match="timestamp_refused"):
                sign_pdf(small_pdf(), key, how)
            return
        _, made = sign_pdf(small_pdf(), key, how)
    assert made.stamp_fault == "timestamp_refused"
    assert key.asked == 1


def test_only_empty_field_is_taken(key: CountingSigner) -> None:
    data = signed_pdf(with_empty_field(small_pdf("amount"), "申請者"), key)
    assert [one.field_name for one in PdfFileReader(io.BytesIO(data)).embedded_signatures] == [
        "申請者"
    ]


def test_of_two_empty_fields_none_is_guessed(key: CountingSigner) -> None:
    two = with_empty_field(with_empty_field(small_pdf(), "A"), "B")
    by_itself = PdfFileReader(io.BytesIO(signed_pdf(two, key))).embedded_signatures
    named = PdfFileReader(io.BytesIO(signed_pdf(two, key, PdfOptions(field_name="B"))))
    assert [one.field_name for one in by_itself] == ["Signature1"]
    assert [one.field_name for one in named.embedded_signatures] == ["B"]


def _encrypted() -> bytes:
    writer = pdf_writer.copy_into_new_writer(PdfFileReader(io.BytesIO(small_pdf())))
    writer.encrypt("owner", "user")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def certified(permission: MDPPerm, data: bytes, folder: Path) -> bytes:
    """``data`` with a certification by another holder, made by pyHanko alone."""
    wanted = PdfSignatureMetadata(
        field_name="Certification", certify=True, docmdp_permissions=permission
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    return bytes(PdfSigner(wanted, foreign_signer(folder)).sign_pdf(writer).getvalue())


def _wants_stamp() -> bytes:
    seed = SigSeedValueSpec(
        flags=SigSeedValFlags(0),
        timestamp_server_url="http://127.0.0.1:9/",
        timestamp_required=True,
    )
    return with_empty_field(small_pdf(), "Sig", seed_value_dict=seed)


REFUSED: list[tuple[str, Callable[[], bytes], PdfOptions, type[Coded], str]] = [
    ("not a PDF", lambda: b"%PDF-1.7\nnothing", PdfOptions(), SigningError, "pdf_unreadable"),
    ("cut", lambda: small_pdf()[:-40], PdfOptions(), SigningError, "pdf_unreadable"),
    ("encrypted", _encrypted, PdfOptions(), SigningError, "pdf_encrypted"),
    (
        "B-LT",
        small_pdf,
        PdfOptions(profile=PdfProfile.PADES_LT),
        NotPermittedError,
        "not_permitted",
    ),
    ("B-T alone", small_pdf, PdfOptions(profile=PdfProfile.PADES_T), SigningError, "pdf_needs_tsa"),
    ("a text field", lambda: small_pdf("a"), PdfOptions(field_name="a"), SigningError, "pdf_field"),
    ("stamp wanted", _wants_stamp, PdfOptions(), SigningError, "pdf_seed_time_stamp"),
    (
        "page 2 of 1",
        small_pdf,
        PdfOptions(visible=VisibleSignature(page=2)),
        SigningError,
        "pdf_page",
    ),
    ("page 0", small_pdf, PdfOptions(visible=VisibleSignature(page=0)), SigningError, "pdf_page"),
    (
        "no font",
        small_pdf,
        PdfOptions(visible=VisibleSignature(font=Path("/nowhere.ttf"))),
        ConfigurationError,
        "font_unreadable",
    ),
    (
        "no font file",
        small_pdf,
        PdfOptions(visible=VisibleSignature(font=Path(__file__))),
        ConfigurationError,
        "font_unreadable",
    ),
]


@pytest.mark.parametrize(
    ("data", "wanted", "error", "code"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_refused_before_any_key_is_asked(
    key: CountingSigner,
    data: Callable[[], bytes],
    wanted: PdfOptions,
    error: type[Coded],
    code: str,
) -> None:
    with pytest.raises(error) as caught:
        sign_pdf(data(), key, options(wanted))
    assert caught.value.code == code
    assert key.asked == 0


def test_b_lt_names_the_article() -> None:
    with pytest.raises(NotPermittedError) as caught:
        check_pdf(small_pdf(), options(PdfOptions(profile=PdfProfile.PADES_LT)))
    assert "52" in str(caught.value.values["article"])


def test_certified_against_changes_is_not_signed(key: CountingSigner, tmp_path: Path) -> None:
    closed = certified(MDPPerm.NO_CHANGES, small_pdf(), tmp_path)
    with pytest.raises(SigningError, match="pdf_certified"):
        signed_pdf(closed, key)
    assert key.asked == 0


@pytest.mark.parametrize("permission", [MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE])
def test_certified_for_forms_is_signed_and_stays_valid(
    key: CountingSigner, tmp_path: Path, permission: MDPPerm
) -> None:
    data = signed_pdf(certified(permission, small_pdf("amount"), tmp_path), key)
    found = verdict_on(data, tmp_path)
    assert found.outcome is Outcome.VALID, codes(found)
    assert len(found.signatures) == 2


def test_file_that_changes_under_our_hands_is_not_signed(
    key: CountingSigner, tmp_path: Path
) -> None:
    path = tmp_path / "doc.pdf"
    path.write_bytes(small_pdf())
    how = options()
    prepared = prepare(path, how)
    path.write_bytes(small_pdf(text="Other"))
    with pytest.raises(SigningError, match="signing_file_changed"):
        write(prepared, key, how, io.BytesIO())
    assert key.asked == 0


def test_written_file_is_what_was_signed(key: CountingSigner, tmp_path: Path) -> None:
    path = tmp_path / "doc.pdf"
    path.write_bytes(small_pdf())
    out = io.BytesIO()
    write(prepare(path, options()), key, options(), out)
    assert verdict_on(out.getvalue(), tmp_path).outcome is Outcome.VALID


def test_auth_certificate_has_no_name_to_show(tmp_path: Path) -> None:
    data = signed_pdf(small_pdf(), signer(tmp_path, Family.AUTH))
    [found] = PdfFileReader(io.BytesIO(data)).embedded_signatures
    assert "/Name" not in found.sig_object


def test_visible_signature_stands_where_it_was_asked_for(key: CountingSigner) -> None:
    shown = VisibleSignature(page=-1, box=(10, 20, 210, 80))
    data = signed_pdf(small_pdf(), key, PdfOptions(visible=shown))
    [found] = PdfFileReader(io.BytesIO(data)).embedded_signatures
    assert [int(number) for number in found.sig_field["/Rect"]] == [10, 20, 210, 80]
    # The Japanese font is embedded, but only the letters that are drawn.
    assert len(data) - len(small_pdf()) < 40_000


def test_spec_of_a_field_is_not_lost(key: CountingSigner) -> None:
    """A field that stands on the page shows the signature in its own place."""
    placed = with_empty_field(small_pdf(), "Sig", box=(50, 60, 250, 120))
    data = signed_pdf(placed, key, PdfOptions(visible=VisibleSignature()))
    [found] = PdfFileReader(io.BytesIO(data)).embedded_signatures
    assert [int(number) for number in found.sig_field["/Rect"]] == [50, 60, 250, 120]
    assert SigFieldSpec("Sig").box is None
