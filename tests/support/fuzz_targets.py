# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: one function a target, that takes any bytes and judges what came of them.

A target returns quietly for a typed error or a verdict. Anything else is a finding: another
exception, two readers of ours that differ, or ``valid`` for what nobody signed.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import fuzz_structure
from fuzz_structure import Mutation

CORPUS: Final = Path(__file__).resolve().parents[2] / "fixtures" / "fuzz"


class FindingError(AssertionError):
    """A promise that did not hold."""


@dataclass(frozen=True)
class Target:
    """``run``: module:function, loaded when used. ``seeds``: folders of the corpus.

    ``modules``: parsers of ours whose branches it has to reach; none for what mostly runs
    the code of others. ``beside``: functions in them that parse nothing.
    """

    name: str
    run: str
    seeds: tuple[str, ...]
    modules: tuple[str, ...] = ()
    tokens: tuple[bytes, ...] = ()
    form: str = ""  # of fuzz_structure: the mutation that keeps an input's form
    most: int = 8192  # bytes of an input
    beside: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether the code under test is mostly our own parser: it gets more executions."""
        return bool(self.modules)

    def function(self) -> Callable[[bytes], None]:
        module, _, name = self.run.partition(":")
        found: Callable[[bytes], None] = getattr(import_module(module), name)
        return found

    def mutation(self) -> Mutation | None:
        """What alters an input and keeps its form."""
        found: Mutation | None = getattr(fuzz_structure, self.form) if self.form else None
        return found

    def folders(self) -> list[Path]:
        """Where its seeds are."""
        every = [CORPUS / seed for seed in (*self.seeds, f"kept/{self.name}")]
        return [folder for folder in every if folder.is_dir()]

    def corpus(self) -> list[bytes]:
        """The seeds, always in the same order."""
        return [f.read_bytes() for folder in self.folders() for f in sorted(folder.iterdir())]


_JSON = (b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"\\ud800")
_TOML = (b"[", b"]", b"[[", b"=", b'"""', b"\n", b"true", b"1e999", b"2026-01-01", b"nan")

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        Target("tlv", "fuzz_card:tlv", ("ef",), ("jpki_apdu.tlv",), form="elements",
               beside=("encode",)),
        Target("ef-text", "fuzz_card:ef_text", ("ef",),
               ("jpki.card.text_records", "jpki.card.records"), form="elements"),
        Target("ef-surface", "fuzz_card:ef_surface", ("ef",), ("jpki.card.surface_records",),
               form="elements"),
        Target("ef-others", "fuzz_card:ef_others", ("ef",), ("jpki.card.token",),
               form="elements", beside=("detect", "recognise_by", "availability")),
        Target("ef-licence", "fuzz_card:ef_licence", ("licence",),
               ("jpki.card.licence_records", "jpki.card.licence_tags", "jpki.card.jis"),
               form="elements"),
        Target("cv-certificate", "fuzz_card:cv_certificate", ("ef",),
               ("jpki.card.cv_certificate",), form="elements"),
        Target("images", "fuzz_card:images", ("image",),
               ("jpki.card.png", "jpki.card.jpeg2000")),
        Target("vpcd", "fuzz_card:vpcd_frames", ("vpcd",),
               ("jpki_apdu.vpcd_frames",), form="frames",
               beside=("Frames.send", "Frames.close", "Frames._acknowledge_at_once")),
        Target("transcript", "fuzz_card:transcripts", ("transcript",),
               ("jpki_apdu.transcript",), (), "transcript_lines",
               beside=("read_text", "why")),
        Target("replay", "fuzz_card:replays", ("transcript",), (), (), "transcript_lines"),
        Target("certificate", "fuzz_pki:certificates", ("certificate",),
               ("jpki.certificate.certificate", "jpki.certificate.frame"), form="elements"),
        Target("der", "fuzz_pki:parts", ("der",),
               ("jpki.certificate.der", "jpki.certificate.extensions", "jpki.certificate.names"),
               form="elements"),
        Target("general", "fuzz_pki:general", ("certificate", "crl", "ocsp", "der"),
               form="elements"),
        Target("certificate-files", "fuzz_pki:certificate_files", ("certificate", "crl")),
        Target("crl", "fuzz_pki:crls", ("crl",), ("jpki.validation.crl",), form="elements",
               beside=("CrlForm.fits",)),
        Target("crl-columns", "fuzz_pki:crl_columns", ("crl",),
               ("jpki.validation.crl_index.plain",), form="elements"),
        Target("ocsp", "fuzz_pki:ocsp_answers", ("ocsp",), ("jpki.validation.ocsp",),
               form="elements"),
        Target("cms", "fuzz_documents:cms", ("cms",), form="elements", most=1 << 14),
        Target("pdf", "fuzz_documents:pdf", ("pdf",), most=1 << 16),
        Target("xml", "fuzz_documents:xml", ("xml",)),
        Target("issued", "fuzz_documents:issued", ("issued",), most=1 << 17),
        Target("policy", "fuzz_texts:policy", ("policy",),
               ("jpki.mapping.policy_file", "jpki.mapping.policy_table"), _TOML, "toml_text",
               beside=("load_policy",)),
        Target("card-toml", "fuzz_texts:card_file", ("card",),
               ("jpki.emulator.profile_file", "jpki.emulator.toml_table"), _TOML, "toml_text"),
        Target("presentation", "fuzz_texts:presentation", ("json",), ("jpki.verifying.challenge",),
               _JSON, "json_text", beside=("new_challenge",)),
        Target("json", "fuzz_texts:small_json", ("json",), (), _JSON, "json_text"),
        Target("replies", "fuzz_replies:half", ("reply",), (), _JSON, "json_text"),
        Target("operator", "fuzz_replies:operator", ("operator",), (), _JSON, "json_text"),
        Target("stamp", "fuzz_replies:stamp", ("stamp",), form="elements"),
        Target("queue", "fuzz_kept:queue", ("queue",), (), _JSON, "json_text"),
        Target("kept-json", "fuzz_kept:kept_json", ("kept-json",), (), _JSON, "json_text"),
        Target("kept-text", "fuzz_kept:kept_text", ("kept-text",), (), _TOML, "toml_text"),
        Target("http-half", "fuzz_http:server_half", ("http", "http-shelter"), (), _JSON, "http"),
        Target("http-page", "fuzz_http:page", ("http",), (), _JSON, "http"),
        Target("http-presentation", "fuzz_http:presentation", ("http",), (), _JSON, "http"),
    )
}  # fmt: skip
"""Every target by its name."""


@functools.cache
def scratch() -> Path:
    """A folder in memory where there is one, for what is read from a path."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="jpki-fuzz-", dir=memory if os.access(memory, 7) else None))


def calls(parsers: Sequence[Callable[[bytes], object]], data: bytes) -> None:
    """Every parser on the same bytes; typed errors are answers."""
    from jpki_apdu.errors import Coded

    for parse in parsers:
        try:
            parse(data)
        except Coded as error:
            str(error)
