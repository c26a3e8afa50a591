# SPDX-License-Identifier: Apache-2.0
"""A map that an earlier version made is opened only after it was brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from jpki.mapping.errors import StoreStateError
from jpki.mapping.policy import Operation
from jpki.mapping.service import open_map
from jpki.mapping.store.engine import open_engine
from jpki.mapping.store.store import PARTITIONS, Store
from map_bench import Bench, holder, new_bench, two_services


def back_to_the_first(url: str) -> None:
    """What the first version had: no bound cards."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE card_key",
            "DROP INDEX recheck_serial_handle",
        ):
            connection.exec_driver_sql(statement)
        config = Config()
        config.set_main_option("script_location", "jpki.mapping.store:migrations")
        config.attributes.update(connection=connection, partitions=PARTITIONS)
        command.stamp(config, "0001")
    engine.dispose()


def test_from_the_first_version(url: str, tmp_path: Path) -> None:
    bench: Bench = new_bench(url, tmp_path, two_services(), "library")
    who = holder()
    pseudonym = bench.ask(who, Operation.ENROL).pseudonym
    bench.close()
    back_to_the_first(url)
    with pytest.raises(StoreStateError) as caught:
        Store.open(url)
    assert (caught.value.values["reason"], caught.value.values["found"]) == (
        "other_version",
        "0001",
    )
    Store.upgrade(url)
    bench.map = open_map(url, bench.key_file, bench.policy, bench.map.validator, clock=bench.clock)
    assert bench.ask(who, Operation.RESOLVE).pseudonym == pseudonym
    with bench.map.store.reading() as connection:
        assert inspect(connection).has_table("card_key")
    assert bench.map.verify_ledger().intact
    bench.close()
