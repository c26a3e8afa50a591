# SPDX-License-Identifier: Apache-2.0
"""Puts lists into a store: each is verified once, whole, before anybody can look it up.

A list is first copied into the folder, so that nobody changes it under our eyes, then
believed or not, then indexed. Until the last step, which is one rename, the old list stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from jpki.certificate.kinds import Environment
from jpki.errors import NotPermittedError, RevocationDataError
from jpki.validation.crl import CrlForm, read_form, readable
from jpki.validation.crl_index import layout
from jpki.validation.crl_index.columns import collect
from jpki.validation.crl_index.folder import Folder, sync, temporary, unwritable
from jpki.validation.crl_index.layout import Facts
from jpki.validation.crl_index.partition import Partition
from jpki.validation.crl_index.store import (
    BODY,
    INDEX,
    body_name,
    known_numbers,
    partition_id,
    raise_numbers,
)
from jpki.validation.declaration import VerifierDeclaration
from jpki.validation.trust import Anchor, TrustStore

MAX_SIZE: Final = 1 << 30
"""Octets of a list: some twenty-five million entries."""

GRACE: Final = timedelta(days=1)
"""How long a list stays after its nextUpdate, unless something else is asked for."""

# How much is copied at once: what the processor's cache holds.
_PIECE: Final = 1 << 18


class Placed(StrEnum):
    """What became of a list that was offered and believed."""

    ADDED = "added"
    SAME = "same"  # it is here already


@dataclass(frozen=True, slots=True)
class Indexed:
    """A list in the store. ``names``: of its indexes, one for each name of its point."""

    placed: Placed
    facts: Facts
    names: tuple[str, ...] = field(repr=False)


class StoreWriter:
    """Alone in writing to a store, from ``with`` to its end.

    ``now``: lists are judged by it (aware). ``grace``: see ``purge``. ``numpy``: None = where
    installed. Raises CrlStoreError, and NotPermittedError without a declaration under
    ``production``: the data belong to registered verifiers (公的個人認証法 17, 36条).
    """

    def __init__(
        self,
        path: Path | str,
        trust: TrustStore,
        *,
        now: datetime,
        verifier: VerifierDeclaration | None = None,
        grace: timedelta = GRACE,
        numpy: bool | None = None,
    ) -> None:
        if trust.environment is Environment.PRODUCTION and verifier is None:
            raise NotPermittedError(rule="revocation_data", article="公的個人認証法 17, 36条")
        self._trust = trust
        self._verifier = verifier
        self._now = now
        self._grace = grace
        self._numpy = numpy
        self._folder = Folder.make(Path(path), trust.environment)
        self._numbers: dict[str, int] = {}
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._exit.enter_context(self._folder.writing())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            raise_numbers(self._folder, self._numbers)
        finally:
            self._exit.close()

    def add(self, source: BinaryIO | bytes) -> Indexed:
        """Puts one DER list in. Raises RevocationDataError (``reason``) for one that is not
        believed, and CrlStoreError when the folder takes no more; both leave all as it was."""
        try:
            descriptor, path = temporary(self._folder.path)
        except OSError as exc:
            raise unwritable(self._folder.path, exc) from exc
        try:
            _copy(source, descriptor)
            if not os.fstat(descriptor).st_size:
                raise RevocationDataError(reason="truncated", source="crl")
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped:
                return self._place(cast(bytes, mapped), descriptor, path)
        except OSError as exc:
            raise unwritable(self._folder.path, exc) from exc
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def purge(self) -> int:
        """Takes away every list whose nextUpdate is more than the grace ago (52条), and what
        no index refers to. Their numbers stay known. Returns how many lists went."""
        gone, kept = 0, set()
        raise_numbers(self._folder, self._numbers)
        for file in self._folder.names(ending=INDEX):
            facts = self._facts(file.removesuffix(INDEX))
            if facts is None:
                continue
            if facts.next_update + self._grace < self._now:
                name = file.removesuffix(INDEX)
                raise_numbers(self._folder, {name: facts.number})
                self._folder.remove(file)
                gone += 1
            else:
                kept.add(body_name(facts.crl))
        for file in self._folder.names(ending=BODY):
            if file not in kept:
                self._folder.remove(file)
        return gone

    def _place(self, data: bytes, descriptor: int, path: Path) -> Indexed:
        form = readable(partial(read_form, data))
        anchors = self._signers(form)
        next_update = self._timely(form)
        points = form.point.names
        key_id = anchors[0].key_id
        names = tuple({partition_id(key_id, point): 0 for point in points or (None,)})
        present = [self._facts(name) for name in names]
        with ThreadPoolExecutor(3) as pool:  # none needs the interpreter, nor waits for it
            hashed = pool.submit(hashlib.sha256, data)
            same = present[0]
            if same is not None and same.size == len(data):
                digest = hashed.result().digest()
                if all(one is not None and one.crl == digest for one in present):
                    return Indexed(Placed.SAME, same, names)
            signed = pool.submit(_signer, form, data, anchors)
            synced = pool.submit(os.fsync, descriptor)
            columns = readable(partial(collect, data, *form.entries, numpy=self._numpy))
            anchor = signed.result()
            synced.result()
            digest = hashed.result().digest()
        self._refuse_older(dict(zip(names, present, strict=True)), form.number, digest)
        facts = Facts(
            environment=self._folder.environment.value,
            crl=digest,
            size=len(data),
            issuer_der=form.issuer_der,
            key_id=anchor.key_id,
            signer=hashlib.sha256(anchor.certificate.spki).digest(),
            point=points,
            number=form.number,
            this_update=form.this_update,
            next_update=next_update,
            width=columns.width,
            count=columns.rows,
        )
        self._commit(facts, names, path, lambda: layout.pieces(facts, columns))
        return Indexed(Placed.ADDED, facts, names)

    def _commit(
        self,
        facts: Facts,
        names: Iterable[str],
        path: Path,
        index: Callable[[], Iterable[bytes | bytearray | memoryview]],
    ) -> None:
        """The list goes to its place first, so that an index never stands without it."""
        present = [self._facts(name) for name in names]
        replaced = {old.crl for old in present if old is not None}
        path.replace(self._folder.path / body_name(facts.crl))
        sync(self._folder.path)
        for name in names:
            self._folder.write(name + INDEX, index())
            self._numbers[name] = facts.number
        for body in replaced - {facts.crl}:
            self._folder.remove(body_name(body))

    def _signers(self, form: CrlForm) -> list[Anchor]:
        """The roots that may have signed the list, by name and key identifier."""
        if form.point.fault is not None:
            raise _refused(form.point.fault)
        named = self._trust.named(form.issuer_der)
        anchors = [a for a in named if form.key_id in (None, a.key_id)]
        if not anchors:
            raise _refused("other_generation" if named else "unknown_issuer")
        if len({anchor.key_id for anchor in anchors}) > 1:
            raise _refused("no_key_id")  # which of them it is would be a guess
        if self._trust.environment is Environment.PRODUCTION:
            families = {anchor.family for anchor in anchors}
            covers = self._verifier is not None and all(
                family is not None and self._verifier.covers(family) for family in families
            )
            if not covers:
                raise _refused("not_permitted")
        return anchors

    def _timely(self, form: CrlForm) -> datetime:
        """The nextUpdate of a list that is of use now."""
        if form.this_update > self._now:
            raise _refused("from_the_future")
        if form.next_update is None or form.next_update < form.this_update:
            raise _refused("no_next_update")
        if form.next_update + self._grace < self._now:
            raise _refused("outdated")
        return form.next_update

    def _refuse_older(
        self, present: Mapping[str, Facts | None], number: int, digest: bytes
    ) -> None:
        """Refuses a list that is older than what was here, or another one of the same number."""
        known = known_numbers(self._folder) | self._numbers
        for name, facts in present.items():
            if number < max(known.get(name, -1), -1 if facts is None else facts.number):
                raise _refused("rollback")
            if facts is not None and facts.number == number and facts.crl != digest:
                raise _refused("number_reused")

    def _facts(self, name: str) -> Facts | None:
        """What the index of that name says; None if there is none that can be read."""
        try:
            descriptor = self._folder.open(name + INDEX)
        except FileNotFoundError:
            return None
        try:
            return Partition(descriptor, lambda sha: self._folder.open(body_name(sha))).facts
        except RevocationDataError:
            return None
        finally:
            os.close(descriptor)


def _signer(form: CrlForm, data: bytes, anchors: Iterable[Anchor]) -> Anchor:
    """The root whose signature the list bears. Raises RevocationDataError."""
    for anchor in anchors:
        if form.fits(data, anchor):
            return anchor
    raise _refused("bad_signature")


def _copy(source: BinaryIO | bytes, descriptor: int) -> None:
    """Copies a list into a new file of ours."""
    size = 0
    pieces = [source] if isinstance(source, bytes) else iter(lambda: source.read(_PIECE), b"")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        for piece in pieces:
            size += len(piece)
            if size > MAX_SIZE:
                raise _refused("too_large")
            file.write(piece)


def _refused(reason: str) -> RevocationDataError:
    return RevocationDataError(reason=reason, source="crl")
