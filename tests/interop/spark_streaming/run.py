#!/usr/bin/env python3
"""The meaning of a stream, held against Spark Structured Streaming: the same events in the same batches, one partition,
and after every batch both have put out the same rows: windows, sliding windows, sessions, duplicates within the
watermark, joins by interval, with rows that are late and rows exactly at every bound, and one step after the other. A
batch of Spark's, with the one without rows that follows it, is a run of ours up to where it is caught up.

Where both differ is listed in docs/sql.md, each with its reason: that list, and no other, is what DIFFERENCES holds
both to. A difference that is not there any more fails, as does one that is not in the list.
"""
from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from harness import LONG, TOP, Suite, program  # noqa: E402
from harness.downloads import venv  # noqa: E402

suite = Suite("interop/spark_streaming")
BOURN = program()
BATCHES = 40 if LONG else 12
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
    "session": ("ws timestamptz, we timestamptz, k text, n bigint, s numeric(20,0)",
                "SELECT window_start, window_end, k, count(*), sum(v) FROM session(events, ts, interval '2 s', k) "
                "GROUP BY window_start, window_end, k"),
    "dedup": ("id bigint, e text, ts timestamptz", "SELECT DISTINCT ON (e) id, e, ts FROM events"),
    "dedup, then windows": ("ws timestamptz, we timestamptz, n bigint, s numeric(20,0)",
                            "WITH first AS (SELECT DISTINCT ON (e) * FROM events) SELECT window_start, window_end, "
                            "count(*), sum(v) FROM tumble(first, ts, interval '3 s') "
                            "GROUP BY window_start, window_end"),
    "inner join": ("left_id bigint, right_id bigint", f"SELECT a.id, b.id FROM a JOIN b ON {MEET}"),
    "left join": ("left_id bigint, right_id bigint", f"SELECT a.id, b.id FROM a LEFT JOIN b ON {MEET}"),
    "semi join": ("left_id bigint", f"SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {MEET})"),
}
COUNTS = ("we timestamptz, n bigint", "SELECT window_end, count(*) FROM tumble(events, ts, interval '6 s') "
          "GROUP BY window_start, window_end, k")


@dataclass
class Difference:
    """Batches of (id, k, side, second[, partition]), and what each puts out after every one of them. A time is told by
    its second."""
    query: tuple[str, str]
    batches: list[list[tuple]]
    ours: list[list[tuple]]
    sparks: list[list[tuple]]


FUTURE = (datetime.datetime(2150, 1, 1, tzinfo=datetime.timezone.utc) - BASE).total_seconds()
DIFFERENCES = {
    "an outer row whose last possible match is at the watermark": Difference(
        QUERIES["left join"], [[(1, "x", "a", 0)], [(2, "y", "b", 9)], [(3, "y", "b", 10)]],
        ours=[[], [(1, None)], []], sparks=[[], [], [(1, None)]]),
    "a partition behind the others": Difference(
        COUNTS, [[(1, "x", "a", 1, 0), (2, "x", "a", 30, 0), (3, "x", "a", 2, 1)], [(4, "x", "a", 3, 1)],
                 [(5, "x", "a", 31, 1)]],
        ours=[[], [], [(6, 3)]], sparks=[[(6, 2)], [], []]),
    "an event far ahead of the clock": Difference(
        COUNTS, [[(1, "x", "a", 1), (2, "x", "a", FUTURE)], [(3, "x", "a", 2)], [(4, "x", "a", 20)]],
        ours=[[], [], [(6, 2)]], sparks=[[(6, 1)], [], []]),
    "fractions of a millisecond": Difference(
        ("id bigint", "SELECT DISTINCT ON (e) id FROM events"),
        [[(1, "x", "a", 11.0005)], [(2, "y", "a", 6.0003)], [(3, "z", "a", 6)]],
        ours=[[(1,)], [], []], sparks=[[(1,)], [(2,)], []]),
}


def line(row: dict) -> str:
    return json.dumps(dict(row, ts=row["ts"].isoformat(timespec="microseconds")[:-6] + "Z")) + "\n"


def write_batches(folder: Path, batches: list[list[dict]]) -> None:
    """For Spark: a file a batch."""
    folder.mkdir()
    for i, rows in enumerate(batches):
        (folder / f"{i:03}.json").write_text("".join(map(line, rows)))


def told(difference: Difference) -> list[list[dict]]:
    return [[{"id": row[0], "e": f"e{row[0]}", "k": row[1], "side": row[2], "v": 1, "partition": (*row, 0)[4],
              "ts": BASE + datetime.timedelta(seconds=row[3])} for row in rows] for rows in difference.batches]


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
    # Behind all bounds, so that in the end no row waits in one and not in the other.
    batches.append([dict(sent[0], id=len(sent), ts=BASE + datetime.timedelta(hours=1))])
    return batches


def spark(folder: Path, names: list[str]) -> dict[str, list]:
    env = {**os.environ, "TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(venv())}
    env.pop("SPARK_HOME", None)
    suite.command([venv(), HERE / "batches.py", folder, *names], limit=1200, env=env, cwd=folder)
    return json.loads((folder / "spark.json").read_text())


def bourn(folder: Path, query: tuple[str, str], batches: list[list[dict]]) -> list[list]:
    """What each batch put out; a partition is a file that grows. The state is put down and taken up in between."""
    columns, select = query
    folder.mkdir(exist_ok=True)
    (folder / "p.sql").write_text(
        f"CREATE SERVER file_in FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/in*.ndjson', follow 'true');\n"
        "CREATE FOREIGN TABLE events (id bigint, e text, k text, side text, v bigint, "
        "ts timestamptz OPTIONS (watermark '5 s') NOT NULL) SERVER file_in;\n"
        "CREATE VIEW a AS SELECT * FROM events WHERE side = 'a';\n"
        "CREATE VIEW b AS SELECT * FROM events WHERE side = 'b';\nSET bourn.epoch_interval = '10 s';\n"
        f"CREATE SERVER result FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/result.ndjson');\n"
        f"CREATE FOREIGN TABLE result ({columns}) SERVER result;\nINSERT INTO result {select};\n")
    found, before = [], 0
    for batch in batches:
        for partition in {row.get("partition", 0) for row in batch}:
            with open(folder / f"in{partition}.ndjson", "a") as file:
                file.write("".join(line(row) for row in batch if row.get("partition", 0) == partition))
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


def compare(folder: Path, ours: list[list], theirs: list[list]) -> None:
    for i, (mine, wanted) in enumerate(zip(ours, theirs, strict=True)):
        mine, wanted = rows_of(mine), rows_of(wanted)
        assert mine == wanted, f"batch {i}: missing {sorted(wanted - mine)}\nextra {sorted(mine - wanted)}\n{folder}"


def without_waiting(ours: list[list], theirs: list[list]) -> tuple[list[list], list[list]]:
    """Of an outer join only that every row comes once, in which batch the pairs do, and that no row without a match
    comes later than in Spark: it may come a batch earlier, which is the difference that is listed."""
    pairs = [[[row for row in batch if row[1] is not None] for batch in side] for side in (ours, theirs)]
    alone = [[row[0] for batch in side[:n] for row in batch if row[1] is None] for side in (ours, theirs)
             for n in [len(side)]]
    for n in range(len(ours)):
        seen = [Counter(row[0] for batch in side[:n] for row in batch if row[1] is None) for side in (theirs, ours)]
        assert not seen[0] - seen[1], f"batch {n}: Spark has told {seen[0] - seen[1]}, and we have not"
    return [*pairs[0], [sorted(alone[0])]], [*pairs[1], [sorted(alone[1])]]


def check(folder: Path, name: str, batches: list[list[dict]], theirs: list[list]) -> None:
    assert sum(map(bool, theirs)) > 3, "Spark put out next to nothing: it shows nothing"
    ours = bourn(folder, QUERIES[name], batches)
    if name == "left join":
        ours, theirs = without_waiting(ours, theirs)
    compare(folder, ours, theirs)


def check_difference(folder: Path, difference: Difference, theirs: list[list]) -> None:
    def as_told(batches: list[list]) -> list[list]:
        return [[tuple(round((datetime.datetime.fromisoformat(cell.replace("Z", "+00:00")) - BASE).total_seconds())
                       if isinstance(cell, str) else cell for cell in row) for row in batch] for batch in batches]

    assert difference.ours != difference.sparks
    compare(folder, as_told(theirs), difference.sparks)
    compare(folder, as_told(bourn(folder, difference.query, told(difference))), difference.ours)


def the_list_is_in_the_documentation(_: Path) -> None:
    section = (TOP / "docs/sql.md").read_text().split("## Where it differs from Spark")[1].split("\n## ")[0]
    assert re.findall(r"^\| \*\*(.*?)\*\*", section, re.M) == list(DIFFERENCES), "the list and this test differ"


def main() -> None:
    names = [name for name in (*QUERIES, *DIFFERENCES) if suite.wants(name)]
    made = events()
    write_batches(suite.folder / "input", made)
    for name, difference in DIFFERENCES.items():
        write_batches(suite.folder / f"input-{name.replace(' ', '-')}", told(difference))
    suite.run(the_list_is_in_the_documentation)
    theirs = spark(suite.folder, names) if names else {}
    for name in names:
        if name in QUERIES:
            with suite.case(f"{name}: the rows of each batch") as folder:
                check(folder, name, made, theirs[name])
        else:
            with suite.case(f"it differs: {name}") as folder:
                check_difference(folder, DIFFERENCES[name], theirs[name])
    suite.end()


main()
