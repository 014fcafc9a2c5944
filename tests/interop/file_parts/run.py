#!/usr/bin/env python3
"""A folder of parts: killed again and again, every event is in exactly one part; a part that can be seen is whole and
never changes; gzip and zstd are what other programs read."""
from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness import Suite, program  # noqa: E402
from harness.children import mortal  # noqa: E402
from harness.downloads import go_on_in_venv  # noqa: E402

go_on_in_venv()
import pyarrow as pa  # noqa: E402

suite = Suite("interop/file_parts")
BOURN = program()

PIPELINE = """
CREATE SERVER events FOREIGN DATA WRAPPER generator
    OPTIONS (generator 'transactions', rows '{rows}', rate '{rate}', bad '0', duplicates '0', late '0');
SET bourn.epoch_rows = 500;
CREATE FOREIGN TABLE tx (transaction_id text, amount numeric(18,2)) SERVER events;
CREATE FOREIGN TABLE parts (transaction_id text, amount numeric(18,2))
    SERVER file OPTIONS (path '{folder}/parts/', compression '{compression}', commit_interval '50 ms');
INSERT INTO parts SELECT transaction_id, amount FROM tx;
"""


def pipeline(folder: Path, rows: int, rate: int, compression: str) -> list[str]:
    (folder / "p.sql").write_text(PIPELINE.format(folder=folder, rows=rows, rate=rate, compression=compression))
    return [str(BOURN), "run", "--quiet", "--until-caught-up", "--state", str(folder / "state"), str(folder / "p.sql")]


def parts_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "parts").glob("part-*"))}


def ids_in(text: str) -> list[str]:
    return [json.loads(line)["transaction_id"] for line in text.splitlines()]


def killed_at_random(folder: Path) -> None:
    rows, seen = 20_000, {}
    command = pipeline(folder, rows, 8000, "none")
    lives = 0
    while lives < 12 or len(seen) <= 3:
        lives += 1
        assert lives < 200, f"{len(seen)} parts in {lives} lives"
        process = subprocess.Popen(mortal(command), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(suite.random.uniform(0.02, 0.5) * (1 + lives // 12))  # a slow machine takes longer to begin
        process.kill()
        process.wait()
        for name, text in parts_of(folder).items():
            assert seen.setdefault(name, text) == text, f"{name} has changed"
            assert text.endswith(b"\n")
    suite.command(command)
    found = [id_ for text in parts_of(folder).values() for id_ in ids_in(text.decode())]
    assert set(seen) <= set(parts_of(folder))
    assert sorted(found) == [f"T{n + 1:06d}" for n in range(rows)], (len(found), len(set(found)))
    assert not list((folder / "parts").glob(".part-*"))


def compressed(folder: Path) -> None:
    for compression in ("gzip", "zstd"):
        place = folder / compression
        place.mkdir()
        suite.command(pipeline(place, 3000, 0, compression))
        if compression == "gzip":
            texts = [gzip.decompress(text).decode() for text in parts_of(place).values()]
        else:
            texts = [pa.CompressedInputStream(io.BytesIO(text), "zstd").read().decode()
                     for text in parts_of(place).values()]
        assert sorted(id_ for text in texts for id_ in ids_in(text)) == [f"T{n + 1:06d}" for n in range(3000)]


def main() -> None:
    for case in (killed_at_random, compressed):
        suite.run(case)
    suite.end()


if __name__ == "__main__":
    main()
