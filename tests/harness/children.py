"""Processes that do not outlive the tests, and free ports for them."""
from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterable

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SETPRIV = shutil.which("setpriv") or "/usr/bin/setpriv"  # of util-linux; a test may have another PATH
_libc = ctypes.CDLL(None, use_errno=True)


def mortal(words: Iterable) -> list[str]:
    """The command, made so that the kernel kills it when the thread that started it ends, however that ends. Not by a
    preexec_fn: Python's own part of a new child waits for ever if a thread of a library, such as librdkafka's, was
    within Python when it was forked."""
    return [SETPRIV, "--pdeathsig=KILL", "--", *map(str, words)]


def die_with_parent() -> None:
    """The same for a child that was forked and runs on."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """From now on, descendants whose parent has ended become our children: end_all finds them."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for task in Path(f"/proc/{pid}/task").iterdir()
                for word in (task / "children").read_text().split()]
    except OSError:
        return []


def descendants_of(pid: int, but: int | None = None) -> list[int]:
    found = []
    for child in children_of(pid):
        if child != but:
            found += [child, *descendants_of(child)]
    return found


def end_all(but: int | None = None) -> list[str]:
    """Kill what is left of our own descendants, but for this one and its own; answers their command lines."""
    named = []
    for _ in range(50):
        left = descendants_of(os.getpid(), but)
        alive = []
        for pid in left:
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if line:  # a zombie has none
                alive.append((pid, line))
        for pid, line in alive:
            named.append(line[:160])
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        if not alive:
            break
        time.sleep(0.05)
    return sorted(set(named))


def catches(pid: int, number: int) -> bool:
    """Whether the process has got so far that it has a handler for the signal."""
    found = re.search(r"^SigCgt:\t(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return bool(found) and bool(int(found[1], 16) >> number - 1 & 1)


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now, and that no other test is given while this process lives. Below the
    range the kernel hands out by itself, so that no outgoing connection takes it before its server does."""
    first, last = _ports()
    count = last - first
    for n in range(count):
        port = first + (os.getpid() * 64 + n) % count
        name = socket.socket(socket.AF_UNIX)  # stands for the port; the kernel forgets it when this process ends
        try:
            name.bind(f"\0bourn-test-port-{port}")
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _given.append(name)
        return port
    raise RuntimeError(f"no free port between {first} and {last - 1}")


def _ports() -> tuple[int, int]:
    try:
        least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        least = 32768
    return (10_000, least) if least > 12_000 else (20_000, 32_768)


_given: list[socket.socket] = []


def unprivileged() -> list[str]:
    """Words to put before a command that refuses to run as root; none where we are not root. A change of user makes the
    kernel forget that it is mortal, so that is asked for again."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL", "--"]


def give_to_unprivileged(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)


class Server:
    """A server process with its log in a file; a context manager that ends it: politely, then not."""

    def __init__(self, words: list, log: Path, stop_signal: int = signal.SIGTERM, env: dict[str, str] | None = None):
        self.log, self.stop_signal, self.name = log, stop_signal, str(words[0])
        with open(log, "ab") as out:
            self.process = subprocess.Popen(mortal(words), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                            cwd=log.parent)

    def wait_until(self, ready, limit: float = 300) -> None:
        until = time.monotonic() + limit
        while not ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > until:
                self.stop()
                raise TimeoutError(f"{self.name} is not ready after {limit:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self, size: int = 4000) -> str:
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def stop(self, limit: float = 120) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def listens(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0
