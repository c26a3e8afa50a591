# SPDX-License-Identifier: Apache-2.0
"""What a map rests on, from the command line: policy, keys, database, clock, ledger."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

import map_bench
from command_line import NOW, Cli
from jpki.messages import LANGUAGES
from map_cli import AUTH, LIBRARY, MapCli, error


@pytest.fixture
def table(cli: Cli, tmp_path: Path) -> MapCli:
    made = MapCli(cli, tmp_path)
    assert made.init().code == 0
    return made


# policies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (LIBRARY.replace("[organisation]", "[organisation]\nunknown = 1"), "policy_file"),
        (LIBRARY.replace('category = "ordinance"', 'category = "any"'), "policy_file"),
        (LIBRARY[: len(LIBRARY) // 2] + "[", "policy_file"),
        ("", "policy_file"),
    ],
    ids=["unknown key", "bad value", "not TOML", "empty"],
)
def test_a_policy_that_cannot_be_read(cli: Cli, tmp_path: Path, text: str, code: str) -> None:
    table = MapCli(cli, tmp_path)
    table.write_policy("bad.toml", text)
    done = cli("map", "init", *table.place, "--policy", table.policy, "--trust", "test", "--json")
    assert error(done) == (2, code)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize("command", ["init", "enrol"])
def test_a_policy_without_another_way_makes_no_map(cli: Cli, tmp_path: Path, command: str) -> None:
    """R16, in both languages: no map is made with it, and none is used with it."""
    table = MapCli(cli, tmp_path)
    if command == "enrol":
        table.init()
    text = "\n".join(one for one in LIBRARY.split("\n") if "alternative_path" not in one)
    table.write_policy("wanting.toml", text)
    before = {path.name for path in tmp_path.iterdir()}
    actor = ("--actor", "terminal-1") if command == "enrol" else ()
    for lang in LANGUAGES:
        done = cli(
            "map", command, *table.place, "--policy", table.policy, "--trust", "test", *actor,
            "--lang", lang, pins=[AUTH] if command == "enrol" else None,
        )  # fmt: skip
        assert done.code == 1
        assert "R16 番号法17条1項" in done.err
    assert {path.name for path in tmp_path.iterdir()} == before


# keys and databases ----------------------------------------------------------------------


def test_a_key_file_that_others_may_read(table: MapCli) -> None:
    table.keys.chmod(0o640)
    assert error(table("enrol", "--json")) == (1, "map_key_file")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"schema": "jpki.map.keys/1"}'])
def test_what_is_no_key_file(table: MapCli, content: bytes) -> None:
    table.keys.write_bytes(content)
    done = table.upkeep("ledger", "verify", "--json")
    assert error(done) == (1, "map_key_file")


def test_the_keys_of_another_map(table: MapCli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = MapCli(table.cli, other)
    elsewhere.init()
    shutil.copy(elsewhere.keys, table.keys)
    for done in (table("enrol", "--json"), table.upkeep("ledger", "verify", "--json")):
        assert error(done) == (1, "map_key_file")


@pytest.mark.parametrize(
    ("url", "code", "exit"),
    [
        ("postgresql://me:word@db.example/map", "map_url", 1),
        ("mysql://db.example/map", "map_url", 1),
        ("postgresql://postgres@/map?host=/nowhere-at-all", "map_store_down", 1),
        ("NOWHERE/map.db", "map_store", 1),
    ],
)
def test_databases_that_are_not_taken_or_not_there(
    table: MapCli, url: str, code: str, exit: int
) -> None:
    words = ("map", "ledger", "verify", "--key-file", str(table.keys), "--json")
    done = table.cli(*words, "--db", url.replace("NOWHERE", str(table.folder / "no")))
    assert error(done) == (exit, code)
    assert "word@" not in done.out + done.err


def test_postgresql_and_its_end(cli: Cli, tmp_path: Path) -> None:
    """A database that goes away is said to be down; when it is back nothing is lost."""
    table = MapCli(cli, tmp_path)
    # Not below pytest's folder: others may not enter that, and a socket's name is short.
    with tempfile.TemporaryDirectory(prefix="jpki-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with map_bench.postgresql(Path(folder)) as cluster:
            table.url = cluster.create("map")
            assert table.init().code == 0
            pseudonym = table.answer("enrol")["pseudonym"]
            cluster.stop()
            assert error(table("resolve", "--json")) == (1, "map_store_down")
            cluster.start()
            assert table.answer("resolve")["pseudonym"] == pseudonym
            assert table.entries() == 2


def test_without_the_extra(table: MapCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jpki_cli.maps.find_spec", lambda name: None)
    done = table.upkeep("ledger", "verify")
    assert done.code == 2
    assert 'pip install "jpki[map]"' in done.err


def test_a_place_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    """Not even root writes below a file."""
    file = tmp_path / "file"
    file.touch()
    table = MapCli(cli, tmp_path)
    for place in (
        ("--db", str(file / "map.db"), "--key-file", str(table.keys)),
        ("--db", str(table.db), "--key-file", str(file / "map.keys")),
    ):
        done = cli("map", "init", *place, "--policy", "library", "--trust", "test", "--json")
        assert done.code == 1
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_database_that_is_something_else(table: MapCli) -> None:
    table.db.write_bytes(b"no database" * 400)
    for suffix in ("-wal", "-shm"):
        table.db.with_name(table.db.name + suffix).unlink(missing_ok=True)
    assert error(table("enrol", "--json")) == (1, "map_store")


def test_the_clock_moved_back(table: MapCli) -> None:
    table("enrol")
    table.cli.clock = lambda: NOW - timedelta(hours=1)
    done = table("resolve", "--json")
    assert error(done) == (1, "map_clock_back")
    table.cli.clock = lambda: NOW
    assert table.entries() == 1


def test_the_clock_of_a_production_map_is_not_set(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, trust=())
    table.init()
    at = ("--at", "2026-12-01T00:00:00Z", "--json")
    assert error(table("enrol", *at)) == (2, "usage_map_at")
    assert error(table.staff("close", "--pseudonym", "a" * 26, *at)) == (2, "usage_map_at")


# the ledger ------------------------------------------------------------------------------


def _tamper(path: Path, *statements: str) -> None:
    """What somebody does who may write to the file: take the guards away, then change."""
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in rows.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize(
    ("statement", "code", "entry"),
    [
        ("UPDATE ledger SET actor = 'nobody' WHERE seq = 2", "changed", 2),
        ("UPDATE ledger SET article = '' WHERE seq = 1", "changed", 1),
        ("DELETE FROM ledger WHERE seq = 2", "missing", 2),
        ("DELETE FROM ledger WHERE seq = 3", "truncated", 3),
        ("UPDATE ledger_head SET seq = 2", "head_seal", 2),
        ("DELETE FROM ledger_head", "no_head", 0),
    ],
)
def test_a_changed_ledger_is_found(table: MapCli, statement: str, code: str, entry: int) -> None:
    for _ in range(3):
        table("resolve")
    _tamper(table.db, statement)
    done = table.upkeep("ledger", "verify", "--json")
    fault = done.json["fault"]
    assert (done.code, done.json["intact"]) == (1, False)
    assert (fault["code"], fault["entry"]) == (code, entry)
    for lang in LANGUAGES:
        shown = table.upkeep("ledger", "verify", "--lang", lang)
        assert shown.code == 1
        assert fault["text"] in shown.out or lang == "ja"


def test_a_new_history_fails_against_a_checkpoint_kept_elsewhere(
    table: MapCli, tmp_path: Path
) -> None:
    """Whoever holds both files can go back to an older state of them; not of what is elsewhere."""
    table("resolve")
    saved = table.db.read_bytes()
    table("resolve")
    kept = tmp_path / "kept.json"
    table.upkeep("ledger", "checkpoint", "--out", str(kept))
    table.db.write_bytes(saved)
    for suffix in ("-wal", "-shm"):
        table.db.with_name(table.db.name + suffix).unlink(missing_ok=True)
    assert table.upkeep("ledger", "verify").code == 0
    found = table.upkeep("ledger", "verify", "--checkpoint", str(kept), "--json")
    assert (found.code, found.json["fault"]["code"]) == (1, "truncated")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff" * 9])
def test_what_is_no_checkpoint(table: MapCli, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "checkpoint"
    file.write_bytes(content)
    done = table.upkeep("ledger", "verify", "--checkpoint", str(file), "--json")
    assert error(done) == (1, "map_ledger_damaged")


def test_a_checkpoint_of_another_map(table: MapCli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = MapCli(table.cli, other)
    elsewhere.init()
    kept = other / "kept.json"
    elsewhere.upkeep("ledger", "checkpoint", "--out", str(kept))
    found = table.upkeep("ledger", "verify", "--checkpoint", str(kept), "--json")
    assert (found.code, found.json["fault"]["code"]) == (1, "checkpoint_signature")


def test_nothing_is_written_over(table: MapCli, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text("mine")
    assert table.upkeep("ledger", "checkpoint", "--out", str(kept)).code == 2
    assert kept.read_text() == "mine"
