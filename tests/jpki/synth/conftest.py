# SPDX-License-Identifier: Apache-2.0
"""The test PKI of a fixed day, an invented holder, and the openssl program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jpki.certificate.kinds import Family
from jpki.synth import EndEntityRequest, HolderData, Overrides, SynthPki, card_key

AT = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)

Make = Callable[..., bytes]


@pytest.fixture
def pki() -> SynthPki:
    return SynthPki(AT)


@pytest.fixture
def holder() -> HolderData:
    return HolderData("番号　花子", "東京都清瀬市中里五丁目８４２番地", date(1980, 2, 17), "2")


@pytest.fixture
def make(pki: SynthPki, holder: HolderData) -> Make:
    """A certificate of the family with the given overrides; all else as it is by default."""

    def certificate(family: Family = Family.AUTH, /, **overrides: object) -> bytes:
        return pki.end_entity(
            EndEntityRequest(
                family=family,
                public_key=card_key(0, family.value).public_key(),
                holder=holder,
                overrides=Overrides(**overrides),  # type: ignore[arg-type]
            )
        )

    return certificate


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., str]:
    """Run openssl in a folder of files ``name=bytes``; gives all it says, whatever its exit."""

    def run(*arguments: str, **files: bytes) -> str:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        done = subprocess.run(
            ["openssl", *arguments], cwd=tmp_path, capture_output=True, timeout=60, check=False
        )
        return (done.stdout + done.stderr).decode(errors="replace")

    return run
