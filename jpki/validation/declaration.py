# SPDX-License-Identifier: Apache-2.0
"""The declaration of a registered verifier: recorded, never proven.

Revocation data of JPKI go to registered verifiers only, and only to confirm that a
certificate is in force (公的個人認証法 17, 18, 36, 37, 52, 53条).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from jpki.certificate.kinds import Family
from jpki.errors import ConfigurationError


class VerifierRole(StrEnum):
    """What one is registered as."""

    SIGNATURE = "signature_verifier"  # 署名検証者, 17条
    AUTHENTICATION = "authentication_verifier"  # 利用者証明検証者, 36条


_COVERS: Final = {
    VerifierRole.SIGNATURE: Family.SIGN,
    VerifierRole.AUTHENTICATION: Family.AUTH,
}


@dataclass(frozen=True, slots=True)
class VerifierDeclaration:
    """``registration``: reference of the registration. ``responsible``: who answers for it.

    ``as_of``: the day it was checked. ``purposes``: what the data are used for. Raises
    ConfigurationError when one of them is empty.
    """

    roles: frozenset[VerifierRole]
    registration: str = field(repr=False)
    responsible: str = field(repr=False)
    as_of: date
    purposes: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("roles", "registration", "responsible", "purposes"):
            if not getattr(self, name):
                raise ConfigurationError(path=f"verifier.{name}", reason="empty")

    def covers(self, family: Family) -> bool:
        """Whether a role of it may use revocation data of ``family``."""
        return any(_COVERS[role] is family for role in self.roles)
