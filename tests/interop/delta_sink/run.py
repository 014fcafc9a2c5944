#!/usr/bin/env python3
"""The Delta sink against a model in Python, read back by deltalake and duckdb, with other writers at the same table.

    run.py [WORD...]    the cases whose name has one of the words
    run.py --measure    how fast it is
"""
from __future__ import annotations

import datetime
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, LIMIT, LONG, Suite, build, until  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402
from harness.children import mortal  # noqa: E402

go_on_in_venv()
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
from deltalake import DeltaTable, write_deltalake  # noqa: E402


def tool(name: str, *options: str) -> str:
    built = build(name, targets=["tests/interop/delta_sink_tool"], options=options)
    return str(built / "tests/interop/delta_sink_tool")


TOOL = ""
US = "11111111-1111-4111-8111-111111111111/metrics"
OTHER = "22222222-2222-4222-8222-222222222222/metrics"


class Stopped(Exception):
    """The sink said no."""


class Sink:
    def __init__(self, lake: Path, columns: str, *words: str, table: str = "t", identity: str = US):
        self.process = subprocess.Popen(mortal([TOOL, lake, table, identity, columns, *words]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1 << 20)
        answer = self.answer("position")
        self.applied, self.other = int(answer[0]), answer[1] if len(answer) > 1 else ""

    def answer(self, expected: str) -> list[str]:
        line = self.process.stdout.readline().rstrip("\n")
        word, _, rest = line.partition(" ")
        if word == "error":
            raise Stopped(rest)
        if word != expected:
            raise AssertionError(f"{expected} expected, the tool said {line!r} (exit {self.process.poll()})")
        return rest.split()

    def say(self, line: str) -> None:
        self.process.stdin.write(line + "\n")

    def send(self, puts=(), deletes=()) -> None:
        for row in puts:
            self.say("+" + json.dumps(row, default=str))
        for row in deletes:
            self.say("-" + json.dumps(row, default=str))

    def apply(self, first: int, last: int) -> dict:
        self.begin(first, last)
        return self.applied_now()

    def begin(self, first: int, last: int) -> None:
        self.say(f"apply {first} {last}")
        self.process.stdin.flush()

    def applied_now(self) -> dict:
        names = ["version", "inserted", "updated", "deleted", "unchanged", "added", "removed", "bytes", "us"]
        return dict(zip(names, map(int, self.answer("applied"))))

    def resync(self, first: int, last: int) -> None:
        self.say(f"resync {first} {last}")
        self.process.stdin.flush()
        self.answer("resynced")

    def close(self) -> None:
        self.process.stdin.close()
        code = self.process.wait()
        assert code == 0, f"the tool ended with {code}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass


def table_rows(path: Path, version: int | None = None) -> list[dict]:
    """The rows as deltalake reads them; duckdb must read the same from the files deltalake lists."""
    table = DeltaTable(str(path), version=version)
    rows = table.to_pyarrow_table().to_pylist()
    files = [file.removeprefix("file://") for file in table.file_uris()]
    if files and not table.metadata().partition_columns:
        count = duckdb.execute("select count(*) from read_parquet($1)", [files]).fetchone()[0]
        assert count == len(rows), f"duckdb counts {count} rows, deltalake {len(rows)}"
    return rows


def must_equal(found, expected, what: str) -> None:
    found, expected = (Counter(tuple(sorted((k, str(v)) for k, v in row.items())) for row in rows)
                       for rows in (found, expected))
    missing, extra = expected - found, found - expected
    if missing or extra:
        raise AssertionError(f"{what}: {found.total()} rows, expected {expected.total()}; {missing.total()} "
                             "missing, as "
                             f"{list(missing)[:2]}, {extra.total()} too many, as {list(extra)[:2]}")


def must_stop(action, *words: str) -> str:
    try:
        action()
    except Stopped as stop:
        for word in words:
            assert word in str(stop), f"the error does not say {word!r}: {stop}"
        return str(stop)
    raise AssertionError(f"expected a stop that says {words}")


# ---- upserts ----

KEYED = {
    "by text": ("k text not null, g text not null, n int8, amount numeric(18,2), note text", ["k"], []),
    "by number": ("k int8 not null, g text not null, n int8, amount numeric(18,2), note text", ["k"], []),
    "by uuid": ("k uuid not null, g text not null, n int8, amount numeric(18,2), note text", ["k"], []),
    "by two": ("g text not null, k int4 not null, n int8, amount numeric(18,2), note text", ["g", "k"], []),
    "by decimal": ("k numeric(30,3) not null, g text not null, n int8, amount numeric(18,2), note text", ["k"], []),
    "partitioned": ("k text not null, g text not null, n int8, amount numeric(18,2), note text", ["k"],
                    ["partition_by=g"]),
    "partitioned by key": ("g text not null, k int8 not null, n int8, amount numeric(18,2), note text", ["g", "k"],
                           ["partition_by=g"]),
}


def make_key(kind: str, i: int):
    if kind == "by uuid":
        return str(uuid.UUID(int=hash((i, "bourn")) & (1 << 128) - 1 | i << 90))
    if kind in ("by text", "partitioned"):
        return f"user-{i * 7919 % 100003}" + ("é" * (i % 5)) + "x" * (i % 3 * 20)
    if kind == "by decimal":
        return Decimal(i * 1000 + i % 7) / 1000 * (-1 if i % 2 else 1)
    return i * (-1 if i % 3 == 0 else 1)


def make_row(rng: random.Random, kind: str, i: int) -> dict:
    return {"k": make_key(kind, i),
            "g": rng.choice(["web", "api", "a/b=c%", "ü"]) if "by" not in kind or kind == "by text"
            else f"g{i % 3}",
            "n": rng.choice([None, rng.randrange(-2**63, 2**63)]),
            "amount": rng.choice([None, Decimal(rng.randrange(-10**12, 10**12)) / 100]),
            "note": rng.choice([None, "", rng.randbytes(rng.randrange(60)).hex()])}


def shown(kind: str, row: dict) -> dict:
    """The row as a reader of the table gets it."""
    return {name: Decimal(value).quantize(Decimal("0.001")) if kind == "by decimal" and name == "k"
            else value.quantize(Decimal("0.01")) if isinstance(value, Decimal) else value
            for name, value in row.items()}


def upserts(kind: str, rng: random.Random, lake: Path) -> None:
    columns, key, words = KEYED[kind]
    words = [f"key={','.join(key)}", "target_file_size=64kB", f"compact_files={rng.choice([0, 3, 32])}", *words]
    sink, model, history, epoch = Sink(lake, columns, *words), {}, {}, 0
    domain = rng.choice([5, 500, 4000])
    for step in range(30):
        puts, deletes, expected = {}, {}, dict(inserted=0, updated=0, deleted=0, unchanged=0)
        for i in rng.sample(range(domain), min(domain, rng.choice([0, 1, 3, 100, 700]))):
            row, old = make_row(rng, kind, i), model.get(i)
            chance = rng.random()
            if chance < 0.2:
                deletes[i] = {name: (old or row)[name] for name in key} | ({} if "g" in key else {"g": "web"})
                expected["deleted" if old else "unchanged"] += 1
                continue
            if chance < 0.3 and old:
                row = old
            puts[i] = row
            expected["inserted" if not old else "unchanged" if old == row else "updated"] += 1
        first, epoch = epoch + 1, epoch + rng.randrange(1, 4)
        sink.send(puts.values(), deletes.values())
        done = sink.apply(first, epoch)
        for i in deletes:
            model.pop(i, None)
        model |= puts
        assert {name: done[name] for name in expected} == expected, f"step {step}: {done}, expected {expected}"
        rows = [shown(kind, row) for row in model.values()]
        history[done["version"]] = rows
        must_equal(table_rows(lake / "t"), rows, f"step {step}")
        if rng.random() < 0.3:  # the same again, by us or by one who started anew
            if rng.random() < 0.5:
                sink.close()
                sink = Sink(lake, columns, *words)
                assert sink.applied == epoch and not sink.other, (sink.applied, epoch)
            sink.send(puts.values(), deletes.values())
            again = sink.apply(first, epoch)
            assert again["version"] == done["version"] and again["added"] == 0, "an epoch was applied twice"
    sink.close()
    for version, rows in history.items():
        must_equal(table_rows(lake / "t", version), rows, f"version {version}")
    if domain == 500:
        files = DeltaTable(str(lake / "t")).file_uris()
        assert len(files) <= (2 if not words[3:] else 8), f"a small table has {len(files)} files"


def an_upsert_touches_only_its_files(rng: random.Random, lake: Path) -> None:
    """Of a table of many files, those that hold changed keys are rewritten, and no other."""
    columns, _, _ = KEYED["by number"]
    sink = Sink(lake, columns, "key=k", "target_file_size=64kB", "compact_files=0")
    rows = {i: {"k": i, "g": "web", "n": i, "amount": None, "note": rng.randbytes(40).hex()} for i in range(20_000)}
    sink.send(rows.values())
    sink.apply(1, 1)
    files = len(DeltaTable(str(lake / "t")).file_uris())
    assert files >= 8, files
    near = range(7_000, 7_005)
    far = (10, 9_990, 19_990)
    for epoch, puts, deletes, touched in (
            (2, [{**rows[500], "n": -1}], [], (1, 1)), (3, [rows[600], rows[15_000]], [], (0, 0)),
            (4, [], [rows[9_000]], (1, 1)), (5, [], [{**rows[1], "k": 99_999}], (0, 0)),
            (6, [{**rows[i], "n": -1} for i in near], [], (1, 2)), (7, [{**rows[i], "n": -1} for i in far], [], (3, 3)),
            (8, [{**rows[500], "n": -2}, rows[501], rows[18_000]], [], (1, 1))):
        sink.send(puts, deletes)
        done = sink.apply(epoch, epoch)
        assert touched[0] <= done["removed"] <= touched[1] and done["added"] <= done["removed"] + 1, (epoch, done)
        rows |= {row["k"]: row for row in puts}
        for row in deletes:
            rows.pop(row["k"], None)
    sink.close()
    must_equal(table_rows(lake / "t"), list(rows.values()), "in the end")


def each_apply_is_one_commit(rng: random.Random, lake: Path) -> None:
    """The rows, the files they replace, and the epoch they are of."""
    for table, words in (("appended", []), ("keyed", ["key=id"])):
        sink = Sink(lake, APPENDED, "compact_files=0", *words, table=table)
        for epoch in range(1, 13):
            sink.send(events(rng, epoch % 3, 20))
            done = sink.apply(epoch, epoch)
            assert done["version"] == epoch - 1, done
            lines = (lake / table / "_delta_log" / f"{epoch - 1:020}.json").read_text().splitlines()
            actions = [json.loads(line) for line in lines]
            kinds = Counter(name for action in actions for name in action)
            assert (kinds["add"], kinds["remove"], kinds["txn"]) == (done["added"], done["removed"], 1), kinds
            (txn,) = [action["txn"] for action in actions if "txn" in action]
            assert (txn["appId"], txn["version"]) == (US, epoch), txn
        sink.close()


# ---- appends ----

APPENDED = "id int8 not null, day date not null, who text, amount numeric(18,2)"


def events(rng: random.Random, epoch: int, n: int) -> list[dict]:
    return [{"id": epoch * 10000 + i, "day": f"2026-11-{rng.randrange(1, 5):02}",
             "who": rng.choice([None, "u1", "u2"]), "amount": Decimal(rng.randrange(10**6)) / 100} for i in range(n)]


def appended(rows) -> list[dict]:
    return [{**row, "amount": row["amount"].quantize(Decimal("0.01"))} for row in rows]


def appends(rng: random.Random, lake: Path) -> None:
    words = rng.choice([[], ["partition_by=day"], ["partition_by=day, who", "compression=snappy"]])
    words = [*words, f"compact_files={rng.choice([0, 4])}"]
    sink, rows = Sink(lake, APPENDED, *words), []
    for epoch in range(1, 36):
        new = events(rng, epoch, rng.choice([0, 1, 50, 3000]))
        for _ in range(rng.choice([1, 1, 2])):
            sink.send(new)
            sink.apply(epoch, epoch)
        rows += new
    sink.close()
    must_equal(table_rows(lake / "t"), appended(rows), "appended")
    assert list((lake / "t/_delta_log").glob("*.checkpoint.parquet")), "there is no checkpoint after 35 commits"


def the_log_is_cleaned(rng: random.Random, lake: Path) -> None:
    """Commits and checkpoints past the retention go, a day at a time, and the table stays what it was; not where the
    table says that they are to stay."""
    for name, enabled in (("cleaned", True), ("kept", False)):
        sink, rows, log = Sink(lake, APPENDED, table=name), [], lake / name / "_delta_log"
        if not enabled:
            sink.apply(1, 1)
            DeltaTable(str(lake / name)).alter.set_table_properties({"delta.enableExpiredLogCleanup": "false"})
        for epoch in range(2, 36):
            if epoch == 26:  # two months later
                sink.close()
                for file in log.iterdir():
                    os.utime(file, (time.time() - 60 * 86400,) * 2)
                sink = Sink(lake, APPENDED, table=name)
            new = events(rng, epoch, 5)
            sink.send(new)
            sink.apply(epoch, epoch)
            rows += new
        sink.close()
        left = sorted(int(file.name[:20]) for file in log.glob("*[0-9].json"))
        assert left[0] == (20 if enabled else 0) and left == list(range(left[0], left[-1] + 1)), (name, left)
        checkpoints = sorted(int(file.name[:20]) for file in log.glob("*.checkpoint.parquet"))
        assert checkpoints == ([20, 30] if enabled else [10, 20, 30]), (name, checkpoints)
        must_equal(table_rows(lake / name), appended(rows), name)


# ---- other writers ----

def vacuum(path: Path) -> None:
    DeltaTable(str(path)).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def foreign_rows(rng: random.Random, number: int, n: int) -> tuple[pa.Table, list[dict]]:
    rows = events(rng, 1000 + number, n)
    table = pa.table({"id": pa.array([r["id"] for r in rows], pa.int64()),
                      "day": pa.array([datetime.date.fromisoformat(r["day"]) for r in rows], pa.date32()),
                      "who": pa.array([r["who"] for r in rows], pa.string()),
                      "amount": pa.array([r["amount"] for r in rows], pa.decimal128(18, 2))},
                     schema=pa.schema([pa.field("id", pa.int64(), False), pa.field("day", pa.date32(), False),
                                       pa.field("who", pa.string()), pa.field("amount", pa.decimal128(18, 2))]))
    return table, rows


def between_appends(rng: random.Random, lake: Path) -> None:
    sink, path, rows = Sink(lake, APPENDED, "compact_files=5"), lake / "t", []
    for epoch in range(1, 30):
        new = events(rng, epoch, rng.randrange(1, 30))
        sink.send(new)
        sink.apply(epoch, epoch)
        rows += new
        match rng.randrange(6):
            case 0:
                table, more = foreign_rows(rng, epoch, 20)
                write_deltalake(str(path), table, mode="append")
                rows += more
            case 1:
                DeltaTable(str(path)).optimize.compact()
            case 2:
                vacuum(path)
            case 3:
                DeltaTable(str(path)).delete("who = 'u1'")
                rows = [row for row in rows if row["who"] != "u1"]
            case 4:
                sink.close()
                sink = Sink(lake, APPENDED, "compact_files=5")
                assert sink.applied == epoch
        must_equal(table_rows(path), appended(rows), f"epoch {epoch}")
    version = DeltaTable(str(path)).version()
    sink.send(events(rng, 30, 3))
    sink.apply(30, 30)
    DeltaTable(str(path)).restore(version)
    sink.send(events(rng, 31, 3))
    must_stop(lambda: sink.apply(31, 31), "RESTORE", "older version")
    sink.kill()
    must_stop(lambda: Sink(lake, APPENDED), "RESTORE", "--adopt")
    sink, new = Sink(lake, APPENDED, "adopt"), events(rng, 31, 3)
    sink.send(new)
    sink.apply(31, 31)
    must_equal(table_rows(path), appended(rows + new), "after --adopt")
    sink.close()


def between_upserts(rng: random.Random, lake: Path) -> None:
    columns, path, model = APPENDED, lake / "t", {}
    sink = Sink(lake, columns, "key=id", "target_file_size=64kB")
    for epoch in range(1, 25):
        new = {row["id"] % 100: {**row, "id": row["id"] % 100} for row in events(rng, epoch, rng.randrange(1, 50))}
        sink.send(new.values())
        sink.apply(epoch, epoch)
        model |= new
        match rng.randrange(4):
            case 0:
                table, more = foreign_rows(rng, epoch, 20)
                write_deltalake(str(path), table, mode="append")
                model |= {row["id"]: row for row in more}
            case 1:
                DeltaTable(str(path)).optimize.compact()
            case 2:
                vacuum(path)
        must_equal(table_rows(path), appended(model.values()), f"epoch {epoch}")
    DeltaTable(str(path)).delete("id < 50")
    sink.send([{"id": 1, "day": "2026-11-21", "amount": 1}])
    must_stop(lambda: sink.apply(25, 25), "DELETE", "kept up to date by key", "--resync")
    sink.kill()
    must_stop(lambda: Sink(lake, columns, "key=id"), "DELETE", "--resync")
    sink = Sink(lake, columns, "key=id", "resync")
    sink.send(model.values())
    sink.resync(25, 25)
    must_equal(table_rows(path), appended(model.values()), "after --resync")
    sink.send([{**model[1], "who": "again"}])
    sink.apply(26, 26)
    model[1]["who"] = "again"
    must_equal(table_rows(path), appended(model.values()), "after the epoch after --resync")
    sink.close()


def at_the_same_time(rng: random.Random, lake: Path, keyed: bool | None = None) -> None:
    """Others append, compact and vacuum without retention while we append and upsert: no row is lost on either
    side. Where
    both compact, delta-rs may merge what we had merged (it does not look); then the sink must say so."""
    path, stop, foreign, problems = lake / "t", threading.Event(), [], []
    keyed = rng.random() < 0.5 if keyed is None else keyed
    both_compact, with_vacuum = rng.random() < 0.5, rng.random() < 0.5
    sink = Sink(lake, APPENDED, f"compact_files={6 if both_compact else 0}", *(["key=id"] if keyed else []))
    sink.apply(1, 1)

    def others() -> None:
        mine = random.Random(rng.random())
        number = 0
        while not stop.is_set():
            number += 1
            try:
                if number % 4 == 0:
                    DeltaTable(str(path)).optimize.compact()
                    continue
                if number % 6 == 0 and with_vacuum:
                    vacuum(path)
                    continue
                table, rows = foreign_rows(mine, number, 5)
                write_deltalake(str(path), table, mode="append")
                foreign.extend(rows)
            except Exception as error:  # they too may lose a race
                problems.append(str(error))

    thread = threading.Thread(target=others)
    thread.start()
    ours, epoch, model = [], 1, {}
    try:
        begin = time.time()
        while (past := time.time() - begin) < 4 or (len(foreign) <= 20 and past < 2 * HANGS):
            epoch += 1
            if past > 4:  # hundreds of commits a second leave the others, who start again each time, no gap
                time.sleep(0.05)
            new = events(rng, epoch, rng.randrange(1, 40))
            if keyed:
                new = list({row["id"] % 200: {**row, "id": row["id"] % 200} for row in new}.values())
                model |= {row["id"]: row for row in new}
            sink.send(new)
            sink.apply(epoch, epoch)
            ours += new
    except Stopped as stopped:
        assert (both_compact and "rows are in the table twice" in str(stopped)
                or with_vacuum and "a VACUUM without retention" in str(stopped)), stopped
        return
    finally:
        stop.set()
        thread.join()
    sink.close()
    must_equal(table_rows(path), appended((list(model.values()) if keyed else ours) + foreign),
               f"{epoch} epochs beside {len(foreign)} rows of others")
    assert epoch > 20 and len(foreign) > 20, f"only {epoch} epochs and {len(foreign)} foreign rows"


def a_lost_race(rng: random.Random, lake: Path) -> None:
    """Another one's commit comes between our last look at the table and our own, which is then made anew, with all its
    rows. Of the test build, which stops before it gives the commit its name."""
    first, second = ([{**row, "id": row["id"] % 100} for row in events(rng, epoch, 20)] for epoch in (1, 2))
    sink = Sink(lake, APPENDED, "key=id")
    sink.send(first)
    sink.apply(1, 1)
    sink.close()
    os.environ["BOURN_FAULT"] = "stop:link:1"
    try:
        sink = Sink(lake, APPENDED, "key=id")
    finally:
        del os.environ["BOURN_FAULT"]
    sink.send(second)
    sink.begin(2, 2)
    until(lambda: Path(f"/proc/{sink.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
    table, foreign = foreign_rows(rng, 2, 20)
    write_deltalake(str(lake / "t"), table, mode="append")
    sink.process.send_signal(signal.SIGCONT)
    assert sink.applied_now()["version"] == 2
    sink.close()
    model = {row["id"]: row for row in [*first, *second, *foreign]}
    must_equal(table_rows(lake / "t"), appended(model.values()), "after a lost race")


# ---- kill -9 ----

def killed(rng: random.Random, lake: Path, keyed: bool | None = None) -> None:
    """Killed at random moments and begun again, as the engine does: every epoch is there once, whole."""
    keyed = rng.random() < 0.5 if keyed is None else keyed
    words = ["compact_files=4", *(["key=id"] if keyed else [])]
    epochs, kills, path = 60, 0, lake / "t"
    made = {epoch: events(random.Random(epoch), epoch, 40) for epoch in range(1, epochs + 1)}
    if keyed:
        made = {e: list({r["id"] % 97: {**r, "id": r["id"] % 97} for r in rows}.values()) for e, rows in made.items()}
    done = stalled = 0
    while done < epochs:
        sink = Sink(lake, APPENDED, *words)
        assert sink.applied >= done, f"the table went back from {done} to {sink.applied}"
        stalled = stalled + 1 if done == sink.applied else stalled // 2
        done = sink.applied
        timer = threading.Timer(rng.random() * 0.02 * (1 + stalled), sink.process.kill)
        timer.start()
        try:
            for epoch in range(done + 1, epochs + 1):
                sink.send(made[epoch])
                sink.apply(epoch, epoch)
                done = epoch
                if epoch == epochs // 2 and not kills:
                    timer.join()
        except (AssertionError, BrokenPipeError, OSError):
            kills += 1
        timer.cancel()
        sink.kill()
        assert kills < 4000, f"{done} epochs after {kills} kills"
    model: dict = {}
    for epoch in range(1, epochs + 1):
        for row in made[epoch]:
            model[row["id"]] = row
    must_equal(table_rows(path), appended(model.values()), f"after {kills} kills")
    assert kills, "it was never killed"


# ---- what is refused ----

def refusals(rng: random.Random, lake: Path) -> None:
    columns = "id int8 not null, who text, at timestamptz"
    sink = Sink(lake, columns)
    sink.send([{"id": 1, "who": "a", "at": "2026-11-21T06:00:00Z"}])
    sink.apply(1, 3)
    must_stop(lambda: Sink(lake, "id int4 not null, who text, at timestamptz"), "id", "integer", "long")
    must_stop(lambda: Sink(lake, "id int8 not null, who text"), "at")
    must_stop(lambda: Sink(lake, columns + ", more text"), "more", "merge_schema")
    must_stop(lambda: Sink(lake, columns + ", pause interval", table="new"), "pause", "interval", "extract(epoch")
    must_stop(lambda: Sink(lake, columns, "partition_by=whom", table="new"), "whom", "did you mean")
    must_stop(lambda: Sink(lake, columns, "partition_by=who"), "not partitioned")
    must_stop(lambda: Sink(lake, columns, "path=../out"), "leaves the folder")
    other = Sink(lake, columns, identity=OTHER)
    assert other.other == US and other.applied == 0, (other.other, other.applied)
    other.kill()
    other = Sink(lake, columns, "adopt", identity=OTHER)
    other.send([{"id": 2}])
    other.apply(1, 1)
    other.close()
    sink.send([{"id": 3}])
    must_stop(lambda: sink.apply(4, 4), "taken over", OTHER[:36])
    sink.kill()
    assert Sink(lake, columns).other == OTHER
    wider = Sink(lake, columns + ", more text", "merge_schema=true", identity=OTHER)
    wider.send([{"id": 4, "more": "new"}])
    wider.apply(2, 2)
    wider.close()
    rows = sorted((row["id"], row["more"]) for row in table_rows(lake / "t"))
    assert rows == [(1, None), (2, None), (4, "new")], rows
    retention = {"delta.setTransactionRetentionDuration": "interval 1 hours"}
    DeltaTable(str(lake / "t")).alter.set_table_properties(retention)
    must_stop(lambda: Sink(lake, columns + ", more text", identity=OTHER), "setTransactionRetentionDuration")


def replaced(rng: random.Random, lake: Path) -> None:
    columns = "id int8 not null, who text"
    sink = Sink(lake, columns)
    sink.send([{"id": 1}])
    sink.apply(1, 1)
    shutil.rmtree(lake / "t")
    sink.send([{"id": 2}])
    must_stop(lambda: sink.apply(2, 2), "t")
    write_deltalake(str(lake / "t"), pa.table({"id": pa.array([7], pa.int64()), "who": pa.array(["x"])},
                                              schema=pa.schema([pa.field("id", pa.int64(), False),
                                                                pa.field("who", pa.string())])))
    must_stop(lambda: sink.apply(2, 2), "t")
    sink.kill()
    with_check = DeltaTable(str(lake / "t"))
    with_check.alter.add_constraint({"positive": "id > 0"})
    must_stop(lambda: Sink(lake, columns), "constraint", "positive")


def every_type(rng: random.Random, lake: Path) -> None:
    columns = ("k int4 not null, b bool, i int8, d float8, n numeric(9,2), m numeric(18,4), w numeric(38,10), t text, "
               "y bytea, u uuid, day date, ts timestamp, tz timestamptz, j jsonb")
    row = {"k": 1, "b": True, "i": -2**63, "d": -0.0, "n": "9999999.99", "m": "-12345678901234.5678",
           "w": "9999999999999999999999999999.9999999999", "t": "ü" * 50000, "y": "\\x00ff",
           "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "day": "0001-01-01", "ts": "9999-12-31T23:59:59.999999",
           "tz": "1969-12-31T23:59:59.999999Z", "j": {"a": [1, None]}}
    for words in ([], ["key=k"]):
        table = "keyed" if words else "plain"
        sink = Sink(lake, columns, *words, table=table)
        sink.send([row, {"k": 2}])
        sink.apply(1, 1)
        sink.send([{"k": 3}] + ([{**row, "t": ""}] if words else []))
        done = sink.apply(2, 2)
        sink.close()
        found = {r["k"]: r for r in table_rows(lake / table)}
        assert set(found) == {1, 2, 3}, found.keys()
        assert all(value is None for name, value in found[2].items() if name != "k")
        one = found[1]
        assert one["t"] == ("" if words else "ü" * 50000)
        assert one["u"] == row["u"] and one["y"] == b"\x00\xff" and one["i"] == -2**63 and one["b"] is True
        assert one["w"] == Decimal(row["w"]) and one["m"] == Decimal(row["m"]) and one["n"] == Decimal(row["n"])
        assert str(one["ts"]) == "9999-12-31 23:59:59.999999" and str(one["day"]) == "0001-01-01"
        assert one["tz"].timestamp() == -0.000001 and json.loads(one["j"]) == {"a": [1, None]}
        if words:
            assert (done["inserted"], done["updated"]) == (1, 1), done


# ---- how fast ----

def measure(lake: Path) -> None:
    columns = ("event_id uuid, event_time timestamptz, user_id text, event_type text, channel text, currency text, "
               "amount numeric(18,2), schema_version int4, offset_ int8")
    best = min(time_of(lake / f"a{i}", columns, 1_000_000, []) for i in range(3))
    print(f"append of 1 M rows x 9 columns: {best / 1e6:.2f} s")
    metrics = ("user_id text not null, total_deposits numeric(18,2), total_withdrawals numeric(18,2), "
               "deposit_count int8, "
               "withdrawal_count int8, first_seen timestamptz, last_seen timestamptz, updated_at timestamptz")
    sink, times = Sink(lake / "u", metrics, "key=user_id"), []
    for epoch in range(1, 60):
        sink.say(f"rows 500 {epoch * 500}")
        times.append(sink.apply(epoch, epoch)["us"])
    sink.close()
    times.sort()
    print(f"upsert of 500 keys into 500 rows: median {times[len(times) // 2] / 1e3:.2f} ms")


def time_of(lake: Path, columns: str, rows: int, words: list[str]) -> int:
    sink = Sink(lake, columns, *words)
    sink.say(f"rows {rows} 1")
    us = sink.apply(1, 1)["us"]
    sink.close()
    return us


# ---- bugs on purpose ----

BUGS = {"delta_apply_not_idempotent": appends,
        "delta_drops_remove": lambda rng, lake: upserts("by number", rng, lake),
        "delta_half_commit": each_apply_is_one_commit,
        "delta_forgets_rewind": a_lost_race}


def planted_bugs_are_noticed(seed: int, work: Path) -> None:
    """Each bug, switched on in the test build, makes its test fail within a few seeds."""
    global TOOL
    release, TOOL = TOOL, os.environ.get("DELTA_SINK_TOOL_FAULTS") or tool("build-faults", "-Dfaults=true")
    unnoticed = set(BUGS)
    try:
        a_lost_race(random.Random(seed), work / "no-bug")
        for bug, test in BUGS.items():
            os.environ["BOURN_BUG"] = bug
            for attempt in range(8):
                try:
                    test(random.Random(f"{seed + attempt} {bug}"), work / f"{bug}-{attempt}")
                except AssertionError as failure:
                    print(f"# {bug}: {str(failure)[:100]}", flush=True)
                    unnoticed.discard(bug)
                    break
    finally:
        TOOL = release
        os.environ.pop("BOURN_BUG", None)
    assert not unnoticed, f"nobody noticed {unnoticed}"


def tests() -> dict:
    found = {f"upserts {kind}": lambda rng, lake, kind=kind: upserts(kind, rng, lake) for kind in KEYED}
    for test in (an_upsert_touches_only_its_files, each_apply_is_one_commit, appends, the_log_is_cleaned,
                 between_appends, between_upserts, at_the_same_time, killed, refusals, replaced, every_type):
        found[test.__name__.replace("_", " ")] = test
    return found


def main() -> None:
    global TOOL
    TOOL = os.environ.get("DELTA_SINK_TOOL") or tool("build")
    if "--measure" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))
        return
    suite = Suite("interop/delta_sink")
    for round_ in range(50 if LONG else 1):
        for name, test in tests().items():
            if suite.wants(name):
                with suite.case(f"{name} {round_}" if round_ else name) as folder:
                    test(random.Random(f"{suite.seed + round_} {name}"), folder)
    if suite.wants("planted bugs are noticed"):
        with suite.case("planted bugs are noticed", limit=2 * LIMIT) as folder:
            planted_bugs_are_noticed(suite.seed, folder)
    suite.end()


if __name__ == "__main__":
    main()
