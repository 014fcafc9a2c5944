"""Latency: 100,000 payments a second through Kafka and bourn to a pipe, from the producer's clock to ours.

Everything is on the same two cores: the producer, the broker, bourn and the timer. What comes out is durable before it
is seen. The producer's clock counts milliseconds.
"""
from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

from .inputs import SHARES
from .kafka import PARTITIONS
from .measure import BOURN, TOP, Machine, environment
from .results import Results
from .small import percentiles
from .throughput import fresh

from harness.children import mortal  # noqa: E402
from servers.kafka import Kafka  # noqa: E402

RATE = int(os.environ.get("LATENCY_RATE", "100000"))
SECONDS, WARM_SECONDS = 15, 3  # the first ones are not counted


def prepare() -> None:
    """The events are made while they are sent."""


def read_times(pipe, begin: float) -> list[float]:
    """Of the rows that come before the pipe ends, how long ago they were sent, in seconds."""
    times = []
    for line in pipe:
        now = time.time()
        if now - begin > WARM_SECONDS and (found := re.search(rb'"sent":"([^"]+)"', line)):
            times.append(now - datetime.fromisoformat(found[1].decode()).timestamp())
    return times


def figures(folder: Path, results: Results) -> None:
    fresh(folder)
    with Kafka(folder, memory="1g") as kafka:
        kafka.create_topic("latency", PARTITIONS)
        machine = Machine(beside=[kafka.server.process.pid])
        reader = subprocess.Popen(mortal([BOURN, "run", "--quiet", TOP / "bench/latency.sql"]), cwd=folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  env=environment(folder, KAFKA=kafka.plain, TOPIC="latency"))
        time.sleep(3)  # "latest" is where it begins
        begin = time.time()
        writer = subprocess.Popen(mortal([BOURN, "generate", "--rows", RATE * SECONDS, "--rate", RATE, *SHARES,
                                          "--to", f"kafka:{kafka.plain}/latency"]), stdout=subprocess.DEVNULL)
        stop_after(writer, reader)
        times = read_times(reader.stdout, begin)
        took = time.time() - begin
        if reader.wait() or writer.returncode or not times:
            raise SystemExit(f"bourn run ended with {reader.returncode}, generate with {writer.returncode}")
        others = machine.others()
    results.add("latency", f"Kafka to a pipe at {RATE:,} events a second", **percentiles(times), samples=len(times),
                seconds=took, others=others, command="bench/run latency")


def stop_after(writer: subprocess.Popen, reader: subprocess.Popen) -> None:
    """Asks the reader to end a second after the writer has, which is killed if it takes far too long."""
    def wait() -> None:
        try:
            writer.wait(SECONDS * 4)
        except subprocess.TimeoutExpired:
            writer.kill()
            writer.wait()
        time.sleep(1)
        reader.send_signal(signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()
