# SPDX-License-Identifier: Apache-2.0
"""Lists that a store does not take: malformed, not believed, cut, or with one octet changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from crl_edits import MALFORMED, kiyose_list
from der_edit import Item, resigned
from jpki.certificate import Family
from jpki.errors import RevocationDataError
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation.crl_index.store import BODY, INDEX
from jpki.validation.crl_index.writer import Placed
from store_bench import AT, DAY, ENTRY, Put, refusal

# what stays out --------------------------------------------------------------------------


@pytest.mark.parametrize(("edit", "reason"), MALFORMED)
def test_malformed_lists_stay_out(
    pki: SynthPki, put: Put, path: Path, edit: Callable[[Item], None], reason: str
) -> None:
    data = resigned(kiyose_list(pki), pki.ca_key(Family.SIGN, 3), edit)
    assert refusal(put, data) == reason
    assert [file.suffix for file in path.iterdir() if file.suffix in (INDEX, BODY)] == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"signer": "rogue-ca"}, "bad_signature"),
        ({"damage_signature": True}, "bad_signature"),
        ({"signature_hash": "sha1"}, "bad_signature"),
        ({"aki_key_id": bytes(20)}, "other_generation"),
        ({"aki_absent": True}, "no_key_id"),
        ({"number_absent": True}, "number_missing"),
        ({"delta_base": 3}, "delta"),
        ({"extra_critical": True}, "critical_extension"),
        ({"entry_extra_critical": True}, "critical_entry_extension"),
        ({"indirect": True}, "indirect"),
        ({"only_some_reasons": b"\x60"}, "some_reasons"),
        ({"scope": "ca"}, "only_ca"),
        ({"scope": "attribute"}, "only_attribute"),
        ({"version": 3}, "version"),
        ({"version": 1}, "version"),
        ({"next_update_absent": True}, "no_next_update"),
        ({"this_update": AT + timedelta(hours=1)}, "from_the_future"),
        ({"this_update": DAY, "next_update": DAY - timedelta(days=1)}, "no_next_update"),
        ({"this_update": DAY - timedelta(9), "next_update": DAY - timedelta(3)}, "outdated"),
    ],
)
def test_what_is_not_believed_stays_out(
    pki: SynthPki, put: Put, wrong: dict[str, object], reason: str
) -> None:
    assert refusal(put, kiyose_list(pki, ENTRY, **wrong)) == reason


def test_a_foreign_issuer(pki: SynthPki, put: Put) -> None:
    other = SynthPki(AT, seed=1, faithful_dn=True)
    assert refusal(put, other.crl(Family.SIGN, 3, KIYOSE, [])) == "unknown_issuer"


def test_every_truncation_and_every_wrong_octet_is_refused(pki: SynthPki, put: Put) -> None:
    data = kiyose_list(pki, ENTRY)
    with pytest.raises(RevocationDataError):
        put(data + b"\0")
    for at in range(len(data)):
        with pytest.raises(RevocationDataError):
            put(data[:at])
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 1 << at % 8
        with pytest.raises(RevocationDataError):
            put(bytes(wrong))
    assert put(data)[0].placed is Placed.ADDED


def test_one_wrong_octet_in_a_large_list(pki: SynthPki, put: Put) -> None:
    data = kiyose_list(pki, *[(i * 977 + 1, DAY, 3) for i in range(60_000)])
    for at in range(5, len(data), len(data) // 24):
        wrong = bytearray(data)
        wrong[at] ^= 4
        with pytest.raises(RevocationDataError):
            put(bytes(wrong))


def test_parts_of_absurd_size_are_not_copied(pki: SynthPki, put: Put) -> None:
    def vast(whole: Item) -> None:
        whole.parts[0].parts[2] = Item(0x30, parts=[Item(0x04, bytes(1 << 17))])

    assert refusal(put, resigned(kiyose_list(pki), pki.ca_key(Family.SIGN, 3), vast)) == "too_large"
