#!/usr/bin/env python3
"""Record what PostgreSQL 15 answers to the rows of *.tsv in this folder.

    tests/sql/functions/record.py            fill in the expected field of every row
    tests/sql/functions/record.py --check    is every recorded answer still what PostgreSQL says?

Also writes tests/unit/data/exact_sums.tsv: doubles (hex, blanks between), their sum rounded once (Python's math.fsum)
and their population variance rounded once (Python's fractions).

Starts a PostgreSQL of its own in a temporary folder (UTF8, locale C, TimeZone UTC). The form of the rows is at the top
of expr_tool.c. To add a row, write its name, anything as the expected field, and the arguments; then run this.
"""
import argparse
import fractions
import json
import math
import os
import pathlib
import random
import struct
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
from servers.postgres import Postgres  # noqa: E402

EVALUATE = """
create function evaluate(expression text) returns text language plpgsql as $$
declare answer text; message text; state text;
begin
  execute 'select to_jsonb(array[pg_typeof(x)::text, x::text])::text from (select ' || expression || ') t(x)'
    into answer;
  return answer;
exception when others then
  get stacked diagnostics message = message_text, state = returned_sqlstate;
  return to_jsonb(array['!' || state || ' ' || message])::text;
end $$;
"""

SPECIAL = {
    "extract": "pg_catalog.extract({})",
    "position": "pg_catalog.position({})",
    "overlay": "pg_catalog.overlay({})",
    "substring": "pg_catalog.substring({})",
    "is_distinct_from": "{0} is distinct from {1}",
    "is_not_distinct_from": "{0} is not distinct from {1}",
    "is_true": "{0} is true",
    "is_not_true": "{0} is not true",
    "is_false": "{0} is false",
    "is_not_false": "{0} is not false",
    "x[i]": "{0}[{1}]",
    "x[i:j]": "{0}[{1}:{2}]",
    "ARRAY[x]": "array[{}]",
    "between": "{0} between {1} and {2}",
}
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}


def unescape(field):
    out, i = [], 0
    while i < len(field):
        if field[i] == "\\":
            i += 1
            out.append(ESCAPES[field[i]])
        else:
            out.append(field[i])
        i += 1
    return "".join(out)


def escape(text):
    back = {value: "\\" + name for name, value in ESCAPES.items()}
    return "".join(back.get(ch, ch) for ch in text)


def quote(text):
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def argument(field):
    kind, colon, value = field.partition(":")
    literal = quote(unescape(value) if colon else None)
    return f"({literal})" if kind == "?" else f"({literal}::{kind})"


# These want a list of columns: they are asked for one, "a", and give documents with it.
RECORDS = ["jsonb_to_record", "jsonb_to_recordset"]
# Functions that return rows: as an array of them. One whose rows are arrays gives their texts.
SETS = ["unnest", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_object_keys", "jsonb_each",
        "jsonb_each_text", "string_to_table", "generate_series", "generate_subscripts", "regexp_matches",
        "regexp_split_to_table", "jsonb_path_query"]


def records_as_array(name, args):
    row = "case when r.a is not null then jsonb_build_object('a', r.a) end"
    return f"array(select {row} from {name}({', '.join(args)}) as r (a jsonb))"


def rows_as_array(name, args):
    name, _, column = name.partition(" ")
    column = column or ("r::text" if name == "regexp_matches" else "r")
    return f"array(select {column} from {name}({', '.join(args)}) as r)"


# What bourn has and PostgreSQL has not, said in PostgreSQL's words.
AGGREGATES = {
    "arg_max": "(select a from {} where a is not null and b is not null order by b desc, a desc limit 1)",
    "arg_min": "(select a from {} where a is not null and b is not null order by b, a limit 1)",
    "any_value": "(select v from {} where v is not null order by v limit 1)",
    "approx_count_distinct": "(select count(distinct v) from {})",
    "approx_percentile": "(select a::float8 from {} where a is not null order by a offset (select "
                         "greatest(floor(min(b) * (count(a) - 1)), 0) from {}) limit 1)",
}
AGGREGATES["max_by"] = AGGREGATES["arg_max"]
AGGREGATES["min_by"] = AGGREGATES["arg_min"]


def aggregate(name, args):
    two = name.startswith("agg2 ")
    name, _, rest = name.split(" ", 1)[1].partition(" ")
    cells = [", ".join(args[i:i + 1 + two]) for i in range(0, len(args), 1 + two)]
    rows = "(values " + ", ".join(f"({cell})" for cell in cells) + (") r(a, b)" if two else ") r(v)")
    if name in AGGREGATES:
        return AGGREGATES[name].replace("{}", rows)
    if "WITHIN" in rest:
        order = rest[rest.index("ORDER"):]
        return f"(select {name}({args[1] if two else ''}) within group ({order}) from {rows})"
    distinct = "distinct " if "DISTINCT" in rest else ""
    order = rest[rest.index(" ORDER BY" if rest.startswith("DISTINCT") else "ORDER BY"):] if "ORDER" in rest else ""
    call = name if name.endswith("(*)") else f"{name}({distinct}{'a, b' if two else 'v'} {order})"
    return f"(select {call} from {rows})"


def expression(name, fields):
    args = [argument(field) for field in fields]
    if name.startswith("cast "):
        return f"cast({args[0]} as {name[5:]})"
    if name.startswith("agg"):
        return aggregate(name, args)
    if name.endswith((" any", " all")):
        return f"{args[0]} {name[:-4]}{name[-4:]}({args[1]})"
    if name == "in":
        return f"{args[0]} in ({', '.join(args[1:])})"
    if name in RECORDS:
        return records_as_array(name, args)
    if name.split(" ")[0] in SETS:
        return rows_as_array(name, args)
    if name in SPECIAL:
        form = SPECIAL[name]
        return form.format(", ".join(args)) if "{}" in form else form.format(*args)
    if not (name[0].isalpha() or name[0] == "_"):
        return f"{args[0]} {name} {args[1]}" if len(args) == 2 else f"{name} {args[0]}"
    return f"{name}({', '.join(args)})"


def expected(answer):
    words = json.loads(answer)
    if len(words) == 1:
        return escape(words[0])
    kind, value = words
    return kind if value is None else escape(f"{kind}:{value}")


def rows_of(path):
    for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        fields = line.split("\t")
        yield line, (None if line.startswith("# ") or not line.strip() else fields)


def hexadecimal(value):
    return struct.pack(">d", value).hex()


def variance(values):
    exact = [fractions.Fraction(v) for v in values]
    n = len(exact)
    spread = sum(v * v for v in exact) / n - (sum(exact) / n) ** 2
    try:
        return float(spread)
    except OverflowError:
        return math.inf


def write_sums(path):
    """Cancellation, ties, subnormals, and the widest range of exponents."""
    rng = random.Random(21)
    cases = [[1e308, 1.0, -1e308], [1.0, 2.0**-53], [1.0, 2.0**-53, 5e-324], [1.0 + 2.0**-52, 2.0**-53],
             [5e-324] * 7, [2.0**53, 1.0], [2.0**53, 1.0, 1.0], [-0.0], [2.2250738585072014e-308, -5e-324],
             [1.7976931348623157e308, -1.7976931348623157e308, 5e-324], [0.1] * 10]
    for size in (2, 3, 10, 100):
        for spread in (2, 60, 900):
            for _ in range(12):
                values = [math.ldexp(rng.uniform(-1, 1), rng.randint(-spread, spread)) for _ in range(size)]
                cases.append(values + [-v for v in values[: size // 2]])
    lines = ["\t".join([" ".join(map(hexadecimal, values)), hexadecimal(math.fsum(values)),
                        hexadecimal(variance(values))]) for values in cases]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def ask(folder, questions):
    with Postgres(folder) as server:
        server.run(EVALUATE)
        sql = "\\pset format unaligned\n\\pset tuples_only on\n"
        for i in range(0, len(questions), 100):  # at once: to ask takes longer than to answer
            rows = ",\n".join(f"({quote(question)})" for question in questions[i:i + 100])
            sql += f"select evaluate(question) from (values {rows}) as t(question);\n"
        return iter(server.run(sql).split("\n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    files = sorted(path for path in HERE.glob("*.tsv") if path.name != "differences.tsv")
    questions = [expression(f[0], f[2:]) for path in files for _, f in rows_of(path) if f]
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        os.chmod(folder, 0o755)  # the server runs as another user where we are root
        answers = ask(pathlib.Path(folder), questions)
    wrong = 0
    for path in files:
        out = []
        for line, fields in rows_of(path):
            if not fields:
                out.append(line)
                continue
            new = expected(next(answers))
            if new != fields[1]:
                wrong += 1
                if options.check:
                    print(f"{path.name}: {fields[0]} {fields[2:]}: recorded {fields[1]}, PostgreSQL says {new}")
            out.append("\t".join([fields[0], new, *fields[2:]]))
        if not options.check:
            path.write_text("\n".join(out) + "\n", encoding="utf-8")
    if not options.check:
        write_sums(HERE.parent.parent / "unit" / "data" / "exact_sums.tsv")
    print(f"{len(questions)} rows, {wrong} {'wrong' if options.check else 'changed'}")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
