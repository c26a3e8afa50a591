# SPDX-License-Identifier: Apache-2.0
"""A policy: what an organisation may do with certificates, as a white list of frozen values.

What is not written here is refused. What the law forbids (:mod:`jpki.mapping.prohibitions`)
stays forbidden whatever is written here. A policy file is read by :mod:`jpki.mapping.policy_file`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from jpki.certificate.kinds import Family, Medium

SCHEMA = "jpki.policy/1"
JAPAN = timezone(timedelta(hours=9), "JST")  # the days of a policy are days in Japan


class Role(StrEnum):
    """What an organisation has notified or been licensed as. Source: 公的個人認証法 [inferred]."""

    SIGNATURE_VERIFIER = "signature_verifier"  # 署名検証者, 17条
    AUTHENTICATION_VERIFIER = "authentication_verifier"  # 利用者証明検証者, 36条
    SPECIAL_VERIFIER = "special_verifier"  # 特定利用者証明検証者, 38条の2
    PLATFORM_OPERATOR = "platform_operator"  # 17条1項6号
    SERVICE_PROVIDER = "service_provider"  # behind a platform operator, 規則29条1項


class Operation(StrEnum):
    """What may be asked of the map; and what only ``explain`` speaks of (the last five)."""

    ENROL = "enrol"
    RESOLVE = "resolve"
    LINK = "link"
    RECHECK = "recheck"
    REFRESH = "refresh"
    CONSENT = "consent"
    WITHDRAW = "withdraw"
    DISCLOSE = "disclose"
    ERASE = "erase"
    SUSPEND = "suspend"
    SUPPRESS = "suppress"
    CLOSE = "close"
    KEEP_EVIDENCE = "keep_evidence"
    READ_EVIDENCE = "read_evidence"  # by the organisation's own reference
    REVIEW_CONSENTS = "review_consents"  # one person's, or whose reminder is due
    LATEST_INFO = "latest_info"  # 4情報提供
    READ_ITEMS = "read_items"  # from the card, for this purpose; the map keeps none of it
    CHECK_AGE = "check_age"  # a yes or a no, nothing else
    USE_NUMBER = "use_number"  # 個人番号, in the organisation's own file; never in the map
    HAND_NUMBER = "hand_number"  # 特定個人情報の提供
    EXPORT = "export"  # always refused


STAFF_OPERATIONS = frozenset(
    {Operation.SUSPEND, Operation.SUPPRESS, Operation.CLOSE, Operation.READ_EVIDENCE,
     Operation.REVIEW_CONSENTS}
)  # fmt: skip
NUMBER_OPERATIONS = frozenset({Operation.USE_NUMBER, Operation.HAND_NUMBER})
CARD_OPERATIONS = frozenset({Operation.READ_ITEMS, Operation.CHECK_AGE})
# Opened by what the holder proves now, not by who asks.
HOLDER_OPERATIONS = frozenset(Operation) - STAFF_OPERATIONS - NUMBER_OPERATIONS - {Operation.EXPORT}


class Category(StrEnum):
    """On what kind of ground a purpose stands."""

    STATUTORY = "statutory"  # named in an act
    ORDINANCE = "ordinance"  # 条例
    CONTRACT = "contract"  # between holder and organisation, with consent
    INTERNAL = "internal"  # employer and staff


class Field(StrEnum):
    """Fields of 番号法9条2項 in which an ordinance may allow the use of the number."""

    WELFARE = "welfare"  # 福祉, 保健, 医療その他の社会保障
    LOCAL_TAX = "local_tax"
    DISASTER = "disaster"
    SIMILAR = "similar"  # その他これらに類する事務
    OTHER = "other"  # beyond; only with the switch ordinance_beyond_fields


class Proof(StrEnum):
    """What the holder showed. Weakest first; ``order`` compares (tap < auth < sign)."""

    NONE = "none"
    TAP = "tap"
    RECHECK = "recheck"  # a certificate read without a PIN (38条の4)
    FACE = "face"  # comparison instead of a PIN
    AUTH = "auth"
    SIGN = "sign"

    @property
    def order(self) -> int:
        """Rank as an assurance; a face comparison by who may counts as auth."""
        return {"none": 0, "tap": 1, "recheck": 1, "face": 2, "auth": 2, "sign": 3}[self.value]

    @property
    def family(self) -> Family | None:
        """The family of certificate it was made with."""
        if self is Proof.SIGN:
            return Family.SIGN
        return None if self in (Proof.NONE, Proof.TAP) else Family.AUTH


class ActorKind(StrEnum):
    """What stands behind an actor's name."""

    TERMINAL = "terminal"  # or another machine of the organisation's
    STAFF = "staff"
    ONLINE = "online"  # the holder's own browser or phone


class LinkKind(StrEnum):
    """Two certificates of one holder that a link joins."""

    OLD_NEW = "old_new"
    SIGN_AUTH = "sign_auth"
    CARD_PHONE = "card_phone"


class LinkEvidence(StrEnum):
    """Where a link comes from. Nothing else makes one: no names, no keys, no addresses."""

    PLATFORM = "platform"  # answer of J-LIS through a platform operator
    SAME_SITTING = "same_sitting"  # both presented in one sitting


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """Act, article and item as of a day. ``matter``: what it is cited for, where numbers moved."""

    act: str
    article: str
    as_of: date
    item: str = ""
    matter: str = ""
    text: str = ""  # name of the ordinance, where it is one

    def __str__(self) -> str:
        return f"{self.act}{self.article}{self.item}"


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """Which certificates a purpose takes."""

    kinds: frozenset[Family] = frozenset()
    media: frozenset[Medium] = frozenset()


@dataclass(frozen=True, slots=True)
class Contractor:
    """Who acts for the organisation (番号法10, 11条 and their like)."""

    name: str
    permitted_by: str
    actors: tuple[str, ...] = ()
    sub_contracting: bool = False
    sub_permitted_by: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record that a named law wants kept, apart from everything else. ``years``: how long."""

    years: int
    legal_basis: LegalBasis


@dataclass(frozen=True, slots=True)
class OrdinanceScope:
    """What an ordinance under 番号法9条2項 covers. ``passing``: its ground in 19条, if any.

    ``like_annex``: the task is like one of the 別表, as linkage by the committee's rule wants.
    """

    field: Field
    ordinance: str
    passing: LegalBasis | None = None
    like_annex: bool = False


@dataclass(frozen=True, slots=True)
class Purpose:
    """One 事務: who may do what, on which ground, with what proof.

    ``assurance``: lowest proof for an operation. ``accept``: weaker proofs (tap, recheck).
    ``retention``: until-revoked, until-withdrawn, none or «N years». ``title``: by language.
    """

    id: str
    category: Category
    operations: frozenset[Operation]
    valid_from: date
    legal_basis: LegalBasis | None = None
    title: Mapping[str, str] = field(default_factory=dict)
    valid_until: date | None = None
    certificate: CertificateRule = CertificateRule()
    consent: bool = False
    notice: str = ""
    actors: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()
    online: tuple[str, ...] = ()
    contractor: Contractor | None = None
    retention: str = "until-withdrawn"
    evidence: Evidence | None = None
    assurance: Mapping[Operation, Proof] = field(default_factory=dict)
    accept: frozenset[Proof] = frozenset()
    data_items: frozenset[str] = frozenset()
    receivers: frozenset[str] = frozenset()
    alternative_path: Mapping[str, str] = field(default_factory=dict)
    ordinance_scope: OrdinanceScope | None = None
    children: bool = False
    stores_serial: bool = False  # encrypted, for 現況確認 only
    operator_names: bool = False  # shown to the person on disclosure

    def lowest(self, operation: Operation) -> Proof:
        """The lowest proof this operation takes: the policy's, and never below the floor."""
        floor = FLOORS.get(operation, Proof.NONE)
        usual = Proof.NONE if operation in CARD_OPERATIONS else Proof.AUTH
        stated = self.assurance.get(operation, usual)
        if operation not in HOLDER_OPERATIONS:
            return floor
        return max(floor, stated, key=lambda proof: proof.order)

    def in_force(self, at: datetime) -> bool:
        """Whether ``at`` (aware) falls on a day in Japan of its validity."""
        day = at.astimezone(JAPAN).date()
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def kind_of(self, actor: str) -> ActorKind | None:
        """What an actor of that name is here, or None for a stranger.

        ``actors`` are terminals and machines, ``staff`` people at work, ``online`` the
        holder's own browser or phone. Exact names or shell-like patterns.
        """
        for kind, patterns in (
            (ActorKind.STAFF, self.staff),
            (ActorKind.ONLINE, self.online),
            (ActorKind.TERMINAL, self.actors),
        ):
            if matches(actor, patterns):
                return kind
        return None


# No policy goes below these.
FLOORS: Mapping[Operation, Proof] = {
    Operation.ENROL: Proof.AUTH,
    Operation.RESOLVE: Proof.TAP,
    Operation.LINK: Proof.AUTH,
    Operation.DISCLOSE: Proof.AUTH,
    Operation.ERASE: Proof.AUTH,
    Operation.REFRESH: Proof.AUTH,
    Operation.RECHECK: Proof.RECHECK,
    Operation.CONSENT: Proof.SIGN,
    Operation.WITHDRAW: Proof.AUTH,
    Operation.KEEP_EVIDENCE: Proof.SIGN,
    Operation.LATEST_INFO: Proof.AUTH,
    Operation.CHECK_AGE: Proof.NONE,
    Operation.READ_ITEMS: Proof.NONE,
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service. It sees its own pseudonyms and no other service's."""

    id: str
    title: Mapping[str, str] = field(default_factory=dict)
    purposes: tuple[Purpose, ...] = ()

    def purpose(self, purpose_id: str) -> Purpose | None:
        """The purpose of that id, or None."""
        return next((p for p in self.purposes if p.id == purpose_id), None)


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who runs the map. ``pia``: reference of the 特定個人情報保護評価."""

    name: str
    roles: frozenset[Role] = frozenset()
    pia: str = ""
    registration: str = ""  # reference of the notification under 17 or 36条
    municipality: bool = False


@dataclass(frozen=True, slots=True)
class Switches:
    """What the law's text, as far as it was read, leaves open. Everything defaults to refusal."""

    card_phone_by_authentication_verifier: bool = False
    card_phone_by_special_verifier: bool = False
    old_new_by_special_verifier: bool = False
    lift_phone_hold: bool = False
    ordinance_beyond_fields: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. ``version``: as the file says, or the start of ``digest``.

    ``digest``: SHA-256 (hex) of the file's canonical content; the ledger names it.
    """

    organisation: Organisation
    services: tuple[Service, ...]
    switches: Switches = Switches()
    version: str = ""
    digest: str = ""
    name: str = ""

    def service(self, service_id: str) -> Service | None:
        """The service of that id, or None."""
        return next((s for s in self.services if s.id == service_id), None)

    def find(
        self, service_id: str | None, purpose_id: str | None, operation: Operation | None = None
    ) -> tuple[Service | None, Purpose | None]:
        """What is meant, where only one thing can be; None where it is unknown or several fit.

        A service need not be named if there is one, or if the purpose's id is of one service;
        a purpose need not be named if only one has the operation.
        """
        services = [s for s in self.services if service_id in (None, s.id)]
        found = [
            (s, p)
            for s in services
            for p in s.purposes
            if (p.id == purpose_id if purpose_id is not None else operation in p.operations)
        ]
        if len(found) == 1:
            return found[0]
        return (services[0] if len(services) == 1 else None), None


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether ``name`` fits one of the shell-like patterns; case counts."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
