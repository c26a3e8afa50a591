# SPDX-License-Identifier: Apache-2.0
"""Issue a document: sign what it says, draw it with its code, bind the file, fill that in."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from jpki.certificate.kinds import Environment
from jpki.errors import MissingExtraError
from jpki.kiosk.documents.code import CAPACITY, QrPicture, qr_picture
from jpki.kiosk.documents.contents import Content
from jpki.kiosk.documents.fonts import DEFAULT_FONT
from jpki.kiosk.documents.page import CODE_BOX, Issue, draw_page
from jpki.verifying.issued import (
    FILE_TYPE,
    MARK,
    TYPE,
    FileBinding,
    IssuerKey,
    Statement,
    digest_with_hole,
    to_base64url,
    to_payload,
)

if TYPE_CHECKING:
    from pyhanko.pdf_utils.generic import StreamObject
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

ATTACHMENT: Final = "statement.jws"
_HOLE: Final = len(MARK) + CAPACITY + 1024  # bytes: statement and binding fit whatever they say


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues: name, title under the certificate (○○市長), key. Fixed to an environment."""

    name: str
    title: str
    key_id: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    environment: Environment

    def public(self) -> IssuerKey:
        """What a verifier holds."""
        return IssuerKey(self.key_id, self.key.public_key(), self.environment)

    def jwk(self) -> bytes:
        """The public key as a JWK (RFC 7517), to publish."""
        numbers = self.key.public_key().public_numbers()
        x, y = (to_base64url(part.to_bytes(48, "big")) for part in (numbers.x, numbers.y))
        members = {"kty": "EC", "crv": "P-384", "alg": "ES384", "kid": self.key_id, "x": x, "y": y}
        return json.dumps(members, indent=1).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class IssuedDocument:
    """A document as handed over. ``number``: random, of this issue; ``statement``: the JWS."""

    number: str
    pdf: bytes = field(repr=False)
    statement: str = field(repr=False)


def issue_document(
    content: Content, issuer: Issuer, *, now: datetime, font: Path = DEFAULT_FONT
) -> IssuedDocument:
    """Issue a document with a number of its own.

    Raises MissingExtraError, ConfigurationError (the font), IssuedDocumentError
    (``code_too_long``: the content does not fit the code).
    """
    number = secrets.token_hex(8)
    page = draw_page(
        content,
        Issue(number, issuer.name, issuer.title, now, issuer.environment),
        font=font,
    )
    statement = Statement(
        environment=issuer.environment,
        number=number,
        kind=content.kind.value,
        issuer=issuer.name,
        issued_at=now,
        fields=content.fields,
    )
    token = _sign(TYPE, to_payload(statement), issuer)
    return IssuedDocument(number, _bound(page, token, issuer), token)


def _bound(page: bytes, token: str, issuer: Issuer) -> bytes:
    """The file: the page with the code drawn, and the statement and its binding attached."""
    data, hole = _with_hole(page, qr_picture(token))
    statement = token.encode("ascii")
    binding = FileBinding(hashlib.sha256(statement).digest(), digest_with_hole(data, hole), hole)
    bound = _sign(FILE_TYPE, to_payload(binding), issuer).encode("ascii")
    offset, length = hole
    filling = (MARK + statement + b" " + bound + b" ").ljust(length, b" ")
    assert len(filling) == length
    return data[:offset] + filling + data[offset + length :]


def _sign(kind: str, payload: bytes, issuer: Issuer) -> str:
    """The compact JWS."""
    header = {"alg": "ES384", "kid": issuer.key_id, "typ": kind}
    head = json.dumps(header, separators=(",", ":")).encode("utf-8")
    signed = f"{to_base64url(head)}.{to_base64url(payload)}"
    der = issuer.key.sign(signed.encode("ascii"), ec.ECDSA(SHA384()))
    r, s = decode_dss_signature(der)
    return f"{signed}.{to_base64url(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


def _with_hole(page: bytes, picture: QrPicture) -> tuple[bytes, tuple[int, int]]:
    """The page with the code and an attachment to be filled in; where that lies in the file."""
    try:
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    except ImportError as exc:
        raise MissingExtraError(extra="kiosk") from exc
    writer = IncrementalPdfFileWriter(io.BytesIO(page))
    # Something that cannot stand in the file by chance, to be found again.
    pattern = secrets.token_bytes(32).hex().encode("ascii").ljust(_HOLE, b" ")
    _attach(writer, pattern)
    _draw_code(writer, picture)
    out = io.BytesIO()
    writer.write(out)
    data = out.getvalue()
    return data, (data.index(pattern), len(pattern))


def _attach(writer: IncrementalPdfFileWriter, data: bytes) -> None:
    from pyhanko.pdf_utils import embed

    stream = embed.EmbeddedFileObject.from_file_data(
        writer, data, compress=False, mime_type="application/jose"
    )
    embed.embed_file(writer, embed.FileSpec(ATTACHMENT, file_name=ATTACHMENT, embedded_data=stream))


def _draw_code(writer: IncrementalPdfFileWriter, picture: QrPicture) -> None:
    """Add the picture of the code to the page, at its place."""
    from pyhanko.pdf_utils.generic import DictionaryObject, StreamObject, pdf_name

    image = writer.add_object(_image(picture))
    left, bottom, side = CODE_BOX
    drawing = f"q {side} 0 0 {side} {left} {bottom} cm /JpkiCode Do Q".encode("ascii")
    resources = DictionaryObject(
        {pdf_name("/XObject"): DictionaryObject({pdf_name("/JpkiCode"): image})}
    )
    content = writer.add_object(StreamObject(stream_data=drawing))
    writer.add_stream_to_page(0, content, resources=resources)


def _image(picture: QrPicture) -> StreamObject:
    from pyhanko.pdf_utils.generic import NumberObject, StreamObject, pdf_name

    return StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Image"),
            pdf_name("/Width"): NumberObject(picture.side),
            pdf_name("/Height"): NumberObject(picture.side),
            pdf_name("/ColorSpace"): pdf_name("/DeviceGray"),
            pdf_name("/BitsPerComponent"): NumberObject(1),
        },
        stream_data=picture.pixels,
    )
