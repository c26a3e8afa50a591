# SPDX-License-Identifier: Apache-2.0
"""signxml signing with one of our keys. Needs the extra ``xml``.

The e-Gov form as [KIJI] builds it: one reference to the 構成情報 of the 構成管理XML, one to
each file beside it, by its percent-encoded name and over its bytes; the signature stands in
署名情報 behind the 構成情報.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

from cryptography import x509
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.signer import XMLSigner

from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.proof import sign_and_check
from jpki.signing.signer import DigestSigner, SigningError
from jpki.signing.xml import XmlForm
from jpki.signing.xml_document import (
    SIGNATURE,
    SIGNATURE_NAMESPACE,
    SignxmlMixin,
    XmlError,
    elements_with_id,
    has_instructions,
    parse_xml,
)

_C14N: Final = CanonicalizationMethod.CANONICAL_XML_1_0
_METHODS: Final = {
    (Scheme.PKCS1, HashName.SHA256): SignatureMethod.RSA_SHA256,
    (Scheme.PKCS1, HashName.SHA384): SignatureMethod.RSA_SHA384,
    (Scheme.PKCS1, HashName.SHA512): SignatureMethod.RSA_SHA512,
    (Scheme.PSS, HashName.SHA256): SignatureMethod.SHA256_RSA_MGF1,
    (Scheme.PSS, HashName.SHA384): SignatureMethod.SHA384_RSA_MGF1,
    (Scheme.PSS, HashName.SHA512): SignatureMethod.SHA512_RSA_MGF1,
    (Scheme.ECDSA, HashName.SHA384): SignatureMethod.ECDSA_SHA384,
}
_DIGESTS: Final = {
    HashName.SHA256: DigestAlgorithm.SHA256,
    HashName.SHA384: DigestAlgorithm.SHA384,
    HashName.SHA512: DigestAlgorithm.SHA512,
}
_DS: Final = f"{{{SIGNATURE_NAMESPACE}}}"
_CONTENTS, _SIGNATURES = "構成情報", "署名情報"
_PLACEHOLDER: Final = {"Id": "placeholder"}  # where signxml puts the signature


def demand_signable(data: bytes, form: XmlForm) -> None:
    """Raise SigningError for what could not be signed so."""
    _document(data, form)


def signed(
    data: bytes,
    signer: DigestSigner,
    algorithm: SignatureAlgorithm,
    form: XmlForm,
    name: str,
    files: Mapping[str, bytes],
) -> bytes:
    """The signed XML, UTF-8. ``files``: of the e-Gov form, by name."""
    tree = _document(data, form)
    key = _Key(signer, algorithm)
    chain = () if form is XmlForm.EGOV else signer.chain
    certificates = [x509.load_der_x509_certificate(der) for der in (signer.certificate, *chain)]
    if form in (XmlForm.ENVELOPING, XmlForm.DETACHED):
        method = SignatureConstructionMethod[form.value]
        tool = _Signer(method, key.method, _DIGESTS[algorithm.hash], _C14N)
        uri = quote(name) if form is XmlForm.DETACHED else None
        made = tool.sign(tree.getroot(), key=cast(Any, key), cert=certificates, reference_uri=uri)
        return _written(made.getroottree())
    place = _place(tree, form)
    tool = _EnvelopedSigner(key.method, _DIGESTS[algorithm.hash], files)
    reference = _own_id(tree) if form is XmlForm.EGOV else None
    made = tool.sign(tree.getroot(), key=cast(Any, key), cert=certificates, reference_uri=reference)
    # signxml works on a copy of the root; what stands beside the root is kept in ours.
    filled = made.getroottree().find(tree.getelementpath(place))
    around = place.getparent()
    assert around is not None
    assert filled is not None
    around.replace(place, filled)
    return _written(tree)


class _Signer(SignxmlMixin, XMLSigner):
    """signxml's own three forms."""


class _EnvelopedSigner(_Signer):
    """An enveloped signature over one element or all, and over files besides."""

    def __init__(
        self, method: SignatureMethod, digest: DigestAlgorithm, files: Mapping[str, bytes]
    ) -> None:
        super().__init__(SignatureConstructionMethod.enveloped, method, digest, _C14N)
        self._files = files

    def _build_transforms_for_reference(
        self, *, transforms_node: Any, reference: Any, **_: Any
    ) -> None:
        # The signature does not stand inside a single element that is signed.
        methods = [_C14N.value]
        if not reference.URI:
            methods.insert(0, SignatureConstructionMethod.enveloped.value)
        for method in methods:
            etree.SubElement(transforms_node, _DS + "Transform", Algorithm=method)

    def _build_sig(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        signed_info, value = super()._build_sig(*args, **kwargs)  # type: ignore[no-untyped-call]
        for reference in signed_info.iterfind(_DS + "Reference"):
            uri = reference.get("URI")
            reference.set("URI", uri and "#" + quote(uri.removeprefix("#")))
        for name, content in self._files.items():
            self._add_file(signed_info, name, content)
        return signed_info, value

    def _add_file(self, signed_info: Any, name: str, content: bytes) -> None:
        """A reference to the bytes of a file, without any transform."""
        node = etree.SubElement(signed_info, _DS + "Reference", URI=quote(name))
        method = self.digest_alg.value
        etree.SubElement(node, _DS + "DigestMethod", Algorithm=method)
        digest = self._get_digest(content, self.digest_alg)
        value = etree.SubElement(node, _DS + "DigestValue")
        value.text = base64.b64encode(digest).decode("ascii")


class _Key:
    """What signxml takes for a private key."""

    def __init__(self, signer: DigestSigner, algorithm: SignatureAlgorithm) -> None:
        method = _METHODS.get((algorithm.scheme, algorithm.hash))
        if method is None:
            raise SigningError(
                "signing_unable", scheme=algorithm.scheme.value, hash=algorithm.hash.value
            )
        self.method = method
        self.key_size = 384  # bits; asked for ECDSA only, where it is the only curve
        self._signer = signer
        self._algorithm = algorithm

    def sign(self, data: bytes, *_: object, **__: object) -> bytes:
        """The signature over ``data``; signxml's wishes are those of the algorithm."""
        algorithm = self._algorithm
        return sign_and_check(self._signer, algorithm, algorithm.hash.digest(data))


def _document(data: bytes, form: XmlForm) -> etree._ElementTree:
    """The document, if it can be signed in that form."""
    try:
        tree = parse_xml(data)
    except XmlError as exc:
        raise SigningError("xml_unreadable", reason=exc.values["reason"]) from exc
    if form is XmlForm.ENVELOPED and next(tree.getroot().iter(SIGNATURE), None) is not None:
        # A second signature inside would change what the first one covers.
        raise SigningError("xml_signed_already")
    whole = form is XmlForm.ENVELOPED or (form is XmlForm.EGOV and _own_id(tree) is None)
    if whole and has_instructions(tree):
        # They belong to what URI="" names, and signxml leaves them out.
        raise SigningError("xml_instruction")
    return tree


def _own_id(tree: etree._ElementTree) -> str | None:
    """The reference to the 構成情報, or None for a document that has none with an id."""
    found = elements_with_id(tree.getroot(), _CONTENTS)
    if len(found) > 1:
        raise SigningError("xml_unreadable", reason="duplicate_id")
    return f"#{_CONTENTS}" if found else None


def _place(tree: etree._ElementTree, form: XmlForm) -> etree._Element:
    """An empty signature where it belongs."""
    root = tree.getroot()
    found = elements_with_id(root, _CONTENTS) if form is XmlForm.EGOV else []
    around = root
    if found and found[0].getparent() is not None:
        held = found[0].getnext()
        if held is None or held.tag != _SIGNATURES:
            held = etree.Element(_SIGNATURES)
            found[0].addnext(held)
        around = held
    names = {"ds": SIGNATURE_NAMESPACE}
    return etree.SubElement(around, SIGNATURE, _PLACEHOLDER, nsmap=names)


def _written(tree: etree._ElementTree) -> bytes:
    return etree.tostring(tree, xml_declaration=True, encoding="UTF-8")
