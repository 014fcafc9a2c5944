#!/usr/bin/env python3
"""Builds what later suites need while earlier ones wait for their servers: at the lowest priority, one after the other.
What fails to build is reported by the suite that wants it."""
from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import built, fuzz_targets  # noqa: E402

os.nice(19)
for kind, targets in (("faults", ["bourn"]), ("address", ["all"]), ("thread", ["bourn"]),
                      ("fuzz", [f"tests/fuzz/{target}" for target in fuzz_targets()])):
    try:
        built(kind, targets)
    except RuntimeError:
        pass
