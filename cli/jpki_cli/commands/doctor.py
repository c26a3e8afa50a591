# SPDX-License-Identifier: Apache-2.0
"""``jpki doctor``: what works on this machine, and what would make the rest work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jpki_cli import texts
from jpki_cli.clicks import command
from jpki_cli.errors import Exit, worst
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.doctor import Finding

# A configuration that cannot be read ends every command, so it ends this one the same way.
_EXITS = {"config": Exit.USAGE}


@command("doctor")
def doctor(session: Session) -> Exit:
    from jpki.doctor import examine

    app = session.app
    encoding = getattr(app.out, "encoding", None) or ""
    host = app.host(app.env, encoding, texts.language())
    findings = [*examine(host), *_strict_config(session)]
    if session.json:
        session.emit(_json(findings))
    else:
        _show(session, findings)
    faults = [_EXITS.get(found.check, Exit.READER) for found in findings if found.level == "fault"]
    return worst(faults)


def _strict_config(session: Session) -> list[Finding]:
    """What only the command line knows of its configuration file: keys and their values."""
    from jpki.doctor import Finding, Level
    from jpki.errors import ConfigurationError

    try:
        _ = session.config
    except ConfigurationError as error:
        reason = str(error.values.get("reason"))
        if reason not in ("not_readable", "not_toml"):  # those were found already
            return [Finding("config", Level.FAULT, "config_invalid", {}, "config_reader_list")]
    return []


def _words(found: Finding) -> tuple[str, str]:
    """What was found, and what to do; the latter may be empty."""
    fix = t(f"doctor.fix.{found.fix}", **found.values) if found.fix else ""
    return t(f"doctor.{found.code}", **found.values), fix


def _json(findings: Sequence[Finding]) -> dict[str, object]:
    from jpki import __version__

    counts = Counter(found.level.value for found in findings)
    return {
        "schema": "jpki.doctor/1",
        "version": __version__,
        "faults": counts["fault"],
        "warnings": counts["warning"],
        "findings": [
            {
                "check": found.check,
                "level": found.level.value,
                "code": found.code,
                "values": dict(found.values),
                "text": _words(found)[0],
                "fix": _words(found)[1] or None,
                "lines": list(found.lines),
            }
            for found in findings
        ],
    }


_STYLES = {"ok": "valid", "note": "quiet", "warning": "cannot_tell", "fault": "invalid"}


def _show(session: Session, findings: Sequence[Finding]) -> None:
    from jpki import __version__

    screen = session.screen()
    screen.line((f"jpki {__version__}", "strong"))
    screen.line()
    levels = {name: t(f"doctor.level.{name}") for name in _STYLES}
    labels = {found.check: t(f"doctor.check.{found.check}") for found in findings}
    left = max(map(texts.width, levels.values()))
    middle = max(map(texts.width, labels.values()))
    margin = " " * (left + middle + 7)
    for found in findings:
        said, fix = _words(found)
        level, label = found.level.value, labels[found.check]
        body = texts.wrap(said, max(30, screen.columns - len(margin)))
        head = (texts.pad(levels[level], left), _STYLES[level])
        screen.line("  ", head, "  ", texts.pad(label, middle), "   ", body[0])
        for line in [*body[1:], *texts.wrap(fix, max(30, screen.columns - len(margin)))]:
            if line:
                screen.line(margin, line)
        for line in found.lines:  # to be copied: never folded
            screen.line(margin, (f"$ {line}", "strong"))
    counts = Counter(found.level.value for found in findings)
    screen.line()
    screen.paragraph(t("doctor.faults", n=counts["fault"], warnings=counts["warning"]))
    screen.paragraph(t("doctor.safe"))
