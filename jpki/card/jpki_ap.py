# SPDX-License-Identifier: Apache-2.0
"""公的個人認証AP: the four certificates and the two keys."""

from __future__ import annotations

import hashlib
from typing import Literal

from jpki.card.records import Place, is_filler
from jpki.card.selection import read_file, select_application
from jpki.card.token import Availability, availability
from jpki.card_map import JPKI_AP, PinKind
from jpki.errors import NoCertificateError
from jpki_apdu.channel import Channel
from jpki_apdu.errors import (
    FileNotFoundOnCardError,
    MalformedResponseError,
    SecurityStatusError,
)

CertificateName = Literal["auth", "sign", "auth-ca", "sign-ca"]
KeyKind = Literal[PinKind.AUTH, PinKind.SIGN]

_FILES: dict[CertificateName, str] = {
    "auth": "auth-certificate",
    "sign": "sign-certificate",
    "auth-ca": "auth-ca-certificate",
    "sign-ca": "sign-ca-certificate",
}
_KEYS: dict[PinKind, str] = {PinKind.AUTH: "auth-key", PinKind.SIGN: "sign-key"}

_SEQUENCE = 0x30
_MAX_CERTIFICATE = 0x7FFF  # what READ BINARY can address
_MAX_SIGN_INPUT = 245  # bytes: what PKCS#1 v1.5 leaves of 2048 bits; P1 = 00 [MC]
_SIGNATURE_SIZES = (256, 96)  # bytes: RSA-2048 [MC]; P-384 as of the next card [TF2024]
_SHA256_PREFIX = bytes.fromhex("3031300D060960864801650304020105000420")  # [RFC8017 9.2]


def sha256_digest_info(data: bytes) -> bytes:
    """The DigestInfo of ``data`` under SHA-256 (51 bytes)."""
    return _SHA256_PREFIX + hashlib.sha256(data).digest()


def certificate_size(head: bytes) -> int | None:
    """Bytes of the DER that begins with ``head``; 4 if it is no certificate; None if unsure.

    Four bytes are enough to say what is wrong, so that a file of filler costs one read.
    """
    if len(head) < 4:
        return None
    size = _der_size(head)
    return 4 if size is None or size > _MAX_CERTIFICATE else size


def _der_size(head: bytes) -> int | None:
    """Total bytes of the SEQUENCE at the start of ``head`` (4 bytes), or None."""
    first = head[1]
    if head[0] != _SEQUENCE:
        return None
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if count not in (1, 2):
        return None
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big")


def certificate_der(data: bytes, which: CertificateName) -> bytes:
    """The DER of a certificate file, without the filler after it.

    Raises NoCertificateError for a file of filler, CardDataError (truncated, over_long,
    wrong_tag) for anything that is not one whole SEQUENCE.
    """
    place = Place(JPKI_AP.name, JPKI_AP.file(_FILES[which]).fid)
    if is_filler(data[:4]):
        raise NoCertificateError(which=which)
    if data[0] != _SEQUENCE:
        raise place.error("wrong_tag", 0)
    if len(data) < 4:
        raise place.error("truncated", len(data))
    size = _der_size(data)
    if size is None or size > _MAX_CERTIFICATE:
        raise place.error("over_long", 1)
    if len(data) < size:
        raise place.error("truncated", len(data))
    if not is_filler(data[size:]):
        raise place.error("over_long", size)
    return data[:size]


class JpkiAp:
    """公的個人認証AP of one card. SELECTs itself when first used."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def certificate(self, which: CertificateName) -> bytes:
        """DER of a certificate; the file's header says its size.

        Sign needs the sign password, auth nothing on a card but the auth PIN on a phone
        ([MY issue 6]): SecurityStatusError ``certificate_needs_pin``. Raises
        NoCertificateError, CardDataError.
        """
        try:
            data = read_file(self._channel, JPKI_AP, _FILES[which], certificate_size)
        except SecurityStatusError as exc:
            raise _needs_pin(exc, "certificate_needs_pin", which.removesuffix("-ca")) from exc
        except FileNotFoundOnCardError as exc:
            if exc.code == "application_absent":
                raise
            raise NoCertificateError(which=which) from exc
        return certificate_der(data, which)

    def availability(self) -> Availability:
        """Which certificates are present (EF 0008)."""
        return availability(self._channel)

    def sign_digest(self, kind: KeyKind, digest_info: bytes, p1: int = 0) -> bytes:
        """Sign with the key of ``kind``; its PIN has to be verified first.

        ``digest_info``: 1-245 bytes, padded by the card with PKCS#1 v1.5 as they are
        (``p1`` 0); other ``p1`` as [MC] lists them. Returns the signature (256 bytes under
        RSA-2048). Raises SecurityStatusError ``key_needs_pin``, MalformedResponseError
        ``length`` for one that did not arrive whole.
        """
        if not 1 <= len(digest_info) <= _MAX_SIGN_INPUT:
            raise ValueError(f"a card signs 1 to {_MAX_SIGN_INPUT} bytes")
        select_application(self._channel, JPKI_AP)
        fid = JPKI_AP.file(_KEYS[kind]).fid
        try:
            made = self._channel.compute_signature(JPKI_AP.aid, fid, digest_info, p1=p1)
        except SecurityStatusError as exc:
            raise _needs_pin(exc, "key_needs_pin", kind.value) from exc
        if len(made) not in _SIGNATURE_SIZES:
            # A reader that carries less cuts it off; it must not pass for a wrong signature.
            raise MalformedResponseError(
                reason="length", asked=_SIGNATURE_SIZES[0], received=len(made)
            )
        return made

    def authenticate(self, data: bytes) -> bytes:
        """Sign ``data`` for a login: auth key, PKCS#1 v1.5, SHA-256. The auth PIN comes first."""
        return self.sign_digest(PinKind.AUTH, sha256_digest_info(data))


def _needs_pin(exc: SecurityStatusError, code: str, kind: str) -> SecurityStatusError:
    error = SecurityStatusError(exc.sw, exc.ins, code)
    error.values["kind"] = kind
    return error
