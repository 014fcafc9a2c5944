"""Inputs that are made once and kept: events, the same events written differently, and what the oracle says of them.

They lie in bench-inputs of the tests' cache (BENCH_INPUTS says otherwise), named after everything they depend on.
`bench/run prepare` makes those of all benchmarks, so that none is made while something is measured.
"""
from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from .measure import BOURN, TOP

from harness.downloads import cache  # noqa: E402
from oracle.payments import Expected  # noqa: E402

SHARES = ["--bad", "0.03", "--duplicates", "0.03", "--late", "0"]


def folder() -> Path:
    path = Path(os.environ.get("BENCH_INPUTS") or cache() / "bench-inputs")
    path.mkdir(parents=True, exist_ok=True)
    return path


def made(name: str, make) -> Path:
    path = folder() / name
    if not path.exists():
        print(f"making {path}", flush=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        make(partial)
        partial.rename(path)
    return path


def into_memory(*paths: Path) -> None:
    """Into the page cache, where they may not be any more: the disk that inputs lie on is not measured."""
    for path in paths:
        files = [path] if path.is_file() else sorted(path.iterdir())
        subprocess.run(["cat", *map(str, files)], stdout=subprocess.DEVNULL, check=True)


def digest(*paths: Path) -> str:
    h = hashlib.sha256()
    for path in paths:
        h.update(path.read_bytes())
    return h.hexdigest()[:10]


def _must(words: list) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stderr}")


@functools.cache
def generated(*options: str) -> str:
    """A name for what `bourn generate` makes with these options: it changes when the events do."""
    words = [str(BOURN), "generate", "--rows", "2000", "--rate", "0", *options, "--to", "-"]
    return hashlib.sha256(subprocess.run(words, capture_output=True, check=True).stdout).hexdigest()[:10]


def events(rows: int) -> Path:
    """3 % bad, 3 % duplicates, none late."""
    return made(f"payments-{generated(*SHARES)}-{rows}.ndjson", lambda path: _must(
        [BOURN, "generate", "--rows", rows, "--rate", 0, *SHARES, "--to", path]))


def rewritten(rows: int) -> Path:
    """The same events with shuffled keys and escapes."""
    script, plain = TOP / "bench/rewrite.py", events(rows)
    return made(f"{plain.stem}-rewritten-{digest(script)}.ndjson",
                 lambda path: _must([sys.executable, script, plain, path, "1"]))


def well_formed(rows: int) -> Path:
    """Without the lines that are no JSON object: a stream of documents cannot go on behind an open quote."""
    def make(partial: Path) -> None:
        with open(partial, "wb") as out:
            subprocess.run(["grep", "-a", "^{.*}$", str(events(rows))], stdout=out, check=True, env={"LC_ALL": "C"})
    return made(f"{events(rows).stem}-wellformed.ndjson", make)


def expected(path: Path) -> dict[str, list]:
    """The three tables, and of the dead letters how many and a hash, as tests/oracle/payments.py computes them."""
    def make(partial: Path) -> None:
        e = Expected().feed_file(str(path))
        tables = {name: plain(getattr(e, name)()) for name in ("net_flow", "user_metrics", "channel_distribution")}
        partial.write_text(json.dumps({**tables, "dead_letters": dead_letters(e.dead_letters())}))
    oracle = digest(TOP / "tests/oracle/payments.py")
    return json.loads(made(f"{path.stem}-oracle-{oracle}.json", make).read_text())


def plain(rows: list[tuple]) -> list[list]:
    """Rows as JSON can hold them: decimals and times as their text, which is exact."""
    def value(v):
        return str(v) if isinstance(v, Decimal) else v.isoformat() if hasattr(v, "isoformat") else v
    return [[value(v) for v in row] for row in rows]


def dead_letters(rows: list[tuple]) -> list:
    h = hashlib.sha256()
    for rules, raw in rows:
        h.update(rules.encode() + b"\0" + raw + b"\n")
    return [len(rows), h.hexdigest()]
