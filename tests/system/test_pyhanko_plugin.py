# SPDX-License-Identifier: Apache-2.0
"""pyHanko's own program signs with an emulated card through our plug-in."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from document_bench import codes, small_pdf, verdict_on
from jpki.verdict import Outcome
from signing_bench import judge

pytestmark = pytest.mark.system

PYHANKO = Path(sys.executable).with_name("pyhanko")


def pyhanko(
    *words: str, folder: Path, stdin: str = "", lang: str = "en"
) -> subprocess.CompletedProcess[str]:
    """``pyhanko sign addsig`` with those words."""
    return subprocess.run(
        [str(PYHANKO), "sign", "addsig", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "JPKI_LANG": lang},
    )


@pytest.mark.parametrize("profile", [[], ["--use-pades"]], ids=["adbe", "pades"])
def test_pyhanko_signs_with_the_card(profile: list[str], tmp_path: Path) -> None:
    (tmp_path / "in.pdf").write_bytes(small_pdf("amount"))
    done = pyhanko(
        "--field", "Sig1", *profile, "jpki", "--reader", "virtual:hanako", "--pin-fd", "0",
        "in.pdf", "out.pdf", folder=tmp_path, stdin="ABC123\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    today = judge(at=datetime.now(UTC).replace(microsecond=0))
    found = verdict_on((tmp_path / "out.pdf").read_bytes(), tmp_path, by=today)
    assert found.outcome is Outcome.VALID, codes(found)


def test_wrong_pin_ends_as_in_our_own_program(tmp_path: Path) -> None:
    (tmp_path / "in.pdf").write_bytes(small_pdf())
    done = pyhanko(
        "--field", "Sig1", "jpki", "--reader", "virtual:hanako", "--pin-fd", "0",
        "in.pdf", "out.pdf", folder=tmp_path, stdin="WRONG1\n",
    )  # fmt: skip
    assert done.returncode == 4
    assert "4 tries are left" in done.stderr
    assert "WRONG1" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pdf").exists()


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "My Number card"), ("ja", "マイナンバーカード")]
)
def test_help_speaks_both_languages(lang: str, words: str, tmp_path: Path) -> None:
    assert words in pyhanko("--help", folder=tmp_path, lang=lang).stdout
    assert "--pin-fd" in pyhanko("jpki", "--help", folder=tmp_path, lang=lang).stdout
