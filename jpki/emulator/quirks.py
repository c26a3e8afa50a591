# SPDX-License-Identifier: Apache-2.0
"""Points where cards, or what is written about them, differ: one switch each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quirks:
    """Switches of the ``[quirks]`` table. The defaults are what most sources agree on.

    ``blocked_query``: answer to a query of a blocked PIN, ``63C0`` or ``6984`` [OS] [MC].
    ``blocked_verify``: answer to a VERIFY of one, ``6984`` [MC], ``6983`` [OS] or ``63C0``.
    ``verified_query``: answer to a query after a correct VERIFY, ``63Cx`` [OS] or ``9000`` [MC].
    ``reset_clears_status``: a warm reset forgets verifications and selection.
    ``reselect_clears_status``: selecting the same application again forgets verifications.
    ``sfi``: short EF identifiers are understood; if not they are refused with 6A86.
    ``extended_length``: extended APDUs are understood; if not they are refused with 6700.
    ``first_apdu_6f00``: the first command after power-up is answered 6F00 [MC].
    ``end_of_file``: a read that meets the end of the file, ``9000`` or ``6282``.
    ``offset_past_end``: a read that begins at or after it, ``6B00``, ``6282`` or ``9000``.
    ``nonminimal_lengths``: records in the text application use the 82 form throughout [MY].
    ``licence_tags``: tags of 100 and above in the licence application, ``raw`` or ``ber``.
    ``licence_unset``: without a licence PIN its files are ``open`` [TB] or want ``asterisks``.
    ``mf_intermediate``: GET DATA 7F21 exists; it is absent on older cards [MC].
    ``max_reply``: most data bytes in one reply (0 = no limit); a longer read comes back
    short, any other longer reply as 61xx and GET RESPONSE.
    """

    blocked_query: str = "63C0"
    blocked_verify: str = "6984"
    verified_query: str = "63Cx"
    reset_clears_status: bool = False
    reselect_clears_status: bool = False
    sfi: bool = True
    extended_length: bool = True
    first_apdu_6f00: bool = False
    end_of_file: str = "9000"
    offset_past_end: str = "6B00"
    nonminimal_lengths: bool = False
    licence_tags: str = "raw"
    licence_unset: str = "open"
    mf_intermediate: bool = True
    max_reply: int = 0


CHOICES: dict[str, tuple[str, ...]] = {
    "blocked_query": ("63C0", "6984"),
    "blocked_verify": ("6984", "6983", "63C0"),
    "verified_query": ("63Cx", "9000"),
    "end_of_file": ("9000", "6282"),
    "offset_past_end": ("6B00", "6282", "9000"),
    "licence_tags": ("raw", "ber"),
    "licence_unset": ("open", "asterisks"),
}
"""Allowed values of the switches that are not simply on or off."""
