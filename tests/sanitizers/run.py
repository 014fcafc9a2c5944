#!/usr/bin/env python3
"""Unit and SQL tests under AddressSanitizer and UndefinedBehaviorSanitizer, and the engine with several workers under
ThreadSanitizer; built with clang. What a sanitizer finds ends the program, so a test that passes here is clean."""
from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import TOP, Suite, built  # noqa: E402

suite = Suite("sanitizers")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={TOP}/tests/sanitizers/tsan.supp",
    "LSAN_OPTIONS": f"suppressions={TOP}/tests/sanitizers/lsan.supp",
}


def report(name: str, said: str) -> None:
    """A case of its own for each test, so that a finding is named."""
    with suite.case(name):
        found = re.search(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:)", said)
        raise AssertionError(said[-6000:] if found else f"failed, without a sanitizer's word:\n{said[-3000:]}")


def meson_suites(folder: Path) -> None:
    log = folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    tests = json.loads((folder / "meson-info/intro-tests.json").read_text())
    names = [test["name"] for test in tests if test["suite"] != ["bourn:style"] and
             test["name"] != "functions_recorded"]  # that is PostgreSQL's work
    suite.command(["meson", "test", "-C", folder, *names, "--no-rebuild",
                   "--num-processes", "2", "--timeout-multiplier", "8"],
                  limit=1500, check=None, env={**os.environ, **OPTIONS})
    for line in log.read_text().splitlines():
        test = json.loads(line)
        name = test["name"].split(" / ")[-1].removeprefix("bourn:")
        if test["result"] == "OK":
            with suite.case(f"address {name}"):
                pass
        else:
            report(f"address {name}", test.get("stdout", "") + test.get("stderr", ""))


def engine_with_two_workers(folder: Path, program: Path) -> None:
    """The payments pipeline on its generator, from start to a clean stop, and once more on the same state."""
    env = {**os.environ, **OPTIONS, "LAKE": str(folder / "lake"), "BOURN_STATE": str(folder / "state"),
           "BOURN_WORKERS": "2", "NO_COLOR": "1"}
    example = TOP / "examples/payments"
    for _ in range(2):
        done = suite.command([program, "run", "--for", "4", example / "local.sql", example / "payments.sql"],
                             limit=120, check=None, env=env, cwd=folder)
        if done.returncode:
            raise AssertionError(f"ended with {done.returncode}\n{done.stderr[-8000:]}")


def command_line(folder: Path, program: Path) -> None:
    """Its tests, but for those that measure time or memory."""
    env = {**os.environ, **OPTIONS, "BOURN": str(program), "TMPDIR": str(folder)}
    env.pop("BOURN_TEST_FOLDER", None)
    tried = {"cli": ["words", "files", "errors", "repetition", "relations", "tampered", "edited"],
             "cli/documented": ["twins", "codes", "reject", "ahead", "copies", "dead", "any order", "console",
                                "connectors", "missing"],
             "interop/cat": []}
    for script, words in tried.items():
        done = suite.command([sys.executable, TOP / "tests" / script / "run.py", *words], limit=500, check=None,
                             env=env)
        assert done.returncode == 0, f"{script}:\n{done.stdout[-6000:]}"


def main() -> None:
    address = built("address", ["all"])
    if suite.wants("address unit and sql"):
        meson_suites(address)
    if suite.wants("address engine"):
        with suite.case("address engine", limit=300) as folder:
            engine_with_two_workers(folder, address / "bourn")
    if suite.wants("address command line"):
        with suite.case("address command line", limit=900) as folder:
            command_line(folder, address / "bourn")
    if suite.wants("thread engine"):
        with suite.case("thread engine", limit=600) as folder:
            engine_with_two_workers(folder, built("thread") / "bourn")
    suite.end()


main()
