"""When windows close: exactly the epochs that a stream which is merely caught up, or silent, runs behind its last rows
(one, where those moved the watermark), and what comes out of them. The expected rows are computed here, from what
semantics says of time: a window is closed when the watermark, the newest event less the delay, has reached its end.
"""
from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections import Counter
from pathlib import Path

from harness import Suite, program, until
from harness.children import mortal

BOURN = program()
BASE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
DELAY = 5
EVENTS = "id bigint, k text, ts timestamptz OPTIONS (watermark '5 s') NOT NULL"


def at(second: float) -> str:
    return (BASE + datetime.timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def seconds(text: str) -> float:
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - BASE).total_seconds()


def write(path: Path, rows: list[tuple[int, str, float]]) -> None:
    with open(path, "a") as file:
        file.write("".join(json.dumps({"id": i, "k": k, "ts": at(s)}) + "\n" for i, k, s in rows))


def pipeline(folder: Path, columns: str, query: str, more: str = "", options: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "p.sql"
    path.write_text(
        f"CREATE SERVER file_in FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/{options or 'in.ndjson'}', "
        f"follow 'true');\nCREATE FOREIGN TABLE events ({EVENTS}) SERVER file_in;\n"
        f"SET bourn.epoch_interval = '20 s';\n{more}"  # a batch of a test is one epoch, however slow the machine is
        f"CREATE SERVER result FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/result.ndjson');\n"
        f"CREATE FOREIGN TABLE result ({columns}) SERVER result OPTIONS (commit_interval '0 s');\n"
        f"INSERT INTO result {query};\n")
    return path


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BOURN_STATE": str(folder / "state")}


def catch_up(suite: Suite, folder: Path) -> None:
    suite.command([BOURN, "run", "--quiet", "--until-caught-up", folder / "p.sql"], cwd=folder,
                  env=environment(folder))


def results(folder: Path) -> Counter:
    path = folder / "result.ndjson"
    text = path.read_text() if path.exists() else ""
    lines = text[:text.rfind("\n") + 1].splitlines()  # it may be looked at while more is being written
    return Counter(tuple(seconds(cell) if isinstance(cell, str) and cell.startswith("20") else cell
                         for cell in json.loads(line).values()) for line in lines)


def ask(suite: Suite, folder: Path, select: str) -> list[dict]:
    said = suite.command([BOURN, "query", folder / "p.sql", "--json", "-e", select], env=environment(folder)).stdout
    return [json.loads(line) for line in said.splitlines()]


def epochs(suite: Suite, folder: Path) -> list[int]:
    """The rows that each epoch read."""
    return [line["polled"] for line in ask(suite, folder, "SELECT * FROM bourn.epochs")]


# ---- a stream that is caught up ----

ROWS = [(1, "a", 1), (2, "a", 2), (3, "b", 4), (4, "a", 9), (5, "b", 16), (6, "c", 17)]  # the watermark: 12
WINDOW = "ws timestamptz, we timestamptz, k text, n bigint"
GROUPED = "GROUP BY window_start, window_end, k"
FIRST = ("SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY id) AS place "
         "FROM tumble(events, ts, interval '6 s')")
CLOSING = {
    "tumble": (WINDOW, "SELECT window_start, window_end, k, count(*) FROM tumble(events, ts, interval '6 s') "
               f"{GROUPED}",
               {(0, 6, "a", 2): 1, (0, 6, "b", 1): 1, (6, 12, "a", 1): 1}),
    "hop": (WINDOW, "SELECT window_start, window_end, k, count(*) FROM "
            f"hop(events, ts, interval '3 s', interval '6 s') {GROUPED}",
            {(-3, 3, "a", 2): 1, (0, 6, "a", 2): 1, (0, 6, "b", 1): 1, (3, 9, "b", 1): 1, (6, 12, "a", 1): 1}),
    "cumulate": (WINDOW, "SELECT window_start, window_end, k, count(*) FROM "
                 f"cumulate(events, ts, interval '3 s', interval '6 s') {GROUPED}",
                 {(0, 3, "a", 2): 1, (0, 6, "a", 2): 1, (0, 6, "b", 1): 1, (6, 12, "a", 1): 1}),
    "session": (WINDOW, "SELECT window_start, window_end, k, count(*) FROM "
                f"session(events, ts, interval '3 s', k) {GROUPED}",
                {(1, 5, "a", 2): 1, (4, 7, "b", 1): 1, (9, 12, "a", 1): 1}),
    "windows of windows": ("ws timestamptz, we timestamptz, n bigint",
                           "WITH inside AS (SELECT window_end AS we, k FROM tumble(events, ts, interval '3 s') "
                           "GROUP BY window_end, k) SELECT window_start, window_end, count(*) FROM "
                           "tumble(inside, we, interval '6 s') GROUP BY window_start, window_end",
                           {(0, 6, 1): 1, (6, 12, 1): 1}),  # b's window of 6 and a's of 12 are in those that follow
    "outer join": ("id bigint, other bigint", "SELECT a.id, b.id FROM events a LEFT JOIN events b ON a.k = b.k AND "
                   "b.id <> a.id AND b.ts BETWEEN a.ts AND a.ts + interval '3 s'",
                   {(1, 2): 1, (2, None): 1, (3, None): 1, (4, None): 1}),  # a row of 9 is waited for up to 12
    "anti join": ("id bigint", "SELECT id FROM events a WHERE NOT EXISTS (SELECT 1 FROM events b WHERE a.k = b.k AND "
                  "b.id <> a.id AND b.ts BETWEEN a.ts AND a.ts + interval '3 s')", {(2,): 1, (3,): 1, (4,): 1}),
    "first of each": ("id bigint, we timestamptz", f"SELECT id, window_end FROM ({FIRST}) f WHERE place <= 1",
                      {(1, 6): 1, (4, 12): 1}),
    "numbered": ("id bigint, place bigint", f"SELECT id, place FROM ({FIRST}) f", {(1, 1): 1, (2, 2): 1, (3, 3): 1,
                                                                                  (4, 1): 1}),
}


def check_caught_up(suite: Suite, folder: Path, name: str) -> None:
    columns, query, wanted = CLOSING[name]
    pipeline(folder, columns, query)
    write(folder / "in.ndjson", ROWS)
    catch_up(suite, folder)
    assert results(folder) == Counter(wanted), results(folder)
    assert epochs(suite, folder) == [6, 0], epochs(suite, folder)
    catch_up(suite, folder)  # what is caught up and closed has nothing to do
    assert epochs(suite, folder) == [6, 0], epochs(suite, folder)
    write(folder / "in.ndjson", [(7, "e", 17)])  # moves no watermark, so no epoch follows
    catch_up(suite, folder)
    assert epochs(suite, folder) == [6, 0, 1], epochs(suite, folder)
    assert results(folder) == Counter(wanted), "a stream that is merely caught up has closed what it must not"
    write(folder / "in.ndjson", [(8, "d", 60)])
    catch_up(suite, folder)
    assert epochs(suite, folder) == [6, 0, 1, 1, 0], epochs(suite, folder)
    assert not Counter(wanted) - results(folder) and results(folder).total() > sum(wanted.values())


def steps_of_rows_need_no_more_epochs(suite: Suite, folder: Path) -> None:
    pipeline(folder, "id bigint", "SELECT id FROM events WHERE k <> 'b'")
    write(folder / "in.ndjson", ROWS)
    catch_up(suite, folder)
    assert epochs(suite, folder) == [6], epochs(suite, folder)


def late_by_the_epoch_without_rows(suite: Suite, folder: Path) -> None:
    """It lifts the bound of late rows also where it closes nothing."""
    pipeline(folder, "id bigint, k text", "SELECT DISTINCT ON (k) id, k FROM events")
    write(folder / "in.ndjson", ROWS)
    catch_up(suite, folder)
    write(folder / "in.ndjson", [(7, "x", 12), (8, "y", 12.001), (9, "z", 11)])
    catch_up(suite, folder)
    assert results(folder) == Counter({(1, "a"): 1, (3, "b"): 1, (6, "c"): 1, (8, "y"): 1}), results(folder)
    assert epochs(suite, folder) == [6, 0, 3], epochs(suite, folder)


# ---- a stream that runs and falls silent ----

def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(mortal([BOURN, "run", "--quiet", folder / "p.sql"]), cwd=folder, env=environment(folder),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def status(suite: Suite, folder: Path) -> dict:
    return json.loads(suite.command([BOURN, "status", "--json"], env=environment(folder)).stdout)


def rests(suite: Suite, folder: Path, live: subprocess.Popen) -> None:
    """No epoch runs while nothing comes. Each answer comes from between two passes of the loop."""
    before = status(suite, folder)["epoch"]
    for _ in range(30):
        assert live.poll() is None and status(suite, folder)["epoch"] == before


def silent_streams_close_and_rest(suite: Suite, folder: Path) -> None:
    columns, query, wanted = CLOSING["tumble"]
    pipeline(folder, columns, query)
    write(folder / "in.ndjson", ROWS)
    live = start(folder)
    try:
        until(lambda: results(folder) == Counter(wanted))
        rests(suite, folder, live)
        assert epochs(suite, folder) == [6, 0], epochs(suite, folder)
        (step,) = ask(suite, folder, "SELECT * FROM bourn.watermarks WHERE kind = 'step'")
        assert (step["source"], seconds(step["watermark"]), seconds(step["evicted_up_to"]),
                seconds(step["closes_next"])) == ("events", 12, 12, 18), step
        assert step["view"] == "result" and step["since"] is not None
        said = suite.command([BOURN, "why"], env=environment(folder)).stdout
        for words in (f"closes at {at(18)[:-1]}", f"is {at(12)[:-1]}", "since 20", "in.ndjson",
                      f"event of {at(23)[:-1]}"):
            assert words in said, f"{words}\n{said}"
    finally:
        live.kill()
        live.wait()
    # Without a process the log knows as much.
    (logged,) = ask(suite, folder, "SELECT * FROM bourn.watermarks WHERE kind = 'step'")
    assert logged == step, logged
    said = suite.command([BOURN, "why"], env=environment(folder)).stdout
    assert f"closes at {at(18)[:-1]}" in said and f"event of {at(23)[:-1]}" in said, said


def a_source_that_gives_nothing_is_named(suite: Suite, folder: Path) -> None:
    """What waits for it is told, by the process and by the log."""
    path = pipeline(folder, "x bigint, y bigint", "SELECT a.id, b.id FROM events a LEFT JOIN others b ON a.k = b.k AND "
                    "b.ts BETWEEN a.ts AND a.ts + interval '3 s'")
    path.write_text(f"CREATE SERVER none FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/none.ndjson', "
                    f"follow 'true');\nCREATE FOREIGN TABLE others ({EVENTS}) SERVER none;\n" + path.read_text())
    (folder / "none.ndjson").write_text("")
    write(folder / "in.ndjson", ROWS)
    catch_up(suite, folder)
    live = start(folder)
    try:
        until(lambda: (folder / "state/control").exists())
        until(lambda: "pid" in status(suite, folder))
        said = suite.command([BOURN, "why"], env=environment(folder)).stdout
        for words in (f"goes at {at(4)[:-1]}", "no watermark yet: source others has", "none.ndjson, which has shown"):
            assert words in said, f"{words}\n{said}"
    finally:
        live.kill()
        live.wait()
    said = suite.command([BOURN, "why"], env=environment(folder)).stdout
    for words in (f"goes at {at(4)[:-1]}", "no watermark yet: from source others nothing has come"):
        assert words in said, f"{words}\n{said}"


def silent_partitions_let_the_others_close(suite: Suite, folder: Path) -> None:
    """Two files, one of which falls silent: once it is idle the other one's events close windows, with one epoch more
    than they bring."""
    columns, query, _ = CLOSING["tumble"]
    pipeline(folder, columns, query, "SET bourn.idle_timeout = '300 ms';\n", "in-*.ndjson")
    write(folder / "in-a.ndjson", [(1, "a", 1), (2, "a", 30)])
    write(folder / "in-b.ndjson", [(3, "b", 2)])
    live = start(folder)
    try:
        until(lambda: (folder / "state/control").exists())
        until(lambda: [split["idle"] for split in status(suite, folder)["sources"][0]["splits"]] == [True, True])
        rests(suite, folder, live)
        assert results(folder) == Counter(), "all partitions are idle: that moves no watermark"
        before = epochs(suite, folder)
        write(folder / "in-a.ndjson", [(4, "a", 31)])
        until(lambda: results(folder) == Counter({(0, 6, "a", 1): 1, (0, 6, "b", 1): 1}))
        until(lambda: all(split["idle"] for split in status(suite, folder)["sources"][0]["splits"]))
        rests(suite, folder, live)
        # the row; what it closes; that its partition is idle again, which a slow machine sees in the same epoch
        assert epochs(suite, folder) in ([*before, 1, 0, 0], [*before, 1, 0]), epochs(suite, folder)
    finally:
        live.kill()
        live.wait()


def killed_before_it_closed(suite: Suite, folder: Path) -> None:
    """Wherever the run is killed, the next one closes what the watermark in the log has passed, once."""
    columns, query, wanted = CLOSING["session"]
    for i in range(4):
        here = folder / f"{i}"
        pipeline(here, columns, query)
        write(here / "in.ndjson", ROWS)
        live = start(here)
        until(lambda: (here / "state/log").exists() and len(list((here / "state/log").iterdir())) > i)
        live.kill()
        live.wait()
        catch_up(suite, here)
        assert results(here) == Counter(wanted), results(here)
        assert epochs(suite, here) == [6, 0], epochs(suite, here)


def the_clock_closes(suite: Suite, folder: Path) -> None:
    """Windows by the time of the epoch close without an event: time itself passes."""
    path = pipeline(folder, "we timestamptz, n bigint", "SELECT window_end, count(*) FROM tumble(events, came, "
                    "interval '500 ms') GROUP BY window_end")
    path.write_text(path.read_text().replace(f"({EVENTS})", "(id bigint, k text, came timestamptz OPTIONS (metadata "
                                             "'ingestion_time', watermark '0 s'))"))
    write(folder / "in.ndjson", ROWS)
    live = start(folder)
    try:
        until(lambda: results(folder).total() == 1)
        assert [n for _, n in results(folder)] == [6]
        rests(suite, folder, live)
    finally:
        live.kill()
        live.wait()


def run(suite: Suite) -> None:
    for name in CLOSING:
        if suite.wants(f"caught up {name}"):
            with suite.case(f"caught up, {name}") as folder:
                check_caught_up(suite, folder, name)
    for case in (steps_of_rows_need_no_more_epochs, late_by_the_epoch_without_rows, silent_streams_close_and_rest,
                 a_source_that_gives_nothing_is_named, silent_partitions_let_the_others_close,
                 killed_before_it_closed, the_clock_closes):
        name = case.__name__.replace("_", " ")
        if suite.wants(name):
            with suite.case(name) as folder:
                case(suite, folder)
