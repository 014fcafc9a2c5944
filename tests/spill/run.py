#!/usr/bin/env python3
"""State on disk: every kind of stateful step with about ten times the state that bourn.state_memory allows, against
the same run in memory, byte for byte; killed in the middle and continued; memory held, by the kernel's own word; a disk
that is full; and what an epoch of few changes writes.

    tests/spill/run.py          all
    tests/spill/run.py WORD...  those whose name has one of the words
"""
from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import LIMIT, Suite, program, until  # noqa: E402
from harness.children import mortal  # noqa: E402

suite = Suite("spill")
BOURN = program()
LIMIT = 1 << 20  # the least that bourn.state_memory may be
LONG_TEXT = "a text long enough that a few thousand of them are more than the memory allowed: "
BASE = datetime.datetime(2026, 1, 1)

# What is read, how much of it, and the query; each keeps ten times LIMIT or more.
STEPS = {
    "aggregate": (80_000, "k int, n bigint, s bigint, d bigint, m text", "k",
                  "SELECT k, count(*), sum(v), count(DISTINCT v), max(t) FROM e GROUP BY k"),
    "distinct rows": (50_000, "k int, t text", "k, t", "SELECT DISTINCT k, t FROM e"),
    "dedup": (400_000, "one int, n bigint, s bigint", "one",
              "SELECT 1, count(*), sum(v) FROM (SELECT DISTINCT ON (id) * FROM e) AS s"),
    "tumbling windows": (40_000, "w timestamp, k int, n bigint, m text", "w, k",
                         "SELECT window_start, k, count(*), min(t) FROM tumble(e, ts, interval '1 hour') "
                         "GROUP BY window_start, k"),
    "hopping windows": (30_000, "w timestamp, k int, n bigint, s bigint", "",
                        "SELECT window_start, k, count(*), sum(v) FROM hop(e, ts, interval '1 h', interval '2 h') "
                        "GROUP BY window_start, k"),
    "sessions": (30_000, "w timestamp, k int, n bigint, m text", "",
                 "SELECT window_start, k, count(*), max(t) FROM session(e, ts, interval '30 minutes', k) "
                 "GROUP BY window_start, window_end, k"),
    "inner join": (20_000, "a int, b int, t text", "", "SELECT a.id, b.id, b.t FROM e a JOIN e b ON a.id = b.k"),
    "interval join": (20_000, "a int, b int, t text", "",
                      "SELECT a.id, b.id, b.t FROM e a JOIN e b ON a.id = b.k AND b.ts BETWEEN a.ts AND "
                      "a.ts + interval '3 h'"),
    "outer join": (20_000, "a int, b int, t text", "",
                   "SELECT a.id, b.id, b.t FROM e a LEFT JOIN e b ON a.id = b.k AND b.v = a.v"),
    "anti join": (15_000, "a int, t text", "",
                  "SELECT a.id, a.t FROM e a WHERE NOT EXISTS (SELECT 1 FROM e b WHERE a.id = b.k AND b.v < 500)"),
    "first rows": (20_000, "k int, v int, t text, r bigint", "k, r",
                   "SELECT * FROM (SELECT k, v, t, row_number() OVER (PARTITION BY k ORDER BY v, id) AS r FROM e) AS x "
                   "WHERE r <= 3"),
    "functions over rows": (30_000, "id int, p int, s bigint", "",
                            "SELECT id, lag(v) OVER (PARTITION BY k ORDER BY id), "
                            "sum(v) OVER (PARTITION BY k ORDER BY id) FROM e"),
    "rows alone with a key": (30_000, "m bigint, k int, t text", "m, k",
                              "SELECT max(v) / 2, k % 200, t || k FROM e GROUP BY k, t"),
    "order of rows": (25_000, "id int, t text", "", "SELECT id, t FROM e ORDER BY t, id DESC"),
}


def write_events(path: Path, rows: int) -> None:
    rnd = suite.random
    with path.open("w") as file:
        for i in range(rows):
            k = rnd.randrange(max(rows // 2, 1))
            at = BASE + datetime.timedelta(seconds=i * 7200 // rows + rnd.randrange(60))
            file.write(json.dumps({"id": i if rnd.random() < .95 else rnd.randrange(i + 1), "k": k,
                                   "v": rnd.randrange(1000), "t": f"{LONG_TEXT}{k % 5000}",
                                   "ts": at.isoformat()}) + "\n")


def pipeline(events: Path, columns: str, key: str, query: str, rows: int) -> str:
    primary = f", PRIMARY KEY ({key})" if key else ""
    ordered = "ORDER BY" in query and not key
    time = "NOT NULL" if ordered else "OPTIONS (watermark '1 hour') NOT NULL"
    emit = ", emit 'on close'" if not key and "GROUP" in query else ""
    return f"""
SET bourn.epoch_rows = '{max(rows // 8, 1)}';
SET bourn.epoch_interval = '10 s';
SET bourn.memory_in_flight = '64 MiB';
CREATE FOREIGN TABLE e (id int, k int, v int, t text, ts timestamp {time})
  SERVER file OPTIONS (path '{events}', format 'json');
CREATE FOREIGN TABLE o ({columns}{primary}) SERVER file OPTIONS (path 'out.csv', format 'csv'{emit});
INSERT INTO o {query};
"""


def words(more: str) -> list:
    return [BOURN, "run", "--quiet", "--until-caught-up", *more.split(), "q.sql"]


def result(folder: Path, ordered: bool = False) -> list[str]:
    files = sorted(p for p in folder.glob("out.csv*") if p.is_file())
    files += sorted(p for p in folder.glob("out.csv/*") if p.is_file() and not p.name.startswith((".", "_")))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return lines if ordered else sorted(lines)


# ---- what a process has in memory, and on disk ----

class Watch:
    """The most of the page file that was ever seen in memory and on disk."""

    def __init__(self, pid: int):
        self.pid, self.memory, self.disk = pid, 0, 0

    def look(self) -> None:
        try:
            smaps = Path(f"/proc/{self.pid}/smaps").read_text()
            for fd in Path(f"/proc/{self.pid}/fd").iterdir():
                if "/pages/" in str(fd.readlink()):
                    self.disk = max(self.disk, fd.stat().st_blocks * 512)
        except (OSError, ProcessLookupError):
            return
        for block in re.findall(r"^[0-9a-f]+-[0-9a-f]+ [^\n]*/pages/[^\n]*\n(?:\w+:[^\n]*\n)*", smaps, flags=re.M):
            self.memory = max(self.memory, int(re.search(r"^Rss: +(\d+) kB", block, flags=re.M)[1]) << 10)


def finish(process: subprocess.Popen, watch: Watch | None = None, limit: float = LIMIT) -> str:
    end = time.monotonic() + limit
    while process.poll() is None:
        assert time.monotonic() < end, "it does not end"
        if watch:
            watch.look()
        time.sleep(0.01)
    return process.stderr.read()


def start(folder: Path, more: str, env: dict | None = None, bourn: Path = BOURN) -> subprocess.Popen:
    return subprocess.Popen(mortal([bourn, *words(more)[1:]]), cwd=folder, stderr=subprocess.PIPE, text=True,
                            env=os.environ | (env or {}))


def same_as_in_memory(folder: Path, name: str) -> None:
    rows, columns, key, query = STEPS[name]
    ordered = name == "order of rows"
    events = folder / "events.ndjson"
    write_events(events, rows)
    text = pipeline(events, columns, key, query, rows)
    runs = {}
    for run, settings in (("memory", ""), ("disk", f"SET bourn.state_memory = '{LIMIT}';\n")):
        runs[run] = folder / run
        runs[run].mkdir()
        (runs[run] / "q.sql").write_text(settings + text)
    said = finish(start(runs["memory"], ""))
    expected = result(runs["memory"], ordered)
    assert len(expected) > (0 if name == "dedup" else 1000), (len(expected), said)
    # Killed when it has some epochs behind it, or done by then; then to the end.
    process = start(runs["disk"], "--spill pages")
    log = runs["disk"] / "state" / "log"
    until(lambda: process.poll() is not None or (log.is_dir() and len(list(log.iterdir())) > 4), LIMIT)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = start(runs["disk"], "--spill pages --workers 2")
    watch = Watch(process.pid)
    said = finish(process, watch)
    assert process.returncode == 0, said
    assert result(runs["disk"], ordered) == expected
    assert not any((runs["disk"] / "pages").iterdir()), "the page file has a name"
    print(f"# {name}: {watch.disk / LIMIT:.1f} times the limit on disk, {watch.memory / LIMIT:.1f} in memory at most")


def limit_names_the_setting(folder: Path) -> None:
    rows, columns, key, query = STEPS["aggregate"]
    write_events(folder / "events.ndjson", rows)
    (folder / "q.sql").write_text(f"SET bourn.state_memory = '{LIMIT}';\n" +
                                  pipeline(folder / "events.ndjson", columns, key, query, rows))
    process = start(folder, "")
    said = finish(process)
    assert process.returncode == 7 and "aggregate" in said and "keys" in said and "bourn.spill" in said, said
    checked = suite.command([BOURN, "check", "q.sql"], cwd=folder).stdout
    assert "on disk" not in checked, checked
    (folder / "q.sql").write_text("SET bourn.spill = 'pages';\n" + (folder / "q.sql").read_text())
    checked = suite.command([BOURN, "check", "q.sql"], cwd=folder).stdout
    assert "state past bourn.state_memory lies on disk, in pages" in checked, checked
    process = start(folder, "")  # by the pipeline's own setting, on the state of the run that stopped
    said = finish(process)
    assert process.returncode == 0, said


def memory_is_held(folder: Path) -> None:
    """10 MB of ids and 20 MB of groups on 1 MB: the kernel's word for what is mapped."""
    rows, columns, key, query = STEPS["aggregate"]
    write_events(folder / "events.ndjson", rows)
    (folder / "q.sql").write_text(f"SET bourn.state_memory = '{LIMIT}';\n" +
                                  pipeline(folder / "events.ndjson", columns, key, query, rows))
    process = start(folder, "--spill pages")
    watch = Watch(process.pid)
    said = finish(process, watch)
    assert process.returncode == 0, said
    assert watch.disk > 10 * LIMIT, watch.disk
    # A task works on a sixteenth of the state before anything can leave, and reads it in pages.
    assert watch.memory < 3 * LIMIT + watch.disk / 8, (watch.memory, watch.disk)


def full_disk(folder: Path) -> None:
    """The page file cannot grow: the run stops between epochs, says where and why, and goes on when it can."""
    rows, columns, key, query = STEPS["aggregate"]
    write_events(folder / "events.ndjson", rows)
    (folder / "q.sql").write_text(f"SET bourn.state_memory = '{LIMIT}';\n" +
                                  pipeline(folder / "events.ndjson", columns, key, query, rows))
    process = start(folder, "--spill pages", {"BOURN_FAULT": "fail:page_back:2+:ENOSPC"}, program("faults"))
    said = finish(process)
    assert process.returncode == 7 and "page file in pages" in said and "No space left" in said, said
    assert "bourn.spill" in said and "goes on from the last epoch" in said, said
    assert finish(again := start(folder, "--spill pages")) == "" and again.returncode == 0
    (folder / "memory").mkdir()
    (folder / "memory" / "q.sql").write_text(pipeline(folder / "events.ndjson", columns, key, query, rows))
    finish(start(folder / "memory", ""))
    assert result(folder) == result(folder / "memory")


def failing_disk(folder: Path) -> None:
    rows, columns, key, query = STEPS["aggregate"]
    write_events(folder / "events.ndjson", rows)
    (folder / "q.sql").write_text(f"SET bourn.state_memory = '{LIMIT}';\n" +
                                  pipeline(folder / "events.ndjson", columns, key, query, rows))
    process = start(folder, "--spill pages", {"BOURN_FAULT": "fail:page_write:9:EIO"}, program("faults"))
    said = finish(process)
    assert process.returncode == 4 and "page file in pages" in said, said
    again = start(folder, "--spill pages")
    assert finish(again) == "" and again.returncode == 0


def few_changes_write_little(folder: Path) -> None:
    """A thousand keys of 200,000 change: the epoch's segment has a thousand entries."""
    with (folder / "events.ndjson").open("w") as file:
        for i in range(200_000):
            file.write(f'{{"k":{i},"v":1}}\n')
    (folder / "q.sql").write_text(f"""
SET bourn.state_memory = '{LIMIT}';
SET bourn.epoch_interval = '60 s';
CREATE FOREIGN TABLE e (k int, v int) SERVER file OPTIONS (path 'events.ndjson', format 'json', follow 'true');
CREATE FOREIGN TABLE o (n bigint, s bigint) SERVER console;
INSERT INTO o SELECT n, count(*) FROM (SELECT k, count(*) AS n FROM e GROUP BY k) AS x GROUP BY n;
""".replace("(n bigint, s bigint) SERVER console", "(n bigint, s bigint, PRIMARY KEY (n)) SERVER file OPTIONS "
            "(path 'out.csv', format 'csv')"))
    assert finish(start(folder, "--spill pages")) == ""
    before = {p.name for p in (folder / "state" / "seg").iterdir()}
    with (folder / "events.ndjson").open("a") as file:
        for i in range(1000):
            file.write(f'{{"k":{i * 199},"v":1}}\n')
    assert finish(start(folder, "--spill pages")) == ""
    written = sum(p.stat().st_size for p in (folder / "state" / "seg").iterdir() if p.name not in before)
    assert 1000 * 8 < written < 1000 * 100, written
    assert result(folder) == ["1,199000", "2,1000"] or result(folder)[-2:] == ["1,199000", "2,1000"], result(folder)


def not_on_memory(folder: Path) -> None:
    (folder / "events.ndjson").write_text('{"id":1,"k":1,"v":1,"t":"x","ts":"2026-01-01T00:00:00"}\n')
    (folder / "q.sql").write_text(pipeline(folder / "events.ndjson", *STEPS["aggregate"][1:], 10))
    process = start(folder, "--spill /dev/shm")
    said = finish(process)
    assert process.returncode != 0 and "tmpfs" in said and "bourn.spill" in said, said


for step in STEPS:
    if not suite.wants(step):
        continue
    with suite.case(step) as place:
        same_as_in_memory(place, step)
for what in (limit_names_the_setting, memory_is_held, full_disk, failing_disk, few_changes_write_little, not_on_memory):
    if not suite.wants(what.__name__.replace("_", " ")):
        continue
    with suite.case(what.__name__.replace("_", " ")) as place:
        what(place)
suite.end()
