# SPDX-License-Identifier: Apache-2.0
"""Lists of the general profile, read by themselves: what is refused, what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509

from der_edit import Item, decode
from general_pki import AT, DAY, LEAF, Extensions, crl, name
from jpki.errors import RevocationDataError
from jpki.synth import der
from jpki.validation.rfc5280 import crl as module
from jpki.validation.rfc5280.crl import AnyCrl, read_crl
from jpki.validation.rfc5280.points import ALL_REASONS, directory_key

Edit = Callable[[Item], None]
# Places among the fields of a TBSCertList.
VERSION, ALGORITHM, ISSUER, ENTRIES = 0, 1, 2, 5
SERIAL = 7


def extension(oid: str, content: bytes, critical: bool = False) -> Extensions:
    return [(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), content), critical)]


def edited(edit: Edit, *, revoked: tuple[int, ...] = ()) -> bytes:
    """A list with something else in it; who signed it is not asked here."""
    (whole,) = decode(crl(revoked=revoked))
    edit(whole)
    return whole.encode()


def _entry(oid: str, content: bytes, critical: bool = False, *, indirect: bool = False) -> bytes:
    """A list of one entry with that extension."""
    scope = extension("2.5.29.28", bytes.fromhex("30038401ff"), True) if indirect else ()
    return crl(revoked=[SERIAL], extra=scope, entry_extra=extension(oid, content, critical))


def _issuers(*names: bytes, critical: bool = True, indirect: bool = True) -> bytes:
    """A list of one entry with those names as its issuer."""
    return _entry("2.5.29.29", der.sequence(*names), critical, indirect=indirect)


def _scope(content: str) -> bytes:
    return crl(extra=extension("2.5.29.28", bytes.fromhex(content), True))


def _freshest(content: str) -> bytes:
    return crl(extra=extension("2.5.29.46", bytes.fromhex(content)))


def _issuer(*parts: Item) -> Edit:
    def edit(whole: Item) -> None:
        whole.parts[0].parts[ISSUER].parts = list(parts)

    return edit


def _issuer_text(value: bytes) -> Edit:
    def edit(whole: Item) -> None:
        whole.parts[0].parts[ISSUER].parts[0].parts[0].parts[1].value = value

    return edit


def _parameters(value: bytes) -> Edit:
    """Of the signature's algorithm, at both places."""

    def edit(whole: Item) -> None:
        for place in (whole.parts[0].parts[ALGORITHM], whole.parts[1]):
            place.parts[1].value = value

    return edit


def _serial(value: bytes) -> Edit:
    def edit(whole: Item) -> None:
        whole.parts[0].parts[ENTRIES].parts[0].parts[0].value = value

    return edit


OTHER, HOST = der.tlv(0xA4, name("Other").public_bytes()), der.tlv(0x82, b"a.example")
OWN_KEY, OTHER_KEY = (directory_key(name(text).public_bytes()) for text in ("Middle", "Other"))
REASON, DATE = "2.5.29.21", der.tlv(0x18, b"20261101000000Z")
POINTS = "300e300ca00aa0088206616263646566"
REFUSED = [
    ("an issuer without a name", edited(_issuer())),
    ("an issuer that is no name", edited(_issuer(Item(5)))),
    ("an issuer that is no UTF-8", edited(_issuer_text(b"\xff\xfe"))),
    ("parameters that are no NULL", edited(_parameters(b"\0"))),
    ("a serial with a needless zero", edited(_serial(b"\0\x07"), revoked=(SERIAL,))),
    ("a serial of nothing", edited(_serial(b""), revoked=(SERIAL,))),
    ("freshest list nowhere", _freshest("3000")),
    ("bytes after what it is for", _scope("30058101ff0500")),
    ("what it is for in another order", _scope("30068401ff8101ff")),
    ("a reason that is not used", _entry(REASON, b"\x0a\x01\x07")),
    ("a reason that is not known", _entry(REASON, b"\x0a\x01\x0b")),
    ("a reason below all", _entry(REASON, b"\x0a\x01\xff")),
    ("another issuer, but not indirect", _issuers(OTHER, indirect=False)),
    ("another issuer, not critical", _issuers(OTHER, critical=False)),
    ("another issuer of two names", _issuers(OTHER, OTHER)),
    ("another issuer that is a host", _issuers(HOST)),
    ("another issuer of no name", _issuers()),
]


@pytest.mark.parametrize("data", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(RevocationDataError):
        read_crl(data)


def _listed(data: bytes) -> set[tuple[object, bytes, str]]:
    found = read_crl(data).entries
    return {(issuer, serial, entry.reason) for (issuer, serial), entry in found.items()}


@pytest.mark.parametrize(
    ("data", "issuer", "reason"),
    [
        (crl(revoked=[SERIAL]), OWN_KEY, "not_given"),
        (_entry(REASON, b"\x0a\x01\x01"), OWN_KEY, "key_compromise"),
        (_entry(REASON, b"\x0a\x01\x08"), OWN_KEY, "removed"),
        (_entry("2.5.29.24", DATE, True), OWN_KEY, "not_given"),
        (_issuers(OTHER), OTHER_KEY, "not_given"),
        (_issuers(HOST, OTHER), OTHER_KEY, "not_given"),
    ],
)
def test_who_is_listed(data: bytes, issuer: object, reason: str) -> None:
    assert _listed(data) == {(issuer, bytes([SERIAL]), reason)}


def test_what_a_list_is_for() -> None:
    def flags(found: AnyCrl) -> tuple[bool, ...]:
        scope = found.scope
        return scope.users_only, scope.authorities_only, scope.indirect, scope.attributes_only

    for content, expected in (
        ("30038101ff", (True, False, False, False)),
        ("30038201ff", (False, True, False, False)),
        ("30038401ff", (False, False, True, False)),
        ("30038501ff", (False, False, False, True)),
        ("300483020640", (False, False, False, False)),
    ):
        found = read_crl(_scope(content))
        assert flags(found) == expected
        assert found.scope.reasons == ({1} if content.startswith("3004") else ALL_REASONS)
    assert flags(read_crl(crl())) == (False, False, False, False)


def test_where_changes_are_is_read_and_nothing_more() -> None:
    assert read_crl(_freshest(POINTS)).base is None


def test_the_key_that_signed_is_named() -> None:
    named = x509.AuthorityKeyIdentifier.from_issuer_public_key(LEAF.public_key())
    assert read_crl(crl(extra=[(named, False)])).key_id == named.key_identifier
    assert read_crl(crl()).key_id is None


def test_there_is_a_greatest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a gigabyte, of which this is a stand-in."""
    data = crl(this_update=AT - DAY)
    monkeypatch.setattr(module, "MAX_SIZE", len(data))
    assert read_crl(data).number == 1
    monkeypatch.setattr(module, "MAX_SIZE", len(data) - 1)
    with pytest.raises(RevocationDataError) as refused:
        read_crl(data)
    assert refused.value.values["reason"] == "too_large"
