# SPDX-License-Identifier: Apache-2.0
"""A key on a PKCS#11 token as a signer: OpenSC's module with a card, SoftHSM, an HSM.

The module owns the PIN: it is handed over in one C_Login, which is never repeated, and how
many tries are left is known to the module alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.errors import CertificateError, MissingExtraError
from jpki.signing.algorithms import P384, RSA_PKCS1, RSA_PSS, Scheme, SignatureAlgorithm
from jpki.signing.signer import SigningError
from jpki_apdu.errors import CardError, TransportError

EXTRA: Final = "pkcs11"
_SCHEME: Final = "pkcs11:"


class TokenError(TransportError):
    """A PKCS#11 module or token that cannot be used. ``reason``."""

    default_code = "token"


class TokenPinError(CardError):
    """The module refused the PIN. How many tries are left is not known here."""

    default_code = "pin_of_token"


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Which key of which token. ``module``: file of the PKCS#11 module.

    None of the others says: whatever is the only one.
    """

    module: Path
    token: str | None = None
    label: str | None = None
    key_id: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """From ``pkcs11:token=T;object=L;id=%02?module-path=F`` [RFC7512], or a module's path.

        Raises TokenError ``uri`` for other attributes and for one without a module.
        """
        if not text.startswith(_SCHEME):
            return cls(Path(text))
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        parts = [part for part in path.split(";") + query.split("&") if part]
        given = dict(part.partition("=")[::2] for part in parts)
        known = {"token", "object", "id", "type", "module-path"}
        if not given.get("module-path") or given.keys() - known or len(given) != len(parts):
            raise TokenError(reason="uri")
        return cls(
            Path(unquote(given["module-path"])),
            unquote(given["token"]) if "token" in given else None,
            unquote(given["object"]) if "object" in given else None,
            unquote_to_bytes(given["id"]) if "id" in given else None,
        )


class TokenKey:
    """A key on a token before its PIN. Raises MissingExtraError, TokenError."""

    def __init__(self, uri: TokenUri) -> None:
        self._uri = uri
        self._pkcs11 = _library()
        self._token = find_token(uri)

    @property
    def name(self) -> str:
        """The token's label."""
        return str(self._token.label).strip()

    @property
    def algorithms(self) -> tuple[SignatureAlgorithm, ...]:
        """What the token's mechanisms allow, whatever key it turns out to be."""
        mechanism = self._pkcs11.Mechanism
        with module_errors():
            able = self._token.slot.get_mechanisms()
        found: tuple[SignatureAlgorithm, ...] = ()
        if mechanism.RSA_PKCS in able:
            found += RSA_PKCS1
        if mechanism.RSA_PKCS_PSS in able:
            found += RSA_PSS
        return found + (P384 if mechanism.ECDSA in able else ())

    @contextmanager
    def unlocked(self, pin: bytearray, *, last_try: bool = False) -> Iterator[TokenSigner]:
        """Log in once; the session ends with the block. Wipes ``pin``.

        Refused before it, as far as the module tells: a locked PIN, and the last try unless
        ``last_try``. Raises TokenPinError, TokenError, SigningError.
        """
        session = log_in(self._token, pin, last_try=last_try)
        try:
            with module_errors():
                signer = self._signer(session)
            yield signer
        finally:
            with module_errors():
                session.close()

    def _signer(self, session: Any) -> TokenSigner:
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.ObjectClass
        wanted: dict[Any, Any] = {attribute.CLASS: kinds.PRIVATE_KEY}
        if self._uri.label is not None:
            wanted[attribute.LABEL] = self._uri.label
        if self._uri.key_id is not None:
            wanted[attribute.ID] = self._uri.key_id
        keys = list(session.get_objects(wanted))
        if len(keys) != 1:
            raise TokenError(reason="several_keys" if keys else "no_key")
        own, chain = _certificates(session, attribute, kinds, keys[0][attribute.ID])
        rsa = keys[0][attribute.KEY_TYPE] == self._pkcs11.KeyType.RSA
        able = tuple(one for one in self.algorithms if (one.scheme is not Scheme.ECDSA) is rsa)
        return TokenSigner(own, chain, able, keys[0], self._pkcs11)


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """A key whose token was logged in to; made by :meth:`TokenKey.unlocked`."""

    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    algorithms: tuple[SignatureAlgorithm, ...]
    _key: Any = field(repr=False)
    _pkcs11: Any = field(repr=False)

    def sign_digest(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        """One C_Sign. A key that wants its PIN again for each signature is refused."""
        from jpki.card.jpki_ap import digest_info

        mechanism = self._pkcs11.Mechanism
        with module_errors():
            if algorithm.scheme is Scheme.PKCS1:
                data = digest_info(algorithm.hash.value, digest)
                return bytes(self._key.sign(data, mechanism=mechanism.RSA_PKCS))
            if algorithm.scheme is Scheme.PSS:
                name = algorithm.hash.name
                salted = (mechanism[name], self._pkcs11.MGF[name], algorithm.hash.size)
                how = {"mechanism": mechanism.RSA_PKCS_PSS, "mechanism_param": salted}
                return bytes(self._key.sign(digest, **how))
            return ecdsa_der(bytes(self._key.sign(digest, mechanism=mechanism.ECDSA)))


def find_token(uri: TokenUri) -> Any:
    """The token that ``uri`` names, or the only one. Raises MissingExtraError, TokenError."""
    pkcs11 = _library()
    with module_errors():
        slots = pkcs11.lib(str(uri.module)).get_slots(token_present=True)
        tokens = [slot.get_token() for slot in slots]
    if uri.token is not None:
        tokens = [one for one in tokens if str(one.label).strip() == uri.token]
    if len(tokens) != 1:
        raise TokenError(reason="several_tokens" if tokens else "no_token")
    return tokens[0]


def log_in(token: Any, pin: bytearray, *, last_try: bool = False, writes: bool = False) -> Any:
    """A session after one C_Login; wipes ``pin``. ``writes``: objects may be made in it.

    Refused before it, as far as the module tells: a locked PIN, and the last try unless
    ``last_try``. Raises TokenPinError, TokenError.
    """
    pkcs11 = _library()
    try:
        if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
            raise TokenPinError("pin_of_token_locked")
        if token.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY and not last_try:
            raise TokenPinError("pin_of_token_last_try")
        with module_errors():
            try:
                return token.open(rw=writes, user_pin=pin.decode("utf-8", "strict"))
            except pkcs11.UserAlreadyLoggedIn:  # a login counts for the whole process
                return token.open(rw=writes)
    except UnicodeDecodeError:
        raise TokenPinError("pin_of_token_form") from None
    finally:
        pin[:] = bytes(len(pin))


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as exc:
        raise MissingExtraError(extra=EXTRA) from exc
    return pkcs11


@contextmanager
def module_errors() -> Iterator[None]:
    """Errors of the module as ours; its own words may quote what it was given."""
    library = _library()
    wrong = (library.PinIncorrect, library.PinInvalid, library.PinLenRange)
    try:
        yield
    except library.PinLocked:
        raise TokenPinError("pin_of_token_locked") from None
    except wrong:
        raise TokenPinError from None
    except library.UserNotLoggedIn:
        raise TokenError(reason="wants_pin_again") from None
    except (library.PKCS11Error, OSError) as exc:
        raise TokenError(reason="module_refused", fault=type(exc).__name__) from None


def _certificates(
    session: Any, attribute: Any, kinds: Any, key_id: bytes
) -> tuple[bytes, tuple[bytes, ...]]:
    """The key's certificate, and its issuer's if the token holds that too."""
    own: Certificate | None = None
    others: list[Certificate] = []
    for found in session.get_objects({attribute.CLASS: kinds.CERTIFICATE}):
        try:
            certificate = parse_certificate(bytes(found[attribute.VALUE]))
        except CertificateError:
            continue
        if own is None and found[attribute.ID] == key_id:
            own = certificate
        else:
            others.append(certificate)
    if own is None:
        raise SigningError("signing_no_certificate")
    issuers = [one for one in others if one.subject_der == own.issuer_der and one.is_ca]
    return own.der, tuple(one.der for one in issuers[:1])


def ecdsa_der(raw: bytes) -> bytes:
    """An ECDSA signature as a token gives it (r, s), as everybody else wants it: DER."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(raw) // 2
    r, s = (int.from_bytes(part, "big") for part in (raw[:half], raw[half:]))
    return encode_dss_signature(r, s)
