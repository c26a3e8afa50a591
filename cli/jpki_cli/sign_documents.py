# SPDX-License-Identifier: Apache-2.0
"""The options of ``jpki sign`` that only one format knows: CMS, PDF or XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from jpki_cli.clicks import OneOf, UsageFault, option
from jpki_cli.options import PATH, together
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.signing.cms_cosign import Cosign
    from jpki.signing.pdf import PdfOptions, VisibleSignature
    from jpki.signing.xml import XmlOptions

PDF_NAMES: Final = (
    "pdf_profile", "field", "visible", "page", "box", "font", "name", "reason", "location"
)  # fmt: skip
XML_NAMES: Final = ("form", "with_file")
CMS_NAMES: Final = ("cosign", "content", "no_root")

cms_options = together(
    option("--cosign", is_flag=True),
    option("--content", metavar="F", type=PATH),
    option("--no-root", is_flag=True),
)

pdf_options = together(
    option("--pdf-profile", metavar="P", type=OneOf("moj", "pades-b", "pades-t", "pades-lt")),
    option("--field", metavar="NAME"),
    option("--visible", is_flag=True),
    option("--page", metavar="N", type=click.INT),
    option("--box", metavar="L,B,R,T"),
    option("--font", metavar="F", type=PATH),
    option("--name", metavar="TEXT"),
    option("--reason", metavar="TEXT"),
    option("--location", metavar="TEXT"),
)

xml_options = together(
    option("--form", metavar="FORM", type=OneOf("enveloped", "enveloping", "detached", "egov")),
    option("--with-file", metavar="F", multiple=True, type=PATH),
)


def refuse_of_others(wanted: str, given: Mapping[str, Any]) -> None:
    """Refuse options of another format than ``wanted``, rather than leave them unheard."""
    for name, names in (("cms", CMS_NAMES), ("pdf", PDF_NAMES), ("xml", XML_NAMES)):
        if name == wanted:
            continue
        for one in names:
            if given[one]:
                raise UsageFault(
                    "usage_format_option", option="--" + one.replace("_", "-"), format=name
                )


def cms_special(given: Mapping[str, Any]) -> Cosign | None:
    """One more signature in a CMS that is there, if that is asked for."""
    from jpki.signing.cms_cosign import Cosign

    if not given["cosign"]:
        if given["content"]:
            raise UsageFault("usage_missing", option="--cosign")
        return None
    if given["detached"]:
        raise UsageFault("usage_cosign_form")
    return Cosign(given["content"])


def pdf_special(given: Mapping[str, Any]) -> PdfOptions:
    """What was asked of the PDF."""
    from jpki.signing.pdf import PdfOptions, PdfProfile

    return PdfOptions(
        profile=PdfProfile(given["pdf_profile"] or "moj"),
        field_name=given["field"],
        name=given["name"],
        reason=given["reason"],
        location=given["location"],
        visible=_visible(given),
    )


def xml_special(given: Mapping[str, Any]) -> XmlOptions:
    """What was asked of the XML; ``--detached`` is a form of it."""
    from jpki.signing.xml import XmlForm, XmlOptions

    form = given["form"] or ("detached" if given["detached"] else "enveloped")
    if given["detached"] and form != "detached":
        raise UsageFault("usage_two_forms")
    return XmlOptions(XmlForm(form), tuple(given["with_file"]))


def _visible(given: Mapping[str, Any]) -> VisibleSignature | None:
    """What shows on the page; ``--page``, ``--box`` and ``--font`` ask for it too."""
    from jpki.signing.pdf import VisibleSignature

    if not any(given[name] for name in ("visible", "page", "box", "font")):
        return None
    shown = VisibleSignature(text=t("cli.visible_signature", name="{name}", time="{time}"))
    return VisibleSignature(
        page=given["page"] or shown.page,
        box=_box(given["box"]) if given["box"] else shown.box,
        text=shown.text,
        font=given["font"],
    )


def _box(text: str) -> tuple[int, int, int, int]:
    """``L,B,R,T`` in points."""
    try:
        left, bottom, right, top = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageFault("usage_box") from None
    if not (0 <= left < right and 0 <= bottom < top):
        raise UsageFault("usage_box")
    return left, bottom, right, top
