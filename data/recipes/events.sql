-- Reads a table of events with page ids. The column kind distinguishes displayed items from clicks.
--
--   deno task -q data log --query events.sql
--
-- Change: the names, and the values of the column kind. If events have no page id, see clicks_by_time.sql.
WITH event AS (FROM read_csv('events.csv', header = true, all_varchar = true))
SELECT
  uid AS user, sku AS item, ts AS time, request AS page, pos AS position,
  EXISTS (FROM event AS click WHERE click.kind = 'click' AND click.request = shown.request AND click.sku = shown.sku) AS clicked
FROM event AS shown
WHERE kind = 'view'
