# SPDX-License-Identifier: Apache-2.0
"""The signatures in an XML document: what each is allowed to say, what it covers, whether it holds.

Everything a signature says is looked at before signxml is asked: algorithms, transforms,
references and ids outside a short list are refused, so that what is verified is what a
reader sees. Needs the extra ``xml``. Source: [XMLDSIG], [XMLDSIG-BP].
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from cryptography import x509
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from jpki.signing.xml_document import (
    SIGNATURE,
    SIGNATURE_NAMESPACE,
    SignxmlMixin,
    XmlError,
    elements,
    elements_with_id,
    has_instructions,
    parse_xml,
)

_DS: Final = f"{{{SIGNATURE_NAMESPACE}}}"
_ENVELOPED: Final = f"{SIGNATURE_NAMESPACE}enveloped-signature"
_C14N: Final = frozenset(
    {
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
    }
)
_METHODS: Final = {
    **{SignatureMethod[f"RSA_{name}"]: "rsa-pkcs1" for name in ("SHA256", "SHA384", "SHA512")},
    **{SignatureMethod[f"{name}_RSA_MGF1"]: "rsa-pss" for name in ("SHA256", "SHA384", "SHA512")},
    **{SignatureMethod[f"ECDSA_{name}"]: "ecdsa" for name in ("SHA256", "SHA384", "SHA512")},
}
_OLD_METHODS: Final = {SignatureMethod.RSA_SHA1: "rsa-pkcs1"}
_DIGESTS: Final = frozenset(
    {DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}
)
_CONTENTS: Final = "構成情報"
# What e-Gov writes beside the 構成情報: names of the form, for programs; and nothing else.
_FRAME: Final = {
    "様式ID": re.compile(r"[0-9A-Za-z._-]{1,64}"),
    "様式バージョン": re.compile(r"[0-9A-Za-z._-]{1,64}"),
    "STYLESHEET": re.compile(r"[0-9A-Za-z._-]{1,64}"),
    "その他": re.compile(r""),
}
_MAX_REFERENCES: Final = 256

Files = Callable[[str], bytes | None]
"""The bytes of a file by its plain name, or None if it is not at hand."""


class _FaultError(Exception):
    """Why a signature is refused before anything is computed: a code."""

    def __init__(self, code: str, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class XmlSignature:
    """One signature. ``fault``: why it does not hold (a code, ``values`` for its words), or
    None. ``integrity``: whether the fault is of the content and not of the signature value.

    ``covered``: what is signed, as it can be shown: ``document``, ``#ID``, file names.
    ``unsigned``: names of elements that no reference covers. ``certificates``: DER, the
    signer's first. ``egov``: the signed part is the one 構成情報 of a 構成管理XML, which is all
    that e-Gov has signed of it [KIJI], and around it nobody has put anything to be read.
    """

    algorithm: str
    fault: str | None
    values: dict[str, object]
    integrity: bool
    covered: tuple[str, ...]
    unsigned: tuple[str, ...]
    egov: bool
    certificates: tuple[bytes, ...] = field(repr=False)


def read_signatures(data: bytes, files: Files, *, history: bool = False) -> list[XmlSignature]:
    """Every signature of a document, in its order. ``history``: SHA-1 is looked at too.

    Raises XmlError for what is no XML, or XML with a document type.
    """
    tree = parse_xml(data)
    places = list(tree.getroot().iter(SIGNATURE))
    return [_Reading(tree, place, files, history).run() for place in places]


@dataclass(slots=True)
class _Reference:
    uri: str
    element: etree._Element | None
    name: str


@dataclass(slots=True)
class _Reading:
    tree: etree._ElementTree
    place: etree._Element
    files: Files
    history: bool
    references: list[_Reference] = field(default_factory=list)

    def run(self) -> XmlSignature:
        method = ""
        certificates: tuple[bytes, ...] = ()
        try:
            method = self._method()
            certificates = self._certificates()
            self._look()
            self._verify(certificates)
        except _FaultError as fault:
            return self._found(method, certificates, fault)
        return self._found(method, certificates, None)

    def _found(
        self, method: str, certificates: tuple[bytes, ...], fault: _FaultError | None
    ) -> XmlSignature:
        unsigned = list(self._unsigned()) if fault is None else []
        return XmlSignature(
            algorithm=method,
            fault=fault.code if fault else None,
            values=fault.values if fault else {},
            integrity=bool(fault and fault.code in ("content_changed", "reference_missing")),
            covered=tuple(reference.name for reference in self.references),
            unsigned=tuple(etree.QName(node).localname for node in unsigned),
            egov=self._egov() and all(map(self._is_frame, unsigned)),
            certificates=certificates,
        )

    def _egov(self) -> bool:
        """The signed 構成情報 is a child of the root, and no other element is called so."""
        root = self.tree.getroot()
        named = [node for node in elements(root) if etree.QName(node).localname == _CONTENTS]
        signed = [one.element for one in self.references]
        return len(named) == 1 and named[0] in signed and named[0].getparent() is root

    def _is_frame(self, node: etree._Element) -> bool:
        """Whether an unsigned element is one that no reader takes for what was signed: a name of
        the form, or a part of another's signature beside this one, which is judged by itself."""
        form = _FRAME.get(node.tag)
        if form is not None and node.getparent() is self.tree.getroot():
            return not len(node) and not node.attrib and bool(form.fullmatch(node.text or ""))
        line = [node, *node.iterancestors()]
        beside = any(
            one.tag == SIGNATURE and one.getparent() is self.place.getparent() for one in line
        )
        return beside and all(one.tag != f"{_DS}Object" for one in line)

    def _method(self) -> str:
        """``rsa-pkcs1-sha256``: the algorithm, if it is one of ours."""
        info = self._only(self.place, "SignedInfo")
        if _algorithm(self._only(info, "CanonicalizationMethod")) not in _C14N:
            raise _FaultError("transform_unexpected")
        try:
            method = SignatureMethod(_algorithm(self._only(info, "SignatureMethod")))
        except ValueError:
            raise _FaultError("scheme_not_known") from None
        if method in _OLD_METHODS and not self.history:
            raise _FaultError("hash_sha1")
        scheme = (_METHODS | _OLD_METHODS).get(method)
        if scheme is None:
            raise _FaultError("scheme_not_known")
        hash_name = next(
            n for n in ("SHA1", "SHA256", "SHA384", "SHA512") if n in method.name.split("_")
        )
        return f"{scheme}-{hash_name.lower()}"

    def _certificates(self) -> tuple[bytes, ...]:
        found = self.place.iterfind(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate")
        try:
            return tuple(
                base64.b64decode("".join((one.text or "").split()), validate=True) for one in found
            )
        except (binascii.Error, ValueError):
            raise _FaultError("xml_signature_form") from None

    def _look(self) -> None:
        """Every reference: what it names, how it is prepared and hashed."""
        info = self._only(self.place, "SignedInfo")
        nodes = info.findall(f"{_DS}Reference")
        if not 1 <= len(nodes) <= _MAX_REFERENCES:
            raise _FaultError("xml_signature_form")
        for node in nodes:
            try:
                digest = DigestAlgorithm(_algorithm(self._only(node, "DigestMethod")))
            except ValueError:
                raise _FaultError("hash_not_known") from None
            if digest is DigestAlgorithm.SHA1 and not self.history:
                raise _FaultError("hash_sha1")
            if digest is not DigestAlgorithm.SHA1 and digest not in _DIGESTS:
                raise _FaultError("hash_not_known")
            reference = self._named(node)
            self._demand_transforms(node, reference)
            self.references.append(reference)

    def _named(self, node: etree._Element) -> _Reference:
        uri = node.get("URI")
        root = self.tree.getroot()
        if uri is None or uri.startswith("#xpointer"):
            raise _FaultError("reference_unexpected")
        if uri == "":
            if has_instructions(self.tree):
                raise _FaultError("reference_unexpected")
            return _Reference(uri, root, "document")
        if not uri.startswith("#"):
            return _Reference(uri, None, unquote(uri))
        found = elements_with_id(root, unquote(uri[1:]))
        if len(found) != 1:
            raise _FaultError("duplicate_id" if found else "reference_missing", name=unquote(uri))
        return _Reference(uri, found[0], "document" if found[0] is root else unquote(uri))

    def _demand_transforms(self, node: etree._Element, reference: _Reference) -> None:
        """At most: take this signature out of what stands around it, then canonicalise."""
        used = [_algorithm(one) for one in node.iterfind(f"{_DS}Transforms/{_DS}Transform")]
        around = reference.element is not None and (reference.element in self.place.iterancestors())
        rest = used[1:] if used[:1] == [_ENVELOPED] else used
        if len(rest) > 1 or any(one not in _C14N for one in rest):
            raise _FaultError("transform_unexpected")
        if (used[:1] == [_ENVELOPED]) is not around:
            raise _FaultError("transform_unexpected")

    def _verify(self, certificates: Sequence[bytes]) -> None:
        """Ask signxml; a fault is told apart by where it stopped."""
        if not certificates:
            raise _FaultError("signer_certificate_missing")
        try:
            certificate = x509.load_der_x509_certificate(certificates[0])
            methods = frozenset(_METHODS | (_OLD_METHODS if self.history else {}))
            old = {DigestAlgorithm.SHA1} if self.history else set()
            wanted = SignatureConfiguration(
                expect_references=len(self.references),
                signature_methods=methods,
                digest_algorithms=_DIGESTS | old,
                # Whether it was valid then is for our own validator.
                verification_time=certificate.not_valid_before_utc,
            )
            _Verifier(self.tree.getelementpath(self.place)).verify(
                self.tree.getroot(),
                x509_cert=certificate,
                uri_resolver=self._resolve,
                expect_config=wanted,
            )
        except _FaultError:
            raise
        except InvalidDigest:
            raise _FaultError("content_changed") from None
        except InvalidSignature:
            raise _FaultError("signature_not_by_key") from None
        except Exception:
            # signxml and lxml have no one root for what a strange signature may bring.
            raise _FaultError("xml_signature_form") from None

    def _resolve(self, uri: str) -> Any:
        """A file beside the document: as XML if the reference canonicalises it, else as it is."""
        name = unquote(uri)
        content = self.files(name)
        if content is None:
            raise _FaultError("reference_missing", name=name)
        node = next(
            one
            for one in self._only(self.place, "SignedInfo").iterfind(f"{_DS}Reference")
            if one.get("URI") == uri
        )
        if node.find(f"{_DS}Transforms/{_DS}Transform") is None:
            return content
        try:
            return parse_xml(content).getroot()
        except XmlError:
            raise _FaultError("content_changed") from None

    def _unsigned(self) -> Iterator[etree._Element]:
        """Elements that hold something and are signed by no reference of this signature."""
        signed = [one.element for one in self.references if one.element is not None]
        root = self.tree.getroot()
        if root in signed:
            return
        inside = {node for element in signed for node in elements(element)}
        frame = {*elements(self.place)} - {
            node for held in self.place.iterfind(f"{_DS}Object") for node in elements(held)
        }
        around = {node for element in (*signed, self.place) for node in element.iterancestors()}
        for node in elements(root):
            if node in inside or node in frame:
                continue
            says = bool(node.attrib) or bool((node.text or "").strip())
            says = says or any((child.tail or "").strip() for child in node)
            if says or node not in around:
                yield node

    def _only(self, parent: etree._Element, name: str) -> etree._Element:
        found = parent.findall(f"{_DS}{name}")
        if len(found) != 1:
            raise _FaultError("xml_signature_form")
        return found[0]


class _Verifier(SignxmlMixin, XMLVerifier):
    """signxml on the signature at ``path``, with ids in any script."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def _get_signature(self, root: Any) -> Any:
        return root.find(self._path)

    def _resolve_reference(self, doc_root: Any, reference: Any, uri_resolver: Any = None) -> Any:
        uri = reference.get("URI") or ""
        if not uri.startswith("#"):
            return super()._resolve_reference(  # type: ignore[no-untyped-call]
                doc_root, reference, uri_resolver
            )
        found = elements_with_id(doc_root, unquote(uri[1:]))
        if len(found) != 1:
            raise _FaultError("duplicate_id" if found else "reference_missing", name=unquote(uri))
        return found[0]


def _algorithm(node: etree._Element) -> str:
    return node.get("Algorithm") or ""
