# SPDX-License-Identifier: Apache-2.0
"""What the holder's main operations do, once challenge and decision have let them."""

from __future__ import annotations

from jpki.certificate.kinds import Medium
from jpki.mapping import consent as consents
from jpki.mapping import records
from jpki.mapping.answers import Outcome
from jpki.mapping.lifecycle import CertificateState, State
from jpki.mapping.sitting import Here, Result, closed, nobody


def resolve(here: Here) -> Result:
    """The pseudonym of who presented."""
    found = here.found
    if found.handle is None:
        return nobody(found)
    if _may_end_hold(here) and found.key is not None:
        records.set_certificate(here.connection, found.key, CertificateState.ACTIVE, here.now)
        return Result(
            Outcome.RESOLVED,
            pseudonym=found.pseudonym,
            about=found.handle,
            true_reason="hold_lifted",
        )
    shut = closed(found)
    if shut is not None:
        return shut
    return Result(Outcome.RESOLVED, pseudonym=found.pseudonym, about=found.handle)


def _may_end_hold(here: Here) -> bool:
    """R12: only a new good Presentation ends a phone's hold, and only where that is allowed."""
    return (
        here.policy.switches.lift_phone_hold
        and here.found.certificate is CertificateState.HELD
        and here.found.state is State.ACTIVE
        and here.presentation.medium is Medium.PHONE
    )


def enrol(here: Here) -> Result:
    """A new person of the service, unless the certificate has an entry."""
    if here.found.handle is not None:
        return Result(Outcome.DUPLICATE, about=here.found.handle)
    handle, pseudonym = records.register(here.connection, here.service, here.now)
    kind = (here.presentation.family, here.presentation.medium)
    records.add_certificate(here.connection, here.service, handle, here.index, kind, here.now)
    if here.purpose.stores_serial:
        keys = here.keys.service(here.service)
        records.keep_serial(here.connection, here.service, handle, keys, here.presentation.stored)
    if here.purpose.consent:
        consents.record(here, handle, here.purpose.data_items, here.purpose.notice)
    true_reason = "enrolled_beside_suppressed" if here.found.hidden else ""
    return Result(Outcome.RESOLVED, pseudonym=pseudonym, about=handle, true_reason=true_reason)


def erase(here: Here) -> Result:
    """Remove who presented."""
    if here.found.handle is None:
        return nobody(here.found)
    records.remove(here.connection, here.found.handle)
    return Result(Outcome.DONE, about=None)
