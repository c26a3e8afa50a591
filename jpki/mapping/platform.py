# SPDX-License-Identifier: Apache-2.0
"""What a platform operator answers: validity, old and new, corresponding certificates, 4情報.

The map knows this interface only. A certificate is named by a CertificateRef, which cannot be
printed; how a platform transports it is the adapter's business, inside certification work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from jpki.errors import JpkiError
from jpki.mapping.index import CertificateRef
from jpki.mapping.policy import LinkKind


class Validity(StrEnum):
    """What 有効性確認 says."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """Validity of one certificate. ``reference``: the platform's id of the enquiry."""

    validity: Validity
    at: datetime
    reason: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """The other certificate of the same holder, as J-LIS says through the platform."""

    kind: LinkKind
    other: CertificateRef = field(repr=False)
    at: datetime
    reference: str


class PlatformError(JpkiError):
    """The platform did not answer as it should. ``status``: HTTP status, 0 = no answer.

    Codes: ``platform_refused`` (401), ``platform_unknown`` (404), ``platform_duplicate``
    (409), ``platform_sign_stale`` (410), ``platform_answer`` (not understood), ``platform_down``.
    """

    default_code = "platform_down"


class PlatformAdapter(Protocol):
    """Each call raises PlatformError."""

    def status(self, ref: CertificateRef) -> StatusAnswer:
        """有効性確認, and 現況確認 without a new act of the holder."""
        ...

    def linked(self, ref: CertificateRef, kind: LinkKind) -> LinkAnswer | None:
        """The certificate that ``ref`` replaced, or its counterpart; None where there is none."""
        ...

    def latest_info(self, ref: CertificateRef, items: frozenset[str]) -> Mapping[str, str]:
        """4情報提供: only the items asked for; the map passes them on and keeps none."""
        ...
