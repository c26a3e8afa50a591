# SPDX-License-Identifier: Apache-2.0
"""Validates JPKI certificates: certificate, path, profile, validity, revocation, to a verdict.

A validator is loaded once (roots, CRLs, OCSP answers) and then asked many times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.certificate.policy import PolicyRow, PolicyTable
from jpki.errors import CertificateError
from jpki.validation.crl_store import CrlStore, NumberMemory
from jpki.validation.declaration import VerifierDeclaration
from jpki.validation.findings import combine_findings
from jpki.validation.named import AskedAbout, NamedCertificate
from jpki.validation.ocsp_store import OcspAnswer, OcspStore
from jpki.validation.path import check_path, check_validity, find_anchor
from jpki.validation.policy import Preference, RevocationMode, decide
from jpki.validation.profile import JpkiProfile
from jpki.validation.times import Moment, rfc3339
from jpki.validation.trust import Anchor, TrustStore
from jpki.verdict import Check, Headline, Outcome, Verdict, headline

_NAMES = ("certificate", "path", "profile", "validity", "revocation")
_GENUINE = ("certificate", "path", "profile")


def _now() -> datetime:
    return datetime.now(UTC)


class Validator:
    """Validates under the JPKI profile.

    ``crls``, ``ocsp``: DER. ``chain``: DER of CA certificates at hand; under ``production``
    pinned ones become usable, anything else is ignored. ``at``: the time asked about (aware;
    default: now by ``clock``). ``max_age``: of revocation data. ``verifier``: without it no
    revocation data are read under ``production``. ``unverified_policies``: accept policy OIDs
    nobody has read from a certificate (phones); ``policies``: the operator's own rows.
    ``memory``: remembers CRL numbers against rollback. Raises ValueError for a naive ``at``.
    """

    def __init__(
        self,
        trust: TrustStore,
        *,
        revocation: RevocationMode = RevocationMode.REQUIRE,
        preference: Preference = Preference.CRL,
        crls: Iterable[bytes] = (),
        ocsp: Iterable[bytes | OcspAnswer] = (),
        chain: Iterable[bytes] = (),
        max_age: timedelta | None = None,
        at: datetime | None = None,
        verifier: VerifierDeclaration | None = None,
        unverified_policies: bool = False,
        policies: Iterable[PolicyRow] = (),
        memory: NumberMemory | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        if at is not None and at.tzinfo is None:
            raise ValueError("a time needs its zone")
        self._trust = trust.with_candidates(chain)
        self._mode = revocation
        self._preference = preference
        self._max_age = max_age
        self._at = at
        self._verifier = verifier
        self._clock = clock
        self._profile = JpkiProfile(trust.environment, PolicyTable(policies), unverified_policies)
        read = revocation is not RevocationMode.NONE and (
            verifier is not None or trust.environment is not Environment.PRODUCTION
        )
        # Where reading is not allowed the data are not even looked at.
        self._crls = CrlStore(crls if read else (), memory)
        self._ocsp = OcspStore(ocsp if read else ())

    @property
    def trust(self) -> TrustStore:
        return self._trust

    def validate(
        self, der: bytes, *, family: Family | None = None, chain: Iterable[bytes] = ()
    ) -> Verdict:
        """The verdict on one certificate. Never raises for what ``der`` holds.

        ``family``: the one the caller needs; another is refused. ``chain``: as above, for
        this certificate only (the CA certificate of the card it came from).
        """
        try:
            certificate = parse_certificate(der)
        except CertificateError as error:
            return self._unreadable(error)
        trust = self._trust.with_candidates(chain)
        moment = self._moment()
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
            check_validity(certificate, anchor, moment.at),
            revocation,
        )
        return self._verdict(checks, self._subject(certificate, anchor))

    def validate_many(
        self, ders: Iterable[bytes], *, family: Family | None = None
    ) -> Iterator[Verdict]:
        """One verdict for each, in order."""
        return (self.validate(der, family=family) for der in ders)

    def status(self, named: NamedCertificate) -> Check:
        """The ``revocation`` check of a certificate that is not at hand (現況確認).

        Its path was checked when it was; here only its issuer must still be a root.
        """
        anchor = next(
            (a for a in self._trust.named(named.issuer_der) if a.key_id == named.issuer_key_id),
            None,
        )
        return self._ask(named, anchor, None if anchor is None else anchor.family, self._moment())

    def anchor_of(self, certificate: Certificate) -> Anchor | None:
        """The root that issued the certificate by name and key id (to ask OCSP, for one)."""
        found = find_anchor(certificate, self._trust)
        return found if isinstance(found, Anchor) else None

    def permitted(self, family: Family | None) -> bool:
        """Whether revocation data of that family may be read here."""
        if self._trust.environment is not Environment.PRODUCTION:
            return True
        return self._verifier is not None and family is not None and self._verifier.covers(family)

    def _moment(self) -> Moment:
        now = self._clock()
        at = now if self._at is None else self._at
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
        if self._mode is RevocationMode.NONE:
            return Check("revocation", Outcome.NOT_RUN, "revocation_not_asked")
        if not self.permitted(family):
            return Check("revocation", Outcome.CANNOT_TELL, "not_permitted")
        if anchor is None:
            return Check("revocation", Outcome.NOT_RUN, "path_first")
        cleared = functools.partial(self._in_force, anchor=anchor, moment=moment)
        finding = decide(
            self._preference,
            self._crls.check(certificate, anchor, moment),
            self._ocsp.check(certificate, anchor, moment, cleared),
        )
        return Check("revocation", finding.outcome, finding.code, finding.values)

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
        return Verdict(
            checks=checks,
            environment=self._trust.environment.value,
            genuine=headline(c.outcome for c in checks if c.name in _GENUINE),
            in_force=_in_force_headline(checks),
            subject=subject,
        )


def _in_force_headline(checks: tuple[Check, ...]) -> Headline:
    """Dates and revocation. Dates alone never say yes: no check is no yes."""
    by_name = {check.name: check.outcome for check in checks}
    dates, revocation = by_name["validity"], by_name["revocation"]
    if Outcome.INVALID in (dates, revocation):
        return Headline.NO
    if dates is Outcome.VALID and revocation is Outcome.NOT_RUN:
        return Headline.NOT_RUN
    return headline((dates, revocation))
