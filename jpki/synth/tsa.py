# SPDX-License-Identifier: Apache-2.0
"""A time stamp authority for tests, self-signed. Source: RFC 3161, RFC 5816, [RFC5652]."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jpki.synth import der, names
from jpki.synth import extensions as ext
from jpki.synth.certificate import Fields, certificate
from jpki.synth.keystore import stored_key
from jpki.synth.signing import key_id, public_key_info, sign, signature_algorithm

POLICY = "2.999.2"  # the arc for examples [X660]
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
SERIAL = 0x7A000001

_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_CERTIFICATE = (
    "1.2.840.113549.1.9.3",
    "1.2.840.113549.1.9.4",
    "1.2.840.113549.1.9.16.2.47",
)
_TST_INFO, _SIGNED_DATA = "1.2.840.113549.1.9.16.1.4", "1.2.840.113549.1.7.2"
_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))


def tsa_name() -> bytes:
    """DN of the authority."""
    return names.name((names.ORGANISATION, names.SYNTH), (names.COMMON_NAME, "Test TSA"))


@functools.cache
def tsa_certificate() -> bytes:
    """The authority's self-signed certificate, 2015 to 2045; the trust anchor of its stamps."""
    key = stored_key("tsa")
    purposes = ext.extended_key_usage(TIME_STAMPING)
    fields = Fields(
        serial=SERIAL,
        issuer=tsa_name(),
        not_before=datetime(2015, 1, 1, tzinfo=UTC),
        not_after=datetime(2045, 1, 1, tzinfo=UTC),
        subject=tsa_name(),
        public_key_info=public_key_info(key.public_key()),
        extensions=(
            ext.key_usage(b"\xc0", 6),
            ext.Extension("extKeyUsage", purposes.value, critical=True),
            ext.subject_key_id(key_id(key.public_key())),
        ),
    )
    return certificate(fields, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRequest:
    """What a TimeStampReq asks: the imprint and the nonce as DER, and whether to enclose us."""

    imprint: bytes = field(repr=False)
    nonce: bytes = b""
    certificate: bool = False


def read_request(request: bytes) -> StampRequest:
    """Read a TimeStampReq as far as an honest client's goes. Raises ValueError for others."""
    body = _elements(request)
    if len(body) != 1 or body[0][0] != 0x30:
        raise ValueError("not a time stamp request")
    parts = _elements(body[0][1])
    if [tag for tag, _ in parts[:2]] != [0x02, 0x30] or parts[0][1] != b"\x01":
        raise ValueError("not a time stamp request")
    found = {tag: der.tlv(tag, content) for tag, content in parts[2:]}
    return StampRequest(
        imprint=der.tlv(0x30, parts[1][1]),
        nonce=found.get(0x02, b""),
        certificate=found.get(0x01) == der.TRUE,
    )


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element, one after the other."""
    found, at = [], 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2 or head[1] > 0x82 or head[1] == 0x80:
            raise ValueError("no DER of this size")
        octets = head[1] - 0x80 if head[1] > 0x80 else 0
        start = at + 2 + octets
        size = int.from_bytes(data[at + 2 : start], "big") if octets else head[1]
        at = start + size
        if at > len(data):
            raise ValueError("truncated")
        found.append((head[0], data[start:at]))
    return found


@dataclass(frozen=True, slots=True)
class Stamping:
    """Whose stamp it is: the certificate of the authority's key, with issuer (DN) and serial."""

    certificate: bytes = field(repr=False)
    issuer: bytes
    serial: int


def time_stamp_answer(request: bytes, at: datetime, *, damage_signature: bool = False) -> bytes:
    """TimeStampResp to ``request`` saying ``at``; badDataFormat to what is no request."""
    try:
        asked = read_request(request)
    except ValueError:
        failure = der.bit_string(b"\x04", 2)  # badDataFormat is bit 5
        return der.sequence(der.sequence(der.integer(2), failure))
    token = time_stamp_token(asked, at, damage_signature=damage_signature)
    return der.sequence(der.sequence(der.integer(0)), token)


def time_stamp_token(
    asked: StampRequest,
    at: datetime,
    *,
    damage_signature: bool = False,
    by: Stamping | None = None,
) -> bytes:
    """The token alone: ContentInfo with SignedData over a TSTInfo.

    ``by``: another certificate of the same key, of an authority below a CA.
    """
    by = by or Stamping(tsa_certificate(), tsa_name(), SERIAL)
    info = der.sequence(
        der.integer(1),
        der.oid(POLICY),
        asked.imprint,
        der.integer(int.from_bytes(hashlib.sha256(asked.imprint).digest()[:8], "big")),
        der.generalized_time(at),
        asked.nonce,
    )
    attributes = _attributes(info, by.certificate)
    signature = sign(stored_key("tsa"), der.set_of(*attributes))
    if damage_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    signer = der.sequence(
        der.integer(1),
        der.sequence(by.issuer, der.integer(by.serial)),
        _SHA256,
        der.tlv(0xA0, b"".join(sorted(attributes))),
        signature_algorithm(stored_key("tsa")),
        der.octet_string(signature),
    )
    signed_data = der.sequence(
        der.integer(3),
        der.set_of(_SHA256),
        der.sequence(der.oid(_TST_INFO), der.explicit(0, der.octet_string(info))),
        der.explicit(0, by.certificate) if asked.certificate else b"",
        der.set_of(signer),
    )
    return der.sequence(der.oid(_SIGNED_DATA), der.explicit(0, signed_data))


def _attributes(info: bytes, certificate: bytes) -> list[bytes]:
    """Signed attributes: content type, digest, and which certificate signs (RFC 5816)."""
    own_hash = der.octet_string(hashlib.sha256(certificate).digest())
    values = {
        _CONTENT_TYPE: der.oid(_TST_INFO),
        _MESSAGE_DIGEST: der.octet_string(hashlib.sha256(info).digest()),
        _SIGNING_CERTIFICATE: der.sequence(der.sequence(der.sequence(own_hash))),
    }
    return [der.sequence(der.oid(kind), der.set_of(value)) for kind, value in values.items()]
