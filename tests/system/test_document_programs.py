# SPDX-License-Identifier: Apache-2.0
"""PDF and XML against the world's programs: they verify what we sign, and we what they sign."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from document_bench import (
    XML,
    byte_range,
    codes,
    contents,
    foreign_signer,
    replace_text,
    signed_pdf,
    signed_xml,
    small_pdf,
    updated,
    verdict_on,
)
from jpki import _asn1
from jpki.signing.pdf import PdfOptions, PdfProfile, VisibleSignature
from jpki.signing.signer import DigestSigner
from jpki.signing.timestamp import TimestampClient
from jpki.signing.xml import XmlForm
from jpki.testing.tsa_server import TsaServer
from jpki.verdict import Outcome
from jpki.verifying.pdf_reading import unpadded
from signing_bench import AT, openssl, pem, signer

pytestmark = pytest.mark.system

_SHOWN = PdfOptions(visible=VisibleSignature(text="電子署名\n{name}\n{time}"), reason="登記")
_XMLSEC_TIME = f"{AT:%Y-%m-%d %H:%M:%S}"


@pytest.fixture
def key(tmp_path: Path) -> DigestSigner:
    return signer(tmp_path)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program in ``folder``; the caller looks at how it ended."""
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def _signed(key: DigestSigner, wanted: PdfOptions) -> bytes:
    if wanted.profile is not PdfProfile.PADES_T:
        return signed_pdf(small_pdf("amount"), key, wanted)
    with TsaServer(AT) as server:
        client = TimestampClient(server.url)
        return signed_pdf(small_pdf("amount"), key, wanted, stamper=client)


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (PdfOptions(), "adbe.pkcs7.detached"),
        (_SHOWN, "adbe.pkcs7.detached"),
        (PdfOptions(profile=PdfProfile.PADES_B), "ETSI.CAdES.detached"),
        (PdfOptions(profile=PdfProfile.PADES_T), "ETSI.CAdES.detached"),
    ],
    ids=["moj", "visible", "pades-b", "pades-t"],
)
def test_poppler_and_qpdf_take_our_pdf(
    wanted: PdfOptions, kind: str, key: DigestSigner, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(signed_pdf(_signed(key, wanted), key))
    told = run("pdfsig", "-nocert", "a.pdf", folder=tmp_path).stdout
    assert told.count("Signature is Valid") == 2
    assert f"Signature Type: {kind}" in told
    assert told.count("Total document signed") == 1
    checked = run("qpdf", "--check", "a.pdf", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_visible_signature_reads_as_japanese_text(key: DigestSigner, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(_signed(key, _SHOWN))
    told = run("pdftotext", "a.pdf", "-", folder=tmp_path).stdout
    assert "電子署名" in told
    assert "署名　太郎" in told.replace(" ", "　")
    fonts = run("pdffonts", "a.pdf", folder=tmp_path).stdout
    assert re.search(r"\+IPAexGothic-Identity-H\s+CID TrueType\s+Identity-H\s+yes yes yes", fonts)


def test_poppler_and_we_agree_on_a_changed_pdf(key: DigestSigner, tmp_path: Path) -> None:
    data = signed_pdf(small_pdf(), key).replace(b"(Hello)", b"(Jello)")
    (tmp_path / "a.pdf").write_bytes(data)
    assert "Digest Mismatch" in run("pdfsig", "-nocert", "a.pdf", folder=tmp_path).stdout
    assert verdict_on(data, tmp_path).outcome is Outcome.INVALID


def test_openssl_verifies_the_cms_in_our_pdf(key: DigestSigner, tmp_path: Path) -> None:
    data = signed_pdf(small_pdf(), key)
    first, length, second, rest = byte_range(data)
    (tmp_path / "covered").write_bytes(data[first:length] + data[second : second + rest])
    (tmp_path / "root.pem").write_bytes(pem(key.chain[0]))
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-content", str(tmp_path / "covered"),
        "-CAfile", str(tmp_path / "root.pem"), "-purpose", "any", "-out", str(tmp_path / "out"),
        "-attime", str(int(AT.timestamp())), stdin=unpadded(contents(data)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("tamper", "bottom_line"), [(False, True), (True, False)], ids=["as signed", "changed after"]
)
def test_pyhanko_by_itself_agrees(
    tamper: bool, bottom_line: bool, key: DigestSigner, tmp_path: Path
) -> None:
    """Its own validator, with its own path building to our root."""
    data = signed_pdf(signed_pdf(small_pdf("amount"), key), key)
    data = updated(data, replace_text) if tamper else data
    context = ValidationContext(
        trust_roots=[_asn1.certificate(key.chain[0])], moment=AT, allow_fetching=False
    )
    usage = KeyUsageConstraints(key_usage={"non_repudiation"})
    for one in PdfFileReader(io.BytesIO(data)).embedded_signatures:
        status = validate_pdf_signature(one, context, key_usage_settings=usage)
        assert status.intact
        assert status.valid
        assert status.trusted
        assert status.bottom_line is bottom_line
    assert (verdict_on(data, tmp_path).outcome is Outcome.VALID) is bottom_line


@pytest.mark.parametrize("form", [XmlForm.ENVELOPED, XmlForm.ENVELOPING, XmlForm.DETACHED])
def test_xmlsec_verifies_our_xml(form: XmlForm, key: DigestSigner, tmp_path: Path) -> None:
    (tmp_path / "doc.xml").write_bytes(XML)
    (tmp_path / "root.pem").write_bytes(pem(key.chain[0]))
    for data, code in ((signed_xml(key, form), 0), (_spoiled(signed_xml(key, form)), 1)):
        (tmp_path / "signed.xml").write_bytes(data)
        done = run(*_xmlsec_verify(), "signed.xml", folder=tmp_path)
        assert done.returncode == code, done.stderr


def test_xmlsec_verifies_the_egov_form_over_a_file(key: DigestSigner, tmp_path: Path) -> None:
    """Percent-encoded ids are beyond xmlsec, so: a whole document and a file of a plain name."""
    attached = tmp_path / "form.xml"
    attached.write_bytes(b"<a>\n</a>")
    data = signed_xml(key, XmlForm.EGOV, XML, files=[attached])
    (tmp_path / "signed.xml").write_bytes(data)
    (tmp_path / "root.pem").write_bytes(pem(key.chain[0]))
    done = run(*_xmlsec_verify(), "signed.xml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stdout + done.stderr


def _spoiled(data: bytes) -> bytes:
    """One letter of the signature value is another."""
    place = data.index(b"SignatureValue>") + 40
    return data[:place] + (b"A" if data[place : place + 1] != b"A" else b"B") + data[place + 1 :]


def _xmlsec_verify() -> list[str]:
    return [
        "xmlsec1", "--verify", "--X509-skip-strict-checks", "--enabled-key-data", "x509",
        "--trusted-pem", "root.pem", "--verification-time", _XMLSEC_TIME,
    ]  # fmt: skip


TEMPLATE = """<r><x>1</x><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
<CanonicalizationMethod Algorithm="{c14n}"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-{hash}"/>
<Reference URI=""><Transforms>
<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
<Transform Algorithm="{c14n}"/></Transforms>
<DigestMethod Algorithm="{digest}"/><DigestValue/></Reference></SignedInfo>
<SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature></r>"""


@pytest.mark.parametrize(
    ("c14n", "name", "digest"),
    [
        ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "sha256", "2001/04/xmlenc#sha256"),
        ("http://www.w3.org/2001/10/xml-exc-c14n#", "sha256", "2001/04/xmlenc#sha256"),
        ("http://www.w3.org/2006/12/xml-c14n11", "sha512", "2001/04/xmlenc#sha512"),
    ],
)
def test_we_verify_what_xmlsec_signs(c14n: str, name: str, digest: str, tmp_path: Path) -> None:
    foreign_signer(tmp_path)
    template = TEMPLATE.format(c14n=c14n, hash=name, digest=f"http://www.w3.org/{digest}")
    (tmp_path / "template.xml").write_text(template)
    done = run(
        "xmlsec1", "--sign", "--privkey-pem", "foreign-key.pem,foreign-own.pem",
        "--output", "signed.xml", "template.xml", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "signed.xml").read_bytes()
    found = verdict_on(data, tmp_path, name="theirs.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    changed = verdict_on(data.replace(b"<x>1</x>", b"<x>2</x>"), tmp_path, name="theirs.xml")
    assert ("integrity", "content_changed") in codes(changed)
