# SPDX-License-Identifier: Apache-2.0
"""Compile ``po/LANG/*.po`` to ``LANG.mo``: ``python -m jpki.messages.generate``. Needs Babel."""

from __future__ import annotations

import io
from pathlib import Path

from jpki.messages import SPOKEN

HERE = Path(__file__).parent


def compiled(lang: str) -> bytes:
    """The .mo bytes for ``lang``, the same for the same sources."""
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    class Plain(Catalog):
        """Its header tells neither when nor with which Babel it was made."""

        def _get_mime_headers(self) -> list[tuple[str, str]]:
            plural = f"nplurals={self.num_plurals}; plural={self.plural_expr};"
            return [("Content-Type", "text/plain; charset=utf-8"), ("Plural-Forms", plural)]

        mime_headers = property(_get_mime_headers)

    locale = lang.partition("-")[0]  # for plurals
    whole = Plain(locale=locale, charset="utf-8", header_comment="")
    for source in sorted((HERE / "po" / lang).glob("*.po")):
        part = read_po(io.BytesIO(source.read_bytes()), locale=locale, abort_invalid=True)
        for message in part:
            if not message.id:
                continue
            if message.id in whole:
                raise SystemExit(f"{source}: {message.id} is defined twice")
            whole.add(message.id, message.string)
    out = io.BytesIO()
    write_mo(out, whole)
    return out.getvalue()


if __name__ == "__main__":
    for language in SPOKEN:
        (HERE / f"{language}.mo").write_bytes(compiled(language))
