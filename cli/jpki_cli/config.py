# SPDX-License-Identifier: Apache-2.0
"""The configuration file: what may stand in it, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from jpki.errors import ConfigurationError
from jpki.validation.declaration import VerifierDeclaration, VerifierRole
from jpki.validation.policy import Preference


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """The block ``[revocation]``: what the options of the same names say for one run.

    ``max_age``: seconds. ``ocsp_key``, ``ocsp_certificate``: PEM files that sign requests.
    """

    prefer: Preference = Preference.CRL
    max_age: int | None = None
    offline: bool = False
    ocsp_key: Path | None = None
    ocsp_certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything is optional. Relative paths count from the file's folder.

    ``applications``: registry of free-area applications. ``municipalities``: names of codes.
    ``verifier``: roles, registration reference, responsible person, day, purposes; a recorded
    declaration, not a proof (公的個人認証法 17, 36条).
    """

    reader: str | None = None
    trust: str | None = None
    crl: tuple[Path, ...] = ()
    ca: Path | None = None
    ocsp: str | None = None
    revocation: RevocationPolicy = field(default_factory=RevocationPolicy)
    verifier: VerifierDeclaration | None = None
    applications: Path | None = None
    municipalities: Path | None = None


_KEYS = frozenset(
    {
        "reader",
        "trust",
        "crl",
        "ca",
        "ocsp",
        "revocation",
        "verifier",
        "applications",
        "municipalities",
    }
)
_REVOCATION_KEYS = frozenset({"prefer", "max_age", "offline", "ocsp_key", "ocsp_certificate"})
_VERIFIER_KEYS = frozenset({"role", "registration", "responsible", "as_of", "purposes"})


def beside(env: Mapping[str, str], name: str) -> Path | None:
    """The user's own file of that name, whether it is there or not; None without a home."""
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home, ".config", "jpki", name) if home else None


def load(env: Mapping[str, str]) -> Config:
    """The file that JPKI_CONFIG names, else the user's own if it is there. Raises
    ConfigurationError."""
    named = env.get("JPKI_CONFIG")
    path = Path(named) if named else beside(env, "config.toml")
    if path is None or (not named and not path.exists()):
        return Config()
    from jpki.toml_text import read_toml

    try:
        content = read_toml(path.read_bytes())
    except OSError as exc:
        raise ConfigurationError(path=str(path), reason="not_readable", place="-") from exc
    except ValueError as exc:
        raise ConfigurationError(path=str(path), reason="not_toml", place="-") from exc
    return _Reader(path).config(content)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path

    def config(self, content: dict[str, Any]) -> Config:
        self._only(content, _KEYS, "")
        crl = content.get("crl", [])
        folders = [crl] if isinstance(crl, str) else crl
        if not isinstance(folders, list) or not all(isinstance(item, str) for item in folders):
            raise self._wrong("wrong_type", "crl")
        ca, ocsp = self._string(content, "ca"), self._string(content, "ocsp")
        applications = self._string(content, "applications")
        municipalities = self._string(content, "municipalities")
        return Config(
            reader=self._string(content, "reader"),
            trust=self._string(content, "trust"),
            crl=tuple(self._path(item) for item in folders),
            ca=self._path(ca) if ca else None,
            ocsp=str(self._path(ocsp)) if ocsp and "://" not in ocsp else ocsp,
            revocation=self._revocation(content.get("revocation", {})),
            verifier=self._verifier(content["verifier"]) if "verifier" in content else None,
            applications=self._path(applications) if applications else None,
            municipalities=self._path(municipalities) if municipalities else None,
        )

    def _revocation(self, block: object) -> RevocationPolicy:
        where = "revocation."
        if not isinstance(block, dict):
            raise self._wrong("wrong_type", "revocation")
        self._only(block, _REVOCATION_KEYS, where)
        prefer = self._string(block, "prefer", where) or Preference.CRL
        if prefer not in set(Preference):
            raise self._wrong("bad_value", f"{where}prefer")
        max_age, offline = block.get("max_age"), block.get("offline", False)
        if max_age is not None and (type(max_age) is not int or max_age < 0):
            raise self._wrong("wrong_type", f"{where}max_age")
        if not isinstance(offline, bool):
            raise self._wrong("wrong_type", f"{where}offline")
        key, signer = (self._string(block, f"ocsp_{n}", where) for n in ("key", "certificate"))
        if (key is None) != (signer is None):
            raise self._wrong("missing", f"{where}ocsp_{'key' if key is None else 'certificate'}")
        return RevocationPolicy(
            prefer=Preference(prefer),
            max_age=max_age,
            offline=offline,
            ocsp_key=self._path(key) if key else None,
            ocsp_certificate=self._path(signer) if signer else None,
        )

    def _verifier(self, block: object) -> VerifierDeclaration:
        if not isinstance(block, dict):
            raise self._wrong("wrong_type", "verifier")
        self._only(block, _VERIFIER_KEYS, "verifier.")
        for key in _VERIFIER_KEYS:
            if not block.get(key):
                raise self._wrong("missing", f"verifier.{key}")
        try:
            roles = frozenset(VerifierRole(word) for word in self._strings(block, "role"))
        except ValueError:
            raise self._wrong("bad_value", "verifier.role") from None
        if type(block["as_of"]) is not date:
            raise self._wrong("wrong_type", "verifier.as_of")
        return VerifierDeclaration(
            roles=roles,
            registration=self._string(block, "registration", "verifier.") or "",
            responsible=self._string(block, "responsible", "verifier.") or "",
            as_of=block["as_of"],
            purposes=self._strings(block, "purposes"),
        )

    def _strings(self, block: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """One string, or a list of them."""
        value = block[key]
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(i, str) and i for i in items):
            raise self._wrong("wrong_type", f"verifier.{key}")
        return tuple(items)

    def _string(self, block: Mapping[str, Any], key: str, where: str = "") -> str | None:
        value = block.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong("wrong_type", where + key)
        return value

    def _path(self, text: str) -> Path:
        return self.path.parent / Path(text).expanduser()

    def _only(self, block: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
        for key in block:
            if key not in allowed:
                raise self._wrong("unknown_key", where + key)

    def _wrong(self, reason: str, place: str) -> ConfigurationError:
        return ConfigurationError(path=str(self.path), reason=reason, place=place)
