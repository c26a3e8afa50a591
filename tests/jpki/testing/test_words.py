# SPDX-License-Identifier: Apache-2.0
"""Every code the virtual reader can raise has words in both languages, with all its values."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from jpki import messages
from jpki.testing.pcscd import VirtualReaderError

CODES = sorted(
    {
        code
        for name in ("pcscd", "virtual_reader")
        for code in re.findall(
            r'"(virtual_reader(?:_[a-z]+)?)"',
            (resources.files("jpki.testing") / f"{name}.py").read_text("utf-8"),
        )
    }
)


def test_the_codes_are_found() -> None:
    assert VirtualReaderError.default_code in CODES
    assert len(CODES) > 7


@pytest.mark.parametrize("lang", messages.LANGUAGES)
@pytest.mark.parametrize("code", CODES)
def test_words(code: str, lang: str) -> None:
    values = dict.fromkeys(("program", "path", "install", "seconds", "log", "reader"), "given")
    assert "?" not in messages.text(f"error.{code}", lang, **values)
