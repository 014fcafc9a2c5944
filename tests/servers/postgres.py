"""A real PostgreSQL, the oracle: locale C, UTF8, time zone UTC, on a socket and a port of its own, run as `nobody`
where we are root.

    with Postgres(folder) as postgres:
        postgres.run("CREATE TABLE t (x int)")
        rows = postgres.rows("SELECT * FROM t ORDER BY x")     # lists of str, None for NULL
"""
from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import subprocess
from pathlib import Path

from harness.children import Server, free_port, give_to_unprivileged, mortal, unprivileged

NULL = "\x01null\x01"  # told apart from an empty string and from the word
csv.field_size_limit(1 << 30)  # as much as PostgreSQL has in one


def programs() -> Path:
    """The folder of initdb and postgres: Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    if not there:
        raise RuntimeError("PostgreSQL is not installed: run tools/deps test")
    return Path(there).parent


class Postgres:
    def __init__(self, folder: Path, settings: dict[str, str] | None = None):
        self.folder = folder / "postgres"
        self.data = self.folder / "data"
        self.folder.mkdir(parents=True)
        give_to_unprivileged(self.folder)
        self.port = free_port()
        self.settings = {"fsync": "off", "timezone": "UTC", "datestyle": "ISO, MDY", "log_timezone": "UTC",
                         "max_connections": "20", "shared_buffers": "64MB", **(settings or {})}
        self.server: Server | None = None
        self.env = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}
        self._initdb()

    def _initdb(self) -> None:
        done = subprocess.run(mortal([*unprivileged(), programs() / "initdb", "--pgdata", self.data, "--username",
                                      "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
                                      "--no-sync"]), text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              env=self.env, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def start(self) -> "Postgres":
        words = [*unprivileged(), programs() / "postgres", "-D", self.data, "-p", self.port, "-h", "127.0.0.1",
                 "-k", self.data]
        for name, value in self.settings.items():
            words += ["-c", f"{name}={value}"]
        self.server = Server(words, self.folder / "server.log", stop_signal=signal.SIGINT, env=self.env)
        self.server.wait_until(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        return self._psql("SELECT 1", check=False).returncode == 0

    def stop(self) -> None:
        if self.server:
            self.server.stop()

    def __enter__(self) -> "Postgres":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    def _psql(self, sql: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(mortal([programs() / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
                                      self.url]), input=sql, text=True, capture_output=True, env=self.env)
        if check and done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}\n{sql[:2000]}")
        return done

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, sql: str) -> str:
        """Statements as psql takes them, \\copy included; what they print."""
        return self._psql(sql).stdout

    def error_of(self, sql: str) -> str | None:
        """The message and SQLSTATE a statement fails with, "22012: division by zero"; None: it does not."""
        done = self._psql(f"\\set VERBOSITY verbose\n{sql}", check=False)
        if not done.returncode:
            return None
        line = next(line for line in done.stderr.splitlines() if "ERROR:" in line)
        return line.split("ERROR:", 1)[1].strip()

    def rows(self, query: str) -> list[list[str | None]]:
        copy = f"COPY ({query.rstrip().rstrip(';')}) TO STDOUT (FORMAT csv, NULL '{NULL}', FORCE_QUOTE *)"
        # Only fields that are NULL stand unquoted, and NULL is no text that a field would hold.
        text = self._psql(copy).stdout
        found = csv.reader(io.StringIO(text, newline=""))
        return [[None if field == NULL else field for field in row] for row in found]
