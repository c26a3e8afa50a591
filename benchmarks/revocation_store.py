# SPDX-License-Identifier: Apache-2.0
"""A CRL of a million and of five million entries: verified, indexed, looked up; beside others.

Serials are like JPKI's (27 to 32 bit); ``--quick`` has a tenth of the entries. Each build runs in
a process of its own, which tells the memory it took at most above what was loaded before. Builds
are measured by the clock, as two processors share them, and on a busy machine say little: the
processor time stands beside. What one processor does is measured in its time.
"""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import _bench
from jpki.certificate import Environment, Family
from jpki.certificate.serial import RefKind, SerialRef
from jpki.synth import SynthPki
from jpki.synth.crl import Entry
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.synth.municipalities import Municipality
from jpki.synth.names import crldp_name
from jpki.validation import TrustStore, Validator
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.crl_index.writer import StoreWriter
from jpki.validation.named import NamedCertificate
from jpki.validation.times import Moment
from jpki.verdict import Outcome

AT = datetime(2026, 11, 21, tzinfo=UTC)
HERE = Path(__file__).resolve()

# Octets held at most: unlike ru_maxrss, nothing of the process that started this one.
PEAK = """
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
"""

BUILD = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from jpki.certificate import Environment
from jpki.validation import TrustStore
from jpki.validation.crl_index.writer import StoreWriter
from jpki.validation.crl_index import plain
path, store, numpy, root = sys.argv[1:]
if numpy == "yes":
    from jpki.validation.crl_index import fast
trust = TrustStore(Environment.TEST, [Path(root).read_bytes()])
at = datetime(2026, 11, 21, tzinfo=UTC)
with StoreWriter(store, trust, now=at, numpy=numpy == "yes") as writer:
    before = peak()
    begin, used = time.perf_counter(), time.process_time()
    with open(path, "rb") as file:
        writer.add(file)
    took, used = time.perf_counter() - begin, time.process_time() - used
print(took, peak() - before, used)
"""

FIRST = """
import sys, time
import jpki
before = peak()
begin = time.process_time()
from datetime import datetime, UTC
from pathlib import Path
from jpki.certificate.kinds import Environment
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
store, root, certificate = sys.argv[1:]
validator = Validator(
    TrustStore(Environment.TEST, [Path(root).read_bytes()]),
    crl_store=CrlIndexStore(store), at=datetime(2026, 11, 21, tzinfo=UTC),
)
verdict = validator.validate(Path(certificate).read_bytes())
took = time.process_time() - begin
if verdict.outcome != "valid":
    sys.exit("\\n".join(f"{c.name} {c.outcome} {c.code} {dict(c.values)}" for c in verdict.checks))
print(took, peak() - before)
"""

THEIRS = """
import sys, time
from cryptography import x509
from pathlib import Path
path, root = sys.argv[1:]
key = x509.load_der_x509_certificate(Path(root).read_bytes()).public_key()
before = peak()
begin = time.perf_counter()
crl = x509.load_der_x509_crl(Path(path).read_bytes())
assert crl.is_signature_valid(key)
serials = sorted(entry.serial_number for entry in crl)
took = time.perf_counter() - begin
print(took, peak() - before)
"""


def _serials(count: int, bits: int = 32) -> list[int]:
    chance = random.Random(7)
    found: set[int] = set()
    while len(found) < count:
        found.add(chance.randrange(1 << min(26, bits - 1), 1 << bits))
    return sorted(found, key=lambda serial: serial * 0x9E3779B1 & 0xFFFFFFFF)


def _entries(serials: list[int]) -> list[Entry]:
    """Dates of some months, and the reasons that JPKI uses."""
    begin = datetime(2026, 4, 1, tzinfo=UTC)
    dates = [begin + timedelta(seconds=7919 * i) for i in range(2000)]
    return [(serial, dates[i % 2000], 3 + i % 3) for i, serial in enumerate(serials)]


def _run(code: str, *arguments: object) -> list[float]:
    """Seconds, octets and what else a program in a process of its own tells."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + code, *map(str, arguments)],
        capture_output=True, text=True, env=_bench.installed(),
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"a measured program failed:\n{done.stderr}")
    return [float(number) for number in done.stdout.split()]


class _Bench:
    def __init__(self, report: _bench.Report, folder: Path, quick: bool) -> None:
        self.report = report
        self.folder = folder
        self.rounds = 1 if quick else 3
        self.pki = SynthPki(AT)
        self.root = folder / "root.der"
        self.root.write_bytes(self.pki.ca_certificate(Family.AUTH, 3))
        self.trust = TrustStore(Environment.TEST, [self.root.read_bytes()])

    def build(self, name: str, serials: list[int], limits: tuple[float, float]) -> Path:
        """Verify and index with numpy and without it, and what others take to be as far."""
        path = self.folder / f"{name}.crl"
        path.write_bytes(self.pki.crl(Family.AUTH, 3, None, _entries(serials)))
        room = path.stat().st_size + (64 << 20) + 24 * len(serials)
        for numpy, limit in zip(("yes", "no"), limits, strict=True):
            store = self.folder / f"{name}-{numpy}"
            runs = []
            for _ in range(self.rounds):
                shutil.rmtree(store, ignore_errors=True)
                runs.append(_run(BUILD, path, store, numpy, self.root))
            seconds, _, used = sorted(runs)[len(runs) // 2]
            how = "with numpy" if numpy == "yes" else "without"
            self.report.add(f"{name}: verify and index, {how}", seconds, "s", limit)
            self.report.add(f"{name}: its processor time, {how}", used, "s")
            over = max(run[1] for run in runs)
            self.report.add(f"{name}: memory, {how}", over / 2**20, "MiB", room / 2**20)
        self._rivals(name, path)
        return self.folder / f"{name}-yes"

    def _rivals(self, name: str, path: Path) -> None:
        seconds, octets = _run(THEIRS, path, self.root)
        self.report.add(f"{name}: cryptography, load, verify, serials", seconds, "s", rival=True)
        self.report.add(f"{name}: cryptography, memory", octets / 2**20, "MiB", rival=True)
        begin = time.perf_counter()
        subprocess.run(
            ["openssl", "crl", "-inform", "DER", "-in", path, "-noout", "-verify",
             "-CAfile", _pem(self.root)],
            check=True, capture_output=True,
        )  # fmt: skip
        took = time.perf_counter() - begin
        self.report.add(f"{name}: openssl crl -verify", took, "s", rival=True)

    def first(self, name: str, store: Path, serials: list[int]) -> None:
        """The first certificate of a cold process."""
        taken = set(serials)
        serial = next(s for s in range(1 << 30, 1 << 31) if s not in taken)
        certificate = self.folder / "auth.der"
        key = any_stored_key("card-00-auth").public_key()
        request = EndEntityRequest(family=Family.AUTH, generation=3, public_key=key, serial=serial)
        certificate.write_bytes(self.pki.end_entity(request))
        runs = [_run(FIRST, store, self.root, certificate) for _ in range(5)]
        seconds = sorted(run[0] for run in runs)[2]
        self.report.add(f"{name}: first certificate, cold process", seconds, "s", 0.1)
        memory = max(run[1] for run in runs) / 2**20
        self.report.add(f"{name}: its memory above import jpki", memory, "MiB", 40)

    def lookups(self, name: str, store: Path, serials: list[int], batched: float) -> None:
        """Single ones, half of them hits, and many at once."""
        import numpy as np

        chance = random.Random(11)
        asked = chance.sample(serials, 50_000)
        asked += [chance.randrange(1 << 26, 1 << 32) for _ in range(50_000)]
        chance.shuffle(asked)
        key_id = self.trust.anchors[0].key_id
        held = CrlIndexStore(store)
        partition = held.partition(key_id, None)
        assert partition is not None
        partition.prove()
        position = partition.position
        rate = _rate(lambda: [position(serial) for serial in asked], len(asked))
        self.report.add(f"{name}: single look-ups", rate, "M/s")
        self.report.add(f"{name}: time of a single look-up", 1 / rate, "us", 2.0)
        many = np.array(asked * 10, np.uint64)
        rate = _rate(lambda: partition.listed(many), len(many))
        self.report.add(f"{name}: batched look-ups", rate, "M/s")
        self.report.add(f"{name}: time of a batched look-up", 1 / rate, "us", 1 / batched)

    def partitions(self, count: int, entries: int) -> None:
        """Many lists in one store, beside the same list alone."""
        places = [Municipality(f"{n:05}", "Test-to", f"Place-{n}-shi") for n in range(count)]
        alone, all_of_them = self.folder / "one", self.folder / "many"
        serials = _serials(entries)
        body = _entries(serials)
        lists = {place.code: self.pki.crl(Family.AUTH, 3, place, body) for place in places[:1]}
        for path, some in ((alone, places[:1]), (all_of_them, places)):
            with StoreWriter(path, self.trust, now=AT) as writer:
                for place in some:
                    data = lists.get(place.code) or self.pki.crl(Family.AUTH, 3, place, body)
                    writer.add(data)
        opening = [_timed(lambda: CrlIndexStore(all_of_them)) for _ in range(5)]
        name = f"{count} partitions, {count * entries / 1e6:g} M entries"
        self.report.add(f"{name}: open the store", sorted(opening)[2] * 1e3, "ms", 50)
        for what, asking in (("a check", self._checks), ("a whole validation", self._validations)):
            one, many = asking(alone, places[:1], serials), asking(all_of_them, places, serials)
            # In turns, so that drift hits both alike.
            times = [(one.microseconds(), many.microseconds()) for _ in range(15)]
            took, took_any = map(statistics.median, zip(*times, strict=True))
            self.report.add(f"one partition: {what}", took, "us")
            self.report.add(f"{name}: {what} in any of them", took_any, "us", 1.5 * took)

    def _checks(self, path: Path, places: list[Municipality], serials: list[int]) -> _Asking:
        """What the store says of a certificate, in turns of all places."""
        store = CrlIndexStore(path, look_every=3600)
        anchor = self.trust.anchors[0]
        moment = Moment(AT, AT)
        asked = [
            NamedCertificate(
                anchor.certificate.subject_der,
                anchor.key_id,
                SerialRef(RefKind.CERTIFICATE_SERIAL, (serial ^ 0x55).to_bytes(5, "big")),
                (b"\xa4" + _tlv(crldp_name(Family.AUTH, place, self.pki.organisation)),),
                AT + timedelta(days=900),
            )
            for place, serial in zip(itertools.cycle(places), serials * 4, strict=False)
        ]
        assert {store.check(c, anchor, moment)[0].code for c in asked[:100]} == {"crl_good"}
        return _Asking(lambda certificate: store.check(certificate, anchor, moment), asked)

    def _validations(self, path: Path, places: list[Municipality], serials: list[int]) -> _Asking:
        """The whole verdict on a certificate, its signature included, in turns of all places."""
        key = any_stored_key("card-00-auth").public_key()
        requests = [
            EndEntityRequest(
                family=Family.AUTH, public_key=key, serial=serial ^ 0x55, municipality=place
            )
            for place, serial in zip(itertools.cycle(places), serials[:2000], strict=False)
        ]
        asked = [self.pki.end_entity(request) for request in requests]
        store = CrlIndexStore(path, look_every=3600)
        validator = Validator(self.trust, crl_store=store, clock=lambda: AT)
        assert {validator.validate(der).outcome for der in asked} == {Outcome.VALID}
        return _Asking(validator.validate, asked)


class _Asking:
    """One question about many certificates; asked before, as a running verifier has them."""

    def __init__(self, ask: Callable[[Any], object], asked: list[Any]) -> None:
        self._ask = ask
        self._asked = asked
        for _ in range(3):
            self.microseconds()

    def microseconds(self) -> float:
        """Of processor time for each question."""
        ask = self._ask

        def all_of_them() -> None:
            for certificate in self._asked:
                ask(certificate)

        return _timed(all_of_them) / len(self._asked) * 1e6


def _tlv(value: bytes) -> bytes:
    size = len(value)
    return (bytes([size]) if size < 0x80 else bytes([0x81, size])) + value


def _pem(root: Path) -> Path:
    path = root.with_suffix(".pem")
    if not path.exists():
        subprocess.run(["openssl", "x509", "-inform", "DER", "-in", root, "-out", path], check=True)
    return path


def _timed(call: Callable[[], object]) -> float:
    """Seconds of processor time, so that other programs do not count."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _rate(call: Callable[[], object], count: int) -> float:
    """Millions a second, the median of five."""
    return count / sorted(_timed(call) for _ in range(5))[2] / 1e6


def measure(report: _bench.Report, quick: bool) -> None:
    """Build, first certificate, look-ups, partitions."""
    small = 10 if quick else 1
    with tempfile.TemporaryDirectory(prefix="jpki-bench-") as name:
        bench = _Bench(report, Path(name), quick)
        for millions, limits, batched in ((1, (0.25, 0.6), 4.0), (5, (1.1, 3.0), 1.5)):
            serials = _serials(millions * 1_000_000 // small)
            title = f"{len(serials) / 1e6:g} M"
            store = bench.build(title, serials, limits)
            bench.first(title, store, serials)
            bench.lookups(title, store, serials, batched)
            shutil.rmtree(store)
        for bits in (60, 150):
            bench.build(
                f"{0.5 / small:g} M of {bits} bit", _serials(500_000 // small, bits), (0.6, 3.0)
            )
        bench.partitions(2000 // small, 5000)


if __name__ == "__main__":
    _bench.main(
        "A CRL of 1 M / 5 M entries is verified and indexed in 0.25 / 1.1 s (0.6 / 3 s without "
        "numpy), then looked up in under 2 us, in a store of thousands as fast as in one",
        measure,
    )
