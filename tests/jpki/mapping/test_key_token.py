# SPDX-License-Identifier: Apache-2.0
"""Keys in a PKCS#11 token (SoftHSM): a map that works with them, and what goes wrong."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

import map_bench
import soft_token
from jpki.certificate.kinds import Environment
from jpki.mapping.answers import Outcome
from jpki.mapping.checkpoint import parse_checkpoint
from jpki.mapping.errors import KeyFileError
from jpki.mapping.keys import KeyRing, create_keys, open_keys
from jpki.mapping.opening import create_map, extend_map
from jpki.mapping.policy import Operation
from jpki.mapping.store.schema import CERTIFICATE_INDEX, SERVICE_KEY
from jpki.signing.pkcs11 import TokenError
from map_bench import Bench, changed, holder
from soft_token import SoftToken

pytestmark = pytest.mark.system
_NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """One for all: SoftHSM looks for its store once in the life of a process."""
    with pytest.MonkeyPatch.context() as patch:
        yield soft_token.make_token(tmp_path_factory.mktemp("hsm"), "the map", patch)


@pytest.fixture
def address(token: SoftToken) -> str:
    return token.uri(f"map{next(_NAMES)}")


@pytest.fixture
def keys(token: SoftToken, address: str) -> KeyRing:
    return create_keys(address, Environment.TEST, ("library", "pool"), pin=token.pin)


@pytest.fixture
def bench(url: str, tmp_path: Path, token: SoftToken, address: str) -> Iterator[Bench]:
    policy = map_bench.two_services()
    made = map_bench.new_bench(url, tmp_path, policy, "library", token=address, pin=token.pin)
    yield made
    made.close()


# --- a map whose keys lie in a token ----------------------------------------------------


def test_a_life_with_a_token(bench: Bench, tmp_path: Path) -> None:
    who = holder()
    code = bench.ask(who, Operation.ENROL).pseudonym
    assert bench.ask(who, Operation.RESOLVE).pseudonym == code
    assert bench.ask(holder(), Operation.RESOLVE).outcome is Outcome.UNREGISTERED
    mark = bench.map.checkpoint()
    assert parse_checkpoint(json.dumps(mark.to_object()).encode()) == mark
    report = bench.map.verify_ledger(mark)
    assert (report.intact, report.entries, report.checkpoints) == (True, 3, 1)
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".keys"] == []


def test_rotated_online(bench: Bench) -> None:
    """Another instance, opened before, goes on without being told."""
    bench.map.policy = changed(bench.policy, stores_serial=True)
    people = [holder() for _ in range(5)]
    codes = [bench.ask(who, Operation.ENROL).pseudonym for who in people]
    other = bench.again(policy=bench.map.policy)
    for epoch in (2, 3):
        bench.map.rotate("library")
        with bench.map.store.reading() as connection:
            named = connection.execute(
                select(SERVICE_KEY.c.epoch).where(SERVICE_KEY.c.service == "library")
            ).scalar_one()
            rows = connection.execute(
                select(func.count()).where(CERTIFICATE_INDEX.c.epoch == epoch)
            ).scalar_one()
        assert (named, rows) == (epoch, 5)
    for who, code in zip(people, codes, strict=True):
        presentation = other.verify(bench.evidence(who, Operation.RESOLVE))
        assert other.resolve(presentation, bench.asker()).pseudonym == code


def test_a_service_more(bench: Bench, token: SoftToken) -> None:
    wider = map_bench.two_services("library", "pool", "hall")
    address = bench.token
    assert extend_map(bench.url, address, wider, pin=token.pin) == ("hall",)
    assert extend_map(bench.url, address, wider, pin=token.pin) == ()
    later = bench.again(policy=wider)
    challenge = later.issue_challenge(Operation.ENROL, origin=map_bench.ORIGIN, service="hall")
    assert later.enrol(later.verify(holder().answer(challenge)), bench.asker("hall")).done


def test_a_map_that_could_not_be_made_leaves_no_key(
    tmp_path: Path, token: SoftToken, address: str
) -> None:
    taken = tmp_path / "no" / "map.db"
    with pytest.raises(Exception, match=r"."):
        create_map(str(taken), address, map_bench.two_services(), Environment.TEST, pin=token.pin)
    with pytest.raises(KeyFileError) as caught:
        open_keys(address, pin=token.pin)
    assert caught.value.values["reason"] == "missing"


# --- the keys themselves ----------------------------------------------------------------


def test_sealed_and_opened(keys: KeyRing, token: SoftToken) -> None:
    own = keys.service("library")
    sealed = own.seal("recheck", b"what is kept", b"handle")
    newer = keys.renewed("library").service("library")
    assert newer.epoch == 2
    assert newer.open("recheck", sealed, b"handle", 1) == b"what is kept"
    assert newer.mac(1, b"x") == own.mac(1, b"x") != newer.mac(2, b"x")
    assert newer.check() != own.check()
    kept = keys.seal_evidence(b"evidence", b"id")
    assert open_keys(keys.location, pin=token.pin).open_evidence(kept, b"id") == b"evidence"
    wrong: list[Callable[[], bytes]] = [
        lambda: newer.open("recheck", sealed, b"another", 1),
        lambda: newer.open("card", sealed, b"handle", 1),
        lambda: newer.open("recheck", sealed, b"handle", 2),
        lambda: newer.open("recheck", sealed[:-1], b"handle", 1),
        lambda: newer.open("recheck", b"", b"handle", 1),
        lambda: keys.service("pool").open("recheck", sealed, b"handle", 1),
        lambda: keys.open_evidence(kept, b"other"),
    ]
    for attempt in wrong:
        with pytest.raises(KeyFileError) as caught:
            attempt()
        assert caught.value.values["reason"] == "other_key"


def test_no_key_can_leave_the_token(keys: KeyRing, token: SoftToken) -> None:
    """SoftHSM's own library says of every secret and private key: sensitive, not extractable."""
    import pkcs11

    library = pkcs11.lib(soft_token.MODULE)
    with library.get_token(token_label=token.label).open() as session:
        kinds = (pkcs11.ObjectClass.SECRET_KEY, pkcs11.ObjectClass.PRIVATE_KEY)
        found = [
            each for kind in kinds
            for each in session.get_objects({pkcs11.Attribute.CLASS: kind})
        ]  # fmt: skip
        assert len(found) >= 7  # head, evidence, ledger, and two for each of two services
        for each in found:
            assert each[pkcs11.Attribute.SENSITIVE]
            assert not each[pkcs11.Attribute.EXTRACTABLE]
    assert token.pin().decode() not in repr(keys)


def test_what_was_left_of_a_rotation_is_used(keys: KeyRing, token: SoftToken) -> None:
    """Cut off between the two keys of an epoch: the epoch is not there, and is made later."""
    import pkcs11

    name = keys.location.split("object=")[1].split("?")[0]
    library = pkcs11.lib(soft_token.MODULE)
    with library.get_token(token_label=token.label).open(rw=True) as session:
        session.generate_key(
            pkcs11.KeyType.AES, 256, label=f"{name}/seal/library/2", store=True,
            capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
        )  # fmt: skip
    assert keys.again().service("library").epoch == 1
    assert keys.renewed("library").service("library").epoch == 2


# --- what goes wrong --------------------------------------------------------------------


def test_not_made_twice(keys: KeyRing, token: SoftToken) -> None:
    with pytest.raises(KeyFileError) as caught:
        create_keys(keys.location, Environment.TEST, (), pin=token.pin)
    assert caught.value.values["reason"] == "exists"
    assert keys.again().map_id == keys.map_id


def test_a_token_that_is_not_there(token: SoftToken) -> None:
    asked: list[int] = []

    def pin() -> bytearray:
        asked.append(1)
        return token.pin()

    with pytest.raises(TokenError) as caught:
        open_keys(token.uri(label="another"), pin=pin)
    assert caught.value.values["reason"] == "no_token"
    assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "pkcs11:token=t",
        "pkcs11:token=t;pin-value=1234?module-path=/x.so",
        "pkcs11:token=t?module-path=/x.so&pin-value=1234",
        "pkcs11:token=t?module-path=/x.so&pin-source=file:/x",
        "pkcs11:token=t;token=u?module-path=/x.so",
        "pkcs11:token=t;object=a%2Fb?module-path=/x.so",
    ],
)
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(TokenError) as caught:
        open_keys(address, pin=lambda: bytearray(b"x"))
    assert caught.value.values["reason"] == "uri"
    assert "1234" not in str(caught.value)


def test_a_token_wants_its_pin(token: SoftToken, address: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        open_keys(address)
    assert caught.value.values["reason"] == "pin_needed"


CHILD = """
import sys
from jpki.mapping.keys import open_keys
from jpki.signing.pkcs11 import TokenPinError
asked = []
def pin():
    asked.append(1)
    return bytearray(sys.argv[2].encode())
try:
    ring = open_keys(sys.argv[1], pin=pin)
except TokenPinError as exc:
    print("refused", exc.code, len(asked))
else:
    print("open", sorted(ring.services), len(asked))
"""


@pytest.mark.parametrize(
    ("pin", "said"),
    [(soft_token.PIN, "open ['library', 'pool'] 1"), ("wrong-pin", "refused pin_of_token 1")],
)
def test_one_login_in_a_process_of_its_own(keys: KeyRing, pin: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, keys.location, pin],
        capture_output=True, text=True, timeout=60, env=os.environ, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == said
    assert pin not in done.stdout + done.stderr
