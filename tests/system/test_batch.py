# SPDX-License-Identifier: Apache-2.0
"""``jpki batch verify`` as a program: killed without warning, and on a Dask cluster over TLS."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from batch_rows import AT, Row, bench, expected, rows, short, write
from jpki.certificate import Environment
from jpki.errors import BatchError
from jpki.verifying.batch import open_input, run_batch
from jpki.verifying.batch.cluster import Cluster

ROWS = 30_000
PATTERN = 84
"""Rows after which signers and forgeries repeat."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of some seconds, its signers, and the lists of which one names one of them."""
    path = tmp_path_factory.mktemp("batch")
    known = rows(PATTERN)
    made: list[Row] = [known[n % PATTERN] | {"id": f"row-{n}"} for n in range(ROWS)]
    write(path / "in.csv", made)
    signers = [{"signer": name, "certificate": der} for name, der in bench().signers.items()]
    write(path / "signers.csv", signers)
    (path / "crls").mkdir()
    for n, crl in enumerate(bench().setup.crls):
        (path / "crls" / f"{n}.crl").write_bytes(crl)
    return path


def outcomes() -> list[tuple[str, str, str]]:
    known = expected(PATTERN)
    return [(f"row-{n}", *known[n % PATTERN][1:]) for n in range(ROWS)]


def start(folder: Path, out: str, *arguments: str) -> subprocess.Popen[bytes]:
    """The program, in a process group of its own."""
    words = ["batch", "verify", "in.csv", "--out", out, "--signers", "signers.csv", "--json"]
    options = ["--crl", "crls", "--trust", "test", "--at", AT.isoformat()]
    environment = {
        "HOME": str(folder),
        "PATH": os.environ.get("PATH", ""),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "jpki_cli", *words, *options, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> dict[str, object]:
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, err.decode()  # some rows are invalid
    summary: dict[str, object] = json.loads(out)
    return summary


def wait_for_parts(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if len(list(folder.glob("*.part"))) >= count:
            return
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    raise AssertionError("no part was finished")


def is_gone(group: int) -> bool:
    """Whether no process of the group is left, after a moment."""
    for _ in range(500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_killed_and_gone_on_with(folder: Path) -> None:
    """SIGKILL, which nothing can prepare for: the second run does the rest and no more."""
    process = start(folder, "killed.csv", "--workers", "2")
    wait_for_parts(folder / "killed.csv.parts", 1, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert is_gone(process.pid), "workers outlived their parent"
    assert not (folder / "killed.csv").exists()
    summary = finish(start(folder, "killed.csv", "--workers", "2"))
    assert summary["kept"] != 0
    assert summary["rows"] == ROWS
    assert short(folder / "killed.csv") == outcomes()
    assert not (folder / "killed.csv.parts").exists()


@dataclass(frozen=True)
class Pki:
    """PEM files of an authority and of one party that it vouches for."""

    ca: Path
    certificate: Path
    key: Path

    def options(self, prefix: str) -> list[str]:
        return [
            f"--{prefix}-ca{'-file' if prefix == 'tls' else ''}", str(self.ca),
            f"--{prefix}-cert", str(self.certificate),
            f"--{prefix}-key", str(self.key),
        ]  # fmt: skip


def make_pki(folder: Path, name: str) -> Pki:
    """An authority of its own, and a certificate for 127.0.0.1."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, own_name = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
        for text in (f"{name} authority", f"{name} party")
    )

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    root = build(root_name, root_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    own = build(own_name, key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        critical=False,
    )
    pki = Pki(folder / "ca.pem", folder / "own.pem", folder / "own.key")
    pki.ca.write_bytes(root.sign(root_key, SHA256()).public_bytes(Encoding.PEM))
    pki.certificate.write_bytes(own.sign(root_key, SHA256()).public_bytes(Encoding.PEM))
    pki.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pki


class Dask:
    """A scheduler and three workers, each a program of its own, on loopback."""

    def __init__(self, folder: Path, pki: Pki) -> None:
        self._folder = folder
        self._tls = pki.options("tls")
        self._programs: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Dask:
        found = self._folder / "scheduler.json"
        self._start("scheduler", "--protocol", "tls", "--port", "0", "--no-dashboard",
                    "--scheduler-file", str(found))  # fmt: skip
        for _ in range(1500):
            if found.exists() and found.read_text().strip():
                break
            time.sleep(0.02)
        self.address = json.loads(found.read_text())["address"]
        self.workers = [
            self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                        "--memory-limit", "0", "--name", f"w{n}")
            for n in range(3)
        ]  # fmt: skip
        return self

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", *self._tls],
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._programs.append(program)
        return program

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.kill()
            program.wait()


def test_on_a_cluster_that_loses_a_worker(folder: Path, tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki", "ours")
    with Dask(tmp_path, pki) as dask:
        asked = ["--cluster", dask.address, *pki.options("cluster")]
        process = start(folder, "cluster.csv", *asked)
        wait_for_parts(folder / "cluster.csv.parts", 1, process)
        dask.workers[0].kill()
        summary = finish(process)
        assert short(folder / "cluster.csv") == outcomes()
        assert summary["rows"] == ROWS
        _strangers_are_not_let_in(folder, dask, make_pki(tmp_path / "other", "other"))


def _strangers_are_not_let_in(folder: Path, dask: Dask, other: Pki) -> None:
    """A certificate of another authority is neither believed nor accepted."""
    asked = ["--cluster", dask.address, *other.options("cluster")]
    process = start(folder, "stranger.csv", *asked)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, err.decode()
    assert json.loads(out)["code"] == "batch_cluster"
    assert not (folder / "stranger.csv").exists()


REFUSED = [
    pytest.param("tls://127.0.0.1:1", {}, "no_cluster_certificate", id="no certificate"),
    pytest.param("http://127.0.0.1:1", {}, "bad_address", id="not an address"),
    pytest.param("tcp://127.0.0.1:1", {"environment": "custom"}, "not_encrypted", id="in clear"),
]


@pytest.mark.parametrize(("address", "change", "reason"), REFUSED)
def test_clusters_that_are_refused(
    tmp_path: Path, address: str, change: dict[str, str], reason: str
) -> None:
    environment = Environment(change.get("environment", "test"))
    setup = replace(bench().setup, environment=environment)
    source = write(tmp_path / "in.csv", rows(3))
    with pytest.raises(BatchError) as caught:
        run_batch(setup, open_input(source), tmp_path / "out.csv", Cluster(address))
    assert caught.value.values["reason"] == reason
