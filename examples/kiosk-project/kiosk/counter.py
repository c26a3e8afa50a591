# SPDX-License-Identifier: Apache-2.0
"""What happens at the counter, from the card to one sentence on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jpki.certificate import parse_certificate
from jpki.errors import (
    CertificateError,
    PinBlockedError,
    PinIncorrectError,
    PinLastTryError,
    PinOutcomeUnknownError,
)
from jpki.open import open_card
from jpki.validation import TrustStore, Validator, VerifierDeclaration
from jpki.verdict import Outcome
from jpki.verifying.challenge import Response, new_challenge
from jpki.verifying.login import respond, verify_response
from jpki_apdu.errors import CardError
from kiosk import status

ORIGIN = "https://kiosk.example"


@dataclass(frozen=True)
class Screen:
    """What the person sees, and whether they are logged in."""

    text: str
    logged_in: bool = False


class Counter:
    """``responder``: address of the OCSP responder. ``verifier``: who we are registered as."""

    def __init__(
        self, trust: TrustStore, responder: str, verifier: VerifierDeclaration | None = None
    ) -> None:
        self._trust = trust
        self._responder = responder
        self._verifier = verifier

    def log_in(self, reader: str, pin: bytearray) -> Screen:
        """One person, one card, one try."""
        now = datetime.now(UTC)
        challenge = new_challenge(ORIGIN, "log in", now=now, ttl=timedelta(minutes=1))
        try:
            with open_card(reader, needs_pin=True).card as card:
                response = respond(card, challenge, pin, now=now)
        except PinIncorrectError as error:
            return Screen(f"The PIN was wrong. {error.attempts_left} tries are left.")
        except (PinBlockedError, PinLastTryError):
            return Screen("Please have your PIN reset at the municipal office.")
        except PinOutcomeUnknownError:
            return Screen("The card left too early. A try may have been used.")
        except CardError as error:
            return Screen(f"Please put your card on the reader again. ({error.code})")
        verdict = verify_response(response, challenge, self._validator(response), now=now)
        if verdict.outcome is Outcome.VALID:
            return Screen("Welcome.", logged_in=True)
        if verdict.outcome is Outcome.INVALID:
            return Screen("This card cannot be used for logging in.")
        return Screen("We cannot check your card at the moment.")

    def _validator(self, response: Response) -> Validator:
        """A validator that knows what the responder says of this card."""
        plain = Validator(self._trust, verifier=self._verifier)
        try:
            certificate = parse_certificate(response.certificate)
        except CertificateError:
            return plain  # which will say the same, in a verdict
        issuer = plain.anchor_of(certificate)
        if issuer is None:
            return plain
        answers = status.ask(self._responder, certificate, issuer)
        return Validator(self._trust, ocsp=answers, verifier=self._verifier)
