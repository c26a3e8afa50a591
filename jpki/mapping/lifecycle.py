# SPDX-License-Identifier: Apache-2.0
"""The states of a registered person in one service, and what moves them, as one table.

What is not in the table does not happen. Source: [inferred] from 公的個人認証法18, 19, 38条.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from jpki.certificate.kinds import Family, Medium
from jpki.mapping.presentation import Cause


class State(StrEnum):
    """Of a handle. ``unregistered`` and ``deleted`` are never stored."""

    UNREGISTERED = "unregistered"
    ACTIVE = "active"
    NEEDS_SIGN_REFRESH = "needs_sign_refresh"
    NEEDS_RELINK = "needs_relink"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class CertificateState(StrEnum):
    """Of one certificate of a handle."""

    ACTIVE = "active"
    REPLACED = "replaced"  # a newer one is linked
    ENDED = "ended"  # revoked or expired
    HELD = "held"  # 一時保留


class Event(StrEnum):
    """What happened."""

    ENROLLED = "enrolled"
    LOGIN = "login"
    SIGN_ENDED = "sign_ended"  # moved, renamed, expired: 4情報 are stale
    AUTH_ENDED = "auth_ended"
    RELINKED = "relinked"  # a new auth certificate was linked
    REFRESHED = "refreshed"  # a new sign certificate was linked
    COMPROMISED = "compromised"
    PHONE_ENDED = "phone_ended"  # the card is still there
    PHONE_HELD = "phone_held"
    STAFF_SUSPENDED = "staff_suspended"
    ERASED = "erased"


_OPEN: Final = (State.ACTIVE, State.NEEDS_SIGN_REFRESH)
_ALIVE: Final = (State.ACTIVE, State.NEEDS_SIGN_REFRESH, State.NEEDS_RELINK, State.SUSPENDED)

TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.UNREGISTERED, Event.ENROLLED): State.ACTIVE,
    **{(state, Event.LOGIN): state for state in _OPEN},
    (State.ACTIVE, Event.SIGN_ENDED): State.NEEDS_SIGN_REFRESH,
    (State.NEEDS_SIGN_REFRESH, Event.SIGN_ENDED): State.NEEDS_SIGN_REFRESH,
    (State.NEEDS_RELINK, Event.SIGN_ENDED): State.NEEDS_RELINK,
    **{(s, Event.AUTH_ENDED): State.NEEDS_RELINK for s in (*_OPEN, State.NEEDS_RELINK)},
    (State.NEEDS_RELINK, Event.RELINKED): State.ACTIVE,
    **{(state, Event.RELINKED): state for state in _OPEN},
    (State.NEEDS_SIGN_REFRESH, Event.REFRESHED): State.ACTIVE,
    (State.ACTIVE, Event.REFRESHED): State.ACTIVE,
    (State.NEEDS_RELINK, Event.REFRESHED): State.NEEDS_RELINK,
    **{(state, Event.COMPROMISED): State.SUSPENDED for state in _ALIVE},
    **{(state, Event.PHONE_ENDED): state for state in _ALIVE},
    **{(state, Event.PHONE_HELD): state for state in _ALIVE},
    **{(state, Event.STAFF_SUSPENDED): State.SUSPENDED for state in _ALIVE},
    # A suspended person stays so whatever else ends meanwhile.
    (State.SUSPENDED, Event.SIGN_ENDED): State.SUSPENDED,
    (State.SUSPENDED, Event.AUTH_ENDED): State.SUSPENDED,
    **{(state, Event.ERASED): State.DELETED for state in _ALIVE},
}


def after(state: State, event: Event) -> State | None:
    """The state after ``event``, or None when it does not happen in ``state``."""
    return TRANSITIONS.get((state, event))


def event_of(cause: Cause, family: Family, medium: Medium) -> tuple[Event, CertificateState]:
    """What the end of a certificate means for its holder and for itself.

    Fail closed: a hold on a card's certificate suspends the person as a compromise does; a
    phone's hold stops the phone, the card goes on.
    """
    if cause is Cause.COMPROMISED:
        return Event.COMPROMISED, CertificateState.ENDED
    if cause is Cause.HELD:
        event = Event.PHONE_HELD if medium is Medium.PHONE else Event.COMPROMISED
        return event, CertificateState.HELD
    if medium is Medium.PHONE:
        return Event.PHONE_ENDED, CertificateState.ENDED
    event = Event.SIGN_ENDED if family is Family.SIGN else Event.AUTH_ENDED
    return event, CertificateState.ENDED


def refusal(state: State, certificate: CertificateState) -> str | None:
    """Why a good presentation does not open an entry in this state; None where it does.

    ``suspended``, ``certificate_held``, ``certificate_ended`` (stale), ``needs_relink`` (stale).
    """
    if state is State.SUSPENDED:
        return "suspended"
    if certificate is CertificateState.HELD:
        return "certificate_held"
    if certificate is not CertificateState.ACTIVE:
        return "certificate_ended"
    return None if state in _OPEN else "needs_relink"
