#!/usr/bin/env python3
"""The rules of check.py, after each of them has been seen to fail: on a small tree that breaks it, and only it."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECK = Path(__file__).with_name("check.py")

README = {"src/base/README.md": "x\n", "src/column/README.md": "x\n"}
BUILD = {"src/base/meson.build": "'a.c'\n", "tests/unit/meson.build": "['t', base_dep]\n"}
LONG = "int f(int a,\n      int b)\n{\n" + "    a += b;\n" * 66 + "    return a;\n}\n"

# rule -> (a file that keeps it, one that breaks it, in which line)
SAMPLES = {
    "layering": ({"src/column/a.c": '#include "base/b.h"\n', "src/base/b.h": "/* b */\n"},
                 {"src/base/a.c": '\n#include "column/b.h"\n', "src/column/b.h": "/* b */\n"}, "src/base/a.c:2"),
    "parser-has-one-user": ({"src/plan/a.c": "#include <pg_query.h>\n"}, {"src/op/a.c": "#include <pg_query.h>\n"},
                            "src/op/a.c:1"),
    "seam": ({"src/base/os.c": "fsync(1);\n", "src/op/a.c": 'x->read(1); // fsync(1)\nchar *s = "fsync(1)";\n'},
             {"src/op/a.c": "/* two\nlines */ fsync (1);\n"}, "src/op/a.c:2"),
    "unsafe-calls": ({"src/base/a.c": "snprintf(p, 1, x); my_sprintf(p);\n"}, {"src/base/a.c": "sprintf(p, x);\n"},
                     "src/base/a.c:1"),
    "readmes": ({"src/base/a.c": "\n"} | README, {"src/op/a.c": "\n"}, "src/op/README.md:1"),
    "headers-stand-alone": ({"src/base/a.h": "/* a */\n#include <stdint.h>\nuint8_t a;\n"},
                            {"src/base/a.h": "/* a */\nuint8_t a;\n"}, "src/base/a.h:2"),
    "headers-are-contracts": ({"src/base/a.h": "/* a */\n#pragma once\n"}, {"src/base/a.h": "#pragma once\n"},
                              "src/base/a.h:1"),
    "function-length": ({"src/base/a.c": LONG.replace("    a += b;\n", "", 1)}, {"src/base/a.c": "\n" + LONG},
                        "src/base/a.c:2"),
    "file-length": ({"src/base/a.c": "\n" * 1000}, {"src/base/a.c": "\n" * 1001}, "src/base/a.c:1000"),
    "line-length": ({"src/base/a.c": "é" * 120 + "\n"}, {"src/base/a.c": "\n" + "x" * 121 + "\n"}, "src/base/a.c:2"),
    "whitespace": ({"src/base/a.c": "x\n"}, {"src/base/a.c": "x\ny \n"}, "src/base/a.c:2"),
    "unfinished-words": ({"src/base/a.c": "/* for nowhere, todos, a hack */\n"}, {"src/base/a.c": "\n/* TO" "DO */\n"},
                         "src/base/a.c:2"),
    "machine-paths": ({"docs/a.md": "/var/lib/bourn, ./wo" "rk/x\n"}, {"docs/a.md": "see /ho" "me/me/x\n"},
                      "docs/a.md:1"),
    "promises-stand": ({"README.md": "we keep\nit\n", "tests/promises.tsv": "a\tREADME.md: keep it\tcli:x\n"},
                       {"README.md": "we keep\n", "tests/promises.tsv": "# p\na\tREADME.md: keep it\tcli:x\n"},
                       "tests/promises.tsv:2"),
    "every-source-is-built": ({"src/base/a.c": "\n", "tests/unit/t.c": "\n"} | BUILD,
                              {"tests/unit/a.c": "\n"} | BUILD, "tests/unit/a.c:1"),
}


def check(rule: str, tree: dict[str, str]) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as top:
        for name, text in tree.items():
            path = Path(top, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, CHECK, rule], env=os.environ | {"BOURN_STYLE_TOP": top}, text=True,
                              capture_output=True)
        return done.returncode, done.stdout + done.stderr


def main() -> int:
    rules = [line.split()[0] for line in subprocess.run([sys.executable, CHECK, "--list"], text=True, check=True,
                                                        capture_output=True).stdout.splitlines()]
    print(f"1..{2 * len(rules)}")
    done = subprocess.run([sys.executable, CHECK], text=True, stdout=subprocess.PIPE)
    print(done.stdout.partition("\n")[2], end="")  # without the plan of its own
    failed = done.returncode
    for number, rule in enumerate(rules, len(rules) + 1):
        good, bad, place = SAMPLES[rule]
        kept, kept_text = check(rule, good)
        broken, text = check(rule, bad)
        ok = kept == 0 and broken == 1 and f"# {place}: " in text
        if not ok:
            print("\n".join(f"# {line}" for line in (kept_text + text).splitlines()))
        print(f"{'ok' if ok else 'not ok'} {number} - {rule} can fail")
        failed |= not ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
