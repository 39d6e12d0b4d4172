-- Reads a CSV file with a rating of each displayed item. Ratings of at least 4 count as clicks.
--
--   deno task -q data log --query ratings.sql
--
-- Change: the condition for a click. If some words mean a click: action IN ('buy', 'open') AS clicked. If the
-- column has the click's time: clicked_at::TIMESTAMP AS clicked, which also orders the clicks of a page.
SELECT uid AS user, sku AS item, ts AS time, stars >= 4 AS clicked, pos AS position
FROM read_csv('ratings.csv', header = true, types = {'uid': 'VARCHAR', 'sku': 'VARCHAR', 'stars': 'DOUBLE'})
