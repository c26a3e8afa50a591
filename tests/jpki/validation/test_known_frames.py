# SPDX-License-Identifier: Apache-2.0
"""The quick way (frames seen before) comes to the verdict of the careful way, whatever it gets."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given, settings
from hypothesis import strategies as st

from frame_bench import AT, Bench
from jpki.certificate import Environment, Family, Medium, parse_certificate
from jpki.certificate.frame import agrees, cut
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator
from jpki.validation import known_frames as quick
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.crl_index.writer import StoreWriter
from jpki.validation.findings import Finding
from jpki.validation.named import AskedAbout

Make = Callable[..., bytes]


@pytest.fixture(scope="module")
def bench(pki: SynthPki) -> Bench:
    # Without lists a validator is made quickly; the lists have tests of their own below.
    return Bench(pki, crls=[])


SHAPES = [
    pytest.param(Family.AUTH, 3, Medium.CARD, id="auth"),
    pytest.param(Family.SIGN, 3, Medium.CARD, id="sign"),
    pytest.param(Family.AUTH, 2, Medium.PHONE, id="auth-phone-g2"),
    pytest.param(Family.SIGN, 2, Medium.PHONE, id="sign-phone-g2"),
    pytest.param(Family.AUTH, 4, Medium.CARD, id="auth-p384"),
    pytest.param(Family.SIGN, 4, Medium.CARD, id="sign-p384"),
]


@pytest.mark.parametrize(("family", "generation", "medium"), SHAPES)
def test_the_second_of_a_frame_is_quick(
    pki: SynthPki,
    make: Make,
    taken: list[bool],
    family: Family,
    generation: int,
    medium: Medium,
) -> None:
    bench = Bench(pki)
    first, second = (make(family, generation, medium=medium, serial=n) for n in (4711, 0x80FF))
    parsed = parse_certificate(second)
    found = cut(second)
    assert found is not None
    assert agrees(found, parsed)
    verdict = bench.quick.validate(first)
    assert bench.quick.validate(second) == bench.careful(second)
    assert verdict.check("path").code == "path_good"  # type: ignore[union-attr]
    assert taken == [False, True, False]


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("family", list(Family))
def test_every_damaged_byte(bench: Bench, make: Make, family: Family, flip: int) -> None:
    der = make(family)
    bench.quick.validate(der)
    careful = bench.new()  # it never learns: none of these has a good path
    outcomes: set[str] = set()
    for place in range(len(der)):
        damaged = der[:place] + bytes([der[place] ^ flip]) + der[place + 1 :]
        found = bench.quick.validate(damaged)
        assert found == careful.validate(damaged), place
        outcomes.add("/".join(check.code for check in found.checks[:2]))
    assert "certificate_read/signature_wrong" in outcomes
    assert len(outcomes) > 2


def test_every_cut_off_length(bench: Bench, make: Make) -> None:
    for family in Family:
        der = make(family)
        bench.quick.validate(der)
        careful = bench.new()
        for size in range(len(der)):
            assert bench.quick.validate(der[:size]) == careful.validate(der[:size]), size
        assert bench.quick.validate(der + b"\0") == careful.validate(der + b"\0")


def _signed_again(pki: SynthPki, der: bytes, generation: int, family: Family) -> bytes:
    """The certificate with its first part as it is now under a fitting signature."""
    size = int.from_bytes(der[6:8], "big") + 8
    key = pki.authority(family, generation).key()
    tbs = der[4:size]
    if isinstance(key, rsa.RSAPrivateKey):
        return der[:-256] + key.sign(tbs, padding.PKCS1v15(), SHA256())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return der[:size] + der[size : size + 12] + _bits(key.sign(tbs, ec.ECDSA(SHA384())))


def _bits(signature: bytes) -> bytes:
    return bytes([3, len(signature) + 1, 0]) + signature


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
def test_damage_that_the_issuer_signed(
    pki: SynthPki, make: Make, bench: Bench, data: st.DataObject
) -> None:
    family = data.draw(st.sampled_from(list(Family)))
    der = make(family)
    bench.quick.validate(der)
    size = int.from_bytes(der[6:8], "big") + 8
    changed = bytearray(der)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(8, size - 1))] = data.draw(st.integers(0, 255))
    bench.compare(_signed_again(pki, bytes(changed), 3, family))


@pytest.mark.parametrize("family", list(Family))
def test_each_byte_changed_and_signed(pki: SynthPki, make: Make, family: Family) -> None:
    """Every byte up to the dates, of the name's and key's beginnings, and of the extensions."""
    der = make(family)
    found = cut(der)
    assert found is not None
    modulus = range(found.key + 40, found.key + 280)
    places = [p for p in range(8, found.tbs_end) if p not in modulus]
    validator = Bench(pki, crls=[])
    validator.quick.validate(der)
    for place in places[:: 1 if family is Family.AUTH else 3]:
        changed = bytearray(der)
        changed[place] ^= 1 << place % 8
        validator.compare(_signed_again(pki, bytes(changed), 3, family))


TIMES = [
    pytest.param(b"260230000000Z", False, id="30-february"),
    pytest.param(b"270229000000Z", False, id="29-february"),
    pytest.param(b"280229000000Z", True, id="leap-day"),
    pytest.param(b"000229000000Z", True, id="leap-day-2000"),
    pytest.param(b"260431000000Z", False, id="31-april"),
    pytest.param(b"260000000000Z", False, id="month-0"),
    pytest.param(b"261300000000Z", False, id="month-13"),
    pytest.param(b"260100000000Z", False, id="day-0"),
    pytest.param(b"260101240000Z", False, id="hour-24"),
    pytest.param(b"260101006000Z", False, id="minute-60"),
    pytest.param(b"260101000060Z", False, id="second-60"),
    pytest.param(b"260101000000A", False, id="no-z"),
    pytest.param(b"491231235959Z", True, id="end-of-2049"),
    pytest.param(b"500101000000Z", False, id="1950"),
]


@pytest.mark.parametrize(("text", "usual"), TIMES)
@pytest.mark.parametrize("end", [False, True], ids=["notBefore", "notAfter"])
def test_times(pki: SynthPki, make: Make, text: bytes, usual: bool, end: bool) -> None:
    der = make(Family.AUTH)
    bench = Bench(pki, crls=[])
    bench.quick.validate(der)
    place = der.index(b"\x30\x1e\x17\x0d") + (19 if end else 4)
    other = b"000101000000Z" if end else b"491231235959Z"
    start = place - 15 if end else place + 15
    changed = bytearray(der)
    changed[place : place + 13], changed[start : start + 13] = text, other
    signed = _signed_again(pki, bytes(changed), 3, Family.AUTH)
    assert (cut(signed) is not None) is usual
    bench.compare(signed)


@pytest.mark.parametrize("serial", [0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 1 << 158, (1 << 159) - 1])
def test_serials(pki: SynthPki, make: Make, serial: int) -> None:
    bench = Bench(pki)
    bench.quick.validate(make(Family.AUTH))
    der = make(Family.AUTH, serial=serial)
    found = cut(der)
    assert found is not None
    assert int.from_bytes(found.serial, "big") == serial
    bench.compare(der)


def moments() -> Iterator[datetime]:
    for days in (-4000, -600, -3, -1, 0, 1, 2, 3, 1100, 1300, 2600, 9000):
        yield AT + timedelta(days=days)


@pytest.mark.parametrize("at", list(moments()), ids=lambda at: f"{at:%Y-%m-%d}")
@pytest.mark.parametrize("family", list(Family))
def test_every_time_good_and_revoked(
    make: Make, family: Family, at: datetime, taken: list[bool]
) -> None:
    """Before and after its dates, its root's, and the list's; good, and revoked last week."""
    pki = SynthPki(AT)
    pki.revoke(family, 3, KIYOSE, 77, AT - timedelta(days=7), 3)
    bench = Bench(pki, at=at)
    good, revoked = make(family, serial=78), make(family, serial=77)
    bench.compare(good)
    taken.clear()
    codes = [bench.compare(der).check("revocation") for der in (good, revoked)]
    assert taken == [True, False] * 2
    assert codes[0] != codes[1]


@pytest.mark.parametrize("days", [0, 1, 30])
def test_age_of_the_list(pki: SynthPki, make: Make, days: int) -> None:
    bench = Bench(pki, max_age=timedelta(days=days))
    for serial in (1, 2):
        bench.compare(make(Family.AUTH, serial=serial))


def test_the_family_asked_for(pki: SynthPki, make: Make) -> None:
    bench = Bench(pki)
    bench.quick.validate(make(Family.AUTH))
    for family in (None, *Family):
        bench.compare(make(Family.AUTH, serial=5), family)


def test_a_time_for_one_certificate(pki: SynthPki, make: Make) -> None:
    bench = Bench(pki)
    der = make(Family.AUTH)
    later = AT + timedelta(days=4000)
    for _ in range(2):
        assert bench.quick.validate(der).outcome == "valid"
        check = bench.quick.validate(der, at=later).check("validity")
        assert check is not None
        assert check.code == "expired"
    with pytest.raises(ValueError, match="zone"):
        bench.quick.validate(der, at=later.replace(tzinfo=None))


def test_frames_hold_nobody(pki: SynthPki, make: Make) -> None:
    """Two people's certificates have the same frame, so it holds nothing of either."""
    der = [make(Family.SIGN, serial=n) for n in (1, 2)]
    frames = [cut(one) for one in der]
    assert frames[0] is not None
    assert frames[1] is not None
    assert frames[0].frame == frames[1].frame
    parsed = parse_certificate(der[0])
    assert parsed.holder is not None
    assert parsed.holder.name is not None
    inside = b"".join(frames[0].frame)
    assert parsed.holder.name.encode() not in inside
    assert parsed.serial.reveal() + parsed.signature_algorithm not in inside
    cn = parsed.subject.texts("2.5.4.3")[0]
    assert cn.encode() not in inside


def test_only_genuine_certificates_teach(pki: SynthPki, make: Make) -> None:
    bench = Bench(pki)
    der = make(Family.AUTH)
    bench.quick.validate(der[:-1] + bytes([der[-1] ^ 1]))
    assert len(bench.quick._frames) == 0
    bench.quick.validate(der)
    assert len(bench.quick._frames) == 1


def test_the_memory_is_bounded(pki: SynthPki, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "MAX_FRAMES", 2)
    bench = Bench(pki, crls=[])
    kept = []
    for generation in (2, 3):
        for family in Family:
            bench.compare(make(family, generation))
            kept.append(len(bench.quick._frames))
    assert kept == [1, 2, 1, 2]


class Night:
    """A store into which lists come while a validator runs, and who asked it at length."""

    def __init__(self, path: Path, pki: SynthPki, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.trust = TrustStore(Environment.TEST, pki.trust_anchors())
        self.clock = AT
        self.changes = 0
        StoreWriter(path, self.trust, now=AT)
        self.settle()
        self.validator = Validator(
            self.trust, crl_store=CrlIndexStore(path, look_every=0), clock=lambda: self.clock
        )
        self.asked: list[int] = []
        check = CrlIndexStore.check

        def counted(of: CrlIndexStore, certificate: AskedAbout, *rest: Any) -> list[Finding]:
            self.asked.append(int.from_bytes(certificate.serial.reveal(), "big"))
            return check(of, certificate, *rest)

        monkeypatch.setattr(CrlIndexStore, "check", counted)

    def put(self, of: SynthPki) -> None:
        with StoreWriter(self.path, self.trust, now=self.clock) as writer:
            writer.add(of.crl(Family.AUTH, 3, KIYOSE))
        self.settle()

    def settle(self) -> None:
        # As if it had been there for long: a store looks twice at what changed just now.
        self.changes += 1
        os.utime(self.path, (0, self.changes))

    def outcomes(self, *ders: bytes) -> list[str]:
        self.asked.clear()
        return [self.validator.validate(der).outcome for der in ders]


@pytest.fixture
def night(tmp_path: Path, pki: SynthPki, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(tmp_path / "store", pki, monkeypatch)


def test_a_newer_list(night: Night, pki: SynthPki, make: Make, taken: list[bool]) -> None:
    """While a service runs the night's list comes: it counts at once, and soon quickly."""
    der, other = make(Family.AUTH, serial=77), make(Family.AUTH, serial=78)
    night.put(pki)
    assert night.outcomes(der, der, other) == ["valid"] * 3
    assert taken == [False, True, True]
    night.clock = AT + timedelta(days=1)
    later = SynthPki(night.clock)
    later.revoke(Family.AUTH, 3, KIYOSE, 77, AT + timedelta(hours=1), 3)
    night.put(later)
    outcomes = night.outcomes(der, other, other, other, der)
    assert outcomes == ["invalid", "valid", "valid", "valid", "invalid"]
    assert taken[3:] == [True] * 5
    assert night.asked == [77, 78, 77]


def test_a_list_that_comes_after_the_first_certificates(
    night: Night, pki: SynthPki, make: Make, taken: list[bool]
) -> None:
    """A service that starts before its lists are there is as quick as any once they are."""
    der, other = make(Family.AUTH, serial=77), make(Family.AUTH, serial=78)
    assert night.outcomes(der, other, der) == ["cannot_tell"] * 3
    assert taken == [False, True, True]
    night.put(pki)
    assert night.outcomes(der, other, der, other) == ["valid"] * 4
    assert night.asked == [77]


def test_threads_share_a_validator(pki: SynthPki, make: Make) -> None:
    bench = Bench(pki)
    ders = [make(f, g, serial=n) for f in Family for g in (2, 3) for n in (1, 2)]
    damaged = [der[:-1] + bytes([der[-1] ^ 1]) for der in ders]
    expected = [bench.careful(der) for der in (*ders, *damaged)]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            found = list(bench.quick.validate_many([*ders, *damaged]))
            wrong.extend(n for n, verdict in enumerate(found) if verdict != expected[n])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
