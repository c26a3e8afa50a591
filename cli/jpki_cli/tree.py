# SPDX-License-Identifier: Apache-2.0
"""The table of commands: nouns, verbs, and where each is found when it runs."""

from __future__ import annotations

from jpki_cli.clicks import Tree

TREE: Tree = {
    "demo": "jpki_cli.commands.demo:demo",
    "doctor": "jpki_cli.commands.doctor:doctor",
    "completion": "jpki_cli.commands.completion:completion",
    "reader": {
        "list": "jpki_cli.commands.reader:list_",
        "wait": "jpki_cli.commands.reader:wait",
        "probe": "jpki_cli.commands.reader:probe",
    },
    "card": {
        "info": "jpki_cli.commands.card_info:info",
        "read": "jpki_cli.commands.card_read:read",
        "check": "jpki_cli.commands.card_check:check",
    },
    "cert": {
        "show": "jpki_cli.commands.cert:show",
        "export": "jpki_cli.commands.cert:export",
    },
    "pin": {
        "status": "jpki_cli.commands.pin:status",
        "check": "jpki_cli.commands.pin:check",
        "change": "jpki_cli.commands.pin:change",
        "unblock": "jpki_cli.commands.pin:unblock",
    },
    "sign": "jpki_cli.commands.sign:sign",
    "verify": "jpki_cli.commands.verify:verify",
    "auth": {
        "challenge": "jpki_cli.commands.auth:challenge",
        "respond": "jpki_cli.commands.auth:respond",
        "verify": "jpki_cli.commands.auth:verify",
    },
    "chain": {
        "check": "jpki_cli.commands.chain:check",
    },
    "batch": {
        "verify": "jpki_cli.commands.batch:verify",
    },
    "crl": {
        "index": "jpki_cli.commands.crl:index",
        "check": "jpki_cli.commands.crl:check",
        "info": "jpki_cli.commands.crl:info",
        "watch": "jpki_cli.commands.crl_watch:watch",
    },
    "map": {
        "policy": {
            "check": "jpki_cli.commands.map_policy:check",
            "explain": "jpki_cli.commands.map_policy:explain",
            "diff": "jpki_cli.commands.map_policy:diff",
        },
        "init": "jpki_cli.commands.map_upkeep:init",
        "challenge": "jpki_cli.commands.map_challenge:challenge",
        "enrol": "jpki_cli.commands.map_holder:enrol",
        "resolve": "jpki_cli.commands.map_holder:resolve",
        "link": "jpki_cli.commands.map_link:link",
        "refresh": "jpki_cli.commands.map_link:refresh",
        "latest-info": "jpki_cli.commands.map_latest:latest",
        "consent": {
            "give": "jpki_cli.commands.map_consent:give",
            "withdraw": "jpki_cli.commands.map_consent:withdraw",
            "list": "jpki_cli.commands.map_consent:list_consents",
            "due": "jpki_cli.commands.map_consent:due",
        },
        "evidence": {
            "keep": "jpki_cli.commands.map_evidence:keep",
            "show": "jpki_cli.commands.map_evidence:show",
            "purge": "jpki_cli.commands.map_evidence:purge",
        },
        "recheck": "jpki_cli.commands.map_recheck:recheck",
        "disclose": "jpki_cli.commands.map_holder:disclose",
        "erase": "jpki_cli.commands.map_holder:erase",
        "suspend": "jpki_cli.commands.map_staff:suspend",
        "suppress": "jpki_cli.commands.map_staff:suppress",
        "close": "jpki_cli.commands.map_staff:close",
        "rotate": "jpki_cli.commands.map_upkeep:rotate",
        "ledger": {
            "verify": "jpki_cli.commands.map_ledger:verify",
            "checkpoint": "jpki_cli.commands.map_ledger:checkpoint",
        },
        "report": "jpki_cli.commands.map_report:report",
    },
    "emulate": "jpki_cli.commands.emulate:emulate",
    "kiosk": {
        "serve": "jpki_cli.commands.kiosk:serve",
        "half": "jpki_cli.commands.kiosk:half",
        "token": "jpki_cli.commands.kiosk:token",
        "desk": "jpki_cli.commands.kiosk_desk:desk",
    },
    "trace": "jpki_cli.commands.trace:trace",
}
