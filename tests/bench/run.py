#!/usr/bin/env python3
"""bench/ says nothing of speed here, but works: results are right, kept, and published only if quiet."""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import TOP, Suite, program  # noqa: E402
from oracle.payments import Expected  # noqa: E402

suite = Suite("bench")
BOURN = program()
TABLES = ("net_flow", "user_metrics", "channel_distribution")


def bench(folder: Path, *words: str, check: int = 0):
    env = {**os.environ, "BOURN": str(BOURN), "EVENTS_M": "0.02", "KEYS_EVENTS_M": "0.01",
           "BENCH_ROUNDS": "1",
           "BENCH_RESULTS": str(folder / "results"), "BENCH_INPUTS": str(folder / "inputs")}
    return suite.command([sys.executable, TOP / "bench/run", *words], env=env, check=check)


def results_are_right_and_kept(folder: Path) -> None:
    bench(folder, "throughput")
    path, = (folder / "results").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    ours = [line for line in lines if line.get("what", "").startswith("bourn")]
    assert len(ours) == 3 and all("equal the oracle's" in line["tables"] for line in ours), lines
    for line in ours:
        assert line["events_per_s"] > 0 and line["commit"] and line["machine"] and line["others"] >= 0, line
    before = path.read_text()
    assert "measured for" in bench(folder, "throughput").stdout and path.read_text() == before
    # ... and a table that is not what the oracle says ends it.
    answer, = (folder / "inputs").glob("payments-*-20000-oracle-*.json")
    expected = json.loads(answer.read_text())
    expected["user_metrics"][7][3] += 1
    answer.write_text(json.dumps(expected))
    done = bench(folder, "--again", "throughput", check=1)
    assert "not what the oracle computes" in done.stderr and "user_metrics" in done.stderr, done.stderr


def half_of_the_rows_in_one_key_changes_no_result(folder: Path) -> None:
    """One worker and two give the same rows, of aggregates those computed by hand; windows have each row as often as
    they overlap: the benchmark itself looks."""
    bench(folder, "keys")
    path, = (folder / "results").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum("half in one key" in line.get("what", "") for line in lines) == 8, lines
    overlaps = [line["results"] for line in lines if "results" in line]
    assert len(overlaps) == 4 and overlaps == sorted(overlaps) and overlaps[3] > 100 * overlaps[0], overlaps


def rewritten_events_mean_the_same(folder: Path) -> None:
    plain, other = folder / "plain.ndjson", folder / "other.ndjson"
    suite.command([BOURN, "generate", "--rows", 5000, "--rate", 0, "--late", 0, "--to", plain])
    suite.command([sys.executable, TOP / "bench/rewrite.py", plain, other, suite.seed])
    text = other.read_text()
    assert text != plain.read_text() and "\\u00" in text and "\\/" in text
    a, b = Expected().feed_file(str(plain)), Expected().feed_file(str(other))
    for table in TABLES:
        assert getattr(a, table)() == getattr(b, table)(), table
    assert [rules for _, rules in a.rejected] == [rules for _, rules in b.rejected] and len(a.rejected) > 100


def only_quiet_figures_are_published(folder: Path) -> None:
    def publish(check: int, **values):
        line = {"bench": "small", "what": "a thing", "others": 0.01, "commit": "abc", "machine": "m", **values}
        (folder / "r.ndjson").write_text(json.dumps(line) + "\n")
        return suite.command([sys.executable, TOP / "bench/publish", "--check", folder / "r.ndjson"], check=check)
    assert publish(0).stdout == ""
    assert "left out: a thing: others used 30% of the machine" in publish(0, others=0.3).stdout
    assert "in no commit" in publish(1, commit="abc+changes").stderr


def names_are_known(folder: Path) -> None:
    assert "throughput" in bench(folder, "--list").stdout
    assert "bench/run --list" in bench(folder, "thruput", check=1).stderr


suite.run(results_are_right_and_kept)
suite.run(half_of_the_rows_in_one_key_changes_no_result)
suite.run(rewritten_events_mean_the_same)
suite.run(only_quiet_figures_are_published)
suite.run(names_are_known)
suite.end()
