"""A query over the 100,000 events, cut into epochs of any size and killed at any moment, on one worker or several."""
from __future__ import annotations

import collections
import datetime
import subprocess
import time
from pathlib import Path

from harness.children import mortal
from harness.log import slots
from world import EVENTS, QUERIES, command_of, epochs_of, generated, suite


def newest_slot(state: Path) -> int:
    log = state / "log"
    return max((int(path.name) for path in slots(log)), default=0) if log.exists() else 0


def run_and_kill(words: list[str], env: dict, state: Path, more_slots: int, delay: float) -> bool:
    """Killed with SIGKILL once the log has so many slots more, and a moment later; false: it ended before."""
    until = newest_slot(state) + more_slots
    process = subprocess.Popen(mortal(words), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    while process.poll() is None and newest_slot(state) < until:
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    said = process.communicate()[1].decode(errors="replace")
    assert process.returncode in (0, -9), f"ended with {process.returncode}:\n{said}"
    return process.returncode == -9


def cut_and_killed(folder: Path, query: str, seed: int, workers: int, kills: int,
                   every_epoch: bool = False) -> tuple[Path, dict]:
    """The result and the epochs of a run that was killed: each time somewhere in the next part of its way. For
    `every_epoch` to be among them there are so few that no life writes more records than the log keeps."""
    rnd = suite.random
    rows = rnd.choice([rnd.randint(300, 1500)][every_epoch:] + [rnd.randint(1500, 6000), rnd.randint(6000, 15_000)])
    own = folder / "q.sql"
    own.write_text(query.replace("'side_input.csv'", f"'{QUERIES / 'side_input.csv'}'")
                   + f"\nSET bourn.epoch_rows = {rows};\n")
    out, state = folder / "out.ndjson", folder / "state"
    files = [QUERIES / "file.sql", own]
    words, env = command_of(files, out, generated(suite.folder, seed), state, workers)
    hits, epochs = 0, {}
    for _ in range(kills):
        hits += run_and_kill(words, env, state, rnd.randint(0, max(EVENTS // rows // kills, 2)), rnd.random() * 0.03)
        epochs |= epochs_of(state, "bids_as_read")
    suite.command(words, env=env)
    epochs |= epochs_of(state, "bids_as_read")
    print(f"# {hits} kills, {rows} rows an epoch, {workers} workers, seed {seed}")
    return out, epochs


def rows_by_the_clock(epochs: dict[int, tuple[int, int]], kinds: list, width: int) -> collections.Counter:
    """q12's answer: a bid is in the window of its epoch's time, `width` microseconds long."""
    wanted, at = collections.Counter(), 0
    for _, (clock, rows) in sorted(epochs.items()):
        start = clock // width * width
        wanted.update((fields["bidder"], start) for kind, fields in kinds[at:at + rows] if kind == "bid")
        at += rows
    assert at == len(kinds), f"the log has {at} rows"
    found = collections.Counter()
    for (bidder, start), bids in wanted.items():
        times = [datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).isoformat(" ", "microseconds")[:26]
                 for us in (start, start + width)]
        found[(bidder, bids, *(time.rstrip("0").rstrip(".") for time in times))] += 1
    return found
