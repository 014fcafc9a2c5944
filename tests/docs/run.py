#!/usr/bin/env python3
"""The command blocks of README.md and docs/*.md, run as a reader would: in a copy of the repository, in order.

    ```console            a session: lines "$ command" are run, with exit code 0; what stands below a command must be
    $ build/bourn ...     what it prints, where "..." stands for anything, within a line or for whole lines
    ```

    ```sh test            a script: it must end with 0

    ```sql FILE           SQL that must stand in that file of the repository, word for word
    ```sql check          a pipeline, or a part of one: `bourn check` must accept it
    ```python             Python that must parse

Other blocks are left alone. FOR is 3, so that `make run` takes 3 seconds.
"""
from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import TOP, Suite, program  # noqa: E402

suite = Suite("docs")


@dataclass
class Step:
    command: str
    expected: list[str] = field(default_factory=list)


@dataclass
class Block:
    place: str
    steps: list[Step]


@dataclass
class Quoted:
    """Code that is shown, and not run as a command."""
    place: str
    kind: str
    text: str


def blocks_of(path: Path) -> list[Block]:
    found = []
    for match in re.finditer(r"^```(console|sh test)\n(.*?)^```", path.read_text(), re.M | re.S):
        line = path.read_text()[:match.start()].count("\n") + 1
        place = f"{path.relative_to(TOP)}:{line}"
        if match[1] == "sh test":
            found.append(Block(place, [Step(match[2])]))
        else:
            found.append(Block(place, session(match[2].splitlines())))
    return found


def quoted_of(path: Path) -> list[Quoted]:
    return [Quoted(f"{path.relative_to(TOP)}:{path.read_text()[:match.start()].count(chr(10)) + 1}", match[1], match[2])
            for match in re.finditer(r"^```(sql \S+|python)\n(.*?)^```", path.read_text(), re.M | re.S)]


def check_quoted(block: Quoted, folder: Path) -> None:
    if block.kind == "python":
        compile(block.text, block.place, "exec")
    elif block.kind == "sql check":
        (folder / "block.sql").write_text(block.text)
        suite.command([program(), "check", folder / "block.sql"], cwd=folder)
    else:
        text = (TOP / block.kind.split()[1]).read_text()
        assert block.text in text, f"{block.place} is not in {block.kind.split()[1]}"


def session(lines: list[str]) -> list[Step]:
    steps: list[Step] = []
    for line in lines:
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif steps and steps[-1].command.endswith("\\") and not steps[-1].expected:
            steps[-1].command += "\n" + line
        elif steps:
            steps[-1].expected.append(line)
    return steps


def pattern_of(expected: list[str]) -> str:
    """A regular expression for the lines printed."""
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"[ \t]*\n"
             for line in expected]
    return "".join(lines)


def run_block(block: Block, copy: Path) -> None:
    env = {**os.environ, "FOR": "3", "NO_COLOR": "1"}
    for step in block.steps:
        done = suite.command(["bash", "-euc", step.command], check=None, cwd=copy, env=env)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {step.command}\nended with {done.returncode}:\n{said}"
        if step.expected:
            printed = done.stdout if done.stdout.endswith("\n") or not done.stdout else done.stdout + "\n"
            assert re.fullmatch(pattern_of(step.expected), printed), \
                f"$ {step.command}\nprinted\n{printed}\ninstead of\n" + "\n".join(step.expected)


def copy_of_the_repository() -> Path:
    """The files git knows, and the program that was built."""
    copy = suite.folder / "bourn"
    copy.mkdir()
    files = suite.command(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).stdout
    for name in filter(None, files.split("\0")):
        if (TOP / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, copy / name)
    suite.command(["git", "init", "-q"], cwd=copy)
    (copy / "build").mkdir()
    shutil.copy2(program(), copy / "build/bourn")
    return copy


def main() -> None:
    pages = [path for path in (TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").rglob("*.md")))
             if path.exists()]
    found = [block for path in pages for block in blocks_of(path)]
    for quoted in (quoted for path in pages for quoted in quoted_of(path)):
        if suite.wants(quoted.place):
            with suite.case(quoted.place) as folder:
                check_quoted(quoted, folder)
    copy = copy_of_the_repository()
    for block in found:
        if suite.wants(block.place):
            with suite.case(block.place):
                run_block(block, copy)
    if not found:
        with suite.case("blocks are found"):
            assert not (TOP / "README.md").exists(), "README.md has no command block to run"
    suite.end()


main()
