#!/usr/bin/env python3
"""The payments pipeline fed by a real Apache Kafka: against the oracle, killed at random, continued, and refused with
clear words; and with TLS, SASL and a connection string, as Event Hubs has it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, LONG, TOP, Suite, program, until  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402

go_on_in_venv()
from deltalake import DeltaTable  # noqa: E402

from harness.children import free_port, mortal  # noqa: E402
from oracle.payments import Expected  # noqa: E402
from servers.kafka import KEY, Kafka  # noqa: E402

suite = Suite("interop/kafka_pipeline")
BOURN = program()
EXAMPLE = TOP / "examples/payments"
KILLS = 200
TABLES = {
    "net_flow": ("metrics/net_flow", ["id", "total_deposits", "total_withdrawals", "net_flow", "deposit_count",
                                      "withdrawal_count", "avg_deposit", "avg_withdrawal",
                                      "deposit_to_withdrawal_ratio"]),
    "user_metrics": ("metrics/user_metrics", ["user_id", "total_deposits", "total_withdrawals", "deposit_count",
                                              "withdrawal_count", "first_seen", "last_seen"]),
    "channel_distribution": ("metrics/channel_distribution", ["channel", "event_type", "event_count",
                                                              "total_amount"]),
    "dead_letters": ("rejected", ["rules", "raw"]),
}


class Pipeline:
    """One lake and state in a folder, on one topic."""

    def __init__(self, folder: Path, connection: Path, **env: str):
        self.folder, self.lake = folder, folder / "lake"
        self.env = {"PATH": os.environ["PATH"], "LAKE": str(self.lake), "BOURN_STATE": str(folder / "state"),
                    "NO_COLOR": "1", **env}
        self.words = [str(BOURN), "run", str(connection), str(EXAMPLE / "payments.sql")]

    def catch_up(self, *words: str, check: int | None = 0) -> subprocess.CompletedProcess:
        return suite.command([*self.words, "--until-caught-up", *words], check=check, env=self.env, cwd=self.folder)

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(mortal([*self.words, *words]), env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def rows(self, table: str) -> list[tuple]:
        path, columns = TABLES[table]
        found = DeltaTable(str(self.lake / path)).to_pyarrow_table(columns=columns)
        return sorted(zip(*(found[column].to_pylist() for column in columns)))

    def must_equal(self, expected: Expected) -> None:
        for table in TABLES:
            found, wanted = self.rows(table), getattr(expected, table)()
            if found != wanted:
                differ = [pair for pair in zip(found, wanted) if pair[0] != pair[1]][:3]
                raise AssertionError(f"{table}: {len(found)} rows, expected {len(wanted)}; first differences {differ}")


def kafka_pipeline(folder: Path, kafka: Kafka, topic: str) -> Pipeline:
    return Pipeline(folder, EXAMPLE / "kafka.sql", KAFKA=kafka.plain, TOPIC=topic)


def events(folder: Path, rows: int, seed: int = 1, **shares: float) -> Path:
    """Of our generator; what they mean is the oracle's to say."""
    path = folder / f"events-{seed}.ndjson"
    shares = {"bad": 0.03, "duplicates": 0.03, "late": 0, **shares}
    suite.command([BOURN, "generate", "--rows", rows, "--rate", 0, "--seed", seed, "--to", path,
                   *(word for name, share in shares.items() for word in (f"--{name}", share))])
    return path


# ---- right ----

def tables_equal_the_oracle(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("oracle", 4)
    first, second = events(folder, 40_000), events(folder, 20_000, seed=2)
    pipeline = kafka_pipeline(folder, kafka, "oracle")
    kafka.write("oracle", first)
    pipeline.catch_up()
    pipeline.must_equal(Expected().feed_file(str(first)))
    # A second run goes on where the first ended.
    kafka.write("oracle", second)
    pipeline.catch_up("--workers", "2")
    pipeline.must_equal(Expected().feed_file(str(first)).feed_file(str(second)))
    # ... and one with nothing to do changes nothing.
    pipeline.catch_up()
    pipeline.must_equal(Expected().feed_file(str(first)).feed_file(str(second)))
    suite.command([BOURN, "verify", EXAMPLE / "kafka.sql", EXAMPLE / "payments.sql", "--evidence",
                   EXAMPLE / "evidence.sql"], env=pipeline.env, cwd=folder)


def a_changed_pipeline_reads_its_topic_again(folder: Path, kafka: Kafka) -> None:
    def changed(least: int) -> str:
        path = folder / f"more-than-{least}.sql"
        text = (EXAMPLE / "payments.sql").read_text()
        path.write_text(text.replace("\nFROM payments\nGROUP BY", f"\nFROM payments WHERE amount > {least}\nGROUP BY"))
        return str(path)

    kafka.create_topic("changes", 4)
    kafka.write("changes", events(folder, 30_000))
    pipeline = kafka_pipeline(folder, kafka, "changes")
    pipeline.catch_up()
    net_flow, dead = pipeline.rows("net_flow"), pipeline.rows("dead_letters")
    kafka.write("changes", events(folder, 10_000, seed=2))
    pipeline.words[-1] = changed(100)
    assert "read their sources again" in pipeline.catch_up("--workers", "2").stderr
    assert len(pipeline.rows("dead_letters")) > len(dead) and pipeline.rows("net_flow") != net_flow
    fresh = kafka_pipeline(folder / "fresh", kafka, "changes")
    fresh.folder.mkdir()
    fresh.words[-1] = pipeline.words[-1]
    fresh.catch_up()
    for table in TABLES:
        assert pipeline.rows(table) == fresh.rows(table), table
    # What retention has removed cannot be read again, and the state is as it was.
    ends = kafka.admin().end_offsets("changes", 4)
    fullest = ends.index(max(ends))  # a producer may leave others almost empty
    assert kafka.admin().delete_records("changes", fullest, 70) == 70
    for setting in ("error", "earliest"):
        path = folder / f"{setting}.sql"
        path.write_text(Path(changed(200)).read_text().replace(") SERVER events;",
                        f") SERVER events OPTIONS (on_lost_offsets '{setting}');"))
        pipeline.words[-1] = str(path)
        said = pipeline.catch_up(check=6).stderr
        assert "gone" in said and "run the old pipeline" in said, said
    pipeline.words[-1] = changed(100)
    kafka.write("changes", events(folder, 1_000, seed=3))
    assert "again" not in pipeline.catch_up().stderr


def dead_letters_know_their_offsets(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("letters", 3)
    source = events(folder, 5_000, bad=0.4)
    kafka.write("letters", source)
    pipeline = kafka_pipeline(folder, kafka, "letters")
    pipeline.catch_up()
    table = DeltaTable(str(pipeline.lake / "rejected")).to_pyarrow_table(columns=["topic", "partition", "offset"])
    places = list(zip(*(table[name].to_pylist() for name in ("topic", "partition", "offset"))))
    assert len(places) == len(set(places)) == len(Expected().feed_file(str(source)).rejected)
    # The producer fills one partition's batch after the other: few events need not reach all three.
    assert {topic for topic, _, _ in places} == {"letters"} and {p for _, p, _ in places} <= {0, 1, 2}


def lag_tools_see_how_far_we_are(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("lag", 2)
    kafka.write("lag", events(folder, 2_000))
    pipeline = kafka_pipeline(folder, kafka, "lag")
    ends = kafka.admin().end_offsets("lag", 2)
    process = pipeline.start("--quiet")
    try:
        until(lambda: kafka.admin().committed("bourn-transactions", "lag", 2) == ends)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANGS)


# ---- caught up: what the watermark has passed is closed, and no more ----

CLOSING = """
CREATE SERVER events FOREIGN DATA WRAPPER kafka OPTIONS ("bootstrap.servers" '${KAFKA}', topic '${TOPIC}');
CREATE FOREIGN TABLE events (id bigint, ts timestamptz OPTIONS (watermark '5 s') NOT NULL)
    SERVER events OPTIONS (idle_timeout '500 ms');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE}');
CREATE FOREIGN TABLE windows (ends timestamptz, n bigint) SERVER lake OPTIONS (commit_interval '0 s');
INSERT INTO windows SELECT window_end, count(*) FROM tumble(events, ts, interval '6 s') GROUP BY window_end;
"""


def closed(pipeline: Pipeline) -> list[tuple[int, int]]:
    """Windows by the second they end at, and their rows."""
    if not (pipeline.lake / "windows/_delta_log/00000000000000000000.json").exists():
        return []
    table = DeltaTable(str(pipeline.lake / "windows")).to_pyarrow_table(columns=["ends", "n"])
    return sorted((int(ends.timestamp()) - 1767225600, n)
                  for ends, n in zip(table["ends"].to_pylist(), table["n"].to_pylist()))


def windows_close_behind_the_last_event(folder: Path, kafka: Kafka) -> None:
    def event(number: int, second: int) -> str:
        return f'{{"id":{number},"ts":"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"}}'

    def epochs() -> list[dict]:
        said = suite.command([BOURN, "query", pipeline.words[-1], "--json", "-e", "SELECT * FROM bourn.epochs"],
                             env=pipeline.env, cwd=folder).stdout
        return [json.loads(line) for line in said.splitlines()]

    kafka.create_topic("closing", 1)
    kafka.write("closing", [event(number, second) for number, second in enumerate([1, 2, 4, 9, 16, 17])])
    path = folder / "closing.sql"
    path.write_text(CLOSING)
    pipeline = Pipeline(folder, path, KAFKA=kafka.plain, TOPIC="closing")
    del pipeline.words[-1]
    pipeline.catch_up()
    assert closed(pipeline) == [(6, 3), (12, 1)], closed(pipeline)
    assert epochs()[-1]["polled"] == 0 and sum(epoch["polled"] for epoch in epochs()) == 6, epochs()
    ran = len(epochs())
    pipeline.catch_up()
    assert len(epochs()) == ran, "nothing came, so nothing was to be done"
    # A stream that falls silent closes what its last event has passed, too, and rests.
    live = pipeline.start("--quiet")
    try:
        kafka.write("closing", [event(6, 40)])
        until(lambda: closed(pipeline) == [(6, 3), (12, 1), (18, 2)])
    finally:
        live.kill()
        live.communicate()
    assert sum(epoch["polled"] for epoch in epochs()) == 7, epochs()


def kill_again_and_again(pipeline: Pipeline, kills: int) -> None:
    seen = 0
    for number in range(kills):
        process = pipeline.start("--quiet")
        time.sleep(suite.random.uniform(0.02, 0.6))
        process.kill()
        said, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"kill {number}: it ended by itself:\n{said}"
        if number % 10 == 0 and list(pipeline.lake.glob("metrics/net_flow/_delta_log/*.json")):
            (row,) = pipeline.rows("net_flow") or [None]
            count = row[4] + row[5] if row else 0
            assert count >= seen, f"kill {number}: {seen} payments were seen, now {count}"
            seen = count


def killed_at_random(folder: Path, kafka: Kafka) -> None:
    """Killed without warning again and again while events keep coming; between kills, nothing that was seen is lost;
    in the end, all is as the oracle says."""
    kafka.create_topic("kills", 4)
    kills = KILLS * (10 if LONG else 1)
    pieces = [events(folder, 2_000, seed=100 + number) for number in range(20)]
    connection = folder / "kafka.sql"  # published often, so that many kills fall into an apply
    connection.write_text((EXAMPLE / "kafka.sql").read_text() + "SET bourn.commit_interval = '50 ms';\n")
    pipeline = Pipeline(folder, connection, KAFKA=kafka.plain, TOPIC="kills")
    ended = threading.Event()

    def feed() -> None:
        for piece in pieces:
            kafka.write("kills", piece)
            ended.wait(2)

    with ThreadPoolExecutor(1) as pool:
        fed = pool.submit(feed)
        try:
            kill_again_and_again(pipeline, kills)
        finally:
            ended.set()
        fed.result()
    pipeline.catch_up()
    expected = Expected()
    for piece in pieces:
        expected.feed_file(str(piece))
    pipeline.must_equal(expected)


# ---- refused, and said so ----

def broken(done: subprocess.CompletedProcess, *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT), said
    for word in words:
        assert word in said, f'"{word}" is not in:\n{said}'


def retention_past_our_offset(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("retained", 1)
    first, second = events(folder, 1_000), events(folder, 1_000, seed=2)
    pipeline = kafka_pipeline(folder, kafka, "retained")
    kafka.write("retained", first)
    pipeline.catch_up()
    kafka.write("retained", second)
    admin = kafka.admin()
    end, = admin.end_offsets("retained")
    admin.delete_records("retained", 0, end - 100)
    broken(pipeline.catch_up(check=None), "retained/0", "is gone", f"the oldest kept is {end - 100}")
    # The setting: what was lost is lost, and the rest comes.
    connection = folder / "go-on.sql"
    connection.write_text((EXAMPLE / "kafka.sql").read_text().replace(
        "topic '", "on_lost_offsets 'earliest', topic '"))
    before = pipeline.rows("net_flow")
    Pipeline(folder, connection, KAFKA=kafka.plain, TOPIC="retained").catch_up("--adopt")
    assert pipeline.rows("net_flow") != before


def missing_topic(folder: Path, kafka: Kafka) -> None:
    broken(kafka_pipeline(folder, kafka, "no-such-topic").catch_up(check=None), "no-such-topic", "create the topic")


def unreachable_broker(folder: Path) -> None:
    """It waits for the broker and says so; Ctrl-C ends it at once, with 0."""
    port = free_port()
    pipeline = Pipeline(folder, EXAMPLE / "kafka.sql", KAFKA=f"127.0.0.1:{port}")
    process = pipeline.start()
    said = ""
    while not (f"127.0.0.1:{port}" in said and "refused" in said):
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    more, _ = process.communicate(timeout=HANGS)
    assert process.returncode == 0, said + more


# ---- Event Hubs ----

def event_hubs(folder: Path, kafka: Kafka, connection_string: str, **env: str) -> Pipeline:
    """The example's connection, with the tests' authority added."""
    connection = folder / "eventhubs.sql"
    connection.write_text((EXAMPLE / "eventhubs.sql").read_text().replace(
        "OPTIONS (event_hub", f"OPTIONS (\"ssl.ca.location\" '{kafka.authority.certificate}', event_hub"))
    return Pipeline(folder, connection, EVENT_HUB_CONNECTION_STRING=connection_string, **env)


def event_hubs_by_connection_string(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("hub", 2)
    source = events(folder, 3_000)
    kafka.write("hub", source)
    pipeline = event_hubs(folder, kafka, kafka.connection_string(), EVENT_HUB_NAME="hub")
    pipeline.catch_up()
    pipeline.must_equal(Expected().feed_file(str(source)))
    no_secret_in(folder)


def no_secret_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), f"the key stands in {path}"


def event_hubs_refuse(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("refused", 1)
    cases = {
        "wrong key": (kafka.connection_string(key="d3Jvbmcta2V5"), {"EVENT_HUB_NAME": "refused"},
                      ("Authentication failed", "connection string")),
        "expired certificate": (kafka.connection_string("EXPIRED"), {"EVENT_HUB_NAME": "refused"},
                                ("certificate has expired",)),
        "another host's certificate": (kafka.connection_string("STRANGER"), {"EVENT_HUB_NAME": "refused"},
                                       ("hostname mismatch",)),
        "no hub": (kafka.connection_string(), {}, ("EntityPath", "EVENT_HUB_NAME")),
        "no key": ("Endpoint=sb://localhost/;SharedAccessKeyName=all", {"EVENT_HUB_NAME": "x"}, ("SharedAccessKey",)),
        "no string": ("", {"EVENT_HUB_NAME": "x"}, ("EVENT_HUB_CONNECTION_STRING",)),
    }
    for number, (name, (string, env, words)) in enumerate(cases.items()):
        place = folder / str(number)
        place.mkdir()
        done = event_hubs(place, kafka, string, **env).catch_up(check=None)
        try:
            broken(done, *words)
        except AssertionError as wrong:
            raise AssertionError(f"{name}: {wrong}") from None
        refused_by_somebody = name in ("wrong key", "expired certificate", "another host's certificate")
        assert (done.returncode == 8) == refused_by_somebody, f"{name}: exit code {done.returncode}"
        assert KEY not in done.stdout + done.stderr and "d3Jvbmcta2V5" not in done.stdout + done.stderr, name
        no_secret_in(place)


suite.run(unreachable_broker)
with Kafka(suite.folder, secure=True) as broker:
    for test in (tables_equal_the_oracle, a_changed_pipeline_reads_its_topic_again,
                 dead_letters_know_their_offsets, lag_tools_see_how_far_we_are, windows_close_behind_the_last_event,
                 retention_past_our_offset, missing_topic, event_hubs_by_connection_string, event_hubs_refuse):
        suite.run(test, broker)
    suite.run(killed_at_random, broker, limit=1200 if not LONG else 12000)
suite.end()
