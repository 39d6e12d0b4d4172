-- A CSV file with a rating for each displayed item. Ratings of at least 4 count as clicks.
--
--   deno task -q data log --query ratings.sql
--
-- Change: the condition for a click. For some words: action IN ('buy', 'open'). For any value: clicked_at IS
-- NOT NULL. The time of the click (clicked_at::TIMESTAMP) also orders the clicks of a page.
SELECT uid AS user, sku AS item, ts AS time, stars >= 4 AS clicked, pos AS position
FROM read_csv('ratings.csv', header = true, types = {'uid': 'VARCHAR', 'sku': 'VARCHAR', 'stars': 'DOUBLE'})
