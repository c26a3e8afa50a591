# SPDX-License-Identifier: Apache-2.0
"""What Alembic runs: on the connection it is given, in the caller's transaction."""

from __future__ import annotations

from alembic import context

from jpki.mapping.store.evidence_schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=False,
)
context.run_migrations()
