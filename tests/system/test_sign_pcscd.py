# SPDX-License-Identifier: Apache-2.0
"""The whole path: jpki, pcscd, the virtual reader, the emulated card, and OpenSSL at the end."""

from __future__ import annotations

from pathlib import Path

from jpki.synth import SynthPki
from pcsc_bed import PcscBed
from signing_bench import openssl, pem


def test_signed_over_pcscd_and_verified_by_openssl(bed: PcscBed) -> None:
    files = [bed.folder / name for name in ("a.txt", "b.bin")]
    files[0].write_text("I agree.\n")
    files[1].write_bytes(bytes(range(256)) * 4096)
    roots = bed.folder / "roots.pem"
    roots.write_bytes(b"".join(map(pem, SynthPki().trust_anchors())))
    done = bed.run(
        "jpki", "sign", *map(str, files), "--as", "cms", "--detached", "--pin-fd", "0",
        stdin="ABC123\n",
    )  # fmt: skip
    assert done.stdout.count("signed:") == 2
    for path in files:
        bed.run("jpki", "verify", f"{path}.p7s", "--content", str(path), "--trust", "test")
        checked = openssl(
            "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", f"{path}.p7s",
            "-content", str(path), "-CAfile", str(roots), "-purpose", "any", "-out", "/dev/null",
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr
    assert '"attempts_left": 5' in bed.run("jpki", "pin", "status", "--json").stdout


def test_a_wrong_password_signs_nothing(bed: PcscBed) -> None:
    path = bed.folder / "a.txt"
    path.write_text("I agree.\n")
    words = ("jpki", "sign", str(path), "--as", "cms", "--pin-fd", "0")
    done = bed.run(*words, stdin="WRONG1\n", status=4)
    assert "4 tries are left" in done.stderr
    assert not Path(f"{path}.p7m").exists()
    bed.run(*words, stdin="ABC123\n")
    assert '"attempts_left": 5' in bed.run("jpki", "pin", "status", "--json").stdout


def test_after_the_run_the_card_has_forgotten_the_password(bed: PcscBed) -> None:
    """The next program on the same reader cannot read the sign certificate."""
    path = bed.folder / "a.txt"
    path.write_text("I agree.\n")
    bed.run("jpki", "sign", str(path), "--as", "raw", "--pin-fd", "0", stdin="ABC123\n")
    refused = bed.run("pkcs15-tool", "--read-certificate", "2", status=None)
    assert "BEGIN CERTIFICATE" not in refused.stdout
