# SPDX-License-Identifier: Apache-2.0
"""The guides keep what they promise: each flow in under 30 lines, a new service in six steps.

That their snippets run is for ``tests/test_docs.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import doc_pages

DOCS = Path(__file__).resolve().parents[3] / "docs"
CLASSES = (
    "PseudonymService", "Eligibility", "IdentityProofing", "FormFilling", "AgeCheck", "FaceCheck",
    "NumberGiving", "Application", "Konbini", "Shelter", "Watch",
)  # fmt: skip

pytestmark = pytest.mark.checkout


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_flow_takes_less_than_thirty_lines(language: str) -> None:
    found = [s for s in doc_pages.snippets(DOCS / language / "flows.md") if s.language == "python"]
    shown = {name for s in found for name in CLASSES if re.search(rf"flow = {name}\(", s.text)}
    assert shown == set(CLASSES)
    assert [s.line for s in found if len(s.text.splitlines()) >= 30] == []


@pytest.mark.parametrize(("language", "step"), [("en", "Step {}:"), ("ja", "手順{}：")])
def test_a_new_service_takes_six_steps_and_at_most_half_an_hour(language: str, step: str) -> None:
    text = (DOCS / language / "new-service.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, re.M)
    assert [head.startswith(step.format(n)) for n, head in enumerate(heads, 1)] == [True] * 6
    minutes = [int(found) for head in heads for found in re.findall(r"(\d+) ?(?:minute|分)", head)]
    assert len(minutes) == 6
    assert sum(minutes) <= 30
