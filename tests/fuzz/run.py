#!/usr/bin/env python3
"""Every libFuzzer target for FUZZ_SECONDS (20) each, under AddressSanitizer and UndefinedBehaviorSanitizer, from the
inputs of tests/fuzz/corpus/TARGET. A crashing input is a failed case and is kept in the suite's folder; put it into the
corpus once it is mended, so that it is tried for ever."""
from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import Suite, built, fuzz_targets  # noqa: E402

HERE = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("FUZZ_SECONDS") or 20)
suite = Suite("fuzz")


def fuzz(program: Path, target: str) -> str:
    """What is wrong, or nothing."""
    folder = suite.folder / target
    (folder / "corpus").mkdir(parents=True)
    kept = HERE / "corpus" / target
    dictionary = HERE / f"{target}.dict"
    words = [program, f"-max_total_time={SECONDS}", f"-seed={suite.seed}", "-timeout=10", "-rss_limit_mb=2048",
             "-print_final_stats=1", f"-artifact_prefix={folder}/", folder / "corpus"]
    words += [kept] if kept.is_dir() else []
    words += [f"-dict={dictionary}"] if dictionary.exists() else []
    done = suite.command(words, limit=SECONDS + 120, check=None, cwd=folder)
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    print(f"# {target}: {runs[1] if runs else '?'} inputs", flush=True)
    if done.returncode:
        return f"exit code {done.returncode}; the input is in {folder}\n{done.stderr[-6000:]}"
    return "" if runs and int(runs[1]) > 100 else f"hardly ran:\n{done.stderr[-3000:]}"


folder = built("fuzz", [f"tests/fuzz/{target}" for target in fuzz_targets()])
wanted = [target for target in (name.removeprefix("fuzz_") for name in fuzz_targets()) if suite.wants(target)]
with ThreadPoolExecutor(max_workers=2) as pool:
    found = dict(zip(wanted, pool.map(lambda target: fuzz(folder / "tests/fuzz" / f"fuzz_{target}", target), wanted)))
for target, wrong in found.items():
    with suite.case(target):
        assert not wrong, wrong
suite.end()
