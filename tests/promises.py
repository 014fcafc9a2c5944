"""tests/promises.tsv: what README and docs promise, and the tests that hold it.

Each line: the promise, where it stands ("README.md: some words of it"), and the tests, separated by spaces; a test is
SUITE:NAME as tests/run knows it, with spaces as "_", and may hold the wildcards * and ?. A promise is kept if the words
stand in that file and every test has run and passed. One whose test could not be run here is neither kept nor broken,
but skipped, and said to be.
"""
from __future__ import annotations

import fnmatch
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
LIST = TOP / "tests/promises.tsv"


def squeeze(text: str) -> str:
    return " ".join(text.split())


def check_line(line: str, passed: list[str], skipped: list[str]) -> list[str]:
    """What is wrong with one promise."""
    fields = line.split("\t")
    if len(fields) != 3:
        return ["it needs three fields with tabs between them"]
    _, where, tests = fields
    wrong = []
    file, _, words = where.partition(": ")
    try:
        if squeeze(words) not in squeeze((TOP / file).read_text()):
            wrong.append(f'"{words}" does not stand in {file}')
    except OSError:
        wrong.append(f"there is no file {file}")
    for test in tests.split():
        if not fnmatch.filter(passed, test) and not fnmatch.filter(skipped, test):
            wrong.append(f"no test {test} has run and passed")
    return wrong if tests.split() else [*wrong, "no test holds it"]


def not_run(line: str, passed: list[str]) -> list[str]:
    """Tests of a promise of which nothing ran."""
    return [test for test in line.split("\t")[-1].split() if not fnmatch.filter(passed, test)]


def check_promises(passed: list[str], skipped: list[str]) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Broken promises, each with what is wrong; the kept ones; and those that could not be tried, with what did not
    run."""
    passed, skipped = ([name.replace(" ", "_") for name in names] for names in (passed, skipped))
    broken, kept, untried = [], [], []
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        wrong = check_line(line, passed, skipped)
        if not wrong and not_run(line, passed):
            untried.append((line.split("\t")[0], f"skipped: {' '.join(not_run(line, passed))}"))
        elif wrong:
            broken.append(f"tests/promises.tsv:{number}: {line.split(chr(9))[0]}: {'; '.join(wrong)}")
        else:
            kept.append(line.split("\t")[0])
    return broken, kept, untried
