# SPDX-License-Identifier: Apache-2.0
"""Municipalities the test PKI issues for. The places are real, everything else is invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Municipality:
    """A place as JPKI's names spell it.

    ``code`` is the five-digit municipality code (no check digit); wards of designated cities
    are one name, city and ward joined by a hyphen [AUTH-EE].
    """

    code: str
    prefecture: str
    name: str
    japanese: str = ""  # prefecture and municipality, as an address begins

    @property
    def key_number(self) -> str:
        """The seven digits of its CV key id; the last two are always 21 here [MC] [inferred]."""
        return self.code + "21"


KIYOSE = Municipality("13221", "Tokyo-to", "Kiyose-shi", "東京都清瀬市")
SHIBUYA = Municipality("13113", "Tokyo-to", "Shibuya-ku", "東京都渋谷区")
YOKOHAMA_NAKA = Municipality("14104", "Kanagawa-ken", "Yokohama-shi-Naka-ku", "神奈川県横浜市中区")
OSAKA_KITA = Municipality("27127", "Osaka-fu", "Osaka-shi-Kita-ku", "大阪府大阪市北区")
SAPPORO_CHUO = Municipality("01101", "Hokkaido", "Sapporo-shi-Chuo-ku", "北海道札幌市中央区")
MAEBASHI = Municipality("10201", "Gunma-ken", "Maebashi-shi", "群馬県前橋市")

MUNICIPALITIES: dict[str, Municipality] = {
    place.code: place
    for place in (KIYOSE, SHIBUYA, YOKOHAMA_NAKA, OSAKA_KITA, SAPPORO_CHUO, MAEBASHI)
}


def municipality(place: Municipality | str) -> Municipality:
    """A municipality, by itself or by its five-digit code. Raises KeyError for others."""
    return place if isinstance(place, Municipality) else MUNICIPALITIES[place]
