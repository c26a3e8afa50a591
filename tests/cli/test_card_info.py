# SPDX-License-Identifier: Apache-2.0
"""``jpki card info``: municipality, expiry, contact ATR, free area, and the user's own lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Cli, Commands
from jpki.testing.cards import PluggedCard
from library_card import REGISTRY

INFO = ("card", "info", "--reader", "virtual:library")
FREE_AREA = [{"id": "sample-library", "name": {"ja": "見本市立図書館", "en": "Mihon City Library"}}]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "registry.toml"
    path.write_text(REGISTRY, encoding="utf-8")
    return path


def test_what_is_free(cli: Cli) -> None:
    told = cli(*INFO, "--json").json
    assert told["municipality"] == {
        "code": "13221",
        "name": {"ja": "東京都清瀬市", "en": "Kiyose-shi, Tokyo-to"},
    }
    assert told["contact_atr"] == "O9oT/4Ex+0aAEjkvMcFzxgHAOw=="
    assert told["free_area"] == []
    words = cli(*INFO, "--lang", "ja").out
    for word in ("13221  東京都清瀬市", told["expiry"], "3B DA 13 FF"):
        assert word in words


def test_its_cost_and_that_no_pin_is_presented(
    cli: Cli, hanako: PluggedCard, watch: Callable[[PluggedCard], Commands]
) -> None:
    seen = watch(hanako)
    assert cli("card", "info", "--reader", hanako.uri).code == 0
    assert len(seen.seen) == 22
    assert seen.presented == 0
    assert not [header for header, _ in seen.seen if header.startswith("00B2")]


def test_a_phone_tells_less(cli: Cli) -> None:
    told = cli("card", "info", "--json", "--reader", "virtual:android").json
    assert (told["municipality"], told["expiry"], told["contact_atr"]) == (None, None, None)
    assert "Municipality" not in cli("card", "info", "--reader", "virtual:android").out


@pytest.mark.parametrize(("lang", "name"), [("en", "Mihon City Library"), ("ja", "見本市立図書館")])
def test_free_area_by_option(cli: Cli, registry: Path, lang: str, name: str) -> None:
    arguments = (*INFO, "--applications", str(registry))
    assert cli(*arguments, "--json").json["free_area"] == FREE_AREA
    assert name in cli(*arguments, "--lang", lang).out
    elsewhere = ("card", "info", "--reader", "virtual:hanako", "--applications", str(registry))
    assert cli(*elsewhere, "--json").json["free_area"] == []
    assert name not in cli(*elsewhere, "--lang", lang).out


def test_free_area_by_the_users_own_file(cli: Cli) -> None:
    folder = Path(cli.env["HOME"], ".config", "jpki")
    folder.mkdir(parents=True)
    (folder / "applications.toml").write_text(REGISTRY, encoding="utf-8")
    assert cli(*INFO, "--json").json["free_area"] == FREE_AREA


def test_both_lists_by_configuration(cli: Cli, registry: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("団体コード,都道府県名,市区町村名\n132217,見本県,架空市\n")
    config = tmp_path / "c.toml"
    config.write_text('applications = "registry.toml"\nmunicipalities = "list.csv"\n')
    told = cli(*INFO, "--json", env={"JPKI_CONFIG": str(config)}).json
    assert told["free_area"] == FREE_AREA
    assert told["municipality"] == {"code": "13221", "name": {"ja": "見本県架空市", "en": None}}
    assert "13221  見本県架空市" in cli(*INFO, env={"JPKI_CONFIG": str(config)}).out


def test_a_code_that_is_on_no_list(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from jpki.card import municipalities

    monkeypatch.setattr(municipalities, "BUILT_IN", municipalities.MunicipalityNames({}))
    told = cli(*INFO, "--json").json
    assert told["municipality"] == {"code": "13221", "name": None}
    assert [line.split() for line in cli(*INFO).out.splitlines() if "Municipality" in line] == [
        ["Municipality", "13221"]
    ]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_registry_that_is_wrong_stops_before_the_card(
    cli: Cli, hanako: PluggedCard, registry: Path, lang: str,
    watch: Callable[[PluggedCard], Commands],
) -> None:  # fmt: skip
    registry.write_text(REGISTRY.replace('fid = "0004"', 'fid = "4"'), encoding="utf-8")
    seen = watch(hanako)
    done = cli("card", "info", "--reader", hanako.uri, "--applications", str(registry),
               "--lang", lang)  # fmt: skip
    assert done.code == 2
    assert "application[1].file[4].fid" in done.err
    assert seen.seen == []


@pytest.mark.parametrize("key", ["applications", "municipalities"])
@pytest.mark.parametrize("value", ["1", '"nowhere.toml"'])
def test_a_configuration_that_is_wrong(cli: Cli, tmp_path: Path, key: str, value: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"{key} = {value}\n")
    done = cli(*INFO, "--json", env={"JPKI_CONFIG": str(config)})
    assert done.code == 2
    assert done.json["code"] == "configuration"
