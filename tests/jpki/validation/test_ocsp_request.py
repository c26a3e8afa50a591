# SPDX-License-Identifier: Apache-2.0
"""Requests to an OCSP responder: those of an independent writer, and signed ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import OCSPNonce, load_der_x509_certificate
from cryptography.x509.ocsp import OCSPRequestBuilder

from der_edit import Item, decode, of_no_known_curve, of_no_version
from jpki.certificate import Certificate, Family, parse_certificate
from jpki.errors import ConfigurationError
from jpki.synth.keystore import any_stored_key, stored_ec_key, stored_key
from jpki.synth.ocsp import responder_certificate
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator, build_ocsp_request
from jpki.validation.ocsp_request import encode_request, load_signer, question_about
from jpki.validation.trust import Anchor

Asked = tuple[Certificate, Anchor]


@pytest.fixture(scope="module")
def asked(trust: TrustStore, make: Callable[..., bytes]) -> Asked:
    read = parse_certificate(make(Family.AUTH))
    anchor = Validator(trust).anchor_of(read)
    assert anchor is not None
    return read, anchor


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("nonce", [None, bytes(range(32))])
def test_requests_are_those_of_cryptography(asked: Asked, nonce: bytes | None) -> None:
    certificate, anchor = asked
    builder = OCSPRequestBuilder().add_certificate(
        load_der_x509_certificate(certificate.der),
        load_der_x509_certificate(anchor.certificate.der),
        hashes.SHA1(),
    )
    if nonce is not None:
        builder = builder.add_extension(OCSPNonce(nonce), critical=False)
    wanted = builder.build().public_bytes(Encoding.DER)
    assert build_ocsp_request(certificate, anchor, nonce) == wanted


def verify_rsa(signature: bytes, signed: bytes) -> None:
    key = stored_key("ocsp-auth-3").public_key()
    key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def verify_ec(signature: bytes, signed: bytes) -> None:
    stored_ec_key("ocsp-auth-4").public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("generation", "algorithm", "verify"),
    [(3, "2a864886f70d01010b", verify_rsa), (4, "2a8648ce3d040302", verify_ec)],
    ids=["RSA", "P-384"],
)
def test_a_signed_request_names_its_signer_and_is_signed_by_its_key(
    pki: SynthPki,
    asked: Asked,
    generation: int,
    algorithm: str,
    verify: Callable[[bytes, bytes], None],
) -> None:
    own = responder_certificate(pki.authority(Family.AUTH, generation), pki.at)
    signer = load_signer(pem(any_stored_key(f"ocsp-auth-{generation}")), (own,))
    request = encode_request(question_about(*asked), b"\x01" * 16, signer)
    tbs, signature = decode(request)[0].parts
    named, bits, enclosed = signature.parts[0].parts
    verify(bits.value[1:], tbs.encode())
    name = load_der_x509_certificate(own).subject.public_bytes()
    assert tbs.parts[0].parts[0].parts[0].encode() == name
    assert enclosed.parts[0].parts[0].encode() == own
    assert named.parts[0].value.hex() == algorithm


def of_weird_name(own: bytes) -> bytes:
    """The certificate with a name that is no text (found by fuzzing)."""
    (whole,) = decode(own)
    whole.parts[0].parts[5].parts[0].parts[0].parts[1] = Item(12, b"\xff")
    return whole.encode()


@pytest.mark.parametrize(
    ("key", "change", "place", "reason"),
    [
        (pem(stored_key("ocsp-sign-3")), None, "ocsp_key", "other_key"),
        (b"no key", None, "ocsp_key", "not_readable"),
        (pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))), None, "ocsp_key",
         "wrong_type"),
        (pem(stored_key("ocsp-auth-3")), lambda own: own[:-1], "ocsp_certificate", "not_readable"),
        (pem(stored_key("ocsp-auth-3")), of_no_known_curve, "ocsp_certificate", "not_readable"),
        (pem(stored_key("ocsp-auth-3")), of_weird_name, "ocsp_certificate", "not_readable"),
        (pem(stored_key("ocsp-auth-3")), of_no_version, "ocsp_certificate", "not_readable"),
    ],
    ids=["another's key", "no key", "Ed25519", "certificate cut off", "key of no known curve",
         "name that is no text", "no such version"],
)  # fmt: skip
def test_who_cannot_sign_is_refused_at_once(
    pki: SynthPki,
    key: bytes,
    change: Callable[[bytes], bytes] | None,
    place: str,
    reason: str,
) -> None:
    own = responder_certificate(pki.authority(Family.AUTH, 3), pki.at)
    with pytest.raises(ConfigurationError) as caught:
        load_signer(key, (own if change is None else change(own),))
    assert (caught.value.values["place"], caught.value.values["reason"]) == (place, reason)
