# SPDX-License-Identifier: Apache-2.0
"""What an indexed store says, and how newer lists take the place of older ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crl_edits import kiyose_list, numbered_list
from jpki.certificate import Family, parse_certificate
from jpki.errors import RevocationDataError
from jpki.synth.municipalities import KIYOSE, SHIBUYA
from jpki.synth.pki import SynthPki
from jpki.validation import ProcessMemory, TrustStore
from jpki.validation.crl_index import CrlIndexStore, Partition
from jpki.validation.crl_index.partition import may_have
from jpki.validation.crl_index.store import BODY, INDEX
from jpki.validation.crl_index.writer import Placed, StoreWriter
from jpki.verdict import Outcome
from store_bench import AT, DAY, ENTRY, SERIAL, Build, Make, Put, check, refusal

# what it says ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize("place", [KIYOSE, None])
def test_the_store_says_what_the_lists_say(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path,
    family: Family, generation: int, place: object,
) -> None:  # fmt: skip
    at = AT + timedelta(hours=3)
    lists = [
        pki.crl(family, generation, place, [ENTRY, (SERIAL + 2, AT + timedelta(hours=5), 4)]),  # type: ignore[arg-type]
        pki.crl(family, generation, SHIBUYA, [(SERIAL + 1, DAY, 1)]),
    ]
    put(*lists)
    store = CrlIndexStore(path)
    for serial in (SERIAL, SERIAL + 1, SERIAL + 2, 1, 1 << 90):
        certificate = make(family, generation, serial=serial)
        for options in ({}, {"at": at}, {"max_age": timedelta(hours=1)}):
            wanted = check(validator(crls=lists, now=at, **options), certificate)
            found = validator(crl_store=store, now=at, **options)
            # Twice: the second time the frame is known.
            assert check(found, certificate) == check(found, certificate) == wanted


def test_lookups(pki: SynthPki, make: Make, put: Put, path: Path) -> None:
    many = [(serial, DAY, 3) for serial in range(100, 30_000, 7)]
    put(kiyose_list(pki, *many))
    certificate = parse_certificate(make())
    assert certificate.aki is not None
    key_id, (point,) = certificate.aki.key_id, certificate.crl_distribution_point_names
    assert key_id is not None
    store = CrlIndexStore(path)
    found = store.lookup(key_id, point, 107)
    assert found is not None
    assert (found.since, found.reason) == (DAY, "affiliation_changed")
    for serial in (0, 99, 101, 30_000, 1 << 32, 1 << 200, -1):
        assert store.lookup(key_id, point, serial) is None
    assert store.lookup(key_id, None, 107) is None
    partition = store.partition(key_id, point)
    assert partition is not None
    assert len(partition) == len(many)
    wanted = [1 if s in range(100, 30_000, 7) else 0 for s in range(40_000)]
    assert list(partition.listed(range(40_000))) == wanted
    assert list(partition.listed([107, 1 << 70, 106, -3])) == [1, 0, 0, 0]
    assert list(partition.listed([107, 1 << 70, 106] * 30)) == [1, 0, 0] * 30
    assert list(partition.keys()) == [serial for serial, _, _ in many]


@pytest.mark.parametrize("bits", [40, 140])
def test_long_serials(pki: SynthPki, make: Make, put: Put, path: Path, bits: int) -> None:
    many = [((1 << bits) + serial, DAY, 3) for serial in range(9_000)]
    (one,) = put(kiyose_list(pki, *many))
    assert one.facts.width == (8 if bits == 40 else 20)
    certificate = parse_certificate(make())
    assert certificate.aki is not None
    assert certificate.aki.key_id is not None
    (point,) = certificate.crl_distribution_point_names
    partition = CrlIndexStore(path).partition(certificate.aki.key_id, point)
    assert partition is not None
    asked = [serial for serial, _, _ in many[::5]] + [5, 1 << 32, (1 << bits) + 9_000]
    assert list(partition.listed(asked)) == [1] * 1_800 + [0] * 3
    assert partition.entry((1 << bits) + 8_999) is not None


@pytest.mark.parametrize("bits", [4, 31, 60, 150])
@pytest.mark.parametrize("stride", [1, 8, 1 << 3 * 8])
def test_low_bits_hide_no_serial_that_is_listed(
    pki: SynthPki, put: Put, path: Path, bits: int, stride: int
) -> None:
    wanted = {(1 + i * stride) % (1 << bits) or 1 for i in range(600)}
    put(kiyose_list(pki, *[(serial, DAY, 3) for serial in wanted]))
    ((_, partition),) = CrlIndexStore(path).partitions()
    assert isinstance(partition, Partition)
    assert partition.low_bits() is None  # not proven yet
    assert partition.position(0) == -1
    partition.prove()
    low_bits = partition.low_bits()
    assert low_bits is not None
    assert all(may_have(low_bits, serial) for serial in wanted)
    # Of others most are told apart at once, unless all their low bits are those of listed ones.
    others = [serial for serial in range(1, 3_000) if serial not in wanted]
    told = sum(not may_have(low_bits, serial) for serial in others)
    assert told > len(others) * 3 / 4


def test_certificates_asked_about_again_and_again(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(kiyose_list(pki, *[(serial, DAY, 3) for serial in range(SERIAL, SERIAL + 300, 3)]))
    asked = [make(serial=serial) for serial in range(SERIAL, SERIAL + 12)]
    loaded = validator(crl_store=CrlIndexStore(path))
    for _ in range(4):
        codes = [check(loaded, certificate).code for certificate in asked]
        assert codes == ["revoked", "crl_good", "crl_good"] * 4


def test_a_serial_listed_twice_counts_from_the_earlier_date(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    # So many that they fill blocks of the index, with others around them.
    twice = [(SERIAL, DAY - timedelta(hours=i % 50), 3) for i in range(9_000)]
    put(kiyose_list(pki, *[(i + 1, DAY, 3) for i in range(5_000)], *twice))
    found = check(validator(crl_store=CrlIndexStore(path)), make(serial=SERIAL))
    assert found.values["date"] == "2026-11-17T23:00:00Z"


def test_numpy_changes_nothing(tmp_path: Path, pki: SynthPki, trust: TrustStore) -> None:
    for number, bits in enumerate((30, 60, 150)):
        many = [((i * 0x9E3779B97F4A7C15) % (1 << bits) + 1, DAY, i % 6) for i in range(5_000)]
        data = kiyose_list(pki, *many)
        contents = []
        for numpy in (True, False):
            path = tmp_path / f"{number}-{numpy}"
            with StoreWriter(path, trust, now=AT, numpy=numpy) as writer:
                writer.add(data)
            contents.append([(f.name, f.read_bytes()) for f in sorted(path.glob("*"))])
        assert contents[0] == contents[1]


# newer and older -------------------------------------------------------------------------


def test_a_newer_list_replaces_an_older_one(pki: SynthPki, put: Put, path: Path) -> None:
    put(numbered_list(pki, 7))
    assert put(numbered_list(pki, 7))[0].placed is Placed.SAME
    (newer,) = put(numbered_list(pki, 8, ENTRY))
    files = [file.name for file in path.iterdir() if file.suffix in (INDEX, BODY)]
    assert sorted(files) == sorted([newer.names[0] + INDEX, newer.facts.crl.hex() + BODY])


def test_an_older_list_never_comes_back(pki: SynthPki, put: Put, path: Path) -> None:
    put(numbered_list(pki, 8, ENTRY))
    assert refusal(put, numbered_list(pki, 7)) == "rollback"
    assert refusal(put, numbered_list(pki, 8)) == "number_reused"
    (index,) = path.glob(f"*{INDEX}")
    index.unlink()  # the number is remembered without it
    assert refusal(put, numbered_list(pki, 7)) == "rollback"
    assert put(numbered_list(pki, 8, ENTRY))[0].placed is Placed.ADDED


def test_an_older_index_put_in_by_hand_tells_nothing(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(numbered_list(pki, 7))
    (index,) = path.glob(f"*{INDEX}")
    old = index.read_bytes()
    put(numbered_list(pki, 8))
    assert check(validator(crl_store=CrlIndexStore(path)), make()).code == "crl_good"
    index.write_bytes(old)
    found = check(validator(crl_store=CrlIndexStore(path)), make())
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "crl_rollback")


def test_numbers_are_remembered_for_lists_in_memory_too(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(kiyose_list(pki))
    store = CrlIndexStore(path, look_every=0)
    assert (
        check(validator(crls=[numbered_list(pki, 9_000)], memory=store), make()).code == "crl_good"
    )
    again = CrlIndexStore(path)
    assert check(validator(crls=[kiyose_list(pki)], memory=again), make()).code == "crl_rollback"
    assert refusal(put, numbered_list(pki, 8_999)) == "rollback"
    fresh = ProcessMemory()
    assert check(validator(crls=[kiyose_list(pki)], memory=fresh), make()).code == "crl_good"


def test_a_reader_goes_over_to_the_newer_list(
    pki: SynthPki, make: Make, validator: Build, put: Put, path: Path
) -> None:
    put(numbered_list(pki, 7))
    loaded = validator(crl_store=CrlIndexStore(path, look_every=0))
    certificate = make(serial=SERIAL)
    assert check(loaded, certificate).code == "crl_good"
    put(numbered_list(pki, 8, ENTRY))
    assert check(loaded, certificate).code == "revoked"


def test_a_reader_with_the_old_index_open_finds_the_entry_in_the_new_list(
    pki: SynthPki, make: Make, put: Put, path: Path
) -> None:
    put(numbered_list(pki, 7, ENTRY))
    certificate = parse_certificate(make())
    assert certificate.aki is not None
    assert certificate.aki.key_id is not None
    question = (certificate.aki.key_id, certificate.crl_distribution_point_names[0], SERIAL)
    store = CrlIndexStore(path, look_every=3600)
    assert store.lookup(*question) is not None
    put(numbered_list(pki, 8, ENTRY, (5, DAY, 1)))  # takes the old list away
    assert store.lookup(*question) is not None
    assert store.lookup(*question[:2], 5) is not None  # and from now on the new one is asked


def test_ended_lists_are_purged_and_stay_known(
    pki: SynthPki, trust: TrustStore, path: Path
) -> None:
    data = kiyose_list(pki, ENTRY)  # until 2026-11-22T21:00Z

    def purge(now: datetime) -> tuple[int, list[str]]:
        with StoreWriter(path, trust, now=now, grace=timedelta(days=2)) as writer:
            gone = writer.purge()
        return gone, sorted(f.suffix for f in path.iterdir() if f.suffix in (INDEX, BODY))

    with StoreWriter(path, trust, now=AT) as writer:
        writer.add(data)
    assert purge(datetime(2026, 11, 24, 20, tzinfo=UTC)) == (0, [BODY, INDEX])
    assert purge(datetime(2026, 11, 24, 22, tzinfo=UTC)) == (1, [])
    with StoreWriter(path, trust, now=AT) as writer, pytest.raises(RevocationDataError) as caught:
        writer.add(numbered_list(pki, 5))
    assert caught.value.values["reason"] == "rollback"
