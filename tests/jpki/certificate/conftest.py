# SPDX-License-Identifier: Apache-2.0
"""A test PKI as of one day, and certificates of an invented person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from jpki.certificate.kinds import Family, Medium
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import stored_key
from jpki.synth.overrides import Overrides
from jpki.synth.people import HolderData
from jpki.synth.pki import SynthPki

Make = Callable[..., bytes]
AT = datetime(2026, 11, 21, tzinfo=UTC)
HANAKO = HolderData(
    name="番号　花子",
    address="東京都清瀬市中里五丁目842番地",
    birth=date(1980, 2, 17),
    sex="2",
)


@pytest.fixture(scope="session")
def pki() -> SynthPki:
    return SynthPki(AT)


@pytest.fixture(scope="session")
def make(pki: SynthPki) -> Make:
    """A certificate: family, and the deviations of ``Overrides`` by name."""

    def build(
        family: Family = Family.SIGN,
        *,
        medium: Medium = Medium.CARD,
        serial: int | None = None,
        holder: HolderData = HANAKO,
        **deviations: object,
    ) -> bytes:
        return pki.end_entity(
            EndEntityRequest(
                family=family,
                public_key=stored_key("card-00-auth").public_key(),
                medium=medium,
                serial=serial,
                holder=holder,
                overrides=Overrides(**deviations),  # type: ignore[arg-type]
            )
        )

    return build
