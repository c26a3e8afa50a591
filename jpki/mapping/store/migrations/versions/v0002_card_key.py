# SPDX-License-Identifier: Apache-2.0
"""The key of a bound card, for taps and re-reads; paging over what 現況確認 keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "card_key",
        sa.Column("handle", sa.LargeBinary(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("handle"),
    )
    op.create_index("card_key_epoch", "card_key", ["service", "epoch"], unique=False)
    op.create_index("recheck_serial_handle", "recheck_serial", ["service", "handle"], unique=False)
