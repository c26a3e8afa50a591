# SPDX-License-Identifier: Apache-2.0
"""From validation options and configuration to trust material and options of the library."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli.clicks import UsageFault
from jpki_cli.crl_stores import refuse_stores, split
from jpki_cli.session import Session

if TYPE_CHECKING:
    from jpki.certificate.kinds import Environment
    from jpki.validation.ocsp_client import OcspClient
    from jpki.validation.policy import Preference
    from jpki.validation.rfc5280 import GeneralValidator
    from jpki.verifying.material import TrustMaterial, ValidationOptions


@dataclass(frozen=True, slots=True)
class Asked:
    """The validation options of a command, as given."""

    crl: tuple[Path, ...] = ()
    ocsp: str | None = None
    chain: tuple[Path, ...] = ()
    revocation: str | None = None
    prefer: str | None = None
    max_age: float | None = None
    offline: bool = False
    at: datetime | None = None

    @classmethod
    def from_options(cls, given: dict[str, Any]) -> Asked:
        """Take the options of ``validation_options`` and ``--at`` out of ``given``."""
        return cls(**{name: given.pop(name) for name in cls.__slots__})


def material(session: Session, asked: Asked) -> tuple[TrustMaterial, ValidationOptions]:
    """Read what was named. Raises InputFileError, TrustRootError, UsageFault."""
    from jpki.open import load_trust
    from jpki.validation.policy import RevocationMode
    from jpki.verifying.material import ValidationOptions
    from jpki.verifying.sources import read_certificates, read_crls

    config = session.config
    moment = asked.at or session.app.clock()
    folder = [config.ca] if config.ca else []
    trust = load_trust(session.trust, at=moment, ca_files=folder, cards=session.virtual_cards)
    mode = RevocationMode(asked.revocation or "require")
    # What may not be used is not even opened (公的個人認証法 17, 36, 52, 53条).
    permitted = session.trust != "production" or config.verifier is not None
    wanted = permitted and mode is not RevocationMode.NONE
    configured = session.trust != "test"  # the test PKI brings its own
    crls: Sequence[Path] = asked.crl or (config.crl if configured else ())
    ocsp = asked.ocsp or (config.ocsp if configured else None)
    answers, client = _ocsp(session, asked, ocsp if wanted else None)
    store, lists = split(crls if wanted else ())
    options = ValidationOptions(
        revocation=mode,
        crls=read_crls(lists),
        crl_store=store,
        ocsp=answers,
        ocsp_client=client,
        preference=_preference(session, asked),
        chain=read_certificates(asked.chain),
        max_age=_max_age(session, asked),
        at=moment,
        verifier=config.verifier,
    )
    return trust, options


def general_validator(
    session: Session,
    asked: Asked,
    rest: Sequence[bytes],
    *,
    policy: tuple[str, ...],
    require_explicit_policy: bool,
    inhibit_policy_mapping: bool,
    inhibit_any_policy: bool,
    allow_weak_keys: bool,
    partial_chain: bool,
) -> GeneralValidator:
    """The validator of ``--profile rfc5280``. ``rest``: certificates that came with the one
    asked about. Raises InputFileError, TrustRootError, MissingExtraError, UsageFault.

    What is configured for JPKI (lists, OCSP, the declaration) has no meaning here.
    """
    from jpki.validation.policy import RevocationMode
    from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
    from jpki.verifying.sources import read_certificates, read_crls

    refuse_stores(asked.crl)
    mode = RevocationMode(asked.revocation or "require")
    wanted = mode is not RevocationMode.NONE
    anchors, crls, environment = _general_anchors(session, asked)
    answers, client = _ocsp(session, asked, asked.ocsp if wanted else None)
    options = GeneralOptions(
        policies=policy,
        explicit_policy=require_explicit_policy,
        inhibit_mapping=inhibit_policy_mapping,
        inhibit_any=inhibit_any_policy,
        weak_keys=allow_weak_keys,
        partial=partial_chain,
        revocation=mode,
        max_age=_max_age(session, asked),
        at=asked.at or session.app.clock(),
        chain=(*read_certificates(asked.chain), *rest),
        crls=(*crls, *read_crls(asked.crl)) if wanted else (),
        ocsp=answers,
        client=client,
        preference=_preference(session, asked),
    )
    return GeneralValidator(anchors, options, environment=environment)


def _general_anchors(
    session: Session, asked: Asked
) -> tuple[tuple[bytes, ...], Sequence[bytes], Environment]:
    """The anchors, the lists that come with them, and whose they are: those of a kind, or any
    in a file."""
    from jpki.certificate.kinds import Environment
    from jpki.open import load_trust
    from jpki.verifying.sources import read_certificates

    if session.trust not in set(Environment) - {Environment.CUSTOM}:
        return read_certificates([session.trust]), (), Environment.CUSTOM
    folder = [session.config.ca] if session.config.ca else []
    trust = load_trust(session.trust, at=asked.at or session.app.clock(), ca_files=folder)
    anchors = tuple(anchor.certificate.der for anchor in trust.store.anchors)
    return anchors, trust.crls, trust.store.environment


def accepted_policies(oids: tuple[str, ...]) -> tuple[str, ...]:
    """``--policy`` as the library takes it, which has a word for anyPolicy. Raises UsageFault."""
    for oid in oids:
        if not re.fullmatch(r"[012](\.(0|[1-9][0-9]*)){1,40}", oid):
            raise UsageFault("usage_value", option="--policy")
    return tuple("any_policy" if oid == "2.5.29.32.0" else oid for oid in oids)


def _ocsp(
    session: Session, asked: Asked, named: str | None
) -> tuple[tuple[bytes, ...], OcspClient | None]:
    """What ``--ocsp`` or the configuration names: answers in files, or a responder to ask.

    Nothing is sent here, nor at all when the network is not to be used.
    """
    from jpki.validation.ocsp_client import OcspClient
    from jpki.validation.ocsp_request import load_signer
    from jpki.verifying.sources import MAX_CERTIFICATE_FILE, read_certificates, read_file, read_ocsp

    if not named:
        return (), None
    if "://" not in named:
        return read_ocsp([named]), None
    config = session.config.revocation
    signer = None
    if config.ocsp_key is not None and config.ocsp_certificate is not None:
        key = read_file(config.ocsp_key, MAX_CERTIFICATE_FILE)
        signer = load_signer(key, read_certificates([config.ocsp_certificate]))
    offline = asked.offline or config.offline
    return (), OcspClient(named, signer=signer, offline=offline)


def _preference(session: Session, asked: Asked) -> Preference:
    from jpki.validation.policy import Preference

    return Preference(asked.prefer) if asked.prefer else session.config.revocation.prefer


def _max_age(session: Session, asked: Asked) -> timedelta | None:
    """The option, else the configuration."""
    number = session.config.revocation.max_age if asked.max_age is None else asked.max_age
    return None if number is None else timedelta(seconds=number)
