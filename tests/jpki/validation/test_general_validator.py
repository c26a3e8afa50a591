# SPDX-License-Identifier: Apache-2.0
"""The verdict of the general profile: what of each path, and which path of several, it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1

from der_edit import RSA_SHA1, Item, algorithm, resigned
from general_checks import rows, verdict
from general_pki import (
    AT,
    AUTHORITY,
    DAY,
    HOLDER,
    LEAF,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    OTHER,
    ROOT,
    ROOT_CRL,
    ROOT_DER,
    Extensions,
    answer,
    certificate,
    crl,
    name,
    usage,
)
from jpki.certificate import Environment
from jpki.synth.keystore import stored_key
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator, validator
from jpki.verdict import Headline, Outcome

SECOND = timedelta(seconds=1)
NONE, REQUIRE = RevocationMode.NONE, RevocationMode.REQUIRE
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True)
YES, NO, UNCLEAR, NOT_RUN = Headline

HELD, IN_TIME = ("valid", "path_holds"), ("valid", "within_validity")
NOT_ASKED, PATH_FIRST = ("not_run", "revocation_not_asked"), ("not_run", "path_first")
GOOD, REVOKED, MISSING = ("valid", "crl_good"), ("invalid", "revoked"), "crl_missing"


# What is told of one path.


def test_what_cannot_be_read_is_refused_and_nothing_else_is_looked_at() -> None:
    found = verdict(LEAF_DER[:-1])
    assert [(one.name, one.outcome, one.code) for one in found.checks] == [
        ("certificate", Outcome.INVALID, "certificate_unreadable"),
        *(
            (one, Outcome.NOT_RUN, "certificate_first")
            for one in ("path", "validity", "revocation")
        ),
    ]
    assert (found.outcome, found.genuine, found.in_force) == (Outcome.INVALID, NO, NOT_RUN)


def by_sha1(data: bytes, key: RSAPrivateKey) -> bytes:
    return resigned(data, key, algorithm(RSA_SHA1, inside=2), SHA1())


def leaf(*extra: tuple[x509.ExtensionType, bool], **given: Any) -> bytes:
    return certificate("Leaf", "Middle", LEAF, MIDDLE, (*HOLDER, *extra), **given)


def middle(*extra: tuple[x509.ExtensionType, bool], serial: int = 2, **given: Any) -> bytes:
    return certificate(
        "Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, *extra), serial=serial, **given
    )  # fmt: skip


def _key_kind(whole: Item) -> None:
    whole.parts[0].parts[6].parts[0].parts[0].value = b"\x2a\x03\x04"


ENDED = leaf(end=AT - SECOND)
WEAK = certificate("Leaf", "Middle", stored_key("weak-1024"), MIDDLE)
UNKNOWN_SIGNATURE = resigned(LEAF_DER, MIDDLE, algorithm(b"\x2a\x03\x04", inside=2))
PATHS = [
    ("all right", LEAF_DER, (), [HELD, IN_TIME, NOT_ASKED], {"length": 2}),
    ("ended", ENDED, (), [HELD, ("invalid", "expired"), NOT_ASKED], {"length": 2}),
    (
        "no issuer, and ended",
        ENDED,
        (LEAF_DER,),
        [("invalid", "untrusted"), ("invalid", "expired"), PATH_FIRST],
        {},
    ),
    (
        "no issuer",
        LEAF_DER,
        (LEAF_DER,),
        [("invalid", "untrusted"), IN_TIME, PATH_FIRST],
        {},
    ),
    (
        "another signature",
        certificate("Leaf", "Middle", LEAF, OTHER),
        (),
        [("invalid", "path_signature"), IN_TIME, PATH_FIRST],
        {},
    ),
    (
        "a signature of a kind not known",
        UNKNOWN_SIGNATURE,
        (),
        [("cannot_tell", "path_algorithm_unknown"), IN_TIME, PATH_FIRST],
        {},
    ),
    (
        "a key of a kind not known",
        resigned(LEAF_DER, MIDDLE, _key_kind),
        (),
        [("cannot_tell", "path_algorithm_unknown"), IN_TIME, PATH_FIRST],
        {"position": 2},
    ),
    (
        "a wrong form between",
        LEAF_DER,
        (middle(UNKNOWN),),
        [("invalid", "path_critical_extension"), IN_TIME, PATH_FIRST],
        {"position": 1},
    ),
    ("a weak key", WEAK, (), [("invalid", "path_weak"), IN_TIME, PATH_FIRST], {"position": 2}),
    (
        "a weak signature",
        by_sha1(LEAF_DER, MIDDLE),
        (),
        [("invalid", "path_weak"), IN_TIME, PATH_FIRST],
        {"position": 2},
    ),
    (
        "a name that is excluded",
        LEAF_DER,
        (middle((x509.NameConstraints(None, [x509.DirectoryName(name("Leaf"))]), True)),),
        [("invalid", "path_name_constraints"), IN_TIME, PATH_FIRST],
        {},
    ),
]


@pytest.mark.parametrize(
    ("data", "chain", "wanted", "values"),
    [row[1:] for row in PATHS],
    ids=[row[0] for row in PATHS],
)
def test_what_is_told_of_a_path(
    data: bytes, chain: tuple[bytes, ...], wanted: list[tuple[str, str]], values: dict[str, int]
) -> None:
    found = verdict(data, *chain)
    assert rows(found) == wanted
    assert dict(found.checks[1].values) == values


TIMES = [
    ("the leaf", {}, {"begin": AT, "end": AT}, IN_TIME, None),
    ("between", {"begin": AT, "end": AT}, {}, IN_TIME, None),
    ("ended", {}, {"end": AT - SECOND}, ("invalid", "expired"), None),
    ("not begun", {}, {"begin": AT + SECOND}, ("invalid", "not_yet_valid"), None),
    ("ended between", {"end": AT - SECOND}, {}, ("invalid", "path_expired"), 1),
    ("not begun between", {"begin": AT + SECOND}, {}, ("invalid", "path_not_yet_valid"), 1),
]


@pytest.mark.parametrize(
    ("above", "own", "wanted", "position"), [row[1:] for row in TIMES], ids=[r[0] for r in TIMES]
)
def test_dates_count_to_the_second(
    above: dict[str, Any],
    own: dict[str, Any],
    wanted: tuple[str, str],
    position: int | None,
) -> None:
    found = verdict(leaf(**own), middle(**above))
    assert rows(found) == [HELD, wanted, NOT_ASKED]
    assert found.checks[2].values.get("position") == position


def test_dates_that_meet_in_one_second_are_a_path() -> None:
    """Whether it holds is asked about that second, whenever the verdict is."""
    found = verdict(leaf(begin=AT), middle(end=AT), at=AT + DAY)
    assert rows(found) == [HELD, ("invalid", "path_expired"), NOT_ASKED]
    apart = verdict(leaf(begin=AT + SECOND), middle(end=AT), at=AT + DAY)
    assert [one.outcome for one in apart.checks[1:3]] == [Outcome.INVALID, Outcome.INVALID]


# The anchor.


def root(extensions: Extensions = AUTHORITY, key: RSAPrivateKey = ROOT) -> bytes:
    return certificate("Root", "Root", key, key, extensions, serial=1)


def _version_one(whole: Item) -> None:
    del whole.parts[0].parts[0]
    whole.parts[0].parts = [part for part in whole.parts[0].parts if part.tag != 0xA3]


def _below(key: RSAPrivateKey) -> bytes:
    return certificate("Middle", "Root", MIDDLE, key, AUTHORITY, serial=2)


NO_AUTHORITY = (x509.BasicConstraints(ca=False, path_length=None), True)
SIGNS = (usage("key_cert_sign"), True)
NOT_A_CA, WEAK_ANCHOR = ("invalid", "path_not_a_ca"), ("invalid", "path_weak")
ANCHORS = [
    ("version 1", resigned(ROOT_DER, ROOT, _version_one), HELD, HELD),
    ("says nothing of it", root([SIGNS]), NOT_A_CA, HELD),
    ("says it is none", root([NO_AUTHORITY]), NOT_A_CA, NOT_A_CA),
    ("signs lists only", root([AUTHORITY[0], (usage("crl_sign"), True)]), NOT_A_CA, NOT_A_CA),
    ("signed itself weakly", by_sha1(ROOT_DER, ROOT), HELD, HELD),
]


@pytest.mark.parametrize(
    ("anchor", "usual", "partial"), [row[1:] for row in ANCHORS], ids=[row[0] for row in ANCHORS]
)
def test_who_may_be_an_anchor(
    anchor: bytes, usual: tuple[str, str], partial: tuple[str, str]
) -> None:
    assert rows(verdict(anchors=[anchor]))[0] == usual
    assert rows(verdict(anchors=[anchor], partial=True))[0] == partial


def test_an_anchor_with_a_weak_key_has_to_be_asked_for() -> None:
    key = stored_key("weak-1024")
    found = verdict(LEAF_DER, _below(key), anchors=[root(key=key)])
    assert rows(found)[0] == WEAK_ANCHOR
    assert found.checks[1].values["position"] == 0
    asked = verdict(LEAF_DER, _below(key), anchors=[root(key=key)], weak_keys=True)
    assert rows(asked)[0] == HELD


def test_who_is_trusted_itself_needs_not_be_an_authority() -> None:
    alone = certificate("Alone", "Alone", LEAF, LEAF)
    assert rows(verdict(alone, anchors=[alone])) == [HELD, IN_TIME, NOT_ASKED]
    below = certificate("Below", "Alone", MIDDLE, LEAF)
    assert rows(verdict(below, anchors=[alone]))[0] == NOT_A_CA
    critical = certificate("Alone", "Alone", LEAF, LEAF, (*HOLDER, UNKNOWN))
    assert rows(verdict(critical, anchors=[critical]))[0] == ("invalid", "path_critical_extension")


def test_what_cannot_be_read_is_no_anchor() -> None:
    assert rows(verdict(anchors=[ROOT_DER[:-1]]))[0] == ("invalid", "untrusted")
    assert rows(verdict(anchors=[ROOT_DER[:-1], ROOT_DER]))[0] == HELD


# Revocation: of every certificate that is asked about, the worst.


@pytest.mark.parametrize(
    ("of_leaf", "of_middle", "wanted"),
    [
        (crl(), ROOT_CRL, GOOD),
        (crl(), crl("Root", ROOT, revoked=[2]), REVOKED),
        (crl(), None, ("cannot_tell", MISSING)),
        (None, ROOT_CRL, ("cannot_tell", MISSING)),
        (None, crl("Root", ROOT, revoked=[2]), REVOKED),
        (crl(revoked=[7]), None, REVOKED),
    ],
)
def test_the_worst_of_all_is_told(
    of_leaf: bytes | None, of_middle: bytes | None, wanted: tuple[str, str]
) -> None:
    lists = tuple(one for one in (of_leaf, of_middle) if one is not None)
    found = verdict(crls=lists, revocation=REQUIRE)
    assert rows(found) == [HELD, IN_TIME, wanted]
    headline = {"valid": YES, "invalid": NO, "cannot_tell": UNCLEAR}[wanted[0]]
    assert (found.genuine, found.in_force) == (YES, headline)


@pytest.mark.parametrize(
    ("data", "genuine", "in_force"),
    [
        (LEAF_DER, YES, NOT_RUN),
        (ENDED, YES, NO),
        (WEAK, NO, NOT_RUN),
        (UNKNOWN_SIGNATURE, UNCLEAR, NOT_RUN),
    ],
)
def test_without_revocation_it_is_not_said_to_be_in_force(
    data: bytes, genuine: Headline, in_force: Headline
) -> None:
    found = verdict(data)
    assert (found.genuine, found.in_force) == (genuine, in_force)


@pytest.mark.parametrize(
    "signer",
    [
        certificate("Middle", "Root", OTHER, ROOT, [(usage("crl_sign"), True), UNKNOWN], serial=21),
        certificate(
            "Middle", "Root", OTHER, ROOT, [(usage("crl_sign"), True)], serial=21, end=AT - SECOND
        ),
    ],
    ids=["a wrong form", "ended"],
)
def test_whose_path_does_not_hold_signs_no_list(signer: bytes) -> None:
    found = verdict(
        LEAF_DER, MIDDLE_DER, signer, crls=(crl(signer=OTHER),), revocation=RevocationMode.LEAF
    )
    assert rows(found)[2] == ("cannot_tell", "crl_signer")


def test_what_nobody_asks_about_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(data: Sequence[bytes], **more: Any) -> Any:
            given.extend(data)
            return function(data, **more)

        return call

    for one in ("read_crls", "OcspAnswers"):
        monkeypatch.setattr(validator, one, counted(getattr(validator, one)))
    status: dict[str, Any] = {"crls": (crl(),), "ocsp": (answer(LEAF_DER, MIDDLE_DER, MIDDLE),)}
    assert rows(verdict(**status))[2] == NOT_ASKED
    assert given == []
    assert rows(verdict(**status, revocation=RevocationMode.LEAF))[2][0] == "valid"
    assert len(given) == 2


# What is asked.


def test_the_time_is_the_one_asked_about_and_else_now() -> None:
    def now() -> datetime:
        return AT

    options = GeneralOptions(chain=(MIDDLE_DER,), revocation=NONE)
    by_clock = GeneralValidator([ROOT_DER], options, clock=now)
    assert rows(by_clock.validate(LEAF_DER))[1] == IN_TIME
    assert rows(by_clock.validate(ENDED))[1] == ("invalid", "expired")
    asked = GeneralValidator([ROOT_DER], replace(options, at=AT + 40 * DAY), clock=now)
    assert rows(asked.validate(LEAF_DER))[1] == ("invalid", "path_expired")
    with pytest.raises(ValueError, match="zone"):
        GeneralValidator([ROOT_DER], GeneralOptions(at=AT.replace(tzinfo=None)))


def test_what_is_asked_without_options() -> None:
    """Everything about revocation, and nothing is known beside the anchors."""
    plain = GeneralValidator([ROOT_DER], environment=Environment.TEST, clock=lambda: AT)
    found = plain.validate(MIDDLE_DER)
    assert rows(found) == [HELD, IN_TIME, ("cannot_tell", MISSING)]
    assert found.environment == "test"
