"""What every suite's run.py stands on: cases that report in TAP, a temporary folder, and the programs under test.

    from harness import Suite, program
    suite = Suite("cli")
    with suite.case("version"):
        done = suite.command([program(), "--version"])
        assert done.stdout.startswith("bourn ")
    suite.end()

A case that raises has failed; the others still run. `tests/SUITE/run.py WORD...` runs only the cases whose name
contains one of the words.
"""
from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Iterator, NoReturn, Sequence

from .children import mortal

TOP = Path(__file__).resolve().parents[2]
LONG = os.environ.get("BOURN_LONG", "") not in ("", "0")


class Skip(Exception):
    """Something the case needs cannot be had on this machine; the text says what."""


# Limits are for what hangs, and are never waited for: a machine may be many times slower than the one a test was
# written on. What is to end at once, and has not ended after HANGS seconds, never will; nor will a case after LIMIT.
HANGS, LIMIT = 120, 900


def until(condition, seconds: float = 2 * HANGS) -> None:
    """Wait for what is sure to happen; never for a time in which it may have happened."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def chosen_seed() -> int:
    """BOURN_SEED; without it always the same one, so that a run tells of the commit and not of luck, except in the long
    runs (`make torture`, `make fuzz`) and with BOURN_SEED=new: those are there to look where nobody has looked."""
    given = os.environ.get("BOURN_SEED")
    if given == "new" or not given and (os.environ.get("BOURN_LONG") or os.environ.get("FUZZ_SECONDS")):
        return random.SystemRandom().randrange(1 << 32)
    return int(given or 1)


# Suites of many short runs, of which each would wait for the disk at every epoch. Kills need no disk, and power losses
# are made from what was written; where pages leave memory, a suite takes its folder `disk`.
MEMORY = Path("/dev/shm")
IN_MEMORY = {"unit", "cli", "cli/documented", "docs", "pipelines", "nexmark", "functions", "streams", "changes",
             "crash", "sanitizers", "interop/files", "interop/delta_sink"}


def place_of(suite: str) -> Path | None:
    """Where its temporary folder goes: in memory, where there is room and programs may be run; None: the usual place,
    or that of TMPDIR."""
    if suite not in IN_MEMORY or "TMPDIR" in os.environ:
        return None
    try:
        there = os.statvfs(MEMORY)
        known = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = min(there.f_bavail * there.f_frsize, int(known["MemAvailable"].split()[0]) << 10)
    except (OSError, KeyError, ValueError):
        return None
    return MEMORY if os.access(MEMORY, os.W_OK) and not there.f_flag & os.ST_NOEXEC and free > 4 << 30 else None


class Suite:
    def __init__(self, name: str):
        self.name = name
        self.words = [word for word in sys.argv[1:] if not word.startswith("-")]
        self.seed = chosen_seed()
        self.random = random.Random(self.seed)
        given = os.environ.get("BOURN_TEST_FOLDER")
        self.made_folders = not given
        prefix = f"bourn-{name.replace('/', '-')}-"
        self.folder = Path(given or tempfile.mkdtemp(prefix=prefix, dir=place_of(name)))
        self.folder.chmod(0o755)  # servers run as another user when we are root
        self.disk = Path(os.environ.get("BOURN_TEST_DISK", given) if given else tempfile.mkdtemp(prefix=prefix))
        self.count = self.failures = 0
        self.status: int | None = None  # of a suite that has come to its end
        atexit.register(self._leave)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        print(f"# {name}: seed {self.seed}, folder {self.folder}", flush=True)

    def wants(self, case: str) -> bool:
        return not self.words or any(word in case for word in self.words)

    @contextlib.contextmanager
    def case(self, name: str, limit: float = LIMIT) -> Iterator[Path]:
        """One test: gives it a folder of its own, and `limit` seconds. The body must look at `wants` itself if it is
        slow to set up; the body of an unwanted case is not skipped by `with`, so use `run` for whole functions."""
        begin = time.monotonic()
        folder = self.folder / name.replace("/", "-").replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with time_limit(limit):
                yield folder
        except Skip as reason:
            self._report(True, name, begin, f" # SKIP {reason}")
        except (Exception, SystemExit) as failure:
            print_failure(failure)
            print(f"# seed {self.seed}, folder {folder}")
            self._report(False, name, begin)
        else:
            self._report(True, name, begin)

    def run(self, function, *arguments, limit: float = LIMIT) -> None:
        """A case from a function: its name with spaces for underscores, called with its folder and the arguments."""
        name = function.__name__.replace("_", " ")
        if self.wants(name):
            with self.case(name, limit) as folder:
                function(folder, *arguments)

    def skip(self, name: str, reason: str) -> None:
        self._report(True, name, time.monotonic(), f" # SKIP {reason}")

    def _report(self, passed: bool, name: str, begin: float, note: str = "") -> None:
        self.count += 1
        self.failures += not passed
        print(f"# {time.monotonic() - begin:.2f} s")
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}{note}", flush=True)

    def command(self, words: Sequence, *, limit: float = 600, check: int | None = 0,
                **more) -> subprocess.CompletedProcess:
        """Run a program to its end with captured text output; `check` is the exit code it must have (None: any)."""
        words = [str(word) for word in words]
        more.setdefault("text", True)
        more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
        if more["stdin"] is None:
            del more["stdin"]
        done = subprocess.run(mortal(words), capture_output=True, timeout=limit, **more)
        if check is not None and done.returncode != check:
            raise AssertionError(f"{' '.join(words)}\nended with {done.returncode}, not {check}\n"
                                 f"stdout:\n{done.stdout}\nstderr:\n{done.stderr}")
        return done

    def end(self) -> NoReturn:
        print(f"1..{self.count}", flush=True)
        if self.made_folders and not self.failures:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.disk, ignore_errors=True)
        self.status = 1 if self.failures else 0
        sys.exit(self.status)

    def _leave(self) -> None:
        """After everything else that is done at exit: without the destructors of libraries, of which pyarrow's abort
        the process now and then because a thread of theirs still runs."""
        failed_later = hasattr(sys, "last_type")  # while servers were stopped
        if self.status is not None and not failed_later:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)


def print_failure(failure: BaseException) -> None:
    text = "".join(traceback.format_exception(failure))
    print("".join(f"# {line}\n" for line in text.splitlines()), end="")


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def over(*_):
        raise TimeoutError(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def clock_stopped() -> Iterator[None]:
    """What is built in a case takes none of its time."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)


def build(name: str = "build", targets: Sequence[str] = ("bourn",), options: Sequence[str] = (),
          environment: dict[str, str] | None = None) -> Path:
    """A build folder beside the sources, set up with these meson options where it is not there yet, and brought up to
    date. Suites may ask for the same one at once."""
    folder = TOP / name
    folder.mkdir(exist_ok=True)
    env = {**os.environ, **(environment or {})}
    with clock_stopped(), open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "build.ninja").exists():
            _must(["meson", "setup", "-Dtests=enabled", *options, folder, TOP], env)
        elif not _has_tests(folder):
            _must(["meson", "setup", "--reconfigure", "-Dtests=enabled", folder, TOP], env)
        _must(["ninja", "-C", folder, *targets], env)
    return folder


CLANG = {"CC": "clang", "CXX": "clang++"}
LIGHT = ["-Ddebug=false", "-Dc_args=-g1"]  # lines, for reports
# Kind: folder, options of meson, environment. What nobody's speed depends on is built with as little optimisation as
# serves: to build five times is a fourth of all the time, and what a sanitizer is to see is not optimised away.
BUILDS = {
    "faults": ("build-faults", ["-Dfaults=true", "-Doptimization=1", *LIGHT], {}),
    "address": ("build-address", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=0", *LIGHT],
                CLANG),
    "thread": ("build-thread", ["-Db_sanitize=thread", "-Db_lundef=false", "-Doptimization=1", *LIGHT], CLANG),
    "fuzz": ("build-fuzz", ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"], CLANG),
}


def built(kind: str, targets: Sequence[str] = ("bourn",)) -> Path:
    """The folder of a build that is not the one that users get, brought up to date."""
    name, options, environment = BUILDS[kind]
    return build(name, targets, options, environment)


def fuzz_targets() -> list[str]:
    return sorted(path.stem for path in (TOP / "tests/fuzz").glob("fuzz_*.c"))


def _has_tests(folder: Path) -> bool:
    """`make` may have set the folder up before there was what the tests need; then it would be tests that pass by not
    being there."""
    known = json.loads((folder / "meson-info/intro-buildoptions.json").read_text())
    return any((option["name"], option["value"]) == ("tests", "enabled") for option in known)


def program(kind: str = "release") -> Path:
    """The bourn to test: `release` is what users get (BOURN overrides it), `faults` the test build with fault
    injection and planted bugs."""
    if kind == "release":
        given = os.environ.get("BOURN")
        return Path(given).resolve() if given else build() / "bourn"
    if kind == "faults":
        return built("faults") / "bourn"
    raise ValueError(kind)


def _must(words: Sequence, env: dict[str, str]) -> None:
    done = subprocess.run(mortal(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    if done.returncode:
        said = done.stdout[max(done.stdout.find("FAILED:"), 0):]  # ninja's first failure says most
        raise RuntimeError(f"{' '.join(map(str, words))} failed:\n{said[:8000]}")
