-- Reads a CSV file with a page per row: items in a text such as "i1 i7 i3", click flags such as "0 1 0".
--
--   deno task -q data log --query page_marks.sql
--
-- Change: the names, and the separator of items and flags. Lists in JSON or Parquet need no string_split.
SELECT uid AS user, ts AS time, items[position] AS item, marks[position] AS clicked, position
FROM (
  SELECT uid, ts, items, marks, unnest(range(1, len(items) + 1)) AS position
  FROM (
    SELECT uid, ts, string_split(shown, ' ') AS items, string_split(clicked, ' ') AS marks
    FROM read_csv('marks.csv', header = true, all_varchar = true)
  )
)
