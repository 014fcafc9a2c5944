"""Queries as Structured Streaming runs them, one file a batch: batches.py FOLDER. Reads FOLDER/input/*.json in the order of
their times, and writes FOLDER/spark.json: for each query, for each batch, the rows it put out.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

DELAY = "5 seconds"


def windows(events, size, slide=None):
    grouped = events.groupBy(F.window("ts", size, slide), "k").agg(F.count("*").alias("n"), F.sum("v").alias("s"))
    return grouped.select("window.start", "window.end", "k", "n", "s")


def sessions(events):
    grouped = events.groupBy(F.session_window("ts", "4 seconds"), "k").agg(F.count("*").alias("n"), F.sum("v"))
    return grouped.select("session_window.start", "session_window.end", "k", "n", F.col("sum(v)"))


def first_of_each(events):
    return events.dropDuplicatesWithinWatermark(["e"])


def first_windows(events):
    grouped = first_of_each(events).groupBy(F.window("ts", "10 seconds")).agg(F.count("*"), F.sum("v"))
    return grouped.select("window.start", "window.end", F.col("count(1)"), F.col("sum(v)"))


def windows_of_windows(events):
    inner = windows(events, "4 seconds").withColumn("at", F.col("end") - F.expr("INTERVAL 1 MICROSECOND"))
    del inner
    small = events.groupBy(F.window("ts", "4 seconds"), "k").agg(F.count("*").alias("n"))
    large = small.groupBy(F.window(F.window_time("window"), "12 seconds")).agg(F.max("n"), F.count("*"))
    return large.select("window.start", "window.end", F.col("max(n)"), F.col("count(1)"))


QUERIES = {
    "tumble": lambda events: windows(events, "10 seconds"),
    "hop": lambda events: windows(events, "9 seconds", "3 seconds"),
    "session": sessions,
    "dedup": lambda events: first_of_each(events).select("id", "e", "ts"),
    "dedup, then windows": first_windows,
    "windows of windows": windows_of_windows,
}


def plain(value):
    return value.isoformat(timespec="milliseconds") + "Z" if hasattr(value, "isoformat") else value


def run(spark, folder: Path, name: str) -> list[list]:
    batches: list[list] = []

    def keep(rows, batch: int) -> None:
        assert batch == len(batches), "a batch was skipped"
        batches.append([[plain(value) for value in row] for row in rows.collect()])

    events = (spark.readStream.schema("id bigint, e string, k string, v bigint, ts timestamp")
              .option("maxFilesPerTrigger", 1).json(str(folder / "input")).withWatermark("ts", DELAY))
    query = (QUERIES[name](events).writeStream.outputMode("append").foreachBatch(keep)
             .option("checkpointLocation", str(folder / f"checkpoint-{name.replace(' ', '-')}"))
             .trigger(availableNow=True).start())
    query.awaitTermination()
    return batches


def main() -> None:
    folder = Path(sys.argv[1])
    spark = (SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "1").config("spark.ui.enabled", "false")
             .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.driver.memory", "1g").config("spark.local.dir", str(folder / "local"))
             .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
             .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
             # a batch has rows in it: what an empty one would put out, the next one does
             .config("spark.sql.streaming.noDataMicroBatches.enabled", "false").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    found = {name: run(spark, folder, name) for name in (sys.argv[2:] or QUERIES)}
    (folder / "spark.json").write_text(json.dumps(found))
    java = spark.sparkContext._gateway
    spark.stop()
    java.shutdown()
    java.proc.stdin.close()  # it ends when nobody can speak to it any more
    java.proc.wait()


main()
