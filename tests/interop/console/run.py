#!/usr/bin/env python3
"""The console sink: whole tables in a pipe and on a terminal, whose screen is worked out from the bytes; what changed;
and the values against sums made here from the same events."""
from __future__ import annotations

import collections
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import Suite, program  # noqa: E402
from harness.children import mortal  # noqa: E402

suite = Suite("interop/console")
BOURN = program()
ROWS = 5000

PIPELINE = """
CREATE SERVER events FOREIGN DATA WRAPPER file OPTIONS (path '{folder}/events.ndjson');
SET bourn.epoch_rows = 1000;
CREATE FOREIGN TABLE tx (customer_id text, category text, amount numeric(18,2)) SERVER events;
CREATE FOREIGN TABLE totals (category text PRIMARY KEY, n bigint, revenue numeric(38,2))
    SERVER console OPTIONS (commit_interval '1 ms'{options});
INSERT INTO totals SELECT category, count(*), sum(amount) FROM tx GROUP BY category;
CREATE FOREIGN TABLE customers (customer_id text PRIMARY KEY, note text, n bigint)
    SERVER console OPTIONS (num_rows '7', truncate '12', commit_interval '1 ms');
INSERT INTO customers SELECT customer_id, 'the customer called ' || customer_id, count(*) FROM tx GROUP BY customer_id;
"""


def prepare(folder: Path, options: str = "") -> tuple[list[list[str]], list[list[str]]]:
    """The pipeline in its folder; what the two tables have in the end."""
    events = folder / "events.ndjson"
    suite.command([BOURN, "generate", "--generator", "transactions", "--rows", ROWS, "--rate", 0, "--bad", 0,
                   "--seed", suite.seed, "--to", events])
    (folder / "p.sql").write_text(PIPELINE.format(folder=folder, options=options))
    counts, sums, customers = collections.Counter(), collections.Counter(), collections.Counter()
    for line in events.read_text().splitlines():
        event = json.loads(line, parse_float=Decimal)
        counts[event["category"]] += 1
        sums[event["category"]] += event["amount"]
        customers[event["customer_id"]] += 1
    totals = [[category, str(counts[category]), str(sums[category])] for category in sorted(counts)]
    return totals, [[name, "the custo...", str(customers[name])] for name in sorted(customers)]


def command(folder: Path) -> list[str]:
    return [str(BOURN), "run", "--until-caught-up", "--state", str(folder / "state"), str(folder / "p.sql")]


def tables_in(text: str) -> list[tuple[int, str, list[list[str]], str]]:
    """Epoch, name, rows and the last line of each table."""
    found = []
    for block in re.split(r"^(?=epoch \d+: \w+$)", text, flags=re.M)[1:]:
        lines = block.splitlines()
        epoch, name = re.fullmatch(r"epoch (\d+): (\w+)", lines[0]).groups()
        end = next(i for i, line in enumerate(lines) if line.startswith("("))
        found.append((int(epoch), name, [[cell.strip() for cell in line.split("|")] for line in lines[3:end]],
                      lines[end]))
    return found


def whole_tables_in_a_pipe(folder: Path) -> None:
    totals, customers = prepare(folder)
    text = suite.command([*command(folder), "--quiet"]).stdout
    found = tables_in(text)
    of_totals = [table for table in found if table[1] == "totals"]
    assert of_totals[-1][2:] == (totals, "(5 rows)"), of_totals[-1]
    assert all(len(rows) == 5 for _, _, rows, _ in of_totals)
    epochs = [table[0] for table in of_totals]
    assert epochs == sorted(epochs)
    last = [table for table in found if table[1] == "customers"][-1]
    assert last[2:] == (customers[:7], "(7 of 100 rows)"), last
    assert "\033" not in text


def what_changed(folder: Path) -> None:
    totals, _ = prepare(folder, ", mode 'update', format 'csv'")
    text = suite.command([*command(folder), "--quiet"]).stdout
    last = {}
    for line in text.splitlines():
        cells = line.split(",")
        if cells[0] in ("+", "-") and len(cells) == 4:
            last[cells[1]] = cells[1:]
    assert sorted(last.values()) == totals


def refused(folder: Path) -> None:
    for options, word in ((", mode 'complete', format 'csv'", "wants format 'table'"), (", truncate 'x'", "truncate"),
                          (", num_rows '0'", "num_rows"), (", mode 'append'", "complete"),
                          (", mode 'update', num_rows '3'", "shown whole")):
        prepare(folder, options)
        done = suite.command(command(folder), check=None)
        assert done.returncode != 0 and word in done.stderr, done.stderr


# ---- a terminal ----

class Screen:
    """Of a terminal what our output uses: moving up, clearing, lines that end at the edge."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        self.lines = [""]  # all there ever were; the last `rows` of them are seen
        self.at = self.column = 0
        self.wraps = True

    def feed(self, text: str) -> None:
        for token in re.findall(r"\033\[\??\d*[A-Za-z]|[^\033]|\033", text):
            self.take(token)

    def take(self, token: str) -> None:
        if token == "\n":
            self.at += 1
            if self.at == len(self.lines):
                self.lines.append("")
        elif token == "\r":
            self.column = 0
        elif re.fullmatch(r"\033\[(\d*)A", token):
            top = max(0, len(self.lines) - self.rows)
            self.at = max(top, self.at - int(token[2:-1] or 1))
        elif token == "\033[K":
            self.lines[self.at] = self.lines[self.at][:self.column]
        elif token == "\033[J":
            self.lines[self.at] = self.lines[self.at][:self.column]
            del self.lines[self.at + 1:]
        elif token in ("\033[?7l", "\033[?7h"):
            self.wraps = token.endswith("h")
        elif token.startswith("\033["):
            assert token.endswith("m"), repr(token)
        elif self.column < self.columns:
            line = self.lines[self.at].ljust(self.column)
            self.lines[self.at] = line[:self.column] + token + line[self.column + 1:]
            self.column += 1
        else:
            assert not self.wraps, "a line is longer than the terminal is wide"


def read_more(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody is at the other end any more
        return b""


def seen(text: bytes, rows: int, columns: int) -> tuple[list, list] | None:
    """Counts and sums of the totals, and counts of the customers; None: both tables do not stand there once, whole."""
    screen = Screen(rows, columns)
    screen.feed(text.decode(errors="ignore"))
    try:
        found = tables_in("\n".join(screen.lines))
    except StopIteration:  # half drawn
        return None
    if [table[1] for table in found] != ["totals", "customers"] or len(screen.lines) > rows:
        return None
    return [row[1:] for row in found[0][2]], [row[2] for row in found[1][2]]


def on_a_terminal(folder: Path) -> None:
    """The tables stand on the screen once, with their last values, clipped to its height and width. What comes next
    comes when the tables of before have been drawn."""
    for rows, columns, shown in ((24, 80, (5, 6)), (20, 33, (4, 4))):
        place = folder / f"{rows}"
        place.mkdir()
        totals, customers = prepare(place)
        events, path = place / "events.ndjson", place / "p.sql"
        lines = events.read_bytes().splitlines(True)
        events.write_bytes(b"".join(lines[:1000]))
        path.write_text(path.read_text().replace("events.ndjson'", "events.ndjson', follow 'true'"))
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        words = [word for word in command(place) if word != "--until-caught-up"]
        process = subprocess.Popen(mortal(words), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   env={**os.environ, "TERM": "xterm"})
        os.close(slave)
        wanted = ([row[1:] for row in totals[:shown[0]]], [row[2] for row in customers[:shown[1]]])
        text, upto, drawn, found = b"", 1000, 0, None
        while piece := read_more(master):
            text += piece
            if text.count(b"\033[J") > drawn and upto < len(lines):
                with open(events, "ab") as more:
                    more.write(b"".join(lines[upto:upto + 1000]))
                upto, drawn = upto + 1000, text.count(b"\033[J")
            if upto >= len(lines) and found != wanted:
                found = seen(text, rows, columns)
                if found == wanted:
                    process.send_signal(signal.SIGINT)
        os.close(master)
        assert process.wait() == 0, text.decode(errors="replace")
        assert seen(text, rows, columns) == wanted, text.decode()
        assert text.count(b"\033[J") > 2, "it was never drawn again"


def a_later_run_begins_with_the_whole_table(folder: Path) -> None:
    totals, customers = prepare(folder)
    path = folder / "p.sql"
    path.write_text(path.read_text().replace("events.ndjson'", "events.ndjson', follow 'true'"))
    suite.command(command(folder))
    shown = {name: (rows, end) for _, name, rows, end in tables_in(suite.command(command(folder)).stdout)}
    assert shown["totals"][0] == totals, "nothing came, and the table is what it was"
    assert shown["customers"] == (customers[:7], f"(7 of {len(customers)} rows)"), shown["customers"]
    with open(folder / "events.ndjson", "a") as events:
        events.write('{"customer_id":"C000","category":"anew","amount":2.50}\n')
    last = {name: rows for _, name, rows, _ in tables_in(suite.command(command(folder)).stdout)}
    assert last["totals"] == [["anew", "1", "2.50"], *totals], last


def main() -> None:
    for case in (whole_tables_in_a_pipe, a_later_run_begins_with_the_whole_table, what_changed, refused, on_a_terminal):
        suite.run(case)
    suite.end()


if __name__ == "__main__":
    main()
