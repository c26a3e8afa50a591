# SPDX-License-Identifier: Apache-2.0
"""TOML that is read, and TOML that is refused before the reader's work grows with its square."""

from __future__ import annotations

import tomllib

import pytest

from jpki.toml_text import MOST_DOTS, read_toml


def test_read_as_the_standard_reader_does() -> None:
    raw = 'a.b = "é. ... "\n[t]\nx = [1.5]\n'.encode()
    assert read_toml(raw) == tomllib.loads(raw.decode())


@pytest.mark.parametrize(
    "raw",
    [b"a" + b".a" * (MOST_DOTS + 1) + b" = 1", b"a = " + b"[" * 5000, b"a = \xff", b"a ="],
)
def test_refused_by_one_error(raw: bytes) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        read_toml(raw)
