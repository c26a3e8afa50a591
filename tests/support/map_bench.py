# SPDX-License-Identifier: Apache-2.0
"""Maps for tests: invented holders that sign without a card, a clock, databases of both kinds."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from jpki.certificate.kinds import Environment, Family, Medium
from jpki.mapping.answers import Resolution
from jpki.mapping.keys import Pin
from jpki.mapping.opening import create_map
from jpki.mapping.policy import Evidence as EvidenceRule
from jpki.mapping.policy import LinkKind, Operation, Policy
from jpki.mapping.policy_file import load_policy, parse_policy
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import Map, open_map
from jpki.mapping.sitting import Asker
from jpki.synth import EndEntityRequest, HolderData, Reason, SynthPki, card_key
from jpki.synth.municipalities import KIYOSE
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.challenge import Challenge, Response

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ORIGIN = "https://city.example"
_SERIALS = itertools.count(7_000_001)

_HEAD = """
schema = "jpki.policy/1"
name = "two-services"
[organisation]
name = "Test city"
municipality = true
roles = ["signature_verifier", "authentication_verifier"]
registration = "invented"
pia = "invented"
"""
_SERVICE = """
[[service]]
id = "{id}"
title.ja = "{id}"
title.en = "{id}"
[[service.purpose]]
id = "{id}-use"
legal_basis = {{ act = "Act of the {id}", article = "6条", as_of = 2026-06-14 }}
category = "ordinance"
operations = ["enrol", "resolve", "link", "refresh", "disclose", "erase", "suspend", "suppress",
    "close", "consent", "withdraw"]
certificate = {{ kind = ["signature", "authentication"], medium = ["card", "phone"] }}
actors = ["terminal-*"]
staff = ["staff-*"]
data_items = ["name", "address"]
valid_from = 2026-04-01
alternative_path.ja = "窓口"
alternative_path.en = "counter"
"""


def two_services(*names: str) -> Policy:
    """A policy in which everything is allowed, for two services of one organisation."""
    text = _HEAD + "".join(_SERVICE.format(id=name) for name in names or ("library", "pool"))
    return parse_policy(text.encode())


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@functools.cache
def pki() -> SynthPki:
    return SynthPki(NOW)


@dataclass(frozen=True)
class Holder:
    """One certificate and its key. ``serial`` is known here because we invented it."""

    certificate: bytes
    key: RSAPrivateKey
    serial: int
    family: Family = Family.AUTH
    medium: Medium = Medium.CARD

    def answer(self, challenge: Challenge) -> Evidence:
        signature = self.key.sign(challenge.signed_text(), padding.PKCS1v15(), SHA256())
        return Evidence(Response(challenge, self.certificate, signature))


def holder(
    family: Family = Family.AUTH,
    medium: Medium = Medium.CARD,
    *,
    serial: int | None = None,
    generation: int = 3,
    slot: int = 0,
    not_after: datetime | None = None,
) -> Holder:
    number = next(_SERIALS) if serial is None else serial
    key = card_key(slot, family.value)
    person = HolderData(
        name="試験 太郎", address="東京都清瀬市中里五丁目842番地", birth=date(1980, 2, 17), sex="1"
    )
    request = EndEntityRequest(
        family=family, public_key=key.public_key(), generation=generation, medium=medium,
        serial=number, holder=person if family is Family.SIGN else None,
        not_before=NOW - timedelta(days=300), not_after=not_after or NOW + timedelta(days=900),
    )  # fmt: skip
    return Holder(pki().end_entity(request), key, number, family, medium)


def validator(clock: Clock, *, revoked: tuple[tuple[Holder, Reason], ...] = ()) -> Validator:
    """The map's own validator, over the test PKI with these certificates revoked."""
    authority = SynthPki(NOW)
    for who, reason in revoked:
        authority.revoke(who.family, 3, KIYOSE.code, who.serial, NOW - timedelta(days=2), reason)
    return Validator(
        TrustStore(Environment.TEST, authority.trust_anchors()),
        crls=[authority.crl(family, 3, KIYOSE.code) for family in Family],
        unverified_policies=True,
        clock=clock,
    )


@dataclass
class Bench:
    """A map with what belongs to it."""

    url: str
    key_file: Path
    policy: Policy
    clock: Clock
    map: Map
    service: str | None = None
    actor: str = "terminal-1"
    others: list[Map] = field(default_factory=list)
    token: str = ""
    pin: Pin | None = None

    def asker(self, service: str | None = None, **more: object) -> Asker:
        return Asker(actor=self.actor, service=service or self.service, **more)  # type: ignore[arg-type]

    def evidence(
        self, who: Holder, operation: Operation, service: str | None = None, detail: str = ""
    ) -> Evidence:
        challenge = self.map.issue_challenge(
            operation, origin=ORIGIN, service=service or self.service, detail=detail
        )
        return who.answer(challenge)

    def ask(self, who: Holder, operation: Operation, service: str | None = None) -> Resolution:
        presentation = self.map.verify(self.evidence(who, operation, service))
        deed = {
            Operation.ENROL: self.map.enrol,
            Operation.RESOLVE: self.map.resolve,
            Operation.ERASE: self.map.erase,
        }[operation]
        return deed(presentation, self.asker(service))

    def again(self, validator: Validator | None = None, policy: Policy | None = None) -> Map:
        """The same map, opened once more."""
        chosen, own = policy or self.policy, validator or self.map.validator
        other = open_map(
            self.url, self.token or self.key_file, chosen, own, clock=self.clock, pin=self.pin
        )
        self.others.append(other)
        return other

    def close(self) -> None:
        for each in (self.map, *self.others):
            each.close()


def new_bench(
    url: str,
    folder: Path,
    policy: Policy | str = "library",
    service: str | None = None,
    *,
    token: str = "",
    pin: Pin | None = None,
    evidence_url: str | None = None,
    grouped: bool = False,
) -> Bench:
    """A new map. ``token``: its address; without one the keys lie in a file of ``folder``.

    ``grouped``: opened as for a server.
    """
    clock = Clock()
    chosen = load_policy(policy) if isinstance(policy, str) else policy
    key_file = folder / "map.keys"
    keys = token or key_file
    create_map(url, keys, chosen, Environment.TEST, now=NOW, pin=pin, evidence_url=evidence_url)
    opened = open_map(
        url, keys, chosen, validator(clock), clock=clock, pin=pin, evidence_url=evidence_url,
        grouped=grouped,
    )  # fmt: skip
    return Bench(url, key_file, chosen, clock, opened, service, token=token, pin=pin)


def changed(policy: Policy, **purpose: object) -> Policy:
    """The same policy with another first purpose."""
    first, *rest = policy.services
    own = replace(first.purposes[0], **purpose)  # type: ignore[arg-type]
    return replace(policy, services=(replace(first, purposes=(own,)), *rest))


def keeping(policy: Policy) -> Policy:
    """The same policy whose first purpose keeps evidence for seven years."""
    purpose = policy.services[0].purposes[0]
    assert purpose.legal_basis is not None
    return changed(
        policy, evidence=EvidenceRule(7, purpose.legal_basis),
        operations=purpose.operations | {Operation.KEEP_EVIDENCE},
    )  # fmt: skip


def link(bench: Bench, new: Holder, known: Holder, kind: LinkKind) -> Resolution:
    """Both presented in one sitting: they answer one challenge."""
    challenge = bench.map.issue_challenge(
        Operation.LINK, origin=ORIGIN, service="library", detail=kind.value
    )
    return bench.map.link(
        bench.map.verify(new.answer(challenge)), bench.asker(), kind,
        known=bench.map.verify(known.answer(challenge)),
    )  # fmt: skip


POSTGRES_BIN = "/usr/lib/postgresql"


def _program(name: str) -> str:
    """A PostgreSQL program: on the path, or where Debian puts it."""
    found = shutil.which(name)
    if found is not None:
        return found
    versions = sorted(Path(POSTGRES_BIN).glob("*/bin"), key=lambda p: int(p.parent.name))
    assert versions, "PostgreSQL is not installed (Debian: postgresql)"
    return str(versions[-1] / name)


@dataclass(frozen=True)
class Cluster:
    """A private PostgreSQL on a socket in its own folder; no port is open."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _run(self, *command: str) -> None:
        whole = list(command)
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            whole = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(
            whole, check=True, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60,
        )  # fmt: skip

    def initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(
            _program("initdb"), "-D", str(self.folder / "data"), "-U", "postgres",
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=150"
        self._run(
            _program("pg_ctl"), "-D", str(self.folder / "data"), "-l",
            str(self.folder / "log"), "-o", options, "-w", "start",
        )  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        self._run(_program("pg_ctl"), "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def create(self, database: str) -> str:
        self._run(_program("createdb"), "-h", str(self.folder), "-U", "postgres", database)
        return self.url(database)


@contextmanager
def postgresql(folder: Path) -> Iterator[Cluster]:
    """A cluster that lives as long as the block. ``folder``: short, for its socket's name."""
    cluster = Cluster(folder)
    cluster.initialise()
    try:
        yield cluster
    finally:
        cluster.stop("immediate")
