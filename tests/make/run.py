#!/usr/bin/env python3
"""What people type: make, and the scripts behind it. apt-get, sudo and dpkg-query are stood in for by scripts that
write down how they were called; nothing is installed."""
from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import HANGS, TOP, Suite, program, until  # noqa: E402
from harness.children import die_with_parent, mortal  # noqa: E402
from harness.downloads import venv  # noqa: E402

suite = Suite("make")


class StandIns:
    """A PATH whose dpkg-query knows `installed` packages, and whose apt-get and sudo (if any) only note their words."""

    def __init__(self, folder: Path, installed: list[str], uid: int, with_sudo: bool):
        self.folder, self.calls = folder / "bin", folder / "calls"
        self.folder.mkdir()
        for name in ("bash", "env", "sed", "cat", "printf", "dirname"):
            (self.folder / name).symlink_to(shutil.which(name))  # type: ignore[arg-type]
        self._script("dpkg-query", "".join(f"echo 'ii  {package}'\n" for package in installed))
        self._script("id", f"echo {uid}")
        self._script("apt-get", f'echo "apt-get $*" >>"{self.calls}"')
        if with_sudo:
            self._script("sudo", f'[ "$*" = "-n true" ] || echo "sudo $*" >>"{self.calls}"')

    def _script(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
        path.chmod(0o755)

    def deps(self, *words: str, check: int = 0) -> subprocess.CompletedProcess:
        return suite.command([TOP / "tools/deps", *words], check=check, env={"PATH": str(self.folder)})

    def called(self) -> str:
        return self.calls.read_text() if self.calls.exists() else ""


def packages(*sets: str) -> list[str]:
    return suite.command([TOP / "tools/deps", "--list", *sets]).stdout.split()


def deps_all_there(folder: Path) -> None:
    """Nothing is missing: apt is not called, whoever we are."""
    stand_ins = StandIns(folder, packages("build", "test"), uid=0, with_sudo=True)
    stand_ins.deps("build", "test")
    assert stand_ins.called() == ""


def deps_as_root(folder: Path) -> None:
    here = [package for package in packages("build") if package not in ("meson", "librdkafka-dev")]
    stand_ins = StandIns(folder, here, uid=0, with_sudo=True)
    stand_ins.deps("build")
    assert stand_ins.called() == "apt-get install --yes --no-install-recommends meson librdkafka-dev\n" or \
        sorted(stand_ins.called().split()[-2:]) == ["librdkafka-dev", "meson"], stand_ins.called()
    assert "sudo" not in stand_ins.called()


def deps_with_sudo(folder: Path) -> None:
    stand_ins = StandIns(folder, packages("build")[1:], uid=1000, with_sudo=True)
    stand_ins.deps("build")
    assert stand_ins.called().startswith("sudo ") and packages("build")[0] in stand_ins.called(), stand_ins.called()


def deps_without_root(folder: Path) -> None:
    """One line to run, and exit code 2."""
    stand_ins = StandIns(folder, packages("build")[2:], uid=1000, with_sudo=False)
    done = stand_ins.deps("build", check=2)
    lines = [line.strip() for line in done.stderr.splitlines() if "apt-get" in line]
    assert len(lines) == 1 and lines[0].startswith("apt-get update && apt-get install"), done.stderr
    assert lines[0].endswith(" ".join(packages("build")[:2])), lines
    assert stand_ins.called() == ""


def deps_names_are_real(folder: Path) -> None:
    """Every package is one that Debian has: on this machine they are all installed, or the tests would not run."""
    for package in packages("build", "test"):
        suite.command(["dpkg-query", "-W", package])


# ---- clean-run ----

def clean_run(folder: Path, **env: str) -> subprocess.CompletedProcess:
    return suite.command([TOP / "tools/clean-run"], cwd=folder, check=None,
                         env={"PATH": os.environ["PATH"], **env})


def a_run(folder: Path, **env: str) -> None:
    suite.command([program(), "run", "--for", "1", TOP / "examples/payments/local.sql",
                   TOP / "examples/payments/payments.sql"], cwd=folder, env={"PATH": os.environ["PATH"], **env})


def clean_run_forgets_a_run(folder: Path) -> None:
    a_run(folder)
    assert (folder / "state").is_dir() and (folder / "lake").is_dir()
    done = clean_run(folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / "state").exists() and not (folder / "lake").exists()
    assert clean_run(folder).returncode == 0


def clean_run_follows_the_settings(folder: Path) -> None:
    (folder / ".env").write_text(f'LAKE="{folder}/my lake"\nexport BOURN_STATE={folder}/kept\n')
    a_run(folder)
    assert (folder / "my lake").is_dir() and (folder / "kept").is_dir()
    assert clean_run(folder).returncode == 0
    assert not (folder / "my lake").exists() and not (folder / "kept").exists()


def clean_run_leaves_what_is_not_ours(folder: Path) -> None:
    a_run(folder)
    (folder / "lake/notes.txt").write_text("mine\n")
    foreign = folder / "lake/theirs/_delta_log"
    foreign.mkdir(parents=True)
    (foreign / f"{0:020}.json").write_text('{"commitInfo":{"engineInfo":"Apache-Spark/4.0"}}\n')
    (folder / "other-state").mkdir()
    (folder / "other-state/mine").touch()  # not ours, also when a state is in it
    a_run(folder, BOURN_STATE=str(folder / "other-state"), LAKE=str(folder / "other-lake"))
    done = clean_run(folder, BOURN_STATE=str(folder / "other-state"))
    assert done.returncode == 1 and "bourn did not make it" in done.stderr, done.stderr
    assert (folder / "other-state/mine").exists() and (folder / "state/.bourn").exists()
    (folder / "state/later").touch()
    done = clean_run(folder)
    assert done.returncode == 1 and "more in it than bourn's state" in done.stderr, done.stderr
    assert [path.name for path in (folder / "state").iterdir()] == ["later"]
    assert (folder / "lake/notes.txt").exists() and foreign.is_dir()
    assert not (folder / "lake/metrics").exists()


def clean_run_beside_a_live_run(folder: Path) -> None:
    live = subprocess.Popen(mortal([program(), "run", TOP / "examples/payments/local.sql",
                                    TOP / "examples/payments/payments.sql"]), cwd=folder,
                            env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (folder / "state/.bourn").exists())
    done = clean_run(folder)
    assert done.returncode == 1 and "a run is using it" in done.stderr, done.stderr
    assert (folder / "state/.bourn").exists()
    until(lambda: (folder / "state/control").exists())
    live.send_signal(signal.SIGINT)
    assert live.wait(HANGS) == 0


# ---- run and install ----

def make_run_and_its_repetition(folder: Path) -> None:
    """Plain lines without a terminal; then the tables, the ledger, what it used, and how others read them. The second
    run goes on where the first one ended."""
    env = {**os.environ, "BOURN": str(program()), "LAKE": str(folder / "a lake"), "BOURN_STATE": str(folder / "state")}
    ins = []
    for _ in range(2):
        done = suite.command([TOP / "tools/run-example", "payments", "2"], cwd=TOP, env=env)
        assert "events/s" in done.stderr and "\r" not in done.stderr, done.stderr
        for words in ("total_deposits", "the ledger, ", "R120  ", "MB of memory", "MB of disk", "DuckDB", "spark.read"):
            assert words in done.stdout, f"{words}: {done.stdout[-3000:]}"
        paste = re.search(r"^  Python +(.*)$", done.stdout, re.M)[1]
        leave = "; import os, sys; sys.stdout.flush(); os._exit(0)"  # pyarrow's threads may abort a process that exits
        assert "total_deposits" in suite.command([venv(), "-c", paste + leave]).stdout
        status = json.loads(suite.command([program(), "status", "--json"], env=env).stdout)
        ins.append(next(line["in"] for line in status["ledger"]["lines"] if line["kind"] == "source"))
    assert 0 < ins[0] < ins[1], ins
    verify = [program(), "verify", TOP / "examples/payments/local.sql", TOP / "examples/payments/payments.sql"]
    assert "0 failed" in suite.command(verify, env=env, cwd=TOP).stdout


def make_run_of_the_other_examples(folder: Path) -> None:
    """One after the other in one clone, each with folders of its own; clean-run then forgets all of them."""
    (folder / "examples").symlink_to(TOP / "examples")
    env = {**{name: value for name, value in os.environ.items() if name not in ("LAKE", "BOURN_STATE")},
           "BOURN": str(program()), "RATE": "0"}
    shown = (": category_windows\n", ": location_windows\n", "category_totals", "delta_scan")
    for example, query, words in (("payments", "", ("total_deposits",)), ("transactions", "", shown),
                                  ("nexmark", "5", ('"bids":', "the ledger, "))):
        done = suite.command([TOP / "tools/run-example", example, "3"], cwd=folder, env=env | {"Q": query})
        for word in words:
            assert word in done.stdout, f"{word}: {done.stdout[-3000:]}"
    verify = [program(), "verify", "--state", "state-transactions", "examples/transactions/local.sql",
              "examples/transactions/transactions.sql", "--evidence", "examples/transactions/evidence.sql"]
    assert ", 0 failed" in suite.command(verify, env=env | {"LAKE": "lake-transactions"}, cwd=folder).stdout
    assert {path.name for path in folder.iterdir()} == {"examples", "lake", "state", "lake-transactions",
                                                        "state-transactions", "state-q5"}
    assert clean_run(folder).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["examples"]


def interrupted(folder: Path, words: list[str]) -> tuple[int, float]:
    """On a terminal of its own, with Ctrl-C 2 s after the first status line: exit code, and how long it took to
    end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(TOP)
        os.environ |= {"LAKE": str(folder / "lake"), "BOURN_STATE": str(folder / "state"), "FOR": "60"}
        die_with_parent()
        os.execvp(words[0], words)
    pressed = said = None
    try:
        while more := os.read(terminal, 65536):
            now = time.monotonic()
            said = said or (now if b"events/s" in more else None)
            if said and not pressed and now > said + 2:
                os.write(terminal, b"\x03")
                pressed = now
    except OSError:
        pass  # the other side is closed: the program has ended
    _, status = os.waitpid(pid, 0)
    assert pressed, "it ended before it was interrupted"
    return os.waitstatus_to_exitcode(status), time.monotonic() - pressed


def make_run_ends_well_on_interrupt(folder: Path) -> None:
    program()
    code, seconds = interrupted(folder, ["make", "run"])
    assert code == 0, code
    assert seconds < HANGS, f"it took {seconds:.1f} s"


def what_is_built_is_not_spoken_of(_: Path) -> None:
    done = suite.command(["make", f"BUILD={program().parent}"], cwd=TOP)
    assert done.stdout + done.stderr == "", done.stdout + done.stderr


def install(folder: Path) -> None:
    root = folder / "with space"
    suite.command(["tools/install", program().parent, "/usr"], cwd=TOP, env={**os.environ, "DESTDIR": str(root)})
    done = suite.command([root / "usr/bin/bourn", "--version"])
    assert done.stdout.startswith("bourn ")
    page = (root / "usr/share/man/man1/bourn.1").read_text()
    verbs = suite.command([program(), "help", "run"]).stdout.splitlines()[0]
    assert ".SS run" in page and ".SS verify" in page and verbs.replace("-", "\\-") in page
    assert ".TP\n7\none of bourn's limits" in page, "exit codes"
    for path in ("bash-completion/completions/bourn", "zsh/site-functions/_bourn", "doc/bourn/LICENSE",
                 "fish/vendor_completions.d/bourn.fish", "doc/bourn/docs/operations.md"):
        assert (root / "usr/share" / path).is_file(), path
    suite.command(["cc", "-shared", "-fPIC", f"-I{root / 'usr/include'}", "-o", folder / "libiban.so",
                   TOP / "examples/functions/iban.c"])


def completion_knows_the_verbs(folder: Path) -> None:
    script = f"""source {TOP}/tools/completions/bourn.bash
        COMP_WORDS=({program()} ver); COMP_CWORD=1; _bourn; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=({program()} run --until); COMP_CWORD=2; _bourn; echo "${{COMPREPLY[@]}}" """
    done = suite.command(["bash", "-c", script], cwd=folder)
    assert done.stdout.split() == ["verify", "--until-caught-up"], done.stdout


venv()  # made here, where it may take its time
for test in (deps_all_there, deps_as_root, deps_with_sudo, deps_without_root, deps_names_are_real,
             clean_run_forgets_a_run, clean_run_follows_the_settings, clean_run_leaves_what_is_not_ours,
             clean_run_beside_a_live_run, make_run_and_its_repetition, make_run_of_the_other_examples,
             make_run_ends_well_on_interrupt, what_is_built_is_not_spoken_of, install, completion_knows_the_verbs):
    suite.run(test)
suite.end()
