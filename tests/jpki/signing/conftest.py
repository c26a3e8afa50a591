# SPDX-License-Identifier: Apache-2.0
"""A signer of the test PKI and a file to be signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jpki.signing.signer import DigestSigner
from signing_bench import signer


@pytest.fixture
def one(tmp_path: Path) -> DigestSigner:
    """An invented holder's sign key."""
    return signer(tmp_path)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "content.txt"
    path.write_bytes(b"what is signed\n")
    return path
