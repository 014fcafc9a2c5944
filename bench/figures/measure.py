"""One measurement: a command run pinned to cores, what it used, and what else the machine did meanwhile.

    took = run([BOURN, "run", ...], folder, cores="0")
    took.seconds, took.processor, took.others

`others` is the share of the machine's processor time that neither the command nor what was declared as part of the
measurement used: work of other processes, and time the host took away. It says whether a figure was taken quietly.
"""
from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from harness.children import end_all  # noqa: E402

BOURN = Path(os.environ.get("BOURN", TOP / "build/bourn")).resolve()
PAYMENTS = TOP / "examples/payments"
TICKS = os.sysconf("SC_CLK_TCK")
QUIET = 0.05  # what others may use of the machine in a figure that is published


@dataclass
class Took:
    seconds: float
    processor: float  # seconds, of the command and what it started and waited for
    system: float     # of these, in the kernel
    others: float     # share of the machine, 0..1
    memory: int       # bytes: the most that was resident
    text: str = ""    # its standard output


def busy() -> float:
    """Seconds of processor time the machine has used so far, what the host took away included."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS


class Machine:
    """What others used of the machine since then; our own children that ended are not others, nor what is named."""

    def __init__(self, beside: Sequence[int] = ()):
        self.beside = beside
        self.began, self.busy, self.own = time.monotonic(), busy(), self._own()

    def _own(self) -> float:
        ended = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return ended + sum(map(processor_of, self.beside))

    def others(self) -> float:
        used = busy() - self.busy - (self._own() - self.own)
        return max(used, 0) / ((time.monotonic() - self.began) * os.cpu_count())


def end_orphans() -> None:
    """End what a command left behind (see adopt_orphans), and wait for it: its processor time is ours only then."""
    end_all()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def processor_of(pid: int) -> float:
    """Seconds a running process and the children it waited for have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS


class Peak:
    """The most memory a process had resident. Its rusage does not say: that begins with what we had when we forked."""

    def __init__(self, pid: int):
        self.status, self.bytes = Path(f"/proc/{pid}/status"), 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.05):
            try:
                if found := re.search(r"VmHWM:\s*(\d+)", self.status.read_text()):
                    self.bytes = max(self.bytes, int(found[1]) * 1024)
            except OSError:
                return

    def end(self) -> int:
        self.ended.set()
        self.thread.join()
        return self.bytes


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(folder)), "LAKE": str(folder / "lake"),
            "BOURN_STATE": str(folder / "state"), "NO_COLOR": "1", **more}


def pinned(words: list, cores: str | None) -> list[str]:
    return [str(word) for word in ([*(["taskset", "-c", cores] if cores else []), *words])]


def run(words: list, folder: Path, cores: str | None = None, beside: Sequence[int] = (), **env: str) -> Took:
    """It must succeed. `beside`: processes that are part of the measurement, such as a broker."""
    words = pinned(words, cores)
    out, errors = folder / "stdout.txt", folder / "stderr.txt"
    before, beside_before = busy(), sum(map(processor_of, beside))
    begin = time.monotonic()
    with open(out, "wb") as o, open(errors, "wb") as e:
        child = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=o, stderr=e,
                                 env=environment(folder, **env))
        peak = Peak(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(words)} ended with {child.returncode}:\n{errors.read_text()[-4000:]}")
    own = usage.ru_utime + usage.ru_stime
    counted = own + sum(map(processor_of, beside)) - beside_before
    others = max(busy() - before - counted, 0) / (seconds * os.cpu_count())
    return Took(seconds, own, usage.ru_stime, others, peak.end(), out.read_text())


def machine() -> str:
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return f"{os.cpu_count()} virtual processors ({model[1].strip() if model else 'unknown'}), " \
           f"{round(int(memory[1]) / 1048576)} GiB"


def commit() -> str:
    """What was measured: the newest commit, and whether the sources differ from it."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(TOP), *words], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "meson.build", "examples", "bench")
    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
