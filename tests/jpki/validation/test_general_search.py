# SPDX-License-Identifier: Apache-2.0
"""The search for paths by itself: who is followed, who is not, and where it gives up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509

from general_pki import (
    AUTHORITY,
    HOLDER,
    LEAF,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    OTHER,
    ROOT,
    ROOT_DER,
    certificate,
)
from jpki.validation.rfc5280 import paths
from jpki.validation.rfc5280.certificate import read_certificate
from jpki.validation.rfc5280.paths import PathBuilder, PathLimitError
from jpki.validation.rfc5280.signatures import UnsupportedSignatureError


def builder(*pool: bytes, anchors: Sequence[bytes] = (ROOT_DER,)) -> PathBuilder:
    return PathBuilder(map(read_certificate, anchors), map(read_certificate, pool))


def found(search: PathBuilder, last: bytes = LEAF_DER) -> list[tuple[bytes, ...]]:
    return [tuple(one.der for one in path.all) for path in search.paths(read_certificate(last))]


def named(
    key_id: bytes | None, issuer: str | None = None, serial: int | None = None
) -> x509.AuthorityKeyIdentifier:
    names = None if issuer is None else [x509.DirectoryName(_name(issuer))]
    return x509.AuthorityKeyIdentifier(key_id, names, serial)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def test_only_who_has_signed_is_followed() -> None:
    impostor = certificate("Middle", "Root", OTHER, ROOT, AUTHORITY, serial=3)
    search = builder(impostor, MIDDLE_DER)
    assert found(search) == [(ROOT_DER, MIDDLE_DER, LEAF_DER)]
    assert search.signature_failed
    assert found(builder(impostor)) == []
    good = builder(MIDDLE_DER)
    assert found(good) == [(ROOT_DER, MIDDLE_DER, LEAF_DER)]
    assert not good.signature_failed
    assert not good.unsupported
    assert not good.cut


@pytest.mark.parametrize(
    ("authority", "followed"),
    [
        (named(b"\x01" * 20), True),
        (named(b"\x02" * 20), False),
        (named(None, "Root", 2), True),
        (named(None, "Root", 3), False),
        (named(b"\x01" * 20, "Root", 3), False),
    ],
)
def test_an_authority_is_who_is_named(
    authority: x509.AuthorityKeyIdentifier, followed: bool
) -> None:
    """Another one's signature is not even tried."""
    own = (*AUTHORITY, (x509.SubjectKeyIdentifier(b"\x01" * 20), False))
    middle = certificate("Middle", "Root", MIDDLE, ROOT, own, serial=2)
    leaf = certificate("Leaf", "Middle", LEAF, MIDDLE, (*HOLDER, (authority, False)))
    search = builder(middle)
    assert found(search, leaf) == ([(ROOT_DER, middle, leaf)] if followed else [])
    assert not search.signature_failed
    # Of an authority without a key id, the one that is named says nothing.
    bare = found(builder(MIDDLE_DER), leaf)
    assert bool(bare) is (authority.authority_cert_serial_number != 3)


def test_one_is_not_its_own_issuer() -> None:
    assert found(builder(), ROOT_DER) == [(ROOT_DER,)]
    alone = certificate("Alone", "Alone", LEAF, LEAF, AUTHORITY)
    search = builder(alone)
    assert found(search, alone) == []
    assert not search.signature_failed


def test_two_keys_of_one_authority() -> None:
    """[RFC5280 4.2.1.1] key roll-over: the old key has signed the new one, or the new the old."""
    rolled = certificate("Root", "Root", OTHER, ROOT, AUTHORITY, serial=4)
    namesake = certificate("Root", "Root", OTHER, OTHER, AUTHORITY, serial=5)
    below = certificate("Middle", "Root", MIDDLE, ROOT, AUTHORITY, serial=6)
    cross = certificate("Root", "Middle", OTHER, ROOT, AUTHORITY, serial=8)
    search = builder()
    root = read_certificate(ROOT_DER)
    for other, linked in ((rolled, True), (namesake, False), (below, False), (cross, False)):
        assert search.linked(root, read_certificate(other)) is linked
        assert search.linked(read_certificate(other), root) is linked


def test_an_unknown_algorithm_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: bytes) -> bool:
        raise UnsupportedSignatureError

    monkeypatch.setattr(paths, "verify", unknown)
    search = builder(MIDDLE_DER)
    assert found(search) == []
    assert (search.unsupported, search.signature_failed) == (True, False)


@pytest.mark.parametrize(
    ("limit", "enough"), [("MAX_PATHS", 2), ("MAX_LINKS", 3), ("MAX_SIGNATURES", 2)]
)
def test_where_it_gives_up(monkeypatch: pytest.MonkeyPatch, limit: str, enough: int) -> None:
    """Two anchors of one name and key; three links looked at, two signatures tried."""
    again = certificate("Root", "Root", ROOT, ROOT, AUTHORITY, serial=9)
    for value in (enough, enough - 1):
        monkeypatch.setattr(paths, limit, value)
        search = builder(MIDDLE_DER, anchors=(ROOT_DER, again))
        if value == enough:
            assert len(found(search)) == 2
        else:
            with pytest.raises(PathLimitError):
                found(search)


@pytest.mark.parametrize(("limit", "enough"), [("MAX_STEPS", 1), ("MAX_DEPTH", 2)])
def test_what_is_not_followed_to_its_end_is_said(
    monkeypatch: pytest.MonkeyPatch, limit: str, enough: int
) -> None:
    for value in (enough, enough - 1):
        monkeypatch.setattr(paths, limit, value)
        search = builder(MIDDLE_DER)
        assert len(found(search)) == value - enough + 1
        assert search.cut is (value < enough)


def test_a_name_and_key_once_more_leads_nowhere() -> None:
    again = certificate("Middle", "Middle", MIDDLE, MIDDLE, AUTHORITY, serial=3)
    assert found(builder(MIDDLE_DER, again)) == [(ROOT_DER, MIDDLE_DER, LEAF_DER)]
    # but a new key of the same name does, and another name of the same key
    for own, key in (("Middle", OTHER), ("A1", MIDDLE)):
        new = certificate(own, "Middle", key, MIDDLE, AUTHORITY, serial=3)
        leaf = certificate("Leaf", own, LEAF, key)
        assert (ROOT_DER, MIDDLE_DER, new, leaf) in found(builder(MIDDLE_DER, new), leaf)
