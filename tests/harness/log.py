"""A log that was tampered with by somebody who knows its format: every checksum and every link is right again.

    forge(state / "log", lambda text: text.replace('"outbox":true', '"outbox":false'))
"""
from __future__ import annotations

import hashlib
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


def forge(log: Path, change: Callable[[str], str]) -> int:
    """Rewrite the payload of every slot; answers how many were changed."""
    changed, previous = 0, None
    for path in sorted(log.iterdir()):
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
