# SPDX-License-Identifier: Apache-2.0
"""Name constraints of a path, for every form that has subtrees.

What cannot be compared is refused when a name of that form comes up, as [RFC5280 4.2.1.10]
demands. Source: [RFC5280 6.1.3 b, c], [RFC5280 6.1.4 g].
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from jpki.certificate import der
from jpki.validation.rfc5280.certificate import NAME_CONSTRAINTS, AnyCertificate
from jpki.validation.rfc5280.subject_names import (
    DNS,
    name_keys,
    names_of,
    parents,
    subtree_key,
    wildcard_host,
)

_PERMITTED, _EXCLUDED = 0xA0, 0xA1
# By form, the keys of its subtrees; None among them is one that cannot be compared.
_Subtrees = dict[int, set[Hashable | None]]
_OUTSIDE: Final = "path_name_constraints"
_UNCLEAR: Final = "path_constraints_unclear"


def constraint_fault(path: Sequence[AnyCertificate]) -> str | None:
    """What is wrong with names and constraints of a path, from the anchor down; a code, or None.

    The anchor's own constraints count. An empty constraint constrains nothing and is not
    allowed.
    """
    limits = _Limits()
    try:
        for certificate in path:
            if certificate is path[-1] or not certificate.self_issued:
                code = limits.fault(certificate)
                if code is not None:
                    return code
            extension = certificate.extensions.get(NAME_CONSTRAINTS)
            if extension is not None:
                limits.add(extension.value)
    except der.DerError:
        return _UNCLEAR
    return None


class _Limits:
    """What the authorities passed so far allow. ``_permitted``: one of each authority, and a
    name has to be inside all of them. ``_beside``: hosts above an excluded one."""

    def __init__(self) -> None:
        self._permitted: list[_Subtrees] = []
        self._excluded: _Subtrees = {}
        self._beside: set[str] = set()

    def add(self, value: bytes) -> None:
        """Take in a NameConstraints. Raises DerError."""
        reader = der.whole(value).reader()
        permitted, excluded = reader.optional(_PERMITTED), reader.optional(_EXCLUDED)
        reader.done()
        if permitted is None and excluded is None:
            raise der.DerError("empty", 0)
        if permitted is not None:
            self._permitted.append(_subtrees(permitted))
        if excluded is not None:
            for form, keys in _subtrees(excluded).items():
                self._excluded.setdefault(form, set()).update(keys)
                if form == DNS:
                    self._beside.update(*map(parents, keys))

    def fault(self, certificate: AnyCertificate) -> str | None:
        """What is wrong with a name of the certificate, or None. Raises DerError."""
        for form, name in names_of(certificate):
            applying = [trees[form] for trees in self._permitted if form in trees]
            excluded = self._excluded.get(form, set())
            if not applying and not excluded:
                continue
            keys = name_keys(form, name)
            if keys is None or any(None in trees for trees in (*applying, excluded)):
                return _UNCLEAR
            if keys & excluded or wildcard_host(name) in self._beside:
                return _OUTSIDE
            if not all(keys & trees for trees in applying):
                return _OUTSIDE
        return None


def _subtrees(node: der.Node) -> _Subtrees:
    """GeneralSubtrees by form. Raises DerError for none, and for minimum and maximum."""
    found: _Subtrees = {}
    for item in der.sequences(node):
        reader = item.reader()
        base = reader.next()
        reader.done()
        found.setdefault(base.tag, set()).add(subtree_key(base))
    if not found:
        raise der.DerError("empty", node.start)
    return found
