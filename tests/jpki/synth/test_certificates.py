# SPDX-License-Identifier: Apache-2.0
"""Certificates of the test PKI: what OpenSSL makes of them, determinism, deviations."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

import jpki.synth
from jpki.certificate.kinds import Family
from jpki.synth import (
    EndEntityRequest,
    Extension,
    HolderData,
    Overrides,
    SynthPki,
    card_key,
    signing,
)
from jpki.synth import certificate as certificate_module
from jpki.synth.extensions import OIDS
from jpki.synth.keystore import any_stored_key, stored_ec_key, stored_key
from jpki.synth.municipalities import SHIBUYA

Make = Callable[..., bytes]


def pem(*certificates: bytes) -> bytes:
    return b"".join(
        load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates
    )


def read(der: bytes) -> Any:
    return x509.Certificate.load(der)


def oids(der: bytes) -> list[str]:
    return [e["extn_id"].dotted for e in read(der)["tbs_certificate"]["extensions"]]


def signed_by(der: bytes, key_name: str) -> bool:
    """Whether a stored RSA key made the signature, by the algorithm the certificate names."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    certificate = load_der_x509_certificate(der)
    assert certificate.signature_hash_algorithm is not None
    try:
        stored_key(key_name).public_key().verify(
            certificate.signature,
            certificate.tbs_certificate_bytes,
            PKCS1v15(),
            certificate.signature_hash_algorithm,
        )
    except InvalidSignature:
        return False
    return True


@pytest.mark.system
@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(("generation", "when"), [(1, 2017), (2, 2022), (3, 2026)])
def test_openssl_finds_the_generation_among_six_roots_of_two_names(
    pki: SynthPki,
    holder: HolderData,
    openssl: Callable[..., str],
    family: Family,
    generation: int,
    when: int,
) -> None:
    at = datetime(when, 7, 1, tzinfo=UTC)
    der = SynthPki(at).end_entity(
        EndEntityRequest(
            family=family,
            generation=generation,
            public_key=card_key(2, "auth").public_key(),
            holder=holder,
        )
    )
    said = openssl(
        "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "roots", "-attime",
        str(int(at.timestamp())), "leaf", roots=pem(*pki.trust_anchors()), leaf=pem(der),
    )  # fmt: skip
    assert said == "leaf: OK\n"
    impostor = pem(pki.ca_certificate(family, generation, key="rogue-ca"))
    said = openssl("verify", "-no_check_time", "-CAfile", "roots", "leaf", roots=impostor)
    assert "leaf: OK" not in said


@pytest.mark.system
def test_openssl_prints_a_sign_certificate(make: Make, openssl: Callable[..., str]) -> None:
    text = openssl(
        "x509", "-inform", "der", "-in", "leaf", "-noout", "-text", leaf=make(Family.SIGN)
    )
    assert "Digital Signature, Non Repudiation" in text
    assert "Policy: 1.2.392.200149.8.5.1.1.20" in text
    assert "CN = Kiyose-shi CRLDP" in text


def test_equal_input_gives_equal_bytes(holder: HolderData) -> None:
    def all_of(at: datetime, seed: int) -> tuple[bytes, ...]:
        pki = SynthPki(at, seed)
        key = card_key(3, "sign").public_key()
        requests = [EndEntityRequest(family=f, public_key=key, holder=holder) for f in Family]
        return (*map(pki.end_entity, requests), *pki.trust_anchors(), *pki.crls()[:2])

    day = datetime(2026, 11, 20, 1, tzinfo=UTC)
    first = all_of(day, 0)
    assert first == all_of(day.replace(hour=20), 0)
    other_seed, other_day = all_of(day, 1), all_of(day.replace(day=22), 0)
    assert first[0] != other_seed[0]
    assert first[1] != other_seed[1]
    assert first[2:8] == other_seed[2:8] == other_day[2:8]
    assert first[8] != other_day[8]


def test_one_certificate_costs_one_signature_and_two_keys(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    signatures: list[int] = []

    def counted(*arguments: Any) -> bytes:
        signatures.append(1)
        return signing.sign(*arguments)

    monkeypatch.setattr(certificate_module, "sign", counted)
    any_stored_key.cache_clear()
    make(Family.AUTH)
    assert len(signatures) == 1
    assert any_stored_key.cache_info().misses == 2


def test_importing_synth_loads_no_cryptography() -> None:
    """Only ``generate``, which nothing imports, may import it outside a function."""
    found = []
    for path in Path(jpki.synth.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crypto"):
                found.append(path.name)
    assert set(found) == {"generate.py"}


def test_a_sign_certificate_needs_a_holder(pki: SynthPki) -> None:
    key = card_key(0, "sign").public_key()
    with pytest.raises(ValueError, match="needs a holder"):
        pki.end_entity(EndEntityRequest(family=Family.SIGN, public_key=key))


def test_invented_dates_and_serials_fit_the_generation(pki: SynthPki) -> None:
    for authority in pki.authorities():
        if authority.family is Family.AUTH:
            request = EndEntityRequest(
                family=Family.AUTH,
                generation=authority.generation,
                public_key=card_key(0, "auth").public_key(),
            )
            leaf = read(pki.end_entity(request))
            assert authority.not_before < leaf.not_valid_before < leaf.not_valid_after
            assert leaf.not_valid_after <= authority.not_after
            assert f"{leaf.not_valid_after:%H:%M:%S}" == "14:59:59"
            assert authority.serial < leaf.serial_number


def test_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        SynthPki(datetime(2026, 1, 1))


# Each deviation, and what a strict reader of another make sees of it.
DEVIATIONS: list[tuple[str, dict[str, Any], Callable[[bytes], bool]]] = [
    ("policy", {"policy": "2.999.7"}, lambda d: policy(d) == "2.999.7"),
    ("no policy", {"drop": ("policies",)}, lambda d: OIDS["policies"] not in oids(d)),
    ("extra critical", {"extra_critical": True}, lambda d: "2.999.1" in critical(d)),
    (
        "extra extension",
        {"extra": (Extension("1.2.3.4", b"\x05\x00"),)},
        lambda d: oids(d)[-1] == "1.2.3.4" and "1.2.3.4" not in critical(d),
    ),
    ("SHA-1", {"signature_hash": "sha1"}, lambda d: read(d).hash_algo == "sha1"),
    (
        "inner algorithm",
        {"inner_hash": "sha1"},
        lambda d: (
            read(d)["tbs_certificate"]["signature"]["algorithm"].native == "sha1_rsa"
            and read(d)["signature_algorithm"]["algorithm"].native == "sha256_rsa"
        ),
    ),
    ("AKI serial", {"aki_serial": 7}, lambda d: aki(d)["authority_cert_serial_number"] == 7),
    ("AKI key", {"aki_key_id": bytes(20)}, lambda d: aki(d)["key_identifier"] == bytes(20)),
    (
        "key usage",
        {"key_usage": bytes.fromhex("030206c0")},
        lambda d: read(d).key_usage_value.native == {"digital_signature", "non_repudiation"},
    ),
    (
        "uncritical policies",
        {"critical": {"policies": False}},
        lambda d: OIDS["policies"] not in critical(d),
    ),
    (
        "own value",
        {"values": {"ski": b"\x04\x01\x00"}},
        lambda d: read(d).key_identifier_value.native == b"\0",
    ),
    (
        "duplicate",
        {"duplicate": "keyUsage"},
        lambda d: oids(d).count(OIDS["keyUsage"]) == 2,
    ),
    (
        "order",
        {"order": ("ski", "aki", "keyUsage")},
        lambda d: oids(d) == [OIDS[n] for n in ("ski", "aki", "keyUsage")],
    ),
    (
        "other partition",
        {"partition": SHIBUYA},
        lambda d: b"Shibuya-ku CRLDP" in d and b"Kiyose-shi CRLDP" not in d,
    ),
    ("version 1", {"version": 1}, lambda d: read(d)["tbs_certificate"]["version"].native == "v1"),
    ("negative serial", {"serial_content": b"\xff"}, lambda d: read(d).serial_number == -1),
    ("zero serial", {"serial_content": b"\0"}, lambda d: read(d).serial_number == 0),
    (
        "21-byte serial",
        {"serial_content": b"\x01" * 21},
        lambda d: read(d).serial_number.bit_length() == 161,
    ),
    ("padded serial", {"serial_content": b"\0\x01"}, lambda d: b"\x02\x02\x00\x01" in d),
    (
        "generalized time",
        {"generalized_time": True},
        lambda d: read(d)["tbs_certificate"]["validity"]["not_before"].name == "general_time",
    ),
    ("long length", {"non_minimal_length": True}, lambda d: d[:3] == b"\x30\x83\x00"),
    ("critical FALSE", {"explicit_false": True}, lambda d: b"\x55\x1d\x0e\x01\x01\x00" in d),
    ("trailing", {"trailing": b"\0"}, lambda d: len(read(d[:-1]).dump()) == len(d) - 1),
    ("damaged", {"damage_signature": True}, lambda d: not signed_by(d, "auth-ca-3")),
    ("wrong generation", {"signer": "auth-ca-2"}, lambda d: signed_by(d, "auth-ca-2")),
    ("rogue", {"signer": "rogue-ca"}, lambda d: signed_by(d, "rogue-ca")),
    (
        "foreign issuer",
        {"issuer": x509.Name.build({"common_name": "x"}).dump()},
        lambda d: read(d).issuer.native == {"common_name": "x"},
    ),
    (
        "other subject",
        {"subject": x509.Name.build({"common_name": "x"}).dump()},
        lambda d: read(d).subject.native == {"common_name": "x"},
    ),
]


def policy(der: bytes) -> str:
    return str(read(der).certificate_policies_value[0]["policy_identifier"].dotted)


def critical(der: bytes) -> list[str]:
    extensions = read(der)["tbs_certificate"]["extensions"]
    return [e["extn_id"].dotted for e in extensions if e["critical"].native]


def aki(der: bytes) -> Any:
    return read(der).authority_key_identifier_value.native


@pytest.mark.parametrize(
    ("overrides", "seen"), [d[1:] for d in DEVIATIONS], ids=[d[0] for d in DEVIATIONS]
)
def test_deviation(make: Make, overrides: dict[str, Any], seen: Callable[[bytes], bool]) -> None:
    """What the deviation does is there, and is not there without it."""
    assert seen(make(Family.AUTH, **overrides))
    honest = make(Family.AUTH)
    assert signed_by(honest, "auth-ca-3")
    if "trailing" not in overrides:
        assert not seen(honest)


def test_certificate_under_a_holders_certificate(make: Make) -> None:
    """Issued by an end entity: its name, key id and serial; its key signs."""
    above = make(Family.AUTH)
    der = make(Family.AUTH, issuer_certificate=above, signer="card-00-auth")
    assert read(der).issuer.dump() == read(above).subject.dump()
    assert aki(der)["key_identifier"] == read(above).key_identifier_value.native
    assert aki(der)["authority_cert_serial_number"] == read(above).serial_number
    assert signed_by(der, "card-00-auth")


SAN_DEVIATIONS: list[tuple[str, dict[str, Any], dict[str, Any], dict[int, str] | list[int]]] = [
    ("reordered", {"san_order": (6, 5, 4, 3, 2, 1)}, {}, [6, 5, 4, 3, 2, 1]),
    ("no flags", {"san_order": (1, 4, 3, 5)}, {}, [1, 4, 3, 5]),
    (
        "unknown arc",
        {"san_order": (1, 4, 3, 5, 2, 6, 7), "san_texts": {7: "バンゴウ　ハナコ"}},
        {},
        {7: "バンゴウ　ハナコ"},
    ),
    ("sex 3", {}, {"sex": "3"}, {3: "3"}),
    ("sex 9", {}, {"sex": "9"}, {3: "9"}),
    ("era 0", {"san_texts": {4: "019800217"}}, {}, {4: "019800217"}),
    ("zero date", {"san_texts": {4: "319800000"}}, {}, {4: "319800000"}),
    ("flag mismatch", {}, {"name_flags": "0000"}, {2: "0000"}),
    ("no separator", {}, {"name": "番号花子"}, {1: "番号花子", 2: "0000"}),
    ("200 characters", {}, {"address": "東京都" + "あ" * 197}, {6: "0" * 200}),
    ("beyond the BMP", {}, {"name": "𠮷野　花子"}, {1: "𠮷野　花子", 2: "00000"}),
]


@pytest.mark.parametrize(
    ("overrides", "about", "expected"),
    [d[1:] for d in SAN_DEVIATIONS],
    ids=[d[0] for d in SAN_DEVIATIONS],
)
def test_attribute_deviation(
    pki: SynthPki,
    holder: HolderData,
    overrides: dict[str, Any],
    about: dict[str, Any],
    expected: dict[int, str] | list[int],
) -> None:
    request = EndEntityRequest(
        family=Family.SIGN,
        public_key=card_key(0, "sign").public_key(),
        holder=replace(holder, **about),
        overrides=Overrides(**overrides),
    )
    san = read(pki.end_entity(request)).subject_alt_name_value
    found = {
        int(name.chosen["type_id"].native.rsplit(".", 1)[1]): name.chosen["value"].native
        for name in san
    }
    if isinstance(expected, list):
        assert list(found) == expected
    else:
        assert {arc: found[arc] for arc in expected} == expected


def test_weak_and_next_generation_keys(pki: SynthPki) -> None:
    weak = EndEntityRequest(
        family=Family.AUTH, public_key=stored_key("weak-1024").public_key(), serial=1
    )
    assert read(pki.end_entity(weak)).public_key.bit_size == 1024
    next_generation = replace(weak, public_key=stored_ec_key("nextgen-auth").public_key())
    assert read(pki.end_entity(next_generation)).public_key.curve == ("named", "secp384r1")


def test_a_p384_issuer_signs_the_same_bytes_each_time(make: Make) -> None:
    key = stored_ec_key("nextgen-sign")
    first = make(Family.AUTH, signer=key, signature_hash="sha384")
    assert first == make(Family.AUTH, signer=key, signature_hash="sha384")
    assert read(first)["signature_algorithm"]["algorithm"].native == "sha384_ecdsa"


def test_serials_of_every_length(pki: SynthPki) -> None:
    """A leading zero octet where the top bit is set, and nowhere else."""
    key = card_key(0, "auth").public_key()
    for serial in (1, 0x7F, 0x80, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000):
        request = EndEntityRequest(family=Family.AUTH, public_key=key, serial=serial)
        raw = read(pki.end_entity(request))["tbs_certificate"]["serial_number"]
        assert raw.native == serial
        assert len(raw.contents) == serial.bit_length() // 8 + 1


def test_dates_from_2050_are_generalized_time(pki: SynthPki) -> None:
    request = EndEntityRequest(
        family=Family.AUTH,
        public_key=card_key(0, "auth").public_key(),
        not_before=datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        not_after=datetime(2050, 1, 1, tzinfo=UTC),
    )
    validity = read(pki.end_entity(request))["tbs_certificate"]["validity"]
    assert [validity[n].name for n in ("not_before", "not_after")] == ["utc_time", "general_time"]


def test_no_personal_data_in_repr(holder: HolderData) -> None:
    request = EndEntityRequest(
        family=Family.SIGN,
        public_key=card_key(0, "sign").public_key(),
        holder=holder,
        serial=987654321,
        subject_cn="VERY-OWN-CN",
    )
    shown = repr(request) + repr(holder) + repr(Overrides(san_texts={1: "番号　花子"}))
    for secret in ("番号", "中里", "1980", "987654321", "VERY-OWN-CN"):
        assert secret not in shown
    assert date(1980, 2, 17) == holder.birth
