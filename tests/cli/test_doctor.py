# SPDX-License-Identifier: Apache-2.0
"""``jpki doctor`` and ``jpki reader probe``: what they print, and how they end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from command_line import Cli, Stream, validate
from fake_scard import PRESENT, FakeScard, install
from jpki.doctor import PcscAnswer
from jpki.emulator import load_card
from jpki.testing.cards import CardFactory, PluggedCard
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.reader_memory import ReaderMemory
from jpki_apdu.readers import ReaderState
from jpki_cli.app import App
from jpki_cli.root import run
from machines import Machine, bare, healthy

READY = PcscAnswer((ReaderState("SCM SCR 3310 (21120518203155) 00 00", False),))


def doctor(machine: Machine, *words: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stdout of ``jpki doctor`` on ``machine``."""
    out, err = Stream(), Stream()
    app = App(
        out, err, env if env is not None else {"HOME": "/nonexistent"}, host=lambda *_: machine
    )
    code = run(["doctor", *words], app)
    assert err.bytes() == b""
    return code, out.bytes().decode()


def parsed(machine: Machine, **env: str) -> tuple[int, dict[str, Any]]:
    code, out = doctor(machine, "--json", env={"HOME": "/nonexistent", **env})
    assert out.count("\n") == 1
    result: dict[str, Any] = json.loads(out)
    validate(result)
    return code, result


def test_all_is_well() -> None:
    code, out = doctor(healthy(answer=READY))
    assert code == 0
    assert re.search(r"^  ok +PC/SC service +pcscd 1\.9\.9 answers\.$", out, re.M)
    assert "SCM SCR 3310 (…) 00 00: no card in it." in out
    assert "0 faults, warnings: 0." in out
    assert "Safe to post" in out


def test_words_in_japanese() -> None:
    code, out = doctor(healthy(answer=READY), "--lang", "ja")
    assert code == 0
    assert "  良好  PC/SCサービス" in out
    assert "障害0件、注意0件" in out


def test_a_fault_that_keeps_cards_from_being_read_exits_3() -> None:
    code, out = doctor(bare())
    assert code == 3
    assert "fault    PC/SC service" in out
    assert "$ pip install 'jpki[pcsc]'" in out


def test_lines_to_copy_are_whole() -> None:
    """However narrow the terminal: a folded command cannot be pasted."""
    machine = healthy(answer=READY)
    machine.files["/proc/modules"] = "pn533_usb 1 0\npn533 1 0\nnfc 1 0\n"
    out = doctor(machine)[1]
    assert "$ sudo modprobe -r pn533_usb pn533 nfc\n" in out
    assert "| sudo tee /etc/modprobe.d/blacklist-nfc-readers.conf\n" in out


def test_json() -> None:
    code, found = parsed(bare())
    assert (code, found["faults"], found["warnings"]) == (3, 2, 0)
    by_code = {finding["code"]: finding for finding in found["findings"]}
    assert by_code["service_missing"]["level"] == "fault"
    assert by_code["service_missing"]["fix"]
    assert by_code["version"] == {
        "check": "python", "level": "ok", "code": "version", "values": {"version": "3.11.7"},
        "text": "3.11.7", "fix": None, "lines": [],
    }  # fmt: skip


@pytest.mark.parametrize("content", ["reader = ", "[unknown]\nshomei = 1", "reader = 5"])
def test_a_configuration_that_ends_every_command_exits_2(tmp_path: Path, content: str) -> None:
    """Also where other faults say 3: the table puts 2 first. Its words are not repeated."""
    config = tmp_path / "config.toml"
    config.write_text(content)
    machine = bare()
    machine.env = {"JPKI_CONFIG": str(config)}
    machine.files[str(config)] = content
    code, found = parsed(machine, JPKI_CONFIG=str(config))
    assert code == 2
    assert (
        sum(one["check"] == "config" and one["level"] == "fault" for one in found["findings"]) == 1
    )
    assert "shomei" not in json.dumps(found)
    assert str(tmp_path) not in json.dumps(found)


def test_a_good_configuration_is_no_fault(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('reader = "pcsc:SCM"\n')
    config.chmod(0o600)
    machine = healthy(answer=READY, env={"JPKI_CONFIG": str(config)})
    machine.files[str(config)] = config.read_text()
    code, found = parsed(machine, JPKI_CONFIG=str(config))
    assert code == 0
    assert "config_good" in {one["code"] for one in found["findings"]}


def test_the_real_machine(cli: Cli) -> None:
    """Whatever it is: the report is whole, and holds no path of this user."""
    done = cli("doctor", "--json", env={"PCSCLITE_CSOCK_NAME": "/nonexistent"})
    assert done.code == 3
    assert {finding["check"] for finding in done.json["findings"]} >= {"system", "python"}
    assert cli.env["HOME"] not in done.out


# reader probe -------------------------------------------------------------------------


def test_probe(cli: Cli, hanako: PluggedCard) -> None:
    found = cli("reader", "probe", "--reader", hanako.uri, "--json").json
    assert (found["short"], found["extended"], found["remembered"]) == (256, 65536, False)
    assert found["measured"] > 1200
    words = cli("reader", "probe", "--reader", hanako.uri)
    assert words.code == 0
    assert words.out.startswith("TEST CARD")
    assert "Replies of up to 256 bytes, extended ones up to 65536" in words.out
    assert "Not remembered" in words.out


@pytest.mark.parametrize(
    ("fault", "short", "extended", "outcome"),
    [
        ("reader:6700=250", 250, 0, "refused"),
        ("reader:trim=224", 224, 0, "cut"),
        ("reader:break=255", 255, 0, "lost"),
        ("extended:6700", 256, 0, "refused"),
        ("extended:trim=600", 256, 512, "cut"),
        ("extended:break", 256, 0, "lost"),
    ],
)
def test_probe_of_small_readers(
    cli: Cli, cards: CardFactory, fault: str, short: int, extended: int, outcome: str
) -> None:
    card = cards("hanako")
    card.card.faults = (fault,)
    found = cli("reader", "probe", "--reader", card.uri, "--json").json
    assert (found["short"], found["extended"]) == (short, extended)
    assert found["attempts"][-1]["carried"] == outcome
    assert found["card_back"]
    assert cli("reader", "probe", "--reader", card.uri, "--lang", "ja").code == 0


def scard_with_card(monkeypatch: pytest.MonkeyPatch, most: int) -> FakeScard:
    """A PC/SC reader with hanako in it that carries ``most`` bytes of data, refusing more."""
    card = load_card("hanako")
    fake = FakeScard(readers={"SCM SCR 3310 (7) 00 00": (PRESENT, b"\x3b\x00")})
    card.power_on()

    def transmit(handle: int, protocol: int, apdu: list[int]) -> tuple[int, list[int]]:
        fake.calls.append(("Transmit", protocol, bytes(apdu).hex()))
        reply = card.transmit(bytes(apdu))
        return 0, list(reply if len(reply) <= most + 2 else b"\x67\x00")

    monkeypatch.setattr(fake, "SCardTransmit", transmit)
    return install(monkeypatch, fake)


def test_what_was_measured_is_used_from_then_on(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = scard_with_card(monkeypatch, 224)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}

    def refused() -> int:
        """Reads of more than this reader carries."""
        fake.calls.clear()
        shown = cli("cert", "show", "auth-ca", "--reader", "pcsc:", env=env)
        assert shown.code == 0, shown.err
        sent = [bytes.fromhex(str(call[2])) for call in fake.calls if call[0] == "Transmit"]
        return sum(apdu[1] == 0xB0 and (apdu[-1] or 256) > 224 for apdu in sent)

    before = refused()
    found = cli("reader", "probe", "--json", env=env).json
    assert (found["reader"], found["short"], found["remembered"]) == (
        "SCM SCR 3310 (7) 00 00", 224, True,
    )  # fmt: skip
    kept = ReaderMemory.of_user(env)
    assert kept.limits("SCM SCR 3310 (7) 00 00") == ReplyLimits(224, 0)
    assert before > 0
    assert refused() == 0


def test_a_state_folder_that_cannot_be_written_is_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scard_with_card(monkeypatch, 256)
    (tmp_path / "file").write_text("")
    done = cli("reader", "probe", env={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert done.code == 0
    assert "could not be remembered" in done.out


def test_probe_without_a_card_of_ours(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeScard())
    assert cli("reader", "probe").code == 3
    fake = FakeScard(readers={"R": (PRESENT, b"\x3b\x00")}, replies=[[0x6A, 0x82]] * 9)
    install(monkeypatch, fake)
    done = cli("reader", "probe", "--json")
    assert (done.code, done.json["code"]) == (3, "not_our_card")


def test_probe_of_a_phone(cli: Cli, cards: CardFactory) -> None:
    found = cli("reader", "probe", "--reader", cards("android").uri, "--json").json
    assert found["short"] == 256
