# SPDX-License-Identifier: Apache-2.0
"""What a card holds: detection, PINs, one class per application, authenticity of 券面 data."""

from __future__ import annotations

from jpki.card.authenticity import TextEvidence, TextResult, check_card_present, check_text
from jpki.card.card import Card, CardInfo
from jpki.card.jpki_ap import CertificateName, JpkiAp
from jpki.card.licence_check import LicenceEvidence, check_licence
from jpki.card.licence_records import LicenceRecord, LicenceSignature
from jpki.card.my_number import MyNumber, NumberPurpose
from jpki.card.pin import PinCounter, PinGuard, PinState
from jpki.card.pin_format import birth_key, reference_number_a, reference_number_b
from jpki.card.surface_authenticity import SurfaceEvidence, SurfaceResult, check_surface
from jpki.card.surface_records import AgeRecord, FaceRecord
from jpki.card.text_ap import TextAp
from jpki.card.token import Availability, Presence, Token, TokenInfo

__all__ = [
    "AgeRecord",
    "Availability",
    "Card",
    "CardInfo",
    "CertificateName",
    "FaceRecord",
    "JpkiAp",
    "LicenceEvidence",
    "LicenceRecord",
    "LicenceSignature",
    "MyNumber",
    "NumberPurpose",
    "PinCounter",
    "PinGuard",
    "PinState",
    "Presence",
    "SurfaceEvidence",
    "SurfaceResult",
    "TextAp",
    "TextEvidence",
    "TextResult",
    "Token",
    "TokenInfo",
    "birth_key",
    "check_card_present",
    "check_licence",
    "check_surface",
    "check_text",
    "reference_number_a",
    "reference_number_b",
]
