# SPDX-License-Identifier: Apache-2.0
"""Signers and judges of the test PKI, and signed files made in a line. One day for all of it."""

from __future__ import annotations

import functools
import io
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jpki.certificate.kinds import Family
from jpki.open import load_trust
from jpki.signing import cms
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.document import SigningOptions, Stamper
from jpki.signing.key_file import load_key_file
from jpki.signing.signer import DigestSigner
from jpki.synth import (
    EndEntityRequest,
    HolderData,
    SynthPki,
    card_key,
    stored_ec_key,
)
from jpki.verifying.document import DocumentVerdict, Wanted, verify_document
from jpki.verifying.judge import Judge
from jpki.verifying.material import ValidationOptions

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SHA256_RSA = SignatureAlgorithm(Scheme.PKCS1, HashName.SHA256)
HOLDER = HolderData(
    name="署名　太郎", address="東京都清瀬市中里五丁目８４２番地", birth=date(1975, 4, 1), sex="1"
)


def pem(der: bytes) -> bytes:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@functools.cache
def key_pem(family: Family = Family.SIGN, slot: int = 15, *, generation: int = 3) -> bytes:
    """Key, certificate and root of an invented holder in one PEM; generation 4 is P-384."""
    role = family.value
    key = stored_ec_key(f"nextgen-{role}") if generation == 4 else card_key(slot, role)
    pki = SynthPki(AT)
    request = EndEntityRequest(
        family=family, public_key=key.public_key(), generation=generation, holder=HOLDER
    )
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    root = pki.authority(family, generation).certificate()
    return own + pem(pki.end_entity(request)) + pem(root)


def signer(
    folder: Path, family: Family = Family.SIGN, slot: int = 15, *, generation: int = 3
) -> DigestSigner:
    """A key file of that holder."""
    path = folder / f"{family.value}-{slot}-{generation}.pem"
    path.write_bytes(key_pem(family, slot, generation=generation))
    return load_key_file(path)


@functools.cache
def judge(
    *, family: Family = Family.SIGN, tsa: bool = True, history: bool = False, at: datetime = AT
) -> Judge:
    """Trusts the test PKI as of ``at``."""
    trust = load_trust("test", at=at)
    if not tsa:
        trust = replace(trust, tsa=())
    return Judge(trust, ValidationOptions(at=at), family=family, history=history)


def options(
    algorithm: SignatureAlgorithm = SHA256_RSA,
    *,
    detached: bool = True,
    stamper: Stamper | None = None,
    require_timestamp: bool = False,
) -> SigningOptions:
    return SigningOptions(algorithm, AT, detached, stamper, require_timestamp)


def sign(path: Path, signers: Sequence[DigestSigner], how: SigningOptions) -> bytes:
    """A CMS over a file by every one of ``signers``."""
    prepared = cms.prepare(path, how)
    out = io.BytesIO()
    infos = [cms.sign_info(one, how, prepared.digest) for one in signers]
    cms.write_signed(out, prepared, infos, detached=how.detached)
    return out.getvalue()


def verify(
    data: bytes, folder: Path, content: Path | None = None, by: Judge | None = None
) -> DocumentVerdict:
    """The verdict on a CMS in memory."""
    path = folder / "to-verify.p7s"
    path.write_bytes(data)
    return verify_document(Wanted(path, content), by or judge())


def openssl(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run openssl; the caller looks at how it ended."""
    return subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=False, timeout=60
    )
