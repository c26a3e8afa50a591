# SPDX-License-Identifier: Apache-2.0
"""The outside of a CMS: written as DER, read as BER, refused wherever it is neither."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest

from jpki.certificate import der
from jpki.signing import cms
from jpki.signing.cms_envelope import CmsError, Envelope, read_envelope
from jpki.signing.signer import DigestSigner
from jpki.verdict import Outcome
from jpki.verifying.document import Wanted, verify_document
from signing_bench import judge, openssl, options, sign


def read(data: bytes) -> tuple[Envelope, bytes]:
    """The envelope and the content in it."""
    content = bytearray()
    envelope = read_envelope(io.BytesIO(data), lambda hashes, kind: content.extend)
    return envelope, bytes(content)


def tlv(tag: int, *parts: bytes) -> bytes:
    """An element of known length."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def open_ended(tag: int, *parts: bytes) -> bytes:
    """An element whose length is not known before its end."""
    return bytes((tag, 0x80)) + b"".join(parts) + b"\x00\x00"


SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
DATA = bytes.fromhex("06092a864886f70d010701")
HASHES = tlv(0x31, tlv(0x30, bytes.fromhex("0609608648016503040201")))
SIGNERS = tlv(0x31, tlv(0x30, b"\x05\x00"))


def around(inner: bytes, *, wrap: object = tlv, signers: bytes = SIGNERS) -> bytes:
    """A SignedData around an encapContentInfo."""
    assert callable(wrap)
    data = wrap(0x30, b"\x02\x01\x01", HASHES, inner, signers)
    made: bytes = wrap(0x30, SIGNED_DATA, wrap(0xA0, data))
    return made


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("size", [0, 1, 127, 128, 65535, 65536, 300_000])
def test_what_we_write_is_der_and_comes_back(
    one: DigestSigner, tmp_path: Path, size: int, detached: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(index % 251 for index in range(size)))
    made = sign(path, [one], options(detached=detached))
    der.check_strict(made)
    envelope, content = read(made)
    assert envelope.attached is not detached
    assert content == (b"" if detached else path.read_bytes())
    assert one.certificate in envelope.certificates
    assert set(one.chain) < set(envelope.certificates)


@pytest.mark.parametrize("detached", [True, False])
def test_openssl_reads_the_same_structure(one: DigestSigner, content: Path, detached: bool) -> None:
    made = sign(content, [one], options(detached=detached))
    done = openssl("cms", "-cmsout", "-print", "-noout", "-inform", "DER", stdin=made)
    assert done.returncode == 0, done.stderr
    for expected in (
        b"pkcs7-signedData",
        b"signingCertificateV2",
        b"signingTime",
        b"messageDigest",
    ):
        assert expected in done.stdout
    assert (b"eContent: <ABSENT>" in done.stdout) is detached


@pytest.mark.parametrize("detached", [True, False])
def test_every_truncation_is_refused(one: DigestSigner, content: Path, detached: bool) -> None:
    made = sign(content, [one], options(detached=detached))
    for size in range(len(made)):
        with pytest.raises(CmsError):
            read(made[:size])


@pytest.mark.parametrize(
    "inner",
    [
        tlv(0x30, DATA, tlv(0xA0, tlv(0x04, b"abcdef"))),
        tlv(0x30, DATA, tlv(0xA0, tlv(0x24, tlv(0x04, b"abc"), tlv(0x04, b"def")))),
        open_ended(0x30, DATA, open_ended(0xA0, open_ended(0x24, tlv(0x04, b"abcdef")))),
        tlv(0x30, DATA, tlv(0xA0, open_ended(0x24, tlv(0x04, b"abc"), tlv(0x04, b"def")))),
        tlv(0x30, DATA, tlv(0xA0, tlv(0x24, tlv(0x24, tlv(0x04, b"abcde")), tlv(0x04, b"f")))),
    ],
)
@pytest.mark.parametrize("wrap", [tlv, open_ended])
def test_content_in_every_form_of_ber(inner: bytes, wrap: object) -> None:
    envelope, content = read(around(inner, wrap=wrap))
    assert content == b"abcdef"
    assert envelope.attached
    assert len(envelope.signers) == 1


DETACHED = tlv(0x30, DATA)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"\x31\x00", "wrong_tag"),
        (b"\x30\x00", "over_long"),
        (around(DETACHED) + b"\x00", "trailing_bytes"),
        (around(DETACHED) + b"\x00\x00", "trailing_bytes"),
        (around(DETACHED, signers=SIGNERS + b"\x05\x00"), "trailing_bytes"),
        (around(DETACHED).replace(SIGNED_DATA, SIGNED_DATA[:-1] + b"\x03"), "not_signed_data"),
        (around(DETACHED).replace(b"\x02\x01\x01", b"\x02\x01\x09"), "version"),
        (around(tlv(0x30, DATA, tlv(0xA0, tlv(0x30, b"")))), "wrong_tag"),
        (around(tlv(0x30, DATA, tlv(0xA0, b"\x04\x80abc\x00\x00"))), "indefinite_length"),
        (around(tlv(0x30, DATA, tlv(0xA0, tlv(0x04, b"a"), tlv(0x04, b"b")))), "trailing_bytes"),
        (around(DETACHED, signers=tlv(0x31, open_ended(0x30))), "indefinite_length"),
        (around(DETACHED, signers=tlv(0x31, *[b"\x30\x00"] * 1025)), "too_many"),
        (b"\x30\x89" + bytes(9), "over_long"),
        (b"\x30\x84\xff\xff\xff\xff" + SIGNED_DATA, "truncated"),
        (around(DETACHED, signers=b"\x31\x84\x7f\xff\xff\xff"), "over_long"),
    ],
)  # fmt: skip
def test_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(CmsError) as caught:
        read(data)
    assert caught.value.values["reason"] == reason


def test_pieces_of_pieces_have_an_end() -> None:
    inner = tlv(0x04, b"x")
    for _ in range(40):
        inner = tlv(0x24, inner)
    with pytest.raises(CmsError):
        read(around(tlv(0x30, DATA, tlv(0xA0, inner))))


def test_a_length_that_promises_much_takes_no_memory() -> None:
    """The list says four gigabytes; nothing is held for it."""
    with pytest.raises(CmsError):
        read(around(DETACHED, signers=b"\x31\x80\x30\x84\xf0\x00\x00\x00", wrap=open_ended))


def test_a_large_file_is_never_held(one: DigestSigner, tmp_path: Path) -> None:
    """Signed with its content inside and verified: memory does not grow with the file."""
    path, made = tmp_path / "large", tmp_path / "large.p7m"
    with path.open("wb") as file:
        file.truncate(48 << 20)
    how = options(detached=False)
    judge().certificate(one.certificate)  # what is loaded once is no part of it
    tracemalloc.start()
    try:
        with made.open("wb") as out:
            cms.write(cms.prepare(path, how), one, how, out)
        found = verify_document(Wanted(made), judge())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.outcome is Outcome.VALID
    assert peak < 8 << 20
