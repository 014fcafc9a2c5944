#!/usr/bin/env python3
"""The meaning of a stream, held against Spark Structured Streaming: the same events in the same batches, one partition,
and after every batch both have put out the same rows: windows, sliding windows, sessions, duplicates within the
watermark, rows that are late, and one after the other. Each file of Spark's is an epoch of ours.

Sessions are held against it only where docs/sql.md does not say that they differ: no row is late, none exactly at the
end of a session. So is DISTINCT ON: a row exactly at the watermark is late for Spark and not for us, and where nothing
waits for the watermark, Spark's batch without rows, which lifts the bound of late rows, has no epoch.
"""
from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from harness import LONG, Suite, program  # noqa: E402
from harness.downloads import venv  # noqa: E402

suite = Suite("interop/spark_streaming")
BOURN = program()
BATCHES = 40 if LONG else 14
BASE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

MEET = "a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + interval '4 s'"

# as in batches.py
QUERIES = {
    "tumble": ("ws timestamptz, we timestamptz, k text, n bigint, s numeric(20,0)",
               "SELECT window_start, window_end, k, count(*), sum(v) FROM tumble(events, ts, interval '6 s') "
               "GROUP BY window_start, window_end, k"),
    "hop": ("ws timestamptz, we timestamptz, k text, n bigint, s numeric(20,0)",
            "SELECT window_start, window_end, k, count(*), sum(v) FROM hop(events, ts, interval '3 s', interval '9 s') "
            "GROUP BY window_start, window_end, k"),
    "session in time": ("ws timestamptz, we timestamptz, k text, n bigint, s numeric(20,0)",
                "SELECT window_start, window_end, k, count(*), sum(v) FROM session(events, ts, interval '2 s', k) "
                "GROUP BY window_start, window_end, k"),
    "dedup in time": ("id bigint, e text, ts timestamptz", "SELECT DISTINCT ON (e) id, e, ts FROM events"),
    "dedup in time, then windows": ("ws timestamptz, we timestamptz, n bigint, s numeric(20,0)",
                            "WITH first AS (SELECT DISTINCT ON (e) * FROM events) SELECT window_start, window_end, "
                            "count(*), sum(v) FROM tumble(first, ts, interval '3 s') "
                            "GROUP BY window_start, window_end"),
    "inner join": ("left_id bigint, right_id bigint", f"SELECT a.id, b.id FROM a JOIN b ON {MEET}"),
    "left join": ("left_id bigint, right_id bigint", f"SELECT a.id, b.id FROM a LEFT JOIN b ON {MEET}"),
    "semi join": ("left_id bigint", f"SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {MEET})"),
}
for name in ("session", "dedup", "dedup, then windows"):
    QUERIES[name] = QUERIES[name.replace("session", "session in time").replace("dedup", "dedup in time")]


def write_batches(folder: Path, batches: list[list[dict]]) -> list[str]:
    folder.mkdir()
    texts = ["".join(json.dumps(dict(row, ts=row["ts"].isoformat(timespec="milliseconds")[:-6] + "Z")) + "\n"
                     for row in rows) for rows in batches]
    for i, text in enumerate(texts):
        path = folder / f"{i:03}.json"
        path.write_text(text)
    return texts


def events() -> list[list[dict]]:
    """A list a batch. Most rows are in time, at whole seconds often, where bounds are; some late, some very; and most
    batches bring rows again that came before."""
    rnd, batches, sent = suite.random, [], []
    for batch in range(BATCHES):
        rows = []
        for _ in range(rnd.choice([1, 12, 30])):
            back = rnd.choice([0, 0, 0, 1, 2, 5, rnd.randrange(6000) / 1000, 12, 30])
            at = BASE + datetime.timedelta(seconds=max(batch * 3 + rnd.randrange(3) - back, 0))
            rows.append({"id": len(sent) + len(rows), "e": f"e{rnd.randrange(150)}", "k": rnd.choice("abcdefgh"),
                         "side": rnd.choice("ab"), "v": rnd.randrange(-5, 50), "ts": at})
        rows += [dict(rnd.choice(sent), id=-1 - batch) for _ in range(2) if sent]
        sent += rows
        batches.append(rows)
    return batches


def in_time(batches: list[list[dict]]) -> list[list[dict]]:
    """Without late rows, and no two at a distance of whole seconds."""
    found, newest = [], BASE
    for batch in batches:
        found.append([dict(row, ts=row["ts"] + datetime.timedelta(milliseconds=abs(row["id"]) % 997))
                      for row in batch if row["ts"] > newest - datetime.timedelta(seconds=5) and row["id"] >= 0])
        newest = max([newest, *(row["ts"] + datetime.timedelta(seconds=1) for row in batch)])
    return found


def spark(folder: Path, names: list[str]) -> dict[str, list]:
    env = {**os.environ, "TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(venv())}
    env.pop("SPARK_HOME", None)
    suite.command([venv(), HERE / "batches.py", folder, *names], limit=1200, env=env, cwd=folder)
    return json.loads((folder / "spark.json").read_text())


def bourn(folder: Path, name: str, batches: list[str]) -> list[list]:
    """What each epoch put out; and the state is put down and taken up again in between."""
    columns, query = QUERIES[name]
    folder.mkdir(exist_ok=True)
    (folder / "p.sql").write_text(
        f"CREATE SERVER file_in FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/in.ndjson', follow 'true');\n"
        "CREATE FOREIGN TABLE events (id bigint, e text, k text, side text, v bigint, "
        "ts timestamptz OPTIONS (watermark '5 s') NOT NULL) SERVER file_in;\n"
        "CREATE VIEW a AS SELECT * FROM events WHERE side = 'a';\n"
        "CREATE VIEW b AS SELECT * FROM events WHERE side = 'b';\nSET bourn.epoch_interval = '10 s';\n"
        f"CREATE SERVER result FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/result.ndjson');\n"
        f"CREATE FOREIGN TABLE result ({columns}) SERVER result;\nINSERT INTO result {query};\n")
    found, before = [], 0
    for batch in batches:
        with open(folder / "in.ndjson", "a") as file:
            file.write(batch)
        suite.command([BOURN, "run", "--quiet", "--until-caught-up", folder / "p.sql"], cwd=folder,
                      env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
        result = folder / "result.ndjson"
        lines = result.read_text().splitlines() if result.exists() else []
        found.append([list(json.loads(line).values()) for line in lines[before:]])
        before = len(lines)
    return found


def plain(cell):
    if isinstance(cell, str) and re.match(r"\d{4}-", cell):
        return datetime.datetime.fromisoformat(cell.replace("Z", "+00:00")).isoformat()
    return str(cell)


def rows_of(batch: list) -> Counter:
    return Counter(tuple(map(plain, row)) for row in batch)


def check(folder: Path, name: str, batches: list[str], theirs: list[list]) -> None:
    assert len(theirs) == len(batches), "Spark has run other batches"
    assert sum(map(bool, theirs)) > 3, "Spark put out next to nothing: it shows nothing"
    ours = bourn(folder, name, batches)
    for i, (mine, wanted) in enumerate(zip(ours, theirs)):
        mine, wanted = rows_of(mine), rows_of(wanted)
        assert mine == wanted, f"batch {i}: missing {sorted(wanted - mine)}\nextra {sorted(mine - wanted)}\n{folder}"


def main() -> None:
    names = [name for name in QUERIES if suite.wants(name)]
    made = events()
    batches = {"input": write_batches(suite.folder / "input", made),
               "in_time": write_batches(suite.folder / "in_time", in_time(made))}
    theirs = spark(suite.folder, names)
    for name in names:
        with suite.case(f"{name}: the rows of each batch") as folder:
            check(folder, name, batches["in_time" if "in time" in name else "input"], theirs[name])
    suite.end()


main()
