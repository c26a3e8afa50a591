# SPDX-License-Identifier: Apache-2.0
"""``jpki sign``: files, signed with the card; what is signed is shown before and after the PIN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki.card_map import PinKind
from jpki_cli import files
from jpki_cli.clicks import OneOf, UsageFault, argument, command, option
from jpki_cli.errors import Exit, failure
from jpki_cli.options import PATH, card_options, pin_options
from jpki_cli.render import rfc3339
from jpki_cli.session import Session
from jpki_cli.sign_formats import FORMATS, before, format_options, special, target
from jpki_cli.signing_keys import OpenKey, Source, open_key
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.signing.document import FormatModule, Made, Prepared, SigningOptions
    from jpki.signing.signer import DigestSigner

_HASHES = ("sha256", "sha384", "sha512")
_SHOWN = 10  # files shown one by one; of more, the rest is counted


@dataclass(frozen=True, slots=True)
class _Job:
    """All files of one run: looked at, with where each goes."""

    module: FormatModule
    options: SigningOptions
    files: tuple[Prepared, ...]
    targets: tuple[Path, ...]
    force: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one file. ``error``: why it was not signed; both None: not tried."""

    source: Path
    target: Path
    made: Made | None = None
    error: Exception | None = None


@command("sign")
@argument("sources", metavar="FILE", nargs=-1, required=True, type=PATH)
@option("as_", "--as", metavar="FORMAT", type=OneOf(*FORMATS), required=True)
@option("--key", metavar="KEY", type=OneOf("sign", "auth"), default="sign")
@option("--pkcs11", metavar="MODULE")
@option("--key-file", metavar="F", type=PATH)
@option("--out", metavar="F", type=PATH)
@option("--force", is_flag=True)
@option("--detached", is_flag=True)
@option("hash_", "--hash", metavar="HASH", type=OneOf(*_HASHES))
@option("--pss", is_flag=True)
@option("--tsa", metavar="URL")
@option("--require-timestamp", is_flag=True)
@option("--yes", is_flag=True)
@format_options
@pin_options
@card_options
def sign(
    session: Session,
    sources: tuple[Path, ...],
    key: str,
    pkcs11: str | None,
    key_file: Path | None,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
    **given: Any,
) -> Exit:
    targets = _targets(sources, given)
    source = Source(PinKind(key), pkcs11, key_file)
    now = at or session.app.clock()
    with (
        source.desk(session, pin_fd) as desk,
        open_key(session, source, desk, last_try=last_try, wait=wait, at=at) as opened,
    ):
        session.progress("file")
        job = _prepare(opened, sources, targets, given, now)
        _show_before(session, job, opened, source)
        with opened.unlock() as signer:
            test = _show_certificate(session, opened, signer, now)
            if not _agreed(session, job, given):
                session.note("sign_declined")
                return Exit.INTERRUPTED
            done = _sign_all(session, job, signer)
    return _finish(session, job, opened.name, done, test=test)


def _targets(sources: Sequence[Path], given: dict[str, Any]) -> tuple[Path, ...]:
    """Where each signed file goes, all of them free. Raises UsageFault."""
    out: Path | None = given["out"]
    if given["require_timestamp"] and not given["tsa"]:
        raise UsageFault("usage_needs_tsa")
    if given["detached"] and given["as_"] not in ("cms", "xml"):
        raise UsageFault("usage_detached")
    if given["content"] and len(sources) > 1:
        raise UsageFault("usage_one_content")
    how = {"detached": given["detached"], "cosign": given["cosign"]}
    made = [target(source, given["as_"], **how) for source in sources]
    if out is not None and out.is_dir():
        made = [out / path.name for path in made]
    elif out is not None:
        if len(sources) > 1:
            raise UsageFault("usage_out_folder", path=str(out))
        made = [out]
    if len(set(made)) != len(made):
        raise UsageFault("usage_same_target")
    own = {source.resolve() for source in sources}
    for path in made:
        if path.resolve() in own:
            raise UsageFault("usage_out_is_source", path=str(path))
        files.check_target(path, force=given["force"])
    return tuple(made)


def _prepare(
    opened: OpenKey,
    sources: Sequence[Path],
    targets: tuple[Path, ...],
    given: dict[str, Any],
    now: datetime,
) -> _Job:
    """Everything that can be wrong before the PIN. Raises SigningError, InputFileError."""
    from jpki.signing.algorithms import HashName
    from jpki.signing.document import SignFormat, SigningOptions, format_module
    from jpki.signing.signer import choose_algorithm
    from jpki.signing.timestamp import TimestampClient

    wish = HashName(given["hash_"]) if given["hash_"] else None
    options = SigningOptions(
        algorithm=choose_algorithm(opened.algorithms, hash_name=wish, pss=given["pss"]),
        signing_time=now,
        detached=given["detached"],
        stamper=TimestampClient(given["tsa"]) if given["tsa"] else None,
        require_timestamp=given["require_timestamp"],
        root=not given["no_root"],
        special=special(given["as_"], given),
    )
    module = format_module(SignFormat(given["as_"]))
    prepared = tuple(module.prepare(source, options) for source in sources)
    return _Job(module, options, prepared, targets, given["force"])


def _show_before(session: Session, job: _Job, opened: OpenKey, source: Source) -> None:
    """Before the PIN, on stderr: what is signed, and with what."""
    algorithm = job.options.algorithm
    how = t(f"value.scheme.{algorithm.scheme.value}")
    session.say(t("cli.sign_with", key=opened.name, how=how))
    for one in job.files[:_SHOWN]:
        digest = one.digest.hex()
        name = t(f"value.hash.{one.hash.value}")
        session.say(t("cli.sign_file", path=str(one.path), size=one.size, hash=name, digest=digest))
        if signed := before(one):
            session.say(t("cli.sign_cosigned", n=signed))
    if len(job.files) > _SHOWN:
        session.say(t("cli.sign_more", n=len(job.files) - _SHOWN))
    if opened.head is not None:
        session.note("sign_names_holder" if source.kind is PinKind.SIGN else "sign_with_auth")


def _show_certificate(
    session: Session, opened: OpenKey, signer: DigestSigner, now: datetime
) -> bool:
    """After the PIN and before the signature: whose certificate goes out. Is it a test's?"""
    from jpki.certificate import parse_certificate
    from jpki.certificate.kinds import Environment
    from jpki_cli.certificates import rows

    certificate = parse_certificate(signer.certificate)
    if certificate.not_after < now:
        session.note("sign_expired", expires=rfc3339(certificate.not_after))
    emulated = opened.head is not None and opened.head.test
    test = emulated or certificate.environment in (Environment.TEST, Environment.JLIS_TEST)
    if session.json:
        return test
    screen = session.screen()
    if opened.head is not None:
        opened.head.show(screen)
    wanted = {t(f"cert.{name}") for name in ("claims", "not_after", "key")}
    wanted |= {t(f"record.{name}") for name in ("name", "birth", "sex", "address")}
    shown = rows(certificate, reveal=False, unicode=screen.unicode)
    screen.table([row for row in shown if row[0] in wanted])
    screen.line()
    return test


def _agreed(session: Session, job: _Job, given: dict[str, Any]) -> bool:
    """One yes or no, where a person is there to give it."""
    if given["yes"] or not session.app.has_terminal():
        return True
    return session.app.ask_yes(t("cli.ask_sign", n=len(job.files)) + " ")


def _sign_all(session: Session, job: _Job, signer: DigestSigner) -> list[_Done]:
    """One after the other, up to the first that fails; each file whole or not at all."""
    done: list[_Done] = []
    session.progress("signing")
    for number, result in enumerate(_signed(job, signer), 1):
        done.append(result)
        if result.error is None and not session.json and len(job.files) > 1:
            session.say(t("cli.sign_progress", n=number, all=len(job.files)))
            session.progress("signing")
    for one, path in list(zip(job.files, job.targets, strict=True))[len(done) :]:
        done.append(_Done(one.path, path))
    return done


def _signed(job: _Job, signer: DigestSigner) -> Iterator[_Done]:
    from jpki_apdu.errors import Coded

    for one, path in zip(job.files, job.targets, strict=True):
        try:
            with files.new_file(path, private=False, force=job.force) as out:
                made = job.module.write(one, signer, job.options, out)
        except (Coded, UsageFault) as error:
            yield _Done(one.path, path, error=error)
            return
        yield _Done(one.path, path, made)


def _finish(session: Session, job: _Job, key: str, done: Sequence[_Done], *, test: bool) -> Exit:
    """What came of each file; the exit code is that of the one that failed."""
    failed = next((failure(one.error) for one in done if one.error), None)
    if session.json:
        session.emit(_json(job, key, done, test=test))
        return failed.exit if failed else Exit.DONE
    screen = session.screen()
    for one in done:
        screen.line(t(f"cli.sign_{_state(one)}", source=str(one.source), target=str(one.target)))
        if one.made and one.made.stamped_at:
            screen.line(t("cli.sign_stamped", at=rfc3339(one.made.stamped_at)))
        elif one.made and one.made.stamp_fault:
            session.note("sign_unstamped", path=str(one.target))
    if failed:
        session.say(failed.message)
    return failed.exit if failed else Exit.DONE


def _state(one: _Done) -> str:
    if one.made is not None:
        return "signed"
    return "failed" if one.error else "not_tried"


def _json(job: _Job, key: str, done: Sequence[_Done], *, test: bool) -> dict[str, object]:
    """``jpki.sign/1``."""
    found = []
    for one, prepared in zip(done, job.files, strict=True):
        error = failure(one.error) if one.error else None
        stamped = one.made.stamped_at if one.made else None
        found.append(
            {
                "source": str(one.source),
                "target": str(one.target),
                "state": _state(one),
                "size": prepared.size,
                "hash": prepared.hash.value,
                "digest": prepared.digest.hex(),
                "stamped_at": rfc3339(stamped) if stamped else None,
                "stamp_fault": one.made.stamp_fault if one.made else None,
                "error": {"code": error.code, "message": error.message} if error else None,
            }
        )
    return {
        "schema": "jpki.sign/1",
        "test": test,
        "key": key,
        "algorithm": str(job.options.algorithm),
        "signing_time": rfc3339(job.options.signing_time),
        "files": found,
    }
