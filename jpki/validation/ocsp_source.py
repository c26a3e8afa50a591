# SPDX-License-Identifier: Apache-2.0
"""OCSP as a validator uses it: answers at hand first, then a responder, if one is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from jpki.certificate.certificate import Certificate
from jpki.validation.findings import Finding, combine_findings
from jpki.validation.named import AskedAbout
from jpki.validation.ocsp import parse_ocsp
from jpki.validation.ocsp_client import OcspClient, OcspUnavailableError
from jpki.validation.ocsp_request import OcspQuestion, question_about
from jpki.validation.ocsp_store import KnownResponders, OcspAnswer, OcspStore, ocsp_miss
from jpki.validation.policy import Preference
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome

Judge = Callable[[OcspAnswer], list[Finding]]
InForce = Callable[[Certificate, Anchor, Moment], bool]
_TOLD = (Outcome.VALID, Outcome.INVALID)


class OcspSource:
    """``answers`` at hand, then a responder. ``in_force``: whether lists show the certificate
    of a responder to be in force."""

    def __init__(
        self,
        answers: Iterable[bytes | OcspAnswer],
        client: OcspClient | None,
        preference: Preference,
        in_force: InForce,
    ) -> None:
        self._known = KnownResponders()
        self._held = OcspStore(answers, self._known)
        self._client = client
        self._preference = preference
        self._in_force = in_force

    @property
    def asks(self) -> bool:
        """Whether a responder may be asked."""
        return self._client is not None

    def check(
        self, certificate: AskedAbout, anchor: Anchor, moment: Moment, crl: Sequence[Finding]
    ) -> list[Finding]:
        """What OCSP says of a certificate of that root, of which the lists say ``crl``."""

        def cleared(responder: Certificate) -> bool:
            return self._in_force(responder, anchor, moment)

        return ask_if_needed(
            self._client,
            question_about(certificate, anchor),
            moment,
            self._preference,
            crl,
            self._held.check(certificate, anchor, moment, cleared),
            lambda answer: OcspStore([answer], self._known).check(
                certificate, anchor, moment, cleared
            ),
        )


def ask_if_needed(
    client: OcspClient | None,
    question: OcspQuestion,
    moment: Moment,
    preference: Preference,
    crl: Sequence[Finding],
    held: list[Finding],
    judge: Judge,
) -> list[Finding]:
    """``held``, and what the responder says where that could change the outcome.

    ``judge`` believes its answer or does not; only a believed one is kept by the client.
    """
    if client is None or not _needed(preference, crl, held):
        return held
    try:
        answer = client.ask(question, moment.now)
    except OcspUnavailableError as error:
        return [*held, ocsp_miss("ocsp_no_answer", {"reason": error.values["reason"]})]
    found = judge(answer)
    if found and all(finding.outcome in _TOLD for finding in found):
        until = _lifetime(answer)
        if until is not None:
            client.keep(question, answer, until)
    return [*held, *found]


def _needed(preference: Preference, crl: Sequence[Finding], held: Sequence[Finding]) -> bool:
    if any(finding.outcome is Outcome.INVALID for finding in (*crl, *held)):
        return False
    if held and combine_findings(held).outcome is Outcome.VALID:
        return False
    return preference is not Preference.CRL or combine_findings(crl).outcome is not Outcome.VALID


def _lifetime(answer: OcspAnswer) -> datetime | None:
    """The first nextUpdate in a believed answer; None: it is not to be kept."""
    parsed = parse_ocsp(answer.der)
    if isinstance(parsed, str):
        return None
    ends = [single.next_update for single in parsed.answers if single.next_update is not None]
    return min(ends) if len(ends) == len(parsed.answers) else None
