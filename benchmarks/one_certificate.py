# SPDX-License-Identifier: Apache-2.0
"""One certificate after the other against a list of a million entries, and what each part costs."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

import _bench
from jpki.certificate import Environment, Family
from jpki.certificate.frame import cut
from jpki.synth import SynthPki
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.synth.municipalities import KIYOSE
from jpki.synth.people import HolderData
from jpki.validation import TrustStore, Validator
from jpki.validation.algorithms import SHA256_RSA, signature_fits
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.crl_index.writer import StoreWriter
from openssl_speed import verifies_per_second

AT = datetime(2026, 11, 21, tzinfo=UTC)
HANAKO = HolderData(
    name="番号　花子",
    address="東京都清瀬市中里五丁目842番地",
    birth=AT.date().replace(1980),
    sex="2",
)
FIRST = 1 << 26
"""Serials from here on are not on the list."""


class Bed:
    """Certificates of one municipality, and a store with its list."""

    def __init__(self, folder: Path, entries: int, family: Family, count: int) -> None:
        pki = SynthPki(AT)
        for n in range(entries):
            pki.revoke(family, 3, KIYOSE, 1 + n * 50, AT - timedelta(days=30), 3)
        self.ca = pki.ca_certificate(family, 3)
        self.crl = pki.crl(family, 3, KIYOSE)
        self.trust = TrustStore(Environment.TEST, pki.trust_anchors())
        with StoreWriter(folder / family, self.trust, now=AT) as writer:
            writer.add(self.crl)
        self.store = folder / family
        key = any_stored_key("card-00-auth").public_key()
        self.certificates = [
            pki.end_entity(
                EndEntityRequest(family=family, public_key=key, serial=FIRST + n, holder=HANAKO)
            )
            for n in range(count)
        ]

    def validator(self) -> Validator:
        return Validator(self.trust, crl_store=CrlIndexStore(self.store), clock=lambda: AT)


def _cryptography(ca: bytes) -> Callable[[bytes], None]:
    """Parsing, signature, dates and the extensions, as one would write it with cryptography."""
    root = x509.load_der_x509_certificate(ca)
    key = root.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    kinds = (x509.KeyUsage, x509.CertificatePolicies, x509.CRLDistributionPoints,
             x509.AuthorityKeyIdentifier)  # fmt: skip

    def check(der: bytes) -> None:
        found = x509.load_der_x509_certificate(der)
        key.verify(found.signature, found.tbs_certificate_bytes, padding.PKCS1v15(), SHA256())
        assert found.issuer == root.subject
        assert found.not_valid_before_utc <= AT <= found.not_valid_after_utc
        for kind in kinds:
            found.extensions.get_extension_for_class(kind)

    return check


def _pyhanko(bed: Bed) -> float:
    """pyhanko-certvalidator with that list, which it has read before: certificates a second."""
    from asn1crypto import crl as asn1_crl
    from asn1crypto import x509 as asn1_x509
    from pyhanko_certvalidator import CertificateValidator, ValidationContext

    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(bed.ca)],
        crls=[asn1_crl.CertificateList.load(bed.crl)],
        moment=AT,
        revocation_mode="require",
    )

    def seconds(der: bytes) -> float:
        checked = CertificateValidator(asn1_x509.Certificate.load(der), validation_context=context)
        begin = time.process_time()
        asyncio.run(checked.async_validate_usage(set()))  # type: ignore[no-untyped-call]
        return time.process_time() - begin

    seconds(bed.certificates[0])
    return 1 / seconds(bed.certificates[1])


def _rate(call: Callable[[bytes], object], ders: Sequence[bytes], rounds: int) -> float:
    """Calls a second: the median of some rounds over all certificates. In time of the
    processor, as ``openssl speed`` counts, so that other programs weigh the same on both."""
    rates = []
    for _ in range(rounds):
        begin = time.process_time()
        for der in ders:
            call(der)
        rates.append(len(ders) / (time.process_time() - begin))
    return sorted(rates)[len(rates) // 2]


def _openssl(folder: Path, bed: Bed, count: int) -> float:
    """``openssl verify`` with that list: certificates a second, its loading taken off."""
    (folder / "ca.pem").write_bytes(_pem(bed.ca, "CERTIFICATE"))
    (folder / "crl.pem").write_bytes(_pem(bed.crl, "X509 CRL"))
    names = []
    for n, der in enumerate(bed.certificates[:count]):
        (folder / f"{n}.pem").write_bytes(_pem(der, "CERTIFICATE"))
        names.append(f"{n}.pem")
    words = ["openssl", "verify", "-attime", str(int(AT.timestamp())), "-crl_check",
             "-extended_crl", "-CAfile", "ca.pem", "-CRLfile", "crl.pem"]  # fmt: skip

    def seconds(files: Iterable[str]) -> float:
        begin = time.perf_counter()
        subprocess.run([*words, *files], cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - begin

    return (count - 1) / (seconds(names) - seconds(names[:1]))


def _pem(der: bytes, label: str) -> bytes:
    import base64

    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def _parts(bed: Bed) -> Iterator[tuple[str, Callable[[bytes], object]]]:
    """What one validation is made of, each by itself."""
    validator = bed.validator()
    first = bed.certificates[0]
    validator.validate(first)
    anchor = next(a for a in bed.trust.anchors if a.certificate.der == bed.ca)
    point = validator._moment(None)
    found = cut(first)
    assert found is not None
    signature, tbs = found.signature, first[4 : found.tbs_end]
    known = validator._frames._known[found.frame]
    assert known.standing is not None
    listed, serial = known.standing.listed, found.serial
    judged = validator._frames.judge(first, None, point)
    assert judged is not None
    yield "walk over the certificate", cut
    yield "signature", lambda _: signature_fits(anchor.key, SHA256_RSA, signature, tbs)
    yield "look-up in the list", lambda _: listed(serial)
    yield "verdict put together", lambda _: validator._verdict(judged.checks, judged.subject)
    yield "careful way, frame not seen before", _careful(bed)


def _careful(bed: Bed) -> Callable[[bytes], object]:
    validator = bed.validator()

    def check(der: bytes) -> object:
        validator._frames._known.clear()
        return validator.validate(der)

    return check


# What a command of one certificate does, beyond importing the package; times in seconds, KiB.
COLD = """
import re, sys, time
import jpki
used = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before, begin = used(), time.process_time()
from datetime import datetime
from pathlib import Path
from jpki.certificate import Environment
from jpki.validation import TrustStore, Validator
from jpki.validation.crl_index import CrlIndexStore
folder, at = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[3])
trust = TrustStore(Environment.TEST, [path.read_bytes() for path in folder.glob("*.root")])
validator = Validator(trust, crl_store=CrlIndexStore(sys.argv[2]), at=at)
assert validator.validate((folder / "one.der").read_bytes()).outcome == "valid"
print(time.process_time() - begin, used() - before)
"""


def _cold(folder: Path, bed: Bed, rounds: int) -> tuple[float, float]:
    """Milliseconds and MiB of the first certificate in a fresh process: medians."""
    (folder / "one.der").write_bytes(bed.certificates[0])
    for n, anchor in enumerate(bed.trust.anchors):
        (folder / f"{n}.root").write_bytes(anchor.certificate.der)
    words = [sys.executable, "-c", COLD, str(folder), str(bed.store), AT.isoformat()]
    found = []
    for _ in range(rounds):
        done = subprocess.run(
            words, check=True, capture_output=True, text=True, env=_bench.installed()
        )
        found.append([float(number) for number in done.stdout.split()])
    seconds, kib = (statistics.median(numbers) for numbers in zip(*found, strict=True))
    return seconds * 1e3, kib / 1024


def measure(report: _bench.Report, quick: bool) -> None:
    """Rates against what ``openssl speed`` says before and after."""
    entries, count, rounds = (100_000, 500, 5) if quick else (1_000_000, 3000, 15)
    before = verifies_per_second()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o700)
        for family in Family:
            bed = Bed(folder, entries, family, count)
            validator = bed.validator()
            assert all(v.outcome == "valid" for v in validator.validate_many(bed.certificates))
            ours = _rate(validator.validate, bed.certificates, rounds)
            speed = verifies_per_second()
            report.add(f"{family}: openssl speed over ours", speed / ours, "times", limit=1 / 0.4)
            report.add(f"{family}: ours", ours, "/s")
            report.add(f"{family}: openssl speed rsa2048", speed, "/s")
            if family is Family.AUTH:
                rival = _rate(_cryptography(bed.ca), bed.certificates, rounds)
                report.add("cryptography, parsing and checks, no list", rival, "/s", rival=True)
                took, memory = _cold(folder, bed, rounds)
                report.add("first certificate of a fresh process", took, "ms", limit=100)
                report.add("its memory, above import jpki", memory, "MiB", limit=40)
                rival = _openssl(folder, bed, 5)
                report.add("openssl verify with that list", rival, "/s", rival=True)
                rival = _pyhanko(bed)
                report.add("pyhanko-certvalidator with that list", rival, "/s", rival=True)
            for label, part in _parts(bed):
                some = bed.certificates[: 50 if "careful" in label else count]
                cost = 1e6 / _rate(part, some, rounds)
                report.add(f"{family}: {label}", cost, "us")
    report.add("openssl speed, before all", before, "/s")


if __name__ == "__main__":
    _bench.main(
        "A full validation with a list of a million entries runs at 0.4 or more of "
        "openssl's bare RSA verifications",
        measure,
    )
