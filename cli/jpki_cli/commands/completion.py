# SPDX-License-Identifier: Apache-2.0
"""``jpki completion``: the lines that teach a shell the commands, options and their values."""

from __future__ import annotations

from click.shell_completion import get_completion_class

from jpki_cli.clicks import OneOf, argument, command
from jpki_cli.session import Session

SHELLS = ("bash", "zsh", "fish")
_ZSH_LOADS_IT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"


@command("completion")
@argument("shell", metavar="|".join(SHELLS), type=OneOf(*SHELLS))
def completion(session: Session, shell: str) -> None:
    from jpki_cli.root import root

    known = get_completion_class(shell)
    assert known is not None
    script = known(root(), {}, "jpki", "_JPKI_COMPLETE").source()
    if shell == "zsh":  # a new user's .zshrc has not loaded completion
        first, _, rest = script.lstrip().partition("\n")
        script = f"{first}\n{_ZSH_LOADS_IT}\n{rest}"
    if session.json:
        session.emit({"schema": "jpki.completion/1", "shell": shell, "script": script})
    else:
        session.app.write(script.rstrip("\n") + "\n")
