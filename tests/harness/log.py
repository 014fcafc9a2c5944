"""The log from outside: what it says, and a log that was tampered with by somebody who knows its format, so that every
checksum and every link is right again.

    forge(state / "log", lambda text: text.replace('"outbox":true', '"outbox":false'))
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Callable

POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def slots(log: Path) -> list[Path]:
    """The slots of a log, oldest first: all else in its folder is what a killed process was just writing."""
    return sorted(path for path in log.iterdir() if path.name.isdigit())


def forge(log: Path, change: Callable[[str], str]) -> int:
    """Rewrite the payload of every slot; answers how many were changed."""
    changed, previous = 0, None
    for path in slots(log):
        head, _, payload = path.read_bytes().partition(b"\n")
        forged = change(payload.decode()).encode()
        changed += forged != payload
        fields = dict(field.split("=") for field in head.decode().split(" ")[2:])
        fields |= {"bytes": f"{len(forged):010}", "crc": f"{crc32c(forged):08x}"}
        if previous:
            fields["previous"] = previous
        del fields["head"]
        text = "bourn-log 1 " + " ".join(f"{name}={value}" for name, value in fields.items())
        whole = f"{text} head={crc32c(text.encode()):08x}\n".encode() + forged
        previous = hashlib.sha256(whole).hexdigest()
        path.write_bytes(whole)
    return changed


def widest_drift(log: Path) -> int:
    """By how many microseconds of event time a split was read ahead of the least of the others, at most, of all epochs
    in the log. Where a split begins is its own affair."""
    newest: dict[str, int] = {}
    widest = 0
    for slot in slots(log):
        splits = json.loads(slot.read_text().partition("\n")[2]).get("splits", [])
        for split in splits:
            least = min((at for name, at in newest.items() if name != split["split"]), default=None)
            if least is not None and split["max_event"] != newest.get(split["split"], split["max_event"]):
                widest = max(widest, split["max_event"] - least)
        newest |= {split["split"]: split["max_event"] for split in splits if split["max_event"] is not None}
        for split in splits:
            if split["finished"]:
                newest.pop(split["split"], None)
    return widest
