# SPDX-License-Identifier: Apache-2.0
"""Electronic application (U5): a form, shown, signed with the sign certificate, verified, sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from jpki.card_map import PinKind
from jpki.certificate.kinds import Family
from jpki.kiosk.documents.form import FilledForm, form_pdf, form_xml
from jpki.kiosk.flows.common import Place, demand_certificate, demand_yes
from jpki.kiosk.visit import Close, Ending, Line, Option, Page, Question, Visit
from jpki.mapping.policy import Operation, Policy
from jpki.signing.card_key import CardKey
from jpki.signing.document import SigningOptions
from jpki.signing.pdf import demand_extra as demand_pdf
from jpki.signing.pdf import sign_pdf
from jpki.signing.signer import choose_algorithm
from jpki.signing.xml import demand_extra as demand_xml
from jpki.signing.xml import sign_xml
from jpki.verdict import Outcome
from jpki.verifying.document import DocumentFormat
from jpki.verifying.judge import Judge

Deliver = Callable[[bytes], None]
"""Takes the signed application. What it raises ends the visit."""
JudgeAt = Callable[[datetime], Judge]
"""Trust and revocation data as of a time (aware)."""
_MEDIA: Final = {DocumentFormat.PDF: "application/pdf", DocumentFormat.XML: "application/xml"}
_ITEMS: Final = ("name", "address", "birth", "sex")  # what the sign certificate says


class Application:
    """Signs one of ``forms`` (by id, which names its words) and hands it over once it verifies.

    ``format``: PDF or XML. Raises MissingExtraError without the extra of the format.
    """

    id = "application"

    def __init__(
        self,
        policy: Policy,
        judge_at: JudgeAt,
        forms: Mapping[str, FilledForm],
        deliver: Deliver,
        *,
        actor: str,
        format: DocumentFormat = DocumentFormat.PDF,
    ) -> None:
        if format not in _MEDIA:
            raise ValueError("an application is a PDF or an XML file")
        (demand_pdf if format is DocumentFormat.PDF else demand_xml)()
        self._place = Place(policy, "application", "apply", actor)
        self._judge_at = judge_at
        self._forms = forms
        self._deliver = deliver
        self._format = format
        self.first_screen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.READ_ITEMS, _ITEMS)
        options = tuple(Option(form, self.id) for form in self._forms)
        form = self._forms[visit.desk.choose(Question("application", options))]
        demand_certificate(visit, Family.SIGN)
        demand_yes(visit, _shown(form))
        demand_yes(visit, Page("sign_certificate"))
        signed = self._sign(visit, form)
        visit.desk.progress("verify", 1, 2)
        match self._verified(signed, visit.clock()):
            case Outcome.INVALID:
                return Ending(Close.FAILED, "signature_not_valid")
            case Outcome.CANNOT_TELL:
                return Ending(Close.FAILED, "signature_not_known")
        self._deliver(signed)
        return Ending(Close.DONE, "applied", {}, signed, _MEDIA[self._format])

    def _sign(self, visit: Visit, form: FilledForm) -> bytes:
        """Drawn before the PIN; then one entry and one signature."""
        drawn = form_pdf(form) if self._format is DocumentFormat.PDF else form_xml(form)
        key = CardKey(visit.card, PinKind.SIGN)
        options = SigningOptions(choose_algorithm(key.algorithms), visit.clock())
        signer = key.unlock(visit.ask_pin(PinKind.SIGN))
        visit.desk.progress("sign", 0, 2)
        if self._format is DocumentFormat.PDF:
            return sign_pdf(drawn, signer, options)[0]
        return sign_xml(drawn, signer, options)

    def _verified(self, signed: bytes, at: datetime) -> Outcome:
        # Loaded when an application is signed: heavy, and most visits sign none.
        if self._format is DocumentFormat.PDF:
            from jpki.verifying import pdf, pdf_reading

            found = pdf_reading.read_signatures(signed)
            return pdf.verify_signatures(signed, found, self._judge_at(at)).outcome
        from jpki.verifying import xml, xml_reading

        read = xml_reading.read_signatures(signed, lambda name: None)
        return xml.verify_signatures(read, self._judge_at(at)).outcome


def _shown(form: FilledForm) -> Page:
    """All that will be signed, as it is."""
    lines = (Line("form", form.title), Line("receiver", form.recipient))
    entries = (Line("entry", f"{label}: {value}") for label, value in form.entries)
    return Page("will_sign", (*lines, *entries))
