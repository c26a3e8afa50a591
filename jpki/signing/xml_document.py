# SPDX-License-Identifier: Apache-2.0
"""XML read without a document type, entities or network. Needs the extra ``xml``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from jpki.errors import JpkiError

SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f"{{{SIGNATURE_NAMESPACE}}}Signature"
ID_NAMES = ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id")


class XmlError(JpkiError):
    """Bytes that are no XML we read. ``reason``: not_xml, doctype, entity."""

    default_code = "xml_form"


def parse_xml(data: bytes) -> etree._ElementTree:
    """The document. A document type is refused: with it, two readers see two documents."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise XmlError(reason="not_xml") from exc
    tree = root.getroottree()
    about: Any = tree.docinfo
    if about.doctype or about.internalDTD is not None:
        raise XmlError(reason="doctype")
    if next(root.iter(etree.Entity), None) is not None:
        raise XmlError(reason="entity")
    return tree


def elements_with_id(root: etree._Element, wanted: str) -> list[etree._Element]:
    """Every element that calls itself ``wanted``, by any of the usual attributes."""
    return [
        element
        for element in elements(root)
        if any(element.get(name) == wanted for name in ID_NAMES)
    ]


def elements(root: etree._Element) -> Iterator[etree._Element]:
    """The elements below and with ``root``, without comments and instructions."""
    return root.iter("*")


def has_instructions(tree: etree._ElementTree) -> bool:
    """Whether processing instructions stand beside the root (a style sheet, for one)."""
    root = tree.getroot()
    beside = (*root.itersiblings(), *root.itersiblings(preceding=True))
    return any(isinstance(node, etree._ProcessingInstruction) for node in beside)


class SignxmlMixin:
    """Mends two ways of signxml, for its signer and its verifier alike.

    It copies by way of ASCII, where Japanese names of elements cannot stand; and it
    canonicalises an element inside its document, where libxml2 takes a default namespace of
    an ancestor away from the children.
    """

    def _tostring(self, xml_node: Any, **options: Any) -> bytes:
        return bytes(etree.tostring(xml_node, encoding="UTF-8", **options))

    def _c14n(
        self, nodes: Any, algorithm: Any, inclusive_ns_prefixes: list[str] | None = None
    ) -> bytes:
        alone = etree.tostring(nodes, encoding="UTF-8", with_tail=False)
        return bytes(
            etree.tostring(
                parse_xml(alone).getroot(),
                method="c14n",
                exclusive=algorithm.value.startswith("http://www.w3.org/2001/10/xml-exc-c14n#"),
                with_comments=False,
                inclusive_ns_prefixes=inclusive_ns_prefixes,
            )
        )
