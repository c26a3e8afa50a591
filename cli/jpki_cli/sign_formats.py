# SPDX-License-Identifier: Apache-2.0
"""What ``jpki sign`` knows of each format: how its files are called, which options it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jpki_cli.options import together
from jpki_cli.sign_documents import (
    cms_options,
    cms_special,
    pdf_options,
    pdf_special,
    refuse_of_others,
    xml_options,
    xml_special,
)

if TYPE_CHECKING:
    from jpki.signing.document import Prepared

_SUFFIXES: Final = {"cms": ".p7m", "pdf": ".signed.pdf", "xml": ".signed.xml", "raw": ".sig"}
_SPECIAL: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "cms": cms_special,
    "pdf": pdf_special,
    "xml": xml_special,
}
FORMATS: Final = tuple(_SUFFIXES)

format_options = together(cms_options, pdf_options, xml_options)
"""The options that belong to single formats."""


def special(name: str, given: Mapping[str, Any]) -> object | None:
    """What only that format knows, from the options given. Raises UsageFault."""
    refuse_of_others(name, given)
    reader = _SPECIAL.get(name)
    return reader(given) if reader else None


def before(prepared: Prepared) -> int:
    """How many signed the file already, whose signatures stay beside the new one (count)."""
    from jpki.signing.cms_cosign import Joined

    return prepared.special.signers if isinstance(prepared.special, Joined) else 0


def target(source: Path, name: str, *, detached: bool, cosign: bool) -> Path:
    """Where the signed file goes when nobody says: beside its source."""
    if cosign:
        return source.with_name(f"{source.stem}.cosigned{source.suffix}")
    if name == "cms" and detached:
        return source.with_name(source.name + ".p7s")
    if name in ("pdf", "xml"):
        return source.with_name(source.stem + _SUFFIXES[name])
    return source.with_name(source.name + _SUFFIXES[name])
