# SPDX-License-Identifier: Apache-2.0
"""Deterministic mutations of a corpus: where no coverage-guided fuzzer is at hand, and for one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from fuzz_structure import Mutation

LENGTHS = (0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFE, 0xFF)
_MOST = 1 << 16


def mutants(
    corpus: Sequence[bytes],
    count: int,
    seed: str,
    tokens: Sequence[bytes] = (),
    form: Mutation | None = None,
) -> Iterator[bytes]:
    """``count`` inputs: every seed as it is, then mutants; the same for the same ``seed``.

    ``form``: a mutation that keeps the form of an input. Two of three mutants are made by it.
    """
    dice = random.Random(seed)
    yield from corpus[:count]
    for _ in range(count - len(corpus)):
        data = dice.choice(corpus)
        made = formed(data, corpus, form, dice) if form and dice.randrange(3) else None
        yield mutated(data, corpus, tokens, dice) if made is None else made


def formed(
    data: bytes, corpus: Sequence[bytes], form: Mutation, dice: random.Random
) -> bytes | None:
    """``data`` altered once or a few times by ``form``; None where it has not that form."""
    made: bytes | None = None
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        again = form(data if made is None else made, corpus, dice)
        if again is None:
            break
        made = again
    return made if made is None else made[:_MOST]


def mutated(
    data: bytes, corpus: Sequence[bytes], tokens: Sequence[bytes], dice: random.Random
) -> bytes:
    """``data`` with a few bytes altered, wherever they stand."""
    changing = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 8))):
        _mutate(changing, corpus, tokens, dice)
    return bytes(changing[:_MOST])


def _mutate(
    data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes], dice: random.Random
) -> None:
    place = dice.randrange(len(data) + 1)
    size = dice.choice((1, 1, 2, 4, 16, 64))
    how = dice.randrange(9 if tokens else 8)
    if how == 0 and place < len(data):
        data[place] ^= 1 << dice.randrange(8)
    elif how == 1 and place < len(data):
        data[place] = dice.choice(LENGTHS)
    elif how == 2:
        del data[place : place + size]
    elif how == 3:
        data[place:place] = dice.randbytes(size)
    elif how == 4:
        data[place:place] = data[place : place + size]
    elif how == 5:
        del data[place:]
    elif how == 6:
        other = dice.choice(corpus)
        start = dice.randrange(len(other) + 1)
        data[place : place + size] = other[start : start + size]
    elif how == 7 and place < len(data):
        data[place : place + 1] = bytes(((data[place] + dice.choice((-1, 1))) % 256,))
    elif tokens:
        data[place:place] = dice.choice(tokens)
