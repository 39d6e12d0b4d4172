-- Joins a table of displayed items with a table of clicks, which has the ids of page and item.
--
--   deno task -q data log --query clicks_table.sql
--
-- Change: the names of files and columns. Here clicked is the click's time, so a page's clicks have an order.
-- If your table of clicks has no times, write: clicks.sku IS NOT NULL AS clicked.
SELECT
  shown.uid AS user, shown.sku AS item, shown.ts AS time, shown.request AS page, shown.pos AS position,
  to_timestamp(clicks.ts::BIGINT) AS clicked
FROM read_csv('impressions.csv', header = true, all_varchar = true) AS shown
LEFT JOIN read_csv('clicks.csv', header = true, all_varchar = true) AS clicks ON clicks.request = shown.request AND clicks.sku = shown.sku
