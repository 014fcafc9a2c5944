"""Kafka: payments from a real Apache Kafka on this machine into four Delta tables, both cores, broker included.

The topic is filled beforehand with `bourn generate --to kafka`. Wall-clock speed is of everything together, because the
broker works on the same two cores; processor seconds are bourn's alone.
"""
from __future__ import annotations

import os
import statistics
import subprocess
from pathlib import Path

from . import inputs, tables
from .measure import BOURN, PAYMENTS, Took, processor_of, run
from .results import Results
from .throughput import ROUNDS, fresh, settings

from servers.kafka import Kafka  # noqa: E402

PIPELINE = [PAYMENTS / "kafka.sql", PAYMENTS / "payments.sql"]
PARTITIONS = 4


def rows() -> int:
    return int(float(os.environ.get("KAFKA_EVENTS_M", "5")) * 1e6)


def prepare() -> None:
    os.environ.setdefault("BOURN_KAFKA_TOOL", str(BOURN.parent / "tests/interop/kafka_tool"))
    subprocess.run(["ninja", "-C", str(BOURN.parent), "tests/interop/kafka_tool"], check=True, capture_output=True)
    inputs.expected(inputs.events(rows()))


def fill(kafka: Kafka, folder: Path, topic: str) -> Took:
    kafka.create_topic(topic, PARTITIONS)
    return run([BOURN, "generate", "--rows", rows(), "--rate", 0, *inputs.SHARES, "--to",
                f"kafka:{kafka.plain}/{topic}"], folder, beside=[kafka.server.process.pid])


def once(kafka: Kafka, folder: Path, topic: str, workers: int, cores: str) -> tuple[Took, float]:
    fresh(folder)
    epochs = settings(folder, "SET bourn.epoch_interval = '1 s';")
    broker = kafka.server.process.pid
    before = processor_of(broker)
    took = run([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, epochs, *PIPELINE], folder, cores,
               beside=[broker], KAFKA=kafka.plain, TOPIC=topic)
    return took, processor_of(broker) - before


def must_be_right(folder: Path, kafka: Kafka, topic: str) -> str:
    """Which of two events with one id counts is a matter of partitions, and all of them are alike: so the tables are
    those of the file. (Dead letters are the same bytes; their order is not compared.)"""
    found = tables.published(folder / "lake", True)
    wrong = tables.differences(found, inputs.expected(inputs.events(rows())))
    if wrong:
        raise SystemExit("the tables are not what the oracle computes:\n" + "\n".join(wrong))
    run([BOURN, "verify", *PIPELINE, "--evidence", PAYMENTS / "evidence.sql"], folder, KAFKA=kafka.plain, TOPIC=topic)
    return "equal the oracle's; evidence holds"


def figures(folder: Path, results: Results) -> None:
    prepare()
    with Kafka(folder, memory="1g") as kafka:
        filled = fill(kafka, folder, "bench")
        results.add("kafka", "bourn generate to Kafka", events_per_s=rows() / filled.seconds,
                    per_processor_second=rows() / filled.processor, events=rows(), others=filled.others,
                    command="bench/run kafka")
        ways = {"two workers": (2, "0,1"), "one worker": (1, "0,1")}
        took: dict[str, list[tuple[Took, float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (workers, cores) in ways.items():
                took[name].append(once(kafka, folder, "bench", workers, cores))
                right = must_be_right(folder, kafka, "bench")
    for name, each in took.items():
        n = rows()
        results.add("kafka", f"bourn from Kafka, {name}, both cores",
                    events_per_s=n / statistics.median(t.seconds for t, _ in each),
                    us_per_event=statistics.median(t.processor for t, _ in each) / n * 1e6,
                    broker_us_per_event=statistics.median(broker for _, broker in each) / n * 1e6,
                    tables=right, events=n, partitions=PARTITIONS, rounds=ROUNDS,
                    memory_mb=max(t.memory for t, _ in each) / 1e6, spread=[round(n / t.seconds) for t, _ in each],
                    others=max(t.others for t, _ in each), command="bench/run kafka")
