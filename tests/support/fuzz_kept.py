# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: files that the toolkit keeps, or is handed, and that somebody may have altered."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from fuzz_http import shelters
from fuzz_pki import validator
from fuzz_targets import calls, scratch
from jpki.card.municipalities import load_municipalities
from jpki.certificate.files import load_certificates
from jpki.certificate.kinds import Environment
from jpki.kiosk.shelter.office import read_city_key, read_office
from jpki.kiosk.shelter.queue_format import _signed, close_bundle, read_head
from jpki.kiosk.shelter.sealing import seal
from jpki.kiosk.shelter.wire import read_bundle
from jpki.mapping.platform_file import load_platform
from jpki.open_shelter import KEY_FILE, read_keys
from jpki.signing.key_file import load_key_file
from jpki.validation.crl_index.folder import MARKER, Folder
from jpki.validation.crl_index.layout import _HEAD, MAGIC, read_facts
from jpki.validation.crl_index.watch_file import read_rows
from jpki.validation.ocsp_request import load_signer
from jpki.verifying.batch.inputs import parse_lines
from jpki.verifying.batch.rows import RowVerifier
from jpki.verifying.batch.signers import read_signers
from jpki.verifying.report import _read as read_report
from jpki_apdu.reader_memory import DamagedMemoryError, parse
from jpki_cli import config
from shelter_bench import DESK


def queue(data: bytes) -> None:
    """A desk that signs and seals anything: its queue as the server half gets it.

    ``{"header": {…}, "head": {…}, "records": [{…, "entry": {…}}]}``: bodies, not yet signed.
    """
    city = shelters()
    key, desk = city.signing[DESK], city.half()
    try:
        raw = json.loads(data)
        header = _signed(raw["header"], key)
        records = tuple(_record(one, header) for one in raw["records"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # nothing that could be signed
    bundle = close_bundle(desk.begin_sync(), header, records, key)
    calls(
        (
            lambda _: desk.sync(bundle),
            lambda _: read_bundle(raw),
            lambda _: read_head(_signed(raw.get("head"), key), key.public_key()),
        ),
        b"",
    )


def _record(one: dict[str, Any], header: bytes) -> bytes:
    """A record whose check-in is sealed for the server half, as it should be or not."""
    city = shelters()
    body = dict(one)
    entry = json.dumps(body.pop("entry", None)).encode()
    sealed = seal(city.key.public_key(), entry, str(one.get("id")).encode("utf-8"))
    body.setdefault("sealed", base64.b64encode(sealed).decode())
    if body.get("before") == "HEADER":
        body["before"] = hashlib.sha256(header).hexdigest()
    return _signed(body, city.signing[DESK])


@cache
def _folder(name: str) -> Path:
    made = scratch() / name
    made.mkdir()
    return made


def _file(data: bytes, name: str) -> Path:
    path = _folder("kept") / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def kept_json(data: bytes) -> None:
    """Keys of offices and desks, watch lists, reports, batches, heads of indexes, readers."""
    path = _file(data, "kept.json")
    _file(data, KEY_FILE)
    head = _HEAD.pack(MAGIC, len(data), hashlib.sha256(data).digest())
    calls(
        (
            lambda _: read_office(path), lambda _: read_keys(path.parent),
            lambda _: list(read_rows(path)), lambda _: read_report(path),
            lambda _: read_signers(_file(data, "signers.ndjson")), _store,
            lambda raw: read_facts(memoryview(head + raw), len(head) + len(raw)),
        ),
        data,
    )  # fmt: skip
    with contextlib.suppress(DamagedMemoryError):
        parse(data)
    rows = parse_lines(data.split(b"\n"))
    RowVerifier(validator()).verify(rows, len(rows["id"]))


def _store(data: bytes) -> None:
    """A folder of indexes: what it says of itself, and a file of it."""
    folder = Folder(_file(data, MARKER).parent)
    folder.load(MARKER)
    folder.require(Environment.TEST)


def kept_text(data: bytes) -> None:
    """Settings, lists of municipalities, keys in PEM."""
    path = _file(data, "kept.toml")
    calls(
        (
            lambda _: load_platform(path), lambda _: load_municipalities(path),
            lambda _: load_municipalities(_file(data, "kept.csv")),
            lambda _: config.load({"JPKI_CONFIG": str(path)}),
            lambda _: read_city_key(path), lambda _: load_key_file(path),
            lambda raw: load_signer(raw, tuple(load_certificates(raw))),
            lambda _: read_signers(_file(data, "signers.csv")),
        ),
        data,
    )  # fmt: skip
