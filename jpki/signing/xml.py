# SPDX-License-Identifier: Apache-2.0
"""XML signatures [XMLDSIG]: enveloped, enveloping, detached, and as e-Gov wants them.

Canonical XML 1.0, RSA with SHA-256, the certificate in X509Data. signxml does the XML.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from jpki.errors import MissingExtraError
from jpki.input_file import read_limited
from jpki.signing.document import Made, Prepared, SigningOptions
from jpki.signing.signer import DigestSigner, SigningError

EXTRA = "xml"
MAX_FILE = 64 * 1024 * 1024
"""Bytes of an XML file that is signed, and of each file signed with it: held in memory."""


class XmlForm(StrEnum):
    """Where the signature stands."""

    ENVELOPED = "enveloped"  # last in the document that is signed
    ENVELOPING = "enveloping"  # around it
    DETACHED = "detached"  # in a file of its own that names the other
    EGOV = "egov"  # in the 構成管理XML, over it and the files beside it [KIJI]


@dataclass(frozen=True, slots=True)
class XmlOptions:
    """What only XML knows; ``special`` of SigningOptions.

    ``files``: what e-Gov has signed together with the 構成管理XML (申請書, 添付書類).
    """

    form: XmlForm = XmlForm.ENVELOPED
    files: tuple[Path, ...] = ()


def demand_extra() -> None:
    """Raise MissingExtraError unless XML can be signed and read; loads nothing."""
    if any(importlib.util.find_spec(name) is None for name in ("signxml", "lxml")):
        raise MissingExtraError(extra=EXTRA)


def prepare(path: Path, options: SigningOptions) -> Prepared:
    """Look at an XML file before any PIN.

    Raises InputFileError, MissingExtraError, SigningError ``xml_unreadable`` (``reason``),
    ``xml_instruction``, ``xml_signed_already``, ``xml_files``, ``xml_no_stamp``.
    """
    demand_extra()
    if options.stamper is not None:
        raise SigningError("xml_no_stamp")
    wanted = xml_options(options)
    data = read_limited(path, MAX_FILE)
    from jpki.signing.xml_signer import demand_signable

    demand_signable(data, wanted.form)
    names = [file.name for file in wanted.files]
    if (names and wanted.form is not XmlForm.EGOV) or len(set(names)) != len(names):
        raise SigningError("xml_files")
    for file in wanted.files:
        read_limited(file, MAX_FILE)
    hash_name = options.algorithm.hash
    return Prepared(path, len(data), hash_name, hash_name.digest(data))


def write(prepared: Prepared, signer: DigestSigner, options: SigningOptions, out: BinaryIO) -> Made:
    """Write the signed XML to ``out``. Raises SigningError if the file is no longer the same."""
    data = read_limited(prepared.path, MAX_FILE)
    if prepared.hash.digest(data) != prepared.digest:
        raise SigningError("signing_file_changed", path=str(prepared.path))
    out.write(sign_xml(data, signer, options, name=prepared.path.name))
    return Made()


def sign_xml(
    data: bytes, signer: DigestSigner, options: SigningOptions, *, name: str = ""
) -> bytes:
    """``data`` signed, made with one digest given to ``signer``.

    ``name``: what a detached signature calls the file. Raises SigningError, CardError.
    """
    demand_extra()
    from jpki.signing import xml_signer

    wanted = xml_options(options)
    files = {file.name: read_limited(file, MAX_FILE) for file in wanted.files}
    return xml_signer.signed(data, signer, options.algorithm, wanted.form, name, files)


def xml_options(options: SigningOptions) -> XmlOptions:
    """What was asked of the XML, or the defaults."""
    return options.special if isinstance(options.special, XmlOptions) else XmlOptions()
