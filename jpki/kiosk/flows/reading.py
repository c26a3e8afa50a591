# SPDX-License-Identifier: Apache-2.0
"""券面 data for a flow: read after one PIN, verified before anything is done with it.

A flow gets an ending for what is not genuine, and the data only where they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from jpki.card import (
    NumberPurpose,
    SurfaceEvidence,
    TextEvidence,
    check_card_present,
    check_surface,
    check_text,
)
from jpki.card.authenticity import CvKeys
from jpki.card.my_number import MyNumber
from jpki.card.text_records import TextAttributes
from jpki.card_map import SURFACE_AP, TEXT_AP, PinKind
from jpki.kiosk.visit import Close, Ending, Visit
from jpki.verdict import Check, Outcome, combine


def ending_unless_genuine(checks: Iterable[Check]) -> Ending | None:
    """None if every check is valid; what did not run counts as not known.

    ``not_genuine``: somebody altered or copied it. ``not_known``: nothing is handed on either.
    """
    outcome = combine(
        Outcome.CANNOT_TELL if check.outcome is Outcome.NOT_RUN else check.outcome
        for check in checks
    )
    match outcome:
        case Outcome.VALID:
            return None
        case Outcome.INVALID:
            return Ending(Close.FAILED, "not_genuine")
        case _:
            return Ending(Close.FAILED, "not_known")


def read_attributes(visit: Visit, cv_keys: CvKeys) -> TextAttributes | Ending:
    """Name, address, birth, sex under the text PIN, signed and with the card present.

    The number is not read. Raises PinError, CancelledError, CardError.
    """
    visit.present_pin(PinKind.TEXT, TEXT_AP)
    visit.desk.progress("read", 0, 1)
    text = visit.card.text
    attributes = text.attributes()
    evidence = TextEvidence(
        text.cv_certificate(), text.digests(), attributes=attributes, ap_key=text.ap_key()
    )
    return _unless_genuine(visit, evidence, cv_keys, "text_data") or attributes


def read_number(visit: Visit, cv_keys: CvKeys, purpose: NumberPurpose) -> MyNumber | Ending:
    """The 個人番号 alone, for ``purpose``, under the text PIN; raises as read_attributes."""
    visit.present_pin(PinKind.TEXT, TEXT_AP)
    visit.desk.progress("read", 0, 1)
    text = visit.card.text
    record = text.number(purpose)
    evidence = TextEvidence(
        text.cv_certificate(), text.digests(), number=record, ap_key=text.ap_key()
    )
    return _unless_genuine(visit, evidence, cv_keys, "text_number") or record.number


def ending_unless_surface_genuine(
    visit: Visit, evidence: SurfaceEvidence, cv_keys: CvKeys
) -> Ending | None:
    """The same for records of the 券面事項確認AP, which hold data and the key of the card."""
    result = check_surface(evidence, cv_keys)
    visit.desk.progress("verify", 0, 1)
    present = check_card_present(
        visit.card.channel, SURFACE_AP, result.key, problem=result.key_problem
    )
    return ending_unless_genuine([*result.checks, present])


def _unless_genuine(
    visit: Visit, evidence: TextEvidence, cv_keys: CvKeys, name: str
) -> Ending | None:
    result = check_text(evidence, cv_keys)
    visit.desk.progress("verify", 0, 1)
    present = check_card_present(
        visit.card.channel, TEXT_AP, result.key, problem=result.key_problem
    )
    read = [check for check in result.checks if check.name == name]
    return ending_unless_genuine([*read, present])
