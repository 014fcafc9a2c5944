#!/usr/bin/env python3
"""Nexmark: the generator's events are what the benchmark asks for, and every query of examples/nexmark gives the rows
that PostgreSQL gives for the same 100,000 events, for two seeds; also when it is cut into epochs of any size and killed
at any moment (killed.py); and after every epoch (every_epoch.py).

PostgreSQL runs the query's own SELECT where that is PostgreSQL's, else qN.pg.sql beside this file. A query joins by
being in examples/nexmark. One that bourn refuses is skipped, unless it is named in RUN.
"""
from __future__ import annotations

import collections
import datetime
import math
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from every_epoch import after_every_epoch  # noqa: E402
from harness import LIMIT, LONG, Skip  # noqa: E402
from killed import cut_and_killed, rows_by_the_clock  # noqa: E402
from servers.postgres import Postgres  # noqa: E402
from world import (BOURN, EVENTS, QUERIES, SEEDS, Query, command_of, compare, epochs_of, events_of,  # noqa: E402
                   generated, load_once, suite)

RUN = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 22}  # these run, and are never skipped
BY_CLOCK = {12}  # its rows depend on when it ran


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
        events = events_of(generated(suite.folder, seed))
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
    whole = generated(suite.folder, 1).read_text().splitlines()
    for begin, rows in ((0, 51), (77_777, 200), (99_950, 50)):
        some = suite.command([BOURN, "generate", "--generator", "nexmark", "--rows", rows, "--rate", 0,
                              "--seed", 1, "--from", begin])  # the suite's own BOURN_SEED is no seed of events
        assert some.stdout.splitlines() == whole[begin:begin + rows]
    assert 320 < sum(map(len, whole)) / len(whole) < 350


# ---- the queries ----

def run_query(query: Query, events: Path, folder: Path, workers: int) -> Path:
    out = folder / f"q{query.number}-{workers}.ndjson"
    words, env = command_of([QUERIES / "file.sql", query.path], out, events, folder / f"state-{workers}", workers)
    done = suite.command(words, env=env, check=None)
    refused = re.search(r"\.sql:\d+:\d+: error: (.*)", done.stderr)
    if done.returncode and refused and query.number not in RUN:
        raise Skip(refused[1])
    assert done.returncode == 0, done.stderr
    return out


answers: dict[tuple[int, int], collections.Counter] = {}


def answer(postgres: Postgres, query: Query, seed: int) -> collections.Counter:
    if (query.number, seed) not in answers:
        load_once(postgres, seed)
        answers[query.number, seed] = query.expected(postgres)
        assert answers[query.number, seed], "PostgreSQL has no row: nothing would be compared"
    return answers[query.number, seed]


def query_is_postgresqls(folder: Path, postgres: Postgres, query: Query) -> None:
    for seed, workers in zip(SEEDS, (1, 2)):
        found = query.found(run_query(query, generated(suite.folder, seed), folder, workers))
        compare(query, found, answer(postgres, query, seed))


def ways() -> list[tuple[int, int, int]]:
    """Seed of the events, workers and kills of the runs that are killed: one of them, or `make torture`'s."""
    if not LONG:
        return [(suite.random.choice(SEEDS), suite.random.choice([1, 2, 8]), 5)]
    return [(seed, workers, kills) for seed in SEEDS for workers in (1, 2, 8) for kills in (5, 5, 9, 20)]


def query_is_postgresqls_when_killed(folder: Path, postgres: Postgres, query: Query) -> None:
    for i, (seed, workers, kills) in enumerate(ways()):
        place = folder / f"{i}"
        place.mkdir()
        out, _ = cut_and_killed(place, query.path.read_text(), seed, workers, kills)
        compare(query, query.found(out), answer(postgres, query, seed))


WIDTH = 10_000  # microseconds: q12's windows are made short, so that a run has several


def short_windows(query: Query) -> str:
    return query.path.read_text().replace("interval '10 s'", f"interval '{WIDTH} us'")


def windows_by_the_clock(folder: Path, query: Query) -> None:
    """q12: a bid is in the window of its epoch's time."""
    kinds = events_of(generated(suite.folder, SEEDS[0]))
    for workers in (1, 2):
        short = folder / "q12.sql"
        short.write_text(short_windows(query) + "SET bourn.epoch_rows = 3000;\n")
        copy = Query(short)
        found = copy.found(run_query(copy, generated(suite.folder, SEEDS[0]), folder, workers))
        wanted = rows_by_the_clock(epochs_of(folder / f"state-{workers}", "bids_as_read"), kinds, WIDTH)
        assert len({start for _, _, start, _ in wanted}) > 1, "one window shows nothing"
        compare(copy, found, wanted)


def windows_by_the_clock_when_killed(folder: Path, query: Query) -> None:
    for i, (seed, workers, kills) in enumerate(ways()):
        place = folder / f"{i}"
        place.mkdir()
        out, epochs = cut_and_killed(place, short_windows(query), seed, workers, kills, every_epoch=True)
        compare(query, query.found(out), rows_by_the_clock(epochs, events_of(generated(suite.folder, seed)), WIDTH))


def every_query_is_there(folder: Path) -> None:
    assert {path.name for path in QUERIES.glob("q*.sql")} == {f"q{n}.sql" for n in range(23)}
    shared = {re.sub(r"^.*?-- ----", "-- ----", (QUERIES / name).read_text(), flags=re.S)
              for name in ("generator.sql", "kafka.sql", "file.sql")}
    assert len(shared) == 1, "the connection files declare different events"


def main() -> None:
    suite.run(events_are_nexmarks)
    suite.run(a_stream_goes_on_anywhere)
    suite.run(every_query_is_there)
    queries = sorted((Query(path) for path in QUERIES.glob("q*.sql")), key=lambda query: query.number)
    with Postgres(suite.folder, {"work_mem": "256MB"}) as postgres:
        for query in queries:
            by_clock, name = query.number in BY_CLOCK, f"q{query.number}"
            rest = (query,) if by_clock else (postgres, query)
            whole = windows_by_the_clock if by_clock else query_is_postgresqls
            killed = windows_by_the_clock_when_killed if by_clock else query_is_postgresqls_when_killed
            run_as(name, whole, *rest)
            run_as(f"{name} cut and killed", killed, *rest)
        suite.run(after_every_epoch, postgres, [query for query in queries if query.number not in BY_CLOCK],
                  suite.random.choice([1, 2, 8]), limit=3000)
    suite.end()


def run_as(name: str, function, *arguments) -> None:
    if suite.wants(name):
        with suite.case(name, limit=6000 if LONG else LIMIT) as folder:
            function(folder, *arguments)


if __name__ == "__main__":
    main()
