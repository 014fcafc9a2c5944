#!/usr/bin/env python3
"""Crash tests: the payments pipeline killed, failed, frozen and unplugged at every moment, and always right in the end.

    run.py [WORD...]     the cases whose name has one of the words
    BOURN_LONG=1         `make torture`: every call of the seam where CI takes a sample
"""
from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import HANGS, LONG, Suite, program, until  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402

go_on_in_venv()
from world import EXAMPLE, Observer, Violation, World, finish, lose, put_back, was_killed  # noqa: E402
from harness.children import mortal  # noqa: E402
from harness.disk import read_events, worlds  # noqa: E402
from harness.log import slots  # noqa: E402

WORKERS = 2
SMALL, LARGE = 2 * 2048 + 500, 20_000  # events: 3 epochs, 10 epochs
FOR_EVER = {"EIO", "ENOSPC"}
ERRORS = FOR_EVER | {"EACCES"}  # of which a sink gets over the last, once it is gone


def count_calls(world: World) -> int:
    place = world.fresh("count")
    done = world.run(place, more={"BOURN_FAULT_COUNT": str(world.folder / "count.txt")})
    if done.returncode:
        raise AssertionError(f"an undisturbed run fails:\n{done.stderr}")
    return int((world.folder / "count.txt").read_text().split()[1])


def sample(chance: random.Random, total: int, wanted: int) -> list[int]:
    everything = range(1, total + 1)
    return list(everything) if LONG or total <= wanted else sorted(chance.sample(everything, wanted))


def each(world: World, what: list, one) -> int:
    """Run one(world, place, item) for all items, a few at a time; the first violation says which item it was."""
    def named(item):
        place = world.fresh("place-" + "-".join(map(str, item)).replace(":", "-").replace("+", "p"))
        try:
            result = one(world, place, *item)
        except (Violation, subprocess.TimeoutExpired) as problem:
            raise Violation(f"{item}: {problem}") from problem
        shutil.rmtree(place, ignore_errors=True)
        return result

    hits = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(named, item) for item in what]
        try:
            for job in as_completed(jobs):
                hits += bool(job.result())
        finally:
            for job in jobs:
                job.cancel()
    return hits


# ---- one disturbance each ----

def kill_once(world: World, place: Path, at: int) -> bool:
    observer = Observer(world, place / "lake")
    done = world.run(place, fault=f"kill:{at}")
    if not was_killed(done) and done.returncode:
        raise Violation(f"not killed, but failed: {done.stderr}")
    observer.look()
    finish(world, place, observer)
    return was_killed(done)


def kill_twice(world: World, place: Path, first: int, second: int) -> bool:
    observer = Observer(world, place / "lake")
    world.run(place, fault=f"kill:{first}")
    observer.look()
    done = world.run(place, fault=f"kill:{second}")
    observer.look()
    finish(world, place, observer)
    return was_killed(done)


def fail_call(world: World, place: Path, rule: str, bug: str = "") -> bool:
    observer = Observer(world, place / "lake")
    done = world.run(place, fault=rule, bug=bug)
    if done.returncode < 0:
        raise Violation(f"ended by signal {-done.returncode}: {done.stderr[-1500:]}")
    if done.returncode and "error:" not in done.stderr:
        raise Violation(f"exit {done.returncode} without a word")
    observer.look()
    finish(world, place, observer)
    return done.returncode != 0


# ---- cases ----

def killed_at_every_boundary(folder: Path, world: World) -> None:
    total = count_calls(world)
    hits = each(world, [(n,) for n in range(1, total + 1)], kill_once)
    print(f"# {total} boundaries, {hits} kills, 0 violations")
    assert hits >= total * 0.9, "most kills must hit"


def killed_while_ids_expire(folder: Path, world: World, chance: random.Random) -> None:
    total = count_calls(world)
    kills = sample(chance, total, 60)
    hits = each(world, [(n,) for n in kills], kill_once)
    place = world.fresh("expired")
    world.run(place)
    unread = 0
    for slot in slots(place / "state/log"):
        record = json.loads(slot.read_bytes().partition(b"\n")[2])
        if not any(added["level"] for added in record.get("added", [])):  # else they were merged
            unread += len(record.get("dropped", []))
    assert unread >= 5, f"expired ids stay on disk: {unread} segments were dropped unread"
    print(f"# {total} boundaries, {hits} kills, 0 violations; {unread} segments dropped unread in a run")
    assert hits >= len(kills) * 0.8


def killed_while_rows_are_staged(folder: Path, world: World, chance: random.Random) -> None:
    """Nothing is published before the end, and by then rows of the appended table were staged epoch by epoch."""
    total = count_calls(world)
    kills, rules = sample(chance, total, 40), sample(chance, total, 40)
    hits = each(world, [(n,) for n in kills], kill_once)
    each(world, [(f"fail:{n}:{chance.choice(sorted(ERRORS))}",) for n in rules], fail_call)
    print(f"# {total} boundaries, {hits} kills, {len(rules)} failures, 0 violations")
    assert hits >= len(kills) * 0.8


def killed_again_during_recovery(folder: Path, world: World, chance: random.Random) -> None:
    total = count_calls(world)
    pairs = [(n, chance.randrange(1, 400)) for n in sample(chance, total, 120)]
    hits = each(world, pairs, kill_twice)
    print(f"# {len(pairs)} pairs of kills, {hits} in the second life, 0 violations")
    assert hits > len(pairs) / 2


def every_call_failed_once(folder: Path, world: World, chance: random.Random) -> None:
    total = count_calls(world)
    rules = [(f"fail:{n}:{chance.choice(sorted(ERRORS))}",) for n in sample(chance, total, 150)]
    stopped = each(world, rules, fail_call)
    print(f"# {len(rules)} faults, {stopped} stopped the run, 0 violations")
    assert stopped, "a fault that nobody notices was not injected"


def every_call_failed_for_ever(folder: Path, world: World, chance: random.Random) -> None:
    total = count_calls(world)
    rules = [(f"fail:{n}+:{e}",) for n in sample(chance, total, 50) for e in sorted(FOR_EVER)]
    stopped = each(world, rules, fail_call)
    print(f"# {len(rules)} faults, {stopped} stopped the run, 0 violations")
    assert stopped > len(rules) / 2


def short_writes(folder: Path, world: World, chance: random.Random) -> None:
    rules = [(f"short:{n}{more}",) for n in sorted(chance.sample(range(1, 200), 40)) for more in ("", "+")]
    stopped = each(world, rules, fail_call)
    print(f"# {len(rules)} short writes, {stopped} stopped the run, 0 violations")
    assert stopped


def after_power_loss(world: World, place: Path, disk, old: Path) -> bool:
    disk.write_to(place, root=str(old))
    observer = Observer(world, place / "lake")
    finish(world, place, observer)
    return True


def record_run(world: World, bug: str = "") -> tuple[Path, list]:
    old = world.fresh("recorded" + bug)
    record = world.fresh("record" + bug)
    done = world.run(old, bug=bug, more={"BOURN_RECORD": str(record)})
    assert done.returncode == 0, done.stderr
    return old, read_events(record / "os.rec")


def lose_power(world: World, chance: random.Random, count: int, bug: str = "") -> int:
    old, events = record_run(world, bug)

    def one(w: World, place: Path, cut: int, seed: int) -> bool:
        dice = random.Random(seed)
        return after_power_loss(w, place, dice.choice(list(worlds(events[:cut], dice, count=6))), old)

    return each(world, [(chance.randint(1, len(events)), chance.randrange(1 << 30)) for _ in range(count)], one)


def power_lost_at_any_moment(folder: Path, world: World, chance: random.Random) -> None:
    count = 2000 if LONG else 200
    print(f"# {lose_power(world, chance, count)} disks after a power loss, 0 violations")


def slots_of(log: Path) -> list[int]:
    return [int(path.name) for path in slots(log)] if log.exists() else []


def has_hole(numbers: list[int]) -> bool:
    return numbers[-1] - numbers[0] + 1 != len(numbers)


def removals(events: list) -> list[int]:
    """Behind which events a slot has just been removed, and another one before it that no sync has made sure of."""
    found, unsure = [], 0
    for at, event in enumerate(events):
        if event.kind == "unlink" and "/state/log/0" in event.path:
            unsure += 1
            if unsure > 1:
                found.append(at + 1)
        elif event.kind == "folder_sync" and event.path.endswith("/state/log"):
            unsure = 0
    return found


def some_with_strays(events: list, chance: random.Random) -> list:
    """Eight disks at random; where none of them has slots that were truncated away, one more that has."""
    found = list(worlds(events, chance, count=120))[4:]
    strays = [disk for disk in found if has_hole(sorted(int(os.path.basename(path)) for path in disk.files
                                                        if "/state/log/0" in path and path[-20:].isdigit()))]
    return found[:8] + [disk for disk in strays[:1] if disk not in found[:8]]


def verified_after_power_loss(folder: Path, world: World, chance: random.Random) -> None:
    """Slots that were truncated away may be back, some of them, in any order: `verify` must not take that for a hole.
    It looks before any other start has swept."""
    live, record = make(folder / "live"), make(folder / "record")
    pipeline = [EXAMPLE / "local.sql", EXAMPLE / "payments.sql"]

    def environment(place: Path, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LAKE": str(place / "lake"), "BOURN_STATE": str(place / "state"),
                "RATE": "3000", **more}

    process = subprocess.Popen(mortal([world.bourn, "run", "--quiet", *pipeline]), cwd=folder,
                               env=environment(live, BOURN_RECORD=str(record)), stderr=subprocess.PIPE, text=True)
    until(lambda: process.poll() is not None or slots_of(live / "state/log")[-1:] > [250])  # many were truncated
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 0, said
    events = read_events(record / "os.rec")
    disks = [disk for cut in chance.sample(removals(events), 3) for disk in some_with_strays(events[:cut], chance)]
    strays = 0
    for number, disk in enumerate(disks):
        place = folder / f"disk-{number}"
        disk.write_to(place, root=str(live))
        there = slots_of(place / "state/log")
        strays += has_hole(there)
        done = subprocess.run(mortal([world.bourn, "verify", *pipeline]), env=environment(place), capture_output=True,
                              text=True, cwd=folder)
        if done.returncode or "0 failed" not in done.stdout:
            raise Violation(f"slots {there}:\n{done.stdout}{done.stderr}")
    print(f"# {len(disks)} disks, {strays} with slots that were truncated away, 0 holes reported")
    assert strays


def zombie(world: World, place: Path, point: str, nth: int, bug: str = "") -> bool:
    """A is frozen at a point, B takes over and finishes, A wakes up: it must notice and change nothing. The lock that
    keeps B out on one machine is off, as between two machines."""
    observer = Observer(world, place / "lake")
    env = {"PATH": os.environ["PATH"], "EVENTS": str(world.events), "LAKE": str(place / "lake"), "HOME": str(place),
           "BOURN_STATE": str(place / "state"), "BOURN_BUG": ",".join(filter(None, ["no_lock", bug])),
           "BOURN_STOP_AT": f"{point}:{nth}:stop"}
    words = [world.bourn, "run", "--quiet", world.settings, EXAMPLE / "file.sql", world.pipeline]
    a = subprocess.Popen(mortal(words), env=env, cwd=place, stderr=subprocess.PIPE, text=True)
    try:
        if not wait_stopped(a.pid):
            return False
        finish(world, place, observer, bug="no_lock")
        before = fingerprint(place / "lake")
        a.send_signal(signal.SIGCONT)
        _, said = a.communicate(timeout=HANGS)
    finally:
        a.kill()
        a.wait()
    if a.returncode == 0:
        raise Violation("the zombie believes that all is well")
    observer.look_at_the_end()
    if fingerprint(place / "lake") != before:
        raise Violation(f"the zombie committed: {said}")
    return True


def wait_stopped(pid: int) -> bool:
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "T":
            return True
        if state == "Z":
            return False
        time.sleep(0.02)
    return False


def fingerprint(lake: Path) -> list[str]:
    return sorted(str(p.relative_to(lake)) for p in lake.rglob("_delta_log/*.json"))


def a_frozen_process_and_its_successor(folder: Path, world: World) -> None:
    freezes = [(point, n) for point in ("segment", "recorded") for n in range(1, 4)]
    hits = each(world, freezes, zombie)
    print(f"# {hits} freezes, 0 commits by a zombie")
    assert hits >= 4


def the_clock_set_back(folder: Path, world: World) -> None:
    place = world.fresh("clock")
    observer = Observer(world, place / "lake")
    world.run(place, fault="kill:700")
    done = world.run(place, more={"BOURN_CLOCK": "-1d"})
    assert done.returncode == 0, done.stderr
    observer.look_at_the_end()


# ---- tables that were rolled back ----

def resync_killed(world: World, place: Path, at: int, before: Path) -> bool:
    shutil.copytree(before, place, dirs_exist_ok=True)
    done = world.run(place, fault=f"kill:{at}", more={"BOURN_RESYNC": "1"})
    if not was_killed(done) and done.returncode:
        raise Violation(f"not killed, but failed: {done.stderr}")
    again = world.run(place, more={"BOURN_RESYNC": "1"})
    if again.returncode:
        raise Violation(f"the next --resync fails with {again.returncode}:\n{again.stderr[-2000:]}")
    finish(world, place, Observer(world, place / "lake"))
    return was_killed(done)


def tables_rolled_back_and_written_anew(folder: Path, world: World, chance: random.Random) -> None:
    before = world.fresh("rolled-back")
    assert world.run(before).returncode == 0
    for damage in (put_back, lose):
        place = world.fresh(damage.__name__)
        shutil.copytree(before, place, dirs_exist_ok=True)
        damage(place / "lake")
        said = world.run(place)
        assert said.returncode == 6 and ("rolled back" in said.stderr or "RESTORE" in said.stderr), said
        assert "--resync" in said.stderr, said.stderr
    put_back(before / "lake")
    lose(before / "lake")
    counted = world.fresh("counted")
    shutil.copytree(before, counted, dirs_exist_ok=True)
    world.run(counted, more={"BOURN_RESYNC": "1", "BOURN_FAULT_COUNT": str(world.folder / "resync.txt")})
    total = int((world.folder / "resync.txt").read_text().split()[1])
    at = [(n,) for n in sample(chance, total, 120)]
    hits = each(world, at, lambda w, place, n: resync_killed(w, place, n, before))
    print(f"# {hits} kills at {total} boundaries of a resync, 0 violations")
    assert hits >= len(at) * 0.9


# ---- planted bugs ----

def caught(test) -> bool:
    try:
        test()
    except (Violation, AssertionError, subprocess.TimeoutExpired):
        return True
    return False


def hunt(world: World, bug: str, first: str, chance: random.Random) -> str | None:
    """The name of the first test that catches the bug, beginning with the one named."""
    total = count_calls(world)

    def kills() -> None:
        each(world, [(n,) for n in sorted(chance.sample(range(1, total + 1), min(total, 150)))],
             lambda w, place, n: kill_once_with(w, place, n, bug))

    def plain() -> None:
        place = world.fresh("plain-" + bug)
        finish(world, place, Observer(world, place / "lake"), bug)

    def freezes() -> None:
        each(world, [(p, n) for p in ("segment", "recorded") for n in (1, 2)],
             lambda w, place, p, n: zombie(w, place, p, n, bug))

    def failures() -> None:
        each(world, [(f"fail:{n}:EIO",) for n in sorted(chance.sample(range(1, total + 1), 150))],
             lambda w, place, rule: fail_call(w, place, rule, bug))

    tests = {
        "an undisturbed run": plain,
        "killed at every boundary": kills,
        "a frozen process and its successor": freezes,
        "power lost at any moment": lambda: lose_power(world, chance, 150, bug),
        "every call failed": failures,
    }
    return next((name for name in sorted(tests, key=lambda name: name != first) if caught(tests[name])), None)


def kill_once_with(world: World, place: Path, at: int, bug: str) -> bool:
    observer = Observer(world, place / "lake")
    done = world.run(place, fault=f"kill:{at}", bug=bug)
    observer.look()
    finish(world, place, observer, bug)
    return was_killed(done)


def planted_bugs() -> list[tuple[str, str, str]]:
    lines = (Path(__file__).parent / "bugs.tsv").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


def planted_bug_is_caught(folder: Path, world: World, bug: str, first: str, chance: random.Random) -> None:
    by = hunt(world, bug, first, chance)
    assert by, f"nobody noticed the planted bug {bug}"
    print(f"# {bug}: caught by «{by}»")


def main() -> None:
    suite = Suite("crash")
    bourn = program("faults")
    chance = random.Random(suite.seed)
    small = World(make(suite.folder / "small"), bourn, SMALL, suite.seed % 1000)
    large = World(make(suite.folder / "large"), bourn, LARGE, suite.seed % 1000)
    limit = 36_000 if LONG else 900
    suite.run(killed_at_every_boundary, small, limit=limit)
    # Of the 20,000 ids, an event a second, at most 2,400 and those of an epoch or two are remembered at once.
    brief = World(make(suite.folder / "brief"), bourn, LARGE, suite.seed % 1000, watermark="20 minutes")
    suite.run(killed_while_ids_expire, brief, chance, limit=limit)
    held = World(make(suite.folder / "held"), bourn, LARGE, suite.seed % 1000, interval="1 hour")
    suite.run(killed_while_rows_are_staged, held, chance, limit=limit)
    suite.run(killed_again_during_recovery, small, chance, limit=limit)
    suite.run(every_call_failed_once, small, chance, limit=limit)
    suite.run(every_call_failed_for_ever, small, chance, limit=limit)
    suite.run(short_writes, small, chance, limit=limit)
    suite.run(power_lost_at_any_moment, small, chance, limit=limit)
    suite.run(verified_after_power_loss, small, chance, limit=limit)
    suite.run(a_frozen_process_and_its_successor, small, limit=limit)
    suite.run(the_clock_set_back, large, limit=limit)
    suite.run(tables_rolled_back_and_written_anew, small, chance, limit=limit)
    for bug, _, first in planted_bugs():
        name = f"planted bug {bug} is caught"
        if suite.wants(name):
            with suite.case(name, limit) as folder:
                world = large if bug.startswith("merge") else held if bug.startswith("staged") else small
                planted_bug_is_caught(folder, world, bug, first, chance)
    suite.end()


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
