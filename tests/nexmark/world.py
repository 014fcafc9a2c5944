"""What the tests of Nexmark share: events, queries and what PostgreSQL knows of them."""
from __future__ import annotations

import collections
import csv
import json
import re
from decimal import Decimal
from pathlib import Path

from harness import TOP, Suite, program
from harness.log import slots
from servers.postgres import Postgres

suite = Suite("nexmark")
BOURN = program()
HERE = Path(__file__).resolve().parent
QUERIES = TOP / "examples/nexmark"
EVENTS = 100_000
SEEDS = (1, 2026)

TABLES = {
    "person": "id bigint, name text, email_address text, credit_card text, city text, state text, "
              "date_time timestamptz, extra text",
    "auction": "id bigint, item_name text, description text, initial_bid bigint, reserve bigint, "
               "date_time timestamptz, expires timestamptz, seller bigint, category bigint, extra text",
    "bid": "auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamptz, extra text",
}
KINDS = list(TABLES)


def generated(folder: Path, seed: int, *flags) -> Path:
    path = folder / f"events-{seed}.ndjson"
    if not path.exists():
        suite.command([BOURN, "generate", "--generator", "nexmark", "--rows", EVENTS, "--rate", 0, "--seed", seed,
                       "--to", path, *flags])
    return path


def events_of(path: Path) -> list[tuple[str, dict]]:
    """Kind and fields of each event."""
    found = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        kind = KINDS[event["event_type"]]
        assert list(event) == ["event_type", "person", "auction", "bid"], line
        assert all((event[other] is None) == (other != kind) for other in KINDS), line
        assert list(event[kind]) == [column.split()[0] for column in TABLES[kind].split(", ")], line
        found.append((kind, event[kind]))
    return found


class Query:
    """examples/nexmark/qN.sql, taken apart."""

    def __init__(self, path: Path):
        self.path, self.number = path, int(path.stem[1:])
        text = path.read_text()
        table = re.search(r"CREATE FOREIGN TABLE q\d+ \((.*?)\n\) SERVER results", text, re.S)[1]
        found = re.findall(r"^    (\w+) +(bigint|integer|text|timestamptz|date|numeric\(\d+,\d+\))", table, re.M)
        self.columns = [(name, kind) for name, kind in found if name != "PRIMARY"]
        own = HERE / f"q{self.number}.pg.sql"
        self.select = own.read_text() if own.exists() else re.search(r"INSERT INTO \w+\n(.*);", text, re.S)[1]

    def expected(self, postgres: Postgres) -> collections.Counter:
        casts = ", ".join(f"{name}::{kind}" for name, kind in self.columns)
        rows = postgres.rows(f"SELECT {casts} FROM {self.answer()}")
        return collections.Counter(tuple(self.value(field, kind) for field, (_, kind) in zip(row, self.columns))
                                   for row in rows)

    def answer(self) -> str:
        """PostgreSQL's rows, as they stand in FROM."""
        return f"(\n{self.select}\n) AS r ({', '.join(name for name, _ in self.columns)})"

    def found(self, path: Path) -> collections.Counter:
        rows = [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]
        assert all(list(row) == [name for name, _ in self.columns] for row in rows[:1]), rows[:1]
        return collections.Counter(tuple(self.value(row[name], kind) for name, kind in self.columns) for row in rows)

    @staticmethod
    def value(field, kind: str):
        if field is None or kind == "text":
            return field
        if kind.startswith("numeric"):
            return str(Decimal(field).normalize())
        if kind == "timestamptz":
            text = field.replace("T", " ").removesuffix("Z").removesuffix(":00" if field.endswith("+00:00") else "")
            text = text.removesuffix("+00")
            return text.rstrip("0").rstrip(".") if "." in text else text
        return int(field) if kind in ("bigint", "integer") else field


def load(postgres: Postgres, folder: Path, seed: int) -> None:
    events = events_of(generated(folder, seed))
    for kind, columns in TABLES.items():
        path = folder / f"{kind}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([n, *fields.values()] for n, (found, fields) in enumerate(events) if found == kind)
        postgres.run(f"DROP TABLE IF EXISTS {kind};\nCREATE TABLE {kind} (n bigint, {columns});\n"
                     f"\\copy {kind} FROM '{path}' (FORMAT csv)\nANALYZE {kind};")
    postgres.run("CREATE OR REPLACE FUNCTION closed(timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT true';\n"
                 "DROP TABLE IF EXISTS side_input;\nCREATE TABLE side_input (key bigint PRIMARY KEY, value text);\n"
                 f"\\copy side_input FROM '{QUERIES / 'side_input.csv'}' (FORMAT csv, HEADER true)")


def compare(query: Query, ours: collections.Counter, theirs: collections.Counter) -> None:
    if ours == theirs:
        return
    more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
    raise AssertionError(f"q{query.number}: {ours.total()} rows, PostgreSQL has {theirs.total()}; {len(more)} only "
                         f"here, {len(less)} only there\n  here:  {more[:3]}\n  there: {less[:3]}")


def epochs_of(state: Path, source: str) -> dict[int, tuple[int, int]]:
    """Time in microseconds of each epoch that the log still has, and how many rows it read of the source."""
    found = {}
    if not (state / "log").exists():  # killed before it had one
        return found
    for path in slots(state / "log"):
        record = json.loads(path.read_text().split("\n", 1)[1])
        lines = record.get("ledger", {}).get("lines", [])
        rows = [line["in"] for line in lines if line["kind"] == "source" and line["name"] == source]
        if rows:
            found[record["epoch"]] = (record["now"], rows[0])
    return found


def command_of(files: list[Path], out: Path, events: Path, state: Path, workers: int) -> tuple[list[str], dict]:
    """Words and environment of a run to the end of what there is."""
    words = [BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, *files]
    return [str(word) for word in words], {"EVENTS": str(events), "OUT": str(out), "BOURN_STATE": str(state)}


def load_once(postgres: Postgres, seed: int) -> None:
    """Each seed's tables in a schema of its own, which is then the one in use."""
    there = postgres.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = 'seed{seed}'")
    if not there:
        postgres.run(f"CREATE SCHEMA seed{seed};\nALTER ROLE postgres SET search_path = seed{seed};")
        load(postgres, suite.folder, seed)
    postgres.run(f"ALTER ROLE postgres SET search_path = seed{seed}")
