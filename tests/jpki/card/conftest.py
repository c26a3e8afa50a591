# SPDX-License-Identifier: Apache-2.0
"""Keys for invented municipalities, made once for a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from card_files import CA_ID


@dataclass(frozen=True)
class Keys:
    """A CA, a municipality, an application on a card, and somebody else."""

    ca: rsa.RSAPrivateKey
    city: rsa.RSAPrivateKey
    ap: rsa.RSAPrivateKey
    other: rsa.RSAPrivateKey

    @property
    def trusted(self) -> dict[bytes, tuple[int, int]]:
        numbers = self.ca.public_key().public_numbers()
        return {CA_ID: (numbers.n, numbers.e)}


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(*(rsa.generate_private_key(65537, 2048) for _ in range(4)))
