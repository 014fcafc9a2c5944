"""A key that several rows have is not in an upserted table, and is told of once in bourn.rejected while that lasts.
What is expected is computed here, row by row, from the epochs that the run says it had: a table that is appended has
each row with the time of its epoch.
"""
from __future__ import annotations

import json
import os
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

from harness import Suite, program, until
from harness.children import mortal

BOURN = program()
ROWS = 600
KEYS = 25


def pipeline(folder: Path, cut: int, pages: Path | None) -> None:
    """How many rows each k has, keyed by that count; the epochs; the errors; how old a row is, to have now() in it."""
    def file(name: str, columns: str, query: str) -> str:
        return (f"CREATE SERVER {name} FOREIGN DATA WRAPPER file OPTIONS (path '{folder / name}.ndjson');\n"
                f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {name};\nINSERT INTO {name} {query};\n")
    (folder / "p.sql").write_text(
        f"SET bourn.epoch_rows = {cut};\n"
        + (f"SET bourn.spill = '{pages}';\nSET bourn.state_memory = '1 MiB';\n" if pages else "")
        + f"CREATE SERVER events FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/events.ndjson');\n"
        "CREATE FOREIGN TABLE events (id int, k int, came timestamptz OPTIONS (metadata 'ingestion_time')) "
        "SERVER events;\n"
        + file("epochs", "id int, k int, came timestamptz", "SELECT id, k, came FROM events")
        + file("counts", "n bigint, k int, at timestamptz, soon boolean, PRIMARY KEY (n)",
               "SELECT n, k, now(), last <= now() FROM (SELECT k, count(*) AS n, max(came) AS last FROM events "
               "GROUP BY k) AS g")
        + file("dead", "rules text, step text, row_key text, rejected_at timestamptz",
               "SELECT rules, step, row_key, rejected_at FROM bourn.rejected"))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def written(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0  # also while a line is being written


def start(folder: Path, workers: int) -> subprocess.Popen:
    env = {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")}
    return subprocess.Popen(mortal([BOURN, "run", "--quiet", "--workers", str(workers), folder / "p.sql"]), cwd=folder,
                            env=env, stderr=subprocess.PIPE, text=True)


def run_to_the_end(folder: Path, workers: int, kills: list[int]) -> None:
    for epochs in kills:  # killed when it has published so many rows, or anywhere behind
        process = start(folder, workers)
        until(lambda: process.poll() is not None or written(folder / "epochs.ndjson") >= epochs)
        process.kill()
        process.communicate()
    process = start(folder, workers)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 0, said


def expected(epochs: list[dict]) -> tuple[dict, Counter, dict]:
    """The rows of the table, how often each count was told of and when, and the rows that could be named for it."""
    count, told, named = Counter(), Counter(), {}
    several: set[int] = set()
    by_time = defaultdict(list)
    for row in epochs:
        by_time[row["came"]].append(row["k"])
    for time in sorted(by_time):
        count.update(by_time[time])
        keys = defaultdict(list)
        for k, n in count.items():
            keys[n].append(k)
        for n in keys:
            if len(keys[n]) > 1 and n not in several:
                told[time, n] += 1
                named[time, n] = keys[n]
        several = {n for n in keys if len(keys[n]) > 1}
    return {n: found[0] for n, found in keys.items() if len(found) == 1}, told, named


def check(suite: Suite, folder: Path, cut: int, workers: int, kills: list[int], spill: bool) -> None:
    rows = [suite.random.randrange(KEYS) for _ in range(ROWS)] + [KEYS] * ROWS  # one is alone with its count at the end
    (folder / "events.ndjson").write_text("".join(json.dumps({"id": i, "k": k}) + "\n" for i, k in enumerate(rows)))
    pipeline(folder, cut, suite.disk / "pages" if spill else None)
    run_to_the_end(folder, workers, kills)
    epochs = lines(folder / "epochs.ndjson")
    assert [row["k"] for row in epochs] == rows, "the epochs do not have each row once"
    table, told, named = expected(epochs)
    found = {row["n"]: row["k"] for row in lines(folder / "counts.ndjson")}
    assert found == table and table, f"{folder}\n{found}\n{table}"
    assert all(row["soon"] and row["at"] for row in lines(folder / "counts.ndjson"))
    dead = lines(folder / "dead.ndjson")
    assert {(row["rules"], row["step"]) for row in dead} == {("error:23505", "counts")}
    entries = [(row["rejected_at"], json.loads(row["row_key"])) for row in dead]
    assert Counter((time, row["n"]) for time, row in entries) == told, folder
    assert all(row["k"] in named[time, row["n"]] for time, row in entries), folder


def stopped_where_postgresql_stops(folder: Path) -> None:
    (folder / "events.ndjson").write_text('{"id":1,"k":1}\n{"id":2,"k":2}\n')
    pipeline(folder, 100, None)
    (folder / "p.sql").write_text("SET bourn.on_error = 'stop';\n" + (folder / "p.sql").read_text())
    process = start(folder, 1)
    said = process.communicate(timeout=100)[1]
    assert process.returncode != 0 and "counts, row {" in said and "error:23505" in said, said
    assert lines(folder / "counts.ndjson") == []


CUTS = [(10_000, 1, [], False), (7, 2, [], False), (50, 8, [], False), (40, 1, [100, 300], False),
        (30, 2, [60, 90, 700], True)]


def run(suite: Suite) -> None:
    for cut, workers, kills, spill in CUTS:
        name = f"alone, {cut} rows an epoch, {workers} workers, {len(kills)} kills{', on disk' if spill else ''}"
        if suite.wants(name):
            with suite.case(name) as folder:
                check(suite, folder, cut, workers, kills, spill)
    suite.run(stopped_where_postgresql_stops)
