# SPDX-License-Identifier: Apache-2.0
"""Faults of an emulated card as they arrive through a real pcscd: the same errors as in process."""

from __future__ import annotations

import json

import pytest

from pcsc_bed import PcscBed


def run_job(bed: PcscBed, job: str, status: int) -> dict[str, object]:
    done = bed.run("jpki", *job.split(), "--json", stdin="1234\n", status=status)
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    ("fault", "job", "status", "code"),
    [
        ("pull:during@verify", "pin check auth --pin-fd 0", 4, "pin_outcome_unknown"),
        ("reinsert@verify", "pin check auth --pin-fd 0", 4, "pin_outcome_unknown"),
        ("reply:cut=1@verify", "pin check auth --pin-fd 0", 4, "pin_outcome_unknown"),
        ("reply:repeat@verify", "pin check auth --pin-fd 0", 4, "pin_answer_unknown"),
        ("reinsert@read#2", "card read name --pin-fd 0", 3, "card_removed"),
        ("extended:break", "cert export auth-ca", 3, "card_removed"),
    ],
)  # fmt: skip
def test_an_error_through_pcscd(
    empty_bed: PcscBed, fault: str, job: str, status: int, code: str
) -> None:
    empty_bed.plug_in("hanako", "--fault", fault)
    assert run_job(empty_bed, job, status)["code"] == code


@pytest.mark.parametrize(
    "fault",
    ["reader:cut=128", "reader:trim=224", "extended:trim=256",
     "extended:cut=256", "card:61xx=100", "card:6Cxx", "card:6F00"],
)  # fmt: skip
def test_no_byte_is_lost_through_pcscd(empty_bed: PcscBed, fault: str) -> None:
    empty_bed.plug_in("hanako", "--fault", fault)
    export = ("jpki", "cert", "export", "auth-ca")
    told = empty_bed.run(*export).stdout
    assert "BEGIN CERTIFICATE" in told
    assert told == empty_bed.run(*export, "--reader", "virtual:hanako").stdout
