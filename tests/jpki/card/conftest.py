# SPDX-License-Identifier: Apache-2.0
"""Keys for invented municipalities, made once for a run."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from card_files import Keys


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(*(rsa.generate_private_key(65537, 2048) for _ in range(4)))
