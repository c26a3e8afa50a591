# SPDX-License-Identifier: Apache-2.0
"""Validates JPKI certificates: certificate, path, profile, validity, revocation, to a verdict.

A validator is loaded once (roots, CRLs, OCSP answers) and then asked many times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.certificate.policy import PolicyRow, PolicyTable
from jpki.errors import CertificateError
from jpki.validation.crl_facts import NumberMemory, Standing
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.crl_lists import joined
from jpki.validation.findings import combine_findings
from jpki.validation.known_frames import KnownFrames, Learned, Seen
from jpki.validation.named import AskedAbout, NamedCertificate, name_of
from jpki.validation.path import check_path, check_validity, find_anchor
from jpki.validation.policy import Preference, RevocationMode, decide
from jpki.validation.profile import JpkiProfile
from jpki.validation.times import Moment, require_zone, rfc3339
from jpki.validation.trust import Anchor, TrustStore
from jpki.verdict import Check, Headline, Outcome, Verdict, headline

if TYPE_CHECKING:
    from jpki.validation.declaration import VerifierDeclaration
    from jpki.validation.ocsp_client import OcspClient
    from jpki.validation.ocsp_source import OcspSource
    from jpki.validation.ocsp_store import OcspAnswer

_NAMES = ("certificate", "path", "profile", "validity", "revocation")
_GENUINE = ("certificate", "path", "profile")
_YES = (Headline.YES, Headline.YES)


def _now() -> datetime:
    return datetime.now(UTC)


class Validator:
    """Validates under the JPKI profile.

    ``crls``, ``ocsp``: DER. ``crl_store``: indexed lists of the same environment.
    ``ocsp_client``: whom to ask when they do not tell; ``preference`` says which comes first.
    ``chain``: DER of CA certificates at hand; under ``production`` pinned ones become usable,
    anything else is ignored. ``at``: the time asked about (aware; default: now by ``clock``).
    ``max_age``: of revocation data. ``verifier``: without it no revocation data are read under
    ``production``. ``unverified_policies``: accept policy OIDs nobody has read from a
    certificate (phones); ``policies``: the operator's own rows. ``memory``: remembers CRL
    numbers against rollback. Raises ValueError for a naive ``at``.
    """

    def __init__(
        self,
        trust: TrustStore,
        *,
        revocation: RevocationMode = RevocationMode.REQUIRE,
        preference: Preference = Preference.CRL,
        crls: Iterable[bytes] = (),
        crl_store: CrlIndexStore | None = None,
        ocsp: Iterable[bytes | OcspAnswer] = (),
        ocsp_client: OcspClient | None = None,
        chain: Iterable[bytes] = (),
        max_age: timedelta | None = None,
        at: datetime | None = None,
        verifier: VerifierDeclaration | None = None,
        unverified_policies: bool = False,
        policies: Iterable[PolicyRow] = (),
        memory: NumberMemory | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        require_zone(at)
        self._trust = trust.with_candidates(chain)
        self._environment = trust.environment.value
        self._mode = revocation
        self._preference = preference
        self._max_age, self._at = max_age, at
        self._verifier = verifier
        self._clock = clock
        self._profile = JpkiProfile(trust.environment, PolicyTable(policies), unverified_policies)
        free = verifier is not None or trust.environment is not Environment.PRODUCTION
        read = free and revocation is not RevocationMode.NONE
        # Where reading is not allowed the data are not even looked at.
        answers = tuple(ocsp) if read else ()
        if crl_store is not None:
            crl_store.require(trust.environment)
        self._crls = joined(crls if read else (), memory, crl_store if read else None)
        self._ocsp = self._ocsp_source(answers, ocsp_client if read else None)
        # An answer about one certificate says nothing about the others of its frame.
        self._crl_decides = self._ocsp is None and preference is not Preference.BOTH
        self._frames = KnownFrames(self._ask, self._standing)

    @property
    def trust(self) -> TrustStore:
        return self._trust

    @property
    def at_once(self) -> bool:
        """Whether a verdict never waits for a server."""
        return self._ocsp is None or not self._ocsp.asks

    def validate(
        self,
        der: bytes,
        *,
        family: Family | None = None,
        chain: Iterable[bytes] = (),
        at: datetime | None = None,
    ) -> Verdict:
        """The verdict on one certificate. Never raises for what ``der`` holds.

        ``family``: the one the caller needs; another is refused. ``chain``: as above, for
        this certificate only (the CA certificate of the card it came from). ``at``: the time
        asked about, if not the validator's.
        """
        moment = self._moment(at)
        trust = self._trust.with_candidates(chain) if chain else self._trust
        # A root that came with this certificate alone is looked at by itself.
        seen = self._frames.judge(bytes(der), family, moment) if trust is self._trust else None
        if seen is not None:
            return self._verdict(seen.checks, seen.subject)
        try:
            certificate = parse_certificate(der)
        except CertificateError as error:
            return self._unreadable(error)
        found = find_anchor(certificate, trust)
        anchor = found if isinstance(found, Anchor) else None
        path = (
            check_path(certificate, found, trust.environment)
            if isinstance(found, Anchor)
            else found
        )
        profile = self._profile.check(certificate, family)
        revocation = self._revocation(certificate, anchor, path, moment)
        checks = (
            Check("certificate", Outcome.VALID, "certificate_read"),
            path,
            profile,
            check_validity(certificate.not_before, certificate.not_after, anchor, moment.at),
            revocation,
        )
        subject = self._subject(certificate, anchor)
        if anchor is not None and path.outcome is Outcome.VALID and trust is self._trust:
            self._learn(certificate, anchor, subject)
        return self._verdict(checks, subject)

    def examine(self, der: bytes) -> tuple[Verdict, Seen | None]:
        """As :meth:`validate`, for who asks more about the certificate: what was seen of it on
        the way; None where it was read carefully."""
        seen = self._frames.judge(bytes(der), None, self._moment(None))
        if seen is None:
            return self.validate(der), None
        return self._verdict(seen.checks, seen.subject), seen

    def validate_many(
        self, ders: Iterable[bytes], *, family: Family | None = None
    ) -> Iterator[Verdict]:
        """One verdict for each, in order."""
        return (self.validate(der, family=family) for der in ders)

    def _learn(self, certificate: Certificate, anchor: Anchor, subject: dict[str, object]) -> None:
        """Remember what all certificates of this one's frame share, so that the next is quick."""
        key_id = certificate.aki.key_id if certificate.aki is not None else None
        named = self._trust.named(certificate.issuer_der)
        if key_id is None or [root.key_id for root in named].count(key_id) != 1:
            return
        family = self._profile.family(certificate)
        settled = self._unasked(permitted=self.permitted(family))
        learned = Learned(
            family=family,
            profiles={f: self._profile.check(certificate, f) for f in (None, *Family)},
            subject=subject,
            settled=settled,
            standing=None if settled else self._standing(certificate, anchor),
        )
        self._frames.learn(certificate, anchor, learned)

    def _standing(self, certificate: AskedAbout, anchor: Anchor) -> Standing | None:
        """What the lists say of all they do not name, where they alone decide."""
        if not self._crl_decides:
            return None
        return self._crls.standing(certificate, anchor, self._max_age)

    def named(self, der: bytes) -> NamedCertificate:
        """What a certificate is named by. Of one that was found genuine here, and only of such
        a one. Raises CertificateError."""
        return self._frames.named(bytes(der)) or name_of(parse_certificate(der))

    def status(self, named: NamedCertificate) -> Check:
        """The ``revocation`` check of a certificate that is not at hand (現況確認).

        Its path was checked when it was; here only its issuer must still be a root.
        """
        anchor = next(
            (a for a in self._trust.named(named.issuer_der) if a.key_id == named.issuer_key_id),
            None,
        )
        family = None if anchor is None else anchor.family
        return self._ask(named, anchor, family, self._moment(None))

    def status_below(self, certificate: Certificate, issuer: Certificate, at: datetime) -> Check:
        """The ``revocation`` check as of ``at`` of a certificate that is not JPKI's (a time stamp
        authority's), below an ``issuer`` that the caller believes.

        Under the same policy as a holder's, from lists alone: no responder is asked about others.
        """
        real = self._trust.environment is Environment.PRODUCTION
        if (unasked := self._unasked(permitted=self._verifier is not None or not real)) is not None:
            return unasked
        anchor = Anchor(issuer, issuer.public_key, issuer.ski or b"", None, 0)
        moment = self._moment(None)._replace(at=at)  # newer lists tell of it, too
        listed = self._crls.check(certificate, anchor, moment)
        finding = decide(self._preference, listed, [])
        return Check("revocation", finding.outcome, finding.code, finding.values)

    def anchor_of(self, certificate: Certificate) -> Anchor | None:
        """The root that issued the certificate by name and key id (to ask OCSP, for one)."""
        found = find_anchor(certificate, self._trust)
        return found if isinstance(found, Anchor) else None

    def permitted(self, family: Family | None) -> bool:
        """Whether revocation data of that family may be read here."""
        if self._trust.environment is not Environment.PRODUCTION:
            return True
        return self._verifier is not None and family is not None and self._verifier.covers(family)

    def _moment(self, at: datetime | None) -> Moment:
        now = self._clock()
        at = at or self._at or now
        require_zone(at)
        return Moment(at=at, now=max(now, at), max_age=self._max_age)

    def _revocation(
        self, certificate: Certificate, anchor: Anchor | None, path: Check, moment: Moment
    ) -> Check:
        believed = anchor if path.outcome is Outcome.VALID else None
        return self._ask(certificate, believed, self._profile.family(certificate), moment)

    def _ask(
        self, certificate: AskedAbout, anchor: Anchor | None, family: Family | None, moment: Moment
    ) -> Check:
        """What the revocation data say of a certificate whose issuer is ``anchor``."""
        if (unasked := self._unasked(permitted=self.permitted(family))) is not None:
            return unasked
        if anchor is None:
            return Check("revocation", Outcome.NOT_RUN, "path_first")
        crl = self._crls.check(certificate, anchor, moment)
        ocsp = [] if self._ocsp is None else self._ocsp.check(certificate, anchor, moment, crl)
        finding = decide(self._preference, crl, ocsp)
        return Check("revocation", finding.outcome, finding.code, finding.values)

    def _ocsp_source(
        self, answers: tuple[bytes | OcspAnswer, ...], client: OcspClient | None
    ) -> OcspSource | None:
        """OCSP, loaded only where it is used: it would be half of what a first check takes."""
        if not answers and client is None:
            return None
        from jpki.validation.ocsp_source import OcspSource

        return OcspSource(answers, client, self._preference, self._in_force)

    def _unasked(self, *, permitted: bool) -> Check | None:
        """The check where no revocation data are looked at, whatever they say."""
        if self._mode is RevocationMode.NONE:
            return Check("revocation", Outcome.NOT_RUN, "revocation_not_asked")
        if not permitted:
            return Check("revocation", Outcome.CANNOT_TELL, "not_permitted")
        return None

    def _in_force(self, certificate: Certificate, anchor: Anchor, moment: Moment) -> bool:
        """Whether a CRL shows a responder's certificate to be in force."""
        finding = combine_findings(self._crls.check(certificate, anchor, moment))
        return finding.outcome is Outcome.VALID

    def _subject(self, certificate: Certificate, anchor: Anchor | None) -> dict[str, object]:
        family = self._profile.family(certificate)
        medium = self._profile.medium(certificate)
        return {
            "family": family.value if family else None,
            "medium": medium.value if medium else None,
            "generation": anchor.generation if anchor else None,
            "expires": rfc3339(certificate.not_after),
            "policy": certificate.policies[0] if certificate.policies else None,
        }

    def _unreadable(self, error: CertificateError) -> Verdict:
        first = Check("certificate", Outcome.INVALID, "certificate_unreadable", error.values)
        rest = (Check(name, Outcome.NOT_RUN, "certificate_first") for name in _NAMES[1:])
        return self._verdict((first, *rest), {})

    def _verdict(self, checks: tuple[Check, ...], subject: dict[str, object]) -> Verdict:
        genuine, in_force = _YES if _all_valid(checks) else _headlines(checks)
        return Verdict(checks, self._environment, genuine, in_force, subject)


def _all_valid(checks: tuple[Check, ...]) -> bool:
    # A loop, because this is asked of every certificate and nearly always true.
    for check in checks:  # noqa: SIM110
        if check.outcome is not Outcome.VALID:
            return False
    return True


def _headlines(checks: tuple[Check, ...]) -> tuple[Headline, Headline]:
    genuine = headline(check.outcome for check in checks if check.name in _GENUINE)
    return genuine, _in_force_headline(checks)


def _in_force_headline(checks: tuple[Check, ...]) -> Headline:
    """Dates and revocation. Dates alone never say yes: no check is no yes."""
    by_name = {check.name: check.outcome for check in checks}
    dates, revocation = by_name["validity"], by_name["revocation"]
    if Outcome.INVALID in (dates, revocation):
        return Headline.NO
    if dates is Outcome.VALID and revocation is Outcome.NOT_RUN:
        return Headline.NOT_RUN
    return headline((dates, revocation))
