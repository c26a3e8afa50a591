# SPDX-License-Identifier: Apache-2.0
"""The two keys of a card as signers: one VERIFY, then one COMPUTE for each digest."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from jpki.card import Card
from jpki.card.jpki_ap import CertificateName, KeyKind, digest_info
from jpki.card.pin import PinCounter
from jpki.card_map import PinKind
from jpki.certificate.certificate import parse_certificate
from jpki.errors import NoCertificateError
from jpki.signing.algorithms import CARD_RSA, P384, Scheme, SignatureAlgorithm
from jpki_apdu.errors import FileNotFoundOnCardError, SecurityStatusError

_PSS_SHA256 = 0x04  # P1: the card makes the padding and the salt itself [MC]


class CardKey:
    """A key on a card before its PIN. Nothing is sent to the card until it is asked for.

    ``roots``: CA certificates (DER) that are at hand. The one that issued the key's is
    enclosed, and the card's copy of it, a tenth of a second, is not read.
    """

    def __init__(self, card: Card, kind: KeyKind, roots: Iterable[bytes] = ()) -> None:
        self._card = card
        self._roots = tuple(roots)
        self.kind = kind

    @property
    def algorithms(self) -> tuple[SignatureAlgorithm, ...]:
        """What the key can do, as the card's layout has it."""
        return CARD_RSA if self._card.layout.ecdsa is None else P384

    def counter(self) -> PinCounter:
        """Tries left of the key's PIN; costs none."""
        return self._card.pins.counter(self.kind)

    def unlock(self, pin: bytearray, *, last_try: bool = False) -> CardSigner:
        """Present the PIN once, and read the certificate. Wipes ``pin``.

        Raises PinError, NoCertificateError, TransportError, CardDataError.
        """
        self._card.pins.verify(self.kind, pin, last_try=last_try)
        which: CertificateName = "sign" if self.kind is PinKind.SIGN else "auth"
        certificate = self._card.jpki.certificate(which)
        return CardSigner(self._card, self.kind, certificate, self.algorithms, self._roots)


class CardSigner:
    """A key on a card whose PIN was accepted; made by :meth:`CardKey.unlock`."""

    def __init__(
        self,
        card: Card,
        kind: KeyKind,
        certificate: bytes,
        algorithms: tuple[SignatureAlgorithm, ...],
        roots: tuple[bytes, ...] = (),
    ) -> None:
        self._card = card
        self._kind = kind
        self._roots = roots
        self.certificate = certificate
        self.algorithms = algorithms

    @functools.cached_property
    def chain(self) -> tuple[bytes, ...]:
        """The root, of those at hand or else the card's copy, read when a format wants it; a
        card without one signs all the same. Raises CertificateError."""
        if at_hand := self._issuer_at_hand():
            return (at_hand,)
        which: CertificateName = "sign-ca" if self._kind is PinKind.SIGN else "auth-ca"
        try:
            return (self._card.jpki.certificate(which),)
        except (NoCertificateError, FileNotFoundOnCardError, SecurityStatusError):
            return ()

    def _issuer_at_hand(self) -> bytes | None:
        """The root that issued the certificate, by name and key identifier: the generations of
        a CA have one name."""
        if not self._roots:
            return None
        own = parse_certificate(self.certificate)
        issuer = (own.issuer_der, own.aki.key_id if own.aki else None)
        for root in map(parse_certificate, self._roots):
            if (root.subject_der, root.key_id) == issuer:
                return root.der
        return None

    def sign_digest(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        """One COMPUTE DIGITAL SIGNATURE."""
        jpki = self._card.jpki
        if algorithm.scheme is Scheme.ECDSA:
            return jpki.sign_hash(self._kind, digest)
        if algorithm.scheme is Scheme.PSS:
            return jpki.sign_digest(self._kind, digest, p1=_PSS_SHA256)
        return jpki.sign_digest(self._kind, digest_info(algorithm.hash.value, digest))
