"""The world of the crash tests: a small input, what its tables must be after every epoch, and an observer that looks at
what readers would see, at any moment, without a line of bourn.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pyarrow.parquet as parquet
from deltalake import DeltaTable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import HANGS, TOP  # noqa: E402
from harness.children import mortal  # noqa: E402
from oracle.payments import Expected, whole_row  # noqa: E402

EXAMPLE = TOP / "examples" / "payments"
TABLES = {
    "net_flow": "metrics/net_flow",
    "user_metrics": "metrics/user_metrics",
    "channel_distribution": "metrics/channel_distribution",
    "rejected": "rejected",
}
COLUMNS = {
    "net_flow": ["id", "total_deposits", "total_withdrawals", "net_flow", "deposit_count", "withdrawal_count",
                 "avg_deposit", "avg_withdrawal", "deposit_to_withdrawal_ratio"],
    "user_metrics": ["user_id", "total_deposits", "total_withdrawals", "deposit_count", "withdrawal_count",
                     "first_seen", "last_seen"],
    "channel_distribution": ["channel", "event_type", "event_count", "total_amount"],
    "rejected": ["rules", "raw"],
}


class Violation(AssertionError):
    """Something a reader must never see."""


def digest(rows) -> int:
    """Of a set of rows with their multiplicities: adding or replacing a row is adding or subtracting its share."""
    return sum(hash(("row", row)) * 0x9E3779B97F4A7C15 for row in rows) % (1 << 128)


class Digests:
    """The digest of each table, kept up to date event by event."""

    def __init__(self):
        self.expected = Expected()
        self.now = dict.fromkeys(TABLES, 0)

    def _rows(self, raw: bytes) -> dict[str, list[tuple]]:
        """The rows that this event may change, as they are now."""
        e, row = self.expected, whole_row(raw) or {}
        user, channel = row.get("user_id"), (row.get("channel"), row.get("event_type"))
        rows = {"net_flow": e.net_flow(), "user_metrics": [], "channel_distribution": [],
                "rejected": [(rules, message) for message, rules in e.rejected[-1:]]}
        if isinstance(user, str) and user in e.users:
            rows["user_metrics"] = [e.user_row(user)]
        if all(isinstance(part, str) for part in channel) and channel in e.channels:
            rows["channel_distribution"] = [(*channel, *e.channels[channel])]
        return rows

    def feed(self, raw: bytes) -> dict[str, int]:
        first, before, refused = self.expected.polled == 0, self._rows(raw), len(self.expected.rejected)
        self.expected.feed(raw)
        after = self._rows(raw)
        before["rejected"] = []
        if len(self.expected.rejected) == refused:
            after["rejected"] = []
        if first:
            before["net_flow"] = []
        for table in TABLES:
            self.now[table] = (self.now[table] - digest(before[table]) + digest(after[table])) % (1 << 128)
        return self.now


def read_log(folder: Path) -> dict[str, dict]:
    """The live files of a Delta table: its JSON commits replayed (crash tests write few enough for no checkpoint to be
    needed). Nothing there: empty."""
    live: dict[str, dict] = {}
    log = folder / "_delta_log"
    if not log.is_dir():
        return live
    versions = sorted(name for name in os.listdir(log) if name.endswith(".json") and name[:20].isdigit())
    for expected, name in enumerate(versions):
        if int(name[:20]) != expected:
            raise Violation(f"{folder.name}: version {expected} is missing")
        for line in (log / name).read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                live[urllib.parse.unquote(action["add"]["path"])] = action["add"]
            elif "remove" in action:
                live.pop(urllib.parse.unquote(action["remove"]["path"]), None)
    return live


def visible(lake: Path, table: str) -> tuple:
    """What a reader of the table sees now, sorted."""
    folder = lake / TABLES[table]
    rows: list[tuple] = []
    for path, add in read_log(folder).items():
        try:
            data = parquet.ParquetFile(folder / path).read(columns=COLUMNS[table])
        except (OSError, ValueError) as problem:
            raise Violation(f"{table}: the log names {path}, which cannot be read: {problem}") from problem
        if data.num_rows != json.loads(add["stats"])["numRecords"]:
            raise Violation(f"{table}: {path} has {data.num_rows} rows, its statistics say otherwise")
        rows += zip(*(data[column].to_pylist() for column in COLUMNS[table]))
    return tuple(sorted(rows, key=repr))


class World:
    """One input, and what must be. `watermark`: another one than the example's, with an event a second, so that ids
    expire on the way. `interval`: between publications, instead of one for each epoch."""

    def __init__(self, folder: Path, bourn: Path, rows: int, seed: int, watermark: str = "", interval: str = "0 s"):
        self.folder, self.bourn = folder, bourn
        self.events = folder / "events.ndjson"
        subprocess.run(mortal([bourn, "generate", "--rows", str(rows), "--rate", "0", "--late", "0", "--bad", "0.02",
                               "--duplicates", "0.05", "--seed", str(seed), "--nominal-rate",
                               "1" if watermark else "100", "--to", self.events]), check=True,
                       stderr=subprocess.DEVNULL)
        self.pipeline = EXAMPLE / "payments.sql"
        if watermark:
            text = self.pipeline.read_text()
            self.pipeline = folder / "payments.sql"
            self.pipeline.write_text(text.replace("watermark '1 day'", f"watermark '{watermark}'"))
        self.settings = folder / "settings.sql"
        self.settings.write_text(
            "SET bourn.epoch_rows = '2048'; -- an epoch a batch, wherever the clock is\n"
            "SET bourn.epoch_interval = '1 hour';\n"
            f"SET bourn.commit_interval = '{interval}';\n")
        digests = Digests()
        self.index = {table: {0: 0} for table in TABLES}  # digest -> after so many events
        with open(self.events, "rb") as lines:
            for number, line in enumerate(lines, 1):
                for table, value in digests.feed(line.rstrip(b"\n")).items():
                    self.index[table].setdefault(value, number)
        self.last = dict(digests.now)

    def run(self, place: Path, *, fault: str = "", bug: str = "", more: dict[str, str] | None = None,
            limit: float = 2 * HANGS) -> subprocess.CompletedProcess:
        """One life of the process in the folder `place`, which holds its state and its lake."""
        env = {"PATH": os.environ["PATH"], "EVENTS": str(self.events), "LAKE": str(place / "lake"),
               "BOURN_STATE": str(place / "state"), "HOME": str(place)}
        for name, value in {"BOURN_FAULT": fault, "BOURN_BUG": bug, **(more or {})}.items():
            if value:
                env[name] = value
        return subprocess.run(mortal([self.bourn, "run", "--quiet", self.settings, EXAMPLE / "file.sql",
                                      self.pipeline]), env=env, capture_output=True, text=True, timeout=limit,
                              cwd=place)

    def fresh(self, name: str) -> Path:
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place


class Observer:
    """Looks at the tables between the lives of a process. Every table must be what it is after some number of events,
    never fewer than at the last look. (Half an epoch is no such thing: its rows lie all over the table.)"""

    def __init__(self, world: World, lake: Path):
        self.world, self.lake = world, lake
        self.seen = {table: 0 for table in TABLES}

    def look(self) -> None:
        for table in TABLES:
            content = visible(self.lake, table)
            events = self.world.index[table].get(digest(content))
            if events is None:
                raise Violation(f"{table} shows {len(content)} rows that no number of events gives: a loss, a "
                                "duplicate, or half an epoch")
            if events < self.seen[table]:
                raise Violation(f"{table} went back from {self.seen[table]} events to {events}")
            self.seen[table] = events

    def look_at_the_end(self) -> None:
        self.look()
        for table in TABLES:
            if digest(visible(self.lake, table)) != self.world.last[table]:
                raise Violation(f"{table} is not what an uninterrupted run leaves")


def finish(world: World, place: Path, observer: Observer, bug: str = "") -> None:
    """The next start, unaided, must end well, with the tables of an uninterrupted run."""
    done = world.run(place, bug=bug)
    if done.returncode:
        raise Violation(f"the next start fails with {done.returncode}:\n{done.stderr[-2000:]}")
    observer.look_at_the_end()


def put_back(lake: Path) -> None:
    """The users' table as it was one version ago."""
    users = DeltaTable(str(lake / TABLES["user_metrics"]))
    users.restore(users.version() - 1)


def lose(lake: Path) -> None:
    shutil.rmtree(lake / TABLES["net_flow"])


def was_killed(done: subprocess.CompletedProcess) -> bool:
    return done.returncode == -signal.SIGKILL
