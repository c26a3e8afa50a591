# SPDX-License-Identifier: Apache-2.0
"""``pyhanko sign addsig jpki``: pyHanko's own program, signing with the card. Extra ``pdf-cli``.

Fields, stamps and profiles are pyHanko's options; reader, key and PIN are asked for as in
``jpki sign``, in the language of the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click
from pyhanko.cli.plugin_api import CLIContext, SigningCommandPlugin
from pyhanko.sign.signers.pdf_cms import Signer

from jpki_cli import texts
from jpki_cli.app import App
from jpki_cli.errors import failure
from jpki_cli.session import Session
from jpki_cli.texts import t

texts.speak(texts.choose(None, os.environ))


class JpkiPlugin(SigningCommandPlugin):
    """Found by pyHanko through the entry point ``pyhanko.cli_plugin.signing``."""

    subcommand_name = "jpki"
    help_summary = t("cli.pyhanko_plugin")

    def click_options(self) -> list[click.Option]:
        """What stands behind the name of the plug-in."""
        return [
            click.Option(["--reader"], metavar="URI", help=t("option.reader")),
            click.Option(
                ["--key"], type=click.Choice(["sign", "auth"]), default="sign",
                help=t("option.sign.key"),
            ),
            click.Option(["--pin-fd"], metavar="N", type=int, help=t("option.sign.pin-fd")),
            click.Option(["--last-try"], is_flag=True, help=t("option.last-try")),
        ]  # fmt: skip

    def create_signer(self, context: CLIContext, **kwargs: Any) -> AbstractContextManager[Signer]:
        """A signer whose card is open, and whose PIN was presented, inside its block."""
        return _signer(**kwargs)


@contextmanager
def _signer(reader: str | None, key: str, pin_fd: int | None, last_try: bool) -> Iterator[Signer]:
    from jpki.card_map import PinKind
    from jpki.signing.pdf_signer import PdfCmsSigner
    from jpki.signing.signer import choose_algorithm
    from jpki_apdu.errors import Coded
    from jpki_cli.signing_keys import Source, open_key

    session = Session(App.real(), {"reader": reader}, ())
    source = Source(PinKind(key))
    try:
        with (
            source.desk(session, pin_fd) as desk,
            open_key(session, source, desk, last_try=last_try) as opened,
        ):
            session.note("sign_names_holder" if key == "sign" else "sign_with_auth")
            algorithm = choose_algorithm(opened.algorithms)
            with opened.unlock() as signer:
                yield PdfCmsSigner(signer, algorithm)
    except (Coded, click.UsageError) as error:
        ended = failure(error)
        session.say(ended.message)
        raise SystemExit(int(ended.exit)) from error
