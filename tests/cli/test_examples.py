# SPDX-License-Identifier: Apache-2.0
"""The examples of ``--help``, run as they are written, by somebody with an emulated card."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from command_line import NOW, Cli
from jpki.messages import text
from jpki.synth import SynthPki
from jpki_cli.clicks import Tree
from jpki_cli.tree import TREE

AUTH, SIGN, TEXT, NUMBER_B, BIRTH = "1234", "ABC123", "1234", "55021720352285", "550217"


@dataclass(frozen=True, slots=True)
class Run:
    """One line, what is typed when it asks, and how it ends."""

    line: str
    typed: tuple[str, ...] = ()
    code: int = 0


MAP = "jpki map init --db map.db --key-file map.keys --trust test --policy"
STORE = "--db map.db --key-file map.keys"

# Each in a folder of its own. Lines that are no examples come before those that need them.
STORIES: dict[str, tuple[Run, ...]] = {
    "first steps": (
        Run("jpki demo --no-pause"),
        Run("jpki completion bash"),
        Run("jpki reader probe"),
        Run("jpki pin unblock auth"),
        Run("jpki emulate --card hanako --show-pins --json"),
    ),
    "card": (
        Run("jpki card info"),
        Run("jpki card read attributes", (TEXT,)),
        Run("jpki card read name,birth --reader virtual:hanako", (TEXT,)),
        Run("jpki card read face --with number-b --out .", (NUMBER_B,)),
        Run("jpki card read age --at-least 20", (BIRTH,)),
        Run("jpki card check --with text,auth", (TEXT, AUTH)),
        Run("jpki card check --reader virtual:hanako --trust test --with text,auth", (TEXT, AUTH)),
        Run("jpki pin status"),
        Run("jpki pin status auth sign"),
        Run("jpki pin check text", (TEXT,)),
        Run("jpki pin change auth", (AUTH, "8765", "8765")),
        Run("jpki trace --out card.trace -- card info"),
        Run("jpki trace --out new.trace --like card.trace -- card info --reader virtual:hanako"),
        Run("jpki trace --replayable --out info.replay -- card info --reader virtual:hanako"),
    ),
    "documents": (
        Run("jpki cert show auth"),
        Run("jpki cert export auth --format pem --out auth.pem"),
        Run("jpki cert export auth-ca --format pem --out ca.pem"),
        Run("jpki sign contract.txt --as cms --detached", (SIGN, "y")),
        Run("jpki verify contract.txt.p7s --content contract.txt"),
        Run(
            "jpki auth challenge --origin https://example.jp --purpose login --ttl 300 --out c.json"
        ),
        Run("jpki auth respond c.json --out r.json", (AUTH,)),
        Run("jpki auth verify r.json --challenge c.json --trust test"),
        Run("jpki chain check auth.pem --trust test"),
        Run("jpki chain check auth.pem --chain ca.pem --crl crls/"),
        Run("jpki crl index lists/ --store store --trust test"),
        Run("jpki crl check auth.pem --store store --trust test"),
        Run("jpki crl info --store store"),
    ),
    "library": (
        Run("jpki map init --db map.db --key-file map.keys --policy library --trust test"),
        Run(
            f"jpki map challenge {STORE} --policy library --trust test --operation resolve "
            "--out c.json"
        ),
        Run(
            f"jpki map enrol {STORE} --policy library --actor terminal-1 --reader virtual:hanako "
            "--trust test",
            (AUTH,),
        ),
        Run(
            f"jpki map resolve {STORE} --policy library --actor terminal-1 --reader virtual:hanako "
            "--trust test",
            (AUTH,),
        ),
        Run(
            f"jpki map disclose {STORE} --policy library --actor terminal-1 "
            "--reader virtual:hanako --trust test",
            (AUTH,),
        ),
        Run(f"jpki map ledger checkpoint {STORE} --out kept.json"),
        Run(f"jpki map ledger verify {STORE}"),
        Run(f"jpki map ledger verify {STORE} --checkpoint kept.json --json"),
        Run(f"jpki map report {STORE} --since 2026-04-01T00:00:00+09:00"),
        Run(f"jpki map rotate {STORE} --service library"),
        Run(
            f"jpki map erase {STORE} --policy library --actor terminal-1 --reader virtual:hanako "
            "--trust test",
            (AUTH,),
        ),
    ),
    "policies": (
        Run("jpki map policy check --policy konbini"),
        Run(
            "jpki map policy explain --policy konbini --purpose issue-residence-certificate "
            "--operation resolve --actor kiosk-07"
        ),
        Run(
            "jpki map policy explain --policy refusals --purpose hands-free --operation resolve "
            "--actor terminal-1 --deed body-as-key",
            code=1,
        ),
        Run("jpki map policy diff library school"),
    ),
    "consent": (
        Run(f"{MAP} city-id"),
        Run(
            f"jpki map enrol {STORE} --policy city-id --actor web-1 --reader virtual:hanako "
            "--trust test",
            (SIGN,),
        ),
        Run(
            f"jpki map consent give {STORE} --policy city-id --actor web-1 --reader virtual:hanako "
            "--trust test",
            (SIGN,),
        ),
        Run(
            f"jpki map consent due {STORE} --policy city-id --actor staff-3 "
            "--document reminder-2026-11 --trust test"
        ),
        Run(
            f"jpki map consent withdraw {STORE} --policy city-id --key sign --actor web-1 "
            "--reader virtual:hanako --trust test",
            (SIGN,),
        ),
    ),
    "two media": (
        Run(f"{MAP} phone"),
        Run(
            f"jpki map enrol {STORE} --policy phone --actor terminal-1 --reader virtual:hanako "
            "--trust test",
            (AUTH,),
        ),
        Run(
            f"jpki map link {STORE} --policy phone --actor terminal-1 --kind card-phone "
            "--known-reader virtual:hanako --reader virtual:android --trust test",
            (AUTH, AUTH),
        ),
    ),
    "recheck": (
        Run(f"{MAP} eligibility"),
        Run(f"jpki map recheck {STORE} --policy eligibility --actor terminal-1 --trust test"),
    ),
    "terminal": (Run("jpki kiosk token --out kiosk-01.token"),),
}

# What needs another party, and where it runs instead.
ELSEWHERE = {
    "jpki doctor": "tests/cli/test_doctor.py",
    "jpki doctor --json": "tests/cli/test_doctor.py",
    "jpki reader list": "tests/system: pcscd",
    "jpki reader wait": "tests/system: pcscd",
    "jpki emulate --card hanako": "tests/system: pcscd",
    "jpki kiosk serve": "tests/system: a browser",
    "jpki kiosk half": "tests/system: a terminal",
    "jpki kiosk desk": "tests/jpki/kiosk/shelter",
    "jpki batch verify": "tests/cli/test_batch.py: long lists, a cluster",
    "jpki crl index https:": "tests/system: a web server",
    "jpki crl watch": "tests/cli/test_crl.py: a list that is kept",
    "jpki verify document.pdf": "tests/cli/test_verify_issued.py: an issuer",
    "jpki map policy check --policy my-policy.toml": "a policy of one's own",
    "jpki map init --db postgresql:": "tests/system: PostgreSQL",
    "jpki map enrol --db map.db --key-file map.keys --policy library --actor terminal-1 --trust "
    "test --presentation": "tests/cli/test_map.py: an answer that came in",
    "jpki map refresh": "tests/cli/test_map_keeping.py: a certificate that ended",
    "jpki map latest-info": "tests/cli/test_map_keeping.py: a platform operator",
    "jpki map consent list": "tests/cli/test_map.py: a pseudonym of this map",
    "jpki map evidence": "tests/cli/test_map_keeping.py: a second database",
    "jpki map suspend": "tests/cli/test_map.py: a pseudonym of this map",
    "jpki map suppress": "tests/cli/test_map.py: a pseudonym of this map",
    "jpki map close": "tests/cli/test_map.py: a pseudonym of this map",
}


def _examples(tree: Tree, place: str = "") -> Iterator[str]:
    for name, entry in tree.items():
        if isinstance(entry, str):
            yield from text(f"example.{place}{name}", "en").split("\n")
        else:
            yield from _examples(entry, f"{place}{name}.")


EXAMPLES = tuple(_examples(TREE))


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("story", STORIES)
def test_examples_run_as_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: str, lang: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.txt").write_text("I agree.\n")
    for folder in ("crls", "lists"):
        (tmp_path / folder).mkdir()
        for number, crl in enumerate(SynthPki(NOW).crls()):
            (tmp_path / folder / f"{number}.crl").write_bytes(crl)
    env = {"JPKI_READER": "virtual:hanako", "JPKI_TRUST": "test", "JPKI_LANG": lang}
    for run in STORIES[story]:
        program, *words = shlex.split(run.line)
        done = cli(*words, typed=list(run.typed), env=env)
        assert (program, done.code) == ("jpki", run.code), f"{run.line}\n{done.err}"


def test_every_example_runs_here_or_elsewhere() -> None:
    told = {run.line for story in STORIES.values() for run in story}
    for line in EXAMPLES:
        elsewhere = any(line.startswith(start) for start in ELSEWHERE)
        assert line in told or elsewhere, line
    for start in ELSEWHERE:
        assert any(line.startswith(start) for line in EXAMPLES), start
