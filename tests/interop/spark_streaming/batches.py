"""Queries as Structured Streaming runs them, one file a batch: batches.py FOLDER [QUERY...]. Reads FOLDER/input
(or input-QUERY, where a query has one of its own) in the order of the files' names, and writes FOLDER/spark.json: for
each query, for each batch, the rows it put out.
"""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

DELAY = "5 seconds"


def windows(events, size, slide=None):
    grouped = events.groupBy(F.window("ts", size, slide), "k").agg(F.count("*").alias("n"), F.sum("v").alias("s"))
    return grouped.select("window.start", "window.end", "k", "n", "s")


def sessions(events):
    grouped = events.groupBy(F.session_window("ts", "2 seconds"), "k").agg(F.count("*").alias("n"), F.sum("v"))
    return grouped.select("session_window.start", "session_window.end", "k", "n", F.col("sum(v)"))


def counts(events):
    return windows(events, "6 seconds").select("end", "n")


def first_of_each(events):
    return events.dropDuplicatesWithinWatermark(["e"])


def first_windows(events):
    grouped = first_of_each(events).groupBy(F.window("ts", "3 seconds")).agg(F.count("*"), F.sum("v"))
    return grouped.select("window.start", "window.end", F.col("count(1)"), F.col("sum(v)"))


def joined(events, how):
    """Of the rows of side a with those of side b that follow within four seconds. One stream, so that a batch is of
    both."""
    left = events.where("side = 'a'").select(F.col("id").alias("left_id"), F.col("k").alias("left_k"),
                                             F.col("ts").alias("left_ts"))
    right = events.where("side = 'b'").select(F.col("id").alias("right_id"), F.col("k").alias("right_k"),
                                              F.col("ts").alias("right_ts"))
    found = left.join(right, F.expr("left_k = right_k AND right_ts BETWEEN left_ts AND "
                                    "left_ts + INTERVAL 4 SECONDS"), how)
    return found.select("left_id") if how == "left_semi" else found.select("left_id", "right_id")


QUERIES = {
    "tumble": lambda events: windows(events, "6 seconds"),
    "hop": lambda events: windows(events, "9 seconds", "3 seconds"),
    "session": sessions,
    "dedup": lambda events: first_of_each(events).select("id", "e", "ts"),
    "dedup, then windows": first_windows,
    "inner join": lambda events: joined(events, "inner"),
    "left join": lambda events: joined(events, "left_outer"),
    "semi join": lambda events: joined(events, "left_semi"),
    # where it differs: by the names of docs/sql.md
    "an outer row whose last possible match is at the watermark": lambda events: joined(events, "left_outer"),
    "a partition behind the others": lambda events: counts(events),
    "an event far ahead of the clock": lambda events: counts(events),
    "fractions of a millisecond": lambda events: first_of_each(events).select("id"),
}


def plain(value):
    return value.isoformat(timespec="milliseconds") + "Z" if hasattr(value, "isoformat") else value


def run(spark, folder: Path, name: str) -> list[list]:
    """What was put out after each file, with that of the batch without rows that follows when the watermark moved."""
    found: list[list] = []
    feed = folder / f"feed-{name.replace(' ', '-')}"
    feed.mkdir()
    events = (spark.readStream.schema("id bigint, e string, k string, side string, v bigint, ts timestamp")
              .json(str(feed)).withWatermark("ts", DELAY))
    query = (QUERIES[name](events).writeStream.outputMode("append")
             .foreachBatch(lambda rows, _: found[-1].extend([plain(value) for value in row] for row in rows.collect()))
             .option("checkpointLocation", f"{feed}-checkpoint").start())
    own = folder / f"input-{name.replace(' ', '-')}"
    for path in sorted((own if own.exists() else folder / "input").iterdir()):
        found.append([])
        shutil.copy(path, feed / f".{path.name}")
        (feed / f".{path.name}").rename(feed / path.name)
        query.processAllAvailable()
    query.stop()
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    spark = (SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "1").config("spark.ui.enabled", "false")
             .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.driver.memory", "1g").config("spark.local.dir", str(folder / "local"))
             .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
             .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
             .getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    found = {name: run(spark, folder, name) for name in (sys.argv[2:] or QUERIES)}
    (folder / "spark.json").write_text(json.dumps(found))
    java = spark.sparkContext._gateway
    spark.stop()
    java.shutdown()
    java.proc.stdin.close()  # it ends when nobody can speak to it any more
    java.proc.wait()


main()
