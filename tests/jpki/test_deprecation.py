# SPDX-License-Identifier: Apache-2.0
"""A name that goes away works on, and says at the line that uses it what takes its place."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from jpki.card_map import PinKind
from jpki.deprecation import deprecated, moved


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A made-up module in which two names are old."""
    made = ModuleType("jpki.made_up")
    names = {"SecretKind": "jpki.card_map:PinKind", "gone": "jpki.card_map:NOWHERE"}
    made.__getattr__ = moved("jpki.made_up", names, since="0.2")  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_a_renamed_name(module: ModuleType) -> None:
    told = r"jpki.made_up.SecretKind is deprecated since jpki 0.2: use jpki.card_map.PinKind"
    with pytest.warns(DeprecationWarning, match=told) as caught:
        assert module.SecretKind is PinKind
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="SecretKind"):
        from jpki.made_up import SecretKind  # type: ignore[import-not-found]
    assert SecretKind is PinKind


def test_any_other_name_is_unknown_as_ever(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"module 'jpki.made_up' has no attribute 'other'"):
        _ = module.other
    assert not hasattr(module, "__path__")


def test_a_function_that_goes() -> None:
    @deprecated("card.jpki.certificate('auth')", since="0.2")
    def auth_certificate(number: int, *, twice: bool = False) -> int:
        """The words it had."""
        return number * (1 + twice)

    with pytest.warns(DeprecationWarning, match=r"use card\.jpki\.certificate") as caught:
        assert auth_certificate(2, twice=True) == 4
    assert caught[0].filename == __file__
    assert auth_certificate.__doc__ == "The words it had."
