# SPDX-License-Identifier: Apache-2.0
"""``jpki batch verify``: exit codes, trust, resumption, and what it says when it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from batch_rows import AT, bench, expected, read, rows, short, write
from command_line import Cli, schema_of

COUNT = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows, their signers, and the lists of which one names one of them."""
    write(tmp_path / "in.ndjson", rows(COUNT))
    signers = [{"signer": name, "certificate": der} for name, der in bench().signers.items()]
    write(tmp_path / "signers.csv", signers)
    (tmp_path / "crls").mkdir()
    for n, crl in enumerate(bench().setup.crls):
        (tmp_path / "crls" / f"{n}.crl").write_bytes(crl)
    return tmp_path


def words(folder: Path, *more: str, given: str = "in.ndjson", out: str = "out.ndjson") -> list[str]:
    return [
        "batch", "verify", str(folder / given), "--out", str(folder / out),
        "--signers", str(folder / "signers.csv"), "--workers", "1", "--at", AT.isoformat(),
        "--crl", str(folder / "crls"), *more,
    ]  # fmt: skip


def without(typed: list[str], *gone: str) -> list[str]:
    return [word for word in typed if word not in gone]


def test_verdicts(cli: Cli, folder: Path) -> None:
    done = cli(*words(folder, "--trust", "test", "--json"))
    assert done.code == 1, done.err
    assert done.json["rows"] == COUNT
    assert short(folder / "out.ndjson") == expected(COUNT)
    line = Draft202012Validator(schema_of({"schema": "jpki.batch_verdict/1"}))
    for row in read(folder / "out.ndjson"):
        line.validate(row)


GOOD = {"id": "a", "signer": "s1"}
EXITS = [
    pytest.param([GOOD, GOOD], "test", 0, id="all valid"),
    pytest.param([GOOD, {"id": "b", "signer": "nobody"}], "test", 1, id="one invalid"),
    pytest.param([GOOD], "production", 1, id="test certificates in production"),
]


@pytest.mark.parametrize(("made", "trust", "code"), EXITS)
def test_exit_codes(
    cli: Cli, folder: Path, made: list[dict[str, Any]], trust: str, code: int
) -> None:
    write(folder / "in.ndjson", made)
    assert cli(*words(folder, "--trust", trust)).code == code


def test_cannot_tell_is_5(cli: Cli, folder: Path) -> None:
    write(folder / "in.ndjson", [GOOD])
    done = cli(*words(folder, "--trust", "test", "--prefer", "both"))
    assert done.code == 5
    assert read(folder / "out.ndjson")[0]["code"] == "one_source_only"


def test_trust_of_the_environment_is_not_taken(cli: Cli, folder: Path) -> None:
    cli.env["JPKI_TRUST"] = "test"
    write(folder / "in.ndjson", [GOOD])
    done = cli(*words(folder, "--json"))
    assert (done.code, done.json["environment"]) == (1, "production")
    assert read(folder / "out.ndjson")[0]["code"] == "test_root"


def test_an_output_that_is_there(cli: Cli, folder: Path) -> None:
    (folder / "out.ndjson").write_text("mine")
    done = cli(*words(folder, "--trust", "test", "--json"))
    assert (done.code, done.json["code"]) == (2, "usage_out_exists")
    assert (folder / "out.ndjson").read_text() == "mine"
    assert cli(*words(folder, "--trust", "test", "--force")).code == 1
    assert len(read(folder / "out.ndjson")) == COUNT


def test_a_run_that_goes_on_keeps_its_moment(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``--at``: the second run judges at the moment the first began with."""
    from jpki.verifying.batch import run

    given = without(words(folder, "--trust", "test", "--json"), "--at", AT.isoformat())
    small = {**(run.run_batch.__kwdefaults__ or {}), "chunk_rows": 10}
    monkeypatch.setattr(run.run_batch, "__kwdefaults__", small)
    add = run._Parts.add

    def once(self: Any, part: Any) -> None:
        add(self, part)
        raise KeyboardInterrupt

    monkeypatch.setattr(run._Parts, "add", once)
    assert cli(*given).code == 130
    first = json.loads((folder / "out.ndjson.parts" / "plan.json").read_text())["at"]
    monkeypatch.setattr(run._Parts, "add", add)
    done = cli(*given)
    assert first
    assert (done.json["kept"], done.json["rows"]) == (10, COUNT)


REFUSED = [
    pytest.param(["--cluster", "tls://x:1", "--workers", "2"], 2, "usage_batch_workers", id="both"),
    pytest.param(["--cluster-ca", "x"], 2, "usage_batch_cluster", id="no cluster"),
    pytest.param(["--workers", "0"], 2, "usage_value", id="no worker"),
    pytest.param(["--ocsp", "http://127.0.0.1:1/"], 2, "usage_batch_ocsp", id="responder"),
]


@pytest.mark.parametrize(("more", "code", "error"), REFUSED)
def test_refused(cli: Cli, folder: Path, more: list[str], code: int, error: str) -> None:
    given = without(words(folder, "--trust", "test", "--json"), "--workers", "1")
    done = cli(*given, *more)
    assert (done.code, done.json["code"]) == (code, error)
    assert not (folder / "out.ndjson").exists()


def test_tcp_is_for_test_data(cli: Cli, folder: Path) -> None:
    given = without(words(folder, "--json"), "--workers", "1")
    done = cli(*given, "--cluster", "tcp://127.0.0.1:1")
    assert (done.code, done.json["code"]) == (1, "batch_cluster")
    assert "--trust test" in done.json["message"]


MISSING = [
    pytest.param("pyarrow", "in.parquet", [], "batch", id="pyarrow"),
    pytest.param(
        "distributed", "in.ndjson", ["--cluster", "tcp://127.0.0.1:1"], "cluster", id="dask"
    ),
]


@pytest.mark.parametrize(("package", "given", "more", "extra"), MISSING)
def test_missing_extras(
    cli: Cli,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    given: str,
    more: list[str],
    extra: str,
) -> None:
    write(folder / "in.parquet", rows(3))
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    typed = without(words(folder, "--trust", "test", "--json", given=given), "--workers", "1")
    done = cli(*typed, *more)
    assert (done.code, done.json["code"]) == (2, "missing_extra")
    assert f"jpki[{extra}]" in done.json["message"]


def test_text_forms_need_no_extra(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli(*words(folder, "--trust", "test", out="out.csv")).code == 1
    assert short(folder / "out.csv") == expected(COUNT)
