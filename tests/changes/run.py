#!/usr/bin/env python3
"""Changing a pipeline: what is kept, what is built anew, and that the tables are then those of a fresh run.

    run.py [WORD...]     the cases whose name has one of the words
"""
from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import LONG, Suite, program, until  # noqa: E402
from harness.children import mortal  # noqa: E402
from harness.log import crc32c, forge, slots  # noqa: E402
from servers.postgres import Postgres  # noqa: E402

suite = Suite("changes")
BOURN = program()

SOURCE = """
SET bourn.epoch_rows = '2048';
SET bourn.commit_interval = '0 s';
CREATE FOREIGN TABLE events (
    id    text NOT NULL,
    k     text NOT NULL,
    v     bigint,
    ts    timestamptz OPTIONS (watermark '1 hour') NOT NULL,
    CONSTRAINT positive CHECK (v > 0)
) SERVER file OPTIONS (path '${HERE}/in', follow '${FOLLOW:-true}');
CREATE VIEW good AS SELECT DISTINCT ON (id) * FROM events;
"""
BY_K = """
CREATE FOREIGN TABLE by_k (k text PRIMARY KEY, n bigint, total numeric(38,0), last timestamptz)
    SERVER file OPTIONS (path '${HERE}/out/by_k.ndjson');
INSERT INTO by_k SELECT k, count(*), sum(v), max(ts) FROM good GROUP BY k;
"""
ALL = """
CREATE FOREIGN TABLE everything (one integer PRIMARY KEY, n bigint, total numeric(38,0))
    SERVER file OPTIONS (path '${HERE}/out/everything.ndjson');
INSERT INTO everything SELECT 1, n, total FROM (SELECT count(*) AS n, sum(v) AS total FROM good) AS t;
"""
RAW = """
CREATE FOREIGN TABLE raw (id text, k text, v bigint) SERVER file OPTIONS (path '${HERE}/out/raw.ndjson');
INSERT INTO raw SELECT id, k, v FROM good;
"""
DEAD = """
CREATE FOREIGN TABLE dead (rules text, step text) SERVER file OPTIONS (path '${HERE}/out/dead.ndjson');
INSERT INTO dead SELECT rules, step FROM bourn.rejected;
"""
WINDOWS = """
CREATE FOREIGN TABLE per_hour (window_end timestamptz, k text, n bigint, PRIMARY KEY (window_end, k))
    SERVER file OPTIONS (path '${HERE}/out/per_hour.ndjson');
INSERT INTO per_hour SELECT window_end, k, count(*) FROM tumble(good, ts, interval '1 hour') GROUP BY window_end, k;
"""
OLD = SOURCE + BY_K + ALL
CHANGED = OLD.replace("FROM good GROUP BY k", "FROM good WHERE v > 40 GROUP BY k")


class Place:
    """A folder with the input, a state and the tables."""

    def __init__(self, folder: Path, **more: str):
        self.folder = folder
        self.more = more
        (folder / "in").mkdir(parents=True, exist_ok=True)
        (folder / "out").mkdir(exist_ok=True)
        self.events = 0

    def grow(self, rows: int, seed: int = 1) -> None:
        """A file more, with duplicates of what came before and rows that break the contract."""
        dice = random.Random(seed * 1000 + self.events)
        with open(self.folder / "in" / f"e{self.events:07}.ndjson", "w") as f:
            for n in range(self.events, self.events + rows):
                number = n - dice.randrange(50) if dice.random() < 0.1 and n > 50 else n
                value = (number * 7919) % 100 - 2
                f.write(json.dumps({"id": f"e{number}", "k": f"k{number % 97}", "v": value, "a": f"a{number % 13}",
                                    "b": number % 29, "c": [number],
                                    "ts": f"2024-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:"
                                          f"{number % 60:02}Z"}) + "\n")
        self.events += rows

    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HERE": str(self.folder), "BOURN_STATE": str(self.folder / "state"),
                **self.more}

    def bourn(self, verb: str, *words, check: int | None = 0, program: Path = BOURN, **env: str):
        return suite.command([program, verb, *words], check=check, cwd=self.folder, env={**self.env(), **env})

    def run(self, sql: str, *words, check: int | None = 0, program: Path = BOURN, **env: str):
        (self.folder / "p.sql").write_text(sql)
        return self.bourn("run", "--quiet", "--until-caught-up", *words, "p.sql", check=check, program=program, **env)

    def plan(self, sql: str, *words, check: int = 0) -> dict:
        (self.folder / "new.sql").write_text(sql)
        return json.loads(self.bourn("plan", "--json", *words, "new.sql", check=check).stdout)

    def table(self, name: str) -> list[str]:
        path = self.folder / "out" / f"{name}.ndjson"
        return sorted(path.read_text().splitlines()) if path.exists() else []

    def records(self) -> list[dict]:
        return [json.loads(slot.read_bytes().partition(b"\n")[2]) for slot in slots(self.folder / "state/log")]

    def again(self) -> list[dict]:
        """What was read again: the records that carry both a plan and a ledger."""
        return [r for r in self.records() if "plan" in r and "ledger" in r]


def fresh(place: Place, sql: str, *tables: str, grown: str = "") -> None:
    """The tables are those of a new state that runs only the new file over the same input; `grown` is, but for the
    column "a" that only its new rows have."""
    other = Place(place.folder / "fresh", **place.more)
    shutil.rmtree(other.folder / "in")
    os.symlink(place.folder / "in", other.folder / "in")
    other.run(sql)
    if grown:
        assert without_a(place.table(grown)) == without_a(other.table(grown)), grown
    for name in tables:
        assert other.table(name), f"{name} is empty"
        assert place.table(name) == other.table(name), \
            f"{name}: {len(place.table(name))} rows, of a fresh run {len(other.table(name))}"
    shutil.rmtree(other.folder)


def without_a(rows: list[str]) -> list[str]:
    return sorted(json.dumps({name: value for name, value in json.loads(row).items() if name != "a"}) for row in rows)


def fates(plan: dict) -> dict[str, str]:
    """By the id of the step, or where it is gone what it was."""
    return {step["id"] or step["was"]: step["fate"] for step in plan["steps"]}


def stateful(plan: dict) -> dict[str, str]:
    return {f'{step["name"]} {(step["id"] or step["was"]).partition("-")[0]}': step["fate"] for step in plan["steps"]
            if step["stateful"]}


# ---- kept ----

def comments_aliases_layout_and_order_are_kept(folder: Path) -> None:
    place = Place(folder)
    place.grow(6000)
    place.run(OLD)
    same = SOURCE + "-- another comment\n" + ALL.replace("AS total", "AS sum_of_all").replace("n, total FROM", "n, "
           "sum_of_all FROM") + BY_K.replace("GROUP BY k", "AS g\n   GROUP BY g.k").replace("FROM good", "FROM good")
    plan = place.plan(same)
    assert set(fates(plan).values()) == {"kept"} and not plan["loses_state"], plan
    assert plan["sources_read_again"] == []
    place.grow(1000)
    place.run(same)
    assert not place.again()
    assert sum(r["ledger"]["lines"][0]["in"] for r in place.records() if "ledger" in r) == 7000
    fresh(place, same, "by_k", "everything")


def names_and_views_are_kept(folder: Path) -> None:
    """A view more, a view renamed: the steps are the same."""
    place = Place(folder)
    place.grow(3000)
    place.run(OLD)
    same = OLD.replace("VIEW good", "VIEW fine").replace("FROM good", "FROM other") \
              .replace("CREATE FOREIGN TABLE by_k", "CREATE VIEW other AS SELECT * FROM fine;\n"
                       "CREATE FOREIGN TABLE by_k")
    plan = place.plan(same)
    assert set(fates(plan).values()) == {"kept"}, plan
    place.run(same)
    fresh(place, same, "by_k", "everything")


# ---- rebuilt ----

def a_changed_where_is_rebuilt_from_there_down(folder: Path) -> None:
    place = Place(folder)
    place.grow(9000)
    place.run(OLD)
    before = (folder / "out/everything.ndjson").stat().st_mtime_ns
    plan = place.plan(CHANGED, check=1)
    assert stateful(plan) == {"good dedup": "kept", "by_k aggregate": "rebuilt", "everything aggregate": "kept"}, plan
    assert plan["loses_state"] and plan["sources_read_again"] == ["events"]
    (split,) = plan["splits_read_again"]
    assert split["from"] == 0 and split["to"] == os.path.getsize(folder / "in/e0000000.ndjson")
    sizes = {step["id"]: step["bytes"] for step in plan["steps"] if "bytes" in step}
    assert len(sizes) == 3 and min(sizes.values()) > 0, sizes
    place.run(CHANGED)
    assert (folder / "out/everything.ndjson").stat().st_mtime_ns == before, "a kept table was written"
    assert len(place.again()) == 1
    fresh(place, CHANGED, "by_k", "everything")
    place.grow(5000)
    place.run(CHANGED)
    assert len(place.again()) == 1, "it is changed once"
    fresh(place, CHANGED, "by_k", "everything")
    assert "0 failed" in place.bourn("verify", "p.sql").stdout


def postgresql_agrees(folder: Path) -> None:
    place = Place(folder)
    place.grow(20_000)
    place.run(OLD)
    place.grow(5000)
    place.run(CHANGED)
    with Postgres(folder / "pg") as postgres:
        postgres.run("CREATE TABLE lines (n bigserial, line jsonb);")
        for file in sorted((folder / "in").iterdir()):
            postgres.run(f"\\copy lines (line) FROM '{file}'")
        theirs = postgres.rows("""
            WITH good AS (
                SELECT DISTINCT ON (line->>'id') line->>'k' AS k, (line->>'v')::bigint AS v,
                       (line->>'ts')::timestamptz AS ts
                FROM lines WHERE (line->>'v')::bigint > 0 ORDER BY line->>'id', n)
            SELECT k, count(*), sum(v) FROM good WHERE v > 40 GROUP BY k""")
    ours = [[row["k"], str(row["n"]), str(row["total"])] for row in map(json.loads, place.table("by_k"))]
    assert len(ours) == 97 and sorted(ours) == sorted(theirs)


def an_ended_input_is_closed_again(folder: Path) -> None:
    place = Place(folder, FOLLOW="false")
    place.grow(9000)
    place.run(OLD + WINDOWS)
    changed = (OLD + WINDOWS).replace("FROM good GROUP BY k", "FROM good WHERE v > 40 GROUP BY k") \
                             .replace("interval '1 hour'", "interval '30 minutes'")
    place.run(changed)
    assert json.loads(place.bourn("status", "--json").stdout)["ended"] is True
    fresh(place, changed, "by_k", "everything", "per_hour")
    new_source = changed + SOURCE.split("0 s';")[1].replace("events", "others").replace("good", "better") + \
        BY_K.replace("by_k", "more").replace("good", "better")
    assert "is new" in place.run(new_source, check=6).stderr


def a_contract_changed_rebuilds_everything(folder: Path) -> None:
    place = Place(folder)
    place.grow(5000)
    place.run(OLD)
    stricter = OLD.replace("CHECK (v > 0)", "CHECK (v > 10)").replace("watermark '1 hour'", "watermark '2 hours'")
    plan = place.plan(stricter, check=1)
    assert set(stateful(plan).values()) == {"rebuilt"}
    place.run(stricter)
    place.grow(3000)
    place.run(stricter)
    fresh(place, stricter, "by_k", "everything")


def windows_are_rebuilt(folder: Path) -> None:
    place = Place(folder)
    place.grow(12_000)
    place.run(OLD + WINDOWS)
    changed = (OLD + WINDOWS).replace("interval '1 hour'", "interval '10 minutes'")
    place.run(changed)
    place.grow(4000)
    place.run(changed)
    fresh(place, changed, "per_hour", "by_k")


def what_closed_does_not_close_again(folder: Path) -> None:
    """A contract that every row keeps, and windows that were appended: each window is there once, wherever the old run
    was killed."""
    old = SOURCE.replace("'1 hour'", "'1 minute'") + RAW + WINDOWS.replace("1 hour", "1 minute").replace(
        ", PRIMARY KEY (window_end, k)", "")
    new = old.replace("    k     text NOT NULL,\n", "    k     text NOT NULL,\n    more  text CHECK (more IS NULL),\n")
    for records in (0, 1, 3):
        place = Place(folder / f"{records}")
        place.grow(9000)
        (place.folder / "p.sql").write_text(old)
        live = subprocess.Popen(mortal([BOURN, "run", "--quiet", *["--until-caught-up"] * (records == 0), "p.sql"]),
                                cwd=place.folder, env=place.env())
        if records:
            log = place.folder / "state/log"
            until(lambda: log.exists() and any(int(slot.name) > records for slot in slots(log)))
            live.kill()
        live.wait()
        place.run(new, "--adopt")
        place.grow(3000)
        place.run(new)
        fresh(place, new, "per_hour", "raw")


def joined_with_a_table_that_is_new(folder: Path) -> None:
    """It is read before the events, then and now."""
    place = Place(folder)
    place.grow(5000)
    place.run(OLD)
    (folder / "names.ndjson").write_text("".join(json.dumps({"k": f"k{n}", "name": f"name {n % 10}"}) + "\n"
                                                 for n in range(0, 97, 2)))
    joined = OLD + """
        CREATE FOREIGN TABLE names (k text, name text) SERVER file OPTIONS (path '${HERE}/names.ndjson');
        CREATE FOREIGN TABLE by_name (name text PRIMARY KEY, n bigint)
            SERVER file OPTIONS (path '${HERE}/out/by_name.ndjson');
        INSERT INTO by_name SELECT names.name, count(*) FROM good JOIN names ON good.k = names.k GROUP BY names.name;
        """
    place.run(joined)
    place.grow(2000)
    place.run(joined)
    changed = joined.replace("GROUP BY names.name", "WHERE v > 20 GROUP BY names.name")
    sums = place.table("by_name")
    place.run(changed)
    assert len(sums) == 5 and place.table("by_name") != sums
    fresh(place, changed.replace("${HERE}/names", str(folder) + "/names"), "by_name", "by_k")


def several_workers_rebuild_the_same(folder: Path) -> None:
    place = Place(folder)
    place.grow(30_000)
    place.run(OLD)
    place.run(CHANGED, "--workers", 4)
    fresh(place, CHANGED, "by_k", "everything")


def epochs_within_a_large_poll(folder: Path) -> None:
    """The position that the log has lies within a batch of the one who reads again."""
    place = Place(folder)
    for rows in (10, 700, 1, 2500, 33):
        place.grow(rows)
        place.run(OLD)
    files = sorted((folder / "in").iterdir())
    with open(files[0], "ab") as first:  # rows that the log has not read yet, behind those it has
        for file in files[1:]:
            first.write(file.read_bytes().replace(b'"id": "', b'"id": "more-'))
    place.run(CHANGED)
    fresh(place, CHANGED, "by_k", "everything")


def changed_again_and_again(folder: Path) -> None:
    place = Place(folder)
    place.grow(4000)
    place.run(OLD)
    for limit in (10, 90, 50, 0, 40):
        sql = OLD.replace("FROM good GROUP BY k", f"FROM good WHERE v > {limit} GROUP BY k") if limit else OLD
        place.run(sql)
        fresh(place, sql, "by_k", "everything")
        place.grow(500)
    place.run(sql)
    fresh(place, sql, "by_k", "everything")


# ---- columns ----

NEWEST = """
CREATE FOREIGN TABLE newest (k text PRIMARY KEY, id text, v bigint)
    SERVER file OPTIONS (path '${HERE}/out/newest.ndjson');
INSERT INTO newest SELECT k, id, v FROM (
    SELECT k, id, v, row_number() OVER (PARTITION BY k ORDER BY ts DESC, id) AS r FROM good) AS t WHERE r = 1;
"""
PAIRS = """
CREATE FOREIGN TABLE pairs (k text PRIMARY KEY, n bigint, total numeric(38,0))
    SERVER file OPTIONS (path '${HERE}/out/pairs.ndjson');
INSERT INTO pairs SELECT one.k, count(*), sum(other.v) FROM good AS one
    JOIN good AS other ON one.k = other.k AND other.ts BETWEEN one.ts AND one.ts + interval '3 minutes'
    WHERE one.v < other.v GROUP BY one.k;
"""
BY_A = """
CREATE FOREIGN TABLE by_a (a text PRIMARY KEY, n bigint, b numeric(38,0))
    SERVER file OPTIONS (path '${HERE}/out/by_a.ndjson');
INSERT INTO by_a SELECT a, count(*), sum(b) FROM good GROUP BY a;
"""
MET = """
CREATE FOREIGN TABLE met (one text, other text, v bigint, PRIMARY KEY (one, other))
    SERVER file OPTIONS (path '${HERE}/out/met.ndjson');
INSERT INTO met SELECT one.id, other.id, one.v FROM good AS one
    JOIN good AS other ON one.k = other.k AND one.v < other.v;
"""
RUNNING = """
CREATE FOREIGN TABLE running (id text PRIMARY KEY, total numeric(38,0), v bigint)
    SERVER file OPTIONS (path '${HERE}/out/running.ndjson');
INSERT INTO running SELECT one.id, sum(v) OVER (PARTITION BY k ORDER BY id ROWS 2 PRECEDING), one.v FROM good AS one;
"""
LONE = """
CREATE FOREIGN TABLE lone (id text PRIMARY KEY, v bigint) SERVER file OPTIONS (path '${HERE}/out/lone.ndjson');
INSERT INTO lone SELECT id || '', one.v FROM good AS one;
"""
STEPS = {"by_k": BY_K, "everything": ALL, "per_hour": WINDOWS, "pairs": PAIRS, "newest": NEWEST, "met": MET,
         "running": RUNNING, "lone": LONE}
# A step of these keeps whole rows, so with a column more its state is another.
KEEP_ROWS = {"newest": "topn", "met": "join", "running": "over", "lone": "unique"}
WIDER_RAW = RAW.replace("v bigint)", "v bigint, a text)").replace("SELECT id, k, v FROM", "SELECT id, k, v, a FROM")


def with_columns(chance: random.Random, *names: str) -> str:
    """SOURCE with these columns more, each anywhere before the constraint."""
    lines = SOURCE.split("\n")
    first = next(i for i, line in enumerate(lines) if line.strip().startswith("id "))
    kinds = {"a": "text", "b": "bigint", "c": "jsonb", "offset_of": "bigint OPTIONS (metadata 'offset')"}
    for at, name in enumerate(names):
        lines.insert(first + chance.randrange(5 + at), f"    {name} {kinds[name]},")
    return "\n".join(lines)


def with_a(table: str) -> str:
    """One of KEEP_ROWS, whose rows carry a column more."""
    more = STEPS[table].replace("v bigint", "v bigint, a text").replace("one.v FROM", "one.v, one.a FROM")
    return more.replace("k, id, v FROM", "k, id, v, a FROM").replace("k, id, v, row", "k, id, v, a, row")


def columns_come_and_go(folder: Path, chance: random.Random) -> None:
    """Whatever columns the source has more or less, and wherever they stand: what does not read them is kept and not
    read again; an appended table that gets one has it from there on; a step that keeps rows and gets one is built
    again, and it alone. Killed meanwhile, and changed again."""
    bourn = program("faults")
    kills = 0
    for life in range(100 if LONG else 4):
        place = Place(folder / f"{life}")
        place.grow(1500)
        before = dict(chance.sample(sorted(STEPS.items()), 3))
        keeper = list(KEEP_ROWS)[life % len(KEEP_ROWS)]
        before[keeper] = STEPS[keeper]
        extra = chance.sample(["a", "b", "c", "offset_of"], chance.randrange(4))
        place.run(with_columns(chance, *extra) + "".join(before.values()) + RAW + DEAD, program=bourn)
        appended = place.table("raw")
        by_a = chance.random() < 0.5
        columns = chance.sample(["a", "b", "c", "offset_of"], 4) if by_a else ["c", "a"]
        new = with_columns(chance, *columns) + "".join(chance.sample(sorted(before.values()), len(before)))
        new += WIDER_RAW + DEAD + (BY_A if by_a else "")
        plan = place.plan(new)
        changed = [name for name, fate in stateful(plan).items() if fate != "kept"]
        assert changed == ["by_a aggregate"] * by_a, plan
        assert plan["sources_read_again"] == (["events"] if by_a else []) and not plan["loses_state"], plan
        wider = new.replace(STEPS[keeper], with_a(keeper))
        plan = place.plan(wider, check=1)
        changed = {name for name, fate in stateful(plan).items() if fate == "rebuilt"}
        kept = f"{keeper} {KEEP_ROWS[keeper]}"
        assert kept in changed <= {kept, f"{keeper} unique"}, plan
        widened = chance.random() < 0.5
        new = wider if widened else new
        for _ in range(2):
            place.grow(500)
            done = place.run(new, program=bourn, BOURN_FAULT=f"kill:{chance.randrange(1, 300)}", check=None)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            kills += done.returncode != 0
        place.run(new, program=bourn)
        assert len(place.again()) <= (by_a or widened)  # old slots go
        fresh(place, new, *before, "dead", *["by_a"] * by_a, grown="raw")
        assert [row for row in place.table("raw") if '"a":' not in row] == appended
        assert "0 failed" in place.bourn("verify", "p.sql").stdout
    print(f"# {kills} kills")
    assert kills > 0


def equal_rows_beside_other_columns(folder: Path) -> None:
    """Two steps whose state is the same by meaning have each their own, and one of them may go."""
    place = Place(folder)
    place.grow(2000)
    two = SOURCE.replace("v     bigint", "v     bigint, a text").replace("SELECT DISTINCT ON (id) *",
                                                                         "SELECT DISTINCT ON (id) id, k, v, ts")
    two += "CREATE VIEW other AS SELECT DISTINCT ON (id) id, a FROM events;\n" + BY_K
    two += BY_A.replace("sum(b)", "0").replace("FROM good", "FROM other")
    place.run(two)
    ids = [step["id"] for step in place.plan(two)["steps"]]
    assert len(set(ids)) == len(ids) and sum(step.startswith("dedup") for step in ids) == 2, ids
    place.grow(1000)
    place.run(two)
    fresh(place, two, "by_k", "by_a")
    one = two.replace(BY_K, "").replace("CREATE VIEW good", "CREATE VIEW unread")
    steps = [step for step in place.plan(one, check=1)["steps"] if step["stateful"]]
    assert sorted((step["fate"], (step["id"] or step["was"]).partition("-")[0]) for step in steps) == [
        ("dropped", "aggregate"), ("dropped", "dedup"), ("kept", "aggregate"), ("kept", "dedup")], steps
    place.run(one)
    place.grow(1000)
    place.run(one)
    assert not place.again()
    fresh(place, one, "by_a")


def what_refused_rows_is_a_contract(folder: Path) -> None:
    """A column of another type, one less whose type has rejected rows, one more where columns are told by their place:
    each changes which rows there are. Of each the plan says so."""
    place = Place(folder)
    place.grow(2000)
    with open(folder / "in/e0000000.ndjson", "a") as file:
        file.write('{"id": "bad", "k": "k1", "v": 50, "b": "x", "ts": "2024-01-01T00:00:00Z"}\n')
    old = SOURCE.replace("v     bigint", "a text, b bigint, v bigint") + BY_K
    place.run(old)
    same = old.replace("a text, ", "")
    assert set(stateful(place.plan(same)).values()) == {"kept"}
    for sql, said in ((old.replace("b bigint, ", ""), 'column "b" is gone, by whose type rows were rejected'),
                      (old.replace("b bigint", "b text"), 'column "b" is text, was bigint'),
                      (old.replace("v > 0", "v > 1"), "rule positive: v > 1, was rule positive: v > 0"),
                      (old.replace("ON (id)", "ON (k)"), "(k), remembered 1 hour, was first row of each (id)"),
                      (old.replace("sum(v)", "sum(v + 1)"), "(v + "),
                      (old.replace("good GROUP", "good WHERE v > 7 GROUP"), "filter (v > ")):
        plan = place.plan(sql, check=1)
        rebuilt = [step for step in plan["steps"] if step["fate"] == "rebuilt" and step["stateful"]]
        assert rebuilt and all(said in step["because"] for step in rebuilt), (said, plan)
    without = old.replace("b bigint, ", "")
    place.run(without)
    fresh(place, without, "by_k")
    csv = [OLD.replace("follow '", "format 'csv', follow '").replace("    v     bigint", f"{more}    v     bigint")
           for more in ("", "    more  text,\n")]
    (folder / "csv.sql").write_text(csv[0])
    (folder / "wider.sql").write_text(csv[1])
    assert "rebuilt  dedup" in place.bourn("plan", "csv.sql", "wider.sql", check=1).stdout


# ---- sinks ----

def a_sink_more_and_a_sink_less(folder: Path) -> None:
    place = Place(folder)
    place.grow(8000)
    place.run(OLD)
    more = OLD + RAW + BY_K.replace("by_k", "also")
    plan = place.plan(more)
    assert not plan["loses_state"] and set(stateful(plan).values()) == {"kept"}, plan
    rows = {step["name"]: step["rows"] for step in plan["steps"] if "rows" in step}
    assert rows["also"].startswith("written") and rows["raw"].startswith("filled") and rows["by_k"] == "goes on"
    place.grow(1000)
    place.run(more)
    fresh(place, more, "by_k", "everything", "raw", "also")
    less = SOURCE + RAW + BY_K.replace("by_k", "also")
    plan = place.plan(less, check=1)
    assert stateful(plan) == {"good dedup": "kept", "also aggregate": "kept", "everything aggregate": "dropped"}, plan
    left = place.table("by_k")
    place.run(less)
    place.grow(1000)
    place.run(less)
    fresh(place, less, "raw", "also")
    assert place.table("by_k") == left, "a table that is written no more stays as it is"
    assert "everything" not in [s["name"] for s in json.loads(place.bourn("status", "--json").stdout)["sinks"]]
    place.run(OLD)  # and back: what was dropped is built again, the table it left is written anew
    fresh(place, OLD, "by_k", "everything")


def a_target_out_of_reach_is_found_before_anything_is_written(folder: Path) -> None:
    place = Place(folder)
    place.grow(3000)
    place.run(OLD)
    plans = {record["plan"] for record in place.records() if "plan" in record}
    segments = sorted((folder / "state/seg").iterdir())
    (folder / "out/taken").write_text("a file, so no folder")
    for connector, path in (("file", "out/taken/raw.ndjson"), ("delta", "out/taken")):
        bad = CHANGED + RAW.replace("SERVER file OPTIONS (path '${HERE}/out/raw.ndjson')",
                                    f"SERVER out OPTIONS (path '{'raw' if connector == 'delta' else path}')")
        bad += f"CREATE SERVER out FOREIGN DATA WRAPPER {connector} "
        bad += "OPTIONS (path '${HERE}/out/taken');" if connector == "delta" else ";"
        said = place.run(bad, check=None)
        assert said.returncode not in (0, 3) and "before anything of it is written" in said.stderr, said
        assert {record["plan"] for record in place.records() if "plan" in record} <= plans
        assert sorted((folder / "state/seg").iterdir()) == segments
    place.grow(1000)
    place.run(OLD)
    assert not place.again()
    fresh(place, OLD, "by_k", "everything")


def dead_letters_go_on(folder: Path) -> None:
    place = Place(folder)
    place.grow(5000)
    place.run(OLD + DEAD)
    dead = place.table("dead")
    place.run(CHANGED + DEAD)
    assert place.table("dead") == dead
    place.grow(1000)
    place.run(CHANGED + DEAD)
    fresh(place, CHANGED + DEAD, "by_k", "dead")
    assert "appended" in place.run((CHANGED + DEAD).replace("CHECK (v > 0)", "CHECK (v > 5)"), check=6).stderr


def dead_letters_from_the_beginning(folder: Path) -> None:
    place = Place(folder)
    place.grow(5000)
    place.run(OLD)
    place.run(OLD + DEAD)
    fresh(place, OLD + DEAD, "by_k", "dead")


# ---- refusals ----

def an_append_sink_is_not_rebuilt(folder: Path) -> None:
    place = Place(folder)
    place.grow(3000)
    place.run(OLD + RAW)
    raw = place.table("raw")
    changed = OLD + RAW.replace("FROM good", "FROM good WHERE v > 40")
    plan = place.plan(changed, check=6)
    assert plan["refused"] and "raw" in plan["reason"] and "new table" in plan["hint"], plan
    said = place.run(changed, check=6).stderr
    assert '"raw"' in said and "cannot be taken back" in said and "--adopt" in said
    assert place.table("raw") == raw
    place.run(OLD + RAW)  # nothing has changed
    assert not place.again()
    place.plan(changed, "--adopt")
    place.run(changed, "--adopt")
    assert place.table("raw") == raw, "--adopt: what is there stays"
    place.grow(2000)
    place.run(changed)
    new = [json.loads(line) for line in set(place.table("raw")) - set(raw)]
    assert new and all(row["v"] > 40 for row in new)
    renamed = changed.replace("raw", "chosen")
    place.run(renamed)  # as the hint says
    fresh(place, renamed, "chosen", "by_k")
    said = place.run(changed, check=6).stderr  # its table has rows of an earlier form
    assert "earlier form" in said, said


def what_is_gone_cannot_be_read_again(folder: Path) -> None:
    place = Place(folder)
    place.grow(3000)
    place.run(OLD)
    state = sorted(p.name for p in (folder / "state/seg").iterdir())
    whole = (folder / "in/e0000000.ndjson").read_bytes()
    (folder / "in/e0000000.ndjson").write_bytes(b"".join(whole.splitlines(True)[:2000]))
    place.grow(10)
    said = place.run(CHANGED, check=None)
    assert said.returncode, "a file that was cut is noticed"
    (folder / "in/e0000000.ndjson").write_bytes(whole)
    assert set(state) <= {p.name for p in (folder / "state/seg").iterdir()}, "the state is as it was"
    place.run(CHANGED)
    fresh(place, CHANGED, "by_k", "everything")


def a_pipe_cannot_be_read_again(folder: Path) -> None:
    place = Place(folder)
    piped = OLD.replace("path '${HERE}/in'", "path '-'")
    place.grow(2000)
    lines = (folder / "in/e0000000.ndjson").read_text()
    (folder / "p.sql").write_text(piped)
    (folder / "q.sql").write_text(piped.replace("FROM good GROUP BY k", "FROM good WHERE v > 40 GROUP BY k"))
    suite.command([BOURN, "run", "--quiet", "--for", "2", "p.sql"], cwd=folder, env=place.env(), input=lines)
    said = suite.command([BOURN, "run", "--quiet", "--for", "2", "q.sql"], cwd=folder, env=place.env(), input=lines,
                         check=6)
    assert "pipe" in said.stderr, said.stderr


def plan_says_what_is_wrong(folder: Path) -> None:
    place = Place(folder)
    (folder / "old.sql").write_text(OLD)
    (folder / "source.sql").write_text(SOURCE)
    (folder / "rest.sql").write_text(CHANGED.replace(SOURCE, ""))
    (folder / "bad.sql").write_text(OLD.replace("sum(v)", "sum(w)"))
    assert "no state" in place.bourn("plan", "old.sql", check=6).stderr
    assert "usage" in place.bourn("plan", check=2).stderr
    assert "bad.sql:" in place.bourn("plan", "old.sql", "bad.sql", check=3).stderr
    said = place.bourn("plan", "old.sql", "source.sql,rest.sql", check=1).stdout
    assert "kept     dedup-" in said and "rebuilt  aggregate-" in said and "reads source events again" in said, said
    assert place.bourn("plan", "old.sql", "old.sql").stdout.count("kept") > 5


def age(state: Path) -> None:
    """The state's steps as of an earlier build: the versions in its segments are others."""
    crcs = {}
    for path in (state / "seg").iterdir():
        data = bytearray(path.read_bytes())
        at, sections, last = (struct.unpack_from("<Q", data, len(data) - 40)[0],
                              struct.unpack_from("<I", data, len(data) - 24)[0], len(data) - 12)
        old, begin = struct.unpack_from("<I", data, last)[0], at
        for _ in range(sections):
            data[at + 4] += 100
            at += 29 + data[at + 28]
        crcs[f"{old:08x}"] = struct.pack("<I", crc32c(bytes(data[begin:last])))
        data[last:last + 4] = crcs[f"{old:08x}"]
        path.write_bytes(data)

    def renamed(text: str) -> str:
        for before, now in crcs.items():
            text = text.replace(before, f"{struct.unpack('<I', now)[0]:08x}")
        return text
    assert forge(state / "log", renamed)


def plan_refuses_what_run_refuses(folder: Path) -> None:
    """A state of which an earlier build has written the steps: the same words, and the same exit code."""
    place = Place(folder)
    place.grow(500)
    place.run(OLD)
    age(folder / "state")
    (folder / "old.sql").write_text(OLD)
    (folder / "new.sql").write_text(OLD + RAW)
    for pipelines in (["old.sql"], ["old.sql", "old.sql"], ["new.sql"], ["old.sql", "new.sql"]):
        planned = place.bourn("plan", *pipelines, check=6)
        ran = place.bourn("run", "--quiet", "--until-caught-up", pipelines[-1], check=6)
        assert "this bourn reads version" in planned.stderr, planned.stderr
        assert planned.stderr == ran.stderr, (pipelines, ran.stderr)


def the_old_pipeline_needs_its_variables(folder: Path) -> None:
    place = Place(folder, WHERE="in")
    place.grow(1000)
    old = OLD.replace("${HERE}/in", "${HERE}/${WHERE}")
    place.run(old)
    del place.more["WHERE"]
    assert "variables" in place.run(CHANGED, check=3).stderr
    place.run(CHANGED, WHERE="in")
    fresh(place, CHANGED, "by_k")
    delay = CHANGED.replace("'1 hour'", "'${DELAY:-1 hour}'")
    place.run(delay, WHERE="in")
    said = place.run(delay, check=6, WHERE="in", DELAY="2 hours").stderr
    assert "another ${VARIABLE}" in said and "change the file instead" in said, said
    place.run(CHANGED.replace("'1 hour'", "'2 hours'"), WHERE="in")
    fresh(place, CHANGED.replace("'1 hour'", "'2 hours'"), "by_k")


# ---- interrupted ----

def what_waits_is_published_by_the_old_plan(folder: Path) -> None:
    """Killed before its rows were published, then changed: an append table has the old plan's rows, once."""
    place = Place(folder)
    place.grow(6000)
    slow = (OLD + RAW).replace("commit_interval = '0 s'", "commit_interval = '1 hour'")
    (folder / "p.sql").write_text(slow)
    run = subprocess.Popen(mortal([BOURN, "run", "--quiet", "p.sql"]), cwd=folder, env=place.env())

    def epoch() -> int:
        done = suite.command([BOURN, "status", "--json"], cwd=folder, env=place.env(), check=None)
        return json.loads(done.stdout)["epoch"] if done.returncode == 0 else -1

    until(lambda: epoch() >= 3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not place.table("raw")
    place.run(CHANGED + RAW)
    fresh(place, CHANGED + RAW, "by_k", "everything", "raw")


def killed_again_and_again(folder: Path, chance: random.Random) -> None:
    """At every kind of moment of the change, several times in a row, over a state whose rows wait to be published."""
    bourn = program("faults")
    slow = (OLD + RAW + DEAD).replace("commit_interval = '0 s'", "commit_interval = '1 hour'")
    new = CHANGED + RAW + DEAD + BY_K.replace("by_k", "also") + RAW.replace("raw", "copy") + WINDOWS
    place = Place(folder / "place")
    place.grow(9000)
    place.run(slow, program=bourn, BOURN_FAULT="kill:260", check=None)
    place.grow(3000)
    place.folder.rename(folder / "saved")
    kills = 0
    for life in range(150 if LONG else 25):
        shutil.copytree(folder / "saved", place.folder, ignore=shutil.ignore_patterns("control"))
        for n in range(chance.randrange(1, 5)):
            done = place.run(new, program=bourn, BOURN_FAULT=f"kill:{chance.randrange(1, 700)}", check=None)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            kills += done.returncode != 0
        place.run(new, program=bourn)
        assert len(place.again()) <= 1  # old slots go
        fresh(place, new, "by_k", "everything", "raw", "dead", "also", "copy", "per_hour")
        assert "0 failed" in place.bourn("verify", "p.sql").stdout
        shutil.rmtree(place.folder)
    print(f"# {kills} kills")
    assert kills > 20


for test in (comments_aliases_layout_and_order_are_kept, names_and_views_are_kept,
             a_changed_where_is_rebuilt_from_there_down, postgresql_agrees, an_ended_input_is_closed_again,
             a_contract_changed_rebuilds_everything, windows_are_rebuilt,
             what_closed_does_not_close_again, joined_with_a_table_that_is_new,
             equal_rows_beside_other_columns, what_refused_rows_is_a_contract,
             several_workers_rebuild_the_same, epochs_within_a_large_poll, changed_again_and_again,
             a_sink_more_and_a_sink_less, a_target_out_of_reach_is_found_before_anything_is_written,
             dead_letters_go_on, dead_letters_from_the_beginning,
             an_append_sink_is_not_rebuilt, what_is_gone_cannot_be_read_again, a_pipe_cannot_be_read_again,
             plan_says_what_is_wrong, plan_refuses_what_run_refuses, the_old_pipeline_needs_its_variables,
             what_waits_is_published_by_the_old_plan):
    suite.run(test)
suite.run(columns_come_and_go, suite.random)
suite.run(killed_again_and_again, suite.random, limit=1500)
suite.end()
