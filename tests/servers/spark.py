"""Apache Spark with Delta Lake, as the virtual environment has them, in a process of its own.

    with Spark(folder) as spark:
        rows = spark.sql("SELECT * FROM delta.`/path` ORDER BY id")    # lists of plain values; see `plain`
        spark.sql("VACUUM delta.`/path` RETAIN 0 HOURS")

On a local disk Spark's own log store looks whether a version is there and then renames, so a commit that somebody else
makes in between is overwritten. Where Spark writes while others do, it needs one that makes a version in one step: here
that is LinkLogStore.java, in the way Delta Lake provides for it (an object store's put-if-absent needs nothing).
"""
from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

from harness.children import mortal
from harness.downloads import jars, venv

SESSION = '''
import datetime, decimal, json, sys
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").appName("bourn-tests")
         .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
         .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
         .config("spark.jars", "{jars}").config("spark.driver.extraClassPath", "{classes}")
         .config("spark.delta.logStore.file.impl", "LinkLogStore")
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "2")
         .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
         .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
         .config("spark.ui.enabled", "false")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.local.dir", "{folder}/local").config("spark.sql.warehouse.dir", "{folder}/warehouse")
         .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
         .config("spark.driver.memory", "1g")
         .getOrCreate())
spark.sparkContext.setLogLevel("OFF")

def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return str(value) if isinstance(value, (decimal.Decimal, datetime.date)) else value

def answer(text):
    try:
        return {{"rows": [[plain(value) for value in row] for row in spark.sql(text).collect()]}}
    except Exception as error:
        return {{"error": str(error)[:4000]}}

print("\\1" + json.dumps({{"rows": []}}), flush=True)
for line in sys.stdin:
    print("\\1" + json.dumps(answer(json.loads(line))), flush=True)
java = spark.sparkContext._gateway
spark.stop()
java.shutdown()
java.proc.stdin.close()  # it ends when nobody can speak to it any more
java.proc.wait()
'''


class SparkError(Exception):
    """Spark said no."""


class Spark:
    def __init__(self, folder: Path):
        self.folder = folder / "spark"
        self.lock = threading.Lock()
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Spark":
        self.folder.mkdir(parents=True)
        found = jars("spark")
        python = venv()
        link_log_store(self.folder, python, found)
        script = self.folder / "session.py"
        script.write_text(SESSION.format(jars=",".join(map(str, found)), folder=self.folder,
                                         classes=":".join([str(self.folder / "classes"), *map(str, found)])))
        env = {**os.environ, "PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python), "TZ": "UTC",
               "SPARK_LOCAL_IP": "127.0.0.1"}
        env.pop("SPARK_HOME", None)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(mortal([python, script]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True, cwd=self.folder, env=env)
        self._answer()
        return self

    def __exit__(self, *_) -> None:
        assert self.process and self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answer(self) -> list[list]:
        assert self.process and self.process.stdout
        for line in self.process.stdout:
            if line.startswith("\1"):
                said = json.loads(line[1:])
                if "error" in said:
                    raise SparkError(said["error"])
                return said["rows"]
        raise RuntimeError("Spark has ended:\n" + (self.folder / "log").read_text()[-4000:])

    def sql(self, text: str) -> list[list]:
        """From any thread; one at a time."""
        assert self.process and self.process.stdin
        with self.lock:
            self.process.stdin.write(json.dumps(text) + "\n")
            self.process.stdin.flush()
            return self._answer()


def link_log_store(folder: Path, python: Path, found: list[Path]) -> None:
    spark_home = next(python.parents[1].glob("lib/python3*/site-packages/pyspark/jars"))
    classes = folder / "classes"
    done = subprocess.run(mortal(["javac", "-d", classes, "-cp", ":".join([*map(str, found), f"{spark_home}/*"]),
                                  Path(__file__).with_name("LinkLogStore.java")]), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"javac:\n{done.stdout}{done.stderr}")
