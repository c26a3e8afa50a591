# SPDX-License-Identifier: Apache-2.0
"""What each row of a batch comes to: good ones, forged ones, and those nobody could read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

from batch_rows import AT, REVOKED, bench, rows, signed
from jpki.certificate import Environment, Family
from jpki.synth import SynthPki
from jpki.synth.end_entity import EndEntityRequest
from jpki.validation import RevocationMode, TrustStore, Validator
from jpki.verdict import Verdict
from jpki.verifying.batch import RowVerdict, RowVerifier, verify_batch
from jpki.verifying.batch import rows as batch_rows

GOOD = {"signer": "s1"}
MESSAGE, SIGNATURE = signed(1)
DIGEST = hashlib.sha256(MESSAGE).digest()
FORGED = SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])


@pytest.fixture(scope="module")
def verifier() -> RowVerifier:
    return RowVerifier(bench().setup.validator(), bench().signers)


def judge(verifier: RowVerifier, row: dict[str, Any]) -> RowVerdict:
    return verifier.verify({name: [value] for name, value in row.items()}, 1)[0]


def _pem(der: bytes) -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


# What the row is, the row, and the code it comes to: none for a valid one.
CASES: list[tuple[str, Callable[[], dict[str, Any]], str]] = [
    ("certificate", lambda: {"certificate": bench().signers["s1"]}, ""),
    ("pem", lambda: {"certificate": _pem(bench().signers["s1"])}, ""),
    ("base64", lambda: {"certificate": _b64(bench().signers["s1"])}, ""),
    ("message", lambda: GOOD | {"message": MESSAGE, "signature": SIGNATURE}, ""),
    ("digest", lambda: GOOD | {"digest": DIGEST, "signature": SIGNATURE}, ""),
    ("text", lambda: GOOD | {"digest": _b64(DIGEST), "signature": _b64(SIGNATURE)}, ""),
    (
        "certificate and signature",
        lambda: {"certificate": bench().signers["s1"], "digest": DIGEST, "signature": SIGNATURE},
        "",
    ),
    ("forged", lambda: GOOD | {"message": MESSAGE, "signature": FORGED}, "signature_wrong"),
    ("short signature", lambda: GOOD | {"message": MESSAGE, "signature": b"x"}, "signature_wrong"),
    ("other message", lambda: GOOD | {"message": b"x", "signature": SIGNATURE}, "signature_wrong"),
    ("revoked", lambda: {"signer": f"s{REVOKED}"}, "revoked"),
    (
        "revoked, signature right",
        lambda: {"signer": f"s{REVOKED}", "message": MESSAGE, "signature": SIGNATURE},
        "revoked",
    ),
    (
        "before it was revoked",
        lambda: {"signer": f"s{REVOKED}", "time": "2026-11-01T00:00:00Z"},
        "",
    ),
    ("after its end", lambda: GOOD | {"time": "2045-01-01T00:00:00+09:00"}, "expired"),
    ("a datetime", lambda: GOOD | {"time": AT + timedelta(hours=1)}, ""),
    ("no certificate at all", lambda: {"certificate": b"\x30\x03abc"}, "certificate_unreadable"),
    ("nothing", lambda: {"certificate": None}, "record_incomplete"),
    ("empty texts", lambda: {"certificate": "", "signer": ""}, "record_incomplete"),
    ("unknown signer", lambda: {"signer": "nobody"}, "record_signer_unknown"),
    ("a list as signer", lambda: {"signer": ["s1"]}, "record_bad_signer"),
    ("truth as signer", lambda: {"signer": True}, "record_bad_signer"),
    ("not base64", lambda: {"certificate": "***"}, "record_bad_certificate"),
    ("a number", lambda: {"certificate": 7}, "record_bad_certificate"),
    (
        "broken PEM",
        lambda: {"certificate": "-----BEGIN CERTIFICATE-----\n*"},
        "record_bad_certificate",
    ),
    (
        "bad signature text",
        lambda: GOOD | {"signature": "*", "message": MESSAGE},
        "record_bad_signature",
    ),
    (
        "bad message text",
        lambda: GOOD | {"signature": SIGNATURE, "message": "*"},
        "record_bad_message",
    ),
    (
        "bad digest text",
        lambda: GOOD | {"signature": SIGNATURE, "digest": "*"},
        "record_bad_digest",
    ),
    (
        "digest of SHA-1",
        lambda: GOOD | {"signature": SIGNATURE, "digest": b"x" * 20},
        "record_bad_digest",
    ),
    ("signature of nothing", lambda: GOOD | {"signature": SIGNATURE}, "record_incomplete"),
    ("message without signature", lambda: GOOD | {"message": MESSAGE}, "record_incomplete"),
    (
        "message and digest",
        lambda: GOOD | {"message": MESSAGE, "digest": DIGEST, "signature": SIGNATURE},
        "record_incomplete",
    ),
    ("time without zone", lambda: GOOD | {"time": "2026-11-01T00:00:00"}, "record_bad_time"),
    ("a datetime without zone", lambda: GOOD | {"time": datetime(2026, 1, 1)}, "record_bad_time"),
    ("no time", lambda: GOOD | {"time": "yesterday"}, "record_bad_time"),
]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("row", "code"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_row(verifier: RowVerifier, row: Callable[[], dict[str, Any]], code: str) -> None:
    found = judge(verifier, row())
    assert (found.outcome, found.code) == ("invalid" if code else "valid", code)
    assert judge(verifier, row()) == found


def test_rows_do_not_disturb_one_another(verifier: RowVerifier) -> None:
    """All cases in one chunk come to what each came to alone."""
    made = [case[1]() for case in CASES]
    columns = {name: [row.get(name) for row in made] for name in batch_rows.COLUMNS}
    found = verifier.verify(columns, len(made))
    assert [verdict.code for verdict in found] == [code for _, _, code in CASES]


def test_every_code_has_words() -> None:
    from jpki.messages import LANGUAGES, has

    for code in {code for _, _, code in CASES} - {""}:
        for lang in LANGUAGES:
            assert has(f"reason.{code}", lang), code


def test_signers_are_kept_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    validator = bench().setup.validator()
    validate = validator.validate

    def counted(_: Validator, der: bytes, *, at: datetime | None = None) -> Verdict:
        calls.append(der)
        return validate(der, at=at)

    monkeypatch.setattr(Validator, "validate", counted)
    columns = {"signer": [f"s{n % 3}" for n in range(30)]}
    RowVerifier(validator, bench().signers).verify(columns, 30)
    assert len(calls) == 3
    monkeypatch.setattr(batch_rows, "MAX_SIGNERS", 2)
    bounded = RowVerifier(validator, bench().signers)
    bounded.verify(columns, 30)
    assert len(bounded._known) <= 2


def test_arrow() -> None:
    import pyarrow

    made = rows(50)
    batch = pyarrow.RecordBatch.from_pylist(made)
    verifier = RowVerifier(bench().setup.validator(), bench().signers)
    found = verify_batch(batch, verifier)
    assert found.schema.names == ["id", "outcome", "check", "code", "genuine", "in_force"]
    assert found.column("id").to_pylist() == [row["id"] for row in made]
    columns = {name: [row[name] for row in made] for name in made[0] if name != "id"}
    assert [tuple(row.values())[1:] for row in found.to_pylist()] == [
        tuple(map(str, verdict)) for verdict in verifier.verify(columns, 50)
    ]


def test_next_generation() -> None:
    """P-384 signs a SHA-384 digest; one of another size is refused before it is tried."""
    pki = SynthPki(AT)
    key = ec.generate_private_key(ec.SECP384R1())
    der = pki.end_entity(
        EndEntityRequest(family=Family.AUTH, generation=4, public_key=key.public_key(), serial=9)
    )
    store = TrustStore(Environment.TEST, pki.next_trust_anchors())
    validator = Validator(store, revocation=RevocationMode.NONE, at=AT)
    verifier = RowVerifier(validator)
    signature = key.sign(MESSAGE, ec.ECDSA(SHA384()))
    row = {"certificate": der, "signature": signature}
    digest = hashlib.sha384(MESSAGE).digest()
    assert judge(verifier, row | {"message": MESSAGE}).outcome == "valid"
    assert judge(verifier, row | {"digest": digest}).outcome == "valid"
    assert judge(verifier, row | {"message": b"x"}).code == "signature_wrong"
    assert judge(verifier, row | {"digest": DIGEST}).code == "record_bad_digest"


def test_cannot_tell_and_forged() -> None:
    """Where the certificate cannot be told of, a wrong signature is still wrong."""
    pki = SynthPki(AT)
    store = TrustStore(Environment.TEST, pki.trust_anchors())
    verifier = RowVerifier(Validator(store, at=AT), bench().signers)
    signed_row = GOOD | {"message": MESSAGE, "signature": SIGNATURE}
    assert judge(verifier, signed_row).outcome == "cannot_tell"
    assert judge(verifier, signed_row).code == "crl_missing"
    assert judge(verifier, signed_row | {"signature": FORGED}).code == "signature_wrong"
