# SPDX-License-Identifier: Apache-2.0
"""``jpki kiosk desk``: the desks of a shelter, as the server half knows them."""

from __future__ import annotations

from pathlib import Path

from jpki_cli import files
from jpki_cli.clicks import UsageFault, command, option
from jpki_cli.options import PATH
from jpki_cli.session import Session
from jpki_cli.texts import t


@command("desk")
@option("--office", metavar="F", type=PATH, required=True)
@option("--name", metavar="NAME", required=True)
@option("--place", metavar="TEXT")
@option("--out", metavar="DIR", type=PATH)
@option("--city", metavar="F", type=PATH)
@option("--remove", is_flag=True)
def desk(
    session: Session, office: Path, name: str, place: str | None, out: Path | None,
    city: Path | None, remove: bool,
) -> None:  # fmt: skip
    if remove and (place or out or city):
        raise UsageFault("usage_kiosk_desk_remove")
    if not remove and not (place and out):
        raise UsageFault("usage_kiosk_desk_add")
    count = _remove_desk(office, name) if out is None else _add_desk(office, name, place, out, city)
    if session.json:
        session.emit(
            {
                "schema": "jpki.kiosk_desk/1",
                "office": str(office),
                "name": name,
                "keys": None if out is None else str(out),
                "desks": count,
            }
        )
        return
    done = "cli.kiosk_desk_removed" if remove else "cli.kiosk_desk_added"
    session.screen().line(t(done, name=name, office=str(office), keys=str(out)))


def _add_desk(office: Path, name: str, place: str | None, out: Path, city: Path | None) -> int:
    """Register a desk and write its keys; how many desks there are now.

    The keys first: an office that knows a desk without keys would have to be mended.
    """
    from jpki.kiosk.shelter.office import ShelterOffice, read_city_key, read_office, write_office
    from jpki.open_shelter import KEY_FILE, write_keys

    files.check_target(office, force=True)
    if (out / KEY_FILE).exists():
        raise UsageFault("usage_kiosk_desk_there", path=str(out))
    files.check_target(out / KEY_FILE if out.is_dir() else out, force=False)
    before = read_office(office) if office.exists() else ShelterOffice.new()
    key = None if city is None else read_city_key(city)
    after, keys = before.with_desk(name, str(place), key)
    with files.written(office):
        write_keys(out, keys)
        write_office(office, after)
    return len(after.desks)


def _remove_desk(office: Path, name: str) -> int:
    """Take a desk out; how many are left."""
    from jpki.kiosk.shelter.office import read_office, write_office

    after = read_office(office).without_desk(name)
    with files.written(office):
        write_office(office, after)
    return len(after.desks)
