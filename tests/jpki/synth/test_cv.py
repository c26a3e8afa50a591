# SPDX-License-Identifier: Apache-2.0
"""CV certificates, key ids and the stored keys."""

from __future__ import annotations

from math import lcm

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from jpki.synth import MUNICIPALITIES, SynthPki, card_key, key_id, stored_ec_key, stored_key
from jpki.synth.generate import EC_KEYS, wanted
from jpki.synth.keystore import CARD_ROLES, KEY_FILE, any_stored_key, stored_key_names

CHAINS = {"mf": "9000020", "surface": "9000023", "text": "9000033"}


@pytest.mark.parametrize(
    ("number", "version", "expected"),
    [
        ("5000020", "001", "353030303032300805303031000000a8"),  # [MC]
        ("5000023", "001", "35303030303233080530303100000000"),  # [MC]
        ("9000033", "001", "39303030303333080530303100000000"),
        ("1322121", "000", "31333232313231080530303000000000"),
    ],
)
def test_key_id(number: str, version: str, expected: str) -> None:
    assert key_id(number, version).hex() == expected


def test_roots_have_numbers_of_their_own(pki: SynthPki) -> None:
    keys = pki.cv_ca_keys()
    assert set(keys) == {key_id(number, "001") for number in CHAINS.values()}
    assert all(n.bit_length() == 2048 and e == 65537 for n, e in keys.values())
    assert not any(identifier[:1] in b"56" for identifier in keys)


def check(certificate: bytes, root: tuple[int, int]) -> None:
    """Verify as a reader would, from the layout: no code of the writer."""
    assert len(certificate) == 568
    assert certificate[:9].hex() == "7f218202335f4e8201"
    assert certificate[9:10] == b"\x29"
    body, tail = certificate[10:307], certificate[307:]
    assert body[32:41].hex() == "900301000191820100"
    assert tail[:5].hex() == "5f37820100"
    RSAPublicNumbers(root[1], root[0]).public_key().verify(tail[5:], body, PKCS1v15(), SHA256())


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("code", MUNICIPALITIES)
def test_layout_and_signature(pki: SynthPki, chain: str, code: str) -> None:
    numbers = pki.municipality_key(code).public_key().public_numbers()
    subject = pki.municipality_key_id(code)
    certificate = pki.cv_certificate(chain, subject, (numbers.n, numbers.e))
    issuer = key_id(CHAINS[chain], "001")
    check(certificate, pki.cv_ca_keys()[issuer])
    assert certificate[10:26] == issuer
    assert certificate[26:42] == subject
    assert certificate[51:307] == numbers.n.to_bytes(256, "big")


def test_forgeries(pki: SynthPki) -> None:
    numbers = card_key(0, "text").public_key().public_numbers()
    public, subject = (numbers.n, numbers.e), key_id("1322121", "000")
    root = pki.cv_ca_keys()[key_id("9000033", "001")]
    rogue = pki.cv_certificate("text", subject, public, signer="rogue-cv")
    damaged = pki.cv_certificate("text", subject, public, damage_signature=True)
    for forged in (rogue, damaged):
        with pytest.raises(InvalidSignature):
            check(forged, root)
    own = pki.cv_certificate("text", subject, public, issuer_key_id=key_id("9000099", "001"))
    assert own[10:17] == b"9000099"
    check(own, root)


def test_municipality_of_the_published_example() -> None:
    assert SynthPki().municipality_key_id("13221") == key_id("1322121", "000")


def test_stored_keys_are_those_the_script_makes() -> None:
    assert list(stored_key_names()) == wanted()
    assert len(set(stored_key_names())) == len(stored_key_names())


def test_every_stored_key_works_and_is_alone() -> None:
    """Loaded without the slow check, so the halves are compared here: n = p·q, and all differ."""
    seen = set()
    for name in stored_key_names():
        if name in EC_KEYS:
            assert stored_ec_key(name).curve.name == "secp384r1"
            continue
        numbers = stored_key(name).private_numbers()
        public = numbers.public_numbers
        assert numbers.p * numbers.q == public.n
        assert public.e * numbers.d % lcm(numbers.p - 1, numbers.q - 1) == 1
        assert public.n.bit_length() == (1024 if name == "weak-1024" else 2048)
        assert public.e == 65537
        seen.add(public.n)
    assert len(seen) == len(stored_key_names()) - len(EC_KEYS)


def test_kinds_of_key_do_not_mix() -> None:
    for wrong in ("nextgen-auth", "no-such-key"):
        with pytest.raises(KeyError):
            stored_key(wrong)
    with pytest.raises(KeyError):
        stored_ec_key("card-00-auth")
    with pytest.raises(KeyError):
        card_key(16, "auth")


def test_card_keys() -> None:
    assert card_key(15, "session") is any_stored_key("card-15-session")
    assert {name[8:] for name in stored_key_names() if name.startswith("card-07-")} == set(
        CARD_ROLES
    )


def test_the_file_says_what_it_is() -> None:
    head = KEY_FILE.read_text("ascii")[:200]
    assert "TEST KEYS" in head
    assert "origin: synthetic" in head
    assert KEY_FILE.name == "TEST-KEYS.txt"
