# SPDX-License-Identifier: Apache-2.0
"""CMS to a verdict: no false yes, for whatever is done to a signature or left out of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crafted_cms import (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    RSA_ENCRYPTION,
    Crafted,
    attribute,
    signed_data,
)
from jpki.certificate.kinds import Environment, Family
from jpki.errors import InputFileError
from jpki.open import load_trust
from jpki.signing import cms
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.cms_envelope import CmsError
from jpki.signing.key_file import KeyFile
from jpki.signing.signer import DigestSigner
from jpki.synth import card_key, der, stored_key
from jpki.verdict import Outcome
from jpki.verifying.cms import verify_detached
from jpki.verifying.document import Wanted, verify_document
from jpki.verifying.judge import Judge
from jpki.verifying.material import ValidationOptions
from signing_bench import AT, judge, openssl, options, sign, signer, verify

CONTENT = b"what is signed\n"


@pytest.fixture
def one(tmp_path: Path) -> DigestSigner:
    return signer(tmp_path)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.txt"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def crafted(one: DigestSigner) -> Crafted:
    """A signer that is as it should be, to be spoilt."""
    made = Crafted(card_key(15, "sign"), one.certificate, CONTENT)
    made.attributes = made.usual()
    return made


def code(data: bytes, content: Path, name: str, by: Judge | None = None) -> tuple[Outcome, str]:
    """The verdict, and the code of one of its checks."""
    found = verify(data, content.parent, content, by)
    check = found.verdict.check(name)
    return found.outcome, check.code if check else ""


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("generation", [3, 4])
def test_good(tmp_path: Path, content: Path, generation: int, detached: bool) -> None:
    ready = signer(tmp_path, generation=generation)
    for algorithm in ready.algorithms:
        made = sign(content, [ready], options(algorithm, detached=detached))
        found = verify(made, tmp_path, content if detached else None)
        assert found.outcome is Outcome.VALID, algorithm
        assert found.signatures[0].certificate == ready.certificate
        names = {check.name for check in found.verdict.checks}
        assert names == {
            "integrity", "signature", "signer", "certificate", "path", "profile", "validity",
            "revocation", "time",
        }  # fmt: skip


def test_armoured(one: DigestSigner, content: Path) -> None:
    made = sign(content, [one], options())
    done = openssl("cms", "-cmsout", "-inform", "DER", "-outform", "PEM", stdin=made)
    assert verify(done.stdout, content.parent, content).outcome is Outcome.VALID
    for spoilt in (done.stdout[:-30], done.stdout + b"x", done.stdout.replace(b"MII", b"M!I", 1)):
        with pytest.raises(InputFileError):
            verify(spoilt, content.parent, content)


@pytest.mark.parametrize("detached", [True, False])
def test_truncated_at_every_length(one: DigestSigner, content: Path, detached: bool) -> None:
    made = sign(content, [one], options(detached=detached))
    for size in range(1, len(made)):
        with pytest.raises(CmsError):
            verify(made[:size], content.parent, content)
    for size in (0,):
        with pytest.raises(InputFileError):
            verify(made[:size], content.parent, content)


def test_any_byte_changed(one: DigestSigner, content: Path) -> None:
    """Never a crash, and what is believed is what was signed, by whom, and when."""
    assert isinstance(one, KeyFile)
    made = sign(content, [replace(one, chain=())], options(detached=False))
    right = verify(made, content.parent)
    for place in range(len(made)):
        changed = bytearray(made)
        changed[place] ^= 0x01
        try:
            found = verify(bytes(changed), content.parent)
        except (CmsError, InputFileError):
            continue
        if found.outcome is Outcome.VALID:
            assert found.signatures[0].certificate == one.certificate
            assert found.signatures[0].subject == right.signatures[0].subject


def test_another_content(one: DigestSigner, content: Path) -> None:
    made = sign(content, [one], options())
    enclosed = sign(content, [one], options(detached=False))
    assert CONTENT in enclosed
    changed = enclosed.replace(CONTENT, CONTENT.upper())
    assert verify(changed, content.parent).outcome is Outcome.INVALID
    content.write_bytes(CONTENT + b"\n")
    assert code(made, content, "integrity") == (Outcome.INVALID, "content_changed")
    assert code(enclosed, content, "content") == (Outcome.INVALID, "content_other")
    assert verify(enclosed, content.parent).outcome is Outcome.VALID


def test_detached_without_content(one: DigestSigner, content: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        verify(sign(content, [one], options()), content.parent)
    assert caught.value.values["reason"] == "content_missing"


def test_the_crafted_signer_is_good_before_it_is_spoilt(crafted: Crafted, content: Path) -> None:
    assert code(crafted.cms(), content, "integrity") == (Outcome.VALID, "content_signed")
    crafted.algorithm = RSA_ENCRYPTION
    assert verify(crafted.cms(), content.parent, content).outcome is Outcome.VALID


def _attributes(change: Callable[[Crafted], list[bytes] | None]) -> Callable[[Crafted], bytes]:
    def spoil(good: Crafted) -> bytes:
        good.attributes = change(good)
        return good.cms()

    return spoil


OTHER = "1.2.840.113549.1.9.16.1.4"
SPOILT: list[tuple[str, Callable[[Crafted], bytes], str, str]] = [
    ("no attributes", _attributes(lambda c: None), "integrity", "attributes_missing"),
    ("no digest", _attributes(lambda c: c.usual()[:1]), "integrity", "attributes_missing"),
    ("no content type", _attributes(lambda c: c.usual()[1:]), "integrity", "attributes_missing"),
    ("other content type", _attributes(
        lambda c: [attribute(CONTENT_TYPE, der.oid(OTHER)), c.usual()[1]]
    ), "integrity", "content_type"),
    ("digest of another", _attributes(
        lambda c: [c.usual()[0], attribute(MESSAGE_DIGEST, der.octet_string(bytes(32)))]
    ), "integrity", "content_changed"),
    ("digest too short", _attributes(
        lambda c: [c.usual()[0], attribute(MESSAGE_DIGEST, der.octet_string(c.digest()[:31]))]
    ), "integrity", "content_changed"),
    ("digest twice in one", _attributes(
        lambda c: [c.usual()[0], attribute(
            MESSAGE_DIGEST, der.octet_string(bytes(32)), der.octet_string(c.digest()))]
    ), "signature", "signer_info_form"),
    ("digest attribute twice", _attributes(
        lambda c: [*c.usual(), attribute(MESSAGE_DIGEST, der.octet_string(bytes(32)))]
    ), "signature", "signer_info_form"),
    ("no value", _attributes(
        lambda c: [c.usual()[0], attribute(MESSAGE_DIGEST)]
    ), "signature", "signer_info_form"),
    ("empty attributes", _attributes(lambda c: []), "signature", "signer_info_form"),
    ("names another certificate", _attributes(
        lambda c: [*c.usual(), attribute(
            "1.2.840.113549.1.9.16.2.47",
            der.sequence(der.sequence(der.sequence(der.octet_string(bytes(32))))))]
    ), "signer", "signer_other"),
    ("hash not announced", lambda c: c.cms(announced="sha512"), "integrity", "hash_not_announced"),
    ("other content", lambda c: c.cms(content_type=OTHER), "content", "content_type"),
    ("no signed time, garbage", _attributes(
        lambda c: [*c.usual(), attribute("1.2.840.113549.1.9.5", der.octet_string(b"x"))]
    ), "signature", "signer_info_form"),
    ("algorithm of another hash", lambda c: replace(c, algorithm="1.2.840.113549.1.1.13").cms(),
        "signature", "scheme_not_known"),
    ("algorithm of another key", lambda c: replace(c, algorithm="1.2.840.10045.4.3.2").cms(),
        "signature", "signature_not_by_key"),
    ("algorithm unknown", lambda c: replace(c, algorithm="2.999.1").cms(),
        "signature", "scheme_not_known"),
    ("another key", lambda c: replace(c, key=stored_key("card-14-sign")).cms(),
        "signature", "signature_not_by_key"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "check", "expected"), SPOILT, ids=lambda v: str(v)[:24])
def test_spoilt(
    name: str, spoil: Callable[[Crafted], bytes], check: str, expected: str,
    crafted: Crafted, content: Path,
) -> None:  # fmt: skip
    assert code(spoil(crafted), content, check) == (Outcome.INVALID, expected), name


@pytest.mark.parametrize("name", ["md5", "sha1"])
def test_old_hashes_are_invalid(crafted: Crafted, content: Path, name: str) -> None:
    crafted.hash = name
    crafted.attributes = crafted.usual()
    found = verify(crafted.cms(), content.parent, content)
    assert found.outcome is Outcome.INVALID


def test_sha1_only_as_history(crafted: Crafted, content: Path) -> None:
    crafted.hash = "sha1"
    crafted.attributes = crafted.usual()
    found = code(crafted.cms(), content, "integrity", judge(history=True))
    assert found == (Outcome.VALID, "content_signed")
    content.write_bytes(b"changed")
    found = code(crafted.cms(), content, "integrity", judge(history=True))
    assert found == (Outcome.INVALID, "content_changed")


def test_attributes_passed_off_as_a_content(crafted: Crafted, content: Path) -> None:
    """What was signed as attributes is no signature over a file that consists of them."""
    attributes = der.tlv(0x31, b"".join(sorted(crafted.usual())))
    crafted.content, crafted.attributes = attributes, None
    content.write_bytes(attributes)
    assert code(crafted.cms(), content, "integrity") == (Outcome.INVALID, "attributes_missing")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_signature_of_three(tmp_path: Path, content: Path, place: int) -> None:
    """Not only the first counts."""
    signers = [signer(tmp_path, slot=slot) for slot in (13, 14, 15)]
    made = sign(content, signers, options())
    found = verify(made, tmp_path, content)
    assert [one.outcome for one in found.signatures] == [Outcome.VALID] * 3
    assert {one.certificate for one in found.signatures} == {s.certificate for s in signers}
    prepared = cms.prepare(content, options())
    infos = [cms.sign_info(one, options(), prepared.digest) for one in signers]
    infos[place] = cms.sign_info(signers[place], options(), bytes(32))
    out = io.BytesIO()
    cms.write_signed(out, prepared, infos, detached=True)
    found = verify(out.getvalue(), tmp_path, content)
    outcomes = sorted(one.outcome for one in found.signatures)
    assert outcomes == sorted([Outcome.INVALID, Outcome.VALID, Outcome.VALID])
    assert found.outcome is Outcome.INVALID


def test_no_signature_at_all(one: DigestSigner, content: Path) -> None:
    with pytest.raises(CmsError) as caught:
        verify(signed_data([], [one.certificate]), content.parent, content)
    assert caught.value.values["reason"] == "no_signer"


def test_certificate_left_out(crafted: Crafted, content: Path, one: DigestSigner) -> None:
    """Cannot tell; and with the certificate from elsewhere it can."""
    made = signed_data([crafted.signer_info()], [])
    assert code(made, content, "signer") == (Outcome.CANNOT_TELL, "signer_certificate_missing")
    trust = load_trust("test", at=AT)
    informed = Judge(trust, ValidationOptions(at=AT, chain=(one.certificate,)))
    assert verify(made, content.parent, content, informed).outcome is Outcome.VALID


def test_certificate_of_another_with_the_same_name(
    crafted: Crafted, content: Path, tmp_path: Path
) -> None:
    """The signer names a certificate whose key did not sign."""
    other = signer(tmp_path, slot=14)
    made = replace(crafted, named=other.certificate)
    data = signed_data([made.signer_info()], [other.certificate, crafted.certificate])
    found = verify(data, content.parent, content)
    assert found.outcome is Outcome.INVALID


def test_the_auth_key_signs_no_documents(tmp_path: Path, content: Path) -> None:
    made = sign(content, [signer(tmp_path, Family.AUTH)], options())
    assert code(made, content, "profile") == (Outcome.INVALID, "wrong_family")
    assert verify(made, tmp_path, content, judge(family=Family.AUTH)).outcome is Outcome.VALID


def test_the_test_pki_proves_nothing_in_production(one: DigestSigner, content: Path) -> None:
    made = sign(content, [one], options())
    strict = Judge(load_trust("production"), ValidationOptions(at=AT))
    found = verify(made, content.parent, content, strict)
    assert found.outcome is Outcome.INVALID
    assert (found.legal, found.environment) == (False, Environment.PRODUCTION)


def test_a_detached_signature_for_a_container(one: DigestSigner, content: Path) -> None:
    """What PDF hands over: CMS in bytes, digests of what it covers."""
    made = sign(content, [one], options())
    digests = {name.value: name.digest(CONTENT) for name in HashName}
    found = verify_detached(made, digests, judge(), first=3)
    assert [(each.number, each.outcome) for each in found] == [(3, Outcome.VALID)]
    digests["sha256"] = bytes(32)
    assert verify_detached(made, digests, judge())[0].outcome is Outcome.INVALID
    assert verify_detached(made, {}, judge())[0].outcome is Outcome.INVALID
    with pytest.raises(CmsError) as caught:
        verify_detached(sign(content, [one], options(detached=False)), digests, judge())
    assert caught.value.values["reason"] == "attached"


@pytest.mark.parametrize("name", ["sha384", "sha512"])
def test_pss_parameters_have_to_agree(tmp_path: Path, content: Path, name: str) -> None:
    """A salt or mask of another size than the hash is not taken."""
    pss = SignatureAlgorithm(Scheme.PSS, HashName(name))
    made = sign(content, [signer(tmp_path)], options(pss))
    salt = {"sha384": b"\xa2\x03\x02\x01\x30", "sha512": b"\xa2\x03\x02\x01\x40"}[name]
    assert made.count(salt) == 1
    changed = made.replace(salt, b"\xa2\x03\x02\x01\x20")
    assert code(changed, content, "signature") == (Outcome.INVALID, "scheme_not_known")


@pytest.mark.parametrize(
    ("head", "reason"),
    [(b"", "no_signed_format"), (b"hello", "no_signed_format"), (b"{}", "no_signed_format")],
)
def test_files_of_no_format(tmp_path: Path, head: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(head)
    with pytest.raises(InputFileError) as caught:
        verify_document(Wanted(path), judge())
    assert caught.value.values["reason"] == reason
    for absent in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputFileError):
            verify_document(Wanted(absent), judge())
