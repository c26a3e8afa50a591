# SPDX-License-Identifier: Apache-2.0
"""The two forms of an ECDSA signature from a card, and everything that is neither."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from jpki.card.ecdsa import ecdsa_der
from jpki.card.layout import EcdsaForm
from jpki_apdu.errors import MalformedResponseError

KEY = ec.derive_private_key(0x1234567, ec.SECP384R1())
DER = KEY.sign(b"data", ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
HALVES = utils.decode_dss_signature(DER)
RAW = b"".join(half.to_bytes(48, "big") for half in HALVES)
ORDER = int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16)


@pytest.mark.parametrize(("answer", "form"), [(RAW, EcdsaForm.RAW), (DER, EcdsaForm.DER)])
def test_both_forms_come_out_as_der(answer: bytes, form: EcdsaForm) -> None:
    made = ecdsa_der(answer, form)
    assert made == DER
    KEY.public_key().verify(made, b"data", ec.ECDSA(hashes.SHA384()))


def test_a_short_half_keeps_its_place() -> None:
    raw = (1).to_bytes(48, "big") + (0x80).to_bytes(48, "big")
    assert ecdsa_der(raw, EcdsaForm.RAW) == bytes.fromhex("300702010102020080")


@pytest.mark.parametrize("form", EcdsaForm)
def test_every_truncation_and_a_byte_more(form: EcdsaForm) -> None:
    whole = RAW if form is EcdsaForm.RAW else DER
    for answer in (*(whole[:size] for size in range(len(whole))), whole + b"\0"):
        with pytest.raises(MalformedResponseError):
            ecdsa_der(answer, form)


def test_the_other_form_is_no_signature() -> None:
    with pytest.raises(MalformedResponseError):
        ecdsa_der(DER, EcdsaForm.RAW)
    with pytest.raises(MalformedResponseError):
        ecdsa_der(RAW, EcdsaForm.DER)


@pytest.mark.parametrize("r", [0, ORDER, 2**384 - 1])
@pytest.mark.parametrize("first", [True, False])
def test_out_of_range(r: int, first: bool) -> None:
    halves = (r, 1) if first else (1, r)
    with pytest.raises(MalformedResponseError):
        ecdsa_der(b"".join(h.to_bytes(48, "big") for h in halves), EcdsaForm.RAW)
    with pytest.raises(MalformedResponseError):
        ecdsa_der(utils.encode_dss_signature(*halves), EcdsaForm.DER)


def test_the_order_is_that_of_the_curve() -> None:
    """n·G is the point at infinity: n-1 is a private key, n is none."""
    ec.derive_private_key(ORDER - 1, ec.SECP384R1())
    with pytest.raises(ValueError, match=r"."):
        ec.derive_private_key(ORDER, ec.SECP384R1())
