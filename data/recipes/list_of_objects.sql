-- Reads JSON lines with a page per line. The page has a list of objects with a click flag:
-- "products": [{"id": "i1", "clicked": true}, ...].
--
--   deno task -q data log --query list_of_objects.sql
--
-- Change: the path of the file, and the names.
SELECT user.id AS user, ts AS time, product.id AS item, product.clicked AS clicked, position
FROM (
  SELECT user, ts, unnest(products) AS product, unnest(range(len(products))) AS position
  FROM read_json('objects.jsonl', format = 'newline_delimited', sample_size = -1)
)
