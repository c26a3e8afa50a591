# SPDX-License-Identifier: Apache-2.0
"""Tests that only `make assure` runs (ASSURE=1) are left out otherwise."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("ASSURE"):
        return
    left_out = [item for item in items if item.get_closest_marker("assure")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
