#!/usr/bin/env python3
"""The command line as a person meets it: what is typed wrong, interrupted, repeated, moved, tampered with."""
from __future__ import annotations

import datetime
import fcntl
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import HANGS, TOP, Suite, program, until  # noqa: E402
from harness.children import mortal  # noqa: E402
from harness.log import forge, slots, widest_drift  # noqa: E402

suite = Suite("cli")
BOURN = program()
EXAMPLE = TOP / "examples/payments"
EVIDENCE = ["--evidence", EXAMPLE / "evidence.sql"]
PIPELINE = [EXAMPLE / "file.sql", EXAMPLE / "payments.sql"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "EVENTS": str(folder / "e.ndjson"), "LAKE": str(folder / "lake"),
            "BOURN_STATE": str(folder / "state"), **more}


def bourn(folder: Path, *words, check: int | None = 0, **more):
    env = more.pop("env", None) or environment(folder)
    return suite.command([BOURN, *words], check=check, cwd=folder, env=env, **more)


def events(folder: Path, rows: int = 5000, bad: float = 0.03) -> None:
    bourn(folder, "generate", "--rows", rows, "--rate", 0, "--bad", bad, "--to", folder / "e.ndjson")


def finished_run(folder: Path) -> None:
    events(folder)
    bourn(folder, "run", "--quiet", *PIPELINE)


def start(folder: Path, *words, **more) -> subprocess.Popen:
    return subprocess.Popen(mortal((BOURN, *words)), cwd=folder, env=environment(folder, **more), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# ---- words ----

def help_and_version(folder: Path) -> None:
    assert bourn(folder, check=2).stderr.startswith("bourn 0.")
    assert "usage: bourn VERB" in bourn(folder, "--help").stdout
    assert bourn(folder, "--version").stdout.startswith("bourn 0.")
    for verb in ("run", "check", "explain", "plan", "generate", "verify", "cat", "query", "status", "why",
                 "connectors"):
        assert bourn(folder, "help", verb).stdout.startswith(f"bourn {verb}"), verb
        assert bourn(folder, verb, "--help").stdout.startswith(f"bourn {verb}"), verb
        assert bourn(folder, verb, "x", "--help").stdout.startswith(f"bourn {verb}"), verb
    assert "usage: bourn VERB" in bourn(folder, "help", "help").stdout


def the_program_is_hardened(folder: Path) -> None:
    """And one file of some MB: without its symbols 12 at most, where libraries lie in it as Debian has them."""
    said = suite.command(["readelf", "-dlW", BOURN]).stdout
    assert "BIND_NOW" in said and "GNU_RELRO" in said and re.search("Flags:.* PIE", said), said
    assert re.search(r"GNU_STACK .* RW +0x", said), said
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", said))
    assert needed <= {"libc.so.6", "libm.so.6", "libsasl2.so.2", "ld-linux-x86-64.so.2"}, needed
    suite.command(["strip", "-o", folder / "bourn", BOURN])
    assert (folder / "bourn").stat().st_size < 12 << 20


def mistyped_words(folder: Path) -> None:
    assert "did you mean `bourn check`" in bourn(folder, "chek", check=2).stderr
    assert "did you mean --state" in bourn(folder, "run", "--stat", "x", check=2).stderr
    assert "did you mean --help" in bourn(folder, "run", "--hlep", check=2).stderr
    assert "needs a value" in bourn(folder, "run", "--state", check=2).stderr
    assert 'bourn why: unexpected argument "x"' in bourn(folder, "why", "x", check=2).stderr
    assert "usage: bourn run" in bourn(folder, "run", check=2).stderr
    assert "wants seconds" in bourn(folder, "run", "--for", "soon", "x.sql", check=2).stderr
    assert "empty value" in bourn(folder, "run", "--state", "", "x.sql", check=2).stderr  # not a state in the folder /
    done = bourn(folder, "connectors", "kafkka", check=2)
    assert 'no connector or format "kafkka"; did you mean "kafka"?' in done.stderr and not done.stdout, done
    assert "write to:" not in bourn(folder, "connectors", "kafka").stdout
    assert "did you mean `bourn version`" in bourn(folder, "verison", check=2).stderr
    assert "bourn query: -e has an empty value" in bourn(folder, "query", "x.sql", "-e", "", check=2).stderr
    (folder / "words.sql").write_text("INSRET INTO x SELECT 1;\nCREATE FOREIGN TABLE t (a txet) SERVER console;\n")
    said = bourn(folder, "check", "words.sql", check=3).stderr
    assert "did you mean INSERT?" in said and 'did you mean "text"?' in said, said
    for call, meant in (("smu(1)", '"sum"'), ("conut(*)", '"count"'), ("uper('a')", '"upper"')):
        (folder / "words.sql").write_text("CREATE FOREIGN TABLE t (a text) SERVER console;"
                                          f" INSERT INTO t SELECT {call};")
        said = bourn(folder, "check", "words.sql", check=3).stderr
        assert f"did you mean {meant}?" in said, said


def mistyped_variables(folder: Path) -> None:
    """A variable that nobody reads would go unnoticed; one that the pipeline names is not ours to doubt."""
    events(folder, 100)
    env = environment(folder, BOURN_STAET="s", BOURN_QUIET="yes", BOURN_HOUSE="h")
    for words in (["run", *PIPELINE], ["status"], ["check", *PIPELINE]):
        said = bourn(folder, *words, env=env).stderr.splitlines()
        assert len(said) == 2 and "did you mean BOURN_STATE?" in " ".join(said), said
        assert sum("BOURN_HOUSE means nothing to bourn" in line for line in said) == 1, said
    (folder / "named.sql").write_text((EXAMPLE / "file.sql").read_text().replace("${EVENTS", "${BOURN_HOUSE"))
    env = environment(folder, BOURN_HOUSE="e.ndjson", BOURN_HOUSES="2")
    said = bourn(folder, "check", "named.sql", EXAMPLE / "payments.sql", env=env).stderr
    assert "BOURN_HOUSES means" in said and "BOURN_HOUSE means" not in said, said
    # A switch that is neither on nor off was taken for on.
    said = bourn(folder, "run", *PIPELINE, env=environment(folder, BOURN_UNTIL_CAUGHT_UP="mabye"), check=2).stderr
    assert 'BOURN_UNTIL_CAUGHT_UP wants 1 or 0, not "mabye"' in said, said
    # Each flag has a twin that is known, because its help names it.
    for verb in ("run", "check", "explain", "plan", "generate", "verify", "cat", "query", "status", "why", "test"):
        usage = bourn(folder, "help", verb).stdout
        for flag in set(re.findall(r"--([a-z][a-z-]+)", usage)):
            name = "BOURN_" + flag.upper().replace("-", "_")
            said = bourn(folder, "connectors", env=environment(folder, **{name: "1"})).stderr
            assert name not in said, said


def missing_empty_and_compressed_files(folder: Path) -> None:
    assert "there is no file nowhere.sql" in bourn(folder, "run", "nowhere.sql", check=2).stderr
    (folder / "empty.sql").touch()
    assert "empty.sql is empty" in bourn(folder, "run", "empty.sql", check=2).stderr
    (folder / "packed.sql").write_bytes(gzip.compress(b"SELECT 1;"))
    assert "gunzip" in bourn(folder, "run", "packed.sql", check=2).stderr
    assert "is a folder" in bourn(folder, "run", folder, check=2).stderr
    pipeline = (EXAMPLE / "payments.sql").read_text()
    (folder / "utf16.sql").write_bytes(pipeline.encode("utf-16"))
    assert "is UTF-16" in bourn(folder, "check", "utf16.sql", check=2).stderr
    (folder / "marked.sql").write_bytes(pipeline.encode("utf-8-sig"))
    bourn(folder, "check", EXAMPLE / "file.sql", "marked.sql")
    for verb in ("status", "why"):
        assert "no state at utf16.sql" in bourn(folder, verb, "--state", "utf16.sql", check=6).stderr
    env = {"PATH": os.environ["PATH"]}
    assert "environment variable EVENTS" in bourn(folder, "run", *PIPELINE, check=3, env=env).stderr
    assert bourn(folder, "run", *PIPELINE, check=4).stderr.count("e.ndjson") >= 1


def places_of_errors(folder: Path) -> None:
    text = (EXAMPLE / "payments.sql").read_text().replace("CHECK (amount > 0)", "CHECK (amonut > 0)")
    (folder / "typo.sql").write_text(text)
    said = bourn(folder, "check", EXAMPLE / "file.sql", "typo.sql", check=3).stderr
    line = text[:text.index("amonut")].count("\n") + 1
    assert said.startswith(f"typo.sql:{line}:"), said
    assert 'did you mean "amount"' in said


def a_broken_pipe(folder: Path) -> None:
    events(folder, 50_000, bad=0)
    done = subprocess.run(f"'{BOURN}' cat --json e.ndjson | head -1", shell=True, cwd=folder, capture_output=True,
                          text=True)
    assert json.loads(done.stdout)["event_id"] and done.stderr == "", done


def output_that_gets_nowhere(folder: Path) -> None:
    """A file on a full disk is cut in silence, and its reader none the wiser; the end of a pipe is."""
    finished_run(folder)
    select = "SELECT * FROM user_metrics"
    for words in (["query", *PIPELINE, "-e", select], ["query", "--csv", *PIPELINE, "-e", select], ["status"], ["why"],
                  ["check", *PIPELINE], ["verify", *PIPELINE], ["connectors"], ["--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(w) for w in (BOURN, *words)], cwd=folder, env=environment(folder), stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        assert done.returncode in (4, 7) and "cannot write the output" in done.stderr, (words, done)
        command = "set -o pipefail; " + shlex.join(str(w) for w in (BOURN, *words)) + " | head -c 1"
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment(folder), capture_output=True,
                              text=True)
        assert done.returncode == 0 and done.stderr == "", (words, done)


def results_without_rows_have_names(folder: Path) -> None:
    finished_run(folder)
    select = "SELECT 1 AS a WHERE false; SELECT 2 AS b; SELECT 3 AS c WHERE false"
    for flags, wanted in (([], " a \n---\n(0 rows)\n b \n---\n 2\n(1 row)\n c \n---\n(0 rows)\n"),
                          (["--csv"], "a\nb\n2\nc\n"), (["--json"], '{"b":2}\n')):
        shown = bourn(folder, "query", *PIPELINE, *flags, "-e", select).stdout
        assert shown.replace(" \n", "\n") == wanted.replace(" \n", "\n"), shown
    done = bourn(folder, "query", *PIPELINE, "-e", "SELECT 1 / 0 AS z", check=3)
    assert done.stdout == "" and "division by zero" in done.stderr, done


def long_values_are_printed_whole(folder: Path) -> None:
    """What a batch of rows is as text was cut at 256 MiB, in silence."""
    finished_run(folder)
    select = "SELECT repeat('x', 1000000) AS x FROM generate_series(1, 300) AS n"
    words = shlex.join(str(w) for w in (BOURN, "query", "--csv", *PIPELINE, "-e", select))
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words} | wc"], cwd=folder, env=environment(folder),
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == ["301", "301", "300000302"], done


def a_csv_that_is_read_as_json(folder: Path) -> None:
    """All of its rows would be rejected."""
    (folder / "in.csv").write_text("n\n1\n2\n")
    for options, code in (("", 3), (", format 'csv'", 0), (", format 'json'", 0)):
        (folder / "csv.sql").write_text("CREATE FOREIGN TABLE rows (n int)"
                                        f" SERVER file OPTIONS (path 'in.csv'{options});"
                                        "CREATE FOREIGN TABLE shown (n int) SERVER console;"
                                        "INSERT INTO shown SELECT n FROM rows;")
        done = bourn(folder, "run", "--state", f"state{len(options)}", "csv.sql", check=code)
        assert code == 0 or "format 'csv'" in done.stderr, done


def explain_keeps_secrets(folder: Path) -> None:
    hub = "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=canary123;EntityPath=hub"
    env = environment(folder, EVENT_HUB_CONNECTION_STRING=hub)
    said = bourn(folder, "explain", EXAMPLE / "eventhubs.sql", EXAMPLE / "payments.sql", env=env)
    assert "canary123" not in said.stdout + said.stderr


# ---- runs ----

def a_run_and_its_repetition(folder: Path) -> None:
    finished_run(folder)
    first = bourn(folder, "query", *PIPELINE, "--json", "-e", "SELECT * FROM net_flow").stdout
    bourn(folder, "run", "--quiet", *PIPELINE)
    assert bourn(folder, "query", *PIPELINE, "--json", "-e", "SELECT * FROM net_flow").stdout == first
    assert json.loads(bourn(folder, "status", "--json").stdout)["ended"] is True
    assert "0 failed" in bourn(folder, "verify", *PIPELINE, *EVIDENCE).stdout
    with open(folder / "e.ndjson", "ab") as f:
        f.write(b"{}\n")
    assert "more input" in bourn(folder, "run", "--quiet", *PIPELINE, check=6).stderr


def system_relations(folder: Path) -> None:
    finished_run(folder)

    def ask(select: str) -> list[dict]:
        lines = bourn(folder, "query", *PIPELINE, "--json", "-e", select).stdout.splitlines()
        return [json.loads(line) for line in lines]

    (source,) = ask("SELECT * FROM bourn.ledger WHERE kind = 'source'")
    assert source["rows_in"] == 5000 == source["rows_out"] + source["rejected"]
    (gone,) = ask("SELECT sum(late) + sum(duplicate) AS n FROM bourn.ledger")
    (counted,) = ask("SELECT deposit_count + withdrawal_count AS n FROM net_flow")
    assert counted["n"] == source["rows_out"] - int(gone["n"])
    (dead,) = ask("SELECT count(*) AS n FROM rejected")
    assert dead["n"] == source["rejected"] + sum(line["late"] for line in ask("SELECT * FROM bourn.ledger"))
    assert {r["rule"] for r in ask("SELECT rule FROM bourn.rules")} >= {"R010", "R120", "parse"}
    (split,) = ask("SELECT * FROM bourn.splits")
    assert split["finished"] is True and split["position"] == (folder / "e.ndjson").stat().st_size
    (last,) = ask("SELECT max(to_epoch) AS epoch FROM bourn.epochs")
    assert {s["confirmed"] for s in ask("SELECT * FROM bourn.sinks")} == {last["epoch"]}
    times = ask("SELECT * FROM bourn.watermarks")
    assert [time["kind"] for time in times] == ["source", "partition", "step"], times
    assert times[2]["view"] == "payments" and times[2]["name"].startswith("dedup-"), times
    said = bourn(folder, "query", *PIPELINE, "-e", "SELECT * FROM bourn.ledgr", check=3).stderr
    assert "bourn.ledger" in said, said
    for name, word in (("rejected", "is not kept"), ("nosuch", "there are bourn.")):
        said = bourn(folder, "query", *PIPELINE, "-e", f"SELECT * FROM bourn.{name}", check=3).stderr
        assert word in said and "did you mean" not in said, said


def a_second_run_beside_a_live_one(folder: Path) -> None:
    live = start(folder, "run", "--quiet", EXAMPLE / "local.sql", EXAMPLE / "payments.sql", RATE="1000")
    try:
        until(lambda: (folder / "state/control").exists())
        said = bourn(folder, "run", EXAMPLE / "local.sql", EXAMPLE / "payments.sql", check=6).stderr
        assert f"pid {live.pid}" in said, said
        status = json.loads(bourn(folder, "status", "--json").stdout)
        assert status["running"] is True and status["pid"] == live.pid
        def told() -> dict:
            nonlocal status
            status = json.loads(bourn(folder, "status", "--json").stdout)
            return {query["name"]: query for query in status["queries"]}

        # Of a second in which the machine did something else, the rows come in the next.
        until(lambda: all(400 < query["input_rows_per_second"] < 2500 and query["rows"] > 0
                          for query in told().values()))
        queries = told()
        assert set(queries) == {"net_flow", "user_metrics", "channel_distribution", "rejected"}
        for name, query in queries.items():
            assert query["id"] == f"{status['uuid']}/{name}" and query["state"] == "running", query
            assert query["processed_rows_per_second"] > 0.8 * query["input_rows_per_second"] > 0, query
            assert query["trigger"] == "every 30 s" and query["batch_duration_us"] > 0 and query["rows"] > 0, query
        assert "query net_flow: running" in bourn(folder, "status").stdout
        assert bourn(folder, "why").stdout
        mode = (folder / "state/control").stat().st_mode & 0o777
        assert mode == 0o600, oct(mode)
    finally:
        live.send_signal(signal.SIGINT)
        assert live.wait(timeout=HANGS) == 0, live.stderr.read()
    status = json.loads(bourn(folder, "status", "--json").stdout)
    assert status["running"] is False and {query["state"] for query in status["queries"]} == {"stopped"}
    with open(folder / "state/LOCK") as lock:  # as one that still reads its state
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"pid {live.pid} is starting or ending" in bourn(folder, "status").stdout
        assert f"The process, pid {live.pid}, is starting" in bourn(folder, "why").stdout


def interrupted_at_once(folder: Path) -> None:
    for words, more in (([EXAMPLE / "local.sql"], {}), ([EXAMPLE / "kafka.sql"], {"KAFKA": "127.0.0.1:9"})):
        shutil.rmtree(folder / "state", ignore_errors=True)
        shutil.rmtree(folder / "lake", ignore_errors=True)
        live = start(folder, "run", "--quiet", *words, EXAMPLE / "payments.sql", **more)
        until(lambda: (folder / "state/control").exists())
        time.sleep(0.5)
        live.send_signal(signal.SIGINT)
        code = live.wait(timeout=HANGS)
        assert code == 0, live.stderr.read()
    # What was held back by the 30-second interval is published by a clean stop.
    live = start(folder, "run", "--quiet", EXAMPLE / "local.sql", EXAMPLE / "payments.sql")
    shutil.rmtree(folder / "state", ignore_errors=True)
    live.kill()
    live.wait()


def a_clean_stop_publishes(folder: Path) -> None:
    live = start(folder, "run", "--quiet", EXAMPLE / "local.sql", EXAMPLE / "payments.sql", RATE="2000")
    until(lambda: (folder / "state/control").exists() and
          json.loads(bourn(folder, "status", "--json").stdout)["epoch"] > 2)
    live.send_signal(signal.SIGTERM)
    assert live.wait(timeout=HANGS) == 0
    status = json.loads(bourn(folder, "status", "--json").stdout)
    assert all(s["confirmed"] == status["epoch"] for s in status["sinks"]), status["sinks"]
    assert "0 failed" in bourn(folder, "verify", EXAMPLE / "local.sql", EXAMPLE / "payments.sql", *EVIDENCE).stdout


def odd_environments(folder: Path) -> None:
    place = folder / "a place with spaces"
    place.mkdir()
    events(place)
    bourn(place, "run", *PIPELINE, env={**environment(place), "NO_COLOR": "1", "LC_ALL": "C"})
    said = bourn(place, "run", "nowhere.sql", check=2).stderr
    assert "\033" not in said
    (place / ".env").write_text(f'EVENTS="{place}/e.ndjson"\nLAKE=./other lake\n# a comment\n')
    env = {"PATH": os.environ["PATH"], "BOURN_STATE": "./other state"}
    bourn(place, "run", "--quiet", *PIPELINE, env=env)
    assert (place / "other lake/metrics/net_flow/_delta_log").is_dir()


def one_plain_line_a_second_without_a_terminal(folder: Path) -> None:
    began = time.monotonic()
    said = bourn(folder, "run", "--for", "2.5", EXAMPLE / "local.sql", EXAMPLE / "payments.sql",
                 env=environment(folder, RATE="1000")).stderr
    lines = [line for line in said.splitlines() if "events/s" in line]
    took = time.monotonic() - began
    assert 1 <= len(lines) <= took + 1 and "\r" not in said and "\033" not in said, said


def several_sources_have_their_own_account(folder: Path) -> None:
    """Rows are late and repeated in steps, which may read several sources: no source is told all of them."""
    rows = {"a": [1, 1, -1], "b": [2] * 12 + [-2] * 11}
    for name, numbers in rows.items():
        lines = [f'{{"n":{n},"at":"2026-01-01T00:00:00Z"}}\n' for n in numbers]
        (folder / f"{name}.ndjson").write_text("".join(lines))
    (folder / "p.sql").write_text("CREATE SERVER files FOREIGN DATA WRAPPER file;" + "".join(
        f"CREATE FOREIGN TABLE {name} (n int CONSTRAINT \"P\" CHECK (n > 0), at timestamptz OPTIONS (watermark '1 h'))"
        f" SERVER files OPTIONS (path '{name}.ndjson');" for name in rows) +
        "CREATE FOREIGN TABLE o (n int, at timestamptz) SERVER delta; INSERT INTO o"
        " SELECT DISTINCT ON (n) n, at FROM (SELECT * FROM a UNION ALL SELECT * FROM b) AS u;")
    account = ("a: in  3 = accepted  2 + rejected  1\n", "b: in 23 = accepted 12 + rejected 11\n",
               "late 0, duplicate 12 in all steps\n")
    for words in (["run", "--show", "p.sql"], ["verify", "p.sql"], ["status"]):
        said = bourn(folder, *words).stdout
        assert re.search(r"\ba P +1\n", said) and re.search(r"\bb P +11\n", said), said
        assert words == ["status"] or all(line in said for line in account), said


def the_last_line_is_of_the_whole_run(folder: Path) -> None:
    events(folder)
    for read in ("5.0 K in", "0 events/s, 5.0 K in"):  # the second time there is nothing left to do, and it says so
        said = bourn(folder, "run", *PIPELINE).stderr
        assert read in said and "the input has ended" in said.splitlines()[-1], said
    assert not bourn(folder, "run", "--quiet", *PIPELINE).stderr
    # Rows that pass the contract and fail in a step are not in silence gone.
    (folder / "rows.ndjson").write_text('{"n":0}\n{"n":1}\n{"n":0}\n')
    (folder / "fails.sql").write_text("CREATE FOREIGN TABLE rows (n int) SERVER file OPTIONS (path 'rows.ndjson');"
                                      "CREATE FOREIGN TABLE shown (q int) SERVER console;"
                                      "INSERT INTO shown SELECT 1 / n FROM rows;")
    assert "failed in a step 2," in bourn(folder, "run", "--state", "fails", "fails.sql").stderr
    said = bourn(folder, "query", "--state", "fails", "--json", "fails.sql", "-e",
                 "SELECT rows_in, rows_out, error FROM bourn.ledger WHERE name = 'shown'").stdout
    assert json.loads(said) == {"rows_in": 3, "rows_out": 1, "error": 2}, said


def a_blackhole_counts_what_it_takes(folder: Path) -> None:
    (folder / "rows.ndjson").write_text('{"n":1}\n{"n":2}\n{"n":1}\n')
    (folder / "gone.sql").write_text("""
        CREATE FOREIGN TABLE rows (n int) SERVER file OPTIONS (path 'rows.ndjson');
        CREATE FOREIGN TABLE appended (n int) SERVER blackhole;
        CREATE FOREIGN TABLE counted (n int PRIMARY KEY, count bigint) SERVER blackhole;
        INSERT INTO appended SELECT n FROM rows;
        INSERT INTO counted SELECT n, count(*) FROM rows GROUP BY n;""")
    before = {path.name for path in folder.iterdir()}
    done = bourn(folder, "run", "--quiet", "--state", "gone", "gone.sql")
    assert not done.stdout and {path.name for path in folder.iterdir()} == before | {"gone"}, done.stdout
    lines = bourn(folder, "query", "--state", "gone", "--json", "gone.sql", "-e",
                  "SELECT name, rows_in, rows_out FROM bourn.ledger WHERE kind = 'sink' ORDER BY name").stdout
    assert [json.loads(line) for line in lines.splitlines()] == [
        {"name": "appended", "rows_in": 3, "rows_out": 3}, {"name": "counted", "rows_in": 2, "rows_out": 2}], lines


# ---- proofs ----

def a_tampered_table_fails(folder: Path) -> None:
    finished_run(folder)
    log = folder / "lake/metrics/user_metrics/_delta_log"
    last = sorted(log.glob("*.json"))[-1]
    lines = last.read_text().splitlines()
    last.write_text("\n".join(line for line in lines if '"add"' not in line) + "\n")
    done = bourn(folder, "verify", *PIPELINE, *EVIDENCE, check=1)
    assert "FAILED" in done.stdout and "users do not add up" in done.stdout, done.stdout
    # What the log says of the rows: by it other readers, and our upserts, leave files out.
    for told, other, words in ((r'(\\"numRecords\\":)\d+', r"\g<1>3", r"\d+ rows, and the table's log says 3"),
                               (r'(\\"minValues\\":{\\"user_id\\":\\")user_\d+', r"\g<1>user_1",
                                'has a "user_id" that is not within')):
        changed, n = re.subn(told, other, "\n".join(lines))
        assert n == 1, lines
        last.write_text(changed + "\n")
        said = bourn(folder, "verify", *PIPELINE, check=1).stdout
        assert re.search(f"FAILED +the rows of user_metrics: .*{words}", said) and "1 failed" in said, said


def damaged_bytes_fail(folder: Path) -> None:
    """One of the state, one of a table; no evidence is needed to see it."""
    finished_run(folder)
    assert "0 failed" in bourn(folder, "verify", *PIPELINE).stdout
    for where, what, why in (("state/seg", "what the state holds", "checksum"),
                             ("state/plan", "the pipeline's text in the state", "is not what was written"),
                             ("lake/metrics/user_metrics", "the rows of user_metrics", "checksum")):
        path = max((p for p in (folder / where).iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
        whole = path.read_bytes()
        at = len(whole) // 3
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        said = bourn(folder, "verify", *PIPELINE, check=1).stdout
        assert re.search(f"FAILED +{what}: .*{why}", said) and "1 failed" in said, said
        path.write_bytes(whole)
    assert "0 failed" in bourn(folder, "verify", *PIPELINE).stdout


def the_ledger_is_as_of_the_tables(folder: Path) -> None:
    """Looked at beside a live run, at moments of its own: the tables, and the ledger that belongs to them."""
    words = [EXAMPLE / "local.sql", EXAMPLE / "payments.sql"]
    (folder / "often.sql").write_text("SET bourn.commit_interval = '300 ms';")
    live = start(folder, "run", "--quiet", "often.sql", *words, RATE="4000")
    try:
        until(lambda: (folder / "lake/metrics/net_flow").exists())
        behind = looks = 0
        while looks < 8 or (not behind and looks < 400):
            looks += 1
            done = bourn(folder, "verify", "--json", *words, *EVIDENCE, check=None)
            report = json.loads(done.stdout)
            assert done.returncode == 0, [proof for proof in report["proofs"] if not proof["ok"]]
            behind += 0 < report["published_epoch"] < report["epoch"]
            time.sleep(0.2)
        assert behind, "the tables were never behind the log"
        names = {proof["name"] for proof in report["proofs"] if "name" in proof}
        assert "a user has no payments" in names and any("accepted events" in name for name in names), names
    finally:
        live.send_signal(signal.SIGINT)
        live.wait(timeout=HANGS)


def a_tampered_ledger_fails(folder: Path) -> None:
    """In the log, with every checksum right: out of balance, or at odds with the tables."""
    finished_run(folder)
    shutil.copytree(folder / "state/log", folder / "log")
    source = re.compile(r'("kind":"source","name":"transactions","in":)(\d+)(,"out":)(\d+)')

    def one_more(found: re.Match) -> str:
        return f"{found[1]}{int(found[2]) + 1}{found[3]}{int(found[4]) + 1}"

    for change, words in ((lambda text: re.sub(r'"duplicate":(\d+)', r'"duplicate":\g<1>1', text), "does not balance"),
                          (lambda text: source.sub(one_more, text), "accepted events, less late ones and duplicates")):
        assert forge(folder / "state/log", change)
        done = bourn(folder, "verify", *PIPELINE, *EVIDENCE, check=1)
        assert words in done.stdout + done.stderr, done
        shutil.rmtree(folder / "state/log")
        shutil.copytree(folder / "log", folder / "state/log")
    assert "0 failed" in bourn(folder, "verify", *PIPELINE, *EVIDENCE).stdout
    commit = max((folder / "lake/metrics/user_metrics/_delta_log").glob("*.json"))  # each tells the ledger, too
    text = commit.read_text()
    commit.write_text(re.sub(r'(\\"count\\":)(\d+)', lambda found: f"{found[1]}{int(found[2]) - 1}", text, count=1))
    assert commit.read_text() != text
    said = bourn(folder, "verify", *PIPELINE, check=1).stdout
    assert re.search("FAILED +table user_metrics .*does not tell the ledger of the log", said), said


def a_tampered_log_fails(folder: Path) -> None:
    finished_run(folder)
    log = slots(folder / "state/log")
    damaged = log[len(log) // 2]
    data = bytearray(damaged.read_bytes())
    data[-20] ^= 1
    damaged.write_bytes(data)
    done = bourn(folder, "verify", *PIPELINE, *EVIDENCE, check=None)
    assert done.returncode in (1, 6), done
    assert damaged.name in done.stdout + done.stderr


def a_missing_slot_fails(folder: Path) -> None:
    finished_run(folder)
    log = slots(folder / "state/log")
    log[len(log) // 2].unlink()
    assert bourn(folder, "verify", *PIPELINE, *EVIDENCE, check=None).returncode in (1, 6)


def a_lost_outbox_is_not_taken_for_an_empty_one(folder: Path) -> None:
    """What waits for the sinks is struck out of the log, all of it or one epoch, with every checksum right."""
    words = ["run", "--quiet", EXAMPLE / "local.sql", EXAMPLE / "payments.sql"]
    live = start(folder, *words, RATE="5000")
    until(lambda: (folder / "state/control").exists() and
          json.loads(bourn(folder, "status", "--json").stdout)["epoch"] > 20)
    live.kill()
    live.wait()
    (folder / "state/control").unlink()
    shutil.copytree(folder / "state", folder / "whole")
    one = re.compile(r'("from":9,"to":9,"level":\d+,"state":(?:true|false),"outbox":)true')
    for lost in (lambda text: text.replace('"outbox":true', '"outbox":false'),
                 lambda text: one.sub(r"\1false", text)):
        assert forge(folder / "state/log", lost)
        said = bourn(folder, *words, "--for", "1", check=6).stderr
        assert "the outbox of epochs 1 to" in said and "the ledger says" in said, said
        shutil.rmtree(folder / "lake", ignore_errors=True)  # a sink that misses nothing had its rows
        shutil.rmtree(folder / "state")
        shutil.copytree(folder / "whole", folder / "state")
    bourn(folder, *words, "--for", "1")
    assert "0 failed" in bourn(folder, "verify", *words[2:], *EVIDENCE).stdout


def a_lake_without_its_state(folder: Path) -> None:
    finished_run(folder)
    shutil.rmtree(folder / "state")
    said = bourn(folder, "run", "--quiet", *PIPELINE, check=6).stderr
    assert "--adopt" in said, said
    assert "there is no state" in bourn(folder, "verify", "--state", "nowhere", *PIPELINE, check=6).stderr


def a_state_without_its_lake(folder: Path) -> None:
    finished_run(folder)
    shutil.rmtree(folder / "lake")
    said = bourn(folder, "run", "--quiet", *PIPELINE, check=6).stderr
    assert "rolled back or made anew" in said or "restore" in said, said
    assert bourn(folder, "verify", *PIPELINE, *EVIDENCE, check=1).stdout.count("FAILED") >= 3
    for one, other in (("--resync", "--adopt"), ("--adopt", "--resync")):  # the one is no advice to who gave it
        assert f"{other}, beside {one}," in bourn(folder, "run", "--quiet", one, *PIPELINE, check=6).stderr
    bourn(folder, "run", "--quiet", "--resync", "--adopt", *PIPELINE)
    said = bourn(folder, "verify", *PIPELINE, check=1).stdout
    assert [line for line in said.splitlines() if "FAILED" in line and "table rejected" not in line] == [], said


def tables_written_anew(folder: Path) -> None:
    """What has a key is in the state; the dead letters are not, which is said."""
    finished_run(folder)
    tables = ("net_flow", "user_metrics", "channel_distribution")

    def rows(table: str) -> list[dict]:
        lines = bourn(folder, "query", *PIPELINE, "--json", "-e", f"SELECT * FROM {table}").stdout.splitlines()
        return sorted(({k: v for k, v in json.loads(line).items() if k != "updated_at"} for line in lines), key=repr)

    before = {table: rows(table) for table in tables}
    shutil.rmtree(folder / "lake/metrics")
    assert "--resync" in bourn(folder, "run", "--quiet", *PIPELINE, check=6).stderr
    assert "--resync" in bourn(folder, "run", "--quiet", "--adopt", *PIPELINE, check=6).stderr
    said = bourn(folder, "run", "--quiet", "--resync", *PIPELINE).stderr
    assert all(f'"{table}" was written anew' in said for table in tables) and '"rejected"' not in said, said
    assert {table: rows(table) for table in tables} == before
    assert "0 failed" in bourn(folder, "verify", *PIPELINE, *EVIDENCE).stdout
    shutil.rmtree(folder / "lake")
    said = bourn(folder, "run", "--quiet", "--resync", *PIPELINE, check=6).stderr
    assert '"rejected"' in said and "--adopt" in said, said
    assert not list((folder / "lake").rglob("*.json")), "it was refused, and has written some tables"
    bourn(folder, "run", "--quiet", "--resync", "--adopt", *PIPELINE)
    assert {table: rows(table) for table in tables} == before and rows("rejected") == []


def ordered_rows_written_anew(folder: Path) -> None:
    """Steps with state over one another: what the lower one gives once more is in the upper one already."""
    (folder / "in.csv").write_text("k,n\na,1\nb,2\na,3\nc,2\nd,9\n")
    (folder / "p.sql").write_text("""
        CREATE FOREIGN TABLE t (k text, n bigint) SERVER file OPTIONS (path 'in.csv', format 'csv');
        CREATE VIEW g AS SELECT k, sum(n)::bigint AS s FROM t GROUP BY k;
        CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path 'lake');
        CREATE FOREIGN TABLE before (k text NOT NULL, p text, PRIMARY KEY (k)) SERVER lake;
        CREATE FOREIGN TABLE first (r bigint, k text NOT NULL, PRIMARY KEY (k)) SERVER lake;
        INSERT INTO before SELECT k, lag(k) OVER (ORDER BY s, k) FROM g;
        INSERT INTO first SELECT r, k FROM (SELECT *, row_number() OVER (ORDER BY s DESC, k) AS r FROM g) q
            WHERE r <= 2;""")
    wanted = {"before": [["a", "c"], ["b", None], ["c", "b"], ["d", "a"]], "first": [[1, "d"], [2, "a"]]}

    def rows(table: str) -> list[list]:
        lines = bourn(folder, "cat", f"lake/{table}", "--json").stdout.splitlines()
        return sorted((list(json.loads(line).values()) for line in lines), key=repr)

    bourn(folder, "run", "--quiet", "p.sql")
    assert {table: rows(table) for table in wanted} == wanted
    for _ in range(2):
        shutil.rmtree(folder / "lake")
        bourn(folder, "run", "--quiet", "--resync", "p.sql")
        assert {table: rows(table) for table in wanted} == wanted


def a_file_written_anew(folder: Path) -> None:
    (folder / "in.csv").write_text("name,amount\na,1\nb,2\na,3\n")
    source = "CREATE FOREIGN TABLE t (name text, amount bigint) SERVER file OPTIONS (path 'in.csv', format 'csv');\n"
    for out, key, select in (("totals", "PRIMARY KEY", "name, sum(amount) FROM t GROUP BY name"),
                             ("copies", "", "name, amount FROM t")):
        (folder / f"{out}.sql").write_text(
            f"{source}CREATE FOREIGN TABLE {out} (name text {key}, amount bigint) SERVER file "
            f"OPTIONS (path '{out}.json');\nINSERT INTO {out} SELECT {select};\n")
        env = {**environment(folder), "BOURN_STATE": str(folder / out)}
        bourn(folder, "run", "--quiet", f"{out}.sql", env=env)
        before = (folder / f"{out}.json").read_text()
        (folder / f"{out}.json").write_text("{}\n")
        said = bourn(folder, "run", "--quiet", f"{out}.sql", check=6, env=env).stderr
        assert ("--resync" in said) == (out == "totals"), said
        (folder / f"{out}.json").write_text(before if out == "copies" else "")
        again = bourn(folder, "run", "--quiet", "--resync", f"{out}.sql", env=env, check=6 if out == "copies" else 0)
        assert (folder / f"{out}.json").read_text() == before
        assert out == "totals" or "the rows of no sink" in again.stderr, again.stderr


def an_edited_pipeline(folder: Path) -> None:
    finished_run(folder)
    text = (EXAMPLE / "payments.sql").read_text()
    (folder / "layout.sql").write_text("-- a comment more\n" + text.replace("    ", "  "))
    bourn(folder, "run", "--quiet", EXAMPLE / "file.sql", "layout.sql")
    (folder / "edited.sql").write_text(text.replace("amount > 0", "amount > 1"))
    said = bourn(folder, "run", "--quiet", EXAMPLE / "file.sql", "edited.sql", check=6).stderr
    assert "pipeline was changed" in said and "--adopt" in said, said


# ---- event time ----

def hours(path: Path, rows: int, first: float, last: float) -> None:
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    step = datetime.timedelta(hours=(last - first) / rows)
    at = begin + datetime.timedelta(hours=first)
    with open(path, "w") as f:
        f.write("at,n\n")
        for row in range(rows):
            f.write(f"{(at + row * step).isoformat()},1\n")


def splits_too_far_ahead_are_paused(folder: Path) -> None:
    """Four files cover the hours at different rates; one more is empty, one has no row that passes. No one waits for
    those, nor for the one that ends early."""
    (folder / "in").mkdir()
    for name, rows, first, last in (("fast", 60_000, 0, 10), ("slow", 400_000, 0, 10), ("late", 60_000, 5, 10),
                                    ("short", 3_000, 0, 0.2), ("empty", 0, 0, 1)):
        if rows:
            hours(folder / "in" / name, rows, first, last)
        else:
            (folder / "in" / name).touch()
    (folder / "in/bad").write_text("at,n\n" + "never,1\n" * 30_000)
    (folder / "t.sql").write_text("""
        SET bourn.epoch_rows = '8192';
        SET bourn.epoch_interval = '100 ms';
        CREATE FOREIGN TABLE t (at timestamptz OPTIONS (watermark '1 hour') NOT NULL, n bigint) SERVER file
            OPTIONS (path 'in', format 'csv', max_drift '${DRIFT:-0 s}');
        CREATE FOREIGN TABLE o (h text PRIMARY KEY, n bigint) SERVER file OPTIONS (path '${OUT}');
        INSERT INTO o SELECT to_char(at, 'HH24'), sum(n) FROM t GROUP BY 1;""")
    drift, out, paused = {}, {}, 0
    for limit in ("0 s", "30 minutes"):
        name = limit.split()[0]
        live = start(folder, "run", "--quiet", "t.sql", DRIFT=limit, OUT=f"{name}.json",
                     BOURN_STATE=str(folder / name))
        while live.poll() is None:
            asked = bourn(folder, "status", "--json", "--state", folder / name, check=None)
            splits = json.loads(asked.stdout)["sources"] if not asked.returncode else []
            paused += limit != "0 s" and any(s.get("paused") for source in splits for s in source["splits"])
            if paused == 1:
                said = bourn(folder, "why", "--state", folder / name, check=None).stdout
                paused += "is paused: its newest event" in said
        assert live.returncode == 0, live.stderr.read()
        drift[limit] = widest_drift(folder / name / "log") / 3.6e9
        out[limit] = (folder / f"{name}.json").read_text()
    assert out["0 s"] == out["30 minutes"] and out["0 s"].count("\n") == 10
    assert drift["0 s"] > 4 and drift["30 minutes"] < 0.5 + 2 * 2048 / 6000, drift
    assert paused >= 2, "neither status nor why showed a paused split"


def why_a_window_is_open(folder: Path) -> None:
    """Of two files that may still grow one is behind: it is named, with where it is and what would close the window."""
    (folder / "in").mkdir()
    for name, minutes in (("ahead", (0, 9, 40)), ("behind", (0, 7))):
        (folder / "in" / name).write_text("".join(f'{{"at": "2026-01-01T00:{m:02}:00Z"}}\n' for m in minutes))
    (folder / "w.sql").write_text("""
        SET bourn.idle_timeout = '1 hour';
        CREATE FOREIGN TABLE t (at timestamptz OPTIONS (watermark '90 s') NOT NULL) SERVER file
            OPTIONS (path 'in', follow 'true');
        CREATE FOREIGN TABLE o (e timestamptz, n bigint) SERVER file OPTIONS (path 'o.json');
        CREATE FOREIGN TABLE p (e timestamptz, n bigint) SERVER file OPTIONS (path 'p.json');
        INSERT INTO o SELECT window_end, count(*) FROM tumble(t, at, interval '5 minutes') GROUP BY window_end;
        INSERT INTO p SELECT window_end, count(*) FROM session(t, at, interval '8 minutes')
            GROUP BY window_start, window_end;""")
    live = start(folder, "run", "--quiet", "w.sql", BOURN_STATE=str(folder / "s"))
    try:
        def told() -> str:
            assert live.poll() is None, live.stderr.read()
            return bourn(folder, "why", "--state", folder / "s", check=None).stdout

        until(lambda: "closes at 2026-01-01T00:10" in told())
        done = bourn(folder, "why", "--state", folder / "s")
        for wanted in ("step o (aggregate-", "its earliest open window closes at 2026-01-01T00:10:00Z",
                       "step p (session-", "its earliest open session closes at 2026-01-01T00:17:00Z",
                       "Its watermark, by source t, is 2026-01-01T00:05:30Z since ",
                       "held by in/behind, whose newest event is of 2026-01-01T00:07:00Z, for ",
                       "An event of 2026-01-01T00:11:30Z or later there closes it",
                       "An event of 2026-01-01T00:18:30Z or later there closes it"):
            assert wanted in done.stdout, f"{wanted}\n{done.stdout}"
        steps = json.loads(bourn(folder, "status", "--json", "--state", folder / "s").stdout)["steps"]
        assert [step["evict"] for step in steps] == ["2026-01-01T00:05:30.000000Z"] * 2, steps
    finally:
        live.send_signal(signal.SIGINT)
        live.communicate()


# ---- limits ----

def state_at_its_limit(folder: Path) -> None:
    env = {**environment(folder), "BOURN_QUIET": "1"}
    (folder / "limit.sql").write_text("SET bourn.state_memory = '128 MB';")
    bourn(folder, "generate", "--rows", 6_000_000, "--rate", 0, "--bad", 0, "--duplicates", 0, "--late", 0,
          "--to", "e.ndjson")
    said = bourn(folder, "run", "limit.sql", *PIPELINE, check=7, env=env).stderr
    assert "bourn.state_memory" in said and "dedup" in said and "bytes" in said, said


def what_is_in_flight_is_bounded(folder: Path) -> None:
    """Refused rows are held with their bytes until their epoch ends, and so are changed groups. The limit ends it."""
    with open(folder / "in.ndjson", "w") as f:
        for row in range(60_000):
            f.write(json.dumps({"k": row, "v": "x" * 4000 if row % 2 else row}) + "\n")
    peak, epochs, out = {}, {}, {}
    for limit in ("16 MiB", "4 GiB"):
        name = limit.split()[0]
        (folder / "t.sql").write_text(f"""
            SET bourn.memory_in_flight = '{limit}'; SET bourn.epoch_interval = '1 minute';
            CREATE FOREIGN TABLE t (k bigint, v bigint) SERVER file OPTIONS (path 'in.ndjson');
            CREATE FOREIGN TABLE o (k bigint PRIMARY KEY, n bigint) SERVER file OPTIONS (path '{name}.json');
            CREATE FOREIGN TABLE dead (id text, rules text) SERVER file OPTIONS (path '{name}.dead');
            INSERT INTO o SELECT k, count(*) FROM t GROUP BY k;
            INSERT INTO dead SELECT id, rules FROM bourn.rejected;""")
        live = start(folder, "run", "--quiet", "t.sql", BOURN_STATE=str(folder / name))
        _, code, used = os.wait4(live.pid, 0)
        assert code == 0, live.stderr.read()
        peak[limit] = used.ru_maxrss >> 10
        epochs[limit] = json.loads(bourn(folder, "status", "--json", "--state", folder / name).stdout)["epoch"]
        out[limit] = (folder / f"{name}.json").read_text() + (folder / f"{name}.dead").read_text()
    assert out["16 MiB"] == out["4 GiB"] and out["4 GiB"].count("type:v") == 30_000
    assert epochs["4 GiB"] <= 2 and epochs["16 MiB"] >= 8, epochs
    assert peak["16 MiB"] < peak["4 GiB"] - 80, peak


def sources_pause_when_sinks_lag(folder: Path) -> None:
    events(folder, 100_000)
    (folder / "limit.sql").write_text("SET bourn.outbox_limit = '1 MiB'; SET bourn.epoch_rows = 5000;")
    said = bourn(folder, "run", "--quiet", "limit.sql", *PIPELINE).stderr
    assert "sources pause" in said and "bourn.outbox_limit" in said and "sources go on" in said, said
    assert "0 failed" in bourn(folder, "verify", *PIPELINE, *EVIDENCE).stdout


def a_full_disk_and_then_room(folder: Path) -> None:
    """A small tmpfs stands for the disk; without the right to mount one, the test build's ENOSPC does (tests/crash)."""
    disk = folder / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk]).returncode:
        return
    try:
        events(folder, 20_000)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(6_150_000))
        env = {**environment(folder), "LAKE": str(disk / "lake"), "BOURN_STATE": str(disk / "state")}
        done = bourn(folder, "run", "--quiet", *PIPELINE, check=None, env=env)
        assert done.returncode == 7 and "No space left" in done.stderr and "make room" in done.stderr, done
        ballast.unlink()
        bourn(folder, "run", "--quiet", *PIPELINE, env=env)
        assert "0 failed" in bourn(folder, "verify", *PIPELINE, *EVIDENCE, env=env).stdout
    finally:
        subprocess.run(["umount", disk], check=False)


for case in (help_and_version, the_program_is_hardened, mistyped_words, mistyped_variables,
             missing_empty_and_compressed_files, places_of_errors, a_broken_pipe, output_that_gets_nowhere,
             a_csv_that_is_read_as_json, results_without_rows_have_names, long_values_are_printed_whole,
             explain_keeps_secrets, a_run_and_its_repetition, system_relations, a_second_run_beside_a_live_one,
             interrupted_at_once, a_clean_stop_publishes, odd_environments,
             one_plain_line_a_second_without_a_terminal, several_sources_have_their_own_account,
             the_last_line_is_of_the_whole_run,
             a_blackhole_counts_what_it_takes, a_tampered_table_fails, damaged_bytes_fail, a_tampered_log_fails,
             the_ledger_is_as_of_the_tables, a_tampered_ledger_fails, a_missing_slot_fails,
             a_lost_outbox_is_not_taken_for_an_empty_one, a_lake_without_its_state, a_state_without_its_lake,
             tables_written_anew, ordered_rows_written_anew, a_file_written_anew, an_edited_pipeline,
             splits_too_far_ahead_are_paused, why_a_window_is_open, state_at_its_limit, what_is_in_flight_is_bounded,
             sources_pause_when_sinks_lag, a_full_disk_and_then_room):
    suite.run(case)
suite.end()
