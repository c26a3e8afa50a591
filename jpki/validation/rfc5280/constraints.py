# SPDX-License-Identifier: Apache-2.0
"""Name constraints, as far as the library underneath misses something in them.

Source: [RFC5280 4.2.1.10]. What it compares well is not compared again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jpki.certificate import der, extensions
from jpki.validation.rfc5280.certificate import NAME_CONSTRAINTS, AnyCertificate

_DNS_NAME: Final = 0x82
_PERMITTED, _EXCLUDED = 0xA0, 0xA1


def names_in(certificate: AnyCertificate) -> int:
    """About how many names it has, or constraints on names: items two levels down."""
    count = 1
    for oid in (extensions.SUBJECT_ALT_NAME, NAME_CONSTRAINTS):
        extension = certificate.extensions.get(oid)
        if extension is None:
            continue
        for item in der.whole(extension.value).reader().rest():
            count += 1 + (sum(1 for _ in item.reader().rest()) if item.tag & 0x20 else 0)
    return count


def constraint_fault(path: Sequence[AnyCertificate]) -> str | None:
    """What is wrong with the constraints on a path, from the anchor down; a code, or None.

    An empty constraint constrains nothing and is not allowed. A wildcard stands for every
    name below it, so it is excluded where one of them is.
    """
    excluded: list[str] = []
    for certificate in path:
        if any(
            _covers(wildcard, name) for wildcard in _wildcards(certificate) for name in excluded
        ):
            return "path_name_constraints"
        extension = certificate.extensions.get(NAME_CONSTRAINTS)
        if extension is None:
            continue
        try:
            excluded += _excluded(extension.value)
        except der.DerError:
            return "path_name_constraints"
    return None


def _excluded(value: bytes) -> list[str]:
    """The dNSNames a NameConstraints excludes. Raises DerError for an empty one."""
    reader = der.whole(value).reader()
    subtrees = {tag: node for tag in (_PERMITTED, _EXCLUDED) if (node := reader.optional(tag))}
    reader.done()
    if not subtrees or not all(node.value for node in subtrees.values()):
        raise der.DerError("empty", 0)
    if _EXCLUDED not in subtrees:
        return []
    bases = [item.reader().next() for item in subtrees[_EXCLUDED].reader().rest()]
    return [_text(base) for base in bases if base.tag == _DNS_NAME]


def _wildcards(certificate: AnyCertificate) -> list[str]:
    """What stands after «*.» in its dNSNames."""
    extension = certificate.extensions.get(extensions.SUBJECT_ALT_NAME)
    if extension is None:
        return []
    names = [node for node in der.whole(extension.value).reader().rest() if node.tag == _DNS_NAME]
    return [text[2:] for text in map(_text, names) if text.startswith("*.")]


def _covers(wildcard: str, name: str) -> bool:
    return name == wildcard or name.endswith(f".{wildcard}")


def _text(node: der.Node) -> str:
    return node.value.decode("latin-1").lower().removeprefix(".")
