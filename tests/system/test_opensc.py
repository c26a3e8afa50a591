# SPDX-License-Identifier: Apache-2.0
"""OpenSC, a client none of us wrote, lists, reads, logs in and signs with the emulated card.

Once with its own probing of drivers, once with its JPKI driver named.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pcsc_bed import PcscBed

MODULES = sorted(Path("/usr/lib").glob("*-linux-gnu*/opensc-pkcs11.so"))
WRONG_PIN, AUTH_PIN, SIGN_PIN = "9999", "1234", "ABC123"

# OpenSC's object id, our name, and what reading it takes.
CERTIFICATES = [
    ("1", "auth", ()),
    ("2", "sign", ("--verify-pin", "--auth-id", "2", "--pin", SIGN_PIN)),
    ("3", "auth-ca", ()),
    ("4", "sign-ca", ()),
]


@pytest.fixture(params=[{}, {"OPENSC_DRIVER": "jpki"}], ids=["probing", "driver-named"])
def driver(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment: OpenSC finds its driver itself, or is told. Unset is not the same as empty."""
    value = request.param
    assert isinstance(value, dict)
    return value


def pkcs11(bed: PcscBed, *arguments: str, status: int = 0) -> str:
    """Run pkcs11-tool with OpenSC's module; what it printed."""
    done = bed.run("pkcs11-tool", "--module", str(MODULES[0]), *arguments, status=status)
    return done.stdout + done.stderr


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    """Run openssl; what it printed. Fails the test if it refuses."""
    done = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def tries_left(bed: PcscBed, label: str) -> int:
    """The counter OpenSC shows for the PIN of that label."""
    listing = bed.run("pkcs15-tool", "--list-pins").stdout
    block = listing[listing.index(f"PIN [{label}]") :]
    found = re.search(r"Tries left\s*:\s*(\d+)", block)
    assert found, listing
    return int(found[1])


def exported(bed: PcscBed, which: str) -> bytes:
    """The certificate as our own command line reads it (DER)."""
    pin = ("--pin-fd", "0") if which == "sign" else ()
    out = bed.folder / f"{which}.der"
    bed.run(
        "jpki", "cert", "export", which, "--format", "der", "--out", str(out), *pin,
        stdin=f"{SIGN_PIN}\n",
    )  # fmt: skip
    return out.read_bytes()


def test_the_card_is_recognised(bed: PcscBed, driver: dict[str, str]) -> None:
    assert bed.run("opensc-tool", "-n", env=driver).stdout.strip() == "jpki"


def test_four_certificates_are_listed(bed: PcscBed, driver: dict[str, str]) -> None:
    listing = bed.run("pkcs15-tool", "--list-certificates", env=driver).stdout
    labels = re.findall(r"X\.509 Certificate \[(.+?)\]", listing)
    assert labels == [
        "User Authentication Certificate",
        "Digital Signature Certificate",
        "User Authentication Certificate CA",
        "Digital Signature Certificate CA",
    ]


@pytest.mark.parametrize(("ident", "ours", "pin"), CERTIFICATES, ids=lambda v: str(v)[:8])
def test_certificate_is_byte_identical_with_what_we_read(
    bed: PcscBed, driver: dict[str, str], ident: str, ours: str, pin: tuple[str, ...]
) -> None:
    pem = bed.run("pkcs15-tool", "--read-certificate", ident, *pin, env=driver).stdout
    der = openssl("x509", "-outform", "DER", stdin=pem.encode())
    assert der == exported(bed, ours)
    assert len(der) > 1000


def test_counters_before_anything(bed: PcscBed) -> None:
    assert tries_left(bed, "User Authentication PIN") == 3
    assert tries_left(bed, "Digital Signature PIN") == 5


def test_login_with_the_right_pin(bed: PcscBed) -> None:
    assert "Private Key Object" in pkcs11(bed, "--login", "--pin", AUTH_PIN, "-O")
    assert tries_left(bed, "User Authentication PIN") == 3


def test_login_with_a_wrong_pin_costs_one_try(bed: PcscBed) -> None:
    assert "CKR_PIN_INCORRECT" in pkcs11(bed, "--login", "--pin", WRONG_PIN, "-O", status=1)
    assert tries_left(bed, "User Authentication PIN") == 2
    assert '"kind": "auth", "application": "jpki", "attempts_left": 2' in (
        bed.run("jpki", "pin", "status", "--json").stdout
    )
    pkcs11(bed, "--login", "--pin", AUTH_PIN, "-O")
    assert tries_left(bed, "User Authentication PIN") == 3


def test_wrong_sign_pin_costs_one_try(bed: PcscBed) -> None:
    answer = pkcs11(bed, "--slot-index", "1", "--login", "--pin", "WRONG1", "-O", status=1)
    assert "CKR_PIN_INCORRECT" in answer
    assert tries_left(bed, "Digital Signature PIN") == 4


@pytest.mark.parametrize(
    ("slot", "pin", "key", "ours"),
    [("0", AUTH_PIN, "01", "auth"), ("1", SIGN_PIN, "02", "sign")],
)
def test_openssl_verifies_what_opensc_signed(
    bed: PcscBed, driver: dict[str, str], slot: str, pin: str, key: str, ours: str
) -> None:
    message, signature, public = (bed.folder / name for name in ("msg", "sig", "pub"))
    message.write_bytes(b"signed by a program that none of us wrote")
    bed.run(
        "pkcs11-tool", "--module", str(MODULES[0]), "--slot-index", slot, "--login",
        "--pin", pin, "--sign", "-m", "SHA256-RSA-PKCS", "--id", key,
        "--input-file", str(message), "--output-file", str(signature), env=driver,
    )  # fmt: skip
    public.write_bytes(
        openssl("x509", "-inform", "DER", "-noout", "-pubkey", stdin=exported(bed, ours))
    )
    arguments = ("dgst", "-sha256", "-verify", str(public), "-signature", str(signature))
    assert b"Verified OK" in openssl(*arguments, str(message))
    message.write_bytes(b"something else")
    with pytest.raises(AssertionError):
        openssl(*arguments, str(message))


def test_blocked_card_is_reported_as_blocked(empty_bed: PcscBed) -> None:
    empty_bed.plug_in("blocked")
    assert tries_left(empty_bed, "User Authentication PIN") == 0
    done = empty_bed.run(
        "pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", AUTH_PIN, status=255
    )
    assert "Reference data not usable" in done.stderr
