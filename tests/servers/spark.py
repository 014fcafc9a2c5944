"""Apache Spark with Delta Lake, as the virtual environment has them: a Python program is run by it in a process of its
own, with one session named `spark`.

    spark_run(folder, '''
    spark.read.format("delta").load("/path").show()
    ''')
"""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.children import die_with_parent
from harness.downloads import jars, venv

START = '''
import sys
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("{master}").appName("bourn-tests")
         .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
         .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
         .config("spark.jars", "{jars}")
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.sql.shuffle.partitions", "2")
         .config("spark.ui.enabled", "false")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.local.dir", "{folder}/local").config("spark.sql.warehouse.dir", "{folder}/warehouse")
         .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
         .config("spark.driver.memory", "{memory}")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
'''


def spark_run(folder: Path, program: str, *arguments: str, master: str = "local[2]", memory: str = "1g",
              limit: float = 300) -> str:
    """What the program printed; `arguments` are its sys.argv[1:]. Its errors are raised with their last words."""
    folder = folder / "spark"
    folder.mkdir(parents=True, exist_ok=True)
    python = venv()
    script = folder / "program.py"
    script.write_text(START.format(master=master, jars=",".join(map(str, jars("spark"))), folder=folder,
                                   memory=memory) + program)
    env = {**os.environ, "PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python), "TZ": "UTC",
           "SPARK_LOCAL_IP": "127.0.0.1"}
    env.pop("SPARK_HOME", None)
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, timeout=limit, cwd=folder,
                          env=env, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    if done.returncode:
        raise RuntimeError(f"Spark: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return done.stdout
