#!/usr/bin/env python3
"""`bourn cat` over Parquet files, Delta tables and NDJSON that others wrote: it must show what they say is in there."""
from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import Suite, program  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402

go_on_in_venv()
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from deltalake import DeltaTable, write_deltalake  # noqa: E402

suite = Suite("interop/cat")
BOURN = program()


def cat(*words, check: int = 0, text: str | None = None) -> subprocess.CompletedProcess:
    more = {} if text is None else {"input": text}
    return suite.command([BOURN, "cat", *words], check=check, **more)


def shown(*words) -> list[dict]:
    return [json.loads(line, parse_float=Decimal) for line in cat(*words, "--json").stdout.splitlines()]


def a_table(first: int, n: int) -> pa.Table:
    return pa.table({"id": pa.array(range(first, first + n), pa.int64()),
                     "who": pa.array([None if i % 7 == 0 else f"ü{i}\n" for i in range(n)]),
                     "amount": pa.array([Decimal(i * 101) / 100 for i in range(n)], pa.decimal128(18, 2))})


def same(found: list[dict], table: pa.Table) -> None:
    by_id = {row["id"]: row for row in table.to_pylist()}
    assert len(found) == len(by_id), f"{len(found)} rows, expected {len(by_id)}"
    for row in found:
        assert row == by_id[row["id"]], f"{row}, expected {by_id[row['id']]}"


def parquet(folder: Path) -> None:
    table = a_table(0, 5000)
    pq.write_table(table, folder / "f.parquet", row_group_size=700)
    same(shown(folder / "f.parquet"), table)
    assert shown(folder / "f.parquet", "--columns", "amount, id", "--limit", "2", "--order-by", "id desc") == [
        {"amount": Decimal("5048.99"), "id": 4999}, {"amount": Decimal("5047.98"), "id": 4998}]


def delta(folder: Path) -> None:
    path = folder / "lake" / "deep" / "t"
    write_deltalake(str(path), a_table(0, 50))
    write_deltalake(str(path), a_table(50, 30), mode="append")
    DeltaTable(str(path)).delete("id >= 70")
    same(shown(path), DeltaTable(str(path)).to_pyarrow_table())
    same(shown(path, "--version", "1"), DeltaTable(str(path), version=1).to_pyarrow_table())
    rows = list(csv.reader(io.StringIO(cat(path, "--csv", "--version", "0").stdout)))
    assert rows[0] == ["id", "who", "amount"] and len(rows) == 51 and rows[1] == ["0", "", "0.00"], rows[:2]
    assert f"{path}: there is no version 9; the newest is 2" in cat(path, "--version", "9", check=4).stderr
    assert str(path) in cat(folder / "lake", check=4).stderr
    assert "did you mean" in cat(path, "--columns", "amuont", check=2).stderr


def as_a_table(folder: Path) -> None:
    write_deltalake(str(folder / "t"), a_table(7, 2))
    assert cat(folder / "t").stdout == (" id | who  | amount\n----+------+--------\n  7 | NULL |   0.00\n"
                                        "  8 | ü1\\n |   1.01\n(2 rows)\n")
    assert cat(folder / "t", "--limit", "1").stdout.endswith("(first 1 row)\n")


def ndjson(folder: Path) -> None:
    lines = [{"id": i, "n": Decimal(i) / 4, "tags": ["a", {"b": None}], "text": f'"{i}\n'} for i in range(3000)]
    text = "".join(json.dumps(line, default=float) + "\n" for line in lines)
    (folder / "e.ndjson").write_text(text + "\nno json\n")
    with gzip.open(folder / "e.ndjson.gz", "wt") as file:
        file.write(text)
    for name in ("e.ndjson", "e.ndjson.gz"):
        assert shown(folder / name) == lines, name
    assert "1 line is no JSON object" in cat(folder / "e.ndjson", "--limit", "5000").stderr
    assert cat("-", "--json", "--limit", "1", text=text).stdout == cat(folder / "e.ndjson", "--json", "--limit",
                                                                       "1").stdout
    (folder / "other").write_text("hello\n")
    assert "no JSON object" in cat(folder / "other", check=4).stderr
    (folder / "empty").write_text("")
    assert "is empty" in cat(folder / "empty", check=4).stderr
    assert "there is no" in cat(folder / "nowhere", check=4).stderr
    os.chmod(folder / "e.ndjson", 0)
    if os.geteuid():
        assert "e.ndjson" in cat(folder / "e.ndjson", check=2).stderr


for case in (parquet, delta, as_a_table, ndjson):
    suite.run(case)
suite.end()
