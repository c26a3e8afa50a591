# SPDX-License-Identifier: Apache-2.0
"""The folder of a store: whom it belongs to, and damage of any octet of an index."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from crl_edits import kiyose_list
from jpki.certificate import Environment, Family
from jpki.errors import CrlStoreError, NotPermittedError
from jpki.synth.municipalities import SHIBUYA
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, VerifierDeclaration, VerifierRole
from jpki.validation.crl_index import CrlIndexStore, is_store
from jpki.validation.crl_index.store import BODY, INDEX
from jpki.validation.crl_index.writer import StoreWriter
from jpki.verdict import Outcome
from store_bench import AT, DAY, ENTRY, SERIAL, Build, Make, Put, check

# the folder ------------------------------------------------------------------------------


def test_a_store_belongs_to_one_environment_for_life(
    pki: SynthPki, put: Put, path: Path, validator: Build
) -> None:
    put(kiyose_list(pki))
    store = CrlIndexStore(path)
    assert store.environment is Environment.TEST
    custom = TrustStore(Environment.CUSTOM, [pki.ca_certificate(Family.SIGN, 3)])
    with pytest.raises(CrlStoreError) as caught:
        StoreWriter(path, custom, now=AT)
    assert caught.value.code == "crl_store_environment"
    with pytest.raises(CrlStoreError):
        validator(of=custom, crl_store=store)


def test_production_needs_a_declaration(path: Path) -> None:
    trust = TrustStore(Environment.PRODUCTION)
    with pytest.raises(NotPermittedError):
        StoreWriter(path, trust, now=AT)
    assert not path.exists()
    roles = frozenset({VerifierRole.AUTHENTICATION})
    declared = VerifierDeclaration(roles, "1", "who", date(2026, 4, 1), ("login",))
    with StoreWriter(path, trust, now=AT, verifier=declared):
        pass
    assert CrlIndexStore(path).environment is Environment.PRODUCTION


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_refused(
    pki: SynthPki, put: Put, path: Path, mode: int
) -> None:
    put(kiyose_list(pki))
    path.chmod(mode)
    for use in (lambda: CrlIndexStore(path), lambda: put(kiyose_list(pki))):
        with pytest.raises(CrlStoreError) as caught:
            use()
        assert caught.value.values["reason"] == "not_private"


def test_an_index_that_others_can_write_is_refused(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(kiyose_list(pki))
    (index,) = path.glob(f"*{INDEX}")
    index.chmod(0o666)
    found = check(validator(crl_store=CrlIndexStore(path)), make())
    assert (found.outcome, found.values["reason"]) == (Outcome.CANNOT_TELL, "not_private")


def test_files_are_private(pki: SynthPki, put: Put, path: Path) -> None:
    put(kiyose_list(pki))
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"format": "jpki-crl-store-2"}',
        '{"format": "jpki-crl-store-1", "environment": "x"}',
    ],
)
def test_a_marker_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "jpki-crl-store.json").write_text(content)
    assert is_store(tmp_path)
    with pytest.raises(CrlStoreError):
        CrlIndexStore(tmp_path)


def test_a_folder_with_other_files_is_no_store(tmp_path: Path, trust: TrustStore) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    for use in (lambda: CrlIndexStore(tmp_path), lambda: StoreWriter(tmp_path, trust, now=AT)):
        with pytest.raises(CrlStoreError) as caught:
            use()
        assert caught.value.values["reason"] == "not_a_store"
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_every_wrong_octet_of_an_index_is_noticed_or_means_nothing(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(kiyose_list(pki, ENTRY, (5, DAY, 1)))
    certificate = make(serial=SERIAL)
    (index,) = path.glob(f"*{INDEX}")
    right = index.read_bytes()
    seen = set()
    for at in range(len(right)):
        if not right[at] and not any(right[max(0, at - 4) : at + 5]):
            continue  # deep inside padding, which no hash covers and nobody reads
        wrong = bytearray(right)
        wrong[at] ^= 0x10
        index.write_bytes(wrong)
        found = check(validator(crl_store=CrlIndexStore(path)), certificate)
        seen.add(found.code)
        assert found.outcome is not Outcome.VALID, at
    assert seen == {"crl_malformed", "revoked"}
    for size in (0, 1, 43, 44, len(right) - 1):
        index.write_bytes(right[:size])
        assert check(validator(crl_store=CrlIndexStore(path)), certificate).code == "crl_malformed"


def test_an_index_under_the_name_of_another_municipality(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    here, there = put(kiyose_list(pki, ENTRY), pki.crl(Family.SIGN, 3, SHIBUYA, []))
    (path / (there.names[0] + INDEX)).replace(path / (here.names[0] + INDEX))
    found = check(validator(crl_store=CrlIndexStore(path)), make(serial=SERIAL))
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "crl_malformed")


def test_an_index_without_its_list_is_not_good(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(kiyose_list(pki, ENTRY))
    (body,) = path.glob(f"*{BODY}")
    body.unlink()
    found = check(validator(crl_store=CrlIndexStore(path)), make(serial=SERIAL))
    assert (found.outcome, found.values["reason"]) == (Outcome.CANNOT_TELL, "list_missing")
