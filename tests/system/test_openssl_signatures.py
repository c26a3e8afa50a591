# SPDX-License-Identifier: Apache-2.0
"""OpenSSL verifies what we sign, and we verify what OpenSSL signs: cms, ts, dgst."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jpki.certificate.kinds import Family
from jpki.signing import raw
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.cms_envelope import CmsError
from jpki.signing.signer import DigestSigner
from jpki.signing.timestamp import TimestampClient
from jpki.synth import SynthPki, tsa_certificate
from jpki.testing.tsa_server import TsaServer
from jpki.verdict import Outcome
from jpki.verifying.document import Wanted, verify_document
from signing_bench import AT, judge, key_pem, openssl, options, pem, sign, signer, verify

CONTENT = b"signed by one\r\nverified by the other\n"
WHEN = ("-attime", str(int(AT.timestamp())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A content, the roots, a key with its certificate."""
    pki = SynthPki(AT)
    roots = (*pki.trust_anchors(), *pki.next_trust_anchors())
    (tmp_path / "roots.pem").write_bytes(b"".join(map(pem, roots)))
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "key.pem").write_bytes(key_pem())
    (tmp_path / "key4.pem").write_bytes(key_pem(generation=4))
    (tmp_path / "second.pem").write_bytes(key_pem(slot=14))
    (tmp_path / "tsa.pem").write_bytes(pem(tsa_certificate()))
    return tmp_path


def their_verdict(folder: Path, data: bytes, *more: str) -> bool:
    """What ``openssl cms -verify`` says."""
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", str(folder / "roots.pem"),
        "-purpose", "any", "-out", str(folder / "out"), *WHEN, *more, stdin=data,
    )  # fmt: skip
    assert (done.returncode == 0) is (b"successful" in done.stderr), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("more", [(), ("-cades",)], ids=["cms", "cades"])
@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("generation", [3, 4])
def test_openssl_verifies_what_we_sign(
    folder: Path, generation: int, detached: bool, more: tuple[str, ...]
) -> None:
    ready = signer(folder, generation=generation)
    given = ("-content", str(folder / "content")) if detached else ()
    for algorithm in ready.algorithms:
        made = sign(folder / "content", [ready], options(algorithm, detached=detached))
        assert their_verdict(folder, made, *given, *more), algorithm
        assert (folder / "out").read_bytes() == CONTENT
    (folder / "content").write_bytes(b"another")
    assert detached is not their_verdict(folder, made, *given, *more)


def test_openssl_verifies_several_signers(folder: Path) -> None:
    signers = [signer(folder, slot=slot) for slot in (13, 14, 15)]
    made = sign(folder / "content", signers, options(detached=False))
    assert their_verdict(folder, made)
    shown = openssl("cms", "-cmsout", "-print", "-noout", "-inform", "DER", stdin=made)
    assert shown.stdout.count(b"d.issuerAndSerialNumber") == 3


THEIRS = [
    ("detached", ("-binary",), True),
    ("attached", ("-binary", "-nodetach"), False),
    ("streamed", ("-binary", "-nodetach", "-stream"), False),
    ("streamed, detached", ("-binary", "-stream"), True),
    ("CAdES", ("-binary", "-cades"), True),
    ("by key id", ("-binary", "-keyid"), True),
    ("no certificates but the signer's", ("-binary", "-nosmimecap"), True),
    ("SHA-512", ("-binary", "-md", "sha512"), True),
    ("PSS", ("-binary", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"), True),
    ("two signers", ("-binary", "-signer", "second.pem"), True),
]


@pytest.mark.parametrize(("name", "how", "detached"), THEIRS, ids=[row[0] for row in THEIRS])
def test_we_verify_what_openssl_signs(
    folder: Path, name: str, how: tuple[str, ...], detached: bool
) -> None:
    words = [str(folder / word) if word.endswith(".pem") else word for word in how]
    for form in ("DER", "PEM"):
        done = openssl(
            "cms", "-sign", "-in", str(folder / "content"), "-signer", str(folder / "key.pem"),
            *words, "-outform", form, "-out", str(folder / "made"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made = (folder / "made").read_bytes()
        found = verify(made, folder, folder / "content" if detached else None)
        assert found.outcome is Outcome.VALID, (name, form, found)
        assert len(found.signatures) == (2 if name == "two signers" else 1)
    spoilt = made.replace(b"signed by one", b"signed by two")
    (folder / "content").write_bytes(b"another")
    again = folder / "content" if detached else None
    if not detached:
        binary = openssl("cms", "-cmsout", "-inform", "PEM", "-outform", "DER", stdin=made).stdout
        spoilt = binary.replace(b"signed by one", b"signed by two")
    assert verify(spoilt, folder, again).outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (("-md", "sha1"), "hash_sha1"),
        (("-md", "sha224"), "hash_not_known"),
        (("-noattr",), "attributes_missing"),
    ],
)
def test_what_openssl_signs_and_we_do_not_take(
    folder: Path, how: tuple[str, ...], code: str
) -> None:
    done = openssl(
        "cms", "-sign", "-binary", "-in", str(folder / "content"), "-signer",
        str(folder / "key.pem"), *how, "-outform", "DER", "-out", str(folder / "made"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = verify((folder / "made").read_bytes(), folder, folder / "content")
    integrity = found.verdict.check("integrity")
    assert integrity is not None
    assert (found.outcome, integrity.code) == (Outcome.INVALID, code)


def test_without_certificates_it_cannot_be_told(folder: Path) -> None:
    done = openssl(
        "cms", "-sign", "-binary", "-nocerts", "-in", str(folder / "content"), "-signer",
        str(folder / "key.pem"), "-outform", "DER",
    )  # fmt: skip
    assert verify(done.stdout, folder, folder / "content").outcome is Outcome.CANNOT_TELL


def test_enveloped_data_is_no_signature(folder: Path) -> None:
    done = openssl(
        "cms", "-data_create", "-binary", "-in", str(folder / "content"), "-outform", "DER"
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(CmsError) as caught:
        verify(done.stdout, folder)
    assert caught.value.values["reason"] == "not_signed_data"


# raw ----------------------------------------------------------------------------------


def dgst(folder: Path, algorithm: SignatureAlgorithm) -> tuple[str, ...]:
    """Options of ``openssl dgst`` for an algorithm."""
    pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
    return (f"-{algorithm.hash.value}", *(pss if algorithm.scheme is Scheme.PSS else ()))


@pytest.mark.parametrize("generation", [3, 4])
def test_raw_signatures_both_ways(folder: Path, generation: int) -> None:
    ready: DigestSigner = signer(folder, generation=generation)
    key = folder / ("key.pem" if generation == 3 else "key4.pem")
    public, ours, theirs = (folder / name for name in ("public", "ours", "theirs"))
    public.write_bytes(openssl("x509", "-in", str(key), "-noout", "-pubkey").stdout)
    for algorithm in ready.algorithms:
        how = dgst(folder, algorithm)
        prepared = raw.prepare(folder / "content", options(algorithm))
        with ours.open("wb") as out:
            raw.write(prepared, ready, options(algorithm), out)
        done = openssl(
            "dgst", *how, "-verify", str(public), "-signature", str(ours), str(folder / "content")
        )
        assert b"Verified OK" in done.stdout
        openssl("dgst", *how, "-sign", str(key), "-out", str(theirs), str(folder / "content"))
        wanted = Wanted(folder / "content", signature=theirs, certificate=key)
        found = verify_document(wanted, judge())
        assert found.outcome is Outcome.VALID, algorithm
        assert found.signatures[0].subject["algorithm"] == str(algorithm)
    wanted = Wanted(folder / "public", signature=theirs, certificate=key)
    assert verify_document(wanted, judge()).outcome is Outcome.INVALID


@pytest.mark.parametrize("hash_name", ["sha1", "md5", "sha224"])
def test_raw_signatures_with_old_hashes(folder: Path, hash_name: str) -> None:
    theirs = folder / "theirs"
    openssl(
        "dgst", f"-{hash_name}", "-sign", str(folder / "key.pem"), "-out", str(theirs),
        str(folder / "content"),
    )  # fmt: skip
    assert len(theirs.read_bytes()) == 256
    wanted = Wanted(folder / "content", signature=theirs, certificate=folder / "key.pem")
    assert verify_document(wanted, judge()).outcome is Outcome.INVALID
    history = verify_document(wanted, judge(history=True)).outcome
    assert (history is Outcome.VALID) is (hash_name == "sha1")


# time stamps --------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[TsaServer]:
    with TsaServer(AT) as running:
        yield running


@pytest.mark.parametrize("name", HashName)
def test_openssl_reads_the_time_stamps_we_ask_for(
    folder: Path, server: TsaServer, name: HashName
) -> None:
    token = folder / "token"
    token.write_bytes(TimestampClient(server.url)(name, name.digest(CONTENT)))
    given = ("-token_in", "-in", str(token), "-CAfile", str(folder / "tsa.pem"), *WHEN)
    done = openssl("ts", "-verify", *given, "-data", str(folder / "content"))
    assert b"Verification: OK" in done.stdout + done.stderr
    done = openssl("ts", "-verify", *given, "-data", str(folder / "key.pem"))
    assert b"Verification: FAILED" in done.stdout + done.stderr


TSA = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = {chain}
ess_cert_id_alg = {hash}
clock_precision_digits = 6
"""


@pytest.mark.parametrize(("chain", "hash_name"), [("yes", "sha256"), ("no", "sha1")])
def test_we_verify_time_stamps_that_openssl_makes(
    folder: Path, one_tsa: Path, chain: str, hash_name: str
) -> None:
    """OpenSSL as the authority, below a root of its own: accuracy, ordering, fractions, name."""
    (folder / "tsa.cnf").write_text(TSA.format(folder=folder, chain=chain, hash=hash_name))
    (folder / "serial").write_text("01\n")

    def stamper(name: HashName, digest: bytes) -> bytes:
        from jpki import _asn1

        (folder / "query").write_bytes(_asn1.time_stamp_request(name.value, digest, 7))
        done = openssl(
            "ts", "-reply", "-config", str(folder / "tsa.cnf"), "-queryfile",
            str(folder / "query"), "-signer", str(one_tsa / "tsa.pem"), "-inkey",
            str(one_tsa / "tsa.key"), "-chain", str(one_tsa / "root.pem"), "-token_out",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    from jpki.certificate.files import load_certificates
    from jpki.open import load_trust
    from jpki.validation.policy import RevocationMode
    from jpki.verifying.judge import Judge
    from jpki.verifying.material import ValidationOptions

    made = sign(folder / "content", [signer(folder)], options(stamper=stamper))
    root = load_certificates((one_tsa / "root.pem").read_bytes())
    trust = load_trust("test")
    unasked = ValidationOptions(revocation=RevocationMode.NONE)
    found = verify(made, folder, folder / "content", Judge(trust, unasked, tsa=root))
    time = found.verdict.check("time")
    assert time is not None
    assert (time.outcome, time.code) == (Outcome.VALID, "time_stamped")
    asked = verify(made, folder, folder / "content", Judge(trust, ValidationOptions(), tsa=root))
    time = asked.verdict.check("time")
    assert time is not None
    assert (time.outcome, time.code) == (Outcome.NOT_RUN, "stamp_status_unknown")
    strange = verify(made, folder, folder / "content", Judge(trust, ValidationOptions()))
    time = strange.verdict.check("time")
    assert time is not None
    assert time.code == "stamp_authority_unknown"


@pytest.fixture(scope="module")
def one_tsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root and an authority below it, made by OpenSSL."""
    folder = tmp_path_factory.mktemp("tsa")
    usage = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
    own = "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
    (folder / "own.ext").write_text(own)
    (folder / "root.cnf").write_text(f"[req]\ndistinguished_name=dn\n[dn]\n[ca]\n{usage}")
    steps = [
        ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out",
         "root.pem", "-subj", "/O=Test/CN=Root", "-days", "30", "-config", "root.cnf",
         "-extensions", "ca"),
        ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr",
         "-subj", "/O=Test/CN=TSA"),
        ("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-out",
         "tsa.pem", "-days", "30", "-extfile", "own.ext", "-CAcreateserial"),
    ]  # fmt: skip
    files = {"root.key", "root.pem", "root.cnf", "tsa.key", "tsa.csr", "tsa.pem", "own.ext"}
    for step in steps:
        done = openssl(*(str(folder / word) if word in files else word for word in step))
        assert done.returncode == 0, done.stderr
    return folder


def test_the_auth_key_is_told_apart(folder: Path) -> None:
    """OpenSSL does not mind which of the two keys signed a document; we do."""
    made = sign(folder / "content", [signer(folder, Family.AUTH)], options(detached=False))
    assert their_verdict(folder, made)
    assert verify(made, folder).outcome is Outcome.INVALID
