# SPDX-License-Identifier: Apache-2.0
"""OpenSSL reads the certificates and CRLs that we make, and comes to the same answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.synth import SynthPki


def openssl(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run openssl; the caller looks at how it ended."""
    return subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=False, timeout=30
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Roots in one file, and all current CRLs in another, both PEM."""
    folder = tmp_path_factory.mktemp("openssl")
    pki = SynthPki()
    populate(pki)
    roots = b"".join(_pem("x509", der) for der in pki.trust_anchors())
    lists = b"".join(_pem("crl", der) for der in pki.crls())
    (folder / "roots.pem").write_bytes(roots)
    (folder / "crls.pem").write_bytes(lists)
    return folder


def _pem(kind: str, der: bytes) -> bytes:
    done = openssl(kind, "-inform", "DER", "-outform", "PEM", stdin=der)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _certificates(name: str) -> dict[str, bytes]:
    with Card(VirtualConnection(load_card(name))) as card:
        found = {which: card.jpki.certificate(which) for which in ("auth", "auth-ca", "sign-ca")}
        card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
        return found | {"sign": card.jpki.certificate("sign")}


@pytest.fixture(scope="module")
def hanako() -> dict[str, bytes]:
    """All four certificates of a card that is as it should be."""
    return _certificates("hanako")


def _verify(folder: Path, certificate: bytes, *options: str) -> str:
    done = openssl(
        "verify", "-CAfile", str(folder / "roots.pem"), "-CRLfile", str(folder / "crls.pem"),
        "-crl_check", "-extended_crl", *options, stdin=_pem("x509", certificate),
    )  # fmt: skip
    return (done.stdout + done.stderr).decode()


def test_four_certificates_parse_and_come_back_unchanged(hanako: dict[str, bytes]) -> None:
    for which, der in hanako.items():
        shown = openssl("x509", "-inform", "DER", "-noout", "-text", stdin=der)
        assert shown.returncode == 0, which
        assert b"JPKI-SYNTH" in shown.stdout
        again = openssl("x509", "-inform", "PEM", "-outform", "DER", stdin=_pem("x509", der))
        assert again.stdout == der


def test_a_path_with_current_crls_is_good(folder: Path, hanako: dict[str, bytes]) -> None:
    for which in ("auth", "sign"):
        assert _verify(folder, hanako[which]) == "stdin: OK\n"


def test_a_revoked_certificate_is_revoked(folder: Path) -> None:
    moved = _certificates("taro-moved")
    assert "certificate revoked" in _verify(folder, moved["sign"])
    assert _verify(folder, moved["auth"]) == "stdin: OK\n"


def test_an_expired_certificate_has_expired(folder: Path) -> None:
    assert "certificate has expired" in _verify(folder, _certificates("jiro-expired")["auth"])


def test_every_crl_parses_and_exactly_one_root_signed_it(tmp_path: Path) -> None:
    """One by one: three roots share a name, and ``openssl crl`` looks at the first only."""
    pki = SynthPki()
    populate(pki)
    roots = [tmp_path / f"{number}.pem" for number in range(6)]
    for path, der in zip(roots, pki.trust_anchors(), strict=True):
        path.write_bytes(_pem("x509", der))
    lists = list(pki.crls())
    for der in lists:
        done = openssl("crl", "-inform", "DER", "-noout", "-text", stdin=der)
        assert done.returncode == 0, done.stderr.decode()
        assert b"X509v3 Issuing Distribution Point: critical" in done.stdout
    for der in lists[:: max(1, len(lists) // 6)]:  # a process for each pair: a sample
        said = [
            openssl("crl", "-inform", "DER", "-noout", "-CAfile", str(root), stdin=der).stderr
            for root in roots
        ]
        assert sum(b"verify OK" in words for words in said) == 1
