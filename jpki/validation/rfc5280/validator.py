# SPDX-License-Identifier: Apache-2.0
"""Validates any certificate under [RFC5280] to a verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from jpki.certificate import extensions
from jpki.certificate.kinds import Environment
from jpki.errors import CertificateError
from jpki.validation.findings import Finding
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import engine
from jpki.validation.rfc5280.certificate import AnyCertificate, read_certificate
from jpki.validation.rfc5280.constraints import constraint_fault
from jpki.validation.rfc5280.ocsp import OcspAnswers
from jpki.validation.rfc5280.options import GeneralOptions
from jpki.validation.rfc5280.paths import Path, PathBuilder, PathLimitError
from jpki.validation.rfc5280.profile import extension_fault, profile_fault
from jpki.validation.rfc5280.revocation import Revocation, read_crls
from jpki.validation.rfc5280.signatures import (
    UnsupportedSignatureError,
    is_weak_algorithm,
    is_weak_key,
)
from jpki.validation.times import Moment, require_zone, rfc3339, to_second
from jpki.verdict import Check, Headline, Outcome, Verdict, headline

_log = logging.getLogger(__name__)
_NAMES: Final = ("certificate", "path", "validity", "revocation")
_GENUINE: Final = ("certificate", "path")
_PASSED: Final = (Outcome.VALID, Outcome.NOT_RUN)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Fault:
    """``position``: which certificate of the path, counted from the anchor, which is 0."""

    code: str
    position: int | None = None
    outcome: Outcome = Outcome.INVALID


class GeneralValidator:
    """Validates under the general profile. Thread-safe; holds no state of a validation.

    ``anchors``: DER; what cannot be read, or (without ``partial``) is not self-issued, is no
    anchor. ``environment``: whose they are. Raises MissingExtraError without the extra
    ``pki``, ValueError for a naive time.
    """

    def __init__(
        self,
        anchors: Iterable[bytes],
        options: GeneralOptions | None = None,
        *,
        environment: Environment = Environment.CUSTOM,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        engine.demand_extra()
        self._environment = environment
        self._options = options or GeneralOptions()
        require_zone(self._options.at)
        self._clock = clock
        named = _readable(anchors)
        self._anchors = [a for a in named if self._options.partial or a.self_issued]
        self._pool = _readable(self._options.chain)
        checked = self._options.revocation is not RevocationMode.NONE
        self._crls, self._malformed = read_crls(self._options.crls if checked else ())
        self._ocsp = OcspAnswers(
            self._options.ocsp if checked else (), weak_keys=self._options.weak_keys
        )

    def validate(self, der: bytes) -> Verdict:
        """The verdict on one certificate. Never raises for what ``der`` holds."""
        try:
            certificate = read_certificate(der)
        except CertificateError as error:
            first = Check("certificate", Outcome.INVALID, "certificate_unreadable", error.values)
            rest = [Check(name, Outcome.NOT_RUN, "certificate_first") for name in _NAMES[1:]]
            return _verdict([first, *rest], self._environment)
        return _verdict(_Validation(self, certificate).checks(), self._environment)


class _Validation:
    """One certificate: its paths are tried until one holds in every respect."""

    def __init__(self, validator: GeneralValidator, certificate: AnyCertificate) -> None:
        self._options = validator._options
        at = to_second(self._options.at or validator._clock())
        self._moment = Moment(at=at, now=at, max_age=self._options.max_age)
        self._certificate = certificate
        self._builder = PathBuilder(validator._anchors, validator._pool)
        self._revocation = Revocation(
            self._builder,
            self._moment,
            self._options,
            validator._crls,
            validator._malformed,
            validator._ocsp,
            lambda path: self._fault(path) is None and self._expiry(path) is None,
        )

    def checks(self) -> list[Check]:
        read = Check("certificate", Outcome.VALID, "certificate_read")
        best: list[Check] = []
        given_up = False
        try:
            for path in self._builder.paths(self._certificate):
                checks = self._assess(path)
                if all(check.outcome in _PASSED for check in checks):
                    return [read, *checks]
                if _order(checks) > _order(best):
                    best = checks
        except PathLimitError:
            given_up = True
        if (given_up or self._builder.cut) and (not best or best[0].outcome is Outcome.INVALID):
            # One of the paths not seen may hold.
            best = self._without_path("path_limit", Outcome.CANNOT_TELL)
        return [read, *(best or self._untrusted())]

    def _untrusted(self) -> list[Check]:
        """No path at all: why, as far as the search has seen."""
        if self._builder.unsupported:
            return self._without_path("path_algorithm_unknown", Outcome.CANNOT_TELL)
        code = "path_signature" if self._builder.signature_failed else "untrusted"
        return self._without_path(code, Outcome.INVALID)

    def _without_path(self, code: str, outcome: Outcome) -> list[Check]:
        alone = self._expiry(Path(self._certificate, ()))
        return [
            Check("path", outcome, code),
            alone or self._in_time(self._certificate),
            Check("revocation", Outcome.NOT_RUN, "path_first"),
        ]

    def _assess(self, path: Path) -> list[Check]:
        """The checks of one path: path, validity, revocation."""
        validity = self._expiry(path) or self._in_time(self._certificate)
        fault = self._fault(path)
        if fault is not None:
            values = {} if fault.position is None else {"position": fault.position}
            return [
                Check("path", fault.outcome, fault.code, values),
                validity,
                Check("revocation", Outcome.NOT_RUN, "path_first"),
            ]
        held = Check("path", Outcome.VALID, "path_holds", {"length": len(path.certificates)})
        if self._options.revocation is RevocationMode.NONE:
            return [held, validity, Check("revocation", Outcome.NOT_RUN, "revocation_not_asked")]
        if not path.certificates:
            revocation = Check("revocation", Outcome.CANNOT_TELL, "anchor_without_status")
        else:
            revocation = _combined(self._revocation.of_path(path))
        return [held, validity, revocation]

    def _in_time(self, certificate: AnyCertificate) -> Check:
        expires = {"expires": rfc3339(certificate.not_after)}
        return Check("validity", Outcome.VALID, "within_validity", expires)

    def _expiry(self, path: Path) -> Check | None:
        """The validity check of a path whose dates are not all right; the anchor counts."""
        for position, certificate in enumerate(path.all):
            last = position == len(path.all) - 1
            if self._moment.at > certificate.not_after:
                values: dict[str, object] = {"expires": rfc3339(certificate.not_after)}
                code = "expired" if last else "path_expired"
            elif self._moment.at < certificate.not_before:
                values = {"begins": rfc3339(certificate.not_before)}
                code = "not_yet_valid" if last else "path_not_yet_valid"
            else:
                continue
            if not last:
                values["position"] = position
            return Check("validity", Outcome.INVALID, code, values)
        return None

    def _fault(self, path: Path) -> _Fault | None:
        """Why a path does not hold, dates aside, or None."""
        early = self._anchor_fault(path.anchor) or self._form_fault(path)
        if early is not None or not path.certificates:
            return early
        code = constraint_fault(path.all)
        if code is not None:
            return _Fault(code)
        fault = engine.check_path(
            path.anchor.der,
            [certificate.der for certificate in path.certificates],
            _moment_inside(path) or self._moment.at,
            self._options,
        )
        return None if fault is None else _Fault(fault.code, outcome=fault.outcome)

    def _anchor_fault(self, anchor: AnyCertificate) -> _Fault | None:
        """What forbids a root to issue. With ``partial`` it is no more than a name and a key,
        but what it says of itself is not overheard."""
        if anchor.constraints is None and (self._options.partial or anchor.version == 1):
            authority = True
        else:
            authority = anchor.is_ca
        code = extension_fault(anchor)
        if code is not None:
            return _Fault(f"path_{code}", 0)
        if anchor.der == self._certificate.der:
            return None
        if not authority or not anchor.may(extensions.KEY_CERT_SIGN):
            return _Fault("path_not_a_ca", 0)
        return None

    def _form_fault(self, path: Path) -> _Fault | None:
        last = len(path.all) - 1
        for position, certificate in enumerate(path.all):
            code = profile_fault(certificate, last=position == last) if position else None
            if code is not None:
                return _Fault(f"path_{code}", position)
            if self._options.weak_keys:
                continue
            try:
                weak = is_weak_key(certificate.spki, self._moment.at)
                if position:
                    weak |= is_weak_algorithm(certificate.algorithm, self._moment.at)
            except UnsupportedSignatureError:
                return _Fault("path_algorithm_unknown", position, Outcome.CANNOT_TELL)
            if weak:
                return _Fault("path_weak", position)
        return None


def _moment_inside(path: Path) -> datetime | None:
    """A moment that all dates of a path allow: they are a check of their own, and the library
    is asked about the rest."""
    latest_start = max(certificate.not_before for certificate in path.certificates)
    first_end = min(certificate.not_after for certificate in path.certificates)
    return first_end if latest_start <= first_end else None


def _combined(findings: list[Finding]) -> Check:
    """Of every certificate that was checked: revoked, else the first that cannot be told."""
    worst = {Outcome.INVALID: 2, Outcome.CANNOT_TELL: 1}
    finding = max(findings, key=lambda f: worst.get(f.outcome, 0))
    return Check("revocation", finding.outcome, finding.code, finding.values)


def _order(checks: list[Check]) -> tuple[int, ...]:
    """How far a path came; a revoked certificate is worse news than an unknown one, and where
    one path cannot be told another that fails is no answer."""
    if not checks:
        return ()
    path, validity, revocation = (check.outcome for check in checks)
    return (
        int(revocation is Outcome.INVALID),
        int(path is not Outcome.INVALID and validity is not Outcome.INVALID),
        int(path is Outcome.VALID),
        int(revocation is Outcome.VALID),
    )


def _readable(ders: Iterable[bytes]) -> list[AnyCertificate]:
    found: list[AnyCertificate] = []
    for der in ders:
        try:
            found.append(read_certificate(der))
        except CertificateError as error:
            _log.debug("a certificate at hand cannot be read: %s", error.values["reason"])
    return found


def _verdict(checks: list[Check], environment: Environment) -> Verdict:
    by_name = {check.name: check.outcome for check in checks}
    dates, revocation = by_name["validity"], by_name["revocation"]
    force = headline((dates, revocation))
    if dates is Outcome.VALID and revocation is Outcome.NOT_RUN:
        force = Headline.NOT_RUN
    return Verdict(
        checks=tuple(checks),
        environment=environment.value,
        genuine=headline(by_name[name] for name in _GENUINE),
        in_force=force,
    )
