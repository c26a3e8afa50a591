# SPDX-License-Identifier: Apache-2.0
"""From validation options and configuration to trust material and options of the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli.clicks import UsageFault
from jpki_cli.session import Session

if TYPE_CHECKING:
    from jpki.verifying.material import TrustMaterial, ValidationOptions


@dataclass(frozen=True, slots=True)
class Asked:
    """The validation options of a command, as given."""

    crl: tuple[Path, ...] = ()
    ocsp: str | None = None
    chain: tuple[Path, ...] = ()
    revocation: str | None = None
    max_age: float | None = None
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
    from jpki.verifying.sources import read_certificates, read_crls, read_ocsp

    config = session.config
    moment = asked.at or session.app.clock()
    folder = [config.ca] if config.ca else []
    trust = load_trust(session.trust, at=moment, ca_files=folder)
    mode = RevocationMode(asked.revocation or "require")
    # What may not be used is not even opened (公的個人認証法 17, 36, 52, 53条).
    permitted = session.trust != "production" or config.verifier is not None
    wanted = permitted and mode is not RevocationMode.NONE
    configured = session.trust != "test"  # the test PKI brings its own
    crls: Sequence[Path] = asked.crl or (config.crl if configured else ())
    ocsp = asked.ocsp or (config.ocsp if configured else None)
    if ocsp and "://" in ocsp:
        raise UsageFault("usage_not_yet", feature="--ocsp URL")
    options = ValidationOptions(
        revocation=mode,
        crls=read_crls(crls) if wanted else (),
        ocsp=read_ocsp([ocsp]) if ocsp and wanted else (),
        chain=read_certificates(asked.chain),
        max_age=timedelta(seconds=asked.max_age) if asked.max_age is not None else None,
        at=moment,
        verifier=config.verifier,
    )
    return trust, options
