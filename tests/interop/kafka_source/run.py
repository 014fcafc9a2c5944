#!/usr/bin/env python3
"""The kafka source in a pipeline, against a real Apache Kafka: every offset in the output once, however often bourn is
stopped or killed on the way."""
from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, Suite, program, until  # noqa: E402
from harness.children import mortal  # noqa: E402
from harness.log import slots, widest_drift  # noqa: E402
from servers.kafka import KEY, Kafka, kafka_tool  # noqa: E402

suite = Suite("interop/kafka_source")
BOURN = program()

PIPELINE = """
CREATE SERVER events FOREIGN DATA WRAPPER kafka OPTIONS ({server});
{mapping}
CREATE FOREIGN TABLE messages (
    n bigint,
    p integer OPTIONS (metadata 'partition'),
    o bigint OPTIONS (metadata 'offset'),
    at timestamptz OPTIONS (metadata 'timestamp'),
    h jsonb OPTIONS (metadata 'headers'),
    k bytea OPTIONS (metadata 'key')
) SERVER events OPTIONS (topic '{topic}'{table});
CREATE FOREIGN TABLE rows (n bigint, p integer, o bigint, at timestamptz, k bytea, h jsonb)
    SERVER file OPTIONS (path '{folder}/rows.ndjson', commit_interval '200 ms');
INSERT INTO rows SELECT n, p, o, at, k, h FROM messages;
CREATE FOREIGN TABLE refused (rules text, p integer, o bigint)
    SERVER file OPTIONS (path '{folder}/refused.ndjson', commit_interval '200 ms');
INSERT INTO refused SELECT rules, partition, "offset" FROM bourn.rejected;
"""


class Pipeline:
    def __init__(self, folder: Path, kafka: Kafka, topic: str, *, server: str | None = None, mapping: str = "",
                 **table: str):
        self.folder = folder
        self.file = folder / "pipeline.sql"
        options = "".join(f", {name} '{value}'" for name, value in table.items())
        self.file.write_text(PIPELINE.format(server=server or f"\"bootstrap.servers\" '{kafka.plain}'", mapping=mapping,
                                             topic=topic, table=options, folder=folder))
        self.environment = {**os.environ, "BOURN_STATE": str(folder / "state")}

    def words(self, *more: str) -> list[str]:
        return [str(BOURN), "run", "--quiet", *more, str(self.file)]

    def catch_up(self, check: int = 0) -> subprocess.CompletedProcess:
        return suite.command(self.words("--until-caught-up"), env=self.environment, check=check)

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(mortal(self.words()), env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def rows(self, name: str = "rows") -> list[dict]:
        """Those whose line is whole: it may be looked at while more is being written."""
        path = self.folder / f"{name}.ndjson"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def offsets(self) -> list[tuple[int, int]]:
        return [(row["p"], row["o"]) for name in ("rows", "refused") for row in self.rows(name)]

    def check_each_once(self, kafka: Kafka, topic: str, partitions: int) -> None:
        ends = kafka.admin().end_offsets(topic, partitions)
        found = self.offsets()
        assert len(found) == len(set(found)), "an offset is there twice"
        assert set(found) == {(p, o) for p in range(partitions) for o in range(ends[p])}


def numbers(first: int, count: int) -> list[str]:
    return [f'{{"n":{n}}}' if n % 50 else f'{{"n":"{n}"}}' for n in range(first, first + count)]


def every_offset_once_across_runs(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("runs", 3)
    pipeline = Pipeline(folder, kafka, "runs")
    for part in range(4):
        kafka.write("runs", numbers(part * 3000, 3000))
        pipeline.catch_up()
        pipeline.check_each_once(kafka, "runs", 3)
    assert {row["n"] for row in pipeline.rows()} == {n for n in range(12000) if n % 50}
    assert {row["rules"] for row in pipeline.rows("refused")} == {"type:n"}
    assert {(row["k"], row["h"]) for row in pipeline.rows()} == {(None, None)}, "neither key nor headers were written"
    pipeline.catch_up()  # nothing new: nothing changes
    pipeline.check_each_once(kafka, "runs", 3)


def every_offset_once_across_kills(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("kills", 3)
    pipeline = Pipeline(folder, kafka, "kills")
    for part in range(8):
        process = pipeline.start()
        kafka.write("kills", numbers(part * 4000, 4000))
        time.sleep(suite.random.random() * 0.6)
        process.kill()
        process.wait()
    pipeline.catch_up()
    pipeline.check_each_once(kafka, "kills", 3)
    assert sorted(row["n"] for row in pipeline.rows()) == [n for n in range(32000) if n % 50]


def interrupted_while_reading(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("interrupted", 1)
    kafka.write("interrupted", numbers(0, 1000))
    pipeline = Pipeline(folder, kafka, "interrupted")
    process = pipeline.start()
    until(lambda: len(pipeline.offsets()) == 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=HANGS) == 0, process.stderr.read()
    pipeline.check_each_once(kafka, "interrupted", 1)


def empty_topic_is_caught_up(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("empty", 4)
    pipeline = Pipeline(folder, kafka, "empty")
    pipeline.catch_up()
    kafka.write("empty", ['{"n":1}'])  # one partition of four
    pipeline.catch_up()
    assert [row["n"] for row in pipeline.rows()] == [1]


def start_latest(folder: Path, kafka: Kafka) -> None:
    """Leaves out what was there at the beginning, and nothing of what came after."""
    kafka.create_topic("latest", 1)
    kafka.write("latest", numbers(1, 10))
    pipeline = Pipeline(folder, kafka, "latest", start="latest")
    pipeline.catch_up()
    assert pipeline.rows() == []
    kafka.write("latest", ['{"n":100}'])
    pipeline.catch_up()
    assert [row["n"] for row in pipeline.rows()] == [100]


def start_at_a_time(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("times", 1)
    lines = "".join(f'{1_700_000_000_000_000 + n * 1_000_000} key{n} {{"n":{n}}}\n' for n in range(60))
    lines += '1700000000000000000 key60 {"n":60}\n'  # a producer that counts microseconds: the year 55840
    suite.command([kafka_tool(), "write-timed", "times", 600, f"bootstrap.servers={kafka.plain}"], input=lines)
    pipeline = Pipeline(folder, kafka, "times", start="timestamp", start_timestamp="2023-11-14T22:13:50Z")
    pipeline.catch_up()
    assert [row["n"] for row in pipeline.rows()] == list(range(30, 61))
    first, last = pipeline.rows()[0], pipeline.rows()[-1]
    assert last["at"] is None, "that is no time"
    assert (first["at"], first["k"], first["o"]) == ("2023-11-14T22:13:50.000000Z", "\\x" + b"key30".hex(), 30)


def lost_offsets(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("lost", 1)
    kafka.write("lost", numbers(1, 40))
    stops, goes_on, in_time = (Pipeline(folder / name, kafka, "lost", **options)
                               for name, options in (("stop", {}), ("go", {"on_lost_offsets": "earliest"}), ("in", {}))
                               if not (folder / name).mkdir())
    for pipeline in (stops, goes_on, in_time):
        pipeline.catch_up()
    kafka.write("lost", numbers(41, 60))
    # What was read last is gone, too, but nothing else.
    assert kafka.admin().delete_records("lost", 0, 40) == 40
    assert in_time.catch_up().stderr == ""
    assert [offset for _, offset in sorted(in_time.offsets())] == [*range(100)]
    assert kafka.admin().delete_records("lost", 0, 70) == 70
    refused = stops.catch_up(check=4)
    for words in ("offset 40 is gone", "on_lost_offsets 'earliest'"):
        assert words in refused.stderr, refused.stderr
    assert len(stops.offsets()) == 40
    told = goes_on.catch_up()
    assert "offset 40 is gone" in told.stderr, told.stderr
    assert [offset for _, offset in sorted(goes_on.offsets())] == [*range(40), *range(70, 100)]


def write_timed(kafka: Kafka, topic: str, first: int, count: int, *, text: str = "", later: int = 0) -> None:
    """With a key, and a time that follows from the number, which is that of the offset too."""
    lines = "".join(f'{1_700_000_000_000_000 + (n + later) * 1_000_000} key{n} {{"n":{n}{text}}}\n'
                    for n in range(first, first + count))
    suite.command([kafka_tool(), "write-timed", topic, 600, f"bootstrap.servers={kafka.plain}"], input=lines)


def make_topic(kafka: Kafka, topic: str) -> None:
    def made() -> bool:
        try:
            kafka.create_topic(topic, 1)
        except RuntimeError:  # the old one is still going
            return False
        return True

    until(made)


def a_topic_made_anew(folder: Path, kafka: Kafka) -> None:
    """Its offsets are those of other messages: that is no end that was reached, and nothing to go on from. Once it is
    longer, its message at the offset that was read last tells: by its time, or by what it says."""
    make_topic(kafka, "anew")
    write_timed(kafka, "anew", 0, 40)
    stops, goes_on = pipelines = [Pipeline(folder / name, kafka, "anew", **options)
                                  for name, options in (("stop", {}), ("go", {"on_lost_offsets": "earliest"}))
                                  if not (folder / name).mkdir()]
    for pipeline in pipelines:
        pipeline.catch_up()

    def refuses(words: list[str]) -> None:
        refused = stops.catch_up(check=4).stderr
        stream = stops.start()
        assert stream.wait(timeout=HANGS) == 4
        for said in (refused, stream.stderr.read()):
            for word in words:
                assert word in said, said
        assert len(stops.offsets()) == 40

    for text, later, time_there in (("", 3, "22:14:02"), ("0", 0, "22:13:59")):
        kafka.admin().delete_topic("anew")
        make_topic(kafka, "anew")
        write_timed(kafka, "anew", 0, 10, text=text, later=later)
        refuses(["offset 40 is past the end, which is at 10", "made anew", "a new state"])
        assert "past the end" in goes_on.catch_up(check=4).stderr
        write_timed(kafka, "anew", 10, 50, text=text, later=later)
        refuses([f"anew/0: offset 39 has another message than the one that was read there: of time "
                 f"2023-11-14T{time_there}", "made anew", "a new state", "on_lost_offsets 'earliest'"])
    said = goes_on.catch_up().stderr
    assert "offset 39 has another message" in said and "going on at offset 40" in said, said
    assert [offset for _, offset in sorted(goes_on.offsets())] == [*range(60)]
    assert goes_on.catch_up().stderr == ""  # what was read last is of this topic now


COUNTS = """
CREATE SERVER events FOREIGN DATA WRAPPER kafka OPTIONS ("bootstrap.servers" '{kafka}', topic '{topic}');
CREATE FOREIGN TABLE messages (n bigint) SERVER events;
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '{folder}');
CREATE FOREIGN TABLE counts (k bigint PRIMARY KEY, rows bigint) SERVER lake OPTIONS (path 'counts');
INSERT INTO counts SELECT n % 5, count(*) FROM messages WHERE n > {least} GROUP BY 1;
"""


def a_topic_made_anew_is_no_past(folder: Path, kafka: Kafka) -> None:
    """A changed step is built from what was read, and from nothing else that is there now."""
    def catch_up(least: int, check: int = 0) -> str:
        pipeline.file.write_text(COUNTS.format(kafka=kafka.plain, topic="past", folder=folder, least=least))
        return pipeline.catch_up(check).stderr

    make_topic(kafka, "past")
    write_timed(kafka, "past", 0, 40)
    pipeline = Pipeline(folder, kafka, "past")
    catch_up(3)
    catch_up(5)
    kafka.admin().delete_topic("past")
    make_topic(kafka, "past")
    write_timed(kafka, "past", 0, 60, later=7)
    refused = catch_up(6, check=6)
    for words in ("past/0: what is at 39 is not what was read there", "run the old pipeline"):
        assert words in refused, refused
    assert "offset 39 has another message" in catch_up(5, check=4)


def generated_events_arrive(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("transactions", 2)
    suite.command([BOURN, "generate", "--rate", 0, "--rows", 20000, "--to", f"kafka:{kafka.plain}/transactions"])
    assert sum(kafka.admin().end_offsets("transactions", 2)) == 20000
    pipeline = Pipeline(folder, kafka, "transactions")
    pipeline.catch_up()
    pipeline.check_each_once(kafka, "transactions", 2)


READER = """
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

class Reader {
    public static void main(String[] args) {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition(args[1], 0), new TopicPartition(args[1], 1)));
            for (int left = Integer.parseInt(args[2]); left > 0;)
                for (var r : consumer.poll(Duration.ofSeconds(20))) {
                    System.out.println(r.timestamp() + "\\t" + r.key() + "\\t" + r.value());
                    left--;
                }
        }
    }
}
"""


def generated_events_have_key_and_time(folder: Path, kafka: Kafka) -> None:
    """As Kafka's own consumer reads them: the key is the user's or the customer's id; the time is the event's, unless
    that is not of today."""
    (folder / "Reader.java").write_text(READER)
    for base, generator, key, when in (("now", "payments", "user_id", "event_time"),
                                       ("2020-01-01T00:00:00Z", "transactions", "customer_id", "timestamp")):
        topic = f"keyed-{generator}"
        kafka.create_topic(topic, 2)
        suite.command([BOURN, "generate", "--generator", generator, "--rate", 0, "--rows", 200, "--bad", 0, "--late", 0,
                       "--duplicates", 0, "--base", base, "--to", f"kafka:{kafka.plain}/{topic}"])
        lines = suite.command([*kafka._java(), folder / "Reader.java", kafka.plain, topic, 200]).stdout.splitlines()
        assert len(lines) == 200
        for line in lines:
            stamp, found, text = line.split("\t", 2)
            event = json.loads(text)
            assert found == event[key], line
            there = datetime.datetime.fromisoformat(event[when].replace("Z", "+00:00")).timestamp()
            apart = abs(int(stamp) / 1000 - there)
            assert apart < 0.001 if base == "now" else apart > 1e6, line


def key_and_headers(folder: Path, kafka: Kafka) -> None:
    """Written by Kafka's own producer. Of headers with one name the last stays."""
    kafka.create_topic("headers", 1)
    words = [*kafka._java(), "kafka.tools.ConsoleProducer", "--bootstrap-server", kafka.plain, "--topic", "headers"]
    for name in ("parse.headers=true", "parse.key=true"):
        words += ["--property", name]
    suite.command(words, input='b:one,a:two,b:é "3"\tthe key\t{"n":1}\n')
    pipeline = Pipeline(folder, kafka, "headers")
    pipeline.catch_up()
    row = pipeline.rows()[0]
    assert (row["n"], row["k"]) == (1, "\\x" + b"the key".hex()), row
    assert row["h"] == {"a": "two", "b": 'é "3"'}, row


WRITER = """
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class Writer {
    public static void main(String[] args) {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "transactional.id", "tests");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            int first = Integer.parseInt(args[2]), end = Integer.parseInt(args[3]);
            for (int n = first; n < end; n++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(args[1], "{\\"n\\":" + n + "}"));
                if (n % 3 == 0)
                    producer.flush();
                if (n % 3 == 0)
                    producer.abortTransaction();
                else
                    producer.commitTransaction();
            }
        }
    }
}
"""


def transactions(folder: Path, kafka: Kafka) -> None:
    """What was aborted is not read; and the end, where a marker is, is reached although no row stands there. A run goes
    on behind it, also where what was read last is not to be read any more, or what is behind that is."""
    def write(first: int, end: int) -> None:
        suite.command([*kafka._java(), folder / "Writer.java", kafka.plain, "transactional", first, end])
        assert kafka.admin().end_offsets("transactional") == [2 * end]

    def is_logged(pipeline: Pipeline, position: int) -> bool:
        with contextlib.suppress(FileNotFoundError):  # a slot that is not needed any more
            return any(f'"position":{position},' in slot.read_text() for slot in slots(pipeline.folder / "state/log"))
        return False

    kafka.create_topic("transactional", 1)
    (folder / "Writer.java").write_text(WRITER)
    levels = "read_committed", "read_uncommitted"
    pipelines = {level: Pipeline(folder / level, kafka, "transactional", idle_timeout="10 ms",
                                 **{'"isolation.level"': level})
                 for level in levels if not (folder / level).mkdir()}
    write(0, 31)
    seen = {levels[0]: [n for n in range(31) if n % 3], levels[1]: [*range(31)]}
    for _ in range(2):
        for level, pipeline in pipelines.items():
            pipeline.catch_up()
            assert [row["n"] for row in pipeline.rows()] == seen[level]
    for pipeline in pipelines.values():  # idle is who is at the end, and that is logged
        process = pipeline.start()
        until(lambda: is_logged(pipeline, 62))
        process.kill()
        process.wait()
    write(31, 36)
    for level, other in (levels, levels[::-1]):
        pipeline = pipelines[level]
        pipeline.file.write_text(pipeline.file.read_text().replace(f"'{level}'", f"'{other}'"))
        assert pipeline.catch_up().stderr == ""
        new = [n for n in range(31, 36) if n % 3 or other == "read_uncommitted"]
        found = [row["n"] for row in pipeline.rows()]
        assert found == seen[level] + new, (level, found)


OPEN_WRITER = """
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class OpenWriter {
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "transactional.id", "left-open",
                                              "transaction.timeout.ms", "600000");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            for (int part = 0; part < 2; part++) {
                producer.beginTransaction();
                for (int n = 0; n < 10; n++)
                    producer.send(new ProducerRecord<>(args[1], "{\\"n\\":" + (part * 10 + n) + "}"));
                producer.flush();
                if (part == 1) {
                    System.out.println("open");
                    System.in.read();
                }
                producer.commitTransaction();
            }
        }
    }
}
"""


def an_open_transaction_is_not_waited_for(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("open-transaction", 1)
    (folder / "OpenWriter.java").write_text(OPEN_WRITER)
    writer = subprocess.Popen(mortal((*kafka._java(), folder / "OpenWriter.java", kafka.plain, "open-transaction")),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "open\n"
    pipeline = Pipeline(folder, kafka, "open-transaction")
    for _ in range(2):
        pipeline.catch_up()
        assert [row["n"] for row in pipeline.rows()] == list(range(10))
    writer.communicate("\n", timeout=100)
    assert writer.returncode == 0
    pipeline.catch_up()
    assert [row["n"] for row in pipeline.rows()] == list(range(20))


class Busy:
    """A producer that does not pause until it is left."""

    def __init__(self, kafka: Kafka, topic: str):
        self.process = subprocess.Popen(mortal([str(kafka_tool()), "write", topic, "120",
                                                f"bootstrap.servers={kafka.plain}",
                                                "sticky.partitioning.linger.ms=0"]), stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.DEVNULL)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self.done.wait(0.002):
            self.process.stdin.write('{"n":1}\n' * 10)
            self.process.stdin.flush()

    def __enter__(self) -> "Busy":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.done.set()
        self.thread.join()
        self.process.stdin.close()
        assert self.process.wait(100) == 0


def a_producer_that_goes_on_is_not_followed(folder: Path, kafka: Kafka) -> None:
    """The ends are those of the beginning: what is written while the run is halted in its middle is not of it."""
    epoch = 500
    kafka.create_topic("busy", 3)
    kafka.write("busy", numbers(1, 50_000))
    pipeline = Pipeline(folder, kafka, "busy")
    pipeline.file.write_text(f"SET bourn.epoch_rows = {epoch};\n" + pipeline.file.read_text())

    def knows_all_ends() -> bool:
        """Rows of every partition were read, and an epoch was begun after that."""
        found = (folder / "rows.ndjson").read_bytes().splitlines() if (folder / "rows.ndjson").exists() else []
        return {json.loads(row)["p"] for row in found[:-2 * epoch]} == {0, 1, 2}

    with Busy(kafka, "busy"):
        for part in range(3):
            before = kafka.admin().end_offsets("busy", 3)
            process = subprocess.Popen(mortal(pipeline.words("--until-caught-up")), env=pipeline.environment,
                                       text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if part == 0:
                until(lambda: process.poll() is not None or knows_all_ends())
                process.send_signal(signal.SIGSTOP)
                kafka.write("busy", ['{"n":1000000}'] * 300)
                process.send_signal(signal.SIGCONT)
            said = process.communicate(timeout=100)[1]
            assert process.returncode == 0, said
            assert {(p, o) for p in range(3) for o in range(before[p])} <= set(pipeline.offsets())
            assert (1_000_000 in {row["n"] for row in pipeline.rows()}) == (part > 0)
    process = pipeline.start()  # and killed in the middle of the next
    time.sleep(suite.random.random() * 0.3)
    process.kill()
    process.wait()
    pipeline.catch_up()
    pipeline.check_each_once(kafka, "busy", 3)


def missing_topic_is_told(folder: Path, kafka: Kafka) -> None:
    process = Pipeline(folder, kafka, "no-such-topic").start()
    line = process.stderr.readline()
    process.kill()
    assert "no-such-topic" in line, line


def event_hubs_by_connection_string(folder: Path, kafka: Kafka) -> None:
    """One string says user, password and hub; the test's broker stands in for NAMESPACE.servicebus.windows.net."""
    kafka.create_topic("hub", 1)
    kafka.write("hub", ['{"n":7}'])
    mapping = "CREATE USER MAPPING FOR CURRENT_USER SERVER events OPTIONS (connection_string 'env:HUB_CONNECTION');"
    authority = kafka.authority.certificate
    server = f"\"bootstrap.servers\" '{kafka.secure}', \"ssl.ca.location\" '{authority}', event_hub 'hub'"
    pipeline = Pipeline(folder, kafka, "hub", server=server, mapping=mapping)
    pipeline.environment["HUB_CONNECTION"] = kafka.connection_string()
    pipeline.catch_up()
    assert [row["n"] for row in pipeline.rows()] == [7]
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"the secret is in {path}"


def partitions_too_far_ahead_wait(folder: Path, kafka: Kafka) -> None:
    """Two partitions tell ten hours at different rates, the third is empty: with max_drift nobody is read far ahead of
    the other, every offset comes all the same, and a partition that was paused goes on. Keys choose the partition."""
    kafka.create_topic("drift", 3)
    begin, hour = 1_767_225_600_000_000, 3_600_000_000
    keys = {zlib.crc32(key.encode()) % 3: key for key in map(str, range(100))}
    lines = [f"{begin + row * 10 * hour // rows} {keys[partition]} {{\"n\":{row}}}\n"
             for partition, rows in ((0, 30_000), (1, 150_000)) for row in range(rows)]
    suite.command([kafka_tool(), "write-timed", "drift", 600, f"bootstrap.servers={kafka.plain}"], input="".join(lines))

    def furthest(limit: str) -> float:
        place = folder / f"{limit.split()[0]}-{len(list(folder.iterdir()))}"
        place.mkdir()
        pipeline = Pipeline(place, kafka, "drift", max_drift=limit)
        text = pipeline.file.read_text().replace(
            "at timestamptz OPTIONS (metadata 'timestamp')",
            "at timestamptz OPTIONS (metadata 'timestamp', watermark '1 hour')", 1)
        pipeline.file.write_text("SET bourn.epoch_rows = '8192';" + text)
        pipeline.catch_up()
        pipeline.check_each_once(kafka, "drift", 3)
        return widest_drift(place / "state/log") / hour

    # Without a limit it is the broker's choice which one comes first.
    assert any(furthest("0 s") > 2 for _ in range(10))
    assert (found := furthest("30 minutes")) < 0.5 + 2 * 2048 / 3000, found


with Kafka(suite.folder, secure=True) as broker:
    for test in (every_offset_once_across_runs, every_offset_once_across_kills, interrupted_while_reading,
                 empty_topic_is_caught_up, start_latest, start_at_a_time, lost_offsets, a_topic_made_anew,
                 a_topic_made_anew_is_no_past, generated_events_arrive, generated_events_have_key_and_time,
                 key_and_headers, partitions_too_far_ahead_wait, transactions, an_open_transaction_is_not_waited_for,
                 a_producer_that_goes_on_is_not_followed, missing_topic_is_told, event_hubs_by_connection_string):
        suite.run(test, broker)
suite.end()
