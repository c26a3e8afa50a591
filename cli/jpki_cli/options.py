# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jpki_cli.clicks import Listed, Moment, OneOf, Seconds, argument, option

CHECKED = ("auth", "sign", "text", "number-a", "number-b", "birth", "licence")
"""What ``--with`` takes."""

KINDS = (
    "auth",
    "sign",
    "text",
    "juki",
    "common",
    "number-a",
    "number-b",
    "birth",
    "licence",
)  # fmt: skip

PATH = click.Path(path_type=Path)

Decorator = Callable[[Any], Any]


def together(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, shown in this order."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


card_options = together(
    option("--wait", metavar="[=S]", type=Seconds()),
    option("--at", metavar="TIME", type=Moment()),
)
"""Of every command that opens a card."""

pin_options = together(
    option("--pin-fd", metavar="N", type=click.INT),
    option("--last-try", is_flag=True),
)
"""Of every command that presents a PIN."""

with_option = option("with_", "--with", metavar="LIST", type=Listed(*CHECKED), default=())

kind_argument = argument("kind", metavar="KIND", type=OneOf(*KINDS))

out_options = together(
    option("--out", metavar="F", type=PATH),
    option("--force", is_flag=True),
)

_validation = (
    option("--crl", metavar="F|DIR", multiple=True, type=PATH),
    option("--ocsp", metavar="F|URL"),
    option("--chain", metavar="F", multiple=True, type=PATH),
    option("--revocation", metavar="HOW", type=OneOf("require", "leaf", "none")),
    option("--prefer", metavar="HOW", type=OneOf("crl", "ocsp", "both")),
    option("--max-age", metavar="S", type=Seconds()),
    option("--offline", is_flag=True),
)

validation_options = together(*_validation)
"""Of every command that comes to a verdict (``--trust`` is global, ``--at`` is with the card)."""
