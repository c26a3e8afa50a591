# SPDX-License-Identifier: Apache-2.0
"""Alembic steps of the evidence store, from the first version on."""
