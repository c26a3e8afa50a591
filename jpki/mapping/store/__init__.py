# SPDX-License-Identifier: Apache-2.0
"""Where the map is kept: SQLite or PostgreSQL. Needs the extra ``map``; import it late."""
