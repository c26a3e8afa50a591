# SPDX-License-Identifier: Apache-2.0
"""pyHanko signing with one of our keys and our time stamps. Needs the extra ``pdf``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from jpki import _asn1
from jpki.certificate.certificate import parse_certificate
from jpki.signing.algorithms import HashName, SignatureAlgorithm
from jpki.signing.document import Made, SigningOptions, Stamper
from jpki.signing.pdf import PdfProfile, VisibleSignature, pdf_options
from jpki.signing.pdf_document import field_for, new_field
from jpki.signing.proof import sign_and_check
from jpki.signing.signer import DigestSigner
from jpki.signing.timestamp import TimestampError, read_token

if TYPE_CHECKING:
    from pyhanko.stamp import TextStampStyle

_LONGEST_SIGNATURE = 512  # bytes: RSA-4096
_ATTRIBUTES = 2048  # bytes: signed attributes and the frame of a CMS, with room to spare
_TIME_STAMP = 16 * 1024  # bytes kept for a token with the certificates of its authority


class PdfCmsSigner(Signer):
    """A pyHanko signer over any key of ours: one signature is one digest given to the key.

    The certificate of the signer goes into the file, and those of the CA.
    """

    def __init__(self, key: DigestSigner, algorithm: SignatureAlgorithm) -> None:
        certificates = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        certificates.register_multiple(_asn1.certificate(der) for der in key.chain)
        super().__init__(
            signing_cert=_asn1.certificate(key.certificate), cert_registry=certificates
        )
        self._key = key
        self._algorithm = algorithm

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """The signature over ``data``; a dry run asks only how long it may be."""
        if dry_run:
            return bytes(_LONGEST_SIGNATURE)
        # A form may ask for another hash than was preferred; a key that cannot says so.
        algorithm = replace(self._algorithm, hash=HashName(digest_algorithm))
        return sign_and_check(self._key, algorithm, algorithm.hash.digest(data))


class PdfStamper(TimeStamper):
    """A pyHanko time stamper that asks our own client, once.

    ``made``: what came of it. Without a stamp the signature stands, unless one is required.
    """

    def __init__(self, stamper: Stamper, *, required: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamper = stamper
        self._required = required
        self.made = Made()

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        """asn1crypto's ContentInfo with the token, or None if there is none."""
        try:
            token = self._stamper(HashName(md_algorithm), message_digest)
        except TimestampError as exc:
            if self._required:
                raise
            self.made = Made(stamp_fault=exc.code)
            return None
        self.made = Made(stamped_at=read_token(token).time)
        return _asn1.content_info(token)


async def signed(
    document: IncrementalPdfFileWriter, key: DigestSigner, options: SigningOptions
) -> tuple[bytes, Made]:
    """Lay the signature into ``document``, have its digest signed, fill the place kept.

    The size is reckoned instead of tried, so that no time stamp is asked for in vain.
    """
    stamper = None
    size = _LONGEST_SIGNATURE + _ATTRIBUTES
    size += sum(len(der) for der in (key.certificate, *key.chain))
    if options.stamper is not None:
        promised = pdf_options(options).profile is PdfProfile.PADES_T
        required = options.require_timestamp or promised
        stamper = PdfStamper(options.stamper, required=required)
        size += _TIME_STAMP
    time = options.signing_time.replace(microsecond=0)
    tool = _tool(document, key, options, stamper)
    session = tool.init_signing_session(document)
    session.system_time = time
    laid = session.prepare_tbs_document(None, 2 * size)
    prepared, output = laid.digest_tbs_document()
    attributes = PdfCMSSignedAttributes(signing_time=time)
    await laid.perform_signature(prepared.document_digest, attributes)
    output.seek(0)
    return bytes(output.read()), stamper.made if stamper else Made()


def _tool(
    document: IncrementalPdfFileWriter,
    key: DigestSigner,
    options: SigningOptions,
    stamper: PdfStamper | None,
) -> PdfSigner:
    wanted = pdf_options(options)
    name = holder_name(key.certificate) if wanted.name is None else wanted.name
    field, exists = field_for(document.prev, wanted)
    moj = wanted.profile is PdfProfile.MOJ
    shown = PdfSignatureMetadata(
        field_name=field,
        md_algorithm=options.algorithm.hash.value,
        name=name or None,
        reason=wanted.reason,
        location=wanted.location,
        subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED if moj else SigSeedSubFilter.PADES,
    )
    style = _style(wanted.visible, name, options.signing_time) if wanted.visible else None
    return PdfSigner(
        shown,
        PdfCmsSigner(key, options.algorithm),
        timestamper=stamper,
        stamp_style=style,
        new_field_spec=None if exists else new_field(document, field, wanted),
    )


def holder_name(der: bytes) -> str:
    """The name in a sign certificate, or "" in one that holds none."""
    holder = parse_certificate(der).holder
    return holder.name if holder and holder.name else ""


def _style(visible: VisibleSignature, name: str, time: datetime) -> TextStampStyle:
    """What the visible signature looks like."""
    from jpki.signing.pdf_stamp import find_font, stamp_style

    shown = time.astimezone().isoformat(" ", "seconds")
    text = visible.text.replace("{name}", name).replace("{time}", shown)
    return stamp_style(text.strip(), find_font(visible.font))
