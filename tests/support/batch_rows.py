# SPDX-License-Identifier: Apache-2.0
"""Rows for a batch: certificates of invented people, signatures of theirs, right and wrong."""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from jpki.certificate import Environment, Family
from jpki.synth import SynthPki
from jpki.synth.end_entity import EndEntityRequest
from jpki.synth.keystore import any_stored_key
from jpki.synth.municipalities import KIYOSE
from jpki.validation import TrustStore
from jpki.verifying.batch import BatchSetup
from jpki.verifying.material import TrustMaterial, ValidationOptions

AT = datetime(2026, 11, 21, tzinfo=UTC)
SIGNERS = 12
REVOKED = 5
"""The signer whose certificate is revoked."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """``signers``: DER by name. ``setup``: of a run that judges at ``AT``."""

    signers: dict[str, bytes]
    setup: BatchSetup


@functools.cache
def bench() -> Bench:
    """One PKI with a dozen signers, one of them revoked."""
    pki = SynthPki(AT)
    pki.revoke(Family.AUTH, 3, KIYOSE, 1000 + REVOKED, AT - timedelta(days=9), 3)
    key = any_stored_key("card-00-auth").public_key()
    signers = {
        f"s{n}": pki.end_entity(
            EndEntityRequest(family=Family.AUTH, public_key=key, serial=1000 + n)
        )
        for n in range(SIGNERS)
    }
    store = TrustStore(Environment.TEST, pki.trust_anchors())
    material = TrustMaterial(store, crls=tuple(pki.crls()))
    return Bench(signers, BatchSetup.of(material, ValidationOptions(at=AT), signers))


@functools.cache
def signed(number: int) -> tuple[bytes, bytes]:
    """A message and its signature; one of a hundred different ones."""
    key = any_stored_key("card-00-auth")
    assert isinstance(key, rsa.RSAPrivateKey)
    message = hashlib.sha512(str(number % 100).encode()).digest() * 2
    return message, key.sign(message, padding.PKCS1v15(), SHA256())


def rows(count: int) -> list[Row]:
    """Signatures by name of their signer; every 7th forged."""
    made: list[Row] = []
    for n in range(count):
        message, signature = signed(n % 100)
        if n % 7 == 3:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        made.append(
            {
                "id": f"row-{n}",
                "signer": f"s{n % SIGNERS}",
                "message": message,
                "signature": signature,
            }
        )
    return made


def expected(count: int) -> list[tuple[str, str, str]]:
    """Id, outcome and code of each of ``rows(count)``."""
    found = []
    for n in range(count):
        if n % SIGNERS == REVOKED:
            found.append((f"row-{n}", "invalid", "revoked"))
        elif n % 7 == 3:
            found.append((f"row-{n}", "invalid", "signature_wrong"))
        else:
            found.append((f"row-{n}", "valid", ""))
    return found


def write(path: Path, made: Sequence[Row]) -> Path:
    """The rows in the form of the file's ending."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(made)))
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({name: [row.get(name) for row in made] for name in names})
        pyarrow.parquet.write_table(table, path, row_group_size=1000)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({name: text(value) for name, value in row.items()} for row in made)
    else:
        lines = ({name: text(value) for name, value in row.items()} for row in made)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def text(value: Any) -> Any:
    """Bytes as text files have them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def read(path: Path) -> list[Row]:
    """The rows of an output, each with all its columns."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        found: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
        return found
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


def short(path: Path) -> list[tuple[str, str, str]]:
    """Id, outcome and code of each row of an output."""
    return [(row["id"], row["outcome"], row["code"]) for row in read(path)]
