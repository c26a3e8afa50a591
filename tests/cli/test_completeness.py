# SPDX-License-Identifier: Apache-2.0
"""Nothing without words, nothing without a schema, no option that takes a PIN."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import shlex
import string
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click
import pytest
from babel.messages.pofile import read_po
from jsonschema import Draft202012Validator

import jpki
import jpki_apdu
import jpki_cli
from command_line import Cli, accepted
from jpki.errors import PinError
from jpki.messages import LANGUAGES, has, text
from jpki_apdu.errors import Coded, StatusWordError
from jpki_cli import clicks, texts
from jpki_cli.clicks import Group, Option
from jpki_cli.errors import Exit, exit_for
from jpki_cli.root import root

CATALOGUES = resources.files("jpki.messages") / "po"
OPTIONAL = {"jpki_apdu.pcsc", "jpki.testing.plugin", "jpki_cli.__main__"}


def _commands() -> dict[str, tuple[click.Command, click.Context]]:
    """Every noun and verb by its key, with a context to render its help in."""
    found: dict[str, tuple[click.Command, click.Context]] = {}

    def walk(command: click.Command, ctx: click.Context) -> None:
        found[clicks.command_key(ctx)] = (command, ctx)
        if isinstance(command, Group):
            for name in command.list_commands(ctx):
                child = command.get_command(ctx, name)
                assert child is not None, name
                walk(child, click.Context(child, info_name=name, parent=ctx))

    top = root()
    walk(top, click.Context(top, info_name="jpki"))
    return found


COMMANDS = _commands()
VERBS = sorted(key for key, (command, _) in COMMANDS.items() if not isinstance(command, Group))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", sorted(COMMANDS))
def test_help_ends_with_an_example_and_the_disclaimer(cli: Cli, key: str, lang: str) -> None:
    words = [] if key == "jpki" else key.split(".")
    done = cli(*words, "--help", "--lang", lang)
    assert done.code == 0
    heading = text("cli.example", lang)
    example, _, rest = done.out.partition(f"\n{heading}\n")[2].partition("\n\n")
    assert example.strip().startswith("jpki")
    assert "".join(rest.split()) == "".join(text("cli.disclaimer", lang).split())
    assert (key == "jpki") or f"jpki {' '.join(words)}" in done.out


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", sorted(COMMANDS))
def test_help_fits_the_terminal(key: str, lang: str) -> None:
    command, ctx = COMMANDS[key]
    texts.speak(lang)
    page = clicks.help_page(command, ctx)
    texts.speak("en")
    free = ("jpki ", "Usage:", "使い方:")  # commands to copy are not folded
    lines = [line for line in page.splitlines() if not line.strip().startswith(free)]
    assert max(texts.width(line) for line in lines) <= 100


@pytest.mark.parametrize("key", VERBS)
def test_examples_parse(key: str) -> None:
    """Each example is a call that the command accepts (it is not run)."""
    for line in text(f"example.{key}", "en").split("\n"):
        program, *words = shlex.split(line)
        assert program == "jpki"
        accepted(words)


def test_every_command_is_in_the_documented_table() -> None:
    assert set(VERBS) == {
        "demo", "doctor", "completion", "reader.list", "reader.wait", "reader.probe",
        "card.info", "card.read", "card.check",
        "cert.show", "cert.export", "pin.status", "pin.check", "pin.change", "pin.unblock",
        "auth.challenge", "auth.respond", "auth.verify", "sign", "verify",
        "chain.check", "emulate", "trace",
        "crl.index", "crl.check", "crl.info", "crl.watch",
        "batch.verify",
        "map.policy.check", "map.policy.explain", "map.policy.diff",
        "map.init", "map.challenge", "map.enrol", "map.resolve", "map.link", "map.refresh",
        "map.latest-info", "map.consent.give",
        "map.consent.withdraw", "map.consent.list", "map.consent.due", "map.evidence.keep",
        "map.evidence.show", "map.evidence.purge", "map.disclose", "map.erase", "map.suspend",
        "map.suppress",
        "map.close", "map.recheck", "map.rotate", "map.ledger.verify", "map.ledger.checkpoint",
        "map.report",
        "kiosk.serve", "kiosk.half", "kiosk.token", "kiosk.desk",
    }  # fmt: skip


def test_no_option_takes_a_pin() -> None:
    """PINs never stand on the command line or in the environment."""
    for key, (command, _) in COMMANDS.items():
        for param in command.params:
            assert param.envvar is None, key
            names = " ".join(param.opts)
            if re.search(r"\bpins?\b|pass|secret", names, re.I):
                assert names in ("--pin-fd", "--show-pins"), f"{key}: {names}"
                assert isinstance(param.type, click.types.IntParamType | click.types.BoolParamType)


def test_every_option_has_words() -> None:
    for lang in LANGUAGES:
        texts.speak(lang)
        for command, ctx in COMMANDS.values():
            options = [p for p in command.params if not isinstance(p, click.Argument)]
            for param in options:
                assert isinstance(param, Option)
                assert param.words(ctx)
    texts.speak("en")


# catalogues ---------------------------------------------------------------------------


def _messages(lang: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in (CATALOGUES / lang).iterdir():
        if entry.name.endswith(".po"):
            with Path(str(entry)).open("rb") as file:
                for message in read_po(file, locale=lang):
                    key = message.id if isinstance(message.id, str) else message.id[0]
                    values = message.string or ""
                    if key:
                        found[key] = [values] if isinstance(values, str) else list(values)
    return found


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_say_the_same() -> None:
    en, ja = _messages("en"), _messages("ja")
    assert set(en) == set(ja)
    assert len(en) > 300
    for key in en:
        assert all(en[key]), key
        assert all(ja[key]), key
        wanted = set().union(*map(_placeholders, en[key]))
        assert wanted == set().union(*map(_placeholders, ja[key])), key


def test_compiled_catalogues_are_those_of_the_sources() -> None:
    from jpki.messages.generate import compiled

    for lang in LANGUAGES:
        shipped = (resources.files("jpki.messages") / f"{lang}.mo").read_bytes()
        assert shipped == compiled(lang)


# codes --------------------------------------------------------------------------------


def _modules() -> Iterator[str]:
    for package in (jpki_apdu, jpki, jpki_cli):
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield info.name


def _classes() -> set[type[Coded]]:
    for name in _modules():
        # Scripts: one is run by people, the others by Alembic within a migration.
        script = name.endswith(".generate") or "migrations." in name
        if name not in OPTIONAL and not script:
            importlib.import_module(name)
    found: set[type[Coded]] = set()
    waiting = [Coded]
    while waiting:
        for child in waiting.pop().__subclasses__():
            if child not in found and child.__module__.startswith("jpki"):
                found.add(child)
                waiting.append(child)
    return found


CLASSES = _classes()


def _sources() -> Iterator[tuple[Path, ast.AST]]:
    for package in (jpki_apdu, jpki, jpki_cli):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call by the last part of the name of what is called."""
    for _, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else ""
                yield (function.id if isinstance(function, ast.Name) else name), node


def _constant(node: ast.Call, index: int) -> str | None:
    if len(node.args) <= index:
        return None
    argument = node.args[index]
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) else None


def test_every_error_class_has_words() -> None:
    missing = {
        c.default_code
        for c in CLASSES
        if not all(has(f"error.{c.default_code}", lang) for lang in LANGUAGES)
    }
    assert len(CLASSES) > 30
    # Roots that nobody raises.
    assert missing <= {"card_error", "jpki_error", "pin"}


def test_every_code_given_to_an_error_has_words() -> None:
    names = {c.__name__ for c in CLASSES}
    third = {c.__name__ for c in CLASSES if issubclass(c, PinError | StatusWordError)}
    codes = {
        code
        for name, call in _calls()
        if name in names and (code := _constant(call, 2 if name in third else 0))
    }
    assert len(codes) > 5
    assert {c for c in codes if not all(has(f"error.{c}", lang) for lang in LANGUAGES)} == set()


def test_every_check_has_words() -> None:
    names, codes = set(), set()
    for name, call in _calls():
        if name == "Check":
            names.add(_constant(call, 0))
            codes.add(_constant(call, 2))
    assert len(codes) > 20
    for lang in LANGUAGES:
        assert {n for n in names - {None} if not has(f"check.{n}", lang)} == set()
        assert {c for c in codes - {None} if not has(f"reason.{c}", lang)} == set()


def test_every_key_and_usage_code_of_the_command_line_has_words() -> None:
    keys = {key for name, call in _calls() if name == "t" and (key := _constant(call, 0))}
    faults = {c for name, call in _calls() if name == "UsageFault" and (c := _constant(call, 0))}
    notes = {c for name, call in _calls() if name == "note" and (c := _constant(call, 0))}
    assert len(keys) > 50
    assert len(faults) > 10
    wanted = keys | {f"error.{code}" for code in faults} | {f"note.{code}" for code in notes}
    assert {key for key in wanted if not all(has(key, lang) for lang in LANGUAGES)} == set()


def test_no_text_of_ours_is_orphaned() -> None:
    """Keys of cli.po that nothing in the code names, whole or by their beginning."""
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(jpki_cli.__path__[0]).rglob("*.py")
    )
    built = ("help.", "example.", "option.", "value.", "error.", "note.", "demo.",
             "cli.unblock.", "cli.step.", "cli.pin.", "record.")  # fmt: skip
    with Path(str(CATALOGUES / "en" / "cli.po")).open("rb") as file:
        entries = [m.id if isinstance(m.id, str) else m.id[0] for m in read_po(file)]
    orphans = {
        key for key in entries if key and not key.startswith(built) and f'"{key}"' not in code
        and f"'{key}'" not in code and "cli.{der}" not in key
    }  # fmt: skip
    assert orphans <= {"cli.not_there", "cli.needs_sign", "cli.needs_auth"}


def test_every_error_ends_in_a_documented_exit_code() -> None:
    import inspect

    made = 0
    for cls in CLASSES:
        wanted = [
            p for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
            if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "code"
        ]  # fmt: skip
        error = cls.__new__(cls)
        Exception.__init__(error)
        error.code, error.values = cls.default_code, {}
        assert exit_for(error) in set(Exit) - {Exit.INTERNAL, Exit.DONE}, (cls, wanted)
        made += 1
    assert made == len(CLASSES)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("PinIncorrectError", 4), ("PinBlockedError", 4), ("PinLastTryError", 4),
        ("PinOutcomeUnknownError", 4), ("PinFormatError", 4), ("MissingExtraError", 2),
        ("ConfigurationError", 2), ("ReaderUriError", 2), ("PcscMissingError", 3),
        ("NoServiceError", 3), ("NoReaderError", 3), ("NoCardError", 3), ("ReaderBusyError", 3),
        ("SeveralReadersError", 3), ("CardRemovedError", 3), ("NotOurCardError", 3),
        ("UnsupportedTokenError", 3), ("CardDataError", 1), ("InputFileError", 1),
        ("CertificateError", 1), ("ChallengeError", 1), ("NumberNotAllowedError", 1),
        ("NotPermittedError", 1), ("TrustUndeterminedError", 5), ("CardFileError", 1),
    ],
)  # fmt: skip
def test_exit_codes(name: str, code: int) -> None:
    cls = next(c for c in CLASSES if c.__name__ == name)
    error = cls.__new__(cls)
    error.code, error.values = cls.default_code, {}
    assert exit_for(error) == code


def test_a_refused_pin_counts_as_a_pin_error() -> None:
    from jpki_apdu.status import StatusWord

    assert exit_for(StatusWordError(StatusWord(0x6982), 0x20, "pin_refused")) is Exit.PIN
    assert exit_for(StatusWordError(StatusWord(0x6A80), 0xA4)) is Exit.INVALID


# schemas ------------------------------------------------------------------------------


def test_schemas_are_schemas_and_all_are_used() -> None:
    named: set[str] = set()
    for _, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"^jpki\.([a-z_.]+/\d)$", node.value))
    files = {}
    for entry in (resources.files("jpki") / "schemas").iterdir():
        schema = json.loads(entry.read_text("utf-8"))
        Draft202012Validator.check_schema(schema)
        files[schema["title"].removeprefix("jpki.")] = entry.name
        assert schema["additionalProperties"] is False
    assert {key.replace("/", "-") + ".json" for key in files} == set(files.values())
    # Files that people write (TOML), which the program reads strictly by itself.
    toml = {"card/1", "card-state/1", "policy/1", "card_state/1", "applications/1",
            "municipalities/1"}  # fmt: skip
    assert named - set(files) <= toml
    assert set(files) <= named
