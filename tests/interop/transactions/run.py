#!/usr/bin/env python3
"""examples/transactions over a file with bad, repeated and late events: its tables against the same worked out here,
and its own evidence."""
from __future__ import annotations

import csv
import io
import json
import re
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import TOP, Suite, program  # noqa: E402

suite = Suite("interop/transactions")
BOURN = program()
EXAMPLE = TOP / "examples/transactions"
CATEGORIES = ("electronics", "clothing", "groceries", "books", "sports")
RATES = {"UK": Decimal("1.27"), "EU": Decimal("1.08"), "US": Decimal(1), "APAC": Decimal(1)}


def is_good(event) -> bool:
    return (isinstance(event, dict) and all(isinstance(event.get(name), str) for name in (
                "transaction_id", "customer_id", "category", "location", "payment_method", "timestamp")) and
            isinstance(event.get("amount"), Decimal) and event["amount"] > 0 and
            event["amount"].as_tuple().exponent >= -2 and event["category"] in CATEGORIES and
            event["location"] in RATES and event["payment_method"] in ("credit_card", "debit_card", "paypal") and
            re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]) is not None)


def expected(path: Path) -> dict[str, dict]:
    """Good transactions by id. The run is one epoch, in which nothing is late yet."""
    found = {}
    for line in path.read_text().splitlines():
        try:
            event = json.loads(line, parse_float=Decimal)
        except ValueError:
            continue
        if is_good(event):
            found.setdefault(event["transaction_id"], event)
    return found


def tables_equal_the_oracle(folder: Path) -> None:
    events = folder / "events.ndjson"
    suite.command([BOURN, "generate", "--generator", "transactions", "--rows", 20000, "--rate", 0, "--bad", "5%",
                   "--duplicates", "5%", "--late", "1%", "--seed", suite.seed, "--to", events])
    env = {"EVENTS": str(events), "LAKE": str(folder / "lake"), "BOURN_STATE": str(folder / "state")}
    files = [EXAMPLE / "file.sql", EXAMPLE / "transactions.sql"]
    suite.command([BOURN, "run", "--quiet", "--until-caught-up", *files], env=env)
    suite.command([BOURN, "verify", *files, "--evidence", EXAMPLE / "evidence.sql"], env=env)

    wanted = expected(events)
    text = suite.command([BOURN, "cat", folder / "lake/transactions", "--csv"]).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["transaction_id"] for row in rows} == set(wanted) and len(rows) == len(wanted), (len(rows), len(wanted))
    for row in rows:
        event = wanted[row["transaction_id"]]
        dollars = (event["amount"] * RATES[event["location"]]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert (Decimal(row["amount"]), Decimal(row["amount_usd"])) == (event["amount"], dollars), (row, event)
        assert row["event_date"] == event["timestamp"][:10], row

    text = suite.command([BOURN, "cat", folder / "lake/category_totals", "--csv"]).stdout
    totals = {row["category"]: row for row in csv.DictReader(io.StringIO(text))}
    assert sorted(totals) == sorted(CATEGORIES)
    for category, row in totals.items():
        amounts = [event["amount"] for event in wanted.values() if event["category"] == category]
        average = (sum(amounts) / len(amounts)).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert (int(row["transactions"]), Decimal(row["revenue"]), Decimal(row["average"]), Decimal(row["highest"])) \
            == (len(amounts), sum(amounts), average, max(amounts)), row


suite.run(tables_equal_the_oracle)
suite.end()
