"""Expressions over what a FROM offers, made at random: a part of random_queries.py.

A scope is a list of (text, type). Types are those of SQL below; "flt" is a double whose last digits may differ (a mean,
a deviation), so nothing is compared, grouped or ordered by it.
"""
from __future__ import annotations

SQL = {"int": "int", "bigint": "bigint", "text": "text", "num": "numeric(38,10)", "dbl": "double precision",
       "bool": "boolean", "date": "date", "time": "timestamptz", "whole": "numeric(38,0)", "part": "numeric(38,38)",
       "flt": "double precision", "stamp": "timestamp", "span": "interval", "uuid": "uuid", "bytes": "bytea",
       "json": "jsonb", "ints": "int[]", "texts": "text[]"}
EXACT = [of for of in SQL if of != "flt"]
ARRAYS = ["ints", "texts"]
LEAST = [of for of in EXACT if of not in ("bool", "uuid", "bytes", "json", *ARRAYS)]  # of which there is a min()
# What is cast to num, whole or part may be too large for it, in PostgreSQL too: those are made seldom.
LIKELY = ["int", "bigint", "text", "num", "dbl", "bool", "date", "time"] * 3 + [
    "whole", "part", "stamp", "span", "uuid", "bytes", "json", *ARRAYS]
COMPARABLE = [("num", "whole"), ("whole", "part"), ("num", "part"), ("bigint", "whole"), ("int", "bigint"),
              ("int", "num"), ("date", "time"), ("dbl", "int"), ("int", "part")]


class Expressions:
    def __init__(self, rnd):
        self.rnd = rnd
        self.names = 0

    def chance(self, of: float) -> bool:
        return self.rnd.random() < of

    def name(self) -> str:
        self.names += 1
        return f"q{self.names}"

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
                "whole": lambda: pick(["9" * 38, "-" + "9" * 38, "0", "1", "5" * 29]) + "::numeric(38,0)",
                "part": lambda: pick(["0." + "9" * 38, "-0." + "9" * 38, "0.5", "0"]) + "::numeric(38,38)",
                "flt": lambda: "0.5::double precision",
                "dbl": lambda: pick(["0.5", "'NaN'", "2", "-1.25", "'-Infinity'"]) + "::double precision",
                "bool": lambda: pick(["true", "false"]),
                "date": lambda: pick(["date '2026-01-01'", "date '2024-02-29'"]),
                "time": lambda: "timestamptz '2026-01-01 00:00:10Z'",
                "stamp": lambda: "timestamp '2026-01-01 00:00:10'",
                "span": lambda: pick(["interval '1 mon'", "interval '-00:00:01'", "interval '0'"]),
                "uuid": lambda: "uuid '00000000-0000-0000-0000-00000000000a'", "bytes": lambda: r"'\x00ff'::bytea",
                "json": lambda: pick(["'1'", "'null'", "'{}'", "'[1, \"a\"]'", "'\"a\"'"]) + "::jsonb",
                "ints": lambda: pick(["'{}'", "'{1,NULL,3}'", "'{1}'"]) + "::int[]",
                "texts": lambda: pick(["'{}'", "'{a,NULL}'", "'{\"a b\"}'"]) + "::text[]"}[of]()

    def expr(self, scope, of: str, depth: int) -> str:
        leaf = self.column(scope, of) if self.chance(0.85) else None
        if depth <= 0 or of == "flt" or self.chance(0.35):
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
            lambda: f"({e('bool')})::int", lambda: f"position({e('text')} IN {e('text')})",
            lambda: f"sign({e('whole')})::int", lambda: f"({e('bigint')} % 5)::int", lambda: f"({e('ints')})[1]",
            lambda: f"cardinality({e('texts')})", lambda: f"array_length({e('ints')}, 1)"])()

    def bigint_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"{e('int')}::bigint", lambda: f"{e('bigint')} / 7",
                                lambda: f"{e('bigint')} % 1000 + {e('int')}", lambda: f"{e('bigint')} # 5"])()

    def text_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"upper({e('text')})", lambda: f"left({e('text')} || {e('text')}, 20)",
            lambda: f"substr({e('text')}, 2, 3)", lambda: f"{e('int')}::text", lambda: f"{e('date')}::text",
            lambda: f"left(replace({e('text')}, 'a', 'xy'), 20)", lambda: f"lpad({e('text')}, 4, 'ö')",
            lambda: f"concat({e('int')}, '-', {e('bool')})", lambda: f"split_part({e('text')}, ' ', 2)",
            lambda: f"({e('whole')})::numeric(38,0)::text", lambda: f"({e('texts')})[2]",
            lambda: f"quote_literal({e(self.rnd.choice(['int', 'bool', 'date', 'text']))})",
            lambda: f"unistr({e('text')} || '\\00fc')", lambda: f"quote_nullable({e('uuid')})",
            lambda: f"jsonb_typeof({e('json')})", lambda: f"left(array_to_string({e('ints')}, ','), 20)",
            lambda: f"{e(self.rnd.choice(['uuid', 'span', 'stamp']))}::text"])()

    def num_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"{e('num')} + {e('num')}", lambda: f"{e('num')} - {e('num')}", lambda: f"- {e('num')}",
            lambda: f"{e('int')}::numeric", lambda: f"round({e('num')}, 1)", lambda: f"trunc({e('num')}, 3)",
            lambda: f"abs({e('num')})", lambda: f"({e('num')})::numeric(38,2)", lambda: f"{e('num')} % 1000",
            lambda: f"(({e('num')} % 1000) / nullif({e('num')} % 100, 0))::numeric(38,6)",
            lambda: f"floor({e('num')})", lambda: f"{e('whole')} % 100000", lambda: f"trunc({e('part')}, 5)"])()

    def whole_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"- {e('whole')}", lambda: f"abs({e('whole')})",
                                lambda: f"{e('whole')} % 1000003", lambda: f"{e('bigint')}::numeric(38,0)"])()

    def part_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"- {e('part')}", lambda: f"abs({e('part')})",
                                lambda: f"{e('part')} % 0.001"])()

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

    def stamp_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"{e('date')}::timestamp", lambda: f"{e('stamp')} + interval '1 s'",
                                lambda: f"date_trunc('day', {e('stamp')})"])()

    def span_expr(self, e) -> str:
        """Never of days, which are other intervals as hours or as months, and equal."""
        return self.rnd.choice([lambda: f"- {e('span')}", lambda: f"{e('span')} + {e('span')}"])()

    def uuid_expr(self, e) -> str:
        return self.choice(e, "uuid")

    def bytes_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"convert_to({e('text')}, 'UTF8')", lambda: self.choice(e, "bytes")])()

    def json_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"to_jsonb({e(self.rnd.choice(['int', 'text', 'bool', 'ints']))})", lambda: f"{e('json')} -> 'a'",
            lambda: f"jsonb_build_array({e('int')}, {e('text')})", lambda: f"jsonb_build_object('a', {e('bigint')})",
            lambda: f"{e('json')} -> 0"])()

    def ints_expr(self, e) -> str:
        return self.rnd.choice([
            lambda: f"ARRAY[{e('int')}, {e('int')}]", lambda: f"array_append({e('ints')}, {e('int')})",
            lambda: f"({e('ints')})[1:2]", lambda: f"array_remove({e('ints')}, {e('int')})"])()

    def texts_expr(self, e) -> str:
        return self.rnd.choice([lambda: f"string_to_array({e('text')}, ' ')", lambda: f"ARRAY[{e('text')}]",
                                lambda: f"({e('texts')})[2:]"])()

    def bool_expr(self, e) -> str:
        of = self.rnd.choice([*EXACT, "int", "text", "num"])
        compare = self.rnd.choice(["=", "<>", "<", "<=", ">", ">="])
        left, right = self.rnd.sample(self.rnd.choice(COMPARABLE), 2)
        return self.rnd.choice([
            lambda: f"{e(of)} {compare} {e(of)}", lambda: f"{e(of)} {compare} {self.constant(of)}",
            lambda: f"{e(of)} IS {self.rnd.choice(['', 'NOT '])}NULL",
            lambda: f"{e(of)} IS {self.rnd.choice(['', 'NOT '])}DISTINCT FROM {e(of)}",
            lambda: f"{e('bool')} {self.rnd.choice(['AND', 'OR'])} {e('bool')}", lambda: f"NOT {e('bool')}",
            lambda: f"{e('int')} {self.rnd.choice(['', 'NOT '])}IN (1, 2, {e('int')})",
            lambda: f"{e('int')} BETWEEN {e('int')} AND {e('int')} + 3",
            lambda: f"{e('text')} {self.rnd.choice(['', 'NOT '])}LIKE '{self.rnd.choice(['%a%', '_', '%ï%'])}'",
            lambda: f"{e(left)} {compare} {e(right)}", lambda: f"{e('bool')} IS NOT TRUE",
            lambda: f"{e('int')} = ANY ({e('ints')})", lambda: f"{e('texts')} @> {e('texts')}",
            lambda: f"{e('int')} {compare} ALL ({e('ints')})"])()

    # ---- what is made of several rows ----

    def aggregates(self, scope, most: int) -> list[tuple[str, str]]:
        found = []
        for _ in range(self.rnd.randint(1, most)):
            if self.chance(0.15):
                found.append(self.arg_extreme(scope))
                continue
            call, of = self.aggregate_call(scope)
            if self.chance(0.3):
                call += f" FILTER (WHERE {self.expr(scope, 'bool', 1)})"
            # PostgreSQL gives a mean as many digits as it likes: fewer are the same
            made = {"mean": (f"({call})::numeric(38,6)", "num"), "key": (f"({call})::int", "int")}
            found.append(made.get(of, (call, of)))
        return found

    def aggregate_call(self, scope) -> tuple[str, str]:
        e = lambda of: self.expr(scope, of, 1)  # noqa: E731
        any_of, extreme = self.rnd.choice(EXACT), self.rnd.choice(LEAST)
        distinct, least = self.rnd.choice(["", "DISTINCT "]), self.rnd.choice(["min", "max"])
        deviation = self.rnd.choice(["var_pop", "var_samp", "stddev_pop", "stddev_samp", "avg"])
        ordered = f"({self.expr(scope, 'text', 1)})"
        part, down = self.rnd.choice(["0", "0.1", "0.5", "0.75", "1"]), self.rnd.choice(["", " DESC"])
        return self.rnd.choice([
            lambda: ("count(*)", "bigint"), lambda: ("count(*)", "key"), lambda: (f"count({e(any_of)})", "bigint"),
            lambda: (f"count(DISTINCT {e(any_of)})", "bigint"), lambda: (f"count(DISTINCT {e(any_of)})", "key"),
            lambda: (f"approx_count_distinct({e(any_of)})", "bigint"),
            lambda: (f"sum({distinct}{e('int')})", "bigint"), lambda: (f"sum({distinct}{e('num')})", "num"),
            lambda: (f"sum({distinct}{e('bigint')})", "num"), lambda: (f"sum({distinct}{e('dbl')})", "dbl"),
            lambda: (f"{least}({e(extreme)})", extreme), lambda: (f"{least}({e(extreme)})", extreme),
            lambda: (f"{least}({e('int')})", "int"),
            lambda: (f"{self.rnd.choice(['sum', 'avg'])}({e('span')})", "span"),
            lambda: (f"bool_{self.rnd.choice(['and', 'or'])}({e('bool')})", "bool"),
                        lambda: (f"{deviation}({distinct}{e('dbl')} / 4)", "flt"),
            lambda: (f"{deviation}({distinct}{e('int')})", "mean"), lambda: (f"{deviation}({e('num')} % 1000)", "mean"),
            lambda: (f"covar_pop({self.few(scope)}, {self.few(scope)})", "flt"),
            lambda: (f"string_agg({ordered}, ',' ORDER BY {ordered})", "text"),
            lambda: (f"string_agg(DISTINCT {ordered}, ',')", "text"),
            lambda: (f"array_agg({ordered} ORDER BY {ordered})", "texts"),
            lambda: (f"array_agg(DISTINCT {e('int')})", "ints"),
            lambda: (f"bit_{self.rnd.choice(['and', 'or', 'xor'])}({e('int')})", "int"),
            lambda: (f"mode() WITHIN GROUP (ORDER BY {e('int')}{down})", "int"),
            lambda: (f"percentile_disc({part}) WITHIN GROUP (ORDER BY {ordered}{down})", "text"),
            lambda: (f"percentile_disc({part}) WITHIN GROUP (ORDER BY {e('num')}{down})", "num"),
            lambda: (f"percentile_cont({part}) WITHIN GROUP (ORDER BY {self.few(scope)}{down})", "flt"),
            lambda: (f"jsonb_agg({ordered} ORDER BY {ordered})", "json")])()

    def few(self, scope) -> str:
        """A double of no great size, so that what PostgreSQL rounds on the way is not all there is."""
        return f"({self.expr(scope, 'int', 1)} % 100)::double precision"

    def arg_extreme(self, scope) -> tuple[str, str]:
        """PostgreSQL has none: for_postgresql.py says what is meant."""
        of, by = (self.rnd.choice([of for of in EXACT if of not in ("json", *ARRAYS)]) for _ in range(2))
        x, y = self.column(scope, of) or self.constant(of), self.column(scope, by) or self.constant(by)
        return f"arg_{self.rnd.choice(['min', 'max'])}(/*x*/{x}/*y*/, {y}/*z*/)", of
