# SPDX-License-Identifier: Apache-2.0
"""Selecting an application and reading its files, with errors that name what was asked for."""

from __future__ import annotations

import logging

from jpki.card_map import Application
from jpki_apdu.channel import Channel, SizeOf
from jpki_apdu.errors import FileNotFoundOnCardError, SecurityStatusError, StatusWordError

_log = logging.getLogger(__name__)


def select_application(channel: Channel, application: Application) -> None:
    """SELECT ``application``; costs nothing if it is current.

    The first command after power-up may be answered 6F00 [MC]: a SELECT that is the very
    first command is sent again once. Raises FileNotFoundOnCardError ``application_absent``.
    """
    first = channel.apdus == 0
    try:
        try:
            channel.select(application.aid)
        except StatusWordError as exc:
            if not first or exc.sw != 0x6F00:
                raise
            _log.debug("first SELECT answered 6F00, sent again")
            channel.select(application.aid)
    except FileNotFoundOnCardError as exc:
        error = FileNotFoundOnCardError(exc.sw, exc.ins, "application_absent")
        error.values["application"] = application.name
        raise error from exc


def read_file(
    channel: Channel,
    application: Application,
    name: str,
    size: SizeOf | int | None = None,
    *,
    about: int | None = None,
) -> bytes:
    """Read the file called ``name`` in the card map, selecting its application if needed.

    ``size``, ``about``: as of ``Channel.read_file``. Raises SecurityStatusError
    ``file_needs_pin`` and FileNotFoundOnCardError ``file_absent``, both with ``application``
    and ``record`` (the name).
    """
    entry = application.file(name)
    with channel.turn():
        select_application(channel, application)
        try:
            return channel.read_file(application.aid, entry.fid, size, about=about)
        except (SecurityStatusError, FileNotFoundOnCardError) as exc:
            raise file_error(exc, application, name) from exc


def file_error(exc: StatusWordError, application: Application, name: str) -> StatusWordError:
    """The error that names the file which was refused; any other word as it is."""
    made: StatusWordError
    if isinstance(exc, SecurityStatusError):
        made = SecurityStatusError(exc.sw, exc.ins, "file_needs_pin")
    elif isinstance(exc, FileNotFoundOnCardError):
        made = FileNotFoundOnCardError(exc.sw, exc.ins, "file_absent")
    else:
        made = StatusWordError(exc.sw, exc.ins)
    made.values.update(application=application.name, record=name)
    return made
