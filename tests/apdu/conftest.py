# SPDX-License-Identifier: Apache-2.0
"""A stand-in for pyscard with two readers, one of them with a card."""

from __future__ import annotations

import pytest

from fake_scard import PRESENT, FakeScard, install


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    """Installed; the second reader holds the card."""
    fake = FakeScard({"ACS ACR1252 00 00": (0, b""), "SCM SCR3310": (PRESENT, b"\x3b\x00")})
    return install(monkeypatch, fake)
