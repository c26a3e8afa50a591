# SPDX-License-Identifier: Apache-2.0
"""PDF and XML files made in a line, signed in a line, and altered as an attacker would."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.signers.pdf_cms import SimpleSigner

import signing_bench
from jpki import _asn1
from jpki.signing import cms
from jpki.signing.algorithms import SignatureAlgorithm
from jpki.signing.cms_envelope import write_envelope
from jpki.signing.document import Made, SigningOptions, Stamper
from jpki.signing.pdf import PdfOptions, sign_pdf
from jpki.signing.signer import DigestSigner
from jpki.signing.xml import XmlForm, XmlOptions, sign_xml
from jpki.verdict import Check
from jpki.verifying.document import DocumentVerdict, Wanted, verify_document
from jpki.verifying.judge import Judge
from jpki.verifying.pdf_reading import signed_digests

_RANGE = re.compile(rb"/ByteRange *\[ *(\d+) +(\d+) +(\d+) +(\d+) *\]")
XML = '<?xml version="1.0"?>\n<申請 xmlns="urn:example:a"><氏名>署名　太郎</氏名></申請>\n'.encode()


class CountingSigner:
    """A signer that says how often it was asked."""

    def __init__(self, signer: DigestSigner) -> None:
        self._signer = signer
        self.certificate = signer.certificate
        self.chain = signer.chain
        self.algorithms = signer.algorithms
        self.asked = 0

    def sign_digest(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        self.asked += 1
        return self._signer.sign_digest(algorithm, digest)


def small_pdf(*fields: str, text: str = "Hello", extra: str = "") -> bytes:
    """A PDF of one page; ``fields``: text fields of its form; ``extra``: for the catalogue."""
    refs = " ".join(f"{6 + n} 0 R" for n in range(len(fields)))
    form = f"/AcroForm << /Fields [{refs}] >>" if fields else ""
    annotations = f"/Annots [{refs}]" if fields else ""
    stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET"
    bodies = [
        f"<< /Type /Catalog /Pages 2 0 R {form} {extra} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        f"/Resources << /Font << /F1 5 0 R >> >> {annotations} >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, name in enumerate(fields):
        place = f"/Rect [72 {600 - 30 * number} 272 {620 - 30 * number}]"
        bodies.append(
            f"<< /Type /Annot /Subtype /Widget /FT /Tx /T ({name}) /V () {place} /P 3 0 R /F 4 >>"
        )
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = len(out)
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{rows}".encode()
    out += f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\n".encode()
    return bytes(out + f"startxref\n{table}\n%%EOF\n".encode())


def options(
    special: object | None = None, *, stamper: Stamper | None = None, required: bool = False
) -> SigningOptions:
    """Sign as of the bench's day."""
    how = signing_bench.options(stamper=stamper, require_timestamp=required)
    return replace(how, special=special)


def signed_pdf(
    data: bytes,
    signer: DigestSigner,
    wanted: PdfOptions | None = None,
    *,
    stamper: Stamper | None = None,
) -> bytes:
    """``data`` with one more signature."""
    return stamped_pdf(data, signer, wanted, stamper=stamper)[0]


def stamped_pdf(
    data: bytes,
    signer: DigestSigner,
    wanted: PdfOptions | None = None,
    *,
    stamper: Stamper | None = None,
    required: bool = False,
) -> tuple[bytes, Made]:
    """The same, with what became of the time stamp."""
    return sign_pdf(data, signer, options(wanted, stamper=stamper, required=required))


def signed_xml(
    signer: DigestSigner,
    form: XmlForm = XmlForm.ENVELOPED,
    data: bytes = XML,
    *,
    name: str = "doc.xml",
    files: Sequence[Path] = (),
) -> bytes:
    """``data`` signed."""
    return sign_xml(data, signer, options(XmlOptions(form, tuple(files))), name=name)


def verdict_on(
    data: bytes, folder: Path, *, name: str = "doc.pdf", by: Judge | None = None, profile: str = ""
) -> DocumentVerdict:
    """The verdict on bytes of any format."""
    path = folder / name
    path.write_bytes(data)
    wanted = Wanted(path, profile=profile or None)
    return verify_document(wanted, by or signing_bench.judge())


def codes(found: DocumentVerdict) -> set[tuple[str, str]]:
    """Name and code of every check that is neither valid nor not run."""
    bad: list[Check] = [
        c for c in found.verdict.checks if c.outcome.value in ("invalid", "cannot_tell")
    ]
    return {(check.name, check.code) for check in bad}


def updated(data: bytes, change: Callable[[IncrementalPdfFileWriter], object]) -> bytes:
    """``data`` with an incremental update that nobody signs."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def foreign_signer(folder: Path, slot: int = 14) -> SimpleSigner:
    """pyHanko's own signer with a key of the test PKI; nothing of ours is in it."""
    key, own, root = re.findall(
        rb"-----BEGIN.*?-----END [A-Z ]*-----\n", signing_bench.key_pem(slot=slot), re.DOTALL
    )
    for name, data in (("key", key), ("own", own), ("root", root)):
        (folder / f"foreign-{name}.pem").write_bytes(data)
    key_file, own_file, root_file = (
        str(folder / f"foreign-{name}.pem") for name in ("key", "own", "root")
    )
    made = SimpleSigner.load(key_file, own_file, ca_chain_files=(root_file,))
    assert isinstance(made, SimpleSigner)
    return made


def with_empty_field(data: bytes, name: str, **how: Any) -> bytes:
    """``data`` with an empty signature field."""
    return updated(data, lambda w: append_signature_field(w, SigFieldSpec(name, **how)))


def fill_field(writer: IncrementalPdfFileWriter, number: int = 0, text: str = "filled") -> None:
    """Fill a text field of the form."""
    field = writer.root["/AcroForm"]["/Fields"][number]
    field[generic.pdf_name("/V")] = generic.pdf_string(text)
    writer.update_container(field)


def replace_text(writer: IncrementalPdfFileWriter, text: bytes = b"Altered") -> None:
    """Show another text on the page."""
    page = writer.root["/Pages"]["/Kids"][0]
    stream = generic.StreamObject(stream_data=b"BT /F1 24 Tf 72 700 Td (" + text + b") Tj ET")
    page[generic.pdf_name("/Contents")] = writer.add_object(stream)
    writer.update_container(page)


def byte_range(data: bytes) -> tuple[int, int, int, int]:
    """The last /ByteRange in a file."""
    *_, last = _RANGE.finditer(data)
    first, length, second, rest = (int(number) for number in last.groups())
    return first, length, second, rest


def with_byte_range(data: bytes, numbers: tuple[int, int, int, int], signer: DigestSigner) -> bytes:
    """The last signature made anew over other ranges: cryptographically good, covering less."""
    _, end, second, _ = byte_range(data)
    *_, last = _RANGE.finditer(data)
    text = f"/ByteRange [{' '.join(map(str, numbers))}]".encode()
    assert len(text) <= len(last[0])
    out = bytearray(data)
    out[last.start() : last.end()] = text.ljust(len(last[0]))
    ranges = ((numbers[0], numbers[1]), (numbers[2], numbers[3]))
    how = options()
    digests = signed_digests(bytes(out), ranges, [how.algorithm.hash.value])
    info = cms.sign_info(signer, how, digests[how.algorithm.hash.value])
    made = io.BytesIO()
    write_envelope(
        made,
        hashes=[_asn1.digest_algorithm(info.hash.value)],
        certificates=list(info.certificates),
        signers=[info.signer_info],
    )
    place = slice(end + 1, second - 1)
    room = place.stop - place.start
    out[place] = made.getvalue().hex().encode().ljust(room, b"0")
    return bytes(out)


def contents(data: bytes) -> bytes:
    """/Contents of the last signature."""
    return bytes(PdfFileReader(io.BytesIO(data)).embedded_signatures[-1].pkcs7_content)


def with_contents(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The last signature's /Contents altered in place."""
    _, end, second, _ = byte_range(data)
    made = change(bytes.fromhex(data[end + 1 : second - 1].decode("ascii")))
    room = second - end - 2
    return data[: end + 1] + made.hex().encode().ljust(room, b"0")[:room] + data[second - 1 :]
