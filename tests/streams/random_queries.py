"""Queries nobody thought of, over rows that are awkward: run by bourn however cut, killed and divided among workers,
and by PostgreSQL over the same rows.

`relation(rnd, depth)` is a query and the types of its columns. It is made of smaller ones, each a query by itself, so
one that gives a wrong answer is brought down to its smallest part that does. Left out is what has no one answer: ties,
the text of a double, sums of doubles that depend on their order, digits of a quotient that PostgreSQL happens to give.
"""
from __future__ import annotations

import datetime
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROWS = 110
BASE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
COLUMNS = {"id": "int", "k": "int", "j": "int", "v": "int", "g": "bigint", "t": "text", "n": "num", "m": "num",
           "f": "dbl", "b": "bool", "d": "date", "ts": "time"}
DECLARED = ("id int, k int, j int, v int, g bigint, t text, n numeric(12,2), m numeric(30,10), f double precision, "
            "b boolean, d date, ts timestamptz{} NOT NULL")
SQL = {"int": "int", "bigint": "bigint", "text": "text", "num": "numeric(38,10)", "dbl": "double precision",
       "bool": "boolean", "date": "date", "time": "timestamptz"}
MOST_ROWS = 20_000  # of an answer


@dataclass
class Relation:
    sql: str
    types: list[str]  # of c0, c1, ...
    parts: list["Relation"] = field(default_factory=list)

    def columns(self) -> str:
        return ", ".join(f"c{i} {SQL[of]}" for i, of in enumerate(self.types))


class Maker:
    def __init__(self, rnd):
        self.rnd = rnd
        self.names = 0

    def chance(self, of: float) -> bool:
        return self.rnd.random() < of

    def name(self) -> str:
        self.names += 1
        return f"q{self.names}"

    # ---- expressions over what a FROM offers: a list of (text, type) ----

    def column(self, scope, of: str) -> str | None:
        found = [text for text, there in scope if there == of]
        return self.rnd.choice(found) if found else None

    def constant(self, of: str) -> str:
        pick = self.rnd.choice
        if self.chance(0.05):
            return f"NULL::{SQL[of]}"
        return {"int": lambda: str(self.rnd.randrange(-2, 8)),
                "bigint": lambda: f"{pick([0, 3, -9223372036854775807, 9223372036854775807, 40])}::bigint",
                "text": lambda: pick(["''", "'a'", "'bc'", "'ünï'", "'%'"]),
                "num": lambda: pick(["0.5", "-3", "12.25", "9999999999.99::numeric(12,2)", "0.0000000001"]),
                "dbl": lambda: pick(["0.5", "'NaN'", "2", "-1.25", "'-Infinity'"]) + "::double precision",
                "bool": lambda: pick(["true", "false"]),
                "date": lambda: pick(["date '2026-01-01'", "date '2024-02-29'"]),
                "time": lambda: "timestamptz '2026-01-01 00:00:10Z'"}[of]()

    def expr(self, scope, of: str, depth: int) -> str:
        leaf = self.column(scope, of) if self.chance(0.85) else None
        if depth <= 0 or self.chance(0.35):
            return leaf or self.constant(of)
        e = lambda kind: self.expr(scope, kind, depth - 1)  # noqa: E731
        if self.chance(0.25):
            return self.choice(e, of)
        return "(" + getattr(self, f"{of}_expr")(e) + ")"

    def choice(self, e, of: str) -> str:
        kind = self.rnd.randrange(5)
        if kind == 0:
            return f"CASE WHEN {e('bool')} THEN {e(of)} ELSE {e(of)} END"
        if kind == 1:
            return f"CASE {e('int')} WHEN 1 THEN {e(of)} WHEN 2 THEN {e(of)} END"
        if kind == 2:
            return f"coalesce({e(of)}, {e(of)})"
        if kind == 3:
            return f"nullif({e(of)}, {e(of)})"
        return f"{self.rnd.choice(['greatest', 'least'])}({e(of)}, {e(of)})"

    def int_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"{e('int')} % 100 {self.rnd.choice('+-*')} {e('int')} % 100",
            lambda: f"{e('int')} / nullif({e('int')}, 0)", lambda: f"{e('int')} % nullif({e('int')}, 0)",
            lambda: f"length({e('text')})", lambda: f"{e('date')} - date '2026-01-01'",
            lambda: f"extract(day from {e('date')})::int", lambda: f"extract(second from {e('time')})::int",
            lambda: f"({e('bool')})::int", lambda: f"position({e('text')} IN {e('text')})"])()

    def bigint_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"{e('int')}::bigint", lambda: f"{e('bigint')} / 7",
                                lambda: f"{e('bigint')} % 1000 + {e('int')}", lambda: f"{e('bigint')} # 5"])()

    def text_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"upper({e('text')})", lambda: f"left({e('text')} || {e('text')}, 20)",
            lambda: f"substr({e('text')}, 2, 3)", lambda: f"{e('int')}::text", lambda: f"{e('date')}::text",
            lambda: f"left(replace({e('text')}, 'a', 'xy'), 20)", lambda: f"lpad({e('text')}, 4, 'ö')",
            lambda: f"concat({e('int')}, '-', {e('bool')})", lambda: f"split_part({e('text')}, ' ', 2)"])()

    def num_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"{e('num')} + {e('num')}", lambda: f"{e('num')} - {e('num')}", lambda: f"- {e('num')}",
            lambda: f"{e('int')}::numeric", lambda: f"round({e('num')}, 1)", lambda: f"trunc({e('num')}, 3)",
            lambda: f"abs({e('num')})", lambda: f"({e('num')})::numeric(38,2)", lambda: f"{e('num')} % 1000",
            lambda: f"(({e('num')} % 1000) / nullif({e('num')} % 100, 0))::numeric(38,6)",
            lambda: f"floor({e('num')})"])()

    def dbl_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"{e('dbl')} {self.rnd.choice('+-')} {e('dbl')}", lambda: f"{e('dbl')} * 2",
            lambda: f"{e('int')}::double precision", lambda: f"abs({e('dbl')})", lambda: f"floor({e('dbl')})",
            lambda: f"floor({e('num')} % 1000)::double precision", lambda: f"{e('dbl')} / 4"])()

    def date_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"{e('date')} + {e('int')} % 50", lambda: f"({e('time')})::date",
                                lambda: f"date_trunc('month', {e('time')})::date"])()

    def time_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"date_trunc('{self.rnd.choice(['second', 'minute', 'month'])}', {e('time')})",
            lambda: f"{e('time')} + interval '{self.rnd.choice(['1 s', '-2 days', '1 month'])}'",
            lambda: f"date_bin(interval '5 s', {e('time')}, timestamptz '2000-01-01 00:00:00Z')"])()

    def bool_expr(self, e) -> str:
        of = self.rnd.choice([*SQL, "int", "text", "num"])
        return self.rnd.choice([
            lambda: f"{e(of)} {self.rnd.choice(['=', '<>', '<', '<=', '>', '>='])} {e(of)}",
            lambda: f"{e(of)} {self.rnd.choice(['=', '<>', '<', '<=', '>', '>='])} {self.constant(of)}",
            lambda: f"{e(of)} IS {self.rnd.choice(['', 'NOT '])}NULL",
            lambda: f"{e(of)} IS {self.rnd.choice(['', 'NOT '])}DISTINCT FROM {e(of)}",
            lambda: f"{e('bool')} {self.rnd.choice(['AND', 'OR'])} {e('bool')}", lambda: f"NOT {e('bool')}",
            lambda: f"{e('int')} {self.rnd.choice(['', 'NOT '])}IN (1, 2, {e('int')})",
            lambda: f"{e('int')} BETWEEN {e('int')} AND {e('int')} + 3",
            lambda: f"{e('text')} {self.rnd.choice(['', 'NOT '])}LIKE '{self.rnd.choice(['%a%', '_', '%ï%'])}'",
            lambda: f"{e('num')} > {e('int')}", lambda: f"{e('bool')} IS NOT TRUE"])()

    # ---- relations ----

    def from_item(self, part: Relation | None) -> tuple[str, list, Relation | None]:
        """A table or a query as it stands in FROM, and what it offers."""
        name = self.name()
        if part is None:
            return f"{self.rnd.choice('ab')} {name}", [(f"{name}.{c}", of) for c, of in COLUMNS.items()], None
        return f"({part.sql}) {name}", [(f"{name}.c{i}", of) for i, of in enumerate(part.types)], part

    def source(self, depth: int) -> tuple[str, list, Relation | None]:
        return self.from_item(self.relation(depth - 1) if depth > 0 and self.chance(0.6) else None)

    def output(self, scope, of_most: int = 5) -> tuple[str, list[str]]:
        """A select list over what is there: some columns as they are, some computed."""
        chosen = []
        for _ in range(self.rnd.randint(2, of_most)):
            if self.chance(0.5):
                chosen.append(self.rnd.choice(scope))
            else:
                of = self.rnd.choice(list(SQL))
                chosen.append((self.expr(scope, of, 2), of))
        ints = [c for c in scope if c[1] == "int"]
        if ints and not any(of == "int" for _, of in chosen):
            chosen.append(self.rnd.choice(ints))  # something to join and to group by
        return ", ".join(f"{self.typed(*c)} AS c{i}" for i, c in enumerate(chosen)), [of for _, of in chosen]

    def typed(self, text: str, of: str) -> str:
        return text if "." in text and " " not in text else f"({text})::{SQL[of]}"

    def where(self, scope, of: float = 0.5) -> str:
        return f" WHERE {self.expr(scope, 'bool', 2)}" if self.chance(of) else ""

    def relation(self, depth: int) -> Relation:
        kinds = [self.select, self.aggregate, self.aggregate, self.join, self.join, self.semi, self.semi, self.in_,
                 self.distinct, self.union, self.window]
        return self.rnd.choice(kinds)(depth)

    def select(self, depth: int) -> Relation:
        text, scope, part = self.source(depth)
        chosen, types = self.output(scope)
        return Relation(f"SELECT {chosen} FROM {text}{self.where(scope, 0.8)}", types, [part] if part else [])

    def distinct(self, depth: int) -> Relation:
        made = self.select(depth)
        return Relation(made.sql.replace("SELECT", "SELECT DISTINCT", 1), made.types, [made, *made.parts])

    def union(self, depth: int) -> Relation:
        left = self.relation(depth - 1) if depth > 0 else self.select(0)
        text, scope, part = self.source(depth)
        chosen = ", ".join(f"{self.typed(self.expr(scope, of, 1), of)} AS c{i}" for i, of in enumerate(left.types))
        right = Relation(f"SELECT {chosen} FROM {text}{self.where(scope)}", left.types, [part] if part else [])
        word = self.rnd.choice(["UNION ALL", "UNION ALL", "UNION"])
        return Relation(f"{left.sql} {word} {right.sql}", left.types, [left, right])

    def aggregates(self, scope, most: int) -> list[tuple[str, str]]:
        found = []
        for _ in range(self.rnd.randint(1, most)):
            e = lambda of: self.expr(scope, of, 1)  # noqa: E731
            any_of = self.rnd.choice(list(SQL))
            extreme = self.rnd.choice([of for of in SQL if of != "bool"])
            call, of = self.rnd.choice([
                lambda: ("count(*)", "bigint"), lambda: (f"count({e(any_of)})", "bigint"),
                lambda: (f"count(DISTINCT {e(any_of)})", "bigint"), lambda: (f"sum({e('int')})", "bigint"),
                lambda: (f"sum({e('num')})", "num"), lambda: (f"sum({e('bigint')})", "num"),
                lambda: (f"sum(DISTINCT {e('num')})", "num"), lambda: (f"sum({e('dbl')})", "dbl"),
                lambda: (f"{self.rnd.choice(['min', 'max'])}({e(extreme)})", extreme),
                lambda: (f"{self.rnd.choice(['min', 'max'])}({e(extreme)})", extreme),
                lambda: (f"bool_{self.rnd.choice(['and', 'or'])}({e('bool')})", "bool"),
                lambda: (f"avg({e('int')})", "avg"), lambda: (f"avg({e('dbl')})", "dbl"),
                lambda: (f"var_pop({e('dbl')} / 4)", "dbl"), lambda: ("string_agg({0}, ',' ORDER BY {0})".format(
                    f"({self.expr(scope, 'text', 1)})"), "text")])()
            if self.chance(0.3):
                call += f" FILTER (WHERE {self.expr(scope, 'bool', 1)})"
            # PostgreSQL gives a mean as many digits as it likes: fewer are the same
            found.append((f"({call})::numeric(38,6)", "num") if of == "avg" else (call, of))
        return found

    def aggregate(self, depth: int) -> Relation:
        text, scope, part = self.source(depth)
        keys = []
        for _ in range(self.rnd.choice([0, 1, 1, 1, 2])):
            small = [c for c in scope if c[1] in ("int", "bool", "date", "text", "num", "dbl", "time", "bigint")]
            ints = [c for c in scope if c[1] == "int"]
            of = self.rnd.choice(list(SQL))
            keys.append(self.rnd.choice(ints or small) if self.chance(0.6) else (self.expr(scope, of, 1), of))
        keys = [key for key in keys if "q" in key[0]]  # a constant is no group
        calls = self.aggregates(scope, 4)
        chosen = [*keys, *calls]
        listed = ", ".join(f"{self.typed(*c)} AS c{i}" for i, c in enumerate(chosen))
        by = f" GROUP BY {', '.join(text for text, _ in keys)}" if keys else ""
        having = ""
        if self.chance(0.3):
            having = f" HAVING {self.expr(self.aggregates(scope, 2) + keys, 'bool', 2)}"
        return Relation(f"SELECT {listed} FROM {text}{self.where(scope)}{by}{having}", [of for _, of in chosen],
                        [part] if part else [])

    def condition(self, left, right) -> str | None:
        """An equality, of what has few values in common if it can be, and often something beside it."""
        both = [of for of in ("int", "int", "int", "text", "date", "time", "num", "bool", "bigint")
                if any(t == of for _, t in left) and any(t == of for _, t in right)]
        if not both:
            return None
        terms = []
        for _ in range(self.rnd.choice([1, 1, 2])):
            of = self.rnd.choice(both)
            terms.append(f"{self.column(left, of)} = {self.column(right, of)}")
        if self.chance(0.4):
            terms.append(self.expr(left + right, "bool", 2))
        return " AND ".join(terms)

    def join(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            other, right, second = self.from_item(part) if part and self.chance(0.2) else self.source(depth)
            on = self.condition(left, right)
            if on:
                kind = self.rnd.choice(["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
                chosen, types = self.output(left + right, 6)
                sql = f"SELECT {chosen} FROM {text} {kind} {other} ON {on}{self.where(left + right, 0.3)}"
                return Relation(sql, types, [p for p in (part, second) if p])
        return self.select(depth)

    def semi(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            other, right, second = self.source(depth)
            on = self.condition(left, right)
            if on:
                chosen, types = self.output(left)
                word = self.rnd.choice(["EXISTS", "NOT EXISTS"])
                sql = f"SELECT {chosen} FROM {text} WHERE {word} (SELECT 1 FROM {other} WHERE {on})"
                return Relation(sql, types, [p for p in (part, second) if p])
        return self.select(depth)

    def in_(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            other, right, second = self.source(depth)
            of = self.rnd.choice(["int", "int", "int", "text", "num", "date"])
            mine, theirs = self.column(left, of), self.column(right, of)
            if mine and theirs:
                chosen, types = self.output(left)
                word = self.rnd.choice(["IN", "NOT IN"])
                inner = f"SELECT {theirs} FROM {other}{self.where(right, 0.7)}"
                return Relation(f"SELECT {chosen} FROM {text} WHERE {mine} {word} ({inner})", types,
                                [p for p in (part, second) if p])
        return self.select(depth)

    def window(self, depth: int) -> Relation:
        del depth
        table = self.rnd.choice("ab")
        scope = [(c, of) for c, of in COLUMNS.items()]
        window = self.rnd.choice([
            f"tumble({table}, ts, interval '5 s')", f"hop({table}, ts, interval '2 s', interval '7 s')",
            f"cumulate({table}, ts, interval '3 s', interval '9 s')",
            f"hop({table}, ts, interval '5 s', interval '2 s')"])
        key = self.rnd.choice([[], [("k", "int")], [("j", "int")], [("b", "bool"), ("v", "int")]])
        key = [("window_start", "time"), ("window_end", "time"), *key]
        chosen = [*key, *self.aggregates(scope, 3)]
        listed = ", ".join(f"{text} AS c{i}" for i, (text, of) in enumerate(chosen))
        having = f" HAVING count(*) > {self.rnd.randrange(4)}" if self.chance(0.3) else ""
        return Relation(f"SELECT {listed} FROM {window} GROUP BY {', '.join(text for text, _ in key)}{having}",
                        [of for _, of in chosen])


def relation(rnd, depth: int) -> Relation:
    return Maker(rnd).relation(depth)


# ---- rows ----

def row(i: int, rnd) -> dict:
    at = BASE + datetime.timedelta(milliseconds=i * 250 + rnd.randint(-700, 700))
    limits = ["9999999999.99", "-9999999999.99", "0.00", "0.01"]
    return {"id": i, "k": rnd.choice([None, *range(8)]), "j": rnd.randrange(3), "v": rnd.choice([None, *range(6)]),
            "g": rnd.choice([None, 0, 1, -7, 9223372036854775807, -9223372036854775807, rnd.randrange(10 ** 12)]),
            "t": rnd.choice(["", "a", "bc", "ünïcödé", "a much longer text than fits", None, "ba a"]),
            "n": rnd.choice([None, *limits, f"{rnd.randint(-99999, 99999) / 100:.2f}"]),
            "m": rnd.choice([None, "9" * 20 + "." + "9" * 10, "-" + "9" * 20 + "." + "9" * 10, "0.0000000001",
                             f"{rnd.randint(-999, 999)}.5"]),
            "f": rnd.choice([None, 0.5, -1.25, 3.0, 1e10, 0.0] * 3 + ["NaN", "Infinity"]),
            "b": rnd.choice([True, False, None]),
            "d": rnd.choice([None, "2026-01-01", "2024-02-29", "0003-12-31", "2026-01-02"]), "ts": at.isoformat()}


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
        exact = tuple(cell for cell, of in zip(row, types) if of != "dbl")
        found[exact].append([None if cell is None else float(cell) for cell, of in zip(row, types) if of == "dbl"])
    for doubles in found.values():
        doubles.sort(key=lambda row: [(cell is None, cell is not None and math.isnan(cell),
                                       0 if cell is None or math.isnan(cell) else cell) for cell in row])
    return found


def close(x: float | None, y: float | None) -> bool:
    if x is None or y is None or math.isnan(x) or math.isnan(y):
        return x is y or (x is not None and y is not None and math.isnan(x) and math.isnan(y))
    return x == y or abs(x - y) <= 1e-12 * max(abs(x), abs(y))


def differ(got: list[tuple], wanted: list[tuple], types: list[str]) -> str:
    """What is wrong; nothing if nothing is."""
    mine, theirs = grouped(got, types), grouped(wanted, types)
    wrong = []
    for exact in {**mine, **theirs}:
        x, y = mine.get(exact, []), theirs.get(exact, [])
        if len(x) != len(y) or not all(close(a, b) for r, s in zip(x, y) for a, b in zip(r, s)):
            wrong.append(f"{exact}: {x[:3]} ({len(x)} rows), and {y[:3]} ({len(y)}) are wanted")
    return "\n".join([*wrong[:6], f"{len(wrong)} differ of {len(theirs)}"]) if wrong else ""
