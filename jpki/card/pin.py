# SPDX-License-Identifier: Apache-2.0
"""The PIN guard: counters first, then exactly one VERIFY, and never a second one by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from jpki.card.layout import TODAY, CardLayout
from jpki.card.pin_format import check_format, format_error, wipe
from jpki.card.selection import select_application
from jpki.card_map import (
    COMMON_AP,
    JPKI_AP,
    JUKI_AP,
    LICENCE_AP,
    PIN_HOME,
    SURFACE_AP,
    TEXT_AP,
    Application,
    PinKind,
    PinRule,
)
from jpki.errors import (
    NotOurCardError,
    PinBlockedError,
    PinError,
    PinIncorrectError,
    PinLastTryError,
    PinOutcomeUnknownError,
)
from jpki_apdu.channel import Channel
from jpki_apdu.errors import (
    CardError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    StatusWordError,
    TransportError,
    status_error,
)
from jpki_apdu.status import StatusWord

_log = logging.getLogger(__name__)

_VERIFY = 0x20
_BLOCKED = frozenset((0x63C0, 0x6983, 0x6984))  # 6984: this card's locked PIN [MY] [C3] [MC]
_NO_SUCH_PIN = frozenset((0x6A82, 0x6A88))
_NOT_HERE = StatusWord(0x6A82)
_UNLIMITED = 0x6300  # [JICSAP]

# CHANGE by application: JPKI and text take CHANGE REFERENCE DATA with the new value only
# [MY] [MC], grade A; common and juki take JICSAP CHANGE KEY [MC], grade B.
_ISO_CHANGE = (0x00, 0x24, 0x01)
_JICSAP_CHANGE = (0x80, 0x32, 0x00)
_CHANGE = {
    PinKind.AUTH: _ISO_CHANGE,
    PinKind.SIGN: _ISO_CHANGE,
    PinKind.TEXT: _ISO_CHANGE,
    PinKind.COMMON: _JICSAP_CHANGE,
    PinKind.JUKI: _JICSAP_CHANGE,
}

# Every counter of ``pin status``, grouped by application so that each is selected once.
_COUNTERS: tuple[tuple[Application, PinKind], ...] = (
    (JPKI_AP, PinKind.AUTH),
    (JPKI_AP, PinKind.SIGN),
    (TEXT_AP, PinKind.TEXT),
    (TEXT_AP, PinKind.NUMBER_A),
    (TEXT_AP, PinKind.NUMBER_B),
    (SURFACE_AP, PinKind.BIRTH),
    (SURFACE_AP, PinKind.NUMBER_B),
    (SURFACE_AP, PinKind.NUMBER_A),
    (COMMON_AP, PinKind.COMMON),
    (JUKI_AP, PinKind.JUKI),
)
_LICENCE: tuple[tuple[Application, PinKind], ...] = ((LICENCE_AP, PinKind.LICENCE),)


class PinState(StrEnum):
    """What a counter says about its PIN."""

    OK = "ok"
    BLOCKED = "blocked"
    UNLIMITED = "unlimited"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PinCounter:
    """Tries left of one PIN in one application.

    ``attempts_left``: count; None where the card does not tell. ``max_tries``: what a
    correct PIN restores the counter to, by the card map (not read from the card).
    """

    kind: PinKind
    application_name: str
    attempts_left: int | None
    max_tries: int
    state: PinState

    def demand_try(self, *, last_try: bool = False) -> None:
        """Raise if the PIN could not be presented now: to be asked before anybody enters it.

        Raises PinError ``pin_absent``, PinBlockedError, PinLastTryError (unless ``last_try``).
        """
        if self.state is PinState.ABSENT:
            raise PinError(self.kind, None, "pin_absent", application=self.application_name)
        if self.state is PinState.BLOCKED:
            raise PinBlockedError(self.kind, 0)
        if self.attempts_left == 1 and not last_try:
            raise PinLastTryError(self.kind, 1)


def _counter(rule: PinRule, application: Application, sw: StatusWord) -> PinCounter:
    """What the answer to a status query means."""
    left: int | None = None
    state = PinState.UNKNOWN
    if sw in _BLOCKED:
        left, state = 0, PinState.BLOCKED
    elif sw.attempts_left is not None:
        left, state = sw.attempts_left, PinState.OK
    elif sw == _UNLIMITED:
        state = PinState.UNLIMITED
    elif sw.is_ok:
        state = PinState.OK  # verified already: some cards say so instead of counting
    elif sw in _NO_SUCH_PIN:
        state = PinState.ABSENT
    return PinCounter(rule.kind, application.name, left, rule.tries, state)


class PinGuard:
    """Presents PINs to one card. Keeps no PIN.

    From the first presented PIN until :meth:`release` nobody else may talk to the card:
    a verification belongs to the card, not to the program that made it.
    """

    def __init__(self, channel: Channel, layout: CardLayout = TODAY) -> None:
        self._channel = channel
        self._layout = layout
        self._hold = ExitStack()
        self._held = False

    def counters(self, *kinds: PinKind) -> tuple[PinCounter, ...]:
        """Tries left of the PINs of ``kinds``; without any, the ten of ``pin status``.

        Costs no try: VERIFY without data compares nothing. One SELECT for each
        application and one query for each PIN where short EF identifiers work, one more
        SELECT for each PIN where not. An application the card lacks (a phone has only
        JPKI) gives state ``absent``. The licence PIN only if asked for. Raises
        NotOurCardError if no application was found, JPKI among them.
        """
        wanted = [
            (application, kind)
            for application, kind in self._places()
            if (kind in kinds if kinds else application is not LICENCE_AP)
        ]
        refused: dict[str, StatusWord] = {}
        found: list[PinCounter] = []
        with self._channel.turn():  # one turn: on a shared card each would select anew
            for application, kind in wanted:
                found.append(self._one_of(kind, application, refused))
        if JPKI_AP.name in refused and all(a.name in refused for a, _ in wanted):
            raise NotOurCardError(seen="unknown")
        return tuple(found)

    def _one_of(
        self, kind: PinKind, application: Application, refused: dict[str, StatusWord]
    ) -> PinCounter:
        """One counter; ``refused`` remembers applications that could not be selected."""
        home = self._layout.holds(application.name, kind)
        if home is None:
            return self._counter(kind, application, _NOT_HERE)
        if home.name not in refused:
            try:
                select_application(self._channel, home)
            except StatusWordError as exc:
                refused[home.name] = exc.sw
        known = refused.get(home.name)
        return self._counter(kind, home, self._query(kind, home) if known is None else known)

    def _places(self) -> tuple[tuple[Application, PinKind], ...]:
        """Every counter of ``pin status`` and the licence's, and those that are new here."""
        known = _COUNTERS + _LICENCE
        names = {(application.name, kind) for application, kind in known}
        return known + tuple(
            (application, entry.pin)
            for application in self._layout.applications
            for entry in application.files.values()
            if entry.pin is not None and (application.name, entry.pin) not in names
        )

    def _counter(self, kind: PinKind, application: Application, sw: StatusWord) -> PinCounter:
        return _counter(self._layout.pin_rules[kind], application, sw)

    def _home(self, kind: PinKind, application: Application | None) -> Application:
        """Where a PIN is presented, as the layout has it. Raises PinError ``pin_absent``."""
        asked = application or self._layout.homes.get(kind, PIN_HOME[kind])
        home = self._layout.holds(asked.name, kind)
        if home is None:
            raise PinError(kind, None, "pin_absent", application=asked.name)
        return home

    def counter(self, kind: PinKind, application: Application | None = None) -> PinCounter:
        """The counter of one PIN in ``application`` (None: where it is at home)."""
        try:
            home = self._home(kind, application)
        except PinError:
            return self._counter(kind, application or PIN_HOME[kind], _NOT_HERE)
        if not self._enter(home):
            return self._counter(kind, home, _NOT_HERE)
        return self._counter(kind, home, self._query(kind, home))

    def verify(
        self,
        kind: PinKind,
        value: bytearray,
        *,
        application: Application | None = None,
        last_try: bool = False,
    ) -> PinCounter:
        """Present ``value`` once: form, counter, then exactly one VERIFY. Wipes ``value``.

        Raises, before anything is presented: PinFormatError, PinBlockedError,
        PinLastTryError (unless ``last_try``), PinError ``pin_absent``, StatusWordError
        for a counter that cannot be read. After VERIFY: PinIncorrectError,
        PinBlockedError ``pin_blocked_now`` (this try was the last) or ``pin_blocked``,
        StatusWordError ``pin_refused``, PinOutcomeUnknownError if the link dropped.
        """
        _demand_buffers(value)
        try:
            check_format(kind, value, rule=self._layout.pin_rules[kind])
            home = self._home(kind, application)
            with self._exclusive():
                before = self._admit(kind, home, last_try)
                return self._present(before, home, value)
        finally:
            wipe(value)

    def change(
        self, kind: PinKind, old: bytearray, new: bytearray, *, last_try: bool = False
    ) -> PinCounter:
        """Set a new PIN: ``old`` is verified once (one try), then ``new`` is set. Wipes both.

        Only auth, sign, text, common and juki can be changed; others raise PinError
        ``pin_unchangeable``. Both forms are checked before anything is sent. Raises as
        :meth:`verify`, and StatusWordError ``pin_change_refused`` (the old PIN stands) or
        PinOutcomeUnknownError ``pin_change_unknown`` if the link dropped during the
        change: try the new one, then the old one.
        """
        _demand_buffers(old, new)
        try:
            if kind not in _CHANGE:
                raise PinError(kind, None, "pin_unchangeable")
            rule = self._layout.pin_rules[kind]
            check_format(kind, old, rule=rule)
            check_format(kind, new, setting=True, rule=rule)
            if old == new:
                raise format_error(kind, "same")
            verified = self.verify(kind, old, last_try=last_try)
            self._set(kind, new)
            return verified
        finally:
            wipe(old)
            wipe(new)

    def release(self) -> None:
        """Let others at the card again. To be called when its power is off. Raises CardError."""
        self._held = False
        self._hold.close()

    @property
    def holds_card(self) -> bool:
        """Whether a PIN was presented, so that the card is still ours alone."""
        return self._held

    def _enter(self, application: Application) -> bool:
        """Select ``application``; False if the card does not have it."""
        try:
            select_application(self._channel, application)
        except FileNotFoundOnCardError:
            return False
        return True

    def _query(self, kind: PinKind, application: Application) -> StatusWord:
        return self._channel.query_reference(application.aid, application.pin_file(kind).fid)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Exclusive access, kept past the block if a PIN was presented in it."""
        if self._held:
            yield
            return
        with ExitStack() as stack:
            stack.enter_context(self._channel.connection.exclusive())
            try:
                yield
            finally:
                if self._held:
                    self._hold = stack.pop_all()

    def _admit(self, kind: PinKind, application: Application, last_try: bool) -> PinCounter:
        """The counter before a try; raises unless one may be spent."""
        if not self._enter(application):
            raise PinError(kind, None, "pin_absent", application=application.name)
        sw = self._query(kind, application)
        if sw.is_ok:
            # No count. A reader that hands over the answer to SELECT once more says so too,
            # and this could be the last try: ask again.
            sw = self._query(kind, application)
        before = self._counter(kind, application, sw)
        if before.state is PinState.UNKNOWN:
            raise status_error(sw, _VERIFY)
        before.demand_try(last_try=last_try)
        return before

    def _present(
        self, before: PinCounter, application: Application, value: bytearray
    ) -> PinCounter:
        kind = before.kind
        fid = application.pin_file(kind).fid
        self._held = True
        try:
            sw = self._channel.verify(application.aid, fid, value)
        except (TransportError, MalformedResponseError) as exc:
            raise PinOutcomeUnknownError(kind, None) from exc
        _log.debug("VERIFY %s: %s", kind.value, sw)
        if sw.is_ok:
            unlimited = before.state is PinState.UNLIMITED
            left = None if unlimited else max(before.max_tries, before.attempts_left or 0)
            return replace(before, attempts_left=left)
        if sw == 0x63C0:
            raise PinBlockedError(kind, 0, "pin_blocked_now", this_try=True)
        if sw in _BLOCKED:
            raise PinBlockedError(kind, 0)
        if sw == _UNLIMITED:
            raise PinIncorrectError(kind, None, "pin_incorrect_unlimited")
        if sw.attempts_left is not None:
            if before.attempts_left is not None and sw.attempts_left >= before.attempts_left:
                # No wrong PIN leaves as many tries as before: not the answer to this VERIFY.
                raise PinOutcomeUnknownError(kind, None, "pin_answer_unknown")
            raise PinIncorrectError(kind, sw.attempts_left)
        raise self._refusal(sw, before, application)

    def _refusal(
        self, sw: StatusWord, before: PinCounter, application: Application
    ) -> StatusWordError:
        """A word that does not count tries: ask the counter, which costs none."""
        try:
            sw = self._query(before.kind, application)
            left = self._counter(before.kind, application, sw).attempts_left
        except CardError:
            left = None
        error = StatusWordError(sw, _VERIFY, "pin_refused")
        error.values.update(kind=before.kind.value, attempts_left=left)
        return error

    def _set(self, kind: PinKind, new: bytearray) -> None:
        home = self._home(kind, None)
        cla, ins, p1 = _CHANGE[kind]
        self._channel.select_file(home.pin_file(kind).fid)  # if this fails nothing was changed
        try:
            sw = self._channel.change_reference(
                home.aid, home.pin_file(kind).fid, new, cla=cla, ins=ins, p1=p1
            )
        except (TransportError, MalformedResponseError) as exc:
            raise PinOutcomeUnknownError(kind, None, "pin_change_unknown") from exc
        _log.debug("CHANGE %s: %s", kind.value, sw)
        if not sw.is_ok:
            error = StatusWordError(sw, ins, "pin_change_refused")
            error.values["kind"] = kind.value
            raise error


def _demand_buffers(*values: object) -> None:
    for value in values:
        if not isinstance(value, bytearray):
            raise TypeError("a PIN is a bytearray, so that it can be wiped")
