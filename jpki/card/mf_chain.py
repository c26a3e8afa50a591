# SPDX-License-Identifier: Apache-2.0
"""Whether the key certificates of the card level (MF) are signed down from a CA key.

Two certificates: 00F8 by a CA key, 7F21 by the key that 00F8 names. Nothing else on the
card level is signed, and nothing in the chain names a person or can be challenged: it
shows that these bytes were issued, not that they were issued to this card.
Recipe: [MC], grade B, as are the CA keys of this chain, production's too: one source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki.card.authenticity import CvKeys, check_cv_certificate
from jpki.card.cv_certificate import CvCertificate, key_name, signature_fits
from jpki.card.mf import UNSIGNED
from jpki.verdict import Check, Outcome
from jpki_apdu.errors import StatusWordError

if TYPE_CHECKING:
    from jpki.card.card import Card

_NAME = "mf_chain"
_TOO_LARGE = 0x6700  # the object needs extended length, which this reader does not carry


def check_mf(card: Card, ca_keys: CvKeys) -> tuple[Check, ...]:
    """Read both certificates and verify them: ``mf_chain``, and ``mf_unsigned`` (not_run).

    Costs one SELECT and one or two commands for each certificate, **and every PIN that was
    presented: selecting the card manager makes the card forget them**. So it comes before
    the first PIN or after the last use of one. On a reader without extended length the
    certificates cannot be read: not_run. Raises CardDataError, TransportError.
    """
    try:
        intermediate, lower = card.mf.intermediate(), card.mf.lower()
    except StatusWordError as exc:
        if exc.sw == _TOO_LARGE:
            # The reader's fault, not the card's: it must not make a good card doubtful.
            return Check(_NAME, Outcome.NOT_RUN, "mf_needs_extended"), unsigned()
        values = {"sw": str(exc.sw)}
        return Check(_NAME, Outcome.CANNOT_TELL, "mf_refused", values), unsigned()
    return check_mf_chain(intermediate, lower, ca_keys), unsigned()


def unsigned() -> Check:
    """Names what is not signed on the card level. Never a reason for a worse outcome."""
    return Check("mf_unsigned", Outcome.NOT_RUN, "mf_not_signed", {"objects": ", ".join(UNSIGNED)})


def check_mf_chain(
    intermediate: CvCertificate | None, lower: CvCertificate | None, ca_keys: CvKeys
) -> Check:
    """The chain of what was read (None = not on the card).

    A signature that does not fit is invalid; an issuer that is not known is cannot_tell.
    """
    if intermediate is None:
        if lower is None:
            return Check(_NAME, Outcome.NOT_RUN, "mf_no_certificates")
        issuer = {"ca": key_name(lower.issuer)}
        return Check(_NAME, Outcome.CANNOT_TELL, "mf_no_intermediate", issuer)
    problem = check_cv_certificate(intermediate, ca_keys, _NAME)
    if problem is not None:
        values = {"ca": problem.values["ca"], "intermediate": key_name(intermediate.subject)}
        code = "mf_signature_wrong" if problem.outcome is Outcome.INVALID else problem.code
        return Check(_NAME, problem.outcome, code, values)
    values = {"ca": key_name(intermediate.issuer), "intermediate": key_name(intermediate.subject)}
    if lower is None:
        return Check(_NAME, Outcome.VALID, "mf_chain_short", values)
    values["lower"] = key_name(lower.subject)
    if lower.issuer != intermediate.subject:
        values["ca"] = key_name(lower.issuer)
        return Check(_NAME, Outcome.CANNOT_TELL, "mf_other_intermediate", values)
    if not signature_fits(intermediate.key, lower.signature, lower.signed):
        return Check(_NAME, Outcome.INVALID, "mf_lower_signature_wrong", values)
    return Check(_NAME, Outcome.VALID, "mf_chain_genuine", values)
