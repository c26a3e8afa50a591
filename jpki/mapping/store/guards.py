# SPDX-License-Identifier: Apache-2.0
"""Triggers that make the ledger append-only, in the words of each database.

Who owns the database can drop them; what was changed then is found by the chain.
"""

from __future__ import annotations

from typing import Final

GUARDED: Final = ("ledger", "checkpoint")

SQLITE: Final = (
    *(
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in GUARDED
        for verb in ("update", "delete")
    ),
    # INSERT OR REPLACE would delete a row without the trigger above.
    "CREATE TRIGGER ledger_next BEFORE INSERT ON ledger "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger) "
    "BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END",
    "CREATE TRIGGER checkpoint_next BEFORE INSERT ON checkpoint "
    "WHEN NEW.seq <= (SELECT max(seq) FROM checkpoint) "
    "BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END",
)

POSTGRESQL: Final = (
    "CREATE FUNCTION jpki_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '42501'; END $$",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION jpki_append_only()"
        for table in GUARDED
    ),
)
