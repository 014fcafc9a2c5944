"""Queries made of smaller ones at random: tables, joins, semi-joins, groups, unions. Half of random_queries.py.

Each part is a query by itself, so one that gives a wrong answer is brought down to its smallest part that does.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from random_expressions import COMPARABLE, LIKELY, SQL, Expressions

COLUMNS = {"id": "int", "k": "int", "j": "int", "v": "int", "g": "bigint", "t": "text", "n": "num", "m": "num",
           "w": "whole", "x": "part", "f": "dbl", "b": "bool", "d": "date", "s": "stamp", "e": "span",
           "u": "uuid", "y": "bytes", "o": "json", "l": "ints", "r": "texts", "ts": "time"}
DECLARED = ("id int, k int, j int, v int, g bigint, t text, n numeric(12,2), m numeric(30,10), w numeric(38,0), "
            "x numeric(38,38), f double precision, b boolean, d date, s timestamp, e interval, u uuid, y bytea, "
            "o jsonb, l int[], r text[], ts timestamptz{} NOT NULL")

NO_KEY = ("flt", "span")  # an interval that is a key comes back in days
AS_TEXT = ("span", "uuid", "bytes", "json", "ints", "texts")


@dataclass
class Relation:
    sql: str
    types: list[str]  # of c0, c1, ...
    parts: list["Relation"] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # columns that carry event time

    def columns(self) -> str:
        return ", ".join(f"c{i} {'text' if of in AS_TEXT else SQL[of]}" for i, of in enumerate(self.types))

    def shown(self) -> str:
        """The query with text for what JSON and PostgreSQL spell in their own ways."""
        if not set(self.types) & set(AS_TEXT):
            return self.sql
        chosen = ", ".join(f"c{i}::text" if of in AS_TEXT else f"c{i}" for i, of in enumerate(self.types))
        return f"SELECT {chosen} FROM ({self.sql}) AS shown"


class Relations(Expressions):
    def __init__(self, rnd):
        super().__init__(rnd)
        self.event_times: set[str] = set()  # columns of relations in FROM that carry event time

    def relation(self, depth: int) -> Relation:
        raise NotImplementedError

    def from_item(self, part: Relation | None) -> tuple[str, list, Relation | None]:
        """A table or a query as it stands in FROM, and what it offers."""
        name = self.name()
        if part is None:
            self.event_times.add(f"{name}.ts")
            return f"{self.rnd.choice('ab')} {name}", [(f"{name}.{c}", of) for c, of in COLUMNS.items()], None
        self.event_times.update(f"{name}.c{i}" for i in part.times)
        return f"({part.sql}) {name}", [(f"{name}.c{i}", of) for i, of in enumerate(part.types)], part

    def source(self, depth: int) -> tuple[str, list, Relation | None]:
        return self.from_item(self.relation(depth - 1) if depth > 0 and self.chance(0.6) else None)

    def output(self, scope, of_most: int = 5) -> tuple[str, list[str], list[int]]:
        """A select list over what is there, some of it computed; its types, and which columns are event time."""
        chosen = []
        for _ in range(self.rnd.randint(2, of_most)):
            if self.chance(0.5):
                chosen.append(self.rnd.choice(scope))
            else:
                of = self.rnd.choice(LIKELY)
                chosen.append((self.expr(scope, of, 2), of))
        ints = [c for c in scope if c[1] == "int"]
        if ints and not any(of == "int" for _, of in chosen):
            chosen.append(self.rnd.choice(ints))  # something to join and to group by
        times = [c for c in scope if c[0] in self.event_times]
        if times and self.chance(0.4):
            chosen.append(self.rnd.choice(times))
        return self.listed(chosen), [of for _, of in chosen], self.times_of(chosen)

    def listed(self, chosen) -> str:
        return ", ".join(f"{self.typed(*c)} AS c{i}" for i, c in enumerate(chosen))

    def times_of(self, chosen) -> list[int]:
        return [i for i, (text, _) in enumerate(chosen) if text in self.event_times]

    def typed(self, text: str, of: str) -> str:
        return text if re.fullmatch(r"(q\d+\.)?[a-z]\w*", text) else f"({text})::{SQL[of]}"

    @staticmethod
    def reads(text: str, scope) -> bool:
        return any(re.search(rf"\b{re.escape(column)}\b", text) for column, _ in scope)

    def where(self, scope, of: float = 0.5) -> str:
        return f" WHERE {self.expr(scope, 'bool', 2)}" if self.chance(of) else ""

    def select(self, depth: int) -> Relation:
        text, scope, part = self.source(depth)
        chosen, types, times = self.output(scope)
        return Relation(f"SELECT {chosen} FROM {text}{self.where(scope, 0.8)}", types, [part] if part else [], times)

    def failing(self, depth: int) -> Relation:
        """Rows whose division fails are not there; in PostgreSQL the comment at the end is the WHERE that leaves them
        out. It stands last of all: what nobody reads is not computed."""
        while True:
            made = self.relation(depth)
            text, scope, _ = self.from_item(made)
            whole, by = self.column(scope, self.rnd.choice(["int", "bigint", "num"])), self.column(scope, "int")
            if whole and by:
                chosen = [*scope, (f"({whole} % 1000 / ({by} % 3))::numeric(38,6)", "num")]
                return Relation(f"SELECT {self.listed(chosen)} FROM {text} "
                                f"/*where {by} % 3 <> 0 OR {whole} IS NULL*/", [of for _, of in chosen], [made])

    def distinct(self, depth: int) -> Relation:
        made = self.select(depth)
        if not set(made.types).isdisjoint(NO_KEY):
            return made
        return Relation(made.sql.replace("SELECT", "SELECT DISTINCT", 1), made.types, [made, *made.parts], made.times)

    def union(self, depth: int) -> Relation:
        left = self.relation(depth - 1) if depth > 0 else self.select(0)
        text, scope, part = self.source(depth)
        times = [c for c, _ in scope if c in self.event_times]
        chosen = [(self.rnd.choice(times) if i in left.times and times else self.expr(scope, of, 1), of)
                  for i, of in enumerate(left.types)]
        right = Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(scope)}", left.types,
                         [part] if part else [], self.times_of(chosen))
        word = self.rnd.choice(["UNION ALL", "UNION ALL", "UNION"])
        if not set(left.types).isdisjoint(NO_KEY):
            word = "UNION ALL"
        first = f"({left.sql})" if "ORDER BY" in left.sql or left.sql.startswith("WITH") else left.sql
        times = [i for i in left.times if i in right.times]
        return Relation(f"{first} {word} {right.sql}", left.types, [left, right], times)

    def aggregate(self, depth: int) -> Relation:
        text, scope, part = self.source(depth)
        keys = self.keys(scope, self.rnd.choice([0, 1, 1, 1, 2]))
        return self.grouped(text, scope, part, keys, self.aggregates(scope, 4))

    def keys(self, scope, most: int) -> list[tuple[str, str]]:
        found = []
        for _ in range(most):
            small = [c for c in scope if c[1] not in NO_KEY]
            ints = [c for c in scope if c[1] in ("int", "bool")]
            of = self.rnd.choice([of for of in LIKELY if of not in NO_KEY])
            plain = small and self.chance(0.6)
            found.append(self.rnd.choice(ints or small) if plain else (self.expr(scope, of, 1), of))
        return [key for key in found if self.reads(key[0], scope)]  # a constant is no group

    def grouped(self, text: str, scope, part: Relation | None, keys, calls) -> Relation:
        """By the keys, or by several sets of them."""
        chosen = [*keys, *calls]
        names = [text for text, _ in keys]
        by, having = "", ""
        if keys:
            by = f" GROUP BY {', '.join(names)}"
        if len(set(names)) == len(names) > 0 and self.chance(0.25):
            by = " GROUP BY " + self.sets(names)
            chosen.append((f"grouping({', '.join(names)})", "int"))
        if self.chance(0.3):
            exact = [key for key in keys + self.aggregates(scope, 2) if key[1] != "flt"]
            having = f" HAVING {self.expr(exact, 'bool', 2)}"
        times = self.times_of(chosen) if "(" not in by else []
        return Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(scope)}{by}{having}",
                        [of for _, of in chosen], [part] if part else [], times)

    def sets(self, names: list[str]) -> str:
        kind = self.rnd.randrange(3)
        if kind < 2 and len(names) < 4:
            return f"{['ROLLUP', 'CUBE'][kind]} ({', '.join(names)})"
        some = [self.rnd.sample(names, self.rnd.randint(0, len(names))) for _ in range(self.rnd.randint(1, 3))]
        return f"GROUPING SETS (({', '.join(names)}), {', '.join('(' + ', '.join(one) + ')' for one in some)})"

    def condition(self, left, right) -> str | None:
        """An equality, of what has few values in common if it can be, and often something beside it."""
        both = [of for of in ("int", "int", "int", "text", "date", "time", "num", "bool", "bigint", "whole",
                             "part", "stamp", "span", "uuid", "bytes", "json", "ints", "texts")
                if any(t == of for _, t in left) and any(t == of for _, t in right)]
        if not both:
            return None
        terms = []
        for _ in range(self.rnd.choice([1, 1, 2])):
            of = self.rnd.choice(both)
            terms.append(f"{self.column(left, of)} = {self.column(right, of)}")
        if self.chance(0.1):
            mine, theirs = self.rnd.sample(self.rnd.choice(COMPARABLE), 2)
            mine, theirs = self.column(left, mine), self.column(right, theirs)
            terms += [f"{mine} = {theirs}"] if mine and theirs else []
        if self.chance(0.4):
            terms.append(self.expr(left + right, "bool", 2))
        mine, theirs = ([c for c, _ in scope if c in self.event_times] for scope in (left, right))
        if mine and theirs and self.chance(0.3):
            mine, theirs = self.rnd.choice(mine), self.rnd.choice(theirs)
            terms.append(f"{mine} BETWEEN {theirs} - interval '{self.rnd.choice(['3 s', '1 s', '0 s'])}' "
                         f"AND {theirs} + interval '{self.rnd.choice(['1 s', '5 s'])}'")
        return " AND ".join(terms)

    def rows(self, depth: int) -> Relation:
        """Each row once for each of what a function makes of it."""
        text, left, part = self.source(depth)
        name, e = self.name(), lambda of: self.expr(left, of, 1)
        call, of = self.rnd.choice([
            lambda: (f"unnest({e('ints')})", "int"), lambda: (f"unnest({e('texts')})", "text"),
            lambda: (f"unnest(ARRAY[{e('date')}, {e('date')}])", "date"),
            lambda: (f"generate_series(({e('int')}) % 3, ({e('int')}) % 5)", "int"),
            lambda: (f"string_to_table({e('text')}, ' ')", "text"),
            lambda: (f"regexp_split_to_table({e('text')}, '[a-c]')", "text"),
            lambda: (f"jsonb_array_elements_text(to_jsonb({e('ints')}))", "text"),
            lambda: (f"jsonb_object_keys(jsonb_build_object('a', {e('int')}, 'b', {e('text')}))", "text")])()
        if self.chance(0.2):
            return self.rows_listed(text, left, part, call, of)
        item, scope = f"{call} WITH ORDINALITY AS {name} (e, i)", [(f"{name}.e", of), (f"{name}.i", "bigint")]
        if self.chance(0.3):
            inner, computed = self.name(), self.rnd.choice(["int", "text"])
            inside = left + [(f"{inner}.e", of), (f"{inner}.i", "bigint")]
            item = (f"(SELECT {inner}.e, {inner}.i, {self.expr(inside, computed, 1)} AS x FROM {call} "
                    f"WITH ORDINALITY AS {inner} (e, i){self.where(inside, 0.6)}) AS {name} (e, i, x)")
            scope.append((f"{name}.x", computed))
        word, on = self.lateral(item, left + scope)
        chosen, types, times = self.output(left + scope, 6)
        return Relation(f"SELECT {chosen} FROM {text}{word} {item}{on}{self.where(left + scope, 0.4)}", types,
                        [part] if part else [], times)

    def lateral(self, item: str, scope) -> tuple[str, str]:
        """How it is joined to what is on its left."""
        condition = f" ON {self.expr(scope, 'bool', 1)}"
        return self.rnd.choice([(", LATERAL", ""), (" CROSS JOIN LATERAL", ""), (" LEFT JOIN LATERAL", " ON true"),
                                (" JOIN LATERAL", condition), (" LEFT JOIN LATERAL", condition)])

    def rows_listed(self, text: str, left, part, call: str, of: str) -> Relation:
        """The function inside an expression of the SELECT list."""
        wrapped = {"int": f"({call}) % 7 - 1", "text": f"upper({call}) || 'x'"}.get(of, call)
        chosen, types, times = self.output(left, 4)
        return Relation(f"SELECT {chosen}, {wrapped} AS c{len(types)} FROM {text}{self.where(left, 0.4)}", [*types, of],
                        [part] if part else [], times)

    def join(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            other, right, second = self.from_item(part) if part and self.chance(0.2) else self.source(depth)
            on = self.condition(left, right)
            if on:
                kind = self.rnd.choice(["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
                chosen, types, times = self.output(left + right, 6)
                more, third = self.more_on(self.rnd.choice([left, right]), depth) if self.chance(0.2) else ("", [])
                sql = f"SELECT {chosen} FROM {text} {kind} {other} ON {on}{more}{self.where(left + right, 0.3)}"
                bounded = times if kind == "JOIN" and " - interval" in on and not more else []
                return Relation(sql, types, [*(p for p in (part, second) if p), *third], bounded)
        return self.select(depth)

    def more_on(self, _side, _depth: int) -> tuple[str, list[Relation]]:
        """Another condition of ON, over rows of one side."""
        return "", []

    def shared(self, depth: int) -> Relation:
        """A view that is read twice."""
        made, view = self.relation(depth - 1) if depth > 0 else self.select(0), f"w{self.name()}"
        for _ in range(50):
            left, right = (self.from_item(made)[1] for _ in range(2))
            text, other = (f"{view} {scope[0][0].split('.')[0]}" for scope in (left, right))
            on = self.condition(left, right)
            if on:
                chosen, types, _ = self.output(left + right, 6)
                kind = self.rnd.choice(["JOIN", "LEFT JOIN", "FULL JOIN"])
                sql = f"WITH {view} AS ({made.sql}) SELECT {chosen} FROM {text} {kind} {other} ON {on}"
                return Relation(sql, types, [made])
        return made

    def semi(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            other, right, second = self.source(depth)
            on = self.condition(left, right)
            if on:
                chosen, types, _ = self.output(left)
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
                chosen, types, _ = self.output(left)
                word = self.rnd.choice(["IN", "NOT IN"])
                more = self.column(left, "bool"), self.column(right, "bool")
                if all(more) and self.chance(0.3):
                    mine, theirs = f"({mine}, {more[0]})", f"{theirs}, {more[1]}"
                inner = f"SELECT {theirs} FROM {other}{self.where(right, 0.7)}"
                return Relation(f"SELECT {chosen} FROM {text} WHERE {mine} {word} ({inner})", types,
                                [p for p in (part, second) if p])
        return self.select(depth)

