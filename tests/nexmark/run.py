#!/usr/bin/env python3
"""Nexmark: the generator's events are what the benchmark asks for, and every query of examples/nexmark gives the rows
that PostgreSQL gives for the same 100,000 events, for two seeds.

PostgreSQL runs the query's own SELECT where that is PostgreSQL's, else qN.pg.sql beside this file. A query joins by
being in examples/nexmark. One that bourn refuses is skipped, unless it is named in RUN.
"""
from __future__ import annotations

import collections
import csv
import datetime
import json
import math
import re
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import TOP, Skip, Suite, program  # noqa: E402
from harness.log import slots  # noqa: E402
from servers.postgres import Postgres  # noqa: E402

suite = Suite("nexmark")
BOURN = program()
HERE = Path(__file__).resolve().parent
QUERIES = TOP / "examples/nexmark"
EVENTS = 100_000
SEEDS = (1, 2026)

RUN = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 22}  # these run, and are never skipped
BY_CLOCK = {12}  # its rows depend on when it ran

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


# ---- the events ----

def near(found: float, wanted: float, samples: float, what: str) -> None:
    """Within six standard deviations of a share's estimate."""
    allowed = 6 * math.sqrt(wanted * (1 - wanted) / samples)
    assert abs(found - wanted) <= allowed, f"{what}: {found:.5f}, and {wanted:.5f} +- {allowed:.5f} are wanted"


def milliseconds(text: str) -> int:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), text
    there = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round((there - datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)) / datetime.timedelta(
        milliseconds=1))


def last_ids(n: int) -> tuple[int, int]:
    """Numbers of the last person and the last auction as of event n."""
    round_, at = divmod(n, 50)
    if at < 1:
        return round_, (round_ - 1) * 3 + 2
    return round_, round_ * 3 + min(at - 1, 2)


def check_text(text: str, least: int, most: int) -> None:
    assert least <= len(text) <= most and re.fullmatch("[a-z ]*", text), text


def events_are_nexmarks(folder: Path) -> None:
    for seed in SEEDS:
        events = events_of(generated(folder, seed))
        assert len(events) == EVENTS
        for n, (kind, fields) in enumerate(events):
            assert kind == ("person" if n % 50 < 1 else "auction" if n % 50 < 4 else "bid"), n
            assert milliseconds(fields["date_time"]) == n * 100 // 1000, (n, fields)
        check_persons([(n, fields) for n, (kind, fields) in enumerate(events) if kind == "person"])
        check_auctions([(n, fields) for n, (kind, fields) in enumerate(events) if kind == "auction"])
        check_bids([(n, fields) for n, (kind, fields) in enumerate(events) if kind == "bid"])


def check_persons(persons: list) -> None:
    states, cities, names = (collections.Counter() for _ in range(3))
    for number, (_, person) in enumerate(persons):
        assert person["id"] == 1000 + number
        assert re.fullmatch(r"[a-z ]{3,7}@[a-z ]{3,5}\.com", person["email_address"]), person
        assert re.fullmatch(r"\d{4} \d{4} \d{4} \d{4}", person["credit_card"]), person
        states[person["state"]] += 1
        cities[person["city"]] += 1
        names[person["name"]] += 1
    assert len(states) == 6 and {"OR", "ID", "CA"} <= set(states) and len(cities) == 10
    assert len(names) == 99
    for count in states.values():
        near(count / len(persons), 1 / 6, len(persons), "a state")


def check_auctions(auctions: list) -> None:
    categories, lengths, hot = collections.Counter(), [], 0
    for number, (n, auction) in enumerate(auctions):
        person, last = last_ids(n)
        assert auction["id"] == 1000 + number == 1000 + last
        assert 100 <= auction["initial_bid"] <= 100_000_000
        assert 100 <= auction["reserve"] - auction["initial_bid"] <= 100_000_000
        check_text(auction["item_name"], 3, 20)
        check_text(auction["description"], 3, 100)
        seller, active = auction["seller"] - 1000, min(person + 1, 1000)
        assert seller == person // 100 * 100 or person + 1 - active <= seller < person + 11, (n, auction)
        hot += seller == person // 100 * 100
        categories[auction["category"]] += 1
        horizon = (n + 1666) * 100 // 1000 - n * 100 // 1000
        length = milliseconds(auction["expires"]) - milliseconds(auction["date_time"])
        assert 1 <= length <= 2 * horizon, (n, auction)
        lengths.append(length / (2 * horizon))
    assert sorted(categories) == [10, 11, 12, 13, 14]
    for count in categories.values():
        near(count / len(auctions), 1 / 5, len(auctions), "a category")
    near(hot / len(auctions), 3 / 4, len(auctions), "auctions of the hot seller")
    assert abs(sum(lengths) / len(lengths) - 0.5) < 0.02


def check_bids(bids: list) -> None:
    hot = collections.Counter()
    urls: dict[str, str] = {}
    logs, extras, letters = [], [], collections.Counter()
    for n, bid in bids:
        person, last = last_ids(n)
        auction, bidder = bid["auction"] - 1000, bid["bidder"] - 1000
        assert auction == last // 100 * 100 or max(0, last - 100) <= auction <= last + 10, (n, bid)
        active = min(person + 1, 1000)
        assert bidder == person // 100 * 100 + 1 or person + 1 - active <= bidder < person + 11, (n, bid)
        hot["auction"] += auction == last // 100 * 100
        hot["bidder"] += bidder == person // 100 * 100 + 1
        assert 100 <= bid["price"] <= 100_000_000
        logs.append(math.log10(bid["price"] / 100) / 6)
        hot["channel"] += bid["channel"] in ("Google", "Facebook", "Baidu", "Apple")
        assert urls.setdefault(bid["channel"], bid["url"]) == bid["url"], bid
        extras.append(len(bid["extra"]))
        letters.update(bid["extra"])
    for channel, url in urls.items():
        check_url(channel, url)
    # Of bids that are not hot some hit the hot one all the same: about one in 111, in 1010.
    near(hot["auction"] / len(bids), 1 / 2 + 1 / 2 / 111, len(bids), "bids for the hot auction")
    near(hot["bidder"] / len(bids), 3 / 4 + 1 / 4 / 1010, len(bids), "bids of the hot bidder")
    near(hot["channel"] / len(bids), 1 / 2, len(bids), "bids by a hot channel")
    with_id = sum("&channel_id=" in url for url in urls.values())
    near(with_id / (len(urls) - 4), 9 / 10, len(urls), "channels whose page has an id")
    for tenth in range(10):
        near(sum(tenth <= log * 10 < tenth + 1 for log in logs) / len(logs), 1 / 10, len(logs), "prices by magnitude")
    assert 66 < sum(extras) / len(extras) < 69, sum(extras) / len(extras)
    near(letters[" "] / letters.total(), 1 / 13, letters.total() / 4, "spaces")
    for letter in "abcdefghijklmnopqrstuvwxyz":
        assert abs(letters[letter] / letters.total() - 12 / 13 / 26) < 0.001, letter


def check_url(channel: str, url: str) -> None:
    parts = re.fullmatch(r"https://www\.nexmark\.com/([a-z_]{3,5}/){3}item\.htm\?query=1(&channel_id=(\d+))?", url)
    assert parts, url
    if not channel.startswith("channel-"):
        assert not parts[2], (channel, url)
        return
    number = int(channel.removeprefix("channel-"))
    assert 0 <= number < 10_000, channel
    if parts[2]:
        reversed_ = int(f"{number:032b}"[::-1], 2)
        assert int(parts[3]) == abs(reversed_ - (1 << 32) if reversed_ >> 31 else reversed_), (channel, url)


def a_stream_goes_on_anywhere(folder: Path) -> None:
    whole = generated(folder, 1).read_text().splitlines()
    for begin, rows in ((0, 51), (77_777, 200), (99_950, 50)):
        some = suite.command([BOURN, "generate", "--generator", "nexmark", "--rows", rows, "--rate", 0,
                              "--seed", 1, "--from", begin])  # the suite's own BOURN_SEED is no seed of events
        assert some.stdout.splitlines() == whole[begin:begin + rows]
    assert 320 < sum(map(len, whole)) / len(whole) < 350


# ---- the queries ----

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
        names = ", ".join(name for name, _ in self.columns)
        rows = postgres.rows(f"SELECT {casts} FROM (\n{self.select}\n) AS r ({names})")
        return collections.Counter(tuple(self.value(field, kind) for field, (_, kind) in zip(row, self.columns))
                                   for row in rows)

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
            text = field.replace("T", " ").removesuffix("Z").removesuffix("+00")
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
    postgres.run("DROP TABLE IF EXISTS side_input;\nCREATE TABLE side_input (key bigint PRIMARY KEY, value text);\n"
                 f"\\copy side_input FROM '{QUERIES / 'side_input.csv'}' (FORMAT csv, HEADER true)")


def run_query(query: Query, events: Path, folder: Path, workers: int) -> Path:
    out = folder / f"q{query.number}-{workers}.ndjson"
    env = {"EVENTS": str(events), "OUT": str(out), "BOURN_STATE": str(folder / f"state-{workers}")}
    done = suite.command([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, QUERIES / "file.sql",
                          query.path], env=env, check=None, limit=300)
    refused = re.search(r"\.sql:\d+:\d+: error: (.*)", done.stderr)
    if done.returncode and refused and query.number not in RUN:
        raise Skip(refused[1])
    assert done.returncode == 0, done.stderr
    return out


def compare(query: Query, ours: collections.Counter, theirs: collections.Counter) -> None:
    if ours == theirs:
        return
    more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
    raise AssertionError(f"q{query.number}: {ours.total()} rows, PostgreSQL has {theirs.total()}; {len(more)} only "
                         f"here, {len(less)} only there\n  here:  {more[:3]}\n  there: {less[:3]}")


def query_is_postgresqls(folder: Path, postgres: Postgres, query: Query) -> None:
    for seed, workers in zip(SEEDS, (1, 2)):
        load_once(postgres, seed)
        expected = query.expected(postgres)
        assert expected, "PostgreSQL has no row: nothing would be compared"
        found = query.found(run_query(query, generated(suite.folder, seed), folder, workers))
        compare(query, found, expected)


def epochs_of(state: Path) -> list[tuple[int, int]]:
    """Time in microseconds and rows read of each epoch, as the log has them."""
    found = []
    for path in slots(state / "log"):
        record = json.loads(path.read_text().split("\n", 1)[1])
        lines = record.get("ledger", {}).get("lines", [])
        rows = [line["in"] for line in lines if line["kind"] == "source" and line["name"] == "bids_as_read"]
        found += [(record["now"], rows[0])] if rows else []
    return found


def windows_by_the_clock(folder: Path, query: Query) -> None:
    """q12: a bid is in the window of its epoch's time. Its windows are made short, so that a run has several."""
    kinds = events_of(generated(suite.folder, SEEDS[0]))
    for workers in (1, 2):
        short = folder / "q12.sql"
        short.write_text(query.path.read_text().replace("interval '10 s'", "interval '10 ms'")
                         + "SET bourn.epoch_rows = 3000;\n")
        copy = Query(short)
        found = copy.found(run_query(copy, generated(suite.folder, SEEDS[0]), folder, workers))
        wanted, at = collections.Counter(), 0
        for clock, rows in epochs_of(folder / f"state-{workers}"):
            start = clock // 10_000 * 10_000
            wanted.update((fields["bidder"], start) for kind, fields in kinds[at:at + rows] if kind == "bid")
            at += rows
        assert at == EVENTS, f"the log has {at} rows"
        assert len({start for _, start in wanted}) > 1, "one window shows nothing"
        utc = datetime.timezone.utc
        rows = collections.Counter()
        for (bidder, start), bids in wanted.items():
            times = [datetime.datetime.fromtimestamp(us / 1e6, utc).isoformat(" ", "microseconds")[:26]
                     for us in (start, start + 10_000)]
            rows[(bidder, bids, *(time.rstrip("0").rstrip(".") for time in times))] += 1
        compare(copy, found, rows)


def load_once(postgres: Postgres, seed: int) -> None:
    """Each seed's tables in a schema of its own, which is then the one in use."""
    there = postgres.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = 'seed{seed}'")
    if not there:
        postgres.run(f"CREATE SCHEMA seed{seed};\nALTER ROLE postgres SET search_path = seed{seed};")
        load(postgres, suite.folder, seed)
    postgres.run(f"ALTER ROLE postgres SET search_path = seed{seed}")


def every_query_is_there(folder: Path) -> None:
    assert {path.name for path in QUERIES.glob("q*.sql")} == {f"q{n}.sql" for n in range(23)}
    shared = {re.sub(r"^.*?-- ----", "-- ----", (QUERIES / name).read_text(), flags=re.S)
              for name in ("generator.sql", "kafka.sql", "file.sql")}
    assert len(shared) == 1, "the connection files declare different events"


def main() -> None:
    def named(function, name):
        function.__name__ = name
        return function

    suite.run(named(lambda folder: events_are_nexmarks(suite.folder), "events_are_nexmarks"), limit=300)
    suite.run(named(lambda folder: a_stream_goes_on_anywhere(suite.folder), "a_stream_goes_on_anywhere"))
    suite.run(every_query_is_there)
    queries = sorted((Query(path) for path in QUERIES.glob("q*.sql")), key=lambda query: query.number)
    with Postgres(suite.folder, {"work_mem": "256MB"}) as postgres:
        for query in queries:
            if query.number in BY_CLOCK:
                suite.run(named(lambda folder, query=query: windows_by_the_clock(folder, query), "q12"))
            else:
                suite.run(named(lambda folder, query=query: query_is_postgresqls(folder, postgres, query),
                                f"q{query.number}"), limit=600)
    suite.end()


if __name__ == "__main__":
    main()
