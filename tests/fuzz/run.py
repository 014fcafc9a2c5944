#!/usr/bin/env python3
"""Every libFuzzer target for FUZZ_SECONDS (20) each, under AddressSanitizer and UndefinedBehaviorSanitizer, from the
inputs of tests/fuzz/corpus/TARGET. A crashing input is a failed case: it is kept in the suite's folder, and printed if
it is short, with what the sanitizers said. Put it into the corpus once it is mended, so that it is tried for ever."""
from __future__ import annotations

import base64
import lzma
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


def what_was_said(text: str) -> str:
    """A sanitizer's report without the fuzzer's progress before it; the end of the text where there is none."""
    report = re.search(r"^.*(?:ERROR: |runtime error: ).*$", text, re.MULTILINE)
    return text[report.start():][:5000] if report else text[-3000:]


def what_did_it(folder: Path) -> str:
    """The inputs that were kept, as a command makes them again elsewhere."""
    kept = [path for path in folder.iterdir() if path.name.startswith(("crash-", "oom-", "timeout-", "leak-"))]
    packed = {path: base64.b64encode(lzma.compress(path.read_bytes())).decode() for path in kept}
    short = {path: text for path, text in packed.items() if len(text) < 20_000}
    return "".join(f"base64 -d <<< {text} | xz -d > {path.name}\n" for path, text in short.items())


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
        return (f"exit code {done.returncode}; the input is in {folder}\n{what_was_said(done.stderr)}\n"
                f"{what_did_it(folder)}")
    return "" if runs and int(runs[1]) > 100 else f"hardly ran:\n{done.stderr[-3000:]}"


folder = built("fuzz", [f"tests/fuzz/{target}" for target in fuzz_targets()])
wanted = [target for target in (name.removeprefix("fuzz_") for name in fuzz_targets()) if suite.wants(target)]
with ThreadPoolExecutor(max_workers=2) as pool:
    found = dict(zip(wanted, pool.map(lambda target: fuzz(folder / "tests/fuzz" / f"fuzz_{target}", target), wanted)))
for target, wrong in found.items():
    with suite.case(target):
        assert not wrong, wrong
suite.end()
