"""Small things: memory at rest, from start to the first published row, and how long one durable epoch takes."""
from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import struct
import subprocess
import time
from pathlib import Path

from . import inputs
from .measure import BOURN, PAYMENTS, Machine, environment, processor_of, run
from .results import Results
from .throughput import PIPELINE, fresh, settings

STARTS, EPOCHS, BATCH, APPENDS, ROWS, REST_SECONDS = 50, 500, 1000, 200, 1000, 10
IN_CREATE, IN_MOVED_TO = 0x100, 0x80


def prepare() -> None:
    inputs.events(1)
    inputs.events(EPOCHS * BATCH)


# ---- memory at rest ----

def follow(folder: Path) -> str:
    (folder / "follow.sql").write_text((PAYMENTS / "file.sql").read_text().replace(
        "path '${EVENTS}'", "path '${EVENTS}', follow 'true'"))
    return "follow.sql"


def end(child: subprocess.Popen) -> None:
    child.send_signal(signal.SIGINT)
    if child.wait(10):
        raise SystemExit(f"bourn ended with {child.returncode}")


def rest(folder: Path) -> tuple[float, float]:
    """The payments pipeline on a followed file that has had ten events, REST_SECONDS after its start: bytes resident,
    and the share of a core that it uses."""
    fresh(folder)
    followed = folder / "followed.ndjson"
    followed.write_bytes(b"".join(open(inputs.events(EPOCHS * BATCH), "rb").readlines(40_000)[:10]))
    child = pipeline(folder, "SET bourn.workers = '1';", follow(folder), events=followed)
    time.sleep(REST_SECONDS - 2)
    before = processor_of(child.pid)
    time.sleep(2)
    used = (processor_of(child.pid) - before) / 2
    resident = int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{child.pid}/status").read_text())[1]) * 1024
    end(child)
    return resident, used


# ---- start ----

def start(folder: Path) -> list[float]:
    """One event in a file: from the start of the process to its end, with the rows published."""
    times = []
    for _ in range(STARTS):
        fresh(folder)
        times.append(run([BOURN, "run", "--quiet", *PIPELINE], folder, EVENTS=str(inputs.events(1))).seconds)
    return times


# ---- epochs ----

class Slots:
    """The moments at which records appear in a log, as the kernel tells them: seen from outside, on another core."""

    def __init__(self, log: Path):
        self.log = log
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self.fd, str(log).encode(), IN_CREATE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {log}")

    def wait(self, limit: float) -> list[tuple[float, Path]]:
        """Times and names of those that have come; none if the limit is over."""
        if not select.select([self.fd], [], [], limit)[0]:
            return []
        raw, now, found = os.read(self.fd, 1 << 20), time.monotonic(), []
        while raw:
            size, = struct.unpack_from("I", raw, 12)
            name = raw[16:16 + size].rstrip(b"\0").decode()
            if re.fullmatch(r"\d{20}", name):
                found.append((now, self.log / name))
            raw = raw[16 + size:]
        return found

    def close(self) -> None:
        os.close(self.fd)


def pipeline(folder: Path, settings_text: str, *connection: str | Path, events: Path) -> subprocess.Popen:
    """On core 0; we watch from core 1."""
    words = ["taskset", "-c", "0", BOURN, "run", "--quiet", settings(folder, settings_text), *connection,
             PAYMENTS / "payments.sql"]
    return subprocess.Popen([str(word) for word in words], cwd=folder, stdin=subprocess.DEVNULL,
                            env=environment(folder, EVENTS=str(events)))


def watch_log(folder: Path) -> Slots:
    log = folder / "state/log"
    while not log.is_dir():
        time.sleep(0.001)
    return Slots(log)


def epochs(folder: Path) -> list[float]:
    """One epoch after the other, a batch each, from a file: the times between their records in the log."""
    fresh(folder)
    child = pipeline(folder, "SET bourn.epoch_rows = '1000'; SET bourn.epoch_interval = '1 hour';", PIPELINE[0],
                     events=inputs.events(EPOCHS * BATCH))
    slots, times = watch_log(folder), []
    while child.poll() is None:  # records without rows are of the publishing at the end, which is no epoch's
        times += [moment for moment, record in slots.wait(0.1) if rows_of(record)]
    slots.close()
    if child.returncode:
        raise SystemExit(f"bourn ended with {child.returncode}")
    return [b - a for a, b in zip(times, times[1:])][5:]  # the first ones come with the start


def rows_of(record: Path) -> int:
    """How many events the epoch of a record took in."""
    found = re.search(rb'"ledger":.*?"kind":"source","name":"\w+","in":(\d+)', record.read_bytes())
    return int(found[1]) if found else 0


def appended(folder: Path) -> list[float]:
    """ROWS events at a time are appended to a followed file: from the write until all of them are in the log. That
    includes noticing them: a stream that was quiet is looked at every 2 to 10 ms."""
    fresh(folder)
    lines = open(inputs.events(EPOCHS * BATCH), "rb").read().splitlines(keepends=True)
    chunks = [b"".join(lines[i * ROWS:(i + 1) * ROWS]) for i in range(APPENDS)]
    followed = folder / "followed.ndjson"
    followed.write_bytes(chunks[0])
    child = pipeline(folder, "SET bourn.workers = '1';", follow(folder), events=followed)
    slots, times = watch_log(folder), []
    with open(followed, "ab", buffering=0) as out:
        for chunk in chunks[1:]:
            while slots.wait(0.1):  # until it is quiet
                pass
            begin, missing = time.monotonic(), ROWS
            out.write(chunk)
            while missing > 0:
                for moment, record in slots.wait(5):
                    missing -= rows_of(record)
                    last = moment
            times.append(last - begin)
    end(child)
    slots.close()
    return times


def figures(folder: Path, results: Results) -> None:
    command = "bench/run small"
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    try:
        memory, used = rest(folder)
        results.add("small", "resident memory of a quiet stream", mb=memory / 1e6, of_a_core=used, command=command)
        machine = Machine()
        times = start(folder)
        results.add("small", "start to the first published row", **percentiles(times), samples=len(times),
                    command=command, others=machine.others())
        for what, measured in (("a durable epoch of 1,000 rows, one after the other", epochs),
                               (f"{ROWS:,} rows appended to a quiet stream until they are durable", appended)):
            machine = Machine()
            times = measured(folder)
            results.add("small", what, **percentiles(times), samples=len(times), command=command,
                        others=machine.others())
    finally:
        os.sched_setaffinity(0, set(range(os.cpu_count())))


def percentiles(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {"median_ms": times[len(times) // 2] * 1e3, "p99_ms": times[len(times) * 99 // 100] * 1e3}
