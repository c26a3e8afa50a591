# SPDX-License-Identifier: Apache-2.0
"""``--report F``: the verdict on a document, signed by the verifier, to be kept."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jpki_cli import files
from jpki_cli.clicks import UsageFault, option
from jpki_cli.options import PATH, together
from jpki_cli.session import Session
from jpki_cli.signing_keys import Source, open_key
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.signing.signer import DigestSigner
    from jpki.verifying.document import DocumentVerdict

report_options = together(
    option("--report", metavar="F", type=PATH),
    option("--report-key", metavar="F|URI"),
    option("--force", is_flag=True),
    option("--pin-fd", metavar="N", type=click.INT),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Where a report goes and who signs it; ``path`` None: there is none. A name that ends in
    ``.pdf`` makes a report for people, any other one for programs.

    ``key``: a PEM file with key and certificate, or a ``pkcs11:`` URI.
    """

    path: Path | None
    key: str | None
    force: bool
    pin_fd: int | None

    @classmethod
    def from_options(cls, given: dict[str, Any]) -> Report:
        """Take the options of ``report_options`` out of ``given``."""
        return cls(
            given.pop("report"), given.pop("report_key"), given.pop("force"), given.pop("pin_fd")
        )

    def check(self, session: Session) -> None:
        """What would go wrong at the end, at the beginning. Raises UsageFault."""
        if (self.path is None) is not (self.key is None):
            raise UsageFault("usage_report_pair")
        if self.path is not None:
            files.check_target(self.path, force=self.force)
            if self.path.suffix.lower() == ".pdf":
                from jpki.signing.pdf import demand_extra

                demand_extra()

    def write(self, session: Session, found: DocumentVerdict, paths: Sequence[Path | None]) -> None:
        """Sign and write it. ``paths``: the file, the content, the raw signature."""
        if self.path is None:
            return
        from jpki import __version__
        from jpki.verifying.report import describe, sign_report
        from jpki_cli.documents import document_json
        from jpki_cli.render import rfc3339

        now = session.app.clock()
        described = [describe(path) if path else None for path in paths]
        report = {
            **dict(zip(("file", "content", "signature"), described, strict=True)),
            "made_at": rfc3339(now),
            "tool": f"jpki {__version__}",
            "disclaimer": t("cli.disclaimer"),
            "verdict": document_json(found),
        }
        with self._signer(session) as signer:
            if self.path.suffix.lower() == ".pdf":
                from jpki.verifying.pdf_report import report_pdf

                data = report_pdf(_lines(session, report, found), signer, now)
            else:
                data = sign_report(report, signer, now)
        # It says who signed what: not for everybody's eyes.
        files.write_whole(self.path, data, private=True, force=self.force)
        session.note("report_written", path=str(self.path))

    @contextmanager
    def _signer(self, session: Session) -> Iterator[DigestSigner]:
        key = self.key or ""
        if not key.startswith("pkcs11:"):
            from jpki.signing.key_file import load_key_file

            yield load_key_file(Path(key), test_only=False)
            return
        source = Source(module=key)
        with (
            source.desk(session, self.pin_fd) as desk,
            open_key(session, source, desk, last_try=False) as opened,
            opened.unlock() as signer,
        ):
            yield signer


def _lines(session: Session, report: Mapping[str, Any], found: DocumentVerdict) -> list[str]:
    """The report in words: what was verified, by which tool, and the verdict as on the screen."""
    from jpki_cli.documents import write_document
    from jpki_cli.screen import Screen

    told = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    write_document(Screen(replace(session.app, out=told)), found)
    told.seek(0)
    head = [t("cli.report_title"), t("cli.report_made", at=report["made_at"], tool=report["tool"])]
    for name in ("file", "content", "signature"):
        one = report[name]
        if one is not None:
            head.append(t("cli.report_file", **one))
    return [*head, "", *told.read().splitlines(), "", report["disclaimer"]]
