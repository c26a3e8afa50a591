# SPDX-License-Identifier: Apache-2.0
"""Draws the diagrams of the guides, in both languages: ``python docs/diagrams.py``.

They are SVG without scripts or outside parts, so that the site, GitHub and a file manager show
them alike. A test draws them anew and compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "ja")
_LINE = 17  # pixels from one line of text to the next
_FILLS = {
    "plain": "#ffffff", "chip": "#eef3fb", "key": "#fdf3d8", "trust": "#e6f4ea", "no": "#fbe9e7",
}  # fmt: skip

Words = tuple[str, str]  # English, Japanese


@dataclass(frozen=True)
class Box:
    """A box with words; the first line is its name. ``fill``: what kind of thing it is."""

    x: int
    y: int
    width: int
    height: int
    lines: Sequence[Words]
    fill: str = "plain"

    def draw(self, lang: int) -> list[str]:
        found = [
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" '
            f'fill="{_FILLS[self.fill]}" stroke="#4a5568"/>'
        ]
        for number, words in enumerate(self.lines):
            weight = ' font-weight="bold"' if number == 0 else ""
            x, y = self.x + 10, self.y + 20 + number * _LINE
            told = words[lang].lstrip()
            x += 7 * (len(words[lang]) - len(told))
            found.append(f'<text x="{x}" y="{y}"{weight}>{escape(told)}</text>')
        return found


@dataclass(frozen=True)
class Arrow:
    """A line from one point to another, and what it means, written beside its middle."""

    start: tuple[int, int]
    end: tuple[int, int]
    words: Words = ("", "")
    beside: tuple[int, int] = (6, -4)

    def draw(self, lang: int) -> list[str]:
        (x1, y1), (x2, y2) = self.start, self.end
        x, y = (x1 + x2) // 2 + self.beside[0], (y1 + y2) // 2 + self.beside[1]
        return [
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#4a5568" '
            'marker-end="url(#a)"/>',
            f'<text x="{x}" y="{y}" font-size="12" fill="#2d3748">'
            f"{escape(self.words[lang])}</text>",
        ]


@dataclass(frozen=True)
class Diagram:
    """A picture: its size, what it shows in one sentence, and its parts from back to front."""

    width: int
    height: int
    title: Words
    parts: Sequence[Box | Arrow]

    def svg(self, lang: int) -> str:
        drawn = [line for part in self.parts for line in part.draw(lang)]
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" font-size="13" '
            "font-family=\"system-ui, 'Noto Sans JP', 'Noto Sans CJK JP', sans-serif\" "
            'fill="#1a202c">',
            f"<title>{escape(self.title[lang])}</title>",
            '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
            'markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#4a5568"/></marker>'
            "</defs>",
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
            *drawn,
            "</svg>\n",
        ])  # fmt: skip


CHIP = Diagram(
    760, 430,
    ("Applications of the chip, what they hold, and which PIN opens it",
     "チップのアプリケーション、その中身、開ける暗証番号"),
    [
        Box(10, 10, 740, 410, [("Chip of a My Number card", "個人番号カードのチップ")], "chip"),
        Box(30, 45, 340, 160, [
            ("JPKI application", "公的個人認証AP"),
            ("auth: key and certificate, for login", "利用者証明用：鍵と証明書(ログイン)"),
            ("   4 digits, 3 tries", "   数字4桁、3回"),
            ("sign: key and certificate, for documents", "署名用：鍵と証明書(文書)"),
            ("   6 to 16 characters, 5 tries", "   6〜16文字、5回"),
            ("two CA certificates: free to read", "認証局の証明書二つ：誰でも読める"),
            ("the keys never leave the chip", "鍵はチップの外へ出ない"),
        ], "key"),
        Box(390, 45, 340, 160, [
            ("Text application", "券面事項入力補助AP"),
            ("name, address, birth, sex", "氏名、住所、生年月日、性別"),
            ("My Number: only on demand", "個人番号：求められたときだけ"),
            ("   text PIN: 4 digits, 3 tries", "   暗証番号：数字4桁、3回"),
            ("   or reference number A or B, 10 tries", "   または照合番号A・B、10回"),
            ("digests of both, signed by the municipality", "両方のハッシュ値に市区町村の署名"),
            ("a key that answers a challenge", "乱数に答える鍵"),
        ]),
        Box(30, 220, 340, 125, [
            ("Card surface application", "券面事項確認AP"),
            ("what is printed, as pictures, and the photo", "券面の画像と顔写真"),
            ("   reference number A or B, 10 tries", "   照合番号A・B、10回"),
            ("birth date alone, for age checks", "生年月日だけ(年齢確認)"),
            ("   the birth date itself, 10 tries", "   生年月日そのもの、10回"),
        ]),
        Box(390, 220, 340, 125, [
            ("Others", "そのほか"),
            ("common: manufacturer's number, free", "共通カードAP：製造番号、誰でも読める"),
            ("resident register: offices only", "住基AP：窓口だけ"),
            ("free area: services of a municipality", "条例利用領域：市区町村のサービス"),
            ("driver's licence, where it was added", "免許情報：載せた人だけ"),
        ]),
        Box(30, 360, 700, 45, [
            ("At 0 tries a PIN is set anew at the municipal office. Looking costs no try.",
             "残り0回の暗証番号は市区町村の窓口で再設定。残り回数を見ても回数は減らない。"),
        ], "no"),
    ],
)  # fmt: skip

CHAINS = Diagram(
    760, 440,
    ("Two chains of trust, one for certificates and one for what is printed, and revocation",
     "二つの信頼の連鎖(証明書と券面)、そして失効"),
    [
        Box(270, 20, 220, 60, [("Root of J-LIS", "J-LIS の認証局"),
                              ("auth or sign, three generations", "利用者証明用・署名用、三世代")],
            "trust"),
        Arrow((380, 80), (380, 140), ("signs", "署名")),
        Box(270, 140, 220, 60, [("Holder's certificate", "本人の電子証明書"),
                               ("sign: with name and address", "署名用には氏名・住所")]),
        Arrow((380, 200), (380, 260), ("belongs to", "対応する鍵")),
        Box(270, 260, 220, 60, [("Key on the chip", "チップの中の鍵"),
                               ("works after its PIN", "暗証番号のあとで働く")], "key"),
        Arrow((380, 320), (380, 375), ("answers our challenge", "こちらの乱数に署名")),
        Box(270, 375, 220, 45, [("This person, now: login", "本人が、いま：ログイン")], "trust"),

        Box(20, 20, 220, 60, [("CA key for card data", "券面事項のCA鍵"),
                               ("CV certificates, no X.509", "CV証明書(X.509ではない)")], "trust"),
        Arrow((130, 80), (130, 140), ("signs", "署名")),
        Box(20, 140, 220, 60, [("Key of the municipality", "市区町村の鍵"),
                                ("its certificate is on the card", "証明書はカードの中")]),
        Arrow((130, 200), (130, 260), ("signs", "署名")),
        Box(20, 260, 220, 60, [("Records on the chip", "チップの中の記録"),
                                ("text, face, photo, a card key", "文字、券面、写真、カードの鍵")]),
        Arrow((130, 320), (130, 375), ("the card key answers", "カードの鍵が答える")),
        Box(20, 375, 220, 45, [("These records, this card", "この記録、このカード")], "trust"),

        Box(520, 20, 220, 95, [("Revocation data", "失効情報"),
                               ("CRL per municipality, OCSP", "市区町村ごとのCRL、OCSP"),
                               ("for registered verifiers only", "届け出た検証者だけ"),
                               ("(17, 36条)", "(17条・36条)")], "no"),
        Arrow((520, 95), (490, 150)),
        Box(520, 150, 220, 170, [("Two questions", "二つの問い"),
                                 ("genuine: do signatures fit,", "真正：署名は合うか、"),
                                 ("   and does the card answer?", "   カードは答えるか"),
                                 ("in force: is it revoked", "有効：失効していないか、"),
                                 ("   or expired?", "   期限は切れていないか"),
                                 ("each answered by itself:", "答えは別々に："),
                                 ("   yes, no, cannot tell", "   はい、いいえ、判定できない")]),
        Box(520, 350, 220, 70, [("A copy proves nothing", "写しは何の証明にもならない"),
                                ("records without the card", "カードのない記録は、"),
                                ("are at most «cannot tell»", "せいぜい「判定できない」")], "no"),
    ],
)  # fmt: skip

ROLES = Diagram(
    760, 400,
    ("Who may do what with a card, its certificates, their status and the number",
     "カード、証明書、失効情報、個人番号を、誰が何に使えるか"),
    [
        Box(20, 20, 220, 75, [("Municipality", "市区町村"),
                              ("checks the person, hands out", "本人を確かめてカードを渡す"),
                              ("the card, sets PINs anew", "暗証番号を再設定する")]),
        Box(270, 20, 220, 75, [("J-LIS", "J-LIS(機構)"),
                               ("issues certificates,", "証明書を発行し、"),
                               ("keeps revocation data", "失効情報を提供する")]),
        Box(520, 20, 220, 75, [("The law", "法律"),
                               ("公的個人認証法, 番号法,", "公的個人認証法、番号法、"),
                               ("個人情報保護法", "個人情報保護法")], "trust"),
        Arrow((130, 95), (130, 155), ("card", "カード")),
        Arrow((380, 95), (380, 155), ("status, to those registered", "失効情報(届け出た人へ)")),
        Box(20, 155, 220, 75, [("Holder", "本人"),
                               ("presents card and PIN,", "カードと暗証番号を使い、"),
                               ("says yes or no", "同意するかを決める")]),
        Box(270, 155, 220, 75, [("Verifier (17, 36条)", "検証者(17条・36条)"),
                                ("issues the challenge,", "乱数を出し、"),
                                ("judges the answer", "答えを判定する")], "trust"),
        Arrow((240, 190), (270, 190)),
        Arrow((380, 230), (380, 290), ("a verified presentation", "検証された提示")),
        Box(270, 290, 220, 90, [("The map", "対応表"),
                                ("serial: inside, under a key", "発行番号：中だけ、鍵の下"),
                                ("decides by a policy,", "ポリシーで判断し、"),
                                ("writes a ledger", "台帳に残す")], "key"),
        Arrow((490, 330), (520, 330)),
        Box(520, 290, 220, 90, [("Service", "サービス"),
                                ("gets a random code of its own,", "自分だけの無作為な符号を得る"),
                                ("no serial and no My Number", "発行番号も個人番号も得ない")]),
        Box(520, 155, 220, 75, [("Operator for others", "プラットフォーム事業者"),
                                ("verifies on their behalf", "ほかの事業者のために検証")]),
        Arrow((520, 190), (490, 190)),
        Box(20, 290, 220, 90, [("My Number (番号法)", "個人番号(番号法)"),
                               ("for purposes the law names;", "法律が定める目的だけ"),
                               ("read and shown on demand,", "求めで読み、求めで見せ、"),
                               ("never stored", "保存しない")], "no"),
    ],
)  # fmt: skip

DIAGRAMS = {"chip": CHIP, "chains": CHAINS, "roles": ROLES}


def main() -> None:
    for name, diagram in DIAGRAMS.items():
        for number, lang in enumerate(LANGUAGES):
            path = HERE / lang / "images" / f"{name}.svg"
            path.write_text(diagram.svg(number), encoding="utf-8")


if __name__ == "__main__":
    main()
