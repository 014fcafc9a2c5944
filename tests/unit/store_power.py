#!/usr/bin/env python3
"""A local store keeps what it acknowledged through power losses, kills and failing calls, and is never half there.

    store_power.py PROGRAM      PROGRAM is store_tool, built with faults

A run of puts and removes is recorded at the seam; at every cut of the record, disks are built that a power loss could
have left there (harness/disk.py). In each, every object must be whole, and what was acknowledged last or is being
written. The same is done with planted bugs, which must be found: the model can fail. Then every call of the seam is, in
turn, killed before, failed, and failed for ever.
"""
from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.disk import Event, everything, read_events, worlds  # noqa: E402

SCRIPT = """
put a one 1
put deep/er/b two 700
absent log/1 three 1
put a four 900
absent log/2 five 400
put deep/er/b six 1
remove a
absent log/3 seven 2
put deep/c eight 600
remove deep/er/b
absent deep/er/b nine 1
""".strip().split("\n")


def scratch() -> tempfile.TemporaryDirectory:
    """In memory where there is such a folder: what the disk does is the model's part, and waiting for it is slow."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="store-power-", dir=memory if os.access(memory, os.W_OK) else None)


def contents(line: str) -> tuple[str, bytes | None]:
    words = line.split()
    return words[1], None if words[0] == "remove" else words[2].encode() * int(words[3])


def record(program: str, folder: Path, bugs: str = "", fault: str = "", lines=SCRIPT) -> tuple[list[Event], int]:
    """What the run did, and how it ended."""
    env = os.environ | {"BOURN_RECORD": str(folder), "BOURN_BUG": bugs, "BOURN_FAULT": fault,
                        "BOURN_FAULT_COUNT": str(folder / "counts")}
    done = subprocess.run([program, folder / "the store"], input="\n".join(lines) + "\n", env=env, text=True,
                          stderr=subprocess.DEVNULL)
    return read_events(folder / "os.rec"), done.returncode


def objects(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".tmp-")}


def violations(events: list[Event], root: str, rng: random.Random) -> list[str]:
    """What is wrong in some disk, at some cut."""
    wrong = []
    acknowledged: dict[str, bytes | None] = {}
    done = 0
    for cut in range(1, len(events) + 1):
        if events[cut - 1].kind == "point":
            name, content = contents(SCRIPT[done])
            acknowledged[name] = content
            done += 1
        underway = contents(SCRIPT[done]) if done < len(SCRIPT) else (None, None)
        for number, world in enumerate(worlds(events[:cut], rng)):
            found = {path.removeprefix(root + "/"): content for path, content in world.files.items()
                     if "/.tmp-" not in path}
            for name in acknowledged.keys() | found.keys():
                allowed = [acknowledged.get(name)] + ([underway[1]] if name == underway[0] else [])
                if found.get(name) not in allowed:
                    wrong.append(f"cut {cut}, disk {number}: {name}")
    return wrong


def killed_before_a_power_loss(program: str) -> list[str]:
    """Killed before call N, started again, and then the power fails: what the second run acknowledged is there,
    although the first may have made its folders and not lived to sync them."""
    wrong = []
    for call in range(1, 25):
        with scratch() as folder:
            record(program, Path(folder), fault=f"kill:{call}")
            events, _ = record(program, Path(folder), lines=["put deep/er/c again 3"])
            world = next(worlds(events, random.Random(0)))
            if world.files.get(f"{folder}/the store/deep/er/c") != b"again" * 3:
                wrong.append(f"kill:{call}, then a power loss")
    return wrong


def state_after(lines: int) -> dict[str, bytes]:
    state = dict(contents(line) for line in SCRIPT[:lines])
    return {name: content for name, content in state.items() if content is not None}


def interrupted(program: str, rule: str) -> list[str]:
    """With each call in turn struck by the rule: what was acknowledged is there, and the next step is done or not."""
    with scratch() as folder:
        record(program, Path(folder))
        calls = int(Path(folder, "counts").read_text().split()[1])
    wrong = []
    for call in range(1, calls + 1):
        with scratch() as folder:
            events, end = record(program, Path(folder), fault=rule.format(call))
            done = sum(event.kind == "point" for event in events)
            if objects(Path(folder, "the store")) not in (state_after(done), state_after(done + 1)):
                wrong.append(f"{rule.format(call)}: not the state after {done} or {done + 1} steps")
        if end == 0 and done < len(SCRIPT):
            wrong.append(f"{rule.format(call)}: ended early without saying so")
    return wrong


def main() -> int:
    program, failed = sys.argv[1], 0
    seed = int(os.environ.get("BOURN_SEED") or 1)
    print(f"# seed {seed}")
    for rule in ("kill:{}", "fail:{}:EIO", "fail:{}+:ENOSPC"):
        wrong = interrupted(program, rule)
        for line in wrong[:5]:
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} - {rule.format('N')} for every N")
        failed += bool(wrong)
    wrong = killed_before_a_power_loss(program)
    for line in wrong[:5]:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} - killed before call N, started again, then a power loss")
    failed += bool(wrong)
    for bugs, must_break in (("", False), ("no-sync", True), ("no-folder-sync", True)):
        with scratch() as folder:
            events, _ = record(program, Path(folder), bugs)
            root = f"{folder}/the store"
            there = {str(path): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}
            kept = everything(events).files == there
            wrong = violations(events, root, random.Random(seed))
        ok = kept and bool(wrong) == must_break
        for line in wrong[:5] if not ok else []:
            print(f"# {line}")
        if not kept:
            print("# the record does not give the disk that is there")
        print(f"{'ok' if ok else 'not ok'} - {len(events)} events, " +
              (f"planted bug {bugs} is found" if must_break else "nothing acknowledged is lost, nothing is half there"))
        failed += not ok
    print("1..7")
    return failed


if __name__ == "__main__":
    sys.exit(main())
