# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests: fixed seeds, and nothing taken from the developer's settings."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# The same examples in every run; `make assure` tries a hundred times as many, new each time.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("assure", deadline=None, database=None, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))

for _name in [name for name in os.environ if name.startswith("JPKI_")]:
    del os.environ[_name]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout (or, in the run against an installed wheel, the folder with the tests)."""
    return ROOT


def pytest_addoption(parser: pytest.Parser) -> None:
    """For ``tests/contract``: on which card, and what may be done to it."""
    group = parser.getgroup("contract", "the contract suite on a card in a reader (with -n0)")
    group.addoption("--reader", help="PC/SC name of the reader; no other tests make sense then")
    group.addoption("--card", help="first 16 or more hex digits of «jpki cert show auth»'s SHA-256")
    group.addoption("--auth-pin-fd", type=int, help="descriptor with the auth PIN, one line")
    group.addoption("--spend-a-try", action="store_true", help="present one wrong auth PIN")
    group.addoption("--record-contract", metavar="DIR", help="make the recordings anew in DIR")
