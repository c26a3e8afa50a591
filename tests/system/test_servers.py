# SPDX-License-Identifier: Apache-2.0
"""OpenSSL talks to our servers, and our validator believes OpenSSL's responder, where it may."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from http_client import request
from jpki.card import Card
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.emulator import VirtualConnection, load_card
from jpki.synth import SynthPki, stored_key
from jpki.synth.ocsp import responder_certificate
from jpki.testing.crl_server import CrlServer
from jpki.testing.ocsp_server import OcspServer
from jpki.testing.tsa_server import TsaServer
from jpki.validation import (
    OcspAnswer,
    OcspClient,
    TrustStore,
    Validator,
    build_ocsp_request,
)
from jpki.validation.ocsp_request import encode_request, load_signer, question_about

KIND = {"Content-Type": "application/ocsp-request"}


def openssl(*arguments: str) -> str:
    """Run openssl; all that it printed. The caller looks for the words."""
    done = subprocess.run(
        ["openssl", *arguments], capture_output=True, check=False, timeout=30, text=True
    )
    return done.stdout + done.stderr


def pem(der: bytes) -> bytes:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class Case:
    """A certificate, its root, and where both are as PEM."""

    der: bytes
    family: Family
    folder: Path
    pki: SynthPki

    @property
    def serial(self) -> int:
        return load_der_x509_certificate(self.der).serial_number

    def ask(self, url: str, *options: str) -> str:
        """What ``openssl ocsp`` says after it asked for this certificate."""
        issuer, own = str(self.folder / "issuer.pem"), str(self.folder / "own.pem")
        return openssl(
            "ocsp", "-issuer", issuer, "-cert", own, "-url", url, "-CAfile", issuer, *options
        )


@pytest.fixture
def case(test_pki: SynthPki, tmp_path: Path) -> Case:
    """A card's authentication certificate in force."""
    with Card(VirtualConnection(load_card("hanako"))) as card:
        return _case(card.jpki.certificate("auth"), Family.AUTH, test_pki, tmp_path)


@pytest.fixture
def revoked(test_pki: SynthPki, tmp_path: Path) -> Case:
    """A card's signature certificate that is revoked."""
    with Card(VirtualConnection(load_card("taro-moved"))) as card:
        card.pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
        return _case(card.jpki.certificate("sign"), Family.SIGN, test_pki, tmp_path)


def _case(der: bytes, family: Family, pki: SynthPki, folder: Path) -> Case:
    (folder / "own.pem").write_bytes(pem(der))
    (folder / "issuer.pem").write_bytes(pem(pki.ca_certificate(family, 3)))
    return Case(der, family, folder, pki)


@pytest.mark.parametrize("hash_name", ["-sha1", "-sha256"])
def test_openssl_asks_our_responder(case: Case, ocsp_server: OcspServer, hash_name: str) -> None:
    issuer = str(case.folder / "issuer.pem")
    said = openssl(
        "ocsp", hash_name, "-issuer", issuer, "-cert", str(case.folder / "own.pem"),
        "-url", ocsp_server.url, "-CAfile", issuer,
    )  # fmt: skip
    assert "Response verify OK" in said
    assert "own.pem: good" in said
    assert "WARNING" not in said
    assert [(seen.method, seen.status) for seen in ocsp_server.requests] == [("POST", 200)]


def test_openssl_hears_of_a_revocation(revoked: Case, ocsp_server: OcspServer) -> None:
    said = revoked.ask(ocsp_server.url)
    assert "Response verify OK" in said
    assert "own.pem: revoked" in said
    assert "Reason: affiliationChanged" in said


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("good", "own.pem: good"),
        ("revoked", "own.pem: revoked"),
        ("unknown", "own.pem: unknown"),
        ("stale", "WARNING: Status times invalid"),
        ("future", "WARNING: Status times invalid"),
        ("wrong_nonce", "Nonce Verify error"),
        ("no_nonce", "WARNING: no nonce in response"),
        ("wrong_responder", "Response Verify Failure"),
        ("rogue", "Response Verify Failure"),
        ("no_eku", "Response Verify Failure"),
        ("bad_signature", "Response Verify Failure"),
        ("wrong_certificate", "No Status found"),
        ("try_later", "Responder Error: trylater (3)"),
        ("html", "Error querying OCSP responder"),
        ("truncated", "Error querying OCSP responder"),
        ("unavailable", "Error querying OCSP responder"),
    ],
)
def test_openssl_on_each_mode(case: Case, ocsp_server: OcspServer, mode: str, words: str) -> None:
    ocsp_server.mode = mode
    assert words in case.ask(ocsp_server.url)


def test_openssl_says_several_certificates_are_refused(case: Case, ocsp_server: OcspServer) -> None:
    own = str(case.folder / "own.pem")
    assert "malformedrequest" in case.ask(ocsp_server.url, "-serial", "0x77", "-cert", own)


@contextmanager
def openssl_responder(case: Case, line: str) -> Iterator[str]:
    """``openssl ocsp -index`` with a key of the test PKI; the address it listens at."""
    folder = case.folder
    name = f"ocsp-{case.family.value}-3"
    authority = case.pki.authority(case.family, 3)
    key = stored_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "responder.key").write_bytes(key)
    (folder / "responder.pem").write_bytes(pem(responder_certificate(authority, case.pki.at)))
    (folder / "index.txt").write_text(f"{line}\t{case.serial:X}\tunknown\t/CN=TEST\n", "ascii")
    arguments = [
        "openssl", "ocsp", "-index", "index.txt", "-CA", "issuer.pem", "-port", "0",
        "-rsigner", "responder.pem", "-rkey", "responder.key", "-nmin", "15", "-ignore_err",
    ]  # fmt: skip
    with subprocess.Popen(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as program:
        try:
            assert program.stdout is not None
            for said in program.stdout:
                found = re.search(r"ACCEPT .*:(\d+)", said)
                if found:
                    yield f"http://127.0.0.1:{found[1]}/"
                    return
            raise AssertionError("openssl ocsp did not say where it listens")
        finally:
            program.terminate()


def judged(case: Case, body: bytes, nonce: bytes) -> tuple[str, str]:
    trust = TrustStore(Environment.TEST, case.pki.trust_anchors())
    validator = Validator(trust, ocsp=[OcspAnswer(body, nonce)])
    check = validator.validate(case.der, family=case.family).check("revocation")
    assert check is not None
    return check.outcome.value, check.code


def asking(case: Case, nonce: bytes) -> bytes:
    trust = TrustStore(Environment.TEST, case.pki.trust_anchors())
    certificate = parse_certificate(case.der)
    anchor = Validator(trust).anchor_of(certificate)
    assert anchor is not None
    return build_ocsp_request(certificate, anchor, nonce)


YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0)
SAID = [
    ("V\t401231235959Z\t", ("valid", "ocsp_good")),
    (f"R\t401231235959Z\t{YESTERDAY:%y%m%d%H%M%SZ},superseded", ("invalid", "revoked")),
]


@pytest.mark.parametrize(("line", "expected"), SAID, ids=["good", "revoked"])
def test_we_ask_openssl_s_responder(case: Case, line: str, expected: tuple[str, str]) -> None:
    nonce = bytes(range(16))
    with openssl_responder(case, line) as url:
        reply = request(url, asking(case, nonce), KIND)
    assert reply.status == 200
    assert judged(case, reply.body, nonce) == expected
    assert judged(case, reply.body, bytes(16)) == ("cannot_tell", "ocsp_nonce")


@pytest.mark.parametrize(("line", "expected"), SAID, ids=["good", "revoked"])
def test_our_client_asks_openssl_s_responder(
    case: Case, line: str, expected: tuple[str, str]
) -> None:
    trust = TrustStore(Environment.TEST, case.pki.trust_anchors())
    with openssl_responder(case, line) as url:
        client = OcspClient(url)
        check = Validator(trust, ocsp_client=client).validate(case.der).check("revocation")
    assert check is not None
    assert (check.outcome.value, check.code) == expected


def test_openssl_reads_our_signed_request(case: Case) -> None:
    authority = case.pki.authority(case.family, 3)
    key = stored_key(f"ocsp-{case.family.value}-3").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    signer = load_signer(key, (responder_certificate(authority, case.pki.at),))
    certificate = parse_certificate(case.der)
    anchor = Validator(TrustStore(Environment.TEST, case.pki.trust_anchors())).anchor_of(
        certificate
    )
    assert anchor is not None
    request = encode_request(question_about(certificate, anchor), bytes(range(32)), signer)
    (case.folder / "request.der").write_bytes(request)
    said = openssl("ocsp", "-reqin", str(case.folder / "request.der"), "-req_text")
    assert "OCSP Responder" in said  # who asks
    assert f"{case.serial:X}\n" in said
    assert "Signature Algorithm: sha256WithRSAEncryption" in said


def test_openssl_reads_a_list_from_our_server(case: Case, crl_server: CrlServer) -> None:
    url = crl_server.list_url(Family.AUTH, 3, "13221")
    issuer = str(case.folder / "issuer.pem")
    assert "verify OK" in openssl("crl", "-in", url, "-noout", "-CAfile", issuer)
    crl_server.mode = "bad_signature"
    assert "verify failure" in openssl("crl", "-in", url, "-noout", "-CAfile", issuer)
    assert crl_server.count == 2


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("good", "Verification: OK"),
        ("wrong_nonce", "nonce mismatch"),
        ("no_nonce", "nonce not returned"),
        ("wrong_imprint", "message imprint mismatch"),
        ("bad_signature", "Verification: FAILED"),
        ("refused", "failure codes: timeNotAvailable"),
    ],
)
def test_openssl_verifies_our_stamps(
    tsa_server: TsaServer, tmp_path: Path, mode: str, words: str
) -> None:
    data, query, reply, anchor = (str(tmp_path / name) for name in ("data", "q", "r", "tsa.pem"))
    Path(data).write_bytes(b"a document")
    Path(anchor).write_bytes(pem(tsa_server.certificate))
    openssl("ts", "-query", "-data", data, "-sha256", "-cert", "-out", query)
    tsa_server.mode = mode
    kind = {"Content-Type": "application/timestamp-query"}
    Path(reply).write_bytes(request(tsa_server.url, Path(query).read_bytes(), kind).body)
    said = openssl("ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", anchor)
    assert words in said
