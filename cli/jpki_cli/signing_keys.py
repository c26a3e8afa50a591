# SPDX-License-Identifier: Apache-2.0
"""The key that a command signs with: on the card, on a PKCS#11 token, or in a file of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jpki.card_map import PinKind
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import UsageFault
from jpki_cli.pin_desk import PinDesk
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.signing.algorithms import SignatureAlgorithm
    from jpki.signing.card_key import CardKey
    from jpki.signing.signer import DigestSigner


@dataclass(frozen=True, slots=True)
class Source:
    """Where the key is, as asked for. ``kind``: of the card's two keys. ``module``: PKCS#11
    module or URI. ``file``: PEM with key and certificate."""

    kind: PinKind = PinKind.SIGN
    module: str | None = None
    file: Path | None = None

    def desk(self, session: Session, fd: int | None) -> PinDesk:
        """Who gives out its PIN. Raises UsageFault if nobody can, and for two keys at once."""
        if self.module and self.file:
            raise UsageFault("usage_one_key")
        if self.file:
            return PinDesk(session, [], None)
        return PinDesk(session, [self.kind], fd)


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key that has not been given its PIN. ``head``: of its card. ``name``: in words.

    ``unlock``: asks for the PIN and presents it once; the signer lives as long as its block.
    """

    name: str
    algorithms: tuple[SignatureAlgorithm, ...]
    unlock: Callable[[], AbstractContextManager[DigestSigner]]
    head: Head | None = None


@contextmanager
def open_key(
    session: Session,
    source: Source,
    desk: PinDesk,
    *,
    last_try: bool,
    wait: float | None = None,
    at: datetime | None = None,
) -> Iterator[OpenKey]:
    """The key, its card or token open for this block."""
    if source.file:
        yield _file(source.file)
        return
    if source.module:
        yield _token(session, source.module, desk, last_try=last_try)
        return
    from jpki.open import roots_of
    from jpki.signing.card_key import CardKey

    now = at or session.app.clock()
    folder = [session.config.ca] if session.config.ca else []
    roots = roots_of(session.trust, at=now, ca_files=folder)
    with session.card(wait=wait, at=at, needs_pin=True) as opened:
        assert source.kind in (PinKind.SIGN, PinKind.AUTH)
        key = CardKey(opened.card, source.kind, roots)
        name = t(f"value.signing_key.{source.kind.value}")
        yield OpenKey(name, key.algorithms, lambda: _unlocked(key, desk, last_try), head_of(opened))


def _unlocked(key: CardKey, desk: PinDesk, last_try: bool) -> AbstractContextManager[DigestSigner]:
    """Counter first, then ask, then exactly one VERIFY."""
    if desk.from_descriptor:  # nobody to show the counter to: the guard reads it, once
        value = desk.of_kind(key.kind)
    else:
        counter = key.counter()
        counter.demand_try(last_try=last_try)
        value = desk.take(counter)
    return nullcontext(key.unlock(value, last_try=last_try))


def _token(session: Session, module: str, desk: PinDesk, *, last_try: bool) -> OpenKey:
    from jpki.signing.pkcs11 import TokenKey, TokenUri

    key = TokenKey(TokenUri.parse(module))

    def unlock() -> AbstractContextManager[DigestSigner]:
        session.note("token_counter")
        asked = t("cli.ask_token_pin", token=key.name) + " "
        value = desk.line(0) if desk.from_descriptor else session.app.ask_pin(asked)
        return key.unlocked(value, last_try=last_try)

    return OpenKey(t("cli.key_on_token", token=key.name), key.algorithms, unlock)


def _file(path: Path) -> OpenKey:
    from jpki.signing.key_file import load_key_file

    key = load_key_file(path)
    return OpenKey(t("cli.key_in_file", path=str(path)), key.algorithms, lambda: nullcontext(key))
