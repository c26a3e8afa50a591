# SPDX-License-Identifier: Apache-2.0
"""The documentation site: ``sphinx-build -W docs build/docs``."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from jpki import __version__

project = "jpki"
author = "the jpki authors"
copyright = "the jpki authors, Apache-2.0"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
exclude_patterns = ["_build"]
language = "en"

html_theme = "furo"
html_title = "jpki"
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
nitpicky = False

suppress_warnings = ["ref.python"]  # two classes of one name are told apart by their module

# Pages link to files of the repository as a reader of the repository sees them. On the site
# those files are pages below ``project``, made here; other files have no page.
HERE = Path(__file__).resolve().parent
_NAMES = ("hardware", "SECURITY", "CHANGELOG", "CONTRIBUTING")
_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)*)([\w./-]+)(#[^)]*)?\)")


def _for_site(text: str, *, guide: bool) -> str:
    """``text`` with its links as the site has them. ``guide``: it lies in docs/LANG."""

    def link(match: re.Match[str]) -> str:
        words, up, target, anchor = match[1], match[2], match[3], match[4] or ""
        inside = not up if guide else target.startswith("docs/")
        if inside:
            place = target if guide else f"../../{target.removeprefix('docs/')}"
            return f"[{words}]({place}{anchor})"
        name = target.removesuffix(".md")
        if name in _NAMES and (up == "../../" or not guide):
            return f"[{words}]({'../project/pages/' if guide else ''}{name}.md{anchor})"
        return words

    return _LINK.sub(link, text)


def _project_pages() -> None:
    folder = HERE / "project" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _NAMES:
        text = (HERE.parent / f"{name}.md").read_text("utf-8")
        page, made = folder / f"{name}.md", _for_site(text, guide=False)
        if not page.exists() or page.read_text("utf-8") != made:
            page.write_text(made, "utf-8")


def _on_the_site(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname.startswith(("en/", "ja/")):
        source[0] = _for_site(source[0], guide=True)


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    _project_pages()
    app.connect("source-read", _on_the_site)
