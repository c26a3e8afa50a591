# SPDX-License-Identifier: Apache-2.0
"""Values that are never shown, and the purpose without which the number is not read."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from card_files import NUMBER
from jpki.card.my_number import MyNumber, NumberPurpose
from jpki.card.opaque import CardSerial, Opaque
from jpki.errors import NumberNotAllowedError


@pytest.mark.parametrize("value", [MyNumber(NUMBER), CardSerial(NUMBER), Opaque(NUMBER)])
def test_nothing_lets_it_out_but_reveal(value: Opaque) -> None:
    shown = f"{value} {value!r} {value!s} {value:>40} {[value]} {value.__class__}"
    assert NUMBER[:4] not in shown
    for refused in (
        lambda: value == MyNumber(NUMBER),
        lambda: hash(value),
        lambda: {value: 1},
        lambda: sorted([value, value]),  # type: ignore[type-var]
        lambda: pickle.dumps(value),
        lambda: copy.copy(value),
        lambda: copy.deepcopy(value),
        lambda: json.dumps(value),
        lambda: vars(value),
        lambda: int(value),  # type: ignore[call-overload]
    ):
        with pytest.raises(TypeError) as caught:
            refused()
        assert NUMBER[:4] not in str(caught.value)
    assert value.reveal() == NUMBER


def test_it_cannot_be_changed() -> None:
    value = MyNumber(NUMBER)
    with pytest.raises(AttributeError):
        value._value = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del value._value
    with pytest.raises(AttributeError):
        value.other = 1
    assert value.reveal() == NUMBER


@pytest.mark.parametrize("digits", ["", "53768667718", NUMBER + "1", "53768667718x", "５" * 12])
def test_only_twelve_digits_are_a_number(digits: str) -> None:
    with pytest.raises(ValueError, match="12 digits") as caught:
        MyNumber(digits)
    assert not digits or digits not in str(caught.value)


def test_purposes() -> None:
    assert NumberPurpose.own_card().own
    purpose = NumberPurpose.under("番号法", "19条1号", "individual_number_user")
    assert (purpose.own, purpose.act) == (False, "番号法")


@pytest.mark.parametrize(
    ("act", "article", "role"),
    [("", "19条", "r"), ("番号法", "", "r"), ("番号法", "19条", ""), ("番号法", "19条", "  ")],
)
def test_a_purpose_needs_all_of_its_basis(act: str, article: str, role: str) -> None:
    with pytest.raises(NumberNotAllowedError) as caught:
        NumberPurpose.under(act, article, role)
    assert caught.value.values["reason"] == "no_legal_basis"


def test_own_card_takes_no_basis() -> None:
    with pytest.raises(NumberNotAllowedError):
        NumberPurpose(own=True, act="番号法")
