# SPDX-License-Identifier: Apache-2.0
"""A SerialRef gives its value away by ``reveal`` only."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from jpki.certificate import RefKind, SerialRef

SECRET = bytes.fromhex("0badc0de")
REF = SerialRef(RefKind.CERTIFICATE_SERIAL, SECRET)


@pytest.mark.parametrize(
    "expose",
    [
        str,
        lambda ref: f"{ref}",
        lambda ref: "%s" % ref,  # noqa: UP031 - what a log call does
        hash,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        vars,
        int,
        bytes,
        sorted,
        lambda ref: ref < ref,
    ],
)
def test_cannot_be_exposed(expose: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        expose(REF)


def test_repr_masks() -> None:
    assert repr(REF) == "<certificate_serial>"
    assert repr([REF]) == "[<certificate_serial>]"


def test_equality_is_by_kind_and_value() -> None:
    assert SerialRef(RefKind.CERTIFICATE_SERIAL, SECRET) == REF
    assert SerialRef(RefKind.CERTIFICATE_SERIAL, SECRET[:3]) != REF
    assert SerialRef(RefKind.KEY_HASH, SECRET) != REF
    assert REF != SECRET


def test_reveal() -> None:
    assert REF.reveal() == SECRET
