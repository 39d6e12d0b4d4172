-- Reads JSON lines with nested values: {"user": {"id": "u1"}, "request": {"id": "p1", ...}, "shown": {...}}.
--
--   deno task -q data log --query nested_names.sql
--
-- Change: the path, and the names. Fields of structs in Parquet are read in the same way, by read_parquet.
SELECT
  user.id AS user, shown.product.id AS item, request.at AS time, shown.clicked AS clicked,
  request.id AS page, shown.place AS position
FROM read_json('nested.jsonl', format = 'newline_delimited', sample_size = -1)
