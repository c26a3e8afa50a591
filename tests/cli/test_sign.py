# SPDX-License-Identifier: Apache-2.0
"""``jpki sign``: the right thing, once, whole, and never over another file."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands, Result
from jpki.emulator.card import ApduTrace
from jpki.synth import SynthPki
from jpki.testing.cards import CardFactory, PluggedCard
from jpki.testing.tsa_server import TsaMode, TsaServer
from signing_bench import key_pem, openssl

PIN = "ABC123"
Watch = Callable[[PluggedCard], Commands]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for path in made:
        path.write_text(f"the contents of {path.name}\n")
    return made


@pytest.fixture
def server() -> Iterator[TsaServer]:
    with TsaServer(NOW) as running:
        yield running


def sign(cli: Cli, card: PluggedCard, *words: object, pins: list[str] | None = None) -> Result:
    """``jpki sign`` with the sign password on a descriptor."""
    given = [PIN] if pins is None else pins
    return cli("sign", *map(str, words), "--reader", card.uri, pins=given)


def verify(cli: Cli, *words: object, code: int = 0) -> Result:
    done = cli("verify", *map(str, words), "--trust", "test")
    assert done.code == code, done.out + done.err
    return done


@pytest.mark.parametrize(
    ("how", "name"),
    [
        (["cms"], "a.txt.p7m"),
        (["cms", "--detached"], "a.txt.p7s"),
        (["cms", "--hash", "sha512"], "a.txt.p7m"),
        (["cms", "--pss"], "a.txt.p7m"),
        (["raw"], "a.txt.sig"),
        (["raw", "--pss"], "a.txt.sig"),
    ],
)
def test_signed_and_verified(
    cli: Cli, hanako: PluggedCard, files: list[Path], how: list[str], name: str
) -> None:
    done = sign(cli, hanako, files[0], "--as", *how)
    assert done.code == 0, done.err
    made = files[0].with_name(name)
    if "raw" in how:
        folder = files[0].parent
        cli("cert", "export", "sign", "--format", "der", "--out", str(folder / "s.der"),
            "--reader", hanako.uri, pins=[PIN])  # fmt: skip
        verify(cli, files[0], "--signature", made, "--certificate", folder / "s.der")
    else:
        verify(cli, made, *(["--content", files[0]] if "--detached" in how else []))


def test_what_is_shown_before_the_pin_and_before_the_signature(
    cli: Cli, hanako: PluggedCard, files: list[Path]
) -> None:
    """Name, size, digest, key, and what the certificate tells; then the certificate itself."""
    import hashlib

    digest = hashlib.sha256(files[0].read_bytes()).hexdigest()
    before: list[str] = []

    done = cli("sign", str(files[0]), "--as", "cms", "--reader", hanako.uri, typed=[PIN, "y"])
    before = done.err.splitlines()
    assert done.code == 0, done.err
    assert any("sign key of the card" in line for line in before)
    assert any("a.txt" in line and "22 bytes" in line and digest in line for line in before)
    assert any("name, address, date of birth and sex" in line for line in before)
    assert [question.split()[0] for question in cli.questions] == ["sign", "Sign"]
    assert "番号" in done.out.partition("signed:")[0]


def test_no_is_no(cli: Cli, hanako: PluggedCard, files: list[Path], watch: Watch) -> None:
    seen = watch(hanako)
    done = cli("sign", str(files[0]), "--as", "cms", "--reader", hanako.uri, typed=[PIN, "n"])
    assert done.code == 130
    assert not files[0].with_name("a.txt.p7m").exists()
    assert not [header for header, _ in seen.seen if header.startswith("802A")]


def test_yes_is_not_asked_for_again(cli: Cli, hanako: PluggedCard, files: list[Path]) -> None:
    done = cli("sign", str(files[0]), "--as", "cms", "--yes", "--reader", hanako.uri, typed=[PIN])
    assert (done.code, len(cli.questions)) == (0, 1)


@pytest.mark.parametrize(("count", "computes"), [(1, 1), (2, 2), (3, 3)])
def test_one_pin_and_one_compute_for_each_file(
    cli: Cli, hanako: PluggedCard, files: list[Path], watch: Watch, count: int, computes: int
) -> None:
    seen = watch(hanako)
    done = sign(cli, hanako, *files[:count], "--as", "cms")
    assert done.code == 0
    assert seen.presented == 1
    assert sum(header.startswith("802A") for header, _ in seen.seen) == computes
    # SELECT, token kind, counter, PIN, the certificate in two reads, the root in one.
    assert len(seen.seen) == 7 + computes


def test_the_auth_key_says_what_it_is(cli: Cli, hanako: PluggedCard, files: list[Path]) -> None:
    done = sign(cli, hanako, files[0], "--as", "cms", "--key", "auth", pins=["1234"])
    assert done.code == 0
    assert "The auth key is for logging in" in done.err
    verify(cli, f"{files[0]}.p7m", code=1)
    verify(cli, f"{files[0]}.p7m", "--key", "auth")


REFUSED = [
    (["--as", "cms", "--hash", "sha512", "--pss"], 1, "cannot sign with"),
    (["--as", "raw", "--tsa", "http://127.0.0.1:9/"], 1, "no place for a time stamp"),
    (["--as", "raw", "--detached"], 2, "--detached"),
    (["--as", "cms", "--require-timestamp"], 2, "--tsa"),
    (["--as", "cms", "--tsa", "ftp://x/"], 1, "http"),
    (["--as", "cms", "--hash", "sha1"], 2, "sha256"),
    (["--as", "cms", "--key-file", "k.pem", "--pkcs11", "m.so"], 2, "not both"),
    (["--as", "cms", "--out", "no-such-folder/x"], 2, "no-such-folder"),
    (["--as", "doc"], 2, "cms"),
]


@pytest.mark.parametrize(("words", "code", "said"), REFUSED, ids=lambda v: str(v)[:30])
def test_refused_before_the_pin(
    cli: Cli, hanako: PluggedCard, files: list[Path], watch: Watch,
    words: list[str], code: int, said: str,
) -> None:  # fmt: skip
    seen = watch(hanako)
    done = sign(cli, hanako, files[0], *words)
    assert done.code == code, done.err
    assert said in done.err
    assert seen.presented == 0


def test_missing_files_and_targets_that_exist(
    cli: Cli, hanako: PluggedCard, files: list[Path], watch: Watch
) -> None:
    seen = watch(hanako)
    assert sign(cli, hanako, files[0], "absent.txt", "--as", "cms").code == 1
    made = files[1].with_name("b.txt.p7m")
    made.write_text("somebody's")
    assert sign(cli, hanako, *files, "--as", "cms").code == 2
    assert sign(cli, hanako, files[0], "--as", "cms", "--out", files[0], "--force").code == 2
    assert sign(cli, hanako, files[0], files[0], "--as", "cms").code == 2
    assert sign(cli, hanako, *files, "--as", "cms", "--out", made, "--force").code == 2
    assert seen.presented == 0
    assert made.read_text() == "somebody's"
    assert sign(cli, hanako, *files, "--as", "cms", "--force").code == 0
    verify(cli, made)


def test_into_a_folder(cli: Cli, hanako: PluggedCard, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = sign(cli, hanako, *files, "--as", "cms", "--detached", "--out", tmp_path / "out")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.txt.p7s", "b.txt.p7s", "c.txt.p7s",
    ]  # fmt: skip


@pytest.mark.parametrize("as_json", [True, False])
def test_exactly_which_are_done(
    cli: Cli, cards: CardFactory, files: list[Path], as_json: bool
) -> None:
    """The card goes after the first signature: the first is whole, of the others is nothing."""
    card = cards("hanako", faults=["pull:before@9"])
    done = sign(cli, card, *files, "--as", "cms", *(["--json"] if as_json else []))
    assert done.code == 3
    if as_json:
        assert [one["state"] for one in done.json["files"]] == ["signed", "failed", "not_tried"]
        assert done.json["files"][1]["error"]["code"] == "card_removed"
    else:
        assert "signed: " in done.out
        assert "not signed (failed)" in done.out
        assert "not signed (not tried)" in done.out
    left = sorted(path.name for path in files[0].parent.iterdir() if path.is_file())
    assert left == ["a.txt", "a.txt.p7m", "b.txt", "c.txt"]
    verify(cli, files[0].with_name("a.txt.p7m"))


def test_wrong_pin(cli: Cli, hanako: PluggedCard, files: list[Path]) -> None:
    done = sign(cli, hanako, files[0], "--as", "cms", pins=["WRONG1"])
    assert done.code == 4
    assert "4 tries are left" in done.err
    assert [path.name for path in files[0].parent.glob("*.p7m")] == []


def test_nobody_to_ask(cli: Cli, hanako: PluggedCard, files: list[Path]) -> None:
    before = hanako.apdus
    assert cli("sign", str(files[0]), "--as", "cms", "--reader", hanako.uri).code == 2
    assert hanako.apdus == before


def test_json(cli: Cli, hanako: PluggedCard, files: list[Path]) -> None:
    done = sign(cli, hanako, *files, "--as", "cms", "--json")
    assert done.code == 0
    assert done.json["test"] is True
    assert [one["state"] for one in done.json["files"]] == ["signed"] * 3
    assert "番号" not in done.out


def test_a_child_has_no_sign_certificate(cli: Cli, cards: CardFactory, files: list[Path]) -> None:
    done = sign(cli, cards("child"), files[0], "--as", "cms")
    assert done.code in (1, 4)
    assert [path.name for path in files[0].parent.glob("*.p7m")] == []


def test_an_expired_certificate_is_said(cli: Cli, cards: CardFactory, files: list[Path]) -> None:
    done = sign(cli, cards("jiro-expired"), files[0], "--as", "cms")
    assert done.code == 0
    assert "expired" in done.err
    verify(cli, f"{files[0]}.p7m", code=1)


@pytest.mark.parametrize(("name", "code"), [("taro-moved", 1), ("old-g2", 0), ("nextgen", 0)])
def test_other_cards(cli: Cli, cards: CardFactory, files: list[Path], name: str, code: int) -> None:
    card = cards(name)
    done = cli("sign", str(files[0]), "--as", "cms", "--trust", "test", "--reader", card.uri,
               pins=[card.pins["sign"]])  # fmt: skip
    assert done.code == 0, done.err
    verify(cli, f"{files[0]}.p7m", code=code)


# time stamps --------------------------------------------------------------------------


def test_time_stamped(cli: Cli, hanako: PluggedCard, files: list[Path], server: TsaServer) -> None:
    done = sign(cli, hanako, files[0], "--as", "cms", "--tsa", server.url, "--json")
    assert done.code == 0, done.err
    assert done.json["files"][0]["stamped_at"] is not None
    checks = {one["name"]: one["code"] for one in
              verify(cli, f"{files[0]}.p7m", "--json").json["checks"]}  # fmt: skip
    assert checks["time"] == "time_stamped"


def test_no_stamp_where_one_is_wanted(
    cli: Cli, hanako: PluggedCard, files: list[Path], server: TsaServer
) -> None:
    server.mode = TsaMode.REFUSED
    done = sign(cli, hanako, *files, "--as", "cms", "--tsa", server.url, "--require-timestamp")
    assert done.code == 1
    assert [path.name for path in files[0].parent.glob("*.p7m")] == []
    done = sign(cli, hanako, files[0], "--as", "cms", "--tsa", server.url)
    assert done.code == 0
    assert "has no time stamp" in done.err
    verify(cli, f"{files[0]}.p7m")


# key files ----------------------------------------------------------------------------


def test_a_key_file_of_the_test_pki(cli: Cli, files: list[Path]) -> None:
    key = files[0].with_name("key.pem")
    key.write_bytes(key_pem())
    done = cli("sign", str(files[0]), "--as", "cms", "--key-file", str(key), "--json")
    assert done.code == 0, done.err
    assert done.json["test"] is True
    verify(cli, f"{files[0]}.p7m")


def test_no_other_key_file(cli: Cli, files: list[Path]) -> None:
    from signing_bench import openssl

    key = files[0].with_name("key.pem")
    pair = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-subj",
                   "/O=Somebody", "-addext", "keyUsage=critical,digitalSignature")  # fmt: skip
    key.write_bytes(pair.stdout)
    done = cli("sign", str(files[0]), "--as", "cms", "--key-file", str(key))
    assert done.code == 1
    assert "test PKI" in done.err


# --- one more signer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "commands", "enclosed"),
    [
        ([], 8, True),  # the trust store has no root: the card's own is read
        (["--trust", "test"], 7, True),
        (["--no-root"], 7, False),
        (["--no-root", "--trust", "test"], 7, False),
    ],
)
def test_the_root_is_read_from_the_card_only_if_nobody_else_has_it(
    cli: Cli, hanako: PluggedCard, files: list[Path], words: list[str], commands: int,
    enclosed: bool,
) -> None:  # fmt: skip
    """Detection, SELECT shared with it; counter, VERIFY, certificate in two, root, signature."""
    sent: list[ApduTrace] = []
    hanako.card.log = sent.append
    assert sign(cli, hanako, files[0], "--as", "cms", *words).code == 0
    hanako.card.log = None
    assert len(sent) == commands
    made = files[0].with_name("a.txt.p7m")
    with hanako.open() as card:
        root = card.jpki.certificate("sign-ca")
    assert (root in made.read_bytes()) is enclosed
    verify(cli, made)
    pem = files[0].with_name("root.pem")
    pem.write_text(ssl.DER_cert_to_PEM_cert(root))
    done = openssl("cms", "-verify", "-inform", "DER", "-in", str(made), "-CAfile", str(pem),
                   "-purpose", "any", "-attime", str(int(NOW.timestamp())))  # fmt: skip
    assert done.stdout == files[0].read_bytes(), done.stderr


def test_a_ca_folder_that_is_configured_has_the_root(
    cli: Cli, hanako: PluggedCard, files: list[Path], tmp_path: Path
) -> None:
    """Of a CA's generations, which have one name, the one that issued the certificate."""
    roots = tmp_path / "roots.pem"
    roots.write_text("".join(map(ssl.DER_cert_to_PEM_cert, SynthPki(NOW).trust_anchors())))
    sent: list[ApduTrace] = []
    hanako.card.log = sent.append
    assert sign(cli, hanako, files[0], "--as", "cms", "--trust", roots).code == 0
    assert len(sent) == 7
    hanako.card.log = None
    with hanako.open() as card:
        root = card.jpki.certificate("sign-ca")
    assert root in files[0].with_name("a.txt.p7m").read_bytes()


@pytest.mark.parametrize("detached", [True, False])
def test_a_second_signer(
    cli: Cli, hanako: PluggedCard, files: list[Path], tmp_path: Path, detached: bool
) -> None:
    """A key file signs first, the card beside it; both are judged."""
    key = tmp_path / "key.pem"
    key.write_bytes(key_pem())
    how, content = (["--detached"], ["--content", files[0]]) if detached else ([], [])
    assert cli("sign", str(files[0]), "--as", "cms", *how, "--key-file", str(key)).code == 0
    there = files[0].with_name("a.txt.p7s" if detached else "a.txt.p7m")
    before = there.read_bytes()
    done = sign(cli, hanako, there, "--as", "cms", "--cosign", *content)
    assert done.code == 0, done.err
    assert "signed there already: 1" in done.err
    made = there.with_name(f"a.txt.cosigned{there.suffix}")
    found = verify(cli, made, *content, "--json").json
    assert [one["outcome"] for one in found["document"]["signatures"]] == ["valid", "valid"]
    assert there.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--as", "cms", "--content", "a.txt"], (2, "usage_missing")),
        (["--as", "cms", "--cosign", "--detached"], (2, "usage_cosign_form")),
        (["--as", "xml", "--cosign"], (2, "usage_format_option")),
        (["b.txt", "--as", "cms", "--cosign", "--content", "a.txt"], (2, "usage_one_content")),
        (["--as", "cms", "--cosign"], (1, "input_file")),
    ],
)
def test_what_is_no_second_signature(
    cli: Cli, hanako: PluggedCard, files: list[Path], watch: Watch, words: list[str],
    code: tuple[int, str],
) -> None:  # fmt: skip
    """Refused before the PIN."""
    seen = watch(hanako)
    given = [str(files[0].with_name(w)) if w.endswith(".txt") else w for w in words]
    done = sign(cli, hanako, files[0], *given, "--json")
    assert (done.code, done.json["code"]) == code
    assert seen.presented == 0
