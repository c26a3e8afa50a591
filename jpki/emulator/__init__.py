# SPDX-License-Identifier: Apache-2.0
"""The virtual card: files, security state, commands; built-in cards of invented people.

For tests and demonstrations. It carries nothing under a production or J-LIS test key.
"""

from jpki.emulator.card import ApduTrace, EmulatedCard, FaultPoint
from jpki.emulator.connection import VirtualConnection, serve_vpcd
from jpki.emulator.population import BUILT_IN, current_crls, load_card, populate, register
from jpki.emulator.profile import CardProfile
from jpki.emulator.profile_file import load_profile, parse_profile
from jpki.emulator.quirks import Quirks

__all__ = [
    "BUILT_IN",
    "load_card",
    "EmulatedCard",
    "VirtualConnection",
    "serve_vpcd",
    "ApduTrace",
    "FaultPoint",
    "Quirks",
    "CardProfile",
    "load_profile",
    "parse_profile",
    "populate",
    "register",
    "current_crls",
]
