"""Spark's half of the case with Spark: reads our tables, writes its own.

    spark_side.py FOLDER REPORT JAR...    FOLDER has `ours` and `parted`; REPORT gets what Spark saw and wrote, as JSON
"""
from __future__ import annotations

import decimal
import json
import sys

from pyspark.sql import SparkSession, functions as F

decimal.getcontext().prec = 60
folder, report, jars = sys.argv[1], sys.argv[2], sys.argv[3:]
spark = (SparkSession.builder.master("local[2]").config("spark.jars", ",".join(jars))
         .config("spark.driver.extraClassPath", ":".join(jars))
         .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
         .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
         .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
         .config("spark.sql.shuffle.partitions", "2").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.driver.host", "127.0.0.1").config("spark.sql.warehouse.dir", folder + "/warehouse")
         .config("spark.databricks.delta.snapshotPartitions", "1").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
found: dict = {}


def plain(value):
    return value if value is None or isinstance(value, (bool, int, float, str, list, dict)) else \
        value.isoformat() if hasattr(value, "isoformat") else str(value)


def plain_list(value):
    return [plain(element) for element in value] if isinstance(value, list) else plain(value)


def rows(frame) -> list:
    return [[plain(value) for value in row] for row in frame.collect()]


# our table: whole answers of min, max and count come from our statistics and checkpoint, sums from the rows
ours = spark.read.format("delta").load(folder + "/ours")
numbers = ["i", "l", "n9", "n18", "n38", "m38", "n25"]
all_rows = ours.collect()
found["ours"] = {
    "count": ours.count(),
    "nulls": {c: sum(row[c] is None for row in all_rows) for c in ours.columns},
    "min": dict(zip(numbers, map(plain, ours.agg(*map(F.min, numbers)).first()))),
    "max": dict(zip(numbers, map(plain, ours.agg(*map(F.max, numbers)).first()))),
    "sum": {c: str(sum(row[c] for row in all_rows if row[c] is not None)) for c in numbers},
}
found["many"] = rows(spark.read.format("delta").load(folder + "/parted"))

# Spark goes on with a table of ours: appends, a merge, OPTIMIZE
parted = "delta.`" + folder + "/parted`"
spark.sql(f"INSERT INTO {parted} VALUES (1000, 'a/b=c%', 'spark'), (1001, NULL, 'spark')")
spark.sql(f"MERGE INTO {parted} t USING (SELECT 5L AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t = 'merged'")
spark.sql(f"OPTIMIZE {parted}")
found["parted"] = rows(spark.table(parted))

# deletion vectors
dv = "delta.`" + folder + "/dv`"
spark.range(20000).selectExpr("id", "'v' || id AS t").repartition(1).write.format("delta") \
    .option("delta.enableDeletionVectors", "true").save(folder + "/dv")
spark.sql(f"DELETE FROM {dv} WHERE id % 1000 < 3 OR id BETWEEN 5000 AND 12000")
spark.sql(f"DELETE FROM {dv} WHERE id = 4")
found["dv"] = rows(spark.table(dv))

# V2 checkpoints with sidecars
v2 = "delta.`" + folder + "/v2`"
spark.conf.set("spark.databricks.delta.checkpointV2.topLevelFileFormat", "parquet")
spark.sql(f"CREATE TABLE {v2} (id BIGINT, t STRING) USING delta TBLPROPERTIES "
          "('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2')")
for i in range(3):
    spark.sql(f"INSERT INTO {v2} VALUES ({i}, 'x{i}')")
found["v2"] = rows(spark.table(v2))

# INT96 timestamps, a checkpoint with parsed statistics only
spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
spark.range(100).selectExpr("id", "timestamp_micros(id * 86400000000 * 300 - 1) AS ts").write.format("delta") \
    .option("delta.checkpoint.writeStatsAsStruct", "true").option("delta.checkpoint.writeStatsAsJson", "false") \
    .option("delta.checkpointInterval", "1").save(folder + "/int96")
spark.sql(f"INSERT INTO delta.`{folder}/int96` VALUES (-1, TIMESTAMP '1900-01-01 00:00:00.000001')")
found["int96"] = rows(spark.read.format("delta").load(folder + "/int96"))

# types and a partition by date and decimal
spark.sql("SELECT id, CAST(id AS BYTE) AS i8, CAST(id AS SHORT) AS i16, CAST(id AS FLOAT) AS f, "
          "CAST(id / 8 AS DECIMAL(20,3)) AS n, "
          "DATE '2026-01-01' + CAST(id % 3 AS INT) AS day, CAST(id % 2 AS DECIMAL(5,2)) AS p FROM range(50)") \
    .write.format("delta").partitionBy("day", "p").save(folder + "/shape")
found["shape"] = rows(spark.read.format("delta").load(folder + "/shape"))

# arrays, ours and its own
lists = spark.read.format("delta").load(folder + "/lists")
found["lists"] = [[plain_list(value) for value in row] for row in lists.collect()]
lists.where("id < 400").write.format("delta").save(folder + "/lists of spark")

with open(report, "w") as file:
    json.dump(found, file)
java = spark.sparkContext._gateway
spark.stop()
java.shutdown()
java.proc.stdin.close()  # it ends when nobody can speak to it any more
java.proc.wait()
