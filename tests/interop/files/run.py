#!/usr/bin/env python3
"""File sources and file sinks in whole pipelines: compressed, followed, many, killed on the way, and wrong."""
from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, LONG, Suite, program, until  # noqa: E402
from harness.children import mortal  # noqa: E402

suite = Suite("interop/files")
BOURN, FAULTS = program(), program("faults")

PIPELINE = """
SET bourn.epoch_rows = {epoch_rows};
CREATE FOREIGN TABLE events (n bigint, k text, v numeric(12,2)) SERVER file OPTIONS (path '{source}'{options});
CREATE FOREIGN TABLE rows (n bigint, k text, v numeric(12,2))
    SERVER file OPTIONS (path '{folder}/rows.ndjson', commit_interval '{interval}');
INSERT INTO rows SELECT n, k, v FROM events;
CREATE FOREIGN TABLE sums (k text PRIMARY KEY, n bigint, v numeric(38,2))
    SERVER file OPTIONS (path '{folder}/sums.csv', format 'csv', header 'true', commit_interval '{interval}');
INSERT INTO sums SELECT k, count(*), sum(v) FROM events WHERE k IS NOT NULL GROUP BY k;
"""


class Pipeline:
    def __init__(self, folder: Path, source: Path, epoch_rows: int = 100000,
                 interval: str = "50 ms", **options: str):
        self.folder = folder
        self.file = folder / "pipeline.sql"
        more = "".join(f", {name} '{value}'" for name, value in options.items())
        self.file.write_text(PIPELINE.format(source=source, options=more, folder=folder, epoch_rows=epoch_rows,
                                             interval=interval))
        self.environment = {**os.environ, "BOURN_STATE": str(folder / "state")}

    def words(self) -> list[str]:
        return [str(BOURN), "run", "--quiet", str(self.file)]

    def run(self, check: int = 0) -> subprocess.CompletedProcess:
        return suite.command([*self.words(), "--until-caught-up"], env=self.environment, check=check)

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(mortal(self.words()), env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def rows(self) -> list[int]:
        """Those whose line is whole: it may be looked at while more is being written."""
        path = self.folder / "rows.ndjson"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line)["n"] for line in text[:text.rfind("\n") + 1].splitlines()]

    def sums(self) -> dict[str, tuple[int, str]]:
        path = self.folder / "sums.csv"
        if not path.exists():
            return {}
        with open(path, newline="") as file:
            return {row["k"]: (int(row["n"]), row["v"]) for row in csv.DictReader(file)}

    def must_hold(self, count: int) -> None:
        assert self.rows() == list(range(count))
        assert count == 0 or (self.folder / "rows.ndjson").read_text().endswith("\n")
        assert self.sums() == sums_of(count)

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.rows()) >= count and self.sums() == sums_of(count))


def key(n: int) -> str:
    return f'key "{n % 7}", {n % 7}'


def line(n: int) -> str:
    return json.dumps({"n": n, "k": key(n), "v": n / 4}) + "\n"


def sums_of(count: int) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, int]] = {}
    for n in range(count):
        many, quarters = found.get(key(n), (0, 0))
        found[key(n)] = (many + 1, quarters + n * 25)
    return {k: (many, f"{pence // 100}.{pence % 100:02}") for k, (many, pence) in found.items()}


def text_of(first: int, last: int) -> str:
    return "".join(map(line, range(first, last)))


# ---- reading ----

def plain_and_compressed(folder: Path) -> None:
    text = text_of(0, 20000)
    (folder / "plain").write_text(text)
    (folder / "gzip").write_bytes(gzip.compress(text[:300000].encode()) + gzip.compress(text[300000:].encode()))
    suite.command(["zstd", "-q", folder / "plain", "-o", folder / "zstd"])
    for name in ("plain", "gzip", "zstd"):
        (folder / f"of-{name}").mkdir()
        pipeline = Pipeline(folder / f"of-{name}", folder / name)
        pipeline.run()
        pipeline.must_hold(20000)
        refused = pipeline.run(check=None)  # it has ended: what follows would be after the end of time
        pipeline.must_hold(20000)
        assert refused.returncode in (0, 6), refused.stderr


def a_folder_of_files(folder: Path) -> None:
    """More of them than a source names at once."""
    (folder / "in").mkdir()
    for i in range(8300):
        (folder / "in" / f"{i:04}.ndjson").write_text(text_of(i * 2, i * 2 + 2))
    pipeline = Pipeline(folder, folder / "in")
    pipeline.run()
    assert sorted(pipeline.rows()) == list(range(16600))
    assert pipeline.sums() == sums_of(16600)


def csv_with_a_heading(folder: Path) -> None:
    with open(folder / "in.csv", "w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["n", "k", "v"])
        writer.writerows([n, key(n), n / 4] for n in range(5000))
    pipeline = Pipeline(folder, folder / "in.csv", format="csv", header="true", delimiter=";")
    pipeline.run()
    pipeline.must_hold(5000)


def followed_as_it_grows(folder: Path) -> None:
    source = folder / "live.ndjson"
    source.write_text("")
    pipeline = Pipeline(folder, source, follow="true")
    process = pipeline.start()
    with open(source, "a") as file:
        for part in range(5):
            text = text_of(part * 200, part * 200 + 200)
            file.write(text[:-40])
            file.flush()
            time.sleep(0.05)
            file.write(text[-40:])
            file.flush()
            pipeline.wait_for(part * 200 + 200)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=HANGS) == 0, process.stderr.read()
    pipeline.must_hold(1000)


def caught_up_is_what_was_there(folder: Path) -> None:
    """Of a file that is written without a pause what it had at the start; a line without its end is not waited for."""
    source, done = folder / "busy.ndjson", threading.Event()
    source.write_text("")
    pipeline = Pipeline(folder, source, epoch_rows=500, follow="true")
    pipeline.run()
    assert pipeline.rows() == []
    source.write_text(text_of(0, 30_000) + line(30_000)[:5])

    def write() -> None:
        with open(source, "a") as file:
            file.write(line(30_000)[5:])
            for n in range(30_001, 400_000):
                file.write(line(n))
                file.flush()
                if n % 20 == 0 and done.wait(0.001):
                    return

    pipeline.run()
    assert pipeline.rows() == list(range(30_000))
    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        least = source.read_bytes().count(b"\n")
        process = subprocess.Popen(mortal([*pipeline.words(), "--until-caught-up"]), env=pipeline.environment,
                                   text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.communicate(timeout=100)[1]
        assert process.returncode == 0, said
        assert pipeline.rows() == list(range(len(pipeline.rows()))) and len(pipeline.rows()) >= least
    done.set()
    writer.join()
    with open(source, "a") as file:
        file.write("\n\n\n")
    pipeline.run()
    pipeline.must_hold(source.read_bytes().count(b"\n") - 3)
    pipeline.run()


def new_files_are_found(folder: Path) -> None:
    (folder / "in").mkdir()
    pipeline = Pipeline(folder, folder / "in" / "*.ndjson", follow="true")
    process = pipeline.start()
    for part in range(3):
        (folder / "in" / f"{part}.part").write_text(text_of(part * 100, part * 100 + 100))
        (folder / "in" / f"{part}.part").rename(folder / "in" / f"{part}.ndjson")
        pipeline.wait_for(part * 100 + 100)
    process.kill()
    process.wait()


# ---- killed ----

def killed_while_a_file_grows(folder: Path) -> None:
    """Kill after kill, every row is there once, and every sum is that of the rows."""
    source = folder / "live.ndjson"
    source.write_text("")
    pipeline = Pipeline(folder, source, follow="true")
    with open(source, "a") as file:
        for part in range(20):
            process = pipeline.start()
            for piece in range(10):
                first = part * 1000 + piece * 100
                file.write(text_of(first, first + 100))
                file.flush()
                time.sleep(suite.random.random() * 0.04)
            process.kill()
            process.wait()
            rows = pipeline.rows()
            assert rows == list(range(len(rows))), "a row is missing or there twice"
    pipeline.run()
    pipeline.must_hold(20000)


class Disturbed:
    """A small run in the test build, disturbed at one call of the seam, then finished. It publishes each epoch; or,
    where the interval is long, once in the end, what is staged before."""

    def __init__(self, folder: Path, bug: str = "", interval: str = "1 ms"):
        self.folder, self.bug, self.interval, self.count = folder, bug, interval, 0
        (folder / "in").write_text(text_of(0, 60))

    def run(self, pipeline: Pipeline, **more: str) -> subprocess.CompletedProcess:
        return suite.command([FAULTS, *pipeline.words()[1:], "--until-caught-up"], check=None,
                             env={**pipeline.environment, "BOURN_BUG": self.bug, **more})

    def fresh(self) -> Pipeline:
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        return Pipeline(folder, self.folder / "in", epoch_rows=20, interval=self.interval)

    def calls(self) -> dict[str, int]:
        done = self.run(self.fresh(), BOURN_FAULT_COUNT=str(self.folder / "calls"))
        assert done.returncode == 0, done.stderr
        return {name: int(n) for name, n in map(str.split, (self.folder / "calls").read_text().splitlines())}

    def check(self, fault: str) -> None:
        pipeline = self.fresh()
        self.run(pipeline, BOURN_FAULT=fault)
        assert pipeline.sums() in [sums_of(count) for count in range(61)], f"{fault}: half an epoch is visible"
        done = self.run(pipeline)
        assert done.returncode == 0, f"{fault}: {done.stderr}"
        assert (pipeline.rows(), pipeline.sums()) == (list(range(60)), sums_of(60)), fault

    def check_all(self, most: int) -> None:
        calls = self.calls()
        faults = [f"kill:{n}" for n in range(1, calls["total"] + 1)] + \
                 [f"short:{n}" for n in range(1, calls["write"] + 1)]
        for fault in faults if LONG else suite.random.sample(faults, min(len(faults), most)):
            self.check(fault)


def killed_before_every_call(folder: Path) -> None:
    for name, interval, most in (("each-epoch", "1 ms", 50), ("in-the-end", "1 h", 30)):
        (folder / name).mkdir()
        Disturbed(folder / name, interval=interval).check_all(most)


def planted_bugs_are_caught(folder: Path) -> None:
    """By the disturbances that can show them: at every call of a kind, which threads may come to in another order."""
    for bug, fault, call, interval in (("file_torn_append_kept", "short", "write", "1 ms"),
                                       ("file_replaced_before_mark", "kill:rename", "rename", "1 ms"),
                                       ("file_staged_lost", "kill:rename", "rename", "1 h")):
        (folder / bug).mkdir()
        disturbed = Disturbed(folder / bug, bug, interval)
        numbers = list(range(1, 2 * disturbed.calls()[call]))  # a run that publishes more often makes more calls
        try:
            for _ in range(5):
                for n in suite.random.sample(numbers, len(numbers)):
                    disturbed.check(f"{fault}:{n}")
        except (AssertionError, ValueError) as caught:
            print(f"# {bug}: {str(caught).splitlines()[0]}")
        else:
            raise AssertionError(f"nobody noticed the planted bug {bug}")


# ---- wrong ----

def wrong_inputs_say_what_is_wrong(folder: Path) -> None:
    (folder / "cut.gz").write_bytes(gzip.compress(text_of(0, 100).encode())[:-20])
    (folder / "empty-folder").mkdir()
    (folder / "other.csv").write_text("n,v,k\n")
    for packed in (bz2.compress, lzma.compress):  # as text each of its lines would be rejected, and the run a success
        (folder / packed.__module__).write_bytes(packed(text_of(0, 100).encode()))
    for source, options, words in ((folder / "missing", {}, "does not exist"),
                                   (folder / "empty-folder", {}, "there is no file"),
                                   (folder / "cut.gz", {}, "ends too early"),
                                   (folder / "bz2", {}, "is bzip2, which is not read"),
                                   (folder / "lzma", {}, "is xz, which is not read"),
                                   (folder / "other.csv", {"format": "csv", "header": "true"}, 'column "k"'),
                                   (Path("/dev/zero"), {}, "neither a file nor a folder")):
        below = folder / f"of-{source.name}"
        below.mkdir()
        refused = Pipeline(below, source, **options).run(check=4)
        assert words in refused.stderr and source.name in refused.stderr, refused.stderr


def piped(pipeline: Pipeline, data: str, cuts: int = 3, check: int = 0) -> str:
    """Run until standard input ends, which gets the data in pieces that end anywhere."""
    words = [*pipeline.words(), "--until-caught-up"]
    with subprocess.Popen(mortal(words), env=pipeline.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as child:
        for i in range(cuts):
            child.stdin.write(data[len(data) * i // cuts:len(data) * (i + 1) // cuts])
            child.stdin.flush()
            time.sleep(0.05)
        child.stdin.close()
        said = child.stderr.read()
        assert child.wait(HANGS) == check, said
    return said


def standard_input_is_a_stream(folder: Path) -> None:
    pipeline = Pipeline(folder, Path("-"), follow="true")
    piped(pipeline, text_of(0, 5000).rstrip("\n"))  # the last line need not end
    pipeline.must_hold(5000)
    piped(pipeline, "\n" + text_of(5000, 6000) + "\n\n")
    pipeline.must_hold(6000)
    piped(pipeline, "")
    pipeline.must_hold(6000)


def a_named_pipe_has_many_writers(folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    pipeline = Pipeline(folder, fifo, follow="true")
    running = pipeline.start()
    for n in range(0, 3000, 1000):
        with open(fifo, "w") as writer:
            writer.write(text_of(n, n + 1000))
        pipeline.wait_for(n + 1000)
    running.terminate()
    assert running.wait(HANGS) == 0
    pipeline.must_hold(3000)


def killed_behind_a_pipe(folder: Path) -> None:
    """What was committed stays, once; what was on its way is lost, and no more than that."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    pipeline = Pipeline(folder, fifo, follow="true")
    running = pipeline.start()
    with open(fifo, "w") as writer:
        writer.write(text_of(0, 1000))
    pipeline.wait_for(1000)
    with open(fifo, "w") as writer:
        writer.write(text_of(1000, 2000))
        writer.flush()
        running.send_signal(signal.SIGKILL)
        running.wait(HANGS)
    running = pipeline.start()
    with open(fifo, "w") as writer:
        writer.write(text_of(2000, 3000))
    until(lambda: pipeline.rows()[-1] == 2999)
    running.terminate()
    assert running.wait(HANGS) == 0
    rows = pipeline.rows()
    assert rows == sorted(set(rows)) and rows[:1000] == list(range(1000)) and rows[-1000:] == list(range(2000, 3000))


def pipes_that_cannot_be_read_say_so(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    refused = Pipeline(folder, folder / "fifo").run(check=4)
    assert "cannot be read again after a crash" in refused.stderr and "follow 'true'" in refused.stderr, refused.stderr
    refused = Pipeline(folder, Path("-"), follow="true", format="csv").run(check=3)
    assert "standard input is a pipe: format csv" in refused.stderr, refused.stderr
    refused = Pipeline(folder, Path("-"), follow="true", compression="gzip").run(check=3)
    assert "decompress what comes through it before" in refused.stderr, refused.stderr
    (folder / "e.gz").write_bytes(gzip.compress(text_of(0, 10).encode()))
    with open(folder / "e.gz", "rb") as compressed:
        pipeline = Pipeline(folder, Path("-"), follow="true")
        done = subprocess.run([*pipeline.words(), "--until-caught-up"], env=pipeline.environment, stdin=compressed,
                              capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 3 and "is compressed" in done.stderr and "zcat" in done.stderr, done


def an_empty_file_has_no_rows(folder: Path) -> None:
    (folder / "empty").write_text("")
    pipeline = Pipeline(folder, folder / "empty")
    pipeline.run()
    assert pipeline.rows() == []


def outputs_of_others_are_refused(folder: Path) -> None:
    (folder / "in").write_text(text_of(0, 10))
    (folder / "rows.ndjson").write_text("precious\n")
    refused = Pipeline(folder, folder / "in").run(check=6)
    assert "rows.ndjson exists and was not written by bourn" in refused.stderr, refused.stderr
    assert (folder / "rows.ndjson").read_text() == "precious\n"


def an_output_changed_by_others_is_refused(folder: Path) -> None:
    source = folder / "live.ndjson"
    source.write_text(text_of(0, 10))
    pipeline = Pipeline(folder, source, follow="true")
    pipeline.run()
    for name in ("rows.ndjson", "sums.csv"):
        before = (folder / name).read_text()
        (folder / name).write_text(before + "more\n")
        refused = pipeline.run(check=6)
        assert f"{name} was changed by somebody else" in refused.stderr, refused.stderr
        (folder / name).write_text(before)
    pipeline.run()
    pipeline.must_hold(10)


for test in (plain_and_compressed, a_folder_of_files, csv_with_a_heading, followed_as_it_grows,
             caught_up_is_what_was_there, new_files_are_found,
             killed_while_a_file_grows, killed_before_every_call, planted_bugs_are_caught,
             wrong_inputs_say_what_is_wrong, standard_input_is_a_stream, a_named_pipe_has_many_writers,
             killed_behind_a_pipe, pipes_that_cannot_be_read_say_so, an_empty_file_has_no_rows,
             outputs_of_others_are_refused, an_output_changed_by_others_is_refused):
    suite.run(test)
suite.end()
