# SPDX-License-Identifier: Apache-2.0
"""Card and key file as signers: what each can do, and what it costs on the card."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from jpki.card import Card
from jpki.card.layout import TODAY, invented_layouts
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Family
from jpki.emulator import VirtualConnection, load_card
from jpki.errors import InputFileError, PinIncorrectError
from jpki.signing.algorithms import (
    CARD_RSA,
    P384,
    RSA_PKCS1,
    RSA_PSS,
    HashName,
    Scheme,
    SignatureAlgorithm,
)
from jpki.signing.card_key import CardKey
from jpki.signing.key_file import load_key_file
from jpki.signing.proof import sign_and_check, signature_fits
from jpki.signing.signer import DigestSigner, SigningError, choose_algorithm
from jpki.synth import SynthPki, stored_key
from jpki_apdu.connection import ReplyLimits
from signing_bench import AT, key_pem, pem, signer

PINS = {PinKind.SIGN: b"ABC123", PinKind.AUTH: b"1234"}


def verified_by_cryptography(
    certificate: bytes, algorithm: SignatureAlgorithm, signature: bytes, data: bytes
) -> None:
    """By the library alone, from the message itself. Raises InvalidSignature."""
    key = parse_certificate(certificate).public_key
    hashed = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[
        algorithm.hash.value
    ]
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(hashed))
        return
    assert isinstance(key, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
    key.verify(
        signature, data, pss if algorithm.scheme is Scheme.PSS else padding.PKCS1v15(), hashed
    )


@pytest.mark.parametrize("kind", [PinKind.SIGN, PinKind.AUTH])
@pytest.mark.parametrize(("name", "able"), [("hanako", CARD_RSA), ("nextgen", P384)])
def test_a_card_signs_with_everything_it_says_it_can(
    name: str, able: tuple[SignatureAlgorithm, ...], kind: PinKind
) -> None:
    card = load_card(name)
    layout = invented_layouts()[0] if name == "nextgen" else TODAY
    with Card(VirtualConnection(card), layout=layout) as opened:
        assert kind in (PinKind.SIGN, PinKind.AUTH)
        key = CardKey(opened, kind)
        assert key.algorithms == able
        ready = key.unlock(bytearray(card.pins()[kind.value].encode()))
        assert len(ready.chain) == 1
        for algorithm in able:
            signature = sign_and_check(ready, algorithm, algorithm.hash.digest(b"data"))
            verified_by_cryptography(ready.certificate, algorithm, signature, b"data")


def test_one_verify_and_one_compute_for_each_digest() -> None:
    card = load_card("hanako")
    seen: list[str] = []
    card.log = lambda trace: seen.append(trace.header[:2].hex())
    with Card(VirtualConnection(card)) as opened:
        ready = CardKey(opened, PinKind.SIGN).unlock(bytearray(PINS[PinKind.SIGN]))
        assert seen.count("0020") == 2  # the counter, then the PIN
        before = len(seen)
        for number in range(5):
            ready.sign_digest(CARD_RSA[0], HashName.SHA256.digest(bytes((number,))))
        assert seen[before:] == ["802a"] * 5


@pytest.mark.parametrize(("extended", "most"), [(0, 20), (65536, 8)])
def test_the_first_signature_with_both_certificates(extended: int, most: int) -> None:
    """From a card with nothing selected, the counter query included."""
    card = load_card("hanako")
    with Card(VirtualConnection(card, limits=ReplyLimits(256, extended))) as opened:
        ready = CardKey(opened, PinKind.SIGN).unlock(bytearray(PINS[PinKind.SIGN]))
        ready.sign_digest(CARD_RSA[0], bytes(32))
        assert len(ready.chain) == 1
    assert card.apdus <= most


def test_a_wrong_pin_signs_nothing_and_is_wiped() -> None:
    pin = bytearray(b"WRONG1")
    with Card(VirtualConnection(load_card("hanako"))) as opened:
        with pytest.raises(PinIncorrectError) as caught:
            CardKey(opened, PinKind.SIGN).unlock(pin)
        assert caught.value.attempts_left == 4
    assert pin == bytes(6)


@pytest.mark.parametrize(
    ("able", "hash_name", "pss", "chosen"),
    [
        (CARD_RSA, None, False, "rsa-pkcs1-sha256"),
        (CARD_RSA, HashName.SHA512, False, "rsa-pkcs1-sha512"),
        (CARD_RSA, None, True, "rsa-pss-sha256"),
        (CARD_RSA, HashName.SHA384, True, None),
        (CARD_RSA, HashName.SHA512, True, None),
        (P384, None, False, "ecdsa-sha384"),
        (P384, HashName.SHA256, False, None),
        (P384, None, True, None),
        ((), None, False, None),
    ],
)
def test_what_a_key_cannot_do_is_refused(
    able: tuple[SignatureAlgorithm, ...], hash_name: HashName | None, pss: bool, chosen: str | None
) -> None:
    if chosen is None:
        with pytest.raises(SigningError) as caught:
            choose_algorithm(able, hash_name=hash_name, pss=pss)
        assert caught.value.code == "signing_unable"
    else:
        assert str(choose_algorithm(able, hash_name=hash_name, pss=pss)) == chosen


@pytest.mark.parametrize("generation", [3, 4])
@pytest.mark.parametrize("family", Family)
def test_a_key_file_signs(tmp_path: Path, family: Family, generation: int) -> None:
    ready = signer(tmp_path, family, generation=generation)
    assert ready.algorithms == ((*RSA_PKCS1, *RSA_PSS) if generation == 3 else P384)
    for algorithm in ready.algorithms:
        signature = sign_and_check(ready, algorithm, algorithm.hash.digest(b"data"))
        verified_by_cryptography(ready.certificate, algorithm, signature, b"data")


class _Other:
    """A signer whose key is not that of its certificate: a broken reader, another card."""

    def __init__(self, right: DigestSigner, wrong: DigestSigner) -> None:
        self.certificate = right.certificate
        self.chain = right.chain
        self.algorithms = right.algorithms
        self.sign_digest = wrong.sign_digest


def test_a_signature_by_another_key_is_not_given_out(tmp_path: Path) -> None:
    other = _Other(signer(tmp_path), signer(tmp_path, slot=14))
    with pytest.raises(SigningError) as caught:
        sign_and_check(other, CARD_RSA[0], bytes(32))
    assert caught.value.code == "signing_wrong"


@pytest.mark.parametrize("size", [0, 20, 31, 33, 48])
def test_a_digest_of_another_size_is_a_defect_of_the_caller(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        sign_and_check(signer(tmp_path), CARD_RSA[0], bytes(size))


def test_schemes_are_never_mixed_up(tmp_path: Path) -> None:
    """What one scheme or hash made is no signature under another."""
    ready = signer(tmp_path)
    key = parse_certificate(ready.certificate).public_key
    for made in ready.algorithms:
        signature = ready.sign_digest(made, made.hash.digest(b"data"))
        for asked in ready.algorithms:
            fits = signature_fits(
                key, asked.scheme, asked.hash, signature, asked.hash.digest(b"data")
            )
            assert fits is (made == asked)
        assert not signature_fits(key, Scheme.ECDSA, "sha256", signature, bytes(32))


def _foreign(name: str) -> bytes:
    """A PEM file with something wrong, by what is wrong."""
    whole = key_pem()
    pki = SynthPki(AT)
    if name == "no certificate":
        return whole[: whole.index(b"-----BEGIN CERTIFICATE")]
    if name == "no key":
        return whole[whole.index(b"-----BEGIN CERTIFICATE") :]
    if name == "key of another":
        return whole.replace(whole[: whole.index(b"-----BEGIN CERT")], _key("card-14-sign"))
    if name == "weak key":
        return _key("weak-1024") + pem(pki.trust_anchors()[0])
    return name.encode()


def _key(name: str) -> bytes:
    return stored_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no certificate", "no_certificate"),
        ("no key", "no_private_key"),
        ("key of another", "key_of_other"),
        ("weak key", "key_kind"),
        ("neither", "no_certificate"),
        ("", "no_certificate"),
    ],
)
def test_key_files_that_are_none(tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(_foreign(name))
    with pytest.raises(InputFileError) as caught:
        load_key_file(path)
    assert caught.value.values["reason"] == reason
    with pytest.raises(InputFileError):
        load_key_file(tmp_path / "absent")
