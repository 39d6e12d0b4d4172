-- Reads a CSV file with a page per row: the items in a text such as "i1 i7 i3", and the position of the
-- clicked item, from 0; -1 for no click.
--
--   deno task -q data log --query text_lists.sql
--
-- Change: the separator of the items. If positions count from 1: position + 1 = clicked. If clicked is an id:
-- items[position + 1] = clicked. If lists look like [i1, i7]: string_split(trim(shown, '[]'), ', ').
SELECT uid AS user, ts AS time, request AS page, items[position + 1] AS item, position, position = clicked AS clicked
FROM (
  SELECT uid, ts, request, clicked::INTEGER AS clicked, string_split(shown, ' ') AS items, unnest(range(len(string_split(shown, ' ')))) AS position
  FROM read_csv('index.csv', header = true, all_varchar = true)
)
