# SPDX-License-Identifier: Apache-2.0
"""The revocation store: thousands of lists in a folder, each looked up in its index.

A list is found by the key identifier of its issuer and the name of its distribution point,
whose hash is the name of the index file: opening a store reads none of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from jpki.certificate.kinds import Environment
from jpki.certificate.names import general_name_key
from jpki.errors import CrlStoreError, RevocationDataError
from jpki.validation.crl_facts import ListKey, Standing
from jpki.validation.crl_findings import cannot, miss, source_of, wanted_point
from jpki.validation.crl_index.folder import Folder
from jpki.validation.crl_index.partition import Entry, Partition, may_have
from jpki.validation.findings import Finding, Source, judge_good, judge_revoked
from jpki.validation.named import AskedAbout
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome

INDEX: Final = ".idx"
BODY: Final = ".crl"
NUMBERS: Final = "numbers.json"
_SECRET: Final = "handles.key"  # noqa: S105 - a file name
# Each mapped index holds a file open; a process may have about a thousand.
_MAX_MAPPED: Final = 128
_MAX_POINTS: Final = 1 << 16
# From when on a change cannot have the same time as one that was seen (nanoseconds).
_SETTLED: Final = 1_000_000_000


def partition_id(key_id: bytes, point: bytes | None) -> str:
    """The name under which the list of an issuer's key and a point is kept.

    ``point``: DER of the name, None for the list of all users. Names that [RFC5280 7.1] holds
    to be equal share a list.
    """
    return _identifier(key_id, None if point is None else general_name_key(point))


def _identifier(key_id: bytes, name: object) -> str:
    told = repr((key_id, name)).encode()
    return hashlib.sha256(told).hexdigest()[:32]


def body_name(sha256: bytes) -> str:
    """The name of the file of a list."""
    return sha256.hex() + BODY


class CrlIndexStore:
    """The store in a folder, to be read. Safe to use from several threads.

    ``look_every``: seconds after which lists that another process put in are seen. Raises
    CrlStoreError.
    """

    def __init__(self, path: Path | str, *, look_every: float = 1.0) -> None:
        self._folder = Folder(Path(path))
        self._seen = _Seen({})
        self._stamp = -1
        self._every = look_every
        self._next_look = 0.0
        self._look()

    @property
    def path(self) -> Path:
        return self._folder.path

    @property
    def environment(self) -> Environment:
        """The only one whose lists the store ever holds."""
        return self._folder.environment

    def require(self, environment: Environment) -> None:
        """Raises CrlStoreError unless the store belongs to ``environment``."""
        self._folder.require(environment)

    def partition(self, issuer_key_id: bytes, point_der: bytes | None) -> Partition | None:
        """The list of that issuer's key at that point (DER of the GeneralName; None = of all
        users), or None. Raises RevocationDataError for a damaged index."""
        held = self._held(issuer_key_id, point_der)
        return None if held is None else held.partition

    def lookup(self, issuer_key_id: bytes, point_der: bytes | None, serial: int) -> Entry | None:
        """The entry of a serial in that list; None if it is not in it, or there is no list.

        Times are not looked at: ``partition`` tells them. Raises RevocationDataError.
        """
        held = self._held(issuer_key_id, point_der)
        if held is None or held.partition.position(serial) < 0:
            return None
        return self._entry(held, serial)

    def named(self, name: str) -> Partition | None:
        """The list of that name in the store, or None. Raises RevocationDataError."""
        held = self._current(name)
        return None if held is None else held.partition

    def entry_of(self, name: str, serial: int) -> Entry | None:
        """As ``lookup``, in the list of that name."""
        held = self._current(name)
        return None if held is None else self._entry(held, serial)

    def check(self, certificate: AskedAbout, anchor: Anchor, moment: Moment) -> list[Finding]:
        """What the lists say of the certificate; one finding at least."""
        findings: list[Finding] = []
        for point in (*certificate.crl_distribution_point_names, None):
            try:
                if (held := self._held(anchor.key_id, point)) is not None:
                    findings.append(self._judge(held, certificate, anchor, moment))
            except (RevocationDataError, CrlStoreError) as error:
                values = {"reason": error.values["reason"]}
                findings.append(cannot("crl_malformed", values, decisive=True))
        if findings:
            return findings
        values = {"point": wanted_point(certificate)}
        return [Finding(Outcome.CANNOT_TELL, "crl_missing", values)]

    def standing(
        self, certificate: AskedAbout, anchor: Anchor, max_age: timedelta | None
    ) -> Standing | None:
        """As ``CrlStore.standing``. Once a newer list is there, every serial counts as listed,
        so that ``check`` is asked."""
        points = (*certificate.crl_distribution_point_names, None)
        try:
            found = [held for point in points if (held := self._held(anchor.key_id, point))]
        except (RevocationDataError, CrlStoreError):
            return None
        if len(found) != 1 or not found[0].fits(certificate, anchor):
            return None
        held = found[0]
        if held.behind:
            return None
        until = held.next_update
        if max_age is not None:
            until = min(until, held.this_update + max_age)

        def listed(serial: bytes) -> bool:
            if time.monotonic() >= self._next_look:
                self._look()
            # A store that was looked at anew has let go of what it held.
            current = held.seen is self._seen
            return not current or held.lists(int.from_bytes(serial, "big"))

        return Standing(held.this_update, until, listed, held.good)

    def partitions(self) -> Iterator[tuple[str, Partition | RevocationDataError]]:
        """Every list by its name here; in place of a damaged index, what is wrong with it."""
        for file in self._folder.names(ending=INDEX):
            name = file.removesuffix(INDEX)
            try:
                if (held := self._load(name)) is not None:
                    yield name, held.partition
            except RevocationDataError as error:
                yield name, error

    def secret(self) -> bytes:
        """Thirty-two octets that only this store knows; handles are sealed with them."""
        try:
            return self._folder.read(_SECRET, 64)
        except FileNotFoundError:
            with self._folder.writing():
                if _SECRET not in self._folder.names():
                    self._folder.write(_SECRET, [secrets.token_bytes(32)])
            return self._folder.read(_SECRET, 64)

    def highest(self, key: ListKey) -> int | None:
        """The highest cRLNumber that was ever put in here, for ``NumberMemory``."""
        _, key_id, points = key
        names = [None] if points is None else list(points)
        numbers = [self._seen.numbers.get(_identifier(key_id, name)) for name in names]
        return max((number for number in numbers if number is not None), default=None)

    def remember(self, key: ListKey, number: int) -> None:
        """Remembers a cRLNumber, for every process that uses the store."""
        _, key_id, points = key
        names = [_identifier(key_id, name) for name in (points or [None])]
        if all(self._seen.numbers.get(name, -1) >= number for name in names):
            return
        with self._folder.writing():
            raise_numbers(self._folder, dict.fromkeys(names, number))
        self._look()

    def _held(self, key_id: bytes, point: bytes | None) -> _Held | None:
        if time.monotonic() >= self._next_look:
            self._look()
        try:
            return self._seen.by_point[key_id][point]
        except KeyError:
            pass
        points = self._seen.by_point.setdefault(key_id, {})
        held = self._current(partition_id(key_id, point))
        if len(points) < _MAX_POINTS:
            points[point] = held
        return held

    def _current(self, name: str) -> _Held | None:
        if time.monotonic() >= self._next_look:
            self._look()
        try:
            return self._seen.by_name[name]
        except KeyError:
            return self._load(name)

    def _load(self, name: str) -> _Held | None:
        seen = self._seen  # what is read from now on is not older
        try:
            descriptor = self._folder.open(name + INDEX)
        except FileNotFoundError:
            seen.by_name[name] = None
            return None
        try:
            partition = Partition(descriptor, lambda sha: self._folder.open(body_name(sha)))
        finally:
            os.close(descriptor)
        facts = partition.facts
        points = [None] if facts.point is None else facts.point
        # An index under the name of another would answer for the wrong municipality.
        if name not in {partition_id(facts.key_id, point) for point in points}:
            raise RevocationDataError(reason="index_damaged", source="crl")
        if facts.environment != self.environment.value:
            raise RevocationDataError(reason="index_damaged", source="crl")
        if partition.mapped:
            seen.make_room()
        held = seen.by_name[name] = _Held(name, partition, seen)
        return held

    def _look(self) -> None:
        """Lets go of everything if the folder has changed since it was looked at."""
        stamp = os.stat(self.path).st_mtime_ns
        if stamp != self._stamp:
            self._seen = _Seen(known_numbers(self._folder))
            # A change in the same instant would have the same stamp.
            self._stamp = stamp if time.time_ns() - stamp > _SETTLED else -1
        self._next_look = time.monotonic() + self._every

    def _entry(self, held: _Held, serial: int) -> Entry | None:
        try:
            return held.partition.entry(serial)
        except RevocationDataError as error:
            if error.values["reason"] != "list_missing":
                raise
        # A newer list has taken its place since the index was opened.
        self._seen.let_go(held)
        fresh = self._load(held.name)
        return None if fresh is None else fresh.partition.entry(serial)

    def _judge(
        self, held: _Held, certificate: AskedAbout, anchor: Anchor, moment: Moment
    ) -> Finding:
        if not held.fits(certificate, anchor):
            return miss("crl_other_generation", held.partition)
        if held.this_update > moment.now:
            return miss("crl_future", held.partition)
        serial = int.from_bytes(certificate.serial.reveal(), "big")
        entry = self._entry(held, serial) if held.lists(serial) else None
        if entry is not None:
            return judge_revoked(entry.since, entry.reason, certificate, held.source, moment)
        fault = moment.fault(held.this_update, held.next_update)
        if fault is not None:
            return miss(f"crl_{fault}", held.partition)
        if held.behind and moment.at >= moment.now:
            return miss("crl_rollback", held.partition)
        if certificate.not_after >= held.this_update:
            return held.good
        return judge_good(certificate, held.source)


class _Seen:
    """The store as it was when the folder was looked at last.

    ``numbers``: the highest of each list, by its name. ``by_point``: what was found for the key
    identifiers and points that were asked about.
    """

    __slots__ = ("by_name", "by_point", "numbers")

    def __init__(self, numbers: dict[str, int]) -> None:
        self.numbers = numbers
        self.by_name: dict[str, _Held | None] = {}
        self.by_point: dict[bytes, dict[bytes | None, _Held | None]] = {}

    def make_room(self) -> None:
        """Lets go of the mapped indexes that were opened first, for one more."""
        mapped = [held for held in list(self.by_name.values()) if held and held.partition.mapped]
        for held in mapped[: len(mapped) - _MAX_MAPPED + 1] if len(mapped) >= _MAX_MAPPED else ():
            self.let_go(held)

    def let_go(self, held: _Held) -> None:
        """Forgets an index, so that it is opened anew when it is asked again."""
        held.seen = None
        self.by_name.pop(held.name, None)
        for points in list(self.by_point.values()):
            for point in [p for p, known in list(points.items()) if known is held]:
                points.pop(point, None)


class _Held:
    """An open index, and what is the same whenever it is asked: in one place, as of thousands
    of lists every other would be a wait for the memory.

    ``seen``: where it was found, None once it was let go. ``behind``: whether a list of a
    higher number was here before.
    """

    __slots__ = (
        "_issuer",
        "_low_bits",
        "_signer",
        "_small",
        "behind",
        "good",
        "name",
        "next_update",
        "partition",
        "seen",
        "source",
        "this_update",
    )

    def __init__(self, name: str, partition: Partition, seen: _Seen) -> None:
        self.name = name
        self.partition = partition
        self.seen: _Seen | None = seen
        self.this_update = partition.this_update
        self.next_update = partition.next_update
        self.behind = partition.number < seen.numbers.get(name, 0)
        self.source: Source = source_of(partition)
        self.good = Finding(Outcome.VALID, f"{self.source.name}_good", self.source.values)
        self._issuer = partition.facts.issuer_der
        self._small = partition.small
        self._low_bits: bytes | None = None
        self._signer: Anchor | None = None

    def fits(self, certificate: AskedAbout, anchor: Anchor) -> bool:
        """Whether the list is the issuer's, and its signature was checked with that root's key."""
        if self._signer is not anchor:
            signer = hashlib.sha256(anchor.certificate.spki).digest()
            if signer != self.partition.facts.signer:
                return False
            self._signer = anchor
        return self._issuer == certificate.issuer_der

    def lists(self, serial: int) -> bool:
        """Whether the list names the serial. Raises RevocationDataError for a damaged index."""
        if self._low_bits is not None:
            if not may_have(self._low_bits, serial):
                return False
        elif self._small:  # asked again, once all of it is proven
            self._low_bits = self.partition.low_bits()
        return self.partition.position(serial) >= 0


def known_numbers(folder: Folder) -> dict[str, int]:
    """The highest number of each list ever put in, by its name here."""
    return {name: int(number) for name, number in folder.load(NUMBERS).items()}


def raise_numbers(folder: Folder, numbers: dict[str, int]) -> None:
    """Remembers numbers that are higher than before. The folder's lock must be held."""
    known = known_numbers(folder)
    higher = {name: n for name, n in numbers.items() if n > known.get(name, -1)}
    if higher:
        content = json.dumps(known | higher, sort_keys=True)
        folder.write(NUMBERS, [content.encode() + b"\n"])
