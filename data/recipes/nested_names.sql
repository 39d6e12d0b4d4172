-- JSON lines with nested values: {"user": {"id": "u1"}, "request": {"id": "p1", "at": ...}, "shown": {"product": ...}}.
--
--   deno task -q data log --query nested_names.sql
--
-- Change: the path of the file, and the names. Parquet's structs have the same dots, with read_parquet.
SELECT
  user.id AS user, shown.product.id AS item, request.at AS time, shown.clicked AS clicked,
  request.id AS page, shown.place AS position
FROM read_json('nested.jsonl', format = 'newline_delimited', sample_size = -1)
