# SPDX-License-Identifier: Apache-2.0
"""The CRLs a verifier holds: which of them speaks of a certificate, and what it says.

JPKI has one list for each municipality, family and CA generation. They are never merged: a
serial means something only below one root, and a list covers only its own point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from jpki.certificate.names import general_name_key
from jpki.errors import RevocationDataError
from jpki.validation.crl import Crl, parse_crl
from jpki.validation.crl_facts import ListKey, NumberMemory, Standing
from jpki.validation.crl_findings import cannot, miss, source_of, wanted_point
from jpki.validation.findings import Finding, judge_good, judge_revoked
from jpki.validation.named import AskedAbout
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome


class ProcessMemory:
    """A NumberMemory that lasts as long as the process."""

    def __init__(self) -> None:
        self._numbers: dict[ListKey, int] = {}

    def highest(self, key: ListKey) -> int | None:
        return self._numbers.get(key)

    def remember(self, key: ListKey, number: int) -> None:
        self._numbers[key] = max(number, self._numbers.get(key, number))


class CrlStore:
    """Reads every CRL (DER) once. One that cannot be read is counted, never an error: it
    tells nothing, and ``check`` says so."""

    def __init__(self, crls: Iterable[bytes], memory: NumberMemory | None = None) -> None:
        self._memory = memory
        self._faults: list[str] = []
        self._of_issuer: dict[bytes, list[Crl]] = defaultdict(list)
        self._of_point: dict[tuple[bytes, object], list[Crl]] = defaultdict(list)
        for data in crls:
            self._add(data)

    def __len__(self) -> int:
        return sum(map(len, self._of_issuer.values()))

    def _add(self, data: bytes) -> None:
        try:
            crl = parse_crl(data)
        except RevocationDataError as error:
            self._faults.append(str(error.values["reason"]))
            return
        self._of_issuer[crl.issuer_der].append(crl)
        keys = {None} if crl.point.names is None else set(map(general_name_key, crl.point.names))
        for key in keys:
            self._of_point[crl.issuer_der, key].append(crl)

    def check(self, certificate: AskedAbout, anchor: Anchor, moment: Moment) -> list[Finding]:
        """What each list says of the certificate; one finding at least."""
        candidates = self._candidates(certificate)
        if not candidates:
            return [self._nothing(certificate, anchor)]
        findings: list[Finding] = []
        believed: dict[ListKey, list[Crl]] = defaultdict(list)
        for crl in candidates:
            code = _fault(crl, anchor, moment)
            if code is None:
                believed[_key(crl, anchor)].append(crl)
            else:
                findings.append(miss(code, crl))
        for key, crls in believed.items():
            findings += self._judge(key, crls, certificate, moment)
        return findings

    def standing(
        self, certificate: AskedAbout, anchor: Anchor, max_age: timedelta | None
    ) -> Standing | None:
        """What holds for the certificate and all of the same issuer and points, once found
        out; None where each has to be looked at by itself."""
        beginning = Moment(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        crls = [c for c in self._candidates(certificate) if _fault(c, anchor, beginning) is None]
        newest = max(crls, key=lambda crl: crl.number, default=None)
        if newest is None or self._memory is not None or len({_key(c, anchor) for c in crls}) > 1:
            return None
        until = _usable_until(newest, max_age)
        if until is None or sum(crl.number == newest.number for crl in crls) > 1:
            return None
        source = source_of(newest)
        good = Finding(Outcome.VALID, f"{source.name}_good", source.values)
        return Standing(max(crl.this_update for crl in crls), until, _listed(crls), good)

    def _candidates(self, certificate: AskedAbout) -> list[Crl]:
        """The lists of the issuer whose point is one of the certificate's, or that have none."""
        issuer = certificate.issuer_der
        keys = {general_name_key(n) for n in certificate.crl_distribution_point_names} | {None}
        found = {id(crl): crl for key in keys for crl in self._of_point.get((issuer, key), ())}
        return list(found.values())

    def _judge(
        self, key: ListKey, crls: list[Crl], certificate: AskedAbout, moment: Moment
    ) -> list[Finding]:
        """Of lists that replace one another the highest number says «good»; any says «revoked»,
        since JPKI never takes a revocation back [PS]."""
        findings: list[Finding] = []
        newest = max(crl.number for crl in crls)
        for crl in crls:
            source = source_of(crl)
            try:
                entry = crl.find(certificate.serial)
            except RevocationDataError as error:
                values = {"reason": error.values["reason"]}
                findings.append(cannot("crl_malformed", values, decisive=True))
                continue
            if entry is not None:
                findings.append(
                    judge_revoked(entry.since, entry.reason, certificate, source, moment)
                )
            elif crl.number == newest:
                findings.append(self._good(key, crl, certificate, moment))
        return findings

    def _good(self, key: ListKey, crl: Crl, certificate: AskedAbout, moment: Moment) -> Finding:
        fault = moment.fault(crl.this_update, crl.next_update)
        if fault is not None:
            return miss(f"crl_{fault}", crl)
        if self._memory is not None and moment.at >= moment.now:
            highest = self._memory.highest(key)
            if highest is not None and crl.number < highest:
                return miss("crl_rollback", crl)
            self._memory.remember(key, crl.number)
        return judge_good(certificate, source_of(crl))

    def _nothing(self, certificate: AskedAbout, anchor: Anchor) -> Finding:
        of_issuer = self._of_issuer.get(certificate.issuer_der, [])
        if any(crl.key_id in (None, anchor.key_id) for crl in of_issuer):
            return cannot("crl_other_point", {"point": wanted_point(certificate)})
        if of_issuer:
            return cannot("crl_other_generation", {"point": wanted_point(certificate)})
        if self._faults:
            return cannot("crl_malformed", {"reason": self._faults[0]})
        return Finding(Outcome.CANNOT_TELL, "crl_missing", {"point": wanted_point(certificate)})


def _fault(crl: Crl, anchor: Anchor, moment: Moment) -> str | None:
    """Why a list of the right name is not believed, or None."""
    if crl.key_id is not None and crl.key_id != anchor.key_id:
        return "crl_other_generation"
    if crl.point.fault is not None:
        return "crl_scope"
    if not crl.signed_by(anchor):
        return "crl_signature"
    return "crl_future" if crl.this_update > moment.now else None


def _usable_until(crl: Crl, max_age: timedelta | None) -> datetime | None:
    """The last moment a list can tell about, by itself and by the greatest age accepted."""
    ends = [] if crl.next_update is None else [crl.next_update]
    if max_age is not None:
        ends.append(crl.this_update + max_age)
    return min(ends) if ends and min(ends) >= crl.this_update else None


def _listed(crls: list[Crl]) -> Callable[[bytes], bool]:
    """Whether any of the lists has an entry of a serial."""
    if len(crls) == 1:
        index = crls[0].index
        return lambda serial: int.from_bytes(serial, "big") in index
    indexes = [crl.index for crl in crls]
    return lambda serial: any(int.from_bytes(serial, "big") in index for index in indexes)


def _key(crl: Crl, anchor: Anchor) -> ListKey:
    names = crl.point.names
    points = None if names is None else frozenset(map(general_name_key, names))
    return crl.issuer_der, anchor.key_id, points
