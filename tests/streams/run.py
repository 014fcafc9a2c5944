#!/usr/bin/env python3
"""Queries over streams: windows, joins, sessions, Top-N. Each is run over the same events however the stream is cut
into epochs, on one worker and several, stopped and continued in between; what is left at the end must be PostgreSQL's
answer.

    tests/streams/run.py            all of cases.sql
    tests/streams/run.py WORD...    those whose name has one of the words

cases.sql has a block per case: `-- case NAME: columns of the result[, PRIMARY KEY (...)]`, then the query; of rows with
one key only those are wanted that are alone with it. Windows in FROM are given to PostgreSQL as what they mean. After
them come 400 queries that random_queries.py makes (BOURN_LONG=1: 40,000).
"""
from __future__ import annotations

import datetime
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import alone  # noqa: E402
import closing  # noqa: E402
import first_rows  # noqa: E402
import random_queries  # noqa: E402
from for_postgresql import for_postgresql  # noqa: E402
from harness import LIMIT, LONG, Suite, program  # noqa: E402
from servers.postgres import Postgres  # noqa: E402

suite = Suite("streams")
BOURN = program()
ROWS = 400
BASE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
WATERMARK = " OPTIONS (watermark '2 s')"
COLUMNS = "id int, k int, j int, v int, t text, n numeric(12,2), f double precision, ts timestamptz{} NOT NULL"


def cases() -> list[tuple[str, str, str]]:
    found = []
    for block in re.split(r"^-- case ", (HERE / "cases.sql").read_text(), flags=re.M)[1:]:
        head, query = block.split("\n", 1)
        name, columns = head.split(":", 1)
        found.append((name.strip(), columns.strip(), query.strip().rstrip(";")))
    return found


# ---- events: in the order of their times but for what the watermark allows ----

def event(i: int, rnd) -> dict:
    at = BASE + datetime.timedelta(milliseconds=i * 250 + rnd.randint(-700, 700))
    return {"id": i, "k": rnd.choice([None, *range(12)]), "j": rnd.randrange(3), "v": rnd.choice([None, *range(6)]),
            "t": rnd.choice(["", "a", "bc", "ünïcödé", "a much longer text than fits", None]),
            "n": f"{rnd.randint(-99999, 99999) / 100:.2f}", "f": rnd.choice([0.5, -1.25, 3.0, 1e10, None]),
            "ts": at.isoformat()}


def write_events(folder: Path, rnd) -> None:
    for name in "ab":
        rows = [event(i, rnd) for i in range(ROWS)]
        rows += [dict(rnd.choice(rows[-3:]), id=ROWS + i) for i in range(10)]  # equal times, equal keys
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def load(postgres: Postgres, folder: Path, declared: str = COLUMNS) -> None:
    for name in "ab":
        columns = declared.format("")
        lines = "".join("\t".join(json.dumps(line).strip().replace("\\", "\\\\") for line in [row]) + "\n"
                        for row in map(json.loads, (folder / f"{name}.ndjson").read_text().splitlines()))
        path = folder / f"{name}.copy"
        path.write_text(lines)
        path.chmod(0o644)
        folder.chmod(0o755)
        postgres.run(f"DROP TABLE IF EXISTS {name} CASCADE; CREATE TABLE {name} ({columns});"
                     f"CREATE TEMP TABLE raw (line jsonb);"
                     f"COPY raw FROM '{path}';"
                     f"INSERT INTO {name} SELECT (jsonb_populate_record(NULL::{name}, line)).* FROM raw;")


# ---- running ----

def tables(folder: Path, declared: str, options: str = "") -> str:
    return "".join(
        f"CREATE SERVER file_{name} FOREIGN DATA WRAPPER file OPTIONS (path '{folder / name}.ndjson'{options});\n"
        f"CREATE FOREIGN TABLE {name} ({declared.format(WATERMARK)}) SERVER file_{name};\n" for name in "ab")


def result_of(query: str, columns: str, path: Path, name: str = "result", options: str = "") -> str:
    return (f"CREATE SERVER {name} FOREIGN DATA WRAPPER file OPTIONS (path '{path}');\n"
            f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {name}{options};\n"
            f"INSERT INTO {name} {query};\n")


def pipeline(folder: Path, columns: str, query: str, rows: int, declared: str = COLUMNS) -> str:
    return (tables(folder.parent, declared) + f"SET bourn.epoch_rows = {rows};\n"
            + result_of(query, columns, folder / "result.ndjson"))


def run_bourn(folder: Path, sql: str, workers: int, stops: list[float]) -> list[tuple]:
    folder.mkdir()
    (folder / "p.sql").write_text(sql)
    words = [str(BOURN), "run", "--quiet", "--workers", str(workers), str(folder / "p.sql")]
    env = {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")}
    for seconds in stops:  # killed, and begun again where it was
        process = subprocess.Popen(words, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{sql}"
    result = folder / "result.ndjson"
    lines = result.read_text().splitlines() if result.exists() else []
    return [tuple(json.loads(line, parse_float=str, parse_int=str).values()) for line in lines]


def answer(postgres: Postgres, columns: str, query: str) -> list[tuple]:
    columns, _, key = columns.partition(", PRIMARY KEY ")
    types = [re.sub(r"^\w+ ", "", column.strip()) for column in re.split(r",(?![^(]*\))", columns)]
    names = ", ".join(f"c{i}" for i in range(len(types)))
    casts = ", ".join(f"(c{i}::{t})::text" for i, t in enumerate(types))
    named = [column.split()[0] for column in re.split(r",(?![^(]*\))", columns)]
    places = [named.index(part) for part in key.strip("()").split(", ") if part]
    parts = ", ".join(f"c{i}::{types[i]}" for i in places)
    same = f"count(*) OVER (PARTITION BY {parts})" if key else "1"
    rows = postgres.rows(f"SELECT {casts} FROM (SELECT *, {same} AS same FROM ({for_postgresql(query)}) AS q({names})) "
                         f"AS q WHERE same = 1")
    return [tuple(row) for row in rows]


def text(cell) -> str | None:
    """One spelling for PostgreSQL's and JSON's."""
    if isinstance(cell, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00)?", cell):
        return datetime.datetime.fromisoformat(re.sub(r"\+00$", "+00:00", cell.replace("Z", "+00:00"))).isoformat()
    return str(cell).lower() if isinstance(cell, bool) else cell


def comparable(rows: list[tuple]) -> Counter:
    return Counter(tuple(text(cell) for cell in row) for row in rows)


def differ(got: Counter, wanted: Counter) -> str:
    missing, extra = wanted - got, got - wanted
    return f"missing {list(missing.items())[:5]}\nextra {list(extra.items())[:5]}\n" \
           f"{sum(missing.values())} missing, {sum(extra.values())} too many of {sum(wanted.values())}"


CUTS = [(1_000_000, 1, []), (41, 1, []), (9, 2, []), (50, 8, [0.05, 0.02]), (13, 1, [0.03, 0.03, 0.03])]


def check(postgres: Postgres, name: str, columns: str, query: str) -> None:
    wanted = comparable(answer(postgres, columns, query))
    assert wanted, "the case is empty: it shows nothing"
    cuts = CUTS + ([(1, 1, [])] if suite.random.random() < 0.1 or LONG else [])  # a row an epoch takes its time
    for i, (rows, workers, stops) in enumerate(cuts):
        folder = suite.folder / f"{name.replace(' ', '-')}-{i}"
        got = comparable(run_bourn(folder, pipeline(folder, columns, query, rows), workers, stops))
        assert got == wanted, f"{rows} rows an epoch, {workers} workers, stops {stops}\n{differ(got, wanted)}\n{folder}"


# ---- a stream that does not end, joined with a table that does ----

REFERENCE = {
    "left": "SELECT a.id, r.v FROM a LEFT JOIN r ON a.k = r.k AND a.j < r.v",
    "inner": "SELECT a.id, r.v FROM r JOIN a ON a.k = r.k",
    "semi": "SELECT a.id, a.v FROM a WHERE EXISTS (SELECT 1 FROM r WHERE r.k = a.k AND r.v > a.v)",
    "anti": "SELECT a.id, a.v FROM a WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.k = a.k AND r.v = a.v)",
}


def check_reference(postgres: Postgres, kind: str, workers: int) -> None:
    folder = suite.folder / f"reference-{kind}-{workers}"
    folder.mkdir()
    rows = [(k, v) for k in range(0, 12, 2) for v in range(k % 4 + 1)]
    (folder / "r.csv").write_text("k,v\n" + "".join(f"{k},{v}\n" for k, v in rows))
    postgres.run("DROP TABLE IF EXISTS r; CREATE TABLE r (k int, v int); INSERT INTO r VALUES "
                 + ", ".join(f"({k}, {v})" for k, v in rows))
    sql = pipeline(folder, "a int, b int", REFERENCE[kind], 20)
    sql = sql.replace(f"{suite.folder}/a.ndjson'", f"{suite.folder}/a.ndjson', follow 'true'")
    sql = "CREATE TABLE r (k int, v int);\nCOPY r FROM 'r.csv' WITH (FORMAT csv, HEADER true);\n" + sql
    (folder / "p.sql").write_text(sql)
    plan = suite.command([BOURN, "explain", folder / "p.sql"]).stdout
    assert "not kept, because" in plan and "updating" not in plan, plan
    suite.command([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, folder / "p.sql"], cwd=folder,
                  env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
    lines = (folder / "result.ndjson").read_text().splitlines()
    got = comparable([tuple(json.loads(line, parse_float=str, parse_int=str).values()) for line in lines])
    wanted = comparable(answer(postgres, "a int, b int", REFERENCE[kind]))
    assert wanted and got == wanted, differ(got, wanted)


def what_comes_early_meets_all_of_a_reference_table(folder: Path) -> None:
    """VALUES, and a count of nothing, are there before the table has been read; its first rows, when it has."""
    (folder / "a.ndjson").write_text("".join(f'{{"id":{i}}}\n' for i in range(8)))
    (folder / "b.ndjson").write_text("")
    (folder / "r.csv").write_text("".join(f"{k},{10 * k}\n" for k in range(20, -1, -1)))
    queries = {"constants": "SELECT v.k, r.v FROM (VALUES (3), (99)) AS v (k) LEFT JOIN r ON r.k = v.k",
               "count": "SELECT c.n::int, r.v FROM (SELECT count(*) AS n FROM b) AS c LEFT JOIN r ON r.k = c.n",
               "first": "SELECT a.id, r.v FROM a LEFT JOIN (SELECT * FROM r ORDER BY k LIMIT 2) AS r ON r.k = a.id"}
    sql = (tables(folder, "id int") + "CREATE TABLE r (k int, v int);\nCOPY r FROM 'r.csv' WITH (FORMAT csv);\n"
           "SET bourn.epoch_rows = 3;\n")
    for name, query in queries.items():
        sql += result_of(query, "k int, v int", folder / f"{name}.ndjson", name)
    (folder / "p.sql").write_text(sql)
    suite.command([BOURN, "run", "--quiet", folder / "p.sql"], cwd=folder,
                  env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
    found = {name: sorted(tuple(json.loads(line).values()) for line in
                          (folder / f"{name}.ndjson").read_text().splitlines()) for name in queries}
    assert found == {"constants": [(3, 30), (99, None)], "count": [(0, 0)],
                     "first": [(0, 0), (1, 10), *((i, None) for i in range(2, 8))]}, found


def a_silent_stream_has_a_count(folder: Path) -> None:
    """What is there without any row comes at once, and once: of a followed file that is empty at first. NOT IN
    reference data, where neither can be NULL, is appended."""
    for name, text in (("a.ndjson", ""), ("r.csv", "4\n5\n"), ("absent.ndjson", "")):
        (folder / name).write_text(text)
    sql = ("CREATE FOREIGN TABLE a (id int NOT NULL) SERVER file OPTIONS (path 'a.ndjson', follow 'true');\n"
           "CREATE TABLE r (k int NOT NULL);\nCOPY r FROM 'r.csv' WITH (FORMAT csv);\n"
           + result_of("SELECT id FROM a WHERE id NOT IN (SELECT k FROM r WHERE k > 0)", "id int",
                       folder / "absent.ndjson", "absent")
           + result_of("SELECT 1, count(*), max(id) FROM a", "one int, n bigint, most int, PRIMARY KEY (one)",
                       folder / "counted.ndjson", "counted")
           + result_of("VALUES (7)", "v int", folder / "constant.ndjson", "constant"))
    (folder / "p.sql").write_text(sql)
    more = '{"id":5}\n{"id":3}\n'
    for lines, counted in (("", (1, 0, None)), ("", (1, 0, None)), (more, (1, 2, 5)), ("", (1, 2, 5))):
        with (folder / "a.ndjson").open("a") as file:
            file.write(lines)
        suite.command([BOURN, "run", "--quiet", "--until-caught-up", folder / "p.sql"], cwd=folder,
                      env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
        found = [(folder / f"{name}.ndjson").read_text().splitlines() for name in ("counted", "constant")]
        assert [tuple(json.loads(line).values()) for line in found[0]] == [counted], found
        assert found[1] == ['{"v":7}'], found
    assert (folder / "absent.ndjson").read_text() == '{"id":3}\n'


def what_ends_beside_a_stream_comes_in_order(folder: Path) -> None:
    """ORDER BY, LIMIT and groups that are appended wait for the end of what they read, not for that of the pipeline. A
    file that has grown since is late there."""
    rows = [{"id": i, "k": i * i % 11, "ts": f"2026-01-01T00:{i // 60:02}:{i % 60:02}Z"}
            for i in range(200)]
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "a.ndjson").write_text("")
    (folder / "b.ndjson").write_text("".join(lines))
    order = sorted((row["k"], row["id"]) for row in rows)
    wanted = {"ordered": order, "most": order[-3:-5:-1], "constant": [(1, 5), (2, 4)],
              "counted": sorted(Counter(row["k"] for row in rows).items()),
              "windows": sorted(Counter(row["id"] // 30 for row in rows).items())}
    queries = {"ordered": "SELECT k, id FROM b ORDER BY k, id",
               "most": "SELECT k, id FROM b ORDER BY k DESC, id DESC LIMIT 2 OFFSET 2",
               "constant": "SELECT * FROM (VALUES (2, 4), (1, 5)) AS v (x, y) ORDER BY x",
               "counted": "SELECT k, count(*)::int FROM b GROUP BY k",
               "windows": "SELECT extract(epoch FROM window_start - timestamptz '2026-01-01Z')::int / 30, count(*) "
                          "FROM tumble(b, ts, interval '30 s') GROUP BY window_start, window_end ORDER BY 1"}
    sql = "SET bourn.epoch_rows = 60;\n" + "".join(
        f"CREATE FOREIGN TABLE {name} (id int, k int, ts timestamptz{WATERMARK}) SERVER file "
        f"OPTIONS (path '{name}.ndjson'{follow});\n" for name, follow in (("a", ", follow 'true'"), ("b", "")))
    for name, query in queries.items():
        sql += result_of(query, "x int, y int", folder / f"{name}.ndjson", name)
    sql += result_of("SELECT id, k FROM a", "x int, y int", folder / "stream.ndjson", "stream")
    sql += result_of("SELECT rules FROM bourn.rejected", "rules text", folder / "refused.ndjson", "refused")
    (folder / "p.sql").write_text(sql)
    (folder / "refused.ndjson").write_text("")
    for more in ("", "", lines[0]):
        with (folder / "b.ndjson").open("a") as file:
            file.write(more)
        suite.command([BOURN, "run", "--quiet", "--until-caught-up", folder / "p.sql"], cwd=folder,
                      env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
        found = {name: [tuple(json.loads(line).values()) for line in
                        (folder / f"{name}.ndjson").read_text().splitlines()] for name in [*queries, "refused"]}
        found["counted"].sort()
        assert found == wanted | {"refused": [("late",)] * len(more and queries.keys() - {"constant"})}, found


# ---- the order in which rows come, within what the watermark allows, means nothing; nor does when a sink is told ----

ONCE = "WITH once AS (SELECT DISTINCT ON (id) id, coalesce(k, -1) AS k, j, v, ts FROM a) "
WINDOWS = {
    "session": ONCE + "SELECT k, window_start, window_end, count(*), sum(v), min(id) "
               "FROM session(once, ts, interval '3 s', k) GROUP BY k, window_start, window_end",
    "hop": ONCE + "SELECT k, window_start, window_end, count(*) FILTER (WHERE j > 0), sum(v), max(id) "
           "FROM hop(once, ts, interval '700 ms', interval '7 s') GROUP BY k, window_start, window_end",
    "cumulate": ONCE + "SELECT k, window_start, window_end, count(*), sum(v), max(id) "
                "FROM cumulate(once, ts, interval '2 s', interval '8 s') GROUP BY k, window_start, window_end",
}
RESULT = "k int{0}, ws timestamptz{0}, we timestamptz{0}, n bigint, s bigint, m int"
SINKS = {
    "appended": RESULT.format(""),
    "on change": RESULT.format(" NOT NULL") + ", PRIMARY KEY (k, ws, we)",
    "on close": RESULT.format(" NOT NULL") + ", PRIMARY KEY (k, ws, we)",
}


BOTH = ONCE.rstrip() + ", other AS (SELECT DISTINCT ON (id) id, coalesce(k, -1) AS k, j, v, ts FROM b) "
BETWEEN = "y.k = x.k AND y.ts BETWEEN x.ts - interval '3 s' AND x.ts + interval '1 s'"
TWO = "a int, b int"
ANY_ORDER = {  # with more than one table, or of rows that are taken back
    "interval join": (TWO, BOTH + f"SELECT x.id, y.id FROM once x JOIN other y ON {BETWEEN}"),
    "outer interval join": (TWO, BOTH + "SELECT x.id, y.id FROM once x FULL JOIN other y "
                            f"ON {BETWEEN} AND y.v > x.v"),
    "interval anti join": (TWO, BOTH + "SELECT x.id, x.v FROM once x WHERE NOT EXISTS "
                           f"(SELECT 1 FROM other y WHERE {BETWEEN})"),
    "counts of counts": ("n bigint, c bigint", ONCE + "SELECT n, count(*) FROM (SELECT k, v, count(*) AS n FROM once "
                         "GROUP BY k, v) q GROUP BY n"),
    "extremes of sums": ("j int, a numeric(20,0), b numeric(20,0)", ONCE + "SELECT j, min(s), max(s) FROM "
                         "(SELECT j, k, sum(v) AS s FROM once GROUP BY j, k) q GROUP BY j"),
    "first of counts": ("r bigint, j int, k int, n bigint", ONCE + "SELECT r, j, k, n FROM (SELECT *, row_number() "
                        "OVER (PARTITION BY j ORDER BY n DESC, k) AS r FROM (SELECT j, k, count(*) AS n FROM once "
                        "GROUP BY j, k) g) q WHERE r <= 3"),
    "join of counts": ("k int, a bigint, b bigint", BOTH + "SELECT x.k, x.n, y.n FROM (SELECT k, count(*) AS n "
                       "FROM once GROUP BY k) x FULL JOIN (SELECT k, count(*) AS n FROM other GROUP BY k) y "
                       "ON x.n = y.n"),
}


def write_shuffled(folder: Path) -> None:
    """Rows in another order that the watermark allows, each once more at times."""
    folder.mkdir()
    for name in "ab":
        rows = [json.loads(line) for line in (suite.folder / f"{name}.ndjson").read_text().splitlines()]
        found = [row for row in rows for _ in range(suite.random.randint(1, 2))]
        found.sort(key=lambda row: datetime.datetime.fromisoformat(row["ts"]).timestamp() + suite.random.random() * 1.9)
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in found))


def check_arrival(postgres: Postgres, kind: str, columns: str, query: str, emit: str = "appended") -> None:
    wanted = comparable(answer(postgres, re.sub(r" NOT NULL|, PRIMARY KEY.*", "", columns), query))
    assert wanted, "the case is empty: it shows nothing"
    for i, (cut, workers, stops) in enumerate([(1_000_000, 2, []), (9, 1, [0.05]), (60, 3, [])]):
        folder = suite.folder / f"arrival-{kind}-{emit}-{i}".replace(" ", "-")
        write_shuffled(folder)
        sql = pipeline(folder / "run", columns, query, cut)
        if emit != "appended":
            sql = sql.replace(f"({columns}) SERVER result", f"({columns}) SERVER result OPTIONS (emit '{emit}')")
        got = comparable(run_bourn(folder / "run", sql, workers, stops))
        assert got == wanted, f"{cut} rows an epoch, {workers} workers\n{differ(got, wanted)}\n{folder}"


def check_late(kind: str) -> None:
    """Of a row that comes late, windows that are open have it and others do not: made of panes (appended) as by rows
    (changing), over the same epochs."""
    found = {}
    rows = [json.loads(line) for line in (suite.folder / "a.ndjson").read_text().splitlines()]
    rows.sort(key=lambda row: datetime.datetime.fromisoformat(row["ts"]).timestamp() + suite.random.random() * 9)
    for sink in ("appended", "on change"):
        folder = suite.folder / f"late-{kind}-{sink.replace(' ', '-')}"
        folder.mkdir()
        (folder / "a.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "b.ndjson").write_text("")
        query = WINDOWS[kind].replace("DISTINCT ON (id) ", "")
        sql = pipeline(folder / "run", SINKS[sink], query, 9)
        if sink != "appended":
            sql = sql.replace(f"({SINKS[sink]}) SERVER result",
                              f"({SINKS[sink]}) SERVER result OPTIONS (emit '{sink}')")
        found[sink] = comparable(run_bourn(folder / "run", sql, 1, []))
        said = suite.command([BOURN, "status", "--state", folder / "run/state"]).stdout
        assert "late " in said, f"no row was late, which shows nothing\n{said}"
    assert found["appended"] == found["on change"], differ(found["appended"], found["on change"])


# ---- a row that is there twice is two rows, also to an output contract ----

def refused_as_often_as_it_is_there(folder: Path) -> None:
    (folder / "a.ndjson").write_text('{"k":1,"v":-5}\n{"k":2,"v":7}\n')
    (folder / "b.ndjson").write_text('{"k":1}\n{"k":2}\n' * 3)  # each meets three that are equal
    (folder / "p.sql").write_text(
        tables(folder, "k int, v int")
        + f"CREATE SERVER out FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/out.ndjson');\n"
        "CREATE FOREIGN TABLE out (v int, CONSTRAINT positive CHECK (v > 0)) SERVER out;\n"
        "INSERT INTO out SELECT a.v FROM a JOIN b ON a.k = b.k;\n"
        + result_of("SELECT rules FROM bourn.rejected", "rules text", folder / "dead.ndjson", "dead"))
    env = {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")}
    suite.command([BOURN, "run", "--quiet", folder / "p.sql"], cwd=folder, env=env)
    assert (folder / "out.ndjson").read_text().splitlines() == ['{"v":7}'] * 3
    assert (folder / "dead.ndjson").read_text().splitlines() == ['{"rules":"positive"}'] * 3
    said = suite.command([BOURN, "query", folder / "p.sql", "--json", "-e",
                          "SELECT rows_in, rows_out, rejected FROM bourn.ledger WHERE name = 'out'"], env=env).stdout
    assert json.loads(said) == {"rows_in": 6, "rows_out": 3, "rejected": 3}, said


# ---- a window that would begin before the year 1, or end after 9999, has no bounds to be written ----

def windows_lie_in_the_years_1_to_9999(folder: Path) -> None:
    times = ["0001-01-01T00:00:03Z", "0001-01-01T00:01:00Z", "9999-12-31T23:59:58Z", "9999-12-31T23:58:00Z"]
    (folder / "a.ndjson").write_text("".join(f'{{"id":{i},"ts":"{ts}"}}\n' for i, ts in enumerate(times)))
    (folder / "b.ndjson").write_text("")
    windows = {"tumble": "tumble(a, ts, interval '10 s', interval '5 s')", "session": "session(a, ts, interval '2 s')",
               "hop": "hop(a, ts, interval '5 s', interval '10 s')",
               "cumulate": "cumulate(a, ts, interval '5 s', interval '10 s', interval '4 s')"}
    declared = tables(folder, "id int, ts timestamptz{}").replace("2 s", "1000000 days")
    sql = "SET bourn.max_ahead = '4000000 days';\n" + declared
    for name, window in windows.items():
        sql += result_of(f"SELECT window_start, window_end, min(id) FROM {window} GROUP BY window_start, window_end",
                         "first text, last text, id int", folder / f"{name}.ndjson", name)
    sql += result_of("SELECT rules, step FROM bourn.rejected", "rules text, step text", folder / "dead.ndjson", "dead")
    (folder / "p.sql").write_text(sql)
    suite.command([BOURN, "run", "--quiet", folder / "p.sql"], cwd=folder,
                  env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
    found = {name: {line["id"] for line in map(json.loads, (folder / f"{name}.ndjson").read_text().splitlines())}
             for name in windows}
    assert found == {"tumble": {1, 3}, "session": {0, 1, 3}, "hop": {1, 3}, "cumulate": {1, 3}}, found
    dead = Counter(line["rules"] for line in map(json.loads, (folder / "dead.ndjson").read_text().splitlines()))
    assert dead == {"error:22008": 7}, dead


# ---- of a row that becomes many, none, or fails, the ledger has all ----

def rows_of_functions_are_in_the_ledger(folder: Path) -> None:
    rows = [{"id": 1, "j": [1, 2, 3], "n": 2}, {"id": 2, "j": [], "n": 0}, {"id": 3, "j": {"a": 1}, "n": 1},
            {"id": 4, "j": None, "n": 3}, {"id": 5, "j": [9], "n": 10_001}, {"id": 6, "j": [7, None], "n": 10_000}]
    (folder / "a.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "b.ndjson").write_text("")
    columns = "id int, j jsonb, n int"
    sql = (tables(folder, columns)
           + result_of("SELECT id, e, i FROM a CROSS JOIN LATERAL jsonb_array_elements(j) WITH ORDINALITY AS u (e, i)",
                       "id int, e jsonb, i bigint", folder / "elements.ndjson", "elements")
           + result_of("SELECT count(*), min(g), max(g) FROM a, generate_series(1, n) AS g",
                       "n bigint, least int, most int", folder / "series.ndjson", "series")
           + result_of("SELECT rules, error, raw::text FROM bourn.rejected", "rules text, error text, raw text",
                       folder / "dead.ndjson", "dead"))
    (folder / "p.sql").write_text(sql)
    env = {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")}
    suite.command([BOURN, "run", "--quiet", folder / "p.sql"], cwd=folder, env=env)
    found = [json.loads(line) for line in (folder / "elements.ndjson").read_text().splitlines()]
    assert found == [{"id": 1, "e": 1, "i": 1}, {"id": 1, "e": 2, "i": 2}, {"id": 1, "e": 3, "i": 3},
                     {"id": 5, "e": 9, "i": 1}, {"id": 6, "e": 7, "i": 1}, {"id": 6, "e": None, "i": 2}], found
    assert json.loads((folder / "series.ndjson").read_text()) == {"n": 10_006, "least": 1, "most": 10_000}
    dead = sorted((line["rules"], line["error"]) for line in
                  map(json.loads, (folder / "dead.ndjson").read_text().splitlines()))
    assert dead == [("error:22023", "cannot extract elements from an object"),
                    ("error:54000", "generate_series() would make more than 10000 rows of one")], dead
    said = suite.command([BOURN, "query", folder / "p.sql", "--json", "-e", "SELECT rows_in, rows_out, filtered, error "
                          "FROM bourn.ledger WHERE name LIKE '%unnest%' ORDER BY rows_in"], env=env).stdout
    # Of six rows one failed in the step before; of five, two had no elements, and three became six.
    assert [json.loads(line) for line in said.splitlines()] == [
        {"rows_in": 8, "rows_out": 6, "filtered": 2, "error": 0},
        {"rows_in": 10_007, "rows_out": 10_006, "filtered": 1, "error": 0}], said
    explained = suite.command([BOURN, "explain", folder / "p.sql"]).stdout
    assert "a row for each element of jsonb_array_elements as e, numbered as i" in explained, explained


def a_row_becomes_a_million_at_most(folder: Path) -> None:
    for name, n in (("a", 1_000_001), ("b", 1_000_000)):
        (folder / f"{name}.ndjson").write_text(json.dumps({"id": 1, "l": [True] * n}) + "\n" + '{"id":2,"l":[true]}\n')
    (folder / "p.sql").write_text(
        tables(folder, "id int, l boolean[]")
        + "".join(result_of(f"SELECT count(*), sum(id) FROM {name}, unnest(l) AS e", "n bigint, s bigint",
                            folder / f"{name}.out", f"of_{name}") for name in "ab")
        + result_of("SELECT rules, error FROM bourn.rejected", "rules text, error text", folder / "dead.ndjson",
                    "dead"))
    suite.command([BOURN, "run", "--quiet", folder / "p.sql"], cwd=folder,
                  env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
    assert json.loads((folder / "a.out").read_text()) == {"n": 1, "s": 2}
    assert json.loads((folder / "b.out").read_text()) == {"n": 1_000_001, "s": 1_000_002}
    assert json.loads((folder / "dead.ndjson").read_text()) == {
        "rules": "error:54000", "error": "unnest() would make more than 1000000 rows of one"}


# ---- equal values that look different: a group looks like its first row ----

SAME_LENGTH = ["1 mon", "30 days", "720:00:00", "29 days 24:00:00"]
SAME_NUMBER = ['{"a": 1.50}', '{"a": 1.5}', '{"a": 1.500}']


def groups_look_like_their_first_row(folder: Path) -> None:
    rows = [{"id": i, "i": suite.random.choice(SAME_LENGTH), "j": json.loads(suite.random.choice(SAME_NUMBER)),
             "k": suite.random.randrange(9)} for i in range(500)]
    texts = [suite.random.choice(SAME_NUMBER) for _ in rows]
    lines = [json.dumps(row | {"j": 0}).replace('"j": 0', f'"j": {text}') for row, text in zip(rows, texts)]
    (folder / "a.ndjson").write_text("".join(line + "\n" for line in lines))
    (folder / "b.ndjson").write_text("")
    first: dict[int, tuple] = {}
    for row, text in zip(rows, texts):
        first.setdefault(row["k"], (row["i"], text))
    for cut, workers, stops in CUTS:
        place = folder / f"{cut}-{workers}"
        sql = tables(folder, "id int, i interval, j jsonb, k int") + f"SET bourn.epoch_rows = {cut};\n" + result_of(
            "SELECT k, i::text, j::text, count(*) FROM a GROUP BY k, i, j", "k int, i text, j text, n bigint",
            place / "result.ndjson") + result_of("SELECT i::text FROM (SELECT DISTINCT i FROM a) d", "i text",
                                                 place / "once.ndjson", "once")
        found = run_bourn(place, sql, workers, stops)
        assert {int(k): (i, j) for k, i, j, n in found} == first and len(found) == len(first), (found, first)
        assert [row[0] for row in rows_of(place / "once.ndjson")] == [rows[0]["i"]]


# ---- queries nobody thought of ----

RANDOM_CUTS = [(1_000_000, 1, []), (1, 1, []), (7, 2, []), (20, 8, []), (3, 2, [0.03, 0.02])]
AT_ONCE = 6  # queries of one pipeline: most of what a query costs is to begin
Asked = tuple[random_queries.Relation, list[tuple]]  # and PostgreSQL's answer
refusals: Counter = Counter()


def refused(sql: str) -> bool:
    """By a message that is counted."""
    said = suite.command([BOURN, "check", "-"], input=sql, check=None).stderr
    found = re.search(r":\d+:\d+: error: (.*)", said)
    if found:
        refusals[re.sub(r'"[^"]*"|\w+\(\)', "...", found[1])] += 1
    return found is not None


def asked(postgres: Postgres, made: random_queries.Relation) -> Asked | None:
    """None where PostgreSQL has no answer, or too much of one, or bourn says at once that it has none."""
    if refused(tables(Path("."), random_queries.DECLARED) + result_of(made.shown(), made.columns(), Path("r"))):
        return None
    try:
        wanted = [tuple(map(text, row)) for row in answer(postgres, made.columns(), made.shown())]
    except RuntimeError:
        return None
    return (made, wanted) if len(wanted) <= random_queries.MOST_ROWS else None


def rows_of(path: Path) -> list[tuple]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [tuple(text(cell) for cell in json.loads(line, parse_float=str, parse_int=str).values()) for line in lines]


def wrong(folder: Path, queries: list[Asked], cut: tuple, workers: tuple = (), spill: bool = False) -> list[str]:
    """What is wrong with bourn's answer to each, or how it is another with so many workers; "" where nothing is."""
    rows, few, stops = cut
    folder = folder / f"{time.monotonic_ns()}"
    folder.mkdir()
    found, first = [""] * len(queries), []
    for many in (few, *workers):
        place = folder / f"{many}"
        results = [place / f"r{i}.ndjson" for i in range(len(queries))]
        sql = f"SET bourn.epoch_rows = {rows};\n" + ("SET bourn.epoch_interval = '1 h';\n" if workers else "")
        if spill:
            sql += f"SET bourn.spill = '{suite.disk / folder.name}-{many}';\nSET bourn.state_memory = '1 MiB';\n"
        sql += tables(folder.parent, random_queries.DECLARED) + "".join(
            result_of(made.shown(), made.columns(), path, path.stem) for (made, _), path in zip(queries, results))
        try:
            run_bourn(place, sql, many, stops)
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            return [f"{failure}\n{place}"] * len(queries)
        # Where it was stopped an epoch may have ended, and rows go out by epochs.
        written = [sorted(path.read_bytes().splitlines()) if path.exists() and stops else
                   path.read_bytes().splitlines() if path.exists() else [] for path in results]
        first = first or written
        for i, (made, wanted) in enumerate(queries):
            found[i] = found[i] or random_queries.differ(rows_of(results[i]), wanted, made.types)
            if not found[i] and written[i] != first[i]:
                found[i] = f"{many} workers write other bytes than {few}"
    if not any(found):
        shutil.rmtree(folder)
    return [f"{one}\n{folder}" if one else "" for one in found]


def smallest(postgres: Postgres, folder: Path, made: random_queries.Relation, cut: tuple) -> random_queries.Relation:
    for part in made.parts:
        one = asked(postgres, part)
        if one and any(wrong(folder, [one], cut)):
            return smallest(postgres, folder, part, cut)
    return made


def random_batch(postgres: Postgres, folder: Path) -> tuple[int, int]:
    """Some queries at once; how many, and how many more there is no answer to."""
    seed = suite.random.randrange(1 << 32)
    rnd = random.Random(seed)
    made = [asked(postgres, random_queries.relation(rnd, rnd.choice([0, 1, 1, 2, 2, 3]))) for _ in range(AT_ONCE)]
    queries = [one for one in made if one]
    cut = rnd.choice(RANDOM_CUTS)
    workers = tuple({1, 2, 8} - {cut[1]}) if rnd.random() < 0.3 else ()
    spill = rnd.random() < 0.2
    for (one, _), said in zip(queries, wrong(folder, queries, cut, workers, spill) if queries else []):
        if said:
            small = smallest(postgres, folder, one, cut)
            raise AssertionError(f"rows, workers, stops: {cut}, {workers}; queries {seed}\n{small.sql}\n{said}")
    return len(queries), len(made) - len(queries)


def check_random(postgres: Postgres, folder: Path, wanted: int) -> None:
    checked = skipped = batches = 0
    postgres.run("ALTER ROLE postgres SET statement_timeout = '2s'")  # what takes longer is no query for a test
    while checked < wanted:
        if batches % 12 == 0:
            random_queries.write_rows(folder, suite.random)
            load(postgres, folder, random_queries.DECLARED)
        more, without = random_batch(postgres, folder)
        checked, skipped, batches = checked + more, skipped + without, batches + 1
    postgres.run("ALTER ROLE postgres RESET statement_timeout")
    print(f"# {checked} queries; no answer to {skipped} more: {dict(refusals.most_common())}")
    assert checked > 3 * refusals.total(), "the queries are of no use"


# ---- what is published after every epoch ----

# Where the condition fails, whether two rows meet is not known: there is no row of both, and neither stands alone.
A_AND_B = ("(SELECT k, count(*) AS n FROM a GROUP BY k) x", "(SELECT k, j, count(*) AS n FROM b GROUP BY k, j) y")
ON = "x.k = y.k AND /*postgresql CASE WHEN y.n % 3 = 0 THEN {} ELSE*/ x.n % 7 / (y.n % 3) > 2 /*postgresql END*/"
EVERY = {
    "counts": "SELECT k, count(*), sum(n), max(t), count(DISTINCT v) FROM a GROUP BY k HAVING count(*) % 3 <> 1",
    "joined": "SELECT a.k, count(*), sum(b.n), min(b.f) FROM a JOIN b ON a.k = b.k AND a.v = b.v AND a.j = b.j "
              "AND a.t < b.t GROUP BY a.k",
    "outer": "SELECT x.k, x.n, y.n, z.k FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x FULL JOIN (SELECT v, "
             "count(*) AS n FROM b GROUP BY v) y ON x.n = y.n LEFT JOIN (SELECT k, max(id) AS m FROM b GROUP BY k) z "
             "ON z.m = y.n",
    "without": "SELECT k, id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.t = a.t AND b.n > a.n)",
    "around": "SELECT k, (SELECT sum(n) FROM b WHERE b.k = x.k), EXISTS (SELECT 1 FROM b WHERE b.v = x.m), y.id, y.v, "
              "c FROM (SELECT k, max(v) AS m FROM a GROUP BY k) x LEFT JOIN LATERAL (SELECT id, v FROM b WHERE "
              "b.k = x.k ORDER BY v DESC NULLS LAST, id LIMIT 3 OFFSET 2) y ON y.id % 3 > 0, LATERAL (SELECT "
              "count(*) AS c FROM b WHERE b.k = x.k AND b.v = y.v) z WHERE c < (SELECT count(*) / 5 FROM b)",
    "not in": "SELECT id, v FROM a WHERE j NOT IN (SELECT count(*) / 40 FROM b GROUP BY k, v)",
    "undecided": f"SELECT x.k, x.n, y.j, y.n FROM {' FULL JOIN '.join(A_AND_B)} ON {ON.format('true')} "
                 "/*where y.n % 3 <> 0 OR x.n IS NULL*/",
    "undecided without": f"SELECT x.k, x.n FROM {A_AND_B[0]} WHERE NOT EXISTS (SELECT 1 FROM {A_AND_B[1]} WHERE "
                         f"{ON.format('true')})",
    "undecided with": f"SELECT x.k, x.n FROM {A_AND_B[0]} WHERE EXISTS (SELECT 1 FROM {A_AND_B[1]} WHERE "
                      f"{ON.format('false')})",
    "windows": "SELECT window_start, k, count(*), sum(n) FROM tumble(a, ts, interval '60 s') GROUP BY window_start, k",
    "elements": "SELECT k, e, i FROM (SELECT k, array_agg(v ORDER BY t, v) FILTER (WHERE id % 7 > 1) AS vs FROM a "
                "GROUP BY k) AS g LEFT JOIN LATERAL unnest(vs) WITH ORDINALITY AS u (e, i) ON true WHERE i % 40 < 2",
}
TYPES = {"counts": "int bigint num text bigint", "joined": "int bigint num dbl", "outer": "int bigint bigint int",
         "without": "int int", "around": "int num bool int int bigint", "not in": "int int",
         "undecided": "int bigint int bigint", "undecided without": "int bigint", "undecided with": "int bigint",
         "windows": "time int bigint num", "elements": "int int bigint"}


def counted(made: random_queries.Relation) -> str:
    """The rows of a query as the groups of another, so that a sink with a key has all of them."""
    texts = ", ".join(f"coalesce(c{i}::{random_queries.SQL[of]}::text, '?')" for i, of in enumerate(made.types))
    names = ", ".join(f"c{i}" for i in range(len(made.types)))
    return f"SELECT concat_ws('|', {texts}) AS row, count(*) AS n FROM ({made.sql}) AS q({names}) GROUP BY 1"


def streamed(folder: Path, queries: list[str]) -> str:
    return tables(folder, random_queries.DECLARED, ", follow 'true'") + "".join(
        result_of(query, "row text PRIMARY KEY, n bigint", folder / f"r{i}.ndjson", f"r{i}",
                  " OPTIONS (emit 'on change')") for i, query in enumerate(queries))


def answers_of(postgres: Postgres, queries: list[str]) -> list[list[tuple] | None]:
    """Of each query; None: it takes too long, or what is there so far is an error."""
    try:
        rows = postgres.rows(for_postgresql(" UNION ALL ".join(
            f"SELECT {i}, row, n FROM ({query}) AS r{i}" for i, query in enumerate(queries))))
        return [[(row, n) for query, row, n in rows if query == str(i)] for i in range(len(queries))]
    except RuntimeError:
        return [None] if len(queries) == 1 else [one for query in queries for one in answers_of(postgres, [query])]


def check_every(postgres: Postgres, folder: Path, made: list, epochs: int, workers: int) -> int:
    """The files grow by an epoch's rows at a time, and bourn goes on with its state. How many results were compared."""
    folder.mkdir(exist_ok=True)
    postgres.run("TRUNCATE a; TRUNCATE b")
    lines = {name: (folder.parent / f"{name}.ndjson").read_text().splitlines(True) for name in "ab"}
    queries = [counted(one) for one in made]
    (folder / "p.sql").write_text(streamed(folder, queries))
    compared = 0
    for epoch in range(1, epochs + 1):
        for name in "ab":
            upto = len(lines[name]) * epoch // epochs
            (folder / f"{name}.ndjson").write_text("".join(lines[name][:upto]))
            postgres.run(f"INSERT INTO {name} SELECT {', '.join(random_queries.COLUMNS)} FROM all_{name} "
                         f"WHERE at < {upto} AND at >= (SELECT count(*) FROM {name}); ANALYZE {name}")
        suite.command([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, folder / "p.sql"],
                      cwd=folder, env={"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")})
        answers = answers_of(postgres, queries)
        for i in range(len(queries)):
            if answers[i] is None:
                continue
            wanted = Counter(answers[i])
            result = folder / f"r{i}.ndjson"
            found = result.read_text().splitlines() if result.exists() else []
            got = Counter(tuple(json.loads(line, parse_int=str).values()) for line in found)
            assert got == wanted, f"epoch {epoch}, {workers} workers\n{differ(got, wanted)}\n{folder}\n{made[i].sql}"
            compared += 1
    return compared


def load_prefixes(postgres: Postgres, folder: Path) -> None:
    """Tables of all rows with their places, beside those that get them bit by bit."""
    load(postgres, folder, random_queries.DECLARED + ", at int")
    for name in "ab":
        postgres.run(f"DROP TABLE IF EXISTS all_{name}; ALTER TABLE {name} RENAME TO all_{name}; "
                     f"CREATE TABLE {name} ({random_queries.DECLARED.format('')})")


def some_random(postgres: Postgres, folder: Path, count: int) -> list[random_queries.Relation]:
    """Without doubles among the results, whose text is not the same everywhere, and sessions over a query, which may
    come when windows in that have closed; PostgreSQL has an answer in the end."""
    postgres.run("TRUNCATE a; TRUNCATE b; " + "".join(
        f"INSERT INTO {name} SELECT {', '.join(random_queries.COLUMNS)} FROM all_{name};" for name in "ab"))
    found = []
    while len(found) < count:
        made = random_queries.relation(suite.random, suite.random.choice([0, 1, 1, 2, 2]))
        if not {"dbl", "flt"} & set(made.types) and "FROM session(w" not in made.sql and \
                not refused(streamed(folder, [counted(made)])) and \
                not postgres.error_of(f"SELECT * FROM ({for_postgresql(made.sql)}) AS q"):
            found.append(made)
    return found


def after_every_epoch(folder: Path, postgres: Postgres) -> None:
    random_queries.write_rows(folder, suite.random, 2490)
    load_prefixes(postgres, folder)
    made = [random_queries.Relation(query, TYPES[name].split()) for name, query in EVERY.items()]
    compared = check_every(postgres, folder / "x", made, 50, 2)
    assert compared == 50 * len(made), f"{compared} results were compared"


def after_every_epoch_of_random_queries(folder: Path, postgres: Postgres) -> None:
    random_queries.write_rows(folder, suite.random)
    load_prefixes(postgres, folder)
    postgres.run("ALTER ROLE postgres SET statement_timeout = '2s'")
    compared = sum(check_every(postgres, folder / f"{i}", some_random(postgres, folder, 6), 8, 1 + i % 2)
                   for i in range(100 if LONG else 3))
    postgres.run("ALTER ROLE postgres RESET statement_timeout")
    print(f"# {compared} results; refused: {dict(refusals.most_common())}")


def main() -> None:
    closing.run(suite)
    alone.run(suite)
    first_rows.run(suite)
    suite.run(refused_as_often_as_it_is_there)
    suite.run(groups_look_like_their_first_row)
    suite.run(windows_lie_in_the_years_1_to_9999)
    suite.run(what_comes_early_meets_all_of_a_reference_table)
    suite.run(a_silent_stream_has_a_count)
    suite.run(what_ends_beside_a_stream_comes_in_order)
    suite.run(rows_of_functions_are_in_the_ledger)
    suite.run(a_row_becomes_a_million_at_most)
    wanted = [case for case in cases() if suite.wants(case[0])]
    write_events(suite.folder, suite.random)
    with Postgres(suite.folder) as postgres:
        load(postgres, suite.folder)
        for name, columns, query in wanted:
            with suite.case(name):
                check(postgres, name, columns, query)
        arrivals = [(kind, columns, query, sink) for kind, query in WINDOWS.items() for sink, columns in SINKS.items()]
        arrivals += [(kind, columns, query, "appended") for kind, (columns, query) in ANY_ORDER.items()]
        for kind, columns, query, sink in arrivals:
            if suite.wants(f"arrival {kind}"):
                with suite.case(f"any order of arrival, {kind}, {sink}"):
                    check_arrival(postgres, kind, columns, query, sink)
        for kind in ("hop", "cumulate"):
            if suite.wants(f"late {kind}"):
                with suite.case(f"late rows, {kind}"):
                    check_late(kind)
        for kind in REFERENCE:
            for workers in (1, 3):
                if suite.wants(f"reference {kind}"):
                    with suite.case(f"reference table, {kind} join, {workers} workers"):
                        check_reference(postgres, kind, workers)
        if suite.wants("random queries"):
            with suite.case("random queries", limit=100 * LIMIT if LONG else LIMIT) as folder:
                check_random(postgres, folder, 40_000 if LONG else 400)
        suite.run(after_every_epoch, postgres)
        suite.run(after_every_epoch_of_random_queries, postgres, limit=3600 if LONG else LIMIT)
    suite.end()


if __name__ == "__main__":
    main()
