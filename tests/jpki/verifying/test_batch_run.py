# SPDX-License-Identifier: Apache-2.0
"""A run over a file: every form in and out, stopped and gone on with, refused when it must be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from batch_rows import AT, bench, expected, rows, short, write
from jpki.errors import BatchError, InputFileError
from jpki.verifying.batch import (
    BatchProgress,
    BatchSetup,
    BatchSummary,
    InProcess,
    ProcessPool,
    open_input,
    read_signers,
    run_batch,
    run_moment,
)
from jpki.verifying.batch.inputs import MAX_LINE, Chunk
from jpki.verifying.batch.parts import Part

FORMS = ["parquet", "csv", "ndjson"]


def run(
    source: Path,
    output: Path,
    engine: object = None,
    setup: BatchSetup | None = None,
    size: int = 100,
) -> BatchSummary:
    return run_batch(
        setup or bench().setup,
        open_input(source),
        output,
        engine or InProcess(),  # type: ignore[arg-type]
        chunk_rows=size,
    )


@pytest.mark.parametrize(("given", "wanted"), list(itertools.product(FORMS, FORMS)))
def test_every_form(tmp_path: Path, given: str, wanted: str) -> None:
    source = write(tmp_path / f"in.{given}", rows(250))
    output = tmp_path / f"out.{wanted}"
    summary = run(source, output)
    assert short(output) == expected(250)
    assert (summary.rows, summary.kept) == (250, 0)
    assert summary.valid == sum(row[1] == "valid" for row in expected(250))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, output.name])


def test_processes(tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", rows(700))
    run(source, tmp_path / "out.csv", ProcessPool(2))
    assert short(tmp_path / "out.csv") == expected(700)


def test_no_serial_goes_out(tmp_path: Path) -> None:
    made = [{"id": n, "certificate": der} for n, der in enumerate(bench().signers.values())]
    run(write(tmp_path / "in.ndjson", made), tmp_path / "out.ndjson")
    text = (tmp_path / "out.ndjson").read_bytes()
    for number in range(1000, 1012):
        assert str(number).encode() not in text
        assert f"{number:04x}".encode() not in text.lower()


@pytest.mark.parametrize("given", FORMS)
def test_rows_without_ids_are_numbered(tmp_path: Path, given: str) -> None:
    made = [{k: v for k, v in row.items() if k != "id"} for row in rows(230)]
    source = write(tmp_path / f"in.{given}", made)
    run(source, tmp_path / "out.csv")
    assert [row[0] for row in short(tmp_path / "out.csv")] == [str(n) for n in range(1, 231)]


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n, row in enumerate(rows(20)):
        (folder / f"{n:02d}.cer").write_bytes(bench().signers[row["signer"]])
        (folder / f"{n:02d}.sig").write_bytes(row["signature"])
        (folder / f"{n:02d}.msg").write_bytes(row["message"])
    (folder / "notes.txt").write_text("not a row")
    run(folder, tmp_path / "out.csv")
    found = [(outcome, code) for _, outcome, code in short(tmp_path / "out.csv")]
    assert found == [row[1:] for row in expected(20)]


class Dying:
    """Does so many parts, then fails as a killed process does."""

    def __init__(self, parts: int) -> None:
        self._parts = parts

    @contextmanager
    def start(
        self, setup: BatchSetup, form: str
    ) -> Iterator[Callable[[Iterable[Chunk]], Iterator[Part]]]:
        with InProcess().start(setup, form) as work:
            yield lambda chunks: self._some(work(chunks))

    def _some(self, parts: Iterator[Part]) -> Iterator[Part]:
        yield from itertools.islice(parts, self._parts)
        raise KeyboardInterrupt


@pytest.mark.parametrize("wanted", FORMS)
@pytest.mark.parametrize("given", FORMS)
def test_stopped_and_gone_on_with(tmp_path: Path, given: str, wanted: str) -> None:
    """Stopped twice; what is done is not done again, and nothing is there twice or missing."""
    source, output = write(tmp_path / f"in.{given}", rows(1000)), tmp_path / f"out.{wanted}"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(source, output, Dying(3))
        assert not output.exists()
    assert run_moment(output) == AT.isoformat()
    summary = run(source, output)
    assert summary.kept == 600
    assert summary.rows == 1000
    assert short(output) == expected(1000)
    assert run_moment(output) is None


def test_a_half_written_part_counts_for_nothing(tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.csv", rows(300)), tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        run(source, output, Dying(1))
    parts = tmp_path / "out.csv.parts"
    (parts / "00000001-100-0-0.part.new").write_bytes(b"half a part")
    assert run(source, output).kept == 100
    assert short(output) == expected(300)


CHANGES: list[Callable[[BatchSetup, Path], BatchSetup]] = [
    lambda setup, path: replace(setup, options=replace(setup.options, at=AT + timedelta(days=1))),
    lambda setup, path: replace(setup, crls=setup.crls[1:]),
    lambda setup, path: replace(setup, anchors=setup.anchors[1:]),
    lambda setup, path: replace(setup, signers={}),
    lambda setup, path: (write(path, rows(301)), setup)[1],
]


@pytest.mark.parametrize("change", CHANGES, ids=["at", "crls", "anchors", "signers", "input"])
def test_parts_of_another_run_are_not_taken(
    tmp_path: Path, change: Callable[[BatchSetup, Path], BatchSetup]
) -> None:
    source, output = write(tmp_path / "in.csv", rows(300)), tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        run(source, output, Dying(1))
    setup = change(bench().setup, source)
    with pytest.raises(BatchError) as caught:
        run(source, output, setup=setup)
    assert caught.value.code == "batch_other_run"
    assert not output.exists()


def test_two_runs_at_once(tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.csv", rows(300)), tmp_path / "out.csv"

    class Second:
        @contextmanager
        def start(
            self, setup: BatchSetup, form: str
        ) -> Iterator[Callable[[Iterable[Chunk]], Iterator[Part]]]:
            with pytest.raises(BatchError) as caught:
                run(source, output)
            assert caught.value.code == "batch_running"
            with InProcess().start(setup, form) as work:
                yield work

    run(source, output, Second())
    assert short(output) == expected(300)


def test_an_output_that_is_there_is_spared(tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.csv", rows(10)), tmp_path / "out.csv"
    output.write_text("mine")
    with pytest.raises(InputFileError) as caught:
        run(source, output)
    assert caught.value.values["reason"] == "exists"
    assert output.read_text() == "mine"
    run_batch(
        bench().setup, open_input(source), output, InProcess(), overwrite=True, chunk_rows=100
    )
    assert short(output) == expected(10)


BAD_FILES = [
    ("in.txt", b"certificate\n", "unknown_format"),
    ("in.csv", b"name,age\n1,2\n", "no_columns"),
    ("in.csv", b"signer,signer\n1,2\n", "no_columns"),
    ("in.csv", b"", "no_columns"),
    ("in.csv", b'signer\n"never closed', "not_csv"),
    ("in.csv", b"signer\n\xff\xfe\n", "not_csv"),
    ("in.csv", b"signer\n" + b"x" * (MAX_LINE + 2), "not_csv"),
    ("in.parquet", b"PAR1 and nothing else PAR1", "not_parquet"),
    ("in.parquet", b"", "not_parquet"),
]


@pytest.mark.parametrize(("name", "content", "reason"), BAD_FILES)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        run(source, tmp_path / "out.csv")
    assert caught.value.values["reason"] == reason
    assert not (tmp_path / "out.csv").exists()


def test_parquet_cut_off_anywhere(tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", rows(40))
    whole = source.read_bytes()
    for size in range(0, len(whole), 199):
        source.write_bytes(whole[:size])
        with pytest.raises(InputFileError):
            run(source, tmp_path / f"{size}.csv")


def test_bad_lines_are_verdicts(tmp_path: Path) -> None:
    source = tmp_path / "in.ndjson"
    good = json.dumps({"id": "a", "signer": "s1"}).encode()
    lines = [good, b"{", b"[]", b"7", b"\xff", b"x" * (MAX_LINE + 5), b"", b"[" * 100_000, good]
    source.write_bytes(b"\n".join(lines))
    run(source, tmp_path / "out.csv")
    codes = [code for _, _, code in short(tmp_path / "out.csv")]
    assert codes == ["", *["record_bad_line"] * 6, ""]


def test_csv_rows_of_a_wrong_width(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,signer\na,s1\nb\nc,s1,more\nd,s1\n")
    run(source, tmp_path / "out.ndjson")
    codes = [code for _, _, code in short(tmp_path / "out.ndjson")]
    assert codes == ["", "record_bad_line", "record_bad_line", ""]


@pytest.mark.parametrize("wanted", FORMS)
def test_no_rows(tmp_path: Path, wanted: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,signer\n")
    summary = run(source, tmp_path / f"out.{wanted}")
    assert summary.outcome == "cannot_tell"
    assert short(tmp_path / f"out.{wanted}") == []


def test_progress(tmp_path: Path) -> None:
    seen: list[BatchProgress] = []
    source = write(tmp_path / "in.parquet", rows(450))
    run_batch(
        bench().setup, open_input(source), tmp_path / "o.csv", InProcess(),
        progress=seen.append, chunk_rows=100,
    )  # fmt: skip
    assert [one.rows for one in seen] == [100, 200, 300, 400, 450]
    assert {one.total for one in seen} == {450}
    assert seen[-1].left == 0
    assert all(one.rate > 0 for one in seen)


@pytest.mark.parametrize("form", FORMS)
def test_signers_from_a_file(tmp_path: Path, form: str) -> None:
    made = [{"signer": name, "certificate": der} for name, der in bench().signers.items()]
    assert read_signers(write(tmp_path / f"s.{form}", made)) == bench().signers
    for bad in (made[0], {"signer": "x", "certificate": b""}, {"signer": "", "certificate": b"x"}):
        with pytest.raises(InputFileError) as caught:
            read_signers(write(tmp_path / f"s.{form}", [*made, bad]))
        assert caught.value.values["reason"] == "bad_signer"


def test_signers_from_a_folder(tmp_path: Path) -> None:
    for name, der in bench().signers.items():
        (tmp_path / f"{name}.cer").write_bytes(der)
    assert read_signers(tmp_path) == bench().signers
