# SPDX-License-Identifier: Apache-2.0
"""XML signing: the three places of a signature, the e-Gov form, and what is refused before."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import pytest
from lxml import etree

from document_bench import XML, CountingSigner, codes, options, signed_xml, verdict_on
from jpki.signing.signer import SigningError
from jpki.signing.timestamp import TimestampClient
from jpki.signing.xml import XmlForm, XmlOptions, prepare, write
from jpki.signing.xml_document import SIGNATURE_NAMESPACE
from jpki.verdict import Outcome
from signing_bench import openssl, pem, signer

DS = {"ds": SIGNATURE_NAMESPACE}
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EGOV = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<?xml-stylesheet type="text/xsl" href="kousei.xsl"?>\n'
    '<DataRoot xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<様式ID>900</様式ID><構成情報 ID="構成情報"><管理情報>甲</管理情報></構成情報>'
    "<その他/></DataRoot>"
).encode()


@pytest.fixture
def key(tmp_path: Path) -> CountingSigner:
    return CountingSigner(signer(tmp_path))


def _texts(root: etree._Element, path: str) -> list[str | None]:
    return [node.text or node.get("Algorithm") for node in root.iterfind(path, DS)]


@pytest.mark.parametrize("form", [XmlForm.ENVELOPED, XmlForm.ENVELOPING, XmlForm.DETACHED])
def test_algorithms_are_the_agreed_ones(form: XmlForm, key: CountingSigner) -> None:
    root = etree.fromstring(signed_xml(key, form))
    assert _texts(root, ".//ds:CanonicalizationMethod") == [C14N]
    assert _texts(root, ".//ds:SignatureMethod") == [
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    ]
    assert _texts(root, ".//ds:DigestMethod") == ["http://www.w3.org/2001/04/xmlenc#sha256"]
    assert _texts(root, ".//ds:Transform")[-1] == C14N
    own = base64.b64decode(str(_texts(root, ".//ds:X509Certificate")[0]))
    assert own == key.certificate
    assert key.asked == 1


@pytest.mark.parametrize(
    ("form", "covered"),
    [
        (XmlForm.ENVELOPED, ["document"]),
        (XmlForm.ENVELOPING, ["#object"]),
        (XmlForm.DETACHED, ["doc.xml"]),
    ],
)
def test_each_form_verifies_and_says_what_it_covers(
    form: XmlForm, covered: list[str], key: CountingSigner, tmp_path: Path
) -> None:
    (tmp_path / "doc.xml").write_bytes(XML)
    found = verdict_on(signed_xml(key, form), tmp_path, name="signed.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    assert found.signatures[0].subject["covered"] == covered


def test_what_stands_around_the_root_is_kept(key: CountingSigner, tmp_path: Path) -> None:
    data = signed_xml(key, data=b"<!-- first --><a>1</a><!-- last -->")
    assert b"<!-- first -->" in data
    assert b"<!-- last -->" in data
    assert verdict_on(data, tmp_path, name="a.xml").outcome is Outcome.VALID


def test_next_generation_signs_with_ecdsa(tmp_path: Path) -> None:
    own = signer(tmp_path, generation=4)
    path = tmp_path / "doc.xml"
    path.write_bytes(XML)
    how = options(XmlOptions())
    how = type(how)(own.algorithms[0], how.signing_time, special=XmlOptions())
    out = io.BytesIO()
    write(prepare(path, how), own, how, out)
    found = verdict_on(out.getvalue(), tmp_path, name="signed.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    assert found.signatures[0].subject["algorithm"] == "ecdsa-sha384"


def test_egov_form_is_built_as_described(key: CountingSigner, tmp_path: Path) -> None:
    """[KIJI]: references, names, place; recomputed here with nothing but hashes and OpenSSL."""
    attached = tmp_path / "申請書 1.xml"
    attached.write_bytes(b"<a>\r\n</a>")
    data = signed_xml(key, XmlForm.EGOV, EGOV, name="kousei.xml", files=[attached])
    assert b"xml-stylesheet" in data
    root = etree.fromstring(data)
    assert [node.tag for node in root] == ["様式ID", "構成情報", "署名情報", "その他"]
    [signature] = root.iterfind("署名情報/ds:Signature", DS)
    [info] = signature.iterfind("ds:SignedInfo", DS)
    first, second = info.iterfind("ds:Reference", DS)
    assert first.get("URI") == "#%E6%A7%8B%E6%88%90%E6%83%85%E5%A0%B1"
    assert second.get("URI") == "%E7%94%B3%E8%AB%8B%E6%9B%B8%201.xml"
    assert second.find("ds:Transforms", DS) is None
    contents = root.find("構成情報")
    assert contents is not None
    digests = [base64.b64decode(str(node.text)) for node in info.iterfind(".//ds:DigestValue", DS)]
    assert digests == [
        hashlib.sha256(etree.tostring(contents, method="c14n")).digest(),
        hashlib.sha256(attached.read_bytes()).digest(),
    ]
    (tmp_path / "info").write_bytes(etree.tostring(info, method="c14n"))
    value = signature.findtext("ds:SignatureValue", namespaces=DS)
    (tmp_path / "value").write_bytes(base64.b64decode(str(value)))
    (tmp_path / "own.pem").write_bytes(pem(key.certificate))
    public = openssl("x509", "-in", str(tmp_path / "own.pem"), "-pubkey", "-noout").stdout
    (tmp_path / "public.pem").write_bytes(public)
    done = openssl(
        "dgst", "-sha256", "-verify", str(tmp_path / "public.pem"), "-signature",
        str(tmp_path / "value"), str(tmp_path / "info"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(signature.findall(".//ds:X509Certificate", DS)) == 1


def test_egov_signature_verifies_beside_its_files(key: CountingSigner, tmp_path: Path) -> None:
    attached = tmp_path / "申請書.xml"
    attached.write_bytes(b"<a/>")
    data = signed_xml(key, XmlForm.EGOV, EGOV, name="kousei.xml", files=[attached])
    found = verdict_on(data, tmp_path, name="kousei.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    coverage = found.verdict.check("coverage")
    assert coverage is not None
    assert coverage.code == "egov_covered"
    assert coverage.values["unsigned"] == "その他, 様式ID"
    attached.write_bytes(b"<b/>")
    assert ("integrity", "content_changed") in codes(verdict_on(data, tmp_path, name="kousei.xml"))
    attached.unlink()
    gone = verdict_on(data, tmp_path, name="kousei.xml")
    assert gone.outcome is Outcome.CANNOT_TELL
    assert ("integrity", "reference_missing") in codes(gone)


@pytest.mark.parametrize(
    ("was", "now", "unsigned"),
    [
        ("<様式ID>900</様式ID>", "<様式ID>委任します。</様式ID>", "様式ID"),
        ("<様式ID>900</様式ID>", '<様式ID 金額="9">900</様式ID>', "様式ID"),
        ("<様式ID>900</様式ID>", "<様式ID>900<追記/></様式ID>", "様式ID"),
        ("<様式ID>900</様式ID>", "<承認済み/>", "承認済み"),
        ("<様式ID>900</様式ID>", "<構成管理><様式ID>900</様式ID></構成管理>", "構成管理"),
        ("<その他/>", "<その他>手数料は免除</その他>", "その他"),
        ("<その他/>", "<その他/>手数料は免除", "DataRoot"),
        ("<DataRoot ", '<DataRoot 金額="9" ', "DataRoot"),
        ("</署名情報>", "<金額>9</金額></署名情報>", "金額"),
    ],
)
def test_nobody_vouches_for_what_stands_beside_the_contents_of_egov(
    key: CountingSigner, tmp_path: Path, was: str, now: str, unsigned: str
) -> None:
    """A reader would take it for signed; the signature says nothing of it."""
    data = signed_xml(key, XmlForm.EGOV, EGOV, name="kousei.xml").decode()
    assert was in data
    found = verdict_on(data.replace(was, now).encode(), tmp_path, name="kousei.xml")
    coverage = found.verdict.check("coverage")
    assert found.outcome is Outcome.CANNOT_TELL
    assert coverage is not None
    assert coverage.code == "partly_covered"
    assert unsigned in str(coverage.values["unsigned"])


def test_an_object_beside_another_applicants_signature_is_signed_by_nobody(
    key: CountingSigner, tmp_path: Path
) -> None:
    once = signed_xml(key, XmlForm.EGOV, EGOV, name="kousei.xml")
    twice = signed_xml(signer(tmp_path, slot=14), XmlForm.EGOV, once, name="kousei.xml")
    note = "<ds:Object><金額>9</金額></ds:Object></ds:Signature>"
    data = twice.decode().replace("</ds:Signature>", note, 1).encode()
    found = verdict_on(data, tmp_path, name="kousei.xml")
    assert found.outcome is Outcome.CANNOT_TELL, codes(found)
    assert {("coverage", "partly_covered")} <= set(codes(found))


def test_two_applicants_sign_one_egov_file(key: CountingSigner, tmp_path: Path) -> None:
    once = signed_xml(key, XmlForm.EGOV, EGOV, name="kousei.xml")
    twice = signed_xml(signer(tmp_path, slot=14), XmlForm.EGOV, once, name="kousei.xml")
    found = verdict_on(twice, tmp_path, name="kousei.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    assert len(found.signatures) == 2


def test_document_without_contents_element_is_signed_whole(
    key: CountingSigner, tmp_path: Path
) -> None:
    attached = tmp_path / "form.xml"
    attached.write_bytes(b"<a/>")
    data = signed_xml(key, XmlForm.EGOV, XML, name="kousei.xml", files=[attached])
    found = verdict_on(data, tmp_path, name="kousei.xml")
    assert found.outcome is Outcome.VALID, codes(found)
    assert found.signatures[0].subject["covered"] == ["document", "form.xml"]


REFUSED: list[tuple[str, bytes, XmlForm, str]] = [
    ("no XML", b"hello", XmlForm.ENVELOPED, "xml_unreadable"),
    ("cut", XML[:-9], XmlForm.ENVELOPED, "xml_unreadable"),
    ("DTD", b"<!DOCTYPE a><a/>", XmlForm.ENVELOPED, "xml_unreadable"),
    (
        "entity",
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        XmlForm.ENVELOPED,
        "xml_unreadable",
    ),
    ("style sheet", b'<?xml-stylesheet href="a"?><a/>', XmlForm.ENVELOPED, "xml_instruction"),
    (
        "two of one id",
        '<a><構成情報 ID="構成情報"/><構成情報 ID="構成情報"/></a>'.encode(),
        XmlForm.EGOV,
        "xml_unreadable",
    ),
]


@pytest.mark.parametrize(
    ("data", "form", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused_before_any_key_is_asked(
    data: bytes, form: XmlForm, code: str, key: CountingSigner
) -> None:
    with pytest.raises(SigningError) as caught:
        signed_xml(key, form, data)
    assert caught.value.code == code
    assert key.asked == 0


def test_second_enveloped_signature_would_break_the_first(key: CountingSigner) -> None:
    with pytest.raises(SigningError, match="xml_signed_already"):
        signed_xml(key, data=signed_xml(key))
    assert key.asked == 1


def test_time_stamp_and_loose_files_are_refused_before(tmp_path: Path) -> None:
    path = tmp_path / "doc.xml"
    path.write_bytes(XML)
    with pytest.raises(SigningError, match="xml_no_stamp"):
        prepare(path, options(XmlOptions(), stamper=TimestampClient("http://127.0.0.1:9/")))
    with pytest.raises(SigningError, match="xml_files"):
        prepare(path, options(XmlOptions(files=(path,))))
    with pytest.raises(SigningError, match="xml_files"):
        prepare(path, options(XmlOptions(XmlForm.EGOV, (path, path))))


def test_file_that_changes_under_our_hands_is_not_signed(
    key: CountingSigner, tmp_path: Path
) -> None:
    path = tmp_path / "doc.xml"
    path.write_bytes(XML)
    how = options(XmlOptions())
    prepared = prepare(path, how)
    path.write_bytes(b"<other/>")
    with pytest.raises(SigningError, match="signing_file_changed"):
        write(prepared, key, how, io.BytesIO())
    assert key.asked == 0
