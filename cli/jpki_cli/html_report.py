# SPDX-License-Identifier: Apache-2.0
"""A card check as one page of HTML: self-contained, to print or keep, redacted unless asked.

Style and images are inside; there is no script, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from jpki.verdict import Check, Outcome, Verdict
from jpki_cli import texts
from jpki_cli.render import check_label, clean, reason
from jpki_cli.texts import t

_STYLE = """
body { font: 11pt/1.5 sans-serif; max-width: 48rem; margin: 2rem auto; color: #111; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 1.6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; }
tr { border-bottom: 1px solid #999; }
.mark { background: #a3140f; color: #fff; padding: .2rem .6rem; font-weight: bold; }
.outcome { white-space: nowrap; font-weight: bold; }
.outcome::before { display: inline-block; width: 1.4em; }
.valid::before { content: "\\2713"; } .invalid::before { content: "\\2717"; }
.cannot_tell::before { content: "?"; } .not_run::before { content: "\\2013"; }
figure { display: inline-block; margin: 0 1rem 1rem 0; }
img { max-height: 15rem; border: 1px solid #999; }
small { color: #444; }
@media print { body { margin: 0; } }
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture (PNG) with its caption."""

    caption: str
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """What stands on the page. ``holder``: label and text; redacted rows come as masks.

    ``made``: RFC 3339; ``test``: shown on top, and cannot be left out.
    """

    verdict: Verdict
    test: bool
    card: Sequence[tuple[str, str]]
    holder: Sequence[tuple[str, str]] = field(repr=False)
    figures: Sequence[Figure] = field(repr=False)
    redacted: bool
    made: str


def page(report: Report) -> bytes:
    """The page, UTF-8."""
    title = t("cli.card_report_title")
    parts = [
        "<!doctype html>",
        f'<html lang="{texts.language()}"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f'<p class="mark">{escape(t("cli.test_data"))}</p>' if report.test else "",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_short(report.verdict))}</p>",
        f"<p><small>{escape(report.made)}</small></p>",
        _section(t("cli.card_report_card"), _rows(report.card)),
        _section(t("cli.card_report_holder"), _rows(report.holder) + _figures(report.figures)),
        f"<p><small>{escape(t('cli.card_report_redacted'))}</small></p>" if report.redacted else "",
        _section(t("cli.card_report_checks"), _checks(report.verdict.checks)),
        f"<p><small>{escape(t('cli.disclaimer'))}</small></p>",
        "</body></html>",
    ]
    return ("\n".join(part for part in parts if part) + "\n").encode("utf-8")


def _short(verdict: Verdict) -> str:
    words = [t(f"value.outcome.{verdict.outcome.value}")]
    for label, found in (("cli.genuine", verdict.genuine), ("cli.in_force", verdict.in_force)):
        if found is not None:
            words.append(f"{t(label)}: {t(f'value.headline.{found.value}')}")
    return "   ".join(words)


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    told = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(clean(text))}</td></tr>'
        for name, text in rows
    )
    return f"<table>{told}</table>" if told else ""


def _figures(figures: Iterable[Figure]) -> str:
    return "".join(
        f'<figure><img alt="{escape(figure.caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(figure.png).decode("ascii")}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
        for figure in figures
    )


def _checks(checks: Iterable[Check]) -> str:
    told = "".join(
        f'<tr><td class="outcome {check.outcome.value}">{escape(_outcome(check.outcome))}</td>'
        f"<td>{escape(check_label(check))}</td><td>{escape(clean(reason(check)))}</td></tr>"
        for check in checks
    )
    return f"<table>{told}</table>"


def _outcome(outcome: Outcome) -> str:
    return t(f"value.outcome.{outcome.value}")
