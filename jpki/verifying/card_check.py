# SPDX-License-Identifier: Apache-2.0
"""The main job: read what may be read, verify all of it, and say what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jpki.card import (
    Card,
    CardInfo,
    CertificateName,
    MyNumber,
    NumberPurpose,
    PinCounter,
    Presence,
    TextEvidence,
    check_card_present,
    check_text,
)
from jpki.card.licence_check import LicenceEvidence, check_licence
from jpki.card.surface_records import AgeRecord, FaceRecord
from jpki.card.text_records import TextAttributes
from jpki.card_map import LICENCE_AP, SURFACE_AP, TEXT_AP, Application, PinKind
from jpki.certificate import HolderAttributes, parse_certificate
from jpki.certificate.kinds import Environment, Family
from jpki.errors import CertificateError, NoCertificateError, NumberNotAllowedError, PinError
from jpki.verdict import Check, Headline, Outcome, Verdict, headline
from jpki.verifying.login import check_signature
from jpki.verifying.material import TrustMaterial, ValidationOptions
from jpki.verifying.mf_check import card_level
from jpki.verifying.surface_check import (
    SURFACE_KINDS,
    SurfaceFindings,
    binding,
    crossed,
    not_read,
    only_outdated,
    read_surface,
    unsigned,
)
from jpki_apdu.errors import (
    FileNotFoundOnCardError,
    MalformedResponseError,
    SecurityStatusError,
    StatusWordError,
)

PinSource = Callable[[PinCounter], bytearray]
"""Gives a PIN when it is needed, once, in a buffer that is wiped after use."""

Progress = Callable[[str], None]
"""Told the code of each step as it begins: ``detect``, ``counters``, ``text``, ``auth`` ..."""

_CHALLENGE = b"jpki-card-check/1\n"
CHECKED_PINS = (
    PinKind.TEXT, *SURFACE_KINDS, PinKind.AUTH, PinKind.SIGN, PinKind.LICENCE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardReport:
    """What ``check_card`` found.

    ``attributes``, ``number``, ``face`` and ``age`` only if read (``number`` masks itself);
    ``sign_holder``: the four attributes in the sign certificate. ``apdus``: commands sent (count).
    ``files``: files read (count).
    """

    verdict: Verdict
    info: CardInfo
    attributes: TextAttributes | None = field(default=None, repr=False)
    number: MyNumber | None = field(default=None, repr=False)
    face: FaceRecord | None = field(default=None, repr=False)
    age: AgeRecord | None = field(default=None, repr=False)
    sign_holder: HolderAttributes | None = field(default=None, repr=False)
    apdus: int = 0
    files: int = 0


@dataclass(slots=True)
class _Findings:
    """Checks in the order they are shown, and the three groups behind the headlines."""

    checks: list[Check] = field(default_factory=list)
    genuine: list[Outcome] = field(default_factory=list)
    in_force: list[Outcome] = field(default_factory=list)
    revocation_ran: bool = False
    possession: bool = False
    records: bool = False


def check_card(
    card: Card,
    trust: TrustMaterial,
    options: ValidationOptions,
    pins: Mapping[PinKind, PinSource],
    *,
    number_purpose: NumberPurpose | None = None,
    last_try: bool = False,
    progress: Progress | None = None,
) -> CardReport:
    """Read and verify a card. ``pins``: those that may be presented, each at most once.

    A 照合番号 goes to the surface application only (one VERIFY for one entry).

    Without PINs it checks all that is free to read. The 個人番号 is read only with
    ``number_purpose`` and a PIN that opens it. Raises PinError as soon as a PIN is
    refused (nothing more is presented), TransportError, CardDataError.
    """
    if number_purpose is not None and not {PinKind.TEXT, PinKind.NUMBER_A} & set(pins):
        raise NumberNotAllowedError(reason="no_pin")
    return _CardCheck(card, trust, options, pins, number_purpose, last_try, progress).run()


class _CardCheck:
    def __init__(
        self,
        card: Card,
        trust: TrustMaterial,
        options: ValidationOptions,
        pins: Mapping[PinKind, PinSource],
        number_purpose: NumberPurpose | None,
        last_try: bool,
        progress: Progress | None,
    ) -> None:
        self._card = card
        self._trust = trust
        self._validator = options.validator(trust)  # once: it reads every CRL
        self._pins = pins
        self._purpose = number_purpose
        self._last_try = last_try
        self._progress = progress or (lambda step: None)
        self._found = _Findings()
        self._attributes: TextAttributes | None = None
        self._number: MyNumber | None = None
        self._sign_holder: HolderAttributes | None = None
        self._text_present: Check | None = None
        self._face: SurfaceFindings | None = None

    def run(self) -> CardReport:
        before = self._card.channel.apdus
        self._progress("detect")
        self._card.detect()
        self._progress("counters")
        info = self._card.info()
        self._counters = {(c.application_name, c.kind): c for c in info.counters}
        self._files = 2  # token information and certificate availability
        if PinKind.LICENCE in self._pins and LICENCE_AP.name not in info.applications:
            raise PinError(PinKind.LICENCE, None, "pin_absent", application=LICENCE_AP.name)
        self._text(info)
        self._surface(info)
        self._auth(info)
        self._sign(info)
        self._licence(info)
        self._together()
        if info.token.medium == "card":
            found = self._found.checks
            found.append(card_level(self._card, self._trust, found))
        read = self._face.evidence if self._face else None
        return CardReport(
            verdict=self._verdict(info),
            info=info,
            attributes=self._attributes,
            number=self._number,
            face=read.face if read else None,
            age=read.age if read else None,
            sign_holder=self._sign_holder,
            apdus=self._card.channel.apdus - before,
            files=self._files,
        )

    # 券面 data -----------------------------------------------------------------------

    def _text(self, info: CardInfo) -> None:
        if PinKind.TEXT not in self._pins:
            present = TEXT_AP.name in info.applications
            code = "text_needs_pin" if present else "text_absent"
            self._add(Check("text_data", Outcome.NOT_RUN, code), self._found.genuine)
            return
        self._progress("text")
        self._present(PinKind.TEXT, TEXT_AP)
        evidence = self._text_evidence()
        self._attributes = evidence.attributes
        result = check_text(evidence, self._trust.cv_keys)
        for check in result.checks:
            self._add(check, self._found.genuine)
        self._found.records = True
        self._text_present = check_card_present(
            self._card.channel, TEXT_AP, result.key, problem=result.key_problem
        )
        self._possession(self._text_present)

    def _text_evidence(self) -> TextEvidence:
        text = self._card.text
        attributes = text.attributes()
        number = text.number(self._purpose) if self._purpose is not None else None
        self._number = number.number if number else None
        self._files += 4 + (number is not None)
        return TextEvidence(
            cv_certificate=text.cv_certificate(),
            digests=text.digests(),
            attributes=attributes,
            number=number,
            ap_key=text.ap_key(),
        )

    def _surface(self, info: CardInfo) -> None:
        kinds = [kind for kind in SURFACE_KINDS if kind in self._pins]
        if not kinds:
            self._add(not_read(SURFACE_AP.name in info.applications), self._found.genuine)
            return
        self._progress("surface")
        for kind in kinds:
            self._present(kind, SURFACE_AP)
        self._face = read_surface(self._card, self._trust, kinds, self._purpose)
        for check in self._face.checks:
            self._add(check, self._found.genuine)
        self._found.records = True
        self._files += self._face.files
        self._possession(self._face.present)

    def _licence(self, info: CardInfo) -> None:
        """No headline rests on it: who signs licences is not on the card, so nobody can tell."""
        evidence = None
        if PinKind.LICENCE in self._pins:
            self._progress("licence")
            evidence = self._licence_evidence()
            self._files += 3
        elif LICENCE_AP.name not in info.applications:
            return
        self._found.checks += check_licence(evidence)

    def _licence_evidence(self) -> LicenceEvidence:
        licence = self._card.licence
        if not licence.pin_set():  # then it is open, or closed to us
            return licence.evidence_without_pin(last_try=self._last_try)
        self._present(PinKind.LICENCE, LICENCE_AP)
        return licence.evidence()

    def _together(self) -> None:
        """What only all of it tells: is it one person's, and what is under no signature."""
        bound = binding(self._text_present, self._face)
        if bound is not None:
            self._add(bound, self._found.genuine)
        read = self._face.evidence if self._face else None
        face, age = (read.face, read.age) if read else (None, None)
        genuine = any(c.code == "text_data_genuine" for c in self._found.checks)
        for check in crossed(self._attributes, face, age, self._sign_holder):
            late = only_outdated(check, genuine)
            self._add(check, self._found.in_force if late else self._found.genuine)
        left = unsigned(self._attributes, face)
        if left is not None:
            self._add(left, self._found.genuine)

    # Certificates --------------------------------------------------------------------

    def _auth(self, info: CardInfo) -> None:
        with_pin = PinKind.AUTH in self._pins
        if with_pin:
            self._present(PinKind.AUTH)
        self._progress("auth")
        der = self._certificate("auth", "auth_certificate", info.certificates.auth)
        if der is not None:
            self._validate(der, Family.AUTH, "auth")
        if not with_pin:
            self._add(Check("login", Outcome.NOT_RUN, "login_needs_pin"), self._found.genuine)
        elif der is not None:
            self._possession(self._login(der))

    def _login(self, der: bytes) -> Check:
        """Whether the card signs a challenge of ours with the certificate's key."""
        challenge = _CHALLENGE + os.urandom(32)
        try:
            signature = self._card.jpki.authenticate(challenge)
        except StatusWordError as exc:
            return Check("login", Outcome.CANNOT_TELL, "login_unanswered", {"sw": str(exc.sw)})
        except MalformedResponseError:
            return Check("login", Outcome.CANNOT_TELL, "challenge_incomplete")
        return check_signature(der, signature, challenge)

    def _sign(self, info: CardInfo) -> None:
        name = "sign_certificate"
        if info.certificates.sign is Presence.ABSENT:
            self._add(Check(name, Outcome.NOT_RUN, "certificate_absent"), self._found.genuine)
            return
        if PinKind.SIGN not in self._pins:
            self._add(Check(name, Outcome.NOT_RUN, "sign_needs_pin"), self._found.genuine)
            return
        self._present(PinKind.SIGN)
        self._progress("sign")
        der = self._certificate("sign", name, info.certificates.sign)
        if der is not None:
            self._validate(der, Family.SIGN, "sign")
            self._sign_holder = _holder(der)

    def _certificate(self, which: CertificateName, name: str, there: Presence) -> bytes | None:
        """A certificate's DER; None if it is not there or not free, which is then said.

        ``there``: what the card said of it before. One that is announced, or whose PIN was
        just accepted, and then cannot be read leaves the question open.
        """
        pin = PinKind.SIGN if which == "sign" else PinKind.AUTH
        try:
            der = self._card.jpki.certificate(which)
        except (NoCertificateError, FileNotFoundOnCardError):
            announced = there is Presence.PRESENT
            outcome = Outcome.CANNOT_TELL if announced else Outcome.NOT_RUN
            code = "certificate_missing" if announced else "certificate_absent"
        except SecurityStatusError:
            outcome = Outcome.CANNOT_TELL if pin in self._pins else Outcome.NOT_RUN
            code = "certificate_closed" if pin in self._pins else "certificate_needs_pin"
        else:
            self._files += 1
            return der
        self._add(Check(name, outcome, code), self._found.genuine)
        return None

    def _validate(self, der: bytes, family: Family, prefix: str) -> None:
        candidates = self._ca_from_card(family)
        verdict = self._validator.validate(der, family=family, chain=candidates)
        path = [check for check in verdict.checks if check.name != "revocation"]
        faults = [check for check in path if check.outcome is not Outcome.VALID]
        if not faults:
            values = {**verdict.subject, "environment": verdict.environment}
            good = Check(f"{prefix}_certificate", Outcome.VALID, "certificate_good", values)
            self._found.checks.append(good)
        for check in faults:
            self._found.checks.append(_renamed(check, prefix))
        self._found.genuine += [c.outcome for c in path if c.name != "validity"]
        self._found.in_force += [c.outcome for c in path if c.name == "validity"]
        for check in verdict.checks:
            if check.name == "revocation":
                self._add(_renamed(check, prefix), self._found.in_force)
                self._found.revocation_ran |= check.outcome is not Outcome.NOT_RUN

    def _ca_from_card(self, family: Family) -> tuple[bytes, ...]:
        """The card's own copy of the root: of use only where roots are pinned by hash."""
        if self._trust.store.environment is not Environment.PRODUCTION:
            return ()
        which: CertificateName = "auth-ca" if family is Family.AUTH else "sign-ca"
        try:
            der = self._card.jpki.certificate(which)
        except (NoCertificateError, FileNotFoundOnCardError, SecurityStatusError):
            return ()
        self._files += 1
        return (der,)

    # ---------------------------------------------------------------------------------

    def _present(self, kind: PinKind, application: Application | None = None) -> None:
        name = application.name if application else "jpki"
        pin = self._pins[kind](self._counters[name, kind])
        self._card.pins.verify(kind, pin, application=application, last_try=self._last_try)

    def _possession(self, check: Check) -> None:
        self._add(check, self._found.genuine)
        self._found.possession |= check.outcome is Outcome.VALID

    def _add(self, check: Check, group: list[Outcome]) -> None:
        self._found.checks.append(check)
        group.append(check.outcome)

    def _verdict(self, info: CardInfo) -> Verdict:
        found = self._found
        return Verdict(
            checks=tuple(found.checks),
            environment=self._trust.store.environment.value,
            genuine=_genuine(found),
            in_force=_in_force(found),
            subject={"token": info.token.kind.name.lower(), "medium": info.token.medium},
        )


def _genuine(found: _Findings) -> Headline:
    """Yes only with proof that the keys are here: certificates and records can be copied."""
    answer = headline(found.genuine)
    if answer is not Headline.YES or found.possession:
        return answer
    return Headline.CANNOT_TELL if found.records else Headline.NOT_RUN


def _in_force(found: _Findings) -> Headline:
    """Yes only if revocation was looked at; an expired certificate is no in any case."""
    answer = headline(found.in_force)
    if answer is Headline.YES and not found.revocation_ran:
        return Headline.NOT_RUN
    return answer


def _renamed(check: Check, prefix: str) -> Check:
    return Check(f"{prefix}_{check.name}", check.outcome, check.code, check.values)


def _holder(der: bytes) -> HolderAttributes | None:
    try:
        return parse_certificate(der).holder
    except CertificateError:
        return None
