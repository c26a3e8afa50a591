# SPDX-License-Identifier: Apache-2.0
"""Alembic steps from the first version on; ``Store.create`` and ``Store.upgrade`` run them."""
