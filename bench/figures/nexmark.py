"""Nexmark: q0 to q22 by bourn with two workers, by Flink SQL with parallelism 2, and by Spark Structured Streaming.

The same events for all. Flink and Spark run every query twice in one JVM; counted is the second job alone, without the
start of anything, with its result thrown away. Flink keeps its state on the heap and makes no checkpoints; Spark takes
all events in one batch. bourn is counted whole: process start, durable epochs, results written; and once more with its
result thrown away, as theirs is; each the median of some runs behind one that is not counted, as theirs is not. And
as a whole by one worker on one core, its state and results in memory: what a core can do where no disk limits it.
Q=5 or Q="5 7" limits it to some queries. NEXMARK_KAFKA=1: bourn and Flink read the events from a Kafka on the same
cores as well. What bourn's steps hold is asked of a run that is not timed.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from . import inputs
from .measure import BOURN, TOP, Machine, Took, end_orphans, environment, run
from .results import Results
from .throughput import ROUNDS, fresh

from harness.children import adopt_orphans, mortal  # noqa: E402
from harness.downloads import jars, venv  # noqa: E402
from servers.kafka import Kafka  # noqa: E402

EXAMPLE, FLINK = TOP / "examples/nexmark", TOP / "bench/flink"
WORKERS, WARM = 2, 100_000
MEMORY = Path("/dev/shm")


def rows() -> int:
    return int(float(os.environ.get("NEXMARK_EVENTS_M", "2")) * 1e6)


def parts() -> list[str]:
    given = os.environ.get("Q", "").replace("q", "").split()
    return [f"q{number}" for number in (given or range(23))]


def events(count: int) -> Path:
    """A folder with a file for each worker, event by event in turn: Flink reads a file with one task."""
    def make(partial: Path) -> None:
        partial.mkdir()
        words = [BOURN, "generate", "--generator", "nexmark", "--rows", count, "--rate", 0, "--to", "-"]
        with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE) as made:
            files = [open(partial / f"part-{number}.ndjson", "wb") for number in range(WORKERS)]
            for number, line in enumerate(made.stdout):
                files[number % WORKERS].write(line)
            for file in files:
                file.close()
        if made.returncode:
            raise SystemExit("bourn generate --generator nexmark failed")
    return inputs.made(f"nexmark-{inputs.generated('--generator', 'nexmark')}-{count}", make)


def prepare() -> None:
    events(WARM)
    events(rows())
    jars("flink")


def compile_driver(folder: Path) -> str:
    """The classpath with bench/flink/Nexmark.java on it."""
    classpath, classes = ":".join(map(str, jars("flink"))), folder / "classes"
    if classes.exists():
        return f"{classpath}:{classes}"
    compiled = subprocess.run(["javac", "-nowarn", "-cp", classpath, "-d", classes, FLINK / "Nexmark.java"],
                              capture_output=True, text=True)
    if compiled.returncode:
        raise SystemExit(compiled.stderr)
    return f"{classpath}:{classes}"


def flink(folder: Path, query: str, warm: str, full: str) -> dict:
    """What the driver prints of it; a JVM of its own, so that no query pays for the heap of another."""
    classpath = compile_driver(folder)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        words = ["java", "-Xmx6g", "-cp", classpath, "Nexmark", FLINK / "tables.sql", FLINK / "queries.sql",
                 warm, full, out, WORKERS, query]
        done = subprocess.run(mortal(words), cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) != 1:
        raise SystemExit(f"Flink ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return lines[0]


def spark(folder: Path, query: str) -> dict:
    """What bench/spark/nexmark.py prints of it."""
    python = venv()
    adopt_orphans()  # the JVM outlives the Python that started it
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        words = [python, TOP / "bench/spark/nexmark.py", f"local[{WORKERS}]", TOP / "bench/spark/nexmark.sql",
                 events(WARM), events(rows()), scratch, query]
        env = environment(folder, TZ="UTC", SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=str(python))
        done = subprocess.run(mortal(words), cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        end_orphans()
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or len(lines) != 1:
        raise SystemExit(f"Spark ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return lines[0]


def bourn(folder: Path, query: str) -> dict:
    """Its speed and memory, or why it refuses the query."""
    fresh(folder)
    files = [EXAMPLE / "file.sql", EXAMPLE / f"{query}.sql"]
    env = {"EVENTS": str(events(rows())), "OUT": str(folder / f"{query}.ndjson")}
    checked = subprocess.run([str(word) for word in (BOURN, "check", *files)], cwd=folder, capture_output=True,
                             text=True, env=environment(folder, **env))
    if checked.returncode:
        return {"bourn_error": checked.stderr.splitlines()[0].split("error: ")[-1]}
    inputs.into_memory(events(rows()))
    took, thrown = median_run(folder, files, env), median_run(folder, [into_blackhole(folder), files[1]], env)
    return {"bourn_per_core": per_core(took.seconds), "bourn_us_per_event": took.processor / rows() * 1e6,
            "thrown_per_core": per_core(thrown.seconds), **one_core(files), "memory_mb": took.memory / 1e6,
            "others": max(took.others, thrown.others), **state(folder, files)}


def one_core(files: list) -> dict:
    """Where there is a file system in memory."""
    if not MEMORY.is_dir():
        return {}
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bourn-bench-") as name:
        folder = Path(name)
        env = {"EVENTS": str(events(rows())), "OUT": str(folder / "rows.ndjson")}
        return {"one_core_per_s": rows() / median_run(folder, files, env, workers=1, cores="0").seconds}


def median_run(folder: Path, files: list, env: dict, workers: int = WORKERS, cores: str | None = None) -> Took:
    """Of some rounds, behind one that is not measured, as that of Flink and Spark which warms the JVM is not."""
    took = []
    out = Path(env["OUT"])
    for _ in range(ROUNDS + 1):
        fresh(folder)
        for left in (out, out.with_name(f".{out.name}.bourn")):  # the sink's mark beside it
            left.unlink(missing_ok=True)
        words = [BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, *files]
        took.append(run(words, folder, cores, **env))
    return sorted(took[1:], key=lambda each: each.seconds)[ROUNDS // 2]


def into_blackhole(folder: Path) -> Path:
    """The connection file with another place for the results."""
    text = (EXAMPLE / "file.sql").read_text()
    path = folder / "blackhole.sql"
    path.write_text(re.sub(r"^CREATE SERVER results .*$", "CREATE SERVER results FOREIGN DATA WRAPPER blackhole;", text,
                           flags=re.MULTILINE))
    return path


def state(folder: Path, files: list) -> dict:
    """What the steps hold when it is most: bytes and keys, asked of another run while it goes on."""
    most = {"bytes": 0, "keys": 0}
    with tempfile.TemporaryDirectory(dir=folder) as own:
        env = environment(Path(own), EVENTS=str(events(rows())), OUT=f"{own}/rows.ndjson")
        words = [str(word) for word in (BOURN, "run", "--quiet", "--until-caught-up", *files)]
        with subprocess.Popen(mortal(words), cwd=own, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as running:
            while running.poll() is None:
                asked = subprocess.run([str(BOURN), "status", "--json"], env=env, capture_output=True, text=True)
                steps = json.loads(asked.stdout)["steps"] if asked.returncode == 0 else []
                held = {name: sum(step.get(name, 0) for step in steps) for name in most}  # 0: told by the log alone
                most = max(most, held, key=lambda each: each["bytes"])
                time.sleep(0.05)
        if running.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {running.returncode}")
    return {"state_mb": most["bytes"] / 1e6, "state_bytes_per_key": most["bytes"] / most["keys"]} \
        if most["keys"] else {}


def from_kafka(folder: Path, query: str) -> dict:
    """The same events from a topic of two partitions; the broker works on the same cores."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        own = Path(name)
        with Kafka(own, memory="1g") as kafka:
            for topic, count in (("warm", WARM), ("nexmark", rows())):
                kafka.create_topic(topic, WORKERS)
                run([BOURN, "generate", "--generator", "nexmark", "--rows", count, "--rate", 0, "--to",
                     f"kafka:{kafka.plain}/{topic}"], own)
            took = run([BOURN, "run", "--quiet", "--until-caught-up", "--workers", WORKERS, EXAMPLE / "kafka.sql",
                        EXAMPLE / f"{query}.sql"], own, beside=[kafka.server.process.pid], KAFKA=kafka.plain,
                       OUT=str(own / "rows.ndjson"))
            theirs = flink(folder, query, f"kafka:{kafka.plain}/warm", f"kafka:{kafka.plain}/nexmark")
    values = {"kafka_per_core": per_core(took.seconds), "kafka_us_per_event": took.processor / rows() * 1e6}
    if "ms" in theirs:
        values["flink_kafka_per_core"] = per_core(theirs["ms"] / 1e3)
        values["times_flink_kafka"] = values["kafka_per_core"] / values["flink_kafka_per_core"]
    return values


def per_core(seconds: float) -> float:
    return rows() / seconds / WORKERS


def figures(folder: Path, results: Results, query: str) -> None:
    values = bourn(folder, query)
    machine = Machine()
    if os.environ.get("NEXMARK_KAFKA") and "bourn_per_core" in values:
        values |= from_kafka(folder, query)
    for peer, theirs in (("flink", flink(folder, query, events(WARM).as_uri(), events(rows()).as_uri())),
                         ("spark", spark(folder, query))):
        if "ms" not in theirs:
            values[f"{peer}_error"] = theirs["error"]
            continue
        values[f"{peer}_per_core"] = per_core(theirs["ms"] / 1e3)
        if "bourn_per_core" in values:
            values[f"times_{peer}"] = values["bourn_per_core"] / values[f"{peer}_per_core"]
    others = max(machine.others(), values.pop("others", 0))
    results.add("nexmark", query, **values, events=rows(), others=others,
                command=f"Q={query[1:]} bench/run nexmark")
