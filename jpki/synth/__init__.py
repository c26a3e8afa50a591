# SPDX-License-Identifier: Apache-2.0
"""A test PKI shaped like JPKI's, under the name JPKI-SYNTH. Its keys are published.

Importing this loads no cryptography; that happens with the first key.
"""

from __future__ import annotations

from jpki.synth.authority import Authority
from jpki.synth.crl import Reason
from jpki.synth.cv import key_id
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.extensions import Extension
from jpki.synth.keystore import card_key, stored_ec_key, stored_key, stored_key_names
from jpki.synth.municipalities import MUNICIPALITIES, Municipality
from jpki.synth.ocsp import Status
from jpki.synth.overrides import CrlOverrides, Overrides
from jpki.synth.people import HolderData, fifth_birthday, my_number, nth_birthday
from jpki.synth.pki import SynthPki
from jpki.synth.tsa import time_stamp_answer, tsa_certificate

__all__ = [
    "SynthPki",
    "Authority",
    "EndEntityRequest",
    "HolderData",
    "Overrides",
    "CrlOverrides",
    "Extension",
    "Reason",
    "Status",
    "Municipality",
    "MUNICIPALITIES",
    "fifth_birthday",
    "nth_birthday",
    "my_number",
    "key_id",
    "stored_key",
    "stored_ec_key",
    "stored_key_names",
    "card_key",
    "tsa_certificate",
    "time_stamp_answer",
]
