"""What PostgreSQL does not have, in its words: windows in FROM, arg_min and arg_max, approx_count_distinct of few."""
from __future__ import annotations

import re

INTERVAL = r"interval '([^']*)'"
OFFSET = rf"(?:,\s*{INTERVAL})?"


def origin(offset: str | None) -> str:
    return f"(TIMESTAMPTZ '1970-01-01 00:00:00Z' + interval '{offset or '0 s'}')"


def tumble(m: re.Match) -> str:
    t, ts, size, offset = m.groups()
    start = f"date_bin('{size}', {ts}, {origin(offset)})"
    return f"(SELECT *, {start} AS window_start, {start} + interval '{size}' AS window_end FROM {t}) AS {t}"


def hop(m: re.Match) -> str:
    t, ts, slide, size, offset = m.groups()
    last = f"date_bin('{slide}', {ts}, {origin(offset)})"
    return (f"(SELECT {t}.*, ws AS window_start, ws + interval '{size}' AS window_end FROM {t}, "
            f"generate_series(0, 20) AS back, LATERAL (SELECT {last} - back * interval '{slide}' AS ws) starts "
            f"WHERE ws > {ts} - interval '{size}') AS {t}")


def cumulate(m: re.Match) -> str:
    t, ts, step, size, offset = m.groups()
    first = f"date_bin('{size}', {ts}, {origin(offset)})"
    return (f"(SELECT {t}.*, {first} AS window_start, we AS window_end FROM {t}, "
            f"generate_series({first} + interval '{step}', {first} + interval '{size}', interval '{step}') AS we "
            f"WHERE we > {ts}) AS {t}")


def session(m: re.Match) -> str:
    t, ts, gap, keys = m.groups()
    keys = (keys or "").strip(", ")
    by = f"PARTITION BY {keys}" if keys else ""
    return (f"(SELECT *, min({ts}) OVER ({by}{',' if keys else 'PARTITION BY'} run) AS window_start, "
            f"max({ts}) OVER ({by}{',' if keys else 'PARTITION BY'} run) + interval '{gap}' AS window_end FROM "
            f"(SELECT *, sum(fresh) OVER ({by} ORDER BY {ts}) AS run FROM "
            f"(SELECT *, CASE WHEN {ts} - lag({ts}) OVER ({by} ORDER BY {ts}) <= interval '{gap}' THEN 0 ELSE 1 END "
            f"AS fresh FROM {t}) x) y) AS {t}")


def arg_extreme(m: re.Match) -> str:
    way, x, y = m.groups()
    down = " DESC" if way == "max" else ""
    return f"(array_agg({x} ORDER BY {y}{down}, {x}{down}) FILTER (WHERE {x} IS NOT NULL AND {y} IS NOT NULL))[1]"


def for_postgresql(query: str) -> str:
    """A window's relation and its time are names; arguments of arg_min and arg_max stand between comments, and so
    do a condition, and other words, that PostgreSQL alone needs."""
    for name, arguments, give in (("tumble", 1, tumble), ("hop", 2, hop), ("cumulate", 2, cumulate)):
        intervals = rf",\s*{INTERVAL}" * arguments
        query = re.sub(rf"\b{name}\((\w+),\s*(\w+){intervals}{OFFSET}\)", give, query)
    query = re.sub(rf"\bsession\((\w+),\s*(\w+),\s*{INTERVAL}((?:,\s*\w+)*)\)", session, query)
    query = re.sub(r"\barg_(min|max)\(/\*x\*/(.*?)/\*y\*/, (.*?)/\*z\*/\)", arg_extreme, query)
    query = re.sub(r"/\*where (.*?)\*/", r"WHERE (\1) IS NOT FALSE", query)
    query = re.sub(r"/\*postgresql (.*?)\*/", r"\1", query)
    return query.replace("approx_count_distinct(", "count(DISTINCT ")
