# SPDX-License-Identifier: Apache-2.0
"""Errors of the map. What the policy refuses is an answer, not an error."""

from __future__ import annotations

from jpki.errors import JpkiError


class MapError(JpkiError):
    """The map cannot be used. Nothing was half-written."""

    default_code = "map"


class StoreUrlError(MapError):
    """A database address that is not taken. ``reason``: password, scheme, malformed, same."""

    default_code = "map_url"


class StoreDownError(MapError):
    """The database cannot be reached, or went away in the middle of a change.

    ``reason``: unreachable, lost, locked. A change that was under way when the connection was
    lost is whole or absent: ask again with the same presentation; a used one says so.
    """

    default_code = "map_store_down"


class StoreFullError(MapError):
    """The database could not write: disk full, or read only. Nothing was changed."""

    default_code = "map_store_full"


class StoreStateError(MapError):
    """The database is not a map that can be used.

    ``reason``: no_map, exists, other_version, corrupt, purpose_unknown, no_evidence_store, failed
    (``state``: the database's own code).
    """

    default_code = "map_store"


class ConflictError(StoreStateError):
    """Another writer stored the same key first. Asked again, the answer is another."""

    default_code = "map_conflict"


class PolicyWantingError(MapError):
    """No map is made or opened with a policy in which the check finds an error.

    ``findings``: errors (count); ``place``, ``rule``, ``article``, ``finding``: of the first.
    """

    default_code = "map_policy"


class EnvironmentMixedError(MapError):
    """Test and production do not meet in a map. ``map``, ``given``."""

    default_code = "map_environment"


class KeyFileError(MapError):
    """The key file cannot be used. ``path``, ``reason``: mode, owner, missing, malformed,
    other_map, other_key, exists, no_keys_for_service, rotated, unwritable."""

    default_code = "map_key_file"


class ClockError(MapError):
    """The clock stands before the last ledger entry. ``behind``: seconds."""

    default_code = "map_clock_back"


class LedgerDamagedError(MapError):
    """The end of the ledger is not what this map wrote last: nothing more is written to it."""

    default_code = "map_ledger_damaged"
