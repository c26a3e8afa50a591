# SPDX-License-Identifier: Apache-2.0
"""公的個人認証AP: the four certificates and the two keys."""

from __future__ import annotations

import hashlib
from typing import Literal

from jpki.card.layout import TODAY, CardLayout
from jpki.card.records import Place, is_filler
from jpki.card.selection import read_file, select_application
from jpki.card.token import Availability, TokenInfo, availability, token_info
from jpki.card_map import JPKI_AP, Application, PinKind
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
# Bytes to ask for at once where long replies come: what is longer takes one command more, and
# what is shorter brings filler. Seen on real cards: auth 1579-1586, roots 1301-1319. A sign
# certificate is as long as its holder's name and address, so its header says how long.
_ABOUT: dict[CertificateName, int] = {"auth": 1600, "auth-ca": 1340, "sign-ca": 1340}
_KEYS: dict[PinKind, str] = {PinKind.AUTH: "auth-key", PinKind.SIGN: "sign-key"}

_SEQUENCE = 0x30
_MAX_CERTIFICATE = 0x7FFF  # what READ BINARY can address
_MAX_SIGN_INPUT = 245  # bytes: what PKCS#1 v1.5 leaves of 2048 bits; P1 = 00 [MC]
_SIGNATURE_SIZE = 256  # bytes: RSA-2048 [MC]
_DIGEST_INFO = {  # what stands before the digest [RFC8017 9.2]
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300D060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300D060960864801650304020305000440"),
}


def digest_info(hash_name: str, digest: bytes) -> bytes:
    """The DigestInfo of a ``digest`` under sha256, sha384 or sha512 (51, 67 or 83 bytes)."""
    return _DIGEST_INFO[hash_name] + digest


def sha256_digest_info(data: bytes) -> bytes:
    """The DigestInfo of ``data`` under SHA-256 (51 bytes)."""
    return digest_info("sha256", hashlib.sha256(data).digest())


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


def certificate_der(
    data: bytes, which: CertificateName, application: Application = JPKI_AP
) -> bytes:
    """The DER of a certificate file, without the filler after it.

    Raises NoCertificateError for a file of filler, CardDataError (truncated, over_long,
    wrong_tag) for anything that is not one whole SEQUENCE.
    """
    place = Place(application.name, application.file(_FILES[which]).fid)
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
    """公的個人認証AP of one card. SELECTs itself when first used.

    ``layout``: where things are on this kind of card; keys are RSA-2048 unless it says P-384.
    """

    def __init__(self, channel: Channel, layout: CardLayout = TODAY) -> None:
        self._channel = channel
        self._layout = layout
        self._ap = layout.jpki

    def certificate(self, which: CertificateName) -> bytes:
        """DER of a certificate; the file's header says its size.

        Sign needs the sign password, auth nothing on a card but the auth PIN on a phone
        ([MY issue 6]): SecurityStatusError ``certificate_needs_pin``. Raises
        NoCertificateError, CardDataError.
        """
        try:
            data = read_file(
                self._channel, self._ap, _FILES[which], certificate_size, about=_ABOUT.get(which)
            )
        except SecurityStatusError as exc:
            raise _needs_pin(exc, "certificate_needs_pin", which.removesuffix("-ca")) from exc
        except FileNotFoundOnCardError as exc:
            if exc.code == "application_absent":
                raise
            raise NoCertificateError(which=which) from exc
        return certificate_der(data, which, self._ap)

    def availability(self) -> Availability:
        """Which certificates are present (EF 0008)."""
        return availability(self._channel, self._layout)

    def token_info(self) -> TokenInfo:
        """What the token says of itself (EF 0006), its serial included. Free to read."""
        return token_info(self._channel, self._layout)

    def sign_digest(self, kind: KeyKind, digest_info: bytes, p1: int = 0) -> bytes:
        """Sign with the key of ``kind``; its PIN has to be verified first.

        ``digest_info``: 1-245 bytes, padded by the card with PKCS#1 v1.5 as they are
        (``p1`` 0); other ``p1`` as [MC] lists them. Returns the signature (256 bytes under
        RSA-2048). Raises SecurityStatusError ``key_needs_pin``, MalformedResponseError
        ``length`` for one that did not arrive whole.
        """
        if not 1 <= len(digest_info) <= _MAX_SIGN_INPUT:
            raise ValueError(f"a card signs 1 to {_MAX_SIGN_INPUT} bytes")
        made = self._compute(kind, digest_info, p1)
        if len(made) != _SIGNATURE_SIZE:
            # A reader that carries less cuts it off; it must not pass for a wrong signature.
            raise MalformedResponseError(reason="length", asked=_SIGNATURE_SIZE, received=len(made))
        return made

    def sign_hash(self, kind: KeyKind, digest: bytes) -> bytes:
        """Sign a SHA-384 hash (48 bytes) with the P-384 key of ``kind``, as the layout says.

        Returns the signature as DER, whatever form the card writes. The PIN comes first.
        Raises ValueError under a layout with RSA keys, MalformedResponseError ``signature``.
        """
        rule = self._layout.ecdsa
        if rule is None or len(digest) != hashlib.sha384().digest_size:
            raise ValueError("a P-384 key signs a SHA-384 hash")
        from jpki.card.ecdsa import ecdsa_der  # cryptography is slow to load, and rarely needed

        return ecdsa_der(self._compute(kind, digest, rule.p1), rule.form)

    def authenticate(self, data: bytes, kind: KeyKind = PinKind.AUTH) -> bytes:
        """Sign ``data`` for a login with the key of ``kind``; its PIN comes first.

        RSA: PKCS#1 v1.5 with SHA-256. P-384: ECDSA with SHA-384, as DER.
        """
        if self._layout.ecdsa is not None:
            return self.sign_hash(kind, hashlib.sha384(data).digest())
        return self.sign_digest(kind, sha256_digest_info(data))

    def _compute(self, kind: KeyKind, data: bytes, p1: int) -> bytes:
        select_application(self._channel, self._ap)
        fid = self._ap.file(_KEYS[kind]).fid
        try:
            return self._channel.compute_signature(self._ap.aid, fid, data, p1=p1)
        except SecurityStatusError as exc:
            raise _needs_pin(exc, "key_needs_pin", kind.value) from exc


def _needs_pin(exc: SecurityStatusError, code: str, kind: str) -> SecurityStatusError:
    error = SecurityStatusError(exc.sw, exc.ins, code)
    error.values["kind"] = kind
    return error
