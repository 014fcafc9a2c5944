#!/usr/bin/env python3
"""Queries over streams: windows, joins, sessions, Top-N. Each is run over the same events however the stream is cut
into epochs, on one worker and several, stopped and continued in between; what is left at the end must be PostgreSQL's
answer.

    tests/streams/run.py            all of cases.sql
    tests/streams/run.py WORD...    those whose name has one of the words

cases.sql has a block per case: `-- case NAME: columns of the result`, then the query. Windows in FROM are given to
PostgreSQL as what they mean.
"""
from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import LONG, Suite, program  # noqa: E402
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
    at = BASE + datetime.timedelta(milliseconds=i * 250 + rnd.randint(-900, 900))
    return {"id": i, "k": rnd.choice([None, *range(12)]), "j": rnd.randrange(3), "v": rnd.choice([None, *range(6)]),
            "t": rnd.choice(["", "a", "bc", "ünïcödé", "a much longer text than fits", None]),
            "n": f"{rnd.randint(-99999, 99999) / 100:.2f}", "f": rnd.choice([0.5, -1.25, 3.0, 1e10, None]),
            "ts": at.isoformat()}


def write_events(folder: Path, rnd) -> None:
    for name in "ab":
        rows = [event(i, rnd) for i in range(ROWS)]
        rows += [dict(rnd.choice(rows[-5:]), id=ROWS + i) for i in range(10)]  # equal times, equal keys
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def load(postgres: Postgres, folder: Path) -> None:
    postgres.run("CREATE SCHEMA s")
    for name in "ab":
        columns = COLUMNS.format("")
        lines = "".join("\t".join(json.dumps(line).strip().replace("\\", "\\\\") for line in [row]) + "\n"
                        for row in map(json.loads, (folder / f"{name}.ndjson").read_text().splitlines()))
        path = folder / f"{name}.copy"
        path.write_text(lines)
        path.chmod(0o644)
        folder.chmod(0o755)
        postgres.run(f"CREATE TABLE {name} ({columns}); CREATE TEMP TABLE raw (line jsonb);"
                     f"COPY raw FROM '{path}';"
                     f"INSERT INTO {name} SELECT (jsonb_populate_record(NULL::{name}, line)).* FROM raw;")


# ---- windows, as PostgreSQL can say them ----

def windows_for_postgresql(query: str) -> str:
    origin = "TIMESTAMPTZ '1970-01-01 00:00:00Z'"

    def tumble(m: re.Match) -> str:
        t, ts, size = m.groups()
        start = f"date_bin('{size}', {ts}, {origin})"
        return f"(SELECT *, {start} AS window_start, {start} + interval '{size}' AS window_end FROM {t}) AS {t}"

    def hop(m: re.Match) -> str:
        t, ts, slide, size = m.groups()
        last = f"date_bin('{slide}', {ts}, {origin})"
        return (f"(SELECT {t}.*, ws AS window_start, ws + interval '{size}' AS window_end FROM {t}, "
                f"generate_series(0, 20) AS back, LATERAL (SELECT {last} - back * interval '{slide}' AS ws) starts "
                f"WHERE ws > {ts} - interval '{size}') AS {t}")

    def cumulate(m: re.Match) -> str:
        t, ts, step, size = m.groups()
        first = f"date_bin('{size}', {ts}, {origin})"
        return (f"(SELECT {t}.*, {first} AS window_start, we AS window_end FROM {t}, "
                f"generate_series({first} + interval '{step}', {first} + interval '{size}', interval '{step}') AS we "
                f"WHERE we > {ts}) AS {t}")

    def session(m: re.Match) -> str:
        t, ts, gap, keys = m.groups()
        keys = (keys or "").strip(", ")
        by = f"PARTITION BY {keys}" if keys else ""
        return (f"(SELECT *, min({ts}) OVER ({by}{',' if keys else 'PARTITION BY'} run) AS window_start, "
                f"max({ts}) OVER ({by}{',' if keys else 'PARTITION BY'} run) + interval '{gap}' AS window_end FROM "
                f"(SELECT *, sum(fresh) OVER ({by} ORDER BY {ts}) AS run FROM "
                f"(SELECT *, CASE WHEN {ts} - lag({ts}) OVER ({by} ORDER BY {ts}) < interval '{gap}' THEN 0 ELSE 1 END "
                f"AS fresh FROM {t}) x) y) AS {t}")

    for name, arguments, give in (("tumble", 1, tumble), ("hop", 2, hop), ("cumulate", 2, cumulate)):
        intervals = r",\s*interval '([^']*)'" * arguments
        query = re.sub(rf"\b{name}\((\w+),\s*(\w+){intervals}\)", give, query)
    return re.sub(r"\bsession\((\w+),\s*(\w+),\s*interval '([^']*)'((?:,\s*\w+)*)\)", session, query)


# ---- running ----

def pipeline(folder: Path, columns: str, query: str, rows: int) -> str:
    tables = "".join(
        f"CREATE SERVER file_{name} FOREIGN DATA WRAPPER file OPTIONS (path '{folder.parent / name}.ndjson');\n"
        f"CREATE FOREIGN TABLE {name} ({COLUMNS.format(WATERMARK)}) SERVER file_{name};\n" for name in "ab")
    return (tables + f"SET bourn.epoch_rows = {rows};\n"
            f"CREATE SERVER result FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/result.ndjson');\n"
            f"CREATE FOREIGN TABLE result ({columns}) SERVER result;\n"
            f"INSERT INTO result {query};\n")


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
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{sql}"
    result = folder / "result.ndjson"
    lines = result.read_text().splitlines() if result.exists() else []
    return [tuple(json.loads(line, parse_float=str, parse_int=str).values()) for line in lines]


def answer(postgres: Postgres, columns: str, query: str) -> list[tuple]:
    types = [re.sub(r"^\w+ ", "", column.strip()) for column in re.split(r",(?![^(]*\))", columns)]
    names = ", ".join(f"c{i}" for i in range(len(types)))
    casts = ", ".join(f"(c{i}::{t})::text" for i, t in enumerate(types))
    rows = postgres.rows(f"SELECT {casts} FROM ({windows_for_postgresql(query)}) AS q({names})")
    return [tuple(row) for row in rows]


def text(cell) -> str | None:
    """One spelling for PostgreSQL's and JSON's."""
    if isinstance(cell, str) and re.match(r"\d{4}-\d\d-\d\d[ T]", cell):
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


def check_arrival(postgres: Postgres, kind: str, sink: str) -> None:
    wanted = comparable(answer(postgres, RESULT.format(""), WINDOWS[kind]))
    rows = [json.loads(line) for line in (suite.folder / "a.ndjson").read_text().splitlines()]
    for i, (cut, workers, stops) in enumerate([(1_000_000, 2, []), (9, 1, [0.05]), (60, 3, [])]):
        folder = suite.folder / f"arrival-{kind}-{sink.replace(' ', '-')}-{i}"
        folder.mkdir()
        found = [row for row in rows for _ in range(suite.random.randint(1, 2))]  # each once more, at times
        found.sort(key=lambda row: datetime.datetime.fromisoformat(row["ts"]).timestamp() + suite.random.random() * 1.9)
        (folder / "a.ndjson").write_text("".join(json.dumps(row) + "\n" for row in found))
        (folder / "b.ndjson").write_text("")
        sql = pipeline(folder / "run", SINKS[sink], WINDOWS[kind], cut)
        if sink != "appended":
            sql = sql.replace(f"({SINKS[sink]}) SERVER result",
                              f"({SINKS[sink]}) SERVER result OPTIONS (emit '{sink}')")
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


def main() -> None:
    wanted = [case for case in cases() if suite.wants(case[0])]
    write_events(suite.folder, suite.random)
    with Postgres(suite.folder) as postgres:
        load(postgres, suite.folder)
        for name, columns, query in wanted:
            with suite.case(name):
                check(postgres, name, columns, query)
        for kind in WINDOWS:
            for sink in SINKS:
                if suite.wants(f"arrival {kind}"):
                    with suite.case(f"any order of arrival, {kind}, {sink}"):
                        check_arrival(postgres, kind, sink)
        for kind in ("hop", "cumulate"):
            if suite.wants(f"late {kind}"):
                with suite.case(f"late rows, {kind}"):
                    check_late(kind)
        for kind in REFERENCE:
            for workers in (1, 3):
                if suite.wants(f"reference {kind}"):
                    with suite.case(f"reference table, {kind} join, {workers} workers"):
                        check_reference(postgres, kind, workers)
    suite.end()


main()
