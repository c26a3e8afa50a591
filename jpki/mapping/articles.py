# SPDX-License-Identifier: Apache-2.0
"""Article numbers that moved: whether a citation fits the day it claims to be of.

From the texts of 2015 and 2022 that were read: the day in between on which a number changed
is not among the sources, so a citation of those years is «cannot tell», not «right».
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from jpki.mapping.policy import Category, LegalBasis, Purpose

ALIASES = {
    "マイナンバー法": "番号法",
    "行政手続における特定の個人を識別するための番号の利用等に関する法律": "番号法",
    "電子署名等に係る地方公共団体情報システム機構の認証業務に関する法律": "公的個人認証法",
    "住民基本台帳法": "住基法",
}


class Fit(StrEnum):
    """Whether a citation fits its ``as_of``."""

    FITS = "fits"
    MOVED = "moved"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Moved:
    """One matter whose number changed. ``old`` read as of ``old_seen``, ``new`` of ``new_seen``."""

    act: str
    matter: str
    old: str
    old_seen: date
    new: str
    new_seen: date


# Sources: the designated cities' report (2015), ministries' slides (2022), pages on JPKI.
MOVED = (
    Moved("番号法", "ordinance_passing", "19条9号", date(2015, 12, 31), "19条11号",
          date(2022, 1, 1)),
    Moved("番号法", "committee_rule", "19条14号", date(2015, 12, 31), "19条9号", date(2022, 1, 1)),
    Moved("番号法", "pia", "27条", date(2015, 12, 31), "28条", date(2022, 1, 1)),
    Moved("公的個人認証法", "card_phone_number", "18条3項", date(2016, 12, 31), "18条4項",
          date(2024, 1, 1)),
    Moved("公的個人認証法", "latest_info", "", date(2016, 12, 31), "18条3項", date(2024, 1, 1)),
    Moved("犯収法施行規則", "jpki", "6条1項1号カ", date(2027, 3, 31), "6条1項1号ヌ",
          date(2027, 4, 1)),
)  # fmt: skip
# «jpki» of 犯収法: the identity check by certificate. An empty ``old``: there was none then.
MATTERS = frozenset(moved.matter for moved in MOVED)


@dataclass(frozen=True, slots=True)
class ArticleFinding:
    """A citation that does not fit, or may not. ``expected``: the number on that day, if known."""

    basis: LegalBasis
    fit: Fit
    matter: str
    expected: str


def normal(basis: LegalBasis) -> tuple[str, str]:
    """Act and article in one spelling: 第19条第9号 and 19条 + 9号 are the same."""
    act = unicodedata.normalize("NFKC", basis.act).strip()
    article = unicodedata.normalize("NFKC", f"{basis.article}{basis.item}")
    return ALIASES.get(act, act), re.sub(r"第|\s", "", article)


def fit_of(basis: LegalBasis, matter: str = "") -> ArticleFinding | None:
    """What is wrong with a citation, or None. ``matter``: what it is cited for, if it says not."""
    act, article = normal(basis)
    matter = basis.matter or matter
    for moved in MOVED:
        if moved.act != act or article not in (moved.old, moved.new):
            continue
        if matter and matter != moved.matter:
            continue
        if finding := _fit(basis, article, moved, certain=bool(matter)):
            return finding
    return None


def _fit(basis: LegalBasis, article: str, moved: Moved, *, certain: bool) -> ArticleFinding | None:
    if basis.as_of <= moved.old_seen:
        expected = moved.old
    elif basis.as_of >= moved.new_seen:
        expected = moved.new
    else:
        return ArticleFinding(basis, Fit.UNCLEAR, moved.matter, "")
    if article == expected:
        return None
    # The same number may be right for another matter: say so only where that is excluded.
    fit = Fit.MOVED if certain or not _right_elsewhere(basis, article) else Fit.UNCLEAR
    return ArticleFinding(basis, fit, moved.matter, expected)


def _right_elsewhere(basis: LegalBasis, article: str) -> bool:
    return any(
        (article == other.new and basis.as_of >= other.new_seen)
        or (article == other.old and basis.as_of <= other.old_seen)
        for other in MOVED
        if other.act == normal(basis)[0]
    )


def citations(purpose: Purpose) -> Iterator[tuple[LegalBasis, str]]:
    """Every citation of a purpose, with the matter that its place in the policy implies."""
    if purpose.legal_basis is not None:
        own = purpose.category is Category.ORDINANCE
        yield purpose.legal_basis, "ordinance_passing" if own else ""
    scope = purpose.ordinance_scope
    if scope is not None and scope.passing is not None:
        yield scope.passing, scope.passing.matter or "ordinance_passing"
    if purpose.evidence is not None:
        yield purpose.evidence.legal_basis, ""


def article_findings(purpose: Purpose) -> tuple[ArticleFinding, ...]:
    """The citations of a purpose that do not fit their day."""
    found = (fit_of(basis, matter) for basis, matter in citations(purpose))
    return tuple(finding for finding in found if finding is not None)
