# SPDX-License-Identifier: Apache-2.0
"""The doctor and the probe with a real pcscd, its virtual reader, and one who hangs."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jpki.doctor import RealHost
from pcsc_bed import PcscBed


def looked(bed: PcscBed) -> dict[str, dict[str, Any]]:
    """What ``jpki doctor`` finds on the bed, by code; faults of the machine do not matter."""
    done = bed.run("jpki", "doctor", "--json", status=None)
    assert done.returncode in (0, 3), done.stderr
    return {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_bed_with_a_card(bed: PcscBed) -> None:
    found = looked(bed)
    assert found["service_runs"]["values"]["version"].count(".") == 2
    assert found["reader_card"]["values"]["reader"] == "Virtual PCD 00 00"
    assert found["reader_empty"]["values"]["reader"] == "Virtual PCD 00 01"
    assert found["socket_own"]["level"] == "note"
    assert not {"no_readers", "service_stopped"} & set(found)


def test_the_open_port_is_seen(bed: PcscBed) -> None:
    """As /proc tells it, on a machine with a network and on one without."""
    names = Path("/proc/net/dev").read_text().splitlines()[2:]
    alone = {line.partition(":")[0].strip() for line in names} == {"lo"}
    found = looked(bed)
    ports = found["vpcd_local" if alone else "vpcd_open"]["values"]["ports"]
    assert str(bed.port) in ports.split(", ")


def test_the_probe_is_remembered_for_the_reader(bed: PcscBed) -> None:
    done = bed.run("jpki", "reader", "probe", "--json")
    found = json.loads(done.stdout)
    assert (found["reader"], found["remembered"]) == ("Virtual PCD 00 00", True)
    assert (found["short"], found["extended"]) == (256, 65536)
    kept = Path(bed.environment["HOME"], ".local", "state", "jpki", "readers.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["readers"] == {
        "Virtual PCD 00 00": {"short": 256, "extended": 65536}
    }


def test_a_service_that_takes_the_question_and_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not take the doctor with it, and no process of ours stays behind."""
    import tempfile

    from jpki.doctor import real_host

    monkeypatch.setattr(real_host, "_PATIENCE", 1.0)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(f"{folder}/comm")
        deaf.listen()
        env = {"PATH": "/usr/bin:/bin", "PCSCLITE_CSOCK_NAME": f"{folder}/comm"}
        began = time.monotonic()
        answer = RealHost(env, "utf-8", "en").pcsc()
    assert answer.error == "silent"
    assert time.monotonic() - began < 3


def test_the_look_is_a_program_of_its_own(bed: PcscBed) -> None:
    done = bed.run(sys.executable, "-P", "-m", "jpki.doctor.look")
    said = json.loads(done.stdout)
    assert [reader[:2] for reader in said["readers"]] == [
        ["Virtual PCD 00 00", True],
        ["Virtual PCD 00 01", False],
    ]
