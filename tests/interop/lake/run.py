#!/usr/bin/env python3
"""Parquet files and Delta tables against those who have read and written them longest: pyarrow, duckdb, deltalake and
Spark.

    run.py [--build FOLDER] [WORD...]    the cases whose name has one of the words
"""
from __future__ import annotations

import collections
import datetime
import decimal
import itertools
import json
import math
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness import HANGS, Skip, Suite, build  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402
from harness.children import mortal  # noqa: E402

go_on_in_venv()
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from deltalake import DeltaTable, write_deltalake  # noqa: E402

from rows import UTC, from_text, to_text  # noqa: E402

TOOL = ""
decimal.getcontext().prec = 60


class Refused(Exception):
    """lake_tool said no."""


def tool(folder: Path, *words, input: str = "") -> str:
    done = subprocess.run(mortal([TOOL, str(folder), *map(str, words)]), input=input.encode(), capture_output=True,
                          timeout=HANGS)
    if done.returncode == 1:
        raise Refused(done.stderr.decode())
    assert done.returncode == 0, f"lake_tool {words} ended with {done.returncode}: {done.stderr.decode()[-3000:]}"
    return done.stdout.decode()


def must_refuse(action, *words: str) -> None:
    try:
        action()
    except Refused as refusal:
        for word in words:
            assert word in str(refusal), f"the error does not say {word!r}: {refusal}"
        return
    raise AssertionError("was not refused")


def key(row) -> tuple:
    return tuple(repr(value) if value == value else "nan" for value in row)


def must_equal(found: list[tuple], expected: list[tuple], what: str, ordered: bool = True) -> None:
    if not ordered:
        found, expected = sorted(found, key=key), sorted(expected, key=key)
    assert len(found) == len(expected), f"{what}: {len(found)} rows, expected {len(expected)}"
    for number, (a, b) in enumerate(zip(found, expected)):
        if key(a) != key(b):
            assert len(a) == len(b), f"{what}: {len(a)} columns, expected {len(b)}"
            column = next(i for i, (x, y) in enumerate(zip(a, b)) if key((x,)) != key((y,)))
            raise AssertionError(f"{what}: row {number} column {column}: {str(a[column])[:200]!r}, "
                                 f"expected {str(b[column])[:200]!r}")


# ---- values ----

COLUMNS = [("b", "boolean"), ("i", "integer"), ("l", "bigint:notnull"), ("f", "double precision"),
           ("n9", "numeric(9,2)"), ("n18", "numeric(18,0)"), ("n38", "numeric(38,38)"), ("m38", "numeric(38,0)"),
           ("n25", "numeric(25,3)"),
           ("t", "text"), ("y", "bytea"), ("d", "date"), ("ts", "timestamp"), ("tz", "timestamptz")]
FIRST, LAST = datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)
EXTREMES = [
    (True, -2**31, -2**63, -math.inf, Decimal("-9999999.99"), Decimal(-10**18 + 1), -(1 - Decimal(10)**-38),
     Decimal(-10**38 + 1), Decimal("-9999999999999999999999.999"), "", b"", FIRST.date(), FIRST,
     FIRST.replace(tzinfo=UTC)),
    (False, 2**31 - 1, 2**63 - 1, math.inf, Decimal("9999999.99"), Decimal(10**18 - 1), 1 - Decimal(10)**-38,
     Decimal(10**38 - 1), Decimal("9999999999999999999999.999"), "\U0010ffff\t\n\r\\\"'", bytes(range(256)),
     LAST.date(), LAST, LAST.replace(tzinfo=UTC)),
    (True, 0, 0, 5e-324, Decimal("0.00"), Decimal(0), Decimal("0E-38"), Decimal(0), Decimal("0.000"), "\u00e9" * 100,
     b"\0" * 1000, datetime.date(1970, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
     datetime.datetime(1970, 1, 1, tzinfo=UTC)),
    (None, None, 5, None, None, None, None, None, None, None, None, None, None, None),
]


def exact(digits: str, scale: int) -> Decimal:
    return Decimal((digits.startswith("-"), tuple(map(int, digits.lstrip("-"))), -scale))


def make_rows(n: int, random) -> list[tuple]:
    rows = list(EXTREMES[:n])
    words = ["web", "mobile", "api", "", "\u00e9t\u00e9", "x" * 40]
    while len(rows) < n:
        i = len(rows)
        micros = random.randrange(-60_000_000_000_000_000, 250_000_000_000_000_000)
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
        row = (random.random() < 0.5, random.randrange(-2**31, 2**31), i, random.uniform(-1e10, 1e10),
               exact(str(random.randrange(-10**9 + 1, 10**9)), 2), Decimal(random.randrange(10**18)),
               exact(str(random.randrange(10**38)), 38), Decimal(random.randrange(10**38)),
               exact(str(random.randrange(10**25)), 3), random.choice(words) if i % 3 else f"row {i}",
               random.randbytes(random.randrange(20)), moment.date(), moment, moment.replace(tzinfo=UTC))
        rows.append(tuple(None if k != 2 and random.random() < 0.1 else v for k, v in enumerate(row)))
    return rows


def arrow_rows(table: pa.Table) -> list[tuple]:
    def plain(value):
        if isinstance(value, list):
            return list(map(plain, value))
        if isinstance(value, datetime.datetime) and value.tzinfo:
            return value.astimezone(UTC)
        return value

    columns = [list(map(plain, column.to_pylist())) for column in table.columns]
    return list(zip(*columns))


# ---- Parquet ----

def our_parquet_is_read_by_others(folder: Path, suite: Suite) -> None:
    for codec, n, group in [("zstd", 20000, 6000), ("snappy", 5000, 0), ("plain", 5000, 0), ("zstd", 0, 0),
                            ("zstd", 1, 0)]:
        rows = make_rows(n, suite.random)
        tool(folder, "write-parquet", "f.parquet", codec, group, input=to_text(COLUMNS, rows))
        file = pq.ParquetFile(folder / "f.parquet", page_checksum_verification=True)
        must_equal(arrow_rows(file.read()), rows, f"pyarrow, {codec}")
        assert not file.schema_arrow.field("l").nullable
        check_footer(file, rows)
        # duckdb's timestamps end in 294247, its dates too, but Python's conversion of its timestamptz needs pytz
        columns = ", ".join(f"{name}::timestamp AS {name}" if kind == "timestamptz" else f'"{name}"'
                            for name, kind in COLUMNS)
        found = duckdb.sql(f"SET TimeZone='UTC'; SELECT {columns} FROM '{folder}/f.parquet'").fetchall() if n else []
        local = [row[:-1] + (row[-1] and row[-1].replace(tzinfo=None),) for row in rows]
        must_equal(found, local, f"duckdb, {codec}")
        names, back = from_text(tool(folder, "read-parquet", "f.parquet"))
        assert names == [name for name, _ in COLUMNS]
        must_equal(back, rows, f"ourselves, {codec}")


def check_footer(file: pq.ParquetFile, rows: list[tuple]) -> None:
    start = 0
    for g in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(g)
        part = rows[start:start + group.num_rows]
        start += group.num_rows
        for c, (name, kind) in enumerate(COLUMNS):
            stats, values = group.column(c).statistics, [row[c] for row in part if row[c] is not None]
            assert stats.null_count == len(part) - len(values), f"{name}: {stats.null_count} NULLs"
            if kind in ("bytea",) or not values:
                continue
            lowest, highest = min(values), max(values)
            found = stats.min, stats.max
            if kind == "timestamp":
                found = tuple(value.replace(tzinfo=None) for value in found)
            assert found == (lowest, highest), f"{name}: {found}, in truth {lowest}, {highest}"
    assert start == len(rows)


def long_strings_and_many_pages(folder: Path, suite: Suite) -> None:
    rows = [(i, None if i % 10 == 9 else "z" * (1 << 20) if i % 8000 == 7 else f"key {i % 5000}")
            for i in range(200000)]
    tool(folder, "write-parquet", "f.parquet", input=to_text([("k", "bigint"), ("t", "text")], rows))
    table = pq.ParquetFile(folder / "f.parquet", page_checksum_verification=True).read()
    must_equal(arrow_rows(table), rows, "pyarrow")
    must_equal(from_text(tool(folder, "read-parquet", "f.parquet"))[1], rows, "ourselves")


def nested_table(n: int) -> pa.Table:
    return pa.table({
        "i": pa.array([None if i % 5 == 0 else i * 7 - 3 for i in range(n)], pa.int32()),
        "l": pa.array([i * 10**12 * (-1)**i for i in range(n)], pa.int64()),
        "f": pa.array([i / 3 for i in range(n)], pa.float32()),
        "d": pa.array([None if i % 100 == 1 else i / 3 for i in range(n)], pa.float64()),
        "s": pa.array([None if i % 11 == 0 else f"str{i // 3}" + "z" * (i % 30) for i in range(n)]),
        "y": pa.array([b"%08d" % i for i in range(n)], pa.binary(8)),
        "b": pa.array([None if i % 13 == 5 else i % 3 == 0 for i in range(n)]),
        "n": pa.array([Decimal(i).scaleb(-2) for i in range(n)], pa.decimal128(25, 2)),
        "li": pa.array([None if i % 4 == 0 else list(range(i % 5)) for i in range(n)], pa.list_(pa.int64())),
        "st": pa.array([None if i % 6 == 0 else {"a": i, "b": [f"x{i}", None] * (i % 3)} for i in range(n)],
                       pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])),
        "mp": pa.array([None if i % 6 == 0 else [(f"k{k}", k) for k in range(i % 4)] for i in range(n)],
                       pa.map_(pa.string(), pa.int64())),
        "ll": pa.array([[[1], [], None, [i, i]] * (i % 2) for i in range(n)], pa.list_(pa.list_(pa.int64()))),
    })


def expect_nested(table: pa.Table) -> list[tuple]:
    columns = [column.to_pylist() for column in table.columns]
    at = table.column_names.index("mp")
    columns[at] = [None if value is None else dict(value) for value in columns[at]]
    return list(zip(*columns))


DELTAS = {"i": "DELTA_BINARY_PACKED", "l": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "f": "BYTE_STREAM_SPLIT",
          "d": "BYTE_STREAM_SPLIT", "y": "DELTA_BYTE_ARRAY", "st.b.list.element": "DELTA_LENGTH_BYTE_ARRAY", "b": "RLE",
          "n": "BYTE_STREAM_SPLIT", "mp.key_value.key": "DELTA_LENGTH_BYTE_ARRAY"}


def parquet_of_pyarrow_is_read(folder: Path, suite: Suite) -> None:
    table = nested_table(5000)
    expected = expect_nested(table)
    for codec, version in itertools.product(["none", "snappy", "gzip", "zstd", "lz4"], ["1.0", "2.0"]):
        for name, options in {"dictionary": {}, "plain": {"use_dictionary": False},
                              "delta": {"use_dictionary": False, "column_encoding": DELTAS}}.items():
            pq.write_table(table, folder / "f.parquet", compression=codec, data_page_version=version,
                           row_group_size=1700, data_page_size=2000, write_page_checksum=version == "2.0", **options)
            found = from_text(tool(folder, "read-parquet", "f.parquet"))[1]
            must_equal(found, expected, f"{codec}, pages {version}, {name}")
    pq.write_table(table, folder / "f.parquet", compression="brotli")
    must_refuse(lambda: tool(folder, "read-parquet", "f.parquet"), "brotli")


def other_types_of_pyarrow(folder: Path, suite: Suite) -> None:
    n = 3000
    first = datetime.datetime(1960, 1, 1)
    moments = [None if i % 7 == 0 else first + datetime.timedelta(days=i * 11, microseconds=i * 1000)
               for i in range(n)]
    zoned = [moment and moment.replace(tzinfo=UTC) for moment in moments]
    small = [None if i % 9 == 0 else i % 200 - 100 for i in range(n)]
    large = [2**64 - 1 - i if i % 2 else i for i in range(n)]
    table = pa.table({
        "i8": pa.array(small, pa.int8()), "i16": pa.array(small, pa.int16()),
        "u8": pa.array([i % 256 for i in range(n)], pa.uint8()),
        "u32": pa.array([2**32 - 1 - i for i in range(n)], pa.uint32()), "u64": pa.array(large, pa.uint64()),
        "f16": pa.array([i / 8 for i in range(n)], pa.float16()), "ms": pa.array(moments, pa.timestamp("ms")),
        "us": pa.array(zoned, pa.timestamp("us", "UTC")), "ns": pa.array(zoned, pa.timestamp("ns", "UTC")),
        "d": pa.array([moment and moment.date() for moment in moments], pa.date32()),
        "n5": pa.array([Decimal(i - 1500).scaleb(-1) for i in range(n)], pa.decimal128(5, 1)),
        "n18": pa.array([Decimal(i - 1500).scaleb(-9) for i in range(n)], pa.decimal128(18, 9)),
        "n38": pa.array([Decimal(10**37 * (-1)**i + i) for i in range(n)], pa.decimal128(38, 0)),
        "e": pa.array([f"e{i % 3}" for i in range(n)]).dictionary_encode(),
        "z": pa.array([None] * n, pa.string()),
        "q": pa.array([str(i) for i in range(n)], pa.large_string()),
    })
    columns = [column.to_pylist() for column in table.columns]
    names = table.column_names
    columns[names.index("f16")] = [float(value) for value in columns[names.index("f16")]]
    columns[names.index("u64")] = [Decimal(value) for value in large]
    columns[names.index("us")] = columns[names.index("ns")] = zoned
    expected = list(zip(*columns))
    for options in ({}, {"store_decimal_as_integer": True}, {"use_dictionary": False}):
        pq.write_table(table, folder / "f.parquet", **options)
        must_equal(from_text(tool(folder, "read-parquet", "f.parquet"))[1], expected, str(options))
    stamps = pa.table({"t": pa.array(zoned, pa.timestamp("us", "UTC"))})
    pq.write_table(stamps, folder / "f.parquet", use_deprecated_int96_timestamps=True)
    must_equal(from_text(tool(folder, "read-parquet", "f.parquet"))[1], [(value,) for value in zoned], "INT96")


def parquet_of_duckdb_is_read(folder: Path, suite: Suite) -> None:
    query = """SELECT i::bigint AS l, CASE WHEN i % 5 = 0 THEN NULL ELSE 'v' || (i % 100) END AS t,
               (i / 7.0)::double AS f, (i * 1.25)::decimal(18,4) AS n, i % 3 = 0 AS b, DATE '2000-01-01' + i::int AS d,
               TIMESTAMP '2000-01-01' + i * INTERVAL 1 SECOND AS ts, [i, i + 1] AS li, i::hugeint::decimal(38,2) AS m,
               md5(i::varchar)::varchar AS h FROM range(20000) r(i)"""
    duckdb.sql(f"CREATE OR REPLACE TABLE t AS {query}")
    expected = [tuple(row) for row in duckdb.sql("SELECT * FROM t").fetchall()]
    for codec, version in itertools.product(["uncompressed", "snappy", "gzip", "zstd", "lz4_raw"], ["V1", "V2"]):
        duckdb.sql(f"COPY t TO '{folder}/f.parquet' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version}, "
                   "ROW_GROUP_SIZE 5000)")
        must_equal(from_text(tool(folder, "read-parquet", "f.parquet"))[1], expected, f"{codec} {version}")


def broken_parquet_is_refused(folder: Path, suite: Suite) -> None:
    pq.write_table(nested_table(300), folder / "good.parquet", write_page_checksum=True)
    good = (folder / "good.parquet").read_bytes()
    reasons = collections.Counter()
    for trial in range(150):
        bad = bytearray(good)
        if trial % 3 == 0:
            del bad[suite.random.randrange(len(bad)):]
        for _ in range(suite.random.randrange(1, 4)):
            if bad:
                bad[suite.random.randrange(len(bad))] ^= 1 << suite.random.randrange(8)
        (folder / "bad.parquet").write_bytes(bad)
        try:
            tool(folder, "read-parquet", "bad.parquet")
            reasons["read"] += 1
        except Refused as refusal:
            assert "bad.parquet" in str(refusal), refusal
            reasons[str(refusal).split(":")[0]] += 1
        except UnicodeDecodeError:
            reasons["read"] += 1
    assert reasons["corrupt"] > 75, reasons
    (folder / "bad.parquet").write_bytes(b"")
    must_refuse(lambda: tool(folder, "read-parquet", "bad.parquet"), "not a Parquet file")


# ---- Delta ----

def delta_rows(path: Path, version: int | None = None) -> list[tuple]:
    return arrow_rows(DeltaTable(str(path), version=version).to_pyarrow_table())


def read_table(folder: Path, *words) -> list[tuple]:
    return from_text(tool(folder, "read", *words))[1]


def every_type_in_a_delta_table(folder: Path, suite: Suite) -> None:
    """With a timestamp without zone, so the table has reader version 3, and without, version 1."""
    for columns in (COLUMNS, [column for column in COLUMNS if column[1] != "timestamp"]):
        chosen = [COLUMNS.index(column) for column in columns]
        rows = [tuple(row[k] for k in chosen) for row in make_rows(3000, suite.random)]
        shutil.rmtree(folder / "t", ignore_errors=True)
        tool(folder, "append", "t", input=to_text(columns, rows[:1000]))
        tool(folder, "append", "t", "codec=snappy", input=to_text(columns, rows[1000:]))
        must_equal(delta_rows(folder / "t"), rows, "deltalake", ordered=False)
        must_equal(read_table(folder, "t"), rows, "ourselves", ordered=False)
        check_stats(folder / "t")
        assert DeltaTable(str(folder / "t")).protocol().min_reader_version == (3 if columns is COLUMNS else 1)


LISTS = [("id", "bigint"), ("b", "boolean[]"), ("i", "integer[]"), ("l", "bigint[]"), ("f", "double precision[]"),
         ("n", "numeric(9,2)[]"), ("w", "numeric(30,4)[]"), ("t", "text[]"), ("y", "bytea[]"), ("d", "date[]"),
         ("tz", "timestamptz[]")]
LISTS_ASKED = "columns=" + ";".join(f"{name}:{kind}" for name, kind in LISTS)


def make_lists(n: int, random) -> list[tuple]:
    words = ["", "a", "NULL", "{,}", 'say "x"\\', "\u00e9" * 30, "tab\t"]
    day = datetime.datetime(1970, 1, 1)

    def some(element):
        size = random.choice([None, 0, 1, 2, 30])
        return size if size is None else [None if random.random() < 0.2 else element() for _ in range(size)]

    def moment():
        return day + datetime.timedelta(microseconds=random.randrange(-10**15, 10**17))

    rows = [(i, some(lambda: random.random() < 0.5), some(lambda: random.randrange(-2**31, 2**31)),
             some(lambda: random.randrange(-2**63, 2**63)), some(lambda: random.uniform(-1e10, 1e10)),
             some(lambda: Decimal(random.randrange(-10**9 + 1, 10**9)).scaleb(-2)),
             some(lambda: Decimal(random.randrange(-10**30 + 1, 10**30)).scaleb(-4)),
             some(lambda: random.choice(words)), some(lambda: random.randbytes(random.randrange(20))),
             some(lambda: moment().date()), some(lambda: moment().replace(tzinfo=UTC))) for i in range(n)]
    long = list(range(70_000)) + [None]  # more than a page holds, in one row
    return rows + [(n, None, [], long, None, [], None, ["ab"[i % 2] * (i % 3) for i in range(70_000)], [], None, [])]


def arrays_are_lists(folder: Path, suite: Suite) -> None:
    rows = make_lists(600, suite.random)
    text = to_text(LISTS, rows[:200])
    tool(folder, "append", "t", input=text)
    tool(folder, "append", "t", "codec=snappy", input=to_text(LISTS, rows[200:]))
    must_equal(delta_rows(folder / "t"), rows, "deltalake", ordered=False)
    must_equal(read_table(folder, "t", LISTS_ASKED), rows, "ourselves", ordered=False)
    files = [str(file) for file in (folder / "t").glob("*.parquet")]
    wanted = ", ".join(name for name, kind in LISTS if kind != "timestamptz[]")
    found = duckdb.sql(f"SELECT {wanted} FROM read_parquet({files})").fetchall()
    must_equal(found, [row[:-1] for row in rows], "duckdb", ordered=False)
    table = DeltaTable(str(folder / "t")).to_pyarrow_table()
    for log in (folder / "t/_delta_log").glob("*.json"):
        for line in log.read_text().splitlines():
            stats = json.loads(json.loads(line).get("add", {}).get("stats", "{}"))
            assert all(list(stats.get(kind, {"id": 0})) == ["id"] for kind in ("minValues", "maxValues", "nullCount"))
    write_deltalake(folder / "theirs", table)
    must_equal(read_table(folder, "theirs", LISTS_ASKED), rows, "lists of deltalake", ordered=False)
    asked = [f"{name}:{kind}" for name, kind in LISTS]
    for compliant, version in ((True, "1.0"), (False, "2.0")):
        pq.write_table(table, folder / "f.parquet", use_compliant_nested_type=compliant, data_page_version=version,
                       row_group_size=170, data_page_size=2000)
        must_equal(from_text(tool(folder, "read-parquet", "f.parquet", *asked))[1], rows, "pyarrow", ordered=False)
    must_refuse(lambda: tool(folder, "read", "t", "columns=t:bigint[]"), "cannot be read as bigint")
    must_refuse(lambda: tool(folder, "append", "t", input=to_text([*LISTS[:-1], ("tz", "text[]")], [])), '"tz"')
    must_refuse(lambda: tool(folder, "append", "p", "partition=b", input=text), "partitioned")


def check_stats(path: Path) -> None:
    """What the log says of each file is what is in it: exact, but for timestamps (ms) and long strings."""
    log: dict[str, dict] = {}
    for file in sorted((path / "_delta_log").glob("*.json")):
        for line in file.read_text().splitlines():
            action = json.loads(line, parse_float=Decimal)
            if "add" in action:
                log[action["add"]["path"]] = action["add"]
    assert log
    for add in log.values():
        stats = json.loads(add["stats"], parse_float=Decimal)
        from urllib.parse import unquote
        table = pq.read_table(path / unquote(add["path"]), partitioning=None)
        assert stats["numRecords"] == table.num_rows
        for name in table.column_names[:32]:
            values = [value for value in table[name].to_pylist() if value is not None]
            assert stats["nullCount"][name] == table.num_rows - len(values), name
            low, high = stats["minValues"].get(name), stats["maxValues"].get(name)
            check_bounds(name, values, low, high)


def check_bounds(name: str, values: list, low, high) -> None:
    sample = values[0] if values else None
    if sample is None or isinstance(sample, (bool, bytes)):
        assert low is None and high is None, name
    elif isinstance(sample, float):
        finite = [value for value in (min(values), max(values))]
        assert low is None if math.isinf(finite[0]) else float(low) == finite[0], name
        assert high is None if math.isinf(finite[1]) else float(high) == finite[1], name
    elif isinstance(sample, datetime.datetime):
        step = datetime.timedelta(milliseconds=1)
        if max(values).replace(tzinfo=None) == LAST:  # there is no later millisecond to round it up to
            assert high is None, name
            return
        low, high = (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (low, high))
        assert low <= min(values) and max(values) <= high, name
        assert min(values) - low < step and high - max(values) < step, name
    elif isinstance(sample, datetime.date):
        assert (low, high) == (min(values).isoformat(), max(values).isoformat()), name
    elif isinstance(sample, str):
        lowest, highest = min(values, key=str.encode), max(values, key=str.encode)
        assert low == lowest[:32], name
        assert high is None or high.encode() >= highest.encode() and high[:32] == highest[:32], name
        assert len(highest) > 32 or high == highest, name
    else:
        assert (low, high) == (min(values), max(values)), f"{name}: {low} {high}"


PARTITIONS = [None, "a/b=c%", "\u00e9 x", "2026-11-21", "q'\"{}[]#:*?\\^", "%41+ &", "z" * 300]


def partitions_and_checkpoints(folder: Path, suite: Suite) -> None:
    """More than thirty commits; a checkpoint is read; then the commits before it are gone and must not be missed."""
    columns = [("id", "bigint"), ("p", "text"), ("n", "numeric(38,4)"), ("day", "date"), ("tz", "timestamptz"),
               ("big", "text")]
    moment = datetime.datetime(2026, 11, 21, 6, 0, 0, 1, tzinfo=UTC)
    rows = []
    for commit in range(35):
        new = [(commit * 100 + i, PARTITIONS[i % 7], Decimal(10**33 + i).scaleb(-4),
                None if i % 5 == 0 else datetime.date(2026, 1, 1 + i % 3), moment + datetime.timedelta(days=i % 2),
                f"v{i}")
               for i in range(40)]
        if commit == 3:
            new.append((999, "", Decimal("0.0000"), None, moment, "b" * (1 << 20)))  # an empty partition value is null
        tool(folder, "append", "t", "partition=p,day,tz", f"app=me:{commit}", input=to_text(columns, new))
        rows += new
    rows = [tuple(None if k == 1 and value == "" else value for k, value in enumerate(row)) for row in rows]
    log = folder / "t/_delta_log"
    checkpoints = sorted(file.name for file in log.glob("*.checkpoint.parquet"))
    assert checkpoints == [f"{version:020}.checkpoint.parquet" for version in (10, 20, 30)]
    hint = json.loads((log / "_last_checkpoint").read_text())
    assert hint["version"] == 30 and hint["sizeInBytes"] == (log / f"{30:020}.checkpoint.parquet").stat().st_size
    for cleaned in (False, True):
        table = DeltaTable(str(folder / "t"))
        must_equal(delta_rows(folder / "t"), rows, f"deltalake, cleaned {cleaned}", ordered=False)
        must_equal(read_table(folder, "t"), rows, f"ourselves, cleaned {cleaned}", ordered=False)
        assert table.version() == 34 and table.transaction_version("me") == 34
        for version in range(0, 30):
            (log / f"{version:020}.json").unlink(missing_ok=True)
    must_equal(read_table(folder, "t", "version=31"), rows[:32 * 40 + 1], "version 31", ordered=False)
    must_refuse(lambda: read_table(folder, "t", "version=7"), "version 7")
    assert "txn\tme\t34" in tool(folder, "info", "t")


def compaction_is_understood(folder: Path, suite: Suite) -> None:
    columns = [("id", "bigint"), ("p", "integer"), ("t", "text")]
    rows = [(i, i % 3, f"v{i}") for i in range(3000)]
    for part in range(6):
        tool(folder, "append", "t", "partition=p", input=to_text(columns, rows[part * 500:part * 500 + 500]))
    for change in ("", "change=1"):
        tool(folder, "rewrite", "t", change)
        table = DeltaTable(str(folder / "t"))
        assert len(table.file_uris()) == 3
        must_equal(delta_rows(folder / "t"), rows, "deltalake", ordered=False)
    must_equal(delta_rows(folder / "t", 5), rows, "deltalake, before", ordered=False)
    assert len(table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)) == 18 + 3
    must_equal(read_table(folder, "t"), rows, "ourselves, after VACUUM", ordered=False)


def tables_of_deltalake_are_read(folder: Path, suite: Suite) -> None:
    table = pa.table({
        "id": pa.array(range(1000), pa.int64()), "s": [None if i % 7 == 0 else f"v{i}" for i in range(1000)],
        "p": pa.array([PARTITIONS[i % 6] for i in range(1000)]), "k": pa.array([i % 2 == 0 for i in range(1000)]),
        "day": pa.array([datetime.date(2026, 1, 1 + i % 2) for i in range(1000)]),
        "at": pa.array([datetime.datetime(2026, 1, 1, i % 2, 0, 0, 5, tzinfo=UTC) for i in range(1000)],
                       pa.timestamp("us", "UTC")),
        "li": pa.array([[i, None] for i in range(1000)], pa.list_(pa.int32())),
    })
    path = folder / "t"
    for _ in range(12):
        write_deltalake(path, table, mode="append", partition_by=["p", "k", "day", "at"])
    wider = table.append_column("n", pa.array([Decimal(1)] * 1000, pa.decimal128(10, 2)))
    steps = {
        "appended": lambda t: None,
        "checkpoint": lambda t: t.create_checkpoint(),
        "optimized": lambda t: t.optimize.compact(),
        "deleted": lambda t: t.delete("id < 100"),
        "updated": lambda t: t.update(updates={"s": "'new'"}, predicate="id = 500"),
        "vacuumed": lambda t: t.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False),
        "checkpoint again": lambda t: t.create_checkpoint(),
        "column added": lambda t: write_deltalake(path, wider, mode="append", schema_mode="merge"),
    }
    for step, action in steps.items():
        action(DeltaTable(str(path)))
        table_now = DeltaTable(str(path)).to_pyarrow_table()
        must_equal(read_table(folder, "t"), arrow_rows(table_now), step, ordered=False)
    for log in sorted((path / "_delta_log").glob("*.json"))[:11]:
        log.unlink()
    must_equal(read_table(folder, "t"), arrow_rows(table_now), "from the checkpoint", ordered=False)


def bounds_hold_the_values(folder: Path, suite: Suite) -> None:
    """What the log of deltalake lets us say about a file is true of its rows."""
    rows = make_rows(500, suite.random)
    arrow = pa.table({name: pa.array([row[c] for row in rows], {
        "boolean": pa.bool_(), "integer": pa.int32(), "bigint": pa.int64(), "double precision": pa.float64(),
        "numeric(9,2)": pa.decimal128(9, 2), "numeric(18,0)": pa.decimal128(18, 0),
        "numeric(38,38)": pa.decimal128(38, 38),
        "numeric(38,0)": pa.decimal128(38, 0), "numeric(25,3)": pa.decimal128(25, 3), "text": pa.string(),
        "bytea": pa.binary(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC")}[kind.split(":")[0]]) for c, (name, kind) in enumerate(COLUMNS)})
    write_deltalake(folder / "t", arrow)
    tool(folder, "append", "o", input=to_text(COLUMNS, rows))
    for name in ("t", "o"):
        text = tool(folder, "info", name)
        lines = text.split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("file\t"))
        assert lines[at].split("\t")[2] == "500"
        header = tool(folder, "read", name).partition("\n")[0]
        low, high = from_text("\n".join([header, lines[at + 1], lines[at + 2], ""]))[1]
        told = 0
        for c, (column, _) in enumerate(COLUMNS):
            values = [row[c] for row in rows if row[c] is not None]
            text_key = (lambda v: v.encode()) if isinstance(values[0], str) else (lambda v: v)
            for bound, holds in ((low[c], lambda b: text_key(b) <= min(map(text_key, values))),
                                 (high[c], lambda b: text_key(b) >= max(map(text_key, values)))):
                told += bound is not None
                assert bound is None or holds(bound), f"{name}.{column}: {bound}"
        assert told >= 12, f"{name}: only {told} bounds"


def parsed_statistics_serve_too(folder: Path, suite: Suite) -> None:
    """A checkpoint with stats_parsed in place of stats, as Databricks writes them."""
    columns = [("id", "bigint"), ("day", "date"), ("tz", "timestamptz"), ("n", "numeric(12,2)"), ("t", "text")]
    moment = datetime.datetime(2026, 11, 21, 6, tzinfo=UTC)
    rows = [(i, datetime.date(2026, 1, 1 + i), moment, Decimal(i).scaleb(-2), f"v{i}") for i in range(9)]
    tool(folder, "append", "t", input=to_text(columns, rows))
    tool(folder, "checkpoint", "t")
    path = folder / "t/_delta_log" / f"{0:020}.checkpoint.parquet"
    table = pq.read_table(path)
    values = pa.struct([("id", pa.int64()), ("day", pa.date32()), ("tz", pa.timestamp("us", "UTC")),
                        ("n", pa.decimal128(12, 2)), ("t", pa.string())])
    parsed = pa.struct([("numRecords", pa.int64()), ("minValues", values), ("maxValues", values)])
    names = [name for name, _ in columns]
    adds = table["add"].to_pylist()
    for add in adds:
        if add:
            del add["stats"]
            add["partitionValues"] = []
            add["stats_parsed"] = {"numRecords": 9, "minValues": dict(zip(names, rows[0])),
                                   "maxValues": dict(zip(names, rows[8]))}
    fields = [field for field in table.schema.field("add").type if field.name != "stats"]
    kind = pa.struct(fields + [pa.field("stats_parsed", parsed)])
    pq.write_table(table.set_column(table.column_names.index("add"), "add", pa.array(adds, kind)), path)
    (folder / "t/_delta_log" / f"{0:020}.json").unlink()
    lines = tool(folder, "info", "t").split("\n")
    assert lines[2].endswith("\t9"), lines
    head = tool(folder, "read", "t").partition("\n")[0]
    low, high = from_text("\n".join([head, lines[3], lines[4], ""]))[1]
    assert low == rows[0], low
    assert high == rows[8][:2] + (moment + datetime.timedelta(microseconds=999),) + rows[8][3:], high


def many_writers_lose_nothing(folder: Path, suite: Suite) -> None:
    """Three of ours and one of deltalake's append at once."""
    columns = [("id", "bigint")]
    tool(folder, "append", "t", input=to_text(columns, [(0,)]))
    failures: list[BaseException] = []

    def ours(writer: int) -> None:
        try:
            for i in range(8):
                tool(folder, "append", "t", f"app=w{writer}:{i}", input=to_text(columns, [(writer * 1000 + i,)]))
        except BaseException as failure:
            failures.append(failure)

    def theirs() -> None:
        try:
            for i in range(8):
                write_deltalake(folder / "t", pa.table({"id": pa.array([9000 + i], pa.int64())}), mode="append")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ours, args=(writer,)) for writer in (1, 2, 3)]
    threads.append(threading.Thread(target=theirs))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    expected = [(0,)] + [(w * 1000 + i,) for w in (1, 2, 3, 9) for i in range(8)]
    must_equal(delta_rows(folder / "t"), expected, "deltalake", ordered=False)
    must_equal(read_table(folder, "t"), expected, "ourselves", ordered=False)
    assert DeltaTable(str(folder / "t")).version() == 32


def tables_we_cannot_honour_are_refused(folder: Path, suite: Suite) -> None:
    columns = [("id", "bigint"), ("t", "text")]
    one = to_text(columns, [(1, "x")])
    tool(folder, "append", "t", input=one)
    must_refuse(lambda: tool(folder, "append", "t", input=to_text([("id", "text"), ("t", "text")], [("1", "x")])),
                '"id" is long')
    must_refuse(lambda: tool(folder, "append", "t", input=to_text([("id", "bigint")], [(1,)])), '"t"')
    DeltaTable(str(folder / "t")).alter.add_constraint({"small": "id < 10"})
    must_refuse(lambda: tool(folder, "append", "t", input=one), "constraint", "small")
    tool(folder, "append", "a", "delta.appendOnly=true", input=one)
    tool(folder, "append", "a", input=one)
    must_refuse(lambda: tool(folder, "rewrite", "a", "change=1"), "append-only")
    must_refuse(lambda: tool(folder, "append", "b", "partition=no", input=one), '"no"')
    must_refuse(lambda: tool(folder, "read", "nowhere"), "no Delta table")


def spark_reads_and_writes(folder: Path, suite: Suite) -> None:
    from harness import downloads
    if not shutil.which("java"):
        raise Skip("no java")
    ours = [row[:12] + row[13:] for row in make_rows(2000, suite.random)
            if all(not isinstance(value, datetime.datetime) or value.year > 1600 for value in row) and
            all(not isinstance(value, datetime.date) or value.year > 1600 for value in row)]
    columns = COLUMNS[:12] + COLUMNS[13:]
    for part in range(12):
        tool(folder, "append", "ours", input=to_text(columns, ours[part * 100:part * 100 + 100]))
    ours = ours[:1200]
    log = folder / "ours/_delta_log"
    for version in range(0, 10):
        (log / f"{version:020}.json").unlink()
    many = [(i, PARTITIONS[i % 6], f"v{i}") for i in range(600)]
    parted = [("id", "bigint"), ("p", "text"), ("t", "text")]
    tool(folder, "append", "parted", "partition=p", input=to_text(parted, many))
    lists = make_lists(600, suite.random)
    tool(folder, "append", "lists", input=to_text(LISTS, lists))
    report = folder / "report.json"
    done = subprocess.run(mortal([sys.executable, str(Path(__file__).with_name("spark_side.py")), str(folder),
                                  str(report), *map(str, downloads.jars("spark"))]), capture_output=True, text=True,
                          timeout=850)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    found = json.loads(report.read_text())
    check_spark_report(found, ours, many)
    for name in ("dv", "v2", "int96", "parted", "shape"):
        expected = [tuple(row) for row in found[name]]
        rows = [tuple(map(as_spark_says, row)) for row in read_table(folder, name)]
        must_equal(rows, expected, f"Spark's {name}", ordered=False)
    must_equal([tuple(row) for row in found["lists"]], [tuple(map(as_spark_says, row)) for row in lists],
               "Spark reads our arrays", ordered=False)
    must_equal(read_table(folder, "lists of spark", LISTS_ASKED), [row for row in lists if row[0] < 400],
               "Spark's arrays", ordered=False)
    assert len(list((folder / "dv").glob("deletion_vector_*.bin"))) > 0, "Spark wrote no deletion vector"
    assert list((folder / "v2/_delta_log/_sidecars").glob("*.parquet")), "Spark wrote no sidecar"
    tool(folder, "append", "v2", input=to_text([("id", "bigint"), ("t", "text")], [(-5, "ours")]))
    assert (-5, "ours") in read_table(folder, "v2")


def as_spark_says(value):
    if isinstance(value, list):
        return [as_spark_says(element) for element in value]
    if isinstance(value, bytes):
        return str(bytearray(value))
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def check_spark_report(found: dict, ours: list[tuple], many: list[tuple]) -> None:
    assert found["ours"]["count"] == len(ours)
    for c, (name, _) in enumerate(COLUMNS[:12] + COLUMNS[13:]):
        values = [row[c] for row in ours if row[c] is not None]
        assert found["ours"]["nulls"][name] == len(ours) - len(values), name
        if name in ("i", "l", "n9", "n18", "n38", "m38", "n25"):
            assert Decimal(found["ours"]["sum"][name]) == sum(map(Decimal, values)), name
            assert Decimal(found["ours"]["min"][name]) == min(values), name
            assert Decimal(found["ours"]["max"][name]) == max(values), name
    must_equal([tuple(row) for row in found["many"]], many, "Spark reads our partitions", ordered=False)


CASES = [our_parquet_is_read_by_others, long_strings_and_many_pages, parquet_of_pyarrow_is_read, other_types_of_pyarrow,
         parquet_of_duckdb_is_read, broken_parquet_is_refused, every_type_in_a_delta_table, arrays_are_lists,
         partitions_and_checkpoints,
         compaction_is_understood, tables_of_deltalake_are_read, bounds_hold_the_values, parsed_statistics_serve_too,
         many_writers_lose_nothing,
         tables_we_cannot_honour_are_refused, spark_reads_and_writes]


def main() -> None:
    global TOOL
    folder = None
    if "--build" in sys.argv:
        at = sys.argv.index("--build")
        folder = Path(sys.argv[at + 1])
        del sys.argv[at:at + 2]
        subprocess.run(["ninja", "-C", folder, "tests/interop/lake_tool"], check=True, stdout=subprocess.DEVNULL)
    TOOL = str((folder or build(targets=["tests/interop/lake_tool"])) / "tests/interop/lake_tool")
    suite = Suite("interop/lake")
    for case in CASES:
        suite.run(case, suite)
    suite.end()


if __name__ == "__main__":
    main()
