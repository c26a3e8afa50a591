# SPDX-License-Identifier: Apache-2.0
"""The values of a policy: what a proof is, the lowest one, and what is found by its name."""

from __future__ import annotations

import pytest

from jpki.certificate.kinds import Family
from jpki.mapping.policy import Operation, Proof
from jpki.mapping.policy_file import policy_of
from policies import good, policy


@pytest.mark.parametrize(
    ("proof", "family"),
    [
        (Proof.NONE, None),
        (Proof.TAP, None),
        (Proof.RECHECK, Family.AUTH),
        (Proof.FACE, Family.AUTH),
        (Proof.AUTH, Family.AUTH),
        (Proof.SIGN, Family.SIGN),
    ],
)
def test_what_a_proof_is_made_with(proof: Proof, family: Family | None) -> None:
    assert proof.family is family


@pytest.mark.parametrize(
    ("operation", "lowest"),
    [
        (Operation.RESOLVE, Proof.AUTH),  # its floor is a tap; only a policy goes down to it
        (Operation.CONSENT, Proof.SIGN),
        (Operation.READ_ITEMS, Proof.NONE),
        (Operation.SUSPEND, Proof.NONE),
        (Operation.USE_NUMBER, Proof.NONE),
    ],
)
def test_lowest_proof(operation: Operation, lowest: Proof) -> None:
    assert policy().services[0].purposes[0].lowest(operation) is lowest


def test_what_is_found_by_its_name() -> None:
    document = good()
    first = document["service"][0]
    first["purpose"].append({**first["purpose"][0], "id": "read"})
    document["service"].append({**first, "id": "hall"})
    found = policy_of(document)
    library, hall = found.services
    assert (found.service("hall"), found.service("other")) == (hall, None)
    assert (library.purpose("read"), library.purpose("other")) == (library.purposes[1], None)
    assert found.find("hall", "read") == (hall, hall.purposes[1])
    assert found.find("hall", "other") == (hall, None)
    assert found.find(None, "read") == (None, None)
    assert policy().find(None, "other") == (policy().services[0], None)
