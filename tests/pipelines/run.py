#!/usr/bin/env python3
"""bourn test: the tests that stand beside the examples pass, and fail when a pipeline is broken; what it says, and that
the deaths it plants are deaths.

    tests/pipelines/run.py [WORD...]
"""
from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import LIMIT, TOP, Suite, program  # noqa: E402

suite = Suite("pipelines")
BOURN = program()
PAYMENTS = TOP / "examples/payments"
WITHDRAWN = "FILTER (WHERE event_type = 'withdrawal_completed')"
# What somebody might break in payments.sql: the text, what it becomes, and a test that must notice.
MUTATIONS = {
    "a rule is dropped": (
        "    CONSTRAINT \"R100\" CHECK (channel IN ('web', 'mobile', 'api')),\n", "", "each rule rejects"),
    "zero is an amount": ("CHECK (amount > 0)", "CHECK (amount >= 0)", "zero is rejected"),
    "a sum without its filter": (f"coalesce(sum(amount) {WITHDRAWN}, 0) AS withdrawals",
                                 "coalesce(sum(amount), 0) AS withdrawals", "net flow"),
    "duplicates are kept": ("SELECT DISTINCT ON (event_id) *", "SELECT *", "a duplicate counts once"),
    "an average of the wrong column": (f"avg(amount) {WITHDRAWN}", f"avg(schema_version) {WITHDRAWN}", "net flow"),
    "another rule is dropped": ("    CONSTRAINT \"R110\" CHECK (currency = 'GBP'),\n", "", "each rule rejects"),
    "first and last change places": ("    min(event_time),\n    max(event_time),",
                                     "    max(event_time),\n    min(event_time),", "a user"),
    "channels of all types together": ("SELECT channel, event_type, count(*), sum(amount), now()",
                                       "SELECT channel, 'deposit_completed', count(*), sum(amount), now()", "channels"),
    "a shorter watermark": ("watermark '1 day'", "watermark '1 hour'", "the watermark stays a day behind"),
}


def bourn_test(*words, check: int = 0, **more):
    return suite.command([BOURN, "test", *words], check=check, **more)


def write(folder: Path, test: str, pipeline: str = "") -> Path:
    (folder / "p.sql").write_text(pipeline or COUNTS)
    path = folder / "p.test.sql"
    path.write_text(test if "test.pipeline" in test else f"SET test.pipeline = 'p.sql';\n{test}")
    return path


COUNTS = """
CREATE FOREIGN TABLE clicks (
    id text CONSTRAINT "C1" NOT NULL,
    at timestamptz OPTIONS (watermark '1 minute'),
    n  bigint
) SERVER anything OPTIONS (topic 'clicks');
CREATE FOREIGN TABLE counts (id text PRIMARY KEY, clicks bigint, total numeric(20,2)) SERVER lake;
INSERT INTO counts SELECT id, count(*), sum(n) FROM clicks GROUP BY id;
"""


# ---- what is shipped ----

def the_examples_pass(folder: Path) -> None:
    examples = folder / "examples"
    shutil.copytree(TOP / "examples", examples)
    suite.command(["cc", "-shared", "-fPIC", f"-I{TOP / 'src/expr'}", "-o", examples / "functions/libiban.so",
                   examples / "functions/iban.c"])
    done = bourn_test("--allow-c-functions", examples)
    lines = done.stdout.splitlines()
    assert lines[-1].endswith(" passed, 0 failed") and int(lines[-1].split()[0]) >= 20, done.stdout
    assert all(line.startswith("ok ") for line in lines[:-1]), done.stdout
    assert any("payments.test.sql" in line for line in lines) and any("transactions.test.sql" in line for line in lines)


def mutations_fail(folder: Path) -> None:
    text = (PAYMENTS / "payments.sql").read_text()
    for name, (was, becomes, noticed) in MUTATIONS.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        assert text.count(was) == 1, f"{name}: payments.sql has it {text.count(was)} times"
        (place / "payments.sql").write_text(text.replace(was, becomes))
        shutil.copy(PAYMENTS / "payments.test.sql", place)
        done = bourn_test(place, check=1)
        failed = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
        assert any(noticed in line for line in failed), f"{name}:\n{done.stdout}"


ARRAYS = """
CREATE FOREIGN TABLE orders (
    id text, at timestamptz OPTIONS (watermark '1 minute'), tags text[], prices numeric(8,2)[],
    CONSTRAINT "A1" CHECK (cardinality(prices) > 0)
) SERVER anything OPTIONS (topic 'orders');
CREATE FOREIGN TABLE baskets (tags text[] PRIMARY KEY, orders bigint, ids text[], first numeric(8,2)) SERVER lake;
CREATE FOREIGN TABLE sizes (n bigint PRIMARY KEY, tags jsonb, cheap boolean) SERVER lake;
CREATE FOREIGN TABLE once (id text, tags text[]) SERVER lake;
INSERT INTO baskets
SELECT tags, count(*), array_agg(id ORDER BY id DESC), max(prices[1]) FROM orders WHERE tags IS NOT NULL GROUP BY tags;
INSERT INTO sizes
SELECT b.orders, jsonb_agg(b.tags), bool_or(1 > ANY (b.prices))
FROM (SELECT tags, count(*) AS orders, array_agg(prices[1]) AS prices FROM orders GROUP BY tags) AS b GROUP BY b.orders;
INSERT INTO once SELECT DISTINCT ON (tags) id, tags FROM orders;
"""
ARRAYS_TEST = """
SET test.name = 'arrays are keys, state and values';
INSERT INTO orders VALUES
    ('a', '2026-01-01 00:00:00Z', '{new,"a long tag, quoted",NULL}', '{1.50,NULL}'),
    ('b', '2026-01-01 00:00:01Z', '{}', '{0.25}');
CHECKPOINT;
INSERT INTO orders VALUES
    ('c', '2026-01-01 00:00:02Z', '{new,"a long tag, quoted",NULL}', '{2.50}'),
    ('d', '2026-01-01 00:00:03Z', '{}', '{}'),
    ('e', '2026-01-01 00:00:04Z', NULL, '{7}');
CHECKPOINT;
INSERT INTO orders VALUES ('f', '2026-01-01 00:00:05Z', '{}', '{3,4}');
SELECT * FROM baskets;
VALUES ('{new,"a long tag, quoted",NULL}', 2, '{c,a}', 2.50), ('{}', 2, '{f,b}', 3);
SELECT * FROM sizes;
VALUES (1, '[null]', false), (2, '[["new", "a long tag, quoted", null], []]', true);
SELECT * FROM once;
VALUES ('a', '{new,"a long tag, quoted",NULL}'), ('b', '{}'), ('e', NULL);
SELECT "offset", rules FROM bourn.rejected;
VALUES (3, 'A1');
"""


def arrays_survive(folder: Path) -> None:
    write(folder, ARRAYS_TEST, ARRAYS)
    assert bourn_test("p.test.sql", cwd=folder).stdout.endswith("1 passed, 0 failed\n")


# ---- what it says ----

GIVEN = "INSERT INTO clicks VALUES ('a', '2026-01-01 00:00:00Z', 2), ('b', '2026-01-01 00:00:00Z', NULL);\n"


def a_difference_is_readable(folder: Path) -> None:
    write(folder, f"SET test.name = 'x';\n{GIVEN}"
                  "SELECT id, clicks, total FROM counts;\n"
                  "VALUES ('a', 1, 3), ('b', 1, NULL), ('a longer name', 12, 0);\n")
    done = bourn_test("p.test.sql", check=1, cwd=folder)
    assert done.stdout.splitlines() == [
        "# p.test.sql:5:1: rows differ: - expected and missing, + found and not expected (as written, epoch 2)",
        "#      id            | clicks | total",
        "#   -  a             | 1      | 3",
        "#   +  a             | 1      | 2",
        "#      b             | 1      | NULL",
        "#   -  a longer name | 12     | 0",
        "not ok 1 - p.test.sql: x",
        "0 passed, 1 failed"], done.stdout


def json_says_the_same(folder: Path) -> None:
    write(folder, f"SET test.name = 'x';\n{GIVEN}SELECT id, total FROM counts;\nVALUES ('a', 3), ('b', NULL);\n"
                  f"SET test.name = 'y';\n{GIVEN}SELECT id FROM counts ORDER BY id;\nVALUES ('a'), ('b');\n")
    found = json.loads(bourn_test("--json", "p.test.sql", check=1, cwd=folder).stdout)
    x, y = found["tests"]
    assert (found["passed"], found["failed"]) == (1, 1)
    assert x["missing"] == [["a", "3"]] and x["extra"] == [["a", "2"]] and x["columns"] == ["id", "total"], x
    assert (x["line"], x["ok"], x["variant"]) == (5, False, "as written")
    assert y == {"file": "p.test.sql", "test": "y", "ok": True, "runs": 7}, y


def order_counts_where_it_is_asked_for(folder: Path) -> None:
    rows = "VALUES ('b'), ('a');\n"
    write(folder, f"SET test.name = 'x';\n{GIVEN}SELECT id FROM counts;\n{rows}"
                  f"SET test.name = 'y';\n{GIVEN}SELECT id FROM counts ORDER BY id;\n{rows}")
    done = bourn_test("p.test.sql", check=1, cwd=folder)
    assert "\nnot ok 2 - p.test.sql: y" in done.stdout and "come in this order" in done.stdout, done.stdout
    assert done.stdout.startswith("ok 1 - p.test.sql: x"), done.stdout


def mistakes_have_a_place_and_a_hint(folder: Path) -> None:
    head = "SET test.name = 'x';\n"
    cases = [
        ("SELECT idd FROM counts;", '3:8: error: column "idd" does not exist in "counts"; did you mean "id"?'),
        ("SELECT id FROM count;", '3:16: error: relation "count" does not exist; did you mean "counts"?'),
        ("INSERT INTO clicks (idd) VALUES ('a'); SELECT 1;", '3:21: error: column "idd" does not exist in "clicks"'),
        ("INSERT INTO click VALUES ('a'); SELECT 1;", 'the pipeline reads no table "click"\n#   hint: did you mean '
                                                      '"clicks"?'),
        ("INSERT INTO clicks (n) VALUES ('many'); SELECT 1;", "row 1, column 1 of \"clicks\": invalid input syntax"),
        ("SELECT id FROM counts; VALUES ('a', 1);", "VALUES has rows of 2 columns, the SELECT before it gives 1"),
        ("SELECT clicks FROM counts; VALUES ('many');", 'row 1, column "clicks": invalid input syntax for type bigint'),
        ("VALUES (1);", "3:1: error: VALUES stands behind no SELECT"),
        ("SELECT 1; SET test.nwo = '1';", 'a test has no setting "test.nwo"\n#   hint: did you mean "test.now"?'),
        ("SET test.now = 'soon'; SELECT 1;", '3:1: error: test.now: "soon" is no time'),
        ("CREATE VIEW v AS SELECT 1; SELECT 1;", "error: CREATE in a test is not supported"),
        ("CLOSE clicks; INSERT INTO clicks VALUES ('a'); SELECT 1;", 'rows of "clicks" after it was closed'),
        ("SELEC 1;", '3:1: error: syntax error at or near "SELEC"'),
        ("CHECKPOINT;", 'the test "x" expects nothing'),
        ("SET test.pipeline = 'other.sql'; SELECT 1;", "there is no file other.sql"),
    ]
    for text, said in cases:
        write(folder, f"SET test.pipeline = 'p.sql';\n{head}{text}")
        done = bourn_test("p.test.sql", check=1, cwd=folder)
        assert said in done.stdout and done.stdout.endswith("0 passed, 1 failed\n"), f"{text}\n{done.stdout}"


def a_broken_pipeline_is_told_at_its_place(folder: Path) -> None:
    write(folder, "SET test.name = 'x'; SELECT 1;", COUNTS.replace("sum(n)", "sum(m)"))
    done = bourn_test("p.test.sql", check=1, cwd=folder)
    assert '# p.sql:8:45: error: column "m" does not exist' in done.stdout, done.stdout


def nothing_to_test(folder: Path) -> None:
    for words in (["nowhere"], [folder]):
        assert bourn_test(*words, check=2).stdout == ""


def in_a_pipeline_its_statements_are_refused(folder: Path) -> None:
    for statement in ("CHECKPOINT", "CLOSE clicks"):
        (folder / "p.sql").write_text(f"{COUNTS}{statement};")
        done = suite.command([BOURN, "check", "p.sql"], check=3, cwd=folder)
        assert "in a pipeline is not supported" in done.stderr and "bourn test" in done.stderr, done.stderr


# ---- what it does ----

def other_cuts_are_tried(folder: Path) -> None:
    """Rows that are late in some cuts and not in others: the test says so, or says that they are the subject."""
    pipeline = COUNTS.replace("FROM clicks GROUP", "FROM (SELECT DISTINCT ON (id, n) * FROM clicks) AS o GROUP")
    rows = ("INSERT INTO clicks VALUES ('a', '2026-01-01 00:00:00Z', 1), ('b', '2026-01-01 01:00:00Z', 2),\n"
            "('b', '2026-01-01 02:00:00Z', 3), ('c', '2026-01-01 00:00:00Z', 4);\n"
            "SELECT id FROM counts; VALUES ('a'), ('b'), ('c');\n")
    write(folder, f"SET test.name = 'x';\n{rows}", pipeline)
    done = bourn_test("p.test.sql", check=1, cwd=folder)
    assert "(every row an epoch, epoch 5)" in done.stdout and "#   -  c" in done.stdout, done.stdout
    write(folder, f"SET test.name = 'x';\nSET test.cuts = 'as written';\n{rows}", pipeline)
    bourn_test("p.test.sql", cwd=folder)


def the_clock_is_the_tests(folder: Path) -> None:
    write(folder, "SET test.now = '1999-12-31 23:59:59Z';\nSET test.name = 'x';\n"
                  "INSERT INTO clicks VALUES ('a', '1999-12-31 12:00:00Z', 2), ('b', '2000-01-01 12:00:00Z', 2);\n"
                  "SELECT rules, rejected_at FROM bourn.rejected; VALUES ('future', '1999-12-31 23:59:59Z');\n"
                  "SET test.now = '2000-01-01 12:00:00Z';\nINSERT INTO clicks (raw) VALUES ('{}');\n"
                  "SELECT rules, rejected_at FROM bourn.rejected ORDER BY rejected_at;\n"
                  "VALUES ('future', '1999-12-31 23:59:59Z'), ('C1', '2000-01-01 12:00:00Z');\n")
    bourn_test("p.test.sql", cwd=folder)


def reference_data_is_given(folder: Path) -> None:
    pipeline = COUNTS.split("INSERT")[0] + """
CREATE TABLE names (id text, name text);
COPY names FROM 'names.csv' WITH (FORMAT csv, HEADER true);
INSERT INTO counts SELECT name, count(*), sum(n) FROM clicks JOIN names USING (id) GROUP BY name;
"""
    write(folder, "SET test.name = 'x';\n" + GIVEN +
          "INSERT INTO names VALUES ('a', 'Anna'), ('c', 'Carl');\n"
          "SELECT id, clicks FROM counts; VALUES ('Anna', 1);\n", pipeline)
    bourn_test("p.test.sql", cwd=folder)


def secrets_and_servers_are_not_needed(folder: Path) -> None:
    pipeline = """CREATE SERVER anything FOREIGN DATA WRAPPER kafka OPTIONS ("bootstrap.servers" '${NOT_SET}');
CREATE USER MAPPING FOR CURRENT_USER SERVER anything OPTIONS ("sasl.password" 'env:NOT_SET_EITHER');
""" + COUNTS
    write(folder, f"SET test.name = 'x';\n{GIVEN}SELECT count(*) FROM counts; VALUES (2);\n", pipeline)
    bourn_test("p.test.sql", cwd=folder)


def deaths_are_deaths(_folder: Path) -> None:
    """With a bug planted in recovery the shipped tests fail, and only where the engine is killed."""
    for bug in ("expiring-not-saved", "keyed-save-forgets", "seek_skipped"):
        done = suite.command([program("faults"), "test", PAYMENTS], check=1, env={**os.environ, "BOURN_BUG": bug},
                             limit=LIMIT)
        told = [line for line in done.stdout.splitlines() if "(" in line and ", epoch" in line]
        assert told and all("killed in every epoch" in line for line in told), f"{bug}:\n{done.stdout}"


def nothing_is_left_behind(folder: Path) -> None:
    (folder / "tmp").mkdir()
    write(folder, f"SET test.name = 'x';\n{GIVEN}SELECT count(*) FROM counts; VALUES (2);\n")
    before = sorted(path.name for path in folder.iterdir())
    bourn_test("p.test.sql", cwd=folder, env={"TMPDIR": str(folder / "tmp")})
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not list((folder / "tmp").iterdir())


for case in (the_examples_pass, mutations_fail, arrays_survive, a_difference_is_readable, json_says_the_same,
             order_counts_where_it_is_asked_for, mistakes_have_a_place_and_a_hint,
             a_broken_pipeline_is_told_at_its_place, nothing_to_test, in_a_pipeline_its_statements_are_refused,
             other_cuts_are_tried, the_clock_is_the_tests, reference_data_is_given,
             secrets_and_servers_are_not_needed, deaths_are_deaths, nothing_is_left_behind):
    suite.run(case)
suite.end()
