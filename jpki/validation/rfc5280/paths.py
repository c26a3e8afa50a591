# SPDX-License-Identifier: Apache-2.0
"""Candidate paths from a certificate up to an anchor, within bounds.

Only links whose signature fits are followed, so that a pile of same-named certificates
cannot make the search explode; what is left is bounded by count. Source: [RFC4158 3].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from jpki.validation.rfc5280.certificate import AnyCertificate
from jpki.validation.rfc5280.signatures import UnsupportedSignatureError, verify

MAX_DEPTH: Final = 32
MAX_STEPS: Final = 4096
MAX_LINKS: Final = 100_000
MAX_SIGNATURES: Final = 512
MAX_PATHS: Final = 64


class PathLimitError(Exception):
    """The search was given up: too many certificates claim to have issued one another."""


@dataclass(frozen=True, slots=True)
class Path:
    """``certificates``: from below the anchor down to the last; none for the anchor itself."""

    anchor: AnyCertificate
    certificates: tuple[AnyCertificate, ...]

    @property
    def all(self) -> tuple[AnyCertificate, ...]:
        return (self.anchor, *self.certificates)


class PathBuilder:
    """Builds paths over ``pool`` to ``anchors``. Of one validation; not shared by threads.

    ``signature_failed``: a certificate of the right name and key id did not sign.
    ``unsupported``: a link could not be tested, because its algorithm is not known here.
    ``cut``: some path was not followed to its end: too long, or one of too many.
    """

    def __init__(self, anchors: Iterable[AnyCertificate], pool: Iterable[AnyCertificate]) -> None:
        self._anchors = {anchor.der: anchor for anchor in anchors}
        self._by_name: dict[object, list[AnyCertificate]] = {}
        held = {**self._anchors, **{c.der: c for c in pool}}
        for certificate in held.values():
            self._by_name.setdefault(certificate.subject, []).append(certificate)
        self._signed: dict[tuple[bytes, bytes], bool] = {}
        self._above: dict[bytes, list[AnyCertificate]] = {}
        self._links = 0
        self.signature_failed = False
        self.unsupported = False
        self.cut = False

    def named(self, name: object) -> tuple[AnyCertificate, ...]:
        """Every certificate of that subject; anchors first."""
        return tuple(self._by_name.get(name, ()))

    def is_anchor(self, certificate: AnyCertificate) -> bool:
        return certificate.der in self._anchors

    def linked(self, one: AnyCertificate, other: AnyCertificate) -> bool:
        """Whether two anchors are one authority with an old key and a new one: the same name,
        and one of the keys has signed the other."""
        pairs = ((one, other), (other, one))
        return one.subject == other.subject and any(
            issued.issuer == issuer.subject and self._issued(issuer, issued)
            for issuer, issued in pairs
        )

    def paths(self, last: AnyCertificate) -> Iterator[Path]:
        """Paths to ``last``, the shortest first. Raises PathLimitError.

        So a crowd of authorities that issued one another hides no short way behind long ones.
        """
        if self.is_anchor(last):
            yield Path(last, ())
            return
        waiting: deque[tuple[AnyCertificate, ...]] = deque([(last,)])
        steps = found = 0
        while waiting:
            below = waiting.popleft()
            for issuer in self._issuers(below[0]):
                if self.is_anchor(issuer):
                    if found == MAX_PATHS:
                        raise PathLimitError
                    found += 1
                    yield Path(issuer, below)
                elif steps == MAX_STEPS or len(below) == MAX_DEPTH:
                    self.cut = True
                elif not _repeats(issuer, below):
                    steps += 1
                    waiting.append((issuer, *below))

    def _issuers(self, subject: AnyCertificate) -> list[AnyCertificate]:
        """Those whose key made the signature of ``subject``."""
        if subject.der not in self._above:
            self._above[subject.der] = [
                issuer for issuer in self.named(subject.issuer) if self._issued(issuer, subject)
            ]
        return self._above[subject.der]

    def _issued(self, issuer: AnyCertificate, subject: AnyCertificate) -> bool:
        """Whether the key of ``issuer`` made the signature of ``subject``."""
        self._links += 1
        if self._links > MAX_LINKS:
            raise PathLimitError
        if issuer.der == subject.der or not _may_be_issuer(issuer, subject):
            return False
        key = (issuer.spki, subject.der)
        if key not in self._signed:
            if len(self._signed) == MAX_SIGNATURES:
                raise PathLimitError
            self._signed[key] = self._fits(issuer, subject)
        return self._signed[key]

    def _fits(self, issuer: AnyCertificate, subject: AnyCertificate) -> bool:
        try:
            fits = verify(subject.algorithm, subject.signature, subject.tbs, issuer.spki)
        except UnsupportedSignatureError:
            self.unsupported = True
            return False
        self.signature_failed |= not fits
        return fits


def _may_be_issuer(issuer: AnyCertificate, subject: AnyCertificate) -> bool:
    """By the authority key identifier, as far as both sides have one [RFC5280 4.2.1.1]."""
    authority = subject.authority
    if authority is None:
        return True
    if None not in (authority.key_id, issuer.key_id) and authority.key_id != issuer.key_id:
        return False
    return authority.serial is None or authority.serial.reveal() == issuer.serial


def _repeats(issuer: AnyCertificate, below: tuple[AnyCertificate, ...]) -> bool:
    """The same name and key once more leads nowhere new [RFC4158 5.2]."""
    return any(c.subject == issuer.subject and c.spki == issuer.spki for c in below)
