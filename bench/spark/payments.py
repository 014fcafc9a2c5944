"""The payments pipeline as such jobs are written for Spark Structured Streaming.

    payments.py MASTER JARS EVENTS_FOLDER LAKE SCRATCH

A file of the folder is a batch, in the order of their times. Prints the progress of every batch as a line of JSON.
"""
import json
import sys

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

master, jars, events, lake, scratch = sys.argv[1:6]
spark = (SparkSession.builder.master(master).appName("payments")
         .config("spark.jars", jars)
         .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
         .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.driver.memory", "5g")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.ui.enabled", "false")
         .config("spark.local.dir", f"{scratch}/local").config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
cores = spark.sparkContext.defaultParallelism
spark.conf.set("spark.sql.shuffle.partitions", cores)
spark.conf.set("spark.databricks.delta.snapshotPartitions", cores)

EVENT = ("event_id STRING, event_time TIMESTAMP, user_id STRING, event_type STRING, channel STRING, currency STRING, "
         "amount DECIMAL(18,2), schema_version INT")
TYPES, CHANNELS = ["deposit_completed", "withdrawal_completed"], ["web", "mobile", "api"]

payments = (
    spark.readStream.option("maxFilesPerTrigger", 1).text(events)
    .select(F.from_json("value", EVENT).alias("e")).select("e.*")
    .where(F.col("event_id").isNotNull() & F.col("event_time").isNotNull() & F.col("user_id").isNotNull()
           & F.col("event_type").isin(TYPES) & F.col("channel").isin(CHANNELS) & (F.col("currency") == "GBP")
           & (F.col("amount") > 0) & F.col("schema_version").isNotNull())
    .withWatermark("event_time", "1 day")
    .dropDuplicates(["event_id"])
)


def table(name, columns):
    return DeltaTable.createIfNotExists(spark).location(f"{lake}/metrics/{name}").addColumns(
        spark.createDataFrame([], columns).schema).execute()


net_flow = table("net_flow", """id INT, total_deposits DECIMAL(38,2), total_withdrawals DECIMAL(38,2),
    net_flow DECIMAL(38,2), deposit_count BIGINT, withdrawal_count BIGINT, avg_deposit DECIMAL(38,6),
    avg_withdrawal DECIMAL(38,6), deposit_to_withdrawal_ratio DECIMAL(38,6), updated_at TIMESTAMP""")
user_metrics = table("user_metrics", """user_id STRING, total_deposits DECIMAL(38,2), total_withdrawals DECIMAL(38,2),
    deposit_count BIGINT, withdrawal_count BIGINT, first_seen TIMESTAMP, last_seen TIMESTAMP, updated_at TIMESTAMP""")
channel_distribution = table("channel_distribution", """channel STRING, event_type STRING, event_count BIGINT,
    total_amount DECIMAL(38,2), updated_at TIMESTAMP""")

is_deposit = F.col("event_type") == "deposit_completed"
TOTALS = [
    F.coalesce(F.sum(F.when(is_deposit, F.col("amount"))), F.lit(0)).cast("DECIMAL(38,2)").alias("total_deposits"),
    F.coalesce(F.sum(F.when(~is_deposit, F.col("amount"))), F.lit(0)).cast("DECIMAL(38,2)").alias("total_withdrawals"),
    F.count(F.when(is_deposit, True)).alias("deposit_count"),
    F.count(F.when(~is_deposit, True)).alias("withdrawal_count"),
]
SUMS = ["total_deposits", "total_withdrawals", "deposit_count", "withdrawal_count"]


def added(column):
    return f"CAST(t.{column} + s.{column} AS {'BIGINT' if column.endswith('count') else 'DECIMAL(38,2)'})"


def merge(target, source, keys, update):
    insert = {column: f"s.{column}" for column in source.columns}
    (target.alias("t").merge(source.alias("s"), " AND ".join(f"t.{key} = s.{key}" for key in keys))
     .whenMatchedUpdate(set={**update, "updated_at": "s.updated_at"})
     .whenNotMatchedInsert(values=insert).execute())


def merge_net_flow(batch):
    totals = batch.agg(*TOTALS)
    averaged = {
        "net_flow": "CAST({total_deposits} - {total_withdrawals} AS DECIMAL(38,2))",
        "avg_deposit": "CAST({total_deposits} / nullif({deposit_count}, 0) AS DECIMAL(38,6))",
        "avg_withdrawal": "CAST({total_withdrawals} / nullif({withdrawal_count}, 0) AS DECIMAL(38,6))",
        "deposit_to_withdrawal_ratio": "CAST({total_deposits} / nullif({total_withdrawals}, 0) AS DECIMAL(38,6))",
    }
    of_batch = {column: column for column in SUMS}
    of_both = {column: added(column) for column in SUMS}
    source = totals.select(F.lit(1).alias("id"), *SUMS, F.current_timestamp().alias("updated_at"),
                           *(F.expr(text.format(**of_batch)).alias(name) for name, text in averaged.items()))
    merge(net_flow, source, ["id"], {**of_both, **{name: text.format(**of_both) for name, text in averaged.items()}})


def merge_users(batch):
    source = batch.groupBy("user_id").agg(*TOTALS, F.min("event_time").alias("first_seen"),
                                          F.max("event_time").alias("last_seen"),
                                          F.current_timestamp().alias("updated_at"))
    merge(user_metrics, source, ["user_id"], {
        **{column: added(column) for column in SUMS},
        "first_seen": "least(t.first_seen, s.first_seen)", "last_seen": "greatest(t.last_seen, s.last_seen)"})


def merge_channels(batch):
    source = batch.groupBy("channel", "event_type").agg(
        F.count("*").alias("event_count"), F.sum("amount").cast("DECIMAL(38,2)").alias("total_amount"),
        F.current_timestamp().alias("updated_at"))
    merge(channel_distribution, source, ["channel", "event_type"],
          {"event_count": "t.event_count + s.event_count",
           "total_amount": "CAST(t.total_amount + s.total_amount AS DECIMAL(38,2))"})


def publish(batch, _):
    batch.persist()
    for step in (merge_net_flow, merge_users, merge_channels):
        step(batch)
    batch.unpersist()


query = (payments.writeStream.foreachBatch(publish).option("checkpointLocation", f"{scratch}/checkpoint")
         .trigger(availableNow=True).start())
query.awaitTermination()
for progress in query.recentProgress:
    print(json.dumps({"rows": progress["numInputRows"], "began": progress["timestamp"],
                      "ms": progress["durationMs"]["triggerExecution"]}))
