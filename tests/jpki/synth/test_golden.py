# SPDX-License-Identifier: Apache-2.0
"""Bytes that the profile fixes, against values from real CA certificates and published models."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asn1crypto import x509

from jpki.certificate.kinds import Family, Medium
from jpki.synth import EndEntityRequest, HolderData, SynthPki, card_key
from jpki.synth.municipalities import KIYOSE, SHIBUYA, YOKOHAMA_NAKA, Municipality

SIGN_JA = (
    "3081a3a481a030819d310b3009060355040613024a5031273025060355040a0c1ee585ace79a84e5808be4babae8"
    "aa8de8a8bce382b5e383bce38393e382b93130302e060355040b0c27e585ace79a84e5808be4babae8aa8de8a8bc"
    "e382b5e383bce38393e382b9e7bdb2e5908de794a831333031060355040b0c2ae59cb0e696b9e585ace585b1e59b"
    "a3e4bd93e68385e5a0b1e382b7e382b9e38386e383a0e6a99fe6a78b"
)
AUTH_JA = (
    "3081aca481a93081a6310b3009060355040613024a5031273025060355040a0c1ee585ace79a84e5808be4babae8"
    "aa8de8a8bce382b5e383bce38393e382b931393037060355040b0c30e585ace79a84e5808be4babae8aa8de8a8bc"
    "e382b5e383bce38393e382b9e588a9e794a8e88085e8a8bce6988ee794a831333031060355040b0c2ae59cb0e696"
    "b9e585ace585b1e59ba3e4bd93e68385e5a0b1e382b7e382b9e38386e383a0e6a99fe6a78b"
)
POLICIES = (
    "303d303b060b2a83088c9b55080501{}302c302a06082b06010505070201161e687474703a2f2f7777772e6a706b"
    "692e676f2e6a702f6370732e68746d6c"
)
SHIBUYA_SIGN_POINT = (
    "3081a030819da0819aa08197a48194308191310b3009060355040613024a50310d300b060355040a0c044a504b49"
    "31233021060355040b0c1a4a504b4920666f72206469676974616c207369676e61747572653120301e060355040b"
    "0c1743524c20446973747269627574696f6e20506f696e74733111300f060355040b0c08546f6b796f2d746f3119"
    "301706035504030c10536869627579612d6b752043524c4450"
)
AGENCY = (
    "313d303b060355040b0c344a6170616e204167656e637920666f72204c6f63616c20417574686f72697479"
    "20496e666f726d6174696f6e2053797374656d73"
)
ISSUERS = {
    Family.SIGN: "308180310b3009060355040613024a50310d300b060355040a0c044a504b4931233021060355040b"
    "0c1a4a504b4920666f72206469676974616c207369676e6174757265" + AGENCY,
    Family.AUTH: "308182310b3009060355040613024a50310d300b060355040a0c044a504b4931253023060355040b"
    "0c1c4a504b4920666f7220757365722061757468656e7469636174696f6e" + AGENCY,
}

AUTH_EXTENSIONS = (
    ("2.5.29.15", True, "03020780"),
    ("2.5.29.37", False, "300a06082b06010505070302"),
    ("2.5.29.32", True, POLICIES.format("031e")),
    ("2.5.29.18", False, AUTH_JA),
    ("2.5.29.31", False, None),
    (
        "1.3.6.1.5.5.7.1.1",
        False,
        "302c302a06082b06010505073001861e687474703a2f2f6f637370617574686e6f726d2e6a706b692e676f2e6a70",
    ),
    ("2.5.29.35", False, None),
    ("2.5.29.14", False, None),
)
SIGN_EXTENSIONS = (
    ("2.5.29.15", True, "030206c0"),
    ("2.5.29.17", False, None),
    ("2.5.29.32", True, POLICIES.format("0114")),
    ("2.5.29.18", False, SIGN_JA),
    ("2.5.29.31", False, SHIBUYA_SIGN_POINT),
    ("2.5.29.35", False, None),
    ("2.5.29.14", False, None),
)


def extensions(der: bytes) -> list[tuple[str, bool, bytes]]:
    """OID, critical flag and raw extnValue of each extension, read by another library."""
    body = x509.Certificate.load(der, strict=True)["tbs_certificate"]
    return [
        (e["extn_id"].dotted, e["critical"].native, bytes(e["extn_value"].contents))
        for e in body["extensions"]
    ]


@pytest.fixture
def faithful() -> SynthPki:
    """The names of the real PKI over test keys, to compare bytes."""
    return SynthPki(datetime(2026, 11, 20, tzinfo=UTC), faithful_dn=True)


def issue(
    pki: SynthPki, family: Family, place: Municipality, holder: HolderData, **more: object
) -> bytes:
    return pki.end_entity(
        EndEntityRequest(
            family=family,
            public_key=card_key(1, family.value).public_key(),
            municipality=place,
            holder=holder,
            **more,  # type: ignore[arg-type]
        )
    )


@pytest.mark.parametrize(
    ("family", "expected"),
    [(Family.AUTH, AUTH_EXTENSIONS), (Family.SIGN, SIGN_EXTENSIONS)],
    ids=["auth", "sign"],
)
def test_extensions_of_a_holders_certificate(
    faithful: SynthPki,
    holder: HolderData,
    family: Family,
    expected: tuple[tuple[str, bool, str | None], ...],
) -> None:
    """Order, critical flags and every value that does not depend on keys [AUTH-EE]."""
    found = extensions(issue(faithful, family, SHIBUYA, holder))
    assert [(oid, critical) for oid, critical, _ in found] == [row[:2] for row in expected]
    for (oid, _, value), (_, _, golden) in zip(found, expected, strict=True):
        if golden is not None:
            assert value.hex() == golden, oid


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_root(faithful: SynthPki, family: Family, generation: int) -> None:
    """Size, names and extensions of a real root of that serial's length [CA-DER]."""
    der = faithful.ca_certificate(family, generation)
    small = {Family.SIGN: 1301, Family.AUTH: 1316}[family]
    assert len(der) == (small if generation == 1 else small + 3)
    body = x509.Certificate.load(der, strict=True)["tbs_certificate"]
    issuer = bytes.fromhex(ISSUERS[family])
    assert body["issuer"].dump() == body["subject"].dump() == issuer
    found = extensions(der)
    assert [(oid, critical) for oid, critical, _ in found] == [
        ("2.5.29.15", True),
        ("2.5.29.17", False),
        ("2.5.29.19", True),
        ("2.5.29.31", False),
        ("2.5.29.14", False),
    ]
    values = [value for _, _, value in found]
    assert values[0].hex() == "03020106"
    assert values[1].hex() == (SIGN_JA if family is Family.SIGN else AUTH_JA)
    assert values[2].hex() == "30030101ff"
    assert values[3].endswith(issuer)
    assert values[4] == b"\x04\x14" + faithful.authority(family, generation).key_id


def test_size_of_an_auth_certificate(faithful: SynthPki, holder: HolderData) -> None:
    """About 1,586 bytes for a ward of a designated city [AUTH-EE]; O is 7 longer, three times."""
    size = len(issue(faithful, Family.AUTH, YOKOHAMA_NAKA, holder))
    assert size == 1586
    assert len(issue(SynthPki(faithful.at), Family.AUTH, YOKOHAMA_NAKA, holder)) == size + 3 * 6


def test_synthetic_names_differ_in_the_organisation_only(faithful: SynthPki) -> None:
    for family in Family:
        real = x509.Certificate.load(faithful.ca_certificate(family, 3))
        ours = x509.Certificate.load(SynthPki(faithful.at).ca_certificate(family, 3))
        assert real.issuer.native == {**ours.issuer.native, "organization_name": "JPKI"}
        assert ours.issuer.native["organization_name"] == "JPKI-SYNTH"


@pytest.mark.parametrize(
    ("family", "medium", "policy"),
    [
        (Family.SIGN, Medium.CARD, "1.2.392.200149.8.5.1.1.20"),
        (Family.SIGN, Medium.PHONE, "1.2.392.200149.8.5.1.1.40"),
        (Family.AUTH, Medium.CARD, "1.2.392.200149.8.5.1.3.30"),
        (Family.AUTH, Medium.PHONE, "1.2.392.200149.8.5.1.3.50"),
    ],
)
def test_policy_of_each_medium(
    pki: SynthPki, holder: HolderData, family: Family, medium: Medium, policy: str
) -> None:
    certificate = x509.Certificate.load(issue(pki, family, KIYOSE, holder, medium=medium))
    stated = certificate.certificate_policies_value[0]
    assert stated["policy_identifier"].dotted == policy


def test_subjects(pki: SynthPki, holder: HolderData) -> None:
    """Auth: C, CN of 23. Sign: C, L, L, CN of 28 digits. C alone is a PrintableString."""
    auth = x509.Certificate.load(issue(pki, Family.AUTH, KIYOSE, holder)).subject
    sign = x509.Certificate.load(issue(pki, Family.SIGN, KIYOSE, holder)).subject
    shapes = [
        [(a["type"].native, a["value"].chosen.tag) for rdn in name.chosen for a in rdn]
        for name in (auth, sign)
    ]
    country, common = ("country_name", 19), ("common_name", 12)
    assert shapes == [
        [country, common],
        [country, ("locality_name", 12), ("locality_name", 12), common],
    ]
    assert sign.native["locality_name"] == ["Tokyo-to", "Kiyose-shi"]
    assert len(auth.native["common_name"]) == 23
    assert auth.native["common_name"][14:19] == "13221"
    assert len(sign.native["common_name"]) == 28
    assert sign.native["common_name"].isdigit()


def test_attributes_in_the_order_of_the_profile(pki: SynthPki, holder: HolderData) -> None:
    san = x509.Certificate.load(issue(pki, Family.SIGN, KIYOSE, holder)).subject_alt_name_value
    found = [
        (name.chosen["type_id"].native.rsplit(".", 1)[1], name.chosen["value"].native)
        for name in san
    ]
    assert found == [
        ("1", holder.name),
        ("4", "319800217"),
        ("3", "2"),
        ("5", holder.address),
        ("2", "00000"),
        ("6", "0" * len(holder.address)),
    ]
    assert bytes.fromhex("060a2a83088c9b5508050501a0") in san.dump()
