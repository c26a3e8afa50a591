# SPDX-License-Identifier: Apache-2.0
"""OCSP answers: OpenSSL's verdict, what other libraries read, deviations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ExtensionNotFound, OCSPNonce, load_der_x509_certificate
from cryptography.x509.ocsp import OCSPRequestBuilder, load_der_ocsp_response

from jpki.certificate.kinds import Family
from jpki.synth import Status, SynthPki
from jpki.synth import ocsp as synth_ocsp
from jpki.synth.municipalities import KIYOSE

AUTH = Family.AUTH
Make = Callable[..., bytes]


def read(der: bytes) -> Any:
    return asn1_ocsp.OCSPResponse.load(der, strict=True)


def serial_of(der: bytes) -> int:
    return load_der_x509_certificate(der).serial_number


def request_for(
    leaf: bytes, issuer: bytes, nonce: bytes | None = None, sha256: bool = False
) -> bytes:
    builder = OCSPRequestBuilder().add_certificate(
        load_der_x509_certificate(leaf),
        load_der_x509_certificate(issuer),
        hashes.SHA256() if sha256 else hashes.SHA1(),
    )
    if nonce is not None:
        builder = builder.add_extension(OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@pytest.mark.parametrize("sha256", [False, True])
@pytest.mark.parametrize("family", Family)
def test_answer_to_a_request(pki: SynthPki, make: Make, family: Family, sha256: bool) -> None:
    leaf, issuer = make(family), pki.ca_certificate(family, 3)
    when = datetime(2026, 11, 20, 9, tzinfo=UTC)
    request = request_for(leaf, issuer, b"0123456789abcdef", sha256)

    good = load_der_ocsp_response(pki.ocsp_answer(request))
    assert good.certificate_status.name == "GOOD"
    assert good.serial_number == serial_of(leaf)
    assert good.extensions.get_extension_for_class(OCSPNonce).value.nonce == b"0123456789abcdef"
    assert good.this_update_utc == datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    assert good.next_update_utc == datetime(2026, 11, 20, 12, 45, tzinfo=UTC)
    assert good.produced_at_utc == pki.at
    assert good.responder_key_hash == synth_key_id(family)

    pki.revoke(family, 3, KIYOSE, serial_of(leaf), when, 4)
    revoked = load_der_ocsp_response(pki.ocsp_answer(request))
    assert revoked.certificate_status.name == "REVOKED"
    assert revoked.revocation_time_utc == when
    assert revoked.revocation_reason is not None
    assert revoked.revocation_reason.name == "superseded"


def synth_key_id(family: Family) -> bytes:
    from jpki.synth.keystore import stored_key
    from jpki.synth.signing import key_id

    return key_id(stored_key(f"ocsp-{family.value}-3").public_key())


def test_no_nonce_asked_none_given(pki: SynthPki, make: Make) -> None:
    request = request_for(make(AUTH), pki.ca_certificate(AUTH, 3))
    with pytest.raises(ExtensionNotFound):
        load_der_ocsp_response(pki.ocsp_answer(request)).extensions.get_extension_for_class(
            OCSPNonce
        )


def test_foreign_issuer_is_unknown(pki: SynthPki, make: Make) -> None:
    rogue = pki.ca_certificate(AUTH, 3, key="rogue-ca")
    answer = load_der_ocsp_response(pki.ocsp_answer(request_for(make(AUTH), rogue)))
    assert answer.certificate_status.name == "UNKNOWN"


def test_status_from_a_caller(pki: SynthPki, make: Make) -> None:
    asked: list[int] = []

    def status_of(serial: int) -> Status:
        asked.append(serial)
        return Status(word="unknown")

    leaf = make(AUTH)
    answer = pki.ocsp_answer(request_for(leaf, pki.ca_certificate(AUTH, 3)), status_of)
    assert load_der_ocsp_response(answer).certificate_status.name == "UNKNOWN"
    assert asked == [serial_of(leaf)]


def test_no_request_at_all(pki: SynthPki, make: Make) -> None:
    """What is cut short anywhere is malformed, and never a crash."""
    request = request_for(make(AUTH), pki.ca_certificate(AUTH, 3), b"nonce")
    for size in range(len(request)):
        answer = load_der_ocsp_response(pki.ocsp_answer(request[:size]))
        assert answer.response_status.name == "MALFORMED_REQUEST"


def test_every_error_word() -> None:
    found = {word: read(synth_ocsp.error(word))["response_status"].native for word in ERRORS}
    assert found == ERRORS


ERRORS = {
    "malformedRequest": "malformed_request",
    "internalError": "internal_error",
    "tryLater": "try_later",
    "sigRequired": "sign_required",
    "unauthorized": "unauthorized",
}


def pem(der: bytes) -> bytes:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@pytest.mark.system
@pytest.mark.parametrize(
    ("responder", "said"),
    [
        ("delegated", "Response verify OK"),
        ("ca", "Response verify OK"),
        ("no-nocheck", "Response verify OK"),
        ("other-generation", "Response Verify Failure"),
        ("no-eku", "missing ocspsigning usage"),
        ("expired", "certificate has expired"),
        ("rogue", "Response Verify Failure"),
        ("no-certificate", "signer certificate not found"),
    ],
)
def test_openssl_judges_each_responder(
    openssl: Callable[..., str], make: Make, responder: str, said: str
) -> None:
    # Today, because `openssl ocsp` compares thisUpdate with the real clock.
    pki = SynthPki()
    leaf = make(AUTH)
    answer = pki.ocsp_response(leaf, responder=responder)
    output = openssl(
        "ocsp", "-respin", "answer", "-issuer", "root", "-cert", "leaf", "-CAfile", "root",
        "-no_nonce", answer=answer, root=pem(pki.ca_certificate(AUTH, 3)), leaf=pem(leaf),
    )  # fmt: skip
    assert said in output
    if said.endswith("OK"):
        assert "leaf: good" in output
        assert "WARNING" not in output


@pytest.mark.system
def test_openssl_trusts_the_responder_by_its_certificate(
    openssl: Callable[..., str], make: Make
) -> None:
    """``-VAfile``: the responder's own certificate, as a party that knows it would say."""
    pki = SynthPki()
    leaf = make(AUTH)
    when = pki.at - timedelta(hours=3)
    answer = pki.ocsp_response(leaf, "revoked", reason=3, revoked_at=when)
    responder = synth_ocsp.responder_certificate(pki.authority(AUTH, 3), pki.at)
    files = {"root": pem(pki.ca_certificate(AUTH, 3)), "leaf": pem(leaf), "va": pem(responder)}
    output = openssl(
        "ocsp", "-respin", "answer", "-issuer", "root", "-cert", "leaf", "-VAfile", "va",
        "-no_nonce", answer=answer, **files,
    )  # fmt: skip
    assert "Response verify OK" in output
    assert "leaf: revoked" in output
    assert "Reason: affiliationChanged" in output


def single(der: bytes) -> Any:
    return read(der).response_data["responses"][0].native


DEVIATIONS: list[tuple[str, dict[str, Any], Callable[[bytes], bool]]] = [
    ("unknown", {"status": "unknown"}, lambda d: single(d)["cert_status"] != "good"),
    ("wrong CertID", {"serial": 3}, lambda d: single(d)["cert_id"]["serial_number"] == 3),
    (
        "SHA-256",
        {"cert_id_hash": "sha256"},
        lambda d: single(d)["cert_id"]["hash_algorithm"]["algorithm"] == "sha256",
    ),
    (
        "stale",
        {"this_update": datetime(2026, 1, 1, tzinfo=UTC)},
        lambda d: single(d)["next_update"] == datetime(2026, 1, 1, 0, 15, tzinfo=UTC),
    ),
    (
        "from the future",
        {"this_update": datetime(2027, 1, 1, tzinfo=UTC)},
        lambda d: single(d)["this_update"] == datetime(2027, 1, 1, tzinfo=UTC),
    ),
    (
        "nonce",
        {"nonce": b"other"},
        lambda d: read(d).nonce_value is not None and read(d).nonce_value.native == b"other",
    ),
]


@pytest.mark.parametrize(
    ("options", "seen"), [d[1:] for d in DEVIATIONS], ids=[d[0] for d in DEVIATIONS]
)
def test_deviation(
    pki: SynthPki, make: Make, options: dict[str, Any], seen: Callable[[bytes], bool]
) -> None:
    leaf = make(AUTH)
    assert seen(pki.ocsp_response(leaf, **options))
    assert not seen(pki.ocsp_response(leaf))


def test_damaged_signature(pki: SynthPki, make: Make) -> None:
    leaf = make(AUTH)
    honest, damaged = pki.ocsp_response(leaf), pki.ocsp_response(leaf, damage_signature=True)
    bodies = [load_der_ocsp_response(der).tbs_response_bytes for der in (honest, damaged)]
    signatures = [load_der_ocsp_response(der).signature for der in (honest, damaged)]
    assert bodies[0] == bodies[1]
    assert signatures[0] != signatures[1]


def test_foreign_certificates_and_unknown_words_are_refused(pki: SynthPki, make: Make) -> None:
    with pytest.raises(ValueError, match="not a certificate of this PKI"):
        pki.ocsp_response(make(AUTH, aki_key_id=bytes(20)))
    with pytest.raises(ValueError, match="no responder"):
        pki.ocsp_response(make(AUTH), responder="nobody")
    with pytest.raises(ValueError, match="status is"):
        pki.ocsp_response(make(AUTH), "perhaps")
