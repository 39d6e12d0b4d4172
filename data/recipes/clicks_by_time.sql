-- Joins a table of displayed items with a table of clicks that has user, item and time, but no page id. Each
-- click is assigned to the latest page that showed the item to the user, at most 30 minutes before the click.
--
--   deno task -q data log --query clicks_by_time.sql
--
-- Change: the names of files and columns, the format of times, and the 30 minutes. Then check that most
-- clicks were assigned to a page.
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
