#!/usr/bin/env python3
"""JSON decoding against Python's parser: tens of thousands of damaged events, read by both. What is no message, which
field has no value of its type, and every value must be the same."""
from __future__ import annotations

import decimal
import json
import os
import re
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import LONG, Suite, program  # noqa: E402

suite = Suite("interop/json")
BOURN = program()
EVENTS = 300_000 if LONG else 40_000

PIPELINE = """
CREATE FOREIGN TABLE events (
    channel text,
    amount numeric(18,2),
    schema_version integer,
    o bigint OPTIONS (metadata 'offset')
) SERVER file OPTIONS (path '{folder}/events.ndjson');
CREATE FOREIGN TABLE accepted (channel text, amount numeric(18,2), schema_version integer, o bigint)
    SERVER file OPTIONS (path '{folder}/accepted.ndjson');
INSERT INTO accepted SELECT channel, amount, schema_version, o FROM events;
CREATE FOREIGN TABLE rejected (rules text, o bigint) SERVER file OPTIONS (path '{folder}/rejected.ndjson');
INSERT INTO rejected SELECT rules, "offset" FROM bourn.rejected;
"""

PIECES = [b'"', b"\\", b"\\u0041", b"\\ud83d\\ude00", b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":",
          b"null", b"true", b"1e5", b"-", b"0", b".", b"\xff", "é".encode(), b"\xed\xa0\x80", b"\t", b" ", b"\x01",
          b'"x":1,', b'"channel":"web",', b"NaN", b"Infinity", b"-0", b"1E+2", b'{"a":{"b":[1,2,{}]}}', b"[[[[]]]]",
          b"\x7f", b'"k":[],', b"\\/", b"\\b", b"\xef\xbb\xbf", b"1.50", b"007"]


# ---- events, damaged ----

def damaged(event: bytes) -> bytes:
    text, random = bytearray(event), suite.random
    for _ in range(random.choice([0, 1, 1, 2, 3])):
        at, kind = random.randrange(len(text) + 1), random.random()
        if kind < 0.5:
            piece = random.choice(PIECES)
            text[at:at + random.choice([0, 0, len(piece)])] = piece
        elif kind < 0.7:
            del text[at:at + random.randrange(1, 8)]
        elif kind < 0.8:
            del text[at:]
        elif at < len(text):
            text[at] = random.randrange(256)
    line = bytes(text).replace(b"\n", b" ")
    return line if line.strip(b"\r") else b"{}"  # an empty line is no message


# ---- what Python makes of one ----

class NoMessage(Exception):
    pass


class Members(list):
    """An object's keys and values in order, keys that come twice and all."""


def is_text(value: str) -> bool:
    return not any(0xD800 <= ord(c) <= 0xDFFF or c == "\0" for c in value)


def refuse_constant(name: str) -> None:
    raise NoMessage(name)


def read_message(line: bytes) -> dict | None:
    try:
        text = line.decode("utf-8")
        value = json.loads(text, strict=True, object_pairs_hook=Members, parse_constant=refuse_constant,
                           parse_float=Decimal)
    except (NoMessage, ValueError):
        return None
    if not isinstance(value, Members):
        return None
    keys = [key for key, _ in value]
    return dict(value) if len(set(keys)) == len(keys) and all(map(is_text, keys)) else None


def amount_of(value) -> Decimal | None:
    """ValueError: no numeric(18,2)."""
    if value is None:
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
            raise ValueError
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError
    value = Decimal(value)
    if abs(value) >= Decimal(10) ** 16 or value != value.quantize(Decimal("0.01")):
        raise ValueError
    return value


def version_of(value) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -2**31 <= value < 2**31:
        raise ValueError
    return value


def channel_of(value) -> str | None:
    if value is not None and not (isinstance(value, str) and is_text(value)):
        raise ValueError
    return value


def expected(line: bytes) -> tuple[set[str], dict]:
    """The rules that the message breaks, and its row if it breaks none."""
    members = read_message(line)
    if members is None:
        return {"parse"}, {}
    rules, row = set(), {}
    for column, convert in (("channel", channel_of), ("amount", amount_of), ("schema_version", version_of)):
        try:
            row[column] = convert(members.get(column))
        except ValueError:
            rules.add(f"type:{column}")
    return rules, row


# ---- the case ----

def lines_of(path: Path) -> list[dict]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]


def damaged_events_are_read_as_python_reads_them(folder: Path) -> None:
    decimal.getcontext().prec = 60
    made = suite.command([BOURN, "generate", "--rows", 3000, "--rate", 0, "--bad", "0.3", "--seed", suite.seed])
    good = made.stdout.encode().splitlines()
    lines = [damaged(suite.random.choice(good)) for _ in range(EVENTS)]
    (folder / "events.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "pipeline.sql").write_text(PIPELINE.format(folder=folder))
    suite.command([BOURN, "run", "--quiet", "--until-caught-up", folder / "pipeline.sql"],
                  env={**os.environ, "BOURN_STATE": str(folder / "state")})
    rows = {row["o"]: row for row in lines_of(folder / "accepted.ndjson")}
    rules = {row["o"]: set(row["rules"].split(",")) for row in lines_of(folder / "rejected.ndjson")}
    assert len(rows) + len(rules) == len(lines)
    offset = 0
    for line in lines:
        want_rules, want_row = expected(line)
        assert rules.get(offset, set()) == want_rules, (line, rules.get(offset), want_rules)
        if not want_rules:
            found = {column: rows[offset][column] for column in want_row}
            assert found == want_row, (line, found, want_row)
        offset += len(line) + 1
    print(f"# {len(rows)} accepted, {len(rules)} rejected")


suite.run(damaged_events_are_read_as_python_reads_them)
suite.end()
