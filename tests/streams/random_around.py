"""Subqueries that read the row around them, made at random: as values, and behind LATERAL. A part of random_queries.py.

What ties them to the row around is a column of few values, NULL among them: groups without a row, rows that meet
nothing and rows that are there twice come by themselves.
"""
from __future__ import annotations

from random_relations import Relation
from random_windows import Windows


class Around(Windows):
    def around(self, depth: int) -> Relation:
        for _ in range(50):
            text, left, part = self.source(depth)
            exact = self.chance(0.35)
            other, right, parts = self.exact_source(depth) if exact else self.parted(depth)
            if tie := self.tie(left, right):
                parts = [p for p in (part, *parts) if p]
                if not exact and self.chance(0.5):
                    make = self.rnd.choice([self.with_values, self.with_values, self.grouped_values])
                    return make(text, left, other, tie, right, parts)
                make = self.first_ones if exact else self.rnd.choice([self.groups, self.groups, self.each])
                inner, types = make(left, right, other, tie)
                return self.joined(text, left, inner, types, parts)
        return self.select(depth)

    def parted(self, depth: int) -> tuple[str, list, list[Relation]]:
        text, scope, part = self.source(depth)
        return text, scope, [part] if part else []

    def tie(self, left, right) -> str | None:
        both = [of for of in ("int", "int", "int", "text", "bool", "date", "num", "bigint", "uuid")
                if any(t == of for _, t in left) and any(t == of for _, t in right)]
        if not both:
            return None
        terms = []
        for _ in range(self.rnd.choice([1, 1, 1, 2])):
            of = self.rnd.choice(both)
            sides = [self.column(left, of), self.column(right, of)]
            self.rnd.shuffle(sides)
            terms.append(" = ".join(sides))
        terms += [self.expr(right, "bool", 1)] if self.chance(0.4) else []
        terms += [self.expr(left, "bool", 1)] if self.chance(0.15) else []
        return " AND ".join(f"({term})" for term in terms)

    # ---- values ----

    def value(self, rows: str, left, right) -> tuple[str, str]:
        kind = self.rnd.randrange(8)
        if kind == 0:
            return f"{self.rnd.choice(['', 'NOT '])}EXISTS (SELECT 1 {rows})", "bool"
        if kind == 1:
            of = self.rnd.choice(["int", "text"])
            x = self.expr(right, of, 1)
            return f"ARRAY(SELECT {x} {rows} ORDER BY {x})", f"{of}s"
        if kind in (3, 4):
            of = self.rnd.choice(["int", "int", "text"])
            members = f"SELECT {self.expr(right, of, 1)} {rows}"
            word = self.rnd.choice(["IN", "NOT IN", "= ANY", "<> ALL", "< ANY", ">= ALL", "<> ANY", "= ALL"])
            return f"({self.expr(left, of, 1)}) {word} ({members})", "bool"
        (call, of), *_ = self.aggregates(right, 1)
        having = f" HAVING {self.expr([('count(*)', 'bigint')], 'bool', 1)}" if kind == 2 else ""
        return f"(SELECT {self.typed(call, of)} {rows}{having})", of

    def more_on(self, side, depth: int) -> tuple[str, list[Relation]]:
        """What a subquery says."""
        for _ in range(20):
            other, right, part = self.source(depth)
            if tie := self.tie(side, right):
                value, of = self.value(f"FROM {other} WHERE {tie}", side, right)
                if of == "bool":
                    return f" AND {value}", [part] if part else []
        return "", []

    def with_values(self, text: str, left, other: str, tie: str, right, parts) -> Relation:
        rows = f"FROM {other} WHERE {tie}"
        chosen = [*self.rnd.sample(left, min(3, len(left))), self.value(rows, left, right)]
        if self.chance(0.3):
            chosen.append(self.value(rows, left, right))
        if self.chance(0.2):
            chosen.append(self.value(f"FROM {other}", left, right))
        where = self.where(left, 0.3)
        if self.chance(0.3):
            where = f" WHERE (SELECT count(*) {rows}) {self.rnd.choice(['> 0', '= 1', '< 3', '>= 2'])}"
        return Relation(f"SELECT {self.listed(chosen)} FROM {text}{where}", [of for _, of in chosen], parts)

    def grouped_values(self, text: str, left, other: str, tie: str, right, parts) -> Relation:
        """Groups by a subquery, or of what one says."""
        value, of = self.value(f"FROM {other} WHERE {tie}", left, right)
        by, chosen = [c for c in left if c[1] in ("int", "bool")][:1], self.aggregates(left, 1)
        if of != "bool":
            chosen.append((f"count({value})", "bigint"))
        elif self.chance(0.5):
            chosen.append((f"count(*) FILTER (WHERE {value})", "bigint"))
        else:
            by.append((value, of))
        chosen = [*by, *chosen]
        groups = f" GROUP BY {', '.join(str(i + 1) for i in range(len(by)))}" if by else ""
        return Relation(f"SELECT {self.listed(chosen)} FROM {text}{self.where(left, 0.3)}{groups}",
                        [of for _, of in chosen], parts)

    # ---- LATERAL ----

    def groups(self, _left, right, other: str, tie: str) -> tuple[str, list[str]]:
        """One row, or one of each group."""
        keys = [c for c in right if c[1] in ("int", "bool")][:2] if self.chance(0.4) else []
        chosen = [*keys, *self.aggregates(right, 3)]
        by = f" GROUP BY {', '.join(key for key, _ in keys)}" if keys else ""
        return f"SELECT {self.listed(chosen)} FROM {other} WHERE {tie}{by}", [of for _, of in chosen]

    def first_ones(self, left, right, other: str, tie: str) -> tuple[str, list[str]]:
        few = self.rnd.choice(["LIMIT 1", "LIMIT 1", "LIMIT 3", "LIMIT 2 OFFSET 1", "LIMIT 1 OFFSET 1"])
        chosen = [*right, self.rnd.choice(left)]
        return (f"SELECT {self.listed(chosen)} FROM {other} WHERE {tie} ORDER BY {self.total(right)} {few}",
                [of for _, of in chosen])

    def each(self, left, right, other: str, tie: str) -> tuple[str, list[str]]:
        """Rows one by one: whatever ties them, and with what is computed of both."""
        of = self.rnd.choice(["int", "text"])
        chosen = [*self.rnd.sample(right, min(3, len(right))), (self.expr(left + right, of, 1), of)]
        more = f" AND ({self.expr(left + right, 'bool', 1)})" if self.chance(0.4) else ""
        return f"SELECT {self.listed(chosen)} FROM {other} WHERE {tie}{more}", [of for _, of in chosen]

    def joined(self, text: str, left, inner: str, types: list[str], parts) -> Relation:
        name = self.name()
        scope = [(f"{name}.c{i}", of) for i, of in enumerate(types)]
        exact = [c for c in scope if c[1] != "flt"]
        word, on = self.lateral(f"({inner}) AS {name}", left + exact)
        chosen = [*self.rnd.sample(left, min(3, len(left))), *scope]
        return Relation(f"SELECT {self.listed(chosen)} FROM {text}{word} ({inner}) AS {name}{on}"
                        f"{self.where(left + exact, 0.3)}", [of for _, of in chosen], parts)
