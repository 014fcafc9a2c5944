"""What is published after each of 50 epochs of 100 events is what PostgreSQL makes of the events so far.

A query whose windows come out once, when the watermark reaches their end, has by then those that are closed: closed()
in its qN.pg.sql is where PostgreSQL is told how far the watermark is. That is worked out here from the events, and from
how many of them the log says each epoch read: an epoch closes with what those before it had read, their newest event
less 4 s. Groups without an aggregate (q8) do not change once they are there, and do not wait for that.

Left out is q12 alone: its windows are of the clock, and what it shows is a matter of when it ran.
"""
from __future__ import annotations

import collections
import csv
import json
import re
from decimal import Decimal
from pathlib import Path

from servers.postgres import Postgres
from world import BOURN, QUERIES, TABLES, Query, command_of, compare, epochs_of, events_of, suite

EPOCHS, ROWS = 50, 100
RATE = 80  # events a second of event time: the events are of a minute, so that windows close on the way


def pipeline(folder: Path, queries: list[Query]) -> Path:
    """All queries in one file, each with a result of its own; the events are a file that grows."""
    text = (QUERIES / "file.sql").read_text().replace("(path '${EVENTS}')", "(path '${EVENTS}', follow 'true')")
    text = text.replace("CREATE SERVER results FOREIGN DATA WRAPPER file OPTIONS (path '${OUT}');", "")
    for query in queries:
        own = query.path.read_text().replace("SERVER results", f"SERVER results_{query.number}")
        text += (f"CREATE SERVER results_{query.number} FOREIGN DATA WRAPPER file "
                 f"OPTIONS (path '{folder / f'q{query.number}.ndjson'}');\n"
                 + own.replace("'side_input.csv'", f"'{QUERIES / 'side_input.csv'}'"))
    path = folder / "all.sql"
    path.write_text(text + "SET bourn.epoch_interval = '1 h';\n")
    return path


def watermark(times: list[str], epochs: dict[int, tuple[int, int]]) -> str:
    """Up to where the last epoch closed windows: a time, or before all of them."""
    read = sum(rows for epoch, (_, rows) in epochs.items() if epoch < max(epochs))
    newest = max(times[:read], default=None)
    return f"timestamptz '{newest}' - interval '4 s'" if newest else "timestamptz '-infinity'"


def prepare(postgres: Postgres) -> None:
    postgres.run("CREATE SCHEMA epochs; ALTER ROLE postgres SET search_path = epochs")
    postgres.run("CREATE TABLE reached (closed timestamptz); INSERT INTO reached VALUES (NULL);\n"
                 "CREATE FUNCTION closed(timestamptz) RETURNS boolean STABLE LANGUAGE sql "
                 "AS 'SELECT $1 <= closed FROM reached';\n"
                 "CREATE TABLE side_input (key bigint PRIMARY KEY, value text);\n"
                 f"\\copy side_input FROM '{QUERIES / 'side_input.csv'}' (FORMAT csv, HEADER true)")
    for kind, columns in TABLES.items():
        postgres.run(f"CREATE TABLE {kind} (n bigint, {columns})")


def add(postgres: Postgres, folder: Path, events: list, first: int) -> None:
    """An epoch's rows to the tables."""
    copies = []
    for kind in TABLES:
        path = folder / f"{kind}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                [first + n, *fields.values()] for n, (found, fields) in enumerate(events) if found == kind)
        copies.append(f"\\copy {kind} FROM '{path}' (FORMAT csv)\nANALYZE {kind};\n")
    postgres.run("".join(copies))


def answers(postgres: Postgres, queries: list[Query]) -> dict[int, collections.Counter]:
    """Every query's rows, asked for at once."""
    rows = postgres.rows(" UNION ALL ".join(
        f"SELECT {query.number}, json_build_array("
        + ", ".join(f"{name}::{kind}" for name, kind in query.columns) + f")::text FROM {query.answer()}"
        for query in queries))
    found = {query.number: collections.Counter() for query in queries}
    columns = {query.number: query.columns for query in queries}
    for number, row in rows:
        fields = json.loads(row, parse_float=Decimal)
        values = (Query.value(field, kind) for field, (_, kind) in zip(fields, columns[int(number)]))
        found[int(number)][tuple(values)] += 1
    return found


def after_every_epoch(folder: Path, postgres: Postgres, queries: list[Query], workers: int) -> None:
    whole, growing, state = folder / "whole.ndjson", folder / "events.ndjson", folder / "state"
    suite.command([BOURN, "generate", "--generator", "nexmark", "--rows", EPOCHS * ROWS, "--rate", 0, "--nominal-rate",
                   RATE, "--seed", suite.random.randrange(1000), "--to", whole])
    events, lines = events_of(whole), whole.read_text().splitlines(True)
    times = [fields["date_time"] for _, fields in events]
    words, env = command_of([pipeline(folder, queries)], folder / "none", growing, state, workers)
    prepare(postgres)
    epochs: dict[int, tuple[int, int]] = {}
    early = collections.Counter()
    for n in range(1, EPOCHS + 1):
        growing.write_text("".join(lines[:n * ROWS]))
        suite.command(words, env=env)
        epochs |= epochs_of(state, "events")
        assert sum(rows for _, rows in epochs.values()) == n * ROWS, "the log does not have every epoch"
        add(postgres, folder, events[(n - 1) * ROWS:n * ROWS], (n - 1) * ROWS)
        postgres.run(f"UPDATE reached SET closed = {watermark(times, epochs)}")
        wanted = answers(postgres, queries)
        for query in queries:
            result = folder / f"q{query.number}.ndjson"
            found = query.found(result) if result.exists() else collections.Counter()
            try:
                compare(query, found, wanted[query.number])
            except AssertionError as failure:
                raise AssertionError(f"after epoch {n}: {failure}") from None
            early[query.number] += n < EPOCHS and bool(found)
    shown = {query.number for query in queries if early[query.number]}
    assert shown == {query.number for query in queries}, f"only {shown} had a row before the last epoch"
