# SPDX-License-Identifier: Apache-2.0
"""What is asked of the policy, and the steps of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from jpki.certificate.kinds import Environment, Family, Medium
from jpki.mapping.policy import (
    ActorKind,
    LinkEvidence,
    LinkKind,
    Operation,
    Proof,
    Role,
)


class Deed(StrEnum):
    """Something a request would also do. Each is weighed by a prohibition."""

    SERIAL_AS_USER_ID = "serial_as_user_id"
    SERIAL_GIVEN = "serial_given"  # outside certification work
    LOOKUP_BY_SERIAL = "lookup_by_serial"
    SERVICES_JOINED = "services_joined"  # by serial, key, hash, CN, number
    DERIVED_CODE_GIVEN = "derived_code_given"
    NUMBER_IN_MAP = "number_in_map"  # stored by the map, or the key of a look-up in it
    NUMBER_DERIVED = "number_derived"  # hashed, encrypted, transformed
    NUMBER_JOINS = "number_joins"  # one key over systems, or for private receivers
    BULK_EXPORT = "bulk_export"
    REVOCATION_COPIED = "revocation_copied"
    KEY_OTHER_USE = "key_other_use"
    CERTIFICATE_KEPT = "certificate_kept"
    DIRECT_TO_JLIS = "direct_to_jlis"
    REVOCATION_UNDONE = "revocation_undone"
    HOLD_LIFTED = "hold_lifted"  # 一時保留 of a phone
    ENVIRONMENTS_MIXED = "environments_mixed"
    PROFILE_UNKNOWN = "profile_unknown"
    PIN_LEFT_OUT = "pin_left_out"  # in an emergency, for convenience
    BODY_AS_KEY = "body_as_key"  # face, palm or finger, without the card
    WEARABLE = "wearable"
    SECOND_CARD = "second_card"
    PHOTO_REGISTER = "photo_register"  # photo of the application, held by the state
    FACE_MATCHED = "face_matched"  # a photo of the card, by a machine
    OTHER_CREDENTIAL = "other_credential"  # 電子委任状, HPKI
    LICENCE_BEYOND = "licence_beyond"  # more than licence items for a licence check
    CARD_CHANGED = "card_changed"  # what the card is, or how it is issued


class StepOutcome(StrEnum):
    """Of one step: allows, refuses, still needs something, or does not come into it."""

    PASSED = "passed"
    FAILED = "failed"
    NEEDED = "needed"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was weighed. ``article``: as cited; ``code``: words in ``messages``.

    ``prohibition``: its number (P1 …) if it is one; ``rule``: R1 to R17.
    """

    rule: str
    article: str
    outcome: StepOutcome
    code: str
    prohibition: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to do what, for which purpose, with which proof. None: not known (yet).

    ``channel`` overrides what the actor's name says. ``map_environment`` is the store's for
    life, ``environment`` that of the proof. ``document``: a staff operation's written ground.
    ``confirmed_before``: the person stood here with an earlier Presentation (38条の4).
    """

    operation: Operation
    actor: str
    at: datetime
    service: str | None = None
    purpose: str | None = None
    role: Role | None = None
    proof: Proof | None = None
    medium: Medium | None = None
    items: frozenset[str] = frozenset()
    consent: bool | None = None
    link: LinkKind | None = None
    link_evidence: LinkEvidence | None = None
    document: str = ""
    receiver: str = ""
    channel: ActorKind | None = None
    environment: Environment | None = None
    map_environment: Environment | None = None
    confirmed_before: bool | None = None
    minor: bool = False
    guardian: bool | None = None
    deeds: frozenset[Deed] = frozenset()

    @property
    def family(self) -> Family | None:
        """The family of certificate that the proof was made with."""
        return None if self.proof is None else self.proof.family
