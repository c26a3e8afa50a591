# SPDX-License-Identifier: Apache-2.0
"""XML signatures judged: wrapping, ids, transforms, algorithms; what is signed, and no more."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from document_bench import XML, codes, signed_xml, verdict_on
from jpki.certificate.kinds import Family
from jpki.errors import InputFileError
from jpki.signing.signer import DigestSigner
from jpki.signing.xml import XmlForm
from jpki.signing.xml_document import SIGNATURE, SIGNATURE_NAMESPACE
from jpki.verdict import Outcome
from jpki_apdu.errors import Coded
from signing_bench import signer

DS = f"{{{SIGNATURE_NAMESPACE}}}"
EGOV = '<DataRoot><構成情報 ID="構成情報"><金額>1</金額></構成情報></DataRoot>'.encode()
Change = Callable[[etree._Element], object]


@pytest.fixture
def key(tmp_path: Path) -> DigestSigner:
    return signer(tmp_path)


def _written(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="UTF-8")


def _one(root: etree._Element, name: str) -> etree._Element:
    found = root.find(f".//{DS}{name}")
    assert found is not None
    return found


def _content(root: etree._Element) -> None:
    root[0].text = "署名　次郎"


def _value(root: etree._Element) -> None:
    value = _one(root, "SignatureValue")
    raw = bytearray(base64.b64decode(value.text or ""))
    raw[-1] ^= 1
    value.text = base64.b64encode(raw).decode()


def _digest(root: etree._Element) -> None:
    _one(root, "DigestValue").text = base64.b64encode(bytes(32)).decode()


def _sha1(root: etree._Element) -> None:
    _one(root, "SignatureMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")


def _sha1_digest(root: etree._Element) -> None:
    _one(root, "DigestMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")


def _hmac(root: etree._Element) -> None:
    method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
    _one(root, "SignatureMethod").set("Algorithm", method)


def _xslt(root: etree._Element) -> None:
    _one(root, "Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")


def _xpath(root: etree._Element) -> None:
    extra = etree.SubElement(_one(root, "Transforms"), f"{DS}Transform")
    extra.set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")


def _no_transform(root: etree._Element) -> None:
    """Without the enveloped transform the signature would have to sign itself."""
    _one(root, "Transforms").remove(_one(root, "Transform"))


def _xpointer(root: etree._Element) -> None:
    _one(root, "Reference").set("URI", "#xpointer(/)")


def _no_uri(root: etree._Element) -> None:
    del _one(root, "Reference").attrib["URI"]


def _no_reference(root: etree._Element) -> None:
    _one(root, "SignedInfo").remove(_one(root, "Reference"))


def _no_certificate(root: etree._Element) -> None:
    _one(root, "Signature").remove(_one(root, "KeyInfo"))


def _two_infos(root: etree._Element) -> None:
    signature = _one(root, "Signature")
    signature.insert(0, copy.deepcopy(_one(root, "SignedInfo")))


def _comment_in_name(root: etree._Element) -> None:
    """A comment splits a text; readers that take the first piece see something else."""
    root[0].text = "署名"
    comment = etree.Comment("x")
    comment.tail = "　次郎"
    root[0].insert(0, comment)


ENVELOPED: list[tuple[Change, str, str]] = [
    (_content, "integrity", "content_changed"),
    (_value, "signature", "signature_not_by_key"),
    (_digest, "signature", "signature_not_by_key"),
    (_sha1, "signature", "hash_sha1"),
    (_sha1_digest, "signature", "hash_sha1"),
    (_hmac, "signature", "scheme_not_known"),
    (_xslt, "signature", "transform_unexpected"),
    (_xpath, "signature", "transform_unexpected"),
    (_no_transform, "signature", "transform_unexpected"),
    (_xpointer, "signature", "reference_unexpected"),
    (_no_uri, "signature", "reference_unexpected"),
    (_no_reference, "signature", "xml_signature_form"),
    (_no_certificate, "signature", "signer_certificate_missing"),
    (_two_infos, "signature", "xml_signature_form"),
    (_comment_in_name, "integrity", "content_changed"),
]


@pytest.mark.parametrize(
    ("change", "name", "code"), ENVELOPED, ids=[row[0].__name__.lstrip("_") for row in ENVELOPED]
)
def test_attack_is_never_valid(
    change: Change, name: str, code: str, key: DigestSigner, tmp_path: Path
) -> None:
    root = etree.fromstring(signed_xml(key))
    change(root)
    found = verdict_on(_written(root), tmp_path, name="doc.xml")
    assert found.outcome is not Outcome.VALID
    assert (name, code) in codes(found)


def _moved_aside(root: etree._Element) -> None:
    """Wrapping: the signed element is kept where nobody looks, another stands in its place."""
    signed = root[0]
    forged = copy.deepcopy(signed)
    forged[0].text = "1000000"
    del forged.attrib["ID"]
    root.replace(signed, forged)
    etree.SubElement(root, "保管").append(signed)


def _wrapped_in_object(root: etree._Element) -> None:
    """Wrapping: inside the signature, where C14N sees one more namespace in scope."""
    signed = root[0]
    forged = copy.deepcopy(signed)
    forged[0].text = "1000000"
    del forged.attrib["ID"]
    root.replace(signed, forged)
    etree.SubElement(_one(root, "Signature"), f"{DS}Object").append(signed)


def _id_twice(root: etree._Element) -> None:
    forged = copy.deepcopy(root[0])
    forged[0].text = "1000000"
    root.insert(0, forged)


def _id_twice_spelled_otherwise(root: etree._Element) -> None:
    """One reader goes by ID, another by Id."""
    forged = copy.deepcopy(root[0])
    forged[0].text = "1000000"
    forged.set("Id", forged.attrib.pop("ID"))
    root.insert(0, forged)


def _second_of_that_name(root: etree._Element) -> None:
    forged = copy.deepcopy(root[0])
    forged[0].text = "1000000"
    del forged.attrib["ID"]
    root.insert(0, forged)


WRAPPED: list[tuple[Change, str, str]] = [
    (_moved_aside, "coverage", "partly_covered"),
    (_wrapped_in_object, "integrity", "content_changed"),
    (_id_twice, "signature", "duplicate_id"),
    (_id_twice_spelled_otherwise, "signature", "duplicate_id"),
    (_second_of_that_name, "coverage", "partly_covered"),
]


@pytest.mark.parametrize(
    ("change", "name", "code"), WRAPPED, ids=[row[0].__name__.lstrip("_") for row in WRAPPED]
)
def test_wrapping_is_never_valid(
    change: Change, name: str, code: str, key: DigestSigner, tmp_path: Path
) -> None:
    data = signed_xml(key, XmlForm.EGOV, EGOV)
    assert verdict_on(data, tmp_path, name="kousei.xml").outcome is Outcome.VALID
    root = etree.fromstring(data)
    change(root)
    found = verdict_on(_written(root), tmp_path, name="kousei.xml")
    assert found.outcome is not Outcome.VALID
    assert (name, code) in codes(found)


def test_unsigned_object_beside_the_signed_one_is_told(key: DigestSigner, tmp_path: Path) -> None:
    root = etree.fromstring(signed_xml(key, XmlForm.ENVELOPING))
    loose = etree.SubElement(root, f"{DS}Object")
    etree.SubElement(loose, "金額").text = "1000000"
    found = verdict_on(_written(root), tmp_path, name="doc.xml")
    assert ("coverage", "partly_covered") in codes(found)


def test_bad_signature_beside_a_good_one_counts(key: DigestSigner, tmp_path: Path) -> None:
    data = signed_xml(key, XmlForm.EGOV, signed_xml(key, XmlForm.EGOV, EGOV))
    root = etree.fromstring(data)
    _value(root)
    found = verdict_on(_written(root), tmp_path, name="kousei.xml")
    assert [one.outcome for one in found.signatures] == [Outcome.INVALID, Outcome.VALID]
    assert found.outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a/>", "xml_not_signed"),
        (b"<!DOCTYPE a><a/>", "xml_doctype"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a>&e;</a>', "xml_doctype"),
        (
            b'<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
            b"<a>&c;</a>",
            "xml_doctype",
        ),
        (b"<a>&e;</a>", "xml_not_xml"),
        (b"<a", "xml_not_xml"),
    ],
)
def test_what_is_no_plain_xml_is_an_error(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        verdict_on(data, tmp_path, name="doc.xml")
    assert caught.value.values["reason"] == reason


@pytest.mark.parametrize(
    "name", ["../secret.xml", "/etc/hostname", "a\\b.xml", "http://127.0.0.1:9/x"]
)
def test_only_files_beside_the_document_are_opened(
    name: str, key: DigestSigner, tmp_path: Path
) -> None:
    (tmp_path / "secret.xml").write_bytes(XML)
    folder = tmp_path / "in"
    folder.mkdir()
    found = verdict_on(signed_xml(key, XmlForm.DETACHED, name=name), folder, name="doc.sig.xml")
    assert ("integrity", "reference_missing") in codes(found)


def test_key_of_another_use_is_no_signature_on_a_document(tmp_path: Path) -> None:
    data = signed_xml(signer(tmp_path, Family.AUTH))
    assert ("profile", "wrong_family") in codes(verdict_on(data, tmp_path, name="doc.xml"))


def test_every_cut_is_an_error_or_invalid(key: DigestSigner, tmp_path: Path) -> None:
    data = signed_xml(key)
    for length in range(0, len(data) - 2, 7):
        with pytest.raises(Coded):
            verdict_on(data[:length], tmp_path, name="doc.xml")


def test_single_changed_bytes_are_never_valid(key: DigestSigner, tmp_path: Path) -> None:
    """Outside the CA's certificate, which is a help to others and no part of the signature."""
    data = signed_xml(key)
    last = data.rindex(b"<ds:X509Certificate>")
    for place in [*range(40, last, 19), *range(data.index(b"</ds:X509Data"), len(data) - 1, 5)]:
        changed = data[:place] + bytes((data[place] ^ 0x15,)) + data[place + 1 :]
        try:
            found = verdict_on(changed, tmp_path, name="doc.xml")
        except Coded:
            continue
        assert found.outcome is not Outcome.VALID, place


def test_signature_is_found_wherever_it_stands(key: DigestSigner) -> None:
    root = etree.fromstring(signed_xml(key))
    assert [node.tag for node in root][-1] == SIGNATURE
