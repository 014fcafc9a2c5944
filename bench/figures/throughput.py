"""Files: payments from an NDJSON file into four Delta tables, on one core and on two; the same events written
differently; and beside it, in turns, bare simdjson over the same file, and two processes that share nothing, on a core
each: more than these two no two workers can do on this machine. Tables are checked against the oracle.

A figure is the median of its rounds; `spread` has them all, in turn, and `system_share` what of the processor time went
into the kernel: new memory, and copies from and to the page cache. A round before them is not measured: it brings the
input into the page cache, and memory that the machine's host had taken back. What it cost the first time on an idle
machine is therefore not in the figures."""
from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import inputs, tables
from .measure import BOURN, PAYMENTS, Machine, Took, run
from .results import Results

PIPELINE = [PAYMENTS / "file.sql", PAYMENTS / "payments.sql"]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def rows() -> int:
    return int(float(os.environ.get("EVENTS_M", "10")) * 1e6)


def prepare() -> None:
    inputs.expected(inputs.events(rows()))
    inputs.expected(inputs.rewritten(rows()))
    inputs.well_formed(rows())


def fresh(folder: Path) -> None:
    for name in ("lake", "state"):
        shutil.rmtree(folder / name, ignore_errors=True)


def settings(folder: Path, text: str) -> str:
    (folder / "settings.sql").write_text(text)
    return "settings.sql"


def bourn_run(folder: Path, events: Path, workers: int, cores: str) -> Took:
    fresh(folder)
    epochs = settings(folder, "SET bourn.epoch_interval = '1 s';")
    return run([BOURN, "run", "--quiet", "--until-caught-up", "--workers", workers, epochs, *PIPELINE], folder, cores,
               EVENTS=str(events))


def side_by_side(folder: Path, events: Path) -> Took:
    """Two processes of one worker, each with all events: half of what it took both, for so many events."""
    machine = Machine()
    folders = [folder / "left", folder / "right"]
    for own in folders:
        own.mkdir(exist_ok=True)
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda own, core: bourn_run(own, events, 1, core), folders, ("0", "1")))
    return Took(max(took.seconds for took in both) / 2, sum(took.processor for took in both) / 2,
                sum(took.system for took in both) / 2, machine.others(), sum(took.memory for took in both))


def simdjson(build: Path = BOURN.parent) -> Path | None:
    """The program of bench/meson.build; None where its library or a C++ compiler is not there."""
    def made() -> bool:
        return subprocess.run(["ninja", "-C", str(build), "bench/simdjson_events"], capture_output=True).returncode == 0
    if not made():  # what has been installed since this folder was set up is not known to it
        subprocess.run(["meson", "setup", "--reconfigure", str(build)], capture_output=True)
        if not made():
            return None
    return build / "bench/simdjson_events"


def must_be_right(folder: Path, events: Path) -> str:
    wrong = tables.differences(tables.published(folder / "lake", True), inputs.expected(events))
    if wrong:
        raise SystemExit("the tables are not what the oracle computes:\n" + "\n".join(wrong))
    run([BOURN, "verify", *PIPELINE, "--evidence", PAYMENTS / "evidence.sql"], folder, EVENTS=str(events))
    return "equal the oracle's; evidence holds"


def figures(folder: Path, results: Results) -> None:
    n = rows()
    plain, rewritten, well_formed = inputs.events(n), inputs.rewritten(n), inputs.well_formed(n)
    reader = simdjson()
    ways = {"bourn, one core": lambda: bourn_run(folder, plain, 1, "0"),
            "bourn, two workers on two cores": lambda: bourn_run(folder, plain, 2, "0,1"),
            "two processes of one worker, a core each": lambda: side_by_side(folder, plain),
            "bourn, one core, keys shuffled and escapes": lambda: bourn_run(folder, rewritten, 1, "0")}
    if reader:
        ways |= {"simdjson alone, a document a line": lambda: run([reader, "lines", plain], folder, "0"),
                 "simdjson alone, iterate_many (well-formed lines)":
                     lambda: run([reader, "many", well_formed], folder, "0")}
    inputs.into_memory(plain, rewritten, well_formed)
    took: dict[str, list[Took]] = {name: [] for name in ways}
    right = {}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            once = way()
            if number == 0:
                continue
            took[name].append(once)
            if name.startswith("bourn"):
                right[name] = must_be_right(folder, rewritten if "shuffled" in name else plain)
    speed = {name: n / statistics.median(t.seconds for t in each) for name, each in took.items()}
    for name, each in took.items():
        base = speed["bourn, one core"]
        results.add("throughput", name, events_per_s=speed[name],
                    per_processor_second=n / statistics.median(t.processor for t in each),
                    of_bourn_on_one_core=speed[name] / base, **({"tables": right[name]} if name in right else {}),
                    events=n, rounds=ROUNDS, memory_mb=max(t.memory for t in each) / 1e6,
                    spread=[round(n / t.seconds) for t in each],
                    system_share=sum(t.system for t in each) / sum(t.processor for t in each),
                    others=max(t.others for t in each), command=f"bench/run throughput (EVENTS_M={n / 1e6:g})")
    if not reader:
        print("  simdjson: not measured, libsimdjson-dev or a C++ compiler is missing")
