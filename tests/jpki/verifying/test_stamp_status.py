# SPDX-License-Identifier: Apache-2.0
"""Whether a time stamp authority was revoked is asked under the same policy as of the signer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jpki.certificate import Certificate, parse_certificate
from jpki.certificate.kinds import Family
from jpki.open import load_trust
from jpki.signing.algorithms import HashName
from jpki.signing.signer import DigestSigner
from jpki.synth import stored_key, tsa
from jpki.validation.declaration import VerifierDeclaration, VerifierRole
from jpki.validation.policy import Preference, RevocationMode
from jpki.verdict import Check, Outcome
from jpki.verifying.judge import Judge
from jpki.verifying.material import ValidationOptions
from signing_bench import AT, options, sign, signer, verify

STAMPED = AT + timedelta(minutes=1)
LATER = AT + timedelta(days=4000)  # the signer's certificate has ended, the authority's has not
CA_KEY, OTHER_KEY = "card-13-auth", "card-14-auth"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    name: str, key: RSAPrivateKey, issuer: str, issuer_key: RSAPrivateKey, *, ca: bool
) -> x509.Certificate:
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(4711 if not ca else 1 + len(name))
        .not_valid_before(AT - timedelta(days=400))
        .not_valid_after(AT + timedelta(days=9000))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True
        )
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = made.add_extension(purpose, critical=True)
    return made.sign(issuer_key, SHA256())


@dataclass(frozen=True)
class Authority:
    """An authority below a CA, which is trusted and has lists."""

    root: x509.Certificate
    own: x509.Certificate
    key: RSAPrivateKey

    def stamper(self, at: datetime = STAMPED) -> Callable[[HashName, bytes], bytes]:
        own = self.own.public_bytes(Encoding.DER)
        by = tsa.Stamping(own, self.own.issuer.public_bytes(), self.own.serial_number)

        def stamp(name: HashName, digest: bytes) -> bytes:
            assert name is HashName.SHA256
            imprint = bytes.fromhex("3031300d060960864801650304020105000420") + digest
            asked = tsa.StampRequest(imprint=imprint, certificate=True)
            return tsa.time_stamp_token(asked, at, by=by)

        return stamp

    def crl(
        self,
        reason: x509.ReasonFlags | None = None,
        *,
        revoked: datetime | None = None,
        published: datetime = STAMPED,
        ends: datetime | None = None,
        key: RSAPrivateKey | None = None,
    ) -> bytes:
        """A list of the CA. ``revoked``: when the authority was; None: it is not."""
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.subject)
            .last_update(published)
            .next_update(ends or published + timedelta(days=7))
            .add_extension(x509.CRLNumber(1), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if revoked is not None:
            entry = x509.RevokedCertificateBuilder().serial_number(self.own.serial_number)
            entry = entry.revocation_date(revoked)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            made = made.add_revoked_certificate(entry.build())
        return made.sign(key or self.key, SHA256()).public_bytes(Encoding.DER)

    def judge(self, *crls: bytes, at: datetime = LATER, **more: Any) -> Judge:
        """``at``: when it is asked, with the test PKI's lists of the day of signing."""
        trust = load_trust("test", at=AT)
        how = ValidationOptions(crls=crls, at=at, **more)
        root = self.root.public_bytes(Encoding.DER)
        return Judge(trust, how, family=Family.SIGN, tsa=[root])


@pytest.fixture(scope="module")
def authority() -> Authority:
    key, own = stored_key(CA_KEY), stored_key("tsa")
    root = _certificate("Stamp CA", key, "Stamp CA", key, ca=True)
    return Authority(root, _certificate("Stamps", own, "Stamp CA", key, ca=False), key)


@pytest.fixture
def path(authority: Authority) -> list[Certificate]:
    """The authority and its CA."""
    found = (authority.own, authority.root)
    return [parse_certificate(each.public_bytes(Encoding.DER)) for each in found]


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"stamped")
    return path


@pytest.fixture
def one(tmp_path: Path) -> DigestSigner:
    return signer(tmp_path)


def time_of(
    authority: Authority, content: Path, one: DigestSigner, by: Judge
) -> tuple[Check, Outcome]:
    made = sign(content, [one], options(stamper=authority.stamper()))
    found = verify(made, content.parent, content, by)
    check = found.verdict.check("time")
    assert check is not None
    return check, found.outcome


DAY = timedelta(days=1)
Lists = Callable[[Authority], list[bytes]]


@pytest.mark.parametrize(
    ("lists", "outcome", "code"),
    [
        (lambda a: [a.crl()], Outcome.VALID, "time_stamped"),
        (lambda a: [], Outcome.CANNOT_TELL, "stamp_status_unknown"),
        (lambda a: [a.crl(key=stored_key(OTHER_KEY))], Outcome.CANNOT_TELL, "stamp_status_unknown"),
        (lambda a: [a.crl(published=STAMPED - 30 * DAY)], Outcome.CANNOT_TELL,
         "stamp_status_unknown"),
        (lambda a: [b"no list"], Outcome.CANNOT_TELL, "stamp_status_unknown"),
        (lambda a: [a.crl(x509.ReasonFlags.superseded, revoked=STAMPED - DAY)], Outcome.INVALID,
         "stamp_revoked"),
        (lambda a: [later(a, x509.ReasonFlags.superseded)], Outcome.VALID, "time_stamped"),
        (lambda a: [later(a, x509.ReasonFlags.cessation_of_operation)], Outcome.VALID,
         "time_stamped"),
        # Who has the key can stamp any day: all of its stamps fall.
        (lambda a: [later(a, x509.ReasonFlags.key_compromise)], Outcome.INVALID, "stamp_revoked"),
        (lambda a: [later(a, None)], Outcome.INVALID, "stamp_revoked"),
        (lambda a: [a.crl(), later(a, x509.ReasonFlags.key_compromise)], Outcome.INVALID,
         "stamp_revoked"),
    ],
    ids=["good", "none", "signature", "expired", "malformed", "revoked", "superseded later",
         "ceased later", "compromised later", "no reason later", "both lists"],
)  # fmt: skip
def test_a_signature_that_lives_by_its_stamp(
    authority: Authority, content: Path, one: DigestSigner, lists: Lists, outcome: Outcome,
    code: str,
) -> None:  # fmt: skip
    """Asked long after the signer's certificate ended: what the stamp is worth decides."""
    time, whole = time_of(authority, content, one, authority.judge(*lists(authority)))
    assert (time.outcome, time.code) == (outcome, code)
    assert whole is outcome


def later(authority: Authority, reason: x509.ReasonFlags | None) -> bytes:
    """A list of long after the stamp, with a revocation from after it."""
    return authority.crl(reason, revoked=STAMPED + 30 * DAY, published=STAMPED + 90 * DAY)


@pytest.mark.parametrize("known", [True, False])
def test_a_stamp_that_is_not_needed_hurts_nobody(
    authority: Authority, content: Path, one: DigestSigner, known: bool
) -> None:
    """While the signer's certificate is good: not relied on, said so, and no more."""
    lists = [authority.crl()] if known else []
    by = authority.judge(*lists, at=STAMPED + timedelta(minutes=1))
    time, whole = time_of(authority, content, one, by)
    said = (Outcome.VALID, "time_stamped") if known else (Outcome.NOT_RUN, "stamp_status_unknown")
    assert (time.outcome, time.code) == said
    assert whole is Outcome.VALID


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (RevocationMode.NONE, Outcome.VALID),
        (RevocationMode.LEAF, Outcome.CANNOT_TELL),
        (RevocationMode.REQUIRE, Outcome.CANNOT_TELL),
    ],
)
def test_the_policy_is_the_signers(
    authority: Authority, content: Path, one: DigestSigner, mode: RevocationMode, outcome: Outcome
) -> None:
    time, _ = time_of(authority, content, one, authority.judge(revocation=mode))
    assert time.outcome is outcome


def test_both_sources_where_both_are_asked_for(
    authority: Authority, path: list[Certificate]
) -> None:
    """No responder is asked about others than holders: then a list alone is not enough."""
    found = authority.judge(authority.crl(), preference=Preference.BOTH).stamp_status(path, STAMPED)
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "one_source_only")


def test_a_ca_between_is_asked_about_under_require_alone(
    authority: Authority, path: list[Certificate]
) -> None:
    key = stored_key(OTHER_KEY)
    top = _certificate("Top CA", key, "Top CA", key, ca=True)
    between = _certificate("Stamp CA", authority.key, "Top CA", key, ca=True)
    whole = [path[0], *(parse_certificate(c.public_bytes(Encoding.DER)) for c in (between, top))]
    for mode, code in ((RevocationMode.LEAF, "crl_good"), (RevocationMode.REQUIRE, "crl_missing")):
        by = authority.judge(authority.crl(), revocation=mode)
        assert by.stamp_status(whole, STAMPED).code == code


def test_under_production_a_list_is_read_by_a_declared_verifier_alone(
    authority: Authority, path: list[Certificate]
) -> None:
    trust, how = load_trust("production"), ValidationOptions(crls=(authority.crl(),), at=LATER)
    declared = VerifierDeclaration(
        frozenset({VerifierRole.SIGNATURE}), "invented", "somebody", AT.date(), ("contracts",)
    )
    for verifier, outcome in ((None, Outcome.CANNOT_TELL), (declared, Outcome.VALID)):
        by = Judge(trust, replace(how, verifier=verifier))
        assert by.stamp_status(path, STAMPED).outcome is outcome


def test_an_authority_that_is_trusted_itself_needs_no_list(
    content: Path, one: DigestSigner
) -> None:
    """Whoever names the authority's own certificate answers for it."""

    def stamp(name: HashName, digest: bytes) -> bytes:
        imprint = bytes.fromhex("3031300d060960864801650304020105000420") + digest
        return tsa.time_stamp_token(tsa.StampRequest(imprint=imprint, certificate=True), STAMPED)

    made = sign(content, [one], options(stamper=stamp))
    by = Judge(load_trust("test", at=AT), ValidationOptions(at=LATER))
    assert verify(made, content.parent, content, by).outcome is Outcome.VALID
