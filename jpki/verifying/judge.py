# SPDX-License-Identifier: Apache-2.0
"""What every signature needs judged, whatever file it stands in: its certificate, its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.errors import CertificateError
from jpki.validation.path import check_validity
from jpki.validation.policy import RevocationMode
from jpki.validation.validator import Validator
from jpki.verdict import Check, Outcome, Verdict
from jpki.verifying.issued import IssuerKey
from jpki.verifying.material import TrustMaterial, ValidationOptions

# Reasons of a revocation that leave the stamps from before it valid [RFC3161 4].
_HARMLESS: Final = frozenset(
    {"unspecified", "affiliation_changed", "superseded", "cessation_of_operation"}
)


class Judge:
    """Trust, revocation and how strict to be, for one run over any number of signatures.

    ``family``: which key has to have signed; a document is signed with the sign key.
    ``tsa``: DER of the time stamp authorities' roots or own certificates; what they stamped
    is believed. ``issuers``: keys of who issues documents. ``history``: SHA-1 is looked at as
    it was long ago, not refused.
    """

    def __init__(
        self,
        trust: TrustMaterial,
        options: ValidationOptions,
        *,
        family: Family = Family.SIGN,
        tsa: Iterable[bytes] = (),
        issuers: Iterable[IssuerKey] = (),
        history: bool = False,
    ) -> None:
        self._trust = trust
        self._options = options
        self.family = family
        self.tsa = tuple(dict.fromkeys((*trust.tsa, *tsa)))
        self.issuers = (*trust.issuers, *issuers)
        self.history = history
        self._named: Certificate | None = None
        self._validators: dict[datetime | None, Validator] = {}

    def naming(self, certificate: bytes) -> Judge:
        """This judge, for a signer known by its certificate (DER) and not by an issuer.

        Raises CertificateError.
        """
        made = Judge(
            self._trust, self._options, family=self.family, tsa=self.tsa, issuers=self.issuers,
            history=self.history,
        )  # fmt: skip
        made._named = parse_certificate(certificate)
        return made

    @property
    def environment(self) -> Environment:
        return self._trust.store.environment

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER of the certificates the caller named: a signer's own may be among them."""
        return self._options.chain

    @property
    def now(self) -> datetime:
        """The time asked about, which is now unless the caller named one; aware."""
        return self._options.at or datetime.now(UTC)

    @property
    def legal(self) -> bool:
        """Whether this verifier may verify another's signature by law, as far as is declared.

        Asked only under production: 公的個人認証法17条 and 36条 know registered verifiers only.
        A signer known by its own certificate is none of JPKI's holders.
        """
        if self.environment is not Environment.PRODUCTION or self._known_by_name:
            return True
        declared = self._options.verifier
        return declared is not None and declared.covers(self.family)

    def certificate(
        self, der: bytes, *, chain: Iterable[bytes] = (), at: datetime | None = None
    ) -> Verdict:
        """The verdict on a signer's certificate.

        ``chain``: DER that came with the signature. ``at``: a trusted time of the signature;
        None: the time the caller asked about, or now.
        """
        if self._named is not None and der != self._named.der:
            fault = Check("path", Outcome.INVALID, "certificate_not_named")
            return Verdict((fault,), self.environment.value)
        if self._named is not None and self._known_by_name:
            return self._by_name(self._named, at or self.now)
        return self._validator(at).validate(der, family=self.family, chain=chain)

    def stamp_status(self, path: Sequence[Certificate], at: datetime) -> Check:
        """Whether a time stamp authority was in force ``at`` the time it stamped.

        ``path``: its certificate, then each issuer up to what the caller trusts, of which nothing
        is asked. The policy is the signer's: ``leaf`` asks about the first alone. A revocation
        counts from its date if its reason says that the key is not to blame; else every stamp
        falls with it [RFC3161 4].
        """
        validator = self._validator(None)
        found = Check("revocation", Outcome.VALID, "certificate_named")
        leaf = self._options.revocation is RevocationMode.LEAF
        below = path[:-1][:1] if leaf else path[:-1]
        for certificate, issuer in zip(below, path[1:], strict=False):
            found = validator.status_below(certificate, issuer, at)
            later = found.code == "revoked_later"
            if later and found.values["reason"] not in _HARMLESS:
                found = replace(found, outcome=Outcome.INVALID, code="revoked")
            if found.outcome is not Outcome.VALID:
                break
        return found

    @property
    def _known_by_name(self) -> bool:
        """Whether the signer's certificate itself is trusted, because the caller named it.

        Never one that says it is JPKI's: a holder is known by the root and in force or not.
        """
        return self._named is not None and self._named.environment is None

    def _by_name(self, own: Certificate, at: datetime) -> Verdict:
        checks = (
            Check("path", Outcome.VALID, "certificate_named"),
            check_validity(own.not_before, own.not_after, None, at),
            Check("revocation", Outcome.NOT_RUN, "revocation_not_asked"),
        )
        return Verdict(checks, self.environment.value)

    def _validator(self, at: datetime | None) -> Validator:
        """A validator for that time, loaded once: it reads every CRL."""
        if at not in self._validators:
            options = self._options if at is None else replace(self._options, at=at)
            self._validators[at] = options.validator(self._trust)
        return self._validators[at]

    def find(self, ders: Iterable[bytes]) -> list[Certificate]:
        """Those of ``ders``, and of the caller's own, that can be read as certificates."""
        found: dict[bytes, Certificate] = {}
        for der in (*ders, *self.chain):
            try:
                certificate = parse_certificate(der)
            except CertificateError:
                continue
            found.setdefault(certificate.der, certificate)
        return list(found.values())
