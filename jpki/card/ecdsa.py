# SPDX-License-Identifier: Apache-2.0
"""ECDSA signatures of a P-384 key on a card, brought to the one form that verifiers read."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from jpki.card.layout import EcdsaForm
from jpki_apdu.errors import MalformedResponseError

_HALF = 48  # bytes of r and of s
# The order of the group: r and s lie below it [SEC2 2.5.1].
_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    16,
)


def ecdsa_der(answer: bytes, form: EcdsaForm) -> bytes:
    """The signature as DER. Raises MalformedResponseError for what cannot be one.

    One that is cut off, or of the other form, must not pass for a wrong signature.
    """
    if form is EcdsaForm.RAW:
        if len(answer) != 2 * _HALF:
            raise MalformedResponseError(reason="length", asked=2 * _HALF, received=len(answer))
        r, s = (int.from_bytes(part, "big") for part in (answer[:_HALF], answer[_HALF:]))
    else:
        try:
            r, s = decode_dss_signature(answer)
        except ValueError as exc:
            raise MalformedResponseError(reason="signature") from exc
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        raise MalformedResponseError(reason="signature")
    return encode_dss_signature(r, s)
