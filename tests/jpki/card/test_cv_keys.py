# SPDX-License-Identifier: Apache-2.0
"""The CA keys are the published bytes. SHA-256 over the 256 bytes of each modulus."""

from __future__ import annotations

import hashlib

import pytest

from jpki.card.cv_certificate import CV_HEAD, CvChain, issuer_in_head, key_name
from jpki.card.cv_keys import JLIS_TEST, PRODUCTION

EXPECTED = {
    "5000020/001": "318ab4a79346bbd993d36d31a4d766f02a239f36b10bc323458242130f927a97",
    "5000023/001": "bb96cc1dc6502005661961f0a45ed843d007c69e3ce167eceb6b1abd5333a932",
    "5000033/001": "409655d477547d83cbe182385acb1ea83c9828eb6e5b8bba90957c339b5f30f7",
    "6000020/001": "218018727ce0d4955b0b40f468eb131d5e8375ee4a2aa58dabda524b19d29a39",
    "6000023/001": "df70444dbe6841ec03267c25cf1bd35ff30ef8044da34ff5eedd0719e6f14530",
    "6000033/001": "690db1b2d7b9994764a81982bc1e4cd76d9e92d0a33a895b2e71a0be8356f1ae",
}
IDS = {
    "5000020/001": "353030303032300805303031000000A8",
    "5000023/001": "35303030303233080530303100000000",
    "5000033/001": "35303030303333080530303100000000",
    "6000020/001": "363030303032300805303031000000A8",
    "6000023/001": "36303030303233080530303100000000",
    "6000033/001": "36303030303333080530303100000000",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_moduli_and_ids(name: str) -> None:
    keys = PRODUCTION if name.startswith("5") else JLIS_TEST
    key_id = bytes.fromhex(IDS[name])
    assert key_name(key_id) == name
    n, e = keys[key_id]
    assert hashlib.sha256(n.to_bytes(256, "big")).hexdigest() == EXPECTED[name]
    assert e == 65537


def test_what_is_no_key_id() -> None:
    """Every octet that has one meaning has it: digits, the mark between, the length."""
    good = bytes.fromhex(next(iter(IDS.values())))
    for place in (*range(7), 7, 8, *range(9, 12)):
        with pytest.raises(ValueError, match="not a key id"):
            key_name(good[:place] + b"\xa5" + good[place + 1 :])
    for wrong in (good[:-1], good + b"\x00", b""):
        with pytest.raises(ValueError, match="not a key id"):
            key_name(wrong)


TEXT = bytes.fromhex(IDS["5000033/001"])


@pytest.mark.parametrize(
    ("head", "chain", "found"),
    [
        (CV_HEAD + TEXT, "text", True),
        (CV_HEAD + TEXT + b"\x00", "text", True),  # more was read
        (CV_HEAD + TEXT, "surface", False),
        (CV_HEAD + TEXT[:-1], "text", False),
        (b"\x00" + CV_HEAD[1:] + TEXT, "text", False),
        (CV_HEAD + TEXT[:7] + b"\x08\x06" + TEXT[9:], "text", False),  # no key id
        (b"", "text", False),
    ],
)
def test_issuer_in_the_head(head: bytes, chain: CvChain, found: bool) -> None:
    assert issuer_in_head(head, chain) == (TEXT if found else None)


def test_environments_do_not_mix() -> None:
    assert len(PRODUCTION) == len(JLIS_TEST) == 3
    assert all(key_id.startswith(b"5") for key_id in PRODUCTION)
    assert all(key_id.startswith(b"6") for key_id in JLIS_TEST)
    with pytest.raises(TypeError):
        PRODUCTION[b""] = (1, 1)  # type: ignore[index]
