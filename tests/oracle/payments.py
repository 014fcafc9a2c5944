"""What the payments pipeline must publish, computed without a line of the engine: plain Python over the raw messages.

The events of a file are judged one by one as docs/sql.md says (decoding table, contract R010..R120), the first of each
event_id counts, and the three tables and the dead letters follow. Lateness depends on where epochs are cut, so inputs
for this oracle carry no late events (`bourn generate --late 0`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal

COLUMNS = ["event_id", "event_time", "user_id", "event_type", "channel", "currency", "amount", "schema_version"]
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
TEXT_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)\Z", re.ASCII
)
EXACT = Context(prec=80)


class Bad(Exception):
    """A value that is none of its column's type."""


class Literal(str):
    """A JSON number, as its digits."""


def whole_row(raw: bytes) -> dict | None:
    """The object of a message, or None where rule `parse` speaks."""

    def once(pairs):
        keys = [k for k, _ in pairs]
        if len(set(keys)) != len(keys):
            raise ValueError("repeated key")
        return dict(pairs)

    def refuse(_):
        raise ValueError("NaN and Infinity are no JSON")

    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_float=Literal, parse_int=Literal,
                           parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def as_text(v) -> str:
    if not isinstance(v, str) or isinstance(v, Literal) or "\0" in v or any(0xD800 <= ord(c) < 0xE000 for c in v):
        raise Bad
    return v


def as_integer(v) -> int:
    if not isinstance(v, Literal) or not re.fullmatch(r"-?[0-9]+", v) or not -(2**31) <= int(v) < 2**31:
        raise Bad
    return int(v)


def as_amount(v) -> Decimal:
    if not isinstance(v, str) or not (NUMBER if isinstance(v, Literal) else TEXT_NUMBER).match(v):
        raise Bad
    d = EXACT.create_decimal(v)
    if abs(d) >= Decimal(10) ** 16 or d != d.quantize(Decimal("0.01"), context=EXACT):
        raise Bad
    return d.quantize(Decimal("0.01"), context=EXACT)


def as_time(v) -> datetime:
    m = TIME.match(as_text(v))
    if not m:
        raise Bad
    year, month, day, hour, minute, second = (int(m[i]) for i in range(1, 7))
    fraction = (Decimal("0." + m[7]) if m[7] else Decimal(0)) * 1_000_000
    micros = int(fraction.quantize(Decimal(1), rounding="ROUND_HALF_EVEN"))
    zone = timedelta()
    if m[8] != "Z":
        digits = m[8][1:].replace(":", "").ljust(4, "0")
        zone = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if m[8][0] == "-" else 1)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc) + timedelta(
            microseconds=micros
        ) - zone
    except (ValueError, OverflowError):
        raise Bad from None


DECODE = dict.fromkeys(COLUMNS, as_text) | {"event_time": as_time, "amount": as_amount, "schema_version": as_integer}

CHECKS = [
    ("R090", "event_type", lambda v: v in ("deposit_completed", "withdrawal_completed")),
    ("R100", "channel", lambda v: v in ("web", "mobile", "api")),
    ("R110", "currency", lambda v: v == "GBP"),
    ("R120", "amount", lambda v: v > 0),
]


def judge(raw: bytes, now: datetime | None = None) -> tuple[dict, list[str]]:
    """The decoded row of a message and the rules it breaks, in the order in which bourn names them."""
    row = whole_row(raw)
    if row is None:
        return {}, ["parse"]
    values, undecoded = {}, []
    for column in COLUMNS:
        v = row.get(column)
        try:
            values[column] = None if v is None else DECODE[column](v)
        except Bad:
            undecoded.append(column)
    broken = [f"type:{c}" for c in undecoded]
    for i, column in enumerate(COLUMNS):
        if column not in undecoded and values[column] is None:
            broken.append(f"R0{i + 1}0")
    for rule, column, passes in CHECKS:
        if column not in undecoded and values[column] is not None and not passes(values[column]):
            broken.append(rule)
    time = values.get("event_time")
    if now and time and time > now + timedelta(hours=1):
        broken.append("future")
    return values, broken


@dataclass
class Totals:
    deposits: Decimal = Decimal("0.00")
    withdrawals: Decimal = Decimal("0.00")
    deposit_count: int = 0
    withdrawal_count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, row: dict) -> None:
        if row["event_type"] == "deposit_completed":
            self.deposits += row["amount"]
            self.deposit_count += 1
        else:
            self.withdrawals += row["amount"]
            self.withdrawal_count += 1
        t = row["event_time"]
        self.first = t if self.first is None else min(self.first, t)
        self.last = t if self.last is None else max(self.last, t)


def divided(a: Decimal, b: Decimal | int) -> Decimal | None:
    """a / b at six digits, as a sink column numeric(38,6) rounds it: half away from zero."""
    return EXACT.divide(a, Decimal(b)).quantize(Decimal("0.000001"), ROUND_HALF_UP, EXACT) if b else None


@dataclass
class Expected:
    """Fed message by message, in the order of (partition, offset) of each epoch."""

    now: datetime | None = None
    polled: int = 0
    rejected: list[tuple[bytes, str]] = field(default_factory=list)
    duplicates: int = 0
    seen: set[str] = field(default_factory=set)
    all: Totals = field(default_factory=Totals)
    users: dict[str, Totals] = field(default_factory=dict)
    channels: dict[tuple[str, str], list] = field(default_factory=dict)

    def feed(self, raw: bytes) -> None:
        self.polled += 1
        row, broken = judge(raw, self.now)
        if broken:
            self.rejected.append((raw, ",".join(broken)))
            return
        if row["event_id"] in self.seen:
            self.duplicates += 1
            return
        self.seen.add(row["event_id"])
        self.all.add(row)
        self.users.setdefault(row["user_id"], Totals()).add(row)
        channel = self.channels.setdefault((row["channel"], row["event_type"]), [0, Decimal("0.00")])
        channel[0] += 1
        channel[1] += row["amount"]

    def feed_file(self, path: str) -> "Expected":
        with open(path, "rb") as f:
            for line in f:
                line = line.rstrip(b"\n")
                if line.strip():
                    self.feed(line)
        return self

    # The tables as sorted lists of tuples, without updated_at.

    def net_flow(self) -> list[tuple]:
        t = self.all
        return [(1, t.deposits, t.withdrawals, t.deposits - t.withdrawals, t.deposit_count, t.withdrawal_count,
                 divided(t.deposits, t.deposit_count), divided(t.withdrawals, t.withdrawal_count),
                 divided(t.deposits, t.withdrawals))]

    def user_row(self, user: str) -> tuple:
        t = self.users[user]
        return (user, t.deposits, t.withdrawals, t.deposit_count, t.withdrawal_count, t.first, t.last)

    def user_metrics(self) -> list[tuple]:
        return sorted(map(self.user_row, self.users))

    def channel_distribution(self) -> list[tuple]:
        return sorted((*k, n, amount) for k, (n, amount) in self.channels.items())

    def dead_letters(self) -> list[tuple]:
        return sorted((rules, raw) for raw, rules in self.rejected)
