# SPDX-License-Identifier: Apache-2.0
"""What the map writes is what its published schemas say."""

from __future__ import annotations

import json
from importlib import resources

from jsonschema import Draft202012Validator

from jpki.certificate.kinds import Family
from jpki.mapping.policy import LinkKind, Operation
from jpki.synth import Reason
from map_bench import Bench, changed, holder, link, validator


def check(body: object) -> None:
    assert isinstance(body, dict)
    name = str(body["schema"]).removeprefix("jpki.").replace("/", "-") + ".json"
    schema = json.loads((resources.files("jpki") / "schemas" / name).read_text("utf-8"))
    Draft202012Validator(schema).validate(json.loads(json.dumps(body)))


def test_answers_and_files(bench: Bench) -> None:
    bench.map.policy = changed(bench.policy, consent=True, notice="2026-04")
    who, sign = holder(), holder(Family.SIGN)
    check(bench.ask(who, Operation.RESOLVE).to_object())
    check(bench.ask(who, Operation.ENROL).to_object())
    check(bench.ask(who, Operation.ENROL).to_object())
    check(bench.ask(who, Operation.RESOLVE).to_object())
    check(link(bench, sign, who, LinkKind.SIGN_AUTH).to_object())
    evidence = bench.evidence(who, Operation.DISCLOSE)
    check(json.loads(evidence.to_bytes()))
    disclosed = bench.map.disclose(bench.map.verify(evidence), bench.asker()).to_object()
    check(disclosed)
    assert disclosed["accesses"]
    assert disclosed["consents"]
    assert disclosed["links"]
    again = bench.map.disclose(bench.map.verify(evidence), bench.asker())
    assert again.resolution.reason == "challenge_used"
    check(again.to_object())
    check(bench.map.checkpoint().to_object())
    check(json.loads(bench.key_file.read_text()))


def test_recheck(bench: Bench) -> None:
    operations = bench.policy.services[0].purposes[0].operations | {Operation.RECHECK}
    bench.map.policy = changed(bench.policy, stores_serial=True, operations=operations)
    gone = holder()
    bench.ask(gone, Operation.ENROL)
    later = bench.again(
        validator=validator(bench.clock, revoked=((gone, Reason.SUPERSEDED),)),
        policy=bench.map.policy,
    )
    answer = later.recheck_all(bench.asker()).to_object()
    assert answer["changes"]
    check(answer)
    check(bench.map.recheck_all(bench.asker(), only="nobody").to_object())
    bench.map.policy = changed(bench.policy, stores_serial=False)
    check(bench.map.recheck_all(bench.asker()).to_object())
