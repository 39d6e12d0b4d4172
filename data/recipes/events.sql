-- One table of events: a column says whether a row is an item that was displayed, or a click. All have the id of the page.
--
--   deno task -q data log --query events.sql
--
-- Change: the names, and the values of the column kind. Events without the id of a page: join them as clicks_by_time.sql does.
WITH event AS (FROM read_csv('events.csv', header = true, all_varchar = true))
SELECT
  uid AS user, sku AS item, ts AS time, request AS page, pos AS position,
  EXISTS (FROM event AS click WHERE click.kind = 'click' AND click.request = shown.request AND click.sku = shown.sku) AS clicked
FROM event AS shown
WHERE kind = 'view'
