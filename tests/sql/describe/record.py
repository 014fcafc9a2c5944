#!/usr/bin/env python3
"""Record what PostgreSQL 15 makes of the queries in queries.tsv: the names and types of their columns, or a refusal.

    tests/sql/describe/record.py            fill in the second field of every row
    tests/sql/describe/record.py --check    is every recorded answer still what PostgreSQL says?

A row is: query, tab, answer. The answer is name:type with a comma between columns (precision and scale of numeric left
out), or "!" where PostgreSQL refuses. A third field says on purpose why bourn differs; it then must refuse.
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "unit"))
from record_values import Postgres  # noqa: E402

SETUP = """
create table every (b boolean, i integer, l bigint, f double precision, m numeric(12,2), t text, y bytea, u uuid,
                    d date, ts timestamp, tz timestamptz, v interval, j jsonb);
"""


def columns_of(block):
    return ",".join(re.sub(r"\(.*", "", line) for line in block.splitlines()) or "!"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="/usr/lib/postgresql/15/bin")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    path = HERE / "queries.tsv"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    with Postgres(options.bin) as server:
        sql = SETUP + "\\set ON_ERROR_STOP 0\n\\pset format unaligned\n\\pset tuples_only on\n\\pset fieldsep :\n"
        sql += "".join(f"\\echo ====\n{row[0]} \\gdesc\n" for row in rows)
        answers = [columns_of(block) for block in server.ask(sql).split("====\n")[1:]]
    assert len(answers) == len(rows), (len(answers), len(rows))
    wrong = sum(len(row) < 2 or row[1] != answer for row, answer in zip(rows, answers))
    if options.check:
        for row, answer in zip(rows, answers):
            if len(row) < 2 or row[1] != answer:
                print(f"{row[0]}: recorded {row[1:]}, PostgreSQL says {answer}")
    else:
        lines = ["\t".join([row[0], answer, *row[2:]]) for row, answer in zip(rows, answers)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(rows)} queries, {wrong} {'wrong' if options.check else 'changed'}")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
