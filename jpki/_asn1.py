# SPDX-License-Identifier: Apache-2.0
"""The wall around asn1crypto: the structures we write that cryptography has no model for.

Bytes in, bytes out. What others wrote is read with ``certificate.der``, which is strict.
Source: [RFC5652], [RFC5035], [RFC3161].
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp, x509

ID_DATA = "1.2.840.113549.1.7.1"

_SCHEMES = {"rsa-pkcs1": "{}_rsa", "rsa-pss": "rsassa_pss", "ecdsa": "{}_ecdsa"}


def digest_algorithm(hash_name: str) -> bytes:
    """AlgorithmIdentifier of a hash, with NULL as most of the world writes it."""
    return _dump(algos.DigestAlgorithm({"algorithm": hash_name, "parameters": core.Null()}))


def signature_algorithm(scheme: str, hash_name: str) -> bytes:
    """AlgorithmIdentifier of ``rsa-pkcs1``, ``rsa-pss`` or ``ecdsa`` with a hash."""
    return _dump(_signature_algorithm(scheme, hash_name))


def signed_attributes(
    digest: bytes,
    certificate: bytes,
    hash_name: str,
    *,
    signing_time: datetime | None = None,
    content_type: str = ID_DATA,
    bound: bool = True,
) -> bytes:
    """DER of the attributes that are signed (SET OF, as it is hashed).

    ``signing_time``: aware; None leaves it out. ``bound``: with signing-certificate-v2, which
    names ``certificate`` (DER) by its SHA-256 [RFC5035].
    """
    found: list[dict[str, Any]] = [
        {"type": "content_type", "values": [content_type]},
        {"type": "message_digest", "values": [digest]},
    ]
    if signing_time is not None:
        kind = "utc_time" if signing_time.year < 2050 else "general_time"
        moment = signing_time.replace(microsecond=0)
        found.append({"type": "signing_time", "values": [cms.Time({kind: moment})]})
    if bound:
        found.append({"type": "signing_certificate_v2", "values": [_named(certificate)]})
    attributes = cms.CMSAttributes(cms.CMSAttribute(one) for one in found)
    return _dump(attributes)


def signer_info(
    certificate: bytes,
    hash_name: str,
    scheme: str,
    attributes: bytes,
    signature: bytes,
    *,
    stamp: bytes | None = None,
) -> bytes:
    """DER of a SignerInfo. ``attributes``: as hashed. ``stamp``: a time stamp token."""
    own = x509.Certificate.load(certificate, strict=True)
    members: dict[str, Any] = {
        "version": "v1",
        "sid": {
            "issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}
        },
        "digest_algorithm": algos.DigestAlgorithm.load(digest_algorithm(hash_name)),
        "signed_attrs": cms.CMSAttributes.load(attributes),
        "signature_algorithm": _signature_algorithm(scheme, hash_name),
        "signature": signature,
    }
    if stamp is not None:
        token = cms.ContentInfo.load(stamp, strict=True)
        members["unsigned_attrs"] = [{"type": "signature_time_stamp_token", "values": [token]}]
    return _dump(cms.SignerInfo(members))


def time_stamp_request(hash_name: str, digest: bytes, nonce: int) -> bytes:
    """DER of a TimeStampReq that asks for the authority's certificate [RFC3161 2.4.1]."""
    imprint = {"hash_algorithm": {"algorithm": hash_name}, "hashed_message": digest}
    members = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return _dump(tsp.TimeStampReq(members))


def certificate(der: bytes) -> Any:
    """asn1crypto's certificate, for libraries that take nothing else. Raises ValueError."""
    return x509.Certificate.load(der, strict=True)


class _UnconstrainedCertificate(x509.Certificate):  # type: ignore[misc]
    """A certificate that constrains no names, whatever it says."""

    @property
    def name_constraints_value(self) -> None:
        return None


def unconstrained_certificate(der: bytes) -> Any:
    """The same for a library whose name constraints are not to be used. Raises ValueError."""
    return _UnconstrainedCertificate.load(der, strict=True)


def content_info(der: bytes) -> Any:
    """asn1crypto's ContentInfo, for libraries that take nothing else. Raises ValueError."""
    return cms.ContentInfo.load(der, strict=True)


def _named(certificate: bytes) -> tsp.SigningCertificateV2:
    own = x509.Certificate.load(certificate, strict=True)
    issuer = {
        "issuer": [x509.GeneralName({"directory_name": own.issuer})],
        "serial_number": own.serial_number,
    }
    named: dict[str, Any] = {"cert_hash": own.sha256, "issuer_serial": issuer}
    return tsp.SigningCertificateV2({"certs": [named]})


def _signature_algorithm(scheme: str, hash_name: str) -> algos.SignedDigestAlgorithm:
    members: dict[str, Any] = {"algorithm": _SCHEMES[scheme].format(hash_name)}
    if scheme == "rsa-pkcs1":
        members["parameters"] = core.Null()
    elif scheme == "rsa-pss":
        hashed = {"algorithm": hash_name, "parameters": core.Null()}
        members["parameters"] = algos.RSASSAPSSParams(
            {
                "hash_algorithm": hashed,
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": hashed},
                "salt_length": {"sha256": 32, "sha384": 48, "sha512": 64}[hash_name],
            }
        )
    return algos.SignedDigestAlgorithm(members)


def _dump(value: Any) -> bytes:
    # Never with force: what others signed has to keep its very bytes.
    return bytes(value.dump())
