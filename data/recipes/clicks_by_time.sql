-- A table of what was displayed, and one of clicks with user, item and time, without the id of the page. A click is of the latest page
-- of the user that shows the item, at most 30 minutes before.
--
--   deno task -q data log --query clicks_by_time.sql
--
-- Change: the names, how times are written, and the minutes. Look whether most clicks find their page: SELECT count(clicked) of this.
WITH shown AS (
  SELECT uid, sku, pos, to_timestamp(ts::BIGINT) AS time
  FROM read_csv('impressions.csv', header = true, all_varchar = true)
),
click AS (
  SELECT who AS uid, what AS sku, "at"::TIMESTAMPTZ AS clicked
  FROM read_csv('later.csv', header = true, all_varchar = true)
),
found AS (
  SELECT shown.uid, shown.sku, shown.time, min(clicked) AS clicked
  FROM click ASOF JOIN shown ON click.uid = shown.uid AND click.sku = shown.sku AND click.clicked >= shown.time
  WHERE clicked - shown.time <= INTERVAL 30 MINUTES
  GROUP BY ALL
)
SELECT uid AS user, sku AS item, time, pos AS position, clicked
FROM shown LEFT JOIN found USING (uid, sku, time)
