# SPDX-License-Identifier: Apache-2.0
"""The virtual card: files, security state, commands; built-in cards of invented people.

For tests and demonstrations. It carries nothing under a production or J-LIS test key.
"""

from jpki.emulator.card import ApduTrace, EmulatedCard
from jpki.emulator.connection import VirtualConnection, serve_vpcd
from jpki.emulator.faults import Fault, FaultKind, When, parse_fault
from jpki.emulator.population import BUILT_IN, current_crls, load_card, populate, register
from jpki.emulator.profile import CardProfile
from jpki.emulator.profile_file import load_profile, parse_profile
from jpki.emulator.quirks import Quirks
from jpki.emulator.timing import (
    TIMINGS,
    Timing,
    chip_seconds,
    exchange_seconds,
    modelled_seconds,
)

__all__ = [
    "BUILT_IN",
    "load_card",
    "EmulatedCard",
    "VirtualConnection",
    "serve_vpcd",
    "ApduTrace",
    "Fault",
    "FaultKind",
    "When",
    "parse_fault",
    "TIMINGS",
    "Timing",
    "chip_seconds",
    "exchange_seconds",
    "modelled_seconds",
    "Quirks",
    "CardProfile",
    "load_profile",
    "parse_profile",
    "populate",
    "register",
    "current_crls",
]
