# SPDX-License-Identifier: Apache-2.0
"""``jpki sign --as pdf|xml`` and ``jpki verify`` of both, with the card, from the outside."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands, Result
from document_bench import XML, fill_field, small_pdf, updated
from jpki.messages import text
from jpki.testing.cards import CardFactory, PluggedCard
from jpki.testing.tsa_server import TsaServer
from signing_bench import key_pem

PIN = "ABC123"
Watch = Callable[[PluggedCard], Commands]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.pdf").write_bytes(small_pdf("amount"))
    (tmp_path / "a.xml").write_bytes(XML)
    return tmp_path


def sign(cli: Cli, card: PluggedCard, *words: object) -> Result:
    """``jpki sign`` with the sign password on a descriptor."""
    return cli("sign", *map(str, words), "--reader", card.uri, pins=[PIN])


def verify(cli: Cli, *words: object) -> Result:
    return cli("verify", *map(str, words), "--trust", "test")


@pytest.mark.parametrize(
    ("name", "how", "made"),
    [
        ("a.pdf", ["pdf"], "a.signed.pdf"),
        ("a.pdf", ["pdf", "--pdf-profile", "pades-b"], "a.signed.pdf"),
        ("a.pdf", ["pdf", "--visible", "--page", "-1", "--box", "10,10,200,80"], "a.signed.pdf"),
        ("a.pdf", ["pdf", "--field", "Sig", "--reason", "登記", "--name", "甲"], "a.signed.pdf"),
        ("a.xml", ["xml"], "a.signed.xml"),
        ("a.xml", ["xml", "--form", "enveloping"], "a.signed.xml"),
        ("a.xml", ["xml", "--detached"], "a.signed.xml"),
        ("a.xml", ["xml", "--form", "egov", "--with-file", "a.pdf"], "a.signed.xml"),
    ],
)
def test_signed_and_verified(
    cli: Cli,
    hanako: PluggedCard,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    how: list[str],
    made: str,
) -> None:
    monkeypatch.chdir(folder)
    done = sign(cli, hanako, name, "--as", *how)
    assert done.code == 0, done.err
    assert verify(cli, made).code == 0
    again = sign(cli, hanako, name, "--as", *how)
    assert again.code == 2  # nothing is overwritten


@pytest.mark.parametrize(("faults", "limit"), [((), 8), (("extended:6700",), 20)])
def test_commands_of_a_signed_pdf(
    cli: Cli, folder: Path, faults: tuple[str, ...], limit: int
) -> None:
    """From detection to the signature, both certificates read; each further file is one more."""
    (folder / "b.pdf").write_bytes(small_pdf("name"))
    with CardFactory() as factory:
        card = factory("hanako", faults=faults)
        assert sign(cli, card, folder / "a.pdf", "--as", "pdf").code == 0
        assert card.apdus <= limit
        before = card.apdus
        done = sign(cli, card, folder / "a.pdf", folder / "b.pdf", "--as", "pdf", "--force")
        assert done.code == 0, done.err
        assert card.apdus - before <= limit + 1


def test_verdict_tells_each_signature_of_a_pdf(cli: Cli, hanako: PluggedCard, folder: Path) -> None:
    first, second = folder / "1.pdf", folder / "2.pdf"
    assert sign(cli, hanako, folder / "a.pdf", "--as", "pdf", "--out", first).code == 0
    assert sign(cli, hanako, first, "--as", "pdf", "--out", second).code == 0
    found = verify(cli, second, "--json").json
    assert found["outcome"] == "valid"
    assert [one["number"] for one in found["document"]["signatures"]] == [1, 2]
    second.write_bytes(updated(second.read_bytes(), fill_field))
    bad = verify(cli, second, "--json")
    assert bad.code == 1
    named = {(c["name"], c["code"]) for c in bad.json["checks"] if c["outcome"] == "invalid"}
    assert named == {("changes", "unsigned_after")}


@pytest.mark.parametrize(
    ("how", "code", "broken"),
    [([], 0, []), (["--pdf-profile", "pades-b"], 1, ["moj_subfilter"])],
)
def test_moj_profile_says_rule_by_rule(
    cli: Cli, hanako: PluggedCard, folder: Path, how: list[str], code: int, broken: list[str]
) -> None:
    assert sign(cli, hanako, folder / "a.pdf", "--as", "pdf", *how).code == 0
    done = verify(cli, folder / "a.signed.pdf", "--profile", "moj", "--json")
    assert done.code == code
    rules = [c for c in done.json["checks"] if c["name"].startswith("moj_")]
    assert len(rules) == 14
    assert [rule["name"] for rule in rules if rule["outcome"] != "valid"] == broken
    plain = verify(cli, folder / "a.signed.pdf", "--json")
    assert not [c for c in plain.json["checks"] if c["name"].startswith("moj_")]


def test_time_stamp_from_an_authority(cli: Cli, hanako: PluggedCard, folder: Path) -> None:
    with TsaServer(NOW) as server:
        done = sign(
            cli, hanako, folder / "a.pdf", "--as", "pdf", "--pdf-profile", "pades-t",
            "--tsa", server.url, "--json",
        )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["files"][0]["stamped_at"]
    checks = verify(cli, folder / "a.signed.pdf", "--json").json["checks"]
    assert "time_stamped" in {check["code"] for check in checks}


@pytest.mark.parametrize(
    ("name", "how", "code", "words"),
    [
        ("a.pdf", ["pdf", "--form", "egov"], 2, "--form goes with --as xml"),
        ("a.xml", ["xml", "--visible"], 2, "--visible goes with --as pdf"),
        ("a.xml", ["cms", "--reason", "x"], 2, "--reason goes with --as pdf"),
        ("a.pdf", ["pdf", "--box", "1,2,3"], 2, "--box"),
        ("a.pdf", ["pdf", "--box", "9,9,3,3"], 2, "--box"),
        ("a.xml", ["xml", "--detached", "--form", "egov"], 2, "--detached is --form detached"),
        ("a.pdf", ["pdf", "--pdf-profile", "pades-lt"], 1, "52"),
        ("a.pdf", ["pdf", "--pdf-profile", "pades-t"], 1, "--tsa"),
        ("a.pdf", ["pdf", "--page", "7"], 1, "no page 7"),
        ("a.pdf", ["pdf", "--field", "amount"], 1, "amount"),
        ("a.pdf", ["pdf", "--font", "a.xml"], 2, "TrueType"),
        ("a.xml", ["pdf"], 1, "PDF"),
        ("a.pdf", ["xml"], 1, "XML"),
        ("a.xml", ["xml", "--tsa", "http://127.0.0.1:9/"], 1, "--tsa"),
        ("a.xml", ["xml", "--with-file", "a.pdf"], 1, "--with-file"),
        ("none.pdf", ["pdf"], 1, "none.pdf"),
    ],
)
def test_refused_before_the_pin(
    cli: Cli,
    hanako: PluggedCard,
    watch: Watch,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    how: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(folder)
    commands = watch(hanako)
    done = sign(cli, hanako, name, "--as", *how)
    assert (done.code, words in done.err) == (code, True), done.err
    assert commands.presented == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.pdf", "a.xml"]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_report_as_a_pdf_says_the_verdict_and_is_signed(
    cli: Cli, hanako: PluggedCard, folder: Path, lang: str
) -> None:
    """The report stands on its own: another verifier needs only the first one's certificate."""
    assert sign(cli, hanako, folder / "a.pdf", "--as", "pdf").code == 0
    own = folder / "verifier.pem"
    own.write_bytes(key_pem(slot=14))
    report = folder / "report.pdf"
    words = ["--report", report, "--report-key", own, "--lang", lang]
    assert verify(cli, folder / "a.signed.pdf", *words).code == 0
    told = subprocess.run(
        ["pdftotext", "-layout", str(report), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert text("cli.report_title", lang) in told
    assert "a.signed.pdf" in told
    assert text("check.coverage", lang) in told
    assert verify(cli, report, "--certificate", own).code == 0
    other = folder / "other.pem"
    other.write_bytes(key_pem(slot=13))
    assert verify(cli, report, "--certificate", other).code == 1
