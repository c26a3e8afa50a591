# SPDX-License-Identifier: Apache-2.0
"""PDF and XML signed and verified with marked secrets, and a search of all that came out.

The libraries underneath log too, and what a file holds of its signer is shown to a person.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from document_bench import XML, small_pdf
from issued import HANAKO, ISSUER
from jpki.kiosk.documents.contents import DocumentKind, content_of
from jpki.kiosk.documents.issuing import issue_document
from secret_card import ADDRESS, CARD, NAME, PINS
from secret_runs import hits, marks_of, run, run_one

TRUST = "--trust test"
RUNS = [
    run("sign a.pdf --as pdf --visible --debug", PINS["sign"], shows="person"),
    run("sign a.pdf --as pdf --out b.pdf --json --debug", PINS["sign"]),
    run("sign a.pdf --as pdf --out c.pdf --debug", "WRONG1", exit=4),
    run("sign a.pdf --as pdf --pdf-profile pades-lt --out c.pdf --debug", PINS["sign"], exit=1),
    run("sign a.xml --as xml --debug", PINS["sign"], shows="person"),
    run("sign a.xml --as xml --form enveloping --out b.xml --json --debug", PINS["sign"]),
    run(f"verify a.signed.pdf {TRUST} --profile moj --debug", shows="person"),
    run(f"verify a.signed.pdf {TRUST} --json --debug"),
    run(f"verify a.signed.xml {TRUST} --debug", shows="person"),
    run(f"verify a.signed.xml {TRUST} --json --debug"),
    run(f"verify issued.pdf {TRUST} --debug"),
    run(f"verify issued.pdf {TRUST} --json --debug"),
    run(f"verify issued.pdf {TRUST} --reveal content --debug", shows="person"),
    run(f"verify issued.jws {TRUST} --debug"),
]


@pytest.fixture
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "secrets.toml"
    path.write_text(CARD, encoding="utf-8")
    return path


def test_signed_documents(card_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    marks = marks_of(card_file)
    # Digests are shown; that of this PDF holds no PIN's four digits by chance.
    Path("a.pdf").write_bytes(small_pdf("total"))
    Path("a.xml").write_bytes(XML)
    person = replace(HANAKO, name=NAME, address=ADDRESS)
    content = content_of(DocumentKind.RESIDENCE, person)
    issued = issue_document(content, ISSUER, now=datetime.now(UTC) - timedelta(hours=1))
    Path("issued.pdf").write_bytes(issued.pdf)
    Path("issued.jws").write_text(issued.statement)
    for one in RUNS:
        code, out, err, log = run_one(one, card_file, tmp_path, "en")
        assert code == one.exit, (one.command, err)
        assert hits(out, marks, one.shows) == [], one.command
        assert hits(err, marks, frozenset()) == [], one.command
        assert hits(log, marks, frozenset()) == [], one.command
