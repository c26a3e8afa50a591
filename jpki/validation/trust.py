# SPDX-License-Identifier: Apache-2.0
"""Trust stores: which roots are believed, and for what environment.

``production`` knows six roots by SHA-256 and holds no certificate itself: a root comes
from the card, a file or a folder, and counts only if its hash is one of the six. Roots of
different environments never share a store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from jpki.certificate.certificate import Certificate, PublicKey, parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.certificate.names import ORGANISATION, ORGANISATIONS, claims_test, issuer_facts
from jpki.errors import CertificateError, JpkiError


class TrustRootError(JpkiError):
    """A root that may not enter this store. ``reason``, ``environment``."""

    default_code = "trust_root"


class RootPin(NamedTuple):
    """What is known of a production root. Public facts of a CA, nobody's identifier."""

    family: Family
    generation: int
    sha256: bytes
    key_id: bytes
    not_before: datetime
    not_after: datetime


def _pin(
    family: Family, generation: int, key_id: str, sha256: str, begin: str, end: str
) -> RootPin:
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begin, end)]
    return RootPin(family, generation, bytes.fromhex(sha256), bytes.fromhex(key_id), *times)


# Computed from the six published certificates [CA-DER]; compare once with the fingerprint
# papers of J-LIS before relying on them.
PINS: Final = (
    _pin(
        Family.SIGN,
        1,
        "0d034cbb34d0714f45e45a1cafd8fd143fab54a7",
        "19645405a1fe14377434bd55957628ac4038557c542403a2243f21c706fc9355",
        "2015-10-20T02:40:28",
        "2025-10-19T14:59:59",
    ),
    _pin(
        Family.SIGN,
        2,
        "4de017de4b7f473dcd867a62d38b134ace83558a",
        "79679c33e4cc9319440f1ad120a597ff1844e2ef217063adb176966fd5e6fbeb",
        "2019-09-14T23:41:56",
        "2029-09-14T14:59:59",
    ),
    _pin(
        Family.SIGN,
        3,
        "d21ea55895617e93adbf966b941ab4edf653f08f",
        "d227f6cde11d35c5252178f106f843d24651944975413b539fa2fb68dbfa365f",
        "2023-07-16T00:50:27",
        "2033-07-15T14:59:59",
    ),
    _pin(
        Family.AUTH,
        1,
        "9567951b5ca70d84a0fff1d85a87f1aab1340385",
        "4dcfc4ca0aaf9fb2a3081b3f0c991c320b3acc008667a341eeaec5af1d58ca7d",
        "2015-10-20T03:08:13",
        "2025-10-19T14:59:59",
    ),
    _pin(
        Family.AUTH,
        2,
        "8cd5586a891485e559379b7e29d410cfd28b3593",
        "0d98de47fc11b7f67126874b7028b6026a803d2638d6edfe53176953961fade6",
        "2019-09-14T23:41:59",
        "2029-09-14T14:59:59",
    ),
    _pin(
        Family.AUTH,
        3,
        "1ac100f596a3bc8c4b3df195e32699249e9e308a",
        "64114f29620c24ed2631d46476a040e7ee740d956089c00b036a6a8118c322b5",
        "2023-07-16T01:01:04",
        "2033-07-15T14:59:59",
    ),
)
_BY_HASH: Final = {pin.sha256: pin for pin in PINS}


@dataclass(frozen=True, slots=True)
class Anchor:
    """One trusted root. ``generation`` counts from 1, oldest first, within its family."""

    certificate: Certificate
    key: PublicKey = field(repr=False, compare=False)
    key_id: bytes = field(repr=False)
    family: Family | None
    generation: int


class TrustStore:
    """The roots of one environment; immutable.

    ``anchors`` (DER) under ``production`` have to be pinned ones, under ``test`` of
    O=JPKI-SYNTH, under ``jlis-test`` of O=JPKI-TEST; under ``custom`` whatever the caller
    names, all of one kind. Raises TrustRootError.
    """

    __slots__ = ("_anchors", "_environment")

    def __init__(self, environment: Environment, anchors: Iterable[bytes] = ()) -> None:
        self._environment = environment
        found: dict[bytes, Certificate] = {}
        for der in anchors:
            certificate = self._read(der)
            self._admit(certificate)
            found[certificate.der] = certificate
        if len({_kind(certificate) for certificate in found.values()}) > 1:
            raise TrustRootError(reason="mixed_kinds", environment=environment.value)
        self._anchors = _number(environment, list(found.values()))

    @property
    def environment(self) -> Environment:
        return self._environment

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return self._anchors

    def with_candidates(self, candidates: Iterable[bytes]) -> TrustStore:
        """This store, and those of ``candidates`` (DER, from a card or file) that it pins.

        Only ``production`` takes any; what is not pinned, or no certificate, is left out
        silently: offering it proves nothing.
        """
        if self._environment is not Environment.PRODUCTION:
            return self
        own = {anchor.certificate.der for anchor in self._anchors}
        new = [c for c in map(bytes, candidates) if c not in own and pin_of(c) is not None]
        return TrustStore(self._environment, [*own, *new]) if new else self

    def named(self, name_der: bytes) -> tuple[Anchor, ...]:
        """The anchors of that subject."""
        return tuple(a for a in self._anchors if a.certificate.subject_der == name_der)

    def _read(self, der: bytes) -> Certificate:
        try:
            return parse_certificate(der)
        except CertificateError as error:
            raise TrustRootError(
                reason="unreadable", environment=self._environment.value
            ) from error

    def _admit(self, certificate: Certificate) -> None:
        reason = _refusal(certificate, self._environment)
        if reason is not None:
            raise TrustRootError(reason=reason, environment=self._environment.value)


def _refusal(root: Certificate, environment: Environment) -> str | None:
    """Why a root may not enter a store of that environment, or None."""
    if not root.is_ca:
        return "not_a_ca"
    if environment is Environment.CUSTOM:
        return None
    if environment is Environment.PRODUCTION:
        if claims_test(root.subject):
            return "test_root"
        return None if pin_of(root.der) else "not_pinned"
    claimed = issuer_facts(root.subject).environment
    return None if claimed is environment else "other_environment"


def pin_of(der: bytes) -> RootPin | None:
    """The pin of a production root's DER, else None."""
    return _BY_HASH.get(hashlib.sha256(der).digest())


def pin_by_key_id(family: Family, key_id: bytes) -> RootPin | None:
    """The pin of the production root with that subjectKeyIdentifier."""
    return next((p for p in PINS if p.family is family and p.key_id == key_id), None)


def _kind(certificate: Certificate) -> str:
    """The hierarchy a root belongs to by its name; all foreign ones are of one kind."""
    organisations = certificate.subject.texts(ORGANISATION)
    known = [ORGANISATIONS[o].value for o in organisations if o in ORGANISATIONS]
    return known[0] if known else "other"


def _number(environment: Environment, roots: list[Certificate]) -> tuple[Anchor, ...]:
    roots.sort(key=lambda root: (root.not_before, root.der))
    seen: dict[bytes, int] = {}
    anchors: list[Anchor] = []
    for root in roots:
        generation = seen[root.subject_der] = seen.get(root.subject_der, 0) + 1
        pin = pin_of(root.der) if environment is Environment.PRODUCTION else None
        try:
            key = root.public_key
        except CertificateError as error:
            raise TrustRootError(reason="unreadable", environment=environment.value) from error
        anchors.append(
            Anchor(
                certificate=root,
                key=key,
                key_id=root.key_id,
                family=issuer_facts(root.subject).family,
                generation=pin.generation if pin else generation,
            )
        )
    return tuple(anchors)
