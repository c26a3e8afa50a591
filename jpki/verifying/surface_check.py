# SPDX-License-Identifier: Apache-2.0
"""What the whole-card check does with the 券面事項確認AP, and what it says about the rest.

A 照合番号 exists in two applications with a counter in each. One that was given once is
presented once, and here: the surface application is the one whose records bind a person to
the card's key.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jpki.card import Card, NumberPurpose, SurfaceEvidence, check_card_present, check_surface
from jpki.card.surface_authenticity import PRESENT
from jpki.card.surface_records import AgeRecord, FaceRecord
from jpki.card.text_records import TextAttributes
from jpki.card_map import SURFACE_AP, PinKind
from jpki.certificate import HolderAttributes
from jpki.verdict import Check, Outcome
from jpki.verifying.cross_check import (
    Facts,
    cross_checks,
    facts_of_age,
    facts_of_certificate,
    facts_of_face,
    facts_of_text,
)
from jpki.verifying.material import TrustMaterial

SURFACE_KINDS = (PinKind.NUMBER_B, PinKind.NUMBER_A, PinKind.BIRTH)
_FACE_KINDS = frozenset((PinKind.NUMBER_A, PinKind.NUMBER_B))


@dataclass(frozen=True, slots=True)
class SurfaceFindings:
    """Checks on the records, the challenge, and what was read. ``files``: read (count)."""

    checks: tuple[Check, ...]
    present: Check
    binds_person: bool
    evidence: SurfaceEvidence
    files: int


def not_read(available: bool) -> Check:
    """The check when no PIN of the surface application was given."""
    code = "surface_needs_pin" if available else "surface_absent"
    return Check("surface_face", Outcome.NOT_RUN, code)


def read_surface(
    card: Card,
    trust: TrustMaterial,
    kinds: Collection[PinKind],
    purpose: NumberPurpose | None,
) -> SurfaceFindings:
    """Read what ``kinds``, all presented before, open; verify it; challenge the card.

    The picture of the 個人番号 is read only for a ``purpose`` and with 照合番号A.
    """
    surface = card.surface
    wants_number = purpose is not None and PinKind.NUMBER_A in kinds
    evidence = SurfaceEvidence(
        face=surface.face() if _FACE_KINDS & set(kinds) else None,
        age=surface.age() if PinKind.BIRTH in kinds else None,
        number_image=surface.number_image(purpose) if purpose and wants_number else None,
        cv_certificate=surface.cv_certificate(),
    )
    result = check_surface(evidence, trust.cv_keys)
    checks = list(result.checks)
    if evidence.face is None:
        checks.insert(0, not_read(True))
    if purpose is not None and not wants_number:
        checks.append(Check("surface_number", Outcome.NOT_RUN, "number_image_needs_a"))
    present = check_card_present(
        card.channel, SURFACE_AP, result.key, problem=result.key_problem, name=PRESENT
    )
    records = (evidence.face, evidence.age, evidence.number_image)
    return SurfaceFindings(
        checks=tuple(checks),
        present=present,
        binds_person=result.binds_person,
        evidence=evidence,
        files=1 + sum(record is not None for record in records),
    )


def binding(text_present: Check | None, surface: SurfaceFindings | None) -> Check | None:
    """Whether what answered belongs to the person the records name; None if nothing answered.

    In the text application the signature over the data and the one over the key are
    separate, so a challenge passed there proves a card of that municipality, and no more.
    """
    name = "holder_bound"
    if surface is not None and surface.present.outcome is Outcome.VALID:
        if surface.binds_person:
            return Check(name, Outcome.VALID, "face_binds_key")
        return Check(name, Outcome.NOT_RUN, "birth_binds_key")
    if text_present is not None and text_present.outcome is Outcome.VALID:
        return Check(name, Outcome.NOT_RUN, "text_key_unbound")
    return None


def unsigned(
    attributes: TextAttributes | None, face: FaceRecord | None, more: Collection[str] = ()
) -> Check | None:
    """What was read and stands under no signature, by name; ``more``: of other applications."""
    items: list[str] = []
    if face is not None:
        items += ["expiry", "security-code", "offset-table"]
    elif attributes is not None:
        items.append("offset-table")
    items += more
    if not items:
        return None
    return Check("unsigned_data", Outcome.NOT_RUN, "unsigned_listed", {"unsigned": tuple(items)})


def crossed(
    attributes: TextAttributes | None,
    face: FaceRecord | None,
    age: AgeRecord | None,
    holder: HolderAttributes | None,
) -> tuple[Check, ...]:
    """The cross-checks over everything that was read."""
    sources: list[Facts] = []
    if attributes is not None:
        sources.append(facts_of_text(attributes))
    if face is not None:
        sources.append(facts_of_face(face))
    if age is not None:
        sources.append(facts_of_age(age))
    if holder is not None:
        sources.append(facts_of_certificate(holder))
    return cross_checks(sources)


def only_outdated(check: Check, text_genuine: bool) -> bool:
    """Whether a contradiction may be no forgery but a certificate that is out of date.

    After a move or a change of name the records on the card are written anew, while the
    sign certificate keeps what it said, and is revoked for it.
    """
    of_certificate = "certificate" in check.values.get("facts", ())  # type: ignore[operator]
    return text_genuine and of_certificate and check.name in ("cross_name", "cross_address")
