"""What tests take from the package registries: pinned by version and hash, kept outside the clone.

    jars("kafka")    the jars of tests/downloads/kafka.jars
    venv()           the Python of a virtual environment with tests/downloads/requirements.txt
    go_on_in_venv()  the calling script, started again by that Python

Both are made once per list (its hash is part of the folder's name), whole or not at all, and checked then.
`python3 tests/harness/downloads.py pin NAME GROUP:ARTIFACT:VERSION...` writes a new list of jars.
"""
from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LISTS = Path(__file__).resolve().parents[1] / "downloads"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>bourn.test</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
{dependencies}
</dependencies></project>
"""
DEPENDENCY = """<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>
<classifier>{classifier}</classifier>{more}</dependency>"""
# Every jar is in the list itself, so what a jar would pull in is left out.
ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME") and os.environ["HOME"] + "/.cache") \
        or os.path.join(tempfile.gettempdir(), f"bourn-cache-{os.getuid()}")
    folder = Path(base) / "bourn-test"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_once(name: str, lists: list[Path], make) -> Path:
    """cache()/NAME-HASH, made by make(folder) if it is not there: in another folder first, then renamed."""
    key = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()[:12]
    folder = cache() / f"{name}-{key}"
    with open(cache() / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (folder / ".complete").touch()
    return folder


TRIES = 4


def run(words: list, **more) -> None:
    """A registry may fail once: what needs one is tried again, a little later each time."""
    for again in range(TRIES):
        time.sleep(again ** 2 * 5)
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, stdin=subprocess.DEVNULL, **more)
        if not done.returncode:
            return
    raise RuntimeError(f"{' '.join(map(str, words))} failed:\n{done.stdout[-6000:]}")


def maven_copy(coordinates: list[str], into: Path, more: str) -> None:
    """The jars, in folders as a Maven repository has them: GROUP/ARTIFACT/VERSION/FILE."""
    def dependency(coordinate: str) -> str:
        group, artifact, version, *classifier = coordinate.split(":")
        text = DEPENDENCY.format(group=group, artifact=artifact, version=version, more=more,
                                 classifier=classifier[0] if classifier else "")
        return text.replace("<classifier></classifier>", "")

    with tempfile.TemporaryDirectory() as work:
        pom = Path(work) / "pom.xml"
        pom.write_text(POM.format(dependencies="\n".join(map(dependency, coordinates))))
        # A repository of our own: there may be no home to keep one in.
        run(["mvn", "-B", "-q", "-f", pom, f"-Dmaven.repo.local={cache()}/maven", MAVEN_COPY,
             f"-DoutputDirectory={into}", "-Dmdep.useRepositoryLayout=true", "-Dmdep.copyPom=false"])


def coordinate_of(jar: Path) -> str:
    """Of a path relative to a repository's folder."""
    *group, artifact, version, file = jar.parts
    classifier = file.removeprefix(f"{artifact}-{version}").removesuffix(".jar").lstrip("-")
    return ":".join(filter(None, (".".join(group), artifact, version, classifier)))


def hashes_of(folder: Path) -> dict[str, str]:
    return {coordinate_of(jar.relative_to(folder)): sha256(jar) for jar in sorted(folder.rglob("*.jar"))}


def read_list(name: str) -> dict[str, str]:
    """Lines `coordinate sha256`."""
    lines = (LISTS / f"{name}.jars").read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))  # type: ignore[misc]


def jars(name: str) -> list[Path]:
    def make(folder: Path) -> None:
        pinned = read_list(name)
        maven_copy(list(pinned), folder, ALONE)
        found = hashes_of(folder)
        wrong = [coordinate for coordinate in pinned.keys() | found.keys()
                 if pinned.get(coordinate) != found.get(coordinate)]
        if wrong:
            shutil.rmtree(folder)
            raise RuntimeError(f"not what {name}.jars pins (its SHA-256 differs): {', '.join(wrong)}")

    return sorted(made_once(f"{name}-jars", [LISTS / f"{name}.jars"], make).rglob("*.jar"))


def venv() -> Path:
    """The python of the virtual environment."""
    build, requirements = LISTS / "build-requirements.txt", LISTS / "requirements.txt"

    def make(folder: Path) -> None:
        run([sys.executable, "-m", "venv", folder])
        install = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                   "--require-hashes"]
        run([*install, "-r", build])
        # pyspark comes as source: it is packed with the setuptools pinned above, not with whatever is newest.
        run([*install, "--no-build-isolation", "-r", requirements])

    name = f"venv-{sys.version_info.major}.{sys.version_info.minor}"
    return made_once(name, [build, requirements], make) / "bin/python"


def go_on_in_venv() -> None:
    """Does not return where this is not that Python yet."""
    python = venv()
    if Path(sys.prefix) != python.parents[1]:
        os.execv(python, [str(python), *sys.argv])


def pin(name: str, coordinates: list[str]) -> None:
    with tempfile.TemporaryDirectory() as work:
        maven_copy(coordinates, Path(work), "")
        lines = [f"{coordinate} {digest}" for coordinate, digest in hashes_of(Path(work)).items()]
    head = f"# Made by: python3 tests/harness/downloads.py pin {name} {' '.join(coordinates)}\n"
    (LISTS / f"{name}.jars").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] != "pin":
        sys.exit(__doc__)
    pin(sys.argv[2], sys.argv[3:])
