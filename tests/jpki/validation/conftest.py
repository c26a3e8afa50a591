# SPDX-License-Identifier: Apache-2.0
"""A test PKI as of one day, certificates of an invented person, and validators over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jpki.certificate import Environment, Family, Medium
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.synth.overrides import Overrides
from jpki.synth.people import HolderData
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator, known_frames
from jpki.validation.crl_index.writer import Indexed, StoreWriter

AT = datetime(2026, 11, 21, tzinfo=UTC)
HANAKO = HolderData(
    name="番号　花子",
    address="東京都清瀬市中里五丁目842番地",
    birth=date(1980, 2, 17),
    sex="2",
)


@pytest.fixture(scope="session")
def at() -> datetime:
    """The day all tests here take place; the clock is never asked."""
    return AT


@pytest.fixture(scope="session")
def pki() -> SynthPki:
    return SynthPki(AT)


@pytest.fixture(scope="session")
def make(pki: SynthPki) -> Callable[..., bytes]:
    """A certificate: family, generation, dates, and the deviations of ``Overrides`` by name."""

    def build(
        family: Family = Family.SIGN,
        generation: int = 3,
        *,
        medium: Medium = Medium.CARD,
        of: SynthPki = pki,
        key: str = "card-00-auth",
        serial: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        **deviations: object,
    ) -> bytes:
        return of.end_entity(
            EndEntityRequest(
                family=family,
                generation=generation,
                public_key=any_stored_key(key).public_key(),
                medium=medium,
                serial=serial,
                not_before=not_before,
                not_after=not_after,
                holder=HANAKO,
                overrides=Overrides(**deviations),  # type: ignore[arg-type]
            )
        )

    return build


@pytest.fixture(scope="session")
def trust(pki: SynthPki) -> TrustStore:
    return TrustStore(Environment.TEST, pki.trust_anchors())


@pytest.fixture(scope="session")
def validator(trust: TrustStore) -> Callable[..., Validator]:
    """A validator over the test roots whose clock stands at ``AT``."""

    def build(of: TrustStore = trust, now: datetime = AT, **options: object) -> Validator:
        return Validator(of, clock=lambda: now, **options)  # type: ignore[arg-type]

    return build


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store is to be."""
    return tmp_path / "store"


@pytest.fixture
def put(path: Path, trust: TrustStore) -> Callable[..., list[Indexed]]:
    """Puts lists into the store, as of ``now``."""

    def put(*lists: bytes, now: datetime = AT, **options: object) -> list[Indexed]:
        with StoreWriter(path, trust, now=now, **options) as writer:  # type: ignore[arg-type]
            return [writer.add(data) for data in lists]

    return put


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each certificate whether the quick way decided."""
    seen: list[bool] = []
    judge = known_frames.KnownFrames.judge

    def watched(*given: object) -> object:
        found = judge(*given)  # type: ignore[arg-type]
        seen.append(found is not None)
        return found

    monkeypatch.setattr(known_frames.KnownFrames, "judge", watched)
    return seen
