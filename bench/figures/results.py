"""Results: one JSON line each in bench/results/COMMIT.ndjson, with the command, the commit and the machine. A benchmark
that has its result for this commit is not run again; `bench/publish` makes the tables and plots of the docs from them.
"""
from __future__ import annotations

import json
import os
import time
from pathlib import Path

from . import measure

FOLDER = Path(os.environ.get("BENCH_RESULTS", measure.TOP / "bench/results"))


class Results:
    def __init__(self, folder: Path = FOLDER):
        self.commit, self.machine = measure.commit(), measure.machine()
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{self.commit}.ndjson"

    def all(self) -> list[dict]:
        return read(self.path) if self.path.exists() else []

    def has(self, bench: str, part: str | None = None) -> bool:
        """Whether this benchmark came to its end with this commit on such a machine; or this part of it is there."""
        return any(line["bench"] == bench and line["machine"] == self.machine
                   and (line.get("what") == part if part else line.get("last")) for line in self.all())

    def forget(self, bench: str, part: str | None = None) -> None:
        """All of it, or a part and what says that it is whole."""
        kept = [line for line in self.all()
                if line["bench"] != bench or part and line.get("what") != part and not line.get("last")]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def add(self, bench: str, what: str, *, command: str, others: float | None = None, **values) -> dict:
        """`what`: the row of the table; values: numbers under the names that publish.py prints."""
        line = {"bench": bench, "what": what, **{k: _short(v) for k, v in values.items()}, "command": command,
                "others": _short(others), "commit": self.commit, "machine": self.machine,
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self._write(line)
        shown = ", ".join(f"{name} {_show(value)}" for name, value in values.items())
        noise = f"  [others used {others:.0%} of the machine]" if others is not None and others > measure.QUIET else ""
        print(f"  {what}: {shown}{noise}", flush=True)
        return line

    def end(self, bench: str) -> None:
        self._write({"bench": bench, "last": True, "commit": self.commit, "machine": self.machine})

    def _write(self, line: dict) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _short(value):
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _show(value) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"
