"""The tables a job has published, compared row by row: decimals by their digits, times to the microsecond; updated_at
aside."""
from __future__ import annotations

from pathlib import Path

from .inputs import dead_letters, plain

COLUMNS = {
    "net_flow": ["id", "total_deposits", "total_withdrawals", "net_flow", "deposit_count", "withdrawal_count",
                 "avg_deposit", "avg_withdrawal", "deposit_to_withdrawal_ratio"],
    "user_metrics": ["user_id", "total_deposits", "total_withdrawals", "deposit_count", "withdrawal_count",
                     "first_seen", "last_seen"],
    "channel_distribution": ["channel", "event_type", "event_count", "total_amount"],
}


def rows(table: Path, columns: list[str]) -> list[tuple]:
    from deltalake import DeltaTable  # the tests' virtual environment has it
    found = DeltaTable(str(table)).to_pyarrow_table(columns=columns)
    return sorted(zip(*(found[column].to_pylist() for column in columns)))


def published(lake: Path, with_dead_letters: bool) -> dict[str, list]:
    found = {name: plain(rows(lake / "metrics" / name, columns)) for name, columns in COLUMNS.items()}
    if with_dead_letters:
        found["dead_letters"] = dead_letters(rows(lake / "rejected", ["rules", "raw"]))
    return found


def differences(found: dict[str, list], wanted: dict[str, list]) -> list[str]:
    told = []
    for name in found:
        if found[name] != wanted[name]:
            pairs = [pair for pair in zip(found[name], wanted[name]) if pair[0] != pair[1]][:2]
            told.append(f"{name}: {len(found[name])} rows, expected {len(wanted[name])}; first differences {pairs}")
    return told
