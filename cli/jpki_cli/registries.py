# SPDX-License-Identifier: Apache-2.0
"""Lists the user keeps: applications in the free area, names of municipalities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli import config
from jpki_cli.session import Session

if TYPE_CHECKING:
    from jpki.card.free_area import FreeAreaApplication
    from jpki.card.municipalities import MunicipalityNames


def applications(session: Session, named: Path | None) -> tuple[FreeAreaApplication, ...]:
    """The free-area applications to look for.

    From ``named``, else the configuration, else ``applications.toml`` beside the user's own
    configuration if it is there, else none. Raises ConfigurationError.
    """
    path = named or session.config.applications
    if path is None:
        own = config.beside(session.app.env, "applications.toml")
        path = own if own is not None and own.exists() else None
    if path is None:
        return ()
    from jpki.card.free_area_file import load_applications

    return load_applications(path)


def municipalities(session: Session) -> MunicipalityNames:
    """Those of the emulated cards, and the list the configuration names.

    Raises ConfigurationError.
    """
    from jpki.card.municipalities import BUILT_IN, load_municipalities

    path = session.config.municipalities
    return BUILT_IN if path is None else BUILT_IN.joined(load_municipalities(path))
