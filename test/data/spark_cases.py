"""Runs cases of data/spark/shown.py in one Spark session: a list of arguments each, from stdin; says how each ended. Ends with 3
where pyspark or Java is missing."""

import importlib.util
import json
import shutil
import sys

try:
    from pyspark.sql import SparkSession
except ImportError:
    sys.exit(3)
if shutil.which("java") is None:
    sys.exit(3)

spec = importlib.util.spec_from_file_location("shown", sys.argv[1])
shown = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shown)
settings = {
    "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.driver.memory": "1g", "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # small logs: compiling is the work
}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
ends = []
for argv in json.load(sys.stdin):
    try:
        shown.run(spark, shown.arguments(argv))
        ends.append("")
    except shown.Refused as error:
        ends.append(str(error))
spark.stop()
print("\n" + json.dumps(ends))
