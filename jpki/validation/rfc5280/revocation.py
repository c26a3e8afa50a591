# SPDX-License-Identifier: Apache-2.0
"""Whether a certificate on a path is revoked, by any CRL or OCSP answer at hand.

Source: [RFC5280 6.3.3], with deltas and indirect lists; OCSP is in ``ocsp``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from jpki.certificate import extensions
from jpki.errors import RevocationDataError
from jpki.validation.findings import Finding, combine_findings
from jpki.validation.ocsp_request import OcspQuestion
from jpki.validation.ocsp_source import ask_if_needed
from jpki.validation.ocsp_store import OcspAnswer
from jpki.validation.policy import RevocationMode, decide
from jpki.validation.rfc5280.certificate import AnyCertificate
from jpki.validation.rfc5280.crl import REMOVED, AnyCrl, Entry, read_crl
from jpki.validation.rfc5280.ocsp import OcspAnswers
from jpki.validation.rfc5280.options import GeneralOptions
from jpki.validation.rfc5280.paths import Path, PathBuilder, PathLimitError
from jpki.validation.rfc5280.points import ALL_REASONS, Point, PointName
from jpki.validation.rfc5280.signatures import (
    UnsupportedSignatureError,
    is_weak_algorithm,
    is_weak_key,
    verify,
)
from jpki.validation.times import Moment, rfc3339
from jpki.verdict import Outcome

_MAX_NESTING: Final = 6

# How near a list came to telling: the last hurdle it failed at.
_RANKS: Final = {
    "crl_missing": 0,
    "crl_other_point": 3,
    "crl_malformed": 4,
    "crl_scope": 5,
    "crl_number_missing": 5,
    "crl_signature": 6,
    "crl_weak": 6,
    "crl_signer": 7,
    "crl_future": 8,
    "crl_no_next_update": 10,
    "crl_expired": 10,
    "crl_too_old": 10,
    "crl_reasons": 11,
}
# Certificates whose own status is being found out, so that none waits for itself.
_Asked = tuple[bytes, ...]
PathCheck = Callable[[Path], bool]


class Revocation:
    """Everything at hand about revocation, for one validation.

    ``path_holds``: tells whether the path to a list's signer is valid by itself.
    """

    def __init__(
        self,
        builder: PathBuilder,
        moment: Moment,
        options: GeneralOptions,
        crls: Iterable[AnyCrl],
        malformed: str | None,
        ocsp: OcspAnswers,
        path_holds: PathCheck,
    ) -> None:
        self._builder = builder
        self._moment = moment
        self._options = options
        held = list(crls)
        self._complete = [crl for crl in held if crl.base is None]
        self._deltas = [crl for crl in held if crl.base is not None]
        self._malformed = malformed
        self._ocsp = ocsp
        self._path_holds = path_holds

    def of_path(self, path: Path, asked: _Asked = ()) -> list[Finding]:
        """One finding for each certificate that the mode wants checked, from the last up."""
        certificates = path.certificates
        if self._options.revocation is RevocationMode.LEAF:
            certificates = certificates[-1:]
        return [self._of(certificate, path, asked) for certificate in reversed(certificates)]

    def _of(self, certificate: AnyCertificate, path: Path, asked: _Asked) -> Finding:
        issuer = path.all[path.certificates.index(certificate)]
        crl = self._by_crl(certificate, issuer, path, (*asked, certificate.der))

        def in_force(responder: AnyCertificate) -> bool:
            """A responder's own certificate has the same issuer, and CRLs of the same place."""
            own = Path(path.anchor, (*path.certificates[: path.all.index(issuer)], responder))
            found = self._by_crl(responder, issuer, own, (*asked, responder.der))
            return found.outcome is Outcome.VALID

        def judge(answer: OcspAnswer) -> list[Finding]:
            fresh = OcspAnswers([answer], weak_keys=self._options.weak_keys)
            return fresh.check(certificate, issuer, self._moment, in_force)

        ocsp = ask_if_needed(
            self._options.client,
            OcspQuestion(certificate.issuer_der, issuer.key_bits, certificate.serial),
            self._moment,
            self._options.preference,
            [crl],
            self._ocsp.check(certificate, issuer, self._moment, in_force),
            judge,
        )
        return decide(self._options.preference, [crl], ocsp)

    def _by_crl(
        self, certificate: AnyCertificate, issuer: AnyCertificate, path: Path, asked: _Asked
    ) -> Finding:
        covered: frozenset[int] = frozenset()
        findings = [self._nothing()]
        own = PointName(full=frozenset({certificate.issuer}))
        points = list(certificate.points)
        if all(point.issuers is None for point in points):
            # The list of the issuer itself, wherever it came from [RFC5280 6.3.3].
            points.append(Point(own, ALL_REASONS, None))
        for point in points:
            for crl in self._complete:
                fault = _mismatch(crl, point, certificate)
                if fault is not None and not _lists(crl, certificate):
                    findings += [_miss(fault, crl)] if crl.issuer == certificate.issuer else []
                    continue
                found = self._ask(crl, certificate, issuer, path, asked)
                if found.outcome is Outcome.INVALID:
                    return found
                if fault is not None:
                    findings.append(_miss(fault, crl))
                    continue
                findings.append(found)
                if found.outcome is Outcome.VALID:
                    covered |= point.reasons & crl.scope.reasons
        if covered == ALL_REASONS:
            return combine_findings(findings)
        misses = [finding for finding in findings if finding.outcome is not Outcome.VALID]
        if covered:
            misses.append(Finding(Outcome.CANNOT_TELL, "crl_reasons", rank=_RANKS["crl_reasons"]))
        return combine_findings(misses)

    def _nothing(self) -> Finding:
        if self._malformed is not None:
            values = {"reason": self._malformed}
            return Finding(
                Outcome.CANNOT_TELL, "crl_malformed", values, rank=_RANKS["crl_malformed"]
            )
        return Finding(Outcome.CANNOT_TELL, "crl_missing", {"point": "unnamed"})

    def _ask(
        self,
        crl: AnyCrl,
        certificate: AnyCertificate,
        issuer: AnyCertificate,
        path: Path,
        asked: _Asked,
    ) -> Finding:
        """What one list that covers the certificate says of it."""
        signer = self._signer(crl, issuer, path, asked)
        if isinstance(signer, str):
            return _miss(signer, crl)
        delta = self._delta(crl, signer)
        fault = self._age(delta or crl)
        if fault is not None:
            return _miss(fault, crl)
        key = (certificate.issuer, certificate.serial)
        entry = delta.entries.get(key) if delta is not None else None
        if entry is None:
            entry = crl.entries.get(key)
        elif entry.reason == REMOVED:
            return _good(delta or crl)
        return _good(delta or crl) if entry is None else _revoked(entry)

    def _age(self, crl: AnyCrl) -> str | None:
        if crl.number is None and self._options.max_age is None:
            return "crl_number_missing"
        fault = self._moment.fault(crl.this_update, crl.next_update)
        return None if fault is None else f"crl_{fault}"

    def _delta(self, crl: AnyCrl, signer: AnyCertificate) -> AnyCrl | None:
        """The newest delta that builds on this list [RFC5280 5.2.4], current and authentic."""
        if crl.number is None:
            return None
        fitting = [
            delta
            for delta in self._deltas
            if delta.issuer == crl.issuer
            and delta.scope.encoded == crl.scope.encoded
            and delta.key_id == crl.key_id
            and delta.base is not None
            and delta.number is not None
            and delta.base <= crl.number < delta.number
            and self._age(delta) is None
            and self._signature_fault(delta, signer) is None
        ]
        return max(fitting, key=lambda delta: delta.number or 0, default=None)

    def _signer(
        self, crl: AnyCrl, issuer: AnyCertificate, path: Path, asked: _Asked
    ) -> AnyCertificate | str:
        """Who signed the list and may do so below this anchor, or the code of why nobody."""
        fault = "crl_signer"
        for candidate in self._candidates(crl, issuer, path):
            if not candidate.may(extensions.CRL_SIGN):
                continue
            wrong = self._signature_fault(crl, candidate)
            if wrong is None and self._authorised(candidate, path, asked):
                return candidate
            fault = wrong or "crl_signer"
        return fault

    def _candidates(
        self, crl: AnyCrl, issuer: AnyCertificate, path: Path
    ) -> Iterator[AnyCertificate]:
        seen: set[bytes] = set()
        for candidate in (issuer, *path.all, *self._builder.named(crl.issuer)):
            if candidate.subject != crl.issuer or candidate.der in seen:
                continue
            seen.add(candidate.der)
            if None in (crl.key_id, candidate.key_id) or crl.key_id == candidate.key_id:
                yield candidate

    def _signature_fault(self, crl: AnyCrl, signer: AnyCertificate) -> str | None:
        at = self._moment.at
        try:
            if not verify(crl.algorithm, crl.signature, crl.tbs, signer.spki):
                return "crl_signature"
            weak = is_weak_algorithm(crl.algorithm, at) or is_weak_key(signer.spki, at)
        except UnsupportedSignatureError:
            return "crl_signature"
        return "crl_weak" if weak and not self._options.weak_keys else None

    def _authorised(self, signer: AnyCertificate, path: Path, asked: _Asked) -> bool:
        """Whether the signer speaks for this hierarchy: same anchor, valid, itself in force."""
        if any(signer.der == c.der for c in path.all) or signer.der in asked:
            return True
        if self._builder.is_anchor(signer):
            return self._builder.linked(signer, path.anchor)
        if len(asked) > _MAX_NESTING:
            return False
        try:
            return any(
                other.anchor.der == path.anchor.der
                and self._path_holds(other)
                and self._in_force(other, (*asked, signer.der))
                for other in self._builder.paths(signer)
            )
        except PathLimitError:
            return False

    def _in_force(self, path: Path, asked: _Asked) -> bool:
        """The signer's own path; of a policy that asks for the leaf only, nothing."""
        if self._options.revocation is RevocationMode.LEAF:
            return True
        return all(
            certificate.der in asked[:-1]
            or self._of(certificate, path, asked).outcome is Outcome.VALID
            for certificate in path.certificates
        )


def read_crls(ders: Iterable[bytes]) -> tuple[list[AnyCrl], str | None]:
    """Those that can be read, and the reason of the first that cannot."""
    found: list[AnyCrl] = []
    reason: str | None = None
    for data in ders:
        try:
            found.append(read_crl(data))
        except RevocationDataError as error:
            reason = reason or str(error.values["reason"])
    return found, reason


def _mismatch(crl: AnyCrl, point: Point, certificate: AnyCertificate) -> str | None:
    """Why a complete list does not cover the certificate at that point, or None."""
    scope = crl.scope
    if point.issuers is not None:
        if crl.issuer not in point.issuers or not scope.indirect:
            return "crl_other_point"
    elif crl.issuer != certificate.issuer:
        return "crl_other_point"
    if scope.name is not None:
        wanted = point.name.below(crl.issuer_der) if point.name else point.issuers or frozenset()
        if not scope.name.below(crl.issuer_der) & wanted:
            return "crl_other_point"
    # Of version 1 nobody can know whether it is an authority's [RFC5280 6.3.3 b 2 ii].
    if scope.users_only and (certificate.is_ca or certificate.version == 1):
        return "crl_scope"
    if (scope.authorities_only and not certificate.is_ca) or scope.attributes_only:
        return "crl_scope"
    return None


def _lists(crl: AnyCrl, certificate: AnyCertificate) -> bool:
    """Whether a list of its own issuer has it, though it may be for other certificates: it
    says nothing good of this one, but what it has revoked is revoked."""
    return (
        crl.issuer == certificate.issuer
        and not crl.scope.attributes_only
        and (certificate.issuer, certificate.serial) in crl.entries
    )


def _values(crl: AnyCrl) -> dict[str, object]:
    values: dict[str, object] = {
        "point": "all" if crl.scope.name is None else "unnamed",
        "this_update": rfc3339(crl.this_update),
    }
    if crl.next_update is not None:
        values["next_update"] = rfc3339(crl.next_update)
    return values


def _good(crl: AnyCrl) -> Finding:
    return Finding(Outcome.VALID, "crl_good", _values(crl))


def _revoked(entry: Entry) -> Finding:
    values = {"reason": entry.reason, "date": rfc3339(entry.since), "source": "crl"}
    return Finding(Outcome.INVALID, "revoked", values)


def _miss(code: str, crl: AnyCrl) -> Finding:
    values = {**_values(crl), "reason": "other_scope"}
    return Finding(Outcome.CANNOT_TELL, code, values, rank=_RANKS[code])
