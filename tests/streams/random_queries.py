"""Queries nobody thought of, over rows that are awkward: run by bourn however cut, killed and divided among workers,
and by PostgreSQL over the same rows.

`relation(rnd, depth)` is a query and the types of its columns. random_expressions.py, random_relations.py,
random_windows.py and random_around.py are what it is made of. Left out is what has no one answer: ties, the text of a
double, sums of doubles that depend on their order, digits of a quotient that PostgreSQL happens to give.
"""
from __future__ import annotations

import datetime
import json
import math
from collections import defaultdict
from pathlib import Path

from random_around import Around
from random_expressions import SQL
from random_relations import COLUMNS, DECLARED, Relation

__all__ = ["COLUMNS", "DECLARED", "MOST_ROWS", "SQL", "Relation", "differ", "relation", "write_rows"]

ROWS = 110
BASE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
MOST_ROWS = 20_000  # of an answer


class Maker(Around):
    def relation(self, depth: int) -> Relation:
        kinds = [self.select, self.aggregate, self.aggregate, self.join, self.join, self.semi, self.semi, self.in_,
                 self.distinct, self.union, self.window, self.window, self.over, self.first_rows, self.first_rows,
                 self.first_of_each, self.shared, self.limited, self.rows, self.rows, self.around, self.around,
                 self.around]
        return self.rnd.choice(kinds)(depth)


def relation(rnd, depth: int) -> Relation:
    maker = Maker(rnd)
    return maker.failing(depth) if maker.chance(0.1) else maker.relation(depth)


# ---- rows ----

def row(i: int, rnd) -> dict:
    at = BASE + datetime.timedelta(milliseconds=i * 250 + rnd.randint(-700, 700))
    limits = ["9999999999.99", "-9999999999.99", "0.00", "0.01"]
    nines = "9" * 38
    return {"id": i, "k": rnd.choice([None, None, *range(8)]), "j": rnd.randrange(3),
            "v": rnd.choice([None, *range(6)]),
            "g": rnd.choice([None, 0, 1, -7, 9223372036854775807, -9223372036854775807, rnd.randrange(10 ** 12)]),
            "t": rnd.choice(["", "a", "bc", "ünïcödé", "a much longer text than fits", None, "ba a"]),
            "n": rnd.choice([None, *limits, f"{rnd.randint(-99999, 99999) / 100:.2f}"]),
            "m": rnd.choice([None, "9" * 20 + "." + "9" * 10, "-" + "9" * 20 + "." + "9" * 10, "0.0000000001",
                             f"{rnd.randint(-999, 999)}.5"]),
            "w": rnd.choice([None, nines, "-" + nines, "0", "1", "-7", "5" * 29]),
            "x": rnd.choice([None, "0." + nines, "-0." + nines, "0", "0.5", "0." + "0" * 37 + "1"]),
            "f": rnd.choice([None, 0.5, -1.25, 3.0, 1e10, 0.0] * 3 + ["NaN", "Infinity"]),
            "b": rnd.choice([True, False, None]),
            "d": rnd.choice([None, "2026-01-01", "2024-02-29", "0003-12-31", "2026-01-02"]),
            "s": rnd.choice([None, "2026-01-01T00:00:00", "2024-02-29T23:59:59.999999", "0003-12-31T00:00:01"]),
            "e": rnd.choice([None, "1 mon", "-1 year", "02:03:04.5", "-00:00:01", "00:00:00"]),
            "u": rnd.choice([None, *(f"00000000-0000-0000-0000-00000000000{c}" for c in "019af")]),
            "y": rnd.choice([None, "\\x", "\\x00", "\\x00ff", "\\xff00ff00ff00ff00ff00ff00ff00ff"]),
            "o": rnd.choice([None, {}, {"a": 1}, {"a": {"b": [1, 2]}, "c": None}, [1, "a"], "a", 7.25, True, []]),
            "l": rnd.choice([None, [], [1], [1, None, 3], [2147483647, -2147483648], list(range(20))]),
            "r": rnd.choice([None, [], ["a"], ["", None, "a much longer text than fits"], ["b c", "ü"]]),
            "ts": at.isoformat()}


def write_rows(folder: Path, rnd, count: int = ROWS) -> None:
    for name in "ab":
        rows = [row(i, rnd) for i in range(count)]
        rows += [rnd.choice(rows[-3:]) for _ in range(10)]  # the same row again
        lines = [json.dumps(dict(row, at=i)) for i, row in enumerate(rows)]
        (folder / f"{name}.ndjson").write_text("".join(line + "\n" for line in lines))


# ---- answers ----

def grouped(rows: list[tuple], types: list[str]) -> dict[tuple, list]:
    """The rows by what must be equal, each with what may differ in its last digits."""
    found = defaultdict(list)
    for row in rows:
        exact = tuple(cell for cell, of in zip(row, types) if of not in ("dbl", "flt"))
        found[exact].append([None if cell is None else float(cell) for cell, of in zip(row, types)
                             if of in ("dbl", "flt")])
    for doubles in found.values():
        doubles.sort(key=lambda row: [(cell is None, cell is not None and math.isnan(cell),
                                       0 if cell is None or math.isnan(cell) else cell) for cell in row])
    return found


def close(x: float | None, y: float | None) -> bool:
    if x is None or y is None or math.isnan(x) or math.isnan(y):
        return x is y or (x is not None and y is not None and math.isnan(x) and math.isnan(y))
    return x == y or abs(x - y) <= 1e-12 * max(abs(x), abs(y), 1)


def match(x: list[list], y: list[list]) -> bool:
    """Each row of one has a row of the other for itself. In their order those are mostly side by side; but digits that
    may differ can turn the order around."""
    rest = list(y)
    for row in x:
        at = next((i for i, other in enumerate(rest) if all(map(close, row, other))), None)
        if at is None:
            return False
        del rest[at]
    return not rest


def differ(got: list[tuple], wanted: list[tuple], types: list[str]) -> str:
    """What is wrong; nothing if nothing is."""
    mine, theirs = grouped(got, types), grouped(wanted, types)
    wrong = []
    for exact in {**mine, **theirs}:
        x, y = mine.get(exact, []), theirs.get(exact, [])
        if not match(x, y):
            wrong.append(f"{exact}: {x[:3]} ({len(x)} rows), and {y[:3]} ({len(y)}) are wanted")
    return "\n".join([*wrong[:6], f"{len(wrong)} differ of {len(theirs)}"]) if wrong else ""
