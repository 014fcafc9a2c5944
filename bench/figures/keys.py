"""Keys: half of all rows in one of them, and 100,000 in windows of 10 minutes that slide by 1 s.

Aggregates, first rows and joins by a key, its rows spread evenly or half of them in one: with one worker and with two,
which must give the same rows. Then windows over the same rows by the evenly spread key, that overlap 1, 10, 100 and 600
times: a key has a result for each window that it is in, so what is compared is the processor time of a row and result.
"""
from __future__ import annotations

import json
import os
import random
from pathlib import Path

from . import inputs
from .measure import BOURN, TOP, Took, run
from .results import Results
from .throughput import fresh

KEYS, WAYS = 100_000, ("evenly", "half in one key")
QUERIES = {
    "count, sum and max": (
        "k bigint PRIMARY KEY, n bigint, s numeric(38,0), most bigint",
        "SELECT k, count(*), sum(v), max(v) FROM e GROUP BY k"),
    "different values": (
        "k bigint PRIMARY KEY, n bigint",
        "SELECT k, count(DISTINCT v) FROM e GROUP BY k"),
    "the first ten": (
        "k bigint, v bigint, id bigint, place bigint, PRIMARY KEY (k, place)",
        "SELECT k, v, id, place FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC, id) AS place "
        "FROM e) AS ranked WHERE place <= 10"),
    "a join": (
        "id bigint, k bigint, other bigint",
        "SELECT a.id, a.k, b.id FROM e AS a JOIN (SELECT k, id FROM e WHERE mod(id, 10) = 0) AS b ON b.id = a.k"),
}
WINDOWS = {1: "tumble(e, at, interval '1 s')", 10: "hop(e, at, interval '1 s', interval '10 s')",
           100: "hop(e, at, interval '1 s', interval '100 s')", 600: "hop(e, at, interval '1 s', interval '10 min')"}


def rows() -> int:
    return int(float(os.environ.get("KEYS_EVENTS_M", "1")) * 1e6)


def events(way: str) -> Path:
    """Ten thousand a second of event time."""
    def make(partial: Path) -> None:
        made = random.Random(7)
        with open(partial, "w") as out:
            for i in range(rows()):
                key = 0 if way != WAYS[0] and made.random() < 0.5 else made.randrange(KEYS)
                minute, ms = divmod(i // 10, 60_000)
                out.write(f'{{"id":{i},"k":{key},"v":{made.randrange(1_000_000)},'
                          f'"at":"2026-01-01T{minute // 60:02}:{minute % 60:02}:{ms // 1000:02}.{ms % 1000:03}Z"}}\n')
    return inputs.made(f"keys-{inputs.digest(Path(__file__))}-{way.replace(' ', '-')}-{rows()}.ndjson", make)


def prepare() -> None:
    for way in WAYS:
        events(way)


def pipeline(folder: Path, columns: str, query: str) -> Path:
    path = folder / "keys.sql"
    path.write_text(f"""CREATE SERVER events FOREIGN DATA WRAPPER file OPTIONS (path '${{EVENTS}}');
CREATE SERVER results FOREIGN DATA WRAPPER file OPTIONS (path '${{OUT}}');
CREATE FOREIGN TABLE e (id bigint, k bigint, v bigint, at timestamptz OPTIONS (watermark '0 s'))
    SERVER events OPTIONS (format 'json');
CREATE FOREIGN TABLE o ({columns}) SERVER results OPTIONS (format 'json');
INSERT INTO o {query};
""")
    return path


def once(folder: Path, sql: Path, way: str, workers: int) -> tuple[Took, list[bytes]]:
    fresh(folder)
    out = folder / "rows.ndjson"
    for old in (out, folder / ".rows.ndjson.bourn"):
        old.unlink(missing_ok=True)
    took = run([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, sql], folder,
               EVENTS=str(events(way)), OUT=str(out))
    return took, sorted(out.read_bytes().splitlines())


def counted(way: str) -> list[dict]:
    """What the first query answers, computed here."""
    found: dict[int, list[int]] = {}
    for line in events(way).read_text().splitlines():
        event = json.loads(line)
        key, value = event["k"], event["v"]
        n, total, most = found.get(key, (0, 0, value))
        found[key] = [n + 1, total + value, max(most, value)]
    return [{"k": key, "n": n, "s": total, "most": most} for key, (n, total, most) in sorted(found.items())]


def by_key(folder: Path, results: Results) -> None:
    for name, (columns, query) in QUERIES.items():
        for way in WAYS:
            sql, one = pipeline(folder, columns, query), None
            for workers in (1, 2):
                took, found = once(folder, sql, way, workers)
                if one is not None and found != one:
                    raise SystemExit(f"{name}, {way}: two workers give other rows than one")
                one = found
                if name == next(iter(QUERIES)) and \
                        sorted(map(json.loads, found), key=lambda row: row["k"]) != counted(way):
                    raise SystemExit(f"{name}, {way}, {workers} workers: the rows are not what they should be")
                results.add("keys", f"bourn, {name}, {way}, {workers} worker{'s' * (workers > 1)}",
                            events_per_s=rows() / took.seconds, us_of_processor=took.processor / rows() * 1e6,
                            memory_mb=took.memory / 1e6, events=rows(), others=took.others, command="bench/run keys")


def overlapping(folder: Path, results: Results) -> None:
    for overlap, window in WINDOWS.items():
        sql = pipeline(folder, "window_end timestamptz, keys bigint, n bigint, most bigint",
                       "SELECT window_end, count(*), sum(n), max(s) FROM (SELECT window_end, k, count(*) AS n, "
                       f"sum(v) AS s FROM {window} GROUP BY window_start, window_end, k) AS w GROUP BY window_end")
        took, found = once(folder, sql, WAYS[0], 2)
        counted = sum(int(line.split(b'"n":')[1].split(b",")[0]) for line in found)
        if counted != rows() * overlap:
            raise SystemExit(f"{window}: {counted} rows are in its windows, and {rows() * overlap} should be")
        keys = sum(int(line.split(b'"keys":')[1].split(b",")[0]) for line in found)
        results.add("keys", f"bourn, {KEYS:,} keys in windows that overlap {overlap} times, two workers",
                    events_per_s=rows() / took.seconds, results=keys, memory_mb=took.memory / 1e6,
                    ns_a_row_and_result=took.processor / (rows() + keys) * 1e9, events=rows(), others=took.others,
                    command="bench/run keys")


def figures(folder: Path, results: Results) -> None:
    by_key(folder, results)
    overlapping(folder, results)
