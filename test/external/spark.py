"""Usage: spark.py SHOWN LISTS. Runs shown.py in one Spark session, once per list of arguments in the JSON
LISTS, and prints the results. Exits with code 3 if pyspark or Java is missing."""

import contextlib
import importlib.util
import io
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
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # with small logs, compiling takes most time
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
ends = []
for argv in json.loads(sys.argv[2]):
    said, refused = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(said):
            shown.run(spark, shown.arguments(argv))
    except shown.Refused as error:
        refused = str(error)
    ends.append({"said": said.getvalue(), "refused": refused})
spark.stop()
print("\n" + json.dumps(ends))
