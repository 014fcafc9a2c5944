#!/usr/bin/env python3
"""What docs/operations.md, docs/troubleshooting.md and docs/sql.md say of a run, tried: exit codes, settings, the state
folder, what `status` and `why` say, statements and options."""
from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import HANGS, TOP, Suite, program, until  # noqa: E402
from harness.children import free_port, give_to_unprivileged, mortal, unprivileged  # noqa: E402

suite = Suite("cli/documented")
BOURN = program()
EXAMPLE = TOP / "examples/payments"
PIPELINE = [EXAMPLE / "file.sql", EXAMPLE / "payments.sql"]
LIVE = [EXAMPLE / "local.sql", EXAMPLE / "payments.sql"]
# A pipeline of two tables: what comes in, and what goes out, with what was rejected.
SMALL = """
CREATE SERVER files FOREIGN DATA WRAPPER file;
CREATE FOREIGN TABLE e (id text NOT NULL, at timestamptz OPTIONS (watermark '1 hour'), v integer, d integer)
    SERVER files OPTIONS (path 'e.ndjson'{source});
CREATE FOREIGN TABLE out (id text, r integer) SERVER files OPTIONS (path 'out.ndjson'{sink});
CREATE FOREIGN TABLE dlq (id text, raw bytea, rules text, error text, watermark timestamptz)
    SERVER files OPTIONS (path 'dlq.ndjson');
INSERT INTO out SELECT id, v / d FROM e;
INSERT INTO dlq SELECT id, raw, rules, error, watermark FROM bourn.rejected;
"""
GOOD = '{"id":"a","at":"2026-01-01T00:00:00Z","v":10,"d":2}\n'


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "EVENTS": str(folder / "e.ndjson"), "LAKE": str(folder / "lake"),
            "BOURN_STATE": str(folder / "state"), **more}


def bourn(folder: Path, *words, check: int | None = 0, **more) -> subprocess.CompletedProcess:
    env = more.pop("env", None) or environment(folder)
    return suite.command([BOURN, *words], check=check, cwd=folder, env=env, **more)


def small(folder: Path, events: str = GOOD, source: str = "", sink: str = "", more: str = "") -> Path:
    """SMALL in a folder of its own, ready to run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "e.ndjson").write_text(events)
    (folder / "p.sql").write_text(SMALL.format(source=source, sink=sink) + more)
    return folder


def run_small(folder: Path, check: int = 0, **more: str) -> subprocess.CompletedProcess:
    return bourn(small(folder, **more), "run", "--quiet", "p.sql", check=check)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def start(folder: Path, *words, **more) -> subprocess.Popen:
    return subprocess.Popen(mortal((BOURN, *words)), cwd=folder, env=environment(folder, **more), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def status(folder: Path) -> dict:
    return json.loads(bourn(folder, "status", "--json").stdout)


def epoch_of(folder: Path) -> int:
    return status(folder)["epoch"] if (folder / "state/control").exists() else -1


def generate(folder: Path, rows_: int, **more) -> None:
    words = [word for name, value in more.items() for word in (f"--{name}", value)]
    bourn(folder, "generate", "--rows", rows_, "--rate", 0, *words, "--to", folder / "e.ndjson")


# ---- operations.md: a run ----

def full(pipe) -> bool:
    """Nothing more has come for half a second, from who has more to say."""
    seen, end = None, 0.0
    while time.monotonic() < end or not seen:
        now, = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
        if now != seen:
            seen, end = now, time.monotonic() + 0.5
        time.sleep(0.01)
    return True


def signal_was_taken(pid: int) -> bool:
    lines = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return not int(lines["ShdPnd"], 16) >> signal.SIGINT - 1 & 1


def a_second_signal_ends_at_once(folder: Path) -> None:
    """Nobody reads the pipe that the console writes to, so the first signal waits its 1.5 s for it; the second does
    not. Nothing that was finished is lost."""
    (folder / "console.sql").write_text("""SET bourn.commit_interval = '20 ms';
        CREATE FOREIGN TABLE shown (event_id text, raw text) SERVER console;
        INSERT INTO shown SELECT event_id, repeat(user_id, 20) FROM payments;""")
    words = ["run", "--quiet", *LIVE, "console.sql"]
    for signals in (1, 2):
        live = start(folder, *words, RATE="20000")
        until(lambda: epoch_of(folder) > 2 and list(folder.glob("lake/rejected/_delta_log/*.json")))
        full(live.stdout)
        begin = time.monotonic()
        live.send_signal(signal.SIGINT)
        if signals == 2:
            until(lambda: signal_was_taken(live.pid))
            live.send_signal(signal.SIGINT)
        code, took = live.wait(HANGS), time.monotonic() - begin
        assert code == (0 if signals == 1 else 128 + signal.SIGINT), (signals, code, took)
        assert signals == 2 or took > 1, f"the sink had {took} s only"
        for stream in (live.stdout, live.stderr):
            stream.close()
    bourn(folder, "run", "--quiet", "--for", "1", *LIVE, "console.sql", env=environment(folder, RATE="1000"))
    assert "0 failed" in bourn(folder, "verify", *LIVE, "console.sql", "--evidence", EXAMPLE / "evidence.sql").stdout


def flags_have_environment_twins(folder: Path) -> None:
    generate(folder, 2_000)
    env = environment(folder, BOURN_UNTIL_CAUGHT_UP="1", BOURN_QUIET="1", BOURN_STATE=str(folder / "twin"))
    assert bourn(folder, "run", EXAMPLE / "file.sql", EXAMPLE / "payments.sql", env=env).stderr == ""
    assert (folder / "twin/log").is_dir()
    assert json.loads(bourn(folder, "status", env={**env, "BOURN_JSON": "1"}).stdout)["running"] is False
    # .env is for what is not set.
    (folder / ".env").write_text(f"BOURN_STATE={folder}/of-file\nLAKE={folder}/lake-of-file\n")
    env = {"PATH": os.environ["PATH"], "EVENTS": str(folder / "e.ndjson"), "BOURN_STATE": str(folder / "given")}
    bourn(folder, "run", "--quiet", *PIPELINE, env=env)
    assert (folder / "given/log").is_dir() and not (folder / "of-file").exists()
    assert (folder / "lake-of-file/metrics").is_dir()


def exit_codes(folder: Path) -> None:
    run_small(folder / "ok")
    bourn(small(folder / "usage"), "run", "--nonsense", "p.sql", check=2)
    said = bourn(small(folder / "text", more="INSERT INTO out SELECT idd, 1 FROM e;"), "run", "p.sql", check=3).stderr
    assert said.startswith("p.sql:") and "idd" in said, said
    place = small(folder / "source")
    (place / "e.ndjson").unlink()
    assert "e.ndjson" in bourn(place, "run", "p.sql", check=4).stderr
    place = small(folder / "sink")
    (place / "out.ndjson").mkdir()
    assert "out.ndjson" in bourn(place, "run", "p.sql", check=5).stderr
    place = small(folder / "foreign")
    (place / "out.ndjson").write_text("somebody else's\n")
    assert "--adopt" in bourn(place, "run", "p.sql", check=6).stderr
    (folder / "ok/p.sql").write_text(SMALL.format(source="", sink="").replace("v / d", "v * d"))
    assert "changed" in bourn(folder / "ok", "run", "p.sql", check=6).stderr
    said = run_small(folder / "limit", check=7, more="SET bourn.state_memory = '1 MiB';\n" + DISTINCT,
                     events="".join(GOOD.replace('"a"', f'"id {i}"') for i in range(60_000))).stderr
    assert "bourn.state_memory" in said and "dedup" in said, said


DISTINCT = """CREATE FOREIGN TABLE once (id text, v integer) SERVER files OPTIONS (path 'once.ndjson');
INSERT INTO once SELECT id, v FROM (SELECT DISTINCT ON (id) * FROM e) AS first;
"""


# ---- operations.md: settings ----

def commit_interval(folder: Path) -> None:
    """30 s by default; a setting; and a table's own before it."""
    generate(folder, 100)
    (folder / "own.sql").write_text((EXAMPLE / "payments.sql").read_text().replace(
        "path 'metrics/net_flow'", "path 'metrics/net_flow', commit_interval '100 ms'"))
    live = start(folder, "run", "--quiet", EXAMPLE / "local.sql", folder / "own.sql", RATE="2000")
    log = folder / "lake/metrics/net_flow/_delta_log"
    until(lambda: log.is_dir() and len(list(log.glob("*.json"))) > 3)
    held = folder / "lake/metrics/user_metrics/_delta_log"
    assert not list(held.glob("*.json")), "it did not wait for its interval"
    said = bourn(folder, "why").stdout
    assert "user_metrics" in said and "interval" in said, said
    live.send_signal(signal.SIGINT)
    assert live.wait(HANGS) == 0
    assert list(held.glob("*.json"))


def errors_reject_or_stop(folder: Path) -> None:
    events = GOOD + GOOD.replace('"d":2', '"d":0') + GOOD
    run_small(folder / "reject", events=events)
    assert [r["rules"] for r in rows(folder / "reject/dlq.ndjson")] == ["error:22012"]
    assert len(rows(folder / "reject/out.ndjson")) == 2
    said = run_small(folder / "stop", check=4, events=events, more="SET bourn.on_error = 'stop';").stderr
    assert f"offset {len(GOOD)}" in said and "division by zero" in said and "bourn.on_error" in said, said
    assert rows(folder / "stop/out.ndjson") == []


def the_last_setting_counts(folder: Path) -> None:
    events = GOOD.replace('"d":2', '"d":0')
    run_small(folder, events=events, more="SET bourn.on_error = 'stop'; SET bourn.on_error = 'reject';")
    assert len(rows(folder / "dlq.ndjson")) == 1


def events_ahead_of_the_clock(folder: Path) -> None:
    in_two_hours = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
    events = GOOD + GOOD.replace("2026-01-01T00:00:00Z", in_two_hours)
    run_small(folder / "default", events=events)
    assert [r["rules"] for r in rows(folder / "default/dlq.ndjson")] == ["future"]
    run_small(folder / "setting", events=events, more="SET bourn.max_ahead = '3 hours';")
    run_small(folder / "table", events=events, source=", max_ahead '3 hours'", more="SET bourn.max_ahead = '1 minute';")
    assert not rows(folder / "setting/dlq.ndjson") and not rows(folder / "table/dlq.ndjson")


def workers_change_nothing(folder: Path) -> None:
    """Where epochs are cut alike: that decides which rows are late."""
    generate(folder, 30_000)
    (folder / "cuts.sql").write_text("SET bourn.epoch_rows = 9000; SET bourn.epoch_interval = '1 h';")
    found = {}
    for workers in ("1", "2", "5"):
        env = environment(folder, LAKE=str(folder / f"lake{workers}"), BOURN_STATE=str(folder / f"state{workers}"))
        bourn(folder, "run", "--quiet", "--workers", workers, "cuts.sql", *PIPELINE, env=env)
        query = ["query", "cuts.sql", *PIPELINE, "--json", "-e"]
        found[workers] = [bourn(folder, *query, select, env=env).stdout for select in (
            "SELECT user_id, total_deposits, last_seen FROM user_metrics ORDER BY user_id",
            "SELECT rules, raw FROM rejected ORDER BY id")]
    assert found["1"] == found["2"] == found["5"] and len(found["1"][0].splitlines()) == 500


# ---- operations.md: the state folder ----

def the_state_folder_is_its_owners(folder: Path) -> None:
    live = start(folder, "run", "--quiet", *LIVE, RATE="1000")
    until(lambda: epoch_of(folder) > 1)
    modes = {name: (folder / "state" / name).stat().st_mode & 0o777 for name in (".", "control")}
    assert modes == {".": 0o700, "control": 0o600}, modes
    there = {path.name for path in (folder / "state").iterdir()}
    assert {"log", "seg", "plan", "LOCK", ".bourn", "control"} <= there, there
    live.send_signal(signal.SIGINT)
    assert live.wait(HANGS) == 0
    (text,) = [path for path in (folder / "state/plan").iterdir() if path.is_file()][:1]
    assert 'CONSTRAINT "R120" CHECK (amount > 0)' in text.read_text()


def without_a_process_the_log_is_read(folder: Path) -> None:
    generate(folder, 5_000)
    bourn(folder, "run", "--quiet", *PIPELINE)
    said = bourn(folder, "status").stdout
    assert "not running; its input has ended" in said and "rejected by R120" in said, said
    told = status(folder)
    assert told["running"] is False and told["ended"] is True and told["epoch"] > 0
    assert "No process is running on this state." in bourn(folder, "why").stdout


def queries_need_no_variables_of_sources(folder: Path) -> None:
    (folder / "p.sql").write_text(
        "CREATE SERVER made FOREIGN DATA WRAPPER generator OPTIONS (rows '${ROWS}');\n"
        "CREATE FOREIGN TABLE a (n bigint) SERVER made;\n"
        "CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE_HERE}');\n"
        "CREATE FOREIGN TABLE o (n bigint) SERVER lake;\nINSERT INTO o SELECT n FROM a;\n")
    bourn(folder, "run", "--quiet", "p.sql", env=environment(folder, ROWS="7", LAKE_HERE=f"{folder}/here"))
    ask = ["query", "p.sql", "--csv", "-e", "SELECT count(*) AS rows FROM o"]
    assert bourn(folder, *ask, env=environment(folder, LAKE_HERE=f"{folder}/here")).stdout == "rows\n7\n"
    said = bourn(folder, *ask, env=environment(folder, ROWS="7"), check=3).stderr
    assert re.search('p.sql:3:.*option "path" needs the environment variable LAKE_HERE, which is not set', said), said


def verify_beside_a_live_run(folder: Path) -> None:
    fast = folder / "fast.sql"
    fast.write_text("SET bourn.commit_interval = '100 ms';")
    live = start(folder, "run", "--quiet", fast, *LIVE, RATE="5000")
    until(lambda: list(folder.glob("lake/rejected/_delta_log/*.json")))
    for _ in range(5):
        said = bourn(folder, "verify", *LIVE, "--evidence", EXAMPLE / "evidence.sql").stdout
        assert "0 failed" in said, said
    assert live.poll() is None
    live.send_signal(signal.SIGINT)
    assert live.wait(HANGS) == 0, live.stderr.read()


def segments_are_merged(folder: Path) -> None:
    generate(folder, 60_000)
    (folder / "small.sql").write_text("SET bourn.epoch_rows = 2048; SET bourn.commit_interval = '100 ms';")
    bourn(folder, "run", "--quiet", "small.sql", *PIPELINE)
    epochs, segments = status(folder)["epoch"], len(list((folder / "state/seg").rglob("*")))
    assert epochs >= 25 and segments < epochs, (epochs, segments)


def older_copies_are_refused(folder: Path) -> None:
    """State or tables restored from a backup that is older than the other."""
    generate(folder, 3_000)
    (folder / "follow.sql").write_text((EXAMPLE / "file.sql").read_text().replace(
        "path '${EVENTS}'", "path '${EVENTS}', follow 'true'"))
    words = ["run", "--quiet", "--until-caught-up", "follow.sql", EXAMPLE / "payments.sql"]
    bourn(folder, *words)
    for name in ("state", "lake"):
        shutil.copytree(folder / name, folder / f"old-{name}", ignore=shutil.ignore_patterns("control"))
    with open(folder / "e.ndjson", "ab") as out:
        out.write((folder / "e.ndjson").read_bytes().replace(b'"event_id":"', b'"event_id":"again-'))
    bourn(folder, *words)
    for name in ("state", "lake"):
        os.rename(folder / name, folder / f"new-{name}")
        shutil.copytree(folder / f"old-{name}", folder / name)
        done = bourn(folder, *words, check=6)
        assert "hint:" in done.stderr and ("rolled back" in done.stderr or "older" in done.stderr), done.stderr
        shutil.rmtree(folder / name)
        os.rename(folder / f"new-{name}", folder / name)
    bourn(folder, *words)


# ---- troubleshooting.md ----

def why_gives_every_reason(folder: Path) -> None:
    """A process that has all kinds of trouble at once is hard to come by: here one only says so, on the socket."""
    sinks = [{"name": "broken", "trouble": "no room", "confirmed": 3, "target": 9},
             {"name": "busy", "confirmed": 5, "target": 8, "applying": True},
             {"name": "waiting", "confirmed": 7, "target": 7}, {"name": "done", "confirmed": 9, "target": 9}]
    told = {"running": True, "pid": 1, "uuid": "u", "epoch": 9, "sinks": sinks, "sources": [
        {"name": "away", "trouble": "refused", "splits": [{"name": "0", "max_event": "2026-01-01", "position": 1}]}]}
    (folder / "state/log").mkdir(parents=True)
    place = os.open(folder / "state", os.O_PATH)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{place}/control")
        server.listen()

        def answer(what: dict) -> None:
            client, _ = server.accept()
            client.sendall(json.dumps(what).encode())
            client.close()

        def why(what: dict) -> str:
            teller = threading.Thread(target=answer, args=(what,))
            teller.start()
            said = bourn(folder, "why").stdout
            teller.join()
            return said

        said = why(told)
        for words in ("sink broken fails and tries again: no room. Nothing is lost: epochs 4 to 9 wait",
                      "sink busy is publishing epochs 6 to 8 just now",
                      "sink waiting holds epochs 8 to 9 until its commit_interval is over",
                      "source away cannot be read: refused"):
            assert words in said, said
        assert "done" not in said, said
        assert why({**told, "sinks": sinks[3:], "sources": []}).startswith("Nothing is held back"), said
    os.close(place)


def why_a_split_has_no_event_time(folder: Path) -> None:
    place = small(folder / "p", events="", source=", follow 'true'")
    live = start(place, "run", "--quiet", "p.sql")
    until(lambda: epoch_of(place) >= 0)
    said = bourn(place, "why").stdout
    live.send_signal(signal.SIGINT)
    assert live.wait(HANGS) == 0
    assert "event time" in said and "e" in said, said


def dead_letters_say_what_was_wrong(folder: Path) -> None:
    bad = GOOD.replace('"v":10', '"v":"x"')
    late = GOOD.replace("2026-01-01", "2025-01-01")
    (small(folder) / "e.ndjson").write_text(GOOD + "not json\n" + bad + GOOD.replace('"id":"a",', ""))
    bourn(folder, "run", "--quiet", "p.sql")
    found = {row["rules"]: row for row in rows(folder / "dlq.ndjson")}
    assert set(found) == {"parse", "type:v", "e_id_not_null"}, found
    assert '"x"' in found["type:v"]["error"] and found["parse"]["error"], found
    assert bytes.fromhex(found["type:v"]["raw"][2:]).decode() == bad.strip(), found["type:v"]
    assert found["type:v"]["id"] == f"e/0/{len(GOOD) + len('not json') + 1}", found["type:v"]
    # Late: at or before the watermark, which is of the epoch before.
    place = small(folder / "late", events=GOOD * 15_000 + late, more="SET bourn.epoch_rows = 2000;\n" + DISTINCT)
    bourn(place, "run", "--quiet", "p.sql")
    assert len(rows(place / "out.ndjson")) == 15_001, "late where nothing forgets"
    (row,) = rows(place / "dlq.ndjson")
    assert len(rows(place / "once.ndjson")) == 1
    assert row["rules"] == "late" and row["watermark"].startswith("2025-12-31"), row
    said = bourn(place, "status", "--state", place / "state").stdout
    counts = {line.split()[0]: line.split()[-1] for line in said.splitlines() if " at dedup-" in line}
    assert counts == {"late": "1", "duplicate": "14999"}, said


def connection_options_may_change(folder: Path) -> None:
    run_small(folder)
    text = SMALL.format(source=", max_line '1 MiB'", sink="")
    (folder / "p.sql").write_text("/* said otherwise */ " + text.replace("\n    ", " "))
    bourn(folder, "run", "--quiet", "p.sql")


# ---- sql.md: statements, options ----

def statements_in_any_order(folder: Path) -> None:
    """Several files are one text; servers and tables stand anywhere, a view before what reads it; names are folded;
    columns that are not listed are NULL; ${NAME} with and without a default, $${ as it is, nothing outside options."""
    (folder / "a.sql").write_text("CREATE VIEW numbers (n, said) AS SELECT * FROM (VALUES (1, 'one'), (2, '${HERE}'), "
                                  "(3, 'three')) AS v;\nINSERT INTO OUT (n, \"Say\") SELECT n, said FROM Numbers "
                                  "WHERE n <> 3;")
    (folder / "b.sql").write_text("CREATE FOREIGN TABLE Out (n integer, \"Say\" text, more integer) SERVER files "
                                  "OPTIONS (path 'rows-$${N}${N}.ndjson');\n"
                                  "CREATE SERVER files FOREIGN DATA WRAPPER file OPTIONS (path '${HERE:-.}');")
    env = environment(folder, N="7")
    bourn(folder, "run", "--quiet", "a.sql", "b.sql", env=env)
    found = rows(folder / "rows-${N}7.ndjson")
    assert found == [{"n": 1, "Say": "one", "more": None}, {"n": 2, "Say": "${HERE}", "more": None}], found
    assert "variable N" in bourn(folder, "run", "a.sql", "b.sql", check=3, env={"PATH": os.environ["PATH"]}).stderr


def the_console(folder: Path) -> None:
    """A connector without options is its own server; an upserted table is shown whole."""
    (folder / "append.sql").write_text("""
        CREATE FOREIGN TABLE shown (k text, n bigint, day date) SERVER console;
        INSERT INTO shown VALUES ('a', 1, date '2026-01-01'), ('b', NULL, NULL);""")
    (folder / "upsert.sql").write_text("""
        CREATE FOREIGN TABLE total (k text PRIMARY KEY, n numeric(10,2), at timestamptz) SERVER console;
        INSERT INTO total SELECT k, sum(n), timestamptz '2026-01-01T00:00:00Z'
        FROM (VALUES ('x', 1.5), ('y', 2), ('x', 2.25)) AS v (k, n) GROUP BY k;""")

    def shown(name: str) -> list[list[str]]:
        said = bourn(folder, "run", "--quiet", "--state", folder / name[:6], name).stdout
        return [[cell.strip() for cell in line.split("|")] for line in said.splitlines() if "|" in line]

    assert shown("append.sql") == [["k", "n", "day"], ["a", "1", "2026-01-01"], ["b", "NULL", "NULL"]]
    head, *totals = shown("upsert.sql")
    assert head == ["k", "n", "at"]
    assert sorted(line[:2] for line in totals) == [["x", "3.75"], ["y", "2.00"]]
    assert all(line[2].startswith("2026-01-01 00:00") for line in totals)


def connectors_by_name(folder: Path) -> None:
    everything = bourn(folder, "connectors").stdout
    for name in ("kafka", "file", "delta", "generator", "console"):
        assert f"\n  {name} " in everything, name
        one = bourn(folder, "connectors", name).stdout
        assert f"\n  {name} " in one and len(one) < len(everything), one
        assert all(other == name or f"\n  {other} " not in one
                   for other in ("kafka", "file", "delta", "generator", "console")), one
    both = bourn(folder, "connectors", "kafka", "console").stdout
    assert "\n  kafka " in both and "\n  console " in both and "\n  delta " not in both
    assert "nosuch" in bourn(folder, "connectors", "nosuch", check=2).stderr
    settings = re.findall(r"^      (\w+) ", bourn(folder, "connectors", "settings").stdout, re.M)
    table = (TOP / "docs/operations.md").read_text().split("## Settings")[1].split("\n## ")[0]
    documented = [name for row in re.findall(r"^\| ([a-z_, ]+) \|", table, re.M) for name in row.split(", ")]
    assert sorted(settings) == sorted(name for name in documented if name != "name"), "each setting is in the table"


def made_up_events_are_as_asked(folder: Path) -> None:
    generate(folder, 200_000, bad=0, duplicates=0, late=0)
    lines = [json.loads(line) for line in (folder / "e.ndjson").read_text().splitlines()]
    assert len(lines) == 200_000 == len({line["event_id"] for line in lines})
    assert {line["currency"] for line in lines} == {"GBP"} and min(line["amount"] for line in lines) >= 5
    first = (folder / "e.ndjson").read_bytes()
    bourn(folder, "generate", "--rows", 100, "--from", 199_900, "--rate", 0, "--bad", 0, "--duplicates", 0, "--late", 0,
          "--to", folder / "tail.ndjson")
    assert first.endswith((folder / "tail.ndjson").read_bytes()), "event n is not a function of seed and n"


def generators_end_only_after_rows(folder: Path) -> None:
    """`rows` makes a generator a source that ends, whether the server or the table says so."""
    text = """CREATE SERVER made FOREIGN DATA WRAPPER generator{};
        CREATE FOREIGN TABLE e (event_id text) SERVER made{};
        CREATE FOREIGN TABLE n (n bigint) SERVER console;
        INSERT INTO n SELECT count(*) FROM e;"""
    rows_ = " OPTIONS (rows '1000', bad '0')"
    for name, options in (("server", (rows_, "")), ("table", ("", rows_))):
        place = folder / name
        place.mkdir()
        (place / "p.sql").write_text(text.format(*options))
        assert bourn(place, "run", "--quiet", "p.sql").stdout.split()[-1] == "1000"
        assert json.loads(bourn(place, "status", "--json").stdout)["ended"] is True
    (folder / "p.sql").write_text(text.format("", ""))
    assert "PRIMARY KEY" in bourn(folder, "check", "p.sql", check=3).stderr, "it changes for ever"


def the_ledger_counts_sinks(folder: Path) -> None:
    generate(folder, 5_000)
    bourn(folder, "run", "--quiet", *PIPELINE)
    lines = {(line["kind"], line["name"]): line for line in status(folder)["ledger"]["lines"]}
    source = lines["source", "transactions"]
    (dedup,) = [line for (kind, name), line in lines.items() if kind == "step" and "duplicate" in line]
    assert lines["sink", "rejected"]["inserted"] == source["rejected"] + dedup.get("late", 0)
    assert lines["sink", "net_flow"]["inserted"] == 1 and lines["sink", "user_metrics"]["inserted"] == 500
    assert {name for kind, name in lines if kind == "sink"} == {"net_flow", "user_metrics", "channel_distribution",
                                                                 "rejected"}


def what_is_missing_is_said(folder: Path) -> None:
    for verb in ("run", "check", "explain", "verify", "cat", "query"):
        said = bourn(folder, verb, check=2).stderr
        assert f"usage: bourn {verb}" in said, said
    said = bourn(folder, "run", "--for", "1.5", *LIVE, env=environment(folder, RATE="2000")).stderr
    assert "watermark 20" in said and " in, epoch " in said and "rejected" in said, said


def unbounded_state_is_named(folder: Path) -> None:
    place = small(folder, source=", follow 'true'", more="""
        CREATE FOREIGN TABLE kinds (v integer) SERVER files OPTIONS (path 'kinds.ndjson');
        INSERT INTO kinds SELECT DISTINCT v FROM e;""")
    said = bourn(place, "check", "p.sql").stdout
    assert "UNBOUNDED" in said or "unbounded" in said, said


def a_broker_that_is_not_there(folder: Path) -> None:
    port = free_port()
    live = start(folder, "run", EXAMPLE / "kafka.sql", EXAMPLE / "payments.sql", KAFKA=f"127.0.0.1:{port}")
    said = ""
    while not (f"127.0.0.1:{port}" in said and "refused" in said):
        line = live.stderr.readline()
        assert line, said
        said += line
    live.send_signal(signal.SIGINT)
    _, more = live.communicate(timeout=HANGS)
    assert live.returncode == 0, said + more


def failing_sources_are_given_up(folder: Path) -> None:
    """A batch job ends, and says why; a stream waits, unless it is told not to."""
    port = free_port()
    run = ["run", EXAMPLE / "kafka.sql", EXAMPLE / "payments.sql"]
    env = environment(folder, KAFKA=f"127.0.0.1:{port}")
    (folder / "patience.sql").write_text("SET bourn.give_up_after = '1 s';\n")
    for words in (["--until-caught-up", "--give-up-after", "1"], ["patience.sql"]):
        began = time.monotonic()
        done = bourn(folder, *run, *words, env=env, check=4)
        assert 1 <= time.monotonic() - began, done
        last = done.stderr[done.stderr.index("error: "):]
        assert re.search(f'source "transactions" has been failing for [0-9]+ s: Kafka broker .*:{port}', last), done
        assert "is the broker running?" in last, done
    live = start(folder, *run, "patience.sql", "--give-up-after", "forever", KAFKA=f"127.0.0.1:{port}")
    said = ""
    while said.count("trying again") < 3:  # longer than a second: a line a second says so
        line = live.stderr.readline()
        assert line, said
        said += line
    live.send_signal(signal.SIGINT)
    _, more = live.communicate(timeout=HANGS)
    assert live.returncode == 0, said + more
    assert "wants seconds" in bourn(folder, *run, "--give-up-after", "soon", check=2).stderr


class Ward:
    """Payments live by a user who may be refused things: as root, everything is allowed."""

    def __init__(self, folder: Path):
        self.folder, self.lake = folder, folder / "lake"
        give_to_unprivileged(folder)
        shutil.copy(BOURN, folder / "bourn")  # that user need not be allowed to where it lies
        self.pipeline = [shutil.copy(path, folder) for path in LIVE]
        (folder / "quick.sql").write_text("SET bourn.commit_interval = '50 ms';\n")

    def words(self, *more: str) -> list[str]:
        return mortal([*unprivileged(), self.folder / "bourn", *more, "quick.sql", *self.pipeline])

    def start(self, *more: str) -> subprocess.Popen:
        return subprocess.Popen(self.words("run", "--quiet", *more), cwd=self.folder, text=True,
                                env=environment(self.folder, RATE="500"), stderr=subprocess.PIPE)

    def version(self, table: str) -> int:
        log = self.lake / "metrics" / table / "_delta_log"
        return max((int(path.stem) for path in log.glob("0*.json")), default=-1)

    def allow(self, table: str, allowed: bool) -> None:
        top = self.lake / "metrics" / table
        for folder in (top, top / "_delta_log"):
            folder.chmod(0o755 if allowed else 0o555)


def read_until(live: subprocess.Popen, words: str) -> str:
    said = ""
    while words not in said:
        line = live.stderr.readline()
        assert line, said
        said += line
    return said


def a_sink_that_is_refused_is_waited_for(folder: Path) -> None:
    """A table's folder is read-only for a while: the others go on, and it gets what it missed. Nor is a run that gives
    up lost: the next one goes on."""
    ward = Ward(folder)
    live = ward.start()
    until(lambda: ward.version("user_metrics") >= 1)
    ward.allow("user_metrics", False)
    assert 'sink "user_metrics": ' in read_until(live, "Permission denied (trying again)")
    stands, others = ward.version("user_metrics"), ward.version("net_flow")
    until(lambda: ward.version("net_flow") > others + 1)
    sinks = {sink["name"]: sink for sink in status(folder)["sinks"]}
    assert "Permission denied" in sinks["user_metrics"]["trouble"] and sinks["net_flow"]["trouble"] is None, sinks
    assert ward.version("user_metrics") == stands
    ward.allow("user_metrics", True)
    read_until(live, 'sink "user_metrics" is back')
    live.send_signal(signal.SIGINT)
    _, said = live.communicate(timeout=HANGS)
    assert live.returncode == 0, said
    proof = [folder / "quick.sql", *ward.pipeline, "--evidence", EXAMPLE / "evidence.sql"]
    assert "0 failed" in bourn(folder, "verify", *proof).stdout
    ward.allow("user_metrics", False)
    live = ward.start("--give-up-after", "1")
    _, said = live.communicate(timeout=HANGS)
    assert live.returncode == 5 and 'sink "user_metrics" has been failing for' in said, said
    ward.allow("user_metrics", True)
    missed = ward.version("user_metrics")
    live = ward.start()
    until(lambda: ward.version("user_metrics") > missed)
    live.send_signal(signal.SIGINT)
    _, said = live.communicate(timeout=HANGS)
    assert live.returncode == 0, said
    assert "0 failed" in bourn(folder, "verify", *proof).stdout


for case in (a_second_signal_ends_at_once, flags_have_environment_twins, exit_codes, commit_interval,
             errors_reject_or_stop, the_last_setting_counts, events_ahead_of_the_clock, workers_change_nothing,
             the_state_folder_is_its_owners, without_a_process_the_log_is_read,
             queries_need_no_variables_of_sources, verify_beside_a_live_run,
             segments_are_merged, older_copies_are_refused, why_gives_every_reason,
             why_a_split_has_no_event_time, dead_letters_say_what_was_wrong, connection_options_may_change,
             statements_in_any_order, the_console, connectors_by_name, made_up_events_are_as_asked,
             generators_end_only_after_rows, the_ledger_counts_sinks, what_is_missing_is_said,
             unbounded_state_is_named, a_broker_that_is_not_there, failing_sources_are_given_up,
             a_sink_that_is_refused_is_waited_for):
    suite.run(case)
suite.end()
