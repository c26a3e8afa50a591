# SPDX-License-Identifier: Apache-2.0
"""What an OCSP answer costs beyond its RSA verification, of a responder that was met before."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ocsp

import _bench
from jpki.certificate import Environment, Family, parse_certificate
from jpki.certificate.certificate import load_key
from jpki.synth import SynthPki
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.validation import TrustStore, Validator
from jpki.validation.algorithms import signature_fits
from jpki.validation.ocsp import BasicAnswer, parse_ocsp
from jpki.validation.ocsp_store import KnownResponders, OcspAnswer, OcspStore
from jpki.validation.times import Moment
from jpki.verdict import Outcome

AT = datetime(2026, 11, 21, tzinfo=UTC)


class Bed:
    """Certificates, and a fresh answer with a nonce about each."""

    def __init__(self, count: int) -> None:
        pki = SynthPki(AT)
        key = any_stored_key("card-00-auth").public_key()
        ders = [
            pki.end_entity(EndEntityRequest(family=Family.AUTH, public_key=key, serial=serial))
            for serial in range(1 << 26, (1 << 26) + count)
        ]
        self.certificates = [parse_certificate(der) for der in ders]
        nonces = [n.to_bytes(16, "big") for n in range(count)]
        self.answers = [
            OcspAnswer(
                pki.ocsp_response(
                    der, "good", nonce=nonce, produced_at=AT - timedelta(seconds=nonce[-1])
                ),
                nonce,
            )
            for der, nonce in zip(ders, nonces, strict=True)
        ]
        trust = TrustStore(Environment.TEST, pki.trust_anchors())
        anchor = Validator(trust).anchor_of(self.certificates[0])
        assert anchor is not None
        self.anchor = anchor
        self.parsed = [self._parsed(answer) for answer in self.answers]
        enclosed = parse_certificate(self.parsed[0].certificates[0])
        self.responder = load_key(enclosed.spki)

    @staticmethod
    def _parsed(answer: OcspAnswer) -> BasicAnswer:
        parsed = parse_ocsp(answer.der)
        assert isinstance(parsed, BasicAnswer)
        return parsed

    def ours(self, known: KnownResponders | None) -> Callable[[int], object]:
        """Read and judge an answer. ``known`` None: a responder never met."""
        moment = Moment(AT, AT)

        def check(n: int) -> None:
            store = OcspStore([self.answers[n]], known or KnownResponders())
            found = store.check(self.certificates[n], self.anchor, moment, lambda _: False)
            assert found[0].outcome is Outcome.VALID

        return check

    def signature(self, n: int) -> None:
        """The RSA verification of an answer that was read, and nothing else."""
        answer = self.parsed[n]
        assert signature_fits(self.responder, answer.algorithm, answer.signature, answer.tbs)

    def theirs(self, n: int) -> None:
        """An answer with cryptography: read, signed by the responder met before, about the
        certificate, in its time. No delegation, no extensions."""
        found = ocsp.load_der_ocsp_response(self.answers[n].der)
        assert isinstance(self.responder, rsa.RSAPublicKey)
        padded = padding.PKCS1v15()
        self.responder.verify(found.signature, found.tbs_response_bytes, padded, SHA256())
        nonce = found.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        assert nonce == self.answers[n].nonce
        serial = int.from_bytes(self.certificates[n].serial.reveal(), "big")
        assert found.serial_number == serial
        assert found.certificate_status is ocsp.OCSPCertStatus.GOOD
        assert found.next_update_utc is not None
        assert found.this_update_utc <= AT <= found.next_update_utc


def _costs(calls: Sequence[Callable[[int], object]], count: int, rounds: int) -> list[float]:
    """Microseconds of processor time of each call: medians of rounds taken in turns."""
    costs: list[list[float]] = [[] for _ in calls]
    for _, (call, found) in itertools.product(range(rounds), zip(calls, costs, strict=True)):
        begin = time.process_time()
        for n in range(count):
            call(n)
        found.append((time.process_time() - begin) / count * 1e6)
    return [statistics.median(found) for found in costs]


def measure(report: _bench.Report, quick: bool) -> None:
    """Ours and cryptography's beside the bare verification."""
    count, rounds = (100, 7) if quick else (1000, 21)
    bed = Bed(count)
    calls = (bed.ours(KnownResponders()), bed.signature, bed.theirs)
    ours, signature, theirs = _costs(calls, count, rounds)
    (first,) = _costs([bed.ours(None)], min(count, 100), rounds)
    report.add("an answer, above its RSA verification", ours - signature, "us", limit=60)
    report.add("an answer, read and judged", ours, "us")
    report.add("its RSA verification", signature, "us")
    report.add("cryptography, fewer checks", theirs, "us", rival=True)
    report.add("the first answer of a responder, two verifications", first, "us")


if __name__ == "__main__":
    _bench.main(
        "An OCSP answer is read and judged in less than 60 us above its RSA verification",
        measure,
    )
