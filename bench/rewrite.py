#!/usr/bin/env python3
"""Events written differently, from a seed: the keys of every object in another order, characters of its strings as
\\uXXXX, and in one event of eight a member that no column has, with \\/ in it. What is no JSON object stays as it is.

    bench/rewrite.py FROM.ndjson TO.ndjson [SEED]
"""
from __future__ import annotations

import json
import random
import sys
from concurrent.futures import ProcessPoolExecutor

BLOCK = 1 << 24


class Literal(str):
    """A number, as its digits."""


def text_of(value, chance: random.Random) -> str:
    if isinstance(value, Literal):
        return value
    text = json.dumps(value, separators=(",", ":"))
    if isinstance(value, str) and value and "\\" not in text and chance.random() < 0.25:
        at = 1 + int(chance.random() * len(value))
        text = f"{text[:at]}\\u{ord(text[at]):04x}{text[at + 1:]}"
    return text


def rewrite(line: bytes, chance: random.Random) -> bytes:
    if not line.startswith(b"{"):
        return line
    try:
        # Nested objects stay lists of pairs: those events are left alone, too.
        pairs = json.loads(line, object_pairs_hook=list, parse_float=Literal, parse_int=Literal)
    except ValueError:
        return line
    if any(isinstance(value, list) for _, value in pairs):
        return line
    members = [f'"{key}":{text_of(value, chance)}' for key, value in pairs]
    if chance.random() < 0.125:
        members.append('"reference":"payments\\/%d"' % (chance.random() * 1e6))
    chance.shuffle(members)
    return f"{{{','.join(members)}}}\n".encode()


def rewrite_block(job: tuple[int, int, bytes]) -> bytes:
    seed, number, block = job
    chance = random.Random(seed * 1_000_003 + number)
    return b"".join(rewrite(line, chance) for line in block.splitlines(keepends=True))


def blocks(path: str, seed: int):
    with open(path, "rb") as file:
        number = 0
        while block := file.read(BLOCK):
            yield seed, number, block + file.readline()
            number += 1


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with ProcessPoolExecutor(2) as pool, open(sys.argv[2], "wb") as out:
        jobs, waiting = blocks(sys.argv[1], seed), []
        for job in jobs:
            waiting.append(pool.submit(rewrite_block, job))
            if len(waiting) > 4:
                out.write(waiting.pop(0).result())
        for done in waiting:
            out.write(done.result())


if __name__ == "__main__":
    main()
