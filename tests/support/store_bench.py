# SPDX-License-Identifier: Apache-2.0
"""What the tests of the revocation store share: its times, an entry, and how one asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from jpki.errors import RevocationDataError
from jpki.validation import Validator
from jpki.validation.crl_index.writer import Indexed
from jpki.verdict import Check

AT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
SERIAL = 0x0700ABCD
ENTRY = (SERIAL, DAY, 3)
Make = Callable[..., bytes]
Build = Callable[..., Validator]
Put = Callable[..., list[Indexed]]


def refusal(put: Put, *lists: bytes, **options: object) -> str:
    """Why the store does not take the lists."""
    with pytest.raises(RevocationDataError) as caught:
        put(*lists, **options)
    return str(caught.value.values["reason"])


def check(validator: Validator, certificate: bytes) -> Check:
    """What the validator says of the certificate's revocation."""
    found = validator.validate(certificate).check("revocation")
    assert found is not None
    return found
