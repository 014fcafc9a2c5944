#!/usr/bin/env python3
"""examples/transactions: every output of it against the same worked out here, from a file at once, cut into many epochs
and killed, and from a real Kafka behind TLS and SASL; its own evidence; and a column that the producer added."""
from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, LONG, TOP, Suite, program, until  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402

go_on_in_venv()
from deltalake import DeltaTable  # noqa: E402

from harness.children import mortal  # noqa: E402
from harness.log import slots  # noqa: E402
from servers.kafka import KEY, USER, Kafka  # noqa: E402
from servers.spark import Spark  # noqa: E402

suite = Suite("interop/transactions")
BOURN = program()
EXAMPLE = TOP / "examples/transactions"
PIPELINE = EXAMPLE / "transactions.sql"
CATEGORIES = ("electronics", "clothing", "groceries", "books", "sports")
RATES = {"UK": Decimal("1.27"), "EU": Decimal("1.08"), "US": Decimal(1), "APAC": Decimal(1)}
CENT = Decimal("0.01")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
AT_ONCE = "SET bourn.epoch_rows = 1000000; SET bourn.epoch_interval = '60 s';"


# ---- what the events mean, worked out without bourn ----

def is_good(event) -> bool:
    return (isinstance(event, dict) and all(isinstance(event.get(name), str) for name in (
                "transaction_id", "customer_id", "category", "location", "payment_method", "timestamp")) and
            isinstance(event.get("amount"), Decimal) and event["amount"] > 0 and
            event["amount"].as_tuple().exponent >= -2 and event["category"] in CATEGORIES and
            event["location"] in RATES and event["payment_method"] in ("credit_card", "debit_card", "paypal") and
            re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]) is not None)


def minutes(event: dict) -> int:
    return (datetime.datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")) - EPOCH) // \
        datetime.timedelta(minutes=1)


def at(minute: int) -> str:
    return (EPOCH + datetime.timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M:%S+00")


def average(amounts: list[Decimal]) -> Decimal:
    return (sum(amounts) / len(amounts)).quantize(CENT, ROUND_HALF_UP)


class Expected:
    """Of events of which none is late: good ones in order, and the first of each id."""

    def __init__(self, *paths: Path):
        self.good: list[dict] = []
        self.lines = 0
        for path in paths:
            for line in path.read_text().splitlines():
                self.lines += 1
                try:
                    event = json.loads(line, parse_float=Decimal)
                except ValueError:
                    continue
                if is_good(event):
                    self.good.append(event)
        self.once: dict[str, dict] = {}
        for event in self.good:
            self.once.setdefault(event["transaction_id"], event)

    def kept(self, events) -> Counter:
        return Counter((e["transaction_id"], e["customer_id"], e["amount"],
                        (e["amount"] * RATES[e["location"]]).quantize(CENT, ROUND_HALF_UP), e["category"],
                        e["timestamp"], e["location"], e["payment_method"]) for e in events)

    def totals(self) -> dict:
        amounts = defaultdict(list)
        for event in self.once.values():
            amounts[event["category"]].append(event["amount"])
        return {name: (len(a), sum(a), average(a), max(a)) for name, a in amounts.items()}

    def by_category(self) -> set:
        amounts = defaultdict(list)
        for event in self.once.values():
            amounts[minutes(event) // 5 * 5, event["category"]].append(event["amount"])
        return {(at(m), at(m + 5), name, len(a), sum(a), average(a), max(a)) for (m, name), a in amounts.items()}

    def by_location(self) -> set:
        amounts = defaultdict(list)
        for event in self.once.values():
            for start in (minutes(event) // 5 * 5 - 5, minutes(event) // 5 * 5):
                amounts[start, event["location"]].append(event["amount"])
        return {(at(m), at(m + 10), name, len(a), sum(a)) for (m, name), a in amounts.items()}


# ---- running it ----

class Run:
    """One lake and state in a folder."""

    def __init__(self, folder: Path, *files: Path, more: str = "", **env: str):
        self.folder, self.lake = folder, folder / "lake"
        (folder / "more.sql").write_text(f"-- what the case sets\n{more}\n")
        self.files = [*files, folder / "more.sql"]
        self.env = {"PATH": os.environ["PATH"], "LAKE": str(self.lake), "BOURN_STATE": str(folder / "state"),
                    "NUM_ROWS": "1000000", "NO_COLOR": "1", **env}

    def run(self, *words: str, check: int | None = 0) -> subprocess.CompletedProcess:
        return suite.command([BOURN, "run", "--quiet", "--until-caught-up", *words, *self.files], check=check,
                             env=self.env, cwd=self.folder)

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(mortal([BOURN, "run", "--quiet", *self.files]), env=self.env, cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def killed_after(self, more_slots: int, seconds: float) -> bool:
        """Once the log has so many slots more, and a moment later."""
        log = self.folder / "state/log"
        newest = newest_slot(log) + more_slots
        process = self.start()
        until(lambda: process.poll() is not None or newest_slot(log) >= newest)
        time.sleep(seconds)
        process.kill()
        said, _ = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said
        return process.returncode != 0

    def verify(self) -> None:
        said = suite.command([BOURN, "verify", *self.files, "--evidence", EXAMPLE / "evidence.sql"], env=self.env,
                             cwd=self.folder).stdout
        assert said.count('": no row') == 9, said

    def query(self, select: str) -> list[dict]:
        said = suite.command([BOURN, "query", *self.files, "--json", "-e", select], env=self.env, cwd=self.folder)
        return [json.loads(line, parse_float=Decimal) for line in said.stdout.splitlines()]

    def table(self, name: str) -> list[dict]:
        return DeltaTable(str(self.lake / name)).to_pyarrow_table().to_pylist()

    def history(self) -> set:
        rows = [tuple(row.values()) for row in self.table("category_history")]
        assert len(rows) == len(set(rows)), "a window came twice"
        return {(*(t.strftime("%Y-%m-%d %H:%M:%S+00") for t in row[:2]), *row[2:]) for row in rows}


def newest_slot(log: Path) -> int:
    return max((int(path.name) for path in slots(log)), default=0) if log.exists() else 0


def kept(rows: list[dict]) -> Counter:
    return Counter((row["transaction_id"], row["customer_id"], row["amount"], row["amount_usd"], row["category"],
                    row["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.") + f"{row['timestamp'].microsecond // 1000:03}Z",
                    row["location"], row["payment_method"]) for row in rows)


def must_equal(found, wanted, what: str) -> None:
    if found != wanted:
        both = (found, wanted) if isinstance(found, (set, Counter)) else (set(found.items()), set(wanted.items()))
        raise AssertionError(f"{what}: too much {list(both[0] - both[1])[:3]}, missing {list(both[1] - both[0])[:3]}")


def tables_must_equal(run: Run, expected: Expected) -> None:
    rows = run.table("all_transactions")
    must_equal(kept(rows), expected.kept(expected.good), "all_transactions")
    assert len({(row["partition"], row["offset"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["offset"] == row["sequence_number"], row
        assert row["processing_date"] == row["processing_time"].date(), row
        assert abs(row["processing_time"].timestamp() - time.time()) < 3600, row
    rows = run.table("transactions")
    must_equal(kept(rows), expected.kept(expected.once.values()), "transactions")
    assert all(row["event_date"] == row["timestamp"].date() for row in rows)
    totals = {row["category"]: (row["transactions"], row["revenue"], row["average"], row["highest"])
              for row in run.table("category_totals")}
    must_equal(totals, expected.totals(), "category_totals")
    assert len(run.table("rejected")) == expected.lines - len(expected.good)


def shown(text: str, table: str) -> set:
    """The last table of that name on the console: times and names as text, numbers exact."""
    block = text[text.rindex(f": {table}\n"):].split("\n")
    rows = [[cell.strip() for cell in line.split("|")] for line in block[3:block.index("") if "" in block else None]
            if "|" in line]
    return {(row[0], row[1], row[2], int(row[3]), *map(Decimal, row[4:])) for row in rows}


def generate(folder: Path, rows: int, *words: str, seed: int | None = None) -> Path:
    path = folder / f"events-{len(list(folder.glob('events-*')))}.ndjson"
    suite.command([BOURN, "generate", "--generator", "transactions", "--rows", rows, "--rate", 0, "--nominal-rate", 5,
                   "--seed", suite.seed if seed is None else seed, "--to", path, *words])
    return path


# ---- cases ----

def at_once_from_a_file(folder: Path) -> None:
    """One epoch, in which nothing is late yet: every output, also what the console shows."""
    events = generate(folder, 20_000, "--bad", "5%", "--duplicates", "5%", "--late", "1%")
    run = Run(folder, EXAMPLE / "file.sql", PIPELINE, more=AT_ONCE, EVENTS=str(events))
    said = run.run().stdout
    expected = Expected(events)
    tables_must_equal(run, expected)
    must_equal(run.history(), expected.by_category(), "category_history")
    must_equal(shown(said, "category_windows"), expected.by_category(), "category_windows")
    must_equal(shown(said, "location_windows"), expected.by_location(), "location_windows")
    run.verify()


def cut_into_epochs_and_killed(folder: Path) -> None:
    """The same tables however the stream is cut and how often the process dies. What the console shows begins anew
    with a process, so it is compared where none died."""
    events = generate(folder, 12_000, "--bad", "3%", "--duplicates", "5%", "--late", 0)
    expected = Expected(events)
    often = folder / "often.sql"
    often.write_text(re.sub(r"commit_interval '[^']*'", "commit_interval '50 ms'", PIPELINE.read_text()))
    for rows, kills in ((100, 8 * (10 if LONG else 1)), (700, 0)):
        place = folder / str(rows)
        place.mkdir()
        run = Run(place, EXAMPLE / "file.sql", often, more=f"SET bourn.epoch_rows = {rows};", EVENTS=str(events))
        killed = sum(run.killed_after(suite.random.randrange(14), suite.random.random() * 0.05) for _ in range(kills))
        assert killed or not kills, "it was never killed"
        said = run.run().stdout
        tables_must_equal(run, expected)
        must_equal(run.history(), expected.by_category(), "category_history")
        run.verify()
        if not kills:
            must_equal(shown(said, "category_windows"), expected.by_category(), "category_windows")
            must_equal(shown(said, "location_windows"), expected.by_location(), "location_windows")


def queries_over_what_was_published(folder: Path) -> None:
    """Joins, groups, order, limits, distinct counts, windows and ranks in `bourn query`."""
    events = generate(folder, 5_000, "--bad", 0, "--duplicates", "5%", "--late", 0)
    run = Run(folder, EXAMPLE / "file.sql", PIPELINE, more=AT_ONCE, EVENTS=str(events))
    run.run()
    once = list(Expected(events).once.values())
    customers = defaultdict(set)
    dollars = defaultdict(Decimal)
    for event in once:
        customers[event["location"]].add(event["customer_id"])
        dollars[event["location"]] += (event["amount"] * RATES[event["location"]]).quantize(CENT, ROUND_HALF_UP)
    best = sorted(dollars, key=lambda name: -dollars[name])[:3]
    found = run.query("SELECT location, count(DISTINCT customer_id) AS customers, sum(amount_usd) AS usd "
                      "FROM unique_transactions GROUP BY location ORDER BY usd DESC LIMIT 3")
    assert [(row["location"], row["customers"], Decimal(row["usd"])) for row in found] == \
        [(name, len(customers[name]), dollars[name]) for name in best], found

    found = run.query("SELECT t.category, t.transactions, count(*) AS rows FROM unique_transactions u "
                      "JOIN category_totals t ON t.category = u.category GROUP BY t.category, t.transactions "
                      "ORDER BY 1")
    counts = Counter(event["category"] for event in once)
    assert [tuple(row.values()) for row in found] == [(name, counts[name], counts[name]) for name in sorted(counts)]

    found = run.query("SELECT count(*) AS n FROM all_transactions a LEFT JOIN unique_transactions u "
                      'ON u.transaction_id = a.transaction_id AND u.processing_time > a."timestamp" '
                      "WHERE u.transaction_id IS NULL")
    assert found == [{"n": 0}], found

    found = run.query("SELECT location, transaction_id FROM (SELECT location, transaction_id, row_number() OVER "
                      "(PARTITION BY location ORDER BY amount DESC, transaction_id) AS n FROM unique_transactions) r "
                      "WHERE n = 1 ORDER BY location")
    highest = [min((e for e in once if e["location"] == name), key=lambda e: (-e["amount"], e["transaction_id"]))
               for name in sorted(RATES)]
    assert [tuple(row.values()) for row in found] == [(e["location"], e["transaction_id"]) for e in highest], found

    found = run.query("SELECT window_start, count(*) AS n FROM tumble(unique_transactions, \"timestamp\", interval "
                      "'5 minutes') GROUP BY window_start ORDER BY window_start")
    windows = Counter(minutes(event) // 5 * 5 for event in once)
    assert [row["n"] for row in found] == [windows[m] for m in sorted(windows)], found


def check_shows_the_schema(folder: Path) -> None:
    said = suite.command([BOURN, "check", EXAMPLE / "local.sql", PIPELINE], cwd=folder).stdout
    for line in ('source transactions on generator "events"', r"    amount +numeric\(18,2\) NOT NULL",
                 r"    timestamp +timestamp with time zone NOT NULL, event time, late after 10 minutes",
                 r"    sequence_number +bigint, metadata offset"):
        assert re.search(f"^{line}$", said, re.M), f"{line} is not in\n{said}"


# ---- Kafka ----

def secure_connection(folder: Path, kafka: Kafka, more: str = "") -> Path:
    """kafka.sql as its comment says for SASL_SSL, and the timeouts."""
    path = folder / "kafka.sql"
    options = (f"\"security.protocol\" 'SASL_SSL', \"sasl.mechanism\" 'PLAIN', \"ssl.ca.location\" "
               f"'{kafka.authority.certificate}', \"session.timeout.ms\" '30000', {more}\n    topic '")
    text = (EXAMPLE / "kafka.sql").read_text()
    assert text.count("\n    topic '") == 1
    path.write_text(text.replace("\n    topic '", "\n    " + options) +
                    "CREATE USER MAPPING FOR CURRENT_USER SERVER events\n"
                    "    OPTIONS (\"sasl.username\" 'env:KAFKA_USER', \"sasl.password\" 'env:KAFKA_PASSWORD');\n")
    return path


def from_kafka_behind_tls(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("tx", 3)
    events = generate(folder, 10_000, "--bad", "2%", "--duplicates", "3%", "--late", 0)
    kafka.write("tx", events)
    run = Run(folder, secure_connection(folder, kafka), PIPELINE, more="SET bourn.epoch_rows = 1000;",
              KAFKA=kafka.secure, TOPIC="tx", GROUP="accounting", KAFKA_USER=USER,
              KAFKA_PASSWORD=kafka.password)
    said = run.run().stdout
    expected = Expected(events)
    tables_must_equal(run, expected)
    must_equal(shown(said, "category_windows"), expected.by_category(), "category_windows")  # open ones, too
    must_equal(shown(said, "location_windows"), expected.by_location(), "location_windows")
    rows = run.table("all_transactions")
    assert all(abs(row["ingestion_time"].timestamp() - time.time()) < 600 for row in rows)
    assert {row["partition"] for row in rows} == {0, 1, 2}
    history = run.history()  # of a stream that goes on, the windows that the watermark has passed
    assert history and not history - expected.by_category()
    closed = max(end for _, end, *_ in history)
    must_equal(history, {row for row in expected.by_category() if row[1] <= closed}, "category_history")
    run.verify()
    kafka.write("tx", events)  # every one again: a live run commits to its group how far it is
    live = run.start()
    ends = kafka.admin().end_offsets("tx", 3)
    until(lambda: kafka.admin().committed("accounting", "tx", 3) == ends)
    live.send_signal(signal.SIGINT)
    said, _ = live.communicate(timeout=HANGS)
    assert live.returncode == 0, said
    assert kafka.admin().committed("accounting", "tx", 3) == ends, "the group does not show how far we are"
    must_equal(kept(run.table("transactions")), expected.kept(expected.once.values()), "transactions")
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"the key stands in {path}"


def where_a_new_state_begins(folder: Path, kafka: Kafka) -> None:
    """START=latest: what was there is left alone, what comes is read."""
    kafka.create_topic("later", 1)
    kafka.write("later", generate(folder, 500, "--bad", 0, "--late", 0, seed=1))
    run = Run(folder, EXAMPLE / "kafka.sql", PIPELINE, KAFKA=kafka.plain, TOPIC="later", START="latest")
    run.run()
    second = generate(folder, 700, "--bad", 0, "--late", 0, seed=2)
    kafka.write("later", second)
    run.run()
    must_equal(kept(run.table("all_transactions")), Expected(second).kept(Expected(second).good), "all_transactions")


# ---- a column that the producer added ----

def with_coupons(path: Path) -> Path:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    out = path.with_name("coupons.ndjson")
    out.write_text("".join(json.dumps({**line, "transaction_id": f"C{i:06}", "coupon": f"c{i}"}) + "\n"
                           for i, line in enumerate(lines)))
    return out


def wider_pipeline(folder: Path, name: str, options: str) -> Path:
    """The example with `coupon` in its source and, last, in all_transactions."""
    text = PIPELINE.read_text()
    for old, new in (("    ingestion_time  timestamptz   OPTIONS", "    coupon          text,\n    ingestion_time  "
                      "timestamptz   OPTIONS"),
                     ("    processing_date date NOT NULL\n) SERVER lake OPTIONS (path 'all_transactions'",
                      "    processing_date date NOT NULL,\n    coupon          text\n) SERVER lake OPTIONS "
                      f"({options}path 'all_transactions'"),
                     ("processing_time, processing_date\nFROM enriched", "processing_time, processing_date, coupon\n"
                      "FROM enriched")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def on_the_same_state(folder: Path, old_events: Path, new_events: Path, wanted: Counter) -> None:
    """A source that goes on: what does not read the column is kept, and nothing is read again."""
    (folder / "in").mkdir(parents=True)
    shutil.copy(old_events, folder / "in/a.ndjson")
    connection = folder / "follow.sql"
    connection.write_text((EXAMPLE / "file.sql").read_text().replace("path '${EVENTS}'",
                                                                     "path '${EVENTS}', follow 'true'"))
    Run(folder, connection, PIPELINE, EVENTS=str(folder / "in")).run()
    wider = Run(folder, connection, wider_pipeline(folder, "wider.sql", "merge_schema 'true', "),
                EVENTS=str(folder / "in"))
    plan = json.loads(suite.command([BOURN, "plan", "--json", ",".join(map(str, wider.files))], env=wider.env,
                                    cwd=folder).stdout)
    assert all(step["fate"] == "kept" for step in plan["steps"] if step["stateful"]), plan
    assert plan["sources_read_again"] == [], plan
    wider.run()  # before a row has the column, so the table has not
    must_equal({row["coupon"] for row in wider.query("SELECT coupon FROM all_transactions")}, {None}, "no column yet")
    wider.verify()
    shutil.copy(new_events, folder / "in/b.ndjson")
    wider.run()
    must_equal(Counter(row["coupon"] for row in wider.table("all_transactions")), wanted, "the same state")


def a_column_the_producer_added(folder: Path) -> None:
    """Refused, with the option named, until the table may grow; then old rows read NULL there, in Spark and
    delta-rs."""
    old_events = generate(folder, 300, "--bad", 0, "--duplicates", 0, "--late", 0)
    new_events = with_coupons(generate(folder, 200, "--bad", 0, "--duplicates", 0, "--late", 0))
    run = Run(folder, EXAMPLE / "file.sql", PIPELINE, EVENTS=str(old_events))
    run.run()
    table = DeltaTable(str(run.lake / "all_transactions"))
    before = (table.version(), table.metadata().id)
    refused = Run(folder, EXAMPLE / "file.sql", wider_pipeline(folder, "refused.sql", ""), EVENTS=str(new_events),
                  BOURN_STATE=str(folder / "state2")).run("--adopt", check=None)
    assert refused.returncode != 0 and 'has no column "coupon"' in refused.stderr and \
        "merge_schema 'true'" in refused.stderr, refused.stderr
    assert DeltaTable(str(run.lake / "all_transactions")).version() == before[0]
    Run(folder, EXAMPLE / "file.sql", wider_pipeline(folder, "wider.sql", "merge_schema 'true', "),
        EVENTS=str(new_events), BOURN_STATE=str(folder / "state3")).run("--adopt")

    table = DeltaTable(str(run.lake / "all_transactions"))
    assert table.metadata().id == before[1], "a column more makes no other table"
    log = (run.lake / "all_transactions/_delta_log" / f"{before[0] + 1:020}.json").read_text()
    assert '"metaData"' in log and '"add"' in log and '"txn"' in log, "the column came without its rows"
    field = json.loads(table.schema().to_json())["fields"][-1]
    assert (field["name"], field["nullable"]) == ("coupon", True), field
    wanted = Counter({None: 300, **{f"c{i}": 1 for i in range(200)}})
    on_the_same_state(folder / "again", old_events, new_events, wanted)
    must_equal(Counter(row["coupon"] for row in run.table("all_transactions")), wanted, "delta-rs")
    with Spark(folder) as spark:
        rows = spark.sql(f"SELECT coupon, transaction_id FROM delta.`{run.lake}/all_transactions`")
        must_equal(Counter(coupon for coupon, _ in rows), wanted, "Spark")
        assert all((coupon is None) == name.startswith("T") for coupon, name in rows)
        assert len(spark.sql(f"SELECT * FROM delta.`{run.lake}/all_transactions` VERSION AS OF {before[0]}")[0]) == 14


for case in (at_once_from_a_file, cut_into_epochs_and_killed, queries_over_what_was_published, check_shows_the_schema,
             a_column_the_producer_added):
    suite.run(case)
kafka_cases = (from_kafka_behind_tls, where_a_new_state_begins)
if any(suite.wants(case.__name__.replace("_", " ")) for case in kafka_cases):
    with Kafka(suite.folder, secure=True) as server:
        for case in kafka_cases:
            suite.run(case, server)
suite.end()
