"""Cleans a log of displayed and clicked items by the rules of `deno task data log`, and writes Parquet files.

    spark-submit shown.py --source 's3a://lake/shown/*.parquet' --user uid --item sku --time ts \\
      --clicked label --out s3a://lake/clean

README.md describes the columns of the Parquet files, and how `deno task data` prepares the files.
"""

import argparse
import collections
import json
import pathlib
import re
import sys

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

BROKEN, OPEN = "_broken_line", "_open_quote"
MOST_BAD = 0.01  # a larger share of bad rows is an error
EXAMPLES = 5  # number of bad rows that a message shows
DAY, HOUR = 86_400_000, 3_600_000  # in ms
LONG = 120_000  # in ms; a page is suspicious if its first and last row are at least this time apart
ODD = 0.05  # a warning is printed if more than this share of the pages is suspicious
FROM, TO = 631_152_000_000, 4_102_444_800_000  # plausible times of a log: years 1990 to 2100, in ms
NUMBER = r"\A-?\d+(\.\d*)?([eE][+-]?\d+)?\z"
FLOAT = r"\A\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*\z"
ZONE = r"( ?Z| UTC| ?[+-]((0\d|1[0-7])(:?[0-5]\d)?|18(:?00)?))?"
ISO = rf"\A\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?{ZONE})?\z"
MONTH_NAME = r"\A\d\d?[- ][A-Za-z]{3}[- ]\d{4}\z"
EXPECTED = {
    "quote": "closed quotes: all text after an open quote would be one row. Double a quote within a value",
    "inexact": "ids as text or whole numbers: different ids may be rounded to one floating point number",
    "broken": "as many values as the header has",
    "user": "an id of the user",
    "item": "an id of the item",
    "page": "an id of the page",
    "time": "a time: a number since 1970, ISO 8601, or 31-Jan-1995",
    "clicked": "0, 1, true, false, yes or no",
    "position": "a number",
    "propensity": "a number above 0 and up to 1, or nothing",
    "kind of time": "the time format of most rows",
}


class Refused(Exception):
    """Error that the user can correct."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--source", nargs="+", help="paths or globs that Spark reads")
    source.add_argument("--sql", help="instead of --source: Spark query that returns one row per shown item")
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet", help="format of --source")
    parser.add_argument("--delimiter", default=",", help="separator of CSV files, which must have a header")
    for name in ("user", "item", "time", "clicked"):
        parser.add_argument(f"--{name}", required=True, metavar="COLUMN")
    for name, what in {
        "page": "the page's id (default: rows of a user with the same time form a page)",
        "position": "the item's position on the page",
        "propensity": "the probability with which the page, or the item, was shown",
    }.items():
        parser.add_argument(f"--{name}", metavar="COLUMN", help=what)
    parser.add_argument("--page-gap", type=float, metavar="SECONDS",
                        help="without --page: rows of a user less than this time apart form a page")
    parser.add_argument("--pages-as-is", action="store_true", help="accept implausible pages and times")
    parser.add_argument("--strict", action="store_true", help="accept no bad row (default: at most 1 %%)")
    parser.add_argument("--parts", type=int, default=64, help="number of files; each user is in one file")
    parser.add_argument("--out", required=True, help="new folder for the files")
    parser.add_argument("--set", metavar="FOLDER", help="also write a prepared set by prepared_set.sql")
    given = parser.parse_args(argv)
    if given.page_gap is not None and (given.page or given.page_gap <= 0):
        parser.error("expected a --page-gap above 0, and no --page, because the id defines the pages")
    return given


def rows_of(spark: SparkSession, args: argparse.Namespace) -> DataFrame:
    if args.sql:
        return spark.sql(args.sql)
    if args.format == "parquet":
        return spark.read.parquet(*args.source)
    options = dict(header=True, sep=args.delimiter, quote='"', escape='"', nullValue="\\N")
    # A quoted value may have several lines, so one task reads a file. Different headers are an error.
    options |= dict(multiLine=True, enforceSchema=False)
    schema = spark.read.csv(args.source, **options).schema
    mark, last = re.escape(args.delimiter), F.col(f"`{schema.names[-1]}`")
    row = rf"\n([^\n{mark}]*{mark}){{{len(schema) - 1}}}"  # in a value, if a quote is never closed
    options |= dict(schema=schema.add(BROKEN, "string"), columnNameOfCorruptRecord=BROKEN)
    rows = spark.read.csv(args.source, **options)
    odd = F.col(BROKEN).contains("\n") & (F.size(F.split(BROKEN, '"')) % 2 == 0)
    return rows.withColumn(OPEN, F.coalesce(odd | last.rlike(row), F.lit(False)))


def text_of(rows: DataFrame, name: str | None, is_id: bool = False) -> tuple[Column, Column]:
    """Returns a column as text, and a column that is true for an id that a float may have changed."""
    if name is None:
        return F.lit(None).cast("string"), F.lit(False)
    column = F.col(f"`{name}`" if name in rows.columns else name)  # user.id is a field of user
    kind = dict(rows.select(column.alias("x")).dtypes)["x"]
    if kind.startswith(("array", "map", "struct")):
        raise Refused(f"Expected one {name} per row, got {kind}. Write a row per displayed item.")
    text = column.cast("string")
    if kind not in ("double", "float"):
        return text, F.lit(False)
    whole = (column == F.floor(column)) & (F.abs(column) < (2**53 if kind == "double" else 2**24))
    exact = F.when(whole, column.cast("bigint").cast("string"))
    return (exact, ~F.isnan(column) & ~whole) if is_id else (exact.otherwise(text), F.lit(False))


def iso_micros(text: Column) -> Column:
    """Converts ISO 8601 (default: UTC) or 31-Jan-1995 to microseconds since 1970, as data/macros.sql does."""
    plain = F.regexp_replace(text, ",", ".")
    short = F.regexp_replace(plain, r"\A(.{10}[T ]\d\d:\d\d)(\z|[^:\d])", "$1:00$2")
    midnight = r"([T ])24(:00:00(\.0*)?)(?=[^\d.]|\z)"  # 24:00 means 0:00 of the next day
    begun = F.regexp_replace(short, midnight, "$100$2")
    zone = F.regexp_replace(F.regexp_replace(begun, r" ?(Z|UTC)\z", "+00:00"), r" ([+-])", "$1")
    hours = r"([T ][0-9:.]+[+-]\d\d)"
    colon = F.regexp_replace(F.regexp_replace(zone, hours + r"(\d\d)\z", "$1:$2"), hours + r"\z", "$1:00")
    day = F.when(plain.rlike(MONTH_NAME), F.regexp_replace(plain, " ", "-"))
    return F.coalesce(
        F.unix_micros(F.when(plain.rlike(ISO), colon).try_cast("timestamp"))
        + F.when(short != begun, 1000 * DAY).otherwise(0),
        F.unix_micros(F.try_to_timestamp(day, F.lit("d-MMM-yyyy"))),
    )


def checked(rows: DataFrame, args: argparse.Namespace) -> DataFrame:
    """Adds a column with the fault of each row, null for a good row, by the rules of data/log.sql."""
    read = {name: text_of(rows, getattr(args, name), name in ("user", "item", "page"))
            for name in ("user", "item", "page", "time", "clicked", "position", "propensity")}
    is_csv = BROKEN in rows.columns
    broken, opened = (F.col(BROKEN), F.col(OPEN)) if is_csv else (F.lit(None).cast("string"), F.lit(False))
    # A blank line is not a row.
    values = rows.select(*[text.alias(name) for name, (text, _) in read.items()],
                         (read["user"][1] | read["item"][1] | read["page"][1]).alias("inexact"),
                         broken.alias("broken"), opened.alias("opened"))
    values = values.where(F.col("broken").isNull() | (F.trim("broken") != ""))
    time = F.trim("time")
    number = F.when(time.rlike(NUMBER), time.try_cast("double"))
    size = F.abs(number)
    exact = F.round(F.when(size < 9e18, time.try_cast("decimal(38,9)"))).cast("bigint")
    iso = F.when(~time.rlike(NUMBER), iso_micros(time))
    values = values.withColumns({"number": number, "iso": iso, "exact": exact})
    values = values.withColumn("time_kind", F.when(size < 1e11, "seconds").when(size < 1e14, "milliseconds")
                               .when(size < 1e17, "microseconds").when(size < 9e18, "nanoseconds")
                               .when(F.col("iso").isNotNull(), "dates and times"))
    kind = F.col("time_kind")
    parts = (F.when(kind == "seconds", F.round(F.col("number") * 1_000_000).cast("bigint"))
             .when(kind == "milliseconds", F.round(F.col("number") * 1000).cast("bigint"))
             .when(kind == "dates and times", F.col("iso")).otherwise(F.col("exact")))
    unit = F.when(kind == "nanoseconds", 1_000_000).otherwise(1000)
    values = values.withColumns({"parts": parts, "unit": unit})
    word = F.lower(F.trim("clicked"))
    position, chance = (
        F.when(F.col(name).rlike(FLOAT), F.col(name).try_cast("double"))
        for name in ("position", "propensity")
    )
    values = values.withColumns({
        "ms": F.expr("parts div unit"),
        "below": F.expr("parts % unit"),
        "is_click": F.when(word.isin("1", "true", "yes", "t", "y", "1.0"), True)
                     .when(word.isin("0", "false", "no", "f", "n", "0.0"), False),
        "place": F.when(F.abs(position) < float("inf"), position),
        "chance": chance,
    })
    empty = lambda name: F.coalesce(F.col(name), F.lit("")) == ""
    unlikely = ~(F.trim(F.coalesce("propensity", F.lit(""))).eqNullSafe("") |
                 F.coalesce((F.col("chance") > 0) & (F.col("chance") <= 1), F.lit(False)))
    fault = (F.when(F.col("opened"), "quote").when(F.col("broken").isNotNull(), "broken")
             .when(F.col("inexact"), "inexact")
             .when(empty("user"), "user").when(empty("item"), "item")
             .when(empty("page") if args.page else F.lit(False), "page")
             .when(kind.isNull() | F.col("ms").isNull(), "time").when(F.col("is_click").isNull(), "clicked")
             .when(F.col("place").isNull() if args.position else F.lit(False), "position")
             .when(unlikely, "propensity"))
    below = F.concat(F.lit("."), F.lpad(F.col("below").cast("string"), 6, "0"))
    at = F.concat(F.col("ms").cast("string"), F.when(F.col("below") != 0, below).otherwise(""))
    return values.withColumns({"fault": fault, "page_id": F.col("page") if args.page else at})


def usual_kind(values: DataFrame, args: argparse.Namespace) -> str:
    """Returns the time format of most rows. Prints how many rows are skipped; too many are an error."""
    ms, most = F.col("ms"), [(f, step) for f in (F.min, F.max) for step in (DAY, HOUR)]
    groups = values.groupBy("fault", "time_kind").agg(
        F.count("*").alias("n"), F.approx_count_distinct("ms").alias("times"),
        F.count_if((ms < FROM) | (ms >= TO)).alias("odd"), F.count_if(~F.col("is_click")).alias("passed"),
        *[f(F.pmod("ms", F.lit(step))).alias(f"{f.__name__}_{step}") for f, step in most],
    ).collect()
    good = [group for group in groups if group.fault is None]
    if not good:
        raise Refused(f"Expected rows that can be read, got none.{examples(values, None)}")
    usual = min(good, key=lambda group: (-group.n, group.time_kind))
    bad = collections.Counter()
    for group in groups:
        if group.fault or group.time_kind != usual.time_kind:
            bad[group.fault or "kind of time"] += group.n
    total, rows = sum(bad.values()), sum(group.n for group in groups)
    if total:
        said = "".join(f"\n  {n} x {fault}: expected {EXPECTED[fault]}" for fault, n in sorted(bad.items()))
        said += examples(values, usual.time_kind)
        none = args.strict or "quote" in bad or "inexact" in bad
        if none or total > MOST_BAD * rows:
            most = "none" if none else "at most 1 %"
            raise Refused(f"{total} of {rows} rows cannot be read, expected {most}.{said}")
        print(f"skipped: {total} of {rows} rows cannot be read{said}", file=sys.stderr)
    if not args.pages_as_is:
        if usual.time_kind != "dates and times" and usual.odd > usual.n / 2:
            raise Refused(f"Expected times of a log, got numbers that as {usual.time_kind} since 1970 are "
                          "mostly not from 1990 to 2100. Convert them by --sql, or set --pages-as-is.")
        for name, step, least in (("days", DAY, 1), ("hours", HOUR, 20)):
            first, last = usual[f"min_{step}"], usual[f"max_{step}"]
            by_time = not args.page and not args.page_gap
            if by_time and first == last and usual.times >= (least if first == 0 else 20):
                raise Refused(f"All times are whole {name}: rows of a user with one time would form a page. "
                              "Name the page's id by --page, or a finer time, or set --pages-as-is.")
        if usual.passed == 0:
            raise Refused("Expected items without a click, got none: all metrics would be 1. "
                          "Join the displayed items by --sql, or set --pages-as-is.")
    return usual.time_kind


def warnings_of(pages: DataFrame, args: argparse.Namespace) -> list[str]:
    """Warns if many pages look like merged pages or fragments, as src/data/prepare/prepare_log.ts does."""
    shown = pages.withColumn("place", F.col("position") if args.position else F.lit(None))
    counts = shown.groupBy("user_id", "page_id").agg(
        F.count("*").alias("items"), (F.max("time") - F.min("time")).alias("span"),
        F.count_distinct("place").alias("places"),
    ).agg(
        F.count("*").alias("all"), F.count_if(F.col("span") >= LONG).alias("long"),
        F.count_if((F.col("places") > 0) & (F.col("places") < F.col("items"))).alias("twice"),
        F.count_if(F.col("items") == 1).alias("single"),
    ).first()
    gap = "--page-gap 10, which joins rows of a user less than 10 seconds apart"
    if args.page:
        apart = whole = (f"If {args.page} is not the id of one page, name another column by --page, "
                         f"or use {gap}, instead.")
    elif args.page_gap:
        apart, whole = "Make --page-gap smaller, or name --page.", "Make --page-gap larger, or name --page."
    else:
        apart, whole = "Name the page's id by --page.", f"Name the page's id by --page, or use {gap}."
    found = ((counts.long, ODD, f"have rows at least {LONG // 60_000} minutes apart", apart),
             (counts.twice, ODD, f"have two items at one {args.position}", apart),
             (counts.single, 1 / 3, "show one item", whole))
    return [f"{n} of {counts.all} pages {what}. {remedy}"
            for n, most, what, remedy in found if n > most * counts.all]


def examples(values: DataFrame, kind: str | None) -> str:
    fault = F.coalesce("fault", F.when(F.col("time_kind") != kind, "kind of time"))
    columns = ("user", "item", "page", "time", "clicked", "position", "propensity")
    shown = F.coalesce("broken", F.to_json(F.struct(*columns)))
    rows = values.select(fault.alias("fault"), shown.alias("row")).where("fault IS NOT NULL").head(EXAMPLES)
    return "".join(f"\n  {row.fault}: {row.row[:200]}" for row in rows)


def shown_of(values: DataFrame, kind: str, args: argparse.Namespace) -> DataFrame:
    """Merges an item's rows on a page: least position, clicked if a row is clicked (data/log_pages.sql)."""
    good = values.where(F.col("fault").isNull() & (F.col("time_kind") == kind))
    if args.page_gap:  # as data/log_pages.sql
        rows = Window.partitionBy("user").orderBy("ms", "item")
        pause = F.col("ms") - F.lag("ms").over(rows) >= round(1000 * args.page_gap)
        good = good.withColumn("begins", F.coalesce(pause, F.lit(True)).cast("int"))
        number = F.sum("begins").over(rows.rowsBetween(Window.unboundedPreceding, 0))
        good = good.withColumn("page_id", number.cast("string"))
    more = {"position": F.min("place"), "propensity": F.min("chance")}
    return (
        # All rows of a user are in one task, so grouping needs no further exchange.
        good.withColumnsRenamed({"user": "user_id", "item": "item_id"})
        .select("user_id", "page_id", "item_id", "ms", "is_click", "place", "chance")
        .repartition(args.parts, "user_id").groupBy("user_id", "page_id", "item_id")
        .agg(F.min("ms").alias("time"), F.bool_or("is_click").alias("clicked"),
             *[column.alias(name) for name, column in more.items() if getattr(args, name)])
        .sortWithinPartitions("user_id", "time", "page_id")
    )


def write_set(spark: SparkSession, args: argparse.Namespace) -> None:
    """Writes the tables of a prepared set, each as files in the order of their names."""
    shown = spark.read.parquet(args.out)
    (shown if args.position else shown.withColumn("position", F.lit(0))).createOrReplaceTempView("shown")
    script = pathlib.Path(__file__).with_name("prepared_set.sql").read_text(encoding="utf-8")
    queries = (query for query in script.split(";\n") if query.strip())
    tables = {"users": ["user"], "items": ["item"], "pages": ["user", "page"]}
    for query, (table, keys) in zip(queries, tables.items(), strict=True):
        path = f"{args.set}/{table}"
        rows = spark.sql(query).repartitionByRange(args.parts, keys[0])
        rows.sortWithinPartitions(*keys).write.parquet(path)
        spark.read.parquet(path).createOrReplaceTempView(table)
    manifest = {"format": "clickgan-dataset", "version": 1, "features": {"dense": [], "tokens": []}}
    manifest["pageOrder"] = "shown" if args.position else "arbitrary"
    path = spark._jvm.org.apache.hadoop.fs.Path(f"{args.set}/manifest.json")
    file = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path)
    file.write(bytearray(json.dumps(manifest, indent=2) + "\n", "utf-8"))
    file.close()


def run(spark: SparkSession, args: argparse.Namespace) -> None:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    values = checked(rows_of(spark, args), args)
    shown_of(values, usual_kind(values, args), args).write.parquet(args.out)
    if not args.pages_as_is:
        for warning in warnings_of(spark.read.parquet(args.out), args):
            print(f"warning: {warning}", file=sys.stderr)
    columns = "".join(f" --{name} {name}" for name in ("position", "propensity") if getattr(args, name))
    print(f"deno task -q data log --source '{args.out}/part-*.parquet' --user user_id --item item_id "
          f"--page page_id --time time --clicked clicked{columns}")
    if args.set:
        write_set(spark, args)
        print(f"deno task -q data check {args.set}")


if __name__ == "__main__":
    given = arguments()
    try:
        run(SparkSession.builder.appName("clickgan shown").getOrCreate(), given)
    except (Refused, AnalysisException) as error:
        sys.exit(f"error: {error}")
