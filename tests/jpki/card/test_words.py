# SPDX-License-Identifier: Apache-2.0
"""Every code that the reader side raises or reports has words, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jpki.card
from jpki import errors
from jpki.card.pin import PinState
from jpki.card.recognition import SeenCard
from jpki.card_map import APPLICATIONS, PinKind
from jpki.messages import LANGUAGES, text
from jpki_apdu.errors import Coded

SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(jpki.card.__path__[0]).glob("*.py"))
)


PIN_SOURCE = "\n".join(
    (Path(jpki.card.__path__[0]) / name).read_text(encoding="utf-8")
    for name in ("pin.py", "pin_format.py")
)


def found(pattern: str, source: str = SOURCE) -> set[str]:
    codes = set(re.findall(pattern, source))
    assert codes, pattern
    return codes


RAISED = found(r'(?:Error\(.*|_needs_pin\(exc, |, )"(pin_\w+|\w+_needs_pin|\w+_absent)"') | {
    error.default_code
    for error in (
        errors.PinBlockedError,
        errors.PinIncorrectError,
        errors.PinLastTryError,
        errors.PinOutcomeUnknownError,
        errors.PinFormatError,
        errors.PinError,
        errors.ApplicationPinError,
        errors.CardDataError,
        errors.NotOurCardError,
        errors.UnsupportedTokenError,
        errors.NoCertificateError,
        errors.NumberNotAllowedError,
    )
}
KEYS = (
    {f"error.{code}" for code in RAISED}
    | {f"reason.{code}" for code in found(r'Outcome\.\w+, "(\w+)"')}
    | {f"check.{name}" for name in ("text_data", "text_number", "card_present")}
    | {f"check.{name}" for name in ("mf_chain", "mf_unsigned", "internal_authentication")}
    | {f"value.reason.{code}" for code in found(r'\.error\("(\w+)"')}
    | {f"value.reason.{code}" for code in found(r'reason="(\w+)"')}
    | {f"value.reason.{code}" for code in ("truncated", "over_long", "filler_only")}
    | {
        f"value.rule.{code}"
        for code in found(r'(?:return|format_error\([\w.]+,) "(\w+)"', PIN_SOURCE)
    }
    | {f"value.seen.{kind.value}" for kind in SeenCard}
    | {f"value.which.{code}" for code in ("auth", "sign", "auth-ca", "sign-ca")}
    | {f"value.kind.{kind.value}" for kind in PinKind}
    | {f"value.pin_state.{state.value}" for state in PinState}
    | {f"value.application.{application.name}" for application in APPLICATIONS}
    | {"value.application.mf"}
)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", sorted(KEYS))
def test_there_are_words(key: str, lang: str) -> None:
    words = text(
        key,
        lang,
        kind="auth",
        attempts_left=2,
        rule="digits",
        lengths="4",
        sw="6F00",
        application="text",
        file="0002",
        reason="truncated",
        seen="unknown",
        label="X",
        which="sign",
        record="attributes",
        municipality="1322121/000",
        ca="9000033/001",
        intermediate="9000021/000",
        lower="9000022/000",
        pin="reader",
    )
    assert words
    assert "?" not in words
    assert "{" not in words


def test_every_file_that_can_be_refused_has_a_name() -> None:
    for application in APPLICATIONS:
        for entry in application.files.values():
            if entry.readable and not entry.name.startswith("filler"):
                for lang in LANGUAGES:
                    assert text(f"value.record.{entry.name}", lang)


def test_codes_are_codes() -> None:
    assert all(re.fullmatch(r"[a-z_0-9]+", code) for code in RAISED)
    assert issubclass(errors.PinError, Coded)
