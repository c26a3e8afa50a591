# SPDX-License-Identifier: Apache-2.0
"""Signing through PKCS#11 modules that none of us wrote: OpenSC with the card, SoftHSM."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jpki.signing.algorithms import P384, RSA_PKCS1, RSA_PSS
from jpki.signing.pkcs11 import TokenError, TokenKey, TokenPinError, TokenUri
from jpki.signing.proof import sign_and_check
from jpki.signing.signer import SigningError
from jpki.synth import card_key, stored_ec_key
from jpki.verdict import Outcome
from pcsc_bed import PcscBed
from signing_bench import key_pem, options, sign, verify
from soft_token import look_again

OPENSC = sorted(Path("/usr/lib").glob("*-linux-gnu*/opensc-pkcs11.so"))
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
SIGN_TOKEN = "JPKI (Digital Signature PIN)"
SIGN_PIN, SOFT_PIN = "ABC123", "soft-pin"


def opensc(token: str) -> str:
    """The URI of OpenSC's module with that token."""
    return f"pkcs11:token={token.replace(' ', '%20')}?module-path={OPENSC[0]}"


def tries_left(bed: PcscBed) -> int:
    listing = bed.run("pkcs15-tool", "--list-pins").stdout
    block = listing[listing.index("PIN [Digital Signature PIN]") :]
    found = re.search(r"Tries left\s*:\s*(\d+)", block)
    assert found, listing
    return int(found[1])


@pytest.fixture
def files(bed: PcscBed) -> list[Path]:
    made = [bed.folder / name for name in ("a.txt", "b.txt", "c.txt")]
    for path in made:
        path.write_text(f"the contents of {path.name}\n")
    return made


def test_opensc_signs_many_files_with_one_login(bed: PcscBed, files: list[Path]) -> None:
    """The sign key of the card: its certificate shows only after the login."""
    done = bed.run(
        "jpki", "sign", *map(str, files), "--as", "cms", "--detached", "--pkcs11",
        opensc(SIGN_TOKEN), "--pin-fd", "0", stdin=f"{SIGN_PIN}\n",
    )  # fmt: skip
    assert done.stdout.count("signed:") == 3
    assert "how many tries are left is not known" in done.stderr
    assert tries_left(bed) == 5
    for path in files:
        bed.run("jpki", "verify", f"{path}.p7s", "--content", str(path), "--trust", "test")


def test_a_wrong_pin_costs_one_try_and_is_not_repeated(bed: PcscBed, files: list[Path]) -> None:
    done = bed.run(
        "jpki", "sign", *map(str, files), "--as", "cms", "--pkcs11", opensc(SIGN_TOKEN),
        "--pin-fd", "0", stdin="WRONG1\n", status=4,
    )  # fmt: skip
    assert "WRONG1" not in done.stdout + done.stderr
    assert tries_left(bed) == 4
    assert [path.name for path in bed.folder.glob("*.p7m")] == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (f"pkcs11:token=Other?module-path={OPENSC[0]}", "no such token"),
        (str(OPENSC[0]), "several tokens"),
        ("/nonexistent/module.so", "module refused"),
        ("pkcs11:token=T", "pkcs11: URI"),
        (f"pkcs11:slot-id=1?module-path={OPENSC[0]}", "pkcs11: URI"),
    ],
)
def test_tokens_that_are_not_there(bed: PcscBed, files: list[Path], uri: str, reason: str) -> None:
    done = bed.run(
        "jpki", "sign", str(files[0]), "--as", "cms", "--pkcs11", uri, "--pin-fd", "0",
        stdin=f"{SIGN_PIN}\n", status=3,
    )  # fmt: skip
    assert reason in done.stderr


# SoftHSM ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token with an RSA and a P-384 key and their certificates; SOFTHSM2_CONF is set."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        program(
            "softhsm2-util", "--init-token", "--free", "--label", "soft", "--so-pin", "12345678",
            "--pin", SOFT_PIN,
        )  # fmt: skip
        for ident, generation in (("01", 3), ("02", 4)):
            put(folder, ident, generation)
    return folder


def put(folder: Path, ident: str, generation: int) -> None:
    """Import a key, its certificate and its root."""
    own = stored_ec_key("nextgen-sign") if generation == 4 else card_key(15, "sign")
    key = folder / "key.p8"
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    program(
        "softhsm2-util", "--import", str(key), "--token", "soft", "--label", f"key-{ident}",
        "--id", ident, "--pin", SOFT_PIN,
    )  # fmt: skip
    from jpki.certificate.files import load_certificates

    for number, der in enumerate(load_certificates(key_pem(generation=generation))):
        path = folder / "certificate.der"
        path.write_bytes(der)
        program(
            "pkcs11-tool", "--module", str(SOFTHSM), "--token-label", "soft", "--login", "--pin",
            SOFT_PIN, "--write-object", str(path), "--type", "cert", "--id",
            ident if number == 0 else f"9{ident[1]}",
        )  # fmt: skip


def program(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def token(softhsm: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of that token, up to its key."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(softhsm / "conf"))
    look_again()
    return "pkcs11:token=soft;id=%0{}?module-path=" + str(SOFTHSM)


@pytest.mark.parametrize(
    ("ident", "able"), [("1", (*RSA_PKCS1, *RSA_PSS)), ("2", P384)], ids=["RSA", "P-384"]
)
def test_softhsm_signs_with_everything_it_can(
    token: str, ident: str, able: tuple[object, ...], tmp_path: Path
) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"content")
    key = TokenKey(TokenUri.parse(token.format(ident)))
    assert key.name == "soft"
    assert set(able) <= set(key.algorithms)
    pin = bytearray(SOFT_PIN.encode())
    with key.unlocked(pin) as ready:
        assert pin == bytes(len(SOFT_PIN))
        assert ready.algorithms == able
        assert len(ready.chain) == 1
        for algorithm in ready.algorithms:
            sign_and_check(ready, algorithm, algorithm.hash.digest(b"data"))
            made = sign(path, [ready], options(algorithm))
            assert verify(made, tmp_path, path).outcome is Outcome.VALID, algorithm


def test_softhsm_wrong_pin(token: str) -> None:
    pin = bytearray(b"another-pin")
    with pytest.raises(TokenPinError) as caught:
        TokenKey(TokenUri.parse(token.format(1))).unlocked(pin).__enter__()
    assert caught.value.code == "pin_of_token"
    assert pin == bytes(11)


@pytest.mark.parametrize(
    ("part", "reason"), [(";object=none", "no_key"), (";id=%07", "no_key"), ("", "several_keys")]
)
def test_softhsm_which_key(token: str, part: str, reason: str) -> None:
    uri = token.replace(";id=%0{}", part)
    with (
        pytest.raises(TokenError) as caught,
        TokenKey(TokenUri.parse(uri)).unlocked(bytearray(SOFT_PIN.encode())),
    ):
        pass
    assert caught.value.values["reason"] == reason


def test_softhsm_a_key_without_its_certificate(token: str, softhsm: Path) -> None:
    key = softhsm / "alone.p8"
    own = card_key(14, "sign")
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    program(
        "softhsm2-util", "--import", str(key), "--token", "soft", "--label", "alone",
        "--id", "0A", "--pin", SOFT_PIN,
    )  # fmt: skip
    uri = TokenUri.parse(token.replace("id=%0{}", "object=alone"))
    with (
        pytest.raises(SigningError) as caught,
        TokenKey(uri).unlocked(bytearray(SOFT_PIN.encode())),
    ):
        pass
    assert caught.value.code == "signing_no_certificate"
