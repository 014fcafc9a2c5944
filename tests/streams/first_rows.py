"""The first rows of each key where there are many: once thousands have come, those that cannot be among the first are
passed over before they are put in order, and a batch is gone through from behind where its last rows are the first
(src/op/topn.c). What is expected is computed here; rows that are equal in the order are all there by their rank.
"""
from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

from harness import Suite, program

BOURN = program()
ROWS, KEYS = 24_000, 150
# Name, order as SQL and as a key in Python, rank or row_number, and how many.
QUERIES = [
    ("last", "at DESC, id", lambda row: (-row["at"], row["id"]), "row_number", 1),
    ("latest", "at DESC", lambda row: -row["at"], "rank", 3),
    ("earliest", "at, id DESC", lambda row: (row["at"], -row["id"]), "row_number", 2),
    ("lowest", "v", lambda row: row["v"], "rank", 2),
]


def events(chance) -> list[dict]:
    """Nearly in the order of `at`, of which a key has several equal ones."""
    return [{"id": i, "k": chance.randrange(KEYS), "at": max(i + chance.randrange(-900, 900), 0) // 200,
             "v": chance.randrange(5000)} for i in range(ROWS)]


def pipeline(folder: Path, cut: int) -> str:
    sql = (f"SET bourn.epoch_rows = {cut};\nSET bourn.epoch_interval = '1 h';\n"
           f"CREATE FOREIGN TABLE e (id int, k int, at int, v int) SERVER file OPTIONS (path '{folder}/e.ndjson');\n")
    for name, order, _, ranked, most in QUERIES:
        sql += (f"CREATE FOREIGN TABLE {name} (id int PRIMARY KEY, k int, n bigint) SERVER file OPTIONS "
                f"(path '{folder / name}.ndjson');\nINSERT INTO {name} SELECT id, k, n FROM (SELECT *, {ranked}() OVER "
                f"(PARTITION BY k ORDER BY {order}) AS n FROM e) AS t WHERE n <= {most};\n")
    return sql


def expected(rows: list[dict], key, ranked: str, most: int) -> set[tuple]:
    by_k, found = defaultdict(list), set()
    for row in rows:
        by_k[row["k"]].append(row)
    for k, mine in by_k.items():
        mine.sort(key=key)
        rank = 0
        for n, row in enumerate(mine):
            if ranked == "row_number" or n == 0 or key(row) != key(mine[n - 1]):
                rank = n + 1
            if rank > most:
                break
            found.add((row["id"], k, rank))
    return found


def first_rows_among_many(folder: Path, suite: Suite) -> None:
    rows = events(suite.random)
    for cut, workers in ((700, 1), (3500, 2), (ROWS, 1), (ROWS, 2)):
        place = folder / f"{cut}-{workers}"
        place.mkdir()
        (place / "e.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (place / "p.sql").write_text(pipeline(place, cut))
        suite.command([BOURN, "run", "--quiet", "--workers", workers, "p.sql"], cwd=place,
                      env={"PATH": os.environ["PATH"], "BOURN_STATE": str(place / "state")})
        for name, _, key, ranked, most in QUERIES:
            found = {tuple(json.loads(line).values()) for line in (place / f"{name}.ndjson").read_text().splitlines()}
            wanted = expected(rows, key, ranked, most)
            assert found == wanted, f"{name}, {cut} rows an epoch, {workers} workers: {sorted(found ^ wanted)[:20]}"


# Of e, in its order; beside rows that wait for their turn, batch by batch those that do not come first; of groups.
LIMITED = {
    "plain": "SELECT id, k FROM e LIMIT 7000 OFFSET 1000",
    "mixed": "SELECT id, k FROM (SELECT DISTINCT ON (id) * FROM e) AS once UNION ALL "
             "SELECT -id, k FROM e WHERE k < 9 LIMIT 9000",
    "groups": "SELECT k, count(*) FROM e GROUP BY k LIMIT 40",
    "nested": "SELECT id, k FROM (SELECT id, k FROM e ORDER BY v, id DESC) AS sorted LIMIT 50",
}


def first_rows_without_an_order(folder: Path, suite: Suite) -> None:
    """As they were read, whatever the number of workers; the groups are nobody's promise, but the same."""
    rows = [{**row, "t": "2026-01-01T00:00:00Z"} for row in events(suite.random)]
    found = {}
    for cut, workers in ((ROWS, 1), (ROWS, 2), (ROWS, 8), (5000, 2)):
        place = folder / f"{cut}-{workers}"
        place.mkdir()
        (place / "e.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sql = (f"SET bourn.epoch_rows = {cut};\nSET bourn.epoch_interval = '1 h';\n"
               "CREATE FOREIGN TABLE e (id int, k int, v int, t timestamptz OPTIONS (watermark '1 h')) SERVER file "
               f"OPTIONS (path '{place}/e.ndjson');\n")
        for name, query in LIMITED.items():
            sql += (f"CREATE FOREIGN TABLE {name} (a bigint, b bigint) SERVER file OPTIONS "
                    f"(path '{place / name}.ndjson');\nINSERT INTO {name} {query};\n")
        (place / "p.sql").write_text(sql)
        suite.command([BOURN, "run", "--quiet", "--workers", workers, "p.sql"], cwd=place,
                      env={"PATH": os.environ["PATH"], "BOURN_STATE": str(place / "state")})
        found[cut, workers] = {name: (place / f"{name}.ndjson").read_text() for name in LIMITED}
    assert found[ROWS, 1] == found[ROWS, 2] == found[ROWS, 8], "workers change which rows come first"
    one, cut = found[ROWS, 1], found[5000, 2]
    assert {name: text for name, text in one.items() if name != "mixed"} == \
        {name: text for name, text in cut.items() if name != "mixed"}, "so do epochs"
    pairs = {name: [tuple(json.loads(line).values()) for line in text.splitlines()] for name, text in one.items()}
    in_order = [(row["id"], row["k"]) for row in rows]
    assert pairs["plain"] == in_order[1000:8000]
    by_v = sorted(rows, key=lambda row: (row["v"], -row["id"]))
    assert pairs["nested"] == [(row["id"], row["k"]) for row in by_v[:50]]


def run(suite: Suite) -> None:
    suite.run(first_rows_among_many, suite)
    suite.run(first_rows_without_an_order, suite)
