# SPDX-License-Identifier: Apache-2.0
"""The quick way to the verdict that the careful way would come to.

A national list of certificates has some ten thousand frames (``jpki.certificate.frame``). The
first certificate of a frame is read carefully; if its path is good, what the frame alone
decides (root, profile, which revocation list) is kept. Of the next ones only what is their
own is looked at: signature, dates, serial. Nothing is left out, and whatever is unusual gets
None here, so that the careful way decides. A frame is learned from genuine certificates only:
nobody else can fill the memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from jpki.certificate.certificate import Certificate
from jpki.certificate.frame import Cut, Frame, agrees, cut
from jpki.certificate.kinds import Family
from jpki.certificate.serial import RefKind, SerialRef
from jpki.validation.algorithms import signature_fits
from jpki.validation.crl_facts import Standing
from jpki.validation.named import NamedCertificate
from jpki.validation.path import SIGNATURE_WRONG, check_validity, path_found
from jpki.validation.times import Moment, rfc3339
from jpki.validation.trust import Anchor
from jpki.verdict import Check, Outcome

# Frames kept: 1,900 municipalities, two families, media and generations, and some more.
MAX_FRAMES: Final = 32_768
READ: Final = Check("certificate", Outcome.VALID, "certificate_read")
Checks = tuple[Check, Check, Check, Check, Check]


@dataclass(frozen=True, slots=True)
class Known:
    """What a frame decides.

    ``family``: whose revocation data count; ``profiles``: by the family asked for; ``subject``:
    without the expiry; ``settled``: the revocation check where no data are asked at all.
    ``standing``: what the lists say of whatever they do not name, ``unlisted`` as a check.
    """

    anchor: Anchor
    algorithm: bytes = field(repr=False)
    points: tuple[bytes, ...] = field(repr=False)
    family: Family | None
    profiles: Mapping[Family | None, Check]
    subject: dict[str, object]
    settled: Check | None
    standing: Standing | None
    good: Check
    unlisted: Check | None


class Learned(NamedTuple):
    """What the validator tells of a certificate that it has read carefully: see ``Known``."""

    family: Family | None
    profiles: Mapping[Family | None, Check]
    subject: dict[str, object]
    settled: Check | None
    standing: Standing | None


class Seen(NamedTuple):
    """What was seen of one certificate: its checks, its subject, and what more is asked of it.

    ``named``, ``key_info``: only of one that the checks found genuine.
    """

    checks: Checks
    subject: dict[str, object]
    found: Cut
    known: Known

    def named(self) -> NamedCertificate:
        """What it is named by."""
        return _named(self.found, self.known)

    def key_info(self, data: bytes) -> bytes:
        """Its SubjectPublicKeyInfo. ``data``: the certificate."""
        return self.found.key_info(data)


Ask = Callable[[NamedCertificate, Anchor | None, Family | None, Moment], Check]
Stand = Callable[[NamedCertificate, Anchor], Standing | None]


class KnownFrames:
    """The frames one validator has seen. ``ask``: its revocation check of one certificate.
    ``standing``: what its lists say of all they do not name.

    Safe to use from several threads: entries are put in whole and never changed.
    """

    def __init__(self, ask: Ask, standing: Stand) -> None:
        self._ask = ask
        self._standing = standing
        self._known: dict[Frame, Known] = {}
        self._instant = (datetime.min.replace(tzinfo=UTC), b"")

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, certificate: Certificate, anchor: Anchor, learned: Learned) -> None:
        """Keep what the frame of a certificate decides. Its path has to be good, and the root
        has to be the only one that its key identifier names."""
        found = cut(certificate.der)
        if found is None or not agrees(found, certificate):
            return
        if len(self._known) >= MAX_FRAMES:
            self._known.clear()
        self._known[found.frame] = Known(
            anchor=anchor,
            algorithm=certificate.signature_algorithm,
            points=certificate.crl_distribution_point_names,
            good=path_found(anchor, None),
            unlisted=_unlisted_check(learned.standing),
            **learned._asdict(),
        )

    def judge(self, data: bytes, family: Family | None, moment: Moment) -> Seen | None:
        """The checks of a certificate and its subject, or None for the careful way."""
        found = cut(data)
        known = None if found is None else self._known.get(found.frame)
        if found is None or known is None:
            return None
        tbs = data[4 : found.tbs_end]
        fits = signature_fits(known.anchor.key, known.algorithm, found.signature, tbs)
        path = known.good if fits else path_found(known.anchor, SIGNATURE_WRONG)
        validity = self._validity(found, known.anchor, moment.at)
        revocation = known.settled or (fits and _unlisted(found, known, moment))
        if not revocation:
            revocation = self._asked(found, known, moment, believed=fits)
        subject = known.subject.copy()
        subject["expires"] = _ending(found.not_after).text
        checks = READ, path, known.profiles[family], validity, revocation
        return Seen(checks, subject, found, known)

    def named(self, data: bytes) -> NamedCertificate | None:
        """What a certificate is named by; None for the careful way. Of a genuine one only."""
        found = cut(data)
        known = None if found is None else self._known.get(found.frame)
        return None if found is None or known is None else _named(found, known)

    def _validity(self, found: Cut, anchor: Anchor, at: datetime) -> Check:
        """The dates. Within them, as nearly always, the texts are compared as they stand."""
        second = at.replace(microsecond=0)
        known, text = self._instant
        if second != known:
            text = _as_text(second)
            self._instant = (second, text)
        root = anchor.certificate
        within = found.not_before <= text <= found.not_after
        if within and root.not_before <= second <= root.not_after:
            return _ending(found.not_after).within
        begin, end = _moment(found.not_before), _ending(found.not_after).moment
        return check_validity(begin, end, anchor, at)

    def _asked(self, found: Cut, known: Known, moment: Moment, *, believed: bool) -> Check:
        """What the revocation data say of one that cannot be told of at a glance."""
        named = _named(found, known)
        check = self._ask(named, known.anchor if believed else None, known.family, moment)
        if check.outcome is Outcome.VALID:
            # Not listed after all: what the lists say has changed since it was learned.
            standing = self._standing(named, known.anchor)
            if standing is not None:
                self._known[found.frame] = replace(
                    known, standing=standing, unlisted=_unlisted_check(standing)
                )
        return check


def _named(found: Cut, known: Known) -> NamedCertificate:
    serial = SerialRef(RefKind.CERTIFICATE_SERIAL, found.serial)
    end = _ending(found.not_after).moment
    issuer = known.anchor.certificate.subject_der
    return NamedCertificate(issuer, known.anchor.key_id, serial, known.points, end)


def _unlisted_check(standing: Standing | None) -> Check | None:
    if standing is None:
        return None
    finding = standing.good
    return Check("revocation", finding.outcome, finding.code, finding.values)


class _Ending(NamedTuple):
    """A notAfter: as a time, as text, and the check of a certificate that has not reached it."""

    moment: datetime
    text: str
    within: Check


@functools.lru_cache(maxsize=8192)
def _ending(text: bytes) -> _Ending:
    end = _moment(text)
    expires = rfc3339(end)
    within = Check("validity", Outcome.VALID, "within_validity", {"expires": expires})
    return _Ending(end, expires, within)


def _moment(text: bytes) -> datetime:
    """``YYMMDDhhmmss`` of 2000 to 2049."""
    digits = text.decode()
    parts = [int(digits[i : i + 2]) for i in range(0, 12, 2)]
    return datetime(2000 + parts[0], *parts[1:], tzinfo=UTC)  # type: ignore[misc,arg-type]


def _as_text(second: datetime) -> bytes:
    """The same form of any time; one that is never within any dates where it has none."""
    second = second.astimezone(UTC)
    return second.strftime("%y%m%d%H%M%S").encode() if 2000 <= second.year < 2050 else b""


def _unlisted(found: Cut, known: Known, moment: Moment) -> Check | None:
    """The check of a certificate that no list names; None if one does, or none can tell."""
    standing = known.standing
    if standing is None or standing.since > moment.now or moment.at > standing.until:
        return None
    if _ending(found.not_after).moment < standing.since or standing.listed(found.serial):
        return None
    return known.unlisted
