# SPDX-License-Identifier: Apache-2.0
"""OpenSSL on the P-384 chain: the card's certificates, their CRL, OCSP, the card's signature."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jpki.card import Card
from jpki.card.layout import invented_layouts
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Family
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.synth import SynthPki


def openssl(*arguments: str, stdin: bytes = b"") -> str:
    """What openssl says, whether it ended well or not."""
    done = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=False, timeout=30
    )
    return (done.stdout + done.stderr).decode()


def pem(kind: str, der: bytes) -> bytes:
    return openssl(kind, "-inform", "DER", "-outform", "PEM", stdin=der).encode()


@pytest.fixture(scope="module")
def pki() -> SynthPki:
    pki = SynthPki()
    populate(pki)
    return pki


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pki: SynthPki) -> Path:
    folder = tmp_path_factory.mktemp("nextgen")
    roots = b"".join(pem("x509", der) for der in pki.next_trust_anchors())
    (folder / "roots.pem").write_bytes(roots)
    (folder / "crls.pem").write_bytes(b"".join(pem("crl", der) for der in pki.next_crls()))
    for family in Family:
        (folder / f"{family.value}.pem").write_bytes(pem("x509", pki.ca_certificate(family, 4)))
    return folder


@pytest.fixture
def card() -> Iterator[Card]:
    (layout,) = invented_layouts()
    with Card(VirtualConnection(load_card("nextgen")), layout=layout) as card:
        card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
        card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
        yield card


def verify(folder: Path, der: bytes, crls: Path) -> str:
    return openssl(
        "verify", "-CAfile", str(folder / "roots.pem"), "-CRLfile", str(crls), "-crl_check",
        "-extended_crl", stdin=pem("x509", der),
    )  # fmt: skip


def test_path_with_current_lists_is_good(folder: Path, card: Card) -> None:
    for der in (card.jpki.certificate("auth"), card.jpki.certificate("sign")):
        assert verify(folder, der, folder / "crls.pem") == "stdin: OK\n"
        told = openssl("x509", "-inform", "DER", "-noout", "-text", stdin=der)
        assert "NIST CURVE: P-384" in told
        assert told.count("ecdsa-with-SHA384") == 2


def test_a_revoked_certificate_is_revoked(folder: Path, card: Card, tmp_path: Path) -> None:
    own = SynthPki()
    der = card.jpki.certificate("auth")
    serial = int.from_bytes(parse_certificate(der).serial.reveal(), "big")
    own.revoke(Family.AUTH, 4, "13221", serial, own.at - timedelta(days=7), 4)
    lists = tmp_path / "crls.pem"
    lists.write_bytes(b"".join(pem("crl", der) for der in own.next_crls()))
    assert "certificate revoked" in verify(folder, der, lists)


def test_each_list_is_signed_by_its_root_alone(folder: Path, pki: SynthPki) -> None:
    for der in pki.next_crls():
        said = [
            openssl("crl", "-inform", "DER", "-noout", "-CAfile", str(folder / f), stdin=der)
            for f in ("auth.pem", "sign.pem")
        ]
        assert sum("verify OK" in words for words in said) == 1


def test_ocsp_answer(folder: Path, pki: SynthPki, card: Card, tmp_path: Path) -> None:
    der = card.jpki.certificate("auth")
    (tmp_path / "leaf.pem").write_bytes(pem("x509", der))
    (tmp_path / "answer").write_bytes(pki.ocsp_response(der))
    said = openssl(
        "ocsp", "-respin", str(tmp_path / "answer"), "-issuer", str(folder / "auth.pem"),
        "-cert", str(tmp_path / "leaf.pem"), "-CAfile", str(folder / "auth.pem"), "-no_nonce",
    )  # fmt: skip
    assert "Response verify OK" in said
    assert "leaf.pem: good" in said


@pytest.mark.parametrize(("altered", "word"), [(False, "Verified OK"), (True, "failure")])
def test_signature_of_the_card(card: Card, tmp_path: Path, altered: bool, word: str) -> None:
    data = b"jpki-auth/1 example"
    (tmp_path / "signature").write_bytes(card.jpki.authenticate(data))
    certificate = pem("x509", card.jpki.certificate("auth"))
    (tmp_path / "key.pem").write_text(
        openssl("x509", "-noout", "-pubkey", stdin=certificate), encoding="ascii"
    )
    said = openssl(
        "dgst", "-sha384", "-verify", str(tmp_path / "key.pem"), "-signature",
        str(tmp_path / "signature"), stdin=data + b"!" * altered,
    )  # fmt: skip
    assert word in said
