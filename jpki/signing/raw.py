# SPDX-License-Identifier: Apache-2.0
"""Raw signatures: the bytes the key makes, with nothing around them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from jpki.signing.document import Made, Prepared, SigningOptions, prepare_file
from jpki.signing.proof import sign_and_check
from jpki.signing.signer import DigestSigner, SigningError


def prepare(path: Path, options: SigningOptions) -> Prepared:
    """Size and digest of any file. Raises SigningError: a raw signature holds no time stamp."""
    if options.stamper is not None:
        raise SigningError("signing_raw_stamp")
    return prepare_file(path, options)


def write(prepared: Prepared, signer: DigestSigner, options: SigningOptions, out: BinaryIO) -> Made:
    """PKCS#1 v1.5 or PSS: as many bytes as the key; ECDSA: DER."""
    out.write(sign_and_check(signer, options.algorithm, prepared.digest))
    return Made()
