# SPDX-License-Identifier: Apache-2.0
"""``jpki cert``: masked by default, exact on export."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from command_line import Cli, Commands
from jpki.testing.cards import PluggedCard

HANAKO = ("--reader", "virtual:hanako")


def exported(cli: Cli, which: str, form: str) -> bytes:
    pins = ["ABC123"] if which == "sign" else None
    done = cli("cert", "export", which, "--format", form, *HANAKO, pins=pins)
    assert done.code == 0
    assert "TEST DATA" in done.err
    return done.raw


@pytest.mark.parametrize("which", ["auth", "sign", "auth-ca", "sign-ca"])
def test_pem_and_der_are_the_same_certificate(cli: Cli, which: str) -> None:
    pem, der = exported(cli, which, "pem"), exported(cli, which, "der")
    assert x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) == der


@pytest.mark.parametrize("which", ["auth", "sign"])
@pytest.mark.parametrize("json", [True, False])
def test_show_masks_what_identifies(cli: Cli, which: str, json: bool) -> None:
    certificate = x509.load_der_x509_certificate(exported(cli, which, "der"))
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    serial = f"{certificate.serial_number:X}"
    arguments = ("cert", "show", which, *HANAKO, *(["--json"] if json else []))
    pins = ["ABC123"] if which == "sign" else None

    def shown(*more: str) -> str:
        done = cli(*arguments, *more, pins=pins)
        assert done.code == 0
        return done.out.replace(":", "").upper()

    hidden, revealed = shown(), shown("--reveal", "serial")
    assert str(common).upper() not in hidden
    assert serial not in hidden
    assert str(common).upper() in revealed
    assert serial in revealed


def test_show_sign_tells_the_holder(cli: Cli) -> None:
    done = cli("cert", "show", "sign", "--json", *HANAKO, pins=["ABC123"])
    holder = done.json["holder"]
    assert (holder["birth"], holder["sex"]) == ("1980-02-17", "female")
    assert "花子" in holder["name"]
    assert "昭和55年2月17日" in cli("cert", "show", "sign", *HANAKO, pins=["ABC123"]).out


def test_ca_certificates_need_no_pin_and_are_shown_whole(cli: Cli) -> None:
    told = cli("cert", "show", "sign-ca", "--json", *HANAKO).json
    assert told["serial"]
    assert told["family"] == "sign"


def test_sign_is_not_there_under_15(cli: Cli) -> None:
    arguments = ("cert", "show", "sign", "--reader", "virtual:child", "--json")
    done = cli(*arguments, pins=["ABC123"])
    assert done.code in (1, 4)
    assert done.json["code"] in ("no_certificate", "pin_absent", "pin_blocked")


def test_wrong_sign_password(cli: Cli) -> None:
    done = cli("cert", "export", "sign", *HANAKO, "--json", pins=["WRONG1"])
    assert (done.code, done.json["attempts_left"]) == (4, 4)


def test_phone_keeps_auth_behind_its_pin(cli: Cli) -> None:
    phone = ("--reader", "virtual:android", "--json")
    done = cli("cert", "show", "auth", *phone)
    assert (done.code, done.json["code"]) == (1, "certificate_needs_pin")
    assert cli("cert", "show", "auth", *phone, pins=["1234"]).json["medium"] == "phone"
    assert cli("cert", "show", "auth", *phone, typed=["1234"]).json["medium"] == "phone"


def test_files_appear_whole_private_and_once(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "auth.pem"
    export = ("cert", "export", "auth", "--out", str(out), *HANAKO, "--json")
    told = cli(*export)
    assert told.code == 0
    assert told.json["certificate"] is None
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["auth.pem"]
    again = cli(*export)
    assert (again.code, again.json["code"]) == (2, "usage_out_exists")
    assert cli(*export, "--force").code == 0


def test_a_refused_file_costs_no_pin(
    cli: Cli, hanako: PluggedCard, watch: Callable[[PluggedCard], Commands], tmp_path: Path
) -> None:
    seen = watch(hanako)
    for place in (tmp_path, tmp_path / "nowhere" / "x.pem"):
        arguments = ("cert", "export", "sign", "--out", str(place), "--json")
        done = cli(*arguments, "--reader", hanako.uri, pins=["ABC123"])
        assert (done.code, done.json["code"]) == (2, "usage_out_place")
    assert seen.seen == []


def test_nothing_is_left_when_writing_fails(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jpki_cli.files.os.fsync", full)
    arguments = ("cert", "export", "auth", "--out", str(tmp_path / "a.pem"), "--json", *HANAKO)
    done = cli(*arguments)
    assert (done.code, done.json["code"]) == (1, "output_file")
    assert list(tmp_path.iterdir()) == []


def test_json_without_a_file_carries_the_certificate(cli: Cli) -> None:
    import base64

    told = cli("cert", "export", "auth-ca", "--json", *HANAKO).json
    x509.load_der_x509_certificate(base64.b64decode(told["certificate"]))
    assert told["test"] is True


def test_show_in_another_form_is_an_export(cli: Cli, tmp_path: Path) -> None:
    assert cli("cert", "show", "auth", "--format", "pem", *HANAKO).raw == exported(
        cli, "auth", "pem"
    )
    out = tmp_path / "a.pem"
    assert cli("cert", "show", "auth", "--out", str(out), *HANAKO).code == 0
    assert out.read_bytes() == exported(cli, "auth", "pem")


def test_hostile_text_cannot_move_the_cursor() -> None:
    from jpki_cli.render import clean

    assert clean("a\x1b[2Jb\u202ec\u2066d\ne") == "a\ufffd[2Jb\ufffdc\ufffdd\ufffde"
    assert clean("番号　花子") == "番号　花子"


@pytest.mark.parametrize(
    ("iso", "told"),
    [
        ("1980-02-17", "昭和55年2月17日 (1980-02-17)"),
        ("2019-04-30", "平成31年4月30日 (2019-04-30)"),
        ("2019-05-01", "令和元年5月1日 (2019-05-01)"),
        ("1989-01-07", "昭和64年1月7日 (1989-01-07)"),
        ("1989-01-08", "平成元年1月8日 (1989-01-08)"),
        ("1926-12-25", "昭和元年12月25日 (1926-12-25)"),
        ("1912-07-29", "明治45年7月29日 (1912-07-29)"),
        ("1850-01-01", "1850-01-01"),
    ],
)
def test_birth_dates_in_eras(iso: str, told: str) -> None:
    """First days of the eras: 元号を改める政令, 平成31年政令143号 and earlier ones."""
    from datetime import date

    from jpki_cli.render import birth_text

    assert birth_text(date.fromisoformat(iso)) == told


def test_birth_dates_with_unknown_parts() -> None:
    from jpki.dates import PartialDate
    from jpki_cli.render import birth_text

    assert birth_text(PartialDate(1950, None, None)) == "1950-??-??"


def test_no_password_is_spent_on_a_certificate_that_is_not_there(cli: Cli) -> None:
    done = cli("cert", "show", "sign", "--reader", "virtual:child", "--json", pins=["ABC123"])
    assert done.code == 1
    assert done.json["code"] == "no_certificate"
