"""Nexmark on Spark Structured Streaming, in one JVM: a query first over a small folder of events, which compiles what
is hot, then over the real one, all of it in one batch, which suits Spark best. Prints a line of JSON: the time of the
second, or why there is none.

    nexmark.py MASTER QUERIES.sql WARM_FOLDER EVENTS_FOLDER SCRATCH QUERY
"""
import json
import re
import sys
import time
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

master, queries, warm, events, scratch, name = sys.argv[1:7]
spark = (SparkSession.builder.master(master).appName("nexmark")
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.driver.memory", "6g")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.ui.enabled", "false")
         .config("spark.local.dir", f"{scratch}/local").config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
         .getOrCreate())
spark.sparkContext.setLogLevel("OFF")
spark.conf.set("spark.sql.shuffle.partitions", spark.sparkContext.defaultParallelism)

EVENT = """event_type INT,
    person STRUCT<id: BIGINT, name: STRING, email_address: STRING, credit_card: STRING, city: STRING, state: STRING,
                  date_time: TIMESTAMP, extra: STRING>,
    auction STRUCT<id: BIGINT, item_name: STRING, description: STRING, initial_bid: BIGINT, reserve: BIGINT,
                   date_time: TIMESTAMP, expires: TIMESTAMP, seller: BIGINT, category: BIGINT, extra: STRING>,
    bid STRUCT<auction: BIGINT, bidder: BIGINT, price: BIGINT, channel: STRING, url: STRING, date_time: TIMESTAMP,
               extra: STRING>"""


def views(folder: str) -> None:
    """The three streams of the events; q13's static rows."""
    rows = (spark.readStream.text(folder).select(F.from_json("value", EVENT).alias("e")).select("e.*")
            .withColumn("date_time", F.coalesce("bid.date_time", "auction.date_time", "person.date_time"))
            .withWatermark("date_time", "4 seconds"))
    for kind, view in enumerate(("person", "auction", "bid")):
        fields = [F.col(f"{view}.{field}") for field in rows.schema[view].dataType.names if field != "date_time"]
        rows.where(F.col("event_type") == kind).select("date_time", *fields).createOrReplaceTempView(view)
    spark.range(10000).selectExpr("id AS key", "'side ' || id AS value").createOrReplaceTempView("side")


def write(query: str, run: str, mode: str):
    out = spark.sql(query).writeStream.outputMode(mode).option("checkpointLocation", f"{scratch}/{run}-{mode}")
    if name == "q10":
        out = out.format("csv").partitionBy("dt", "hm").option("path", f"{scratch}/{run}-rows")
    else:
        out = out.format("noop")
    return out.trigger(availableNow=True).start()


def seconds(query: str, run: str, folder: str) -> float:
    """Rows that are final when they come, where Spark can give them so, else rows that change."""
    views(folder)
    refused = None
    for mode in ("append", "update"):
        began = time.monotonic()
        try:
            write(query, run, mode).awaitTermination()
            return time.monotonic() - began
        except PySparkException as error:
            refused = refused or error
    raise refused


text = Path(queries).read_text()
query = re.search(rf"^-- {name}\n(.*?);$", text, re.MULTILINE | re.DOTALL)[1]
try:
    seconds(query, "warm", warm)
    said = {"ms": seconds(query, "measured", events) * 1000}
except PySparkException as error:
    said = {"error": str(error).splitlines()[0]}
print(json.dumps({"query": name, **said}))
