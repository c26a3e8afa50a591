# SPDX-License-Identifier: Apache-2.0
"""Snippets of a Markdown page, and how they are run.

A fence ``console`` holds commands after ``$ `` (``> `` continues one) and, optionally, what
they print, in which ``…`` stands for anything. A fence ``python`` is run; with a file name
after the language the snippet is written to that file instead. Other fences are not run.

``python tests/support/doc_pages.py PAGE…`` writes the real output where a page shows a lone
``…`` or something that is no longer true; what varies from day to day becomes ``…``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?:[ \t]+(\S+))?\n(.*?)^```$", re.M | re.S)
END_OF_COMMAND = "\x1e"


class SnippetError(AssertionError):
    """A snippet did not do what its page says."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fence: ``line`` is where it begins (from 1)."""

    language: str
    file_name: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console fence, and what the page says it prints (None: not said)."""

    text: str
    output: str | None


def snippets(page: Path) -> list[Snippet]:
    """All fences of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(m[1], m[2] or "", m[3], text.count("\n", 0, m.start()) + 1)
        for m in FENCE.finditer(text)
    ]


def commands(snippet: Snippet) -> list[Command]:
    """The commands of a console fence."""
    found: list[tuple[list[str], list[str]]] = []
    for line in snippet.text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise SnippetError(f"line {snippet.line}: output before any command")
    return [
        Command("\n".join(typed), "\n".join(shown).strip("\n") if any(shown) else None)
        for typed, shown in found
    ]


def matches(expected: str, printed: str) -> bool:
    """Whether ``printed`` is what the page shows; ``…`` is anything, also several lines."""
    pattern = ".*?".join(re.escape(part) for part in _tidy(expected).split("…"))
    return re.fullmatch(pattern, _tidy(printed), re.S) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


class Shell:
    """One bash for the whole page, so that ``cd``, ``export`` and ``$?`` work as typed."""

    def __init__(self, folder: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}
        environment = kept | {
            "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "100",
            "PYTHONHASHSEED": "0",
        }
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and everything printed. A command's own input is empty."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        quoted = command.replace("'", "'\\''")
        self._bash.stdin.write(
            f"eval '{quoted}' < /dev/null; __s=$?; "
            f"printf '{END_OF_COMMAND}%s\\n' $__s; (exit $__s)\n"
        )
        self._bash.stdin.flush()
        printed = ""
        for line in self._bash.stdout:
            printed += line
            if END_OF_COMMAND in line:
                break
        text, _, status = printed.rpartition(END_OF_COMMAND)
        return int(status or -1), text

    def close(self) -> None:
        """End the shell."""
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(10)
        assert self._bash.stdout is not None
        self._bash.stdout.close()


def run_page(page: Path, folder: Path) -> int:
    """Run every snippet of ``page`` in ``folder``. Returns how many ran. Raises SnippetError."""
    shell, ran = Shell(folder), 0
    try:
        for snippet in snippets(page):
            if snippet.file_name:
                (folder / snippet.file_name).parent.mkdir(parents=True, exist_ok=True)
                (folder / snippet.file_name).write_text(snippet.text, encoding="utf-8")
            elif snippet.language == "console":
                _run_console(page, snippet, shell)
                ran += 1
            elif snippet.language == "python":
                _run_python(page, snippet, folder)
                ran += 1
    finally:
        shell.close()
    return ran


def _run_console(page: Path, snippet: Snippet, shell: Shell) -> None:
    """A command must succeed, unless the page asks for ``$?`` next and shows it."""
    typed = commands(snippet)
    for command, after in zip(typed, [*typed[1:], None], strict=True):
        status, printed = shell.run(command.text)
        where = f"{page.name}:{snippet.line}: $ {command.text}"
        if status != 0 and not (after and after.text == "echo $?"):
            raise SnippetError(f"{where}\nexit {status}\n{printed}")
        if command.output is not None and not matches(command.output, printed):
            raise SnippetError(f"{where}\nthe page shows\n{command.output}\nit prints\n{printed}")


def _run_python(page: Path, snippet: Snippet, folder: Path) -> None:
    script = folder / f"snippet_{snippet.line}.py"
    script.write_text(snippet.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("JPKI_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise SnippetError(f"{page.name}:{snippet.line}\n{done.stdout}{done.stderr}")


VARIES = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)"  # moments; a card's dates move with today
    r"|(?<=expires )\d{4}-\d\d-\d\d"
    r"|\b\d+(?:\.\d+)?(?= s\b)|(?<=in )\d+\.\d+(?=s)"  # how long it took
    r"|\b\d+(?= APDUs)|(?<=APDU )\d+(?=件)"
)


def fill_in(page: Path) -> None:
    """Write the real output where the page shows a lone ``…``, or something else than it."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        for snippet in snippets(page):
            if snippet.file_name:
                (Path(folder) / snippet.file_name).write_text(snippet.text, encoding="utf-8")
            elif snippet.language == "console":
                for command in commands(snippet):
                    _, printed = shell.run(command.text)
                    text = _with_output(text, command, printed)
        shell.close()
    page.write_text(text, encoding="utf-8")


def _with_output(text: str, command: Command, printed: str) -> str:
    if command.output is None or (command.output != "…" and matches(command.output, printed)):
        return text
    typed = "$ " + command.text.replace("\n", "\n> ")
    shown = VARIES.sub("…", _tidy(printed))
    return text.replace(f"{typed}\n{command.output}\n", f"{typed}\n{shown}\n", 1)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        fill_in(Path(name))
