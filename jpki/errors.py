# SPDX-License-Identifier: Apache-2.0
"""The error tree of the library. Errors carry a code and named values; words: ``messages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki_apdu.errors import CardError, Coded

if TYPE_CHECKING:
    from jpki.card_map import PinKind


class JpkiError(Coded):
    """Root of what has nothing to do with the link to a card."""

    default_code = "jpki_error"


class NotOurCardError(CardError):
    """The card answers, and is not a My Number card or phone. ``seen`` says what it may be."""

    default_code = "not_our_card"


class CardDataError(CardError):
    """A file on the card that cannot be read as what it should be.

    ``application``, ``file`` (hex id), ``reason`` (a code: truncated, over_long, filler_only,
    wrong_tag, bad_text, bad_date, bad_digits, offset_table ...), ``offset`` where known.
    """

    default_code = "card_data"


class UnsupportedTokenError(CardError):
    """The token kind in EF 0006 is not known; nothing was presented to it."""

    default_code = "unsupported_token"


class NoCertificateError(CardError):
    """The certificate asked for is not on this card (no sign certificate under 15, for one)."""

    default_code = "no_certificate"


class PinError(CardError):
    """A PIN was refused, or not presented. ``attempts_left`` is None where nobody can know."""

    default_code = "pin"

    def __init__(
        self,
        kind: PinKind,
        attempts_left: int | None,
        code: str | None = None,
        **values: object,
    ) -> None:
        self.kind = kind
        self.attempts_left = attempts_left
        super().__init__(code, kind=kind.value, attempts_left=attempts_left, **values)


class PinIncorrectError(PinError):
    """Wrong PIN; ``attempts_left`` tries remain."""

    default_code = "pin_incorrect"


class PinBlockedError(PinError):
    """No try is left. Only the municipal office can unlock it."""

    default_code = "pin_blocked"


class PinLastTryError(PinError):
    """One try is left and ``--last-try`` was not given. Nothing was presented."""

    default_code = "pin_last_try"


class PinOutcomeUnknownError(PinError):
    """The link dropped while the PIN was under way: it may or may not have cost a try."""

    default_code = "pin_outcome_unknown"


class PinFormatError(JpkiError, ValueError):
    """A PIN of the wrong form. Raised before any byte is sent; no try was spent."""

    default_code = "pin_format"


class ApplicationPinError(CardError):
    """A PIN of an application in the free area was refused, or not presented.

    ``application``, ``pin`` (their ids in the registry), ``attempts_left`` (None = not known).
    """

    default_code = "pin_of_application"

    @property
    def attempts_left(self) -> int | None:
        """Tries left (count), or None where nobody can know."""
        left = self.values.get("attempts_left")
        return left if isinstance(left, int) else None


class NumberNotAllowedError(JpkiError):
    """The 個人番号 may not be read for this purpose (番号法15, 19, 20条)."""

    default_code = "number_not_allowed"


class CertificateError(JpkiError):
    """Bytes that are not a certificate this toolkit can read. ``reason``, ``field``."""

    default_code = "certificate"


class RevocationDataError(JpkiError):
    """A CRL or OCSP answer that cannot be read. ``reason``, ``source``."""

    default_code = "revocation_data"


class SignatureInvalidError(JpkiError):
    """A signature that does not fit its data or key."""

    default_code = "signature_invalid"


class TrustUndeterminedError(JpkiError):
    """Whether to trust this cannot be told: the reason is in ``reason``."""

    default_code = "trust_undetermined"


class CrlStoreError(JpkiError):
    """The revocation store cannot be used. ``path``, ``reason``.

    Codes: ``crl_store``, ``crl_store_environment`` (``environment`` and ``wanted``).
    """

    default_code = "crl_store"


class WatchRowError(JpkiError):
    """A row of a watch list that cannot be used. ``row`` (from 1), ``reason``."""

    default_code = "watch_row"


class InputFileError(JpkiError):
    """A file that cannot be read, or is not what it should be. ``path``, ``reason``."""

    default_code = "input_file"


class ConfigurationError(JpkiError):
    """Configuration that cannot be understood or contradicts itself. ``path``, ``reason``."""

    default_code = "configuration"


class MissingExtraError(JpkiError):
    """An optional part is not installed. ``extra`` is its name."""

    default_code = "missing_extra"


class NotPermittedError(JpkiError):
    """The law or the policy does not allow it. ``rule``, ``article``."""

    default_code = "not_permitted"


class CardFileError(JpkiError):
    """An emulated card's TOML or state file: unusable. ``path``, ``place``, ``reason``."""

    default_code = "card_file"


class CardLayoutError(JpkiError):
    """A layout file (what is where on a kind of card): unusable. ``place``, ``reason``."""

    default_code = "card_layout"


class SecureMessagingError(CardError):
    """Secure messaging did not begin, or has ended. Nothing is read in the clear instead.

    Codes: ``sm_not_supported``, ``sm_needs_pin``, ``sm_needs_extended``, ``sm_refused``,
    ``sm_ended``, ``sm_objects_missing``, ``sm_objects_wrong``, ``sm_garbled``, ``sm_bad_key``.
    """

    default_code = "sm_refused"


class FaultSpecError(JpkiError, ValueError):
    """A fault of an emulated card that cannot be understood.

    ``part``: kind, value or when. ``reason``: a code. ``position``: which of several, from 1.
    """

    default_code = "fault_spec"


class IssuedDocumentError(JpkiError):
    """An issued document, its statement or an issuer's key that cannot be used. ``reason``."""

    default_code = "issued_document"


class ForgeryRefusedError(JpkiError):
    """The emulator does not carry anything under a production or J-LIS test key."""

    default_code = "forgery_refused"


class ChallengeError(JpkiError):
    """A login challenge or response that cannot be used. ``reason``."""

    default_code = "challenge"


class BatchError(JpkiError):
    """A run over many rows that cannot begin or go on. What it has done is kept.

    Codes: ``batch_other_run``, ``batch_running`` (``path``), ``batch_worker_lost``,
    ``batch_cluster`` (``reason``).
    """

    default_code = "batch_worker_lost"
