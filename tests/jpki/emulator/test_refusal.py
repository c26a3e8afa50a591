# SPDX-License-Identifier: Apache-2.0
"""Nothing under a production or J-LIS test key gets onto a card, by any way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

from der_edit import of_no_known_curve, of_no_version
from jpki.certificate.kinds import Family
from jpki.emulator import EmulatedCard, load_card
from jpki.emulator.build import Builder
from jpki.emulator.card_files import personalise
from jpki.emulator.facts import card_facts
from jpki.emulator.files import content
from jpki.emulator.pins import PinStore
from jpki.emulator.population import built_in
from jpki.emulator.refusal import PINNED_ROOT_KEY_IDS, refuse
from jpki.errors import CardFileError, ForgeryRefusedError
from jpki.synth import EndEntityRequest, SynthPki, card_key, key_id
from virtual_terminal import AT, built_in_text

KEY = card_key(14, "auth")


def _certificate(
    organisation: str = "ACME", *, aki: bytes | None = None, ski: bytes | None = None
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST")])
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(KEY.public_key())
        .serial_number(77)
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    )
    if aki is not None:
        identifier = x509.AuthorityKeyIdentifier(aki, None, None)
        builder = builder.add_extension(identifier, critical=False)
    if ski is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(ski), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _load(folder: Path, der: bytes, family: str = "auth", key: object = KEY) -> EmulatedCard:
    (folder / "own.der").write_bytes(der)
    assert hasattr(key, "private_bytes")
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "own.pem").write_bytes(pem)
    lines = [line for line in built_in_text("hanako").splitlines() if not line.startswith("serial")]
    text = "\n".join(lines).replace(
        f"[certificates.{family}]", f'[certificates.{family}]\nfile = "own.der"\nkey = "own.pem"'
    )
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return load_card(str(folder / "own.toml"), at=AT)


def test_own_certificate_of_an_own_ca_is_carried(tmp_path: Path) -> None:
    der = _certificate()
    card = _load(tmp_path, der)
    card.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
    answer = card.transmit(bytes.fromhex("00B08A00000000"))
    assert answer[:-2].rstrip(b"\xff") == der.rstrip(b"\xff")
    card.transmit(bytes.fromhex("002000980431323334"))
    signature = card.transmit(bytes.fromhex("802A0397010100"))[:-2]
    KEY.public_key().verify(signature, b"\x01", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("family", ["auth", "sign"])
@pytest.mark.parametrize("name", ["JPKI", "JPKI-TEST", "jpki", "Jpki", " JPKI ", "J P K I"])
def test_issuer_names(tmp_path: Path, name: str, family: str) -> None:
    with pytest.raises(ForgeryRefusedError) as caught:
        _load(tmp_path, _certificate(name), family)
    assert (caught.value.code, caught.value.values) == ("forgery_refused", {"what": "issuer_name"})


@pytest.mark.parametrize("field", ["aki", "ski"])
@pytest.mark.parametrize("root", sorted(PINNED_ROOT_KEY_IDS))
def test_key_ids_of_the_six_roots(tmp_path: Path, root: bytes, field: str) -> None:
    with pytest.raises(ForgeryRefusedError) as caught:
        _load(tmp_path, _certificate(aki=root) if field == "aki" else _certificate(ski=root))
    assert caught.value.values == {"what": "root_key_id"}


def test_there_are_six_roots() -> None:
    assert len(PINNED_ROOT_KEY_IDS) == 6
    assert {len(root) for root in PINNED_ROOT_KEY_IDS} == {20}


def test_synthetic_certificates_with_the_real_name(tmp_path: Path) -> None:
    """Those of ``faithful_dn`` are for parser tests and never for a card."""
    pki = SynthPki(AT, faithful_dn=True)
    request = EndEntityRequest(family=Family.AUTH, public_key=KEY.public_key())
    with pytest.raises(ForgeryRefusedError):
        _load(tmp_path, pki.end_entity(request))
    with pytest.raises(ForgeryRefusedError):
        refuse(pki.ca_certificate(Family.SIGN, 3))


def test_no_card_is_made_by_a_pki_with_the_real_name() -> None:
    with pytest.raises(ForgeryRefusedError):
        load_card("hanako", pki=SynthPki(AT, faithful_dn=True))


def test_personalised_without_asking_it_still_hands_nothing_out() -> None:
    """The refusal sits where contents are made, not only where cards are loaded."""
    pki = SynthPki(AT, faithful_dn=True)
    image = personalise(Builder(card_facts(built_in("hanako"), pki), pki))
    card = EmulatedCard(image, PinStore(image.pins()))
    card.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
    for sfi in ("8A", "8B", "82"):
        assert card.transmit(bytes.fromhex(f"00B0{sfi}0000")) == b"\x6f\x00"


def test_damaged_certificate_is_recognised_all_the_same(tmp_path: Path) -> None:
    der = bytearray(_certificate("JPKI"))
    der[-1] ^= 1
    der[1:4] = b"\x83\x00\x04"
    with pytest.raises(ForgeryRefusedError):
        _load(tmp_path, bytes(der))


@pytest.mark.parametrize("number", ["5000020", "5000023", "5000033", "6000020", "6000033"])
def test_cv_key_ids(number: str) -> None:
    pki = SynthPki(AT)
    numbers = KEY.public_key().public_numbers()
    real = key_id(number, "001")
    for record in (
        pki.cv_certificate("text", real, (numbers.n, numbers.e)),
        pki.cv_certificate("text", key_id("1322121", "000"), (numbers.n, numbers.e),
                           issuer_key_id=real),
    ):  # fmt: skip
        with pytest.raises(ForgeryRefusedError) as caught:
            content(lambda made=record: made)()  # type: ignore[misc]
        assert caught.value.values == {"what": "cv_key_id"}


def test_our_own_cv_certificates_pass() -> None:
    pki = SynthPki(AT)
    numbers = KEY.public_key().public_numbers()
    made = pki.cv_certificate("text", key_id("1322121", "000"), (numbers.n, numbers.e))
    assert content(lambda: made)() == made


NO_CERTIFICATES = [
    b"",
    b"\x30\x03\x02\x01\x00",
    of_no_known_curve(_certificate()),
    of_no_version(_certificate()),
]


@pytest.mark.parametrize("der", NO_CERTIFICATES)
def test_what_is_no_certificate(tmp_path: Path, der: bytes) -> None:
    with pytest.raises(CardFileError) as caught:
        _load(tmp_path, der)
    assert caught.value.values["reason"] == "bad_certificate"


def test_key_of_another_certificate_or_kind(tmp_path: Path) -> None:
    with pytest.raises(CardFileError) as caught:
        _load(tmp_path, _certificate(), key=card_key(14, "sign"))
    assert caught.value.values["reason"] == "contradiction"
    with pytest.raises(CardFileError) as caught:
        _load(tmp_path, _certificate(), key=ec.generate_private_key(ec.SECP384R1()))
    assert caught.value.values["reason"] == "bad_key"


def test_missing_files(tmp_path: Path) -> None:
    _load(tmp_path, _certificate())
    (tmp_path / "own.pem").write_text("no key")
    with pytest.raises(CardFileError) as caught:
        load_card(str(tmp_path / "own.toml"), at=AT + timedelta(days=1))
    assert caught.value.values["reason"] == "bad_key"
    (tmp_path / "own.der").unlink()
    with pytest.raises(CardFileError) as caught:
        load_card(str(tmp_path / "own.toml"), at=AT)
    assert caught.value.values["reason"] == "unreadable"
