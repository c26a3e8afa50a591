# SPDX-License-Identifier: Apache-2.0
"""Composition root of flows: every flow by its id, as a terminal's settings ask for it.

Forms, receivers and contracts are a demonstration's: an operator makes the flows in Python
with its own.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jpki.card.my_number import MyNumber
from jpki.certificate.kinds import Environment
from jpki.errors import ConfigurationError
from jpki.kiosk.flows.pseudonym import SERVICES
from jpki.mapping.policy import Policy
from jpki.mapping.policy_file import load_policy
from jpki.open_shelter import SHELTER_ACTORS, read_keys, shelter_flow

if TYPE_CHECKING:
    from jpki.kiosk.server.client import HttpServerHalf
    from jpki.kiosk.server.half import ServerHalf
    from jpki.kiosk.shelter.client import HttpShelterHalf
    from jpki.kiosk.shelter.desk import ShelterDesk
    from jpki.kiosk.visit import Flow
    from jpki.verifying.judge import Judge

_Half = TypeVar("_Half", bound="HttpServerHalf")
ACTORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "konbini": "kiosk-01",
        "form_filling": "terminal-01",
        **dict.fromkeys(SERVICES, "terminal-01"),
        "entry": "gate-01",
        "eligibility": "terminal-01",
        "age_check": "register-01",
        "face_check": "staff-01",
        "number_giving": "terminal-01",
        "identity_proofing": "staff-01",
        "application": "terminal-01",
    }
)
"""Who asks in a demonstration, by flow, in the policies' words; see also SHELTER_ACTORS."""
FLOWS: Final = (*ACTORS, *SHELTER_ACTORS)
"""All flows there are."""
SHOWCASE: Final = (
    "konbini", "library", "form_filling", "application", "age_check", "number_giving",
    "shelter", "watch",
)  # fmt: skip
"""What a demonstration offers unless it is told otherwise: one of each kind."""
INVENTED: Final = ("form_filling", "number_giving", "identity_proofing", "application")
"""Flows whose forms, receivers and contracts are invented here: for test cards only."""
_MAPPED: Final = (
    "konbini", *(preset for preset, *_ in SERVICES.values()), "eligibility", "kyc",
    "shelter", "watch",
)  # fmt: skip


def town_policy(first: Policy) -> Policy:
    """``first`` with the services of all flows that need a map, of its own organisation."""
    presets = [load_policy(name) for name in _MAPPED]
    services = {service.id: service for policy in presets for service in policy.services}
    services.update({service.id: service for service in first.services})
    digests = "".join(policy.digest for policy in (first, *presets))
    digest = hashlib.sha256(digests.encode("ascii")).hexdigest()
    return replace(
        first, services=tuple(services.values()), version=f"sha256:{digest[:16]}", digest=digest
    )


def make_flows(settings: Mapping[str, Any]) -> dict[str, Flow]:
    """The flows that ``settings`` name (``flows``), by id. Raises ConfigurationError.

    Further settings: ``server`` (url), ``token``, ``tokens`` (by actor, where one terminal
    stands for several), ``ca`` (PEM file or None), ``policy`` (the operator's; a flow whose
    service is not in it has its preset), ``trust``, ``desk`` (folder of a shelter's desk, with
    its keys), ``cards`` (card files of a demonstration, for their revocations).
    """
    made: dict[str, Flow] = {}
    for flow in settings["flows"]:
        if flow in SHELTER_ACTORS:
            made[flow] = _shelter(flow, settings)
            continue
        if flow not in ACTORS:
            raise ConfigurationError("flow_unknown", path=flow, flows=", ".join(FLOWS))
        if flow in INVENTED and _trust(settings) != Environment.TEST:
            raise ConfigurationError("flow_invented", path=flow)
        made[flow] = _FACTORIES.get(flow, _pseudonym)(flow, settings)
    return made


def _half(flow: str, settings: Mapping[str, Any]) -> ServerHalf:
    from jpki.kiosk.server.client import HttpServerHalf

    return _connect(HttpServerHalf, ACTORS[flow], settings)


def _shelter(flow: str, settings: Mapping[str, Any]) -> Flow:
    half = _shelter_half(flow, settings)
    policy = _policy(settings, flow)
    return shelter_flow(flow, half, policy, settings, _cv_keys(_trust(settings)))


def _shelter_half(flow: str, settings: Mapping[str, Any]) -> HttpShelterHalf:
    from jpki.kiosk.shelter.client import HttpShelterHalf

    return _connect(HttpShelterHalf, SHELTER_ACTORS[flow], settings)


def desk_of(settings: Mapping[str, Any], clock: Callable[[], datetime]) -> ShelterDesk | None:
    """The desk of a terminal that checks people in, to be looked after; None for any other.

    Raises ConfigurationError (``desk_keys``, ``server_url``).
    """
    if "shelter" not in settings["flows"]:
        return None
    from jpki.kiosk.shelter.desk import ShelterDesk

    folder = Path(settings["desk"])
    return ShelterDesk(_shelter_half("shelter", settings), folder, read_keys(folder), clock)


def _connect(kind: type[_Half], actor: str, settings: Mapping[str, Any]) -> _Half:
    import ssl

    ca = settings.get("ca")
    try:
        context = ssl.create_default_context(cafile=ca) if ca else None
    except (OSError, ssl.SSLError):
        raise ConfigurationError("ca_file", path=ca) from None
    token = settings.get("tokens", {}).get(actor, settings["token"])
    return kind(settings["server"], token, context=context)


def _policy(settings: Mapping[str, Any], preset: str) -> Policy:
    """The operator's policy, where it has the service of ``preset``; else the preset."""
    own, usual = load_policy(settings["policy"]), load_policy(preset)
    known = {service.id for service in own.services}
    return own if all(service.id in known for service in usual.services) else usual


def _konbini(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.konbini import Konbini, StubCoins

    return Konbini(_half(flow, settings), load_policy(settings["policy"]), StubCoins())


def _pseudonym(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.pseudonym import PseudonymService

    preset, service, purpose = SERVICES[flow]
    policy = _policy(settings, preset)
    return PseudonymService(flow, _half(flow, settings), policy, service, purpose)


def _eligibility(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.eligibility import Eligibility

    return Eligibility(_half(flow, settings), _policy(settings, flow))


def _identity_proofing(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.identity_proofing import IdentityProofing

    return IdentityProofing(
        _half(flow, settings), _policy(settings, "kyc"), lambda: f"demo-{secrets.token_hex(4)}"
    )


def _form_filling(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.documents.form import FilledForm, form_pdf
    from jpki.kiosk.flows.form_filling import Form, FormFilling, printed_entries

    def printed(form: Form, values: Mapping[str, str]) -> bytes:
        return form_pdf(FilledForm.of(form.title, _RECIPIENT, printed_entries(values)))

    form = Form("転居届", ("name", "address", "birth"))
    policy = _policy(settings, "counter")
    return FormFilling(policy, _cv_keys(_trust(settings)), form, printed, actor=ACTORS[flow])


def _age_check(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.age_check import AgeCheck

    return AgeCheck(_policy(settings, "age"), _cv_keys(_trust(settings)), actor=ACTORS[flow])


def _face_check(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.face_check import FaceCheck

    return FaceCheck(_policy(settings, "counter"), _cv_keys(_trust(settings)), actor=ACTORS[flow])


def _number_giving(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.flows.number_giving import NumberGiving

    def forget(number: MyNumber) -> None:
        """A demonstration has no file that may hold it."""

    return NumberGiving(
        _policy(settings, "counter"), _cv_keys(_trust(settings)), forget,
        role="個人番号利用事務実施者", actor=ACTORS[flow],
    )  # fmt: skip


def _application(flow: str, settings: Mapping[str, Any]) -> Flow:
    from jpki.kiosk.documents.form import FilledForm
    from jpki.kiosk.flows.application import Application

    nursery = (("希望する保育所", "中里保育園"), ("利用開始", "2027年4月"))
    allowance = (("請求する児童の数", "1人"), ("支給開始", "2026年12月"))
    forms = {
        "nursery": FilledForm("保育所等利用申込書", _RECIPIENT, nursery),
        "allowance": FilledForm("児童手当認定請求書", _RECIPIENT, allowance),
    }
    judge_at = partial(_judge, settings)
    return Application(
        _policy(settings, "counter"), judge_at, forms, lambda signed: None, actor=ACTORS[flow]
    )


def _judge(settings: Mapping[str, Any], at: datetime) -> Judge:
    from jpki.open import load_trust
    from jpki.verifying.judge import Judge
    from jpki.verifying.material import ValidationOptions

    trust = load_trust(_trust(settings), at=at, cards=settings.get("cards", ()))
    return Judge(trust, ValidationOptions(at=at))


@cache
def _cv_keys(trust: str) -> Mapping[bytes, tuple[int, int]]:
    from jpki.open import load_trust

    return load_trust(trust).cv_keys


def _trust(settings: Mapping[str, Any]) -> str:
    return str(settings.get("trust", Environment.PRODUCTION.value))


_RECIPIENT: Final = "○○市長 様"
_FACTORIES: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Flow]]] = MappingProxyType(
    {
        "konbini": _konbini,
        "form_filling": _form_filling,
        "eligibility": _eligibility,
        "age_check": _age_check,
        "face_check": _face_check,
        "number_giving": _number_giving,
        "identity_proofing": _identity_proofing,
        "application": _application,
    }
)
"""How a flow is made; those that are missing here are pseudonym services."""
