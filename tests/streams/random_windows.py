"""Queries over windows, along an order, and of first rows, made at random: a part of random_queries.py."""
from __future__ import annotations

from random_expressions import EXACT, LEAST, SQL
from random_relations import COLUMNS, Relation, Relations


class Windows(Relations):
    # ---- windows in FROM, over tables and over what is made of them, windows among it ----

    def with_time(self, depth: int) -> Relation | None:
        for _ in range(20 if depth > 0 else 0):
            kinds = [self.window, self.select, self.select, self.distinct, self.union, self.join]
            made = self.rnd.choice(kinds)(depth - 1)
            if made.times:
                return made
        return None

    def windowed(self, part: Relation | None, session: bool) -> tuple[str, str, list]:
        """WITH, FROM, and what that offers."""
        if part:
            name, ts, scope = f"w{self.name()}", f"c{self.rnd.choice(part.times)}", \
                [(f"c{i}", of) for i, of in enumerate(part.types)]
        else:
            name, ts, scope = self.rnd.choice("ab"), "ts", list(COLUMNS.items())
        head = f"WITH {name} AS ({part.sql}) " if part else ""
        if session:
            return head, f"session({name}, {ts}, interval '{self.rnd.choice(['700 ms', '2 s', '4 s', '9 s'])}'", scope
        offset = self.rnd.choice(["", "", "", ", interval '1 s'", ", interval '-700 ms'"])
        size = self.rnd.choice(["tumble({}, {}, interval '5 s'{})", "tumble({}, {}, interval '1 s'{})",
                                "hop({}, {}, interval '2 s', interval '7 s'{})",
                                "hop({}, {}, interval '500 ms', interval '3 s'{})",
                                "cumulate({}, {}, interval '3 s', interval '9 s'{})",
                                "hop({}, {}, interval '5 s', interval '2 s'{})"])
        return head, size.format(name, ts, offset), scope

    def window(self, depth: int) -> Relation:
        part = self.with_time(depth)
        session = self.chance(0.35)
        head, text, scope = self.windowed(part, session)
        self.event_times.add("window_end")
        bounds = [("window_start", "time"), ("window_end", "time")]
        small = [c for c in scope if c[1] in ("int", "bool", "text", "date")]
        key = self.rnd.sample(small, min(len(small), self.rnd.choice([0, 1, 1, 2])))
        parts = [part] if part else []
        if session:
            text += "".join(f", {column}" for column, _ in key) + ")"
            chosen = [*key, *bounds, *self.aggregates(scope, 4)]
            by = ", ".join(text for text, _ in [*key, *bounds])
            made = Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(scope, 0.4)} GROUP BY {by}",
                            [of for _, of in chosen], parts, [len(key) + 1])
        elif self.chance(0.2):  # the rows, each in its windows
            chosen = [*bounds, *self.rnd.sample(scope, min(4, len(scope)))]
            made = Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(scope)}", [of for _, of in chosen],
                            parts, [1])
        else:
            made = self.grouped(text, scope, part, [*bounds, *key], self.aggregates(scope, 4))
        return Relation(head + made.sql, made.types, made.parts, made.times)

    # ---- along an order ----

    def total(self, scope) -> str:
        """An order in which only rows that are the same tie."""
        columns = [text for text, _ in scope]
        self.rnd.shuffle(columns)
        return ", ".join(column + self.rnd.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
                         for column in columns)

    def some_order(self, scope) -> str:
        return self.total(self.rnd.sample(scope, min(len(scope), self.rnd.randint(1, 2))))

    def exact_source(self, depth: int) -> tuple[str, list, list[Relation]]:
        """What all columns of have one order, in bourn too."""
        while True:
            made = self.relation(depth - 1) if depth > 0 and self.chance(0.7) else self.select(0)
            if not {"flt", "json"} & set(made.types):
                text, scope, _ = self.from_item(made)
                return text, scope, [made]

    def partition(self, scope) -> str:
        some = self.rnd.sample(scope, min(len(scope), self.rnd.choice([0, 1, 1, 2])))
        return f"PARTITION BY {', '.join(text for text, _ in some)} " if some else ""

    def over(self, depth: int) -> Relation:
        text, scope, parts = self.exact_source(depth)
        total = self.chance(0.7)
        window = self.partition(scope) + "ORDER BY " + (self.total(scope) if total else self.some_order(scope))
        calls = [self.over_total(scope, window) if total else self.over_peers(scope, window)
                 for _ in range(self.rnd.randint(1, 4))]
        chosen = [*self.rnd.sample(scope, min(3, len(scope))), *calls]
        return Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(scope, 0.3)}", [of for _, of in chosen],
                        parts, self.times_of(chosen) if "PARTITION BY" in window else [])

    def frame(self) -> str:
        before = self.rnd.choice(["UNBOUNDED PRECEDING", "CURRENT ROW", "0 PRECEDING", "1 PRECEDING", "3 PRECEDING",
                                  "40 PRECEDING"])
        after = self.rnd.choice(["UNBOUNDED FOLLOWING", "CURRENT ROW", "0 FOLLOWING", "1 FOLLOWING", "2 FOLLOWING",
                                 "30 FOLLOWING"])
        return self.rnd.choice(["", f" ROWS {before}", " RANGE UNBOUNDED PRECEDING",
                                " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                                *[f" ROWS BETWEEN {before} AND {after}"] * 3])

    def over_total(self, scope, window: str) -> tuple[str, str]:
        x, of = self.rnd.choice(scope)
        framed = f"({window}{self.frame()})"
        way, end = self.rnd.choice(["lag", "lead"]), self.rnd.choice(["first_value", "last_value"])
        other = f"({self.expr(scope, of, 1)})::{SQL[of]}"
        return self.rnd.choice([
            lambda: (f"{way}({x}) OVER ({window})", of),
            lambda: (f"{way}({x}, {self.rnd.randrange(5)}) OVER ({window})", of),
            lambda: (f"{way}(({x})::{SQL[of]}, {self.rnd.randrange(5)}, {other}) OVER ({window})", of),
            lambda: (f"{end}({x}) OVER {framed}", of), lambda: (f"{end}({x}) OVER {framed}", of),
            lambda: (f"row_number() OVER ({window})", "bigint"),
            lambda: (f"nth_value({x}, {self.rnd.randint(1, 4)}) OVER {framed}", of),
            lambda: (f"nth_value({x}, {self.rnd.randint(1, 40)}) OVER {framed}", of),
            lambda: (f"ntile({self.rnd.randint(1, 9)}) OVER ({window})", "int"),
            lambda: (f"string_agg({self.expr(scope, 'text', 1)}, ',') OVER {framed}", "text"),
            lambda: (f"array_agg({self.expr(scope, 'int', 1)}) OVER {framed}", "ints"),
            *[lambda: self.over_sum(scope, framed)] * 4])()

    def over_peers(self, scope, window: str) -> tuple[str, str]:
        window = f"({window})"
        return self.rnd.choice([lambda: (f"rank() OVER {window}", "bigint"), lambda: self.over_sum(scope, window),
                                lambda: (f"dense_rank() OVER {window}", "bigint"),
                                lambda: (f"percent_rank() OVER {window}", "dbl"),
                                lambda: (f"cume_dist() OVER {window}", "dbl")])()

    def over_sum(self, scope, window: str) -> tuple[str, str]:
        only = f"FILTER (WHERE {self.expr(scope, 'bool', 1)}) " if self.chance(0.2) else ""
        window = f"{only}OVER {window}"
        any_of, extreme = self.rnd.choice(EXACT), self.rnd.choice(LEAST)
        small = self.expr(scope, self.rnd.choice(["int", "bigint", "num"]), 1)
        return self.rnd.choice([
            lambda: (f"count(*) {window}", "bigint"),
            lambda: (f"count({self.expr(scope, any_of, 1)}) {window}", "bigint"),
            lambda: (f"sum({self.expr(scope, 'int', 1)}) {window}", "bigint"),
            lambda: (f"sum({small} % 1000000000) {window}", "num"),
            lambda: (f"sum({self.expr(scope, 'dbl', 1)}) {window}", "dbl"),
            lambda: (f"(avg({small} % 1000) {window})::numeric(38,6)", "num"),
            lambda: (f"bool_or({self.expr(scope, 'bool', 1)}) {window}", "bool"),
            lambda: (f"{self.rnd.choice(['min', 'max'])}({self.expr(scope, extreme, 1)}) {window}", extreme)])()

    def first_rows(self, depth: int) -> Relation:
        text, scope, parts = self.exact_source(depth)
        kind = self.rnd.choice(["row_number", "row_number", "rank", "dense_rank"])
        order = self.total(scope) if kind == "row_number" else self.some_order(scope)
        window = f"{kind}() OVER ({self.partition(scope)}ORDER BY {order})"
        columns = ", ".join(f"{text} AS c{i}" for i, (text, _) in enumerate(scope))
        name = self.name()
        chosen = [(f"{name}.c{i}", of) for i, (_, of) in enumerate(scope)]
        if self.chance(0.6):
            chosen.append((f"{name}.place", "bigint"))
        few = self.rnd.choice(["= 1", "= 1", "<= 3", "< 3", "= 2", "<= 10"])
        return Relation(f"SELECT {self.listed(chosen)} FROM (SELECT {columns}, {window} AS place FROM {text}"
                        f"{self.where(scope, 0.3)}) {name} WHERE {name}.place {few}", [of for _, of in chosen], parts)

    def first_of_each(self, depth: int) -> Relation:
        text, scope, parts = self.exact_source(depth)
        keys = self.rnd.sample(scope, min(len(scope), self.rnd.choice([1, 1, 2])))
        rest = [c for c in scope if c not in keys]
        order = ", ".join([*(key for key, _ in keys), *([self.total(rest)] if rest else [])])
        return Relation(f"SELECT DISTINCT ON ({', '.join(key for key, _ in keys)}) {self.listed(scope)} FROM {text}"
                        f"{self.where(scope, 0.3)} ORDER BY {order}", [of for _, of in scope], parts)

    def limited(self, depth: int) -> Relation:
        """Where the input ends."""
        text, scope, parts = self.exact_source(depth)
        limit = self.rnd.choice(["LIMIT 5", "LIMIT 20 OFFSET 3", "OFFSET 7"])
        return Relation(f"SELECT {self.listed(scope)} FROM {text} ORDER BY {self.total(scope)} {limit}",
                        [of for _, of in scope], parts)
