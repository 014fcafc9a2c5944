#!/usr/bin/env python3
"""Record the rows PostgreSQL 15 answers to queries.sql (a query a line) over the views of data.sql.

    tests/sql/queries/record.py            write queries.expected
    tests/sql/queries/record.py --check    is it still what PostgreSQL says?

Fields are separated by |, NULL is \\N, decimals have no zeros at their end. Rows of a query without ORDER BY are sorted
bytewise. Before the rows of a query stands "==== " and the query; a query that fails has the row "error".
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "unit"))
from record_values import Postgres  # noqa: E402


def plain(field):
    """A number without zeros at the end of its fraction: PostgreSQL has a scale per value, bourn one per column."""
    return re.sub(r"^(-?\d+)(\.\d*?)0*$", lambda m: m[1] + (m[2] if m[2] != "." else ""), field)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="/usr/lib/postgresql/15/bin")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    queries = [line for line in (HERE / "queries.sql").read_text(encoding="utf-8").splitlines()
               if line and not line.startswith("--")]
    with Postgres(options.bin) as server:
        sql = (HERE / "data.sql").read_text(encoding="utf-8")
        sql += "\\pset format unaligned\n\\pset tuples_only on\n\\pset null '\\\\N'\n"
        sql += "\\set ON_ERROR_STOP 0\n"
        sql += "".join(f"\\echo ====\n{query};\n\\if :ERROR\n\\echo error\n\\endif\n" for query in queries)
        blocks = server.ask(sql).split("====\n")[1:]
    out = []
    for query, block in zip(queries, blocks, strict=True):
        rows = ["|".join(plain(field) for field in row.split("|")) for row in block.splitlines()]
        out.append(f"==== {query}\n")
        out += [row + "\n" for row in (rows if "ORDER BY" in query else sorted(rows, key=lambda r: r.encode()))]
    path, text = HERE / "queries.expected", "".join(out)
    wrong = not path.exists() or path.read_text(encoding="utf-8") != text
    if not options.check:
        path.write_text(text, encoding="utf-8")
    print(f"{len(queries)} queries, {'changed' if wrong else 'as recorded'}")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
