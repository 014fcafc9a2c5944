#!/usr/bin/env python3
"""What every file of the house keeps to, checked without running it. Reports in TAP; what breaks a rule is named above
its line as "# file:line: what, and what to do".

    tests/style/check.py                 all rules
    tests/style/check.py layering calls  some of them
    tests/style/check.py --list          name them

To add a rule: a function that yields (file, line, message), with @rule and a docstring that says why.
"""
from __future__ import annotations

import concurrent.futures
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

# Elsewhere only for the tests of this file: tests/style/run.py.
TOP = Path(os.environ.get("BOURN_STYLE_TOP") or Path(__file__).resolve().parents[2])
Finding = tuple[str, int, str]
RULES: dict[str, Callable[[], Iterator[Finding]]] = {}

FUNCTION_LINES, FILE_LINES, COLUMNS = 70, 1000, 120

# The house: what a folder of src/ may include besides itself. What those include comes with it.
ROOMS = {
    "base": [],
    "column": ["base"],
    "expr": ["column"],
    "plan": ["expr"],
    "flow": ["column"],
    "format": ["flow"],
    "lake": ["column"],
    "state": ["column"],
    "link": ["base"],
    "source": ["flow", "format", "lake", "link", "state"],
    "sink": ["flow", "format", "lake", "link", "state"],
    "op": ["flow", "expr", "plan", "state"],
    "epoch": ["flow", "state"],
    "engine": ["op", "source", "sink", "epoch"],
    "spark": ["plan"],
    "serve": ["engine"],
    "cmd": ["engine", "spark", "serve"],
}

# What only the seam may call (base/os*.c): there tests count it, fail it and record it.
SEAM_CALLS = """
    open openat creat fopen fdopen freopen tmpfile mkstemp mkdtemp read pread readv write pwrite writev
    fsync fdatasync sync rename renameat link linkat symlink unlink unlinkat remove mkdir mkdirat rmdir opendir readdir
    scandir stat lstat fstat access truncate ftruncate fallocate posix_fallocate sync_file_range posix_fadvise
    flock lockf mmap munmap msync madvise mincore statvfs chdir
    socket bind listen accept accept4 connect poll ppoll select epoll_wait getaddrinfo
    time gettimeofday clock_gettime clock nanosleep clock_nanosleep usleep sleep timer_create
    rand srand random srandom rand_r drand48 getrandom getentropy arc4random
    getenv secure_getenv setenv putenv unsetenv
    pthread_create pthread_join thrd_create fork vfork execv execve execvp execl execlp system popen posix_spawn
""".split()

# What nobody may call: no bound on the output, shared buffers, or the locale.
UNSAFE_CALLS = {
    "gets": "fgets", "strcpy": "memcpy or snprintf", "strcat": "snprintf or a buf", "strncpy": "memcpy or snprintf",
    "strncat": "snprintf or a buf", "sprintf": "snprintf or buf_printf", "vsprintf": "vsnprintf", "strtok": "strcspn",
    "gmtime": "gmtime_r or civil_from_micros", "localtime": "civil_from_micros: everything is UTC",
    "localtime_r": "civil_from_micros: everything is UTC", "ctime": "civil_print_iso", "asctime": "civil_print_iso",
    "alloca": "an arena",
}

# Longer than a screen, since each is one table read from top to bottom: (file, function).
LONG_FUNCTIONS: set[tuple[str, str]] = set()


def rule(check: Callable[[], Iterator[Finding]]) -> Callable[[], Iterator[Finding]]:
    RULES[check.__name__.replace("_", "-")] = check
    return check


# ---- files ----

@functools.cache
def all_files() -> list[str]:
    """Tracked, or about to be; relative to the top."""
    try:
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=TOP,
                                check=True,
                                capture_output=True).stdout.decode()
        names = listed.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        names = [str(path.relative_to(TOP)) for path in TOP.rglob("*") if "build" not in path.relative_to(TOP).parts]
    return sorted(name for name in names if name and (TOP / name).is_file())


def files(*endings: str, under: str = "") -> list[str]:
    return [name for name in all_files() if name.startswith(under) and name.endswith(endings)]


@functools.cache
def text_of(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


@functools.cache
def code_of(name: str) -> str:
    """The C text with comments and the insides of strings and characters blanked; lines and columns stay."""
    def blank(match: re.Match) -> str:
        piece = match[0]
        if piece[0] in "\"'":
            return piece[0] + " " * (len(piece) - 2) + piece[0]
        return re.sub(r"[^\n]", " ", piece)
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text_of(name), flags=re.DOTALL)


def line_at(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def is_text(name: str) -> bool:
    if name.startswith("tests/fuzz/corpus/"):  # bytes of any kind, whatever they look like
        return False
    with open(TOP / name, "rb") as file:
        return b"\0" not in file.read(4096)


# ---- the house ----

@functools.cache
def may_include(room: str) -> frozenset[str]:
    direct = ROOMS.get(room, [])
    return frozenset(direct).union(*(may_include(lower) for lower in direct)) | {room}


@rule
def layering() -> Iterator[Finding]:
    """A folder includes only what its row of the house names, so that `ls src` shows the architecture."""
    for name in files(".c", ".h", under="src/"):
        room = name.split("/")[1]
        if room not in ROOMS:
            yield name, 1, f"src/{room} is not in the house: add its row here and in the design"
            continue
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', text_of(name), re.MULTILINE):
            line, header = line_at(text_of(name), match.start()), match[1]
            if not (TOP / "src" / header).is_file():
                yield name, line, f'"{header}" is not a header of src/: write "room/file.h"'
            elif header.split("/")[0] not in may_include(room):
                allowed = ", ".join(sorted(may_include(room) - {room})) or "nothing"
                yield name, line, f'{room}/ may not include "{header}"; it may include {allowed}'


@rule
def parser_has_one_user() -> Iterator[Finding]:
    """Only plan/ knows the SQL parser, and only source/, sink/ and link/ know client libraries."""
    owners = {"pg_query": {"plan"}, "librdkafka": {"link"}, "curl": {"link"}, "hiredis": {"link"}, "libpq-fe": {"link"}}
    for name in files(".c", ".h", under="src/"):
        for match in re.finditer(r"^[ \t]*#[ \t]*include[ \t]+<([^>]+)>", text_of(name), re.MULTILINE):
            for library, rooms in owners.items():
                if match[1].startswith(library) and name.split("/")[1] not in rooms:
                    line = line_at(text_of(name), match.start())
                    yield name, line, f"<{match[1]}> belongs to {' '.join(sorted(rooms))}/"


def calls_of(name: str, banned: list[str]) -> Iterator[tuple[int, str]]:
    """(line, function) of each call of a banned function. A file may have one of its own under such a name."""
    code = code_of(name)
    own = {function for function, _, _ in functions_of(name)}
    own |= set(re.findall(r"\(\*\s*(?:const\s+)?(\w+)\)\(", code))  # a parameter: void (*read)(...)
    for match in re.finditer(r"(?<![\w.>])(" + "|".join(banned) + r")[ \t]*\(", code):
        if match[1] not in own:
            yield line_at(code, match.start()), match[1]


@rule
def seam() -> Iterator[Finding]:
    """Files, clock, random numbers and threads go through base/os.h, where tests inject faults."""
    for name in files(".c", ".h", under="src/"):
        if not re.match(r"src/base/os\w*\.[ch]$", name):
            for line, call in calls_of(name, SEAM_CALLS):
                yield name, line, f"{call}() goes through the seam: base/os.h"


@rule
def unsafe_calls() -> Iterator[Finding]:
    """No unbounded copy, no shared static result, no local time."""
    for name in files(".c", ".h", under="src/"):
        for line, call in calls_of(name, list(UNSAFE_CALLS)):
            yield name, line, f"{call}(): use {UNSAFE_CALLS[call]}"


@rule
def readmes() -> Iterator[Finding]:
    """A README in every room: what it promises, its files in reading order, how to add one more."""
    for room in sorted({name.split("/")[1] for name in files(".c", ".h", under="src/")}):
        if f"src/{room}/README.md" not in all_files():
            yield f"src/{room}/README.md", 1, "is missing"


# ---- headers ----

@rule
def headers_stand_alone() -> Iterator[Finding]:
    """A header compiles by itself: a missing forward declaration quietly makes a second type."""
    headers = files(".h", under="src/")
    packages = ["libpg_query", "rdkafka", "libcurl", "libprotobuf-c", "jansson"]
    found = subprocess.run(["pkg-config", "--cflags", *packages], capture_output=True, text=True)
    flags = found.stdout.split() if found.returncode == 0 else []

    def compile_alone(name: str) -> Finding | None:
        with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
            unit.write(f'#include "{name.removeprefix("src/")}"\n')
            unit.flush()
            done = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu2x", "-fsyntax-only", "-D_GNU_SOURCE",
                                   '-DBOURN_VERSION="x"', "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare",
                                   f"-I{TOP / 'src'}", *flags, unit.name], capture_output=True, text=True)
        if done.returncode == 0:
            return None
        first = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr[:200])
        at = re.search(r":(\d+):\d+: (?:fatal )?error: (.*)", first)
        return name, int(at[1]) if at else 1, f"does not compile by itself: {at[2] if at else first}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from (finding for finding in pool.map(compile_alone, headers) if finding)


@rule
def headers_are_contracts() -> Iterator[Finding]:
    """A header opens with what it is for, and is read once."""
    for name in files(".h", under="src/"):
        if not text_of(name).startswith("/*"):
            yield name, 1, "opens without a comment that says what it is for"
        if "#pragma once" not in text_of(name):
            yield name, 1, "has no #pragma once"


# ---- sizes ----

def functions_of(name: str) -> Iterator[tuple[str, int, int]]:
    """(name, first line, last line) of every function: its braces stand at the start of a line."""
    lines = code_of(name).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and start is None:
            first = number - 1
            while first > 1 and re.match(r"\s|\)", lines[first - 1]):
                first -= 1
            signature = " ".join(lines[first - 1:number - 1])
            called = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)|\[\[.*?\]\]", "", signature))
            if called and not signature.lstrip().startswith(("#", "struct {", "enum")) and "=" not in signature:
                start = (called[1], first)
            else:
                start = ("", first)
        elif line.startswith("}") and start is not None:
            if start[0]:
                yield start[0], start[1], number
            start = None


@rule
def function_length() -> Iterator[Finding]:
    """A function fits on a screen."""
    for name in files(".c", ".h", under="src/") + files(".c", ".h", under="tests/"):
        for function, first, last in functions_of(name):
            if last - first + 1 > FUNCTION_LINES and (name, function) not in LONG_FUNCTIONS:
                yield name, first, f"{function}() has {last - first + 1} lines; {FUNCTION_LINES} are the limit"


@rule
def file_length() -> Iterator[Finding]:
    """A file is one thing."""
    for name in files(".c", ".h", ".py", ".js", ".sh"):
        lines = text_of(name).count("\n")
        if lines > FILE_LINES and "/vendor/" not in name:
            yield name, FILE_LINES, f"has {lines} lines; {FILE_LINES} are the limit"


@rule
def line_length() -> Iterator[Finding]:
    """Two files fit side by side."""
    for name in files(".c", ".h", ".py"):
        for number, line in enumerate(text_of(name).split("\n"), 1):
            if len(line) > COLUMNS:
                yield name, number, f"has {len(line)} characters; {COLUMNS} are the limit"


# ---- text ----

@rule
def whitespace() -> Iterator[Finding]:
    """Spaces, Unix lines, a newline at the end."""
    for name in files(".c", ".h", ".py", ".md", ".sql", ".build", ".txt", ".sh"):
        text = text_of(name)
        if text and not text.endswith("\n"):
            yield name, line_at(text, len(text)), "ends without a newline"
        for number, line in enumerate(text.split("\n"), 1):
            if line.endswith((" ", "\t", "\r")):
                yield name, number, "ends in blanks"
            elif name.endswith((".c", ".h")) and "\t" in line:
                yield name, number, "has a tab"


@rule
def unfinished_words() -> Iterator[Finding]:
    """What is to be done is an issue; what is here is done."""
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\bfor the time bein" r"g\b|\bnot implemente" r"d\b")
    quiet = re.compile(r"\b(mktemp|mkstemp|mkdtemp)\b|-X{3,}|X{4,}")
    for name in files(".c", ".h", ".py", ".build", ".sh", under="src/") + files(".c", ".h", ".py", ".sh",
                                                                                under="tests/"):
        for number, line in enumerate(text_of(name).split("\n"), 1):
            match = words.search(line)
            if match and not quiet.search(line):
                yield name, number, f'says "{match[0]}": do it, or open an issue'


@rule
def machine_paths() -> Iterator[Finding]:
    """Nothing of the machine that somebody happened to write it on."""
    pattern = re.compile(r"(?<![\w.])/(work|home|root|Users)/[\w.-]+")
    for name in all_files():
        if name.endswith((".png", ".svg", ".tsv", ".parquet", ".gz")) or not is_text(name):
            continue
        for match in pattern.finditer(text_of(name)):
            yield name, line_at(text_of(name), match.start()), f"names {match[0]}, a path of one machine"


@rule
def promises_stand() -> Iterator[Finding]:
    """The words that tests/promises.tsv quotes are in the file it names; after a whole run it would be found late."""
    def squeeze(text: str) -> str:
        return " ".join(text.split())

    promises = "tests/promises.tsv"
    for number, line in enumerate(text_of(promises).splitlines() if promises in all_files() else [], 1):
        fields = line.split("\t")
        if line.startswith("#") or len(fields) != 3:
            continue
        name, _, words = fields[1].partition(": ")
        if name not in all_files() or squeeze(words) not in squeeze(text_of(name)):
            yield promises, number, f'"{words}" does not stand in {name}'


@rule
def every_source_is_built() -> Iterator[Finding]:
    """A .c file that no meson.build names is dead code, or a test that never runs."""
    for name in files(".c", under="src/") + files(".c", under="tests/unit/") + files(".c", under="tests/fuzz/"):
        folder = Path(name).parent
        build = text_of(f"{folder}/meson.build") if (TOP / folder / "meson.build").exists() else ""
        test = Path(name).stem.removeprefix("fuzz_")  # the lists of tests name them without ending
        if f"'{Path(name).name}'" not in build and not (name.startswith("tests/") and f"['{test}'" in build):
            yield name, 1, f"is not in {folder}/meson.build"


# ---- report ----

def main(words: list[str]) -> int:
    if words == ["--list"]:
        for name, check in RULES.items():
            print(f"{name:24} {check.__doc__.splitlines()[0]}")
        return 0
    unknown = [word for word in words if word not in RULES]
    if unknown:
        sys.exit(f"check.py: there is no rule {unknown[0]}; there are: {' '.join(RULES)}")
    chosen = words or list(RULES)
    failed = 0
    print(f"1..{len(chosen)}")
    for number, name in enumerate(chosen, 1):
        findings = sorted(set(RULES[name]()))
        for file, line, message in findings:
            print(f"# {file}:{line}: {message}")
        print(f"{'not ok' if findings else 'ok'} {number} - {name}", flush=True)
        failed += bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
