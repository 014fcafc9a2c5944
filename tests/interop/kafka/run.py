#!/usr/bin/env python3
"""link/kafka against a real Apache Kafka: what mocks cannot show."""
from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, Suite, until  # noqa: E402
from harness.children import catches, free_port, mortal  # noqa: E402
from servers.certificates import Authority  # noqa: E402
from servers.kafka import KEY, Kafka, kafka_tool  # noqa: E402

suite = Suite("interop/kafka")
TOOL = kafka_tool()


class Read:
    """What `kafka_tool read` printed."""

    def __init__(self, text: str):
        self.text = text
        self.messages: dict[int, list[tuple[int, int, str]]] = {}
        self.ends: dict[int, tuple[int, int, int]] = {}  # partition: position, low, high
        self.errors = re.findall(r"^error (\S+) (\S+) (.*) \| (.*)$", text, re.M)
        for line in text.splitlines():
            if match := re.match(r"(\d+) (\d+) (-?\d+) \S+ (.*)$", line):
                partition, offset, time_us, payload = int(match[1]), int(match[2]), int(match[3]), match[4]
                self.messages.setdefault(partition, []).append((offset, time_us, payload))
            elif match := re.match(r"end (\d+) (-?\d+) (-?\d+) (-?\d+)$", line):
                self.ends[int(match[1])] = (int(match[2]), int(match[3]), int(match[4]))
        closed = re.search(r"closed in (\d+) ms", text)
        self.closed_ms = int(closed[1]) if closed else None

    def payloads(self) -> list[str]:
        return [payload for messages in self.messages.values() for _, _, payload in messages]


SECONDS = 600  # within which the tool ends by itself
AT_ONCE = 5000  # milliseconds in which a client is closed: it waits for nobody


def read(topic: str, start: str, *options: str, verb: str = "read", check: int | None = 0) -> Read:
    done = suite.command([TOOL, verb, topic, start, SECONDS, *options], check=check)
    return Read(done.stdout)


def read_until_told(*options: str) -> Read:
    """From a broker that cannot be reached, up to the first error."""
    process = subprocess.Popen(mortal([TOOL, "read", "x", "earliest", str(SECONDS), *options]), text=True,
                               stdout=subprocess.PIPE)
    said = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    more, _ = process.communicate(timeout=HANGS)
    assert process.returncode == 0, said + more
    return Read(said + re.sub(r"^error .*\n", "", more, flags=re.M))  # it may have tried again


def only_error(result: Read) -> tuple[str, str, str, str]:
    assert len(result.errors) == 1, result.text
    return result.errors[0]


# ---- reading ----

def every_message_once_in_order(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("order", 3)
    sent = [f"message {i}" for i in range(5000)]
    kafka.write("order", sent)
    got = read("order", "earliest", f"bootstrap.servers={kafka.plain}")
    assert sorted(got.payloads()) == sorted(sent)
    for partition, messages in got.messages.items():
        assert [offset for offset, _, _ in messages] == list(range(len(messages))), partition
    assert [got.ends[p][0] for p in range(3)] == kafka.admin().end_offsets("order", 3)


def start_at_an_offset(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("offsets", 1)
    kafka.write("offsets", map(str, range(100)))
    got = read("offsets", "offset:40", f"bootstrap.servers={kafka.plain}")
    assert got.payloads() == [str(i) for i in range(40, 100)]
    assert got.ends[0] == (100, 0, 100)


def start_latest(folder: Path, kafka: Kafka) -> None:
    """Nothing of before; the position is known although nothing came."""
    kafka.create_topic("latest", 2)
    kafka.write("latest", map(str, range(10)))
    got = read("latest", "latest", f"bootstrap.servers={kafka.plain}")
    assert got.payloads() == []
    assert [got.ends[p][0] for p in range(2)] == kafka.admin().end_offsets("latest", 2)


def start_at_a_time(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("times", 1)
    times = [1_700_000_000_000_000 + second * 1_000_000 for second in range(60)]
    lines = "".join(f"{time_us} key{i} {i}\n" for i, time_us in enumerate(times))
    suite.command([TOOL, "write-timed", "times", SECONDS, f"bootstrap.servers={kafka.plain}"], input=lines)
    for at, first in ((times[30], 30), (times[30] + 1, 31), (times[0] - 10**9, 0)):
        got = read("times", f"time:{at}", f"bootstrap.servers={kafka.plain}")
        assert got.payloads() == [str(i) for i in range(first, 60)], (at, got.text)
        assert got.messages[0][0][1] == times[first]
    got = read("times", f"time:{times[-1] + 1}", f"bootstrap.servers={kafka.plain}")
    assert got.payloads() == [] and got.ends[0][0] == 60, got.text


def offset_that_retention_removed(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("retention", 1)
    kafka.write("retention", map(str, range(100)))
    assert kafka.admin().delete_records("retention", 0, 70) == 70
    code, heals, text, hint = only_error(read("retention", "offset:20", f"bootstrap.servers={kafka.plain}", check=1))
    assert (code, heals) == ("not-found", "final"), text
    for words in ("retention/0", "offset 20 is gone", "oldest kept is 70", "50 messages"):
        assert words in text, text
    assert "retention" in hint
    assert read("retention", "earliest", f"bootstrap.servers={kafka.plain}").payloads()[0] == "70"


def offset_past_the_end(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("past", 1)
    kafka.write("past", ["one"])
    code, _, text, _ = only_error(read("past", "offset:500", f"bootstrap.servers={kafka.plain}", verb="watch", check=1))
    assert code == "not-found" and "offset 500 is past the end, which is at 1" in text, text


def commits_for_lag_tools(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("lag", 2)
    kafka.write("lag", map(str, range(50)))
    ends = kafka.admin().end_offsets("lag", 2)
    got = None

    def is_committed() -> bool:
        nonlocal got
        got = read("lag", "earliest", f"bootstrap.servers={kafka.plain}", "group.id=lag-group")
        return kafka.admin().committed("lag-group", "lag", 2) == [end or -1 for end in ends]

    until(is_committed)  # the first time, the broker has yet to make its topic of offsets
    # ... and for nothing else: a start is where we say.
    assert len(read("lag", "earliest", f"bootstrap.servers={kafka.plain}", "group.id=lag-group").payloads()) == 50
    assert got.closed_ms is not None and got.closed_ms < AT_ONCE


def compressed_messages(folder: Path, kafka: Kafka) -> None:
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        kafka.create_topic(codec, 1)
        sent = [f"{codec} {i}" for i in range(500)]
        kafka.write(codec, sent, f"compression.type={codec}")
        assert read(codec, "earliest", f"bootstrap.servers={kafka.plain}").payloads() == sent, codec


def full_queue_does_not_starve_its_reader(folder: Path, kafka: Kafka) -> None:
    """The client sleeps for a second when its queues are full, at every fetch; whoever empties them must wake it."""
    kafka.create_topic("full", 1)
    kafka.write("full", (f"{i:0200}" for i in range(100_000)))
    options = ["queued.min.messages=1", "queued.max.messages.kbytes=1", "max.partition.fetch.bytes=1000000"]
    done = suite.command([TOOL, "drain", "full", f"bootstrap.servers={kafka.plain}", *options])
    messages, seconds = re.match(r"(\d+) messages \d+ bytes ([\d.]+) s", done.stdout).groups()
    assert int(messages) == 100_000 and float(seconds) < 15, done.stdout  # some twenty fetches


def missing_topic(folder: Path, kafka: Kafka) -> None:
    code, heals, text, hint = only_error(read("nowhere", "earliest", f"bootstrap.servers={kafka.plain}", check=1))
    assert code == "source" and heals == "final" and '"nowhere"' in text and "create the topic" in hint, text


# ---- trouble ----

def unreachable_broker(folder: Path) -> None:
    port = free_port()
    got = read_until_told(f"bootstrap.servers=127.0.0.1:{port}")
    code, heals, text, hint = only_error(got)
    assert code == "source" and heals == "retriable" and f"127.0.0.1:{port}" in text and "refused" in text, text
    assert "bootstrap.servers" in hint
    assert got.closed_ms is not None and got.closed_ms < AT_ONCE


def host_without_an_address(folder: Path) -> None:
    got = read_until_told("bootstrap.servers=no-such-host.invalid:9092")
    _, _, text, _ = only_error(got)
    assert "no-such-host.invalid" in text and "resolve" in text, text


def interrupt_ends_at_once(folder: Path, kafka: Kafka) -> None:
    """Whether the broker answers, refuses, or is a black hole (a port that accepts and never says a word)."""
    import socket
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for broker in (kafka.plain, f"127.0.0.1:{free_port()}", f"127.0.0.1:{silent.getsockname()[1]}"):
            words = [TOOL, "watch", "order", "earliest", str(SECONDS), f"bootstrap.servers={broker}"]
            process = subprocess.Popen(mortal(words), stdout=subprocess.DEVNULL)
            until(lambda: catches(process.pid, signal.SIGINT))
            time.sleep(1)  # it is trying, then
            process.send_signal(signal.SIGINT)
            assert process.wait(HANGS) == 0, broker


def broker_that_comes_back(folder: Path, kafka: Kafka) -> None:
    """Killed and started again under a reader: told, and nothing lost or twice."""
    kafka.create_topic("back", 1)
    kafka.write("back", map(str, range(100)))
    said = folder / "said"
    with said.open("w") as out:
        words = [TOOL, "watch", "back", "earliest", str(SECONDS), f"bootstrap.servers={kafka.plain}"]
        process = subprocess.Popen(mortal(words), stdout=out)
    until(lambda: len(Read(said.read_text()).payloads()) == 100)
    kafka.stop()
    until(lambda: Read(said.read_text()).errors)
    kafka.start()
    kafka.write("back", map(str, range(100, 200)))
    until(lambda: len(Read(said.read_text()).payloads()) >= 200)
    process.send_signal(signal.SIGINT)
    assert process.wait(HANGS) == 0
    got = Read(text := said.read_text())
    assert got.payloads() == [str(i) for i in range(200)], text
    assert got.errors and all(heals == "retriable" for _, heals, _, _ in got.errors), text


# ---- TLS and SASL, as Event Hubs has them ----

def secure_listener(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("secure", 1)
    suite.command([TOOL, "write", "secure", SECONDS, *kafka.secure_options()], input="a\nb\nc\n")
    assert read("secure", "earliest", *kafka.secure_options()).payloads() == ["a", "b", "c"]


def refused(kafka: Kafka, options: list[str], *words: str) -> None:
    code, heals, text, hint = only_error(read("secure", "earliest", *options, check=1))
    assert (code, heals) == ("auth", "final"), text
    for word in words:
        assert word in f"{text} | {hint}", (word, text, hint)
    for secret in (kafka.password, KEY, "wrong-key"):
        assert secret not in text + hint


def wrong_key(folder: Path, kafka: Kafka) -> None:
    refused(kafka, kafka.secure_options(password="Endpoint=sb://x/;SharedAccessKey=wrong-key"),
            kafka.secure, "Authentication failed", "sasl.password")


def expired_certificate(folder: Path, kafka: Kafka) -> None:
    refused(kafka, kafka.secure_options(listener=kafka.expired), kafka.expired, "certificate has expired", "clock")


def certificate_of_another_host(folder: Path, kafka: Kafka) -> None:
    refused(kafka, kafka.secure_options(listener=kafka.stranger), "hostname mismatch", "bootstrap.servers")


def certificate_of_an_unknown_authority(folder: Path, kafka: Kafka) -> None:
    other = Authority(folder, "other")
    options = [option for option in kafka.secure_options() if not option.startswith("ssl.ca")]
    refused(kafka, [*options, f"ssl.ca.location={other.certificate}"], "certificate", "ssl.ca.location")


def idle_connections_are_made_again(folder: Path, kafka: Kafka) -> None:
    """The broker cuts them after 3 s, as Event Hubs does after 240; a writer that pauses for 5 s notices nothing."""
    kafka.create_topic("idle", 1)
    process = subprocess.Popen(mortal([TOOL, "write", "idle", str(SECONDS), *kafka.secure_options(), "linger.ms=0"]),
                               text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in ("before\n", "after\n"):
        process.stdin.write(line)
        process.stdin.flush()
        time.sleep(5)
    text, _ = process.communicate(timeout=HANGS)
    assert "error" not in text and "2 sent, 0 left" in text, text
    assert read("idle", "earliest", *kafka.secure_options()).payloads() == ["before", "after"]


# ---- writing ----

def message_too_large(folder: Path, kafka: Kafka) -> None:
    kafka.create_topic("small", 1, max_message_bytes="2000")
    done = suite.command([TOOL, "write", "small", SECONDS, f"bootstrap.servers={kafka.plain}"], check=1,
                         input="x" * 5000 + "\n")
    assert re.search(r"error sink final .*too large", done.stdout), done.stdout


def write_to_an_unreachable_broker(folder: Path) -> None:
    done = suite.command([TOOL, "write", "x", SECONDS, f"bootstrap.servers=127.0.0.1:{free_port()}"], check=1,
                         input="a\n")
    assert re.search(r"error sink retriable .*refused", done.stdout), done.stdout
    assert int(re.search(r"closed in (\d+) ms", done.stdout)[1]) < AT_ONCE


suite.run(unreachable_broker)
suite.run(host_without_an_address)
suite.run(write_to_an_unreachable_broker)
with Kafka(suite.folder, secure=True, idle_ms=3000) as broker:
    for test in (every_message_once_in_order, start_at_an_offset, start_latest, start_at_a_time,
                 offset_that_retention_removed, offset_past_the_end, commits_for_lag_tools, compressed_messages,
                 full_queue_does_not_starve_its_reader, missing_topic, secure_listener, wrong_key,
                 expired_certificate, certificate_of_another_host,
                 certificate_of_an_unknown_authority, idle_connections_are_made_again, message_too_large,
                 interrupt_ends_at_once, broker_that_comes_back):
        suite.run(test, broker)
suite.end()
