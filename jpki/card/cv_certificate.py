# SPDX-License-Identifier: Apache-2.0
"""Card-verifiable certificates of the 券面 applications (EF 0004), and RSA under their keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jpki.card.records import (
    Place,
    RsaNumbers,
    fields,
    is_filler,
    open_record,
    public_key,
    sized,
)
from jpki_apdu.tlv import Tlv

CvChain = Literal["text", "surface", "mf"]

CV_CERTIFICATE_SIZE = 568  # bytes of EF 0004 on every card [MC] [PM], A

CV_HEAD_SIZE = 26  # bytes of EF 0004 up to the issuer's key id: 7F21 820233 5F4E 820129, then it
CV_HEAD = bytes.fromhex("7F218202335F4E820129")

_BODY = 297  # bytes: issuer key id 16, subject key id 16, public key 265 [MC] [PM], A
_KEY_ID = 16

# The CA key that signs each application's certificates ends in these two digits of the
# seven: 5000033 text, 5000023 surface, 5000020 the card's master file [MC] [PM].
_CHAIN_DIGITS: dict[CvChain, bytes] = {"text": b"33", "surface": b"23", "mf": b"20"}


@dataclass(frozen=True, slots=True)
class CvCertificate:
    """``issuer``, ``subject``: key ids (16 bytes). ``signed``: the 297 bytes that are signed."""

    issuer: bytes
    subject: bytes
    key: RsaNumbers
    chain: CvChain
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def issuer_fits_chain(self) -> bool:
        """Whether the issuer is a CA for this application, by its key id."""
        return self.issuer[5:7] == _CHAIN_DIGITS[self.chain]


def issuer_in_head(head: bytes, chain: CvChain) -> bytes | None:
    """The issuer's key id (16 bytes) in the first bytes of a CV certificate of that chain;
    None if they begin none."""
    issuer = head[len(CV_HEAD) : CV_HEAD_SIZE]
    if head[: len(CV_HEAD)] != CV_HEAD or len(issuer) != _KEY_ID:
        return None
    try:
        key_name(issuer)
    except ValueError:
        return None
    return issuer if issuer[5:7] == _CHAIN_DIGITS[chain] else None


def key_name(key_id: bytes) -> str:
    """``1322121/000`` for a key id: seven digits, ``08 05``, three digits, four bytes.

    Raises ValueError for bytes of another form.
    """
    number, generation = key_id[:7], key_id[9:12]
    if len(key_id) != _KEY_ID or key_id[7:9] != b"\x08\x05":
        raise ValueError("not a key id")
    if not (number.isdigit() and generation.isdigit()):
        raise ValueError("not a key id")
    return f"{number.decode('ascii')}/{generation.decode('ascii')}"


def parse_cv_certificate(data: bytes, chain: CvChain) -> CvCertificate:
    """EF 0004: ``7F21 { 5F4E body, 5F37 signature }``. Raises CardDataError."""
    place = Place(chain, 0x0004)
    outer = open_record(data, 0x7F21, place)
    return _contents(data, outer, chain, place)


def parse_cv_contents(data: bytes, place: Place) -> CvCertificate:
    """A certificate of the card level: the same without the outer ``7F21`` [MC], grade B.

    Raises CardDataError.
    """
    if is_filler(data):
        raise place.error("filler_only" if data else "truncated", 0)
    whole = Tlv(0x7F21, data, 0, 0, len(data))
    return _contents(data, whole, "mf", place)


def _contents(data: bytes, outer: Tlv, chain: CvChain, place: Place) -> CvCertificate:
    body, signature = fields(data, outer, (0x5F4E, 0x5F37), place)
    signed = sized(body, _BODY, place)
    issuer, subject = signed[:_KEY_ID], signed[_KEY_ID : 2 * _KEY_ID]
    for key_id, offset in ((issuer, 0), (subject, _KEY_ID)):
        try:
            key_name(key_id)
        except ValueError:
            raise place.error("bad_key_id", body.value_start + offset) from None
    return CvCertificate(
        issuer=issuer,
        subject=subject,
        key=public_key(data, body.value_start + 2 * _KEY_ID, body.end, place),
        chain=chain,
        signed=signed,
        signature=sized(signature, 256, place),
    )


def signature_fits(key: RsaNumbers, signature: bytes, data: bytes) -> bool:
    """Whether ``signature`` is RSASSA-PKCS1-v1_5 with SHA-256 over ``data`` under ``key``.

    The one place where a bad signature is an answer and not an error: checks turn it
    into an outcome with a reason.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    public = RSAPublicNumbers(key.e, key.n).public_key()
    try:
        public.verify(signature, data, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
