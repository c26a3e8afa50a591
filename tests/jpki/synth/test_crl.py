# SPDX-License-Identifier: Apache-2.0
"""Revocation lists: profile, OpenSSL's use of them, size, deviations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate, load_der_x509_crl

from jpki.certificate.kinds import Family
from jpki.synth import CrlOverrides, Reason, SynthPki
from jpki.synth.crl import published
from jpki.synth.keystore import stored_key
from jpki.synth.municipalities import KIYOSE, MUNICIPALITIES, SHIBUYA

AUTH = Family.AUTH
DAY = datetime(2026, 11, 1, 3, 4, 5, tzinfo=UTC)


def read(der: bytes) -> Any:
    return asn1_crl.CertificateList.load(der, strict=True)


def extensions(der: bytes) -> dict[str, tuple[bool, bytes]]:
    """OID to critical flag and raw value, in order."""
    return {
        e["extn_id"].dotted: (e["critical"].native, bytes(e["extn_value"].contents))
        for e in read(der)["tbs_cert_list"]["crl_extensions"]
    }


def entries(der: bytes) -> list[Any]:
    return list(read(der)["tbs_cert_list"]["revoked_certificates"])


IDP, NUMBER, AKI, DELTA = "2.5.29.28", "2.5.29.20", "2.5.29.35", "2.5.29.27"


def test_profile(pki: SynthPki) -> None:
    der = pki.crl(AUTH, 3, KIYOSE, [(7, DAY, 3)])
    body = read(der)["tbs_cert_list"]
    assert body["version"].native == "v2"
    assert body["issuer"].dump() == pki.authority(AUTH, 3).name
    assert (body["this_update"].name, body["next_update"].name) == ("utc_time", "utc_time")
    assert body["this_update"].native == datetime(2026, 11, 19, 21, tzinfo=UTC)
    assert body["next_update"].native - body["this_update"].native == timedelta(days=2)
    found = extensions(der)
    assert [(oid, critical) for oid, (critical, _) in found.items()] == [
        (AKI, False),
        (NUMBER, False),
        (IDP, True),
    ]
    assert found[AKI][1] == b"\x30\x16\x80\x14" + pki.authority(AUTH, 3).key_id


def test_issuing_point_is_the_certificates_point_byte_for_byte(
    pki: SynthPki, make: Callable[..., bytes]
) -> None:
    certificate = x509.Certificate.load(make(AUTH))
    point = certificate.crl_distribution_points_value[0]["distribution_point"].dump()
    idp = extensions(pki.crl(AUTH, 3, KIYOSE))[IDP][1]
    assert point in idp
    assert idp.endswith(point + b"\x81\x01\xff")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-20T20:59:59", "2026-11-19T21:00:00"),
        ("2026-11-20T21:00:00", "2026-11-20T21:00:00"),
        ("2026-11-21T00:00:00", "2026-11-20T21:00:00"),
        ("2026-11-20T00:00:00", "2026-11-19T21:00:00"),
    ],
)
def test_publication_is_at_six_in_japan(at: str, expected: str) -> None:
    assert published(datetime.fromisoformat(at + "Z")) == datetime.fromisoformat(expected + "Z")


def test_number_grows_by_one_a_day() -> None:
    days = [SynthPki(DAY + timedelta(days=n)).crl(AUTH, 1, KIYOSE) for n in range(3)]
    numbers = [int.from_bytes(extensions(der)[NUMBER][1][2:], "big") for der in days]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def test_one_list_per_municipality_and_generation(pki: SynthPki) -> None:
    lists = pki.crls()
    assert len(set(lists)) == len(lists) == 6 * len(MUNICIPALITIES)


def test_an_empty_list_leaves_the_field_out(pki: SynthPki) -> None:
    der = pki.crl(AUTH, 3, KIYOSE)
    assert read(der)["tbs_cert_list"]["revoked_certificates"].native is None
    assert len(list(load_der_x509_crl(der))) == 0


def test_record_of_revocations(pki: SynthPki) -> None:
    """Per municipality; a list holds what came before it, an answer also what came since."""
    since = published(pki.at) + timedelta(hours=1)
    pki.revoke(AUTH, 3, "13221", 100, DAY, Reason.AFFILIATION_CHANGED)
    pki.revoke(AUTH, 3, KIYOSE, 101, DAY, None)
    pki.revoke(AUTH, 3, KIYOSE, 102, since, Reason.SUPERSEDED)
    pki.revoke(AUTH, 3, SHIBUYA, 103, DAY, Reason.UNSPECIFIED)
    pki.revoke(AUTH, 2, KIYOSE, 104, DAY, Reason.SUPERSEDED)

    def serials(place: str | None) -> list[int]:
        return [e["user_certificate"].native for e in entries(pki.crl(AUTH, 3, place))]

    assert serials("13221") == [100, 101]
    assert serials("13113") == [103]
    assert serials(None) == [100, 101, 103]
    words = [pki.status(AUTH, 3, serial).word for serial in (100, 102, 104, 1)]
    assert words == ["revoked", "revoked", "good", "good"]
    assert pki.status(Family.SIGN, 3, 100).word == "good"


def test_entries(pki: SynthPki) -> None:
    """37 bytes with a four-byte serial and a reason; explicit 0 and no reason both exist."""
    der = pki.crl(AUTH, 3, KIYOSE, [(0x12345678, DAY, 6), (0x80, DAY, 0), (5, DAY, None)])
    hold, unspecified, unsaid = entries(der)
    assert len(hold.dump()) == 37
    assert hold["user_certificate"].native == 0x12345678
    assert hold["revocation_date"].native == DAY
    assert hold.crl_reason_value.native == "certificate_hold"
    assert unspecified["user_certificate"].native == 0x80
    assert unspecified.crl_reason_value.native == "unspecified"
    assert unsaid.crl_reason_value is None


def test_size_is_linear_and_every_entry_is_there(pki: SynthPki) -> None:
    first = 0x10000000
    many = [(first + n, DAY, n % 6) for n in range(20_000)]
    der = pki.crl(AUTH, 3, KIYOSE, many)
    assert len(der) < 37 * 20_000 + 800
    parsed = load_der_x509_crl(der)
    assert len(parsed) == 20_000
    last = parsed.get_revoked_certificate_by_serial_number(first + 19_999)
    assert last is not None
    assert last.revocation_date_utc == DAY


def pem(der: bytes) -> bytes:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@pytest.mark.system
@pytest.mark.parametrize("family", Family)
def test_openssl_checks_a_certificate_against_its_partition(
    pki: SynthPki, make: Callable[..., bytes], openssl: Callable[..., str], family: Family
) -> None:
    """Good, revoked, and a list of another municipality, which must not count."""
    leaf = make(family)
    serial = load_der_x509_certificate(leaf).serial_number
    root = pem(pki.ca_certificate(family, 3))

    def verdict(crl: bytes) -> str:
        return openssl(
            "verify", "-x509_strict", "-crl_check", "-attime", str(int(pki.at.timestamp())),
            "-CAfile", "root", "-CRLfile", "list", "leaf",
            root=root, leaf=pem(leaf), list=load_der_x509_crl(crl).public_bytes(Encoding.PEM),
        )  # fmt: skip

    assert verdict(pki.crl(family, 3, KIYOSE)) == "leaf: OK\n"
    assert "certificate revoked" in verdict(pki.crl(family, 3, KIYOSE, [(serial, DAY, 3)]))
    assert "different CRL scope" in verdict(pki.crl(family, 3, SHIBUYA))
    expired = CrlOverrides(this_update=DAY)
    assert "CRL has expired" in verdict(pki.crl(family, 3, KIYOSE, overrides=expired))
    unknown = CrlOverrides(extra_critical=True)
    assert "unhandled critical CRL" in verdict(pki.crl(family, 3, KIYOSE, overrides=unknown))


@pytest.mark.system
def test_openssl_verifies_the_signature(pki: SynthPki, openssl: Callable[..., str]) -> None:
    def said(crl: bytes) -> str:
        root = pem(pki.ca_certificate(AUTH, 3))
        arguments = ("-inform", "der", "-in", "list", "-CAfile", "root", "-noout", "-text")
        return openssl("crl", *arguments, list=crl, root=root)

    good = said(pki.crl(AUTH, 3, KIYOSE, [(0xABCDEF, DAY, 4)]))
    assert good.startswith("verify OK") or good.endswith("verify OK\n")
    assert "Serial Number: ABCDEF" in good
    assert "Superseded" in good
    wrong = CrlOverrides(damage_signature=True)
    assert "verify failure" in said(pki.crl(AUTH, 3, KIYOSE, overrides=wrong))


def signed_by(der: bytes, key_name: str) -> bool:
    return load_der_x509_crl(der).is_signature_valid(stored_key(key_name).public_key())


def idp(der: bytes) -> Any:
    return read(der).issuing_distribution_point_value.native


DEVIATIONS: list[tuple[str, dict[str, Any], Callable[[bytes], bool]]] = [
    ("other partition", {"partition": SHIBUYA}, lambda d: b"Shibuya-ku CRLDP" in d),
    ("no IDP", {"idp_absent": True}, lambda d: IDP not in extensions(d)),
    ("no name", {"idp_name_absent": True}, lambda d: idp(d)["distribution_point"] is None),
    ("IDP not critical", {"idp_critical": False}, lambda d: not extensions(d)[IDP][0]),
    ("CA scope", {"scope": "ca"}, lambda d: idp(d)["only_contains_ca_certs"] is True),
    (
        "attribute scope",
        {"scope": "attribute"},
        lambda d: idp(d)["only_contains_attribute_certs"] is True,
    ),
    ("whole scope", {"scope": "both"}, lambda d: not idp(d)["only_contains_user_certs"]),
    ("indirect", {"indirect": True}, lambda d: idp(d)["indirect_crl"] is True),
    (
        "some reasons",
        {"only_some_reasons": b"\x60"},
        lambda d: idp(d)["only_some_reasons"] == {"key_compromise", "ca_compromise"},
    ),
    ("delta", {"delta_base": 9}, lambda d: extensions(d).get(DELTA) == (True, b"\x02\x01\x09")),
    ("rollback", {"number": 1}, lambda d: extensions(d)[NUMBER][1] == b"\x02\x01\x01"),
    ("no number", {"number_absent": True}, lambda d: NUMBER not in extensions(d)),
    ("no AKI", {"aki_absent": True}, lambda d: AKI not in extensions(d)),
    ("other AKI", {"aki_key_id": bytes(20)}, lambda d: extensions(d)[AKI][1][4:] == bytes(20)),
    ("critical", {"extra_critical": True}, lambda d: extensions(d).get("2.999.1", (0,))[0] is True),
    (
        "critical in entries",
        {"entry_extra_critical": True},
        lambda d: entries(d)[0]["crl_entry_extensions"][-1]["critical"].native is True,
    ),
    ("v1", {"version": 1}, lambda d: not read(d)["tbs_cert_list"]["crl_extensions"].native),
    (
        "no nextUpdate",
        {"next_update_absent": True},
        lambda d: read(d)["tbs_cert_list"]["next_update"].native is None,
    ),
    (
        "expired",
        {"next_update": DAY},
        lambda d: read(d)["tbs_cert_list"]["next_update"].native == DAY,
    ),
    (
        "from the future",
        {"this_update": DAY + timedelta(days=99)},
        lambda d: read(d)["tbs_cert_list"]["this_update"].native > DAY + timedelta(days=98),
    ),
    ("other generation", {"signer": "auth-ca-2"}, lambda d: signed_by(d, "auth-ca-2")),
    ("damaged", {"damage_signature": True}, lambda d: not signed_by(d, "auth-ca-3")),
    (
        "SHA-1",
        {"signature_hash": "sha1"},
        lambda d: read(d)["signature_algorithm"].hash_algo == "sha1",
    ),
    (
        "foreign issuer",
        {"issuer": x509.Name.build({"common_name": "x"}).dump()},
        lambda d: read(d).issuer.native == {"common_name": "x"},
    ),
]


@pytest.mark.parametrize(
    ("overrides", "seen"), [d[1:] for d in DEVIATIONS], ids=[d[0] for d in DEVIATIONS]
)
def test_deviation(pki: SynthPki, overrides: dict[str, Any], seen: Callable[[bytes], bool]) -> None:
    revoked = [(5, DAY, 3)]
    assert seen(pki.crl(AUTH, 3, KIYOSE, revoked, CrlOverrides(**overrides)))
    honest = pki.crl(AUTH, 3, KIYOSE, revoked)
    assert signed_by(honest, "auth-ca-3")
    assert not seen(honest)


def test_list_of_authorities(pki: SynthPki) -> None:
    der = pki.arl(Family.SIGN, 2, [(0x0132A001, DAY, Reason.CA_COMPROMISE)])
    assert idp(der)["only_contains_ca_certs"] is True
    assert pki.authority(Family.SIGN, 2).name in extensions(der)[IDP][1]
    assert signed_by(der, "sign-ca-2")


def test_full_list_names_no_point(pki: SynthPki) -> None:
    found = idp(pki.crl(AUTH, 3, None))
    assert found["distribution_point"] is None
    assert found["only_contains_user_certs"] is True
