# SPDX-License-Identifier: Apache-2.0
"""A further signer in a CMS: ours beside OpenSSL's, OpenSSL's beside ours, nothing else changed."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from jpki.errors import InputFileError
from jpki.signing import cms
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.cms_cosign import Cosign
from jpki.signing.cms_envelope import CmsError, Envelope, read_envelope, write_envelope
from jpki.signing.signer import SigningError
from jpki.synth import SynthPki
from jpki.verdict import Outcome
from jpki.verifying.document import DocumentVerdict
from signing_bench import AT, key_pem, openssl, options, pem, sign, signer, verify

CONTENT = b"signed by the one, then by the other\r\n"
WHEN = ("-attime", str(int(AT.timestamp())))
SHA512 = SignatureAlgorithm(Scheme.PKCS1, HashName.SHA512)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A content, the roots, and two keys with their certificates."""
    roots = SynthPki(AT).trust_anchors()
    (tmp_path / "roots.pem").write_bytes(b"".join(map(pem, roots)))
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "first.pem").write_bytes(key_pem(slot=14))
    (tmp_path / "second.pem").write_bytes(key_pem(slot=15))
    return tmp_path


def content_of(folder: Path, detached: bool) -> Path | None:
    return folder / "content" if detached else None


def theirs(folder: Path, detached: bool, *how: str, form: str = "DER") -> bytes:
    """The first signature, by OpenSSL."""
    form_of = () if detached else ("-nodetach",)
    done = openssl(
        "cms", "-sign", "-binary", "-in", str(folder / "content"), "-signer",
        str(folder / "first.pem"), *form_of, *how, "-outform", form,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def resigned(folder: Path, data: bytes, detached: bool, *how: str) -> bytes:
    """The second signature, by OpenSSL."""
    form_of = () if detached else ("-nodetach",)
    (folder / "first.p7s").write_bytes(data)
    done = openssl(
        "cms", "-resign", "-inform", "DER", "-in", str(folder / "first.p7s"), "-signer",
        str(folder / "second.pem"), *form_of, *how, "-outform", "DER",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def cosigned(
    folder: Path, data: bytes, content: Path | None, *, algorithm: SignatureAlgorithm | None = None,
    slot: int = 15, generation: int = 3,
) -> bytes:  # fmt: skip
    """The second signature, by us."""
    path = folder / "there.p7s"
    path.write_bytes(data)
    ready = signer(folder, slot=slot, generation=generation)
    how = options(algorithm or ready.algorithms[0])
    how = replace(how, special=Cosign(content))
    out = io.BytesIO()
    cms.write(cms.prepare(path, how), ready, how, out)
    return out.getvalue()


def read(data: bytes) -> tuple[Envelope, bytes]:
    content = bytearray()
    return read_envelope(io.BytesIO(data), lambda hashes, kind: content.extend), bytes(content)


def both_say_valid(folder: Path, data: bytes, detached: bool) -> DocumentVerdict:
    """OpenSSL and we verify every signer."""
    more = ("-content", str(folder / "content")) if detached else ()
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", str(folder / "roots.pem"),
        "-purpose", "any", "-out", str(folder / "out"), *WHEN, *more, stdin=data,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "out").read_bytes() == CONTENT
    found = verify(data, folder, content_of(folder, detached))
    assert found.outcome is Outcome.VALID, found
    return found


FORMS = [
    ("plain", (), "DER", SignatureAlgorithm(Scheme.PKCS1, HashName.SHA256)),
    ("streamed", ("-stream",), "DER", SignatureAlgorithm(Scheme.PKCS1, HashName.SHA256)),
    ("PEM", (), "PEM", SignatureAlgorithm(Scheme.PKCS1, HashName.SHA256)),
    ("by key id", ("-keyid",), "DER", SignatureAlgorithm(Scheme.PKCS1, HashName.SHA256)),
    ("CAdES", ("-cades",), "DER", SHA512),
    ("SHA-512", ("-md", "sha512"), "DER", SignatureAlgorithm(Scheme.PSS, HashName.SHA256)),
]


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize(("name", "how", "form", "algorithm"), FORMS, ids=[f[0] for f in FORMS])
def test_ours_beside_theirs(
    folder: Path, name: str, how: tuple[str, ...], form: str, algorithm: SignatureAlgorithm,
    detached: bool,
) -> None:  # fmt: skip
    first = theirs(folder, detached, *how, form=form)
    whole = cosigned(folder, first, content_of(folder, detached), algorithm=algorithm)
    if form == "PEM":
        first = openssl("cms", "-cmsout", "-inform", "PEM", "-outform", "DER", stdin=first).stdout
    before, after = read(first), read(whole)
    assert before[1] == after[1]  # the content
    assert set(before[0].signers) < set(after[0].signers)
    assert set(before[0].certificates) < set(after[0].certificates)
    assert set(before[0].algorithms) <= set(after[0].algorithms)
    # (OpenSSL encloses a streamed content in any case.)
    assert (after[0].version, after[0].attached) == (before[0].version, before[0].attached)
    assert len(both_say_valid(folder, whole, detached).signatures) == 2


@pytest.mark.parametrize("detached", [True, False])
def test_theirs_beside_ours(folder: Path, detached: bool) -> None:
    first = sign(folder / "content", [signer(folder, slot=14)], options(detached=detached))
    whole = resigned(folder, first, detached)
    assert set(read(first)[0].signers) < set(read(whole)[0].signers)
    assert len(both_say_valid(folder, whole, detached).signatures) == 2


def test_a_third_and_another_kind_of_key(folder: Path) -> None:
    first = theirs(folder, detached=True)
    second = cosigned(folder, first, folder / "content")
    third = cosigned(folder, second, folder / "content", generation=4)
    found = verify(third, folder, folder / "content")
    assert [one.number for one in found.signatures] == [1, 2, 3]
    assert set(read(second)[0].signers) < set(read(third)[0].signers)


def test_lists_that_are_enclosed_stay(folder: Path) -> None:
    crl = SynthPki(AT).crls()[0]
    (folder / "first.der").write_bytes(theirs(folder, detached=True))
    envelope, _ = read((folder / "first.der").read_bytes())
    enclosed = io.BytesIO()
    write_envelope(
        enclosed, hashes=envelope.algorithms, certificates=envelope.certificates, lists=[crl],
        signers=envelope.signers,
    )  # fmt: skip
    whole = cosigned(folder, enclosed.getvalue(), folder / "content")
    assert read(whole)[0].lists == (crl,)
    assert verify(whole, folder, folder / "content").outcome is Outcome.VALID


def test_each_signer_is_judged_by_itself(folder: Path) -> None:
    """A first signature that is wrong stays wrong, and makes the whole so."""
    first = sign(folder / "content", [signer(folder, slot=14)], options())
    envelope, _ = read(first)
    spoilt = first.replace(envelope.signers[0], envelope.signers[0][:-1] + b"\x00")
    found = verify(cosigned(folder, spoilt, folder / "content"), folder, folder / "content")
    assert sorted(one.outcome for one in found.signatures) == [Outcome.INVALID, Outcome.VALID]
    assert found.outcome is Outcome.INVALID


def test_what_is_not_cosigned(folder: Path) -> None:
    first = theirs(folder, detached=True)
    with pytest.raises(InputFileError) as missing:
        cosigned(folder, first, None)
    assert missing.value.values["reason"] == "content_missing"
    (folder / "another").write_bytes(b"another")
    for data in (first, theirs(folder, detached=False)):
        with pytest.raises(SigningError) as other:
            cosigned(folder, data, folder / "another")
        assert other.value.code == "cosign_content"
    typed = theirs(folder, False, "-econtent_type", "1.2.3.4")
    with pytest.raises(SigningError) as kind:
        cosigned(folder, typed, None)
    assert kind.value.code == "cosign_content_type"


def test_every_truncation_is_refused(folder: Path) -> None:
    first, path = theirs(folder, detached=True), folder / "cut.p7s"
    how = replace(options(), special=Cosign(folder / "content"))
    for size in range(len(first)):
        path.write_bytes(first[:size])
        with pytest.raises((CmsError, InputFileError)):
            cms.prepare(path, how)


def test_a_file_that_changes_between_the_look_and_the_signature(folder: Path) -> None:
    path = folder / "there.p7m"
    path.write_bytes(theirs(folder, detached=False))
    ready, how = signer(folder, slot=15), replace(options(), special=Cosign())
    prepared = cms.prepare(path, how)
    path.write_bytes(path.read_bytes().replace(b"the one", b"no body"))
    with pytest.raises(SigningError) as caught:
        cms.write(prepared, ready, how, io.BytesIO())
    assert caught.value.code == "signing_file_changed"
