-- A table of displayed items, and a table of clicks with the ids of page and item.
--
--   deno task -q data log --query clicks_table.sql
--
-- Change: the names. clicked is the time of the click, which orders the clicks of a page. If clicks have no
-- time, use clicks.sku IS NOT NULL.
SELECT
  shown.uid AS user, shown.sku AS item, shown.ts AS time, shown.request AS page, shown.pos AS position,
  to_timestamp(clicks.ts::BIGINT) AS clicked
FROM read_csv('impressions.csv', header = true, all_varchar = true) AS shown
LEFT JOIN read_csv('clicks.csv', header = true, all_varchar = true) AS clicks ON clicks.request = shown.request AND clicks.sku = shown.sku
