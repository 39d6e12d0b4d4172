-- A CSV file with a rating for each displayed item. A click is a rating of at least 4.
--
--   deno task -q data log --query ratings.sql
--
-- Change: what a click is. Some words of several: action IN ('buy', 'open'). Any value: clicked_at IS NOT NULL. The time of the click
-- (clicked_at::TIMESTAMP) also tells which click of a page came first.
SELECT uid AS user, sku AS item, ts AS time, stars >= 4 AS clicked, pos AS position
FROM read_csv('ratings.csv', header = true, types = {'uid': 'VARCHAR', 'sku': 'VARCHAR', 'stars': 'DOUBLE'})
