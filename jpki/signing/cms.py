# SPDX-License-Identifier: Apache-2.0
"""CMS signatures, attached or detached, after CAdES-BES. Source: [RFC5652], [RFC5035]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from jpki import _asn1
from jpki.signing import cms_cosign
from jpki.signing.algorithms import HashName
from jpki.signing.cms_cosign import Cosign, Joined
from jpki.signing.cms_envelope import write_envelope
from jpki.signing.document import Made, Prepared, SigningOptions, hash_file, prepare_file
from jpki.signing.proof import sign_and_check
from jpki.signing.signer import DigestSigner, SigningError, demand_digest
from jpki.signing.timestamp import TimestampError, read_token


@dataclass(frozen=True, slots=True)
class SignedInfo:
    """One signer's part of a SignedData. ``signer_info``: DER. ``certificates``: to enclose."""

    hash: HashName
    signer_info: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)
    made: Made


def prepare(path: Path, options: SigningOptions) -> Prepared:
    """Size and digest of any file; with :class:`Cosign`, of the content of a CMS."""
    if isinstance(options.special, Cosign):
        return cms_cosign.prepare(path, options.algorithm.hash, options.special)
    return prepare_file(path, options)


def write(prepared: Prepared, signer: DigestSigner, options: SigningOptions, out: BinaryIO) -> Made:
    """Sign the digest that was shown; the content, if it is enclosed, has to have it still."""
    info = sign_info(signer, options, prepared.digest)
    if isinstance(prepared.special, Joined):
        algorithm = _asn1.digest_algorithm(info.hash.value)
        cms_cosign.write(prepared, algorithm, info.certificates, info.signer_info, out)
        return info.made
    write_signed(out, prepared, [info], detached=options.detached)
    return info.made


def sign_info(
    signer: DigestSigner,
    options: SigningOptions,
    digest: bytes,
    *,
    bound: bool = True,
    timed: bool = True,
) -> SignedInfo:
    """Sign a content by its ``digest``; one signature, and one question to the authority.

    ``bound``, ``timed``: with signing-certificate-v2, with the signing time (PDF keeps its own).
    Raises SigningError, CardError, TimestampError if a stamp is required and there is none.
    """
    algorithm = options.algorithm
    demand_digest(signer, algorithm, digest)
    attributes = _asn1.signed_attributes(
        digest,
        signer.certificate,
        algorithm.hash.value,
        signing_time=options.signing_time if timed else None,
        bound=bound,
    )
    signature = sign_and_check(signer, algorithm, algorithm.hash.digest(attributes))
    token, made = _stamp(options, signature)
    signer_info = _asn1.signer_info(
        signer.certificate,
        algorithm.hash.value,
        algorithm.scheme.value,
        attributes,
        signature,
        stamp=token,
    )
    chain = signer.chain if options.root else ()
    return SignedInfo(algorithm.hash, signer_info, (signer.certificate, *chain), made)


def write_signed(
    out: BinaryIO, prepared: Prepared, infos: Sequence[SignedInfo], *, detached: bool
) -> None:
    """A SignedData over the file with every signer of ``infos``."""
    write_envelope(
        out,
        hashes=[_asn1.digest_algorithm(info.hash.value) for info in infos],
        certificates=_certificates(infos),
        signers=[info.signer_info for info in infos],
        size=None if detached else prepared.size,
        content=None if detached else lambda out: _copy(prepared, out),
    )


def _certificates(infos: Iterable[SignedInfo]) -> list[bytes]:
    return [certificate for info in infos for certificate in info.certificates]


def _copy(prepared: Prepared, out: BinaryIO) -> None:
    """The content as it was when it was shown. Raises SigningError ``file_changed``."""
    if hash_file(prepared.path, prepared.hash, copy_to=out) != (prepared.size, prepared.digest):
        raise SigningError("signing_file_changed", path=str(prepared.path))


def _stamp(options: SigningOptions, signature: bytes) -> tuple[bytes | None, Made]:
    """A time stamp over a signature, if one is wanted and can be had."""
    if options.stamper is None:
        return None, Made()
    name = HashName.SHA256
    try:
        token = options.stamper(name, name.digest(signature))
        return token, Made(stamped_at=read_token(token).time)
    except TimestampError as error:
        if options.require_timestamp:
            raise
        return None, Made(stamp_fault=error.code)
