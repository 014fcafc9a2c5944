"""Spark: PySpark with Delta Lake doing the payments job, on one core and on two, beside bourn on the same events.

What is measured of Spark are its batches after the first: without the start of the JVM and without the batch in which
it compiles what is hot. Of bourn it is the whole process. Three kinds of bad event are left out of the file for both,
because from_json reads them more leniently than the contract says: a number as text, a third decimal, a time without a
zone. No ratio is given where the tables differ.
"""
from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from . import inputs, tables
from .measure import TOP, Machine, end_orphans, environment, pinned
from .results import Results
from .throughput import bourn_run, fresh

from harness.children import adopt_orphans, mortal  # noqa: E402
from harness.downloads import jars, venv  # noqa: E402

BATCHES = 5  # the first one warms up
LENIENT = ['"user_id":4711', '"amount":10.005', '"event_time":"2026-01-01T12:00:00"']


def rows() -> int:
    return int(float(os.environ.get("SPARK_EVENTS_M", "2.5")) * 1e6)


def batches() -> Path:
    """A folder of files, each a batch; their names and times are in the order of the events."""
    def make(partial: Path) -> None:
        partial.mkdir()
        each = rows() // BATCHES
        with open(inputs.events(rows()), "rb") as source:
            for number in range(BATCHES):
                path = partial / f"batch-{number:03}.ndjson"
                with open(path, "wb") as out:
                    lines = (source.readline() for _ in range(each))
                    out.writelines(line for line in lines if not any(word.encode() in line for word in LENIENT))
                os.utime(path, (1_700_000_000 + number * 60,) * 2)
    return inputs.made(f"{inputs.events(rows()).stem}-batches-{BATCHES}", make)


def prepare() -> None:
    batches()
    jars("spark")


def spark(folder: Path, master: str, cores: str) -> tuple[float, float]:
    """Events a second of its warm batches, and what others used of the machine."""
    fresh(folder)
    python, env = venv(), environment(folder, TZ="UTC", SPARK_LOCAL_IP="127.0.0.1")
    env |= {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python)}
    adopt_orphans()  # the JVM outlives the Python that started it; its processor time is Spark's, not that of others
    machine = Machine()
    words = [python, TOP / "bench/spark/payments.py", master, ",".join(map(str, jars("spark"))), batches(),
             folder / "lake", folder / "state"]
    done = subprocess.run(mortal(pinned(words, cores)), cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=900)
    end_orphans()
    others = machine.others()
    if done.returncode:
        raise SystemExit(f"Spark ended with {done.returncode}:\n{done.stderr[-6000:]}")
    text = done.stdout
    told = [json.loads(line) for line in text.splitlines() if line.startswith('{"rows"')]
    warm = [batch for batch in told if batch["rows"]][1:]  # an empty one follows, which moves the watermark
    if len(warm) != BATCHES - 1:
        raise SystemExit(f"Spark ran {len(warm) + 1} batches, not {BATCHES}:\n{text}")
    began = datetime.fromisoformat(warm[0]["began"])
    ended = datetime.fromisoformat(warm[-1]["began"]) + timedelta(milliseconds=warm[-1]["ms"])
    return sum(batch["rows"] for batch in warm) / (ended - began).total_seconds(), others


def figures(folder: Path, results: Results) -> None:
    files = batches()
    n = sum(int(subprocess.run(["wc", "-l", str(path)], capture_output=True, text=True).stdout.split()[0])
            for path in files.iterdir())
    for what, workers, cores in (("one core", 1, "0"), ("two cores", 2, "0,1")):
        took = bourn_run(folder, files, workers, cores)
        ours = tables.published(folder / "lake", False)
        speed, others = spark(folder, f"local[{workers}]", cores)
        wrong = tables.differences(tables.published(folder / "lake", False), ours)
        common = {"command": "bench/run spark", "events": n}
        results.add("spark", f"bourn, {what}", events_per_s=n / took.seconds, others=took.others, **common)
        if wrong:
            print("  Spark's tables differ, so there is no ratio:\n  " + "\n  ".join(wrong))
            continue
        results.add("spark", f"PySpark + Delta, {what}", events_per_s=speed, tables="equal bourn's", others=others,
                    bourn_is_times_as_fast=n / took.seconds / speed, **common)
