# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: signed files of every format. What is valid must say what its signer signed."""

from __future__ import annotations

import functools
import io
import re

from lxml import etree

from document_bench import XML
from fuzz_targets import TARGETS, FindingError, scratch
from issued import AT as ISSUED_AT
from issued import ISSUER
from jpki.errors import JpkiError
from jpki.verdict import Outcome
from jpki.verifying.document import Wanted, verify_document
from jpki.verifying.issued import read_statement, verify_issued
from signing_bench import judge

_HOLE = re.compile(rb"/Contents *<[0-9A-Fa-f]*>")
TEXT = b"a text that was signed\n"


def outcome(target: str, data: bytes) -> Outcome | None:
    """The verdict on a file; None for one that breaks its form."""
    if target == "issued":
        return verify_issued(data, [ISSUER.public()], now=ISSUED_AT)[0].outcome
    path = scratch() / f"fuzz.{target}"
    path.write_bytes(data)
    try:
        return verify_document(Wanted(path), judge()).verdict.outcome
    except JpkiError:
        return None


def cms(data: bytes) -> None:
    if outcome("cms", data) is Outcome.VALID and TEXT not in data:
        raise FindingError("valid, without what was signed")


@functools.cache
def _outside_holes(folder: str) -> frozenset[bytes]:
    """The files of the corpus without their signatures' bytes."""
    return frozenset(_HOLE.sub(b"", seed) for seed in TARGETS[folder].corpus())


def pdf(data: bytes) -> None:
    valid = outcome("pdf", data) is Outcome.VALID
    if valid and _HOLE.sub(b"", data) not in _outside_holes("pdf"):
        raise FindingError("an altered PDF is valid")


def _content(data: bytes) -> bytes:
    """What an enveloped signature covers, in canonical form."""
    tree = etree.parse(io.BytesIO(data), etree.XMLParser(resolve_entities=False))
    root = tree.getroot()
    for signature in root.findall(".//{http://www.w3.org/2000/09/xmldsig#}Signature"):
        parent = signature.getparent()
        if parent is not None:
            parent.remove(signature)
    canonical: bytes = etree.tostring(root, method="c14n")
    return canonical


def xml(data: bytes) -> None:
    valid = outcome("xml", data) is Outcome.VALID
    if valid and _content(data).split() != _content(XML).split():
        raise FindingError("an altered XML document is valid")


def issued(data: bytes) -> None:
    """Never an exception at all; and no statement that the issuer did not make."""
    found = outcome("issued", data)
    read_statement(data)
    if found is Outcome.VALID and data not in TARGETS["issued"].corpus():
        stated = {repr(read_statement(seed)) for seed in TARGETS["issued"].corpus()}
        if repr(read_statement(data)) not in stated:
            raise FindingError("an altered statement is valid")
