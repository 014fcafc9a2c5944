#!/usr/bin/env python3
"""Functions in C: what they compute against SQL that says the same, what is refused before any of it runs, another file
under the same name, crashes and kills.

    run.py [WORD...]     the cases whose name has one of the words
"""
from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import TOP, Suite, program  # noqa: E402
from harness.children import mortal  # noqa: E402

suite = Suite("functions")
BOURN = program()
INCLUDE = TOP / "src/expr"
ALLOW = "--allow-c-functions"

HALF = """
#include <bourn_function.h>
static size_t run(const struct bourn_call *c)
{
    const int64_t *x = (const int64_t *)c->args[0].data;
    double *out = (double *)c->result;
    for (uint32_t i = 0; i < c->rows; i++)
        if (bourn_bit(c->active, i)) {
            if (x[i] < 0)
                c->error[i] = "half of a negative";
            out[i] = (double)x[i] / 2;
        }
    return 0;
}
"""
QUARTER = HALF.replace("/ 2", "/ 4")
DECLARED = "BOURN_FUNCTION(half) = {BOURN_ABI, sizeof half, BOURN_PURE, BOURN_FLOAT8, 1, {BOURN_INT8}, run};\n"
CREATE = "CREATE FUNCTION half(bigint) RETURNS double precision LANGUAGE c IMMUTABLE STRICT AS 'lib.so', 'half';\n"
EVENTS = """
CREATE FOREIGN TABLE events (id bigint, k integer, n bigint)
    SERVER file OPTIONS (path 'events.ndjson', format 'json', follow '${FOLLOW:-false}');
"""
DEAD = """
CREATE FOREIGN TABLE dead (rules text, error text) SERVER file OPTIONS (path 'dead.ndjson', format 'json');
INSERT INTO dead SELECT rules, error FROM bourn.rejected;
"""
INTO_HALVES = """
CREATE FOREIGN TABLE halves (id bigint, h double precision) SERVER file OPTIONS (path 'halves.ndjson', format 'json');
INSERT INTO halves SELECT id, half(n) FROM events;
"""
INTO_TOTALS = """
CREATE FOREIGN TABLE totals (k integer PRIMARY KEY, h double precision, n bigint)
    SERVER file OPTIONS (path 'totals.ndjson', format 'json');
INSERT INTO totals SELECT k, sum(half(n)), count(*) FROM events GROUP BY k;
"""
HALVES = CREATE + EVENTS + INTO_HALVES
TOTALS = CREATE + EVENTS + INTO_TOTALS


def compile_library(source: str, to: Path, *words: str, language: str = "c") -> None:
    suite.command(["c++" if language == "c++" else "cc", "-x", language, "-", "-shared", "-fPIC", "-O1", "-Wall",
                   "-Wextra", "-Werror", "-pedantic", f"-I{INCLUDE}", *words, "-o", to], input=source)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state"), **more}


def bourn(folder: Path, *words, check: int | None = 0, **more: str) -> subprocess.CompletedProcess:
    return suite.command([BOURN, *words], check=check, cwd=folder, env=environment(folder, **more))


def run(folder: Path, *words, check: int | None = 0, **more: str) -> subprocess.CompletedProcess:
    return bourn(folder, "run", "--quiet", ALLOW, *words, "p.sql", check=check, **more)


def start(folder: Path, *words: str, **more: str) -> subprocess.Popen:
    with open(folder / "stderr", "w") as stderr:
        return subprocess.Popen(mortal([str(BOURN), "run", "--quiet", ALLOW, *words, "p.sql"]), cwd=folder,
                                stderr=stderr, env=environment(folder, **more))


def wait(folder: Path, child: subprocess.Popen, condition) -> None:
    """Under the case's own limit."""
    while not condition():
        assert child.poll() is None, (folder / "stderr").read_text()
        time.sleep(0.01)


def write(folder: Path, pipeline: str, events: list[dict]) -> None:
    (folder / "p.sql").write_text(pipeline)
    (folder / "events.ndjson").write_text("".join(json.dumps(e) + "\n" for e in events))


def rows(path: Path) -> list[dict]:
    """Those whose line is whole: it may be looked at while more is being written."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def by_id(path: Path) -> list[dict]:
    return sorted(rows(path), key=lambda row: row["id"])


def by_k(path: Path) -> list[dict]:
    return sorted(rows(path), key=lambda row: row["k"])


# ---- the example, the header ----

def the_example(folder: Path) -> None:
    """Its own tests, and random account numbers against what Python says of them."""
    place = folder / "functions"
    shutil.copytree(TOP / "examples/functions", place)
    suite.command(["cc", "-shared", "-fPIC", "-O2", f"-I{INCLUDE}", "-o", place / "libiban.so", place / "iban.c"])
    assert "3 passed, 0 failed" in bourn(folder, "test", ALLOW, "functions").stdout
    assert "0 passed, 3 failed" in bourn(folder, "test", "functions", check=1).stdout
    dice = random.Random(suite.seed)
    numbers = []
    for n in range(3000):
        digits = "".join(dice.choice("0123456789") for _ in range(dice.randrange(5, 28)))
        check = 98 - int(digits + "131400") % 97 if dice.random() < 0.5 else dice.randrange(100)  # 1314: DE
        numbers.append({"id": str(n), "payer": f"DE{check:02}{digits}", "payee": "DE89370400440532013000", "amount": 1})
    (place / "transfers.ndjson").write_text("".join(json.dumps(n) + "\n" for n in numbers))
    good = sum(int(n["payer"][4:] + "1314" + n["payer"][2:4]) % 97 == 1 for n in numbers)
    assert 1000 < good < 2500
    bourn(place, "run", "--quiet", ALLOW, "--workers", 2, "functions.sql")
    (row,) = rows(place / "received.ndjson")
    assert row["transfers"] == good, (row, good)


def the_header_is_c_and_cpp(folder: Path) -> None:
    wanted = None
    for n, (language, words) in enumerate((("c", ["-std=c99"]), ("c", ["-std=c17"]), ("c++", ["-std=c++11"]),
                                           ("c++", ["-std=c++20", "-fvisibility=hidden"]))):
        place = folder / str(n)
        place.mkdir()
        compile_library(HALF + DECLARED, place / "lib.so", *words, language=language)
        write(place, HALVES, [{"id": i, "n": i * 3} for i in range(10)])
        run(place)
        found = by_id(place / "halves.ndjson")
        wanted = wanted or found
        assert found == wanted and found[3] == {"id": 3, "h": 4.5}


# ---- what they compute ----

# SQL type, bourn's name of it, C type, a constant
TYPES = [
    ("boolean", "BOOL", "uint8_t", "true"), ("integer", "INT4", "int32_t", "-7"),
    ("bigint", "INT8", "int64_t", "9007199254740993"), ("double precision", "FLOAT8", "double", "0.1::float8"),
    ("text", "TEXT", "struct bourn_text", "'Grüße, Jürgen Großmann'"), ("date", "DATE", "int32_t", "date '2024-02-29'"),
    ("timestamp", "TIMESTAMP", "int64_t", "timestamp '2024-02-29 12:00:00'"),
    ("timestamptz", "TIMESTAMPTZ", "int64_t", "timestamptz '2024-02-29 12:00:00Z'"),
    ("bytea", "BYTEA", "struct bourn_text", "'\\xdeadbeef'::bytea"),
    ("uuid", "UUID", "struct bourn_uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"),
    ("interval", "INTERVAL", "struct bourn_interval", "interval '-1 year 3 mons 40 days -00:00:00.000001'"),
    ("jsonb", "JSONB", "struct bourn_text", "'{\"b\": [1.50, null], \"a\": \"\u00fc\"}'::jsonb")]
ECHO = """
static size_t run_{name}(const struct bourn_call *c)
{{
    const {type} *x = c->args[0].data;
    {type} *out = c->result;
    for (uint32_t i = 0; i < c->rows; i++)
        if (!bourn_bit(c->args[0].valid, i))
            bourn_null(c, i);
        else if (bourn_bit(c->active, i))
            out[i] = x[i];
    return 0;
}}
BOURN_FUNCTION(echo_{name}) = {{BOURN_ABI, sizeof(struct bourn_function), BOURN_PURE, BOURN_{name}, 1, {{BOURN_{name}}},
                              run_{name}}};
"""


def a_row(dice: random.Random, n: int) -> dict:
    year = f"{dice.randrange(1, 10000):04}"
    values = [dice.random() < 0.5, dice.randrange(-2**31, 2**31), dice.randrange(-2**63, 2**63),
              dice.uniform(-1e9, 1e9),
              "".join(dice.choice("ab éж\U0001f600") for _ in range(dice.choice((0, 3, 12, 13, 200)))), f"{year}-02-28",
              f"{year}-12-31T23:59:59.999999", f"{year}-12-31T23:59:59.999999Z", "\\x68656c6c6f",
              str(uuid.UUID(int=dice.randrange(1 << 128))),
              f"{dice.randrange(-99, 99)} mons {dice.randrange(-999, 999)} days {dice.randrange(-10**9, 10**9)} us",
              {"long key": [dice.random(), None, {}], "k": dice.choice(["", "x\n", True])}]
    return {"id": n, **{f"c{i}": None if dice.random() < 0.2 else value for i, value in enumerate(values)}}


def every_type_there_and_back(folder: Path) -> None:
    """Functions that give back what they are given change nothing: of columns, constants, NULLs; on two workers."""
    source = "#include <bourn_function.h>\n" + "".join(ECHO.format(name=name, type=c) for _, name, c, _ in TYPES)
    compile_library(source, folder / "lib.so")
    columns = ", ".join(f"c{i} {sql}" for i, (sql, _, _, _) in enumerate(TYPES))
    table = "CREATE FOREIGN TABLE {0} (id bigint, %s, %s) SERVER file OPTIONS (path '{0}.ndjson', format 'json');\n" % (
        columns, ", ".join(f"d{i} {sql}" for i, (sql, _, _, _) in enumerate(TYPES)))
    pipeline = EVENTS.replace("id bigint, k integer, n bigint", f"id bigint, {columns}")
    for i, (sql, name, _, _) in enumerate(TYPES):
        pipeline += f"CREATE FUNCTION e{i}({sql}) RETURNS {sql} LANGUAGE c AS 'lib.so', 'echo_{name}';\n"
    values = [f"c{i}" for i in range(len(TYPES))] + [const for _, _, _, const in TYPES]
    pipeline += table.format("plain") + f"INSERT INTO plain SELECT id, {', '.join(values)} FROM events;\n"
    values = [f"e{i % len(TYPES)}({value})" for i, value in enumerate(values)]
    pipeline += table.format("called") + f"INSERT INTO called SELECT id, {', '.join(values)} FROM events;\n"
    dice = random.Random(suite.seed)
    events = [a_row(dice, n) for n in range(5000)]
    for workers in 1, 2:
        place = folder / str(workers)
        place.mkdir()
        shutil.copy(folder / "lib.so", place)
        write(place, pipeline, events)
        run(place, "--workers", workers)
        plain = by_id(place / "plain.ndjson")
        assert len(plain) == 5000 and plain == by_id(place / "called.ndjson")


NUMERIC = """
#include <bourn_function.h>
#include <stdio.h>
/* A numeric's digits as text, and its scale: what a result is cast from. */
static size_t run(const struct bourn_call *c)
{
    const struct bourn_numeric *x = c->args[0].data;
    struct bourn_text *out = c->result;
    if (c->scratch_size < c->rows * 64)
        return c->rows * 64;
    for (uint32_t i = 0; i < c->rows; i++) {
        if (!bourn_bit(c->active, i))
            continue;
        char *end = c->scratch + 64 * i + 64, *at = end;
        __extension__ unsigned __int128 v = (unsigned __int128)(uint64_t)x[i].high << 64 | x[i].low;
        int negative = x[i].high < 0, digits = 0;
        if (negative)
            v = -v;
        do {
            if (digits++ == x[i].scale && x[i].scale > 0)
                *--at = '.';
            *--at = (char)('0' + (int)(v % 10));
        } while ((v /= 10) || digits <= x[i].scale);
        if (negative)
            *--at = '-';
        out[i].data = at;
        out[i].len = (size_t)(end - at);
    }
    return 0;
}
BOURN_FUNCTION(digits) = {BOURN_ABI, sizeof digits, BOURN_PURE, BOURN_TEXT, 1, {BOURN_NUMERIC}, run};
"""


def numeric_arguments(folder: Path) -> None:
    """Of every width and scale, of constants and of integers: as text, what SQL's own cast gives."""
    compile_library(NUMERIC, folder / "lib.so")
    scales = ["numeric(4,0)", "numeric(12,2)", "numeric(18,18)", "numeric(38,10)", "numeric(38,38)", "numeric(38,0)"]
    dice = random.Random(suite.seed)
    columns = ", ".join(f"c{i} {scale}" for i, scale in enumerate(scales))
    values = [f"c{i}" for i in range(len(scales))] + ["n", "-0.010", "12345678901234567890123456789012345678", "7"]
    texts = ", ".join(f"t{i} text" for i in range(len(values)))
    table = "CREATE FOREIGN TABLE {0} (id bigint, %s) SERVER file OPTIONS (path '{0}.ndjson', format 'json');\n" % texts
    pipeline = EVENTS.replace("id bigint, k integer, n bigint", f"id bigint, n bigint, {columns}")
    pipeline += "CREATE FUNCTION d(numeric) RETURNS text LANGUAGE c STRICT AS 'lib.so', 'digits';\n"
    pipeline += table.format("plain") + f"INSERT INTO plain SELECT id, {', '.join(f'({v})::text' for v in values)} " \
                                        "FROM events;\n"
    pipeline += table.format("called") + f"INSERT INTO called SELECT id, {', '.join(f'd({v})' for v in values)} " \
                                         "FROM events WHERE d(c1)::numeric(12,2) IS NOT DISTINCT FROM c1;\n"
    events = []
    for n in range(3000):
        row = {"id": n, "n": dice.randrange(-2**63, 2**63)}
        for i, (digits, scale) in enumerate(((4, 0), (12, 2), (18, 18), (38, 10), (38, 38), (38, 0))):
            v = dice.randrange(10 ** dice.randint(0, digits))
            text = f"{v:0{scale + 1}}"
            text = f"{text[:-scale]}.{text[-scale:]}" if scale else text
            row[f"c{i}"] = None if dice.random() < 0.1 else dice.choice(("", "-")) + text
        events.append(row)
    write(folder, pipeline, events)
    run(folder, "--workers", 2)
    plain = by_id(folder / "plain.ndjson")
    assert len(plain) == 3000 and plain == by_id(folder / "called.ndjson")


JSON = """
#include <bourn_function.h>
static size_t run(const struct bourn_call *c)
{
    const struct bourn_text *x = c->args[0].data;
    struct bourn_text *out = c->result;
    for (uint32_t i = 0; i < c->rows; i++)
        if (bourn_bit(c->active, i))
            out[i] = x[i];
    return 0;
}
BOURN_FUNCTION(parsed) = {BOURN_ABI, sizeof parsed, BOURN_PURE, BOURN_JSONB, 1, {BOURN_TEXT}, run};
"""


def jsonb_results_are_put_in_order(folder: Path) -> None:
    compile_library(JSON, folder / "lib.so")
    texts = ['{"bb":1,"a":2,"a":3}', " [1e2,  -0]", "", "{", "nul", '"a" "b"', "[1.50]"]
    write(folder, EVENTS.replace("n bigint", "t text") + DEAD
          + "CREATE FUNCTION p(text) RETURNS jsonb LANGUAGE c STRICT AS 'lib.so', 'parsed';\n"
          "CREATE FOREIGN TABLE o (id bigint, j text) SERVER file OPTIONS (path 'o.ndjson', format 'json');\n"
          "INSERT INTO o SELECT id, p(t)::text FROM events;\n", [{"id": i, "t": t} for i, t in enumerate(texts)])
    run(folder)
    assert by_id(folder / "o.ndjson") == [{"id": 0, "j": '{"a": 3, "bb": 1}'}, {"id": 1, "j": "[100, 0]"},
                                          {"id": 6, "j": "[1.50]"}]
    assert [row["rules"] for row in rows(folder / "dead.ndjson")] == ["error:22P02"] * 4


STRICT = """
#include <bourn_function.h>
static size_t run(const struct bourn_call *c)
{
    const int64_t *x = c->args[0].data, *y = c->args[1].data;
    int64_t *out = c->result;
    for (uint32_t i = 0; i < c->rows; i++)
        if (bourn_bit(c->active, i)) {
            int nulls = !bourn_bit(c->args[0].valid, i) + !bourn_bit(c->args[1].valid, i);
            out[i] = nulls ? -nulls : x[i] * 100 + y[i];
        }
    return 0;
}
BOURN_FUNCTION(f) = {BOURN_ABI, sizeof f, BOURN_PURE, BOURN_INT8, 2, {BOURN_INT8, BOURN_INT8}, run};
"""


def nulls_strict_and_defaults(folder: Path) -> None:
    compile_library(STRICT, folder / "lib.so")
    create = "CREATE FUNCTION {}(a bigint, b bigint DEFAULT 5) RETURNS bigint LANGUAGE c {} AS 'lib.so', 'f';\n"
    write(folder, create.format("loose", "") + create.format("strict", "STRICT") + EVENTS + """
        CREATE FUNCTION twice(x bigint) RETURNS bigint RETURN loose(x, x);
        CREATE FOREIGN TABLE o (id bigint, a bigint, b bigint, c bigint, d bigint, e bigint)
            SERVER file OPTIONS (path 'o.ndjson', format 'json');
        INSERT INTO o SELECT id, loose(k, n), strict(k, n), loose(n), strict(NULL, n), twice(n) FROM events
            WHERE coalesce(strict(id), 0) <> 205;""",
          [{"id": 1, "k": 1, "n": 2}, {"id": 2, "k": 1, "n": 2}, {"id": 3, "k": None, "n": 2},
           {"id": 4, "k": None, "n": None}])
    run(folder)
    assert [list(row.values()) for row in by_id(folder / "o.ndjson")] == [
        [1, 102, 102, 205, None, 202], [3, -1, None, 205, None, 202], [4, -2, None, -1, None, -2]]


def errors_are_rows(folder: Path) -> None:
    """A row that fails is rejected; CASE asks for none that it does not take; a rule that fails is broken."""
    compile_library(HALF + DECLARED, folder / "lib.so")
    contract = folder / "contract"
    contract.mkdir()
    shutil.copy(folder / "lib.so", contract)
    write(contract, HALVES.replace("half(n)", "CASE WHEN k = 0 THEN half(n) ELSE 0 END")
          .replace("n bigint)", "n bigint, CONSTRAINT small CHECK (k > 5 OR half(n) < 100))") + DEAD,
          [{"id": 1, "k": 0, "n": 5}, {"id": 2, "k": 9, "n": -5}, {"id": 3, "k": 0, "n": -5},
           {"id": 4, "k": 0, "n": 400}, {"id": 5, "k": 6, "n": -1}, {"id": 6, "k": 0, "n": None}])
    run(contract)
    assert by_id(contract / "halves.ndjson") == [{"id": 1, "h": 2.5}, {"id": 2, "h": 0}, {"id": 5, "h": 0},
                                                 {"id": 6, "h": None}]
    assert [row["rules"] for row in rows(contract / "dead.ndjson")] == ["small", "small"]
    write(folder, HALVES + DEAD, [{"id": 1, "n": 5}, {"id": 2, "n": -5}])
    run(folder)
    (dead,) = rows(folder / "dead.ndjson")
    assert dead["rules"] == "error:38000" and "half: half of a negative" in dead["error"], dead
    shutil.rmtree(folder / "state")
    (folder / "p.sql").write_text("SET bourn.on_error = 'stop';\n" + HALVES)
    stopped = run(folder, "--adopt", check=None)
    assert stopped.returncode and "half: half of a negative" in stopped.stderr


def errors_behind_state(folder: Path) -> None:
    """A group whose row fails is gone while it does, and comes back (semantics 16)."""
    compile_library(HALF + DECLARED, folder / "lib.so")
    write(folder, "SET bourn.epoch_rows = '1';\n" + CREATE + EVENTS + """
        CREATE FOREIGN TABLE o (k integer PRIMARY KEY, h double precision) SERVER file
            OPTIONS (path 'o.ndjson', format 'json');
        INSERT INTO o SELECT k, half(total) FROM (SELECT k, sum(n)::bigint AS total FROM events GROUP BY k) AS t;""",
          [{"id": 1, "k": 1, "n": 6}, {"id": 2, "k": 2, "n": -6}, {"id": 3, "k": 1, "n": -8},
           {"id": 4, "k": 2, "n": 20}, {"id": 5, "k": 3, "n": 1}, {"id": 6, "k": 3, "n": -2}])
    run(folder)
    assert rows(folder / "o.ndjson") == [{"k": 2, "h": 7}], rows(folder / "o.ndjson")


ODD = """
#include <bourn_function.h>
static size_t run(const struct bourn_call *c)
{
    const int64_t *x = c->args[0].data;
    struct bourn_text *out = c->result;
    for (uint32_t i = 0; i < c->rows; i++) {
        static const char zero[] = "a\\0b";
        out[i].data = x[i] == 1 ? "\\xff" : zero;
        out[i].len = x[i] == 1 ? 1 : x[i] == 2 ? 3 : x[i] == 3 ? (size_t)1 << 40 : 0;
        if (x[i] == 4)
            c->error[i] = "\\xff";
        if (x[i] == 5)
            return c->scratch_size ? 3 : 5;
        if (x[i] == 6)
            return (size_t)1 << 40;
    }
    return 0;
}
BOURN_FUNCTION(odd) = {BOURN_ABI, sizeof odd, BOURN_PURE, BOURN_TEXT, 1, {BOURN_INT8}, run};
static size_t run_day(const struct bourn_call *c)
{
    const int64_t *x = c->args[0].data;
    for (uint32_t i = 0; i < c->rows; i++)
        ((int32_t *)c->result)[i] = x[i] == 7 ? INT32_MAX : 0;
    return 0;
}
BOURN_FUNCTION(day) = {BOURN_ABI, sizeof day, BOURN_PURE, BOURN_DATE, 1, {BOURN_INT8}, run_day};
"""


def results_that_are_none(folder: Path) -> None:
    compile_library(ODD, folder / "lib.so")
    pipeline = "CREATE FUNCTION odd(bigint) RETURNS text LANGUAGE c STRICT AS 'lib.so';\n" \
               "CREATE FUNCTION day(bigint) RETURNS date LANGUAGE c STRICT AS 'lib.so';\n" + EVENTS + DEAD + """
        CREATE FOREIGN TABLE o (id bigint, t text) SERVER file OPTIONS (path 'o.ndjson', format 'json');
        INSERT INTO o SELECT id, odd(n) || day(n)::text FROM events;"""
    for n, sqlstate, text in ((0, None, None), (1, "22021", "no valid UTF-8"), (2, "22021", "no valid UTF-8"),
                              (3, "54000", "is longer than"), (4, "38000", "text is no UTF-8"),
                              (5, "38000", "asks for 3 bytes of scratch, but has 5"), (6, "54000", "the most is"),
                              (7, "22008", "years 0001 to 9999")):
        place = folder / str(n)
        place.mkdir()
        shutil.copy(folder / "lib.so", place)
        write(place, pipeline, [{"id": n, "n": n}])
        run(place)
        if n == 0:
            assert rows(place / "o.ndjson") == [{"id": 0, "t": "1970-01-01"}]
            continue
        (dead,) = rows(place / "dead.ndjson")
        assert dead["rules"] == f"error:{sqlstate}" and text in dead["error"] and not rows(place / "o.ndjson"), dead


# ---- what is refused ----

def refusal(folder: Path, pipeline: str, check: int = 3) -> str:
    write(folder, pipeline, [])
    return bourn(folder, "check", "p.sql", check=check).stderr


def wrong_objects(folder: Path) -> None:
    """Each is refused at its place, with a hint, and before anything of the object has run."""
    ran = folder / "ran"
    source = "#include <stdio.h>\n__attribute__((constructor)) static void begin(void)\n" \
             f"{{ FILE *f = fopen(\"{ran}\", \"w\"); if (f) fclose(f); }}\n" + HALF
    wrong = [
        (DECLARED.replace("{BOURN_ABI", "{BOURN_ABI + 1"), "version 2 of the interface"),
        (DECLARED.replace("sizeof half", "sizeof half - 8"), "size of struct bourn_function"),
        (DECLARED.replace("BOURN_PURE", "0"), "BOURN_PURE"),
        (DECLARED.replace("BOURN_PURE", "BOURN_PURE | 2"), "flags that are unknown"),
        (DECLARED.replace("1, {BOURN_INT8}", "7, {BOURN_INT8}"), "too many arguments"),
        (DECLARED.replace("{BOURN_INT8}", "{77}"), "a type that is unknown"),
        (DECLARED.replace("{BOURN_INT8}", "{BOURN_INT4}"), "half(integer) returning double precision"),
        (DECLARED.replace("BOURN_FLOAT8", "BOURN_TEXT"), "half(bigint) returning text"),
        (DECLARED.replace("1, {BOURN_INT8}", "2, {BOURN_INT8, BOURN_INT8}"), "half(bigint, bigint)"),
        (DECLARED.replace("half", "other"), 'no symbol "half"'),
        ("size_t half(const struct bourn_call *c);\nsize_t half(const struct bourn_call *c) { return run(c); }\n",
         "is no data"),
        ("extern const char half[4];\nconst char half[4] = {1};\n", "of the size"),
    ]
    for declared, text in wrong:
        compile_library(source.replace("static size_t run", "__attribute__((unused)) static size_t run") + declared,
                        folder / "lib.so")
        said = refusal(folder, HALVES)
        assert text in said and said.startswith("p.sql:1:") and "hint: " in said, (text, said)
    compile_library(source + DECLARED, folder / "lib.so")
    write(folder, HALVES, [])
    for verb in ("check", "explain"):
        bourn(folder, verb, "p.sql")
    assert "if you trust it: --allow-c-functions" in bourn(folder, "run", "p.sql", check=2).stderr
    assert not ran.exists()
    run(folder)
    assert ran.exists()


def wrong_files(folder: Path) -> None:
    def said_of(path: str) -> str:
        said = refusal(folder, HALVES.replace("lib.so", path))
        assert said.startswith("p.sql:1:") and "hint: " in said, said
        return said

    assert "there is no file missing.so" in said_of("missing.so")
    (folder / "folder.so").mkdir()
    assert "is no file" in said_of("folder.so")
    (folder / "text.so").write_text("half")
    assert "it is no ELF file" in said_of("text.so")
    compile_library(HALF + DECLARED, folder / "lib.so")
    good = (folder / "lib.so").read_bytes()
    (folder / "other.so").write_bytes(good[:4] + b"\x01" + good[5:])
    assert "for another processor" in said_of("other.so")
    (folder / "program.so").write_bytes(good[:16] + b"\x02\0" + good[18:])
    assert "a program or a part of one" in said_of("program.so")
    (folder / "short.so").write_bytes(good[:1000])
    assert "table of symbols" in said_of("short.so")
    dice = random.Random(suite.seed)
    for n in range(60):  # whatever is in it: an answer
        broken = bytearray(good)
        for _ in range(dice.randrange(1, 30)):
            broken[dice.randrange(len(broken) if n % 2 else 64)] = dice.randrange(256)
        (folder / "broken.so").write_bytes(broken)
        write(folder, HALVES.replace("lib.so", "broken.so"), [])
        assert bourn(folder, "check", "p.sql", check=None).returncode in (0, 3)
    missing = "extern int nowhere(void); extern int (*use)(void); int (*use)(void) = nowhere;\n"
    compile_library(HALF + DECLARED + missing, folder / "lib.so")
    write(folder, HALVES, [{"id": 1, "n": 1}])
    said = run(folder, check=3).stderr
    assert said.startswith("p.sql:1:") and "lib.so cannot be loaded" in said and "nowhere" in said, said
    compile_library(HALF.replace("static size_t run", "__attribute__((unused)) static size_t run") +
                    DECLARED.replace(", run}", ", 0}"), folder / "lib.so")
    assert "nothing to run" in run(folder, check=3).stderr


def wrong_words(folder: Path) -> None:
    compile_library(HALF + DECLARED, folder / "lib.so")
    for was, becomes, text in (
            ("IMMUTABLE", "VOLATILE", "volatile of a function in C"),
            ("half(bigint)", "half(bigint[])", "in a function in C"),
            ("RETURNS double precision", "RETURNS numeric", "numeric as the result of a function in C"),
            ("RETURNS double precision", "RETURNS jsonb", "that is half(bigint) returning double precision"),
            ("half(bigint)", "half(" + ", ".join(["bigint"] * 7) + ")", "more than 6 parameters"),
            ("AS 'lib.so', 'half'", "AS ''", "without a library"),
            ("AS 'lib.so', 'half'", "RETURN 1", "of this form"),
            ("half(bigint)", "half(bigint DEFAULT 'x')", "bigint"),
            ("half(n)", "half('x')", "bigint"), ("half(n)", "half(1.5)", "does not exist"),
            ("LANGUAGE c", "LANGUAGE rust", "LANGUAGE sql, or LANGUAGE c")):
        said = refusal(folder, HALVES.replace(was, becomes))
        assert text in said and said.startswith("p.sql:"), (text, said)


def who_may_have_written_it(folder: Path) -> None:
    place = folder / "place"
    place.mkdir(mode=0o755)
    library = place / "lib.so"
    compile_library(HALF + DECLARED, library)
    pipeline = HALVES.replace("lib.so", "place/lib.so")
    refusal(folder, pipeline, check=0)
    library.chmod(0o777)
    assert "everybody may write to" in refusal(folder, pipeline, check=2)
    library.chmod(0o755)
    for mode in (0o777, 0o1777):
        place.chmod(mode)
        assert "everybody may write to" in refusal(folder, pipeline, check=2)
    place.chmod(0o755)
    (folder / "link.so").symlink_to("place/lib.so")
    refusal(folder, HALVES.replace("lib.so", "link.so"), check=0)
    if os.geteuid() == 0:
        for path in library, place:
            os.chown(path, 65534, 65534)
            assert "belongs to user 65534" in refusal(folder, pipeline, check=2)
            os.chown(path, 0, 0)


def leave_to_run(folder: Path) -> None:
    """By flag or environment, not by a file that comes along; a function that is not called needs none."""
    compile_library(HALF + DECLARED, folder / "lib.so")
    write(folder, HALVES, [{"id": 1, "n": 3}])
    assert bourn(folder, "run", "p.sql", check=2).stderr.startswith("p.sql:1:")
    assert not (folder / "halves.ndjson").exists()
    (folder / ".env").write_text("BOURN_ALLOW_C_FUNCTIONS=1\n")
    assert ".env, line 1" in bourn(folder, "run", "p.sql", check=2).stderr
    (folder / ".env").unlink()
    bourn(folder, "run", "--quiet", "p.sql", BOURN_ALLOW_C_FUNCTIONS="1")
    assert rows(folder / "halves.ndjson") == [{"id": 1, "h": 1.5}]
    shutil.rmtree(folder / "state")
    write(folder, HALVES.replace("half(n)", "n"), [{"id": 1, "n": 3}])
    bourn(folder, "run", "--quiet", "--adopt", "p.sql")


# ---- queries ----

def queries_see_functions(folder: Path) -> None:
    compile_library(HALF + DECLARED, folder / "lib.so")
    lake = "CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path 'lake');\n" \
           "CREATE FUNCTION twice(x bigint) RETURNS bigint RETURN x * 2;\n" + CREATE + EVENTS + \
           "CREATE FOREIGN TABLE o (id bigint, n bigint) SERVER lake;\nINSERT INTO o SELECT id, n FROM events;\n"
    write(folder, lake, [{"id": 1, "n": 3}, {"id": 2, "n": 8}])
    bourn(folder, "run", "--quiet", "p.sql")
    ask = ["query", "p.sql", "--json", "-e"]
    assert bourn(folder, *ask, "SELECT twice(n) AS t FROM o ORDER BY id").stdout.split() == ['{"t":6}', '{"t":16}']
    asked = "SELECT half(twice(n) + 1) AS h FROM o ORDER BY id"
    assert "--allow-c-functions" in bourn(folder, *ask, asked, check=2).stderr
    assert bourn(folder, *ask, asked, ALLOW).stdout.split() == ['{"h":3.5}', '{"h":8.5}']
    assert bourn(folder, *ask, "SELECT thrice(n) FROM o", check=3).stderr.startswith("query:1:8:")
    assert "half of a negative" in bourn(folder, *ask, "SELECT half(-n) FROM o", ALLOW, check=3).stderr
    (folder / "evidence.sql").write_text("SELECT id FROM o WHERE half(twice(n)) <> n;\n")
    proof = ["verify", "p.sql", "--evidence", "evidence.sql"]
    assert "--allow-c-functions" in bourn(folder, *proof, check=1).stdout
    assert ", 0 failed" in bourn(folder, *proof, ALLOW).stdout


# ---- another file, crashes ----

def another_library(folder: Path) -> None:
    """It is another step: what was appended cannot be taken back, and what is kept is worked out anew."""
    events = [{"id": n, "k": n % 3, "n": n} for n in range(100)]
    compile_library(HALF + DECLARED, folder / "lib.so")
    write(folder, HALVES, events)
    run(folder)
    same = bourn(folder, "plan", "p.sql").stdout
    assert "rebuilt" not in same and "another" not in same, same
    compile_library(QUARTER + DECLARED, folder / "lib.so")
    assert "the file of half of lib.so is another" in bourn(folder, "plan", "p.sql", check=6).stdout
    said = run(folder, check=6).stderr
    assert "halves" in said and "hint: the file of half of lib.so is another" in said, said
    compile_library(HALF + DECLARED, folder / "lib.so")  # brought back
    run(folder)
    place = folder / "totals"
    place.mkdir()
    compile_library(HALF + DECLARED, place / "lib.so")
    write(place, TOTALS, events)
    run(place, "--until-caught-up", FOLLOW="true")
    first = by_k(place / "totals.ndjson")
    (place / "lib.so").unlink()  # the old plan is made of what the log says
    compile_library(QUARTER + DECLARED, place / "lib.so")
    assert "rebuilt" in bourn(place, "plan", "p.sql", check=1, FOLLOW="true").stdout
    run(place, "--until-caught-up", FOLLOW="true")
    assert len(first) == 3 and by_k(place / "totals.ndjson") == [{**row, "h": row["h"] / 2} for row in first]


def replaced_while_it_runs(folder: Path) -> None:
    """What runs is what was read when it began."""
    compile_library(HALF + DECLARED, folder / "lib.so")
    write(folder, "SET bourn.commit_interval = '0 s';\n" + HALVES, [{"id": 0, "n": 1}])
    child = start(folder, FOLLOW="true")
    wait(folder, child, lambda: len(rows(folder / "halves.ndjson")) == 1)
    with open(folder / "lib.so", "r+b") as f:  # in place, as cp does
        f.truncate(0)
        f.write(b"something else")
    with open(folder / "events.ndjson", "a") as f:
        f.write('{"id": 1, "n": 5}\n')
    wait(folder, child, lambda: len(rows(folder / "halves.ndjson")) == 2)
    child.terminate()
    assert child.wait() == 0
    assert by_id(folder / "halves.ndjson")[1] == {"id": 1, "h": 2.5}


CRASH = """
#include <stdio.h>
#include <stdlib.h>
static int deep(volatile int n) { volatile char here[4096]; here[0] = (char)n; return n ? deep(n + 1) + here[0] : 0; }
static void trouble(int64_t n)
{
    FILE *f = n == 500 ? fopen("crash", "r") : 0;
    int how = f ? fgetc(f) : 0;
    if (f)
        fclose(f);
    if (how == 's')
        *(volatile int *)(size_t)(n - 500) = 1;
    if (how == 'a')
        abort();
    if (how == 'd')
        exit(deep(1));
}
static size_t run"""


def crashes_are_named(folder: Path) -> None:
    """A null pointer, abort(), a stack that is used up: it is said whose, and the next start does the rest."""
    source = HALF.replace("\nstatic size_t run", CRASH).replace("if (x[i] < 0)", "trouble(x[i]);\nif (x[i] < 0)")
    events = [{"id": n, "k": n % 7, "n": n} for n in range(1000)]
    wanted = [{"k": k, "h": sum(range(k, 1000, 7)) / 2, "n": len(range(k, 1000, 7))} for k in range(7)]
    for how, name, workers in (("s", "SIGSEGV", 2), ("a", "SIGABRT", 1), ("d", "SIGSEGV", 2)):
        place = folder / how
        place.mkdir()
        compile_library(source + DECLARED, place / "lib.so")
        write(place, "SET bourn.epoch_rows = '100';\n" + TOTALS, events)
        (place / "crash").write_text(how)
        done = run(place, "--workers", workers, check=None)
        assert done.returncode < 0, done
        assert f"function half (half of lib.so) has crashed ({name})" in done.stderr, done.stderr
        (place / "crash").unlink()
        run(place)
        assert by_k(place / "totals.ndjson") == wanted


def killed_and_recovered(folder: Path) -> None:
    """On two workers, killed after every few epochs: the rows are those that Python works out, each once."""
    compile_library(HALF + DECLARED, folder / "lib.so")
    dice = random.Random(suite.seed)
    events = [{"id": n, "k": n % 5, "n": dice.randrange(1 << 30)} for n in range(30000)]
    often = "SET bourn.epoch_rows = '2000';\nSET bourn.commit_interval = '0 s';\n"
    write(folder, often + HALVES + INTO_TOTALS, events)

    def slots() -> int:
        return len(list(folder.glob("state/log/[0-9]*")))

    for _ in range(4):
        before, more = slots(), dice.randrange(2, 5)
        child = start(folder, "--workers", "2")
        while child.poll() is None and slots() < before + more:
            time.sleep(0.001)
        child.kill()
        child.wait()
    run(folder, "--workers", 2)
    assert by_id(folder / "halves.ndjson") == [{"id": e["id"], "h": e["n"] / 2} for e in events]
    totals = by_k(folder / "totals.ndjson")
    assert [row["n"] for row in totals] == [6000] * 5
    assert [row["h"] for row in totals] == [sum(e["n"] for e in events if e["k"] == k) / 2 for k in range(5)]


for case in (the_example, the_header_is_c_and_cpp, every_type_there_and_back, numeric_arguments,
             jsonb_results_are_put_in_order, nulls_strict_and_defaults, errors_are_rows, errors_behind_state,
             results_that_are_none, wrong_objects, wrong_files, wrong_words, who_may_have_written_it, leave_to_run,
             queries_see_functions, another_library, replaced_while_it_runs, crashes_are_named, killed_and_recovered):
    suite.run(case)
suite.end()
