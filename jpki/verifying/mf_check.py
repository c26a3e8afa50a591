# SPDX-License-Identifier: Apache-2.0
"""The card level's key certificates as part of a whole-card check: shown, never decisive."""

from __future__ import annotations

from collections.abc import Iterable

from jpki.card import Card
from jpki.card.mf_chain import check_mf
from jpki.certificate.kinds import Environment
from jpki.errors import CardDataError
from jpki.verdict import Check, Outcome
from jpki.verifying.material import TrustMaterial
from jpki_apdu.errors import MalformedResponseError, StatusWordError


def card_level(card: Card, trust: TrustMaterial, others: Iterable[Check]) -> Check:
    """``mf_chain``. The card forgets every PIN: to be called after the last use of one.

    It names no person and no key that can be challenged, and its production CA key rests on
    one source ([MC], grade B). So outside the test PKI only a chain that verifies is said;
    anything else is not_run with its reason, and no headline rests on it. Nor does an
    outcome: where none of the ``others`` ran, this alone must not make a verdict valid.
    """
    try:
        check = check_mf(card, trust.cv_keys)[0]
    except (CardDataError, MalformedResponseError, StatusWordError):
        return Check("mf_chain", Outcome.NOT_RUN, "mf_unreadable")
    certain = check.outcome is Outcome.VALID or trust.store.environment is Environment.TEST
    if certain and any(other.outcome is not Outcome.NOT_RUN for other in others):
        return check
    return Check(check.name, Outcome.NOT_RUN, check.code, check.values)
